// Trains the service's model on the digits that ship with the project and writes it, in 8 bits, next to this file: npm run edge -- train

import { renameSync, writeFileSync } from 'node:fs'
import { CosineAnnealingLR, DataLoader, ImageDataset, manualSeed, pixelStatistics, SGD, Subset } from 'hebb'
import { ConvNet } from 'hebb/models'
import { evaluate, fit } from 'hebb/train'
import { digits, FILE, SEED } from './data.js'
import { readQuantised, writeQuantised } from './quantise.js'

const EPOCHS = 30
const BATCH = 32
async function main(): Promise<void> {
  const { set, train, test } = await digits()
  const statistics = pixelStatistics(set, train)
  const all = new ImageDataset(set, statistics)
  manualSeed(SEED)
  const model = new ConvNet()
  const loader = new DataLoader(new Subset(all, train), { batchSize: BATCH, shuffle: true, seed: SEED })
  const optimizer = new SGD(model.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 5e-4 })
  await fit(model, loader, {
    optimizer, epochs: EPOCHS, schedule: new CosineAnnealingLR(optimizer, { tMax: EPOCHS * loader.length }), scheduleEvery: 'batch',
    onEpoch: ({ epoch, loss }) => console.log(`epoch ${epoch} of ${EPOCHS}: loss ${loss.toFixed(4)}`),
  })
  const judged = new Subset(all, test)
  const full = evaluate(model, judged).accuracy
  const metadata = { mean: String(statistics.mean), std: String(statistics.std) }
  const bytes = writeQuantised(model.stateDict(), metadata)
  model.loadStateDict(readQuantised(bytes).state)
  const small = evaluate(model, judged).accuracy
  writeFileSync(`${FILE}.new`, bytes)
  renameSync(`${FILE}.new`, FILE)
  const percent = (x: number) => `${(100 * x).toFixed(2)} %`
  console.log(`test accuracy on ${judged.length} digits: ${percent(full)} in float32, ${percent(small)} in 8 bits; ${bytes.length} bytes written to ${FILE}`)
}

await main()
