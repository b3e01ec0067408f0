// Random tasks side by side: loops of every kind and tasks in none, waiting in every way and leaving what nothing connects. Each computes what it does alone.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setImmediate as task, setTimeout as timer } from 'node:timers/promises'
import { Adam, ArrayDataset, DataLoader, Linear, noGrad, Sequential, SGD, steps, Tanh, tensor, type Tensor } from 'hebb'
import { Generator } from '../ts/random.js'

const WAITS = {
  microtask: () => Promise.resolve(),
  microtasks: async () => {
    await null
    await null
  },
  task: () => task(),
  timer: () => timer(0),
}
const KINDS = ['loader', 'steps', 'plain', 'nested', 'evaluation', 'none', 'none'] as const
const PLACES = ['first', 'between', 'last', 'never'] as const

/** What a task is made of, all of it drawn from a seed */
interface Plan {
  seed: number
  kind: (typeof KINDS)[number]
  wait: () => Promise<unknown>
  /** Where a turn waits */
  place: (typeof PLACES)[number]
  turns: number
  /** How many tensors a turn leaves that nothing connects with what it computes */
  strays: number
  /** Each turn calls a function that waits before it makes a tensor. */
  calls: boolean
  adam: boolean
}
function plan(draw: Generator): Plan {
  const one = <T>(of: readonly T[]): T => of[draw.integer(of.length)]!
  return {
    seed: 1 + draw.integer(50), kind: one(KINDS), wait: one(Object.values(WAITS)), place: one(PLACES), turns: 3 + draw.integer(10),
    strays: one([0, 0, 1, 3, 40, 300]), calls: draw.uniform() < 0.3, adam: draw.uniform() < 0.5,
  }
}

const numbers = (seed: number, n: number) => Float32Array.from({ length: n }, (_, i) => ((i * 7919 + seed * 104729) % 1009) / 504 - 1)

async function run({ seed, kind, wait, place, turns, strays, calls, adam }: Plan): Promise<number[]> {
  const out: number[] = []
  const model = new Sequential(new Linear(3, 5), new Tanh(), new Linear(5, 1))
  for (const p of model.parameters()) p.set(numbers(seed, p.size))
  const optimizer = adam ? new Adam(model.parameters(), { lr: 0.01 }) : new SGD(model.parameters(), { lr: 0.05, momentum: 0.9 })
  const probe = tensor(numbers(seed, 6), [2, 3])
  const [x, y] = [numbers(seed, 72), numbers(seed + 3, 24)]
  const batches = () => new DataLoader(new ArrayDataset({ values: x, shape: [3] }, { values: y, shape: [1] }), { batchSize: 8 })
  const leave = () => {
    for (let i = 0; i < strays; i++) tensor([i, seed])
  }
  const called = async () => {
    await wait()
    const t = tensor([seed, 2])
    await wait()
    return t.sum().item()
  }
  const train = async (x: Tensor, y: Tensor) => {
    if (place === 'first') await wait()
    const loss = model.forward(x).mseLoss(y)
    if (place === 'between') await wait()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    leave()
    if (calls) out.push(await called())
    if (place === 'last') await wait()
    out.push(loss.item())
  }
  if (kind === 'loader') {
    for (let epoch = 0; epoch < turns; epoch += 3) for (const [x, y] of batches()) await train(x!, y!)
  } else if (kind === 'nested') {
    for (const i of steps(3)) {
      const scale = tensor([i, seed])
      for (const [x, y] of batches()) await train(x!, y!)
      out.push(scale.sum().item())
    }
  } else if (kind === 'evaluation') {
    for (const [x] of batches()) {
      const output = noGrad(() => model.forward(x!))
      await wait()
      out.push(output.sum().item())
      leave()
      await wait()
    }
  } else if (kind === 'none') {
    const made: Tensor[] = []
    for (let i = 0; i < turns; i++) {
      made.push(tensor(numbers(seed + i, 4)))
      await wait()
      made.push(made.at(-1)!.mul(3))
      await wait()
      out.push(...made.slice(-8).map(t => t.sum().item()))
    }
  } else {
    const [all, targets] = [tensor(x, [24, 3]), tensor(y, [24, 1])]
    if (kind === 'steps') for (const _ of steps(turns)) await train(all, targets)
    else for (let i = 0; i < turns; i++) await train(all, targets)
  }
  await wait()
  return [...out, ...noGrad(() => model.forward(probe)).values(), ...probe.values()]
}

/** How the tasks are begun: in one breath, each in a task of its own, or one breath after another */
const BEGUN: ((index: number) => Promise<unknown> | null)[] = [
  () => null,
  () => task(),
  async index => {
    for (let i = 0; i < index; i++) await null
  },
]

test('150 times two to five random tasks', async () => {
  const draw = new Generator(1)
  for (let i = 0; i < 150; i++) {
    const plans = Array.from({ length: 2 + draw.integer(4) }, () => plan(draw))
    const alone: number[][] = []
    for (const each of plans) {
      alone.push(await run(each))
      await task()
    }
    const begun = BEGUN[i % BEGUN.length]!
    const together = await Promise.all(plans.map((each, index) => begun(index)?.then(() => run(each)) ?? run(each)))
    assert.equal(together, alone, `round ${i}: ${plans.map(({ kind, place, wait }) => `${kind}, ${wait.name}, ${place}`).join('; ')}`)
  }
})

test.run()
