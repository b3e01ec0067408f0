// Elementwise functions and their gradients. Formulas of a few operations are formulas.ts's. A long one, polynomials above all, has a loop
// of its own here; what others, and gradients, make of its result with a few operations more, they make of blocks that it leaves in scratch.
import { Binary, Unary } from './codes'
import { BINARY, BLOCK, CUBE, GELU_ARGUMENT, ROOT, SLOPE, SOFTPLUS_ARGUMENT, compute, short } from './formulas'
import { FREE, scratchAt } from './microkernel'
import {
  bell4, choose, exp4, expm1Negative, log1p4, log4, madd, mul, normalCdf, normalDensity, normalTail, sigmoid4, sinShifted, splat,
  storePair, storeQuad, tanh4,
} from './simd'

// for four elements each

@unmanaged class Exp {
  @inline value(x: v128): v128 { return exp4(x) }
}
@unmanaged class Log {
  @inline value(x: v128): v128 { return log4(x) }
}
@unmanaged class Tanh {
  @inline value(x: v128): v128 { return tanh4(x) }
}
@unmanaged class Sigmoid {
  @inline value(x: v128): v128 { return sigmoid4(x) }
}
@unmanaged class Log1p {
  @inline value(x: v128, f: i32): v128 { return log1p4(x) }
}
@unmanaged class Expm1 {
  @inline value(x: v128, f: i32): v128 { return expm1Negative(x) }
}
/** sin(x + f pi/2) */
@unmanaged class Sine {
  @inline value(x: v128, f: i32): v128 { return sinShifted(x, f) }
}
@unmanaged class Gelu {
  @inline value(x: v128, f: i32): v128 {
    const u = f32x4.abs(x)
    return mul(x, normalCdf(x, normalTail(u, bell4(u))))
  }
}
/** What erf and the gradients of erf and gelu make of the normal distribution */
@unmanaged class Normal {
  @inline value(x: v128, f: i32): v128 {
    const u = mul(f32x4.abs(x), splat(f == Unary.erf ? 1.41421356 : 1)), bell = bell4(u), tail = normalTail(u, bell)
    const density = normalDensity(bell), slope = madd(x, density, normalCdf(x, tail))
    return choose(i32x4.splat(-i32(f == Unary.erf)), tail, choose(i32x4.splat(-i32(f == SLOPE + Unary.erf)), density, slope))
  }
}

/** Four vectors a turn, so that one chain of operations fills the gaps of another (tanh: 1.3 ns per element, two vectors 1.7) */
function quads<F>(n: i32, x: usize, y: usize): void {
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = f.value(v128.load(x)), v1 = f.value(v128.load(x, 16))
    const v2 = f.value(v128.load(x, 32)), v3 = f.value(v128.load(x, 48))
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

/** Two vectors a turn: for the longest formulas, which four would spill */
function pairs<F>(n: i32, f: i32, x: usize, y: usize): void {
  const formula = changetype<F>(0)
  if (n > 0) while (true) {
    const v0 = formula.value(v128.load(x), f), v1 = formula.value(v128.load(x, 16), f)
    if (n <= 8) return storePair(y, v0, v1, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    x += 32
    y += 32
    n -= 8
  }
}

// where in scratch a power finds its exponent, and where blocks lie between the steps of a formula
const EXPONENT: usize = FREE
const BETWEEN: usize = EXPONENT + 16

function isOneOf(f: i32, set: u32): bool { return (set >>> f & 1) != 0 }

/** Functions that a long formula gives as they are; those that it gives together with a short one; the same for gradients. */
const LONG: u32 = 1 << Unary.exp | 1 << Unary.log | 1 << Unary.log1p | 1 << Unary.sin | 1 << Unary.cos | 1 << Unary.tanh | 1 << Unary.sigmoid |
  1 << Unary.gelu | 1 << Unary.power
const JOINT: u32 = 1 << Unary.elu | 1 << Unary.geluTanh | 1 << Unary.silu | 1 << Unary.softplus | 1 << Unary.erf
const JOINT_SLOPES: u32 = JOINT | 1 << Unary.sin | 1 << Unary.cos | 1 << Unary.gelu | 1 << Unary.power

/** The long formula of f or, for SLOPE + f, that of its gradient */
function long(f: i32, n: i32, a: f32, x: usize, y: usize): void {
  switch (f) {
    case Unary.exp:
    case SLOPE + Unary.elu: return quads<Exp>(n, x, y)
    case Unary.log: return quads<Log>(n, x, y)
    case Unary.log1p: return pairs<Log1p>(n, 0, x, y)
    case Unary.sin:
    case SLOPE + Unary.cos: return pairs<Sine>(n, 0, x, y)
    case Unary.cos:
    case SLOPE + Unary.sin: return pairs<Sine>(n, 1, x, y)
    case Unary.tanh: return quads<Tanh>(n, x, y)
    case Unary.elu: return pairs<Expm1>(n, 0, x, y)
    case Unary.gelu: return pairs<Gelu>(n, 0, x, y)
    case Unary.erf:
    case SLOPE + Unary.gelu:
    case SLOPE + Unary.erf: return pairs<Normal>(n, f, x, y)
    case Unary.softplus:
      short(SOFTPLUS_ARGUMENT, n, a, 0, x, x, x, y)
      quads<Exp>(n, y, y)
      return pairs<Log1p>(n, 0, y, y)
    case Unary.power:
    case SLOPE + Unary.power:
      v128.store(scratchAt(EXPONENT), splat(f == Unary.power ? a : a - 1))
      return compute(BINARY + Binary.pow, n, 0, 0, x, 16, scratchAt(EXPONENT), 0, x, y)
    case Unary.geluTanh:
    case SLOPE + Unary.geluTanh:
      short(GELU_ARGUMENT, n, 0, 0, x, x, x, y)
      x = y
      break
    case SLOPE + Unary.softplus:
      short(Unary.affine, n, a, -0, x, x, x, y)
      x = y
  }
  quads<Sigmoid>(n, x, y)
}

/** What a long formula makes of a block of x goes to scratch; of that, x and g a short one makes the result. */
function joint(f: i32, n: i32, a: f32, b: f32, x: usize, g: usize, out: usize): void {
  const between = scratchAt(BETWEEN)
  for (; n > 0; n -= BLOCK) {
    const k = min(n, BLOCK)
    long(f, k, a, x, between)
    short(f, k, a, b, x, between, g, out)
    x += BLOCK << 2
    g += BLOCK << 2
    out += BLOCK << 2
  }
}

export function unary(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize): void {
  if (f == Unary.power) f = a == 2 ? Unary.square : a == -1 ? Unary.reciprocal : a == 3 ? CUBE : a == 0.5 ? ROOT : f
  if (isOneOf(f, LONG)) long(f, n, a, x, y)
  else if (isOneOf(f, JOINT)) joint(f, n, a, b, x, x, y)
  else short(f, n, a, b, x, x, x, y)
}

export function unaryGrad(f: i32, n: i32, a: f32, b: f32, x: usize, y: usize, g: usize, out: usize): void {
  if (f == Unary.power) f = a == 2 ? Unary.square : a == -1 ? Unary.reciprocal : a == 3 ? CUBE : a == 0.5 ? Unary.sqrt : f
  // the gradient of x^0 is not 0 x^-1, which is NaN at 0
  if (f == Unary.sign || f == Unary.floor || (f == Unary.power && a == 0)) memory.fill(out, 0, <usize>n << 2)
  else if (f == Unary.affine) short(f, n, a, -0, g, g, g, out)
  else if (isOneOf(f, JOINT_SLOPES)) joint(SLOPE + f, n, a, b, x, g, out)
  else short(SLOPE + f, n, a, b, x, y, g, out)
}
