// docs/runtimes.md: what each runtime has, from the results of a run.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../build.js'
import { versionOf } from './runtimes.js'

const FILE = join(root, 'docs/runtimes.md')
const yes = value => (value ? 'yes' : '–')
const KERNELS = { relaxed: 'relaxed SIMD', simd: 'SIMD', float32: 'plain TypeScript' }

/** Heading of a column, and its text from a cell, its result and the other cells of its row, which have passed */
const COLUMNS = {
  Runtime: cell => cell.row,
  Version: (cell, { facts }) => (cell.package ? versionOf(cell.package) : facts.version) ?? '',
  Engine: (cell, { facts }) => cell.engine ?? facts.engine ?? '',
  Kernels: (_, { binary }) => KERNELS[binary],
  'Fused multiply-add': (_, { facts }) => yes(facts.fused),
  Threads: (_, { facts }) => facts.threads || '–',
  'Shared memory': (_, { facts }) => yes(facts.shared),
  'hebb/threads': (_, __, cells) => yes(cells.some(({ threads }) => threads > 1)),
  'hebb/worker': (_, __, cells) => yes(cells.some(({ worker }) => worker)),
  WebGPU: (_, { facts }) => yes(facts.webgpu),
  'Code from text': (_, { facts }) => yes(facts.evaluates),
  FinalizationRegistry: (_, { facts }) => yes(facts.registry),
  'Linear memory': (_, { facts }) => (facts.memory === null ? '–' : `${facts.memory} GiB`),
}
export const headings = Object.keys(COLUMNS)

const line = parts => `| ${parts.join(' | ')} |`

/** Puts the table of a run in place of the one in docs/runtimes.md. */
export function writeTable(results) {
  const rows = [...results].filter(([cell]) => cell.row)
  const others = ({ row }) => [...results.keys()].filter(({ of }) => of && (row === of || row.startsWith(`${of}, `)))
  const table = [line(headings), line(headings.map(() => '---')), ...rows.map(([cell, { fast, strict }]) => line(headings.map(h => COLUMNS[h](cell, fast ?? strict, others(cell)))))]
  const text = readFileSync(FILE, 'utf8').split('\n')
  const isRow = l => l.startsWith('|')
  const first = text.findIndex(isRow)
  const after = text.findIndex((l, i) => i > first && !isRow(l))
  writeFileSync(FILE, [...text.slice(0, first), ...table, ...text.slice(after)].join('\n'))
}
