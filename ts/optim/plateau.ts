// The schedule that watches: a lower learning rate once progress stops.

import { hostWork } from '../memory.js'
import { demand, isWhole, requireChoice, requireOptions } from '../shape.js'
import { type Optimizer } from './optimizer.js'
import { demandSaved, Schedule } from './schedule.js'

export interface PlateauOptions {
  /** Is a smaller (min, default) or a larger metric better? */
  mode?: 'min' | 'max'
  /** What the rate is multiplied by (default 0.1) */
  factor?: number
  /** Steps without progress that are borne (default 10) */
  patience?: number
  /** Progress is more than this (default 1e-4), relative to the best so far or absolute */
  threshold?: number
  thresholdMode?: 'rel' | 'abs'
  /** Steps after a reduction that don't count (default 0) */
  cooldown?: number
  /** Never go lower (default 0) */
  minLr?: number
  /** A change of at most this is not made (default 1e-8) */
  eps?: number
}

/** lr ·= factor when the metric has made no progress for more than `patience` steps. Call step(metric) after each epoch. */
export class ReduceLROnPlateau extends Schedule {
  readonly options: Required<PlateauOptions>
  #best: number
  #bad = 0
  #cooling = 0
  constructor(optimizer: Optimizer<any>, options: PlateauOptions = {}) {
    super(optimizer)
    const defaults = { mode: 'min', factor: 0.1, patience: 10, threshold: 1e-4, thresholdMode: 'rel', cooldown: 0, minLr: 0, eps: 1e-8 } as const
    this.options = { ...defaults, ...requireOptions('ReduceLROnPlateau', options, defaults) }
    const { mode, factor, thresholdMode, minLr } = this.options
    requireChoice('ReduceLROnPlateau', 'mode', mode, 'min', 'max')
    requireChoice('ReduceLROnPlateau', 'thresholdMode', thresholdMode, 'rel', 'abs')
    demand(factor > 0 && factor < 1, `ReduceLROnPlateau: a factor in (0, 1) expected, got ${factor}`)
    demand(typeof minLr === 'number', `ReduceLROnPlateau: one minLr for all groups expected, got [${minLr}]`)
    this.#best = this.#worst
  }
  get #worst(): number {
    return this.options.mode === 'min' ? Infinity : -Infinity
  }
  /** The rate is what the metrics made it: it doesn't follow from the number of steps. */
  rate(): number {
    throw new Error('ReduceLROnPlateau: its rate depends on the metrics: it cannot be part of another schedule')
  }
  /** @throws TypeError without a metric */
  override step(metric?: number): void {
    if (typeof metric !== 'number') throw new TypeError('ReduceLROnPlateau: step(metric) expected, such as the validation loss')
    hostWork(() => this.#see(metric))
  }
  /** The number of steps only; restore() brings back the rest. */
  override goTo(t: number): void {
    this.advance(t)
  }
  #better(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.options
    const sign = mode === 'min' ? -1 : 1
    const bar = thresholdMode === 'rel' ? this.#best * (1 + sign * threshold) : this.#best + sign * threshold
    return sign * metric > sign * bar
  }
  #see(metric: number): void {
    const { patience, cooldown, factor, minLr, eps } = this.options
    this.advance(this.steps + 1)
    if (this.#better(metric)) {
      this.#best = metric
      this.#bad = 0
    } else this.#bad++
    if (this.#cooling > 0) {
      this.#cooling--
      this.#bad = 0
    }
    if (this.#bad <= patience) return
    for (const group of this.optimizer.groups) {
      const lower = Math.max(group.lr * factor, minLr)
      if (group.lr - lower > eps) group.lr = lower
    }
    this.#cooling = cooldown
    this.#bad = 0
  }
  override save(): (number | null)[] {
    // JSON has no infinities: null, and at the end whether it is the best one
    const best = Number.isFinite(this.#best) ? this.#best : null
    return [this.steps, best, this.#bad, this.#cooling, +(this.#best === -this.#worst)]
  }
  override check(saved: readonly (number | null)[]): void {
    // states of old have no mark at the end
    const [steps, best, bad, cooling, unbeatable = 0, ...rest] = saved as number[]
    demandSaved([steps, bad, cooling].every(n => isWhole(n!, 0)) && (best === null || Number.isFinite(best)) && isWhole(unbeatable, 0, 1) && rest.length === 0, saved)
  }
  override restore(saved: readonly (number | null)[]): void {
    this.check(saved)
    const [steps, best, bad, cooling, unbeatable] = saved as number[]
    this.advance(steps!)
    this.#best = best ?? (unbeatable ? -this.#worst : this.#worst)
    this.#bad = bad!
    this.#cooling = cooling!
  }
}
