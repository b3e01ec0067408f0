// Adam.

import { Update } from '../kernels.js'
import { pow } from '../numerics.js'
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

/**
 * m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; w −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps), default lr 1e-3
 * (Kingma and Ba, 2015).
 */
export class Adam extends Optimizer<Full> {
  protected readonly update = Update.adam
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super('Adam', params as Params<Full>, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false, ...options })
  }
  protected override validate(group: Group<Full>): void {
    super.validate(group)
    if (!group.betas.every(b => b >= 0 && b < 1)) throw new RangeError(`Adam: betas in [0, 1) expected, got [${group.betas}]`)
  }
  protected buffersOf(group: Group<Full>): readonly string[] {
    return group.amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v']
  }
  protected scalarsOf({ lr, betas: [b1, b2], eps, weightDecay }: Group<Full>, t: number): readonly number[] {
    return [lr / (1 - pow(b1, t)), b1, b2, eps, Math.sqrt(1 - pow(b2, t)), weightDecay, 1]
  }
}
