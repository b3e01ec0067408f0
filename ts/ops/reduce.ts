// Reductions over dimensions: sum, mean, extremes, products, variance, norms, log-sum-exp, running sums.

import { apply, type Op } from '../autograd.js'
import { Reduce, Unary, type Kernels } from '../kernels.js'
import { around, dimension, dimensions, iota, requireOptions, requirePositive, ShapeError, show, sizeOf, type Shape } from '../shape.js'
import { filled, Tensor } from '../tensor.js'
import { div, eq, mul, requireFloat, sub, where } from './arithmetic.js'
import { like } from './creation.js'
import { expand, narrow, permute, reshape } from './layout.js'
import { cat } from './joining.js'
import { gathered } from './indexing.js'
import { abs, exp, powScalar, sign } from './unary.js'

export type Dims = number | readonly number[] | null | undefined
export interface ReduceOptions {
  /** Keep reduced dimensions with size 1 (default false) */
  keepdim?: boolean
}

const without = (shape: Shape, dims: readonly number[]): number[] => shape.filter((_, i) => !dims.includes(i))
const withOnes = (shape: Shape, dims: readonly number[]): number[] => shape.map((d, i) => (dims.includes(i) ? 1 : d))

type Run = (k: Kernels<number>, outer: number, n: number, inner: number, x: number, y: number) => void
const by = (f: Reduce): Run => (k, outer, n, inner, x, y) => k.reduce(f, outer, n, inner, x, y)
/** Run a reducing kernel over each run of neighbouring dims, the last run first; `next` combines the results of the first. */
function overRuns(x: Tensor, dims: readonly number[], run: Run, next: Run): Tensor {
  const { kernels } = x.backend
  let from = x
  let shape = x.shape
  if (dims.length === 0) {
    const y = new Tensor(shape, 'float32', x.backend)
    run(kernels, x.size, 1, 1, x.address, y.address)
    return y
  }
  for (let i = dims.length - 1; i >= 0; ) {
    const last = dims[i]!
    while (i > 0 && dims[i - 1] === dims[i]! - 1) i--
    const first = dims[i]!
    const to = shape.filter((_, d) => d < first || d > last)
    const y = new Tensor(to, 'float32', x.backend)
    ;(from === x ? run : next)(kernels, ...around(shape, first, last), from.address, y.address)
    if (from !== x) from.release('reduce')
    from = y
    shape = to
    i--
  }
  return from
}

interface Attrs {
  dims: number[]
}

/** g, whose reduced dimensions are gone, repeated to the shape of x. */
const spread = (g: Tensor, x: Tensor, dims: readonly number[]): Tensor => expand(reshape(g, withOnes(x.shape, dims)), x.shape)

type Reduction = (x: Tensor, dim?: Dims, options?: ReduceOptions) => Tensor

/** An op over dims; `next` as in overRuns() */
function reduceOp(
  name: string, run: Run, gradient: (g: Tensor, x: Tensor, y: Tensor, dims: readonly number[]) => Tensor, next = run,
): Reduction {
  const op: Op<Attrs> = {
    name,
    forward: ([x], { dims }) => overRuns(x!, dims, run, next),
    gradient: (g, { inputs: [x], output, attrs: { dims } }) => [gradient(g, x!, output, dims)],
  }
  return (x, dim, options = {}) => {
    requireFloat(name, x)
    requireOptions(name, options, 'keepdim')
    const dims = dimensions(name, dim, x.rank)
    const y = apply(op, [x], { dims })
    return options.keepdim ? reshape(y, withOnes(x.shape, dims)) : y
  }
}

/** Σ x over dim: one dimension, several, or all */
export const sum: Reduction = reduceOp('sum', by(Reduce.sum), (g, x, _y, dims) => spread(g, x, dims))

/** Σ x / n over dim; NaN where n = 0 */
export const mean: Reduction = reduceOp('mean', by(Reduce.mean), (g, x, _y, dims) => spread(mul(g, 1 / count(x.shape, dims)), x, dims))

const count = (shape: Shape, dims: readonly number[]): number => dims.reduce((n, d) => n * shape[d]!, 1)

/** The gradient shared equally among the elements that reach the extreme. */
function amongTies(g: Tensor, x: Tensor, y: Tensor, dims: readonly number[]): Tensor {
  const ties = eq(x, spread(y, x, dims))
  const share = div(g, reshape(sum(ties, dims), g.shape))
  return mul(ties, spread(share, x, dims))
}
function requireElements(name: string, x: Tensor, n: number): void {
  if (n === 0) throw new ShapeError(`${name}: of no elements, in shape ${show(x.shape)}, there is no extreme`)
}
function extreme(name: string, code: Reduce): Reduction {
  const reduce = reduceOp(name, by(code), amongTies)
  return (x, dim, options) => {
    requireElements(name, x, count(x.shape, dimensions(name, dim, x.rank)))
    return reduce(x, dim, options)
  }
}
/** Largest element over dim; NaN wins; equal ones share the gradient */
export const amax = extreme('amax', Reduce.max)
/** Smallest element over dim; NaN wins; equal ones share the gradient */
export const amin = extreme('amin', Reduce.min)

const argOp: Op<{ sign: number; dims: number[] }> = {
  name: 'argmax',
  forward([x], { sign: s, dims }) {
    const y = new Tensor(without(x!.shape, dims), 'int32', x!.backend)
    x!.backend.kernels.argReduce(s, ...around(x!.shape, dims[0] ?? 0, dims.at(-1) ?? 0), x!.address, y.address)
    return y
  },
}
function arg(name: string, s: number, x: Tensor, dim: number | null | undefined, options: ReduceOptions = {}): Tensor {
  requireOptions(name, options, 'keepdim')
  requireFloat(name, x)
  const dims = dimensions(name, dim, x.rank)
  requireElements(name, x, count(x.shape, dims))
  const y = apply(argOp, [x], { sign: s, dims })
  return options.keepdim ? reshape(y, withOnes(x.shape, dims)) : y
}
/** Index (int32) of the largest element over dim, of the flattened tensor without dim; the first at ties; NaN counts as largest */
export const argmax = (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor => arg('argmax', 1, x, dim, options)
/** Index (int32) of the smallest element, as argmax */
export const argmin = (x: Tensor, dim?: number | null, options?: ReduceOptions): Tensor => arg('argmin', -1, x, dim, options)

export interface Extremes {
  values: Tensor
  indices: Tensor
}
function withIndices(name: string, s: number, x: Tensor, dim: number, options: ReduceOptions = {}): Extremes {
  requireOptions(name, options, 'keepdim')
  const d = dimension(name, dim, x.rank)
  const indices = arg(name, s, x, d, { keepdim: true })
  const values = x.rank === 0 ? x : gathered(x, d, indices)
  return options.keepdim ? { values, indices } : { values: reshape(values, without(x.shape, [d])), indices: reshape(indices, without(x.shape, [d])) }
}
/** Largest elements over one dim and their indices; the first at ties takes the whole gradient */
export const max = (x: Tensor, dim: number, options?: ReduceOptions): Extremes => withIndices('max', 1, x, dim, options)
/** Smallest elements over one dim and their indices */
export const min = (x: Tensor, dim: number, options?: ReduceOptions): Extremes => withIndices('min', -1, x, dim, options)

/** log Σ e^x over dim, stable */
export const logsumexp = reduceOp('logsumexp', (k, outer, n, inner, x, y) => k.logSumExp(outer, n, inner, x, y), (g, x, output, dims) => {
  // where the sum is infinite, x − y would be inf − inf
  const y = spread(output, x, dims)
  const weights = where(eq(abs(y), Infinity), eq(x, y), exp(sub(x, y)))
  return mul(spread(g, x, dims), weights)
})

interface Moments extends Attrs {
  divisor: number
}
const varOp: Op<Moments> = {
  name: 'var',
  forward([x], { dims, divisor }) {
    const apart = dims.some((d, i) => i > 0 && d !== dims[i - 1]! + 1)
    const from = apart ? permute(x!, inFront(x!.rank, dims)) : x!
    const first = apart ? 0 : (dims[0] ?? 0)
    const y = new Tensor(without(x!.shape, dims), 'float32', x!.backend)
    const means = new Tensor(y.shape, 'float32', x!.backend)
    const { kernels: k } = x!.backend
    const [outer, n, inner] = dims.length ? around(from.shape, first, first + dims.length - 1) : ([x!.size, 1, 1] as const)
    k.moments(outer, n, inner, from.address, means.address, y.address)
    // without degrees of freedom this is 0 · ∞ for a single value, else ∞
    k.unary(Unary.affine, y.size, 1 / divisor, 0, y.address, y.address)
    means.release('var')
    if (apart) from.release('var')
    return y
  },
  gradient: (g, { inputs: [x], attrs: { dims, divisor } }) => [mul(spread(mul(g, 2 / divisor), x!, dims), sub(x!, mean(x!, dims, { keepdim: true })))],
}
/** All dimensions, those to reduce first */
const inFront = (rank: number, dims: readonly number[]): number[] => [...new Set([...dims, ...iota(rank)])]

export interface VarOptions extends ReduceOptions {
  /** The sum of squared deviations is divided by n − correction (default 1) */
  correction?: number
}
/** Σ (x − mean)² / (n − correction) over dim, two passes */
export const variance = (x: Tensor, dim?: Dims, options?: VarOptions): Tensor => varianceAs('variance', x, dim, options)
function varianceAs(name: string, x: Tensor, dim?: Dims, options: VarOptions = {}): Tensor {
  const { keepdim = false, correction = 1 } = requireOptions(name, options, 'keepdim correction')
  requireFloat(name, x)
  const dims = dimensions(name, dim, x.rank)
  const y = apply(varOp, [x], { dims, divisor: Math.max(0, count(x.shape, dims) - correction) })
  return keepdim ? reshape(y, withOnes(x.shape, dims)) : y
}

const zeroSafeRoot: Op = {
  name: 'sqrt',
  forward([x]) {
    const y = new Tensor(x!.shape, 'float32', x!.backend)
    x!.backend.kernels.unary(Unary.sqrt, x!.size, 0, 0, x!.address, y.address)
    return y
  },
  // gradient 0, not inf, at 0: std of a constant and norm of a zero vector
  gradient: (g, { output: y }) => [where(eq(y, 0), 0, div(mul(g, 0.5), y))],
}
/** √var; gradient 0 for a constant */
export const std = (x: Tensor, dim?: Dims, options?: VarOptions): Tensor => apply(zeroSafeRoot, [varianceAs('std', x, dim, options)])

const sumAbsOp = reduceOp('norm', by(Reduce.sumAbs), (g, x, _y, dims) => mul(spread(g, x, dims), sign(x)), by(Reduce.sum))
const sumSquaresOp = reduceOp('norm', by(Reduce.sumSquares), (g, x, _y, dims) => mul(spread(mul(g, 2), x, dims), x), by(Reduce.sum))
export interface NormOptions extends ReduceOptions {
  /** 1, 2 (default), any p > 0, or Infinity */
  p?: number
}
/** (Σ |x|^p)^(1/p) over dim; gradient 0 for a zero vector */
export function norm(x: Tensor, dim?: Dims, options: NormOptions = {}): Tensor {
  const { p = 2, keepdim = false } = requireOptions('norm', options, 'p keepdim')
  requireFloat('norm', x)
  if (p === 2) return apply(zeroSafeRoot, [sumSquaresOp(x, dim, { keepdim })])
  if (p === 1) return sumAbsOp(x, dim, { keepdim })
  if (p === Infinity) return amax(abs(x), dim, { keepdim })
  requirePositive('norm', 'p', p)
  const total = sum(powScalar(abs(x), p), dim, { keepdim })
  return where(eq(total, 0), 0, powScalar(where(eq(total, 0), 1, total), 1 / p))
}

/** Π x over dim; the gradient is right with zero factors too */
export const prod = reduceOp('prod', by(Reduce.prod), (g, x, _y, dims) => {
  // the product of the others, from both sides: right with zero factors too
  const order = inFront(x.rank, dims)
  const rest = without(x.shape, dims)
  const rows = reshape(permute(x, order), [count(x.shape, dims), sizeOf(rest)])
  const others = mul(exclusiveProducts(rows, false), exclusiveProducts(rows, true))
  const back = reshape(others, order.map(d => x.shape[d]!))
  return mul(spread(g, x, dims), permute(back, order.map((_, i) => order.indexOf(i))))
})
/** Products of the rows before (or after) each row of x [n, m], in log n passes (Hillis and Steele, 1986). */
function exclusiveProducts(x: Tensor, reverse: boolean): Tensor {
  const [n, m] = x.shape as [number, number]
  const shifted = (t: Tensor, by: number): Tensor => {
    const edge = filled([by, m], 1, x.backend)
    return reverse ? cat([narrow(t, 0, by, n - by), edge]) : cat([edge, narrow(t, 0, 0, n - by)])
  }
  if (n * m === 0) return like(x, 1)
  let products = shifted(x, 1)
  for (let by = 1; by < n; by *= 2) products = mul(products, shifted(products, by))
  return products
}
const cumsumOp: Op<{ dim: number; reverse: number }> = {
  name: 'cumsum',
  forward([x], { dim, reverse }) {
    const y = new Tensor(x!.shape, 'float32', x!.backend)
    x!.backend.kernels.cumsum(...around(x!.shape, dim, dim), reverse, x!.address, y.address)
    return y
  },
  gradient: (g, { attrs: { dim, reverse } }) => [apply(cumsumOp, [g], { dim, reverse: 1 - reverse })],
}
/** Running sums along dim */
export function cumsum(x: Tensor, dim: number): Tensor {
  requireFloat('cumsum', x)
  return apply(cumsumOp, [x], { dim: dimension('cumsum', dim, x.rank), reverse: 0 })
}
