// 10,000 training steps of LeNet-5 leave the memory where step 10 left it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { crossEntropy, DataLoader, Generator, ImageDataset, info, manualSeed, SGD } from 'hebb'
import { LeNet5 } from 'hebb/models'

const BATCH = 64
/** Batches an epoch; the last one is smaller, so that buffers of two sizes take turns, both before step 10. */
const EPOCH = 8
const STEPS = 10000

/** Images of noise with a bright block whose place is the label */
function blocks(count: number): ImageDataset {
  const random = new Generator(0)
  const images = Uint8Array.from({ length: count * 784 }, () => random.integer(64))
  const labels = Uint8Array.from({ length: count }, () => random.integer(10))
  labels.forEach((label, i) => {
    const at = i * 784 + (label % 5) * 5 + (label < 5 ? 0 : 14 * 28)
    for (let y = 0; y < 12; y++) images.fill(255, at + y * 28, at + y * 28 + 6)
  })
  return new ImageDataset({ name: 'blocks', count, channels: 1, height: 28, width: 28, images, labels, classes: 10 }, { mean: 0.2, std: 0.3 })
}

test(`memory after ${STEPS} steps is that after step 10`, () => {
  manualSeed(0)
  const loader = new DataLoader(blocks(BATCH * (EPOCH - 1) + 7), { batchSize: BATCH, shuffle: true, seed: 1 })
  const model = new LeNet5()
  const optimizer = new SGD(model.parameters(), { lr: 0.01, momentum: 0.9 })
  let step = 0
  let right = 0
  let last = NaN
  const memory = () => {
    const { buffers, bytes, peak, reserved } = info().memory
    return { buffers, bytes, peak, reserved }
  }
  let early: ReturnType<typeof memory> | undefined
  while (step < STEPS) {
    for (const [x, y] of loader) {
      const output = model.forward(x!)
      const loss = crossEntropy(output, y!)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      last = loss.item()
      right = output.argmax(1).float().eq(y!.float()).mean().item()
      if (++step === 10) early = memory()
      // within a turn, as after step 10
      if (step % 1000 === 10 || step === STEPS - 1) assert.equal(memory(), early, `after step ${step}`)
    }
  }
  assert.is(step, STEPS)
  assert.ok(last < 0.01 && right === 1, `it has learnt as well: loss ${last}, accuracy ${right}`)
})

test.run()
