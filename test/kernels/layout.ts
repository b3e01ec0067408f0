// The cases of the kernel tests for copies, strided views, indices and conversions.

import { BITS, Draw, inout, input, ints, one, output, outputInts, SIZES, SPECIAL, within, type Cases } from './operands.js'

interface View {
  what: string
  /** Elements of the strided side */
  size: number
  sizes: number[]
  strides: number[]
  offset: number
}
function view(what: string, size: number, sizes: number[], strides: number[], offset = 0): View {
  const six = (list: number[], filler: number) => [...Array<number>(6 - list.length).fill(filler), ...list]
  return { what, size, sizes: six(sizes, 1), strides: six(strides, 0), offset }
}
const VIEWS: View[] = [
  ...SIZES.map(n => view(`all of ${n}`, n, [n], [1])),
  ...[[1, 1], [1, 17], [17, 1], [4, 4], [3, 5], [16, 8], [33, 67], [64, 64], [9, 1024], [19, 512]].map(([m, n]) =>
    view(`${n} × ${m} transposed`, m! * n!, [n!, m!], [1, n!])),
  view('permute 0 2 3 1', 120, [2, 4, 5, 3], [60, 5, 1, 20]),
  view('permute 1 0 2', 3 * 5 * 9, [5, 3, 9], [9, 45, 1]),
  view('six dimensions reversed', 2 * 3 * 4 * 3 * 2 * 3, [3, 2, 3, 4, 3, 2], [1, 3, 6, 18, 72, 216]),
  view('flip of both', 35, [5, 7], [-7, -1], 34),
  view('flip of rows', 35, [5, 7], [-7, 1], 28),
  view('every second from 1', 40, [19], [2], 1),
  view('block of a plane', 2 * 9 * 11, [2, 4, 7], [99, 11, 1], 25),
  view('empty in the middle', 12, [3, 0, 4], [4, 4, 1]),
]
const REPEATS: View[] = [
  view('scalar to 67', 1, [67], [0]),
  view('row to 5 rows', 17, [5, 17], [0, 1]),
  view('column to 9 columns', 6, [6, 9], [1, 0]),
  view('middle repeated', 3 * 4, [3, 5, 4], [4, 0, 1]),
  view('overlapping windows', 20, [9, 4], [2, 1], 0),
]
export function* copyFrom(d: Draw): Cases {
  for (const { what, size, sizes, strides, offset } of [...VIEWS, ...REPEATS]) {
    const n = sizes.reduce((a, b) => a * b)
    yield one(what, [...sizes, ...strides, offset, input(d.spiced(size)), output(n)])
    const bits = Int32Array.from({ length: size }, (_, i) => (i < 50 ? d.pick(BITS) : i))
    yield one(`${what}, int32`, [...sizes, ...strides, offset, ints(bits), outputInts(n)])
  }
}
export function* copyTo(d: Draw): Cases {
  for (const { what, size, sizes, strides, offset } of VIEWS) {
    const n = sizes.reduce((a, b) => a * b)
    yield one(what, [...sizes, ...strides, offset, 0, input(d.spiced(n)), inout(d.normal(size))])
    yield one(`${what}, int32`, [...sizes, ...strides, offset, 0, ints(d.whole(n, -9, 9)), outputInts(size)])
  }
  for (const { what, size, sizes, strides, offset } of [...VIEWS, ...REPEATS]) {
    const n = sizes.reduce((a, b) => a * b)
    yield one(`${what}, added`, [...sizes, ...strides, offset, 1, input(d.normal(n)), inout(d.normal(size))], within(1e-6, 5e-6))
  }
}

/** [outer, n, m, inner] for gather and its kin */
const PICKS = [
  [1, 1, 1, 1], [1, 5, 0, 3], [1, 7, 4, 1], [3, 4, 5, 1], [2, 5, 3, 16], [1, 67, 33, 17], [2, 3, 17, 4],
  [0, 3, 2, 2], [5, 10, 1, 3],
] as const
const strays = (d: Draw, n: number, count: number) => {
  const index = d.whole(count, 0, n)
  for (let i = 0; i < count; i += 3) index[i] = d.pick([-1, n, 2147483647, -2147483648, 0, n - 1])
  return index
}

export function* picking(d: Draw, scatter: boolean, each: boolean): Cases {
  for (const [outer, n, m, inner] of PICKS) {
    const count = each ? outer * m * inner : m
    const [from, to] = scatter ? [outer * m * inner, outer * n * inner] : [outer * n * inner, outer * m * inner]
    const tolerance = scatter ? within(1e-6, 2e-6) : 'exact'
    for (const [what, index] of [['', d.whole(count, 0, n)], [', strays', strays(d, n, count)]] as const) {
      yield one(`${[outer, n, m, inner]}${what}`, [outer, n, m, inner, input(d.normal(from)), ints(index), output(to)], tolerance)
    }
    if (scatter) continue
    const bits = d.bits(from)
    yield one(`${[outer, n, m, inner]}, int32`, [outer, n, m, inner, ints(bits), ints(d.whole(count, 0, n)), outputInts(to)])
  }
}

const simple = function* (make: (n: number) => ReturnType<typeof one>[]): Cases {
  for (const n of SIZES) yield* make(n)
}
export const fill = () => simple(n => [0, -1.5, NaN, Infinity].map(v => one(`${v}`, [n, v, output(n)])))
export const copy = (d: Draw) =>
  simple(n => [one('', [n, input(d.spiced(n)), output(n)]), one('int32', [n, ints(d.bits(n)), outputInts(n)])])
const EDGES = [...SPECIAL, 2147483647, -2147483648, 1e10, -1e10, 2.9999, -2.9999]
export const toInt = (d: Draw) => simple(n => [one('', [n, input(d.spiced(n, EDGES)), outputInts(n)])])
export const toFloat = (d: Draw) => simple(n => [one('', [n, ints(d.whole(n, -2147483648, 2147483648)), output(n)])])
export const oneHot = (d: Draw) =>
  simple(n => [0, 1, 5, 10, 17].map(c => one(`${c} classes`, [n, c, ints(strays(d, Math.max(c, 1), n)), output(n * c)])))
