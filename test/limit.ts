// The memory limit, and what an engine that is out of memory leaves behind.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import {
  Adam, ArrayDataset, BatchNorm2d, capture, configure, Conv2d, crossEntropy, DataLoader, dropout, Dropout, engine, Flatten, full, Generator, info, Linear, manualSeed,
  MaxPool2d, MemoryError, noGrad, ones, rand, ReLU, Sequential, steps, tensor, zeros, type Tensor,
} from 'hebb'
import { LeNet5 } from 'hebb/models'
import { settle as collect } from './collector/settle.js'

const live = () => info().memory.buffers
const settle = () => collect(live)
test.before.each(settle)

// ---- memory that ends at any place --------------------------------------------------------------------------------------------

/** f with memory for n more buffers. Was there enough? */
function withBuffers(n: number, f: () => void): boolean {
  const arena = Object.getPrototypeOf(engine.heapOf(engine.currentBackend())) as { take(bytes: number): number }
  const { take } = arena
  arena.take = function (bytes) {
    if (n-- <= 0) throw new MemoryError('memory: none left, for a test')
    return take.call(this, bytes)
  }
  try {
    f()
    return true
  } catch (error) {
    assert.instance(error, MemoryError)
    return false
  } finally {
    arena.take = take
  }
}

const net = () => new Sequential(new Conv2d(1, 3, 3), new BatchNorm2d(3), new ReLU(), new MaxPool2d(2), new Flatten(), new Dropout(0.3), new Linear(27, 4))

/** Two training steps, with memory for n more buffers in step `short`; one that runs out is done again. Returns the parameters after them. */
function train(captured: boolean, short: number, n: number): { enough: boolean; parameters: number[][] } {
  const before = live()
  manualSeed(1)
  const model = net()
  const optimizer = new Adam(model.parameters(), { amsgrad: true })
  const [x, y] = [rand([5, 1, 8, 8]).keep(), tensor(Int32Array.of(0, 1, 2, 3, 0)).keep()]
  const once = (x: Tensor, y: Tensor): Tensor => {
    const twice = x.mul(2)
    const loss = crossEntropy(model.forward(twice.mul(twice).add(twice)), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  const step = captured ? capture(once) : once
  let enough = true
  for (let i = 0; i < 3; i++) {
    const turn = () => {
      // the same dropped units again
      manualSeed(i)
      for (const _ of steps(1)) step(x, y)
    }
    if (i === short) enough = withBuffers(n, turn)
    if (i !== short || !enough) turn()
  }
  const parameters = model.parameters().map(p => [...p.values()])
  if (step !== once) (step as { dispose?(): void }).dispose!()
  model.dispose()
  x.dispose()
  y.dispose()
  assert.is(live(), before, `step ${short} with ${n} buffers`)
  return { enough, parameters }
}

for (const captured of [false, true]) {
  test(`${captured ? 'a captured' : 'an eager'} training step that runs out of memory at any place leaves nothing, and done again computes the same`, () => {
    // the random stream's own tensor stays
    rand([1]).dispose()
    const wanted = train(captured, 0, Infinity).parameters
    for (const short of [0, 1, 2]) {
      let n = 0
      for (; ; n++) {
        const { enough, parameters } = train(captured, short, n)
        assert.equal(parameters, wanted, `step ${short} with ${n} buffers`)
        if (enough) break
      }
      assert.ok(captured && short === 2 ? n === 0 : n > 20, `step ${short} takes ${n} buffers`)
    }
  })
}

// ---- engines of their own, with a limit ---------------------------------------------------------------------------------------

const MB = 1 << 20
const programs: Record<string, () => unknown> = {
  /** The main job of a small isolate */
  lenet() {
    configure({ memory: { limit: 64 * MB } })
    manualSeed(0)
    const data = (n: number) => new ArrayDataset(
      { values: Uint8Array.from({ length: n * 784 }, (_, i) => (i * i) % 3), shape: [1, 28, 28] },
      { values: Int32Array.from({ length: n }, (_, i) => i % 10), shape: [] },
    )
    const model = new LeNet5()
    const optimizer = new Adam(model.parameters(), { amsgrad: true })
    const batches = new DataLoader(data(640), { batchSize: 64 })
    const learn = (x: Tensor, y: Tensor): Tensor => {
      const loss = crossEntropy(model.forward(x), y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    }
    for (const [x, y] of batches) assert.ok(Number.isFinite(learn(x!, y!).item()))
    const eager = info().memory
    const step = capture(learn)
    for (const [x, y] of batches) assert.ok(Number.isFinite(step(x!, y!).item()))
    const captured = info().memory
    let seen = 0
    model.eval()
    for (const [x] of new DataLoader(data(10000), { batchSize: 250 })) seen += noGrad(() => model.forward(x!).argmax(1)).size
    assert.is(seen, 10000)
    const { total } = info().memory
    assert.ok(total <= 64 * MB)
    return [eager, captured, { total }].map(({ total }) => (total / MB).toFixed(1)).join(' ')
  },
  /** Many sizes in turn, none of them a neighbour's: what was freed must be joined again */
  sizes() {
    configure({ memory: { limit: 16 * MB } })
    const random = new Generator(1)
    const kept: Tensor[] = []
    let most = 0
    for (let i = 0; i < 3000; i++) {
      const bytes = Math.floor(64 * 2 ** (Math.floor(random.uniform() * 13) + random.uniform()))
      while (kept.length > 0 && info().memory.bytes + bytes > 6 * MB) kept.splice(Math.floor(random.uniform() * kept.length), 1)[0]!.dispose()
      const t = full([Math.ceil(bytes / 4)], i)
      kept.push(t)
      if (i % 300 === 0) for (const [at, k] of kept.entries()) assert.ok(new Set(k.values()).size === 1, `tensor ${at} at turn ${i} holds its own number only`)
      most = Math.max(most, info().memory.total)
    }
    for (const t of kept) t.dispose()
    // nearly all of it in one piece
    const large = zeros([(11 * MB) / 4])
    assert.ok(most <= 16 * MB && info().memory.total <= 16 * MB)
    return large.size
  },
  /** The limit holds to the byte, whatever asks, and growth ahead stops there */
  exact() {
    const limit = 6 * MB + 12345
    configure({ memory: { limit } })
    const sizes: number[] = []
    for (const size of [1000, 300, 10]) {
      try {
        for (;;) {
          sizes.push(rand([size]).keep().size)
          dropout(sizes.length % 2 ? ones([5]) : ones([3]), { p: 0.5 }).dispose()
          assert.ok(info().memory.total <= limit)
        }
      } catch (error) {
        assert.instance(error, MemoryError)
      }
    }
    const { bytes, total } = info().memory
    assert.ok(total > limit - 65536 && bytes > 6 * MB - 4.1 * MB - 65536, `${bytes} of ${total}`)
    return 'full'
  },
}
const alone = (name: string): string => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [process.argv[1]!, name], { encoding: 'utf8', timeout: 60000 })
  assert.is(status, 0, `${name}: ${stdout}${stderr}`)
  return stdout.trim()
}

test('LeNet-5 trains in batches of 64 with Adam, eagerly and captured, and is evaluated on 10,000 images, in 64 MB of linear memory', () => {
  const [eager, captured, evaluated] = alone('lenet').split(' ').map(Number)
  assert.ok(eager! < 20 && captured! < 24 && evaluated! < 48, `${eager} MB eager, ${captured} MB with the captured step too, ${evaluated} MB after evaluation`)
})

test('many sizes in turn: freed ranges are joined before memory is said to be full', () => assert.is(alone('sizes'), `${(11 * MB) / 4}`))

test('the limit is that of all linear memory, which reaches but never passes it', () => assert.is(alone('exact'), 'full'))

test('what would not fit into an empty memory does not make it grow', () => {
  const { total } = info().memory
  assert.throws(() => zeros([196608, 196608]), (e: Error) => e instanceof MemoryError)
  assert.throws(() => zeros([2 ** 27, 2 ** 27]), (e: Error) => e instanceof MemoryError)
  assert.is(info().memory.total, total)
})

const program = process.argv[2]
if (program) console.log(programs[program]!())
else test.run()
