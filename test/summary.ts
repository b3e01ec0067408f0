// The meta backend and summary(): shapes without memory, costs of what runs, receptive fields, and models left as they were.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d, BatchNorm1d, BatchNorm2d, cat, configure, Conv2d, convTranspose2d, Dropout, Embedding, Flatten, info, interpolate, layerNorm, Linear, LSTM, manualSeed, matmul,
  maxPool2d, MemoryError, Module, MultiheadAttention, noGrad, onMeta, parameter, randn, ReLU, scope, Sequential, ShapeError, summary, Tensor, tensor, zeros, type Shape,
} from 'hebb'
import { LeNet5, MLP, ResNet18 } from 'hebb/models'
import { sizeClass } from '../ts/arena.js'

/** A module of one function */
class Apply extends Module {
  readonly #f: (x: Tensor) => unknown
  constructor(f: (x: Tensor) => unknown) {
    super()
    this.#f = f
  }
  forward(x: Tensor): unknown {
    return this.#f(x)
  }
}
const field = (shape: Shape, f: (x: Tensor) => unknown) => summary(() => new Apply(f), shape).at('').receptiveField

test('summary() before configure(): it uses no memory', () => {
  summary(() => new Linear(100, 100), [1, 100])
  configure({ memory: { limit: 64 << 20 } })
  assert.is(summary(() => new Linear(1e5, 1e5), [1, 1e5]).parameters, 1e10 + 1e5, 'the limit is for memory')
  assert.throws(() => zeros([1 << 25]), (e: Error) => e instanceof MemoryError)
})

test('size classes hold any number of bytes', () => {
  assert.equal([1, 64, 65, 4096, 4097, 4609].map(sizeClass), [64, 64, 128, 4096, 4608, 5120])
  for (let power = 13; power < 52; power++) {
    for (const bytes of [1, 1.3, 1.99].map(f => Math.floor(2 ** power * f)).flatMap(b => [b - 1, b, b + 1])) {
      const size = sizeClass(bytes)
      assert.ok(size >= bytes && size <= bytes * 1.125 + 64 && size % 64 === 0 && Number.isSafeInteger(size), `${bytes} ${size}`)
      assert.is(sizeClass(size), size, `${size} is its own class`)
    }
  }
})

test('meta tensors have shapes, and no values', () => {
  const one = tensor(1)
  const reserved = info().memory.reserved
  const x = onMeta(() => zeros([1e6, 1e6]))
  assert.equal([x.shape, x.add(1).matmul(x.transpose(0, 1)).relu().sum(0).shape], [[1e6, 1e6], [1e6]])
  for (const read of [() => x.values(), () => x.sum().item(), () => x.argmax(0).array()]) {
    assert.throws(read, /^meta: this tensor has a shape but no values: make it, and the model it comes from, outside onMeta\(\) to compute$/)
  }
  assert.is(String(x), 'tensor(on meta, without values, shape [1000000,1000000])')
  assert.throws(() => x.add(one), /^add: tensors of two backends, meta and wasm/)
  assert.equal(onMeta(() => tensor([3, 1], { dtype: 'int32' })).array(), [3, 1], 'what the host wrote is known')
  assert.throws(() => onMeta(() => new Embedding(3, 2).forward(tensor([3], { dtype: 'int32' }))), /^embedding: .* 0\.\.2 expected, got 3 at position 0$/)
  const row = onMeta(() => zeros([2, 3]))
  const found = row.argmax(1)
  assert.equal(row.gather(1, found.unsqueeze(1)).shape, [2, 1], 'computed indices are not known')
  assert.equal([row.indexSelect(0, found).shape, found.oneHot(3).shape, row.nllLoss(found).shape], [[2, 3], [2, 3], []])
  assert.throws(() => onMeta(() => zeros([2 ** 30, 2 ** 30])), (e: Error) => e instanceof MemoryError)
  assert.is(info().memory.reserved, reserved)
  assert.is(info().backend, 'wasm')
  assert.is(onMeta(() => info().backend), 'meta')
})

test('a model trains on meta, too', () => {
  onMeta(() => {
    const model = new Sequential(new Linear(4, 8), new BatchNorm1d(8), new ReLU(), new Dropout(), new Linear(8, 3))
    model.forward(randn([5, 4])).crossEntropy(tensor([0, 1, 2, 0, 1], { dtype: 'int32' })).backward()
    assert.equal(model.parameters().map(p => p.grad!.shape), model.parameters().map(p => p.shape))
    assert.is(model.stateDict()['1.num_batches_tracked']!.item(), 1)
    model.dispose()
  })
})

test('a layer of 154 GB', () => {
  const start = performance.now()
  const s = summary(() => new Linear(196608, 196608, { bias: false }), [1, 196608])
  const ms = performance.now() - start
  assert.equal([s.parameters, s.macs, s.parameterBytes], [38654705664, 38654705664, 154618822656])
  assert.ok(ms < 10, `${ms} ms`)
})

test('rows: paths, shapes, parameters, multiply-adds, activations', () => {
  const s = summary(() => new LeNet5(), [2, 1, 28, 28])
  assert.equal([s.model, s.inputShape, s.outputShape], ['LeNet5', [2, 1, 28, 28], [2, 10]])
  assert.equal(s.layers.map(l => [l.path, l.type, l.outputShape, l.parameters, l.macs, l.activationBytes]), [
    ['', 'LeNet5', [2, 10], 0, 0, 4 * 2 * (6 * 28 * 28 + 6 * 14 * 14 + 16 * 100 + 16 * 25 + 120 + 84)],
    ['conv1', 'Conv2d', [2, 6, 28, 28], 156, 2 * 25 * 6 * 28 * 28, 4 * 2 * 6 * 28 * 28],
    ['conv2', 'Conv2d', [2, 16, 10, 10], 2416, 2 * 150 * 16 * 100, 4 * 2 * 1600],
    ['fc1', 'Linear', [2, 120], 48120, 2 * 48000, 4 * 2 * 120],
    ['fc2', 'Linear', [2, 84], 10164, 2 * 10080, 4 * 2 * 84],
    ['fc3', 'Linear', [2, 10], 850, 2 * 840, 4 * 2 * 10],
  ])
  for (const key of ['parameters', 'macs', 'activationBytes'] as const) assert.is(s[key], s.layers.reduce((n, l) => n + l[key], 0))
  assert.is(s.at('conv2').description, '6, 16, 5')
  assert.throws(() => s.at('conv3'), /^summary: no module at "conv3"; there are conv1, conv2, fc1, fc2, fc3 …$/)
  const data = JSON.parse(JSON.stringify(s))
  assert.equal([data.parameters, data.layers[1].receptiveField], [61706, { size: [5, 5], stride: [1, 1] }])
})

test('the table', () => {
  const s = summary(() => new Sequential(new Conv2d(1, 2, 3, { bias: false }), new ReLU(), new Flatten(), new Sequential(new Linear(2 * 38 * 38, 1200))), [1, 1, 40, 40])
  assert.is(String(s), [
    'module      type        output       parameters   MMAC  activations  field  stride',
    '----------------------------------------------------------------------------------',
    'Sequential              [1,1200]                                        40       1',
    '  0         Conv2d      [1,2,38,38]          18  0.026      11.3 KB      3       1',
    '  1         ReLU        [1,2,38,38]                         11.3 KB      3       1',
    '  2         Flatten     [1,2888]                                         3       1',
    '  3         Sequential  [1,1200]                                        40       1',
    '    3.0     Linear      [1,1200]      3,466,800  3.466       4.7 KB     40       1',
    '----------------------------------------------------------------------------------',
    'input [1,1,40,40]: 3,466,818 parameters (13.2 MB), 3.492 MMAC, 27.3 KB of activations',
  ].join('\n'))
})

test('what runs is counted, in layers and outside of them', () => {
  const w = (...shape: number[]) => parameter(new Float32Array(shape.reduce((n, d) => n * d, 1)), shape)
  const macs = (shape: Shape, f: (x: Tensor) => unknown) => summary(() => new Apply(f), shape).macs
  assert.is(macs([2, 3, 8, 8], x => x.conv2d(w(4, 3, 3, 3))), 2 * 4 * 27 * 36)
  assert.is(macs([2, 4, 8, 8], x => x.conv2d(w(4, 1, 3, 3), null, { groups: 4, stride: 2, padding: 1 })), 2 * 4 * 9 * 16)
  assert.is(macs([1, 4, 5, 5], x => convTranspose2d(x, w(4, 2, 3, 3), null, { stride: 2 })), 25 * 4 * 2 * 9)
  assert.is(macs([3, 2, 5, 7], x => matmul(x, x.transpose(2, 3))), 3 * 2 * 5 * 5 * 7)
  assert.is(macs([6, 5], x => x.linear(w(3, 5)).relu().softmax(1)), 6 * 15)
  assert.is(macs([6, 5], x => noGrad(() => x.linear(w(3, 5)))), 6 * 15)
  // the gates of 7 steps, from the input and from the state
  assert.is(summary(() => new LSTM(3, 5), [7, 2, 3]).macs, 7 * 2 * (3 + 5) * 20)
  assert.is(summary(() => new MultiheadAttention(8, 2), [3, 5, 8]).macs, 3 * (5 * 8 * 24 + 2 * 5 * 5 * 8 + 5 * 64))
  const text = summary(() => new Sequential(new Embedding(10, 4), new Linear(4, 10)), [2, 6], { dtype: 'int32' })
  assert.equal([text.outputShape, text.macs, text.parameters], [[2, 6, 10], 12 * 40, 40 + 50])
})

test('a module called twice, a shared parameter, one that is not called', () => {
  class Model extends Module {
    readonly twice = new Linear(4, 4, { bias: false })
    readonly tied = new Linear(4, 4, { bias: false })
    readonly idle = new Linear(4, 5)
    constructor() {
      super()
      this.tied.weight = this.twice.weight
    }
    forward(x: Tensor): { y: Tensor } {
      return { y: this.tied.forward(this.twice.forward(this.twice.forward(x))) }
    }
  }
  const s = summary(() => new Model(), [3, 4])
  assert.equal(s.layers.map(l => [l.path, l.calls, l.parameters, l.macs, l.outputShape]), [
    ['', 1, 0, 0, [3, 4]], ['twice', 2, 16, 96, [3, 4]], ['tied', 1, 0, 48, [3, 4]], ['idle', 0, 25, 0, null],
  ])
  assert.match(String(s), /idle +Linear +not called +25\n/)
})

test('receptive fields', () => {
  const same = (size: number, stride: number) => ({ size: [size, size], stride: [stride, stride] })
  const w = (o: number, i: number, k: number) => parameter(new Float32Array(o * i * k * k), [o, i, k, k])
  const image: Shape = [2, 3, 32, 32]
  const conv = (x: Tensor, k: number, options = {}) => x.conv2d(w(4, x.shape[1]!, k), null, options)
  assert.equal(field(image, x => conv(x, 3)), same(3, 1))
  assert.equal(field(image, x => conv(conv(x, 3, { stride: 2 }), 3)), same(7, 2))
  assert.equal(field(image, x => conv(x, 3, { dilation: 4, padding: 'same' })), same(9, 1))
  assert.equal(field(image, x => conv(x, 1)), same(1, 1))
  assert.equal(field(image, x => maxPool2d(avgPool2d(x, 2), 3, { stride: 2 })), same(6, 4))
  assert.equal(field(image, x => x.conv2d(parameter(new Float32Array(3 * 15), [1, 3, 5, 3]), null, { stride: [2, 1] })), { size: [5, 3], stride: [2, 1] })
  assert.equal(field(image, x => convTranspose2d(conv(x, 4, { stride: 4 }), w(4, 2, 4), null, { stride: 2 })), same(8, 2))
  assert.equal(field(image, x => interpolate(conv(x, 2, { stride: 2 }), { scaleFactor: 2 })), same(2, 1))
  assert.equal(field(image, x => conv(x.pad([3, 3, 3, 3], { mode: 'reflect' }), 7)), same(7, 1))
  assert.equal(field(image, x => conv(x.pad([1, 1, 1, 1]), 3).slice([{ dim: 2, step: 2 }, { dim: 3, step: 2 }])), same(3, 2))
  // paths that join: the largest field
  assert.equal(field(image, x => cat([conv(x, 1), conv(x, 5, { padding: 2 })], 1)), same(5, 1))
  assert.equal(field(image, x => conv(conv(x, 3, { padding: 1 }).add(conv(x, 5, { padding: 2 })), 3)), same(7, 1))
  // everything: global pooling, flatten and linear, attention between positions
  assert.equal(field(image, x => conv(x, 3).mean([2, 3])!.linear(parameter(new Float32Array(4), [1, 4]))), same(32, 1))
  assert.equal(field(image, x => conv(x, 3, { stride: 3 }).flatten(1)), same(3, 3))
  assert.equal(field(image, x => conv(x, 4, { stride: 4 }).flatten(2).transpose(1, 2).linear(parameter(new Float32Array(8), [2, 4]))), same(4, 4), 'tokens')
  const attend = (t: Tensor) => t.matmul(t.transpose(1, 2)).softmax(2).matmul(t)
  assert.equal(field(image, x => attend(conv(x, 4, { stride: 4 }).flatten(2).transpose(1, 2)))!.size, [32, 32], 'attention')
  // channels last and back, groups of channels, normalisation
  assert.equal(field(image, x => conv(layerNorm(conv(x, 3).permute([0, 2, 3, 1]), [4]).permute([0, 3, 1, 2]), 3)), same(5, 1))
  assert.equal(field(image, x => conv(conv(x, 3).reshape([2, 2, 2, 30, 30]).transpose(1, 2).reshape([2, 4, 30, 30]).groupNorm(2).localResponseNorm(3), 3)), same(5, 1))
  // sequences have one dimension; features and images before the first window none
  assert.equal(field([2, 3, 50], x => x.conv1d(parameter(new Float32Array(3 * 5), [1, 3, 5]))), { size: [5], stride: [1] })
  assert.is(field([2, 50], x => x.relu()), null)
  assert.is(field(image, x => x.relu()), null)
  assert.is(field([2, 3, 50], x => x.linear(parameter(new Float32Array(50), [1, 50]))), null)
})

test('a model that exists stays as it was', () => {
  manualSeed(2)
  const model = new ResNet18({ classes: 10 })
  model.forward(randn([2, 3, 32, 32]))
  model.layer2.eval()
  const seen: string[] = []
  const off = model.conv1.registerForwardHook((_m, _i, y) => void seen.push(String((y as Tensor).shape)))
  const state = Object.entries(model.stateDict())
  const values = state.map(([, t]) => t.values())
  const modes = [...model.namedModules()].map(([, m]) => m.training)
  const properties = [...model.namedModules()].map(([, m]) => Reflect.ownKeys(m))
  const memory = info().memory
  for (const training of [false, true]) {
    assert.equal(summary(model, [2, 3, 224, 224], { training }).macs, summary(() => new ResNet18({ classes: 10 }), [2, 3, 224, 224]).macs)
  }
  assert.throws(() => summary(model, [2, 4, 224, 224]), (e: Error) => e instanceof ShapeError && e.message.includes('x [2,4,224,224] has 4 channels'))
  assert.equal([info().memory.buffers, info().memory.reserved], [memory.buffers, memory.reserved])
  assert.equal(Object.entries(model.stateDict()).map(([name, t], i) => [name, t === state[i]![1], t.requiresGrad]), state.map(([name, t]) => [name, true, t.requiresGrad]))
  state.forEach(([name, t], i) => assert.equal(t.values(), values[i], name))
  assert.equal([...model.namedModules()].map(([, m]) => m.training), modes)
  assert.equal([...model.namedModules()].map(([, m]) => Reflect.ownKeys(m)), properties)
  assert.equal(seen, ['2,64,112,112', '2,64,112,112'], 'hooks run')
  off()
  assert.not(Object.hasOwn(model.conv1, 'forward'))
  model.dispose()
})

test('lists of numbers: one that cannot be replaced stays, one that forward() writes to is as it was', () => {
  class Listed extends Module {
    declare readonly sizes: readonly number[]
    readonly seen: number[] = []
    constructor() {
      super()
      Object.defineProperty(this, 'sizes', { value: Object.freeze([2, 3]), enumerable: true })
    }
    forward(x: Tensor): Tensor {
      this.seen.push(x.size)
      return x.reshape(this.sizes)
    }
  }
  const model = new Listed()
  assert.equal(summary(model, [6]).at('').outputShape, [2, 3])
  assert.equal([model.seen, model.sizes], [[], [2, 3]])
})

test('summary draws no random numbers and leaves no tensors', () => {
  const draw = (f: () => unknown) => {
    manualSeed(5)
    f()
    return scope(() => Array.from(randn([3]).values()))
  }
  assert.equal(draw(() => summary(() => new Sequential(new Linear(3, 3), new Dropout()), [1, 3], { training: true })), draw(() => 0))
  const buffers = () => onMeta(() => info().memory.buffers)
  const before = buffers()
  for (let i = 0; i < 20; i++) summary(() => new Sequential(new Conv2d(1, 4, 3), new BatchNorm2d(4)), [2, 1, 9, 9], { training: true })
  assert.is(buffers(), before)
})

test('mistakes', () => {
  assert.throws(() => summary(3 as never, [1]), /^summary: a module, or a function that makes one, expected, got number$/)
  assert.throws(() => summary((() => 'x') as never, [1]), /^summary: a module, or a function that makes one, expected, got string$/)
  assert.throws(() => summary(() => new MLP([2, 2]), 3 as never), /^summary: a shape in brackets expected/)
  assert.throws(() => noGrad(() => summary(() => new MLP([2, 2]), [1, 2])), /^summary: receptive fields are read from the graph: call it outside noGrad\(\)$/)
  assert.throws(() => summary(() => new Apply(x => x.mul(x.amax().item())), [2, 2]), /^meta: this tensor has a shape but no values/)
  assert.is(info().backend, 'wasm', 'an error leaves the backend as it was')
})

test.run()
