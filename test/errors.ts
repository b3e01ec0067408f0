// What errors say: what was expected, what came and how to mend it, word for word.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, add, addcdiv, addcmul, all, any, arange, ArrayDataset, BatchNorm1d, BatchNorm2d, capture, cat, configure, Conv2d, CosineAnnealingLR, countNonzero, DataLoader,
  diag, Dropout, ELU, embedding, engine, expand, eye, flatten, flip, full, gather, GELU, grad, GRU, GRUCell, gt, indexSelect, info, init, isfinite, isinf,
  isnan, LayerNorm, LeakyReLU, lerp, Linear, Lion, LSTM, LSTMCell, manualSeed, maskedFill, MaxPool2d, median, MultiheadAttention, neg, nllLoss,
  noGrad, nonzero, onBackend, oneHot, ones, pad, parameter, permute, pow, rand, ReLU, relu, repeat, repeatInterleave, reshape, RNN, RNNCell, roll, scope,
  Sequential, SGD, slice, Softplus, sort, split, squeeze, stack, std, StepLR, steps, sub, Subset, Tensor, tensor, topk, trace, transpose, tril,
  unique, unsqueeze, VERSION, zeros,
} from 'hebb'
import { ConvNet, LeNet5, MLP } from 'hebb/models'
import { readSafetensors } from 'hebb/io'
import { confusionMatrix, evaluate, fit, writeStateDict } from 'hebb/train'

const t = (...shape: number[]): Tensor => zeros(shape)
/** For what only JavaScript lets pass */
const loose = (value: unknown): any => value
const ints = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' })

type Line = [name: string, text: string, f: () => unknown]
const refuse = (lines: Line[]): void => {
  for (const [name, text, f] of lines) {
    let error: unknown
    try {
      f()
    } catch (caught) {
      error = caught
    }
    assert.ok(error instanceof Error, `no error where this was expected: ${text}`)
    assert.is(`${error.name}: ${error.message}`, `${name}: ${text}`)
  }
}

test('shapes that do not fit layers and products', () => refuse([
  ['ShapeError', 'linear: x [4,3] has 3 features, but weight [2,5] takes 5', () => t(4, 3).linear(t(2, 5))],
  ['ShapeError', 'linear: x [2,1,28,28] has 28 features, but weight [10,784] takes 784: flatten(1) it first',
   () => new Linear(784, 10).forward(t(2, 1, 28, 28))],
  ['ShapeError', 'linear: a weight [out, in] expected, got [3]', () => t(4, 3).linear(t(3))],
  ['ShapeError', 'linear: weight [2,3] needs a bias of 2, got [3]', () => t(4, 3).linear(t(2, 3), t(3))],
  ['ShapeError', 'conv2d: x [2,3,28,28] has 3 channels, but weight [6,1,5,5] takes 1',
   () => new LeNet5().forward(t(2, 3, 28, 28))],
  ['ShapeError',
   'conv2d: x [2,28,28,3] has 28 channels, but weight [8,3,5,5] takes 3: are channels its last dimension? permute it to [n, c, h, w]',
   () => new Conv2d(3, 8, 5).forward(t(2, 28, 28, 3))],
  ['ShapeError', 'conv2d: x [1,4,8,8] has 4 channels in 2 groups, but weight [4,1,3,3] takes 2',
   () => t(1, 4, 8, 8).conv2d(t(4, 1, 3, 3), null, { groups: 2 })],
  ['ShapeError', 'conv2d: x [n, c, h, w], or [c, h, w] without a batch, expected, got [28,28]',
   () => new Conv2d(1, 2, 3).forward(t(28, 28))],
  ['ShapeError', 'conv2d: weight [out, in / groups, h, w] expected, got [4,3,3]', () => t(1, 3, 8, 8).conv2d(t(4, 3, 3))],
  ['ShapeError', 'conv2d: kernel [9,9] with dilation [1,1] is larger than x [1,3,8,8] with padding [0,0]',
   () => t(1, 3, 8, 8).conv2d(t(4, 3, 9, 9))],
  ['ShapeError', 'conv2d: weight [4,3,3,3] needs a bias of 4, got [3]', () => t(1, 3, 8, 8).conv2d(t(4, 3, 3, 3), t(3))],
  ['ShapeError', 'conv2d: groups must divide the 3 channels of x [1,3,8,8] and the 4 of weight [4,3,3,3], got 2',
   () => t(1, 3, 8, 8).conv2d(t(4, 3, 3, 3), null, { groups: 2 })],
  ['ShapeError', 'conv2d: stride must be a whole number ≥ 1, or 2 of them, got [1,2,3]',
   () => t(1, 3, 8, 8).conv2d(t(4, 3, 3, 3), null, { stride: [1, 2, 3] })],
  ['ShapeError', 'conv2d: padding must be a whole number ≥ 0, or 2 of them, got valid',
   () => t(1, 3, 8, 8).conv2d(t(4, 3, 3, 3), null, { padding: loose('valid') })],
  ['ShapeError', "conv2d: padding 'same' needs stride 1, got [2,2]",
   () => t(1, 3, 8, 8).conv2d(t(4, 3, 3, 3), null, { padding: 'same', stride: 2 })],
  ['ShapeError', 'maxPool2d: a window of [5,5] is larger than x [1,2,4,4]', () => t(1, 2, 4, 4).maxPool2d(5)],
  ['ShapeError', 'maxPool2d: padding of at most half the kernel [2,2] expected, got [2,2]',
   () => t(1, 2, 4, 4).maxPool2d(2, { padding: 2 })],
  ['RangeError', 'avgPool2d: a divisor other than 0 expected', () => t(1, 2, 4, 4).avgPool2d(2, { divisorOverride: 0 })],
  ['ShapeError', 'adaptiveAvgPool2d: an empty image, shape [1,2,0,4]', () => t(1, 2, 0, 4).adaptiveAvgPool2d(2)],
  ['ShapeError', 'matmul: a [2,3] has 3 columns, but b [2,3] has 2 rows: transpose one of them?', () => t(2, 3).matmul(t(2, 3))],
  ['ShapeError', 'matmul: matrices or vectors expected, got [2,3] and []: multiply by a number with mul',
   () => t(2, 3).matmul(t())],
  ['ShapeError',
   "matmul: the leading dimensions of a [2,2,3] and b [3,3,4] don't broadcast: from the right, 2 meets 3; sizes must agree or be 1 (see unsqueeze, reshape)",
   () => t(2, 2, 3).matmul(t(3, 3, 4))],
  ['ShapeError', 'batchNorm: more than one value a channel expected in training, got x [1,3]: use larger batches or eval()',
   () => new BatchNorm1d(3).forward(t(1, 3))],
  ['ShapeError', 'BatchNorm2d: x of rank 4 with 3 channels expected, got [2,4,2,2]',
   () => new BatchNorm2d(3, { affine: false, trackRunningStats: false }).forward(t(2, 4, 2, 2))],
  ['Error', 'batchNorm: evaluation needs running statistics', () => t(2, 3).batchNorm(null, null, { training: false })],
]))

test('shapes, dimensions and indices that do not fit', () => refuse([
  ['ShapeError',
   "add: shapes [2,3] and [4,3] don't broadcast: from the right, 2 meets 4; sizes must agree or be 1 (see unsqueeze, reshape)",
   () => t(2, 3).add(t(4, 3))],
  ['ShapeError', "reshape: x [2,3] has 6 elements, they don't fill shape [4,2]: one size may be -1, for what is left",
   () => t(2, 3).reshape([4, 2])],
  ['ShapeError', "reshape: x [2,3] has 6 elements, they don't fill shape [-1,-1]: one size may be -1, for what is left",
   () => t(2, 3).reshape([-1, -1])],
  ['ShapeError', 'reshape: a shape in brackets expected, reshape([2, -1]) for instance, got 3',
   () => loose(t(2, 3)).reshape(3, 2)],
  ['ShapeError', 'permute: all dimensions in brackets expected, permute([1, 0]) for instance, got 1',
   () => loose(t(2, 3)).permute(1, 0)],
  ['ShapeError', 'permute: every dimension of shape [2,3] expected once, got [0,0]', () => t(2, 3).permute([0, 0])],
  ['ShapeError', "expand: x [2,3] doesn't repeat to [4,3]: only sizes of 1 and new leading dimensions can",
   () => t(2, 3).expand([4, 3])],
  ['ShapeError', 'flatten: start 1 lies behind end 0 in shape [2,3]', () => t(2, 3).flatten(1, 0)],
  ['ShapeError', 'sum: dim 2 is outside -2..1, the dimensions of a tensor of rank 2', () => t(2, 3).sum(2)],
  ['ShapeError', 'softmax: a whole number as dim expected, -2..1 for a tensor of rank 2, got undefined',
   () => loose(t(2, 3)).softmax()],
  ['ShapeError', 'mean: dim 0 is named twice', () => t(2, 3).mean([0, -2])],
  ['ShapeError', 'select: index 2 is outside the 2 of dim 0, shape [2,3]', () => t(2, 3).select(0, 2)],
  ['ShapeError', 'narrow: 2..4 is not inside the 3 of dim 1, shape [2,3]', () => t(2, 3).narrow(1, 2, 2)],
  ['ShapeError', 'slice: a whole step other than 0 expected, got 0', () => t(2, 3).slice({ dim: 0, step: 0 })],
  ['ShapeError', 'slice: whole numbers as start and end expected, got 0.5', () => t(2, 3).slice({ dim: 0, start: 0.5 })],
  ['ShapeError', "split: sizes [1,1] don't add up to the 3 of dim 1, shape [2,3]", () => t(2, 3).split([1, 1], 1)],
  ['ShapeError', 'split: size must be a whole number ≥ 1, got 1.5', () => t(2, 3).split(1.5)],
  ['ShapeError', 'chunk: the number of parts must be a whole number ≥ 1, got 0', () => t(2, 3).chunk(0)],
  ['ShapeError', 'pad: (before, after) pairs of whole numbers for at most 2 dimensions expected, got [1] for shape [2,3]',
   () => t(2, 3).pad([1])],
  ['ShapeError', "pad: 3 before and 0 after don't fit dim 1 of shape [2,3] in mode reflect",
   () => t(2, 3).pad([3, 0], { mode: 'reflect' })],
  ['RangeError', 'pad: mode constant, reflect or replicate expected, got wrap',
   () => t(2, 3).pad([1, 0], { mode: loose('wrap') })],
  ['ShapeError', 'tril: a matrix or a batch of them expected, got shape [3]', () => t(3).tril()],
  ['ShapeError', 'cat: at least one tensor expected, got none', () => cat([])],
  ['ShapeError', 'cat: tensors that differ in dim 0 only expected, got [2,3] float32 and, at position 1, [2,4] float32',
   () => cat([t(2, 3), t(2, 4)])],
  ['ShapeError', 'cat: tensors with dimensions expected, got scalars: stack() makes a vector of them', () => cat([t(), t()])],
  ['ShapeError', 'stack: tensors of one shape expected, got [2] and [3]', () => stack([t(2), t(3)])],
  ['RangeError', 'indexSelect: indices 0..1 expected for dim 0 of x [2,3], got 2 at position 1',
   () => t(2, 3).indexSelect(0, [0, 2])],
  ['RangeError', 'indexSelect: indices 0..1 expected, got 2 at position 1', () => t(2, 3).indexSelect(0, ints(0, 2))],
  ['RangeError', 'indexSelect: whole numbers as indices expected, got 0.5 at position 0', () => t(2, 3).indexSelect(0, tensor([0.5]))],
  ['RangeError', 'gather: indices 0..2 expected, got -1 at position 1', () => t(2, 3).gather(1, tensor([[0], [-1]], { dtype: 'int32' }))],
  ['RangeError', 'oneHot: classes 0..2 expected, got 3 at position 0', () => ints(3).oneHot(3)],
  ['ShapeError', 'oneHot: numClasses must be a whole number ≥ 0, got undefined', () => loose(oneHot)(ints(1))],
  ['ShapeError', 'amax: of no elements, in shape [0,3], there is no extreme', () => t(0, 3).amax(0)],
  ['RangeError', 'norm: p > 0 expected, got 0', () => t(2).norm(null, { p: 0 })],
]))

test('creation and reading', () => refuse([
  ['ShapeError', 'tensor: rows of one length expected, 2 at depth 1, got one of 1', () => tensor([[1, 2], [3]])],
  ['ShapeError', 'tensor: rows of one length expected, 2 at depth 1, got 3', () => tensor([[1, 2], 3])],
  ['ShapeError', 'tensor: numbers expected at depth 1 of shape [2], got an array: rows must have one length',
   () => tensor([1, [2, 3]])],
  ['TypeError', 'tensor: numbers, arrays of them or a typed array expected, got "1"', () => tensor(loose(['1']))],
  ['TypeError', 'tensor: numbers, arrays of them or a typed array expected, got undefined', () => tensor(loose([1, undefined]))],
  ['TypeError',
   'tensor: numbers, arrays of them or a typed array expected, got a tensor: clone() copies one, stack() joins several',
   () => tensor(loose([t(2), t(2)]))],
  ['ShapeError', 'tensor: shape [2,2] takes 4 values, got 3', () => tensor([1, 2, 3], [2, 2])],
  ['TypeError', 'tensor: whole numbers of 32 bits expected for int32, got 1.5 at position 0', () => tensor([1.5], { dtype: 'int32' })],
  ['TypeError', 'tensor: whole numbers of 32 bits expected for int32, got 2147483648 at position 1', () => tensor([1, 2 ** 31], { dtype: 'int32' })],
  ['TypeError', 'full: whole numbers of 32 bits expected for int32, got 1.5 at position 0', () => full([2], 1.5, { dtype: 'int32' })],
  ['TypeError', 'full: whole numbers of 32 bits expected for int32, got 3000000000 at position 0', () => full([1], 3e9, { dtype: 'int32' })],
  ['TypeError', 'pad: whole numbers of 32 bits expected for int32, got NaN at position 0', () => ints(1).pad([1, 0], { value: NaN })],
  ['TypeError', 'loadStateDict: num_batches_tracked: whole numbers of 32 bits expected for int32, got 3.5 at position 0', () => {
    const norm = new BatchNorm1d(1)
    norm.loadStateDict({ ...norm.stateDict(), num_batches_tracked: tensor(3.5) })
  }],
  ['TypeError', 'tensor: float32 expected, got int32 of shape [1]: convert it with .float()', () => tensor([1], { dtype: 'int32', requiresGrad: true })],
  ['TypeError', 'zeros: float32 expected, got int32 of shape [1]: convert it with .float()', () => zeros([1], { dtype: 'int32', requiresGrad: true })],
  ['TypeError', 'requiresGradient: float32 expected, got int32 of shape [1]: convert it with .float()', () => ints(1).requiresGradient()],
  ['TypeError', 'parameter: float32 expected, got int32 of shape [1]: convert it with .float()', () => parameter(ints(1))],
  ['RangeError', 'init: mode fanIn or fanOut expected, got fan_out', () => init.kaimingUniform(t(2, 2), { mode: loose('fan_out') })],
  ['RangeError', 'init: nonlinearity linear, sigmoid, tanh, relu, leakyRelu or selu expected, got leaky_relu',
   () => init.kaimingNormal(t(2, 2), { nonlinearity: loose('leaky_relu') })],
  ['RangeError', 'init: nonlinearity linear, sigmoid, tanh, relu, leakyRelu or selu expected, got gelu', () => init.gain(loose('gelu'))],
  ['TypeError', 'init: float32 expected, got int32 of shape [1]: convert it with .float()', () => init.uniform(ints(1))],
  ['TypeError', 'init: float32 expected, got int32 of shape [1]: convert it with .float()', () => init.constant(ints(1), 3)],
  ['TypeError', 'tensor: dtype float32 or int32 expected, got float64', () => tensor([1], { dtype: loose('float64') })],
  ['ShapeError', 'zeros: sizes must be whole numbers ≥ 0, got shape [2,-1]', () => zeros([2, -1])],
  ['ShapeError', 'zeros: a shape in brackets expected, zeros([2, 3]) for instance, got 2', () => loose(zeros)(2, 3)],
  ['ShapeError', 'rand: sizes must be whole numbers ≥ 0, got shape [1.5]', () => rand([1.5])],
  ['ShapeError', 'eye: sizes must be whole numbers ≥ 0, got shape [-1,-1]', () => eye(-1)],
  ['TypeError', 'full: dtype float32 or int32 expected, got bool', () => full([2], 1, { dtype: loose('bool') })],
  ['ShapeError', 'arange: a finite range and a step other than 0 expected, got 0, 1, 0', () => arange(0, 1, 0)],
  ['ShapeError', 'item: one element expected, got shape [2]: reduce it with mean() or sum(), or read array()', () => t(2).item()],
  ['ShapeError', 'set: 2 values expected for shape [2], got 1', () => t(2).set([1])],
  ['RangeError', 'steps: a whole number of steps ≥ 0 expected, got -1', () => steps(-1)],
  ['RangeError', 'seed: a whole number between -2^53 and 2^53 expected, got 1.5', () => manualSeed(1.5)],
  ['ShapeError', 'init: fans need a weight [out, in, ...], got shape [3]', () => init.xavierUniform(t(3))],
]))

test('what is no tensor, or not of this kind', () => refuse([
  ['TypeError', 'add: float32 expected, got int32 of shape [2]: convert it with .float()', () => ints(1, 2).add(1)],
  ['TypeError', 'mul: float32 expected, got int32 of shape [1]: convert it with .float()', () => t(1).mul(ints(1))],
  ['TypeError', 'neg: float32 expected, got int32 of shape [1]: convert it with .float()', () => ints(1).neg()],
  ['TypeError', 'sum: float32 expected, got int32 of shape [1]: convert it with .float()', () => ints(1).sum()],
  ['TypeError', 'matmul: float32 expected, got int32 of shape [1,2]: convert it with .float()',
   () => ints(1, 2).unsqueeze(0).matmul(t(2, 2))],
  ['TypeError', 'add: a tensor and a number or two tensors expected, got two numbers', () => add(1, 2)],
  ['TypeError', 'add: a tensor expected, got an array: wrap it in tensor()', () => t(2).add(loose([1, 2]))],
  ['TypeError', 'mul: a tensor expected, got string', () => t(2).mul(loose('2'))],
  ['TypeError', 'relu: a tensor expected, got null', () => relu(loose(null))],
  ['TypeError', 'linear: a tensor expected, got undefined', () => t(2, 2).linear(loose(undefined))],
  ['TypeError', 'crossEntropy: a tensor expected, got an array: wrap it in tensor()', () => t(2, 2).crossEntropy(loose([0, 1]))],
  ['TypeError', 'mseLoss: a tensor expected, got number', () => t(2).mseLoss(loose(1))],
  ['TypeError', 'cat: a tensor expected, got number', () => cat([t(1), loose(2)])],
  ['TypeError', 'capture: a tensor expected, got number', () => capture(x => x)(loose(3))],
  ['TypeError', 'clamp: options in braces expected, { name: value }, got 0', () => loose(t(2)).clamp(0, 1)],
  ['TypeError', 'dropout: options in braces expected, { name: value }, got 0.5', () => t(2).dropout(loose(0.5))],
  ['RangeError', 'dropout: a probability p in 0..1 expected, got 2', () => t(2).dropout({ p: 2 })],
  ['Error',
   `add: tensors of two backends, reference64 and ${info().backend}: make both on one, or move the values with values() and tensor()`,
   () => onBackend('reference64', () => t(2)).add(t(2))],
  ['Error', 'backend: wasm, reference, reference64 expected, got cuda', () => onBackend(loose('cuda'), () => t(2))],
]))

test('a plain array is no tensor for functions either', () => {
  const list: any = [[1, 2], [3, 4]]
  const vector: any = [1, 2]
  const x = t(2, 2)
  const calls: Record<string, () => unknown> = {
    add: () => add(vector, 1), sub: () => sub(vector, 1), pow: () => pow(vector, 2), gt: () => gt(vector, 1), maskedFill: () => maskedFill(vector, vector, 0),
    neg: () => neg(vector), reshape: () => reshape(vector, [2, 1]), permute: () => permute(list, [1, 0]), transpose: () => transpose(list, 0, 1),
    flatten: () => flatten(list), squeeze: () => squeeze(vector), unsqueeze: () => unsqueeze(vector, 0), slice: () => slice(vector, { dim: 0 }),
    expand: () => expand(vector, [2, 2]), flip: () => flip(vector, 0), pad: () => pad(vector, [1, 1]), tril: () => tril(list), roll: () => roll(vector, 1),
    repeat: () => repeat(vector, [2]), diag: () => diag(vector), trace: () => trace(list), sort: () => sort(vector), topk: () => topk(vector, 1),
    median: () => median(vector), unique: () => unique(vector), nonzero: () => nonzero(vector), gather: () => gather(x, 0, vector),
    indexSelect: () => indexSelect(vector, 0, [0]), embedding: () => embedding(vector, x), oneHot: () => oneHot(vector, 3), std: () => std(vector),
    repeatInterleave: () => repeatInterleave(vector, 2), isnan: () => isnan(vector), isinf: () => isinf(vector), isfinite: () => isfinite(vector),
    any: () => any(vector), all: () => all(vector), countNonzero: () => countNonzero(vector), lerp: () => lerp(x, vector, 0.5),
    addcmul: () => addcmul(x, vector, 2), addcdiv: () => addcdiv(x, x, vector),
    nllLoss: () => nllLoss(x, vector),
  }
  for (const [name, call] of Object.entries(calls)) {
    const text = new RegExp(`^${name}: a tensor expected, got .*: wrap it in tensor\\(\\)$`)
    assert.throws(call, (e: Error) => e instanceof TypeError && text.test(e.message), name)
  }
})

test('options in the order of PyTorch are refused: they would do nothing, in silence', () => {
  const x = t(1, 1, 4, 4)
  const w = parameter([1])
  const calls: Record<string, (three: any) => unknown> = {
    sum: v => x.sum(0, v), variance: v => x.variance(0, v), max: v => x.max(0, v), argmax: v => x.argmax(0, v), norm: v => x.norm(0, v),
    conv2d: v => x.conv2d(t(1, 1, 3, 3), null, v), maxPool2d: v => x.maxPool2d(2, v), avgPool2d: v => x.avgPool2d(2, v), leakyRelu: v => x.leakyRelu(v),
    elu: v => x.elu(v), softplus: v => x.softplus(v), gelu: v => x.gelu(v), pad: v => x.pad([1, 1], v), sort: v => x.sort(0, v), argsort: v => x.argsort(0, v),
    topk: v => x.topk(1, 0, v), crossEntropy: v => t(1, 2).crossEntropy(ints(0), v), mseLoss: v => x.mseLoss(x, v), tensor: v => tensor([1], v),
    zeros: v => zeros([1], v), backward: v => w.sum().backward(v), Linear: v => new Linear(1, 1, v), Conv2d: v => new Conv2d(1, 1, 3, v),
    MaxPool2d: v => new MaxPool2d(2, v), BatchNorm2d: v => new BatchNorm2d(1, v), LayerNorm: v => new LayerNorm(1, v), LSTM: v => new LSTM(1, 1, v),
    MultiheadAttention: v => new MultiheadAttention(2, 1, v), Adam: v => new Adam([w], v), SGD: v => new SGD([w], v),
    DataLoader: v => new DataLoader(new ArrayDataset({ values: new Float32Array(2), shape: [1] }), v),
  }
  for (const [name, call] of Object.entries(calls)) for (const v of [3, true, 'none', null]) {
    if (v === null && name === 'tensor') continue
    assert.throws(() => call(v), (e: Error) => e.message === `${name}: options in braces expected, { name: value }, got ${v}`, `${name} ${v}`)
  }
  const sequence = t(2, 1, 2)
  const states: Record<string, (state: any) => unknown> = {
    rnnTanh: v => new RNN(2, 3).forward(sequence, v), gru: v => new GRU(2, 3).forward(sequence, v), lstm: v => new LSTM(2, 3).forward(sequence, v),
    LSTMCell: v => new LSTMCell(2, 3).forward(t(1, 2), v), MultiheadAttention: v => new MultiheadAttention(2, 1).forward(sequence, v),
  }
  for (const [name, call] of Object.entries(states)) for (const v of [t(1, 1, 3), [t(1, 1, 3), t(1, 1, 3)]]) {
    const what = name[0] === 'M' ? 'options in braces expected, { name: value }' : `a state ${/lstm/i.test(name) ? '{ h, c }' : '{ h }'} expected`
    assert.throws(() => call(v), (e: Error) => e.message === `${name}: ${what}, got ${v}`, name)
  }
  refuse([
    ['TypeError', 'lstm: a state { h, c } expected, got true', () => new LSTM(2, 3).forward(sequence, loose(true))],
    ['TypeError', 'gru: a tensor expected, got number', () => new GRU(2, 3).forward(sequence, loose({ h: 1 }))],
    ['TypeError', 'LSTMCell: a tensor expected, got an array: wrap it in tensor()', () => new LSTMCell(2, 3).forward(t(1, 2), loose({ h: [0] }))],
    ['TypeError', 'GRUCell: a tensor expected, got object', () => new GRUCell(2, 3).forward(t(1, 2), loose({ h: t(1, 3) }))],
    ['TypeError', 'RNNCell: a tensor expected, got object', () => new RNNCell(2, 3).forward(t(1, 2), loose({ h: t(1, 3) }))],
  ])
})

test('a tensor of another copy of the engine is named', () => {
  class Foreign {
    static engineVersion = '9.9.9'
  }
  const text = `add: a tensor of another copy of hebb (version 9.9.9) came to version ${VERSION}: let the project install one copy only`
  refuse([['Error', text, () => t(2).add(loose(new Foreign()))]])
})

test('losses', () => refuse([
  ['RangeError', 'crossEntropy: labels 0..2 expected for logits [4,3], got 3 at position 3',
   () => t(4, 3).crossEntropy(ints(0, 1, 2, 3))],
  ['RangeError', 'crossEntropy: labels 0..2 expected for logits [4,3], got -1 at position 2',
   () => t(4, 3).crossEntropy(tensor([0, 1, -1, 2]))],
  ['RangeError', 'crossEntropy: whole numbers as labels expected, got 0.5 at position 1',
   () => t(2, 3).crossEntropy(tensor([0, 0.5]))],
  ['ShapeError',
   'crossEntropy: logits [4,3] need class indices [4] or probabilities [4,3], got a target of [4,1]: reshape([4]) it',
   () => t(4, 3).crossEntropy(t(4, 1))],
  ['ShapeError', 'crossEntropy: logits [4,3] need class indices [4] or probabilities [4,3], got a target of [2]',
   () => t(4, 3).crossEntropy(ints(0, 1))],
  ['ShapeError', 'crossEntropy: a weight for each of 3 classes expected, got [4]',
   () => t(1, 3).crossEntropy(ints(0), { weight: t(4) })],
  ['RangeError', 'crossEntropy: labelSmoothing in 0..1 expected, got 2',
   () => t(1, 3).crossEntropy(ints(0), { labelSmoothing: 2 })],
  ['RangeError', 'crossEntropy: reduction mean, sum or none expected, got avg',
   () => t(1, 3).crossEntropy(ints(0), { reduction: loose('avg') })],
  ['ShapeError', 'mseLoss: input [4,1] and target [4] must have one shape: reshape or unsqueeze one of them',
   () => t(4, 1).mseLoss(t(4))],
  ['TypeError', 'mseLoss: float32 expected, got int32 of shape [1]: convert it with .float()', () => t(1).mseLoss(ints(1))],
]))

test('backward() and the life of tensors', () => {
  const w = parameter([1, 2])
  const twice = w.mul(w).sum()
  twice.backward()
  let late = t(1)
  for (const _ of steps(1)) late = w.add(1)
  const thrown = t(2)
  thrown.dispose()
  const again = w.sum()
  again.backward()
  const reads = capture((x: Tensor) => {
    x.sum().item()
  })
  reads(t(2))
  refuse([
    ['ShapeError', 'backward: a scalar expected, got shape [3]: reduce it with mean() or sum()', () => t(3).backward()],
    ['Error',
     'backward: tensor [] does not depend on anything that requires a gradient: use parameters or requiresGradient(), outside noGrad()',
     () => ones([]).backward()],
    ['Error',
     'backward: sum [] does not depend on anything that requires a gradient: use parameters or requiresGradient(), outside noGrad()',
     () => noGrad(() => w.sum()).backward()],
    ['Error', 'backward: tensor is a leaf, nothing was computed from it', () => ones([], { requiresGrad: true }).backward()],
    ['Error',
     'sum [] was freed by the next backward(): read it before that with item() or array(), or keep() it to let it live on',
     () => twice.backward()],
    ['Error',
     'backward: sum [] was back-propagated before and its graph is gone: compute it anew, sum the losses first, or call the first backward({ retainGraph: true })',
     () => again.backward()],
    ['Error',
     'backward: mul [2] was back-propagated before and its graph is gone: compute it anew, sum the losses first, or call the first backward({ retainGraph: true })',
     () => {
      const h = w.mul(2)
      h.sum().backward()
      h.sum().backward()
    }],
    ['Error',
     'add [2] was freed by turn 0 of steps(1): read it before that with item() or array(), or keep() it to let it live on',
     () => late.array()],
    ['Error',
     'add [2] was freed by turn 0 of steps(1): read it before that with item() or array(), or keep() it to let it live on',
     () => late.keep()],
    ['Error', 'tensor [2] was freed by dispose(): read it before that with item() or array(), or keep() it to let it live on',
     () => thrown.mul(2)],
    ['Error', 'requiresGradient: mul is the result of an op and takes part in a graph: detach() it first',
     () => w.mul(2).requiresGradient()],
    ['ShapeError', 'grad: a function with a scalar result expected, got shape [2]', () => grad(x => x)(t(2))],
    ['TypeError',
     'scope: a synchronous function expected, got one that returns a promise: await outside, scope() the parts between',
     () => scope(async () => t(1))],
    ['TypeError',
     'noGrad: a synchronous function expected, got one that returns a promise: await outside, noGrad() the parts between',
     () => noGrad(async () => t(1))],
    ['TypeError',
     'onBackend: a synchronous function expected, got one that returns a promise: await outside, onBackend() the parts between',
     () => onBackend('reference', async () => t(1))],
    ['Error',
     'capture: item() inside a captured step would take values out of the program: return the tensor and read it after the step',
     () => reads(t(2))],
    ['Error', 'configure: tensors exist already: call it before the first tensor is made', () => configure({ strict: true })],
  ])
})

test('modules and models', () => {
  const m = new Sequential(new Linear(2, 3), new ReLU(), new Linear(3, 1))
  const weights = m.parameters().map(p => p.array())
  refuse([
    ['TypeError', 'Sequential: modules expected, at position 1 got ReLU: is `new` missing?',
     () => new Sequential(new Linear(1, 1), loose(ReLU))],
    ['TypeError', 'Sequential: modules expected, at position 0 got an array: write the modules without brackets around',
     () => new Sequential(loose([new ReLU()]))],
    ['ShapeError',
     "loadStateDict: missing 0.weight, 0.bias, 2.weight, 2.bias: is it another model's? ({ strict: false } ignores that)",
     () => m.loadStateDict({})],
    ['ShapeError', "loadStateDict: missing 2.bias; unknown x: is it another model's? ({ strict: false } ignores that)", () => {
      const { '2.bias': _, ...rest } = m.stateDict()
      m.loadStateDict({ ...rest, x: t(1) })
    }],
    ['ShapeError', "loadStateDict: unknown \ufffd[2J: is it another model's? ({ strict: false } ignores that)",
     () => m.loadStateDict({ ...m.stateDict(), '\x1b[2J': t(1) })],
    ['ShapeError', 'loadStateDict: 2.bias has shape [1] here, but [2] in what is loaded',
     () => m.loadStateDict({ ...new Sequential(new Linear(2, 3), new ReLU(), new Linear(3, 1)).stateDict(), '2.bias': t(2) })],
    ['TypeError', 'loadStateDict: 2.bias: a tensor expected, got an array: wrap it in tensor()',
     () => m.loadStateDict(loose({ ...m.stateDict(), '2.bias': [1] }))],
    ['TypeError', 'loadStateDict: 0.weight: a tensor expected, got object', () => m.loadStateDict(loose(readSafetensors(writeStateDict(m)).tensors))],
    ['TypeError', 'BatchNorm1d: a number as momentum expected, got x', () => new BatchNorm1d(2, { momentum: loose('x') })],
    ['ShapeError', 'Linear: inFeatures must be a whole number ≥ 1, got 2.5', () => new Linear(2.5, 3)],
    ['ShapeError', 'Conv2d: groups must divide 3 and 4 channels, got 2', () => new Conv2d(3, 4, 3, { groups: 2 })],
    ['ShapeError', 'Conv2d: kernelSize must be a whole number ≥ 1, or 2 of them, got undefined',
     () => new Conv2d(3, 4, loose(undefined))],
    ['RangeError', 'Dropout: a probability p in 0..1 expected, got 1.5', () => new Dropout(1.5)],
    ['TypeError', 'LeakyReLU: a number as negativeSlope expected, got [object Object]', () => new LeakyReLU(loose({ negativeSlope: 0.3 }))],
    ['TypeError', 'ELU: a number as alpha expected, got [object Object]', () => new ELU(loose({ alpha: 2 }))],
    ['TypeError', 'Softplus: a number as beta expected, got 2', () => new Softplus(loose('2'))],
    ['RangeError', 'GELU: approximate none or tanh expected, got [object Object]', () => new GELU(loose({ approximate: 'tanh' }))],
    ['RangeError', 'GELU: approximate none or tanh expected, got foo', () => new GELU(loose('foo'))],
    ['RangeError', 'LeNet5: images of 28 × 28 or 32 × 32 expected, got 30 × 30', () => new LeNet5({ size: 30 })],
    ['RangeError', 'ConvNet: a size that 2 divides expected, got 7', () => new ConvNet({ size: 7 })],
    ['RangeError', 'MLP: at least an input and an output size expected, got [3]', () => new MLP([3])],
  ])
  assert.equal(m.parameters().map(p => p.array()), weights, 'a state dict that does not fit changes nothing')
})

test('optimizers and schedules', () => {
  const w = parameter([1, 2])
  const sgd = new SGD([w], { lr: 1 })
  refuse([
    ['Error', 'SGD: parameters expected, got none: pass model.parameters()', () => new SGD([], { lr: 1 })],
    ['TypeError', 'SGD: a list of parameters or of groups { params } expected, got a Linear: pass model.parameters()',
     () => new SGD(loose(new Linear(2, 2)), { lr: 1 })],
    ['TypeError', 'SGD: a list of parameters or of groups { params } expected, got 1: pass model.parameters()',
     () => new SGD(loose([1]), { lr: 1 })],
    ['TypeError', 'SGD: parameters expected, got a tensor [2] without requiresGrad', () => new SGD([t(2)], { lr: 1 })],
    ['TypeError', 'SGD: parameters expected, got a tensor [2] that mul made', () => new SGD([w.mul(2)], { lr: 1 })],
    ['Error', 'SGD: parameter [2] comes twice', () => new SGD([{ params: [w] }, { params: [w] }], { lr: 1 })],
    ['TypeError', 'SGD: a learning rate expected, { lr: 0.01 } for instance, got none', () => new SGD([w], loose({ momentum: 0.9 }))],
    ['RangeError', 'SGD: a learning rate lr ≥ 0 expected, got -1', () => new SGD([w], { lr: -1 })],
    ['RangeError', 'SGD: a learning rate lr ≥ 0 expected, got NaN', () => { sgd.lr = NaN }],
    ['RangeError', 'SGD: option lr, momentum, dampening, weightDecay, nesterov or form expected, got weight_decay',
     () => new SGD([w], loose({ lr: 1, weight_decay: 0.1 }))],
    ['RangeError', 'Lion: option lr, betas or weightDecay expected, got eps', () => new Lion([w], loose({ eps: 1 }))],
    ['RangeError', 'SGD: momentum ≥ 0 expected, got -1', () => new SGD([w], { lr: 1, momentum: -1 })],
    ['RangeError', 'SGD: nesterov needs momentum > 0 and dampening 0', () => new SGD([w], { lr: 1, nesterov: true })],
    ['RangeError', 'Adam: weightDecay ≥ 0 expected, got -1', () => new Adam([w], { weightDecay: -1 })],
    ['RangeError', 'Adam: two betas in [0, 1) expected, got [1,0.9]', () => new Adam([w], { betas: [1, 0.9] })],
    ['RangeError', 'Adam: eps ≥ 0 expected, got -1', () => new Adam([w], { eps: -1 })],
    ['ShapeError', 'SGD: a state of 1 parameters in 1 groups expected, got 2 in 1',
     () => sgd.loadStateDict({ groups: [{ lr: 1 }], steps: [1, 1], buffers: {} })],
    ['ShapeError', 'SGD: momentum of parameter 0 [2] expected, got none',
     () => sgd.loadStateDict({ groups: [{ lr: 1, momentum: 0.9 }], steps: [3], buffers: {} })],
    ['RangeError', 'StepLR: stepSize must be a whole number ≥ 1, got 0', () => new StepLR(sgd, { stepSize: 0 })],
    ['RangeError', 'CosineAnnealingLR: tMax > 0 expected, got 0', () => new CosineAnnealingLR(sgd, { tMax: 0 })],
  ])
  assert.is(sgd.lr, 1, 'a rate that was refused is not kept')
  assert.is(sgd.groups[0]!.momentum, 0, 'nor are the options of a state that does not fit')
})

test('data', () => {
  const data = new ArrayDataset({ values: [1, 2, 3, 4], shape: [1] })
  const loader = new DataLoader(data)
  refuse([
    ['ShapeError', 'ArrayDataset: at least one part expected, got none', () => new ArrayDataset()],
    ['TypeError', 'ArrayDataset: one flat list of numbers expected in part 0, got arrays in it: flat(Infinity) joins them',
     () => new ArrayDataset({ values: loose([[1, 2], [3, 4]]), shape: [2] })],
    ['ShapeError', 'ArrayDataset: whole examples of shape [0] expected, got 2 values', () => new ArrayDataset({ values: [1, 2], shape: [0] })],
    ['ShapeError', 'ArrayDataset: whole examples of shape [2] expected, got 3 values', () => new ArrayDataset({ values: [1, 2, 3], shape: [2] })],
    ['ShapeError', 'split: parts in brackets expected, split(set, [0.8, 0.2]) for instance, got 1',
     () => split(new ArrayDataset({ values: [1, 2], shape: [] }), loose(1))],
    ['ShapeError', 'ArrayDataset: 3 examples of shape [1] expected in part 1, got 2 values',
     () => new ArrayDataset({ values: [1, 2, 3], shape: [1] }, { values: [1, 2], shape: [1] })],
    ['TypeError', 'DataLoader: a data set with length and batch() expected, got an array: ArrayDataset makes one of it',
     () => new DataLoader(loose([1, 2]))],
    ['RangeError', 'DataLoader: batchSize must be a whole number ≥ 1, got 0', () => new DataLoader(data, { batchSize: 0 })],
    ['RangeError', 'DataLoader: a data set with examples expected, got an empty one',
     () => new DataLoader(new ArrayDataset({ values: [], shape: [1] }))],
    ['RangeError', 'DataLoader: dropLast leaves no batch of 8, as the data set has 4 examples',
     () => new DataLoader(data, { batchSize: 8, dropLast: true })],
    ['RangeError', 'seed: a whole number between -2^53 and 2^53 expected, got 0.5', () => new DataLoader(data, { seed: 0.5 })],
    ['RangeError', 'DataLoader: a position of at most 1 batches expected, got 5: was it another batch size or data set?',
     () => { loader.state = { seed: 1, epoch: 0, batch: 5 } }],
    ['RangeError', 'split: fractions that add up to 1 or counts that add up to 4 expected, got [0.5,0.4]',
     () => split(data, [0.5, 0.4])],
    ['RangeError', 'split: fractions that add up to 1 or counts that add up to 4 expected, got [-0.5,1,0.5]',
     () => split(data, [-0.5, 1, 0.5])],
    ['RangeError', 'Subset: indices 0..3 expected, got 7 at position 1', () => new Subset(data, Int32Array.of(0, 7))],
    ['RangeError', 'confusionMatrix: classes 0..1 expected, got truth 2 and prediction 0 at position 0',
     () => confusionMatrix([2], [0], 2)],
    ['ShapeError', 'evaluate: logits [n, classes] of the model and int32 labels [n] of the set expected, got float32 [4, 2] and no tensor', () => evaluate(new Linear(1, 2), data)],
  ])
})

test('fit()', async () => {
  const model = new Linear(1, 1)
  const optimizer = new SGD(model.parameters(), { lr: 0.1 })
  const loader = new DataLoader(new ArrayDataset({ values: [1, 2], shape: [1] }))
  const said = async (...args: unknown[]) => {
    try {
      await loose(fit)(...args)
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`
    }
    return 'no error'
  }
  assert.is(await said(model, loader, { optimizer, epochs: 1.5 }),
    'RangeError: fit: a whole number of epochs ≥ 0 expected, got 1.5')
  assert.is(await said(model, loader, { epochs: 1 }),
    'TypeError: fit: an optimizer expected, new SGD(model.parameters(), { lr: 0.1 }) for instance, got undefined')
  assert.is(await said(model, [], { optimizer, epochs: 1 }),
    'TypeError: fit: a DataLoader of (x, y) expected, got another object: new DataLoader(dataset)')
  assert.is(await said(model, loader, { optimizer, epochs: 1 }),
    'TypeError: fit: batches (x, y) expected, got batches of one tensor: give the data set a second part')
})

test('an error inside an op leaves the engine as it was', () => {
  const { backend } = info()
  assert.throws(() => onBackend('reference64', () => t(2, 3).matmul(t(2, 3))))
  assert.is(engine.currentBackend().name, backend)
  assert.throws(() => t(1, 2).crossEntropy(ints(5)))
  assert.ok(engine.isRecording())
  assert.ok(parameter([1]).mul(2).requiresGrad)
})

test.run()
