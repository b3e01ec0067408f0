// Runtimes and bundlers in exact versions, from the package registry into a cache folder; browsers where the machine has them.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** HEBB_EVERYWHERE_CACHE, or a folder of the user's cache */
export const cache = process.env.HEBB_EVERYWHERE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hebb-everywhere')
export const modules = join(cache, 'node_modules')

const read = file => (existsSync(file) ? readFileSync(file, 'utf8') : '')

/** Installs what package.json beside this file names, unless the cache holds just that. */
export function installRuntimes(say) {
  const wanted = read(join(here, 'package-lock.json'))
  const done = join(cache, 'installed.json')
  if (read(done) === wanted) return
  say(`installing runtimes and bundlers into ${cache} (about 1.3 GB, once)`)
  mkdirSync(cache, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(here, file), join(cache, file))
  // no install scripts: every package brings its program with it; not npm ci, which calls it an error that a mirror lacks packages of other platforms
  const options = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', options, { cwd: cache, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  writeFileSync(done, wanted)
}

const inCache = (...parts) => {
  const file = join(modules, ...parts)
  return existsSync(file) ? file : null
}

/** The first program of these names on the PATH */
function onPath(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const name of names) for (const folder of folders) if (existsSync(join(folder, name))) return join(folder, name)
  return null
}

/** Where each program is, null where it can't be had on this machine */
export const programs = () => ({
  node20: inCache('node20/bin/node'),
  node22: inCache('node22/bin/node'),
  node24: inCache('node24/bin/node'),
  node26: inCache('node26/bin/node'),
  deno: inCache('@deno/linux-x64-glibc/deno'),
  bun: inCache('@oven/bun-linux-x64/bin/bun'),
  workerd: inCache('@cloudflare/workerd-linux-64/bin/workerd'),
  chromium: process.env.CHROMIUM || onPath('chromium', 'chromium-browser', 'google-chrome'),
  firefox: process.env.FIREFOX || onPath('firefox-esr', 'firefox'),
})

/** The version of a package in the cache */
export const versionOf = name => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version
