// The numbers that the benchmarks compute with, and what a result must be: float64 sums for samples of products and convolutions,
// the reference backend for the rest.

import { onBackend, scope, type Tensor } from 'hebb'
import { WrongResult } from './measure.js'

/** n numbers in ±scale, the same in every run */
export function uniform(n: number, seed: number, scale = 1): Float32Array {
  const values = new Float32Array(n)
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    values[i] = ((state >>> 8) / 8388608 - 1) * scale
  }
  return values
}

/** n class numbers below `classes` */
export const labels = (n: number, classes: number, seed = 7): Int32Array =>
  Int32Array.from(uniform(n, seed), u => Math.min(classes - 1, Math.floor(((u + 1) / 2) * classes)))

/** Exact value of one element, and Σ |products|, which its rounding error grows with */
export interface Expected {
  value: number
  size: number
}

/** First, last and some elements between */
function sampleOf(n: number, count = 40): number[] {
  const step = n / count
  const places = Array.from({ length: count }, (_, i) => Math.min(n - 1, Math.floor(i * step + ((i * 7) % 11) * (step / 11))))
  return [...new Set([0, n - 1, ...places])]
}

/** Compares samples of a result with float64 sums. The tolerance leaves room for algorithms that round more often, such as Winograd's. */
export function checkSamples(result: Tensor, expected: (index: number) => Expected): void {
  const got = result.values()
  for (const i of sampleOf(got.length)) {
    const { value, size } = expected(i)
    if (Math.abs(got[i]! - value) <= 4e-6 * size + 1e-12) continue
    throw new WrongResult(`element ${i} of [${result.shape}] is ${got[i]}, expected ${value}`)
  }
}

/** Compares all of a result with the reference's in float64. `make` builds inputs and result on the backend in use. */
export function checkReference(make: () => Tensor, tolerance = 1e-5): void {
  const [got, want] = scope(() => [make().values(), onBackend('reference64', () => make().values())] as const)
  if (got.length !== want.length) throw new WrongResult(`${got.length} elements, expected ${want.length}`)
  for (let i = 0; i < got.length; i++) {
    if (Math.abs(got[i]! - want[i]!) <= tolerance * Math.max(1, Math.abs(want[i]!))) continue
    throw new WrongResult(`element ${i} is ${got[i]}, expected ${want[i]}`)
  }
}

/** Element i of op(a) op(b) with n columns: a and b are read by (row, inner) and (inner, column). */
export function productAt(
  i: number, n: number, k: number, a: (row: number, p: number) => number, b: (p: number, column: number) => number,
): Expected {
  const row = Math.floor(i / n)
  let value = 0
  let size = 0
  for (let p = 0; p < k; p++) {
    const term = a(row, p) * b(p, i % n)
    value += term
    size += Math.abs(term)
  }
  return { value, size }
}

/** A two-dimensional convolution with square kernels */
export interface ConvShape {
  n: number
  c: number
  h: number
  w: number
  o: number
  k: number
  stride: number
  padding: number
  dilation: number
  groups: number
}

export function convSizes(q: ConvShape) {
  const out = (size: number) => Math.floor((size + 2 * q.padding - q.dilation * (q.k - 1) - 1) / q.stride) + 1
  const oh = out(q.h)
  const ow = out(q.w)
  return { oh, ow, flops: (2 * q.n * q.o * oh * ow * q.c * q.k * q.k) / q.groups }
}

/** What a convolution reads and writes, and its gradient g = dL/dy */
export interface ConvData {
  x: ArrayLike<number>
  w: ArrayLike<number>
  g: ArrayLike<number>
}
type Visit = (x: number, w: number, y: number) => void

/** Every multiplication of image n that belongs to output channel o and one input channel of its group: indices of x, w and y */
function visitChannel(q: ConvShape, n: number, o: number, ci: number, visit: Visit): void {
  const { oh, ow } = convSizes(q)
  const cg = q.c / q.groups
  const c = Math.floor(o / (q.o / q.groups)) * cg + ci
  for (let u = 0; u < q.k; u++) {
    for (let v = 0; v < q.k; v++) {
      for (let i = 0; i < oh; i++) {
        const row = i * q.stride + u * q.dilation - q.padding
        if (row < 0 || row >= q.h) continue
        for (let j = 0; j < ow; j++) {
          const column = j * q.stride + v * q.dilation - q.padding
          if (column < 0 || column >= q.w) continue
          visit(((n * q.c + c) * q.h + row) * q.w + column, ((o * cg + ci) * q.k + u) * q.k + v, ((n * q.o + o) * oh + i) * ow + j)
        }
      }
    }
  }
}

/** Element `at` of y, dx or dw: the sum of all products that belong to it */
export function convAt(q: ConvShape, { x, w, g }: ConvData, which: 'y' | 'dx' | 'dw', at: number): Expected {
  const { oh, ow } = convSizes(q)
  const cg = q.c / q.groups
  const og = q.o / q.groups
  let value = 0
  let size = 0
  const add = (a: number, b: number) => {
    value += a * b
    size += Math.abs(a * b)
  }
  if (which === 'y') {
    const plane = Math.floor(at / (oh * ow))
    for (let ci = 0; ci < cg; ci++) {
      visitChannel(q, Math.floor(plane / q.o), plane % q.o, ci, (i, j, y) => void (y === at && add(x[i]!, w[j]!)))
    }
  } else if (which === 'dx') {
    const plane = Math.floor(at / (q.h * q.w))
    const c = plane % q.c
    const group = Math.floor(c / cg)
    for (let o = group * og; o < (group + 1) * og; o++) {
      visitChannel(q, Math.floor(plane / q.c), o, c % cg, (i, j, y) => void (i === at && add(g[y]!, w[j]!)))
    }
  } else {
    const pair = Math.floor(at / (q.k * q.k))
    for (let n = 0; n < q.n; n++) visitChannel(q, n, Math.floor(pair / cg), pair % cg, (i, j, y) => void (j === at && add(x[i]!, g[y]!)))
  }
  return { value, size }
}
