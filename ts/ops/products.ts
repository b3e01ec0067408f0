// Products that name what they multiply: mm, mv, dot, bmm, outer, trace. Running products and differences.

import { dimension, requireCount, requireOptions, ShapeError, show, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { mul, requireFloat, sub } from './arithmetic.js'
import { diagonal } from './arrange.js'
import { requireTensors } from './checks.js'
import { cat } from './joining.js'
import { narrow, unsqueeze } from './layout.js'
import { matmul } from './matmul.js'
import { sum } from './reduce.js'

function requireRanks(op: string, form: string, ranks: Shape, a: Tensor, b: Tensor): void {
  requireFloat(op, a, b)
  if (a.rank !== ranks[0] || b.rank !== ranks[1]) {
    throw new ShapeError(`${op}: ${form} expected, got ${show(a.shape)} and ${show(b.shape)}: matmul() takes any ranks and broadcasts`)
  }
}

/** The product of two matrices: a [n, m], b [m, p] */
export function mm(a: Tensor, b: Tensor): Tensor {
  requireRanks('mm', 'two matrices [n, m] and [m, p]', [2, 2], a, b)
  return matmul(a, b)
}

/** A matrix times a vector: a [n, m], b [m] */
export function mv(a: Tensor, b: Tensor): Tensor {
  requireRanks('mv', 'a matrix [n, m] and a vector [m]', [2, 1], a, b)
  return matmul(a, b)
}

/** Σ a b of two vectors of one size */
export function dot(a: Tensor, b: Tensor): Tensor {
  requireRanks('dot', 'two vectors of one size', [1, 1], a, b)
  if (a.size !== b.size) throw new ShapeError(`dot: two vectors of one size expected, got ${show(a.shape)} and ${show(b.shape)}`)
  return matmul(a, b)
}

/** The products of two batches of matrices: a [b, n, m], b [b, m, p] */
export function bmm(a: Tensor, b: Tensor): Tensor {
  requireRanks('bmm', 'two batches of matrices [b, n, m] and [b, m, p]', [3, 3], a, b)
  if (a.shape[0] !== b.shape[0]) throw new ShapeError(`bmm: batches of one size expected, got ${show(a.shape)} and ${show(b.shape)}: matmul() broadcasts`)
  return matmul(a, b)
}

/** All products of two vectors: y[i][j] = a[i] b[j] */
export function outer(a: Tensor, b: Tensor): Tensor {
  requireRanks('outer', 'two vectors', [1, 1], a, b)
  return mul(unsqueeze(a, 1), b)
}

/** The sum of the diagonal of a matrix */
export function trace(x: Tensor): Tensor {
  requireTensors('trace', x)
  if (x.rank !== 2) throw new ShapeError(`trace: a matrix expected, got shape ${show(x.shape)}: sum(diagonal(x), -1) takes batches`)
  return sum(diagonal(x))
}

/** Running products along dim, in log n passes (Hillis and Steele, 1986); the gradient is right with zero factors too. */
export function cumprod(x: Tensor, dim: number): Tensor {
  requireFloat('cumprod', x)
  const d = dimension('cumprod', dim, x.rank)
  const n = x.shape[d] ?? 1
  let y = mul(x, 1)
  for (let by = 1; by < n; by *= 2) y = cat([narrow(y, d, 0, by), mul(narrow(y, d, by, n - by), narrow(y, d, 0, n - by))], d)
  return y
}

export interface DiffOptions {
  /** How many times (default 1) */
  n?: number
  /** Default the last */
  dim?: number
}
/** Differences of neighbours along dim: y[i] = x[i + 1] − x[i], n times */
export function diff(x: Tensor, options: DiffOptions = {}): Tensor {
  const { n = 1, dim = -1 } = requireOptions('diff', options, 'n dim')
  requireFloat('diff', x)
  if (x.rank === 0) throw new ShapeError('diff: a tensor with dimensions expected, got a scalar')
  requireCount('diff', 'n', n, 0)
  const d = dimension('diff', dim, x.rank)
  let y = x
  for (let i = 0; i < n; i++) {
    const left = Math.max(0, y.shape[d]! - 1)
    y = sub(narrow(y, d, y.shape[d]! - left, left), narrow(y, d, 0, left))
  }
  return y
}
