// Steps from the signs of gradients: Rprop and Lion.

import { Update } from '../kernels.js'
import { demand } from '../shape.js'
import { Optimizer, type Group, type GroupOptions, type Params } from './optimizer.js'

export interface RpropOptions extends GroupOptions {
  /** Factors of a step whose gradient turned round, and of one whose gradient kept its sign (default [0.5, 1.2]) */
  etas?: readonly [number, number]
  /** Smallest and largest step (default [1e-6, 50]) */
  stepSizes?: readonly [number, number]
}
/**
 * Every parameter has a step of its own, lr (default 0.01) at first, which grows while its gradient keeps its sign and shrinks when it turns;
 * then g counts as 0. w −= sign(g) step. For full batches only. (Riedmiller and Braun, 1993)
 */
export class Rprop extends Optimizer<Required<RpropOptions>> {
  protected get update(): Update {
    return Update.rprop
  }
  constructor(params: Params<RpropOptions>, options: Partial<RpropOptions> = {}) {
    super('Rprop', params as Params<Required<RpropOptions>>, { lr: 0.01, etas: [0.5, 1.2], stepSizes: [1e-6, 50] }, options)
  }
  protected override validate(group: Group<Required<RpropOptions>>): void {
    super.validate(group)
    // a number in place of a pair is refused in the same words
    const [shrink, grow] = [group.etas].flat() as [number, number]
    const [smallest, largest] = [group.stepSizes].flat() as [number, number]
    demand(shrink > 0 && shrink < 1 && grow > 1, `Rprop: etas in (0, 1) and above 1 expected, got [${group.etas}]`)
    demand(smallest >= 0 && smallest <= largest, `Rprop: stepSizes [smallest, largest] expected, got [${group.stepSizes}]`)
  }
  protected buffersOf(): readonly string[] {
    return ['step', 'grad']
  }
  protected override initial(name: string, group: Group<Required<RpropOptions>>): number {
    return name === 'step' ? group.lr : 0
  }
  protected scalarsOf({ etas, stepSizes }: Group<Required<RpropOptions>>): readonly number[] {
    return [...etas, ...stepSizes]
  }
}

export interface LionOptions extends GroupOptions {
  /** Share of the momentum in a step, and in the momentum after it (default [0.9, 0.99]) */
  betas?: readonly [number, number]
  /** w ·= 1 − lr weightDecay (default 0) */
  weightDecay?: number
}
/** w −= lr sign(β₁ m + (1 − β₁) g); m = β₂ m + (1 − β₂) g, default lr 1e-4 (Chen et al., 2023). */
export class Lion extends Optimizer<Required<LionOptions>> {
  protected get update(): Update {
    return Update.lion
  }
  constructor(params: Params<LionOptions>, options: Partial<LionOptions> = {}) {
    super('Lion', params as Params<Required<LionOptions>>, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 }, options)
  }
  protected override validate(group: Group<Required<LionOptions>>): void {
    super.validate(group)
    const betas = [group.betas].flat()
    demand(betas.length === 2 && betas.every(b => b >= 0 && b <= 1), `Lion: two betas in 0..1 expected, got [${group.betas}]`)
  }
  protected buffersOf(): readonly string[] {
    return ['m']
  }
  protected scalarsOf({ lr, betas, weightDecay }: Group<Required<LionOptions>>): readonly number[] {
    return [lr, ...betas, 1 - lr * weightDecay]
  }
}
