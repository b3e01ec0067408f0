// The memory limit, and what an engine that is out of memory leaves behind.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  Adam, BatchNorm2d, capture, Conv2d, crossEntropy, Dropout, engine, Flatten, info, Linear, manualSeed, MaxPool2d, MemoryError, rand, ReLU, Sequential, steps, tensor, type Tensor,
} from 'hebb'

const live = () => info().memory.buffers
const gc = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()
async function settle(): Promise<void> {
  for (let last = -1; last !== live(); ) {
    last = live()
    gc()
    await wait(2)
  }
}
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

test.run()
