// npm run build: kernels by asc, ES modules by esbuild, declarations by tsc, everything into build/.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { mayRun } from './arguments.js'
import { arranged } from './arrange.js'
import { renamed } from './names.js'
import { KERNELS } from './outdated.js'
import { packedText } from './pack.js'
import { UNPACKER, plain } from './plain.js'
import { importedKernels, inlinedKernels, kernelFiles, kernelModules, namedClasses, smallClasses, withNames } from './plugins.js'
import { root } from './root.js'
import { tokensOf } from './scopes.js'
import { writeTiles } from './tiles.js'

export { root }
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

/** The compiled forms of the kernels. The relaxed one is compiled and packed; plain() makes the other of it, here and at run time. */
const BINARIES = ['relaxed', 'simd']
const binaryFile = name => join(root, `build/wasm/${name}.wasm`)

export async function buildKernels() {
  mkdirSync(join(root, 'build/wasm'), { recursive: true })
  writeTiles()
  const unpacker = ['assembly/unpack.ts', '--config', 'none', '--runtime', 'stub', '--noAssert', '-O3', '--shrinkLevel', '1', '--use', 'abort=', '--enable', 'simd']
  await Promise.all([compile('--target', 'relaxed'), compile(...unpacker, '-o', UNPACKER)])
  const relaxed = arranged(readFileSync(binaryFile('relaxed')))
  writeFileSync(binaryFile('relaxed'), relaxed)
  writeFileSync(binaryFile('simd'), plain(relaxed))
  const parts = { size: relaxed.length, unpacker: readFileSync(join(root, UNPACKER)).toString('hex'), text: packedText(relaxed) }
  writeFileSync(join(root, KERNELS), JSON.stringify(parts))
}

/** Runs AssemblyScript's compiler; several may run at a time. */
export function compile(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin('assemblyscript', 'bin', 'asc.js'), ...args], { cwd: root, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve() : reject(new Error(`asc ${args.join(' ')} ended with ${code}`))))
  })
}

/**
 * Of an uncaught error Node.js prints the line that throws: it shall begin with the message and not be the whole library. A semicolon before it
 * may go, but for one that is the body of a loop.
 */
function breakLines(text) {
  const tokens = tokensOf(text)
  const pieces = []
  let copied = 0
  for (const [i, { text: word, start }] of tokens.entries()) {
    const [before, last] = [tokens[i - 2]?.text, tokens[i - 1]?.text]
    if (word !== 'throw' || !/^(?:[;){}]|else)$/.test(last)) continue
    pieces.push(text.slice(copied, last === ';' && before !== ')' ? tokens[i - 1].start : start))
    copied = start
  }
  return [...pieces, text.slice(copied)].join('\n')
}

/** One minified file of the package: what is to be written, and into which file */
async function buildFile(file, options) {
  const { outputFiles, metafile } = await build({
    ...shared, platform: 'neutral', sourcemap: false, minify: true, write: false, metafile: true, outfile: file, ...options,
  })
  return [[`dist/${file}`, breakLines(await renamed(withNames(outputFiles[0].text), file))], [`meta/${file}.json`, JSON.stringify(metafile)]]
}

/** Writes nothing before all is made, and last of all what scripts/outdated.js looks at: a build that ends early is done anew. */
export async function buildLibrary() {
  const engine = (file, kernels) => buildFile(file, { entryPoints: ['ts/index.ts'], plugins: [kernels, smallClasses] })
  const [marker, ...others] = (await Promise.all([
    engine('hebb.js', inlinedKernels),
    engine('hebb.modules.js', importedKernels),
    buildFile('reference.cjs', { entryPoints: ['ts/backends/reference/index.ts'], format: 'cjs' }),
    ...PARTS.map(part => buildFile(`${part}.js`, { entryPoints: [`ts/${part}/index.ts`], external: ['hebb', 'hebb/*'], plugins: [inlinedKernels, namedClasses] })),
  ])).flat()
  for (const folder of ['dist', 'meta']) mkdirSync(join(root, 'build', folder), { recursive: true })
  const write = ([file, text]) => writeFileSync(join(root, 'build', file), text)
  rmSync(join(root, 'build/dist/hebb.js'), { force: true })
  const kernels = { workerd: kernelModules(''), edge: kernelModules('?module'), node: kernelFiles() }
  for (const file of [...others, ...Object.entries(kernels).map(([name, text]) => [`dist/kernels.${name}.js`, text])]) write(file)
  for (const name of BINARIES) copyFileSync(binaryFile(name), join(root, 'build/dist', `${name}.wasm`))
  write(marker)
}

/** Programs and tests for Node; they import the library as its users do. */
export async function buildPrograms(entryPoints, outdir) {
  await build({
    ...shared,
    platform: 'node',
    entryPoints,
    outdir,
    plugins: [inlinedKernels],
    external: ['hebb', 'hebb/*', 'uvu', 'uvu/*', 'benchmark', 'esbuild'],
  })
}

export const typeChecker = () => ['lib/tsc.js', 'bin/tsc'].map(f => bin('typescript', f)).find(existsSync)

/** The names that a file of declarations exports of others, or else, as an entry, of its own */
function exportedNames(text) {
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names.split(','))
  return [...listed.map(name => name.trim().replace(/^type /, '').split(' ')[0]), ...[...text.matchAll(DECLARED)].map(([, name]) => name)]
}
const DECLARED = /^(?:export |declare |abstract )*(?:class|interface|type|function|const|enum) (\w+)/gm

/** Declarations with comments on what users can reach by name, and without on what only the engine knows. */
function commented(text, names) {
  let told = true
  let comment = []
  return text.split('\n').flatMap(line => {
    const open = comment.length > 0 && !comment.at(-1).endsWith('*/')
    if (open || /^\s*\/\*\*/.test(line)) {
      comment.push(line)
      return []
    }
    const [[, name] = []] = [...line.matchAll(DECLARED)]
    if (name) told = names.has(name) || name.endsWith('Options')
    const kept = told ? comment : []
    comment = []
    return [...kept, line]
  }).join('\n')
}

/** Declarations of the files that an entry of the package leads to: users have no use for others. */
export function buildTypes() {
  run(typeChecker(), '-p', 'ts')
  const wanted = new Map()
  const visit = file => {
    if (wanted.has(file)) return
    const text = readFileSync(file, 'utf8')
    wanted.set(file, text)
    for (const [, from] of text.matchAll(/(?:from|import\() ?['"](\.[^'"]+)\.js['"]/g)) visit(join(dirname(file), `${from}.d.ts`))
  }
  const entries = [...readFileSync(join(root, 'package.json'), 'utf8').matchAll(/build\/types\/[^"]+/g)].map(([file]) => join(root, file))
  for (const file of entries) visit(file)
  const names = new Set([...wanted].flatMap(([file, text]) => (entries.includes(file) || file.endsWith('index.d.ts') ? exportedNames(text) : [])))
  // indented by tabs, not four spaces: 7 KB of the package; comments on the engine's own were 20
  for (const [file, text] of wanted) writeFileSync(file, commented(text, names).replace(/^(?: {4})+/gm, spaces => '\t'.repeat(spaces.length / 4)))
  const folder = join(root, 'build/types')
  for (const file of readdirSync(folder, { recursive: true }).filter(f => f.endsWith('.d.ts')).map(f => join(folder, f))) if (!wanted.has(file)) rmSync(file)
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
  console.log(`built in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

if (process.argv[1] && statSync(process.argv[1]).ino === statSync(fileURLToPath(import.meta.url)).ino && mayRun('build', 'empties build/ and makes kernels, library and declarations anew')) await main()
