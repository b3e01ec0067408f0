// npm run golden -- DIR: run PyTorch's golden vectors (test/golden/README.md) against the library, on every backend.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { buildPrograms, root } from './build.js'
import { renewLibrary } from './outdated.js'
import { guardOutput } from './output.js'

const BACKENDS = ['wasm', 'reference', 'reference64']
const HELP = `npm run golden -- DIR [--backend NAME] [--only GROUP[,GROUP]]

Runs every case of DIR/index.json and compares values, gradients and trajectories with PyTorch's.

  DIR              a folder of golden vectors, such as test/golden
  --backend NAME   ${BACKENDS.join(', ')} (default: wasm and reference)
  --only GROUPS    the groups to run, such as conv or unary,binary (default: all)
  --help           this text

Exit code: 0 if no case failed, 1 if one did, 2 for wrong arguments.`

class UsageError extends Error {}

function parse(argv) {
  const options = { dir: null, backends: ['wasm', 'reference'], only: null }
  for (let i = 0; i < argv.length; i++) {
    const [name, inline] = argv[i].split(/=(.*)/s)
    if (name === '--help' || name === '-h') return 'help'
    if (name === '--backend' || name === '--only') {
      const value = inline ?? argv[++i]
      if (!value) throw new UsageError(`${name}: a value expected, got none`)
      if (name === '--only') options.only = value.split(',')
      else if (BACKENDS.includes(value)) options.backends = [value]
      else throw new UsageError(`--backend: ${BACKENDS.join(', ')} expected, got ${value}`)
    } else if (name.startsWith('-')) throw new UsageError(`${argv[i]}: unknown option; --help lists them`)
    else if (options.dir !== null) throw new UsageError(`one folder expected, got ${options.dir} and ${argv[i]}`)
    else options.dir = argv[i]
  }
  if (options.dir === null) throw new UsageError('a folder of golden vectors expected: npm run golden -- test/golden')
  return options
}

const isRecord = value => typeof value === 'object' && value !== null

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file}: a file to read expected, got ${error.code}`)
  }
}

function readIndex({ dir, only }) {
  if (!existsSync(dir)) throw new UsageError(`${dir}: there is no such folder`)
  const file = join(dir, 'index.json')
  if (!existsSync(file)) throw new UsageError(`${dir}: no index.json in this folder: is it one of golden vectors?`)
  const text = readText(file)
  let index
  try {
    index = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${file}: not JSON (${error.message})`)
  }
  const complete = Array.isArray(index?.cases) && index.cases.length > 0 && Array.isArray(index.groups) && index.groups.every(isRecord)
  if (!complete) throw new UsageError(`${file}: groups and cases expected, as test/golden/README.md describes them`)
  for (const [i, c] of index.cases.entries()) {
    if (['name', 'group', 'op'].every(key => typeof c?.[key] === 'string') && isRecord(c.args) && isRecord(c.tolerance)) continue
    throw new UsageError(`${file}: name, group, op, args and tolerance expected in cases[${i}], got ${JSON.stringify(c).slice(0, 80)}`)
  }
  const groups = new Set(index.cases.map(c => c.group))
  const unknown = (only ?? []).filter(g => !groups.has(g))
  if (unknown.length) throw new UsageError(`--only: groups of ${dir} expected (${[...groups].join(', ')}), got ${unknown.join(', ')}`)
}

/** The library, and the program that runs the cases. */
async function prepare() {
  await renewLibrary()
  await buildPrograms(['test/golden-worker.ts'], 'build/test')
}

/** Settings of the engine hold for a whole process, so each pair of backend and precision runs in a thread of its own. */
function run(job) {
  return new Promise((answer, fail) => {
    const worker = new Worker(join(root, 'build/test/golden-worker.js'), { workerData: job })
    worker.once('message', answer)
    worker.once('error', fail)
    worker.once('exit', code => fail(new Error(`the thread of ${job.backend} ended with code ${code}`)))
  })
}

const short = value => (typeof value === 'number' ? String(Number(value.toPrecision(9))) : value)

function printFailure(backend, { name, op, args, misses, error }) {
  console.log(`\nFAILED ${name} on ${backend}: ${op} ${args}`)
  if (error) console.log(`  ${error.replaceAll('\n', '\n  ')}`)
  for (const { tensor, index, got, expected, share } of misses) {
    const off = share === Infinity ? 'no deviation allowed' : `${share.toPrecision(3)} times the tolerance`
    console.log(`  ${tensor}[${index}]: got ${short(got)}, expected ${short(expected)}, ${off}`)
  }
}

function count(list, keyOf) {
  const counts = new Map()
  for (const item of list) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

async function main(argv) {
  const options = parse(argv)
  if (options === 'help') {
    console.log(HELP)
    return 0
  }
  readIndex(options)
  await prepare()
  const totals = { passed: 0, failed: 0, skipped: 0 }
  for (const backend of options.backends) {
    const start = performance.now()
    const answers = []
    for (const precise of [false, true]) answers.push(await run({ dir: resolve(options.dir), backend, precise, only: options.only }))
    const refused = answers.find(a => a.error !== null)
    if (refused) throw new Error(`${backend} can't run: ${refused.error}`)
    const results = answers.flatMap(a => a.results)
    for (const result of results) {
      totals[result.status]++
      if (result.status === 'failed') printFailure(backend, result)
    }
    console.log(`\n${backend}, ${((performance.now() - start) / 1000).toFixed(1)} s`)
    for (const [group] of count(results, r => r.group)) {
      const of = status => results.filter(r => r.group === group && r.status === status).length
      const rest = ['failed', 'skipped'].flatMap(s => (of(s) ? [`${of(s)} ${s}`] : []))
      console.log(`  ${group.padEnd(20)}${[`${of('passed')} passed`, ...rest].join(', ')}`)
    }
    const missing = count(results.filter(r => r.status === 'skipped'), r => r.subject)
    if (missing.size) console.log(`  not supported: ${[...missing].map(([name, n]) => `${name} ${n}`).join(', ')}`)
  }
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
  return totals.failed ? 1 : 0
}

guardOutput()
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`golden: ${error.message}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
