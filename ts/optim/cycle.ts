// Schedules that raise the learning rate before they lower it: cyclical rates and the one-cycle policy, with the momentum going the other way.

import { pow } from '../numerics.js'
import { demand, requireChoice, requireCount, requireNotNegative, requireOptions, requireShare } from '../shape.js'
import { type Optimizer } from './optimizer.js'
import { cosine, Schedule } from './schedule.js'

export interface CyclicLROptions {
  baseLr: number
  maxLr: number
  /** Steps up (default 2000) and down (default: as many) */
  stepSizeUp?: number
  stepSizeDown?: number
  /** The height of the triangle stays, halves each cycle (triangular2), or is multiplied by gammaᵗ (expRange) */
  mode?: 'triangular' | 'triangular2' | 'expRange'
  gamma?: number
  /** Move the momentum from maxMomentum down to baseMomentum and back (default true) */
  cycleMomentum?: boolean
  baseMomentum?: number
  maxMomentum?: number
}
/** A triangle from baseLr to maxLr and back, over and over (Smith, 2017). The optimizer's own rate plays no part. */
export class CyclicLR extends Schedule {
  readonly options: Required<CyclicLROptions>
  constructor(optimizer: Optimizer<any>, options: CyclicLROptions) {
    super(optimizer)
    const up = options.stepSizeUp ?? 2000
    const defaults = { stepSizeUp: up, stepSizeDown: up, mode: 'triangular', gamma: 1, cycleMomentum: true, baseMomentum: 0.8, maxMomentum: 0.9 } as const
    this.options = { ...defaults, ...requireOptions('CyclicLR', options, { ...defaults, baseLr: 1, maxLr: 1 }) }
    const { baseLr, maxLr, stepSizeDown } = this.options
    demand(baseLr >= 0 && maxLr >= baseLr, `CyclicLR: 0 ≤ baseLr ≤ maxLr expected, got ${baseLr} and ${maxLr}`)
    demand(up > 0 && stepSizeDown > 0, `CyclicLR: step sizes > 0 expected, got ${up} and ${stepSizeDown}`)
    this.goTo(0)
  }
  /** Height of the triangle at step t, 0..1 */
  #height(t: number): number {
    const { stepSizeUp, stepSizeDown, mode, gamma } = this.options
    const length = stepSizeUp + stepSizeDown
    const cycle = Math.floor(t / length)
    const at = t - cycle * length
    const height = at <= stepSizeUp ? at / stepSizeUp : (length - at) / stepSizeDown
    return mode === 'triangular2' ? height * pow(0.5, cycle) : mode === 'expRange' ? height * pow(gamma, t) : height
  }
  rate(_initial: number, t: number): number {
    const { baseLr, maxLr } = this.options
    return baseLr + (maxLr - baseLr) * this.#height(t)
  }
  override momentum(t: number): number | null {
    const { cycleMomentum, baseMomentum, maxMomentum } = this.options
    return cycleMomentum ? maxMomentum - (maxMomentum - baseMomentum) * this.#height(t) : null
  }
}

export interface OneCycleLROptions {
  maxLr: number
  totalSteps: number
  /** Share of the steps in which the rate rises (default 0.3) */
  pctStart?: number
  annealStrategy?: 'cos' | 'linear'
  /** First rate = maxLr / divFactor (default 25), last = first / finalDivFactor (default 1e4) */
  divFactor?: number
  finalDivFactor?: number
  /** Come down as slowly as up, then to the last rate (default false: straight down) */
  threePhase?: boolean
  /** Move the momentum from maxMomentum (default 0.95) down to baseMomentum (default 0.85) and back (default true) */
  cycleMomentum?: boolean
  baseMomentum?: number
  maxMomentum?: number
}
/** Up to maxLr and down to almost nothing, once (Smith and Topin, 2018). The optimizer's own rate plays no part; later steps keep the last rate. */
export class OneCycleLR extends Schedule {
  readonly options: Required<OneCycleLROptions>
  constructor(optimizer: Optimizer<any>, options: OneCycleLROptions) {
    super(optimizer)
    const defaults = {
      pctStart: 0.3, annealStrategy: 'cos', divFactor: 25, finalDivFactor: 1e4, threePhase: false, cycleMomentum: true, baseMomentum: 0.85, maxMomentum: 0.95,
    } as const
    this.options = { ...defaults, ...requireOptions('OneCycleLR', options, { ...defaults, maxLr: 1, totalSteps: 1 }) }
    const { totalSteps, pctStart, annealStrategy, maxLr } = this.options
    requireCount('OneCycleLR', 'totalSteps', totalSteps, 1, RangeError)
    requireNotNegative('OneCycleLR', 'a maxLr', maxLr)
    requireShare('OneCycleLR', 'pctStart', pctStart)
    requireChoice('OneCycleLR', 'annealStrategy', annealStrategy, 'cos', 'linear')
    this.goTo(0)
  }
  /** The value at step t on the way through `stops`, one for the start and one for the end of each phase. */
  #through(t: number, stops: readonly number[]): number {
    const { totalSteps, pctStart, threePhase, annealStrategy } = this.options
    const rise = pctStart * totalSteps
    const ends = threePhase ? [0, rise - 1, 2 * rise - 2, totalSteps - 1] : [0, rise - 1, totalSteps - 1]
    let phase = 1
    while (phase < ends.length - 1 && t > ends[phase]!) phase++
    const [start, end] = ends.slice(phase - 1) as [number, number]
    const part = end > start ? Math.min(1, (t - start) / (end - start)) : 1
    const [from, to] = stops.slice(phase - 1) as [number, number]
    return annealStrategy === 'linear' ? from + (to - from) * part : cosine(from, to, Math.PI * part)
  }
  rate(_initial: number, t: number): number {
    const { maxLr, divFactor, finalDivFactor, threePhase } = this.options
    const first = maxLr / divFactor
    const last = first / finalDivFactor
    return this.#through(t, threePhase ? [first, maxLr, first, last] : [first, maxLr, last])
  }
  override momentum(t: number): number | null {
    const { cycleMomentum, baseMomentum: low, maxMomentum: high, threePhase } = this.options
    return cycleMomentum ? this.#through(t, threePhase ? [high, low, high, high] : [high, low, high]) : null
  }
}
