// Questions about elements: which are NaN or infinite, whether any or all are true, how many are not 0. Answers are 1 and 0.

import { broadcastShapes, broadcastStrides, nested, requireOptions, sizeOf } from '../shape.js'
import { Tensor } from '../tensor.js'
import { eq, gt, lt, ne } from './arithmetic.js'
import { requireTensors } from './checks.js'
import { onHost } from './host.js'
import { sum, type Dims, type ReduceOptions } from './reduce.js'
import { abs, float, int } from './unary.js'

function floatOf(op: string, x: Tensor): Tensor {
  requireTensors(op, x)
  return float(x)
}

/** 1 where x is NaN, else 0 */
export function isnan(x: Tensor): Tensor {
  const y = floatOf('isnan', x)
  return ne(y, y)
}
/** 1 where x is ∞ or −∞, else 0 */
export const isinf = (x: Tensor): Tensor => eq(abs(floatOf('isinf', x)), Infinity)
/** 1 where x is neither NaN nor infinite, else 0 */
export const isfinite = (x: Tensor): Tensor => lt(abs(floatOf('isfinite', x)), Infinity)

/** 1 if an element over dim is not 0 (NaN is not), else 0; 0 for no elements */
export const any = (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => gt(sum(ne(floatOf('any', x), 0), dim, options), 0)
/** 1 if no element over dim is 0, else 0; 1 for no elements */
export const all = (x: Tensor, dim?: Dims, options?: ReduceOptions): Tensor => eq(sum(eq(floatOf('all', x), 0), dim, options), 0)
/** How many elements over dim are not 0, as int32 */
export const countNonzero = (x: Tensor, dim?: Dims): Tensor => int(sum(ne(floatOf('countNonzero', x), 0), dim))

export interface CloseOptions {
  /** Relative to |b| (default 1e-5) */
  rtol?: number
  /** Absolute (default 1e-8) */
  atol?: number
  /** Is NaN close to NaN (default false)? */
  equalNan?: boolean
}
/** Is |a − b| ≤ atol + rtol |b| everywhere (broadcast)? Equal infinities are close. Reads both on the host. */
export function allclose(a: Tensor, b: Tensor, options: CloseOptions = {}): boolean {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = requireOptions('allclose', options, 'rtol atol equalNan')
  requireTensors('allclose', a, b)
  const shape = broadcastShapes('allclose', a.shape, b.shape)
  const [p, q] = [onHost('allclose', a), onHost('allclose', b)]
  let close = true
  if (sizeOf(shape) === 0) return close
  nested(1, shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)], ([n], [s, t], [i, j]) => {
    for (let k = 0; k < n! && close; k++) {
      const [x, y] = [p[i! + k * s![0]!]!, q[j! + k * t![0]!]!]
      close = x === y || (x !== x && y !== y ? equalNan : Math.abs(y) < Infinity && Math.abs(x - y) <= atol + rtol * Math.abs(y))
    }
  })
  return close
}
