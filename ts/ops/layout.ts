// Ops that move elements without computing: reshape, permute, slices, repeats, padding, triangles, splitting.

import { apply, freeWith, type Op } from '../autograd.js'
import { dimension, dimensions, iota, isWhole, nested, requireChoice, requireCount, requireInts, requireList, requireOptions, ShapeError, show, sizeOf, stridesOf, type Shape } from '../shape.js'
import { filled, Tensor } from '../tensor.js'
import { requireInteger, requireTensors } from './checks.js'
import { indexSelect } from './indexing.js'
import { ge, le, sumTo, where } from './arithmetic.js'

const RANK = 6

/** y = x read with these strides from an offset, contiguous. @internal */
export function readStrided(x: Tensor, shape: Shape, strides: readonly number[], offset: number): Tensor {
  const y = new Tensor(shape, x.dtype, x.backend)
  const { kernels: k, width } = x.backend
  nested(RANK, shape, [strides], (n, [s], [at], out) =>
    k.copyFrom(
      n[0]!, n[1]!, n[2]!, n[3]!, n[4]!, n[5]!, s![0]!, s![1]!, s![2]!, s![3]!, s![4]!, s![5]!,
      offset + at!, x.address, y.address + out * width,
    ),
  )
  return y
}

/** Write x into y at these strides from an offset; accumulate adds instead. @internal */
export function writeStrided(x: Tensor, y: Tensor, strides: readonly number[], offset: number, accumulate: boolean): void {
  const { kernels: k, width } = x.backend
  nested(RANK, x.shape, [strides], (n, [s], [at], out) =>
    k.copyTo(
      n[0]!, n[1]!, n[2]!, n[3]!, n[4]!, n[5]!, s![0]!, s![1]!, s![2]!, s![3]!, s![4]!, s![5]!,
      offset + at!, accumulate ? 1 : 0, x.address + out * width, y.address,
    ),
  )
}

const reshapeOp: Op<{ shape: Shape }> = {
  name: 'reshape',
  forward: ([x], { shape }) => x!.alias(shape),
  gradient: (g, { inputs: [x] }) => [reshape(g, x!.shape)],
}
/**
 * The same values in another shape; one size may be −1: what is left.
 * @throws ShapeError if the number of elements differs
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensors('reshape', x)
  requireList('reshape', 'a shape', shape, '[2, -1]')
  const open = shape.indexOf(-1)
  let to = shape
  if (open >= 0) {
    // -1 counts in the size
    const rest = -sizeOf(shape)
    to = shape.map((d, i) => (i === open ? (rest === 0 ? 0 : x.size / rest) : d))
  }
  if (to.some(d => !isWhole(d, 0)) || sizeOf(to) !== x.size) {
    throw new ShapeError(`reshape: x ${show(x.shape)} has ${x.size} elements, they don't fill shape ${show(shape)}: one size may be -1, for what is left`)
  }
  return apply(reshapeOp, [x], { shape: to })
}

/** Dimensions start..end made one: flatten(x, 1) keeps the batch. */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  if (x.rank === 0) return reshape(x, [1])
  const [first, last] = [dimension('flatten', start, x.rank), dimension('flatten', end, x.rank)]
  if (first > last) throw new ShapeError(`flatten: start ${start} lies behind end ${end} in shape ${show(x.shape)}`)
  return reshape(x, [...x.shape.slice(0, first), sizeOf(x.shape.slice(first, last + 1)), ...x.shape.slice(last + 1)])
}

/** A dimension of size 1 inserted at `dim`. */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const d = dimension('unsqueeze', dim, x.rank + 1)
  return reshape(x, [...x.shape.slice(0, d), 1, ...x.shape.slice(d)])
}

/** Dimensions of size 1 dropped: all, or those named (others stay). */
export function squeeze(x: Tensor, dim?: number | readonly number[] | null): Tensor {
  const dims = dimensions('squeeze', dim, x.rank)
  return reshape(x, x.shape.filter((d, i) => !(d === 1 && dims.includes(i))))
}

/** A vector beside x [n, c, ...], of c elements. @internal */
export const perChannel = (t: Tensor, x: Tensor): Tensor => reshape(t, [t.size, ...x.shape.slice(2).map(() => 1)])

const permuteOp: Op<{ order: readonly number[] }> = {
  name: 'permute',
  forward([x], { order }) {
    const strides = stridesOf(x!.shape)
    return readStrided(x!, order.map(d => x!.shape[d]!), order.map(d => strides[d]!), 0)
  },
  gradient: (g, { attrs: { order } }) => [permute(g, order.map((_, i) => order.indexOf(i)))],
}
/** Dimensions in another order: y.shape[i] = x.shape[dims[i]]. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  requireList('permute', 'all dimensions', dims, '[1, 0]')
  const order = dims.map(d => dimension('permute', d, x.rank))
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(`permute: every dimension of shape ${show(x.shape)} expected once, got ${show(dims)}`)
  }
  return apply(permuteOp, [x], { order })
}

/** Two dimensions exchanged. */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  const [a, b] = [dimension('transpose', dim0, x.rank), dimension('transpose', dim1, x.rank)]
  return permute(x, x.shape.map((_, i) => (i === a ? b : i === b ? a : i)))
}

/** A strided box of a tensor: y[i] = x[offset + Σ i·s]. */
interface Box {
  shape: Shape
  strides: readonly number[]
  offset: number
}
const boxOp: Op<Box> = {
  name: 'slice',
  forward: ([x], { shape, strides, offset }) => readStrided(x!, shape, strides, offset),
  gradient: (g, { inputs: [x], attrs }) => [apply(unboxOp, [g], { ...attrs, into: x!.shape })],
  addTo: (sum, g, { attrs: { strides, offset } }) => writeStrided(g, sum, strides, offset, true),
}
/** The adjoint: x written into a tensor of zeros, positions read twice added up. */
const unboxOp: Op<Box & { into: Shape }> = {
  name: 'slice',
  forward([g], { strides, offset, into }) {
    const y = filled(into, 0, g!.backend)
    writeStrided(g!, y, strides, offset, strides.includes(0))
    return y
  },
  gradient: (g, { attrs }) => [apply(boxOp, [g], attrs)],
}

/** Part of one dimension, as in Python: start and end may be negative or beyond; step ≠ 0. */
export interface Slice {
  dim: number
  start?: number | null
  end?: number | null
  step?: number | null
}
/** x[start:end:step] along one or several dimensions. */
export function slice(x: Tensor, slices: Slice | readonly Slice[]): Tensor {
  requireTensors('slice', x)
  const shape = [...x.shape]
  const strides = stridesOf(x.shape)
  let offset = 0
  for (const one of [slices].flat() as Slice[]) {
    const { dim, start, end, step } = requireOptions('slice', one, 'dim start end step')
    const d = dimension('slice', dim, x.rank)
    const size = shape[d]!
    const by = step ?? 1
    if (!Number.isInteger(by) || by === 0) throw new ShapeError(`slice: a whole step other than 0 expected, got ${by}`)
    for (const v of [start, end]) if (v && !Number.isInteger(v) && Number.isFinite(v)) throw new ShapeError(`slice: whole numbers as start and end expected, got ${v}`)
    const bound = (v: number | null | undefined, open: number, low: number, high: number) =>
      v === null || v === undefined ? open : Math.min(Math.max(v < 0 ? v + size : v, low), high)
    const from = by > 0 ? bound(start, 0, 0, size) : bound(start, size - 1, -1, size - 1)
    const to = by > 0 ? bound(end, size, 0, size) : bound(end, -1, -1, size - 1)
    shape[d] = Math.max(0, Math.ceil((to - from) / by))
    offset += from * strides[d]!
    strides[d] = strides[d]! * by
  }
  return apply(boxOp, [x], { shape, strides, offset: sizeOf(shape) === 0 ? 0 : offset })
}

/** The part of length `length` from `start` along dim. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const size = x.shape[dimension('narrow', dim, x.rank)] ?? 1
  if (!isWhole(start, 0) || !isWhole(length, 0, size - start)) {
    throw new ShapeError(`narrow: ${start}..${start + length} is not inside the ${size} of dim ${dim}, shape ${show(x.shape)}`)
  }
  return slice(x, { dim, start, end: start + length })
}

/** x[index] along dim, which disappears. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const d = dimension('select', dim, x.rank)
  const size = x.shape[d] ?? 0
  if (!isWhole(index, -size, size - 1)) throw new ShapeError(`select: index ${index} is outside the ${size} of dim ${dim}, shape ${show(x.shape)}`)
  const strides = stridesOf(x.shape)
  const at = index < 0 ? index + size : index
  return apply(boxOp, [x], { shape: x.shape.filter((_, i) => i !== d), strides: strides.filter((_, i) => i !== d), offset: at * strides[d]! })
}

/** Dimensions in reverse. */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  if (arguments.length > 2) requireList('flip', 'dims', dims, '[0, 1]')
  const turned = dimensions('flip', dims, x.rank)
  const strides = stridesOf(x.shape)
  const offset = turned.reduce((n, d) => n + Math.max(0, x.shape[d]! - 1) * strides[d]!, 0)
  return apply(boxOp, [x], { shape: x.shape, strides: strides.map((s, i) => (turned.includes(i) ? -s : s)), offset })
}

/** x repeated along dimensions of size 1 to `sizes` (−1 keeps; new leading dimensions allowed). */
export function expand(x: Tensor, sizes: Shape): Tensor {
  requireTensors('expand', x)
  const lead = sizes.length - x.rank
  const strides = stridesOf(x.shape)
  const shape = sizes.map((d, i) => (d === -1 && i >= lead ? x.shape[i - lead]! : d))
  const fits = lead >= 0 && shape.every((d, i) => d >= 0 && (i < lead || d === x.shape[i - lead] || x.shape[i - lead] === 1))
  if (!fits) throw new ShapeError(`expand: x ${show(x.shape)} doesn't repeat to ${show(sizes)}: only sizes of 1 and new leading dimensions can`)
  return apply(expandOp, [x], { shape, strides: shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : strides[i - lead]!)) })
}
const expandOp: Op<{ shape: Shape; strides: readonly number[] }> = {
  name: 'expand',
  forward: ([x], { shape, strides }) => readStrided(x!, shape, strides, 0),
  gradient: (g, { inputs: [x] }) => [sumTo(g, x!.shape)],
}

const padOp: Op<{ before: readonly number[]; shape: Shape; value: number }> = {
  name: 'pad',
  forward([x], { before, shape, value }) {
    const { dtype, backend } = x!
    // kernels fill with float32
    const whole = dtype === 'int32' && new Tensor([], dtype, backend).set([value])
    const y = whole ? freeWith(readStrided(whole, shape, shape.map(() => 0), 0), whole) : filled(shape, value, backend)
    const strides = stridesOf(shape)
    writeStrided(x!, y, strides, before.reduce((n, b, i) => n + b * strides[i]!, 0), false)
    return y
  },
  gradient: (g, { inputs: [x], attrs: { before } }) => [slice(g, before.map((b, dim) => ({ dim, start: b, end: b + x!.shape[dim]! })))],
}
export interface PadOptions {
  mode?: 'constant' | 'reflect' | 'replicate'
  /** Padding value of mode constant (default 0) */
  value?: number
}
/**
 * x with `amounts` = (before, after) pairs added from the last dimension backwards; negative ones crop. Mode reflect mirrors
 * without repeating the edge, replicate repeats it.
 */
export function pad(x: Tensor, amounts: readonly number[], options: PadOptions = {}): Tensor {
  requireTensors('pad', x)
  requireList('pad', 'amounts', amounts, '[1, 1]')
  const { mode = 'constant', value = 0 } = requireOptions('pad', options, 'mode value')
  requireChoice('pad', 'mode', mode, 'constant', 'reflect', 'replicate')
  if (x.dtype === 'int32') requireInts('pad', [value])
  if (amounts.length % 2 || amounts.length > 2 * x.rank || amounts.some(a => !Number.isInteger(a))) {
    throw new ShapeError(`pad: (before, after) pairs of whole numbers for at most ${x.rank} dimensions expected, got ${show(amounts)} for shape ${show(x.shape)}`)
  }
  const around = x.shape.map((d, i) => {
    const [before = 0, after = 0] = amounts.slice(2 * (x.rank - 1 - i))
    if (d + before + after < 0 || (mode === 'reflect' && Math.max(before, after) >= d && Math.max(before, after) > 0)) {
      throw new ShapeError(`pad: ${before} before and ${after} after don't fit dim ${i} of shape ${show(x.shape)} in mode ${mode}`)
    }
    return [before, after] as const
  })
  const cropped = around.some(([b, a]) => b < 0 || a < 0)
    ? slice(x, around.map(([b, a], dim) => ({ dim, start: Math.max(0, -b), end: x.shape[dim]! - Math.max(0, -a) })))
    : x
  const grown = around.map(([b, a]) => [Math.max(0, b), Math.max(0, a)] as const)
  if (mode === 'constant') {
    if (grown.every(([b, a]) => b + a === 0)) return cropped
    return apply(padOp, [cropped], { before: grown.map(([b]) => b), shape: cropped.shape.map((d, i) => d + grown[i]![0] + grown[i]![1]), value })
  }
  return grown.reduce((t, [before, after], dim) => {
    if (before + after === 0) return t
    const n = t.shape[dim]!
    const index = Int32Array.from({ length: n + before + after }, (_, i) => {
      const at = i - before
      if (mode === 'replicate') return Math.min(Math.max(at, 0), n - 1)
      return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at
    })
    return indexSelect(t, dim, index)
  }, cropped)
}

/** The mask of a triangle of x's matrices, 1 where column − row ≤ diagonal (or ≥). @internal */
export function triangle(x: Tensor, diagonal: number, lower: boolean): Tensor {
  const name = lower ? 'tril' : 'triu'
  requireTensors(name, x)
  if (x.rank < 2) throw new ShapeError(`${name}: a matrix or a batch of them expected, got shape ${show(x.shape)}`)
  requireInteger(name, 'diagonal', diagonal)
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  const row = new Tensor([rows, 1], 'float32', x.backend).set(iota(rows).map(i => i + diagonal))
  const column = new Tensor([columns], 'float32', x.backend).set(iota(columns))
  const mask = lower ? le(column, row) : ge(column, row)
  row.dispose()
  column.dispose()
  return mask
}
/** The lower triangle of matrices, zeros above the diagonal; diagonal k > 0 keeps k more. */
export const tril = (x: Tensor, diagonal = 0): Tensor => where(triangle(x, diagonal, true), x, 0)
/** The upper triangle of matrices */
export const triu = (x: Tensor, diagonal = 0): Tensor => where(triangle(x, diagonal, false), x, 0)

/** Parts along dim, of one size (the last may be smaller) or of the sizes given. */
export function split(x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] {
  const d = dimension('split', dim, x.rank)
  const total = x.shape[d] ?? 1
  if (typeof sizes === 'number') requireCount('split', 'size', sizes)
  const list = typeof sizes === 'number' ? Array.from({ length: Math.max(1, Math.ceil(total / sizes)) }, (_, i) => Math.min(sizes, total - i * sizes)) : sizes
  if (list.reduce((n, s) => n + s, 0) !== total) throw new ShapeError(`split: sizes ${show(list)} don't add up to the ${total} of dim ${dim}, shape ${show(x.shape)}`)
  let start = 0
  return list.map(size => narrow(x, d, (start += size) - size, size))
}

/** n equal parts along dim (the last may be smaller). */
export function chunk(x: Tensor, n: number, dim = 0): Tensor[] {
  requireCount('chunk', 'the number of parts', n)
  return split(x, Math.max(1, Math.ceil((x.shape[dimension('chunk', dim, x.rank)] ?? 1) / n)), dim)
}
