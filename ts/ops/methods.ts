// Every op whose first parameter is a tensor is also a method of tensors: x.relu() is relu(x). Only families listed here.

import { backward } from '../backward.js'
import { Tensor } from '../tensor.js'
import * as arithmetic from './arithmetic.js'
import * as arrange from './arrange.js'
import * as attention from './attention.js'
import * as conv from './conv.js'
import * as indexing from './indexing.js'
import { interpolate } from './interpolate.js'
import * as layout from './layout.js'
import * as loss from './loss.js'
import * as matmul from './matmul.js'
import * as norm from './norm.js'
import * as pool from './pool.js'
import * as predicates from './predicates.js'
import * as products from './products.js'
import * as random from './random.js'
import * as reduce from './reduce.js'
import { rmsNorm } from './rms-norm.js'
import * as rounding from './rounding.js'
import { indexAdd, scatterAdd } from './scatter.js'
import { index, indexPut, maskedSelect } from './selection.js'
import * as softmax from './softmax.js'
import * as sorting from './sorting.js'
import * as unary from './unary.js'

const { add, sub, mul, div, pow, maximum, minimum, eq, ne, lt, le, gt, ge, where, maskedFill } = arithmetic
const { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } = conv
const { scaledDotProductAttention, multiHeadAttention } = attention
const { gather, indexSelect, embedding, oneHot } = indexing
const { reshape, flatten, unsqueeze, squeeze, permute, transpose, slice, narrow, select, flip, expand, pad, tril, triu, split, chunk } = layout
const {
  mseLoss, l1Loss, smoothL1Loss, huberLoss, bceLoss, bceWithLogits, nllLoss, hingeEmbeddingLoss, hingeLoss, multiMarginLoss, klDiv,
} = loss
const { matmul: matmulOf, linear } = matmul
const { batchNorm, layerNorm, groupNorm, localResponseNorm } = norm
const { maxPool1d, maxPool2d, maxPool3d, avgPool1d, avgPool2d, avgPool3d, adaptiveAvgPool1d, adaptiveAvgPool2d } = pool
const { dropout } = random
const { sum, mean, amax, amin, argmax, argmin, max, min, logsumexp, variance, std, norm: normOf, prod, cumsum } = reduce
const { softmax: softmaxOf, logSoftmax, crossEntropy } = softmax
const {
  neg, abs, exp, log, log1p, sqrt, rsqrt, square, sin, cos, tanh, sigmoid, relu, leakyRelu, elu, erf, gelu, silu, softplus, sign, floor,
  reciprocal, clamp, powScalar, float, int,
} = unary
const { roll, repeat, repeatInterleave, movedim, unbind, diagonal, diag } = arrange
const { isnan, isinf, isfinite, any, all, countNonzero, allclose } = predicates
const { mm, mv, dot, bmm, outer, trace, cumprod, diff } = products
const { ceil, round, trunc, lerp, addcmul, addcdiv } = rounding
const { sort, argsort, topk, median, unique, nonzero } = sorting

/** Marks a tensor made outside the graph as a leaf whose gradient is wanted. Returns it. */
function requiresGradient(x: Tensor, on = true): Tensor {
  if (x.node) throw new Error(`requiresGradient: ${x.label} is the result of an op and takes part in a graph: detach() it first`)
  x.requiresGrad = on
  return x
}

/** The same values outside the graph, sharing the buffer. */
function detach(x: Tensor): Tensor {
  return x.alias()
}

/** A copy outside the graph. */
function clone(x: Tensor): Tensor {
  const y = new Tensor(x.shape, x.dtype, x.backend)
  x.backend.kernels.copy(x.size, x.address, y.address)
  return y
}

/** All ops that are methods, by name. */
export const methods = {
  backward, requiresGradient, detach, clone,
  add, sub, mul, div, pow, maximum, minimum, eq, ne, lt, le, gt, ge, where, maskedFill,
  conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d,
  gather, indexSelect, embedding, oneHot,
  reshape, flatten, unsqueeze, squeeze, permute, transpose, slice, narrow, select, flip, expand, pad, tril, triu, split, chunk,
  mseLoss, l1Loss, smoothL1Loss, huberLoss, bceLoss, bceWithLogits, nllLoss, hingeEmbeddingLoss, hingeLoss, multiMarginLoss, klDiv, crossEntropy,
  matmul: matmulOf, linear, batchNorm, layerNorm, groupNorm, localResponseNorm, rmsNorm, interpolate, scaledDotProductAttention, multiHeadAttention,
  maxPool1d, maxPool2d, maxPool3d, avgPool1d, avgPool2d, avgPool3d, adaptiveAvgPool1d, adaptiveAvgPool2d,
  dropout, softmax: softmaxOf, logSoftmax,
  sum, mean, amax, amin, argmax, argmin, max, min, logsumexp, variance, std, norm: normOf, prod, cumsum,
  neg, abs, exp, log, log1p, sqrt, rsqrt, square, sin, cos, tanh, sigmoid, relu, leakyRelu, elu, erf, gelu, silu, softplus, sign, floor,
  reciprocal, clamp, powScalar, float, int,
  roll, repeat, repeatInterleave, movedim, unbind, diagonal, diag,
  isnan, isinf, isfinite, any, all, countNonzero, allclose,
  mm, mv, dot, bmm, outer, trace, cumprod, diff,
  ceil, round, trunc, lerp, addcmul, addcdiv,
  index, indexPut, maskedSelect, indexAdd, scatterAdd,
  sort, argsort, topk, median, unique, nonzero,
}

/** A function of a tensor first, as a method. */
export type Fluent<O> = { [K in keyof O]: O[K] extends (x: any, ...rest: infer R) => infer Y ? (...rest: R) => Y : never }

declare module '../tensor.js' {
  interface Tensor extends Fluent<typeof methods> {}
}

/** Put the methods on tensors. Called once, by index.ts: a bare import would be dropped by bundlers ("sideEffects": false). */
export function install(): void {
  for (const [name, f] of Object.entries(methods) as [string, (x: Tensor, ...rest: unknown[]) => unknown][]) {
    Object.defineProperty(Tensor.prototype, name, {
      value(this: Tensor, ...rest: unknown[]) {
        return f(this, ...rest)
      },
      writable: true,
      configurable: true,
    })
  }
}
