// Learning-rate schedules, in order of increasing complexity.

import { hostWork } from '../memory.js'
import { cos, pow } from '../numerics.js'
import type { GroupOptions, Optimizer } from './optimizer.js'

/** Sets the learning rate of each group to a function of the number of step() calls and the group's initial rate. */
export abstract class Schedule {
  readonly #initial: number[]
  #steps = 0
  constructor(readonly optimizer: Optimizer<GroupOptions>) {
    this.#initial = optimizer.groups.map(g => g.lr)
  }
  /** The rate after t steps, from the initial one. */
  abstract rate(initial: number, t: number): number

  get steps(): number {
    return this.#steps
  }
  /** Move on by one: once an epoch, or once a batch, as the schedule was dimensioned. */
  step(): void {
    hostWork(() => this.goTo(this.#steps + 1))
  }
  /** Set the rates to those after t steps, to resume. */
  goTo(t: number): void {
    this.#steps = t
    this.optimizer.groups.forEach((group, i) => (group.lr = this.rate(this.#initial[i]!, t)))
  }
}
type AnyOptimizer = Optimizer<any>

/** lr₀ · gamma^⌊t / stepSize⌋ */
export class StepLR extends Schedule {
  readonly stepSize: number
  readonly gamma: number
  constructor(optimizer: AnyOptimizer, { stepSize, gamma = 0.1 }: { stepSize: number; gamma?: number }) {
    super(optimizer)
    if (!(Number.isInteger(stepSize) && stepSize > 0)) throw new RangeError(`StepLR: a whole stepSize > 0 expected, got ${stepSize}`)
    this.stepSize = stepSize
    this.gamma = gamma
  }
  rate(initial: number, t: number): number {
    return initial * pow(this.gamma, Math.floor(t / this.stepSize))
  }
}

/** etaMin + (lr₀ − etaMin)(1 + cos(π t / tMax)) / 2 (Loshchilov and Hutter, 2017) */
export class CosineAnnealingLR extends Schedule {
  readonly tMax: number
  readonly etaMin: number
  constructor(optimizer: AnyOptimizer, { tMax, etaMin = 0 }: { tMax: number; etaMin?: number }) {
    super(optimizer)
    if (!(tMax > 0)) throw new RangeError(`CosineAnnealingLR: tMax > 0 expected, got ${tMax}`)
    this.tMax = tMax
    this.etaMin = etaMin
  }
  rate(initial: number, t: number): number {
    return this.etaMin + ((initial - this.etaMin) * (1 + cos((Math.PI * t) / this.tMax))) / 2
  }
}
