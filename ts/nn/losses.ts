// Losses as modules, for models that hold theirs. The functions' options, and weights as buffers under PyTorch's keys.

import * as ops from '../ops/loss.js'
import type { LossOptions } from '../ops/reduction.js'
import { requireOptions } from '../shape.js'
import { crossEntropy, type CrossEntropyOptions } from '../ops/softmax.js'
import type { Tensor } from '../tensor.js'
import { described, Module } from './module.js'

/** Options of a loss, its tensors apart: they are buffers, which state_dict holds. */
abstract class Loss<O extends object> extends Module {
  readonly options: Omit<O, 'weight' | 'posWeight'>
  weight: Tensor | null
  constructor(options: O = {} as O) {
    super()
    requireOptions(this.constructor.name, options)
    const { weight = null, posWeight: _, ...rest } = options as O & { weight?: Tensor | null; posWeight?: Tensor | null }
    this.options = rest as Omit<O, 'weight' | 'posWeight'>
    this.weight = weight
  }
  abstract override forward(input: Tensor, target: Tensor): Tensor
  override describe(): string {
    return described([], this.options)
  }
}

/** mseLoss: (input − target)² */
export class MSELoss extends Loss<LossOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.mseLoss(input, target, this.options)
  }
}
/** l1Loss: |input − target| */
export class L1Loss extends Loss<LossOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.l1Loss(input, target, this.options)
  }
}
type SmoothL1Options = LossOptions & { beta?: number }
/** smoothL1Loss: squared below beta (default 1), absolute above */
export class SmoothL1Loss extends Loss<SmoothL1Options> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.smoothL1Loss(input, target, this.options)
  }
}
type HuberOptions = LossOptions & { delta?: number }
/** huberLoss: squared below delta (default 1), of slope delta above */
export class HuberLoss extends Loss<HuberOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.huberLoss(input, target, this.options)
  }
}
/** bceLoss of probabilities and targets 0..1 */
export class BCELoss extends Loss<ops.WeightedLossOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.bceLoss(input, target, { ...this.options, weight: this.weight })
  }
}
/** bceWithLogits of logits and targets 0..1 */
export class BCEWithLogitsLoss extends Loss<ops.BceWithLogitsOptions> {
  posWeight: Tensor | null
  constructor(options: ops.BceWithLogitsOptions = {}) {
    super(options)
    this.posWeight = options.posWeight ?? null
  }
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.bceWithLogits(input, target, { ...this.options, weight: this.weight, posWeight: this.posWeight })
  }
}
/** crossEntropy of logits [n, c, ...] and class indices or probabilities */
export class CrossEntropyLoss extends Loss<CrossEntropyOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, { ...this.options, weight: this.weight })
  }
}
/** nllLoss of log-probabilities [n, c, ...] and class indices */
export class NLLLoss extends Loss<ops.NllOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.nllLoss(input, target, { ...this.options, weight: this.weight })
  }
}
/** klDiv of log-probabilities and probabilities */
export class KLDivLoss extends Loss<ops.KlDivOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.klDiv(input, target, this.options)
  }
}
/** hingeEmbeddingLoss of distances and targets ±1 */
export class HingeEmbeddingLoss extends Loss<ops.MarginOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.hingeEmbeddingLoss(input, target, this.options)
  }
}
/** multiMarginLoss of scores [n, c] and class indices */
export class MultiMarginLoss extends Loss<ops.MultiMarginOptions> {
  forward(input: Tensor, target: Tensor): Tensor {
    return ops.multiMarginLoss(input, target, { ...this.options, weight: this.weight })
  }
}
