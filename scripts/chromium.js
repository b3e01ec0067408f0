// A real Chromium for tests: the one of the machine, driven by playwright-core, which npm fetches into a cache folder in a pinned version.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { root } from './root.js'

const DRIVER = 'playwright-core@1.64.1'
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** Nothing that reaches for the network, no sandbox where tests run as root */
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
]

function executable() {
  const places = process.env.HEBB_CHROMIUM ? [process.env.HEBB_CHROMIUM] : NAMES.flatMap(name => (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, name)))
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK)
      return place
    } catch {
      // another place may have it
    }
  }
  throw new Error(`a Chromium expected, ${NAMES.join(', ')} in PATH or its path in HEBB_CHROMIUM, got none: apt-get install chromium, for instance`)
}

/** playwright-core, fetched if it isn't in the cache yet. */
function driver() {
  const folder = join(root, 'node_modules/.cache/hebb', DRIVER.replace('@', '-'))
  if (!existsSync(join(folder, 'node_modules'))) {
    mkdirSync(folder, { recursive: true })
    const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']
    execFileSync('npm', ['install', '--prefix', folder, ...options, DRIVER], { stdio: 'inherit', shell: process.platform === 'win32' })
  }
  return createRequire(join(folder, 'index.js'))('playwright-core')
}

/** A browser of playwright's; the caller closes it. */
export const launchChromium = () => driver().chromium.launch({ executablePath: executable(), args: FLAGS })
