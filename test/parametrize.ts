// Weight normalisation and spectral normalisation: values, gradients, keys, captured steps, and the way back.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  BatchNorm2d, capture, Conv2d, ConvTranspose1d, ConvTranspose2d, GRUCell, info, Linear, LSTM, LSTMCell, manualSeed, Module, ones, randn, ReLU,
  removeSpectralNorm, removeWeightNorm, RNNCell, scope, Sequential, SGD, spectralNorm, steps, summary, weightNorm, Tensor,
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

check('weightNorm: length and direction of a weight apart', () => {
  const layer = new Linear(3, 2)
  const before = layer.weight.clone()
  weightNorm(layer)
  close(layer.weight, before)
  const own = layer as unknown as { weight_g: Tensor; weight_v: Tensor }
  own.weight_g.set([2, 5])
  close(layer.weight.norm(1), [2, 5])
  own.weight_v.set(before.mul(7).values())
  close(layer.weight.norm(1), [2, 5], 1e-5, "v's length doesn't matter")
  layer.forward(ones([1, 3])).sum().backward()
  assert.ok(own.weight_g.grad && own.weight_v.grad)
  // a gradient along v would change nothing but its length
  close(own.weight_v.grad!.mul(own.weight_v).sum(1), [0, 0])
  const x = randn([4, 3])
  const y = layer.forward(x)
  removeWeightNorm(layer)
  close(layer.forward(x), y)
  assert.equal(names(layer).sort(), ['bias', 'weight'])
  const whole = weightNorm(new Linear(3, 2), { dim: null })
  assert.equal(shapes(whole), ['2', '', '2×3'])
  close(whole.weight, (whole as unknown as { weight_v: Tensor }).weight_v)
  const recurrent = weightNorm(new LSTM(2, 3), { name: 'weight_hh_l0' })
  assert.ok(names(recurrent).includes('weight_hh_l0_g'))
  assert.equal(recurrent.forward(randn([4, 1, 2])).output.shape, [4, 1, 3])
  assert.throws(() => weightNorm(weightNorm(new Linear(2, 2))), /^weightNorm: weight of Linear is the result of a normalisation already$/)
  assert.throws(() => weightNorm(new ReLU()), /^weightNorm: a module with a parameter weight expected, got ReLU$/)
  assert.throws(() => removeWeightNorm(new Linear(2, 2)), /^removeWeightNorm: weight of Linear is not normalised$/)
  assert.throws(() => removeSpectralNorm(weightNorm(new Linear(2, 2))), /^removeSpectralNorm: weight of Linear is not normalised$/)
})

check('spectralNorm: the largest singular value is 1', () => {
  manualSeed(2)
  const layer = spectralNorm(new Linear(4, 3), { nPowerIterations: 30 })
  const own = layer as unknown as { weight_orig: Tensor; weight_u: Tensor; weight_v: Tensor }
  // diagonal matrices show their singular values
  own.weight_orig.set([3, 0, 0, 0, 0, -6, 0, 0, 0, 0, 1, 0])
  close(layer.weight, [0.5, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1 / 6, 0], 1e-4)
  close(own.weight_u.abs(), [0, 1, 0], 1e-4)
  close(own.weight_v.abs(), [0, 1, 0, 0], 1e-4)
  layer.eval()
  const u = own.weight_u.values()
  own.weight_orig.set(own.weight_orig.mul(2).values())
  close(layer.weight.abs().amax(), [1])
  assert.equal(own.weight_u.values(), u, 'evaluation leaves u alone')
  layer.train()
  // dσ/dW = u vᵀ: σ doesn't change the product of weight and gradient
  layer.forward(randn([5, 4])).square().sum().backward()
  close(own.weight_orig.grad!.mul(own.weight_orig).sum(), [0], 1e-3)
  const [first, second] = [randn([2, 4]), randn([2, 4])]
  const loss = layer.forward(first).sum().add(layer.forward(second).sum())
  loss.backward()
  const y = layer.eval().forward(first)
  removeSpectralNorm(layer)
  close(layer.forward(first), y)
  assert.equal(names(layer).sort(), ['bias', 'weight'])
  const image = spectralNorm(new ConvTranspose2d(2, 3, 2), { nPowerIterations: 50 })
  const matrix = image.weight.permute([1, 0, 2, 3]).reshape([3, 8])
  const gram = matrix.matmul(matrix.transpose(0, 1))
  let v = randn([3])
  for (let i = 0; i < 100; i++) v = gram.matmul(v).div(gram.matmul(v).norm())
  close(gram.matmul(v).norm(), [1], 1e-3)
  assert.throws(() => spectralNorm(new BatchNorm2d(2)), /^spectralNorm: a weight with two dimensions or more expected, got \[2\]$/)
})

check('a forward pass in training is one step of the power iteration, taking the norm off none', () => {
  const uses = (layer: Module, x: Tensor, more: readonly unknown[] = [], name = 'weight') => {
    const getter = Object.getOwnPropertyDescriptor(layer, name)!.get!
    let count = 0
    Object.defineProperty(layer, name, { get: () => (count++, getter()), enumerable: false, configurable: true })
    layer.forward(x, ...more)
    return count
  }
  assert.is(uses(spectralNorm(new ConvTranspose1d(1, 2, 3)), ones([1, 1, 4])), 1)
  assert.is(uses(spectralNorm(new ConvTranspose2d(1, 2, 3)), ones([1, 1, 4, 4]), [6]), 1)
  for (const make of [() => new RNNCell(2, 3), () => new GRUCell(2, 3), () => new LSTMCell(2, 3)]) {
    for (const name of ['weightIh', 'weightHh']) assert.is(uses(spectralNorm(make() as Module, { name }), ones([1, 2]), [], name), 1)
  }
  const layer = spectralNorm(new Linear(4, 3))
  const before = layer.eval().weight.values()
  removeSpectralNorm(layer.train())
  assert.equal(layer.weight.values(), before)
  assert.ok(layer.training)
})

check('normalised weights train alike in captured steps and leave nothing behind', () => {
  const before = info().memory.buffers
  const train = (captured: boolean) => scope(() => {
    manualSeed(4)
    const model = new Sequential(spectralNorm(new Conv2d(1, 2, 3)), new ReLU(), weightNorm(new Conv2d(2, 1, 3)))
    const optimizer = new SGD(model.parameters(), { lr: 0.1 })
    const step = (x: Tensor) => {
      const loss = model.forward(x).square().mean()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    }
    const run = captured ? capture(step) : Object.assign(step, { dispose() {} })
    let last = NaN
    for (const i of steps(6)) last = run(ones([2, 1, 6, 6]).mul(i + 1)).item()
    const result = [last, ...Object.values(model.stateDict()).flatMap(t => [...t.values()])]
    run.dispose()
    return result
  })
  assert.equal(train(true), train(false))
  assert.is(info().memory.buffers, before)
})

test('a summary goes through normalised weights', () => {
  for (const normal of [weightNorm, spectralNorm]) {
    const layer = normal(new Linear(3, 4))
    const before = layer.weight.values()
    assert.is(summary(layer, [1, 3]).macs, 12 + (normal === spectralNorm ? 12 : 0))
    layer.eval()
    assert.equal(layer.weight.shape, [4, 3])
    assert.is(before.length, 12)
  }
})

test.run()
