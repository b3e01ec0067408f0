// The digits that ship with the project, divided for training and testing.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzip, ImageDataset, readIdxImages, split, type ImageSet, type Subset } from 'hebb'

export const SEED = 1
const PARTS = [0.8, 0.2]
/** From build/edge/, where programs that use it end up */
const ROOT = new URL('../../', import.meta.url)
export const FILE = fileURLToPath(new URL('examples/edge/digits.safetensors', ROOT))

/** The digits, and the places of those that are trained on and tested with; the same for everyone who has the seed */
export async function digits(): Promise<{ set: ImageSet, train: Int32Array, test: Int32Array }> {
  const [images, labels] = await Promise.all(['images-idx3', 'labels-idx1'].map(async part => {
    const name = `digits-${part}-ubyte.gz`
    return { name, bytes: await gunzip(readFileSync(new URL(`examples/data/digits/${name}`, ROOT)), name) }
  }))
  const set = readIdxImages(images!, labels!, { name: 'digits', classes: 10, white: 16 })
  const [train, test] = split(new ImageDataset(set), PARTS, { seed: SEED }) as [Subset, Subset]
  return { set, train: train.indices, test: test.indices }
}
