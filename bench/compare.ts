// A run as a file, and how a run differs from an earlier one.

import { readFileSync } from 'node:fs'
import { OptionError } from './options.js'
import type { Result, Session } from './session.js'
import { digits, time } from './text.js'

const FORMAT = 'hebb bench 1'

export interface Machine {
  cpu: string
  cores: number
  system: string
  node: string
  v8: string
  hebb: string
  backend: string
  binary: string
  threads: number
}
export interface Run {
  format: string
  date: string
  quick: boolean
  machine: Machine
  /** C at the beginning, GFLOP/s */
  peak: number
  results: Result[]
  refused: { subject: string; name: string; why: string }[]
}

/** What --json writes */
export const runOf = (session: Session, machine: Machine, peak: number, date: string): Run =>
  ({ format: FORMAT, date, quick: session.effort.quick, machine, peak, results: session.results, refused: session.refused })

/** Reads what --json wrote. @throws OptionError */
export function readRun(file: string): Run {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new OptionError(`--compare ${file}: expected a file to read, got ${(error as NodeJS.ErrnoException).code}`)
  }
  try {
    const run = JSON.parse(text) as Run
    if (run.format === FORMAT && Array.isArray(run.results)) return run
  } catch {
    // not JSON: the same answer as for JSON of something else
  }
  throw new OptionError(`--compare ${file}: expected the results that --json wrote`)
}

export interface Difference {
  name: string
  before: number
  now: number
  /** Speed now over speed then, each as a share of its peak where both have one, so that a slow phase of the machine cancels out */
  ratio: number
  flag: '' | 'faster' | 'slower' | 'disturbed'
}

/** Changes beyond this are flagged. */
const NOTABLE = 1.1
/** With less of a core than this a result is disturbed: C, which takes a moment, doesn't see that others run in between. */
export const UNDISTURBED = 0.9

/** Results that both runs have. */
export function differences(before: readonly Result[], now: readonly Result[]): Difference[] {
  const key = ({ subject, name }: Result) => `${subject}/${name}`
  const old = new Map(before.map(result => [key(result), result]))
  return now.flatMap(result => {
    const was = old.get(key(result))
    if (!was) return []
    const relative = was.peak > 0 && result.peak > 0
    const ratio = (was.best / result.best) * (relative ? was.peak / result.peak : 1)
    const changed = ratio > NOTABLE ? 'faster' : ratio < 1 / NOTABLE ? 'slower' : ''
    const flag = changed && Math.min(was.core, result.core) < UNDISTURBED ? 'disturbed' : changed
    return [{ name: key(result), before: was.best, now: result.best, ratio, flag } as const]
  })
}

/** The table that --compare adds */
export function printDifferences(session: Session, run: Run, list: readonly Difference[]): void {
  const { line } = session.output
  line('')
  if (list.length === 0) return line('nothing to compare: no result of this run is in the earlier one')
  line(`compared with the run of ${run.date} (${run.machine.binary}, Node ${run.machine.node}); best times, ratios as shares of C:`)
  const cells = (d: Difference) => [time(d.before), time(d.now), `${digits(d.ratio)} ×`, d.flag]
  session.print('', [['then', 8], ['now', 8], ['speed', 7], ['', 9]], list.map(d => [d.name, cells(d)]))
  const count = (flag: string) => list.filter(d => d.flag === flag).length
  line(`\n${list.length} compared, ${count('faster')} faster and ${count('slower')} slower by more than 10 %`)
  if (count('disturbed')) line(`${count('disturbed')} more differ, but other work had a part of the core in one of the runs`)
}
