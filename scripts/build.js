// npm run build: kernels by asc, ES modules by esbuild, declarations by tsc, everything into build/.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { importedKernels, inlinedKernels, namedClasses, withSharedMemory } from './plugins.js'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (...parts) => join(root, 'node_modules', ...parts)
const run = (...args) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })

/** Entry points beside the engine; they import it by its bare name. */
const PARTS = ['train', 'models', 'io', 'plot', 'worker', 'threads']
const shared = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  logLevel: 'warning',
  legalComments: 'none',
}

/** The compiled forms of the kernels: targets of asconfig.json */
const BINARIES = ['simd', 'relaxed']
const sharedFile = name => `build/wasm/${name}.shared.wasm`
export const wasmFiles = BINARIES.map(name => `build/wasm/${name}.wasm`)

export async function buildKernels() {
  mkdirSync(join(root, 'build/wasm'), { recursive: true })
  await Promise.all(BINARIES.map(async name => {
    await compile('--target', name)
    writeFileSync(join(root, sharedFile(name)), withSharedMemory(readFileSync(join(root, `build/wasm/${name}.wasm`))))
  }))
}

/** Runs AssemblyScript's compiler; several may run at a time. */
function compile(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin('assemblyscript', 'bin', 'asc.js'), ...args], { cwd: root, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve() : reject(new Error(`asc ${args.join(' ')} ended with ${code}`))))
  })
}

/** Of an uncaught error Node.js prints the line that throws: it shall begin with the message and not be the whole library. */
const breakLines = text => text.replace(/(?<=[;){}]|else )throw /g, '\nthrow ').replace(/\}(?=(?:async )?function\*? ?[\w$]+\(|var )/g, '}\n')

/** One minified file of the package */
async function buildFile(file, options) {
  const { outputFiles } = await build({ ...shared, platform: 'neutral', sourcemap: false, minify: true, write: false, outfile: file, ...options })
  mkdirSync(join(root, 'build/dist'), { recursive: true })
  writeFileSync(join(root, 'build/dist', file), breakLines(outputFiles[0].text))
}

export async function buildLibrary() {
  const engine = (file, kernels) => buildFile(file, { entryPoints: ['ts/index.ts'], plugins: [kernels, namedClasses] })
  await Promise.all([
    engine('hebb.js', inlinedKernels(root)),
    engine('hebb.workerd.js', importedKernels('', ['simd.wasm', 'relaxed.wasm'])),
    // the bundlers that know ?module compile with the Node.js they run on, and Node 20 knows no relaxed SIMD
    engine('hebb.edge.js', importedKernels('?module', ['simd.wasm'])),
    ...PARTS.map(part => buildFile(`${part}.js`, { entryPoints: [`ts/${part}/index.ts`], external: ['hebb', 'hebb/*'], plugins: [inlinedKernels(root), namedClasses] })),
  ])
  for (const file of wasmFiles) copyFileSync(join(root, file), join(root, 'build/dist', basename(file)))
}

/** Programs and tests for Node; they import the library as its users do. */
export async function buildPrograms(entryPoints, outdir) {
  await build({
    ...shared,
    platform: 'node',
    entryPoints,
    outdir,
    plugins: [inlinedKernels(root)],
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
  await buildKernels()
  await buildLibrary()
  await buildPrograms(['examples/train.ts'], 'build/examples')
  buildTypes()
  const size = file => {
    const bytes = readFileSync(join(root, file))
    return `${file} ${(bytes.length / 1024).toFixed(1)} KB, ${(gzipSync(bytes, { level: 9 }).length / 1024).toFixed(1)} KB gzip`
  }
  console.log([...wasmFiles, 'build/dist/hebb.js'].map(size).join('\n'))
  console.log(`built in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

if (process.argv[1] && statSync(process.argv[1]).ino === statSync(fileURLToPath(import.meta.url)).ino) await main()
