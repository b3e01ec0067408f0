// Data sets: what a loader draws batches from. Bytes stay bytes until a batch is made.

import { currentBackend } from '../backends/current.js'
import { hostGenerator } from '../ops/random.js'
import { Generator } from '../random.js'
import { iota, isWhole, requireList, requireOptions, ShapeError, show, sizeOf, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import type { ImageSet } from './idx.js'

/** Examples by number. `batch` makes tensors of the ones asked for, in that order, the first dimension counting them. */
export interface Dataset {
  readonly length: number
  batch(indices: ArrayLike<number>): Tensor[]
}

/** Arrays of numbers whose first dimension counts the examples: one for x, one for y, ... */
export class ArrayDataset implements Dataset {
  readonly length: number
  readonly #parts: { values: ArrayLike<number>; shape: Shape; int: boolean; batch: Int32Array | Float64Array }[]
  /** Each part: its values (an Int32Array gives int32 tensors) and the shape of one example; or a tensor, whose values are copied. */
  constructor(...given: ({ values: ArrayLike<number>; shape: Shape } | Tensor)[]) {
    if (given.length === 0) throw new ShapeError('ArrayDataset: at least one part expected, got none')
    const parts = given.map((part, i) => {
      if (part instanceof Tensor && part.rank > 0) return { values: part.values(), shape: part.shape.slice(1) }
      if (part instanceof Tensor || !part?.values || !Array.isArray(part.shape)) {
        throw new TypeError(`ArrayDataset: { values, shape } or a tensor expected as part ${i}`)
      }
      return part
    })
    this.length = parts[0]!.values.length / sizeOf(parts[0]!.shape)
    this.#parts = parts.map(({ values, shape }, i) => {
      if (typeof values[0] === 'object') throw new TypeError(`ArrayDataset: one flat list of numbers expected in part ${i}, got arrays in it: flat(Infinity) joins them`)
      if (!Number.isInteger(this.length)) throw new ShapeError(`ArrayDataset: whole examples of shape ${show(shape)} expected, got ${values.length} values`)
      if (values.length / sizeOf(shape) !== this.length) {
        throw new ShapeError(`ArrayDataset: ${this.length} examples of shape ${show(shape)} expected in part ${i}, got ${values.length} values`)
      }
      const int = values instanceof Int32Array
      return { values, shape, int, batch: int ? new Int32Array(0) : new Float64Array(0) }
    })
  }
  batch(indices: ArrayLike<number>): Tensor[] {
    return this.#parts.map(part => {
      const { values, shape, int } = part
      const size = sizeOf(shape)
      const length = indices.length * size
      // kept for the next batch: garbage outside the heap hardly presses a collector, and an isolate counts it
      if (part.batch.length < length) part.batch = int ? new Int32Array(length) : new Float64Array(length)
      const out = part.batch.subarray(0, length)
      for (let i = 0; i < indices.length; i++) for (let j = 0; j < size; j++) out[i * size + j] = values[indices[i]! * size + j]!
      return new Tensor([indices.length, ...shape], int ? 'int32' : 'float32', currentBackend()).set(out)
    })
  }
}

/** Mean and standard deviation of the pixels of a set, 0..1. */
export interface PixelStatistics {
  mean: number
  std: number
}
/** Over all pixels; sums of whole numbers, so exact on every machine. */
export function pixelStatistics(set: ImageSet, indices?: ArrayLike<number>): PixelStatistics {
  const size = set.channels * set.height * set.width
  const n = indices?.length ?? set.count
  let sum = 0
  let squares = 0
  for (let i = 0; i < n; i++) {
    const at = (indices ? indices[i]! : i) * size
    for (let j = at; j < at + size; j++) {
      const v = set.images[j]!
      sum += v
      squares += v * v
    }
  }
  const white = set.white ?? 255
  const mean = sum / (n * size)
  return { mean: mean / white, std: Math.sqrt(Math.max(squares / (n * size) - mean * mean, 1e-12)) / white }
}

/** Labelled images as batches: x float32 [n, c, h, w] with pixels (value / white − mean) / std, y int32 [n]. */
export class ImageDataset implements Dataset {
  readonly length: number
  readonly #levels = new Float32Array(256)
  #pixels = new Float32Array(0)
  constructor(readonly set: ImageSet, options: Partial<PixelStatistics> = {}) {
    const { mean = 0, std = 1 } = requireOptions(this.constructor.name, options, 'mean std')
    this.length = set.count
    const white = set.white ?? 255
    for (let v = 0; v < 256; v++) this.#levels[v] = (v / white - mean) / std
  }
  batch(indices: ArrayLike<number>): Tensor[] {
    const { channels, height, width, images, labels } = this.set
    const size = channels * height * width
    const n = indices.length
    if (this.#pixels.length < n * size) this.#pixels = new Float32Array(n * size)
    const pixels = this.#pixels
    const levels = this.#levels
    for (let i = 0, o = 0; i < n; i++) {
      const from = indices[i]! * size
      for (let j = from; j < from + size; j++) pixels[o++] = levels[images[j]!]!
    }
    const backend = currentBackend()
    return [
      new Tensor([n, channels, height, width], 'float32', backend).set(pixels.subarray(0, n * size)),
      new Tensor([n], 'int32', backend).set(Int32Array.from(indices, i => labels[i]!)),
    ]
  }
}

/** Some examples of another set. */
export class Subset implements Dataset {
  /** @throws RangeError for an index outside the set */
  constructor(readonly source: Dataset, readonly indices: Int32Array) {
    const wrong = indices.findIndex(i => !(i >= 0 && i < source.length))
    if (wrong >= 0) throw new RangeError(`Subset: indices 0..${source.length - 1} expected, got ${indices[wrong]} at position ${wrong}`)
  }
  get length(): number {
    return this.indices.length
  }
  batch(indices: ArrayLike<number>): Tensor[] {
    return this.source.batch(Int32Array.from(indices, i => this.indices[i]!))
  }
}

/**
 * Parts of a set, drawn at random without replacement: split(set, [0.7, 0.1, 0.2]) or counts, split(set, [1000, 797]).
 * Fractions add up to 1, counts to the set's length. Equal seeds give equal parts.
 */
export function split(set: Dataset, parts: readonly number[], options: { seed?: number } = {}): Subset[] {
  const { seed } = requireOptions('split', options, 'seed')
  requireList('split', 'parts', parts, 'set, [0.8, 0.2]')
  const total = parts.reduce((n, p) => n + p, 0)
  const counts = total === set.length && parts.every(p => isWhole(p, 0))
  const fractions = !counts && Math.abs(total - 1) < 1e-9 && parts.every(p => p >= 0)
  if (!counts && !fractions) {
    throw new RangeError(`split: fractions that add up to 1 or counts that add up to ${set.length} expected, got [${parts}]`)
  }
  const order = iota(set.length)
  ;(seed === undefined ? hostGenerator() : new Generator(seed)).shuffle(order)
  let taken = 0
  let passed = 0
  return parts.map(p => {
    passed += p
    const start = taken
    taken = fractions ? Math.round(passed * set.length) : passed
    return new Subset(set, order.slice(start, taken))
  })
}

/**
 * A set put aside for the final judgement, which counts how often it was looked at: every look that influences a choice makes the
 * result too good.
 */
export class TestSet implements Dataset {
  #looks = 0
  constructor(readonly source: Dataset) {}
  get length(): number {
    return this.source.length
  }
  /** How many times an evaluation has gone through the set */
  get looks(): number {
    return this.#looks
  }
  /** A pass over a set begins: if it is a test set, or a part of one, that is a look. @internal */
  static look(set: Dataset): void {
    while (set instanceof Subset) set = set.source
    if (set instanceof TestSet) set.#looks++
  }
  batch(indices: ArrayLike<number>): Tensor[] {
    return this.source.batch(indices)
  }
}
