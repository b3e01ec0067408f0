// Formulas of a few operations, each with a loop of its own. A formula is a class with one inline
// method; a new one needs its class and a case in `compute`.
import { Binary, Unary } from './codes'
import { add, choose, div, erf4, madd, maxNaN, minNaN, mul, pow4, sign4, splat, storePart, storeUpTo, sub } from './simd'

/** Elements that formulas of several steps take at a time: what lies between the steps stays in first-level cache. */
export const BLOCK: i32 = 256

// The numbers of formulas: f of Unary is its value, SLOPE + f its gradient, BINARY + f that of Binary; and some parts of formulas.
export const SLOPE: i32 = 32
export const BINARY: i32 = 64
// powers that need no logarithm; 2 and -1 are square and reciprocal. Codes of Unary are smaller numbers.
export const CUBE: i32 = 31
export const ROOT: i32 = 30
// behind Binary
export const GELU_ARGUMENT: i32 = 80
export const SOFTPLUS_ARGUMENT: i32 = 81
export const CHOICE: i32 = 82
export const SUM: i32 = 83

// x, y and g are addresses, so that only what the formula needs is loaded.

@unmanaged class Affine {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return add(mul(a, v128.load(x)), b) }
}
@unmanaged class Abs {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.abs(v128.load(x)) }
}
@unmanaged class Sqrt {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.sqrt(v128.load(x)) }
}
@unmanaged class Rsqrt {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(splat(1), f32x4.sqrt(v128.load(x))) }
}
@unmanaged class Square {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(v, v)
  }
}
@unmanaged class Relu {
  // x < 0 ? 0 : x keeps NaN, and is one instruction
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.pmax(v128.load(x), splat(0)) }
}
@unmanaged class LeakyRelu {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return choose(f32x4.gt(v, splat(0)), v, mul(a, v))
  }
}
@unmanaged class Sign {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return sign4(v128.load(x)) }
}
@unmanaged class Floor {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.floor(v128.load(x)) }
}
@unmanaged class Reciprocal {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(splat(1), v128.load(x)) }
}
@unmanaged class Clamp {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.pmin(f32x4.pmax(v128.load(x), a), b) }
}
@unmanaged class Cube {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(mul(v, v), v)
  }
}
@unmanaged class Root {
  // unlike the square root, pow gives inf for -inf and 0 for -0
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    return choose(f32x4.eq(v128.load(x), splat(-Infinity)), splat(Infinity), f32x4.sqrt(add(v128.load(x), splat(0))))
  }
}

// values of x for which a long formula has made y of x already, or what it takes
@unmanaged class Elu {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return choose(f32x4.gt(v, splat(0)), v, mul(a, v128.load(y)))
  }
}
@unmanaged class Softplus {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x), z = mul(a, v)
    return choose(f32x4.gt(z, b), v, div(add(v128.load(y), choose(f32x4.lt(z, splat(0)), splat(0), z)), a))
  }
}
@unmanaged class SoftplusArgument {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.neg(f32x4.abs(mul(a, v128.load(x)))) }
}
@unmanaged class Erf {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return erf4(v128.load(x), v128.load(y)) }
}
/** 2 sqrt(2/pi) (x + 0.044715 x^3): gelu's (1 + tanh u) / 2 is sigmoid(2 u), which does not cancel for negative u */
@unmanaged class GeluArgument {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = bounded(v128.load(x))
    return mul(v, madd(mul(v, v), splat(0.071354816), splat(1.5957691)))
  }
}
/** Beyond 100 the slope of gelu is 0 or 1; unbounded, 0 * inf would come up where x^2 overflows. */
@inline function bounded(x: v128): v128 { return f32x4.pmin(f32x4.pmax(x, splat(-100)), splat(100)) }

// gradients: g times the slope at x, where y is f(x) or what a long formula has made of x

@unmanaged class AbsSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x), h = v128.load(g)
    return sub(v128.and(f32x4.gt(v, splat(0)), h), v128.and(f32x4.lt(v, splat(0)), h))
  }
}
@unmanaged class LogSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(v128.load(g), v128.load(x)) }
}
@unmanaged class Log1pSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(v128.load(g), add(v128.load(x), splat(1))) }
}
@unmanaged class SqrtSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(mul(v128.load(g), splat(0.5)), v128.load(y)) }
}
@unmanaged class RsqrtSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const r = v128.load(y)
    return mul(v128.load(g), mul(mul(splat(-0.5), r), mul(r, r)))
  }
}
@unmanaged class SquareSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return mul(v128.load(g), add(v128.load(x), v128.load(x))) }
}
@unmanaged class Slope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return mul(v128.load(g), v128.load(y)) }
}
@unmanaged class CosSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return f32x4.neg(mul(v128.load(g), v128.load(y))) }
}
@unmanaged class TanhSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const t = v128.load(y)
    return mul(v128.load(g), mul(sub(splat(1), t), add(splat(1), t)))
  }
}
@unmanaged class SigmoidSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const s = v128.load(y)
    return mul(v128.load(g), mul(s, sub(splat(1), s)))
  }
}
@unmanaged class ReluSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return v128.andnot(v128.load(g), f32x4.le(v128.load(x), splat(0))) }
}
@unmanaged class LeakyReluSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const h = v128.load(g)
    return choose(f32x4.gt(v128.load(x), splat(0)), h, mul(a, h))
  }
}
@unmanaged class EluSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const h = v128.load(g)
    return choose(f32x4.gt(v128.load(x), splat(0)), h, mul(h, mul(a, v128.load(y))))
  }
}
@unmanaged class GeluTanhSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = bounded(v128.load(x)), s = v128.load(y), inner = madd(mul(v, v), splat(0.21406445), splat(1.5957691))
    return mul(v128.load(g), madd(mul(mul(v, inner), s), sub(splat(1), s), s))
  }
}
@unmanaged class SiluSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const s = v128.load(y)
    return mul(v128.load(g), mul(s, madd(v128.load(x), sub(splat(1), s), splat(1))))
  }
}
@unmanaged class SoftplusSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const h = v128.load(g)
    return choose(f32x4.gt(mul(a, v128.load(x)), b), h, mul(h, v128.load(y)))
  }
}
@unmanaged class ErfSlope {
  // 2 / sqrt(pi) e^(-x^2) = 4 sqrt(pi) density(x)^2: no rounded sqrt(2) x in an exponent
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const density = v128.load(y)
    return mul(v128.load(g), mul(mul(density, splat(7.0898154)), density))
  }
}
@unmanaged class ReciprocalSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const r = v128.load(y)
    return f32x4.neg(mul(v128.load(g), mul(r, r)))
  }
}
@unmanaged class ClampSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return v128.and(v128.and(f32x4.ge(v, a), f32x4.le(v, b)), v128.load(g))
  }
}
@unmanaged class PowerSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return mul(v128.load(g), mul(a, v128.load(y))) }
}
@unmanaged class CubeSlope {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(v128.load(g), mul(splat(3), mul(v, v)))
  }
}

// of two operands, and of three

@unmanaged class Add {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return add(v128.load(x), v128.load(y)) }
}
@unmanaged class Sub {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return sub(v128.load(x), v128.load(y)) }
}
@unmanaged class Mul {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return mul(v128.load(x), v128.load(y)) }
}
@unmanaged class Div {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return div(v128.load(x), v128.load(y)) }
}
@unmanaged class Power {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return pow4(v128.load(x), v128.load(y)) }
}
@unmanaged class Maximum {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return maxNaN(v128.load(x), v128.load(y)) }
}
@unmanaged class Minimum {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return minNaN(v128.load(x), v128.load(y)) }
}
@unmanaged class Eq {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return v128.and(f32x4.eq(v128.load(x), v128.load(y)), splat(1)) }
}
@unmanaged class Ne {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return v128.and(f32x4.ne(v128.load(x), v128.load(y)), splat(1)) }
}
@unmanaged class Lt {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return v128.and(f32x4.lt(v128.load(x), v128.load(y)), splat(1)) }
}
@unmanaged class Le {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return v128.and(f32x4.le(v128.load(x), v128.load(y)), splat(1)) }
}
@unmanaged class Sum {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 { return add(mul(a, v128.load(x)), mul(b, v128.load(y))) }
}
@unmanaged class Choice {
  @inline of(x: usize, y: usize, g: usize, a: v128, b: v128): v128 {
    return choose(f32x4.ne(v128.load(x), splat(0)), v128.load(y), v128.load(g))
  }
}

// The next vector of x or y lies xs or ys bytes on: 16, or 0 for one that repeats.

function each<F>(n: i32, attributeA: f32, attributeB: f32, x: usize, xs: usize, y: usize, ys: usize, g: usize, out: usize): void {
  const f = changetype<F>(0), a = splat(attributeA), b = splat(attributeB)
  for (; n >= 4; n -= 4) {
    v128.store(out, f.of(x, y, g, a, b))
    x += xs
    y += ys
    g += 16
    out += 16
  }
  if (n > 0) storePart(out, f.of(x, y, g, a, b), n)
}

/** For long formulas, which stand here once */
function alone<F>(n: i32, attributeA: f32, attributeB: f32, x: usize, xs: usize, y: usize, ys: usize, g: usize, out: usize): void {
  const f = changetype<F>(0), a = splat(attributeA), b = splat(attributeB)
  if (n > 0) while (true) {
    const v = f.of(x, y, g, a, b)
    if (n <= 4) return storeUpTo(out, v, n)
    v128.store(out, v)
    x += xs
    y += ys
    g += 16
    out += 16
    n -= 4
  }
}

/** Four vectors a turn, for the most frequent formulas */
function fours<F>(n: i32, attributeA: f32, attributeB: f32, x: usize, xs: usize, y: usize, ys: usize, g: usize, out: usize): void {
  const f = changetype<F>(0), a = splat(attributeA), b = splat(attributeB)
  for (; n >= 16; n -= 16) {
    const v0 = f.of(x, y, g, a, b), v1 = f.of(x + 16, y + 16, g + 16, a, b)
    const v2 = f.of(x + 32, y + 32, g + 32, a, b), v3 = f.of(x + 48, y + 48, g + 48, a, b)
    v128.store(out, v0)
    v128.store(out, v1, 16)
    v128.store(out, v2, 32)
    v128.store(out, v3, 48)
    x += xs << 2
    y += ys << 2
    g += 64
    out += 64
  }
  each<F>(n, attributeA, attributeB, x, xs, y, ys, g, out)
}

/**
 * out = formula f of x, y and g for n elements; the next four of x and of y lie xs and ys bytes on: 16, or 0 for one that repeats, which is
 * there 16 times. In place allowed.
 */
export function compute(f: i32, n: i32, a: f32, b: f32, x: usize, xs: usize, y: usize, ys: usize, g: usize, out: usize): void {
  switch (f) {
    case Unary.affine: return fours<Affine>(n, a, b, x, xs, y, ys, g, out)
    case Unary.abs: return each<Abs>(n, a, b, x, xs, y, ys, g, out)
    case Unary.sqrt: return each<Sqrt>(n, a, b, x, xs, y, ys, g, out)
    case Unary.rsqrt: return each<Rsqrt>(n, a, b, x, xs, y, ys, g, out)
    case Unary.square: return each<Square>(n, a, b, x, xs, y, ys, g, out)
    case Unary.relu: return fours<Relu>(n, a, b, x, xs, y, ys, g, out)
    case Unary.leakyRelu: return each<LeakyRelu>(n, a, b, x, xs, y, ys, g, out)
    case Unary.sign: return each<Sign>(n, a, b, x, xs, y, ys, g, out)
    case Unary.floor: return each<Floor>(n, a, b, x, xs, y, ys, g, out)
    case Unary.reciprocal: return each<Reciprocal>(n, a, b, x, xs, y, ys, g, out)
    case Unary.clamp: return each<Clamp>(n, a, b, x, xs, y, ys, g, out)
    case Unary.elu: return each<Elu>(n, a, b, x, xs, y, ys, g, out)
    case Unary.softplus: return alone<Softplus>(n, a, b, x, xs, y, ys, g, out)
    case Unary.erf: return alone<Erf>(n, a, b, x, xs, y, ys, g, out)
    case CUBE: return each<Cube>(n, a, b, x, xs, y, ys, g, out)
    case ROOT: return each<Root>(n, a, b, x, xs, y, ys, g, out)
    case GELU_ARGUMENT: return each<GeluArgument>(n, a, b, x, xs, y, ys, g, out)
    case SOFTPLUS_ARGUMENT: return each<SoftplusArgument>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.abs: return each<AbsSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.log: return each<LogSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.log1p: return each<Log1pSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.sqrt: return each<SqrtSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.rsqrt: return each<RsqrtSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.square: return each<SquareSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.cos: return each<CosSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.tanh: return each<TanhSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.sigmoid: return each<SigmoidSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.relu: return fours<ReluSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.leakyRelu: return each<LeakyReluSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.elu: return each<EluSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.geluTanh: return alone<GeluTanhSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.silu: return each<SiluSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.softplus: return each<SoftplusSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.erf: return each<ErfSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.reciprocal: return each<ReciprocalSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.clamp: return each<ClampSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.power: return each<PowerSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + CUBE: return each<CubeSlope>(n, a, b, x, xs, y, ys, g, out)
    case SLOPE + Unary.exp:
    case SLOPE + Unary.sin:
    case SLOPE + Unary.gelu: return each<Slope>(n, a, b, x, xs, y, ys, g, out)
    case Unary.silu:
    case Unary.geluTanh:
    case BINARY + Binary.mul: return fours<Mul>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.add: return fours<Add>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.sub: return fours<Sub>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.div: return each<Div>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.maximum: return each<Maximum>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.minimum: return each<Minimum>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.eq: return each<Eq>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.ne: return each<Ne>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.lt: return each<Lt>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.le: return each<Le>(n, a, b, x, xs, y, ys, g, out)
    case SUM: return fours<Sum>(n, a, b, x, xs, y, ys, g, out)
    case BINARY + Binary.pow: return alone<Power>(n, a, b, x, xs, y, ys, g, out)
    case CHOICE: return each<Choice>(n, a, b, x, xs, y, ys, g, out)
    default: unreachable()
  }
}

/** The same for operands that do not repeat */
@inline export function short(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize, g: usize, out: usize): void {
  compute(f, n, a, b, x, 16, y, 16, g, out)
}
