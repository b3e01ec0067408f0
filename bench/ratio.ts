// How much longer a backward pass takes than a forward pass, beside the ratio of their operations. Convolutions are computed directly: Winograd's
// algorithm spares each pass another share of them.

import { directly } from './direct.js'
import { measure, median, summary } from './measure.js'
import { NETWORKS, verify } from './nets.js'
import { forget, timedStep } from './networks.js'
import type { Subject } from './session.js'
import { digits, time } from './text.js'

const COLUMNS = [['forward', 8], ['backward', 8], ['ratio', 7], ['by FLOPs', 9], ['excess', 7]] as const

/** Backward over forward time, eager, without the optimizer */
export const ratio: Subject = {
  name: 'ratio',
  about: 'backward over forward time, beside the ratio of their operations',
  cases: () => NETWORKS,
  run(session) {
    session.table('ratio', 'backward over forward, without Winograd', COLUMNS, NETWORKS, (network, add) => {
      const { parts, step, flops } = timedStep(network, false)
      const whole = measure({ check: () => directly(() => verify(network)), run: () => directly(step), warm: () => forget(parts) }, session.effort)
      const forward = summary(parts.forward, whole)
      const backward = summary(parts.backward, whole)
      add(`${network.name}: forward`, { ...forward, flops: flops.forward })
      add(`${network.name}: backward`, { ...backward, flops: flops.backward })
      // pass by pass: a slow phase of the machine covers both
      const measured = median(parts.forward.map((ms, i) => parts.backward[i]! / ms))
      const expected = flops.backward / flops.forward
      return [time(forward.ms), time(backward.ms), digits(measured), digits(expected), digits(measured / expected)]
    })
  },
}
