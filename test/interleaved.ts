// Tasks that run side by side, begun in one breath or not: each computes, bit for bit, what it computes alone, and leaves no memory.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setImmediate as task, setTimeout as timer } from 'node:timers/promises'
import { anew } from './collector/anew.js'
import { settle as collect } from './collector/settle.js'

/** Run with `without`: on a runtime that has no FinalizationRegistry; with `nameless`: on one that doesn't name the run of code that is on, as browsers */
const [without, nameless] = ['without', 'nameless'].map(how => process.argv[2] === how)
if (without) delete (globalThis as { FinalizationRegistry?: unknown }).FinalizationRegistry
const {
  Adam, ArrayDataset, capture, crossEntropy, DataLoader, gradients, info, Linear, noGrad, ReLU, scope, Sequential, SGD, steps, tensor, zeros,
} = await import('hebb')
if (nameless) Object.assign(process, { getBuiltinModule: undefined })
type Tensor = import('hebb').Tensor

const live = () => info().memory.buffers
const settle = () => collect(live)

/** What a task does between two of its lines: nothing, a microtask, a task. `n` differs from pause to pause. */
type Pause = (n: number) => Promise<unknown>
const PAUSES: Record<string, Pause> = {
  'a microtask': () => Promise.resolve(),
  'a task': () => task(),
  'now this, now that': n => (n % 3 === 0 ? Promise.resolve() : n % 3 === 1 ? task() : Promise.resolve().then(() => {})),
}
/** A program: a seed for its numbers, and how it waits. Returns numbers it has read. */
type Program = (seed: number, pause: Pause) => Promise<number[]>

const numbers = (seed: number, n: number) => Float32Array.from({ length: n }, (_, i) => ((i * 7 + seed * 3) % 11) / 11 - 0.4)
const dataset = (seed: number, n: number) =>
  new ArrayDataset({ values: numbers(seed, 3 * n), shape: [3] }, { values: Int32Array.from({ length: n }, (_, i) => (i + seed) % 2), shape: [] })
/** Weights from the seed alone, not from the stream that all tasks share */
function net(seed: number): InstanceType<typeof Sequential> {
  const model = new Sequential(new Linear(3, 5), new ReLU(), new Linear(5, 2))
  for (const p of model.parameters()) p.set(numbers(seed, p.size))
  return model
}

/** Trains over a loader; the model is made before the loop, and probes that must outlive it. */
const overLoader: Program = async (seed, pause) => {
  const model = net(seed)
  const probe = tensor([[seed, 1, 2]])
  const scale = probe.mul(0.5)
  const optimizer = new Adam(model.parameters(), { lr: 0.01 })
  const out: number[] = []
  let n = seed
  for (const [x, y] of new DataLoader(dataset(seed, 12 + 4 * seed), { batchSize: 4, shuffle: true, seed })) {
    const loss = crossEntropy(model.forward(x!), y!)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    await pause(n++)
    out.push(loss.item(), x!.sum().item())
  }
  out.push(...noGrad(() => model.forward(scale)).values(), ...probe.values())
  return out
}

/** Gradient descent on tensors made before the loop. */
const overSteps: Program = async (seed, pause) => {
  const x = tensor([...numbers(seed, 12)], [4, 3])
  const y = x.sum(1).gt(0)
  const w = zeros([3, 2], { requiresGrad: true })
  const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9 })
  const out: number[] = []
  for (const i of steps(4 + seed)) {
    const loss = crossEntropy(x.matmul(w), y)
    optimizer.zeroGrad()
    loss.backward()
    const [slope] = gradients(x.matmul(w).square().sum(), [w])
    optimizer.step()
    await pause(i + seed)
    out.push(loss.item(), slope!.sum().item())
  }
  return [...out, ...w.values(), ...x.values()]
}

/** Waits before its loop, with tensors in hand. */
const afterPause: Program = async (seed, pause) => {
  const x = tensor([seed, 2])
  const y = x.mul(3)
  await pause(seed)
  const out = [...y.values()]
  for (const i of steps(3)) {
    const z = x.mul(i)
    await pause(i)
    out.push(z.sum().item(), y.sum().item())
  }
  return [...out, ...x.values()]
}

/** Waits in a turn before it makes anything there. */
const waitsFirst: Program = async (seed, pause) => {
  const x = tensor([seed, 1])
  const out: number[] = []
  for (const [a] of new DataLoader(dataset(seed, 8), { batchSize: 2 })) {
    await pause(seed)
    out.push(scope(() => a!.sum().mul(x.sum())).item())
  }
  return [...out, ...x.values()]
}

/** A loop in a loop, each with tensors of its own; then a break. */
const nested: Program = async (seed, pause) => {
  const base = tensor([seed, seed + 1])
  const out: number[] = []
  for (const i of steps(3)) {
    const outer = base.add(i)
    const still = tensor([i, 2])
    for (const [x] of new DataLoader(dataset(seed, 6), { batchSize: 2 })) {
      const inner = x!.sum().mul(outer.sum())
      await pause(i + seed)
      out.push(inner.item())
      if (out.length % 5 === 4) break
    }
    await pause(i)
    out.push(outer.sum().item(), still.sum().item(), base.sum().item())
  }
  return [...out, ...base.values()]
}

/** Ends by a throw in a turn, and goes on. */
const throwing: Program = async (seed, pause) => {
  const x = tensor([seed])
  try {
    for (const i of steps(5)) {
      const y = x.add(i)
      await pause(i)
      if (i === 2) throw new Error(`${y.item()}`)
    }
  } catch (error) {
    const z = x.mul(2)
    await pause(seed)
    for (const _ of steps(2)) {
      await pause(seed)
      x.add(1)
    }
    return [Number((error as Error).message), z.item(), x.item()]
  }
  return []
}

/** A plain loop: what a turn computed stays until the next backward() of the same model. */
const plain: Program = async (seed, pause) => {
  const model = net(seed)
  const optimizer = new SGD(model.parameters(), { lr: 0.1 })
  const [x, y] = new DataLoader(dataset(seed, 8), { batchSize: 8 }).first()
  const out: number[] = []
  for (let i = 0; i < 4; i++) {
    const loss = crossEntropy(model.forward(x!), y!)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    await pause(i + seed)
    out.push(loss.item())
  }
  return out
}

/** A recorded step in the loop, and a block of its own. */
const captured: Program = async (seed, pause) => {
  const w = tensor([seed, 1, 2])
  const step = capture((x: Tensor) => x.mul(w).sum())
  const out: number[] = []
  for (const i of steps(5)) {
    const x = tensor([i, 1, seed])
    const y = step(x).mul(1)
    const z = scope(() => x.add(1).square().sum())
    await pause(i + seed)
    out.push(y.item(), z.item())
  }
  step.dispose()
  return [...out, ...w.values()]
}

const together: Record<string, Program[]> = {
  'loaders': [overLoader, overLoader],
  'steps': [overSteps, overSteps],
  'a loader and steps': [overLoader, overSteps],
  'steps and a loader': [overSteps, overLoader],
  'awaits before the loop': [afterPause, afterPause, overLoader],
  'an await before anything in the turn': [waitsFirst, afterPause, waitsFirst],
  'nested loops': [nested, nested],
  'nested and plain': [overLoader, nested, overSteps],
  'throw': [throwing, throwing, overSteps],
  'captured steps': [captured, captured, nested],
  'plain loops': [plain, plain],
  'all': [plain, overLoader, overSteps, afterPause, nested, throwing, captured, waitsFirst],
}

test.before.each(settle)

if (!without) for (const [how, pause] of Object.entries(PAUSES)) {
  for (const [name, programs] of Object.entries(together)) {
    test(`${name}, waiting for ${how}: begun in one breath, the same bits as one after another`, async () => {
      const before = live()
      const alone: number[][] = []
      for (const [i, program] of programs.entries()) alone.push(await program(i + 1, pause))
      await settle()
      assert.is(live(), before, 'alone')
      assert.equal(await Promise.all(programs.map((program, i) => program(i + 1, pause))), alone)
      // the other way round, so that each meets each
      const last = programs.length - 1
      assert.equal((await Promise.all(programs.map((_, i) => programs[last - i]!(last - i + 1, pause)))).reverse(), alone)
      await settle()
      assert.is(live(), before, 'together')
    })
  }
}

/** Tasks in a loop of their own, and what they sum up. */
const inLoop: Record<string, (pause: Pause) => Promise<number>> = {
  async 'a loader'(pause) {
    let sum = 0
    for (const [x] of new DataLoader(dataset(1, 12), { batchSize: 2 })) {
      const y = x!.mul(2)
      await pause(0)
      sum += y.sum().item()
    }
    return sum
  },
  async steps(pause) {
    let sum = 0
    for (const i of steps(6)) {
      const y = tensor([i, 1]).mul(2)
      await pause(0)
      sum += y.sum().item()
    }
    return sum
  },
  async 'steps that make nothing before they wait'(pause) {
    let sum = 0
    for (const i of steps(6)) {
      await pause(0)
      sum += tensor([i, 2]).sum().item()
    }
    return sum
  },
}

/** In no loop, with a tensor in hand for as long as it runs. */
async function inNone(pause: Pause, waitsFirst: boolean): Promise<number> {
  if (waitsFirst) await pause(0)
  const t = tensor([1, 2, 3])
  await pause(0)
  const u = t.mul(2)
  await pause(0)
  let sum = u.sum().item()
  for (let k = 0; k < 4; k++) {
    const v = tensor([k, 1])
    await pause(0)
    sum += v.add(t.sum()).sum().item()
  }
  return sum
}

const WAITS: Record<string, Pause> = { 'a microtask': PAUSES['a microtask']!, 'a task': PAUSES['a task']!, 'a timer': () => timer(1) }
if (!without) for (const [name, loop] of Object.entries(inLoop)) {
  test(`a task in no loop beside ${name}: each way to wait beside each, begun first or second`, async () => {
    const before = live()
    for (const one of Object.values(WAITS)) for (const other of Object.values(WAITS)) for (const waitsFirst of [false, true]) {
      const alone = [await loop(one), await inNone(other, waitsFirst)]
      assert.equal(await Promise.all([loop(one), inNone(other, waitsFirst)]), alone)
      assert.equal((await Promise.all([inNone(other, waitsFirst), loop(one)])).reverse(), alone)
    }
    await settle()
    assert.is(live(), before)
  })
}

/** In no loop; its tensors lie, unused, till the network or a timer answers, long after a loop that waits for microtasks only has ended. */
async function letsLie(breaths: number): Promise<number> {
  for (let i = 0; i < breaths; i++) await null
  const image = tensor([1, 2, 3])
  const scaled = image.mul(2)
  await timer(5)
  return scaled.add(image).sum().item()
}
if (!without) for (const [name, loop] of Object.entries(inLoop)) {
  test(`a tensor that lies while ${name} beside it runs to its end: made in any breath, begun first or second`, async () => {
    const before = live()
    for (const pause of Object.values(WAITS)) for (let breaths = 0; breaths < 12; breaths++) {
      const alone = await loop(pause)
      assert.equal(await Promise.all([loop(pause), letsLie(breaths)]), [alone, 18], `${breaths} breaths later`)
      assert.equal(await Promise.all([letsLie(breaths), loop(pause)]), [18, alone], `${breaths} breaths later`)
    }
    await settle()
    assert.is(live(), before)
  })
}
if (!without) {
  test('a tensor made in the same breath as a loop of a single turn', async () => {
    for (const pause of Object.values(WAITS)) for (const things of [0, 1, 2]) {
      const once = async () => {
        for (const i of steps(1)) {
          const made = Array.from({ length: things }, (_, k) => tensor([i + k]))
          await pause(0)
          assert.equal(made.map(t => t.item()), Array.from(made.keys()))
        }
      }
      assert.equal(await Promise.all([once(), letsLie(0)]), [undefined, 18])
      assert.equal(await Promise.all([letsLie(0), once()]), [18, undefined])
    }
  })
}

/** Trains for `turns` turns with a microtask in each; calls `look` in each. */
async function longer(seed: number, turns: number, look: (turn: number) => void): Promise<void> {
  const model = net(seed)
  const optimizer = new Adam(model.parameters())
  const x = tensor([...numbers(seed, 12)], [4, 3]).keep()
  const y = tensor(Int32Array.of(0, 1, 1, 0)).keep()
  for (const i of steps(turns)) {
    const loss = crossEntropy(model.forward(x.add(i % 7)), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    await null
    assert.ok(loss.item() > 0)
    look(i)
  }
  for (const t of [x, y]) t.dispose()
  model.dispose()
}

test('two loops that train side by side leave the memory flat, though the collector never runs between microtasks', async () => {
  const before = live()
  const seen: number[] = []
  const bytes: number[] = []
  await Promise.all([1, 2].map(seed => longer(seed, 5000, i => {
    if (i === 10 || i === 4990) {
      seen.push(live())
      bytes.push(info().memory.bytes)
    }
  })))
  assert.is(seen.length, 4)
  assert.equal([seen[2], bytes[2]], [seen[0], bytes[0]])
  assert.equal([seen[3], bytes[3]], [seen[1], bytes[1]])
  assert.is(live(), before)
})

/** Leaves `things` in each turn that nothing connects with what it computes, and waits for microtasks only. */
const leaves: Record<string, (things: () => void) => Promise<void>> = {
  async steps(things) {
    for (const i of steps(20)) {
      const x = tensor([i])
      things()
      await null
      assert.is(x.item(), i)
    }
  },
  async 'a loader'(things) {
    for (const [x] of new DataLoader(dataset(1, 40), { batchSize: 2 })) {
      things()
      await null
      assert.equal(x!.shape, [2, 3])
    }
  },
  async 'nested loops'(things) {
    for (const i of steps(5)) {
      const x = tensor([i])
      for (const j of steps(3)) {
        const y = x.add(j)
        things()
        await null
        assert.is(y.item(), i + j)
      }
      await null
      assert.is(x.item(), i)
    }
  },
}
const MANY: Record<string, () => void> = {
  '100 tensors a turn': () => {
    for (let k = 0; k < 100; k++) tensor([k])
  },
  '10 MB a turn': () => void zeros([2_500_000]),
}
if (!without && !nameless) for (const [name, loop] of Object.entries(leaves)) for (const [much, things] of Object.entries(MANY)) {
  test(`a tensor that lies beside ${name} that leaves ${much}, and waits for microtasks only: made in any breath`, async () => {
    const before = live()
    for (let breaths = 0; breaths < 20; breaths++) {
      assert.equal(await Promise.all([loop(things), letsLie(breaths)]), [undefined, 18], `${breaths} breaths later`)
      assert.equal(await Promise.all([letsLie(breaths), loop(things)]), [18, undefined], `${breaths} breaths later`)
      await settle()
    }
    assert.is(live(), before)
  })
}

test('where no run of code has a name, a tensor can pass for another task\'s: an error that names the turn, never a wrong value', async () => {
  if (without) return
  if (!nameless) return anew('nameless')
  const loop = leaves.steps!
  const many = MANY['100 tensors a turn']!
  const [, made] = await Promise.allSettled([loop(many), letsLie(9)])
  assert.is(made.status, 'rejected')
  assert.match(
    ((made as PromiseRejectedResult).reason as Error).message,
    /^(tensor|mul) \[3\] was freed by turn \d+ of steps\(20\): read it before that with item\(\) or array\(\), or keep\(\) it to let it live on$/,
  )
  const keeps = async () => {
    for (let i = 0; i < 9; i++) await null
    const x = tensor([18]).keep()
    await timer(5)
    return x.item()
  }
  assert.is((await Promise.all([loop(many), keeps()]))[1], 18)
  assert.is((await Promise.all([loop(() => void tensor([1])), letsLie(9)]))[1], 18)
  assert.is((await Promise.all([loop(many), task().then(() => letsLie(9))]))[1], 18)
})

test('without a collector a turn frees all that was made in it: an error at worst, never a wrong value', async () => {
  if (!without) return anew('without')
  let refused = 0
  for (const programs of Object.values(together)) {
    const pause = PAUSES['a task']!
    const alone: number[][] = []
    for (const [i, program] of programs.entries()) alone.push(await program(i + 1, pause))
    for (const [i, result] of (await Promise.allSettled(programs.map((program, i) => program(i + 1, pause)))).entries()) {
      if (result.status === 'fulfilled') assert.equal(result.value, alone[i])
      else {
        refused++
        assert.match((result.reason as Error).message, / was freed by turn 0 of .*keep\(\) it/)
      }
    }
    assert.equal(await Promise.all(programs.map((program, i) => task().then(() => program(i + 1, pause)))), alone, 'in tasks of their own')
  }
  assert.ok(refused > 0, 'the registry was gone')
})

test.run()
