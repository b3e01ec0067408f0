// Normalisation by the root mean square: layer normalisation without the mean.

import { requireOptions, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, mul, requireFloat } from './arithmetic.js'
import { requireEnd } from './checks.js'
import type { LayerNormOptions } from './norm.js'
import { mean } from './reduce.js'
import { rsqrt, square } from './unary.js'

/** The distance from 1 to the next float32: PyTorch's eps where none is given. */
const EPSILON = 1 / 8388608

/**
 * x / √(mean(x²) + eps) · weight, the mean over the last dimensions (Zhang and Sennrich, 2019). eps is 2⁻²³ unless given.
 * x: [..., normalizedShape], weight: normalizedShape
 * @throws ShapeError if x doesn't end in normalizedShape
 */
export function rmsNorm(x: Tensor, normalizedShape: Shape, weight?: Tensor | null, options: LayerNormOptions = {}): Tensor {
  const { eps = EPSILON } = requireOptions('rmsNorm', options, 'eps')
  requireFloat('rmsNorm', x)
  const lead = requireEnd('rmsNorm', x, normalizedShape, { weight })
  const dims = normalizedShape.map((_, i) => lead + i)
  const y = mul(x, rsqrt(add(mean(square(x), dims, { keepdim: true }), eps)))
  return weight ? mul(y, weight) : y
}
