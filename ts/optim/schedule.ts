// Learning-rate schedules, in order of increasing complexity.

import { hostWork } from '../memory.js'
import { cos, pow } from '../numerics.js'
import { demand, isWhole, requireCount, requireOptions, requirePositive, requireShare } from '../shape.js'
import { type GroupOptions, type Optimizer } from './optimizer.js'

type Cycled = GroupOptions & { momentum?: number; betas?: readonly [number, number] }

/** @throws RangeError unless a state can be of its schedule */
export const demandSaved = (holds: boolean, saved: readonly unknown[]): void => demand(holds, `restore: what save() of this schedule gave expected, got [${saved}]`)

/** Sets the learning rate of each group to a function of the number of step() calls and the group's initial rate. */
export abstract class Schedule {
  /** The rates of the groups that it starts from: those when it was made, or a saved state's */
  initial: readonly number[]
  #steps = 0
  constructor(readonly optimizer: Optimizer<any>) {
    this.initial = optimizer.groups.map(g => g.lr as number)
  }
  /** The rate after t steps, from the initial one. */
  abstract rate(initial: number, t: number): number
  /** The momentum (an Adam's first beta) after t steps, or null: it is left alone. */
  momentum(_t: number): number | null {
    return null
  }

  get steps(): number {
    return this.#steps
  }
  /** Move on by one: once an epoch, or once a batch, as the schedule was dimensioned. `metric` is for ReduceLROnPlateau. */
  step(_metric?: number): void {
    hostWork(() => this.goTo(this.#steps + 1))
  }
  /** What a checkpoint needs to go on from here: numbers that JSON keeps, and null. */
  save(): (number | null)[] {
    return [this.#steps, ...this.initial]
  }
  /** Can restore() take this state? A subclass that saves something else has a check() of its own. @throws RangeError if it is another schedule's */
  check(saved: readonly (number | null)[]): void {
    const [steps, ...initial] = saved as number[]
    // states of old have no rates
    demandSaved(isWhole(steps!, 0) && [0, this.initial.length].includes(initial.length) && initial.every(lr => Number.isFinite(lr) && lr >= 0), saved)
  }
  /** Go on from a saved state. @throws as check() */
  restore(saved: readonly (number | null)[]): void {
    this.check(saved)
    const [steps, ...initial] = saved as number[]
    if (initial.length > 0) this.initial = initial
    this.goTo(steps!)
  }
  /** Count steps without setting rates. */
  protected advance(t: number): void {
    this.#steps = t
  }
  /** Set the rates to those after t steps, to resume. */
  goTo(t: number): void {
    this.#steps = t
    const momentum = this.momentum(t)
    this.optimizer.groups.forEach((group: Cycled, i) => {
      group.lr = this.rate(this.initial[i]!, t)
      if (momentum === null) return
      if (group.betas) group.betas = [momentum, group.betas[1]]
      else group.momentum = momentum
    })
  }
}
type AnyOptimizer = Optimizer<any>

/** Along half a wave of the cosine: `from` at angle 0, `to` at π. */
export const cosine = (from: number, to: number, angle: number): number => to + ((from - to) * (1 + cos(angle))) / 2

/** lr₀ · gamma^⌊t / stepSize⌋ */
export class StepLR extends Schedule {
  readonly stepSize: number
  readonly gamma: number
  constructor(optimizer: AnyOptimizer, options: { stepSize: number; gamma?: number }) {
    super(optimizer)
    const { stepSize, gamma = 0.1 } = requireOptions('StepLR', options, 'stepSize gamma')
    requireCount('StepLR', 'stepSize', stepSize, 1, RangeError)
    this.stepSize = stepSize
    this.gamma = gamma
  }
  rate(initial: number, t: number): number {
    return initial * pow(this.gamma, Math.floor(t / this.stepSize))
  }
}

/** lr₀ · gamma^(number of milestones ≤ t); one named twice counts twice */
export class MultiStepLR extends Schedule {
  readonly milestones: readonly number[]
  readonly gamma: number
  constructor(optimizer: AnyOptimizer, options: { milestones: readonly number[]; gamma?: number }) {
    super(optimizer)
    const { milestones, gamma = 0.1 } = requireOptions('MultiStepLR', options, 'milestones gamma')
    demand(Array.isArray(milestones) && milestones.every(Number.isInteger), `MultiStepLR: a list of whole milestones expected, got ${milestones}`)
    this.milestones = [...milestones]
    this.gamma = gamma
    this.goTo(0)
  }
  rate(initial: number, t: number): number {
    return initial * pow(this.gamma, this.milestones.filter(m => m <= t).length)
  }
}

/** lr₀ · gammaᵗ */
export class ExponentialLR extends Schedule {
  readonly gamma: number
  constructor(optimizer: AnyOptimizer, options: { gamma: number }) {
    super(optimizer)
    const { gamma } = requireOptions('ExponentialLR', options, 'gamma')
    requirePositive('ExponentialLR', 'gamma', gamma)
    this.gamma = gamma
  }
  rate(initial: number, t: number): number {
    return initial * pow(this.gamma, t)
  }
}

/** lr₀ · factor(t) with a function of yours */
export class LambdaLR extends Schedule {
  constructor(optimizer: AnyOptimizer, readonly factor: (t: number) => number) {
    super(optimizer)
    if (typeof factor !== 'function') throw new TypeError(`LambdaLR: a function of the step expected, got ${typeof factor}`)
    this.goTo(0)
  }
  rate(initial: number, t: number): number {
    return initial * this.factor(t)
  }
}

/** lr₀ · factor before step totalIters, lr₀ from then on */
export class ConstantLR extends Schedule {
  readonly factor: number
  readonly totalIters: number
  constructor(optimizer: AnyOptimizer, options: { factor?: number; totalIters?: number } = {}) {
    super(optimizer)
    const { factor = 1 / 3, totalIters = 5 } = requireOptions('ConstantLR', options, 'factor totalIters')
    requireShare('ConstantLR', 'a factor', factor)
    this.factor = factor
    this.totalIters = totalIters
    this.goTo(0)
  }
  rate(initial: number, t: number): number {
    return t < this.totalIters ? initial * this.factor : initial
  }
}

/** lr₀ · factor, which goes from startFactor to endFactor in totalIters steps: a warm-up */
export class LinearLR extends Schedule {
  readonly startFactor: number
  readonly endFactor: number
  readonly totalIters: number
  constructor(optimizer: AnyOptimizer, options: { startFactor?: number; endFactor?: number; totalIters?: number } = {}) {
    super(optimizer)
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = requireOptions('LinearLR', options, 'startFactor endFactor totalIters')
    demand(startFactor >= 0 && endFactor >= 0, `LinearLR: factors ≥ 0 expected, got ${startFactor} and ${endFactor}`)
    requirePositive('LinearLR', 'totalIters', totalIters)
    this.startFactor = startFactor
    this.endFactor = endFactor
    this.totalIters = totalIters
    this.goTo(0)
  }
  rate(initial: number, t: number): number {
    return initial * (this.startFactor + ((this.endFactor - this.startFactor) * Math.min(t, this.totalIters)) / this.totalIters)
  }
}

/** lr₀ · (1 − min(t, totalIters) / totalIters)^power */
export class PolynomialLR extends Schedule {
  readonly totalIters: number
  readonly power: number
  constructor(optimizer: AnyOptimizer, options: { totalIters?: number; power?: number } = {}) {
    super(optimizer)
    const { totalIters = 5, power = 1 } = requireOptions('PolynomialLR', options, 'totalIters power')
    requirePositive('PolynomialLR', 'totalIters', totalIters)
    this.totalIters = totalIters
    this.power = power
  }
  rate(initial: number, t: number): number {
    return initial * pow(1 - Math.min(t, this.totalIters) / this.totalIters, this.power)
  }
}

/** etaMin + (lr₀ − etaMin)(1 + cos(π t / tMax)) / 2 (Loshchilov and Hutter, 2017) */
export class CosineAnnealingLR extends Schedule {
  readonly tMax: number
  readonly etaMin: number
  constructor(optimizer: AnyOptimizer, options: { tMax: number; etaMin?: number }) {
    super(optimizer)
    const { tMax, etaMin = 0 } = requireOptions('CosineAnnealingLR', options, 'tMax etaMin')
    requirePositive('CosineAnnealingLR', 'tMax', tMax)
    this.tMax = tMax
    this.etaMin = etaMin
  }
  rate(initial: number, t: number): number {
    return cosine(initial, this.etaMin, (Math.PI * t) / this.tMax)
  }
}

/**
 * Cosine annealing over cycles of t0, t0 tMult, t0 tMult² … steps, each from lr₀ down to etaMin (Loshchilov and Hutter, 2017: SGDR)
 */
export class CosineAnnealingWarmRestarts extends Schedule {
  readonly t0: number
  readonly tMult: number
  readonly etaMin: number
  constructor(optimizer: AnyOptimizer, options: { t0: number; tMult?: number; etaMin?: number }) {
    super(optimizer)
    const { t0, tMult = 1, etaMin = 0 } = requireOptions('CosineAnnealingWarmRestarts', options, 't0 tMult etaMin')
    for (const [role, value] of Object.entries({ t0, tMult })) requireCount('CosineAnnealingWarmRestarts', role, value, 1, RangeError)
    this.t0 = t0
    this.tMult = tMult
    this.etaMin = etaMin
  }
  rate(initial: number, t: number): number {
    let length = this.t0
    let start = this.tMult === 1 ? t - (t % length) : 0
    while (t >= start + length) {
      start += length
      length *= this.tMult
    }
    return cosine(initial, this.etaMin, (Math.PI * (t - start)) / length)
  }
}

/** One schedule after the other: at each milestone the next takes over, from its own step 0. */
export class SequentialLR extends Schedule {
  readonly schedules: readonly Schedule[]
  readonly milestones: readonly number[]
  constructor(optimizer: AnyOptimizer, options: { schedules: readonly Schedule[]; milestones: readonly number[] }) {
    super(optimizer)
    const { schedules, milestones } = requireOptions('SequentialLR', options, 'schedules milestones')
    const paired = schedules.length > 0 && milestones.length === schedules.length - 1
    demand(paired, `SequentialLR: a milestone between each two schedules expected, got ${milestones.length} for ${schedules.length} schedules`)
    demand(schedules.every(s => s.optimizer === optimizer), 'SequentialLR: schedules of this optimizer expected')
    demand(milestones.every((m, i) => i === 0 || m > milestones[i - 1]!), `SequentialLR: rising milestones expected, got [${milestones}]`)
    this.schedules = schedules
    this.milestones = milestones
    // the schedules set rates when they were made: the first one still saw the original
    this.initial = schedules[0]!.initial
    this.goTo(0)
  }
  #at(t: number): [Schedule, number] {
    let i = 0
    while (i < this.milestones.length && t >= this.milestones[i]!) i++
    return [this.schedules[i]!, i === 0 ? t : t - this.milestones[i - 1]!]
  }
  rate(initial: number, t: number): number {
    const [schedule, local] = this.#at(t)
    return schedule.rate(initial, local)
  }
  override momentum(t: number): number | null {
    const [schedule, local] = this.#at(t)
    return schedule.momentum(local)
  }
}

/** Several schedules at once: lr₀ times the product of their factors. */
export class ChainedScheduler extends Schedule {
  constructor(optimizer: AnyOptimizer, readonly schedules: readonly Schedule[]) {
    super(optimizer)
    demand(schedules.length > 0 && schedules.every(s => s.optimizer === optimizer), 'ChainedScheduler: schedules of this optimizer expected')
    this.initial = schedules[0]!.initial
    this.goTo(0)
  }
  rate(initial: number, t: number): number {
    return this.schedules.reduce((lr, s) => lr * (initial === 0 ? 0 : s.rate(initial, t) / initial), initial)
  }
  override momentum(t: number): number | null {
    return this.schedules.reduce<number | null>((m, s) => s.momentum(t) ?? m, null)
  }
}
