// The public face of hebb. The built file has the order of these lines: what resembles each other is packed best side by side.
export { ShapeError, type PerDim, type Shape } from './shape.js'
export { Generator } from './random.js'
export { capture, type Captured } from './capture.js'
export { configure, info, onBackend, onMeta, type BackendName, type Info, type Settings } from './backends/current.js'

// keeps the methods' declarations in reach of whoever imports the types
export type { Fluent } from './ops/methods.js'

export { Tensor, VERSION, type GradientHook, type NestedArray } from './tensor.js'
export type { DType } from './kernels.js'
export { MemoryError } from './arena.js'
export { steps, turn } from './memory.js'
export { scope } from './scope.js'
export { argsort, median, nonzero, sort, topk, unique, type Distinct, type SortOptions } from './ops/sorting.js'
export { noGrad } from './autograd.js'

export { arange, eye, full, linspace, ones, onesLike, parameter, tensor, zeros, zerosLike, type TensorOptions, type Values } from './ops/creation.js'
export { backward, checkGradients, grad, gradients, hessian, hvp, jacobian, jvp, valueAndGrad, vjp, type CheckOptions } from './grad.js'
export { add, div, eq, ge, gt, le, lt, maskedFill, maximum, minimum, mul, ne, pow, sub, where } from './ops/arithmetic.js'
export { indexAdd, scatterAdd } from './ops/scatter.js'
export {
  abs, clamp, cos, elu, erf, exp, floor, gelu, leakyRelu, log, log1p, neg, powScalar, reciprocal, relu, rsqrt, sigmoid, sign, silu, sin, softplus,
  sqrt, square, tanh,
} from './ops/unary.js'
export { amax, amin, argmax, argmin, cumsum, logsumexp, max, mean, min, norm, prod, std, sum, variance } from './ops/reduce.js'
export {
  chunk, expand, flatten, flip, narrow, pad, permute, reshape, select, slice, split as splitTensor, squeeze, transpose, tril, triu, unsqueeze,
} from './ops/layout.js'
export { cat, stack } from './ops/joining.js'
export { embedding, gather, indexSelect, oneHot, type EmbeddingOptions } from './ops/indexing.js'
export { index, indexPut, maskedSelect, type Key } from './ops/selection.js'
export { bmm, cumprod, diff, dot, mm, mv, outer, trace, type DiffOptions } from './ops/products.js'
export { diag, diagonal, meshgrid, movedim, repeat, repeatInterleave, roll, unbind, type DiagonalOptions } from './ops/arrange.js'
export { addcdiv, addcmul, ceil, lerp, round, trunc } from './ops/rounding.js'
export { all, allclose, any, countNonzero, isfinite, isinf, isnan, type CloseOptions } from './ops/predicates.js'
export { linear, matmul } from './ops/matmul.js'
export { crossEntropy, logSoftmax, softmax, type CrossEntropyOptions } from './ops/softmax.js'
export { rmsNorm } from './ops/rms-norm.js'
export { fullLike, randint, randLike, randnLike, randperm, trilIndices, triuIndices } from './ops/ranges.js'
export { einsum } from './ops/einsum.js'
export {
  adaptiveAvgPool1d, adaptiveAvgPool2d, avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d, type AvgPoolOptions, type MaxPoolOptions,
} from './ops/pool.js'
export { conv1d, conv2d, conv3d, convMaxPool2d, convTranspose1d, convTranspose2d, convTranspose3d, type ConvOptions } from './ops/conv.js'
export { manualSeed, rand, randn, dropout } from './ops/random.js'
export { interpolate, type InterpolateOptions } from './ops/interpolate.js'
export { gru, lstm, rnnTanh, type CellWeights, type LstmRecurrence, type Recurrence, type RecurrentOptions, type RecurrentState } from './ops/recurrent.js'
export { multiHeadAttention, scaledDotProductAttention, type AttentionOptions, type MultiHeadWeights } from './ops/attention.js'
export {
  batchNorm, groupNorm, layerNorm, localResponseNorm, type BatchNormOptions, type LayerNormOptions, type LocalResponseNormOptions,
} from './ops/norm.js'
export {
  bceLoss, bceWithLogits, hingeEmbeddingLoss, hingeLoss, huberLoss, klDiv, l1Loss, mseLoss, multiMarginLoss, nllLoss, smoothL1Loss,
  type BceWithLogitsOptions, type KlDivOptions, type MarginOptions, type MultiMarginOptions, type NllOptions, type WeightedLossOptions,
} from './ops/loss.js'
export type { LossOptions, Reduction } from './ops/reduction.js'

export { debug, NonFiniteError } from './debug.js'
export type { BackwardOptions, GradientOptions } from './backward.js'
export * from './nn/index.js'
export { summary, Summary, type LayerSummary, type ReceptiveField, type SummaryOptions } from './summary.js'
export * from './data/index.js'
export * from './optim/index.js'

import { apply, isRecording } from './autograd.js'
import { adoptWasm, backendNamed, currentBackend } from './backends/current.js'
import { compiledBinary, createWasm, WASM_PAGES } from './backends/wasm.js'
import { heapOf, hostMark, hostWork, memoryInUse } from './memory.js'
import { inOrder } from './nn/module.js'
import { randomState, restoreRandomState } from './ops/random.js'
import { pow } from './numerics.js'
import { requireOptions } from './shape.js'
import { install } from './ops/methods.js'
install()

/** What hebb's other entry points need of the engine. Not part of the public interface: it may change in any release. @internal */
export const engine = {
  adoptWasm, apply, backendNamed, compiledBinary, createWasm, currentBackend, heapOf, hostMark, hostWork, inOrder, isRecording, memoryInUse, pow, randomState,
  requireOptions, restoreRandomState, WASM_PAGES,
}
