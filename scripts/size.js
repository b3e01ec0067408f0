// npm run size: what the built package weighs, against its budgets, and what weighs most. Fails above a budget.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { mayRun } from './arguments.js'
import { arranged } from './arrange.js'
import { compile } from './build.js'
import { endWith, renewPackage } from './outdated.js'
import { guardOutput } from './output.js'
import { plain } from './plain.js'
import { root } from './root.js'
import { functionsOf } from './wasm.js'

const KB = 1024
const dist = file => readFileSync(join(root, 'build/dist', file))
const zipped = bytes => gzipSync(bytes, { level: 9 }).length
const shown = bytes => (bytes < KB ? `${bytes} B` : `${(bytes / KB).toFixed(1)} KB`)

/** What a bundler makes of a program, with one of the engine's files */
async function bundled(contents, engine) {
  const built = {
    name: 'built files',
    setup: ({ onResolve }) => onResolve({ filter: /^hebb(\/models)?$/ }, ({ path }) => ({ path: join(root, 'build/dist', path === 'hebb' ? engine : 'models.js'), sideEffects: false })),
  }
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root }, plugins: [built], external: ['hebb/kernels'], bundle: true, format: 'esm', minify: true, write: false, logLevel: 'silent',
  })
  return outputFiles[0].contents
}

/** What a bundle weighs that imports hebb and doesn't use it */
async function unusedImport() {
  const bundle = await bundled(`import { tensor, Linear } from 'hebb'\nimport { LeNet5 } from 'hebb/models'\nconsole.log(1)`, 'hebb.js')
  return bundle.length - 'console.log(1);\n'.length
}

/** The JavaScript of a Worker that answers with a convolutional net, as it is deployed: what it doesn't use is left out */
const WORKER = `import { Conv2d, Flatten, Linear, MaxPool2d, noGrad, ReLU, Sequential, tensor } from 'hebb'
const net = new Sequential(new Conv2d(1, 6, 5), new ReLU(), new MaxPool2d(2), new Flatten(), new Linear(864, 10))
export default {
  async fetch(request) {
    const image = await request.json()
    return Response.json(noGrad(() => net.forward(tensor(image)).array()))
  },
}`

/** What npm would publish: the bytes of the archive, and of what it unpacks to */
function wholePackage() {
  // prepare would build everything anew
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], shell: process.platform === 'win32',
  })
  const [{ size, unpackedSize }] = JSON.parse(output)
  return { size, unpackedSize }
}

/** Budgets hold what is reached (docs/adr/007 says what bounds it); `aim`, where there is one, is what hebb shall weigh one day. */
async function measured() {
  const { size, unpackedSize } = wholePackage()
  return [
    { what: 'hebb, kernels inside, gzip', size: zipped(dist('hebb.js')), budget: 100 * KB, aim: 80 * KB },
    { what: 'hebb for workerd, without binaries, gzip', size: zipped(dist('hebb.modules.js')), budget: 63.5 * KB, aim: 45 * KB },
    { what: 'of which a Worker that infers is bundled with', size: zipped(await bundled(WORKER, 'hebb.modules.js')), budget: 38 * KB },
    { what: 'relaxed.wasm, gzip', size: zipped(dist('relaxed.wasm')), budget: 34 * KB, aim: 18 * KB },
    { what: 'simd.wasm, gzip', size: zipped(dist('simd.wasm')), budget: 35 * KB, aim: 18 * KB },
    { what: 'an import that is not used', size: await unusedImport(), budget: 100 },
    { what: 'the whole package as published', size, budget: 400 * KB },
    { what: 'the whole package, unpacked', size: unpackedSize, budget: 1e6 },
  ]
}

const table = rows => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map(row => row[i].length)))
  return rows.map(row => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ').trimEnd()).join('\n')
}

async function main() {
  await renewPackage().catch(endWith('run size'))
  const results = await measured()
  console.log(table([
    ['', 'size', 'budget', 'aim'],
    ...results.map(({ what, size, budget, aim }) => [what, shown(size), shown(budget), aim ? shown(aim) : '']),
  ]))

  console.log('\nfiles of the package\n')
  const files = readdirSync(join(root, 'build/dist')).sort()
  console.log(table([['', 'size', 'gzip'], ...files.map(file => [file, shown(dist(file).length), shown(zipped(dist(file)))])]))

  console.log('\nthe largest of hebb.js, minified\n')
  const { outputs } = JSON.parse(readFileSync(join(root, 'build/meta/hebb.js.json'), 'utf8'))
  const inputs = Object.entries(outputs['hebb.js'].inputs).map(([file, { bytesInOutput }]) => [file.replace(/^packed:.*/, 'kernels, packed'), bytesInOutput])
  const largest = list => list.sort((a, b) => b[1] - a[1]).slice(0, 12).map(([name, bytes]) => [name, shown(bytes)])
  console.log(table(largest(inputs)))

  console.log('\nthe largest functions of simd.wasm\n')
  await compile('--target', 'relaxed', '--debug', '--outFile', 'build/wasm/named.wasm')
  console.log(table(largest(functionsOf(plain(arranged(readFileSync(join(root, 'build/wasm/named.wasm'))))))))

  const above = results.filter(({ size, budget }) => size > budget)
  for (const { what, size, budget } of above) console.error(`\n${what}: ${shown(size)}, ${shown(size - budget)} above its budget`)
  process.exitCode = above.length > 0 ? 1 : 0
}

guardOutput()
if (mayRun('size', 'what the built package weighs, against its budgets, and what weighs most')) await main()
