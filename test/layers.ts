// The layers beyond the course's: names as in PyTorch, values against plain loops and functional ops, what a recurrent step costs.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AdaptiveAvgPool1d, adaptiveAvgPool1d, BatchNorm2d, BCELoss, BCEWithLogitsLoss, capture, Conv2d, ConvTranspose1d,
  ConvTranspose2d, convTranspose2d, ConvTranspose3d, CrossEntropyLoss, Dropout2d, engine, GRU, GRUCell, HingeEmbeddingLoss,
  HuberLoss, Identity, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, interpolate, KLDivLoss, L1Loss, layerNorm, Linear,
  linear, LSTM, LSTMCell, manualSeed, Module, ModuleList, MSELoss, multiHeadAttention, MultiMarginLoss, NLLLoss, onMeta, ones,
  parameter, rand, randn, ReLU, Residual, RMSNorm, rmsNorm, RNN, RNNCell, scope, SGD, SmoothL1Loss, spectralNorm,
  stack, steps, tensor, TransformerEncoderLayer, Upsample, weightNorm, zeros, Tensor,
} from 'hebb'

/** A test that frees what it made, so that none depends on the garbage of another. */
const check = (name: string, f: () => void): void => void test(name, () => scope(f))
const names = (m: Module) => Object.keys(m.stateDict())
const shapes = (m: Module) => Object.values(m.stateDict()).map(t => t.shape.join('×'))
function close(actual: Tensor | ArrayLike<number>, expected: Tensor | ArrayLike<number>, limit = 1e-5, what = ''): void {
  const [a, b] = [actual, expected].map(t => (t instanceof Tensor ? t.values() : t)) as [ArrayLike<number>, ArrayLike<number>]
  assert.is(a.length, b.length, what)
  for (let i = 0; i < a.length; i++) {
    assert.ok(Math.abs(a[i]! - b[i]!) <= limit * (1 + Math.abs(b[i]!)), `${what} [${i}]: ${a[i]} instead of ${b[i]}`)
  }
}

check('state_dict keys and shapes are those of PyTorch', () => {
  assert.equal(names(new TransformerEncoderLayer(8, 2, { dimFeedforward: 12 })), [
    'self_attn.in_proj_weight', 'self_attn.in_proj_bias', 'self_attn.out_proj.weight', 'self_attn.out_proj.bias',
    'linear1.weight', 'linear1.bias', 'linear2.weight', 'linear2.bias', 'norm1.weight', 'norm1.bias', 'norm2.weight', 'norm2.bias',
  ])
  for (const [make, gates] of [[RNNCell, 1], [GRUCell, 3], [LSTMCell, 4]] as const) {
    const cell = new make(5, 3)
    assert.equal(names(cell), ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'])
    assert.equal(shapes(cell), [`${gates * 3}×5`, `${gates * 3}×3`, `${gates * 3}`, `${gates * 3}`])
    assert.equal(names(new make(5, 3, { bias: false })), ['weight_ih', 'weight_hh'])
  }
  const up = new ConvTranspose2d(4, 6, [3, 2], { groups: 2 })
  assert.equal([names(up), shapes(up)], [['weight', 'bias'], ['4×3×3×2', '6']])
  assert.equal(names(new InstanceNorm2d(3)), [])
  const tracking = new InstanceNorm2d(3, { affine: true, trackRunningStats: true })
  assert.equal(names(tracking), ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'])
  assert.equal([names(new RMSNorm([2, 3])), shapes(new RMSNorm([2, 3]))], [['weight'], ['2×3']])
  assert.equal(names(new RMSNorm(4, { elementwiseAffine: false })), [])
  assert.equal(names(new Residual(new Linear(2, 2), new Linear(2, 2, { bias: false }))), ['module.weight', 'module.bias', 'shortcut.weight'])
  const lengths = weightNorm(new Conv2d(2, 3, 5))
  assert.equal([names(lengths), shapes(lengths)], [['bias', 'weight_g', 'weight_v'], ['3', '3×1×1×1', '3×2×5×5']])
  const spectral = spectralNorm(new Conv2d(2, 3, 5))
  assert.equal([names(spectral), shapes(spectral)], [['bias', 'weight_orig', 'weight_u', 'weight_v'], ['3', '3×2×5×5', '3', '50']])
  assert.equal(spectral.namedParameters().map(([name]) => name), ['bias', 'weight_orig'])
  assert.equal(shapes(spectralNorm(new ConvTranspose2d(2, 3, 5))), ['3', '2×3×5×5', '3', '50'])
})

check('Identity, Residual and ModuleList', () => {
  const x = randn([2, 3])
  assert.is(new Identity().forward(x), x)
  const [inner, shortcut] = [new Linear(3, 3), new Linear(3, 3)]
  close(new Residual(inner).forward(x), inner.forward(x).add(x))
  close(new Residual(inner, shortcut).forward(x), inner.forward(x).add(shortcut.forward(x)))
  assert.match(`${new Residual(inner)}`, /^Residual\(\n  \(module\): Linear\(3, 3\)\n\)$/)

  class Blocks extends Module {
    readonly blocks = new ModuleList([new Linear(3, 3), new ReLU()])
    forward(t: Tensor): Tensor {
      for (const block of this.blocks) t = block.forward(t)
      return t
    }
  }
  const model = new Blocks()
  model.blocks.append(new Linear(3, 1))
  assert.equal(names(model), ['blocks.0.weight', 'blocks.0.bias', 'blocks.2.weight', 'blocks.2.bias'])
  assert.is(model.blocks.length, 3)
  assert.is(model.blocks.at(-1), [...model.blocks][2])
  assert.equal(model.forward(x).shape, [2, 1])
  model.eval()
  assert.not([...model.blocks].some(m => m.training))
  assert.throws(() => model.blocks.at(3), /^ModuleList: a position in -3..2 expected, got 3$/)
  assert.throws(() => model.blocks.append(ReLU as unknown as Module), /^ModuleList: modules expected, at position 3 got function$/)
  assert.throws(() => model.blocks.forward(), /use Sequential$/)
})

check('cells do what one step of the networks does, with and without a batch', () => {
  const x = randn([4, 5])
  const h = randn([4, 3])
  const c = randn([4, 3])
  const one = (t: Tensor) => t.unsqueeze(0)
  for (const [cell, layer] of [[new RNNCell(5, 3), new RNN(5, 3)], [new GRUCell(5, 3), new GRU(5, 3)]] as const) {
    layer.loadStateDict(Object.fromEntries(Object.entries(cell.stateDict()).map(([name, t]) => [`${name}_l0`, t])))
    close(cell.forward(x, h), layer.forward(one(x), { h: one(h) }).h)
    close(cell.forward(x), layer.forward(one(x)).h)
    close(cell.forward(x.select(0, 1), h.select(0, 1)), cell.forward(x, h).select(0, 1))
    assert.equal(cell.forward(x.select(0, 1)).shape, [3])
  }
  const cell = new LSTMCell(5, 3)
  const layer = new LSTM(5, 3)
  layer.loadStateDict(Object.fromEntries(Object.entries(cell.stateDict()).map(([name, t]) => [`${name}_l0`, t])))
  const [next, expected] = [cell.forward(x, { h, c }), layer.forward(one(x), { h: one(h), c: one(c) })]
  close(next.h, expected.h)
  close(next.c, expected.c)
  const single = cell.forward(x.select(0, 2), { h: h.select(0, 2), c: c.select(0, 2) })
  close(single.c, next.c.select(0, 2))
  assert.equal(single.h.shape, [3])
  const rectified = new RNNCell(2, 2, { nonlinearity: 'relu' })
  rectified.weightIh.set([1, 0, 0, 1])
  rectified.weightHh.set([0, 1, 1, 0])
  rectified.biasIh!.set([0.5, 0])
  rectified.biasHh!.set([0, -4])
  assert.equal(rectified.forward(tensor([[1, 2]]), tensor([[3, -10]])).array(), [[0, 1]])
  assert.throws(() => cell.forward(randn([2, 4])), /^LSTMCell: x \[n, 5\], or \[5\] without a batch, expected, got \[2,4\]$/)
  assert.throws(() => cell.forward(x, { h, c: randn([3, 3]) }), /^LSTMCell: a state c \[4,3\] expected, got \[3,3\]$/)
  assert.throws(() => new GRUCell(0, 3), /^GRUCell: inputSize must be a whole number ≥ 1, got 0$/)
  assert.throws(() => new RNNCell(2, 2, { nonlinearity: 'sigmoid' as 'relu' }), /nonlinearity tanh or relu expected/)
})

check('transposed convolutions, to a size of choice', () => {
  const layer = new ConvTranspose2d(4, 6, 3, { stride: 2, padding: 1, groups: 2 })
  const x = randn([2, 4, 5, 5])
  close(layer.forward(x), convTranspose2d(x, layer.weight, layer.bias, layer.options))
  assert.equal(layer.forward(x).shape, [2, 6, 9, 9])
  assert.equal(layer.forward(x, 10).shape, [2, 6, 10, 10])
  close(layer.forward(x, [9, 10]), convTranspose2d(x, layer.weight, layer.bias, { ...layer.options, outputPadding: [0, 1] }))
  assert.throws(() => layer.forward(x, 11), /^ConvTranspose2d: an outputSize between \[9,9\] and \[10,10\] expected, got \[11,11\]$/)
  assert.equal(new ConvTranspose1d(2, 3, 4, { stride: 3, bias: false }).forward(randn([1, 2, 5])).shape, [1, 3, 16])
  assert.equal(new ConvTranspose3d(2, 3, 2, { stride: 2 }).forward(randn([2, 2, 3, 2])).shape, [3, 4, 6, 4])
  const bound = 1 / Math.sqrt(3 * 9)
  assert.ok([...layer.weight.values(), ...layer.bias!.values()].every(v => Math.abs(v) <= bound))
  assert.is(`${layer}`, 'ConvTranspose2d(4, 6, 3, { stride: 2, padding: 1, groups: 2 })')
  assert.throws(() => new ConvTranspose2d(3, 4, 2, { groups: 2 }), /^ConvTranspose2d: groups must divide/)
})

check('Upsample, AdaptiveAvgPool1d and Dropout2d', () => {
  const x = randn([1, 2, 3, 4])
  close(new Upsample({ scaleFactor: 2 }).forward(x), interpolate(x, { scaleFactor: 2 }))
  const options = { size: [5, 7], mode: 'bilinear', alignCorners: true } as const
  close(new Upsample(options).forward(x), interpolate(x, options))
  assert.throws(() => new Upsample({}), /^Upsample: \{ size \} or \{ scaleFactor \} expected, got neither$/)
  const y = randn([2, 3, 7])
  close(new AdaptiveAvgPool1d(3).forward(y), adaptiveAvgPool1d(y, 3))

  manualSeed(5)
  const dropout = new Dropout2d(0.25)
  const dropped = dropout.forward(ones([20, 30, 2, 3])).reshape([600, 6])
  const channels = dropped.array() as number[][]
  for (const channel of channels) assert.ok(channel.every(v => v === channel[0]) && (channel[0] === 0 || Math.abs(channel[0]! - 4 / 3) < 1e-6))
  assert.ok(Math.abs(channels.filter(channel => channel[0] === 0).length / 600 - 0.25) < 0.06)
  dropout.eval()
  assert.is(dropout.forward(x), x)
  assert.throws(() => dropout.forward(y), /^Dropout2d: x \[n, c, h, w\] expected, got \[2,3,7\]$/)
  assert.throws(() => new Dropout2d(2), /^Dropout2d: a probability p in 0..1 expected, got 2$/)
})

check('InstanceNorm normalises each channel of each image', () => {
  const x = randn([3, 2, 4, 5]).mul(3).add(1)
  const layer = new InstanceNorm2d(2, { affine: true })
  layer.weight!.set([2, -1])
  layer.bias!.set([0.5, 0])
  const [values, result] = [x.values(), layer.forward(x).values()]
  for (let image = 0; image < 6; image++) {
    const part = values.subarray(image * 20, image * 20 + 20) as Float32Array
    const mean = part.reduce((a, v) => a + v, 0) / 20
    const deviation = Math.sqrt(part.reduce((a, v) => a + (v - mean) ** 2, 0) / 20 + 1e-5)
    close(result.subarray(image * 20, image * 20 + 20), part.map(v => ((v - mean) / deviation) * [2, -1][image % 2]! + [0.5, 0][image % 2]!))
  }
  close(layer.forward(x.select(0, 1)), layer.forward(x).select(0, 1))
  assert.equal(new InstanceNorm1d(3).forward(randn([2, 3, 6])).shape, [2, 3, 6])
  assert.equal(new InstanceNorm3d(3).forward(randn([3, 2, 2, 2])).shape, [3, 2, 2, 2])
  assert.throws(() => layer.forward(randn([1, 3, 4, 4])), /^InstanceNorm2d: x of rank 4, or 3 without a batch, with 2 channels expected, got \[1,3,4,4\]$/)
  assert.throws(() => layer.forward(randn([4, 2, 1, 1])), /^InstanceNorm2d: more than one value a channel and image expected/)
})

check('InstanceNorm with running statistics averages those of the images and uses them in evaluation', () => {
  const layer = new InstanceNorm2d(2, { trackRunningStats: true, momentum: 0.3 })
  const x = randn([3, 2, 4, 5]).mul(2).add(1)
  const plain = new InstanceNorm2d(2).forward(x)
  close(layer.forward(x), plain)
  const [mean, variance] = [x.mean([2, 3]).mean(0), x.variance([2, 3]).mean(0)]
  close(layer.runningMean!, mean.mul(0.3))
  close(layer.runningVar!, variance.mul(0.3).add(0.7))
  assert.is(layer.numBatchesTracked!.item(), 0)
  layer.eval()
  const reference = new BatchNorm2d(2, { affine: false })
  reference.runningMean!.set(layer.runningMean!.values())
  reference.runningVar!.set(layer.runningVar!.values())
  close(layer.forward(x), reference.eval().forward(x))
  layer.train()
  const eager = new InstanceNorm2d(2, { trackRunningStats: true })
  const captured = new InstanceNorm2d(2, { trackRunningStats: true })
  const run = capture((t: Tensor) => captured.forward(t))
  for (const i of steps(4)) {
    const t = x.add(i)
    close(run(t), eager.forward(t), 0)
  }
  assert.equal(captured.runningVar!.values(), eager.runningVar!.values())
  run.dispose()
})

check('RMSNorm divides by the root mean square', () => {
  const x = randn([2, 3, 4])
  const layer = new RMSNorm([3, 4], { eps: 0.1 })
  layer.weight!.set(rand([12]).values())
  const expected = Array.from({ length: 2 }, (_, i) => {
    const row = x.select(0, i).values() as Float32Array
    const root = Math.sqrt(row.reduce((a, v) => a + v * v, 0) / 12 + 0.1)
    return Array.from(row, (v, j) => (v / root) * layer.weight!.values()[j]!)
  }).flat()
  close(layer.forward(x), expected)
  close(rmsNorm(x, [3, 4], layer.weight, { eps: 0.1 }), expected)
  close(new RMSNorm(4).forward(tensor([[3, 4, 0, 0]])), [1.2, 1.6, 0, 0])
  assert.equal(new RMSNorm(2).forward(tensor([[0, 0]])).array(), [[0, 0]], 'eps is 2⁻²³')
  assert.throws(() => layer.forward(randn([2, 4, 3])), /^rmsNorm: x \[\.\.\., 3,4\] expected, got \[2,4,3\]$/)
  assert.throws(() => rmsNorm(x, [4], ones([3])), /^rmsNorm: a weight \[4\] expected, got \[3\]$/)
})

check('TransformerEncoderLayer: both places of the normalisation, both orders of the axes, masks', () => {
  const x = randn([2, 5, 8])
  for (const [normFirst, activation] of [[false, 'relu'], [true, 'gelu']] as const) {
    const layer = new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, dropout: 0, activation, normFirst, batchFirst: true })
    for (const norm of [layer.norm1, layer.norm2]) norm.weight!.set(rand([8]).values())
    const { selfAttn: a, linear1, linear2, norm1, norm2 } = layer
    const weights = { inProjWeight: a.inProjWeight, inProjBias: a.inProjBias, outProjWeight: a.outProj.weight, outProjBias: a.outProj.bias }
    const attend = (t: Tensor) => multiHeadAttention(t, weights, { numHeads: 2, causal: true })
    const feed = (t: Tensor) => linear(linear(t, linear1.weight, linear1.bias)[activation](), linear2.weight, linear2.bias)
    const n1 = (t: Tensor) => layerNorm(t, [8], norm1.weight, norm1.bias)
    const n2 = (t: Tensor) => layerNorm(t, [8], norm2.weight, norm2.bias)
    const middle = normFirst ? x.add(attend(n1(x))) : n1(x.add(attend(x)))
    const expected = normFirst ? middle.add(feed(n2(middle))) : n2(middle.add(feed(middle)))
    close(layer.forward(x, { causal: true }), expected)
    const timeFirst = new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, dropout: 0, activation, normFirst })
    timeFirst.loadStateDict(layer.stateDict())
    close(timeFirst.forward(x.transpose(0, 1), { causal: true }), expected.transpose(0, 1))
  }
  const layer = new TransformerEncoderLayer(8, 2, { activation: t => t.silu() })
  assert.is(layer.linear1.outFeatures, 2048)
  assert.is(layer.dropout1.p, 0.1)
  assert.is(layer.selfAttn.dropout, 0.1)
  const [one, two] = [layer.forward(x).values(), layer.forward(x).values()]
  assert.not.equal(one, two, 'dropout is on in training')
  layer.eval()
  assert.equal(layer.forward(x).values(), layer.forward(x).values())
  assert.throws(() => layer.forward(randn([2, 5, 7])), /^TransformerEncoderLayer: x \[t, n, 8\] expected, got \[2,5,7\]$/)
  assert.throws(() => new TransformerEncoderLayer(8, 3), /^MultiheadAttention: heads that divide 8 expected, got 3$/)
  assert.equal(names(new TransformerEncoderLayer(8, 2, { bias: false })).filter(name => name.endsWith('bias')), [])
})

check('losses are their functions, with weights as buffers', () => {
  const x = randn([4, 3])
  const y = rand([4, 3])
  const labels = tensor([2, 0, 1, 1], { dtype: 'int32' })
  const signs = tensor([[1, -1, 1], [-1, -1, 1], [1, 1, -1], [1, -1, -1]])
  const weight = tensor([1, 2, 0.5])
  const sum = { reduction: 'sum' } as const
  close(new MSELoss(sum).forward(x, y), x.mseLoss(y, sum))
  close(new L1Loss().forward(x, y), x.l1Loss(y))
  close(new SmoothL1Loss({ beta: 0.3 }).forward(x, y), x.smoothL1Loss(y, { beta: 0.3 }))
  close(new HuberLoss({ delta: 0.3 }).forward(x, y), x.huberLoss(y, { delta: 0.3 }))
  close(new BCELoss({ weight, ...sum }).forward(y, y), y.bceLoss(y, { weight, ...sum }))
  const posWeight = tensor([3, 1, 4])
  const logits = new BCEWithLogitsLoss({ weight, posWeight })
  close(logits.forward(x, y), x.bceWithLogits(y, { weight, posWeight }))
  assert.equal(names(logits), ['weight', 'pos_weight'])
  const entropy = new CrossEntropyLoss({ weight, labelSmoothing: 0.1, ignoreIndex: 1 })
  close(entropy.forward(x, labels), x.crossEntropy(labels, { weight, labelSmoothing: 0.1, ignoreIndex: 1 }))
  assert.is(`${entropy}`, 'CrossEntropyLoss({ labelSmoothing: 0.1, ignoreIndex: 1 })')
  assert.equal([names(entropy), names(new CrossEntropyLoss()), entropy.parameters()], [['weight'], [], []])
  close(new NLLLoss({ weight }).forward(x, labels), x.nllLoss(labels, { weight }))
  close(new KLDivLoss({ reduction: 'batchmean', logTarget: true }).forward(x, y), x.klDiv(y, { reduction: 'batchmean', logTarget: true }))
  close(new HingeEmbeddingLoss({ margin: 0.5 }).forward(x, signs), x.hingeEmbeddingLoss(signs, { margin: 0.5 }))
  close(new MultiMarginLoss({ p: 2, weight }).forward(x, labels), x.multiMarginLoss(labels, { p: 2, weight }))
})

check('layers are built and run for their shapes alone', () => onMeta(() => {
  const run = (layer: Module, ...shape: number[]) => (layer.forward(zeros(shape)) as Tensor).shape
  assert.equal(run(new TransformerEncoderLayer(512, 8), 100, 64, 512), [100, 64, 512])
  assert.equal(run(new GRUCell(300, 1000), 64, 300), [64, 1000])
  assert.equal(run(spectralNorm(new ConvTranspose2d(256, 128, 4, { stride: 2, padding: 1 })), 8, 256, 32, 32), [8, 128, 64, 64])
  assert.equal(run(weightNorm(new Linear(4096, 4096)), 64, 4096), [64, 4096])
  assert.equal(run(new InstanceNorm2d(64, { affine: true, trackRunningStats: true }), 8, 64, 56, 56), [8, 64, 56, 56])
  assert.equal(run(new RMSNorm(4096), 8, 4096), [8, 4096])
  assert.equal(run(new Upsample({ scaleFactor: 2, mode: 'bilinear' }), 8, 3, 28, 28), [8, 3, 56, 56])
}))

/** Products of a captured step, replayed: forward alone, or with backward. */
function products(layer: LSTM | GRU | RNN, length: number, backward: boolean): number {
  const backend = engine.currentBackend()
  const real = backend.kernels
  let count = 0
  const run = capture((x: Tensor) => {
    const { output } = layer.forward(x)
    if (!backward) return output
    for (const p of layer.parameters()) p.zeroGrad()
    output.square().sum().backward()
    return output
  })
  const x = randn([length, 2, 5])
  backend.kernels = { ...real, gemm: (...args) => (count++, real.gemm(...args)) }
  try {
    run(x)
    run(x)
    count = 0
    run(x)
  } finally {
    backend.kernels = real
    run.dispose()
  }
  return count
}

check('a captured step of an LSTM costs one product a step and layer, and one for all inputs of a layer', () => {
  for (const length of [1, 3, 8]) {
    for (const make of [LSTM, GRU, RNN]) {
      assert.is(products(new make(5, 4), length, false), length + 1)
      assert.is(products(new make(5, 4, { numLayers: 2 }), length, false), 2 * (length + 1))
      assert.is(products(new make(5, 4, { bidirectional: true }), length, false), 2 * (length + 1))
    }
    // backward: one a step for h but the first, whose h is no result, and one for each weight of a layer; the second layer also for its inputs
    for (const make of [LSTM, RNN]) {
      assert.is(products(new make(5, 4), length, true), length + 1 + (length - 1) + 2)
      assert.is(products(new make(5, 4, { numLayers: 2 }), length, true), 2 * (length + 1) + 2 * (length - 1) + 4 + 1)
    }
  }
})

check("cells learn in loops of one's own", () => {
  manualSeed(1)
  const cell = new LSTMCell(1, 4)
  const readout = parameter(randn([4]))
  const optimizer = new SGD([...cell.parameters(), readout], { lr: 0.5 })
  let [first, last] = [0, 0]
  for (const i of steps(60)) {
    let state = cell.forward(tensor([[1], [-1]]))
    for (let t = 0; t < 2; t++) state = cell.forward(ones([2, 1]).mul(0), state)
    const loss = stack([state.h.matmul(readout)]).sub(tensor([[0.5, -0.5]])).square().mean()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    if (i === 0) first = loss.item()
    last = loss.item()
  }
  assert.ok(last < first / 4, `${first} to ${last}`)
})

test.run()
