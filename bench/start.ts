// Cold starts: what fresh processes take until they have imported hebb and multiplied two matrices.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { summary, WrongResult, type Timing } from './measure.js'
import type { Case, Session, Subject } from './session.js'
import { time } from './text.js'

const PROGRAM = fileURLToPath(new URL('first.js', import.meta.url))

/** Run first.ts in a process of its own. */
function fresh(what: 'empty' | 'product' | 'square'): Record<string, number> {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, what], { encoding: 'utf8' })
  const whole = performance.now() - start
  if (status !== 0) throw new Error(`start: a process that runs ${what} ended with ${status}: ${stderr}`)
  const { right = true, ...times } = JSON.parse(stdout) as Record<string, number> & { right?: boolean }
  if (!right) throw new WrongResult(`a product of ones in a fresh process is wrong (${what})`)
  return { ...times, whole }
}

const PROCESSES: Case = { name: 'fresh processes' }
const FIRST: Case = { name: 'first product of 512³' }
const COLUMNS = [['median', 8], ['', 6], ['best', 8]] as const

/** Rows of one table */
function rows(session: Session, title: string, timings: Record<string, Timing>): void {
  const list = Object.entries(timings)
  for (const [name, timing] of list) session.results.push({ subject: 'start', table: title, name, ...timing })
  session.print(title, COLUMNS, list.map(([name, { ms, error, best }]) => [name, [time(ms), `±${Math.round(error)} %`, time(best)]]))
}

/** Take `count` samples, none if a result is wrong. */
function sampled(session: Session, one: Case, count: number, sample: (i: number) => void): boolean {
  try {
    for (let i = 0; i < count; i++) {
      session.output.progress(`start: ${one.name} ${i + 1}/${count}`)
      sample(i)
    }
    return true
  } catch (error) {
    if (!(error instanceof WrongResult)) throw error
    session.refuse('start', one.name, error.message)
    return false
  } finally {
    session.output.progress('')
  }
}

/** Cold starts, each in a process of its own */
export const start: Subject = {
  name: 'start',
  about: 'process start to the first product, and how slow a first product is',
  cases: () => [PROCESSES, FIRST],
  run(session) {
    const rounds = session.effort.quick ? 4 : 15
    if (session.wants('start', PROCESSES)) {
      const empty: number[] = []
      const product: number[] = []
      const load: number[] = []
      const first: number[] = []
      const done = sampled(session, PROCESSES, rounds, () => {
        empty.push(fresh('empty').whole!)
        const times = fresh('product')
        product.push(times.whole!)
        load.push(times.load!)
        first.push(times.first!)
      })
      if (done) {
        const [without, whole] = [summary(empty), summary(product)]
        rows(session, 'fresh processes', {
          'empty process': without, 'import hebb, product of 64³': whole,
          // pair by pair; the smallest of all differences would only be the luckiest pair
          'the difference': { ...summary(product.map((ms, i) => ms - empty[i]!)), best: whole.best - without.best },
          'of which the import': summary(load), 'of which memory and the product': summary(first),
        })
      }
    }
    if (session.wants('start', FIRST)) {
      const first: number[] = []
      const steady: number[] = []
      const done = sampled(session, FIRST, Math.ceil(rounds / 2), () => {
        const times = fresh('square')
        first.push(times.first!)
        steady.push(times.steady!)
      })
      if (done) rows(session, 'product of 512³', { 'first of a process': summary(first), 'once it is warm': summary(steady) })
    }
  },
}
