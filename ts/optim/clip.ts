// Gradients kept within bounds, between backward() and step().

import { noGrad } from '../autograd.js'
import { currentBackend } from '../backends/current.js'
import { Binary, Unary } from '../kernels.js'
import { recorder } from '../memory.js'
import { add, div } from '../ops/arithmetic.js'
import { stack } from '../ops/joining.js'
import { norm } from '../ops/reduce.js'
import { clamp } from '../ops/unary.js'
import { scope } from '../scope.js'
import { requireNotNegative, requireOptions } from '../shape.js'
import { filled, Tensor } from '../tensor.js'

/** Gradients of parameters that have one, or the tensor itself. */
function gradientsOf(op: string, params: readonly Tensor[]): Tensor[] {
  if (!Array.isArray(params)) throw new TypeError(`${op}: a list of parameters expected: pass model.parameters()`)
  return params.flatMap((p: Tensor) => (p.grad ? [p.grad] : []))
}

export interface ClipNormOptions {
  /** 2 (default), 1, any p > 0, or Infinity */
  normType?: number
  /** Throw when the norm is not finite, instead of spreading NaN over all parameters (default false; not in a captured step) */
  errorIfNonfinite?: boolean
}

/**
 * g ·= min(1, maxNorm / (total + 1e-6)) for all gradients, total being the norm of all of them as one vector (Pascanu et al., 2013).
 * Returns the total before clipping, a scalar; 0 where there is no gradient.
 * @throws RangeError for a maxNorm below 0
 */
export function clipGradNorm(params: readonly Tensor[], maxNorm: number, options: ClipNormOptions = {}): Tensor {
  const { normType = 2, errorIfNonfinite = false } = requireOptions('clipGradNorm', options, 'normType errorIfNonfinite')
  requireNotNegative('clipGradNorm', 'a maxNorm', maxNorm)
  const grads = gradientsOf('clipGradNorm', params)
  if (grads.length === 0) return filled([], 0, params[0]?.backend ?? currentBackend())
  return scope(() =>
    noGrad(() => {
      const total = norm(stack(grads.map(g => norm(g, null, { p: normType }))), null, { p: normType })
      if (errorIfNonfinite) {
        recorder?.refuse('clipGradNorm({ errorIfNonfinite: true })')
        if (!Number.isFinite(total.item())) throw new Error(`clipGradNorm: the norm of the gradients is ${total.item()}: a smaller learning rate?`)
      }
      const factor = clamp(div(maxNorm, add(total, 1e-6)), { max: 1 })
      for (const g of grads) {
        g.backend.kernels.binary(Binary.mul, 1, 1, 1, g.size, 0, 0, 0, 1, 0, 0, 0, 0, g.address, factor.address, g.address)
      }
      return total
    }),
  )
}

/**
 * Each element of each gradient is cut to [−clipValue, clipValue].
 * @throws RangeError for a clipValue below 0
 */
export function clipGradValue(params: readonly Tensor[], clipValue: number): void {
  requireNotNegative('clipGradValue', 'a clipValue', clipValue)
  for (const g of gradientsOf('clipGradValue', params)) g.backend.kernels.unary(Unary.clamp, g.size, -clipValue, clipValue, g.address, g.address)
}
