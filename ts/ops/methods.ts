// Every op whose first parameter is a tensor is also a method of tensors: x.relu() is relu(x). Only families listed here.

import { apply, type Op } from '../autograd.js'
import { backward } from '../backward.js'
import { Tensor } from '../tensor.js'
import { add, sub, mul, div, pow, maximum, minimum, eq, ne, lt, le, gt, ge, where, maskedFill, requireFloat } from './arithmetic.js'
import { roll, repeat, repeatInterleave, movedim, unbind, diagonal, diag } from './arrange.js'
import { scaledDotProductAttention, multiHeadAttention } from './attention.js'
import { conv1d, conv2d, conv3d, convMaxPool2d, convTranspose1d, convTranspose2d, convTranspose3d } from './conv.js'
import { gather, indexSelect, embedding, oneHot } from './indexing.js'
import { interpolate } from './interpolate.js'
import {
  reshape, flatten, unsqueeze, squeeze, permute, transpose, slice, narrow, select, flip, expand, pad, tril, triu, split, chunk,
} from './layout.js'
import {
  mseLoss, l1Loss, smoothL1Loss, huberLoss, bceLoss, bceWithLogits, nllLoss, hingeEmbeddingLoss, hingeLoss, multiMarginLoss, klDiv,
} from './loss.js'
import { matmul, linear } from './matmul.js'
import { batchNorm, layerNorm, groupNorm, localResponseNorm } from './norm.js'
import { maxPool1d, maxPool2d, maxPool3d, avgPool1d, avgPool2d, avgPool3d, adaptiveAvgPool1d, adaptiveAvgPool2d } from './pool.js'
import { isnan, isinf, isfinite, any, all, countNonzero, allclose } from './predicates.js'
import { mm, mv, dot, bmm, outer, trace, cumprod, diff } from './products.js'
import { dropout } from './random.js'
import { sum, mean, amax, amin, argmax, argmin, max, min, logsumexp, variance, std, norm, prod, cumsum } from './reduce.js'
import { rmsNorm } from './rms-norm.js'
import { ceil, round, trunc, lerp, addcmul, addcdiv } from './rounding.js'
import { indexAdd, scatterAdd } from './scatter.js'
import { index, indexPut, maskedSelect } from './selection.js'
import { softmax, logSoftmax, crossEntropy } from './softmax.js'
import { sort, argsort, topk, median, unique, nonzero } from './sorting.js'
import {
  neg, abs, exp, log, log1p, sqrt, rsqrt, square, sin, cos, tanh, sigmoid, relu, leakyRelu, elu, erf, gelu, silu, softplus, sign, floor,
  reciprocal, clamp, powScalar, float, int,
} from './unary.js'

/** Marks a tensor made outside the graph as a leaf whose gradient is wanted. Returns it. */
function requiresGradient(x: Tensor, on = true): Tensor {
  if (x.node) throw new Error(`requiresGradient: ${x.label} is the result of an op and takes part in a graph: detach() it first`)
  if (on) requireFloat('requiresGradient', x)
  x.requiresGrad = on
  if (on) x.trainable = true
  return x
}

/** The same values outside the graph, sharing the buffer. */
function detach(x: Tensor): Tensor {
  return x.alias()
}

const cloneOp: Op = {
  name: 'clone',
  forward([x]) {
    const y = new Tensor(x!.shape, x!.dtype, x!.backend)
    x!.backend.kernels.copy(x!.size, x!.address, y.address)
    return y
  },
  gradient: g => [g],
}
/** A copy, through which gradients pass; detach().clone() is one outside the graph. */
const clone = (x: Tensor): Tensor => apply(cloneOp, [x])

/** All ops that are methods, by name. */
export const methods = {
  backward, requiresGradient, detach, clone,
  add, sub, mul, div, pow, maximum, minimum, eq, ne, lt, le, gt, ge, where, maskedFill,
  conv1d, conv2d, conv3d, convMaxPool2d, convTranspose1d, convTranspose2d, convTranspose3d,
  gather, indexSelect, embedding, oneHot,
  reshape, flatten, unsqueeze, squeeze, permute, transpose, slice, narrow, select, flip, expand, pad, tril, triu, split, chunk,
  mseLoss, l1Loss, smoothL1Loss, huberLoss, bceLoss, bceWithLogits, nllLoss, hingeEmbeddingLoss, hingeLoss, multiMarginLoss, klDiv, crossEntropy,
  matmul, linear, batchNorm, layerNorm, groupNorm, localResponseNorm, rmsNorm, interpolate, scaledDotProductAttention, multiHeadAttention,
  maxPool1d, maxPool2d, maxPool3d, avgPool1d, avgPool2d, avgPool3d, adaptiveAvgPool1d, adaptiveAvgPool2d,
  dropout, softmax, logSoftmax,
  sum, mean, amax, amin, argmax, argmin, max, min, logsumexp, variance, std, norm, prod, cumsum,
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
