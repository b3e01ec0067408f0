// Hooks on gradients, in the fast and the recorded walk, and gradients that refuse values changed after the forward pass.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  capture, grad, gradients, info, Linear, manualSeed, noGrad, onBackend, parameter, ReLU, scope, Sequential, SGD, steps, tensor, zeros, type Tensor,
} from 'hebb'

const loose = (value: unknown): any => value
function said(f: () => unknown): string {
  try {
    f()
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`
  }
  return 'no error'
}
const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true })

test('a hook sees the complete gradient of a leaf and of a result, once', () => {
  const x = leaf(1, 2)
  const h = x.mul(3)
  const seen: [string, unknown][] = []
  x.registerHook(g => void seen.push(['x', g.array()]))
  h.registerHook(g => void seen.push(['h', g.array()]))
  // three uses of h, two of x beside it
  h.mul(h).add(h).sum().add(x.sum()).add(x.mul(x).sum()).backward()
  assert.equal(seen, [['h', [7, 13]], ['x', [24, 44]]])
  assert.equal(x.grad!.array(), [24, 44])
  const loss = leaf(5)
  let root = 0
  const y = loss.mul(2)
  y.registerHook(g => { root = g.item() })
  y.backward()
  assert.is(root, 1, 'of the result that backward() begins with')
})

test('what a hook returns takes the place of the gradient; hooks follow one another and come off', () => {
  const x = leaf(1, 2)
  const off = x.registerHook(g => g.mul(10))
  const also = x.registerHook(g => g.add(1))
  const run = () => {
    x.zeroGrad()
    const h = x.mul(2)
    h.registerHook(g => g.clamp({ max: 0.5 }))
    h.mul(h).sum().backward()
    return x.grad!.array()
  }
  assert.equal(run(), [11, 11])
  off()
  assert.equal(run(), [2, 2])
  off()
  also()
  assert.equal(run(), [1, 1])
  assert.is(x.hooks, null)
  const twice = (g: Tensor) => g.mul(2)
  const first = x.registerHook(twice)
  x.registerHook(twice)
  first()
  assert.equal(run(), [2, 2], 'one of two registrations of the same function')
})

test('gradients accumulate over passes behind a hook, and another leaf is untouched', () => {
  const [w, v] = [parameter([1, 2]), parameter([3, 4])]
  w.registerHook(g => g.mul(-1))
  for (let i = 0; i < 2; i++) w.mul(v).sum().backward()
  assert.equal([w.grad!.array(), v.grad!.array()], [[-6, -8], [2, 4]])
})

test('gradients() and functions of gradients run hooks too', () => {
  const x = leaf(1, 2)
  const h = x.mul(3)
  h.registerHook(g => g.mul(2))
  x.registerHook(g => g.add(1))
  const [dh, dx] = gradients(h.mul(h).sum(), [h, x]) as [Tensor, Tensor]
  assert.equal([dh.array(), dx.array()], [[12, 24], [37, 73]])
  assert.is(x.grad, null)
})

test('a recorded walk differentiates what a hook computes', () => {
  // y = x³ with its gradient squared by the hook: 9x⁴, whose derivative is 36x³
  const f = (double: boolean) => {
    const x = leaf(2)
    x.registerHook(g => g.mul(g))
    const [g] = gradients(x.mul(x).mul(x).sum(), [x], { createGraph: double }) as [Tensor]
    if (!double) return [g.item()]
    x.hooks = null
    return [g.item(), gradients(g.sum(), [x])[0]!.item()]
  }
  assert.equal(f(false), [144])
  assert.equal(f(true), [144, 288])
  const second = grad(grad(t => {
    const h = t.mul(t)
    h.registerHook(g => g.mul(3))
    return h.mul(t).sum()
  }, { createGraph: true }))
  // dL/dt = t² + 3·2t², its derivative 14t; the inner hook runs in the second walk too, where d(2t²)/dh passes it again
  assert.ok(Number.isFinite(second(tensor([1])).item()))
})

test('sequences taken apart, first weights and frozen layers: every way a gradient reaches a leaf', () => {
  const x = leaf(1, 2, 3, 4)
  let calls = 0
  x.registerHook(g => {
    calls++
    return g.mul(2)
  })
  const parts = [0, 1, 2, 3].map(i => x.select(0, i).mul(i + 1))
  parts.reduce((a, b) => a.add(b)).backward()
  assert.equal([calls, x.grad!.array()], [1, [2, 4, 6, 8]])
  manualSeed(1)
  const layer = new Linear(2, 1)
  const norms: number[] = []
  layer.weight.registerHook(g => void norms.push(g.norm().item()))
  layer.forward(tensor([[3, 4]])).sum().backward()
  assert.equal(norms, [5])
  assert.equal(layer.weight.grad!.array(), [[3, 4]])
})

test('a hook may keep what it sees; the rest is freed', () => {
  const x = leaf(1, 2)
  const run = () => {
    const kept: Tensor[] = []
    x.zeroGrad()
    scope(() => {
      const h = x.mul(3)
      h.registerHook(g => {
        kept.push(g.keep())
        g.mul(5)
        return g.mul(2)
      })
      h.sum().backward()
    })
    assert.is(kept.length, 1)
    assert.equal([kept[0]!.array(), x.grad!.array()], [[1, 1], [6, 6]])
    kept[0]!.dispose()
    return info().memory.buffers
  }
  assert.is(run(), run())
})

test('an error in a hook frees what the walk held, and says what it wanted', () => {
  const x = leaf(1, 2)
  const message = (returned: unknown) => {
    const off = x.registerHook(() => loose(returned))
    const text = said(() => scope(() => x.mul(2).sum().backward()))
    off()
    return text
  }
  assert.is(message(3), 'TypeError: registerHook: a tensor expected, got number')
  assert.is(message(zeros([3])), `ShapeError: registerHook: a gradient [2] of tensor expected from the hook, got float32 [3] on ${info().backend}`)
  assert.is(message(tensor([1, 2], { dtype: 'int32' })), `ShapeError: registerHook: a gradient [2] of tensor expected from the hook, got int32 [2] on ${info().backend}`)
  assert.is(said(() => tensor([1]).registerHook(() => {})),
    'Error: registerHook: tensor [1] has no gradient: use parameters or requiresGradient(), outside noGrad()')
  assert.match(said(() => noGrad(() => x.mul(2)).registerHook(() => {})), /^Error: registerHook: mul \[2\] has no gradient/)
  const live = info().memory.buffers
  for (let i = 0; i < 3; i++) {
    const off = x.registerHook(() => { throw new Error('out') })
    assert.is(said(() => scope(() => x.mul(2).mul(x).sum().backward())), 'Error: out')
    off()
  }
  assert.is(info().memory.buffers, live, 'nothing is left behind')
})

test('a captured step replays what its hooks compute', () => {
  const run = (captured: boolean) => {
    manualSeed(2)
    const net = new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 1))
    const optimizer = new SGD(net.parameters(), { lr: 0.1 })
    const plain = (x: Tensor): Tensor => {
      optimizer.zeroGrad()
      const h = net.forward(x)
      h.registerHook(g => g.clamp({ min: -0.1, max: 0.1 }))
      const loss = h.square().mean()
      loss.backward()
      optimizer.step()
      return loss
    }
    net.parameters()[0]!.registerHook(g => g.mul(0.5))
    const step = captured ? capture(plain) : plain
    for (const _ of steps(5)) step(tensor([[1, 2, 3], [-1, 0, 2]]))
    return net.parameters().map(p => p.array())
  }
  assert.equal(run(true), run(false))
})

// ---- values changed after the forward pass ------------------------------------------------------------------------------------------

const after = 'after the forward pass: change it after backward(), or compute the loss anew'

test('a leaf or result changed between forward and backward is refused where its values are needed', () => {
  const w = parameter([1, 2])
  w.label = 'w'
  const changed = (f: () => Tensor, t: () => Tensor, ...values: number[]) => said(() => {
    const loss = f()
    t().set(values)
    loss.backward()
  })
  assert.is(changed(() => w.mul(w).sum(), () => w, 3, 4), `Error: backward: w [2], which the gradient of mul needs, was changed by set() ${after}`)
  let h = w
  assert.is(changed(() => (h = w.sigmoid()).sum(), () => h, 3, 4), `Error: backward: sigmoid [2], which the gradient of sigmoid needs, was changed by set() ${after}`)
  assert.is(changed(() => w.square().sum(), () => w.detach(), 3, 4),
    `Error: backward: w [2], which the gradient of square needs, was changed by set() ${after}`, 'through a tensor that shares the memory')
  assert.is(changed(() => grad(t => t.mul(w).square().sum(), { createGraph: true })(tensor([1, 1])).sum(), () => w, 3, 4),
    `Error: backward: w [2], which the gradient of mul needs, was changed by set() ${after}`)
  w.zeroGrad()
  const x = tensor([5, 6])
  const loss = x.mul(w).sum()
  x.set([0, 0])
  assert.match(said(() => gradients(loss, [w], { createGraph: true })), /^Error: backward: tensor \[2\], which the gradient of mul needs, was changed by set\(\)/)
  assert.is(said(() => w.mul(2).sum().backward()), 'no error', 'the engine goes on')
})

test('changes that no gradient depends on are no error', () => {
  const w = parameter([1, 2])
  const x = tensor([3, 4])
  const loss = w.mul(x).add(w).sum()
  // the gradients of mul needs x alone, that of add neither
  w.set([7, 8])
  loss.backward()
  assert.equal(w.grad!.array(), [4, 5])
  w.grad!.set([1, 1])
  w.mul(x).sum().backward()
  assert.equal(w.grad!.array(), [4, 5], 'a gradient that was set is added to')
  w.grad!.set([9, 9])
  w.zeroGrad()
  w.square().sum().backward()
  assert.equal(w.grad!.array(), [14, 16], 'or written over')
  const m = parameter([[1, 2], [3, 4]])
  m.set([5, 6, 7, 8])
  m.tril().indexSelect(0, [1, 1]).sum().backward()
  assert.equal(m.grad!.array(), [[0, 0], [2, 2]], 'what the gradient itself fills with set() is its own')
})

test('an optimizer that steps between forward and backward is noticed', () => {
  const w = parameter([1, 2])
  const optimizer = new SGD([w], { lr: 0.1 })
  w.sum().backward()
  const loss = w.square().sum()
  optimizer.step()
  assert.is(said(() => loss.backward()), `Error: backward: parameter [2], which the gradient of square needs, was changed by step() of SGD ${after}`)
})

test('the same on float64', () => onBackend('reference64', () => {
  const x = leaf(3)
  x.registerHook(g => g.mul(2))
  x.square().sum().backward()
  assert.equal(x.grad!.array(), [12])
}))

// ---- hooks of modules -----------------------------------------------------------------------------------------------------------------

test('pre-hooks change inputs, hooks with alwaysCall run after an error, and all come off', () => {
  const layer = new ReLU()
  const plain = layer.forward
  const off = [
    layer.registerForwardPreHook((_, [x]) => [(x as Tensor).mul(-1)]),
    layer.registerForwardPreHook((_, [x]) => (x as Tensor).add(1)),
    layer.registerForwardHook((_, [x], y) => (y as Tensor).add(x as Tensor)),
  ]
  assert.equal(layer.forward(tensor([-2, 3])).array(), [6, -2])
  const outputs: unknown[] = []
  off.push(layer.registerForwardHook((_, __, y) => void outputs.push(y), { alwaysCall: true }))
  assert.is(said(() => layer.forward(loose(null))), "TypeError: Cannot read properties of null (reading 'mul')", 'an error in a pre-hook')
  off[0]!()
  off[1]!()
  assert.is(said(() => layer.forward(loose(null))), 'TypeError: relu: a tensor expected, got null')
  assert.equal(outputs, [undefined])
  for (const f of off) f()
  for (const f of off) f()
  assert.is(layer.forward, plain)
})

test.run()
