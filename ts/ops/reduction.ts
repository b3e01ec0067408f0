// How losses are reduced: to their mean, their sum, or not at all.

import { requireChoice } from '../shape.js'
import { Tensor } from '../tensor.js'
import { reshape, unsqueeze } from './layout.js'
import { mean, sum } from './reduce.js'

export type Reduction = 'none' | 'mean' | 'sum'
export interface LossOptions {
  /** mean (default), sum, or none: one loss an element */
  reduction?: Reduction
}

export function reduced(name: string, loss: Tensor, { reduction = 'mean' }: { reduction?: Reduction | undefined }): Tensor {
  if (reduction === 'mean') return mean(loss)
  if (reduction === 'sum') return sum(loss)
  requireChoice(name, 'reduction', reduction, 'mean', 'sum', 'none')
  return loss
}

/** A loss of a batch for one example. */
export function ofOne<O extends LossOptions>(loss: (input: Tensor, target: Tensor, options: O) => Tensor, input: Tensor, target: Tensor, options: O): Tensor {
  const y = loss(unsqueeze(input, 0), unsqueeze(target, 0), options)
  return options.reduction === 'none' ? reshape(y, []) : y
}
