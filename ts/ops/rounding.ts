// Rounding to whole numbers, and mixtures of tensors: ceil, round, trunc, lerp, addcmul, addcdiv.

import { apply, type Op } from '../autograd.js'
import { scope } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { add, div, eq, gt, lt, mul, requireFloat, sub, where, type Operand } from './arithmetic.js'
import { like } from './creation.js'
import { floor, neg } from './unary.js'

/** An op made of others whose gradient is 0: one node instead of several, and nothing of it is left in memory. */
function stepwise(name: string, f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  const op: Op = { name, forward: ([x]) => scope(() => f(x!)), gradient: g => [like(g, 0)] }
  return x => {
    requireFloat(name, x)
    return apply(op, [x])
  }
}

/** The smallest whole number ≥ x; gradient 0 */
export const ceil = stepwise('ceil', x => neg(floor(neg(x))))

/** x without its fraction: rounded toward 0; gradient 0 */
export const trunc = stepwise('trunc', x => where(lt(x, 0), neg(floor(neg(x))), floor(x)))

/** The nearest whole number, the even one if two are equally near; gradient 0 */
export const round = stepwise('round', x => {
  // the distance x − ⌊x⌋ is exact where it matters; at infinity it is NaN, and no comparison holds
  const below = floor(x)
  const distance = sub(x, below)
  const odd = sub(below, mul(floor(mul(below, 0.5)), 2))
  return add(below, where(gt(distance, 0.5), 1, where(eq(distance, 0.5), odd, 0)))
})

function requireOperands(op: string, ...operands: readonly Operand[]): void {
  for (const v of operands) if (typeof v !== 'number') requireFloat(op, v)
}

/** start + weight (end − start), broadcast */
export function lerp(start: Tensor, end: Operand, weight: Operand): Tensor {
  requireOperands('lerp', start, end, weight)
  return add(start, mul(sub(end, start), weight))
}

type Addition = (x: Tensor, a: Tensor, b: Operand, options?: { value?: number }) => Tensor
const addition = (name: string, pair: (a: Tensor, b: Operand) => Tensor): Addition => (x, a, b, { value = 1 } = {}) => {
  requireOperands(name, x, a, b)
  const y = pair(a, b)
  return add(x, value === 1 ? y : mul(y, value))
}
/** x + value a b, broadcast */
export const addcmul = addition('addcmul', mul)
/** x + value a / b, broadcast */
export const addcdiv = addition('addcdiv', div)
