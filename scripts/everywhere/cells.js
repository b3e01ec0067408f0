// The list of cells, and what makes one pass.
import { MODES } from './consumer.js'
import { browserCells } from './browsers.js'
import { bundleCells } from './bundles.js'
import { edgeCells } from './edge.js'
import { run } from './processes.js'
import { serverCells } from './servers.js'
import { typeCells } from './types.js'

/**
 * A cell: its `name`; the programs it `needs`; `binary`, what info() must say in fast mode (float32: the plain kernels); `run`, which
 * gives the text that check.js printed in a mode; perhaps `parts: false` (no second entry point) and `registry`, whether there is a
 * FinalizationRegistry; `threads`, how many hebb/threads must use, or what it must say where it is refused; `worker`, whether hebb/worker
 * trains; and `row`, its name in docs/runtimes.md, or `of`, the name of the row that it belongs to. A cell of types or of a service has a `run` without modes and no binary.
 */
export const cells = [...serverCells, ...edgeCells, ...bundleCells, ...browserCells, ...typeCells]

/** Relative difference of losses that rounding may make in 20 steps; seen: 2e-7 */
const TOLERANCE = 1e-5

/** The result in what a program printed */
export function resultIn(text) {
  const line = text.split('\n').map(l => l.trim()).findLast(l => l.startsWith('HEBB ')) ?? text.trim()
  try {
    return JSON.parse(line.replace(/^HEBB /, ''))
  } catch {
    throw new Error(`no result in\n${text.slice(0, 2000)}`)
  }
}

/** What is wrong with the threads of a result: `same` if its losses must be those of one thread elsewhere. */
function threadFaults({ wrong, refused, number, losses, workers, alone }, expected, same) {
  const faults = []
  const expect = (what, wanted, got) => {
    if (!(wanted instanceof RegExp ? wanted.test(got) : got === wanted)) faults.push(`threads: ${what}: ${wanted} expected, got ${got}`)
  }
  expect('what 1.5 threads are told', 'RangeError: useThreads: a number of threads from 1 to 16 expected, got 1.5', wrong)
  if (expected instanceof RegExp) {
    expect('refusal', expected, refused)
    expect('number', 1, number)
    return faults
  }
  expect('refusal', null, refused)
  expect('number', expected, number)
  expect('losses of one', String(losses), String(alone))
  if (same) expect('losses elsewhere', String(same), String(losses))
  if (!(workers > 0)) faults.push('threads: the worker had no part in anything')
  return faults
}

/** What is wrong with a result, by comparison with that of plain SIMD. */
function faults(result, { mode, version, binary, standard, parts = true, registry, threads, worker }) {
  const wrong = []
  const expect = (what, wanted, got) => {
    if (got !== wanted) wrong.push(`${what}: ${wanted} expected, got ${got}`)
  }
  expect('mode', mode, result.mode)
  expect('version', version, result.version)
  expect('binary', mode === 'strict' && binary !== 'float32' ? 'simd' : binary, result.binary)
  expect('backend', binary === 'float32' ? 'reference' : 'wasm', result.backend)
  if ((binary === 'float32') !== (typeof result.refused === 'string')) wrong.push(`refused: ${result.refused}`)
  if (registry !== undefined) expect('FinalizationRegistry', registry, result.facts.registry)
  expect('digit recognised', result.digit, result.recognised)
  expect('weights from a file', parts ? true : null, result.saved)
  if (threads) wrong.push(...threadFaults(result.threads, threads, mode === 'strict' && standard.lenet))
  if (worker) {
    expect('backend of a function in a worker', result.backend, result.worker.backend)
    expect('losses of a function in a worker', String(result.losses), String(result.worker.losses))
    expect('reports from workers', 'begun,begun', String(result.worker.reports))
  }
  for (const [way, lost] of Object.entries(result.lost)) expect(`buffers lost by a loop that ends by ${way}`, 0, lost)
  if (standard) {
    expect('number of losses', standard.losses.length, result.losses.length)
    const same = mode === 'strict' && binary !== 'float32'
    const off = result.losses.findIndex((loss, i) => (same ? loss !== standard.losses[i] : !(Math.abs(loss / standard.losses[i] - 1) <= TOLERANCE)))
    if (off >= 0) wrong.push(`loss of step ${off + 1}: ${standard.losses[off]} expected${same ? '' : ` ± ${TOLERANCE} of it`}, got ${result.losses[off]}`)
    if (!(Math.abs(result.right - standard.right) <= (same ? 0 : 2))) wrong.push(`digits right: ${standard.right} expected, got ${result.right}`)
  } else if (!(result.losses.length === 20 && result.losses[19] < 0.8 * result.losses[0] && result.right > 0.6 * result.of)) {
    wrong.push(`learning expected, got losses ${result.losses} and ${result.right} of ${result.of} digits right`)
  }
  return wrong
}

/** What the others are compared with: plain SIMD on the Node.js that runs this. */
export async function standardResult({ folder, version }) {
  const result = resultIn(await run(process.execPath, ['strict.mjs'], { cwd: folder }))
  const wrong = faults(result, { mode: 'strict', version, binary: 'simd' })
  if (wrong.length > 0) throw new Error(`on this Node.js: ${wrong.join('\n')}`)
  return { ...result, lenet: resultIn(await run(process.execPath, ['lenet.mjs'], { cwd: folder })) }
}

/**
 * Runs a cell in both modes. Returns its results by mode.
 * @throws Error that says what is wrong
 */
export async function runCell(cell, context) {
  if (!cell.binary) return (await cell.run(context), {})
  const results = {}
  // the plain kernels are the same in both modes, and slow
  for (const mode of cell.binary === 'float32' ? MODES.slice(0, 1) : MODES) {
    const result = (results[mode] = resultIn(await cell.run(context, mode)))
    const wrong = faults(result, { ...cell, mode, version: context.version, standard: context.standard })
    if (wrong.length > 0) throw new Error(`${mode}: ${wrong.join('\n')}${result.refused ? `\nWebAssembly was refused: ${result.refused}` : ''}`)
  }
  return results
}
