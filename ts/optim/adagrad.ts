// Learning rates of each parameter's own, from the squares of its past gradients: Adagrad, Adadelta, RMSprop.

import { Update } from '../kernels.js'
import { requireShare } from '../shape.js'
import { Optimizer, type Group, type GroupOptions, type Params } from './optimizer.js'

export interface AdagradOptions extends GroupOptions {
  /** lr / (1 + (t − 1) lrDecay) at step t (default 0) */
  lrDecay?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
  /** S before the first step (default 0) */
  initialAccumulatorValue?: number
  /** Added to the root (default 1e-10) */
  eps?: number
}
/** S += g²; w −= lr / (1 + (t − 1) lrDecay) · g / (√S + eps), default lr 0.01 (Duchi, Hazan and Singer, 2011). */
export class Adagrad extends Optimizer<Required<AdagradOptions>> {
  protected get update(): Update {
    return Update.rms
  }
  constructor(params: Params<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super('Adagrad', params as Params<Required<AdagradOptions>>, { lr: 0.01, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10 }, options)
  }
  protected override validate(group: Group<Required<AdagradOptions>>): void {
    super.validate(group)
    this.notNegative(group, 'lrDecay', 'initialAccumulatorValue', 'eps')
  }
  protected buffersOf(): readonly string[] {
    return ['sum']
  }
  protected override initial(_name: string, group: Group<Required<AdagradOptions>>): number {
    return group.initialAccumulatorValue
  }
  protected scalarsOf({ lr, lrDecay, eps, weightDecay }: Group<Required<AdagradOptions>>, t: number): readonly number[] {
    return [lr / (1 + (t - 1) * lrDecay), 1, 1, eps, weightDecay, 0]
  }
}

export interface AdadeltaOptions extends GroupOptions {
  /** Decay of both averages (default 0.9) */
  rho?: number
  /** Added under both roots (default 1e-6) */
  eps?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
}
/** S = ρ S + (1 − ρ) g²; d = √(D + eps) / √(S + eps) g; D = ρ D + (1 − ρ) d²; w −= lr d, default lr 1 (Zeiler, 2012). */
export class Adadelta extends Optimizer<Required<AdadeltaOptions>> {
  protected get update(): Update {
    return Update.adadelta
  }
  constructor(params: Params<AdadeltaOptions>, options: Partial<AdadeltaOptions> = {}) {
    super('Adadelta', params as Params<Required<AdadeltaOptions>>, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0 }, options)
  }
  protected override validate(group: Group<Required<AdadeltaOptions>>): void {
    super.validate(group)
    this.notNegative(group, 'eps')
    requireShare(this.name, 'rho', group.rho)
  }
  protected buffersOf(): readonly string[] {
    return ['squares', 'steps']
  }
  protected scalarsOf({ lr, rho, eps, weightDecay }: Group<Required<AdadeltaOptions>>): readonly number[] {
    return [lr, rho, eps, weightDecay]
  }
}

export interface RMSpropOptions extends GroupOptions {
  /** Decay of the averages (default 0.99) */
  alpha?: number
  /** Added to the root (default 1e-8) */
  eps?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
  /** Share of the last step that is kept (default 0) */
  momentum?: number
  /** Divide by the standard deviation instead of the root mean square (Graves, 2013; default false) */
  centered?: boolean
}
/**
 * S = α S + (1 − α) g²; centered: M = α M + (1 − α) g, d = g / (√(S − M²) + eps), else d = g / (√S + eps); u = momentum u + d; w −= lr u,
 * default lr 0.01 (Tieleman and Hinton, 2012).
 */
export class RMSprop extends Optimizer<Required<RMSpropOptions>> {
  protected get update(): Update {
    return Update.rms
  }
  constructor(params: Params<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super('RMSprop', params as Params<Required<RMSpropOptions>>, { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false }, options)
  }
  protected override validate(group: Group<Required<RMSpropOptions>>): void {
    super.validate(group)
    this.notNegative(group, 'eps', 'momentum')
    requireShare(this.name, 'alpha', group.alpha)
  }
  protected buffersOf({ momentum, centered }: Group<Required<RMSpropOptions>>): readonly (string | null)[] {
    return ['squares', centered ? 'mean' : null, momentum > 0 ? 'momentum' : null]
  }
  protected scalarsOf({ lr, alpha, eps, weightDecay, momentum }: Group<Required<RMSpropOptions>>): readonly number[] {
    return [lr, alpha, 1 - alpha, eps, weightDecay, momentum]
  }
}
