// The linear memory of the reference backend: one growing ArrayBuffer, seen through views that live for one kernel call.

import { megabytes } from '../../arena.js'

/** Tensor elements: float32 or float64 by the width of the backend. */
export type Floats = Float32Array | Float64Array
/** int32 elements: whole numbers in float64 where the width is 8. */
export type Ints = Int32Array | Float64Array

/** Most bytes */
export const LARGEST = 2147483648
/** Address 0 means "none", so the first 64 bytes are never handed out. */
const FIRST = 64

export class Memory {
  #buffer = new ArrayBuffer(65536)
  #top = FIRST
  /** A float NaN as ints() shows it */
  readonly nan: number

  /** @param limit the most bytes it may have */
  constructor(readonly width: 4 | 8, readonly limit: () => number) {
    this.nan = width === 4 ? 0x7fc00000 : NaN
  }

  get bytes(): number {
    return this.#top - FIRST
  }

  get total(): number {
    return this.#buffer.byteLength
  }

  /** Growth replaces the buffer: views made before are of the old one. */
  reserve(bytes: number): number {
    const address = this.#top
    const top = address + bytes
    if (top > this.#buffer.byteLength) {
      const limit = this.limit()
      const most = Math.min(LARGEST, limit)
      if (top > most) throw new RangeError(most < LARGEST ? `the limit of ${megabytes(limit)}` : 'the end of the 2 GB of the reference backend')
      const grown = new ArrayBuffer(Math.min(most - (most % 8), Math.max(top, 2 * this.#buffer.byteLength)))
      new Uint8Array(grown).set(new Uint8Array(this.#buffer))
      this.#buffer = grown
    }
    this.#top = top
    return address
  }

  /** Float elements from here on, n of them if it says so; none at address 0 */
  floats(address: number, n?: number): Floats {
    if (address === 0) n = 0
    return this.width === 4 ? new Float32Array(this.#buffer, address, n) : new Float64Array(this.#buffer, address, n)
  }

  /** floats() from each of several addresses on */
  views<A extends readonly number[]>(...addresses: A): { [K in keyof A]: Floats } {
    return addresses.map(address => this.floats(address)) as { [K in keyof A]: Floats }
  }

  /** int32 elements from here on. Kernels that only move elements use this view for any type: a float32 view need not keep a NaN's bits. */
  ints(address: number, n?: number): Ints {
    return this.width === 4 ? new Int32Array(this.#buffer, address, n) : new Float64Array(this.#buffer, address, n)
  }

  /** float64 values of a block of scalars */
  scalars(address: number, n: number): Float64Array {
    return new Float64Array(this.#buffer, address, n)
  }

  /** Raw 32-bit words */
  words(address: number, n: number): Int32Array {
    return new Int32Array(this.#buffer, address, n)
  }
}
