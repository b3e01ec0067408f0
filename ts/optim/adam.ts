// Adam and its relatives: running means of the gradient, divided by those of its square.

import { Update } from '../kernels.js'
import { pow } from '../numerics.js'
import { demand } from '../shape.js'
import { Optimizer, type Group, type GroupOptions, type Params } from './optimizer.js'

export interface AdamOptions extends GroupOptions {
  /** Decay of the averages of gradients and of squared gradients (default [0.9, 0.999]) */
  betas?: readonly [number, number]
  /** Added to the root (default 1e-8) */
  eps?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
  /** Divide by the largest second moment so far (Reddi et al., 2018; default false) */
  amsgrad?: boolean
}
type Full = Required<AdamOptions>
/** Without AMSGrad */
export type PlainAdamOptions = Omit<AdamOptions, 'amsgrad'>
type FullPlain = Required<PlainAdamOptions>
const DEFAULTS = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 } as const

/** What the family shares: m = β₁ m + (1 − β₁) g and v = β₂ v + (1 − β₂) g², both 0 at first and corrected for that. */
abstract class AdamFamily<O extends FullPlain> extends Optimizer<O> {
  protected get update(): Update {
    return Update.adam
  }
  protected override validate(group: Group<O>): void {
    super.validate(group)
    const { betas } = group
    demand(Array.isArray(betas) && betas.length === 2 && betas.every(b => b >= 0 && b < 1), `${this.name}: two betas in [0, 1) expected, got [${betas}]`)
    this.notNegative(group, 'eps')
  }
  protected buffersOf(group: Group<O> & { amsgrad?: boolean }): readonly string[] {
    return group.amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v']
  }
}

/**
 * m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; w −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps), default lr 1e-3
 * (Kingma and Ba, 2015). With amsgrad the largest v so far takes v's place (Reddi et al., 2018).
 */
export class Adam extends AdamFamily<Full> {
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super('Adam', params as Params<Full>, { ...DEFAULTS, amsgrad: false }, options)
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay }: Group<Full>, t: number): readonly number[] {
    return [lr / (1 - pow(b1, t)), b1, b2, eps, Math.sqrt(1 - pow(b2, t)), weightDecay, 1, 0]
  }
}

/** u = max(β₂ u, |g| + eps); w −= lr / (1 − β₁ᵗ) · m / u: Adam with the maximum norm, default lr 2e-3 (Kingma and Ba, 2015). */
export class Adamax extends AdamFamily<FullPlain> {
  protected override get update(): Update {
    return Update.adamax
  }
  constructor(params: Params<PlainAdamOptions>, options: Partial<PlainAdamOptions> = {}) {
    super('Adamax', params as Params<FullPlain>, { ...DEFAULTS, lr: 2e-3 }, options)
  }
  protected override buffersOf(): readonly string[] {
    return ['m', 'u']
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay }: Group<FullPlain>, t: number): readonly number[] {
    return [lr / (1 - pow(b1, t)), b1, b2, eps, weightDecay]
  }
}

export interface NAdamOptions extends PlainAdamOptions {
  /** How fast the momentum grows towards β₁ (default 4e-3) */
  momentumDecay?: number
}
/**
 * Adam with Nesterov momentum, default lr 2e-3 (Dozat, 2016): μₜ = β₁ (1 − ½ 0.96^(t · momentumDecay)), P = μ₁ … μₜ,
 * D = √(v / (1 − β₂ᵗ)) + eps;
 * w −= lr (1 − μₜ) / (1 − P) · g / D + lr μₜ₊₁ / (1 − P μₜ₊₁) · m / D.
 */
export class NAdam extends AdamFamily<Required<NAdamOptions>> {
  /** P after t steps, for each pair of β₁ and momentumDecay */
  readonly #products = new Map<string, { t: number; product: number }>()
  constructor(params: Params<NAdamOptions>, options: Partial<NAdamOptions> = {}) {
    super('NAdam', params as Params<Required<NAdamOptions>>, { ...DEFAULTS, lr: 2e-3, momentumDecay: 4e-3 }, options)
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay, momentumDecay }: Group<Required<NAdamOptions>>, t: number): readonly number[] {
    const mu = (step: number) => b1 * (1 - 0.5 * pow(0.96, step * momentumDecay))
    const key = `${b1} ${momentumDecay}`
    let at = this.#products.get(key)
    // parameters of one group are at one step, so this is one factor a step; after a resume it starts from the first
    if (!at || at.t > t) this.#products.set(key, (at = { t: 0, product: 1 }))
    while (at.t < t) at.product *= mu(++at.t)
    const next = mu(t + 1)
    return [
      (lr * next) / (1 - at.product * next), b1, b2, eps, Math.sqrt(1 - pow(b2, t)), weightDecay, 1, (lr * (1 - mu(t))) / (1 - at.product),
    ]
  }
}

/** Adam whose decay shrinks the weights and leaves the gradient alone: w ·= 1 − lr weightDecay, default 0.01 (Loshchilov and Hutter, 2019). */
export class AdamW extends AdamFamily<Full> {
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super('AdamW', params as Params<Full>, { ...DEFAULTS, weightDecay: 0.01, amsgrad: false }, options)
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay }: Group<Full>, t: number): readonly number[] {
    return [lr / (1 - pow(b1, t)), b1, b2, eps, Math.sqrt(1 - pow(b2, t)), 0, 1 - lr * weightDecay, 0]
  }
}

/**
 * Adam that waits until v can be trusted (Liu et al., 2020): r∞ = 2 / (1 − β₂) − 1, r = r∞ − 2t β₂ᵗ / (1 − β₂ᵗ), m̂ = m / (1 − β₁ᵗ);
 * r > 5: w −= lr m̂ √((r−4)(r−2) r∞ / ((r∞−4)(r∞−2) r)) √(1 − β₂ᵗ) / (√v + eps), else w −= lr m̂.
 */
export class RAdam extends AdamFamily<FullPlain> {
  constructor(params: Params<PlainAdamOptions>, options: Partial<PlainAdamOptions> = {}) {
    super('RAdam', params as Params<FullPlain>, DEFAULTS, options)
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay }: Group<FullPlain>, t: number): readonly number[] {
    const decayed = pow(b2, t)
    const most = 2 / (1 - b2) - 1
    const r = most - (2 * t * decayed) / (1 - decayed)
    const step = lr / (1 - pow(b1, t))
    // √v / ∞ + 1: no division
    if (!(r > 5)) return [step, b1, b2, 1, Infinity, weightDecay, 1, 0]
    const rectified = Math.sqrt(((r - 4) * (r - 2) * most) / ((most - 4) * (most - 2) * r))
    return [step * rectified * Math.sqrt(1 - decayed), b1, b2, eps, 1, weightDecay, 1, 0]
  }
}
