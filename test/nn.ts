// Modules and layers: names as in PyTorch, modes, hooks, shared parameters, initial weights, and what the layers compute.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, AvgPool3d, BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Dropout,
  ELU, Flatten, GELU, gelu, info, init, LeakyReLU, Linear, LogSoftmax, manualSeed, MaxPool1d, MaxPool2d, MaxPool3d, Module, ModuleList,
  onBackend, ones, parameter, rand, randn, ReLU, scope, Sequential, SGD, ShapeError, Sigmoid, SiLU, Softmax, Softplus, sum, summary, Tanh, tensor,
  zeros, type Tensor,
} from 'hebb'
import { ConvNet, LeNet5, MLP, Perceptron } from 'hebb/models'
import { readStateDict, writeStateDict } from 'hebb/train'

const sizeOfAll = (m: Module) => m.parameters().reduce((n, p) => n + p.size, 0)
function close(actual: Tensor, expected: Tensor, limit = 1e-5): void {
  assert.equal(actual.shape, expected.shape)
  const [a, b] = [actual.values(), expected.values()]
  for (let i = 0; i < a.length; i++) {
    assert.ok(Math.abs(a[i]! - b[i]!) <= limit * (1 + Math.abs(b[i]!)), `${actual}\nexpected ${expected}`)
  }
}

class Blocks extends Module {
  readonly stem = new Conv2d(1, 2, 3)
  readonly layers = [new Linear(2, 2), new Linear(2, 2, { bias: false })]
  readonly scaleFactor = parameter([2])
  readonly sizes = [3, 4]
  forward(x: Tensor): Tensor {
    return this.layers.reduce((h, layer) => layer.forward(h), x).mul(this.scaleFactor)
  }
}

test('names are those of state_dict in PyTorch', () => {
  const names = (m: Module) => Object.keys(m.stateDict())
  assert.equal(names(new LeNet5()), [
    'conv1.weight', 'conv1.bias', 'conv2.weight', 'conv2.bias', 'fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias', 'fc3.weight', 'fc3.bias',
  ])
  const inner = new Sequential(new Linear(2, 3, { bias: false }))
  assert.equal(names(new Sequential(new Conv2d(1, 2, 3), new BatchNorm2d(2), new ReLU(), new Flatten(), inner)), [
    '0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked', '4.0.weight',
  ])
  const blocks = new Blocks()
  assert.equal(names(blocks), ['scale_factor', 'stem.weight', 'stem.bias', 'layers.0.weight', 'layers.0.bias', 'layers.1.weight'])
  assert.equal([...blocks.namedModules()].map(([path]) => path), ['', 'stem', 'layers.0', 'layers.1'])
  const norm = new BatchNorm1d(2)
  assert.equal(norm.namedParameters().map(([name]) => name), ['weight', 'bias'])
  assert.equal(norm.namedBuffers().map(([name]) => name), ['running_mean', 'running_var', 'num_batches_tracked'])
  assert.equal(names(new BatchNorm1d(2, { affine: false, trackRunningStats: false })), [])
})

test('init draws where the tensor is', () => {
  manualSeed(1)
  const [there, drawn] = onBackend('reference64', () => [init.normal(zeros([3])), init.normal(zeros([3]))])
  const values = there!.array()
  manualSeed(1)
  assert.equal(init.normal(there!.set([0, 0, 0])).array(), values)
  assert.equal(init.normal(there!).array(), drawn!.array())
})

test('a list with more than its modules, and arrays of parameters, also within arrays', () => {
  class Headed extends Sequential {
    readonly extra = new Linear(2, 3, { bias: false })
    readonly scale = parameter([1])
  }
  assert.equal(Object.keys(new Headed(new Linear(2, 2)).stateDict()), ['scale', '0.weight', '0.bias', 'extra.weight'])
  class Listed extends ModuleList {
    readonly extra = new Linear(2, 3, { bias: false })
  }
  assert.equal(new Listed([new Linear(2, 2)]).namedParameters().map(([name]) => name), ['0.weight', '0.bias', 'extra.weight'])
  class Nested extends Module {
    readonly ws = [parameter([1]), [parameter([2, 3])], zeros([1])]
    readonly blocks = [[new Linear(1, 1)], [new Linear(1, 1, { bias: false })]]
    forward(x: Tensor): Tensor {
      return x.mul(this.ws[0] as Tensor)
    }
  }
  const nested = new Nested()
  assert.equal(nested.namedParameters().map(([name]) => name), ['ws.0', 'ws.1.0', 'blocks.0.0.weight', 'blocks.0.0.bias', 'blocks.1.0.weight'])
  assert.equal(nested.namedBuffers().map(([name]) => name), ['ws.2'])
  assert.is(summary(nested, [1]).parameters, 6)
})

test('the models of the course have the right number of parameters', () => {
  assert.is(sizeOfAll(new LeNet5()), 61706)
  assert.is(sizeOfAll(new LeNet5({ channels: 3, size: 32 })), 61706 + 2 * 150)
  assert.is(sizeOfAll(new MLP([784, 256, 10])), 784 * 256 + 256 + 2570)
  assert.is(sizeOfAll(new Perceptron(64)), 650)
  assert.is(sizeOfAll(new ConvNet()), 160 + 4640 + 32 * 16 * 64 + 64 + 650)
  for (const [model, shape] of [
    [new LeNet5(), [2, 1, 28, 28]], [new LeNet5({ channels: 3, size: 32 }), [2, 3, 32, 32]],
    [new MLP([784, 32, 10]), [2, 1, 28, 28]], [new Perceptron(64), [2, 1, 8, 8]],
    [new ConvNet(), [2, 1, 8, 8]], [new ConvNet({ channels: 3, size: 16, pools: 2, widths: [4, 8, 16] }), [2, 3, 16, 16]],
  ] as const) assert.equal((model.forward(zeros(shape)) as Tensor).shape, [2, 10])
})

test('a state dict is copied by value, whole or in parts', () => {
  const net = () => new Sequential(new Linear(2, 3), new BatchNorm1d(3))
  const [a, b] = [net(), net()]
  a.forward(randn([4, 2]))
  assert.is(b.loadStateDict(a.stateDict()), b)
  for (const [name, t] of Object.entries(a.stateDict())) assert.equal(b.stateDict()[name]!.array(), t.array(), name)
  assert.is(b.stateDict()['1.num_batches_tracked']!.item(), 1)
  assert.equal(net().loadStateDict(new Map(Object.entries(a.stateDict()))).stateDict()['0.weight']!.array(), a.parameters()[0]!.array(), 'or of a map')
  a.parameters()[0]!.set(new Float32Array(6))
  assert.not.equal(b.parameters()[0]!.array(), a.parameters()[0]!.array(), 'a copy, not the same memory')
  b.loadStateDict({ '0.bias': tensor([1, 2, 3]), other: tensor(1) }, { strict: false })
  assert.equal(b.stateDict()['0.bias']!.array(), [1, 2, 3])
  const before = b.stateDict()['0.weight']!.array()
  assert.throws(() => b.loadStateDict({ '0.weight': zeros([3, 2]), '0.bias': zeros([4]) }, { strict: false }),
    (e: Error) => e instanceof ShapeError)
  assert.equal(b.stateDict()['0.weight']!.array(), before, 'nothing is changed when one does not fit')
})

test('train and eval reach all modules below', () => {
  const drop = new Dropout(0.5)
  const net = new Sequential(new Linear(1, 1), new Sequential(drop))
  assert.is(net.eval(), net)
  assert.not(drop.training)
  net.train()
  assert.ok(net.training && drop.training)
  const blocks = new Blocks().eval()
  assert.equal([...blocks.namedModules()].map(([, m]) => m.training), [false, false, false, false])
})

test('hooks see every forward, may replace the output, and go away', () => {
  const layer = new Linear(2, 2)
  const net = new Sequential(layer, new ReLU())
  const seen: string[] = []
  const x = tensor([[1, 2]])
  const plain = net.forward(x).array()
  const offA = layer.registerForwardHook((m, inputs, output) => {
    seen.push('a')
    assert.is(m, layer)
    assert.is(inputs[0], x)
    assert.equal((output as Tensor).shape, [1, 2])
  })
  assert.equal(net.forward(x).array(), plain, 'a hook that returns nothing changes nothing')
  const offB = layer.registerForwardHook((_m, _i, output) => {
    seen.push('b')
    return (output as Tensor).mul(0).add(3)
  })
  const c = (_m: Module, _i: readonly unknown[], output: unknown) => {
    seen.push('c')
    return (output as Tensor).add(1)
  }
  const offC = [layer.registerForwardHook(c), layer.registerForwardHook(c)]
  assert.equal(net.forward(x).array(), [[5, 5]], 'each hook gets what the one before returned')
  assert.equal(seen, ['a', 'a', 'b', 'c', 'c'])
  assert.equal(Object.keys(net.stateDict()), ['0.weight', '0.bias'])
  offC[0]!()
  offC[0]!()
  assert.equal(net.forward(x).array(), [[4, 4]], 'a hook registered twice is taken off once at a time')
  offB()
  offC[1]!()
  offA()
  assert.equal(net.forward(x).array(), plain)
  assert.not(Object.hasOwn(layer, 'forward'))
  class Arrow extends Module {
    forward = (x: Tensor) => x.mul(2)
  }
  const arrow = new Arrow()
  arrow.registerForwardHook((_m, _i, y) => (y as Tensor).add(1))()
  assert.equal(arrow.forward(tensor([3])).array(), [6], 'a forward that is a property survives')
})

test('a parameter that two modules share counts once', () => {
  const [a, b] = [new Linear(3, 3), new Linear(3, 3)]
  b.weight = a.weight
  const net = new Sequential(a, b)
  assert.equal(net.namedParameters().map(([name]) => name), ['0.weight', '0.bias', '1.bias'])
  sum(net.forward(ones([1, 3]))).backward()
  const twice = a.weight.grad!.array()
  const [c, d] = [new Linear(3, 3), new Linear(3, 3)]
  for (const layer of [c, d]) layer.weight.set(a.weight.values())
  c.bias!.set(a.bias!.values())
  d.bias!.set(b.bias!.values())
  sum(new Sequential(c, d).forward(ones([1, 3]))).backward()
  close(tensor(twice), c.weight.grad!.add(d.weight.grad!))
  const shared = new Dropout()
  assert.is([...new Sequential(shared, shared).namedModules()].length, 2, 'a module used twice')
})

test('a state dict names what is shared by every name; a file with one of them is enough', () => {
  class Tied extends Module {
    readonly embed = new Linear(2, 3, { bias: false })
    readonly head = new Linear(2, 3)
    readonly again = this.embed
    constructor(readonly parent: Module | null = null) {
      super()
      this.head.weight = this.embed.weight
    }
    forward(x: Tensor): Tensor {
      return this.head.forward(x)
    }
  }
  const model = new Tied()
  const outer = new Sequential(model)
  Object.assign(model, { parent: outer })
  assert.equal(Object.keys(outer.stateDict()), ['0.embed.weight', '0.head.weight', '0.head.bias', '0.again.weight'])
  assert.equal(outer.namedParameters().map(([name]) => name), ['0.embed.weight', '0.head.bias'])
  assert.is([...outer.namedModules()].length, 4)
  const weight = tensor([[1, 2], [3, 4], [5, 6]])
  const bias = zeros([3])
  const one = { 'head.weight': weight, 'head.bias': bias }
  assert.equal(new Tied().loadStateDict(one).embed.weight.array(), weight.array())
  const all = new Tied().loadStateDict({ ...one, 'embed.weight': weight, 'again.weight': weight })
  assert.equal(all.forward(ones([1, 2])).array(), [[3, 7, 11]])
  assert.throws(() => new Tied().loadStateDict({ 'head.bias': bias, other: bias }), /missing embed\.weight, head\.weight, again\.weight; unknown other/)
  const file = readStateDict(writeStateDict(model))
  assert.equal(Object.keys(file).sort(), ['again.weight', 'embed.weight', 'head.bias', 'head.weight'])
})

test('modules in a circle, arrays that hold themselves and data are gone through once', () => {
  class Friend extends Module {
    w = parameter([1])
    friends: unknown[] = []
    data = Array.from({ length: 3 }, () => [1, 2, 3])
    forward(x: Tensor): Tensor {
      return x
    }
  }
  const all = Array.from({ length: 12 }, () => new Friend())
  for (const one of all) one.friends = all
  assert.is(Object.keys(all[0]!.stateDict()).length, 12)
  const alone = new Friend()
  alone.friends.push(alone.friends, parameter([2]))
  assert.equal(alone.namedParameters().map(([name]) => name), ['w', 'friends.1'])
})

test("a state dict of the module's own tensors, crosswise", () => {
  const model = new Sequential(new Linear(1, 1), new Linear(1, 1))
  const state = model.stateDict()
  const [a, b] = [state['0.weight']!.item(), state['1.weight']!.item()]
  model.loadStateDict({ '0.weight': state['1.weight']!, '1.weight': state['0.weight']! }, { strict: false })
  assert.equal([state['0.weight']!.item(), state['1.weight']!.item()], [b, a])
})

test('strict loading names what is unknown, be it a tensor of the model or none', () => {
  const model = new Linear(1, 1)
  for (const bogus of [model.weight, undefined]) {
    assert.throws(() => model.loadStateDict({ ...model.stateDict(), bogus: bogus as Tensor }), /^loadStateDict: unknown bogus: is it another model's\?/)
  }
})

test('modules print their structure', () => {
  const net = new Sequential(new Conv2d(1, 6, 5, { padding: 2 }), new MaxPool2d([2, 1]),
    new Sequential(new Dropout(0.3), new Linear(4, 2, { bias: false })))
  assert.is(String(net), [
    'Sequential(', '  (0): Conv2d(1, 6, 5, { padding: 2 })', '  (1): MaxPool2d([2,1])', '  (2): Sequential(',
    '    (0): Dropout(0.3)',
    '    (1): Linear(4, 2, { bias: false })', '  )', ')',
  ].join('\n'))
  assert.is(String(new Blocks()),
    'Blocks(\n  (stem): Conv2d(1, 2, 3)\n  (layers.0): Linear(2, 2)\n  (layers.1): Linear(2, 2, { bias: false })\n)')
  assert.is(String(new ReLU()), 'ReLU()')
  assert.is(String(new BatchNorm2d(3)), 'BatchNorm2d(3)')
  assert.is(String(new AdaptiveAvgPool2d([1, 2])), 'AdaptiveAvgPool2d(1,2)')
})

test('dispose gives all memory of a model back', () => {
  // the graph of an earlier test goes with the next backward()
  scope(() => parameter([1]).sum().backward())
  const before = info().memory.buffers
  const net = new Sequential(new Conv2d(1, 2, 3), new BatchNorm2d(2), new Flatten(), new Linear(8, 2))
  scope(() => sum(net.forward(ones([2, 1, 4, 4]))).backward())
  net.dispose()
  assert.is(info().memory.buffers, before)
  assert.throws(() => net.forward(ones([1, 1, 4, 4])), /parameter \[2,1,3,3\] was freed by dispose\(\)/)
})

test('parameters live on after the turn they are made in; in a scope they end with it', () => {
  const layer = scope(() => {
    const inner = new Linear(2, 2)
    inner.weight.keep()
    return inner
  })
  assert.not(layer.weight.freed)
  assert.ok(layer.bias!.freed)
})

/** Mean and standard deviation */
function moments(t: Tensor): [number, number] {
  const v = Float64Array.from(t.values())
  const mean = v.reduce((s, x) => s + x, 0) / v.length
  return [mean, Math.sqrt(v.reduce((s, x) => s + (x - mean) ** 2, 0) / v.length)]
}
const largest = (t: Tensor) => t.abs().amax().item()

test('initial weights have the bounds and moments of their formulas', () => {
  manualSeed(5)
  const shape = [40, 30, 3, 3]
  const [fanIn, fanOut] = [270, 360]
  assert.equal(init.fans(shape), { fanIn, fanOut })
  assert.equal(init.fans([2, 5]), { fanIn: 5, fanOut: 2 })
  const w = zeros(shape)
  const check = (t: Tensor, std: number, bound: number | null, mean = 0) => {
    assert.is(t, w, 'drawn in place')
    const n = t.size
    const [m, s] = moments(t)
    // six standard errors of the mean and, for the normal distribution, of the deviation
    assert.ok(Math.abs(m - mean) < (6 * std) / Math.sqrt(n), `mean ${m}, expected ${mean}`)
    assert.ok(Math.abs(s / std - 1) < 6 / Math.sqrt(2 * n), `deviation ${s}, expected ${std}`)
    if (bound) assert.ok(largest(t.sub(mean)) <= bound * 1.000001 && largest(t.sub(mean)) > 0.99 * bound, `bound ${bound}`)
    else assert.ok(largest(t.sub(mean)) > 3 * std, 'a normal distribution has tails')
  }
  const uniform = (t: Tensor, bound: number) => check(t, bound / Math.sqrt(3), bound)
  check(init.uniform(w, 2, 4), 1 / Math.sqrt(3), 1, 3)
  check(init.normal(w, -1, 0.5), 0.5, null, -1)
  uniform(init.xavierUniform(w), Math.sqrt(6 / (fanIn + fanOut)))
  uniform(init.xavierUniform(w, { gain: init.gain('tanh') }), (5 / 3) * Math.sqrt(6 / (fanIn + fanOut)))
  check(init.xavierNormal(w, { gain: 2 }), 2 * Math.sqrt(2 / (fanIn + fanOut)), null)
  uniform(init.kaimingUniform(w), Math.sqrt(6 / fanIn))
  uniform(init.kaimingUniform(w, { a: Math.sqrt(5) }), Math.sqrt(1 / fanIn))
  check(init.kaimingNormal(w, { mode: 'fanOut', nonlinearity: 'relu' }), Math.sqrt(2 / fanOut), null)
  assert.equal(init.constant(w, 0.25).sub(0.25).abs().sum().item(), 0)
  assert.equal((['linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu', 'selu'] as const).map(n => init.gain(n)),
    [1, 1, 5 / 3, Math.SQRT2, Math.sqrt(2 / 1.0001), 0.75])
})

test("layers start with PyTorch's bounds", () => {
  manualSeed(6)
  for (const [layer, fanIn] of [
    [new Linear(300, 200), 300], [new Conv1d(20, 30, 7), 140], [new Conv2d(16, 64, [3, 5], { groups: 4 }), 60],
    [new Conv3d(4, 32, 3), 108],
  ] as const) {
    const bound = 1 / Math.sqrt(fanIn)
    for (const t of layer.parameters()) {
      assert.ok(largest(t) <= bound && largest(t) > 0.8 * bound, `${layer}: ${largest(t)} ${bound}`)
    }
    assert.ok(Math.abs(moments(layer.weight)[1] - bound / Math.sqrt(3)) < 0.05 * bound)
  }
  const norm = new BatchNorm1d(3)
  assert.equal(Object.values(norm.stateDict()).map(t => t.array()), [[1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1], 0])
  const weights = (seed: number) => {
    manualSeed(seed)
    return new LeNet5().parameters().map(p => [...p.values()])
  }
  assert.equal(weights(7), weights(7))
  assert.not.equal(weights(7), weights(8))
})

test('Dropout keeps the expectation, differs from call to call, and repeats by seed', () => {
  const drop = new Dropout(0.3)
  const x = ones([100, 100])
  manualSeed(1)
  const [a, b] = [drop.forward(x), drop.forward(x)]
  assert.ok([...a.values()].every(v => v === 0 || v === Math.fround(1 / 0.7)))
  const kept = a.ne(0).mean().item()
  assert.ok(Math.abs(kept - 0.7) < 6 * Math.sqrt(0.21 / 10000), `${kept}`)
  assert.not.equal(a.values(), b.values())
  manualSeed(1)
  assert.equal(drop.forward(x).values(), a.values())
  assert.is(drop.eval().forward(x), x)
  assert.equal(new Dropout(1).forward(x).sum().item(), 0)
  assert.is(new Dropout(0).forward(x), x)
  const leaf = parameter([1, 2, 3, 4])
  const y = leaf.dropout({ p: 0.5 })
  y.sum().backward()
  assert.equal(leaf.grad!.array(), y.detach().div(leaf.detach()).array(), 'the gradient has the same mask')
})

test('BatchNorm normalises each channel and follows the statistics, in one to three dimensions', () => {
  const last = (shape: readonly number[]) => [shape[1]!, ...shape.slice(2).map(() => 1)]
  for (const [layer, shape] of [
    [new BatchNorm1d(3), [4, 3]], [new BatchNorm1d(3), [4, 3, 5]], [new BatchNorm2d(3, { eps: 0.1 }), [2, 3, 2, 4]],
    [new BatchNorm3d(3, { momentum: 0.5 }), [2, 3, 2, 2, 2]],
  ] as const) {
    const x = rand(shape, { low: -1, high: 3 })
    const dims = shape.flatMap((_, i) => (i === 1 ? [] : [i]))
    const [mean, biased, unbiased] = [x.mean(dims), x.variance(dims, { correction: 0 }), x.variance(dims)]
    const per = (t: Tensor) => t.reshape(last(shape))
    layer.weight!.set([2, 1, 0.5])
    layer.bias!.set([0, 1, -1])
    const expected = (m: Tensor, v: Tensor) =>
      x.sub(per(m)).div(per(v.add(layer.eps)).sqrt()).mul(per(layer.weight!)).add(per(layer.bias!))
    close(layer.forward(x), expected(mean, biased))
    const f = layer.momentum!
    close(layer.runningMean!, mean.mul(f))
    close(layer.runningVar!, unbiased.mul(f).add(1 - f))
    layer.eval()
    const [m, v] = [layer.runningMean!.clone(), layer.runningVar!.clone()]
    close(layer.forward(x), expected(m, v))
    assert.equal(layer.runningMean!.array(), m.array(), 'evaluation leaves the statistics alone')
    assert.is(layer.numBatchesTracked!.item(), 1)
  }
})

test('BatchNorm with momentum null averages all batches; without statistics it always uses the batch', () => {
  const layer = new BatchNorm1d(2, { momentum: null })
  const batches = [1, 2, 3].map(i => randn([5, 2], { mean: i, std: i }))
  for (const x of batches) layer.forward(x)
  const mean = batches.map(x => x.mean(0)).reduce((a, b) => a.add(b)).div(3)
  const variance = batches.map(x => x.variance(0)).reduce((a, b) => a.add(b)).div(3)
  close(layer.runningMean!, mean)
  close(layer.runningVar!, variance)
  assert.equal([layer.numBatchesTracked!.item(), layer.numBatchesTracked!.dtype], [3, 'int32'])
  const bare = new BatchNorm1d(2, { affine: false, trackRunningStats: false })
  const x = randn([6, 2])
  assert.equal(bare.eval().forward(x).values(), bare.train().forward(x).values())
  assert.ok(largest(bare.forward(x).mean(0)) < 1e-6)
})

test('layers compute what their functions do, with their options', () => {
  const image = rand([2, 3, 6, 7], { low: -1 })
  const c2 = new Conv2d(3, 4, [2, 3], { stride: 2, padding: [1, 0], dilation: [1, 2], bias: false })
  assert.is(c2.bias, null)
  close(c2.forward(image), image.conv2d(c2.weight, null, { stride: 2, padding: [1, 0], dilation: [1, 2] }))
  const c1 = new Conv1d(3, 6, 3, { groups: 3 })
  const row = image.select(2, 0)
  close(c1.forward(row), row.conv1d(c1.weight, c1.bias, { groups: 3 }))
  const volume = image.unsqueeze(2)
  const c3 = new Conv3d(3, 2, [1, 2, 2])
  close(c3.forward(volume), volume.conv3d(c3.weight, c3.bias))
  close(new MaxPool1d(2, { stride: 1 }).forward(row), row.maxPool1d(2, { stride: 1 }))
  close(new MaxPool2d(3, { padding: 1, ceilMode: true }).forward(image), image.maxPool2d(3, { padding: 1, ceilMode: true }))
  close(new MaxPool3d([1, 2, 2]).forward(volume), volume.maxPool3d([1, 2, 2]))
  close(new AvgPool1d(3).forward(row), row.avgPool1d(3))
  close(new AvgPool2d(2, { padding: 1, countIncludePad: false }).forward(image),
    image.avgPool2d(2, { padding: 1, countIncludePad: false }))
  close(new AvgPool3d([1, 3, 3]).forward(volume), volume.avgPool3d([1, 3, 3]))
  close(new AdaptiveAvgPool2d([2, 3]).forward(image), image.adaptiveAvgPool2d([2, 3]))
  assert.equal([new Flatten().forward(image).shape, new Flatten(0, 1).forward(image).shape], [[2, 126], [6, 6, 7]])
  const x = tensor([[-2, -0.5, 0, 1, 3]])
  for (const [layer, expected] of [
    [new ReLU(), x.relu()], [new Tanh(), x.tanh()], [new Sigmoid(), x.sigmoid()],
    [new LeakyReLU(0.2), x.leakyRelu({ negativeSlope: 0.2 })], [new ELU(2), x.elu({ alpha: 2 })],
    [new GELU(), x.gelu()], [new GELU('tanh'), gelu(x, { approximate: 'tanh' })], [new SiLU(), x.silu()],
    [new Softplus(2), x.softplus({ beta: 2 })],
    [new Softmax(), x.softmax(-1)], [new LogSoftmax(1), x.logSoftmax(1)],
  ] as const) close(layer.forward(x), expected)
})

test('a frozen parameter stays a parameter: named, counted, hashed, taken by optimizers, passed over by their steps', () => {
  const model = new Sequential(new Linear(2, 3), new Linear(3, 1))
  const [first] = model.layers as [Linear, Linear]
  for (const p of first.parameters()) p.requiresGrad = false
  assert.is(model.parameters().length, 4)
  assert.equal(model.namedBuffers(), [])
  assert.is(summary(model, [1, 2]).parameters, 13)
  const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9, weightDecay: 0.1 })
  const before = model.parameters().map(p => [...p.values()])
  const once = () => {
    optimizer.zeroGrad()
    model.forward(tensor([[1, 2]])).sum().backward()
    optimizer.step()
  }
  once()
  const after = model.parameters().map(p => [...p.values()])
  assert.equal([after[0], after[1]], [before[0], before[1]])
  assert.not.equal(after[2], before[2])
  for (const p of first.parameters()) p.requiresGrad = true
  once()
  assert.not.equal([...first.weight.values()], before[0])
  const plain = tensor([1]).requiresGradient()
  plain.requiresGrad = false
  class Own extends Module {
    scale = plain
    table = tensor([2])
    forward(x: Tensor): Tensor {
      return x.mul(this.scale)
    }
  }
  assert.equal([new Own().namedParameters().map(([name]) => name), new Own().namedBuffers().map(([name]) => name)], [['scale'], ['table']])
})

test.run()
