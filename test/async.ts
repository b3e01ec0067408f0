// Turns and scopes in code that awaits: interleaved handlers, zipped loaders, fit() beside timers.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setImmediate as task, setTimeout as wait } from 'node:timers/promises'
import { Adam, ArrayDataset, capture, DataLoader, info, Linear, manualSeed, rand, scope, SGD, steps, tensor, type Tensor } from 'hebb'
import { fit } from 'hebb/train'
import { alsoOnReference } from './collector/again.js'
import { settle as collect } from './collector/settle.js'

alsoOnReference()

const live = () => info().memory.buffers
const settle = () => collect(live)
test.before.each(settle)

const data = (n: number) => new ArrayDataset({ values: Float32Array.from({ length: 2 * n }, (_, i) => i), shape: [2] }, { values: new Float32Array(n).fill(1), shape: [1] })

test('a turn keeps what it made across an await, and frees it at its end', async () => {
  const before = live()
  let last!: Tensor
  for (const [x] of new DataLoader(data(4), { batchSize: 2 })) {
    last = x!.mul(2)
    await task()
    assert.ok(last.sum().item() > 0 && !x!.freed)
  }
  assert.throws(() => last.values(), /^mul \[2,2\] was freed by turn 1 of loader: /)
  await settle()
  assert.is(live(), before)
})

test('break, return and throw after an await end the turn too', async () => {
  const before = live()
  for (const i of steps(3)) {
    tensor([i])
    await task()
    break
  }
  const early = async () => {
    for (const i of steps(3)) {
      const x = tensor([i])
      await task()
      return x.item()
    }
    return NaN
  }
  assert.is(await early(), 0)
  const failing = async () => {
    for (const i of steps(3)) {
      tensor([i])
      await Promise.reject(new Error('in a turn'))
    }
  }
  await failing().then(() => assert.unreachable(), (e: Error) => assert.is(e.message, 'in a turn'))
  // nobody knows whose the first things of a loop's only turn are
  await settle()
  assert.is(live(), before)
})

test('a tensor made after an await belongs to no turn, unless to a scope(f)', async () => {
  const before = live()
  const made: Tensor[] = []
  for (const i of steps(2)) {
    await null
    made.push(tensor([i]).mul(3))
    made.push(scope(() => tensor([i]).mul(4)))
    scope(() => assert.is(tensor([i]).add(1).item(), i + 1))
  }
  assert.equal(made.map(t => t.item()), [0, 0, 3, 4])
  made.length = 0
  await settle()
  assert.is(live(), before, 'the collector has had them')
})

test('what another task makes while a turn awaits is its own', async () => {
  const others: Tensor[] = []
  let owner: unknown = 'nobody'
  const other = async () => {
    await task()
    const x = tensor([5])
    owner = x.owner
    others.push(x, x.mul(2))
    for (const i of steps(2)) tensor([i])
    others.push(tensor([6]))
  }
  const done = other()
  for (const _ of steps(1)) {
    tensor([1])
    await wait(5)
    await done
  }
  assert.is(owner, null)
  assert.equal(others.map(t => t.item()), [5, 10, 6])
})

test('a scope for a block belongs to the code before its first await', async () => {
  const before = live()
  let foreign!: Tensor
  const other = task().then(() => void (foreign = tensor([7])))
  let own!: Tensor
  {
    using _ = scope()
    own = tensor([1])
    await wait(5)
    await other
    assert.is(own.item(), 1)
  }
  assert.ok(own.freed)
  assert.is(foreign.item(), 7)
  foreign.dispose()
  assert.is(live(), before)
})

test('a scope(f) that returns a promise is refused, what it made before is freed', async () => {
  const before = live()
  let after: Tensor | undefined
  const run = async () => {
    tensor([1])
    await task()
    after = tensor([2])
  }
  assert.throws(() => scope(run), /^scope: a synchronous function expected, got one that returns a promise/)
  assert.is(live(), before)
  await wait(2)
  assert.is(after!.item(), 2)
  after!.dispose()
})

/** A request: tensors before and after awaits, turns, scopes, a captured step. What it returns says whether all its values were right. */
async function handler(id: number, model: Linear, program: (x: Tensor) => Tensor): Promise<number> {
  let pause = id
  // in an order that differs between the handlers
  const rest = async () => {
    pause = (pause * 7 + 3) % 5
    for (let i = 0; i < pause; i++) await task()
  }
  await rest()
  const mine = tensor([id, id + 1])
  let sum = 0
  for (const i of steps(6)) {
    const x = tensor([[id, i]])
    const y = model.forward(x)
    if (i % 2) await rest()
    const z = scope(() => y.add(x).sum())
    for (const j of steps(2)) {
      const w = x.mul(j)
      await rest()
      sum += w.sum().item()
    }
    sum += z.item() + program(x).item() + mine.sum().item()
    if (i === 4) break
  }
  await rest()
  return sum + mine.mul(2).sum().item()
}

test('interleaved handlers see only their own tensors', async () => {
  manualSeed(1)
  const model = new Linear(2, 2)
  const program = capture((x: Tensor) => model.forward(x).square().sum())
  for (let i = 0; i < 3; i++) for (const _ of steps(1)) program(rand([1, 2]))
  const alone: number[] = []
  for (let id = 0; id < 12; id++) alone.push(await handler(id, model, program))
  await settle()
  const before = live()
  for (let round = 0; round < 3; round++) {
    // each request comes with a task of its own, as from a server's event loop
    const together = await Promise.all(alone.map((_, id) => task().then(() => handler(id, model, program))))
    assert.equal(together, alone)
  }
  await settle()
  assert.is(live(), before)
  program.dispose()
  model.dispose()
})

test('handlers begun in one breath keep their tensors too', async () => {
  const work = async (id: number): Promise<number> => {
    const x = tensor([id])
    let sum = 0
    for (const _ of steps(3)) {
      const y = x.mul(2)
      await wait(2)
      sum += y.item()
    }
    return sum + x.item()
  }
  assert.equal(await Promise.all([1, 2, 3].map(work)), [7, 14, 21])
})

test('what waits in case that another task made it is bounded, and goes when the loop has ended', async () => {
  const before = live()
  const [left, bytes]: number[][] = [[], []]
  for (const i of steps(400)) {
    const x = tensor([i])
    tensor([1])
    rand([100, 256])
    const y = x.mul(2)
    await null
    assert.is(y.item(), 2 * i)
    left!.push(live() - before)
    bytes!.push(info().memory.bytes)
  }
  assert.is(Math.max(...left!.slice(0, 200)), Math.max(...left!), 'no more things')
  assert.is(Math.max(...bytes!.slice(0, 200)), Math.max(...bytes!), 'no more bytes')
  await settle()
  assert.is(live(), before)
})

test('a turn that waits alone frees at its end what is connected', async () => {
  const before = live()
  const left: number[] = []
  for (const i of steps(12)) {
    const x = tensor([i])
    const z = x.mul(2)
    await task()
    assert.is(z.item(), 2 * i)
    left.push(live() - before)
  }
  assert.is(left[0], 2)
  assert.equal(left.slice(8), [left[7], left[7], left[7], left[7]])
  await settle()
  assert.is(live(), before)
})

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

test('two zipped loaders with an await in the turn', async () => {
  const before = live()
  const seen: number[] = []
  for (const [[x], [y]] of zip(new DataLoader(data(6), { batchSize: 2 }), new DataLoader(data(8), { batchSize: 4 }))) {
    const product = x!.sum().mul(y!.sum())
    await task()
    seen.push(product.item())
    assert.ok(!x!.freed && !y!.freed)
  }
  assert.equal(seen, [6 * 28, 22 * 92])
  assert.is(live(), before)
})

test('a turn that ends while others are open frees its own only', async () => {
  const [started, first, second] = [deferred(), deferred(), deferred()]
  const run = async (gate: Deferred, value: number) => {
    for (const [x] of new DataLoader(data(1), { batchSize: 1 })) {
      const y = x!.add(value)
      started.resolve()
      await gate.promise
      assert.equal(y.array(), [[value, value + 1]])
    }
  }
  const a = run(first, 1)
  await started.promise
  const b = task().then(() => run(second, 2))
  await wait(2)
  const before = live()
  first.resolve()
  await a
  assert.is(live(), before - 3)
  second.resolve()
  await b
  assert.is(live(), before - 6)
})

interface Deferred {
  promise: Promise<void>
  resolve(): void
}
function deferred(): Deferred {
  let resolve!: () => void
  const promise = new Promise<void>(r => (resolve = r))
  return { promise, resolve }
}

test('fit() gives timers and signals a turn, and stops when told', async () => {
  manualSeed(0)
  const before = live()
  const model = new Linear(2, 1)
  const loader = new DataLoader(data(512), { batchSize: 8 })
  const controller = new AbortController()
  const start = performance.now()
  const gaps: number[] = []
  let last = start
  const clock = setInterval(() => {
    const now = performance.now()
    gaps.push(now - last)
    last = now
    if (now - start > 700) controller.abort()
  }, 5)
  const { ended, history, times } = await fit(model, loader, {
    optimizer: new SGD(model.parameters(), { lr: 1e-9 }), epochs: 1e6, loss: (output, target) => output.mseLoss(target), signal: controller.signal,
  })
  clearInterval(clock)
  assert.is(ended, 'aborted')
  assert.ok(times.steps > 64 && history.length < 1e6)
  assert.ok(performance.now() - start < 5000, 'soon after the signal')
  // 100 ms are promised; a busy machine may take the processor away for as long again
  assert.ok(gaps.sort((a, b) => a - b)[gaps.length >> 1]! < 200, `the event loop had its turn after ${gaps.map(Math.round)} ms`)
  model.dispose()
  await settle()
  assert.is(live(), before)
})

test('two fit() at once train as each alone', async () => {
  const train = async (seed: number) => {
    manualSeed(seed)
    const model = new Linear(2, 1)
    const optimizer = new Adam(model.parameters(), { lr: 0.01 })
    await fit(model, new DataLoader(data(64), { batchSize: 8, shuffle: true, seed }), { optimizer, epochs: 12, loss: (o, t) => o.mseLoss(t), onEpoch: () => task() })
    const weights = [...model.weight.values(), ...model.bias!.values()]
    model.dispose()
    return weights
  }
  const alone = [await train(1), await train(2)]
  assert.equal(await Promise.all([train(1), train(2)]), alone)
})

test.run()
