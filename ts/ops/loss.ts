// Losses beside cross-entropy, in ops.

import { broadcastShapes, sameShape, show, ShapeError } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, mul, requireFloat, sub } from './arithmetic.js'
import { reduced, type LossOptions } from './reduction.js'
import { abs, affine, log1p, exp, neg, relu, square } from './unary.js'

function pair(name: string, input: Tensor, target: Tensor): void {
  requireFloat(name, input, target)
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(`${name}: input ${show(input.shape)} and target ${show(target.shape)} must have one shape: reshape or unsqueeze one of them`)
  }
}

/** (input − target)², averaged */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  pair('mseLoss', input, target)
  return reduced('mseLoss', square(sub(input, target)), options)
}

/** |input − target|, averaged */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  pair('l1Loss', input, target)
  return reduced('l1Loss', abs(sub(input, target)), options)
}

export interface BceWithLogitsOptions extends LossOptions {
  /** Factor of each element, broadcast */
  weight?: Tensor | null
  /** Factor of the positive term, broadcast */
  posWeight?: Tensor | null
}
/**
 * Binary cross-entropy of sigmoid(input), stable at any size: w ((1 − t) x + (1 + (posWeight − 1) t) softplus(−x)).
 * input: logits of any shape; target: 0..1 of the same shape
 */
export function bceWithLogits(input: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  pair('bceWithLogits', input, target)
  const { weight, posWeight } = options
  // softplus(−x) = max(0, −x) + log1p(e^−|x|)
  const tail = add(relu(neg(input)), log1p(exp(neg(abs(input)))))
  const positive = posWeight ? add(mul(sub(posWeight, 1), target), 1) : null
  let loss = add(mul(affine(target, -1, 1), input), positive ? mul(positive, tail) : tail)
  if (weight) {
    broadcastShapes('bceWithLogits', input.shape, weight.shape)
    loss = mul(loss, weight)
  }
  return reduced('bceWithLogits', loss, options)
}
