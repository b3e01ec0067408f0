// Reading a drawing, in a worker of its own, so that neither the page nor the training has to wait.

import { noGrad, scope } from 'hebb'
import { LeNet5 } from 'hebb/models'
import { predict, readStateDict } from 'hebb/train'
import { inputOf } from './images.js'
import { BITMAP, imageOf, type Stroke } from './strokes.js'

export interface Glance {
  /** New weights, a safetensors file */
  weights?: Uint8Array
  /** What is drawn, or an image [8, 8] of 0..16, or neither: a blank sheet */
  strokes?: Stroke[]
  image?: Uint8Array
}
export interface Reading {
  /** Weights [6, 5, 5] of the first layer */
  filters: Float32Array
  /** [8, 8], as the network sees it */
  image: Uint8Array
  /** [10], adding up to 1; null for a blank sheet */
  probabilities: Float32Array | null
  /** What each filter of the first layer answers, [6, 28, 28], 0 or more; null for a blank sheet */
  maps: Float32Array | null
}

let network: LeNet5 | undefined

/** What the network makes of a drawing. It keeps the weights that it was given last; at first they are random. */
export function read({ weights, strokes, image = imageOf(strokes ?? []) }: Glance): Reading {
  network ??= new LeNet5({ size: BITMAP })
  const model = network
  if (weights) scope(() => void model.loadStateDict(readStateDict(weights)))
  const filters = Float32Array.from(model.conv1.weight.values())
  if (image.every(v => v === 0)) return { filters, image, probabilities: null, maps: null }
  return scope(() => noGrad(() => {
    const x = inputOf(image)
    return {
      filters, image, probabilities: Float32Array.from(predict(model, x).values()), maps: Float32Array.from(model.conv1.forward(x).relu().values()),
    }
  }))
}
