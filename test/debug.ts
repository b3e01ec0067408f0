// debug.nan(): the first NaN or infinity is found and named with its op, layer, pass and turn; without it nothing is looked at.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ArrayDataset, capture, Conv2d, DataLoader, debug, engine, Flatten, gradients, Linear, manualSeed, maskedFill, Module, NonFiniteError, onBackend, parameter,
  ReLU, Sequential, SGD, scope, steps, tensor, turn, type Tensor,
} from 'hebb'
import { fit, TrainingError } from 'hebb/train'

const said = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
  return 'no error'
}
test.after.each(() => debug.off())

/** −log of its input: NaN for negative numbers, an infinite gradient at 0 */
class Log extends Module {
  forward(x: Tensor): Tensor {
    return x.log().neg()
  }
}
class Net extends Module {
  readonly features = new Sequential(new Conv2d(1, 2, 3), new ReLU(), new Log())
  readonly classifier = new Linear(8, 3)
  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(x).flatten(1))
  }
}
const image = (): Tensor => tensor(Float32Array.from({ length: 16 }, (_, i) => i / 16), [1, 1, 4, 4])

test('forward: the op, the layer and whether the inputs were to blame', () => {
  debug.nan()
  assert.is(said(() => tensor([[1, 2], [-1, 3]]).log()),
    'NonFiniteError: debug.nan: log gave NaN at [1,0] of [2,2] in the forward pass; its inputs are finite')
  assert.is(said(() => tensor([1, 0]).reciprocal()),
    'NonFiniteError: debug.nan: reciprocal gave Infinity at [1] of [2] in the forward pass; its inputs are finite')
  assert.is(said(() => tensor([1, NaN]).add(tensor([1, 2]))),
    'NonFiniteError: debug.nan: add gave NaN at [1] of [2] in the forward pass; its input 0, tensor [2], holds NaN at [1] already')
  assert.is(said(() => tensor([1e38]).mul(1e38)),
    'NonFiniteError: debug.nan: arithmetic with a number gave Infinity at [0] of [1] in the forward pass; its inputs are finite')
  debug.off()
  manualSeed(1)
  const net = new Net()
  debug.nan(net)
  for (const p of net.features.parameters()) p.set(new Float32Array(p.size))
  assert.is(said(() => net.forward(image())),
    'NonFiniteError: debug.nan: log of features.2 (Log) gave -Infinity at [0,0,0,0] of [1,2,2,2] in the forward pass; its inputs are finite')
  assert.is(said(() => tensor([-1]).log()),
    'NonFiniteError: debug.nan: log gave NaN at [0] of [1] in the forward pass; its inputs are finite', 'no layer is left over from the forward pass that failed')
  net.classifier.weight.set(new Float32Array(24).fill(NaN))
  assert.is(said(() => net.classifier.forward(tensor([[1, 2, 3, 4, 5, 6, 7, 8]]))),
    'NonFiniteError: debug.nan: linear of classifier (Linear) gave NaN at [0,0] of [1,3] in the forward pass; ' +
      'its input 1, parameter classifier.weight [3,8], holds NaN at [0,0] already')
})

test('backward: the op whose gradient it is, its layer and its turn', () => {
  const w = parameter([0, 4])
  debug.nan()
  const failing = () => {
    for (const _ of steps(3)) w.sqrt().sum().backward()
  }
  const text = 'NonFiniteError: debug.nan: sqrt gave the gradient Infinity at [0] of its input 0, parameter [2], in the backward pass; ' +
    'the gradient it was given is finite, in turn 0 of steps(3)'
  assert.is(said(failing), text)
  debug.off()
  const model = new Sequential(new Linear(1, 1, { bias: false }), new Log())
  model.parameters()[0]!.set([1e-30])
  debug.nan(model)
  const backward = () => turn('training', 7, () => model.forward(tensor([[1e-9]])).sum().backward())
  assert.match(said(backward),
    /^NonFiniteError: debug\.nan: log of 1 \(Log\) gave the gradient -Infinity at \[0,0\] of its input 0, linear \[1,1\], in the backward pass; .*, in turn 7 of training$/)
  debug.off()
  debug.nan()
  assert.match(said(() => scope(() => gradients(w.sqrt().sum(), [w], { createGraph: true }))), /^NonFiniteError: debug\.nan: sqrt gave the gradient Infinity/)
})

test('infinities that were asked for are none', () => {
  debug.nan()
  const mask = maskedFill(tensor([1, 2, 3]), tensor([0, 1, 0]), -Infinity)
  assert.equal(mask.softmax(0).array(), tensor([1, -Infinity, 3]).softmax(0).array())
  assert.is(said(() => tensor([1, 2]).add(tensor([0, -Infinity]))), 'no error', 'a mask that is added')
  assert.is(said(() => tensor([1, 2, 3, 4], [2, 2]).scaledDotProductAttention(tensor([[1, 0], [0, 1]]), tensor([[1, 2], [3, 4]]), { causal: true })), 'no error')
  assert.match(said(() => tensor([Infinity]).sub(tensor([Infinity]))), /sub gave NaN at \[0\] of \[1\] in the forward pass; its input 0, tensor \[1\], holds Infinity/)
})

test('it ends, leaves no hooks behind and nothing is looked at any more', () => {
  const net = new Net()
  const plain = net.forward
  const first = debug.nan(net)
  assert.ok(debug.on)
  assert.is.not(net.forward, plain)
  const second = debug.nan()
  assert.is(net.forward, plain, 'a new watch takes the place of the old')
  first()
  assert.ok(debug.on, 'which can no longer end it')
  second()
  assert.not(debug.on)
  let looks = 0
  const { kernels } = engine.currentBackend()
  const real = kernels.firstNonFinite
  kernels.firstNonFinite = (...args) => {
    looks++
    return real(...args)
  }
  try {
    const w = parameter([-1])
    assert.ok(Number.isNaN(w.log().sum().item()))
    w.log().sum().backward()
    assert.is(looks, 0)
  } finally {
    kernels.firstNonFinite = real
  }
})

test('a captured step says that it cannot be looked into', () => {
  const step = capture((x: Tensor) => x.mul(2))
  step(tensor([1]))
  debug.nan()
  assert.is(said(() => step(tensor([1]))),
    'Error: debug.nan: a captured step is replayed without a look at its ops: call the step itself while debug.nan() is on')
})

test('fit({ debug: true }) says where in the model and where in the training', async () => {
  const data = new ArrayDataset({ values: [1, 2, 3, 4, 5, 6], shape: [1] }, { values: Int32Array.of(0, 1, 0, 1, 0, 1), shape: [] })
  const train = async (model: Module, lr: number): Promise<string> => {
    try {
      await fit(model, new DataLoader(data, { batchSize: 2 }), { optimizer: new SGD(model.parameters(), { lr }), epochs: 2, debug: true })
    } catch (error) {
      assert.instance(error, TrainingError)
      assert.instance((error as Error).cause, NonFiniteError)
      assert.not(debug.on)
      return (error as Error).message
    }
    assert.not(debug.on)
    return 'no error'
  }
  manualSeed(2)
  const net = () => new Sequential(new Flatten(), new Linear(1, 4), new ReLU(), new Linear(4, 2))
  assert.is(await train(net(), 0.01), 'no error')
  assert.match(await train(net(), 1e39),
    /^fit: epoch 1, batch 2, learning rate 1e\+39: debug\.nan: linear of [13] \(Linear\) gave (NaN|-?Infinity) at \[\d,\d\] of \[2,\d\] in the forward pass; its input 1, parameter [13]\.weight \[\d,\d\], holds (NaN|-?Infinity) at \[\d,\d\] already, in turn \d of fit$/)
})

test('the bits are those of a training without it', async () => {
  const train = async (debugging: boolean) => {
    manualSeed(3)
    const model = new Sequential(new Linear(1, 4), new ReLU(), new Linear(4, 2))
    const data = new ArrayDataset({ values: [1, 2, 3, 4, 5, 6], shape: [1] }, { values: Int32Array.of(0, 1, 0, 1, 0, 1), shape: [] })
    await fit(model, new DataLoader(data, { batchSize: 2 }), { optimizer: new SGD(model.parameters(), { lr: 0.1 }), epochs: 2, debug: debugging })
    return model.parameters().map(p => p.array())
  }
  assert.equal(await train(true), await train(false))
  onBackend('reference64', () => {
    debug.nan()
    assert.match(said(() => tensor([-1]).sqrt()), /sqrt gave NaN/)
  })
})

test.run()
