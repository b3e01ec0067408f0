// LeNet-5 trained in workerd within the memory that an isolate has: 64 MB for the engine, and as much for V8.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from '../build.js'
import { serving } from '../everywhere/processes.js'
import { programs } from '../everywhere/runtimes.js'
import { LISTENING, workerdConfig } from '../everywhere/workerd.js'
import { DATES, wasmBeside } from './hosts.js'

const MB = 2 ** 20
const LIMITS = { isolate: 128, engine: 64, heap: 64 }
/** As many images as MNIST has for tests */
const IMAGES = 10000

/** Batches of 64 with Adam, an evaluation, and what the engine says of its memory */
const WORKER = `import { Adam, ArrayDataset, configure, DataLoader, info, manualSeed } from 'hebb'
import { LeNet5 } from 'hebb/models'
import { evaluate, fit } from 'hebb/train'
configure({ memory: { limit: ${LIMITS.engine * MB} } })
manualSeed(1)
const model = new LeNet5()
const optimizer = new Adam(model.parameters(), { lr: 0.001 })
const labels = Int32Array.from({ length: ${IMAGES} }, (_, i) => i % 10)
// speckled images with a bar where the label says
const values = Uint8Array.from({ length: 784 * labels.length }, (_, p) => (p * p % 97 > 80 ? 1 : 0) + (Math.floor(p % 784 / 78.4) === labels[Math.floor(p / 784)] ? 2 : 0))
const set = new ArrayDataset({ values, shape: [1, 28, 28] }, { values: labels, shape: [] })
const loader = new DataLoader(set, { batchSize: 64, shuffle: true, seed: 1 })
async function train() {
  await fit(model, loader, { optimizer, epochs: 1 })
  return Response.json({ accuracy: evaluate(model, set).accuracy, total: info().memory.total })
}
export default { fetch: request => new URL(request.url).pathname === '/train' ? train() : new Response('ready') }
`

/** Resident memory of a process in MB, now and at its highest, where /proc tells it */
function memoryOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return ['VmRSS', 'VmHWM'].map(key => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)[1]) / 1024)
  } catch {
    return [NaN, NaN]
  }
}

async function bundle(name, contents) {
  const folder = join(root, 'build/edge/isolate', name)
  mkdirSync(folder, { recursive: true })
  await build({
    stdin: { contents, resolveDir: root }, outfile: join(folder, 'worker.js'), absWorkingDir: root, bundle: true, minify: true, format: 'esm', target: 'es2022',
    conditions: ['workerd'], plugins: [wasmBeside(folder)], tsconfigRaw: '{}', logLevel: 'warning',
  })
  return folder
}

/** Starts a worker whose heap may have `heap` MB. */
function withWorker(folder, modules, heap, use) {
  writeFileSync(join(folder, 'config.capnp'), workerdConfig(modules, { date: DATES.new, flags: [`--max-heap-size=${heap}`] }))
  return serving(programs().workerd, ['serve', 'config.capnp', '--control-fd=1'], { cwd: folder, ready: LISTENING, seconds: 300 }, ([, port], child) =>
    use(async path => (await fetch(`http://127.0.0.1:${port}${path}`)).text(), child.pid))
}

/**
 * Trains LeNet-5 for an epoch and evaluates it, in a worker whose linear memory and whose heap are capped at 64 MB each, which workerd
 * obeys, and compares the process with one whose worker is empty.
 * @throws Error if it learns nothing, or takes more than the isolate has
 */
export async function trainInIsolate(say) {
  const empty = await bundle('empty', 'export default { fetch: () => new Response(1) }')
  const [idle] = await withWorker(empty, ['worker.js'], LIMITS.heap, async (ask, pid) => (await ask('/'), memoryOf(pid)))
  const folder = await bundle('lenet', WORKER)
  await withWorker(folder, ['worker.js', 'simd.wasm'], LIMITS.heap, async (ask, pid) => {
    let answer
    for (let epoch = 0; epoch < 2; epoch++) answer = JSON.parse(await ask('/train'))
    const [now, most] = memoryOf(pid)
    const linear = answer.total / MB
    say(`LeNet-5, batches of 64 of ${IMAGES} images, Adam, evaluation: ${linear.toFixed(1)} MB of linear memory`)
    say(`the process has ${now.toFixed(0)} MB, ${most.toFixed(0)} at most; ${(most - idle).toFixed(0)} more than with an empty worker`)
    if (!(answer.accuracy > 0.9)) throw new Error(`a net that has learnt expected, got an accuracy of ${answer.accuracy}`)
    if (!(linear <= LIMITS.engine)) throw new Error(`at most ${LIMITS.engine} MB of linear memory expected, got ${linear}`)
    if (most - idle > LIMITS.isolate) throw new Error(`at most ${LIMITS.isolate} MB more than an empty worker expected, got ${most - idle}`)
  })
}
