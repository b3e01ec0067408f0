// The formula of every elementwise function, its derivative, and the activations, by the numbers of assembly/codes.ts.

import { Activation, Binary, Unary } from '../../kernels.js'
import { cos, erf, erfc, exp, expm1, log, log1p, pow, sigmoid, sin, tanh } from '../../numerics.js'

const SQRT_HALF = 0.7071067811865476
const SQRT_2_OVER_PI = 0.7978845608028654
const ONE_OVER_SQRT_2PI = 0.3989422804014327
const TWO_OVER_SQRT_PI = 1.1283791670955126
const GELU_CUBIC = 0.044715

type Formula = (x: number, a: number, b: number) => number
/** g f'(x), where y = f(x) */
type Gradient = (g: number, x: number, y: number, a: number, b: number) => number

const sign = (x: number) => (x > 0 ? 1 : x < 0 ? -1 : x)
const relu = (x: number) => (x < 0 ? 0 : x)
const maximum = (a: number, b: number) => (a !== a || a > b ? a : b)
const minimum = (a: number, b: number) => (a !== a || a < b ? a : b)
const geluTanh = (x: number) => tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x))

export const UNARY: Record<Unary, Formula> = {
  [Unary.affine]: (x, a, b) => a * x + b,
  [Unary.abs]: Math.abs,
  [Unary.exp]: exp,
  [Unary.log]: log,
  [Unary.log1p]: log1p,
  [Unary.sqrt]: Math.sqrt,
  [Unary.rsqrt]: x => 1 / Math.sqrt(x),
  [Unary.square]: x => x * x,
  [Unary.sin]: sin,
  [Unary.cos]: cos,
  [Unary.tanh]: tanh,
  [Unary.sigmoid]: sigmoid,
  [Unary.relu]: relu,
  [Unary.leakyRelu]: (x, a) => (x > 0 ? x : a * x),
  [Unary.elu]: (x, a) => (x > 0 ? x : a * expm1(x)),
  // erfc(-t) = 1 + erf(t) without cancellation in the left tail
  [Unary.gelu]: x => 0.5 * x * erfc(-x * SQRT_HALF),
  [Unary.geluTanh]: x => 0.5 * x * (1 + geluTanh(x)),
  [Unary.silu]: x => x * sigmoid(x),
  [Unary.softplus]: (x, a, b) => (a * x > b ? x : log1p(exp(a * x)) / a),
  [Unary.sign]: sign,
  [Unary.floor]: Math.floor,
  [Unary.reciprocal]: x => 1 / x,
  [Unary.clamp]: (x, a, b) => (x !== x ? x : minimum(maximum(x, a), b)),
  [Unary.power]: (x, a) => pow(x, a),
  [Unary.erf]: erf,
}

// A zero at a kink is a mask, which stops even an infinite or NaN gradient; a zero elsewhere is a factor like any other.
export const UNARY_GRAD: Record<Unary, Gradient> = {
  [Unary.affine]: (g, _x, _y, a) => g * a,
  [Unary.abs]: (g, x) => (x > 0 ? g : x < 0 ? -g : 0),
  [Unary.exp]: (g, _x, y) => g * y,
  [Unary.log]: (g, x) => g / x,
  [Unary.log1p]: (g, x) => g / (1 + x),
  [Unary.sqrt]: (g, _x, y) => g / (2 * y),
  [Unary.rsqrt]: (g, _x, y) => -0.5 * g * (y * y * y),
  [Unary.square]: (g, x) => g * (2 * x),
  [Unary.sin]: (g, x) => g * cos(x),
  [Unary.cos]: (g, x) => -g * sin(x),
  [Unary.tanh]: (g, _x, y) => g * (1 - y * y),
  [Unary.sigmoid]: (g, _x, y) => g * (y * (1 - y)),
  [Unary.relu]: (g, x) => (x <= 0 ? 0 : g),
  [Unary.leakyRelu]: (g, x, _y, a) => (x > 0 ? g : a * g),
  [Unary.elu]: (g, x, _y, a) => (x > 0 ? g : g * (a * exp(x))),
  [Unary.gelu]: (g, x) => g * (0.5 * erfc(-x * SQRT_HALF) + x * ONE_OVER_SQRT_2PI * exp(-0.5 * x * x)),
  [Unary.geluTanh]: (g, x) => {
    const t = geluTanh(x)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * x * x))
  },
  [Unary.silu]: (g, x) => {
    const s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))
  },
  [Unary.softplus]: (g, x, _y, a, b) => (a * x > b ? g : g * sigmoid(a * x)),
  [Unary.sign]: () => 0,
  [Unary.floor]: () => 0,
  [Unary.reciprocal]: (g, _x, y) => -g * (y * y),
  [Unary.clamp]: (g, x, _y, a, b) => (x >= a && x <= b ? g : 0),
  [Unary.power]: (g, x, _y, a) => (a === 0 ? 0 : g * (a * pow(x, a - 1))),
  [Unary.erf]: (g, x) => g * (TWO_OVER_SQRT_PI * exp(-x * x)),
}

export const BINARY: Record<Binary, (a: number, b: number) => number> = {
  [Binary.add]: (a, b) => a + b,
  [Binary.sub]: (a, b) => a - b,
  [Binary.mul]: (a, b) => a * b,
  [Binary.div]: (a, b) => a / b,
  [Binary.pow]: pow,
  [Binary.maximum]: maximum,
  [Binary.minimum]: minimum,
  [Binary.eq]: (a, b) => (a === b ? 1 : 0),
  [Binary.ne]: (a, b) => (a !== b ? 1 : 0),
  [Binary.lt]: (a, b) => (a < b ? 1 : 0),
  [Binary.le]: (a, b) => (a <= b ? 1 : 0),
  [Binary.gt]: (a, b) => (a > b ? 1 : 0),
  [Binary.ge]: (a, b) => (a >= b ? 1 : 0),
}

export const ACTIVATION: Record<Activation, (x: number) => number> = {
  [Activation.none]: x => x,
  [Activation.relu]: relu,
  [Activation.tanh]: tanh,
  [Activation.sigmoid]: sigmoid,
}
