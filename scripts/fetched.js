// What scripts use beside the development packages: packages in exact versions, from the package registry in one cache folder, and the
// browsers of the machine.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** HEBB_EVERYWHERE_CACHE, or a folder of the user's cache */
export const cache = process.env.HEBB_EVERYWHERE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hebb-everywhere')

const read = file => (existsSync(file) ? readFileSync(file, 'utf8') : '')

/** Installs into a folder what `files` say, the texts of package.json and perhaps of package-lock.json, unless it holds just that; `say` hears that it begins. */
export function installPackages(folder, files, say) {
  const wanted = files['package-lock.json'] ?? files['package.json']
  const done = join(folder, 'installed.json')
  if (read(done) === wanted) return
  say()
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  // no install scripts: every package brings its program with it; not npm ci, which calls it an error that a mirror lacks packages of other platforms
  const options = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', options, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  writeFileSync(done, wanted)
}

const BROWSERS = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  firefox: ['firefox-esr', 'firefox'],
}

function runs(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where chromium or firefox is, by the variable CHROMIUM or FIREFOX or else on the PATH; null where there is none */
export function browserProgram(name) {
  const named = process.env[name.toUpperCase()]
  if (named) return named
  const folders = (process.env.PATH ?? '').split(delimiter)
  return BROWSERS[name].flatMap(file => folders.map(folder => join(folder, file))).find(runs) ?? null
}

/** Nothing but the page is asked for: no updates, no reports, no lists; no sandbox where scripts run as root */
export const QUIET_CHROMIUM = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-default-apps',
]
