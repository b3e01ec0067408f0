// Golden vectors: learning-rate schedules, epoch by epoch, in double precision.

import * as hebb from 'hebb'
import { parameter, SGD, type Optimizer, type Schedule } from 'hebb'
import { share, type Args, type Case, type Miss } from './golden-format.js'
import { camelCase } from './golden-ops.js'

type Make = (optimizer: Optimizer<any>, options: any) => Schedule
const plain = (S: new (optimizer: Optimizer<any>, options: any) => Schedule): Make => (optimizer, options) => new S(optimizer, camelCase(options))

export const SCHEDULES: Record<string, Make> = {
  StepLR: plain(hebb.StepLR), MultiStepLR: plain(hebb.MultiStepLR), ExponentialLR: plain(hebb.ExponentialLR), LinearLR: plain(hebb.LinearLR),
  ConstantLR: plain(hebb.ConstantLR), PolynomialLR: plain(hebb.PolynomialLR), OneCycleLR: plain(hebb.OneCycleLR),
  ReduceLROnPlateau: plain(hebb.ReduceLROnPlateau),
  CosineAnnealingLR: (o, { T_max, eta_min }) => new hebb.CosineAnnealingLR(o, { tMax: T_max, etaMin: eta_min }),
  CosineAnnealingWarmRestarts: (o, { T_0, T_mult, eta_min }) => new hebb.CosineAnnealingWarmRestarts(o, { t0: T_0, tMult: T_mult, etaMin: eta_min }),
  CyclicLR: (o, options) => new hebb.CyclicLR(o, { ...camelCase(options), ...(options.mode === 'exp_range' && { mode: 'expRange' }) } as hebb.CyclicLROptions),
  LambdaLR: (o, { lambda }) => new hebb.LambdaLR(o, new Function('epoch', `return ${lambda}`) as (t: number) => number),
  SequentialLR: (o, { schedulers, milestones }) =>
    new hebb.SequentialLR(o, { milestones, schedules: schedulers.map(({ scheduler, options }: Args) => SCHEDULES[scheduler]!(o, options)) }),
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
