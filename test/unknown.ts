// Options that a function doesn't know, and arguments in the place of options: refused by name wherever they are given.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as hebb from 'hebb'
import * as models from 'hebb/models'
import { evaluate, fit, lrRangeTest } from 'hebb/train'

const { ones, tensor } = hebb
const x = ones([2, 4]).keep()
const image = ones([1, 2, 6, 6]).keep()
const weight = ones([2, 2, 3, 3]).keep()
const index = tensor(Int32Array.of(0, 1)).keep()
const optimizer = new hebb.SGD([hebb.parameter([1])], { lr: 0.1 })
const data = new hebb.ArrayDataset({ values: [1, 2, 3, 4], shape: [2] }, { values: Int32Array.of(0, 1), shape: [] })
const loader = new hebb.DataLoader(data)

/** Every function and class that takes options, as it is called with some */
const TAKERS: Record<string, (options: any) => unknown> = {
  leakyRelu: o => x.leakyRelu(o), elu: o => x.elu(o), gelu: o => x.gelu(o), softplus: o => x.softplus(o), clamp: o => x.clamp(o),
  sum: o => x.sum(0, o), mean: o => x.mean(0, o), amax: o => x.amax(0, o), argmax: o => x.argmax(0, o), max: o => x.max(0, o), std: o => x.std(0, o),
  variance: o => x.variance(0, o), norm: o => x.norm(0, o), sort: o => x.sort(0, o), argsort: o => x.argsort(0, o), topk: o => x.topk(1, 0, o),
  unique: o => x.unique(o), diagonal: o => x.diagonal(o), diff: o => x.diff(o), allclose: o => x.allclose(x, o), pad: o => x.pad([1, 1], o),
  dropout: o => x.dropout(o), meshgrid: o => hebb.meshgrid([x.select(0, 0)], o), indexPut: o => hebb.indexPut(x, [index], 1, o), backward: o => x.backward(o),
  slice: o => x.slice(o), tensor: o => tensor([1], o), zeros: o => hebb.zeros([1], o), full: o => hebb.full([1], 1, o), rand: o => hebb.rand([1], o),
  randn: o => hebb.randn([1], o), linear: o => x.linear(ones([3, 4]), null, o), conv2d: o => image.conv2d(weight, null, o),
  convTranspose2d: o => image.convTranspose2d(weight, null, o), maxPool2d: o => image.maxPool2d(2, o), avgPool2d: o => image.avgPool2d(2, o),
  convMaxPool2d: o => image.convMaxPool2d(weight, null, {}, 2, o), interpolate: o => image.interpolate(o), batchNorm: o => image.batchNorm(null, null, o),
  layerNorm: o => x.layerNorm([4], null, null, o), groupNorm: o => image.groupNorm(1, null, null, o), rmsNorm: o => x.rmsNorm([4], null, o),
  localResponseNorm: o => image.localResponseNorm(1, o), embedding: o => hebb.embedding(index, x, o),
  scaledDotProductAttention: o => x.scaledDotProductAttention(x, x, o), crossEntropy: o => x.crossEntropy(index, o), nllLoss: o => x.nllLoss(index, o),
  mseLoss: o => x.mseLoss(x, o), l1Loss: o => x.l1Loss(x, o), smoothL1Loss: o => x.smoothL1Loss(x, o), huberLoss: o => x.huberLoss(x, o),
  bceLoss: o => x.bceLoss(x, o), bceWithLogits: o => x.bceWithLogits(x, o), hingeLoss: o => x.hingeLoss(x, o), klDiv: o => x.klDiv(x, o),
  hingeEmbeddingLoss: o => x.hingeEmbeddingLoss(x, o), multiMarginLoss: o => x.multiMarginLoss(index, o),
  gradients: o => hebb.gradients(x.sum(), [x], o), checkGradients: o => hebb.checkGradients(t => t, [x], o), summary: o => hebb.summary(new hebb.Linear(4, 2), [1, 4], o),
  clipGradNorm: o => hebb.clipGradNorm([], 1, o), split: o => hebb.split(data, [1], o), DataLoader: o => new hebb.DataLoader(data, o),
  init: o => hebb.init.xavierUniform(hebb.parameter(x), o), weightNorm: o => hebb.weightNorm(new hebb.Linear(4, 2), o),
  spectralNorm: o => hebb.spectralNorm(new hebb.Linear(4, 2), o), loadStateDict: o => new hebb.Linear(4, 2).loadStateDict({}, o),
  registerForwardHook: o => new hebb.Linear(4, 2).registerForwardHook(() => {}, o),
  Linear: o => new hebb.Linear(4, 2, o), LayerNorm: o => new hebb.LayerNorm(4, o), GroupNorm: o => new hebb.GroupNorm(2, 4, o), RMSNorm: o => new hebb.RMSNorm(4, o),
  BatchNorm2d: o => new hebb.BatchNorm2d(4, o), InstanceNorm2d: o => new hebb.InstanceNorm2d(4, o), LocalResponseNorm: o => new hebb.LocalResponseNorm(2, o),
  Embedding: o => new hebb.Embedding(4, 2, o), LSTM: o => new hebb.LSTM(4, 2, o), GRUCell: o => new hebb.GRUCell(4, 2, o), RNNCell: o => new hebb.RNNCell(4, 2, o),
  MultiheadAttention: o => new hebb.MultiheadAttention(4, 2, o), TransformerEncoderLayer: o => new hebb.TransformerEncoderLayer(4, 2, o),
  SGD: o => new hebb.SGD([hebb.parameter([1])], { lr: 1, ...o }), StepLR: o => new hebb.StepLR(optimizer, { stepSize: 1, ...o }),
  ConstantLR: o => new hebb.ConstantLR(optimizer, o), LinearLR: o => new hebb.LinearLR(optimizer, o), ReduceLROnPlateau: o => new hebb.ReduceLROnPlateau(optimizer, o),
  OneCycleLR: o => new hebb.OneCycleLR(optimizer, { maxLr: 1, totalSteps: 5, ...o }), evaluate: o => evaluate(new hebb.Linear(2, 2), data, o),
  LeNet5: o => new models.LeNet5(o), ResNet18: o => new models.ResNet18(o), ResNet20: o => new models.ResNet20(o), GoogLeNet: o => new models.GoogLeNet(o),
  AlexNet: o => new models.AlexNet(o), VGG16: o => new models.VGG16(o), ConvNet: o => new models.ConvNet(o), DQN: o => new models.DQN(o),
}

test('an option that a function does not know', () => {
  for (const [name, take] of Object.entries(TAKERS)) {
    assert.throws(() => take({ numClasses: 10 }), (e: Error) => e instanceof RangeError && e.message.startsWith(`${name}: option `) && e.message.endsWith(' expected, got numClasses'), name)
  }
})

test('what is no object in the place of options', () => {
  const own = ['slice', 'tensor', 'SGD', 'StepLR', 'OneCycleLR']
  for (const [name, take] of Object.entries(TAKERS)) for (const wrong of [1, true, x]) {
    if (own.includes(name)) continue
    assert.throws(() => take(wrong), (e: Error) => e instanceof TypeError && e.message.startsWith(`${name}: options in braces expected, { name: value }, got `), `${name} ${wrong}`)
  }
})

test('an option that is undefined is none', () => {
  assert.equal(x.sum(0, { keepdim: true, dtype: undefined } as {}).shape, [1, 4])
})

test('options of fit() and the range test, a training spread into them', async () => {
  const model = new hebb.Linear(2, 2)
  const sgd = new hebb.SGD(model.parameters(), { lr: 0.1 })
  const refused = (f: () => unknown): Promise<Error> => Promise.resolve().then(f).then(() => new Error('nothing'), (e: Error) => e)
  assert.match((await refused(() => fit(model, loader, { optimizer: sgd, epochs: 1, learningRate: 1 } as never))).message, /^fit: option optimizer, .* expected, got learningRate$/)
  assert.match((await refused(() => lrRangeTest(model, loader, { optimizer: sgd, start: 1 } as never))).message, /^lrRangeTest: option optimizer, .* expected, got start$/)
  assert.is((await fit(model, loader, { optimizer: sgd, epochs: 1, ...{ model, loader, recipe: {} } })).ended, 'done')
})

test('words, objects and nothing where numbers are expected', () => {
  for (const [what, wrong] of Object.entries<() => unknown>({
    'init: a number as mean and std expected': () => hebb.init.normal(hebb.parameter([1]), { std: 0.1 } as never),
    'init: a number as low and high expected': () => hebb.init.uniform(hebb.parameter([1]), [-1, 1] as never),
    'init: a number as value expected, got undefined': () => (hebb.init.constant as any)(hebb.parameter([1])),
    'full: a number as value expected, got undefined': () => (hebb.full as any)([2]),
    'linspace: a number as start and end expected': () => hebb.linspace(0, {} as never, 3),
    'SGD: a number as a learning rate lr expected, got 0.1': () => new hebb.SGD([hebb.parameter([1])], { lr: '0.1' as never }),
  })) assert.throws(wrong, (e: Error) => e instanceof TypeError && e.message.startsWith(what), what)
})

test('sizes that are none leave the engine as it was', () => {
  for (const wrong of [
    () => new (hebb.Embedding as any)(3), () => new (hebb.Embedding as any)('a', 2), () => new (hebb.MultiheadAttention as any)('a', 2),
    () => new hebb.Conv2d(3, 4, 3, { groups: 0 }), () => new hebb.Conv2d(3, 4, 3, { groups: 'a' as never }), () => new hebb.ConvTranspose2d(3, 4, 3, { groups: 0 }),
    () => hebb.init.fans([2]),
  ]) assert.throws(wrong, (e: Error) => e instanceof hebb.ShapeError)
  assert.ok(Number.isSafeInteger(hebb.info().memory.bytes))
  assert.equal(tensor([1, 2]).add(tensor([3, 4])).array(), [4, 6])
})

test('lists, tensors and modules where others are expected', () => {
  for (const [what, wrong] of Object.entries<() => unknown>({
    'cat: tensors in brackets expected, cat([a, b]) for instance, got an object': () => (hebb.cat as any)(x, x),
    'stack: tensors in brackets expected': () => (hebb.stack as any)(x, x),
    'pad: amounts in brackets expected, pad([1, 1]) for instance, got 1': () => x.pad(1 as never),
    'norm: dims in brackets expected, norm([0, 1]) for instance, got fro': () => x.norm('fro' as never),
    'flip: dims in brackets expected': () => (x.flip as any)(0, 1),
    'median: no dim expected': () => (x.median as any)(1),
    'gradients: inputs in brackets expected': () => hebb.gradients(x.sum(), x as never),
    'a derivative: inputs in brackets expected': () => hebb.vjp(t => t, x as never, x),
    'jvp: inputs in brackets expected': () => hebb.jvp(t => t, [x], x as never),
    'layerNorm: the last sizes in brackets expected, layerNorm(x, [4]) for instance, got 4': () => x.layerNorm(4 as never),
    'conv2d: a tensor expected': () => image.conv2d(weight, { padding: 1 } as never),
    'linear: a tensor expected': () => x.linear(ones([3, 4]), { relu: true } as never),
    'groupNorm: a tensor expected': () => image.groupNorm(1, { eps: 1 } as never),
    'lstm: a state { h, c } expected, got hidden,cell': () => new hebb.LSTM(4, 2).forward(ones([1, 1, 4]), { hidden: x, cell: x } as never),
    'evaluate: a data set with length and batch() expected, got a DataLoader: give its dataset': () => evaluate(new hebb.Linear(2, 2), loader as never),
    'ArrayDataset: { values, shape } or a tensor expected as part 0': () => new hebb.ArrayDataset([[1, 2]] as never),
    'gradients: a number of gradOutputs of 1 expected, got 2': () => hebb.gradients(x.sum(), [x], { gradOutputs: [x, x] }),
    'parameter: sizes must be whole numbers': () => hebb.parameter(x, [-2, -4]),
    'parameter: a size of 8 expected, got 6': () => hebb.parameter(x, [2, 3]),
    'set: float32 [2,4] expected, got float32 [4,2]': () => x.set(ones([4, 2])),
  })) assert.throws(wrong, (e: Error) => e.message.startsWith(what), what)
})

test.run()
