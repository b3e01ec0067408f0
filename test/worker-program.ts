// A training in a module of its own, as test/worker.ts starts it in a worker and calls it on the main thread.

import { ArrayDataset, DataLoader, Linear, manualSeed, Sequential, SGD, Tanh, tensor } from 'hebb'
import { fit, weightsHash, writeStateDict } from 'hebb/train'
import { workerTraining } from 'hebb/worker'

export interface Order {
  epochs: number
  /** What goes wrong */
  fails?: 'type' | 'training' | 'tensor' | 'tensor report' | 'function' | 'word' | 'exit'
}
export interface Outcome {
  ended: string
  hash: string
  weights: Uint8Array
  losses: number[]
}

export default workerTraining(async ({ epochs, fails }: Order, { signal, progress }: { signal: AbortSignal; progress(report: any): Promise<void> }): Promise<Outcome> => {
  if (fails === 'type') throw new TypeError('no such thing', { cause: new RangeError('too far') })
  if (fails === 'word') throw 'a word'
  if (fails === 'exit') process.exit(3)
  if (fails === 'tensor') return { ended: 'done', weights: tensor([1]) } as never
  if (fails === 'tensor report') await progress({ loss: tensor([1]) })
  if (fails === 'function') return (() => 1) as never
  manualSeed(5)
  const values = Float32Array.from({ length: 128 }, (_, i) => (i % 11) / 11)
  const data = new ArrayDataset({ values, shape: [2] }, { values: values.filter((_, i) => i % 2 === 0).map(v => (fails === 'training' ? NaN : v * v)), shape: [1] })
  const model = new Sequential(new Linear(2, 8), new Tanh(), new Linear(8, 1))
  const loader = new DataLoader(data, { batchSize: 16, shuffle: true, seed: 3 })
  const { ended, history } = await fit(model, loader, {
    optimizer: new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }), epochs, signal, loss: (output, target) => output.mseLoss(target),
    onEpoch: ({ epoch, loss }) => progress({ epoch, loss }),
  })
  return { ended, hash: await weightsHash(model), weights: writeStateDict(model), losses: history.map(h => h.loss) }
})
