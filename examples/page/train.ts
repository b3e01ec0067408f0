// The training that the page runs in a worker: LeNet-5 on the digits, with what the page shows of it.

import { Adam, CosineAnnealingLR, DataLoader, manualSeed } from 'hebb'
import { LeNet5 } from 'hebb/models'
import { fit, writeStateDict } from 'hebb/train'
import type { TrainingContext } from 'hebb/worker'
import { DigitImages } from './images.js'
import { trainingCount } from './parts.js'
import { SIDE } from './strokes.js'
import type { Digits } from './unpack.js'

const BATCH = 32
const LR = 0.002
/** Batches over which the curve of the loss is smoothed, as a weight of the newest */
const NEWEST = 0.08

export interface Order extends Digits {
  epochs: number
  seed: number
}
/** What the page draws: everything so far, as reports may be left out. */
export interface Report {
  epoch: number
  epochs: number
  /** Smoothed loss, [epochs done, value] */
  loss: [number, number][]
  /** Share of the images held back that are read right, [epochs done, value] */
  accuracy: [number, number][]
  imagesPerSecond: number
  weights: Uint8Array
}
export interface Outcome extends Report {
  ended: 'done' | 'aborted' | 'early'
  seconds: number
}

/** Trains until the epochs are done or the signal comes. */
export async function train({ images, labels, epochs, seed }: Order, { signal, progress }: TrainingContext<Report>): Promise<Outcome> {
  manualSeed(seed)
  const model = new LeNet5({ size: 32 })
  const n = trainingCount(labels.length)
  const set = new DigitImages(images.subarray(0, n * SIDE * SIDE), labels.subarray(0, n), seed)
  const validation = new DigitImages(images.subarray(n * SIDE * SIDE), labels.subarray(n))
  const loader = new DataLoader(set, { batchSize: BATCH, shuffle: true, seed })
  const optimizer = new Adam(model.parameters(), { lr: LR })
  const schedule = new CosineAnnealingLR(optimizer, { tMax: epochs * loader.length })
  const loss: Report['loss'] = []
  const accuracy: Report['accuracy'] = []
  const start = performance.now()
  let [total, seen, smooth, epoch, learnt] = [0, 0, NaN, 0, 0]
  const report = (): Report => ({
    epoch, epochs, loss, accuracy, imagesPerSecond: learnt / ((performance.now() - start) / 1000), weights: writeStateDict(model),
  })
  const { ended } = await fit(model, loader, {
    optimizer, schedule, scheduleEvery: 'batch', epochs, validation, signal,
    onBatch(b) {
      if (b.batch === 1) [total, seen] = [0, 0]
      // the loss of this batch, from the means over the epoch so far
      const now = b.loss * (seen + b.examples) - total
      ;[total, seen, epoch, learnt] = [total + now, seen + b.examples, b.epoch, learnt + b.examples]
      const value = now / b.examples
      smooth = Number.isNaN(smooth) ? value : smooth + NEWEST * (value - smooth)
      loss.push([b.epoch - 1 + b.batch / b.batches, smooth])
      void progress(report)
    },
    onEpoch: e => {
      accuracy.push([e.epoch, e.validationAccuracy!])
    },
  })
  return { ...report(), ended, seconds: (performance.now() - start) / 1000 }
}
