// What the cases of the kernel tests are made of: operands, awkward sizes, special values, random numbers.

import { SCALARS } from '../../ts/kernels.js'
import { Generator } from '../../ts/random.js'
import type { Case, Operand, Tolerance } from './run.js'

/** Around the widths of vectors, tiles and unrolled loops */
export const SIZES = [0, 1, 3, 4, 5, 15, 16, 17, 33, 64, 67]
export const FEW = [1, 3, 5, 17]
export const SPECIAL = [
  NaN, Infinity, -Infinity, 0, -0, 1, -1, 0.5, -0.5, 2, -3, 2.5, 1e-45, -1e-40, 1.17549435e-38, 3e38, -3e38, 1e4, -1e4, 88.5,
  -87.5, -103, 1e-7,
].map(Math.fround)

/** The numbers of an enum */
export const codes = (e: object) => Object.values(e).filter(v => typeof v === 'number') as number[]

export const input = (values: ArrayLike<number>): Operand => ({ kind: 'float', role: 'input', values: Float32Array.from(values) })
export const ints = (values: ArrayLike<number>): Operand => ({ kind: 'int', role: 'input', values: Int32Array.from(values) })
export const output = (n: number): Operand => ({ kind: 'float', role: 'output', values: new Float32Array(n).fill(NaN) })
export const outputInts = (n: number): Operand => ({ kind: 'int', role: 'output', values: new Int32Array(n).fill(-777) })
/** Read and overwritten */
export const inout = (values: ArrayLike<number>): Operand => ({ kind: 'float', role: 'output', values: Float32Array.from(values) })
export const words = (values: number[]): Operand => ({ kind: 'words', role: 'output', values: Int32Array.from(values) })
export const scalars = (values: number[]): Operand => {
  const block = new Float64Array(SCALARS)
  block.set(values)
  return { kind: 'scalars', role: 'input', values: block }
}

export const within = (relative: number, absolute = 0): Tolerance => ({ relative, absolute })
/** One rounding, and a second one where the reference rounds as well */
export const ROUNDED = within(1.3e-7, 1e-44)

/** Bits that a float would not keep: quiet and signalling NaNs */
export const BITS = [-1, 0x7fc00001, 0x7f800001, -4194303, 0, 1, -2147483648, 2147483647]

const normals = new Generator(0)
/** Drawn once: fresh ones for every operand would take most of the tests' time */
const NORMALS = Float64Array.from({ length: 30011 }, () => normals.normal())

/** Random operands of a kernel's cases, the same in every run */
export class Draw {
  readonly random: Generator
  constructor(seed: number) {
    this.random = new Generator(seed)
  }
  normal(n: number, scale = 1, shift = 0): Float32Array {
    const start = this.random.integer(NORMALS.length)
    const x = new Float32Array(n)
    for (let i = 0; i < n; i++) x[i] = shift + scale * NORMALS[(start + i) % NORMALS.length]!
    return x
  }
  /** Magnitudes from 2^low to 2^high, both signs */
  wide(n: number, low: number, high: number): Float32Array {
    const exponent = () => low + (high - low) * this.random.uniform()
    return Float32Array.from({ length: n }, () => (this.random.integer(2) ? 1 : -1) * 2 ** exponent())
  }
  /** Whole numbers from low to high - 1 */
  whole(n: number, low: number, high: number): Int32Array {
    return Int32Array.from({ length: n }, () => low + this.random.integer(high - low))
  }
  bits(n: number): Int32Array {
    return Int32Array.from({ length: n }, () => this.pick(BITS))
  }
  pick<T>(list: readonly T[]): T {
    return list[this.random.integer(list.length)]!
  }
  /** Normal numbers with a few special values among them */
  spiced(n: number, values: readonly number[] = SPECIAL): Float32Array {
    const x = this.normal(n, 3)
    for (let i = 0; i < n; i++) if (this.random.integer(3) === 0) x[i] = this.pick(values)
    return x
  }
}

export type Cases = Iterable<Omit<Case, 'kernel'>>
export const one = (what: string, args: (number | Operand)[], tolerance: Tolerance = 'exact') => ({ what, args, tolerance })
