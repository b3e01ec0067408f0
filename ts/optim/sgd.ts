// Stochastic gradient descent, with momentum and Nesterov's variant.

import { Update } from '../kernels.js'
import { Optimizer, type Group, type GroupOptions, type Params } from './optimizer.js'

export interface SGDOptions extends GroupOptions {
  /** γ, share of the last step that is kept (default 0) */
  momentum?: number
  /** Share of a new gradient that momentum leaves out (default 0) */
  dampening?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
  /** Look ahead along the momentum (default false) */
  nesterov?: boolean
}

/**
 * g += weightDecay w; u = first step ? g : momentum u + (1 − dampening) g; g = nesterov ? g + momentum u : u; w −= lr g.
 * Without momentum u is left out. (Polyak, 1964; Nesterov, 1983, in the form of Sutskever et al., 2013; PyTorch's SGD)
 */
export class SGD extends Optimizer<Required<SGDOptions>> {
  protected readonly update = Update.sgd
  constructor(params: Params<SGDOptions>, options: SGDOptions) {
    super('SGD', params as Params<Required<SGDOptions>>, { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, ...options })
  }
  protected override validate(group: Group<Required<SGDOptions>>): void {
    super.validate(group)
    if (!(group.momentum >= 0)) throw new RangeError(`SGD: momentum ≥ 0 expected, got ${group.momentum}`)
    if (group.nesterov && (group.momentum === 0 || group.dampening !== 0)) throw new RangeError('SGD: nesterov needs momentum > 0 and dampening 0')
  }
  protected buffersOf(group: Group<Required<SGDOptions>>): readonly string[] {
    return group.momentum > 0 ? ['momentum'] : []
  }
  protected scalarsOf({ lr, weightDecay, momentum, dampening, nesterov }: Group<Required<SGDOptions>>, t: number): readonly number[] {
    return [lr, weightDecay, momentum, t === 1 ? 1 : 1 - dampening, momentum, nesterov ? 1 : 0]
  }
}
