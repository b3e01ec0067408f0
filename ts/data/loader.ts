// The loader: batches of a data set in an order that its seed decides; every turn of a loop over it frees what it made.

import { turns, recorder } from '../memory.js'
import { Generator as Random, seedWords } from '../random.js'
import { hostGenerator } from '../ops/random.js'
import type { Tensor } from '../tensor.js'
import { iota, isWhole, requireOptions, requireCount } from '../shape.js'
import { TestSet, type Dataset } from './dataset.js'

export interface LoaderOptions {
  /** Examples a batch (default 32) */
  batchSize?: number
  /** A new random order each epoch (default false) */
  shuffle?: boolean
  /** Draw each example at random, so that some come twice and some not at all (default false) */
  replacement?: boolean
  /** Leave out a last, smaller batch (default false) */
  dropLast?: boolean
  /** Decides all orders (default: drawn from manualSeed's generator) */
  seed?: number
}

/** Where a loader stands: the epoch that is running or comes next, and how many of its batches are done. */
export interface LoaderState {
  seed: number
  epoch: number
  batch: number
}

/** x, y and whatever else the data set's examples have */
export type Batch = [x: Tensor, y: Tensor, ...rest: Tensor[]]

/**
 * for (const [x, y] of loader) { … }: one epoch. Each turn is a scope. The order of an epoch is a function of seed and number of
 * the epoch, so a saved position can be taken up again. A loop beside one that still runs has an epoch of its own, the next, and the
 * position is from then on that of this loop; beside batches(), which fit() goes by, it stays that of batches().
 */
export class DataLoader implements Iterable<Batch> {
  readonly batchSize: number
  readonly shuffle: boolean
  readonly replacement: boolean
  readonly dropLast: boolean
  #seed: number
  #epoch = 0
  #batch = 0
  /** What moves the position: batches() that run, or else the pass that began last */
  #pass: { loop: boolean } | null = null
  /** Loops beside batches() so far, each with an epoch counted on from the position's */
  #beside = 0

  constructor(readonly dataset: Dataset, options: LoaderOptions = {}) {
    const { batchSize = 32, shuffle = false, replacement = false, dropLast = false, seed } = requireOptions('DataLoader', options, 'batchSize shuffle replacement dropLast seed')
    if (typeof dataset?.batch !== 'function') {
      const got = Array.isArray(dataset) ? 'an array: ArrayDataset makes one of it' : typeof dataset
      throw new TypeError(`DataLoader: a data set with length and batch() expected, got ${got}`)
    }
    requireCount('DataLoader', 'batchSize', batchSize, 1, RangeError)
    if (dataset.length === 0) throw new RangeError('DataLoader: a data set with examples expected, got an empty one')
    this.batchSize = batchSize
    this.shuffle = shuffle
    this.replacement = replacement
    this.dropLast = dropLast
    if (this.length === 0) throw new RangeError(`DataLoader: dropLast leaves no batch of ${batchSize}, as the data set has ${dataset.length} examples`)
    if (seed !== undefined) seedWords(seed)
    this.#seed = seed ?? hostGenerator().integer(2147483648)
  }

  /** Batches an epoch */
  get length(): number {
    const n = this.dataset.length / this.batchSize
    return this.dropLast ? Math.floor(n) : Math.ceil(n)
  }

  /** Examples an epoch */
  get examples(): number {
    return this.dropLast ? this.length * this.batchSize : this.dataset.length
  }

  get state(): LoaderState {
    return { seed: this.#seed, epoch: this.#epoch, batch: this.#batch }
  }
  set state({ seed, epoch, batch }: LoaderState) {
    requireCount('DataLoader', 'epoch', epoch, 0, RangeError)
    if (!isWhole(batch, 0, this.length)) {
      throw new RangeError(
        `DataLoader: a position of at most ${this.length} batches expected, got ${batch}: was it another batch size or data set?`,
      )
    }
    this.#seed = seed
    this.#epoch = epoch
    this.#batch = batch
    this.#pass = null
  }

  #order(epoch = this.#epoch): Int32Array {
    const n = this.dataset.length
    const order = iota(n)
    if (!this.shuffle && !this.replacement) return order
    const generator = new Random(this.#seed)
    const [low, high] = generator.save()
    // one far apart stretch of counters for each epoch
    generator.restore([low!, high!, 0, epoch + 1, 0])
    return this.replacement ? order.map(() => generator.integer(n)) : generator.shuffle(order)
  }

  *#batches(loop: boolean): Generator<Batch, void, undefined> {
    recorder?.refuse('a loop over a loader')
    const beside = loop && this.#pass?.loop === false
    const pass = { loop }
    try {
      if (!loop) {
        this.#pass = pass
        // batches() asks for this one: whoever has them holds the position, though the first may come later
        yield [] as unknown as Batch
      } else if (this.#pass?.loop) this.#next()
      TestSet.look(this.dataset)
      if (!beside) this.#pass = pass
      const order = this.#order(beside ? this.#epoch + ++this.#beside : this.#epoch)
      let batch = beside ? 0 : this.#batch
      while (batch < this.length) {
        const at = batch++ * this.batchSize
        if (this.#pass === pass) this.#batch = batch
        yield this.dataset.batch(order.subarray(at, at + this.batchSize)) as Batch
      }
      loop = true
    } finally {
      if (this.#pass === pass) {
        if (loop) this.#next()
        this.#pass = null
      }
    }
  }

  #next(): void {
    this.#epoch++
    this.#batch = this.#beside = 0
  }

  /**
   * The batches that are left of this epoch, without scopes of their own: for loops that open them otherwise. The position is theirs
   * until they end, or until their return(), which keeps it.
   */
  batches(): Generator<Batch, void, undefined> {
    const batches = this.#batches(false)
    batches.next()
    return batches
  }

  /** A loop that breaks off leaves the epoch: the next loop starts a new one. */
  [Symbol.iterator](): Generator<Batch, void, undefined> {
    return turns('loader', { [Symbol.iterator]: () => this.#batches(true) })
  }

  /** The first batch of the epoch that comes next; it belongs to the caller's turn or scope. */
  first(): Batch {
    return this.dataset.batch(this.#order().subarray(0, this.batchSize)) as Batch
  }
}
