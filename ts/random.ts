// Random numbers: the counter-based generator Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers:
// as easy as 1, 2, 3"). Block i of a key is a pure function of key and i, so every backend draws the same numbers.

import { cos, log, sin } from './numerics.js'

const TWO_32 = 4294967296

/** Low word of the last product */
let low = 0
/** High word of the 64-bit product of a 32-bit word and the constant with halves bh and bl */
function multiply(a: number, bh: number, bl: number): number {
  const ah = a >>> 16
  const al = a & 0xffff
  // products of 16-bit halves: every sum below stays under 2^32
  const ll = al * bl
  const t = ah * bl + (ll >>> 16)
  const u = al * bh + (t & 0xffff)
  low = (u << 16) | (ll & 0xffff)
  return ah * bh + (t >>> 16) + (u >>> 16)
}

/** Writes the four words of the block with counter c3 c2 c1 c0 under the key k1 k0, least significant words first. */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiply(c0, 0xd251, 0x1f53)
    const low0 = low
    const high1 = multiply(c2, 0xcd9e, 0x8d57)
    c0 = high1 ^ c1 ^ k0
    c1 = low
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    // Weyl sequences of the golden ratio and of sqrt 3 - 1
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/** 2π rounded to float64 */
const TAU = 6.283185307179586

/**
 * Two standard normal numbers from two words (Box and Muller, 1958), in float64:
 * sqrt(-2 log((a + 1) / 2^32)) times cos and sin of 2π b / 2^32.
 */
export function boxMuller(a: number, b: number, out: Float64Array): void {
  const radius = Math.sqrt(-2 * log((a + 1) / TWO_32))
  const angle = TAU * (b / TWO_32)
  out[0] = radius * cos(angle)
  out[1] = radius * sin(angle)
}

/** State of a generator that starts at block 0: key low, key high, counter low, counter high. The seed is any safe integer. */
export function seedWords(seed: number): [number, number, number, number] {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: a whole number between -2^53 and 2^53 expected, got ${seed}`)
  return [seed >>> 0, Math.floor(seed / TWO_32) >>> 0, 0, 0]
}

/** Random numbers for host code: shuffling, environments, exploration. Tensors draw theirs on their backend. */
export class Generator {
  // key low, key high, counter low and high of the current block, and how many of its words are used
  readonly #state: Uint32Array
  readonly #block = new Uint32Array(4)
  readonly #pair = new Float64Array(2)

  constructor(seed: number) {
    this.#state = new Uint32Array([...seedWords(seed), 0])
  }

  /** 32 random bits as a number from 0 to 2^32 - 1 */
  word(): number {
    const state = this.#state
    const used = state[4]!
    if (used === 0) this.#draw()
    if (used === 3) {
      state[4] = 0
      state[2] = state[2]! + 1
      if (state[2] === 0) state[3] = state[3]! + 1
    } else state[4] = used + 1
    return this.#block[used]!
  }

  /** A number in [0, 1) with 53 random bits */
  uniform(): number {
    const high = this.word() >>> 5
    return (high * 67108864 + (this.word() >>> 6)) / 9007199254740992
  }

  /** A normal number */
  normal(mean = 0, std = 1): number {
    const a = this.word()
    boxMuller(a, this.word(), this.#pair)
    return mean + std * this.#pair[0]!
  }

  /** A whole number from 0 to n - 1, all equally likely */
  integer(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`integer: a whole number n ≥ 1 expected, got ${n}`)
    // the last, incomplete run of n values would favour small ones: draw again
    const range = n <= TWO_32 ? TWO_32 : 9007199254740992
    const end = range - (range % n)
    for (;;) {
      const x = n <= TWO_32 ? this.word() : this.uniform() * 9007199254740992
      if (x < end) return x % n
    }
  }

  /** Puts the elements into random order, in place (Fisher and Yates), and returns them. */
  shuffle<A extends Int32Array | Uint32Array | Float32Array | Float64Array | unknown[]>(values: A): A {
    const list = values as unknown[]
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      const last = list[i]
      list[i] = list[j]
      list[j] = last
    }
    return values
  }

  /** The state as five plain numbers, for restore() */
  save(): number[] {
    return [...this.#state]
  }

  /** Go on from a saved state. */
  restore(state: readonly number[]): void {
    if (state.length !== 5 || ![0, 1, 2, 3].includes(state[4]!)) {
      throw new RangeError(`restore: the five numbers of save() expected, got [${state}]`)
    }
    this.#state.set(state)
    if (state[4]! > 0) this.#draw()
  }

  #draw(): void {
    const [k0, k1, c0, c1] = this.#state
    philox(c0!, c1!, 0, 0, k0!, k1!, this.#block)
  }
}
