// npm run build: kernels by asc, ES modules by esbuild, declarations by tsc, everything into build/.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (...parts) => join(root, 'node_modules', ...parts)
const run = (...args) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })

/** Entry points beside the engine; they import it by its bare name. */
const PARTS = ['train', 'models', 'io', 'plot']
const shared = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  logLevel: 'warning',
  legalComments: 'none',
}

export function buildKernels() {
  mkdirSync(join(root, 'build/wasm'), { recursive: true })
  run(bin('assemblyscript', 'bin', 'asc.js'), '--target', 'simd')
}

export async function buildLibrary() {
  const options = { ...shared, platform: 'neutral', loader: { '.wasm': 'binary' }, sourcemap: false }
  await Promise.all([
    build({ ...options, entryPoints: ['ts/index.ts'], outfile: 'build/dist/hebb.js' }),
    ...PARTS.map(part => build({ ...options, entryPoints: [`ts/${part}/index.ts`], outfile: `build/dist/${part}.js`, external: ['hebb', 'hebb/*'] })),
  ])
}

/** Programs and tests for Node; they import the library as its users do. */
export async function buildPrograms(entryPoints, outdir) {
  await build({
    ...shared,
    platform: 'node',
    entryPoints,
    outdir,
    loader: { '.wasm': 'binary' },
    external: ['hebb', 'hebb/*', 'uvu', 'uvu/*', 'benchmark', 'esbuild'],
  })
}

export const typeChecker = () => ['lib/tsc.js', 'bin/tsc'].map(f => bin('typescript', f)).find(existsSync)

export function buildTypes() {
  run(typeChecker(), '-p', 'ts')
}

export const sources = folder =>
  existsSync(join(root, folder)) ? readdirSync(join(root, folder)).filter(f => f.endsWith('.ts')).map(f => join(folder, f)) : []

async function main() {
  const start = performance.now()
  rmSync(join(root, 'build'), { recursive: true, force: true })
  buildKernels()
  await buildLibrary()
  await buildPrograms(['examples/train.ts'], 'build/examples')
  buildTypes()
  const size = file => {
    const bytes = readFileSync(join(root, file))
    return `${file} ${(bytes.length / 1024).toFixed(1)} KB, ${(gzipSync(bytes, { level: 9 }).length / 1024).toFixed(1)} KB gzip`
  }
  console.log([size('build/wasm/simd.wasm'), size('build/dist/hebb.js')].join('\n'))
  console.log(`built in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

if (process.argv[1] && statSync(process.argv[1]).ino === statSync(fileURLToPath(import.meta.url)).ino) await main()
