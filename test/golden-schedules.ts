// Golden vectors: learning-rate schedules, epoch by epoch, in double precision.

import * as hebb from 'hebb'
import { parameter, SGD, type Optimizer } from 'hebb'
import { share, type Args, type Case, type Miss } from './golden-format.js'

type Scheduler = { step(metric?: number): void }
type Make = (optimizer: Optimizer<any>, options: Args) => Scheduler

export const SCHEDULES: Record<string, Make> = {
  StepLR: (o, { step_size, gamma }) => new hebb.StepLR(o, { stepSize: step_size, gamma }),
  CosineAnnealingLR: (o, { T_max, eta_min }) => new hebb.CosineAnnealingLR(o, { tMax: T_max, etaMin: eta_min }),
}

export function runSchedule({ args, expected, tolerance }: Case): Miss[] {
  const { scheduler, base_lr, epochs, options, metrics } = args
  const optimizer = new SGD([parameter([0])], { lr: base_lr, momentum: 0.9 })
  const schedule = SCHEDULES[scheduler]!(optimizer, options)
  const got: Record<string, number[]> = { lr: [], momentum: [] }
  for (let e = 0; e < epochs; e++) {
    got['lr']!.push(optimizer.groups[0]!.lr)
    got['momentum']!.push(optimizer.groups[0]!.momentum)
    schedule.step(metrics?.[e])
  }
  return Object.entries(expected!).flatMap(([what, list]) => {
    const misses = (list as number[]).map((value, e): Miss => ({
      tensor: what, index: [e], got: got[what]![e]!, expected: value, share: share(got[what]![e]!, value, tolerance[what] ?? [0, 0]),
    }))
    const worst = misses.reduce((a, b) => (b.share > a.share ? b : a))
    return worst.share > 1 ? [worst] : []
  })
}
