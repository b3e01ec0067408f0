// The cases of every kernel.

import type { Unary } from '../../ts/kernels.js'
import * as elementwise from './elementwise.js'
import * as layout from './layout.js'
import { gemm } from './matrix.js'
import type { Cases, Draw } from './operands.js'
import * as reductions from './reduce.js'
import type { KernelName } from './run.js'
import * as update from './update.js'
import * as windows from './windows.js'

/** y = f(x) as the forward kernel gives it, for the gradients that read y */
export type Value = (f: Unary, x: number, a: number, b: number) => number

export const CASES: Record<KernelName, (d: Draw, value: Value) => Cases> = {
  fill: layout.fill,
  copy: layout.copy,
  copyFrom: layout.copyFrom,
  copyTo: layout.copyTo,
  toInt: layout.toInt,
  toFloat: layout.toFloat,
  gather: d => layout.picking(d, false, true),
  scatterAdd: d => layout.picking(d, true, true),
  indexSelect: d => layout.picking(d, false, false),
  indexAdd: d => layout.picking(d, true, false),
  oneHot: layout.oneHot,
  unary: elementwise.unary,
  unaryGrad: elementwise.unaryGrad,
  binary: elementwise.binary,
  where: elementwise.where,
  axpby: elementwise.axpby,
  reduce: reductions.reduce,
  argReduce: reductions.argReduce,
  moments: reductions.moments,
  logSumExp: reductions.logSumExp,
  cumsum: reductions.cumsum,
  softmax: reductions.softmax,
  softmaxGrad: d => reductions.softmaxGrads(d, false),
  logSoftmax: reductions.logSoftmax,
  logSoftmaxGrad: d => reductions.softmaxGrads(d, true),
  crossEntropy: d => reductions.entropies(d, false),
  crossEntropyGrad: d => reductions.entropies(d, true),
  gemm,
  conv: windows.conv,
  convGradInput: windows.convGradInput,
  convGradWeight: windows.convGradWeight,
  maxPool: windows.maxPool,
  maxPoolGrad: d => windows.winners(d, true),
  pickWinners: d => windows.winners(d, false),
  avgPool: d => windows.avgPool(d, false),
  avgPoolGrad: d => windows.avgPool(d, true),
  channelMoments: update.channelMoments,
  batchNorm: update.batchNorm,
  batchNormGrad: update.batchNormGrad,
  updateRunning: update.updateRunning,
  uniform: () => update.drawing([[0, 1], [-0.5, 2.5], [0.1, 0.2]]),
  normal: () => update.drawing([[0, 1], [3, 0.5]]),
  bernoulli: () => update.drawing([[0.5, 2], [0.1, 1.25], [0, 1], [1, 1]]),
  update: update.update,
  firstNonFinite: update.firstNonFinite,
}
