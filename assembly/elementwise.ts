// Elementwise functions and their gradients. A formula is a class of two inline methods, which the loops below take as a type
// parameter; a new one needs its class and a case in each switch.
import { Unary } from './codes'
import {
  add, choose, cos4, div, exp4, expm1Negative, log1p4, log4, madd, mul, normalCdf, normalDensity, one, pow4, sigmoid4, sin4, softplus4,
  storePair, storeQuad, sub, tanh4,
} from './simd'

@inline function zero(): v128 { return f32x4.splat(0) }

/** 2 sqrt(2/pi) (x + 0.044715 x^3): gelu's (1 + tanh u) / 2 is sigmoid(2 u), which does not cancel for negative u */
@inline function geluArgument(x: v128): v128 {
  return mul(x, madd(mul(x, x), f32x4.splat(0.071354816), f32x4.splat(1.5957691)))
}

// value: f(x) for four elements. slope: g f'(x), where x and y are addresses, so that only what the formula needs is loaded.

@unmanaged class Affine {
  @inline value(x: v128, a: v128, b: v128): v128 { return add(mul(a, x), b) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return mul(a, g) }
}

@unmanaged class Abs {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.abs(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return sub(v128.and(f32x4.gt(v, zero()), g), v128.and(f32x4.lt(v, zero()), g))
  }
}

@unmanaged class Exp {
  @inline value(x: v128, a: v128, b: v128): v128 { return exp4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return mul(g, v128.load(y)) }
}

@unmanaged class Log {
  @inline value(x: v128, a: v128, b: v128): v128 { return log4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return div(g, v128.load(x)) }
}

@unmanaged class Log1p {
  @inline value(x: v128, a: v128, b: v128): v128 { return log1p4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return div(g, add(v128.load(x), one())) }
}

@unmanaged class Sqrt {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.sqrt(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return div(mul(g, f32x4.splat(0.5)), v128.load(y)) }
}

@unmanaged class Rsqrt {
  @inline value(x: v128, a: v128, b: v128): v128 { return div(one(), f32x4.sqrt(x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const r = v128.load(y)
    return mul(g, mul(mul(f32x4.splat(-0.5), r), mul(r, r)))
  }
}

@unmanaged class Square {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(x, x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return mul(g, add(v128.load(x), v128.load(x))) }
}

@unmanaged class Sin {
  @inline value(x: v128, a: v128, b: v128): v128 { return sin4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return mul(g, cos4(v128.load(x))) }
}

@unmanaged class Cos {
  @inline value(x: v128, a: v128, b: v128): v128 { return cos4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return f32x4.neg(mul(g, sin4(v128.load(x)))) }
}

@unmanaged class Tanh {
  @inline value(x: v128, a: v128, b: v128): v128 { return tanh4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const t = v128.load(y)
    return mul(g, mul(sub(one(), t), add(one(), t)))
  }
}

@unmanaged class Sigmoid {
  @inline value(x: v128, a: v128, b: v128): v128 { return sigmoid4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const s = v128.load(y)
    return mul(g, mul(s, sub(one(), s)))
  }
}

@unmanaged class Relu {
  // x < 0 ? 0 : x keeps NaN, and is one instruction
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.pmax(x, zero()) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return v128.andnot(g, f32x4.le(v128.load(x), zero())) }
}

@unmanaged class LeakyRelu {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(x, zero()), x, mul(a, x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(v128.load(x), zero()), g, mul(a, g)) }
}

@unmanaged class Elu {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(x, zero()), x, mul(a, expm1Negative(x))) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return choose(f32x4.gt(v, zero()), g, mul(g, mul(a, exp4(v))))
  }
}

@unmanaged class Gelu {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(x, normalCdf(x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(g, madd(v, normalDensity(v), normalCdf(v)))
  }
}

@unmanaged class GeluTanh {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(x, sigmoid4(geluArgument(x))) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    // beyond 100 the slope is 0 or 1; unbounded, 0 * inf would come up where v^2 overflows
    const v = f32x4.pmin(f32x4.pmax(v128.load(x), f32x4.splat(-100)), f32x4.splat(100)), s = sigmoid4(geluArgument(v))
    const inner = madd(mul(v, v), f32x4.splat(0.21406445), f32x4.splat(1.5957691))
    return mul(g, madd(mul(mul(v, inner), s), sub(one(), s), s))
  }
}

@unmanaged class Silu {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(x, sigmoid4(x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x), s = sigmoid4(v)
    return mul(g, mul(s, madd(v, sub(one(), s), one())))
  }
}

@unmanaged class Softplus {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(mul(a, x), b), x, div(softplus4(mul(a, x)), a)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const z = mul(a, v128.load(x))
    return choose(f32x4.gt(z, b), g, mul(g, sigmoid4(z)))
  }
}

@unmanaged class Sign {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(f32x4.abs(x), zero()), v128.or(v128.and(x, f32x4.splat(-0.0)), one()), x) }
}

@unmanaged class Floor {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.floor(x) }
}

@unmanaged class Reciprocal {
  @inline value(x: v128, a: v128, b: v128): v128 { return div(one(), x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const r = v128.load(y)
    return f32x4.neg(mul(g, mul(r, r)))
  }
}

@unmanaged class Clamp {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.pmin(f32x4.pmax(x, a), b) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return v128.and(v128.and(f32x4.ge(v, a), f32x4.le(v, b)), g)
  }
}

// powers that need no logarithm; a = 2 and a = -1 are square and reciprocal
@unmanaged class Cube {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(mul(x, x), x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(g, mul(f32x4.splat(3), mul(v, v)))
  }
}

@unmanaged class Root {
  // unlike the square root, pow gives inf for -inf and 0 for -0
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.eq(x, f32x4.splat(-Infinity)), f32x4.splat(Infinity), f32x4.sqrt(add(x, zero()))) }
}

@unmanaged class Power {
  @inline value(x: v128, a: v128, b: v128): v128 { return pow4(x, a) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return mul(g, mul(a, pow4(v128.load(x), sub(a, one())))) }
}

/** Four vectors a turn: for formulas of a few instructions, which memory bounds */
function short<F>(n: i32, a: v128, b: v128, x: usize, y: usize): void {
  const f = changetype<F>(0)
  for (; n > 0; n -= 16) {
    const v0 = f.value(v128.load(x), a, b), v1 = f.value(v128.load(x, 16), a, b)
    const v2 = f.value(v128.load(x, 32), a, b), v3 = f.value(v128.load(x, 48), a, b)
    if (n < 16) return storeQuad(y, v0, v1, v2, v3, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    v128.store(y, v2, 32)
    v128.store(y, v3, 48)
    x += 64
    y += 64
  }
}

/** Two vectors a turn: for long formulas, where a second chain of operations fills the gaps of the first */
function long<F>(n: i32, a: v128, b: v128, x: usize, y: usize): void {
  const f = changetype<F>(0)
  for (; n > 0; n -= 8) {
    const v0 = f.value(v128.load(x), a, b), v1 = f.value(v128.load(x, 16), a, b)
    if (n < 8) return storePair(y, v0, v1, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    x += 32
    y += 32
  }
}

function shortGrad<F>(n: i32, a: v128, b: v128, x: usize, y: usize, g: usize, out: usize): void {
  const f = changetype<F>(0)
  for (; n > 0; n -= 16) {
    const v0 = f.slope(x, y, v128.load(g), a, b), v1 = f.slope(x + 16, y + 16, v128.load(g, 16), a, b)
    const v2 = f.slope(x + 32, y + 32, v128.load(g, 32), a, b), v3 = f.slope(x + 48, y + 48, v128.load(g, 48), a, b)
    if (n < 16) return storeQuad(out, v0, v1, v2, v3, n)
    v128.store(out, v0)
    v128.store(out, v1, 16)
    v128.store(out, v2, 32)
    v128.store(out, v3, 48)
    x += 64
    y += 64
    g += 64
    out += 64
  }
}

function longGrad<F>(n: i32, a: v128, b: v128, x: usize, y: usize, g: usize, out: usize): void {
  const f = changetype<F>(0)
  for (; n > 0; n -= 8) {
    const v0 = f.slope(x, y, v128.load(g), a, b), v1 = f.slope(x + 16, y + 16, v128.load(g, 16), a, b)
    if (n < 8) return storePair(out, v0, v1, n)
    v128.store(out, v0)
    v128.store(out, v1, 16)
    x += 32
    y += 32
    g += 32
    out += 32
  }
}

export function unary(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize): void {
  const av = f32x4.splat(a), bv = f32x4.splat(b)
  switch (f) {
    case Unary.affine: return short<Affine>(n, av, bv, x, y)
    case Unary.abs: return short<Abs>(n, av, bv, x, y)
    case Unary.exp: return long<Exp>(n, av, bv, x, y)
    case Unary.log: return long<Log>(n, av, bv, x, y)
    case Unary.log1p: return long<Log1p>(n, av, bv, x, y)
    case Unary.sqrt: return short<Sqrt>(n, av, bv, x, y)
    case Unary.rsqrt: return short<Rsqrt>(n, av, bv, x, y)
    case Unary.square: return short<Square>(n, av, bv, x, y)
    case Unary.sin: return long<Sin>(n, av, bv, x, y)
    case Unary.cos: return long<Cos>(n, av, bv, x, y)
    case Unary.tanh: return long<Tanh>(n, av, bv, x, y)
    case Unary.sigmoid: return long<Sigmoid>(n, av, bv, x, y)
    case Unary.relu: return short<Relu>(n, av, bv, x, y)
    case Unary.leakyRelu: return short<LeakyRelu>(n, av, bv, x, y)
    case Unary.elu: return long<Elu>(n, av, bv, x, y)
    case Unary.gelu: return long<Gelu>(n, av, bv, x, y)
    case Unary.geluTanh: return long<GeluTanh>(n, av, bv, x, y)
    case Unary.silu: return long<Silu>(n, av, bv, x, y)
    case Unary.softplus: return long<Softplus>(n, av, bv, x, y)
    case Unary.sign: return short<Sign>(n, av, bv, x, y)
    case Unary.floor: return short<Floor>(n, av, bv, x, y)
    case Unary.reciprocal: return short<Reciprocal>(n, av, bv, x, y)
    case Unary.clamp: return short<Clamp>(n, av, bv, x, y)
    case Unary.power:
      if (a == 2) return unary(Unary.square, n, a, b, x, y)
      if (a == -1) return unary(Unary.reciprocal, n, a, b, x, y)
      if (a == 3) return short<Cube>(n, av, bv, x, y)
      if (a == 0.5) return short<Root>(n, av, bv, x, y)
      return long<Power>(n, av, bv, x, y)
  }
}

export function unaryGrad(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize, g: usize, out: usize): void {
  const av = f32x4.splat(a), bv = f32x4.splat(b)
  switch (f) {
    case Unary.affine: return shortGrad<Affine>(n, av, bv, x, y, g, out)
    case Unary.abs: return shortGrad<Abs>(n, av, bv, x, y, g, out)
    case Unary.exp: return shortGrad<Exp>(n, av, bv, x, y, g, out)
    case Unary.log: return shortGrad<Log>(n, av, bv, x, y, g, out)
    case Unary.log1p: return shortGrad<Log1p>(n, av, bv, x, y, g, out)
    case Unary.sqrt: return shortGrad<Sqrt>(n, av, bv, x, y, g, out)
    case Unary.rsqrt: return shortGrad<Rsqrt>(n, av, bv, x, y, g, out)
    case Unary.square: return shortGrad<Square>(n, av, bv, x, y, g, out)
    case Unary.sin: return longGrad<Sin>(n, av, bv, x, y, g, out)
    case Unary.cos: return longGrad<Cos>(n, av, bv, x, y, g, out)
    case Unary.tanh: return shortGrad<Tanh>(n, av, bv, x, y, g, out)
    case Unary.sigmoid: return shortGrad<Sigmoid>(n, av, bv, x, y, g, out)
    case Unary.relu: return shortGrad<Relu>(n, av, bv, x, y, g, out)
    case Unary.leakyRelu: return shortGrad<LeakyRelu>(n, av, bv, x, y, g, out)
    case Unary.elu: return longGrad<Elu>(n, av, bv, x, y, g, out)
    case Unary.gelu: return longGrad<Gelu>(n, av, bv, x, y, g, out)
    case Unary.geluTanh: return longGrad<GeluTanh>(n, av, bv, x, y, g, out)
    case Unary.silu: return longGrad<Silu>(n, av, bv, x, y, g, out)
    case Unary.softplus: return longGrad<Softplus>(n, av, bv, x, y, g, out)
    case Unary.sign:
    case Unary.floor: return memory.fill(out, 0, <usize>n << 2)
    case Unary.reciprocal: return shortGrad<Reciprocal>(n, av, bv, x, y, g, out)
    case Unary.clamp: return shortGrad<Clamp>(n, av, bv, x, y, g, out)
    case Unary.power:
      if (a == 0) return memory.fill(out, 0, <usize>n << 2) // not 0 x^-1, which is NaN at 0
      if (a == 2) return unaryGrad(Unary.square, n, a, b, x, y, g, out)
      if (a == -1) return unaryGrad(Unary.reciprocal, n, a, b, x, y, g, out)
      if (a == 3) return shortGrad<Cube>(n, av, bv, x, y, g, out)
      if (a == 0.5) return unaryGrad(Unary.sqrt, n, a, b, x, y, g, out)
      return longGrad<Power>(n, av, bv, x, y, g, out)
  }
}
