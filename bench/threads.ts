// One thread next to all: the same work in turns in a process of its own, since threads are chosen once for an engine.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { summary } from './measure.js'
import type { Case, Subject } from './session.js'
import { digits, time } from './text.js'

const PROGRAM = fileURLToPath(new URL('together.js', import.meta.url))
const WORK: Case = { name: 'one thread next to all' }
const COLUMNS = [['one', 8], ['best', 8], ['all', 8], ['best', 8], ['ratio', 6], ['of best', 8], ['processors', 10]] as const

interface Output {
  threads: number
  results: Record<string, { one: number[]; all: number[]; limit: number }>
}

/** One thread next to all */
export const threads: Subject = {
  name: 'threads',
  about: 'products, a convolution and training steps with one thread and with all (hebb/threads)',
  cases: () => [WORK],
  run(session) {
    if (!session.wants('threads', WORK)) return
    session.output.progress(`threads: ${WORK.name}`)
    const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, session.effort.quick ? '200' : '1200'], { encoding: 'utf8' })
    session.output.progress('')
    if (status !== 0) {
      session.output.line(`\n${WORK.name}: ${/^Error: (.*)$/m.exec(stderr)?.[1] ?? stderr}`)
      return
    }
    const { threads, results } = JSON.parse(stdout) as Output
    const title = `one thread, ${threads} threads`
    session.print(title, COLUMNS, Object.entries(results).map(([name, { one, all, limit }]) => {
      const [alone, together] = [summary(one), summary(all)]
      for (const [how, timing] of [['one thread', alone], [`${threads} threads`, together]] as const) {
        session.results.push({ subject: 'threads', table: title, name: `${name}: ${how}`, ...timing })
      }
      return [name, [time(alone.ms), time(alone.best), time(together.ms), time(together.best), `${digits(alone.ms / together.ms)}×`, `${digits(alone.best / together.best)}×`, `${digits(limit)}×`]]
    }))
  },
}
