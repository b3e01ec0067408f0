// Images at another size: nearest neighbours, or linear interpolation along each dimension.

import { perDim, requireOptions, show, ShapeError, type PerDim } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, mul, requireFloat, sub } from './arithmetic.js'
import { indexSelect } from './indexing.js'
import { reshape } from './layout.js'

export interface InterpolateOptions {
  /** nearest (default), or linear, bilinear, trilinear for images of one, two, three dimensions */
  mode?: 'nearest' | 'linear' | 'bilinear' | 'trilinear'
  /** Size of the result; or */
  size?: PerDim | null
  /** how many times as large, rounded down */
  scaleFactor?: PerDim | null
  /** Let the centres of the corner cells meet instead of their outer edges (default false; linear modes only) */
  alignCorners?: boolean | null
}
const LINEAR = ['linear', 'bilinear', 'trilinear']

/**
 * x resized. x: [n, c, ...]. nearest takes cell ⌊i · in/out⌋; linear modes interpolate at i · (in − 1)/(out − 1) with alignCorners, else
 * at max(0, (i + ½) · in/out − ½).
 * @throws ShapeError unless exactly one of size and scaleFactor is given and the mode fits the rank
 */
export function interpolate(x: Tensor, options: InterpolateOptions = {}): Tensor {
  const { mode = 'nearest', size, scaleFactor, alignCorners } = requireOptions('interpolate', options, 'mode size scaleFactor alignCorners')
  requireFloat('interpolate', x)
  const rank = x.rank - 2
  if (rank < 1 || rank > 3) throw new ShapeError(`interpolate: x [n, c, ...] with one to three sizes expected, got ${show(x.shape)}`)
  if (mode !== 'nearest' && mode !== LINEAR[rank - 1]) throw new ShapeError(`interpolate: mode nearest or ${LINEAR[rank - 1]} expected for x ${show(x.shape)}, got ${mode}`)
  if ((size ?? null) === null === ((scaleFactor ?? null) === null)) throw new ShapeError('interpolate: one of size and scaleFactor expected, got both or neither')
  const input = x.shape.slice(2)
  const output = size !== null && size !== undefined ? perDim('interpolate', 'size', size, rank, 1) : scaledSizes(input, scaleFactor!)
  if (output.some(d => d < 1) || input.some(d => d < 1)) throw new ShapeError(`interpolate: sizes ≥ 1 expected, got ${show(output)} for x ${show(x.shape)}`)
  return output.reduce((y, to, i) => {
    const from = input[i]!
    if (mode === 'nearest') return indexSelect(y, i + 2, Int32Array.from({ length: to }, (_, j) => Math.floor((j * from) / to)))
    return from === to ? y : linearAlong(y, i + 2, to, alignCorners ?? false)
  }, x)
}

function scaledSizes(input: readonly number[], factor: PerDim): number[] {
  const factors = typeof factor === 'number' ? input.map(() => factor) : factor
  if (factors.length !== input.length || !factors.every(f => f > 0)) {
    throw new ShapeError(`interpolate: scaleFactor must be a number > 0, or ${input.length} of them, got ${factor}`)
  }
  return input.map((d, i) => Math.floor(d * factors[i]!))
}

/** The two neighbours of each position along dim, weighted by their nearness. */
function linearAlong(x: Tensor, dim: number, to: number, alignCorners: boolean): Tensor {
  const from = x.shape[dim]!
  const positions = Float64Array.from({ length: to }, (_, i) =>
    alignCorners ? (to > 1 ? (i * (from - 1)) / (to - 1) : 0) : Math.max(0, ((i + 0.5) * from) / to - 0.5),
  )
  const below = Int32Array.from(positions, p => Math.min(Math.floor(p), from - 1))
  const low = indexSelect(x, dim, below)
  const high = indexSelect(x, dim, below.map(i => Math.min(i + 1, from - 1)))
  const weight = new Tensor([to], 'float32', x.backend).set(positions.map((p, i) => p - below[i]!))
  return add(low, mul(sub(high, low), reshape(weight, [to, ...x.shape.slice(dim + 1).map(() => 1)])))
}
