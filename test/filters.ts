// Transformed convolution weights that are kept from call to call: used only while the weight is what it was, given back with it or
// when memory is short.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { capture, configure, conv2d, Conv2d, info, init, manualSeed, MemoryError, noGrad, rand, scope, SGD, steps, tensor, turn, zeros, type Tensor } from 'hebb'

const MB = 2 ** 20
configure({ memory: { limit: 24 * MB } })
manualSeed(1)
const BYTES = 32 * 32 * 36 * 4
const kept = () => info().memory.filters
const image = rand([2, 32, 9, 10]).keep()
const values = (f: () => Tensor) => turn('test', 0, () => [...noGrad(f).values()])
const convolve = (w: Tensor) => values(() => conv2d(image, w, null, { padding: 1 }))
/** What a weight that is seen for the first time gives */
const anew = (w: Tensor) => turn('test', 0, () => convolve(tensor(w.values(), w.shape)))
const weight = () => rand([32, 32, 3, 3], { low: -1 }).keep()

test('the second call with the same values keeps them, and computes the same bits', () => {
  const w = weight()
  const before = info().memory
  const first = convolve(w)
  assert.is(kept(), 0)
  assert.equal(convolve(w), first)
  assert.ok(kept() >= BYTES && kept() < 1.2 * BYTES, `${kept()}`)
  assert.is(info().memory.bytes, before.bytes + kept())
  assert.equal(convolve(w), first)
  w.dispose()
  assert.is(kept(), 0)
  assert.is(info().memory.bytes, before.bytes - 32 * 32 * 36)
})

test('whatever writes to the weight makes them anew', () => {
  const layer = new Conv2d(32, 32, 3, { padding: 1, bias: false })
  const { weight: w } = layer
  const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9 })
  const train = () => turn('test', 0, () => {
    optimizer.zeroGrad()
    layer.forward(image).square().mean().backward()
    optimizer.step()
  })
  const step = capture((x: Tensor) => {
    const loss = layer.forward(x).square().mean()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const replay = () => turn('test', 0, () => void step(image))
  const other = new Conv2d(32, 32, 3, { bias: false })
  const writes: Record<string, () => unknown> = {
    'set()': () => w.set(w.values().reverse()),
    'step()': train,
    'a captured step, eager': replay,
    'recorded': replay,
    'replayed': replay,
    'replayed again': replay,
    'init.normal': () => init.normal(w),
    'init.constant': () => init.constant(w, 0.5),
    loadStateDict: () => layer.loadStateDict(other.stateDict()),
    'set() through a view': () => turn('test', 0, () => w.detach().reshape([9, -1]).set(other.weight.values().map(v => 2 * v))),
  }
  for (const [what, write] of Object.entries(writes)) {
    convolve(w)
    const before = convolve(w)
    assert.ok(kept() > 0, what)
    write()
    const after = convolve(w)
    assert.equal(after, anew(w), what)
    assert.is.not(after.join(), before.join(), what)
  }
  step.dispose()
  layer.dispose()
  other.dispose()
  assert.is(kept(), 0)
})

test('a captured step sees what was written to the weight, before it and in it', () => {
  const layer = new Conv2d(32, 32, 3, { padding: 1 })
  const { weight: w } = layer
  const step = capture((x: Tensor) => noGrad(() => layer.forward(x)))
  const replay = () => turn('test', 0, () => [...step(image).values()])
  const eager = () => turn('test', 0, () => noGrad(() => [...conv2d(image, tensor(w.values(), w.shape), layer.bias, { padding: 1 }).values()]))
  for (let i = 0; i < 5; i++) {
    if (i > 2) w.set(w.values().map(v => v + 1))
    assert.equal(replay(), eager(), `call ${i}`)
  }
  assert.ok(kept() > 0)
  step.dispose()

  const optimizer = new SGD(layer.parameters(), { lr: 0.1 })
  const both = capture((x: Tensor) => {
    const before = noGrad(() => layer.forward(x))
    optimizer.zeroGrad()
    layer.forward(x).square().mean().backward()
    optimizer.step()
    return { before, after: noGrad(() => layer.forward(x)) }
  })
  let last: number[] = []
  for (let i = 0; i < 5; i++) {
    const { before, after } = turn('test', 0, () => {
      const y = both(image)
      return { before: [...y.before.values()], after: [...y.after.values()] }
    })
    if (i > 0) assert.equal(before, last, `call ${i}`)
    assert.equal(after, eager(), `call ${i}`)
    last = after
  }
  both.dispose()
  layer.dispose()
  assert.is(kept(), 0)
})

test('weights that are seen once, or that kernels overwrite without a note, keep nothing', () => {
  const w = weight()
  for (const _ of steps(3)) noGrad(() => conv2d(image, w.mul(2), null, { padding: 1 }))
  // training
  const p = weight().requiresGradient()
  for (const _ of steps(3)) conv2d(image, p, null, { padding: 1 }).sum().backward()
  assert.is(kept(), 0)
  // each backward() adds to the gradient in its own memory
  for (let i = 0; i < 3; i++) {
    turn('test', 0, () => conv2d(image, p, null, { padding: 1 }).sum().backward())
    assert.equal(convolve(p.grad!), anew(p.grad!), `${i}`)
  }
  assert.is(kept(), 0)
  // each replay overwrites what the one before returned
  const double = capture((x: Tensor) => x.mul(2))
  for (let i = 0; i < 5; i++) {
    const y = double(w)
    convolve(y)
    assert.equal(convolve(y), anew(y), `${i}`)
    w.set(w.values().map(v => v + 1))
    // the first is no program's yet
    if (i === 0) y.dispose()
  }
  assert.is(kept(), 0)
  double.dispose()
  w.dispose()
  p.dispose()
})

test('when memory is short they are given back, and nothing is kept from then on', () => {
  const w = weight()
  const first = convolve(w)
  convolve(w)
  assert.ok(kept() > 0)
  scope(() => {
    const left = info().memory.limit - info().memory.total + (info().memory.reserved - info().memory.bytes)
    // fill what there is, in parts that leave no room
    const parts: Tensor[] = []
    for (let bytes = left; bytes > 4096; bytes /= 2) {
      try {
        for (;;) parts.push(zeros([Math.floor(bytes / 4)]))
      } catch (error) {
        assert.instance(error, MemoryError)
      }
    }
    assert.is(kept(), 0)
  })
  assert.equal(convolve(w), first)
  assert.equal(convolve(w), first)
  assert.is(kept(), 0)
  w.dispose()
})

test.run()
