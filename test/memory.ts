// Who frees what: turns, scopes, kept and disposed tensors, gradients and their like, the collector.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, ArrayDataset, BatchNorm1d, crossEntropy, DataLoader, Dropout, engine, gradients, info, Linear, manualSeed, mseLoss, noGrad, parameter, rand, ReLU,
  scope, Sequential, SGD, steps, tensor, Tensor, zeros, type Module,
} from 'hebb'
import { alsoOnReference } from './collector/again.js'
import { settle as collect } from './collector/settle.js'

alsoOnReference()

const live = () => info().memory.buffers
const state = () => {
  const { buffers, bytes, reserved } = info().memory
  return { buffers, bytes, reserved }
}

const ROWS = 24
const data = new ArrayDataset(
  { values: Float32Array.from({ length: ROWS * 3 }, (_, i) => (i % 7) / 7), shape: [3] },
  { values: Int32Array.from({ length: ROWS }, (_, i) => i % 2), shape: [] },
)
const batches = (batchSize = 4) => new DataLoader(data, { batchSize, seed: 1 })
const net = () => new Sequential(new Linear(3, 5), new ReLU(), new Dropout(0.2), new Linear(5, 2))

/** One training step */
function learn(model: Module, optimizer: SGD | Adam, x: Tensor, y: Tensor): Tensor {
  const loss = crossEntropy(model.forward(x), y)
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  return loss
}

const settle = () => collect(live)
test.before.each(settle)

/** f in a scope: how many more buffers than before are alive at its end, and none after the scope. */
const leaves = (extra: number, f: () => void) => () => {
  const before = live()
  scope(() => {
    f()
    assert.is(live(), before + extra, 'live buffers after, against before')
  })
  assert.is(live(), before, 'live buffers after the scope')
}

const whole = () => tensor([3, 1, 2], { dtype: 'int32' })
test('int32 pad leaves its result alone', leaves(2, () => assert.equal(whole().pad([1, 0], { value: 7 }).array(), [7, 3, 1, 2])))
test('int32 median leaves its result and the order', leaves(3, () => assert.is(whole().median().item(), 2)))

// ---- turns -------------------------------------------------------------------------------------------------------------

test('training over a loader leaves parameters, gradients and the optimizer\'s state', leaves(4 * 4, () => {
  const model = net()
  const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
  let total = 0
  for (const [x, y] of batches()) total += learn(model, optimizer, x!, y!).item()
  const first = state()
  for (let epoch = 0; epoch < 3; epoch++) for (const [x, y] of batches()) total += learn(model, optimizer, x!, y!).item()
  assert.equal(state(), first)
  assert.ok(Number.isFinite(total))
}))

test('evaluation over a loader, with and without noGrad, leaves the parameters', leaves(4, () => {
  const model = net()
  const epoch = () => {
    let right = 0
    for (const [x, y] of batches()) right += model.forward(x!).argmax(1).float().eq(y!.float()).sum().item()
    return right
  }
  epoch()
  const first = state()
  assert.is(noGrad(epoch) >= 0 && epoch() <= ROWS, true)
  assert.equal(state(), first)
}))

test('steps(n) counts and frees every turn', leaves(1, () => {
  const w = parameter([3])
  const seen: number[] = []
  const counts = new Set<number>()
  for (const i of steps(5)) {
    seen.push(i)
    w.mul(i).square().sum()
    counts.add(live())
  }
  assert.equal(seen, [0, 1, 2, 3, 4])
  assert.is(counts.size, 1, 'the same number alive in every turn')
  assert.equal([...steps(0)], [])
  for (const n of [-1, 0.5, NaN]) assert.throws(() => [...steps(n)], `steps: a whole number of steps ≥ 0 expected, got ${n}`)
}))

test('break, continue, return and throw end a turn', leaves(0, () => {
  const x = tensor([1, 2])
  for (const _ of steps(9)) {
    x.mul(2)
    break
  }
  let turn = 0
  for (const _ of steps(3)) {
    x.mul(2)
    if (turn++ === 1) continue
    x.mul(3)
  }
  const early = () => {
    for (const [a] of batches()) {
      a!.mul(2)
      return a!.sum().item()
    }
    return NaN
  }
  assert.ok(early() > 0)
  assert.throws(() => {
    for (const [a] of batches()) {
      a!.mul(2)
      throw new Error('in a turn')
    }
  }, 'in a turn')
  for (const i of steps(Infinity)) if (x.mul(i).sum().item() > 30) break
  x.dispose()
}))

test('a loop that breaks off is over: the next one starts a new epoch', () => {
  const loader = new DataLoader(data, { batchSize: 4, shuffle: true, seed: 3 })
  for (const _ of loader) break
  assert.equal(loader.state, { seed: 3, epoch: 1, batch: 0 })
  let count = 0
  for (const _ of loader) count++
  assert.is(count, 6)
  assert.equal(loader.state, { seed: 3, epoch: 2, batch: 0 })
})

test('nested loops: each turn owns what is made in it', leaves(0, () => {
  const counts: number[] = []
  for (const i of steps(3)) {
    const outer = tensor([i])
    for (const [x] of batches(8)) {
      const sum = x!.sum()
      for (const _ of steps(2)) assert.ok(sum.add(outer).item() >= i)
      assert.is(sum.freed, false)
    }
    assert.is(outer.item(), i)
    counts.push(live())
  }
  assert.equal(counts, counts.map(() => counts[0]))
}))

/** Pairs, ending with the shorter of the two */
function* zip<A, B>(a: Iterable<A>, b: Iterable<B>): Generator<[A, B]> {
  const second = b[Symbol.iterator]()
  try {
    for (const x of a) {
      const { value, done } = second.next()
      if (done) return
      yield [x, value]
    }
  } finally {
    second.return?.()
  }
}

test('two zipped loaders, of one length and of different lengths', leaves(0, () => {
  for (const [first, second] of [[4, 4], [4, 8], [8, 4]] as const) {
    const counts = new Set<number>()
    for (const [[x], [y]] of zip(batches(first), batches(second))) {
      assert.is(x!.sum().add(y!.sum()).freed, false)
      assert.is(Number.isFinite(x!.sum().item() + y!.sum().item()), true)
      counts.add(live())
    }
    assert.is(counts.size, 1, 'the same number alive in every turn')
  }
  for (const [[x], [y]] of zip(batches(), batches())) {
    x!.sum().add(y!.sum())
    break
  }
}))

test('the batch belongs to its turn, loader.first() to the caller', leaves(2, () => {
  let kept: Tensor | undefined
  for (const [x] of batches()) kept = x
  assert.ok(kept!.freed)
  const [x, y] = batches().first()
  assert.equal([x!.shape, y!.shape], [[4, 3], [4]])
}))

test('a plain for loop that trains stays bounded', async () => {
  manualSeed(0)
  const [x, y] = batches(8).first() as [Tensor, Tensor]
  const model = new Sequential(new Linear(3, 8), new BatchNorm1d(8), new ReLU(), new Dropout(0.5), new Linear(8, 2))
  const optimizer = new Adam(model.parameters())
  for (let i = 0; i < 3; i++) learn(model, optimizer, x, y)
  const early = state()
  for (let i = 0; i < 200; i++) learn(model, optimizer, x, y)
  assert.equal(state(), early)
  assert.throws(() => {
    const old = mseLoss(x.sum(1), x.sum(1).detach().add(model.forward(x).sum(1)))
    old.backward()
    learn(model, optimizer, x, y)
    old.item()
  }, /^mean \[\] was freed by the next backward\(\): /)
  for (const t of [x, y]) t.dispose()
  model.dispose()
})

test('outside turns, backward() frees what the last one through the same leaves has left, not what another has', () => {
  const [v, w] = [parameter([2]), parameter([3])]
  const [first, second] = [v.square().sum(), w.square().sum()]
  first.backward()
  second.backward()
  assert.equal([first.item(), second.item()], [4, 9])
  const third = v.mul(w).sum()
  third.backward()
  assert.equal([first.freed, second.freed, third.item()], [true, true, 6])
})

// ---- use after the end ---------------------------------------------------------------------------------------------------

test('a freed tensor says what freed it and what to do', () => {
  let last!: Tensor
  for (const i of steps(3)) last = tensor([1, 2]).mul(i)
  const advice = ': read it before that with item() or array(), or keep() it to let it live on'
  assert.throws(() => last.values(), (e: Error) => e.message === `mul [2] was freed by turn 2 of steps(3)${advice}`)
  assert.throws(() => last.add(1), (e: Error) => e.message === `mul [2] was freed by turn 2 of steps(3)${advice}`)
  assert.throws(() => last.keep(), (e: Error) => e.message === `mul [2] was freed by turn 2 of steps(3)${advice}`)
  assert.is(String(last), 'tensor(freed by turn 2 of steps(3), shape [2])')
  for (const [x] of batches(24)) last = x!.mean()
  assert.throws(() => last.item(), (e: Error) => e.message === `mean [] was freed by turn 0 of loader${advice}`)
  scope(() => void (last = tensor(1)))
  assert.throws(() => last.item(), (e: Error) => e.message === `tensor [] was freed by scope()${advice}`)
  last = tensor([1])
  last.dispose()
  last.dispose()
  assert.throws(() => last.array(), (e: Error) => e.message === `tensor [1] was freed by dispose()${advice}`)
  assert.ok(last.freed)
})

test('spread and destructuring end the turn at once, with the same error', () => {
  const [[x]] = batches() as Iterable<Tensor[]> as [[Tensor]]
  assert.throws(() => x.values(), /^tensor \[4,3\] was freed by turn 0 of loader/)
})

// ---- keep, dispose, scope, using -------------------------------------------------------------------------------------------

test('keep() lets a tensor outlive its turn, dispose() ends it', leaves(0, () => {
  const kept: Tensor[] = []
  for (const i of steps(3)) kept.push(tensor([i]).mul(2).keep().keep())
  assert.equal(kept.map(t => t.item()), [0, 2, 4])
  for (const t of kept) t.dispose()
  const outer = tensor([1]).keep()
  scope(() => void outer.mul(2))
  assert.is(outer.item(), 1)
  outer.dispose()
}))

test('a kept loss outlives its turn, its graph does not: backward() says so', leaves(2, () => {
  const w = parameter([2])
  let loss!: Tensor
  for (const _ of steps(1)) loss = w.mul(3).sum().keep()
  assert.is(loss.item(), 6)
  assert.throws(() => loss.backward(), (e: Error) =>
    e.message === 'backward: mul [1] was freed before its gradient was computed: call backward() in the turn or scope of the forward pass')
  for (const _ of steps(1)) w.mul(3).sum().backward()
  loss.dispose()
}))

test('scope(f) frees parameters too; what it returns survives, alone and in arrays and objects', leaves(3, () => {
  const before = live()
  let model!: Linear
  const one = scope(() => {
    model = new Linear(2, 2)
    return model.forward(tensor([[1, 1]]))
  })
  assert.ok(model.weight.freed && model.bias!.freed)
  assert.is(live(), before + 1)
  const { list: [two], deep } = scope(() => ({ list: [one.mul(2)], deep: { three: one.mul(3), number: 4 }, dropped: one.mul(5).sum().item() }))
  assert.is(live(), before + 3)
  assert.equal([two!.shape, deep.three.shape], [[1, 2], [1, 2]])
  assert.is(scope(() => scope(() => one)), one, 'a tensor from outside stays where it is')
  const w = scope(() => parameter([7]).keep())
  assert.is(w.item(), 7)
  w.dispose()
}))

test('what scope(f) returns belongs to the turn around', leaves(0, () => {
  let inner!: Tensor
  for (const _ of steps(2)) {
    inner = scope(() => tensor([1]).mul(2))
    assert.is(inner.item(), 2)
  }
  assert.throws(() => inner.item(), /^mul \[1\] was freed by turn 1 of steps\(2\)/)
}))

test('a throw in scope(f) frees what it made, and a promise is refused', leaves(0, () => {
  assert.throws(() => scope(() => {
    tensor([1]).mul(2)
    throw new Error('in a scope')
  }), 'in a scope')
  assert.throws(() => scope(async () => tensor([1]).mul(2)), (e: Error) =>
    e instanceof TypeError && e.message === 'scope: a synchronous function expected, got one that returns a promise: await outside, scope() the parts between')
}))

test('using: a scope for a block, a handle for a tensor', leaves(0, () => {
  const before = live()
  let inside!: Tensor
  {
    using _ = scope()
    inside = new Linear(2, 2).forward(tensor([[1, 2]]))
    assert.is(live(), before + 4)
  }
  assert.throws(() => inside.values(), /^linear \[1,2\] was freed by scope\(\)/)
  {
    using x = tensor([1, 2])
    using y = x.mul(2)
    assert.equal([...y.values()], [2, 4])
  }
  assert.is(live(), before)
  assert.is(Tensor.prototype[Symbol.dispose], Tensor.prototype.dispose)
  const handle = scope()
  const x = tensor([1])
  handle.end()
  assert.ok(x.freed)
}))

test('closing a scope that isn\'t on top frees its own and leaves the other', leaves(0, () => {
  const [first, a] = [scope(), tensor([1])]
  const [second, b] = [scope(), tensor([2])]
  first.end()
  assert.equal([a.freed, b.freed], [true, false])
  const c = tensor([3])
  second.end()
  assert.equal([b.freed, c.freed], [true, true])
  second.end()
}))

// ---- buffers --------------------------------------------------------------------------------------------------------------

test('a reshape shares the buffer, which lives as long as either', leaves(0, () => {
  const before = live()
  const x = tensor([[1, 2], [3, 4]])
  const flat = x.reshape([4])
  assert.is(live(), before + 1)
  x.dispose()
  assert.equal([...flat.values()], [1, 2, 3, 4])
  flat.dispose()
  assert.is(live(), before)
}))

test('gradients and an optimizer\'s state live as long as the parameter', leaves(0, () => {
  const before = live()
  const w = parameter([1, 2])
  const optimizer = new Adam([w], { amsgrad: true })
  for (const _ of steps(2)) {
    w.square().sum().backward()
    optimizer.step()
    optimizer.zeroGrad()
  }
  assert.is(w.grad, null)
  assert.is(live(), before + 6, 'w, gradient, m, v, vMax, scalars')
  w.dispose()
  assert.is(live(), before)
  assert.throws(() => w.values(), /^parameter \[2\] was freed by dispose\(\)/)
}))

test('a throw inside forward or backward leaves nothing behind', leaves(2, () => {
  const w = parameter([1, 2])
  const broken = (where: string) => (x: Tensor) => engine.apply({
    name: 'broken',
    forward([t], _, saved) {
      const y = new Tensor(t!.shape, 'float32', t!.backend)
      saved.push(new Tensor([5], 'float32', t!.backend))
      if (where === 'forward') throw new Error(where)
      return y
    },
    gradient(g) {
      g.mul(2)
      throw new Error(where)
    },
  }, [x], undefined)
  for (const where of ['forward', 'backward']) {
    for (let i = 0; i < 3; i++) {
      assert.throws(() => {
        for (const _ of steps(1)) {
          // gradients wait for it, and have arrived at w, when the broken op's turn comes
          const other = w.mul(3)
          const loss = broken(where)(w.mul(2)).add(other).mul(w).sum()
          if (i === 0) gradients(loss, [w, other])
          else loss.backward()
        }
      }, where)
    }
  }
  w.zeroGrad()
  for (const _ of steps(1)) w.sum().backward()
  assert.equal([...w.grad!.values()], [1, 1])
}))

test('an error in gradients() leaves no gradient on the graph for the next pass', leaves(1, () => {
  const w = parameter([2])
  for (const i of steps(2)) {
    const createGraph = i === 1
    const y = w.square()
    let broken = true
    const z = engine.apply({
      name: 'broken',
      forward: ([t]) => t!.mul(1),
      gradient(g) {
        if (broken) throw new Error('in a gradient')
        return [g.mul(1)]
      },
    }, [y], undefined)
    assert.throws(() => gradients([z.sum(), y.sum()], [w], { createGraph, retainGraph: true }), 'in a gradient')
    assert.throws(() => gradients([y, z], [w], { gradOutputs: [tensor([1]), tensor([1, 1])], createGraph, retainGraph: true }), /^gradients: gradOutputs\[1\] has shape/)
    broken = false
    assert.is(gradients([z.sum(), y.sum()], [w], { createGraph, retainGraph: true })[0]!.item(), 8)
    assert.is(gradients([w, w], [w], { gradOutputs: [tensor([2]), tensor([3])], createGraph })[0]!.item(), 5)
  }
}))

test('the collector frees what nothing owns: tensors, kept ones, models with gradients and state', async () => {
  const before = live()
  for (let i = 0; i < 20; i++) tensor([i]).mul(2).keep()
  ;(() => {
    const model = net()
    const optimizer = new Adam(model.parameters())
    for (const [x, y] of batches()) learn(model, optimizer, x!, y!)
    assert.ok(live() >= before + 40 + 20)
  })()
  await settle()
  assert.is(live(), before)
})

test('memory that was freed is used again', leaves(0, () => {
  const turn = () => {
    for (const n of [1, 100, 5000]) rand([n]).mul(2).add(1)
  }
  for (const _ of steps(1)) turn()
  const { reserved } = info().memory
  for (const _ of steps(50)) turn()
  assert.is(info().memory.reserved, reserved)
}))

test('info() counts buffers and bytes; the peak is the most alive at once', () => {
  const before = info().memory
  const big = zeros([1 << 16])
  const during = info().memory
  assert.is(during.buffers, before.buffers + 1)
  assert.is(during.bytes, before.bytes + (1 << 16) * (during.bytes - before.bytes > 1 << 18 ? 8 : 4))
  big.dispose()
  const after = info().memory
  assert.is(after.bytes, before.bytes)
  assert.ok(after.peak >= during.bytes && after.reserved >= after.peak)
})

test.run()
