// Runtimes and bundlers in exact versions, from the package registry into a cache folder; browsers where the machine has them.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { browserProgram, cache, installPackages } from '../fetched.js'

export { cache }
const here = dirname(fileURLToPath(import.meta.url))
export const modules = join(cache, 'node_modules')

/** Installs what package.json beside this file names, unless the cache holds just that. */
export function installRuntimes(say) {
  const files = Object.fromEntries(['package.json', 'package-lock.json'].map(file => [file, readFileSync(join(here, file), 'utf8')]))
  installPackages(cache, files, () => say(`installing runtimes and bundlers into ${cache} (about 1.3 GB, once)`))
}

const inCache = (...parts) => {
  const file = join(modules, ...parts)
  return existsSync(file) ? file : null
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
  chromium: browserProgram('chromium'),
  firefox: browserProgram('firefox'),
})

/** The version of a package in the cache */
export const versionOf = name => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version
