// Elementwise functions and their gradients. A formula is a class of two inline methods, which the loops below take as a type
// parameter; a new one needs its class and a case in each switch.
import { Unary } from './codes'
import {
  add, choose, cos4, div, erf4, exp4, expm1Negative, log1p4, log4, madd, mul, normalCdf, normalDensity, pow4, sigmoid4, sign4,
  sin4, softplus4, splat, storePair, storeQuad, sub, tanh4,
} from './simd'

/** 2 sqrt(2/pi) (x + 0.044715 x^3): gelu's (1 + tanh u) / 2 is sigmoid(2 u), which does not cancel for negative u */
@inline function geluArgument(x: v128): v128 {
  return mul(x, madd(mul(x, x), splat(0.071354816), splat(1.5957691)))
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
    return sub(v128.and(f32x4.gt(v, splat(0)), g), v128.and(f32x4.lt(v, splat(0)), g))
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
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return div(g, add(v128.load(x), splat(1))) }
}

@unmanaged class Sqrt {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.sqrt(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 { return div(mul(g, splat(0.5)), v128.load(y)) }
}

@unmanaged class Rsqrt {
  @inline value(x: v128, a: v128, b: v128): v128 { return div(splat(1), f32x4.sqrt(x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const r = v128.load(y)
    return mul(g, mul(mul(splat(-0.5), r), mul(r, r)))
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
    return mul(g, mul(sub(splat(1), t), add(splat(1), t)))
  }
}

@unmanaged class Sigmoid {
  @inline value(x: v128, a: v128, b: v128): v128 { return sigmoid4(x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const s = v128.load(y)
    return mul(g, mul(s, sub(splat(1), s)))
  }
}

@unmanaged class Relu {
  // x < 0 ? 0 : x keeps NaN, and is one instruction
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.pmax(x, splat(0)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    return v128.andnot(g, f32x4.le(v128.load(x), splat(0)))
  }
}

@unmanaged class LeakyRelu {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(x, splat(0)), x, mul(a, x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    return choose(f32x4.gt(v128.load(x), splat(0)), g, mul(a, g))
  }
}

@unmanaged class Elu {
  @inline value(x: v128, a: v128, b: v128): v128 { return choose(f32x4.gt(x, splat(0)), x, mul(a, expm1Negative(x))) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return choose(f32x4.gt(v, splat(0)), g, mul(g, mul(a, exp4(v))))
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
    const v = f32x4.pmin(f32x4.pmax(v128.load(x), splat(-100)), splat(100)), s = sigmoid4(geluArgument(v))
    const inner = madd(mul(v, v), splat(0.21406445), splat(1.5957691))
    return mul(g, madd(mul(mul(v, inner), s), sub(splat(1), s), s))
  }
}

@unmanaged class Silu {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(x, sigmoid4(x)) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x), s = sigmoid4(v)
    return mul(g, mul(s, madd(v, sub(splat(1), s), splat(1))))
  }
}

@unmanaged class Softplus {
  @inline value(x: v128, a: v128, b: v128): v128 {
    return choose(f32x4.gt(mul(a, x), b), x, div(softplus4(mul(a, x)), a))
  }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const z = mul(a, v128.load(x))
    return choose(f32x4.gt(z, b), g, mul(g, sigmoid4(z)))
  }
}

@unmanaged class Sign {
  @inline value(x: v128, a: v128, b: v128): v128 { return sign4(x) }
}

@unmanaged class Floor {
  @inline value(x: v128, a: v128, b: v128): v128 { return f32x4.floor(x) }
}

@unmanaged class Reciprocal {
  @inline value(x: v128, a: v128, b: v128): v128 { return div(splat(1), x) }
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

@unmanaged class Erf {
  @inline value(x: v128, a: v128, b: v128): v128 { return erf4(x) }
  // 2 / sqrt(pi) e^(-x^2) = 4 sqrt(pi) density(x)^2: no rounded sqrt(2) x in an exponent
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const density = normalDensity(v128.load(x))
    return mul(g, mul(mul(density, splat(7.0898154)), density))
  }
}

// powers that need no logarithm; a = 2 and a = -1 are square and reciprocal
@unmanaged class Cube {
  @inline value(x: v128, a: v128, b: v128): v128 { return mul(mul(x, x), x) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    const v = v128.load(x)
    return mul(g, mul(splat(3), mul(v, v)))
  }
}

@unmanaged class Root {
  // unlike the square root, pow gives inf for -inf and 0 for -0
  @inline value(x: v128, a: v128, b: v128): v128 {
    return choose(f32x4.eq(x, splat(-Infinity)), splat(Infinity), f32x4.sqrt(add(x, splat(0))))
  }
}

@unmanaged class Power {
  @inline value(x: v128, a: v128, b: v128): v128 { return pow4(x, a) }
  @inline slope(x: usize, y: usize, g: v128, a: v128, b: v128): v128 {
    return mul(g, mul(a, pow4(v128.load(x), sub(a, splat(1)))))
  }
}

/** Four vectors a turn, so that one chain of operations fills the gaps of another (tanh: 1.3 ns per element, two vectors 1.7) */
function quads<F>(n: i32, a: v128, b: v128, x: usize, y: usize): void {
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = f.value(v128.load(x), a, b), v1 = f.value(v128.load(x, 16), a, b)
    const v2 = f.value(v128.load(x, 32), a, b), v3 = f.value(v128.load(x, 48), a, b)
    if (n <= 16) return storeQuad(y, v0, v1, v2, v3, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    v128.store(y, v2, 32)
    v128.store(y, v3, 48)
    x += 64
    y += 64
    n -= 16
  }
}

/** Two vectors a turn: for the longest formulas, which four would spill, and for rare ones, which should stay small */
function pairs<F>(n: i32, a: v128, b: v128, x: usize, y: usize): void {
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = f.value(v128.load(x), a, b), v1 = f.value(v128.load(x, 16), a, b)
    if (n <= 8) return storePair(y, v0, v1, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    x += 32
    y += 32
    n -= 8
  }
}

function quadsGrad<F>(n: i32, a: v128, b: v128, x: usize, y: usize, g: usize, out: usize): void {
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = f.slope(x, y, v128.load(g), a, b), v1 = f.slope(x + 16, y + 16, v128.load(g, 16), a, b)
    const v2 = f.slope(x + 32, y + 32, v128.load(g, 32), a, b), v3 = f.slope(x + 48, y + 48, v128.load(g, 48), a, b)
    if (n <= 16) return storeQuad(out, v0, v1, v2, v3, n)
    v128.store(out, v0)
    v128.store(out, v1, 16)
    v128.store(out, v2, 32)
    v128.store(out, v3, 48)
    x += 64
    y += 64
    g += 64
    out += 64
    n -= 16
  }
}

function pairsGrad<F>(n: i32, a: v128, b: v128, x: usize, y: usize, g: usize, out: usize): void {
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = f.slope(x, y, v128.load(g), a, b), v1 = f.slope(x + 16, y + 16, v128.load(g, 16), a, b)
    if (n <= 8) return storePair(out, v0, v1, n)
    v128.store(out, v0)
    v128.store(out, v1, 16)
    x += 32
    y += 32
    g += 32
    out += 32
    n -= 8
  }
}

export function unary(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize): void {
  const av = splat(a), bv = splat(b)
  switch (f) {
    case Unary.affine: return quads<Affine>(n, av, bv, x, y)
    case Unary.abs: return quads<Abs>(n, av, bv, x, y)
    case Unary.exp: return quads<Exp>(n, av, bv, x, y)
    case Unary.log: return quads<Log>(n, av, bv, x, y)
    case Unary.log1p: return pairs<Log1p>(n, av, bv, x, y)
    case Unary.sqrt: return quads<Sqrt>(n, av, bv, x, y)
    case Unary.rsqrt: return quads<Rsqrt>(n, av, bv, x, y)
    case Unary.square: return quads<Square>(n, av, bv, x, y)
    case Unary.sin: return pairs<Sin>(n, av, bv, x, y)
    case Unary.cos: return pairs<Cos>(n, av, bv, x, y)
    case Unary.tanh: return quads<Tanh>(n, av, bv, x, y)
    case Unary.sigmoid: return quads<Sigmoid>(n, av, bv, x, y)
    case Unary.relu: return quads<Relu>(n, av, bv, x, y)
    case Unary.leakyRelu: return quads<LeakyRelu>(n, av, bv, x, y)
    case Unary.elu: return pairs<Elu>(n, av, bv, x, y)
    case Unary.gelu: return pairs<Gelu>(n, av, bv, x, y)
    case Unary.geluTanh: return quads<GeluTanh>(n, av, bv, x, y)
    case Unary.silu: return quads<Silu>(n, av, bv, x, y)
    case Unary.softplus: return pairs<Softplus>(n, av, bv, x, y)
    case Unary.erf: return pairs<Erf>(n, av, bv, x, y)
    case Unary.sign: return quads<Sign>(n, av, bv, x, y)
    case Unary.floor: return quads<Floor>(n, av, bv, x, y)
    case Unary.reciprocal: return quads<Reciprocal>(n, av, bv, x, y)
    case Unary.clamp: return quads<Clamp>(n, av, bv, x, y)
    case Unary.power:
      if (a == 2) return unary(Unary.square, n, a, b, x, y)
      if (a == -1) return unary(Unary.reciprocal, n, a, b, x, y)
      if (a == 3) return quads<Cube>(n, av, bv, x, y)
      if (a == 0.5) return quads<Root>(n, av, bv, x, y)
      return pairs<Power>(n, av, bv, x, y)
  }
}

export function unaryGrad(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize, g: usize, out: usize): void {
  const av = splat(a), bv = splat(b)
  switch (f) {
    case Unary.affine: return quadsGrad<Affine>(n, av, bv, x, y, g, out)
    case Unary.abs: return quadsGrad<Abs>(n, av, bv, x, y, g, out)
    case Unary.exp: return quadsGrad<Exp>(n, av, bv, x, y, g, out)
    case Unary.log: return quadsGrad<Log>(n, av, bv, x, y, g, out)
    case Unary.log1p: return quadsGrad<Log1p>(n, av, bv, x, y, g, out)
    case Unary.sqrt: return quadsGrad<Sqrt>(n, av, bv, x, y, g, out)
    case Unary.rsqrt: return quadsGrad<Rsqrt>(n, av, bv, x, y, g, out)
    case Unary.square: return quadsGrad<Square>(n, av, bv, x, y, g, out)
    case Unary.sin: return pairsGrad<Sin>(n, av, bv, x, y, g, out)
    case Unary.cos: return pairsGrad<Cos>(n, av, bv, x, y, g, out)
    case Unary.tanh: return quadsGrad<Tanh>(n, av, bv, x, y, g, out)
    case Unary.sigmoid: return quadsGrad<Sigmoid>(n, av, bv, x, y, g, out)
    case Unary.relu: return quadsGrad<Relu>(n, av, bv, x, y, g, out)
    case Unary.leakyRelu: return quadsGrad<LeakyRelu>(n, av, bv, x, y, g, out)
    case Unary.elu: return pairsGrad<Elu>(n, av, bv, x, y, g, out)
    case Unary.gelu: return pairsGrad<Gelu>(n, av, bv, x, y, g, out)
    case Unary.geluTanh: return quadsGrad<GeluTanh>(n, av, bv, x, y, g, out)
    case Unary.silu: return quadsGrad<Silu>(n, av, bv, x, y, g, out)
    case Unary.softplus: return pairsGrad<Softplus>(n, av, bv, x, y, g, out)
    case Unary.erf: return pairsGrad<Erf>(n, av, bv, x, y, g, out)
    case Unary.sign:
    case Unary.floor: return memory.fill(out, 0, <usize>n << 2)
    case Unary.reciprocal: return quadsGrad<Reciprocal>(n, av, bv, x, y, g, out)
    case Unary.clamp: return quadsGrad<Clamp>(n, av, bv, x, y, g, out)
    case Unary.power:
      if (a == 0) return memory.fill(out, 0, <usize>n << 2) // not 0 x^-1, which is NaN at 0
      if (a == 2) return unaryGrad(Unary.square, n, a, b, x, y, g, out)
      if (a == -1) return unaryGrad(Unary.reciprocal, n, a, b, x, y, g, out)
      if (a == 3) return quadsGrad<Cube>(n, av, bv, x, y, g, out)
      if (a == 0.5) return unaryGrad(Unary.sqrt, n, a, b, x, y, g, out)
      return pairsGrad<Power>(n, av, bv, x, y, g, out)
  }
}
