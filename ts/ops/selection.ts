// Indexing as in x[…]: numbers, slices, new dimensions, index tensors and masks; writing at such places; masked selection.

import { broadcastShapes, broadcastStrides, iota, isWhole, nested, placesIn, requireOptions, sameShape, ShapeError, show, sizeOf, stridesOf, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { movedim } from './arrange.js'
import { requireTensors } from './checks.js'
import { onHost } from './host.js'
import { indexSelect } from './indexing.js'
import { cat } from './joining.js'
import { expand, reshape, select, slice, unsqueeze } from './layout.js'
import { indexAdd } from './scatter.js'
import { nonzeroOf } from './sorting.js'

/**
 * One place between the brackets of x[…]: a number (that entry; the dimension disappears), [start, end, step] (a slice; null or absent
 * is open, so [] is all of it), ':' (all of it), '...' (as many ':' as are missing), null (a new dimension of size 1), an int32 tensor
 * (those entries), or a float32 tensor of zeros and ones (a mask, which takes as many dimensions as it has).
 */
export type Key = number | readonly (number | null)[] | ':' | '...' | null | Tensor

/** What index tensors do: they stand for dimensions `dims` of x, one each, and are broadcast together. */
interface Picked {
  dim: number
  at: ArrayLike<number>
  shape: Shape
}

/** How many dimensions of x a key takes. */
const taken = (key: Key): number => (key === null || key === '...' ? 0 : key instanceof Tensor && key.dtype === 'float32' ? key.rank : 1)

/** Slices, numbers and new dimensions are done at once; index tensors and masks are collected. */
function viewOf(op: string, x: Tensor, keys: readonly Key[]): { view: Tensor; picked: Picked[] } {
  const named = keys.reduce<number>((n, key) => n + taken(key), 0)
  if (named > x.rank) throw new ShapeError(`${op}: ${named} dimensions are indexed, but x ${show(x.shape)} has ${x.rank}`)
  if (keys.filter(key => key === '...').length > 1) throw new ShapeError(`${op}: '...' may stand once only`)
  let view = x
  let dim = 0
  const picked: Picked[] = []
  for (const given of keys) {
    const size = view.shape[dim] ?? 0
    // an index without dimensions is a number, also in where the result's dimensions stand
    const key = given instanceof Tensor && given.dtype === 'int32' && given.rank === 0 ? onHost(`${op} with a tensor`, given)[0]! : given
    if (key === '...') dim += x.rank - named
    else if (key === null) view = unsqueeze(view, dim++)
    else if (key === ':') dim++
    else if (typeof key === 'number') {
      if (!isWhole(key, -size, size - 1)) {
        throw new ShapeError(`${op}: index ${key} is outside the ${size} of dim ${dim}, shape ${show(view.shape)}`)
      }
      view = select(view, dim, key)
    } else if (Array.isArray(key)) {
      if (key.length > 3) {
        throw new ShapeError(`${op}: [start, end, step] expected, got ${show(key)}: for a list of indices give tensor(${show(key)}, { dtype: 'int32' })`)
      }
      if (key.length > 0) view = slice(view, { dim, start: key[0] ?? null, end: key[1] ?? null, step: key[2] ?? null })
      dim++
    } else if (!(key instanceof Tensor)) {
      throw new TypeError(`${op}: a number, [start, end, step], ':', '...', null or a tensor expected, got ${key}`)
    } else if (key.dtype === 'int32') picked.push({ dim: dim++, at: wrapped(op, key, size), shape: key.shape })
    else {
      picked.push(...coordinates(op, key, view.shape, dim))
      dim += key.rank
    }
  }
  return { view, picked }
}

/** Indices with negative ones counted from the end. */
function wrapped(op: string, index: Tensor, size: number): Int32Array {
  return Int32Array.from(onHost(`${op} with a tensor`, index), (v, i) => {
    if (v < -size || v >= size) throw new RangeError(`${op}: indices ${-size}..${size - 1} expected, got ${v} at position ${i}`)
    return v < 0 ? v + size : v
  })
}

/** A mask as index tensors, one for each of its dimensions. */
function coordinates(op: string, mask: Tensor, shape: Shape, dim: number): Picked[] {
  if (!sameShape(mask.shape, shape.slice(dim, dim + mask.rank))) {
    throw new ShapeError(
      `${op}: a mask ${show(mask.shape)} doesn't fit x ${show(shape)} from dim ${dim} on: a float32 tensor is a mask; give indices as int32`,
    )
  }
  if (mask.rank === 0) throw new ShapeError(`${op}: a mask with dimensions expected, got a scalar: give an index as a number or as int32`)
  const values = onHost(`${op} with a mask`, mask)
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== 0 && values[i] !== 1) throw new RangeError(`${op}: 0 and 1 expected in a mask, got ${values[i]} at position ${i}: give indices as int32`)
  }
  const places = nonzeroOf(op, mask).map(placesIn(mask.shape))
  return mask.shape.map((_, d) => ({ dim: dim + d, at: places.map(place => place[d]!), shape: [places.length] }))
}

/**
 * x[keys]: see Key for what may stand there; dimensions not named stay whole. Index tensors are broadcast together; the dimensions of
 * the result that they make stand where they stood if they are neighbours, else in front. Tensors among the keys are read on the host.
 * index(x, 0) · index(x, [1, null], ':', -1) · index(x, '...', rows) · index(x, mask)
 * @throws ShapeError or RangeError for what lies outside x
 */
export function index(x: Tensor, ...keys: Key[]): Tensor {
  requireTensors('index', x)
  return pick('index', x, keys)
}

function pick(op: string, x: Tensor, keys: readonly Key[]): Tensor {
  const { view, picked } = viewOf(op, x, keys)
  const [first] = picked
  if (!first) return view === x ? reshape(x, x.shape) : view
  const shape = picked.reduce<Shape>((s, p) => broadcastShapes(op, s, p.shape, () => `index tensors of shapes ${picked.map(q => show(q.shape)).join(', ')}`), [])
  const front = movedim(view, picked.map(p => p.dim), picked.map((_, i) => i))
  const rest = front.shape.slice(picked.length)
  const strides = stridesOf(front.shape.slice(0, picked.length))
  const at = new Int32Array(sizeOf(shape))
  picked.forEach((p, i) => {
    if (at.length === 0) return
    nested(1, shape, [broadcastStrides(p.shape, shape)], ([n], [s], [start], out) => {
      for (let j = 0; j < n!; j++) at[out + j] = at[out + j]! + p.at[start! + j * s![0]!]! * strides[i]!
    })
  })
  const rows = reshape(front, [sizeOf(front.shape.slice(0, picked.length)), ...rest])
  const y = reshape(indexSelect(rows, 0, at), [...shape, ...rest])
  const apart = picked.some((p, i) => p.dim !== first.dim + i)
  if (apart || first.dim === 0) return y
  return movedim(y, shape.map((_, i) => i), shape.map((_, i) => first.dim + i))
}

/**
 * A copy of x with `values` (broadcast) at the places that index(x, ...keys) reads; with accumulate they are added. Where a place is
 * named twice the last value stays, or all are added. The positions are found on the host.
 */
export function indexPut(x: Tensor, keys: readonly Key[], values: Tensor | number, options: { accumulate?: boolean } = {}): Tensor {
  const { accumulate = false } = requireOptions('indexPut', options, 'accumulate')
  requireTensors('indexPut', x)
  if (!Array.isArray(keys)) throw new TypeError(`indexPut: a list of keys expected, indexPut(x, [0, ':'], values) for instance, got ${keys}`)
  const places = pick('indexPut', new Tensor(x.shape, 'int32', x.backend).set(iota(x.size)), keys)
  const given = typeof values === 'number' ? new Tensor([], x.dtype, x.backend).set([values]) : values
  if (given.dtype !== x.dtype) throw new TypeError(`indexPut: values of x's type ${x.dtype} expected, got ${given.dtype}`)
  if (!sameShape(broadcastShapes('indexPut', given.shape, places.shape), places.shape)) {
    throw new ShapeError(`indexPut: values that broadcast to the ${show(places.shape)} of the places expected, got ${show(given.shape)}`)
  }
  const flat = reshape(x, [x.size])
  const news = reshape(expand(given, places.shape), [places.size])
  const at = onHost('indexPut', places)
  if (accumulate) return reshape(indexAdd(flat, 0, reshape(places, [places.size]), news), x.shape)
  const from = iota(x.size)
  for (let i = 0; i < at.length; i++) from[at[i]!] = x.size + i
  return reshape(indexSelect(cat([flat, news]), 0, from), x.shape)
}

/** The elements of x where the mask (broadcast with x) is not 0, as a vector. Found on the host. */
export function maskedSelect(x: Tensor, mask: Tensor): Tensor {
  requireTensors('maskedSelect', x, mask)
  const shape = broadcastShapes('maskedSelect', x.shape, mask.shape)
  const n = sizeOf(shape)
  return indexSelect(reshape(expand(x, shape), [n]), 0, nonzeroOf('maskedSelect', expand(mask, shape)))
}
