// A real Chromium for tests: the one of the machine, driven by playwright-core.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { browserProgram, cache, installPackages, QUIET_CHROMIUM } from './fetched.js'

const VERSION = '1.64.1'

/** playwright-core, fetched if it isn't in the cache yet */
function driver() {
  const folder = join(cache, `playwright-core-${VERSION}`)
  const description = JSON.stringify({ private: true, dependencies: { 'playwright-core': VERSION } })
  installPackages(folder, { 'package.json': description }, () => console.log(`installing playwright-core into ${folder}`))
  return createRequire(join(folder, 'index.js'))('playwright-core')
}

/** A browser of playwright's; the caller closes it. */
export function launchChromium() {
  const executablePath = browserProgram('chromium')
  if (!executablePath) throw new Error('a Chromium expected, on the PATH or named by CHROMIUM, got none: apt-get install chromium, for instance')
  return driver().chromium.launch({ executablePath, args: QUIET_CHROMIUM })
}
