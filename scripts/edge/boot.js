// How long workerd takes from its start to its first answer: with an empty worker, and with one that multiplies matrices by hebb.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { build } from 'esbuild'
import { root } from '../build.js'
import { programs } from '../everywhere/runtimes.js'
import { LISTENING, workerdConfig } from '../everywhere/workerd.js'
import { DATES, wasmBeside } from './hosts.js'

const RUNS = 15

/** What each worker answers, and the answer. `import` only loads the library. */
const WORKERS = {
  empty: ['', "'1'", '1'],
  import: ["import { tensor } from 'hebb'", 'typeof tensor', 'function'],
  product: ["import { ones } from 'hebb'", 'String(ones([64, 64]).matmul(ones([64, 64])).sum().item())', '262144'],
}

async function prepare(name, [imports, value]) {
  const folder = join(root, 'build/edge/boot', name)
  mkdirSync(folder, { recursive: true })
  const contents = `${imports}\nexport default { fetch: () => new Response(${value}) }`
  await build({
    stdin: { contents, resolveDir: root }, outfile: join(folder, 'worker.js'), absWorkingDir: root, bundle: true, minify: true, format: 'esm', target: 'es2022',
    conditions: ['workerd'], plugins: [wasmBeside(folder)], tsconfigRaw: '{}', logLevel: 'warning',
  })
  const files = imports ? ['worker.js', 'simd.wasm'] : ['worker.js']
  writeFileSync(join(folder, 'config.capnp'), workerdConfig(files, { date: DATES.new }))
  return folder
}

const text = url =>
  new Promise((resolve, reject) => {
    get(url, { agent: false }, async response => resolve((await response.toArray()).join(''))).on('error', reject)
  })

/** Milliseconds from the start of the process until it listens, and until it has answered */
async function boot(folder, wanted) {
  const began = performance.now()
  const child = spawn(programs().workerd, ['serve', 'config.capnp', '--control-fd=1'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  try {
    let output = ''
    let port
    for await (const part of child.stdout) {
      output += part
      port = LISTENING.exec(output)?.[1]
      if (port) break
    }
    if (!port) throw new Error(`boot: workerd didn't listen: ${output}`)
    const listening = performance.now()
    const answer = await text(`http://127.0.0.1:${port}/`)
    const answered = performance.now()
    if (answer !== wanted) throw new Error(`boot: ${wanted} expected, got ${answer}`)
    return { listening: listening - began, answered: answered - began }
  } finally {
    process.off('exit', kill)
    kill()
    if (child.exitCode === null) await once(child, 'exit')
  }
}

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/** Starts the workers in turns, so that all meet the same weather, and prints medians and minima. */
export async function compareBoots(say) {
  const folders = {}
  for (const [name, worker] of Object.entries(WORKERS)) folders[name] = await prepare(name, worker)
  const seen = Object.fromEntries(Object.keys(WORKERS).map(name => [name, []]))
  for (let i = 0; i <= RUNS; i++) {
    for (const [name, [, , wanted]] of Object.entries(WORKERS)) {
      const times = await boot(folders[name], wanted)
      // the first start reads the program from the disk
      if (i > 0) seen[name].push(times)
    }
  }
  const column = (name, key) => seen[name].map(times => times[key])
  for (const name of Object.keys(WORKERS)) {
    const [listening, answered] = [column(name, 'listening'), column(name, 'answered')]
    const over = reduce => (reduce(answered) - reduce(column('empty', 'answered'))).toFixed(1)
    const least = values => Math.min(...values)
    say(`${name.padEnd(8)} listens after ${median(listening).toFixed(1)} ms, answers after ${median(answered).toFixed(1)} ms (least ${least(answered).toFixed(1)}): ${over(median)} ms more than the empty worker (least ${over(least)})`)
  }
}
