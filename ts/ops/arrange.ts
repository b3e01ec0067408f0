// Rearrangements made of the moves in layout.ts: roll, repeat, repeatInterleave, movedim, unbind, diagonals, meshgrid.

import { dimension, isWhole, requireChoice, requireCount, requireList, requireOptions, ShapeError, show, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { requireInteger, requireTensors } from './checks.js'
import { onHost } from './host.js'
import { indexSelect, type Indices } from './indexing.js'
import { cat } from './joining.js'
import { expand, narrow, pad, permute, reshape, select, slice, unsqueeze } from './layout.js'

const listed = (v: number | readonly number[]): readonly number[] => (typeof v === 'number' ? [v] : v)

/** Elements moved by `shifts` along dims, those that fall off coming back in front; without dims the flattened tensor's. */
export function roll(x: Tensor, shifts: number | readonly number[], dims?: number | readonly number[] | null): Tensor {
  requireTensors('roll', x)
  if (dims === undefined || dims === null) {
    if (typeof shifts !== 'number') throw new ShapeError(`roll: one shift for the flattened tensor expected, got ${show(shifts)}: name dims`)
    return reshape(roll(reshape(x, [x.size]), shifts, 0), x.shape)
  }
  const [by, along] = [listed(shifts), listed(dims)]
  if (by.length !== along.length) throw new ShapeError(`roll: a shift for each dim expected, got shifts ${show(by)} for dims ${show(along)}`)
  return along.reduce((t, dim, i) => {
    const d = dimension('roll', dim, t.rank)
    requireInteger('roll', 'shift', by[i]!)
    const n = t.shape[d] ?? 1
    const shift = n === 0 ? 0 : ((by[i]! % n) + n) % n
    return shift === 0 ? t : cat([narrow(t, d, n - shift, shift), narrow(t, d, 0, n - shift)], d)
  }, x)
}

/** x laid side by side: `sizes` copies along each dimension; more sizes than dimensions add leading ones. */
export function repeat(x: Tensor, sizes: Shape): Tensor {
  requireTensors('repeat', x)
  requireList('repeat', 'the number of copies along each dimension', sizes, '[2, 1]')
  if (sizes.length < x.rank || sizes.some(n => !isWhole(n, 0))) {
    throw new ShapeError(`repeat: a whole number of copies for each dimension of shape ${show(x.shape)} expected, got ${show(sizes)}`)
  }
  const shape = [...new Array<number>(sizes.length - x.rank).fill(1), ...x.shape]
  const apart = reshape(x, shape.flatMap(d => [1, d]))
  return reshape(expand(apart, shape.flatMap((d, i) => [sizes[i]!, d])), shape.map((d, i) => d * sizes[i]!))
}

/** Each entry along dim repeated: all `repeats` times (a number, or a list of one), or entry i repeats[i] times; without dim the flattened tensor's. */
export function repeatInterleave(x: Tensor, repeats: number | Indices, dim?: number | null): Tensor {
  requireTensors('repeatInterleave', x)
  if (dim === undefined || dim === null) return repeatInterleave(reshape(x, [x.size]), repeats, 0)
  const d = dimension('repeatInterleave', dim, x.rank)
  const n = x.shape[d] ?? 1
  const whole = (v: number) => {
    requireCount('repeatInterleave', 'repeats', v, 0)
    return v
  }
  if (typeof repeats === 'number') {
    const row = x.rank === 0 ? reshape(x, [1]) : x
    const wide = expand(unsqueeze(row, d + 1), [...row.shape.slice(0, d + 1), whole(repeats), ...row.shape.slice(d + 1)])
    return reshape(wide, row.shape.map((size, i) => (i === d ? size * repeats : size)))
  }
  const counts = Array.from(repeats instanceof Tensor ? onHost('repeatInterleave', repeats) : repeats, whole)
  if (counts.length === 1) return repeatInterleave(x, counts[0]!, d)
  if (counts.length !== n) throw new ShapeError(`repeatInterleave: ${n} repeats expected for dim ${dim} of shape ${show(x.shape)}, got ${counts.length}`)
  return indexSelect(x, d, counts.flatMap((count, i) => new Array<number>(count).fill(i)))
}

/** Dimensions `source` moved to the places `destination`; the others stay in order. */
export function movedim(x: Tensor, source: number | readonly number[], destination: number | readonly number[]): Tensor {
  const [from, to] = [source, destination].map(list => listed(list).map(d => dimension('movedim', d, x.rank))) as [number[], number[]]
  if (from.length !== to.length || new Set(from).size !== from.length || new Set(to).size !== to.length) {
    throw new ShapeError(`movedim: as many different sources as destinations expected, got ${show(listed(source))} to ${show(listed(destination))}`)
  }
  if (x.rank === 0) return x
  const rest = x.shape.map((_, i) => i).filter(i => !from.includes(i))
  return permute(x, x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!)))
}

/** The slices x[0], x[1] … along dim, which disappears. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
  if (x.rank === 0) throw new ShapeError('unbind: a tensor with dimensions expected, got a scalar')
  const d = dimension('unbind', dim, x.rank)
  return Array.from({ length: x.shape[d]! }, (_, i) => select(x, d, i))
}

export interface DiagonalOptions {
  /** 0 the main diagonal, k > 0 the k-th above it, k < 0 below (default 0) */
  offset?: number
  /** Rows and columns (default 0 and 1) */
  dim1?: number
  dim2?: number
}
/** The elements whose index in dim2 minus that in dim1 is `offset`, in a new last dimension that takes the place of both. */
export function diagonal(x: Tensor, options: DiagonalOptions = {}): Tensor {
  const { offset = 0, dim1 = 0, dim2 = 1 } = requireOptions('diagonal', options, 'offset dim1 dim2')
  const [a, b] = [dimension('diagonal', dim1, x.rank), dimension('diagonal', dim2, x.rank)]
  if (x.rank < 2 || a === b) throw new ShapeError(`diagonal: two different dimensions expected, got ${dim1} and ${dim2} for shape ${show(x.shape)}`)
  requireInteger('diagonal', 'offset', offset)
  const last = movedim(x, [a, b], [-2, -1])
  const [rows, columns] = last.shape.slice(-2) as [number, number]
  const length = Math.max(0, offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns))
  const start = length === 0 ? 0 : offset >= 0 ? offset : -offset * columns
  const flat = reshape(last, [...last.shape.slice(0, -2), rows * columns])
  return slice(flat, { dim: -1, start, end: start + (length && (length - 1) * (columns + 1) + 1), step: columns + 1 })
}

/** A vector on a diagonal of a square matrix of zeros, or the diagonal of a matrix. */
export function diag(x: Tensor, offset = 0): Tensor {
  requireTensors('diag', x)
  if (x.rank === 2) return diagonal(x, { offset })
  if (x.rank !== 1) throw new ShapeError(`diag: a vector or a matrix expected, got shape ${show(x.shape)}`)
  requireInteger('diag', 'offset', offset)
  const n = x.size
  const m = n + Math.abs(offset)
  // rows of the vector's elements and m zeros each, read as rows of m, have them on the diagonal
  const apart = reshape(pad(reshape(x, [n, 1]), [0, m]), [n * (m + 1)])
  const before = Math.max(0, -offset) * m + Math.max(0, offset)
  return reshape(pad(apart, [before, m * m - n * (m + 1) - before]), [m, m])
}

/** Coordinates of a grid: the i-th vector repeated along all dimensions but the i-th. Indexing xy exchanges the first two. */
export function meshgrid(vectors: readonly Tensor[], options: { indexing?: 'ij' | 'xy' } = {}): Tensor[] {
  const { indexing = 'ij' } = requireOptions('meshgrid', options, 'indexing')
  requireChoice('meshgrid', 'indexing', indexing, 'ij', 'xy')
  requireList('meshgrid', 'vectors', vectors, '[x, y]')
  requireTensors('meshgrid', ...vectors)
  const wrong = vectors.find(t => t.rank > 1)
  if (wrong) throw new ShapeError(`meshgrid: vectors expected, got shape ${show(wrong.shape)}`)
  const place = (i: number) => (indexing === 'xy' && vectors.length > 1 && i < 2 ? 1 - i : i)
  const sizes = vectors.map((_, i) => vectors[place(i)]!.size)
  return vectors.map((t, i) => expand(reshape(t, sizes.map((_, d) => (d === place(i) ? t.size : 1))), sizes))
}
