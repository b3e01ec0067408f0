// Reading and adding elements by int32 index: gather, scatter, selection of rows, one-hot, embedding.

import { isReal } from '../arena.js'
import { apply, type Op } from '../autograd.js'
import { recorder } from '../memory.js'
import { around, dimension, isWhole, requireCount, requireOptions, ShapeError, show } from '../shape.js'
import { Tensor } from '../tensor.js'
import { ne, where } from './arithmetic.js'
import { requireTensors } from './checks.js'
import { reshape, slice } from './layout.js'
import { float } from './unary.js'

export type Indices = Tensor | ArrayLike<number>

/** Indices as an int32 tensor beside x; whole float32 numbers will do. */
function indexTensor(index: Indices, beside: Tensor): Tensor {
  if (index instanceof Tensor) {
    if (index.dtype === 'int32') return index
    const y = new Tensor(index.shape, 'int32', index.backend)
    index.backend.kernels.toInt(index.size, index.address, y.address)
    return y
  }
  return new Tensor([index.length], 'int32', beside.backend).set(index)
}

/** The error for an index; `of` says of what. @internal */
export const outside = (op: string, what: string, n: number, got: number, position: number, of = ''): RangeError =>
  new RangeError(`${op}: ${what} 0..${n - 1} expected${of}, got ${got} at position ${position}`)

/** A function that refuses indices that are not whole or outside 0..n−1, but for `except`. @internal */
export function indexCheck(op: string, what: string, index: Tensor, n: number, except: number | null = null, of?: string): () => void {
  const { backend, buffer, size, dtype } = index
  return () => {
    let values: ArrayLike<number> = []
    try {
      values = backend.read(buffer.address, size, dtype)
    } catch (error) {
      // on meta what was computed is unknown
      if (isReal(backend)) throw error
    }
    for (let i = 0; i < values.length; i++) {
      const v = values[i]!
      // nearly all of them; isInteger() alone takes a few ns
      if (v >>> 0 === v && v < n) continue
      if (!Number.isInteger(v)) throw new RangeError(`${op}: whole numbers as ${what} expected, got ${v} at position ${i}`)
      if (v !== except) throw outside(op, what, n, v, i, of)
    }
  }
}
/**
 * Refuse such indices. They are read on the host, where a mistake can be named; so are those of a captured step, at every replay where they
 * are one of its inputs, else while it is recorded. @internal
 */
export function checkIndices(op: string, what: string, index: Tensor, n: number, except: number | null = null): void {
  const check = indexCheck(op, what, index, n, except)
  check()
  recorder?.verify(index.buffer, check)
}

interface Along {
  dim: number
  /** Size of the dimension in the larger tensor */
  n: number
}

const gatherOp: Op<Along> = {
  name: 'gather',
  forward([x, index], { dim, n }) {
    const y = new Tensor(index!.shape, x!.dtype, x!.backend)
    const [outer, m, inner] = around(index!.shape, dim, dim)
    x!.backend.kernels.gather(outer, n, m, inner, x!.address, index!.address, y.address)
    return y
  },
  gradient: (g, { inputs: [, index], attrs }) => [apply(scatterAddOp, [g, index!], attrs), null],
}
const scatterAddOp: Op<Along> = {
  name: 'scatterAdd',
  forward([g, index], { dim, n }) {
    const y = new Tensor(g!.shape.map((d, i) => (i === dim ? n : d)), 'float32', g!.backend)
    const [outer, m, inner] = around(index!.shape, dim, dim)
    g!.backend.kernels.scatterAdd(outer, n, m, inner, g!.address, index!.address, y.address)
    return y
  },
  gradient: (g, { inputs: [, index], attrs }) => [apply(gatherOp, [g, index!], attrs), null],
}
/**
 * y[i][j] = x[index[i][j]][j] for dim 0, and so on; y has the index's shape, whose other sizes may be smaller than x's.
 * @throws RangeError for an index outside x
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  requireTensors('gather', x, index)
  const d = dimension('gather', dim, x.rank)
  if (index.rank !== x.rank || index.shape.some((size, i) => i !== d && size > x.shape[i]!)) {
    throw new ShapeError(`gather: an index with at most the sizes of x ${show(x.shape)} except in dim ${dim} expected, got ${show(index.shape)}`)
  }
  checkIndices('gather', 'indices', index, x.shape[d] ?? 1)
  const smaller = index.shape.flatMap((end, i) => (i !== d && end < x.shape[i]! ? [{ dim: i, end }] : []))
  return gathered(smaller.length ? slice(x, smaller) : x, d, indexTensor(index, x))
}
/** gather of int32 indices that are known to be inside, of x's sizes but for dim. @internal */
export const gathered = (x: Tensor, dim: number, index: Tensor): Tensor => apply(gatherOp, [x, index], { dim, n: x.shape[dim] ?? 1 })

const indexSelectOp: Op<Along> = {
  name: 'indexSelect',
  forward([x, index], { dim, n }) {
    const y = new Tensor(x!.shape.map((d, i) => (i === dim ? index!.size : d)), x!.dtype, x!.backend)
    const [outer, , inner] = around(x!.shape, dim, dim)
    x!.backend.kernels.indexSelect(outer, n, index!.size, inner, x!.address, index!.address, y.address)
    return y
  },
  gradient: (g, { inputs: [, index], attrs }) => [apply(indexAddOp, [g, index!], attrs), null],
}
const indexAddOp: Op<Along> = {
  name: 'indexAdd',
  forward([g, index], { dim, n }) {
    const y = new Tensor(g!.shape.map((d, i) => (i === dim ? n : d)), 'float32', g!.backend)
    const [outer, m, inner] = around(g!.shape, dim, dim)
    g!.backend.kernels.indexAdd(outer, n, m, inner, g!.address, index!.address, y.address)
    return y
  },
  gradient: (g, { inputs: [, index], attrs }) => [apply(indexSelectOp, [g, index!], attrs), null],
}
/**
 * The entries index[0], index[1] … along dim; entries named twice add up in the gradient.
 * @throws RangeError for an index outside x
 */
export function indexSelect(x: Tensor, dim: number, index: Indices): Tensor {
  const d = dimension('indexSelect', dim, x.rank)
  const size = x.shape[d] ?? 1
  if (index instanceof Tensor) checkIndices('indexSelect', 'indices', index, size)
  else {
    for (let i = 0; i < index.length; i++) {
      if (!isWhole(index[i]!, 0, size - 1)) throw outside('indexSelect', 'indices', size, index[i]!, i, ` for dim ${dim} of x ${show(x.shape)}`)
    }
  }
  const at = indexTensor(index, x)
  if (at.rank !== 1) throw new ShapeError(`indexSelect: a list of indices expected, got shape ${show(at.shape)}`)
  return selected(x, d, at)
}
/** indexSelect of int32 indices that are known to be inside. @internal */
export const selected = (x: Tensor, dim: number, index: Tensor): Tensor => apply(indexSelectOp, [x, index], { dim, n: x.shape[dim] ?? 1 })

export interface EmbeddingOptions {
  /** A row that is not trained: its gradient is 0 (default none; negative counts from the end) */
  paddingIdx?: number | null
}
/**
 * Rows of a table: y[i] = weight[index[i]]. index: whole numbers of any shape, weight: [n, d]; the result has shape [...index.shape, d].
 * @throws RangeError for an index outside 0..n−1
 */
export function embedding(index: Tensor, weight: Tensor, options: EmbeddingOptions = {}): Tensor {
  const { paddingIdx } = requireOptions('embedding', options, 'paddingIdx')
  requireTensors('embedding', index, weight)
  if (weight.rank !== 2) throw new ShapeError(`embedding: a weight [n, d] expected, got ${show(weight.shape)}`)
  const [n, d] = weight.shape as [number, number]
  checkIndices('embedding', 'indices', index, n)
  const at = indexTensor(index, weight)
  const rows = selected(weight, 0, reshape(at, [at.size]))
  const shape = [...at.shape, d]
  if (paddingIdx === null || paddingIdx === undefined) return reshape(rows, shape)
  if (!isWhole(paddingIdx, -n, n - 1)) throw new RangeError(`embedding: paddingIdx in ${-n}..${n - 1} expected, got ${paddingIdx}`)
  const trained = ne(reshape(float(at), [at.size, 1]), paddingIdx < 0 ? paddingIdx + n : paddingIdx)
  return reshape(where(trained, rows, rows.alias()), shape)
}

/**
 * 1 at the index, 0 elsewhere, in a new last dimension of size numClasses.
 * @throws RangeError for an index outside 0..numClasses−1
 */
export function oneHot(index: Tensor, numClasses: number): Tensor {
  requireTensors('oneHot', index)
  const at = indexTensor(index, index)
  requireCount('oneHot', 'numClasses', numClasses, 0)
  checkIndices('oneHot', 'classes', index, numClasses)
  return hot(at, numClasses)
}
/** oneHot of int32 classes; all zeros for one outside. @internal */
export function hot(at: Tensor, numClasses: number): Tensor {
  const y = new Tensor([...at.shape, numClasses], 'float32', at.backend)
  at.backend.kernels.oneHot(at.size, numClasses, at.address, y.address)
  y.label = 'oneHot'
  return y
}
