// Order: sort, argsort, topk, median, unique, nonzero. The host compares and gather picks, so that gradients are those of gather.

import { around, dimension, iota, isWhole, placesIn, requireOptions, ShapeError, show, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { requireTensors } from './checks.js'
import { onHost } from './host.js'
import { gathered, indexSelect } from './indexing.js'
import { reshape, select } from './layout.js'
import { amax, mean, type Extremes } from './reduce.js'

/** −1, 0 or 1: NaN stands behind all numbers, as in PyTorch. */
const compare = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : a === b ? 0 : Number(a !== a) - Number(b !== b))

/** Where the first k of each row of x along dim in sorted order stand. Equal elements stay in their order in both directions. */
function orderOf(op: string, x: Tensor, dim: number, k: number, descending: boolean): Tensor {
  const values = onHost(op, x)
  const [outer, n, inner] = around(x.shape, dim, dim)
  const order = new Int32Array(outer * k * inner)
  const row = new Float64Array(n)
  const sign = descending ? -1 : 1
  const indices = new Int32Array(n)
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      for (let j = 0; j < n; j++) {
        row[j] = values[(o * n + j) * inner + i]!
        indices[j] = j
      }
      indices.sort((i, j) => sign * compare(row[i]!, row[j]!))
      for (let j = 0; j < k; j++) order[(o * k + j) * inner + i] = indices[j]!
    }
  }
  return new Tensor(x.shape.map((d, i) => (i === dim ? k : d)), 'int32', x.backend).set(order)
}

/** A scalar is a row of one. */
function inOrder(op: string, x: Tensor, dim: number, k: number | null, descending: boolean): Extremes {
  const d = dimension(op, dim, x.rank)
  const row = x.rank === 0 ? reshape(x, [1]) : x
  const indices = orderOf(op, row, d, k ?? row.shape[d]!, descending)
  const values = gathered(row, d, indices)
  return x.rank === 0 && (k ?? 1) === 1 ? { values: reshape(values, []), indices: reshape(indices, []) } : { values, indices }
}

export interface SortOptions {
  /** Largest first (default false) */
  descending?: boolean
}
/** x sorted along dim, and where the elements came from (int32). Stable; NaN counts as largest. Sorted on the host. */
export function sort(x: Tensor, dim = -1, options: SortOptions = {}): Extremes {
  requireOptions('sort', options, 'descending')
  return inOrder('sort', x, dim, null, options.descending ?? false)
}

/** The indices (int32) that sort x along dim, as those of sort() */
export function argsort(x: Tensor, dim = -1, options: SortOptions = {}): Tensor {
  requireOptions('argsort', options, 'descending')
  const d = dimension('argsort', dim, x.rank)
  return orderOf('argsort', x, d, x.shape[d] ?? 1, options.descending ?? false)
}

/**
 * The k largest (or smallest) elements along dim in order, and their indices; NaN counts as largest.
 * @throws ShapeError if there are fewer than k
 */
export function topk(x: Tensor, k: number, dim = -1, options: { largest?: boolean } = {}): Extremes {
  requireOptions('topk', options, 'largest')
  const size = x.shape[dimension('topk', dim, x.rank)] ?? 1
  if (!isWhole(k, 0, size)) {
    throw new ShapeError(`topk: k in 0..${size} expected, the size of dim ${dim} of shape ${show(x.shape)}, got ${k}`)
  }
  return inOrder('topk', x, dim, k, options.largest ?? true)
}

/**
 * The middle element of x in sorted order, the lower one of two, and NaN if there is one; equal ones share the gradient. The whole tensor's.
 * @throws ShapeError if x has no elements
 */
export function median(x: Tensor): Tensor {
  requireTensors('median', x)
  if (arguments.length > 1) throw new TypeError('median: no dim expected: sort(x, dim) orders along one')
  if (x.size === 0) throw new ShapeError(`median: of no elements, in shape ${show(x.shape)}, there is no middle`)
  const flat = reshape(x, [x.size])
  const values = onHost('median', flat)
  const order = [...orderOf('median', flat, 0, x.size, false).values()]
  const last = order.at(-1)!
  const middle = values[last] !== values[last] ? last : order[(x.size - 1) >> 1]!
  if (x.dtype === 'int32') return select(flat, 0, middle)
  // exact, which the mean is not; among NaN amax shares nothing
  const ties = indexSelect(flat, 0, order.filter(i => compare(values[i]!, values[middle]!) === 0))
  return middle === last ? mean(ties) : amax(ties)
}

export interface Distinct {
  /** The different elements in increasing order (with dim: the different slices, in lexicographic order) */
  values: Tensor
  /** For each element of x (each slice) its position in values, int32 */
  inverse: Tensor
  /** How often each occurs, int32 */
  counts: Tensor
}
/** The different elements of x, or its different slices along dim; NaN differs from everything. Found on the host. */
export function unique(x: Tensor, options: { dim?: number | null } = {}): Distinct {
  const { dim = null } = requireOptions('unique', options, 'dim')
  requireTensors('unique', x)
  const d = dim === null ? 0 : dimension('unique', dim, x.rank)
  const from = dim === null || x.rank === 0 ? reshape(x, [x.size]) : x
  const values = onHost('unique', from)
  const [outer, n, inner] = around(from.shape, d, d)
  /** The first that `f` says of the elements of slices i and j, if not 0 */
  const first = (i: number, j: number, f: (a: number, b: number) => number): number => {
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < inner; k++) {
        const found = f(values[(o * n + i) * inner + k]!, values[(o * n + j) * inner + k]!)
        if (found !== 0) return found
      }
    }
    return 0
  }
  const against = (i: number, j: number): number => first(i, j, compare)
  const holdsNaN = (i: number): boolean => first(i, i, a => Number(a !== a)) !== 0
  const order = iota(n).sort(against)
  const firsts: number[] = []
  const counts: number[] = []
  const inverse = new Int32Array(n)
  order.forEach((i, at) => {
    if (at === 0 || against(order[at - 1]!, i) !== 0 || holdsNaN(i)) {
      firsts.push(i)
      counts.push(0)
    }
    inverse[i] = firsts.length - 1
    counts[counts.length - 1]!++
  })
  const ints = (list: ArrayLike<number>, shape: Shape): Tensor => new Tensor(shape, 'int32', x.backend).set(list)
  return {
    values: indexSelect(from, d, firsts),
    inverse: ints(inverse, dim === null ? x.shape : [n]),
    counts: ints(counts, [counts.length]),
  }
}

/** Where x is not 0: indices (int32) of shape [how many, rank], in row-major order. Found on the host. */
export function nonzero(x: Tensor): Tensor {
  requireTensors('nonzero', x)
  const found = nonzeroOf('nonzero', x)
  return new Tensor([found.length, x.rank], 'int32', x.backend).set(found.flatMap(placesIn(x.shape)))
}

/** Positions of the elements of x that are not 0. @internal */
export function nonzeroOf(op: string, x: Tensor): number[] {
  const values = onHost(op, x)
  const found: number[] = []
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) found.push(i)
  return found
}
