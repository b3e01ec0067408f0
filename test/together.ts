// Layers that are computed together: the same bits as one by one, less memory, and never where somebody looks.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AvgPool2d, backward, capture, Conv2d, conv2d, convMaxPool2d, debug, Flatten, gradients, info, Linear, manualSeed, maxPool2d, MaxPool2d, noGrad, rand, randn, ReLU,
  Sequential, SGD, tensor, turn, type Module, type Tensor,
} from 'hebb'
import { LeNet5 } from 'hebb/models'

const inTurn = <T>(f: () => T): T => turn('test', 0, f)
const bits = (t: Tensor) => [...new Int32Array(Float32Array.from(t.values()).buffer)]

const models: Record<string, [() => Module, number[]]> = {
  'conv, relu, pool': [() => new Sequential(new Conv2d(3, 8, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2)), [9, 3, 8, 10]],
  'overlapping windows': [() => new Sequential(new Conv2d(2, 5, 3, { stride: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2, padding: 1 })), [3, 2, 21, 19]],
  'Winograd': [() => new Sequential(new Conv2d(32, 32, 3, { padding: 1, bias: false }), new ReLU(), new MaxPool2d(2)), [2, 32, 16, 14]],
  'conv, relu': [() => new Sequential(new Conv2d(4, 6, 3, { groups: 2 }), new ReLU(), new AvgPool2d(2)), [2, 4, 8, 8]],
  'linear, relu': [() => new Sequential(new Flatten(), new Linear(24, 7), new ReLU(), new Linear(7, 5), new ReLU()), [6, 2, 3, 4]],
  'LeNet-5': [() => new LeNet5(), [10, 1, 28, 28]],
}

/** Every layer is called by itself while it has hooks. Returns how many calls there were. */
function apart(model: Module): { calls: () => number; off: () => void } {
  let calls = 0
  const offs = [...model.namedModules()].filter(([, m]) => m !== model).map(([, m]) => m.registerForwardHook(() => void calls++))
  return { calls: () => calls, off: () => offs.forEach(f => f()) }
}

/** Output, gradients of the input and of all parameters, as bits. */
function results(model: Module, shape: number[]) {
  return inTurn(() => {
    manualSeed(2)
    const x = randn(shape).requiresGradient()
    const y = model.forward(x) as Tensor
    for (const p of model.parameters()) p.zeroGrad()
    backward(y.mul(rand(y.shape)).sum())
    return { y: bits(y), inference: bits(noGrad(() => model.forward(x) as Tensor)), gradients: [x, ...model.parameters()].map(t => bits(t.grad!)) }
  })
}

for (const [name, [make, shape]] of Object.entries(models)) {
  test(`${name}: the same bits as layer by layer, eager and captured`, () => {
    manualSeed(1)
    const model = make()
    const together = results(model, shape)
    const watched = apart(model)
    const single = results(model, shape)
    assert.ok(watched.calls() > 0)
    watched.off()
    assert.equal(together, single)
    assert.equal(together.inference, together.y)

    const optimizer = new SGD(model.parameters(), { lr: 0 })
    const x = inTurn(() => {
      manualSeed(2)
      return randn(shape).keep()
    })
    const step = capture((x: Tensor) => {
      const y = model.forward(x) as Tensor
      optimizer.zeroGrad()
      y.square().sum().backward()
      optimizer.step()
      return y
    })
    const gradient = () => model.parameters().map(p => bits(p.grad!))
    inTurn(() => step(x))
    const eager = gradient()
    for (let i = 0; i < 3; i++) assert.equal(inTurn(() => bits(step(x))), together.y)
    assert.equal(gradient(), eager)
    step.dispose()
    model.dispose()
    x.dispose()
  })
}

test('functions with options: what the separate ones give', () => {
  inTurn(() => {
    const [x, w, b] = [randn([3, 4, 9, 9]), randn([5, 4, 3, 3]), randn([5])]
    const y = maxPool2d(conv2d(x, w, b).relu(), 2)
    assert.equal(bits(convMaxPool2d(x, w, b, {}, 2, { relu: true })), bits(y))
    assert.equal(bits(convMaxPool2d(x, w, b, { relu: true }, 2)), bits(y))
    assert.equal(bits(maxPool2d(conv2d(x, w, b), 2, { relu: true })), bits(y))
    assert.equal(bits(maxPool2d(conv2d(x, w, b, { relu: true }), 2)), bits(y))
    const one = tensor(x.values().slice(0, 4 * 81), [4, 9, 9])
    assert.equal(bits(convMaxPool2d(one, w, b, {}, 2, { relu: true })), bits(y).slice(0, 5 * 9))
    assert.throws(() => convMaxPool2d(x, w, b, {}, 8), /^maxPool2d: a window of \[8,8\] is larger than x \[3,5,7,7\]$/)
    assert.throws(() => convMaxPool2d(x, tensor([[1]]), b, {}, 2), /^conv2d: weight /)
  })
})

test('second order is that of the separate layers', () => {
  const model = models['LeNet-5']![0]() as LeNet5
  const second = () => inTurn(() => {
    manualSeed(3)
    const x = randn([2, 1, 28, 28]).requiresGradient()
    const [g] = gradients(model.forward(x).square().sum(), [x], { createGraph: true })
    return gradients(g!.square().sum(), [x, ...model.parameters().slice(0, 6)]).map(bits)
  })
  const together = second()
  const watched = apart(model)
  assert.equal(second(), together)
  watched.off()
  model.dispose()
})

test('a training step of LeNet-5 takes less than half the memory', () => {
  const model = new LeNet5()
  const x = rand([64, 1, 28, 28]).keep()
  const peak = () => {
    const { bytes } = info().memory
    let most = 0
    inTurn(() => {
      const y = model.forward(x)
      most = info().memory.bytes - bytes
      y.sum().backward()
    })
    return most
  }
  const together = peak()
  const watched = apart(model)
  const single = peak()
  watched.off()
  assert.ok(together < 0.5 * single, `${together} of ${single}`)
  model.dispose()
  x.dispose()
})

test('hooks, a forward() of its own and debug.nan() see every layer', () => {
  const conv = new Conv2d(1, 2, 3)
  const model = new Sequential(conv, new ReLU(), new MaxPool2d(2))
  const x = randn([2, 1, 6, 6]).keep()
  let seen: number[] = []
  const off = conv.registerForwardHook((_, __, y) => void (seen = [...(y as Tensor).shape]))
  inTurn(() => model.forward(x))
  assert.equal(seen, [2, 2, 4, 4])
  off()
  class Doubled extends Conv2d {
    override forward(x: Tensor): Tensor {
      return super.forward(x).mul(2)
    }
  }
  const doubled = new Doubled(1, 2, 3)
  doubled.loadStateDict(conv.stateDict())
  inTurn(() => {
    const twice = new Sequential(doubled, new ReLU(), new MaxPool2d(2)).forward(x)
    assert.equal(bits(twice), bits(model.forward(x).mul(2)))
  })
  conv.weight.set([NaN, ...conv.weight.values().slice(1)])
  debug.nan()
  assert.throws(() => inTurn(() => model.forward(x)), /conv/)
  debug.off()
  for (const m of [model, doubled]) m.dispose()
  x.dispose()
})

test.run()
