// npm run everywhere: a cell fails when anything in its answer is wrong, no process outlives the command, and docs/runtimes.md has the table that it writes.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** Runs a program in the repository, outside of this bundle, and reads what it prints. */
const evaluate = <T>(program: string): T => JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })) as T

interface Answer {
  [key: string]: unknown
  losses: number[]
  lost: Record<string, number>
  threads?: Record<string, unknown>
  worker?: Record<string, unknown>
}
const good: Answer = {
  mode: 'strict', version: '1.2.3', backend: 'wasm', binary: 'simd', refused: null, losses: [2, 1.5, 1], digit: 4, recognised: 4, right: 80, of: 100, saved: true,
  lost: { end: 0, throw: 0 }, facts: { registry: true },
}

/** What is said about answers of cells; null of one that passes. Each cell has the binary of its fast mode. */
function verdicts(cases: { binary?: string; fast?: Partial<Answer>; strict?: Partial<Answer>; registry?: boolean; threads?: number | string; worker?: boolean }[]): (string | null)[] {
  return evaluate(`
    import { runCell } from './scripts/everywhere/cells.js'
    const good = ${JSON.stringify(good)}
    const context = { version: '1.2.3', standard: { ...good, lenet: [3, 2] } }
    const verdicts = []
    for (const { binary = 'relaxed', fast, strict, registry, threads, worker } of ${JSON.stringify(cases)}) {
      const answer = mode => 'noise\\nHEBB ' + JSON.stringify({ ...good, mode, ...(mode === 'fast' ? { binary, ...fast } : strict) }) + '\\n'
      verdicts.push(await runCell({ binary, registry, threads: typeof threads === 'string' ? new RegExp(threads) : threads, worker, run: async (_, mode) => answer(mode) }, context).then(() => null, error => error.message))
    }
    console.log(JSON.stringify(verdicts))`)
}

test('a cell passes with the same bits in strict mode, and nearly the same losses otherwise', () => {
  assert.equal(verdicts([
    {},
    { binary: 'simd' },
    { fast: { losses: [2.00001, 1.5, 0.999995], right: 81 } },
    { binary: 'float32', strict: { backend: 'reference', binary: 'float32', refused: 'not here', losses: [2.00001, 1.5, 1] } },
    { registry: true },
  ]), [null, null, null, null, null])
})

test('a cell fails for each thing that can be wrong', () => {
  const wrong = verdicts([
    { strict: { losses: [2, 1.5, 1 + 2 ** -23] } },
    { fast: { losses: [2, 1.5, 1.0001] } },
    { fast: { losses: [2, 1.5, NaN] } },
    { strict: { losses: [2, 1.5] } },
    { strict: { right: 79 } },
    { fast: { recognised: 9 } },
    { fast: { saved: false } },
    { fast: { lost: { end: 0, throw: 1 } } },
    { fast: { binary: 'simd' } },
    { strict: { binary: 'relaxed' } },
    { fast: { backend: 'reference' } },
    { fast: { refused: 'by policy' } },
    { fast: { version: '1.2.2' } },
    { fast: { mode: 'strict' } },
    { registry: false },
  ])
  const said = [
    'strict: loss of step 3: 1 expected, got 1.0000001', 'fast: loss of step 3', 'fast: loss of step 3', 'strict: number of losses', 'strict: digits right: 80 expected, got 79',
    'fast: digit recognised', 'fast: weights from a file', 'fast: buffers lost by a loop that ends by throw: 0 expected, got 1', 'fast: binary: relaxed expected, got simd', 'strict: binary',
    'fast: backend', 'fast: refused: by policy', 'fast: version', 'fast: mode', 'strict: FinalizationRegistry',
  ]
  wrong.forEach((text, i) => assert.ok(text?.startsWith(said[i]!), `${said[i]} expected, got ${text}`))
})

const two = { wrong: 'RangeError: useThreads: a number of threads from 1 to 16 expected, got 1.5', refused: null, number: 2, losses: [3, 2], workers: 7, alone: [3, 2] }
const refused = { wrong: two.wrong, refused: 'Error: useThreads: no', number: 1 }
const trained = { backend: 'wasm', losses: good.losses, reports: ['begun', 'begun'] }
/** The same answers in both modes */
const both = (answer: Partial<Answer>) => ({ fast: answer, strict: answer })

test('cells of threads and workers pass with the same bits, or the refusal that is expected', () => {
  assert.equal(verdicts([
    { threads: 2, ...both({ threads: two }) },
    { threads: 2, strict: { threads: two }, fast: { threads: { ...two, losses: [3, 2.5], alone: [3, 2.5] } } },
    { threads: 'no$', ...both({ threads: refused }) },
    { worker: true, ...both({ worker: trained }) },
  ]), [null, null, null, null])
})

test('they fail for each thing that can be wrong', () => {
  const wrong = verdicts([
    { threads: 2, ...both({ threads: refused }) },
    { threads: 2, ...both({ threads: { ...two, number: 1 } }) },
    { threads: 2, ...both({ threads: { ...two, workers: 0 } }) },
    { threads: 2, ...both({ threads: { ...two, alone: [3, 2.5] } }) },
    { threads: 2, ...both({ threads: { ...two, losses: [3, 2.5], alone: [3, 2.5] } }) },
    { threads: 2, ...both({ threads: { ...two, wrong: null } }) },
    { threads: 'yes', ...both({ threads: refused }) },
    { threads: 'no', ...both({ threads: { ...two } }) },
    { worker: true, ...both({ worker: { ...trained, losses: [2, 1.5] } }) },
    { worker: true, ...both({ worker: { ...trained, reports: ['begun'] } }) },
  ])
  const said = [
    'strict: threads: refusal: null expected, got Error: useThreads: no', 'strict: threads: number: 2 expected, got 1', 'strict: threads: the worker had no part', 'strict: threads: losses of one: 3,2 expected, got 3,2.5',
    'strict: threads: losses elsewhere', 'strict: threads: what 1.5 threads are told', 'strict: threads: refusal: /yes/ expected', 'strict: threads: refusal: /no/ expected, got null',
    'strict: losses of a function in a worker', 'strict: reports from workers',
  ]
  wrong.forEach((text, i) => assert.ok(text?.startsWith(said[i]!), `${said[i]} expected, got ${text}`))
})

test('Ctrl-C and SIGTERM end the processes that were started, after which the command ends', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  // a child that stays connected while it lives
  const child = `require('net').connect(${(server.address() as AddressInfo).port}, '127.0.0.1')`
  const program = `
    import { endAll, onSignals, run } from './scripts/everywhere/processes.js'
    onSignals(endAll)
    await run(process.execPath, ['-e', ${JSON.stringify(child)}])`
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const command = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    const [socket] = (await once(server, 'connection')) as [Socket]
    const gone = once(socket.on('error', () => {}).resume(), 'close')
    command.kill(signal)
    assert.equal(await once(command, 'exit'), [code, null])
    await gone
  }
  server.close()
})

test('docs/runtimes.md has a row for each runtime and the columns that the command writes', () => {
  const { headings, rows, names } = evaluate<{ headings: string[]; rows: string[]; names: string[] }>(`
    import { cells } from './scripts/everywhere/cells.js'
    import { headings } from './scripts/everywhere/table.js'
    console.log(JSON.stringify({ headings, rows: cells.filter(cell => cell.row).map(cell => cell.row), names: cells.map(cell => cell.name) }))`)
  const table = readFileSync('docs/runtimes.md', 'utf8').split('\n').filter(line => line.startsWith('|')).map(line => line.split('|').slice(1, -1).map(text => text.trim()))
  assert.equal(table[0], headings)
  assert.equal(table.slice(2).map(([name]) => name), rows)
  for (const row of table.slice(2)) assert.ok(row.length === headings.length && row.every(text => text !== ''), row.join(' | '))
  assert.is(new Set(names).size, names.length)
  for (const runtime of ['node20', 'node26', 'deno', 'bun', 'workerd', 'wrangler', 'edge-runtime', 'quickjs', 'bundle', 'chromium', 'firefox', 'types']) {
    assert.ok(names.some(name => name.startsWith(runtime)), runtime)
  }
})

test.run()
