// The learning-rate range test: its curve and suggestion, and that it leaves everything as it was.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, ArrayDataset, BatchNorm1d, DataLoader, Dropout, engine, Generator, info, Linear, manualSeed, mseLoss, ReLU, scope, Sequential, SGD, type Module, type Tensor,
} from 'hebb'
import { lrRangeTest } from 'hebb/train'

const check = (name: string, f: () => void): void => void test(name, () => scope(f))
function examples(n = 60): ArrayDataset {
  const generator = new Generator(8)
  const x = Float32Array.from({ length: n * 4 }, () => generator.normal())
  const y = Int32Array.from({ length: n }, (_, i) => (x[i * 4]! + 0.5 * x[i * 4 + 1]! > 0 ? 1 : 0))
  return new ArrayDataset({ values: x, shape: [4] }, { values: y, shape: [] })
}
function net(): Sequential {
  manualSeed(2)
  return new Sequential(new Linear(4, 16), new BatchNorm1d(16), new ReLU(), new Dropout(0.1), new Linear(16, 2))
}
const state = (model: Module) => Object.values(model.stateDict()).map(t => [...t.values()])

check('the rate grows evenly in its logarithm, and the suggestion lies on the way down', () => {
  const model = net()
  const loader = new DataLoader(examples(), { batchSize: 12, shuffle: true, seed: 1 })
  const { curve, suggestion, lowest } = lrRangeTest(model, loader, { optimizer: new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }), from: 1e-5, to: 100, steps: 80 })
  assert.ok(curve.length > 40 && curve.length < 80, `${curve.length} points: it ends where the loss diverges`)
  assert.ok(Math.abs(curve[0]!.lr - 1e-5) < 1e-12)
  for (let i = 1; i < curve.length; i++) assert.ok(Math.abs(curve[i]!.lr / curve[i - 1]!.lr / 1e7 ** (1 / 79) - 1) < 1e-9)
  let average = 0
  curve.forEach(({ loss, smoothed }, i) => {
    average = 0.9 * average + 0.1 * loss
    assert.ok(Math.abs(smoothed - average / (1 - 0.9 ** (i + 1))) < 1e-9)
  })
  assert.ok(suggestion! > 1e-3 && suggestion! < lowest! && lowest! < 100, `${suggestion} below ${lowest}`)
})

check('on a parabola the curve is what plain arithmetic gives', () => {
  const model = new Sequential(new Linear(1, 1, { bias: false }))
  const [w] = model.parameters() as [Tensor]
  w.set([5])
  const set = new ArrayDataset({ values: new Float32Array(2).fill(1), shape: [1] }, { values: new Float32Array(2).fill(2), shape: [1] })
  const run = (options: { to: number; divergence?: number }) =>
    lrRangeTest(model, new DataLoader(set, { batchSize: 2 }), { optimizer: new SGD([w], { lr: 1 }), loss: mseLoss, from: 0.01, steps: 40, smoothing: 0, ...options })
  const { curve } = run({ to: 0.4 })
  let at = 5
  for (const { lr, loss, smoothed } of curve) {
    assert.ok(Math.abs(loss - (at - 2) ** 2) < 1e-4 * (1 + loss))
    assert.is(smoothed, loss)
    at -= lr * 2 * (at - 2)
  }
  assert.is(curve.length, 40)
  assert.ok(Math.abs(curve[39]!.lr - 0.4) < 1e-12)
  assert.is(w.item(), 5)
  const wild = run({ to: 1e30, divergence: Infinity })
  assert.ok(wild.curve.length < 40 && wild.curve.every(p => Number.isFinite(p.loss)), 'ends before the loss is no number')
  w.set([2])
  assert.equal([run({ to: 1 }).suggestion, run({ to: 1 }).lowest], [null, null], 'nothing to learn')
})

check('model, optimizer, gradients, modes, loader and random numbers are as they were', () => {
  for (const trained of [false, true]) {
    const model = net()
    const loader = new DataLoader(examples(), { batchSize: 25, shuffle: true, seed: 4 })
    const optimizer = new Adam([{ params: model.parameters().slice(0, 2), lr: 0.3 }, { params: model.parameters().slice(2) }], { lr: 0.01 })
    if (trained) {
      const [x, y] = loader.batches().next().value as [Tensor, Tensor]
      for (let i = 0; i < 3; i++) {
        optimizer.zeroGrad()
        ;(model.forward(x) as Tensor).crossEntropy(y).backward()
        optimizer.step()
      }
    }
    model.layers[1]!.eval()
    const all = () => {
      const { groups, steps, buffers } = optimizer.stateDict()
      return JSON.stringify([
        state(model), model.parameters().map(p => p.grad && [...p.grad.values()]), groups, steps, [...model.namedModules()].map(([, m]) => m.training),
        trained ? Object.values(buffers).map(t => [...t.values()]) : [], loader.state, engine.randomState(),
      ])
    }
    const before = all()
    const first = lrRangeTest(model, loader, { optimizer, steps: 20 })
    assert.is(all(), before)
    assert.equal(lrRangeTest(model, loader, { optimizer, steps: 20 }), first, 'the same again')
  }
  const held = info().memory.buffers
  const model = net()
  lrRangeTest(model, new DataLoader(examples(), { seed: 1 }), { optimizer: new SGD(model.parameters(), { lr: 1 }), steps: 5 })
  model.dispose()
  assert.ok(info().memory.buffers - held <= 4, 'of the test nothing is left but the data set')
})

check('an exception in the middle leaves nothing changed', () => {
  const model = net()
  const before = state(model)
  const loader = new DataLoader(examples(), { seed: 1 })
  let calls = 0
  const loss = (output: Tensor, target: Tensor) => {
    if (++calls === 2) throw new Error('enough')
    return output.crossEntropy(target)
  }
  assert.throws(() => lrRangeTest(model, loader, { optimizer: new SGD(model.parameters(), { lr: 1 }), loss, from: 0.1 }), /^enough$/)
  assert.equal(state(model), before)
  assert.equal(loader.state, { seed: 1, epoch: 0, batch: 0 })
})

check('says what it needs', () => {
  const model = net()
  const optimizer = new SGD(model.parameters(), { lr: 1 })
  const loader = new DataLoader(examples())
  const run = (options: object) => () => lrRangeTest(model, loader, { optimizer, ...options })
  assert.throws(() => lrRangeTest(model, loader, {} as { optimizer: SGD }), /^lrRangeTest: an optimizer expected/)
  assert.throws(() => lrRangeTest(model, [] as unknown as DataLoader, { optimizer }), /^lrRangeTest: a DataLoader of \(x, y\) expected, got object/)
  assert.throws(run({ from: 1, to: 0.1 }), /^lrRangeTest: rates 0 < from < to expected, got 1 and 0.1$/)
  assert.throws(run({ steps: 1 }), /^lrRangeTest: a whole number of steps ≥ 2 expected, got 1$/)
  assert.throws(run({ smoothing: 1 }), /^lrRangeTest: smoothing in \[0, 1\) expected, got 1$/)
  assert.throws(run({ divergence: 1 }), /^lrRangeTest: divergence > 1 expected, got 1$/)
  const unlabelled = new DataLoader(new ArrayDataset({ values: new Float32Array(4), shape: [4] }))
  assert.throws(() => lrRangeTest(model, unlabelled, { optimizer }), /^lrRangeTest: batches \(x, y\) expected/)
})

test.run()
