// What of build/ is older than its sources, and making that anew.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.js'

/** What buildKernels() writes last */
export const KERNELS = 'build/wasm/kernels.json'
/** What takes part in making the library */
const BUILDERS = ['build', 'plugins', 'pack', 'plain', 'arrange', 'locals', 'names', 'scopes', 'tiles', 'wasm', 'leb'].map(name => `scripts/${name}.js`)
/** What the library is made of, but for its kernels */
const LIBRARY = ['ts', 'assembly/codes.ts']

/** Newest change below the paths, in ms; 0 where nothing is */
function changed(...paths) {
  let newest = 0
  for (const path of paths.map(p => join(root, p)).filter(existsSync)) {
    const stats = statSync(path)
    const inside = stats.isDirectory() ? readdirSync(path, { recursive: true, withFileTypes: true }).filter(f => f.isFile()) : []
    newest = Math.max(newest, stats.isFile() ? stats.mtimeMs : 0, ...inside.map(f => statSync(join(f.parentPath ?? f.path, f.name)).mtimeMs))
  }
  return newest
}

/** Is a file of build/ missing, or older than one of its sources? */
export const outdated = (result, ...sources) => !existsSync(join(root, result)) || changed(result) < changed(...BUILDERS, ...sources)

export const typesOutdated = () => outdated('build/types/ts/index.d.ts', ...LIBRARY)

/** The compilers take longer to load than looking whether they are needed. */
const builders = () => import('./build.js')

/** Kernels and library */
export async function renewLibrary() {
  if (outdated(KERNELS, 'assembly', 'asconfig.json')) await (await builders()).buildKernels()
  if (outdated('build/dist/hebb.js', ...LIBRARY, KERNELS)) await (await builders()).buildLibrary()
}

/** Library and main job */
export async function renewMainJob() {
  await renewLibrary()
  if (outdated('build/examples/train.js', 'examples', 'scripts/output.js')) await (await builders()).buildPrograms(['examples/train.ts'], 'build/examples')
}

/** The page and, where that is outdated, the library in it */
export function renewPage() {
  const sources = ['examples/page', 'examples/data/digits', ...LIBRARY, 'assembly', 'asconfig.json']
  if (outdated('build/page.html', ...sources)) execFileSync(process.execPath, [join(root, 'examples/page/build.js')], { stdio: 'inherit' })
}

/** For programs that renew first: ends this one in a line, after what the compiler has said. */
export function endWith(command) {
  return error => {
    const missing = error.code === 'ERR_MODULE_NOT_FOUND'
    console.error(`npm ${command}: ${missing ? 'expected the compilers of package.json, got none: npm ci installs them' : `the build failed: ${error.message.split('\n')[0]}`}`)
    process.exit(1)
  }
}

/** All that is packed: the declarations too */
export async function renewPackage() {
  await renewLibrary()
  if (typesOutdated()) (await builders()).buildTypes()
}
