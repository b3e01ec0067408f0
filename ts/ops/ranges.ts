// Tensors from a few numbers: of another's shape, random whole numbers, permutations, indices of triangles.

import { currentBackend, onBackend } from '../backends/current.js'
import { hostMark } from '../memory.js'
import { checkShape, iota, placesIn, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { requireInteger } from './checks.js'
import { empty, like, tensor } from './creation.js'
import { hostGenerator, rand, randn } from './random.js'

/** A tensor in float32 whose elements are all `value`, of x's shape, on x's backend */
export const fullLike = (x: Tensor, value: number): Tensor => like(x, value)

const beside = (x: Tensor, make: () => Tensor): Tensor => (x.backend === currentBackend() ? make() : onBackend(x.backend.name, make))
/** Numbers drawn evenly from [low, high) (default [0, 1)), of x's shape, on x's backend */
export const randLike = (x: Tensor, options: { low?: number; high?: number } = {}): Tensor => beside(x, () => rand(x.shape, options))
/** Normal numbers of this mean (default 0) and standard deviation (default 1), of x's shape, on x's backend */
export const randnLike = (x: Tensor, options: { mean?: number; std?: number } = {}): Tensor => beside(x, () => randn(x.shape, options))

/** An int32 tensor that the host's generator fills, anew at each replay of a captured step. */
function drawn(shape: Shape, values: (n: number) => Int32Array): Tensor {
  const t = empty(shape, 'int32')
  const { address, backend, size } = t
  hostMark(() => backend.write(address, values(size), 'int32'))
  return t
}

/**
 * Whole numbers (int32) from low to high − 1, all equally likely.
 * @throws RangeError unless low < high are whole numbers of 32 bits
 */
export function randint(low: number, high: number, shape: Shape): Tensor {
  if (!(Number.isInteger(low) && Number.isInteger(high) && low < high && low >= -0x80000000 && high <= 0x80000000)) {
    throw new RangeError(`randint: whole numbers low < high of 32 bits expected, got ${low} and ${high}`)
  }
  return drawn(checkShape('randint', shape), n => Int32Array.from({ length: n }, () => low + hostGenerator().integer(high - low)))
}

/** 0 … n − 1 in random order, int32 */
export function randperm(n: number): Tensor {
  checkShape('randperm', [n])
  return drawn([n], size => hostGenerator().shuffle(iota(size)))
}

function triangleIndices(op: string, rows: number, columns: number, inside: (row: number, column: number) => boolean, offset: number): Tensor {
  checkShape(op, [rows, columns])
  requireInteger(op, 'offset', offset)
  const found = [...iota(rows * columns)].map(placesIn([rows, columns])).filter(([i, j]) => inside(i!, j!))
  return tensor([0, 1].flatMap(d => found.map(place => place[d]!)), [2, found.length], { dtype: 'int32' })
}
/** Rows and columns (int32, [2, how many]) of the lower triangle of a matrix, row by row; offset k > 0 takes k more diagonals. */
export const trilIndices = (rows: number, columns: number, offset = 0): Tensor =>
  triangleIndices('trilIndices', rows, columns, (i, j) => j - i <= offset, offset)
/** Rows and columns of the upper triangle */
export const triuIndices = (rows: number, columns: number, offset = 0): Tensor =>
  triangleIndices('triuIndices', rows, columns, (i, j) => j - i >= offset, offset)
