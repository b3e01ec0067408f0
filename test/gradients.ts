// Gradients of ops: every one against central differences in two precisions, kernels against formulas, and what a check must catch.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool1d, adaptiveAvgPool2d, arange, backward, cat, checkGradients, einsum, engine, Generator, gradients, gru, hessian,
  info, lstm, manualSeed, meshgrid, onBackend, rnnTanh, scope, stack, tensor, where, zeros, type BackendName, type Tensor,
} from 'hebb'
import { methods } from '../ts/ops/methods.js'

const float32 = info().backend

type F = (...x: Tensor[]) => Tensor
/**
 * Where elements come from: ±0.2..1.5 by default, 0.3..1.7, or numbers at least 0.06 apart, so that no tie lies within the step of
 * a difference.
 */
type Draw = 'positive' | 'apart'
/** A shape, or where elements come from and then the shape */
type Input = readonly number[] | readonly [Draw, ...number[]]

function draw(input: Input, generator: Generator): Tensor {
  const [kind, shape] = typeof input[0] === 'string' ? [input[0], input.slice(1) as number[]] : ['signed', input as number[]]
  const n = shape.reduce((a, d) => a * d, 1)
  const apart = () => generator.shuffle(Float64Array.from({ length: n }, (_, i) => (i + 0.5 - n / 2) * 0.06))
  if (kind === 'apart') return tensor(apart(), shape)
  return tensor(Float64Array.from({ length: n }, () => {
    const u = generator.uniform()
    return kind === 'positive' ? 0.3 + 1.4 * u : u < 0.5 ? -0.2 - 2.6 * u : 0.2 + 2.6 * (u - 0.5)
  }), shape)
}

const ints = (values: number[], shape: number[] = [values.length]): Tensor =>
  tensor(Int32Array.from(values), shape, { dtype: 'int32' })
/** 1, 2, 3 … as factors, so that the elements of a result weigh differently whatever its covector */
const weighted = (parts: readonly Tensor[], dim: number): Tensor => cat(parts.map((t, i) => t.mul(i + 1)), dim)

const table: [op: string, inputs: Input[], f: F][] = [
  ['add', [[3, 4], [3, 4]], (a, b) => a.add(b)],
  ['add', [[2, 1, 3], [4, 1]], (a, b) => a.add(b)],
  ['add', [[5]], a => a.add(2)],
  ['sub', [[2, 3], [3]], (a, b) => a.sub(b)],
  ['sub', [[1], [2, 2]], (a, b) => a.sub(b)],
  ['mul', [[3, 4], [4]], (a, b) => a.mul(b)],
  ['mul', [[2, 1, 3, 1], [4, 1, 2]], (a, b) => a.mul(b)],
  ['mul', [[]], a => a.mul(-3)],
  ['div', [[3, 4], [3, 1]], (a, b) => a.div(b)],
  ['div', [[4]], a => a.div(3)],
  ['pow', [['positive', 3, 2], [2]], (a, b) => a.pow(b)],
  ['maximum', [['apart', 4, 3]], a => a.slice({ dim: 0, end: 2 }).maximum(a.slice({ dim: 0, start: 2 }))],
  ['minimum', [['apart', 4, 3]], a => a.slice({ dim: 0, end: 2 }).minimum(a.slice({ dim: 0, start: 2 }))],
  ['where', [[2, 3], [3]], (a, b) => where(tensor([[1, 0, 1], [0, 0, 1]]), a, b)],
  ['where', [[2, 1]], a => tensor([1, 0]).where(a, 5)],
  ['maskedFill', [[2, 3]], a => a.maskedFill(tensor([1, 0, 0]), 7)],
  ['conv1d', [[2, 2, 9], [3, 2, 3], [3]], (x, w, b) => x.conv1d(w, b, { stride: 2, padding: 2 })],
  ['conv2d', [[2, 4, 7, 6], [6, 2, 3, 2], [6]],
    (x, w, b) => x.conv2d(w, b, { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 })],
  ['conv2d', [[2, 3, 5, 5], [4, 3, 3, 3]], (x, w) => x.conv2d(w, null, { padding: 'same' })],
  ['conv2d', [[1, 3, 4, 4], [3, 1, 2, 2], [3]], (x, w, b) => x.conv2d(w, b, { groups: 3, padding: 1, stride: 3 })],
  ['conv2d', [[3, 2, 3, 4], [5, 2, 1, 1], [5]], (x, w, b) => x.conv2d(w, b)],
  ['conv3d', [[1, 2, 4, 3, 4], [2, 2, 2, 2, 3], [2]], (x, w, b) => x.conv3d(w, b, { stride: [2, 1, 1], padding: [0, 1, 1] })],
  ['convTranspose1d', [[2, 3, 4], [3, 2, 3], [2]],
    (x, w, b) => x.convTranspose1d(w, b, { stride: 2, padding: 1, outputPadding: 1 })],
  ['convTranspose2d', [[1, 4, 3, 3], [4, 1, 3, 2], [2]],
    (x, w, b) => x.convTranspose2d(w, b, { stride: [1, 2], padding: [1, 0], dilation: [2, 1], groups: 2 })],
  ['convTranspose3d', [[1, 2, 2, 2, 2], [2, 1, 2, 2, 2]], (x, w) => x.convTranspose3d(w, null, { stride: 2 })],
  ['gather', [[3, 4]], x => x.gather(1, ints([0, 0, 3, 2, 1, 1], [3, 2]))],
  ['gather', [[3, 2]], x => x.gather(0, ints([2, 0, 2, 1, 2, 1, 0, 0], [4, 2]))],
  ['indexSelect', [[4, 3]], x => x.indexSelect(0, [3, 0, 3, 1])],
  ['indexSelect', [[2, 3, 2]], x => x.indexSelect(-2, [1, 1])],
  ['embedding', [[4, 3]], weight => ints([3, 0, 3, 1], [2, 2]).embedding(weight)],
  ['reshape', [[2, 6]], x => x.reshape([3, -1])],
  ['flatten', [[2, 3, 2]], x => x.flatten(1)],
  ['unsqueeze', [[2, 3]], x => x.unsqueeze(1)],
  ['squeeze', [[2, 1, 3, 1]], x => x.squeeze(1)],
  ['permute', [[2, 3, 4]], x => x.permute([2, 0, 1])],
  ['permute', [[2, 1, 2, 3, 2, 2, 2]], x => x.permute([6, 0, 4, 2, 5, 1, 3])],
  ['transpose', [[3, 4]], x => x.transpose(0, 1)],
  ['slice', [[5, 6]], x => x.slice([{ dim: 0, start: -1, step: -2 }, { dim: 1, start: 1, end: -1, step: 2 }])],
  ['narrow', [[5, 2]], x => x.narrow(0, 1, 3)],
  ['select', [[3, 4, 2]], x => x.select(1, -2)],
  ['flip', [[3, 4]], x => x.flip([0, 1])],
  ['expand', [[3, 1]], x => x.expand([2, -1, 4])],
  ['pad', [[2, 3, 4]], x => x.pad([1, 2, -1, 1], { value: 3 })],
  ['pad', [[3, 4]], x => x.pad([2, 3, 1, 0], { mode: 'reflect' })],
  ['pad', [[3, 4]], x => x.pad([2, 0, 1, 2], { mode: 'replicate' })],
  ['tril', [[2, 3, 4]], x => x.tril(1)],
  ['triu', [[4, 3]], x => x.triu(-1)],
  ['split', [[2, 7]], x => weighted(x.split(3, 1), 1)],
  ['split', [[5, 2]], x => weighted(x.split([1, 4]), 0)],
  ['chunk', [[7, 2]], x => weighted(x.chunk(3), 0)],
  ['cat', [[2, 3], [2, 1], [2, 2]], (a, b, c) => cat([a, b, c, a], 1)],
  ['stack', [[2, 3], [2, 3]], (a, b) => stack([a, b, a], 1)],
  ['mseLoss', [[3, 2], [3, 2]], (x, t) => x.mseLoss(t)],
  ['mseLoss', [[3, 2], [3, 2]], (x, t) => x.mseLoss(t, { reduction: 'none' })],
  ['l1Loss', [['apart', 3, 4]], x => x.l1Loss(zeros([3, 4]), { reduction: 'sum' })],
  ['bceWithLogits', [[3, 4], ['positive', 3, 4]], (x, t) => x.bceWithLogits(t)],
  ['bceWithLogits', [[3, 4]],
    x => x.bceWithLogits(tensor([1, 0, 1, 0.3]).expand([3, 4]),
      { weight: tensor([1, 2, 3, 4]), posWeight: tensor([2]), reduction: 'none' })],
  ['crossEntropy', [[3, 5]], x => x.crossEntropy(ints([4, 0, 2]))],
  ['crossEntropy', [[2, 3, 2, 2]],
    x => x.crossEntropy(ints([0, 1, 2, 1, -100, 0, 2, 2], [2, 2, 2]), { labelSmoothing: 0.2, reduction: 'none' })],
  ['crossEntropy', [[4, 3]], x => x.crossEntropy(ints([2, 1, 0, 1]), { weight: tensor([0.5, 2, 1]), ignoreIndex: 1 })],
  ['crossEntropy', [[4, 3]],
    x => x.crossEntropy(ints([2, 1, 0, 1]), { weight: tensor([0, 2, 1]), labelSmoothing: 0.3, reduction: 'sum' })],
  ['crossEntropy', [[2, 3], ['positive', 2, 3]], (x, t) => x.crossEntropy(t, { labelSmoothing: 0.1, weight: tensor([1, 2, 3]) })],
  ['crossEntropy', [[5]], x => x.crossEntropy(tensor(3, { dtype: 'int32' }))],
  ['smoothL1Loss', [['apart', 3, 4]], x => x.smoothL1Loss(zeros([3, 4]), { beta: 0.18 })],
  ['huberLoss', [['apart', 3, 4]], x => x.huberLoss(zeros([3, 4]), { delta: 0.18, reduction: 'none' })],
  ['bceLoss', [[3, 4], ['positive', 3, 4]], (x, t) => x.sigmoid().bceLoss(t.mul(0.5), { weight: tensor([1, 2, 3, 4]) })],
  ['nllLoss', [[4, 3]], x => x.nllLoss(ints([2, 1, 0, 1]), { weight: tensor([0.5, 2, 1]), ignoreIndex: 0 })],
  ['nllLoss', [[2, 3, 2]], x => x.nllLoss(ints([2, 1, 0, 1], [2, 2]), { reduction: 'none' })],
  ['hingeEmbeddingLoss', [['apart', 6]], x => x.hingeEmbeddingLoss(tensor([1, -1, 1, -1, -1, 1]), { margin: 0.06 })],
  ['hingeLoss', [['apart', 6]], x => x.hingeLoss(tensor([1, -1, 1, -1, -1, 1]), { margin: 0.06, reduction: 'none' })],
  ['multiMarginLoss', [['apart', 3, 4]],
    x => x.multiMarginLoss(ints([3, 0, 2]), { margin: 0.27, p: 2, weight: tensor([1, 2, 3, 4]) })],
  ['multiMarginLoss', [['apart', 3, 4]], x => x.multiMarginLoss(ints([3, 0, 2]), { margin: 0.27, reduction: 'sum' })],
  ['klDiv', [[3, 4], ['positive', 3, 4]], (x, t) => x.klDiv(t, { reduction: 'batchmean' })],
  ['klDiv', [[3, 4], [3, 4]], (x, t) => x.klDiv(t, { logTarget: true, reduction: 'sum' })],
  ['matmul', [[3, 4], [4, 2]], (a, b) => a.matmul(b)],
  ['matmul', [[2, 1, 3, 4], [5, 4, 2]], (a, b) => a.matmul(b)],
  ['matmul', [[4], [2, 4, 3]], (a, b) => a.matmul(b)],
  ['matmul', [[2, 3, 4], [4]], (a, b) => a.matmul(b)],
  ['matmul', [[5], [5]], (a, b) => a.matmul(b)],
  ['matmul', [[3, 3]], a => a.matmul(a)],
  ['linear', [[3, 4], [2, 4], [2]], (x, w, b) => x.linear(w, b)],
  ['linear', [[2, 3, 4], [5, 4]], (x, w) => x.linear(w)],
  ['batchNorm', [[3, 2], [2], [2]], (x, w, b) => x.batchNorm(w, b)],
  ['batchNorm', [[3, 2, 2, 2], [2], [2]], (x, w, b) => x.batchNorm(w, b, { eps: 0.1 })],
  ['batchNorm', [[2, 3, 4], [3], [3]],
    (x, w, b) => x.batchNorm(w, b, { training: false, running: { mean: arange(3), variance: arange(1, 4) } })],
  ['batchNorm', [[3, 2, 3]], x => x.batchNorm()],
  ['layerNorm', [[2, 2, 3], [2, 3], [2, 3]], (x, w, b) => x.layerNorm([2, 3], w, b)],
  ['layerNorm', [[3, 4]], x => x.layerNorm([4], null, null, { eps: 0.1 })],
  ['groupNorm', [[2, 4, 3], [4], [4]], (x, w, b) => x.groupNorm(2, w, b)],
  ['localResponseNorm', [[2, 5, 3]], x => x.localResponseNorm(3, { alpha: 0.5, k: 2 })],
  ['interpolate', [[1, 2, 3, 4]], x => x.interpolate({ size: [5, 2] })],
  ['interpolate', [[1, 2, 3, 4]], x => x.interpolate({ mode: 'bilinear', scaleFactor: [2, 1.5] })],
  ['interpolate', [[2, 1, 4]], x => x.interpolate({ mode: 'linear', size: 7, alignCorners: true })],
  ['scaledDotProductAttention', [[2, 3, 4], [2, 5, 4], [5, 2]],
    (q, k, v) => q.scaledDotProductAttention(k, v, { mask: tensor([0, -Infinity, 1, 0, 0]) })],
  ['scaledDotProductAttention', [[3, 2]], x => x.scaledDotProductAttention(x, x, { causal: true })],
  ['multiHeadAttention', [[2, 3, 4], [12, 4], [12], [4, 4], [4]], (x, inProjWeight, inProjBias, outProjWeight, outProjBias) =>
    x.multiHeadAttention({ inProjWeight, inProjBias, outProjWeight, outProjBias }, { numHeads: 2 })],
  ['rnnTanh', [[3, 2, 2], [2, 2, 3], [3, 2], [3, 3], [3], [3], [3, 2], [3, 3]],
    (x, h, weightIh, weightHh, biasIh, biasHh, back, backHh) => {
    const r = rnnTanh(x, { h },
      [{ weightIh: weightIh!, weightHh: weightHh!, biasIh, biasHh }, { weightIh: back!, weightHh: backHh! }],
      { bidirectional: true })
    return cat([r.output.flatten(), r.h.flatten()])
  }],
  ['gru', [[2, 3, 2], [6, 2], [6, 2], [6], [6]],
    (x, weightIh, weightHh, biasIh, biasHh) =>
      gru(x, null, [{ weightIh: weightIh!, weightHh: weightHh!, biasIh, biasHh }], { batchFirst: true }).output],
  ['lstm', [[3, 2, 2], [1, 2, 2], [1, 2, 2], [8, 2], [8, 2], [8]], (x, h, c, weightIh, weightHh, biasIh) => {
    const r = lstm(x, { h, c }, [{ weightIh: weightIh!, weightHh: weightHh!, biasIh }])
    return cat([r.output.flatten(), r.h.flatten(), r.c.flatten()])
  }],
  ['maxPool1d', [['apart', 2, 7]], x => x.maxPool1d(3, { stride: 2, padding: 1 })],
  ['maxPool2d', [['apart', 1, 2, 5, 6]], x => x.maxPool2d([2, 3], { stride: [2, 1], padding: [1, 1], ceilMode: true })],
  ['maxPool2d', [['apart', 2, 1, 6, 6]], x => x.maxPool2d(2, { stride: 1, dilation: 2 })],
  ['maxPool3d', [['apart', 1, 1, 4, 3, 4]], x => x.maxPool3d(2, { stride: [1, 2, 2] })],
  ['avgPool1d', [[2, 7]], x => x.avgPool1d(3, { stride: 2, padding: 1, countIncludePad: false })],
  ['avgPool2d', [[1, 2, 5, 6]], x => x.avgPool2d([2, 3], { stride: 2, padding: 1, ceilMode: true })],
  ['avgPool2d', [[1, 2, 4, 4]], x => x.avgPool2d(3, { stride: 1, divisorOverride: 5 })],
  ['avgPool3d', [[1, 1, 4, 3, 4]], x => x.avgPool3d(2, { padding: 1 })],
  ['adaptiveAvgPool1d', [[2, 3, 7]], x => adaptiveAvgPool1d(x, 3)],
  ['adaptiveAvgPool2d', [[2, 2, 5, 6]], x => adaptiveAvgPool2d(x, [3, 4])],
  ['adaptiveAvgPool2d', [[1, 2, 4, 6]], x => adaptiveAvgPool2d(x, [2, 3])],
  ['dropout', [[4, 5]], x => {
    manualSeed(3)
    return x.dropout({ p: 0.4 })
  }],
  ['softmax', [[3, 5]], x => x.softmax(1)],
  ['softmax', [[2, 3, 4]], x => x.softmax(1)],
  ['logSoftmax', [[3, 5]], x => x.logSoftmax(-1)],
  ['logSoftmax', [[4, 3]], x => x.logSoftmax(0)],
  ['sum', [[2, 3, 4]], x => x.sum()],
  ['sum', [[2, 3, 4, 2]], x => x.sum([0, 2], { keepdim: true })],
  ['mean', [[2, 3, 4]], x => x.mean([0, 1])],
  ['amax', [['apart', 3, 4]], x => x.amax(1)],
  ['amin', [['apart', 2, 3, 4]], x => x.amin([0, 2], { keepdim: true })],
  ['max', [['apart', 3, 4]], x => x.max(0).values],
  ['min', [['apart', 3, 4]], x => x.min(1, { keepdim: true }).values],
  ['logsumexp', [[2, 3, 4]], x => x.logsumexp([0, 2])],
  ['variance', [[3, 4]], x => x.variance(1)],
  ['variance', [[2, 3, 2]], x => x.variance([0, 2], { correction: 0 })],
  ['std', [[3, 4]], x => x.std(0, { keepdim: true })],
  ['norm', [[3, 4]], x => x.norm()],
  ['norm', [[3, 4]], x => x.norm(1, { p: 1 })],
  ['norm', [[3, 4]], x => x.norm(0, { p: 3 })],
  ['norm', [['apart', 3, 4]], x => x.norm(1, { p: Infinity })],
  ['prod', [[3, 4]], x => x.prod(1)],
  ['prod', [[2, 2, 3]], x => x.prod([0, 2], { keepdim: true })],
  ['cumsum', [[3, 4]], x => x.cumsum(0)],
  ['neg', [[5]], x => x.neg()],
  ['abs', [[5]], x => x.abs()],
  ['exp', [[5]], x => x.exp()],
  ['log', [['positive', 5]], x => x.log()],
  ['log1p', [['positive', 5]], x => x.log1p()],
  ['sqrt', [['positive', 5]], x => x.sqrt()],
  ['rsqrt', [['positive', 5]], x => x.rsqrt()],
  ['square', [[5]], x => x.square()],
  ['sin', [[5]], x => x.sin()],
  ['cos', [[5]], x => x.cos()],
  ['tanh', [[5]], x => x.tanh()],
  ['sigmoid', [[5]], x => x.sigmoid()],
  ['relu', [[3, 5]], x => x.relu()],
  ['leakyRelu', [[8]], x => x.leakyRelu({ negativeSlope: 0.3 })],
  ['elu', [[8]], x => x.elu({ alpha: 1.7 })],
  ['erf', [[8]], x => x.erf()],
  ['gelu', [[8]], x => x.gelu()],
  ['gelu', [[8]], x => x.gelu({ approximate: 'tanh' })],
  ['silu', [[8]], x => x.silu()],
  ['softplus', [[8]], x => x.softplus({ beta: 2, threshold: 1.2 })],
  ['sign', [[8]], x => x.sign()],
  ['floor', [[8]], x => x.mul(0.3).floor()],
  ['reciprocal', [[8]], x => x.reciprocal()],
  ['clamp', [['apart', 20]], x => x.clamp({ min: -0.24, max: 0.3 })],
  ['powScalar', [['positive', 5]], x => x.powScalar(2.5)],
  ['powScalar', [[5]], x => x.pow(2)],
  ['powScalar', [[5]], x => x.powScalar(3)],
  ['powScalar', [[5]], x => x.powScalar(-1)],
  ['roll', [[3, 4]], x => x.roll([1, -2], [0, 1])],
  ['roll', [[2, 3]], x => x.roll(4)],
  ['repeat', [[2, 3]], x => x.repeat([2, 1, 3])],
  ['repeatInterleave', [[2, 3]], x => x.repeatInterleave(2, 1)],
  ['repeatInterleave', [[3, 2]], x => x.repeatInterleave([2, 0, 1], 0)],
  ['movedim', [[2, 3, 4]], x => x.movedim([0, 1], [-1, 0])],
  ['unbind', [[2, 3]], x => weighted(x.unbind(1), 0)],
  ['diagonal', [[3, 2, 4]], x => x.diagonal({ offset: 1, dim1: 0, dim2: -1 })],
  ['diagonal', [[4, 3]], x => x.diagonal({ offset: -2 })],
  ['diag', [[3]], x => x.diag(-1)],
  ['diag', [[3, 4]], x => x.diag(2)],
  ['meshgrid', [[2], [3]], (a, b) => weighted(meshgrid([a!, b!]), 0)],
  ['mm', [[2, 3], [3, 4]], (a, b) => a.mm(b)],
  ['mv', [[2, 3], [3]], (a, b) => a.mv(b)],
  ['dot', [[4], [4]], (a, b) => a.dot(b)],
  ['bmm', [[2, 2, 3], [2, 3, 2]], (a, b) => a.bmm(b)],
  ['outer', [[2], [3]], (a, b) => a.outer(b)],
  ['trace', [[3, 4]], x => x.trace()],
  ['cumprod', [[2, 5]], x => x.cumprod(1)],
  ['diff', [[2, 5]], x => x.diff({ n: 2 })],
  ['ceil', [[8]], x => x.mul(0.3).ceil()],
  ['round', [[8]], x => x.mul(0.3).round()],
  ['trunc', [[8]], x => x.mul(0.3).trunc()],
  ['lerp', [[2, 3], [3], [2, 1]], (a, b, w) => a.lerp(b, w)],
  ['addcmul', [[2, 3], [3], [2, 1]], (x, a, b) => x.addcmul(a, b, { value: 0.5 })],
  ['addcdiv', [[2, 3], [3], [2, 1]], (x, a, b) => x.addcdiv(a, b, { value: -2 })],
  ['index', [[3, 4, 2]], x => x.index(ints([2, 0, 2]), [1, null, 2], -1)],
  ['index', [[3, 4, 2]], x => x.index(ints([2, 0], [2, 1]), ':', ints([1, 0, 1]))],
  ['index', [[2, 3]], x => x.index('...', null, tensor([1, 0, 1]))],
  ['indexPut', [[3, 4], [2, 1]], (x, v) => x.indexPut([ints([2, 0]), [1, 3]], v)],
  ['indexPut', [[3, 2], [3, 2]], (x, v) => x.indexPut([ints([2, 0, 2])], v, { accumulate: true })],
  ['maskedSelect', [[2, 3]], x => x.maskedSelect(tensor([1, 0, 1]))],
  ['indexAdd', [[2, 3], [2, 2]], (x, v) => x.indexAdd(1, [2, 2], v)],
  ['scatterAdd', [[3, 2], [2, 2]], (x, v) => x.scatterAdd(0, ints([0, 2, 0, 1], [2, 2]), v)],
  ['sort', [['apart', 3, 4]], x => x.sort(0, { descending: true }).values],
  ['topk', [['apart', 3, 4]], x => x.topk(2).values],
  ['median', [['apart', 6]], x => x.median()],
  ['unique', [['apart', 6]], x => x.unique().values],
  ['einsum', [[2, 3], [3, 4]], (a, b) => einsum('ij,jk->ki', a, b)],
  ['einsum', [[3, 3, 2]], a => einsum('iij->j', a)],
  ['einsum', [[2, 3], [2, 1, 3], [4]], (a, b, c) => einsum('bi,b...i,k->bk...', a, b, c)],
  ['einsum', [[2, 3], [2, 3], [2]], (a, b, c) => einsum('bi,bi,b->b', a, b, c)],
  ['rmsNorm', [[2, 2, 3], [2, 3]], (x, w) => x.rmsNorm([2, 3], w)],
  ['rmsNorm', [[3, 4]], x => x.rmsNorm([4], null, { eps: 0.1 })],
  // few sums, none of them near a kink or a tie
  ['conv2d', [[1, 2, 4, 3], [2, 2, 3, 2], [2]], (x, w, b) => x.conv2d(w, b, { relu: true })],
  ['convMaxPool2d', [[1, 2, 4, 3], [2, 2, 3, 2], [2]], (x, w, b) => x.convMaxPool2d(w, b, {}, 2, { relu: true })],
  ['convMaxPool2d', [[2, 1, 4, 4], [2, 1, 3, 3]], (x, w) => x.convMaxPool2d(w, null, {}, 2, { stride: 1, padding: 1 })],
  ['maxPool2d', [['apart', 2, 2, 5, 5]], x => x.maxPool2d(2, { relu: true })],
  ['linear', [[3, 4], [2, 4], [2]], (x, w, b) => x.linear(w, b, { relu: true })],
  ['clone', [[3, 2]], x => x.clone().mul(x)],
]

/** Results without a gradient: whole numbers, comparisons, and what isn't a function of values. */
const without = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'argmax', 'argmin', 'oneHot', 'float', 'int', 'backward', 'requiresGradient',
  'detach', 'argsort', 'nonzero', 'isnan', 'isinf', 'isfinite', 'any', 'all', 'countNonzero', 'allclose']

/** Run `check` on every row with fresh inputs on a backend, and list the rows whose number is not within the limit. */
function failures(backend: BackendName, limit: number, check: (f: F, inputs: Tensor[]) => number): string[] {
  return onBackend(backend, () =>
    table.flatMap(([op, inputs, f], row) => {
      const worst = scope(() => {
        const generator = new Generator(row)
        return check(f, inputs.map(input => draw(input, generator)))
      })
      return worst <= limit ? [] : [`${op} (row ${row}): ${worst}`]
    }),
  )
}

/** Families whose results depend on no tensor */
const SOURCES = ['creation', 'random', 'ranges']
/** The functions of the other families that ts/index.ts exports */
const exported = [...readFileSync('ts/index.ts', 'utf8').matchAll(/^export \{([^}]*)\} from '\.\/ops\/([\w-]+)\.js'/gm)]
  .flatMap(([, names, family]) => (SOURCES.includes(family!) ? [] : names!.split(',').map(name => name.trim())))
  .filter(name => /^[a-z]\w*$/.test(name))

test('every op has its gradient tested, or has none', () => {
  const tested = new Set(table.map(([op]) => op))
  assert.ok(exported.length > 100, 'ts/index.ts is read')
  for (const op of new Set([...Object.keys(methods), ...exported])) {
    assert.is(Number(tested.has(op)) + Number(without.includes(op)), 1,
      `${op} must stand in the table of gradients or among those without`)
  }
})

test('ops without a gradient record nothing', () => {
  const x = tensor([[1, 2], [3, 4]], { requiresGrad: true })
  const compared = [x.eq(2), x.ne(2), x.lt(x), x.le(2), x.gt(2), x.ge(2)]
  const others = [x.argmax(1), x.argmin(), x.oneHot(5), x.int(), x.detach(), x.argsort(), x.nonzero(), x.isnan(), x.isinf(),
    x.isfinite(), x.any(), x.all(), x.countNonzero(), x.sort().indices, x.unique().counts]
  for (const y of [...compared, ...others]) assert.not(y.requiresGrad, y.label)
})

test('float64: gradients agree with differences to 1e-6', () => assert.equal(failures('reference64', 1e-6, checkGradients), []))
test('float64: gradients of gradients agree with differences to 1e-5', () =>
  assert.equal(failures('reference64', 1e-5, (f, inputs) => checkGradients(f, inputs, { second: true })), []))
test(`float32 on ${float32}: gradients agree with differences to 1e-2`,
  () => assert.equal(failures(float32, 1e-2, checkGradients), []))

/** Largest |a − b| / (1 + |b|) */
function distance(a: Tensor, b: Tensor): number {
  assert.equal(a.shape, b.shape)
  const [p, q] = [Float64Array.from(a.values()), Float64Array.from(b.values())]
  return p.reduce((worst, v, i) => (Object.is(v, q[i]) ? worst : Math.max(worst, Math.abs(v - q[i]!) / (1 + Math.abs(q[i]!)))), 0)
}

/** The kernels of backward(), for all inputs and for each alone, against the formula in ops. */
function disagreement(f: F, inputs: Tensor[]): number {
  const xs = inputs.map(x => x.requiresGradient())
  const y = f(...xs)
  const v = draw(y.shape, new Generator(99))
  const formula = gradients(y, xs, { gradOutputs: [v], createGraph: true })
  const together = gradients(y, xs, { gradOutputs: [v], retainGraph: true })
  const alone = xs.map(x => gradients(y, [x], { gradOutputs: [v], retainGraph: true })[0]!)
  y.mul(v).sum().backward()
  return Math.max(...xs.flatMap((x, i) => [together[i]!, alone[i]!, x.grad!].map(g => distance(g, formula[i]!))))
}
test('kernels and formulas agree, float64', () => assert.equal(failures('reference64', 1e-12, disagreement), []))
test(`kernels and formulas agree, float32 on ${float32}`, () => assert.equal(failures(float32, 2e-5, disagreement), []))

test('kernels and formulas agree on kinks, ties, infinities and NaN too', () => {
  const f: Record<string, F> = {
    relu: x => x.relu(), leakyRelu: x => x.leakyRelu({ negativeSlope: 0.1 }), elu: x => x.elu({ alpha: 2 }), abs: x => x.abs(),
    sign: x => x.sign(), floor: x => x.floor(),
    clamp: x => x.clamp({ min: -1, max: 1 }), softplus: x => x.softplus({ threshold: 1 }), square: x => x.square(),
    sigmoid: x => x.sigmoid(), tanh: x => x.tanh(),
    gelu: x => x.gelu(), erf: x => x.erf(), exp: x => x.exp(), sqrt: x => x.sqrt(), log: x => x.log(), log1p: x => x.log1p(),
    reciprocal: x => x.reciprocal(), rsqrt: x => x.rsqrt(),
    sin: x => x.sin(), cos: x => x.cos(), powScalar: x => x.powScalar(2), silu: x => x.silu(),
    softmax: x => x.slice({ dim: 0, end: 6 }).softmax(0),
    maxPool: x => x.reshape([1, 1, 9]).maxPool1d(3, { stride: 1 }), reluMaxPool: x => x.reshape([1, 1, 9]).maxPool1d(3, { stride: 1, relu: true }),
    maximum: x => x.maximum(0),
    amax: x => x.slice({ dim: 0, end: 6 }).amax(),
  }
  for (const backend of ['reference64', float32] as const) {
    for (const [op, run] of Object.entries(f)) {
      const worst = onBackend(backend,
        () => scope(() => disagreement(run, [tensor([-1, -0.5, 0, -0, 1, 1, NaN, Infinity, -Infinity])])))
      assert.ok(worst < 1e-5, `${op} on ${backend}: ${worst}`)
    }
  }
})

test('second derivatives at kinks are 0', () => {
  for (const f of [(x: Tensor) => x.relu(), (x: Tensor) => x.abs(), (x: Tensor) => x.maximum(0)]) {
    assert.equal(hessian(x => f(x).sum(), tensor([0])).values(), new Float32Array(1))
  }
})

test('a wrong gradient is caught, and one of a wrong shape named', () => {
  const op = (slope: (g: Tensor, x: Tensor) => Tensor) => (x: Tensor) =>
    engine.apply(
      { name: 'cube', forward: ([t]) => t!.mul(t!).mul(t!), gradient: (g, { inputs: [t] }) => [slope(g, t!)] },
      [x], undefined,
    )
  const right = op((g, x) => g.mul(x).mul(x).mul(3))
  const x = onBackend('reference64', () => tensor([0.5, -1, 2]))
  assert.ok(checkGradients(right, [x], { second: true }) < 1e-6)
  assert.ok(checkGradients(op((g, t) => g.mul(t).mul(t).mul(3.001)), [x]) > 1e-5, 'a slope that is 0.03 % too large')
  assert.is(checkGradients(op((g, t) => g.mul(t).mul(NaN)), [x]), Infinity)
  const detached = op((g, t) => g.mul(t.detach()).mul(t.detach()).mul(3))
  assert.ok(checkGradients(detached, [x]) < 1e-6)
  assert.ok(checkGradients(detached, [x], { second: true }) > 0.1, 'right values that are cut off from the graph')
  assert.throws(() => backward(op((_, t) => t.sum())(tensor([1, 2], { requiresGrad: true })).sum()),
    /^cube: its gradient has shape \[\], but the input \[2\]: the op is wrong$/)
  const fused = (x: Tensor) =>
    engine.apply(
      { name: 'double', forward: ([t]) => t!.mul(2), gradient: g => [g.mul(2)], fused: g => [g.mul(2.5)] },
      [x], undefined,
    )
  assert.ok(disagreement(fused, [tensor([1, 2])]) > 0.1)
})

test.run()
