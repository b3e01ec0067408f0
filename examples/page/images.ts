// Images [8, 8] of 0..16 enlarged to LeNet-5's [32, 32], and the training images, each time a little moved, slanted and stretched.

import { Generator, Tensor, tensor, type Dataset } from 'hebb'
import { BITMAP, SIDE } from './strokes.js'

const WHITE = 16
/** Mean and deviation of the data set's pixels, 0..1 */
const MEAN = 0.305
const STD = 0.376

/** Where the picture's point (x, y), from its middle, comes from: (xx x + xy y + dx, yx x + yy y + dy), in pixels of 32×32 */
export interface Placement {
  xx: number
  xy: number
  yx: number
  yy: number
  dx: number
  dy: number
}
const UNMOVED: Placement = { xx: 1, xy: 0, yx: 0, yy: 1, dx: 0, dy: 0 }

/** Writes image `i` of `images` into `out` from `at` on, bilinearly enlarged and normalised. */
export function enlarge(images: ArrayLike<number>, i: number, out: Float32Array, at: number, place: Placement = UNMOVED): void {
  const from = i * SIDE * SIDE
  const pixel = (row: number, column: number) => (row >= 0 && row < SIDE && column >= 0 && column < SIDE ? images[from + row * SIDE + column]! : 0)
  const ratio = SIDE / BITMAP
  for (let p = 0; p < BITMAP * BITMAP; p++) {
    const x = (p % BITMAP) + 0.5 - BITMAP / 2
    const y = Math.floor(p / BITMAP) + 0.5 - BITMAP / 2
    const column = (place.xx * x + place.xy * y + place.dx + BITMAP / 2) * ratio - 0.5
    const row = (place.yx * x + place.yy * y + place.dy + BITMAP / 2) * ratio - 0.5
    const [c, r] = [Math.floor(column), Math.floor(row)]
    const [fc, fr] = [column - c, row - r]
    const upper = pixel(r, c) * (1 - fc) + pixel(r, c + 1) * fc
    const lower = pixel(r + 1, c) * (1 - fc) + pixel(r + 1, c + 1) * fc
    out[at + p] = ((upper * (1 - fr) + lower * fr) / WHITE - MEAN) / STD
  }
}

/** One image as the network takes it: [1, 1, 32, 32] */
export function inputOf(image: ArrayLike<number>): Tensor {
  const out = new Float32Array(BITMAP * BITMAP)
  enlarge(image, 0, out, 0)
  return tensor(out, [1, 1, BITMAP, BITMAP])
}

/** Images [n, 8, 8] and labels [n] as batches x [n, 1, 32, 32], y [n]. With a seed, each image comes differently placed each time. */
export class DigitImages implements Dataset {
  readonly #random: Generator | null
  constructor(readonly images: Uint8Array, readonly labels: Uint8Array, seed?: number) {
    this.#random = seed === undefined ? null : new Generator(seed)
  }
  get length(): number {
    return this.labels.length
  }
  #place(): Placement {
    const random = this.#random
    if (!random) return UNMOVED
    const within = (most: number) => (2 * random.uniform() - 1) * most
    const turn = within(0.18)
    return { xx: 1 + within(0.16), xy: within(0.3) + turn, yx: -turn, yy: 1 + within(0.14), dx: within(2.5), dy: within(2) }
  }
  batch(indices: ArrayLike<number>): Tensor[] {
    const n = indices.length
    const pixels = new Float32Array(n * BITMAP * BITMAP)
    for (let i = 0; i < n; i++) enlarge(this.images, indices[i]!, pixels, i * BITMAP * BITMAP, this.#place())
    return [tensor(pixels, [n, 1, BITMAP, BITMAP]), tensor(Int32Array.from(indices, i => this.labels[i]!), [n], { dtype: 'int32' })]
  }
}
