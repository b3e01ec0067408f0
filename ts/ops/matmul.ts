// Matrix products: matmul with broadcast batches, and linear.

import { apply, type Op } from '../autograd.js'
import { Activation, Reduce } from '../kernels.js'
import { broadcastShapes, broadcastStrides, nested, requireOptions, show, ShapeError, sizeOf, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { requireFloat, sumTo } from './arithmetic.js'
import { requireBias } from './checks.js'
import { reshape } from './layout.js'
import { sum } from './reduce.js'
import { rectified, rectifiedOver } from './unary.js'

interface Product {
  /** Read a, b transposed, for free: [k, m] and [n, k] */
  transA: boolean
  transB: boolean
}

/** y [m, n] = op(a) op(b) over k. @internal */
export function multiplyInto(y: Tensor, a: Tensor, b: Tensor, transA: boolean, transB: boolean, m: number, n: number, k: number): void {
  y.backend.kernels.gemm(1, transA ? 1 : 0, transB ? 1 : 0, m, n, k, 1, a.address, 0, b.address, 0, 0, y.address, 0, 0, Activation.none)
}

/** y_i = op(a_i) op(b_i) for matrices in the last two dimensions, leading ones broadcast. */
function multiply(a: Tensor, b: Tensor, { transA, transB }: Product): Tensor {
  const m = a.shape[a.rank - (transA ? 1 : 2)]!
  const k = a.shape[a.rank - (transA ? 2 : 1)]!
  const n = b.shape[b.rank - (transB ? 2 : 1)]!
  const { kernels, width } = a.backend
  if (a.rank === 2 && b.rank === 2) {
    const y = new Tensor([m, n], 'float32', a.backend)
    multiplyInto(y, a, b, transA, transB, m, n, k)
    return y
  }
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  const batch = broadcastShapes('matmul', batchA, batchB, () => `the leading dimensions of a ${show(a.shape)} and b ${show(b.shape)}`)
  const y = new Tensor([...batch, m, n], 'float32', a.backend)
  // a single b for all matrices of a: one tall product
  if (!transA && sizeOf(batchB) === 1) {
    multiplyInto(y, a, b, false, transB, sizeOf(batch) * m, n, k)
    return y
  }
  const strides = [scaled(broadcastStrides(batchA, batch), m * k), scaled(broadcastStrides(batchB, batch), k * n)]
  nested(1, batch, strides, (count, [sa, sb], [i, j], out) =>
    kernels.gemm(
      count[0]!, transA ? 1 : 0, transB ? 1 : 0, m, n, k, 1, a.address + i! * width, sa![0]!, b.address + j! * width, sb![0]!, 0,
      y.address + out * m * n * width, m * n, 0, Activation.none,
    ),
  )
  return y
}
const scaled = (strides: readonly number[], by: number): number[] => strides.map(s => s * by)

const matmulOp: Op<Product> = {
  name: 'matmul',
  forward: ([a, b], attrs) => multiply(a!, b!, attrs),
  gradient(g, node) {
    const [a, b] = node.inputs as readonly [Tensor, Tensor]
    const { transA, transB } = node.attrs
    // y = A B with A = op(a), B = op(b): dA = g Bᵀ, dB = Aᵀ g; the transposed leaf gets the transposed product
    const ga = () => (transA ? product(b, g, transB, true) : product(g, b, false, !transB))
    const gb = () => (transB ? product(g, a, true, transA) : product(a, g, !transA, false))
    return [node.needs(0) ? sumTo(ga(), a.shape) : null, node.needs(1) ? sumTo(gb(), b.shape) : null]
  },
}
/** op(a) op(b) of matrices in the last two dimensions, leading ones broadcast, op a free transposition. @internal */
export const product = (a: Tensor, b: Tensor, transA: boolean, transB: boolean): Tensor => apply(matmulOp, [a, b], { transA, transB })

/**
 * a b: matrices in the last two dimensions, leading ones broadcast; a vector is a row on the left, a column on the right.
 * @throws ShapeError if the inner sizes differ
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireFloat('matmul', a, b)
  if (a.rank === 0 || b.rank === 0) throw new ShapeError(`matmul: matrices or vectors expected, got ${show(a.shape)} and ${show(b.shape)}: multiply by a number with mul`)
  const left = a.rank === 1 ? reshape(a, [1, a.size]) : a
  const right = b.rank === 1 ? reshape(b, [b.size, 1]) : b
  const k = left.shape[left.rank - 1]!
  const k2 = right.shape[right.rank - 2]!
  if (k !== k2) throw new ShapeError(`matmul: a ${show(a.shape)} has ${k} columns, but b ${show(b.shape)} has ${k2} rows: transpose one of them?`)
  const y = product(left, right, false, false)
  if (a.rank > 1 && b.rank > 1) return y
  return reshape(y, y.shape.filter((_, i) => !(a.rank === 1 && i === y.rank - 2) && !(b.rank === 1 && i === y.rank - 1)))
}

const linearOp: Op<{ shape: Shape; relu: boolean }> = {
  name: 'linear',
  forward([x, w, b], { shape, relu }) {
    const [n, k] = w!.shape as [number, number]
    const y = new Tensor(shape, 'float32', x!.backend)
    x!.backend.kernels.gemm(1, 0, 1, y.size / Math.max(n, 1), n, k, 1, x!.address, 0, w!.address, 0, 0, y.address, 0, b ? b.address : 0, relu ? Activation.relu : Activation.none)
    return y
  },
  gradient(slope, node) {
    const g = node.attrs.relu ? rectified(slope, node.output) : slope
    const [x, w, b] = node.inputs as readonly [Tensor, Tensor, Tensor?]
    const [n, k] = w.shape as [number, number]
    const rows = reshape(g, [g.size / Math.max(n, 1), n])
    return [
      node.needs(0) ? reshape(product(rows, w, false, false), x.shape) : null,
      node.needs(1) ? product(rows, reshape(x, [rows.shape[0]!, k]), true, false) : null,
      b && node.needs(2) ? sum(rows, 0) : null,
    ]
  },
  fused(slope, node) {
    const g = node.attrs.relu ? rectifiedOver(slope, node.output) : slope
    const [x, w, b] = node.inputs as readonly [Tensor, Tensor, Tensor?]
    const [n, k] = w.shape as [number, number]
    const m = g.size / Math.max(n, 1)
    const { kernels } = x.backend
    const gx = node.needs(0) ? node.into(0) : null
    if (gx) multiplyInto(gx, g, w, false, false, m, k, n)
    const gw = node.needs(1) ? node.into(1) : null
    if (gw) multiplyInto(gw, g, x, true, false, n, k, m)
    const gb = b && node.needs(2) ? node.into(2) : null
    if (gb) kernels.reduce(Reduce.sum, 1, m, n, g.address, gb.address)
    return [gx, gw, gb]
  },
}
export interface LinearOptions {
  /** max(0, y), in the same pass (default false): what relu() would give, but that its operand is not kept */
  relu?: boolean
}
/**
 * x wᵀ + b. x: [..., in], weight: [out, in], bias: [out]
 * @throws ShapeError if x's last size is not the weight's `in`
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null, options: LinearOptions = {}): Tensor {
  const { relu = false } = requireOptions('linear', options, 'relu')
  requireFloat('linear', x, weight)
  if (weight.rank !== 2) throw new ShapeError(`linear: a weight [out, in] expected, got ${show(weight.shape)}`)
  const [n, k] = weight.shape as [number, number]
  if (x.rank === 0 || x.shape.at(-1) !== k) {
    const flat = x.rank > 2 && sizeOf(x.shape.slice(1)) === k ? ': flatten(1) it first' : ''
    throw new ShapeError(`linear: x ${show(x.shape)} has ${x.shape.at(-1) ?? 1} features, but weight ${show(weight.shape)} takes ${k}${flat}`)
  }
  requireBias('linear', weight, bias, n)
  return apply(linearOp, bias ? [x, weight, bias] : [x, weight], { shape: [...x.shape.slice(0, -1), n], relu })
}
