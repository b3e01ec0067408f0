// Elementwise functions and activations: one record each, with the derivative as a formula in ops; the kernels have it too.

import { apply, type Op } from '../autograd.js'
import { Unary } from '../kernels.js'
import { requireChoice, requireOptions } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, ge, gt, le, lt, mul, requireFloat, where } from './arithmetic.js'
import { like } from './creation.js'

interface Attrs {
  a: number
  b: number
}

/** dL/dx from g = dL/dy, x, y = f(x) and the attributes, in differentiable ops */
type Derivative = (g: Tensor, x: Tensor, y: Tensor, a: number, b: number) => Tensor

function parametric(name: string, code: Unary, derivative: Derivative): (x: Tensor, a?: number, b?: number) => Tensor {
  const op: Op<Attrs> = {
    name,
    forward([x], { a, b }) {
      const y = new Tensor(x!.shape, 'float32', x!.backend)
      x!.backend.kernels.unary(code, x!.size, a, b, x!.address, y.address)
      return y
    },
    gradient(g, { inputs: [x], output, attrs: { a, b } }) {
      return [derivative(g, x!, output, a, b)]
    },
    fused(g, node) {
      const { inputs: [x], output, attrs: { a, b } } = node
      const out = node.over(g, 0)
      x!.backend.kernels.unaryGrad(code, x!.size, a, b, x!.address, output.address, g.address, out.address)
      return [out]
    },
  }
  return (x, a = 0, b = 0) => {
    if (x instanceof Tensor && x.dtype !== 'float32') requireFloat(name, x)
    return apply(op, [x], { a, b })
  }
}

/** A function without attributes takes none, whatever comes behind x: map() passes positions there. */
function unary(name: string, code: Unary, derivative: (g: Tensor, x: Tensor, y: Tensor) => Tensor): Elementwise {
  const f = parametric(name, code, derivative)
  return x => f(x)
}
type Elementwise = (x: Tensor) => Tensor

/** a x + b with numbers a and b */
export const affine: (x: Tensor, a?: number, b?: number) => Tensor = parametric('affine', Unary.affine, (g, _x, _y, a) => affine(g, a, 0))

/** affine under the name of the op that the user wrote, for messages */
export function affineAs(name: string, x: Tensor, a: number, b: number): Tensor {
  if (!(x instanceof Tensor) || x.dtype !== 'float32') requireFloat(name, x)
  const y = affine(x, a, b)
  y.label = name
  return y
}

/** −x */
export const neg = (x: Tensor): Tensor => affineAs('neg', x, -1, 0)

/** |x|; gradient 0 at 0 */
export const abs: Elementwise = unary('abs', Unary.abs, (g, x) => where(gt(x, 0), g, where(lt(x, 0), neg(g), 0)))

/** e^x */
export const exp: Elementwise = unary('exp', Unary.exp, (g, _x, y) => mul(g, y))

/** Natural logarithm; −inf at 0, NaN below */
export const log: Elementwise = unary('log', Unary.log, (g, x) => mul(g, reciprocal(x)))

/** log(1 + x), accurate near 0 */
export const log1p: Elementwise = unary('log1p', Unary.log1p, (g, x) => mul(g, reciprocal(add(x, 1))))

/** √x */
export const sqrt: Elementwise = unary('sqrt', Unary.sqrt, (g, _x, y) => mul(g, mul(reciprocal(y), 0.5)))

/** 1 / √x */
export const rsqrt: Elementwise = unary('rsqrt', Unary.rsqrt, (g, _x, y) => mul(g, mul(mul(y, mul(y, y)), -0.5)))

/** x² */
export const square: Elementwise = unary('square', Unary.square, (g, x) => mul(g, mul(x, 2)))

/** sin x, x in radians */
export const sin: Elementwise = unary('sin', Unary.sin, (g, x) => mul(g, cos(x)))

/** cos x, x in radians */
export const cos: Elementwise = unary('cos', Unary.cos, (g, x) => neg(mul(g, sin(x))))

/** (e^x − e^−x) / (e^x + e^−x) */
export const tanh: Elementwise = unary('tanh', Unary.tanh, (g, _x, y) => mul(g, affine(mul(y, y), -1, 1)))

/** 1 / (1 + e^−x) */
export const sigmoid: Elementwise = unary('sigmoid', Unary.sigmoid, (g, _x, y) => mul(g, mul(y, affine(y, -1, 1))))

/** dL/dx of y = relu(x) from g = dL/dy and y: positive, or NaN, where x is. @internal */
export const rectified = (g: Tensor, y: Tensor): Tensor => where(le(y, 0), 0, g)
/** The same by the kernel, over g where nobody else reads it. @internal */
export function rectifiedOver(g: Tensor, y: Tensor): Tensor {
  const out = g.buffer.owners === 1 ? g : new Tensor(g.shape, 'float32', g.backend)
  y.backend.kernels.unaryGrad(Unary.relu, y.size, 0, 0, y.address, y.address, g.address, out.address)
  return out
}
/** max(0, x); gradient 0 at 0 */
export const relu: Elementwise = unary('relu', Unary.relu, (g, x) => where(le(x, 0), 0, g))

const leakyReluOp = parametric('leakyRelu', Unary.leakyRelu, (g, x, _y, a) => where(gt(x, 0), g, mul(g, a)))
/** x > 0 ? x : negativeSlope · x */
export function leakyRelu(x: Tensor, options: { negativeSlope?: number } = {}): Tensor {
  const { negativeSlope = 0.01 } = requireOptions('leakyRelu', options, 'negativeSlope')
  return leakyReluOp(x, negativeSlope)
}

const eluOp = parametric('elu', Unary.elu, (g, x, y, a) => where(gt(x, 0), g, mul(g, add(y, a))))
/** x > 0 ? x : alpha (e^x − 1) (Clevert et al., 2015) */
export function elu(x: Tensor, options: { alpha?: number } = {}): Tensor {
  const { alpha = 1 } = requireOptions('elu', options, 'alpha')
  return eluOp(x, alpha)
}

/** 2/√π ∫₀ˣ e^−t² dt */
export const erf: Elementwise = unary('erf', Unary.erf, (g, x) => mul(g, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))))

const geluOp = parametric('gelu', Unary.gelu, (g, x) => {
  const cdf = affine(erf(mul(x, Math.SQRT1_2)), 0.5, 0.5)
  const pdf = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return mul(g, add(cdf, mul(x, pdf)))
})
const geluTanhOp = parametric('gelu', Unary.geluTanh, (g, x) => {
  const c = Math.sqrt(2 / Math.PI)
  const t = tanh(mul(mul(x, add(mul(mul(x, x), 0.044715), 1)), c))
  const slope = mul(affine(mul(x, x), 3 * 0.044715, 1), c)
  return mul(g, add(affine(t, 0.5, 0.5), mul(mul(x, 0.5), mul(affine(mul(t, t), -1, 1), slope))))
})
/** x Φ(x) with the normal distribution Φ, or its tanh approximation (Hendrycks and Gimpel, 2016) */
export function gelu(x: Tensor, options: { approximate?: 'none' | 'tanh' } = {}): Tensor {
  const { approximate = 'none' } = requireOptions('gelu', options, 'approximate')
  requireChoice('gelu', 'approximate', approximate, 'none', 'tanh')
  return approximate === 'tanh' ? geluTanhOp(x) : geluOp(x)
}

/** x · sigmoid(x) */
export const silu: Elementwise = unary('silu', Unary.silu, (g, x) => {
  const s = sigmoid(x)
  return mul(g, mul(s, add(mul(x, affine(s, -1, 1)), 1)))
})

const softplusOp = parametric('softplus', Unary.softplus, (g, x, _y, a, b) => where(gt(mul(x, a), b), g, mul(g, sigmoid(mul(x, a)))))
/** log(1 + e^(beta x)) / beta; x itself where beta x > threshold */
export function softplus(x: Tensor, options: { beta?: number; threshold?: number } = {}): Tensor {
  const { beta = 1, threshold = 20 } = requireOptions('softplus', options, 'beta threshold')
  return softplusOp(x, beta, threshold)
}

/** −1, 0 or 1; gradient 0 */
export const sign: Elementwise = unary('sign', Unary.sign, g => like(g, 0))

/** The largest whole number ≤ x; gradient 0 */
export const floor: Elementwise = unary('floor', Unary.floor, g => like(g, 0))

/** 1 / x */
export const reciprocal: Elementwise = unary('reciprocal', Unary.reciprocal, (g, _x, y) => neg(mul(g, mul(y, y))))

const clampOp = parametric('clamp', Unary.clamp, (g, x, _y, a, b) => where(mul(ge(x, a), le(x, b)), g, 0))
/** min(max(x, min), max); the gradient passes on the bounds and between them */
export function clamp(x: Tensor, bounds: { min?: number; max?: number } = {}): Tensor {
  const { min = -Infinity, max = Infinity } = requireOptions('clamp', bounds, 'min max')
  return clampOp(x, min, max)
}

const powerOp = parametric('pow', Unary.power, (g, x, _y, a) => (a === 0 ? like(g, 0) : mul(g, mul(a === 2 ? x : powScalar(x, a - 1), a))))
/** x^exponent with a number as exponent; x^0 = 1 */
export const powScalar = (x: Tensor, exponent: number): Tensor => powerOp(x, exponent)

const toFloatOp: Op = {
  name: 'float',
  forward([x]) {
    const y = new Tensor(x!.shape, 'float32', x!.backend)
    x!.backend.kernels.toFloat(x!.size, x!.address, y.address)
    return y
  },
}
/** x as float32 */
export const float = (x: Tensor): Tensor => (x.dtype === 'float32' ? x : apply(toFloatOp, [x]))

const toIntOp: Op = {
  name: 'int',
  forward([x]) {
    const y = new Tensor(x!.shape, 'int32', x!.backend)
    x!.backend.kernels.toInt(x!.size, x!.address, y.address)
    return y
  },
}
/** x truncated toward zero, as int32 */
export const int = (x: Tensor): Tensor => (x.dtype === 'int32' ? x : apply(toIntOp, [x]))
