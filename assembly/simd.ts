// Functions on four float32 lanes: stores with a tail, horizontal sums, and exp, log, tanh ... as polynomials of our own.
// Math.* can't serve: it is scalar, ten times slower, and its last bits differ between runtimes.
//
// "ulp" is the largest error with plain SIMD in units of the result's last place: of exp, log, tanh, sigmoid, erf, sin and cos among all
// float32 values (test/ulp.ts), otherwise found by stepping through them in strides of at most 997 bit patterns.
//
// Loops over these polynomials test at the end of a turn, not at its head: V8 11.3 moves constants out of a loop only if
// their block dominates the loop's exits; otherwise it builds every splat anew in every turn (exp: 1.6 ns instead of 1.1).

@inline export function splat(x: f32): v128 { return f32x4.splat(x) }
@inline export function add(a: v128, b: v128): v128 { return f32x4.add(a, b) }
@inline export function sub(a: v128, b: v128): v128 { return f32x4.sub(a, b) }
@inline export function mul(a: v128, b: v128): v128 { return f32x4.mul(a, b) }
@inline export function div(a: v128, b: v128): v128 { return f32x4.div(a, b) }

/** a b + c; fused in the relaxed binary, of which unpack.ts makes the plain one by a multiplication and an addition in its place */
@inline export function madd(a: v128, b: v128, c: v128): v128 { return f32x4.relaxed_madd(a, b, c) }

/** mask ? a : b, lane by lane */
@inline export function choose(mask: v128, a: v128, b: v128): v128 { return v128.bitselect(a, b, mask) }

/** The larger lane; NaN wins. pmax is one instruction where f32x4.max is five, but it drops a NaN of `b`. */
@inline export function maxNaN(a: v128, b: v128): v128 { return v128.or(f32x4.pmax(a, b), f32x4.ne(b, b)) }
@inline export function minNaN(a: v128, b: v128): v128 { return v128.or(f32x4.pmin(a, b), f32x4.ne(b, b)) }

/** -1, 0 or 1 by the sign; NaN stays */
@inline export function sign4(x: v128): v128 {
  return choose(f32x4.gt(f32x4.abs(x), splat(0)), v128.or(v128.and(x, splat(-0.0)), splat(1)), x)
}

@inline export function lane(v: v128): f32 { return f32x4.extract_lane(v, 0) }

/** Stores the first n < 4 lanes: memory after a tensor may be read, never written. */
@inline function storeLanes(y: usize, v: v128, n: i32): void {
  if (n & 2) {
    v128.store64_lane(y, v, 0)
    if (n & 1) v128.store32_lane(y, v, 2, 8)
  } else if (n & 1) v128.store32_lane(y, v, 0)
}

function finish(y: usize, v: v128, n: i32): void { storeLanes(y, v, n) }

/** Stores the first n < 4 lanes, in a function of its own. */
@inline export function storePart(y: usize, v: v128, n: i32): void { finish(y, v, n) }

/** Stores v, or its first n lanes where n < 4. */
@inline export function storeUpTo(y: usize, v: v128, n: i32): void {
  if (n >= 4) v128.store(y, v)
  else storePart(y, v, n)
}

/** The same without a call, before which V8 would save the registers of a loop */
@inline export function storeUpToHere(y: usize, v: v128, n: i32): void {
  if (n >= 4) v128.store(y, v)
  else storeLanes(y, v, n)
}

function finishPair(y: usize, v0: v128, v1: v128, n: i32): void {
  storeUpTo(y, v0, n)
  if (n > 4) storeUpTo(y + 16, v1, n - 4)
}

function finishQuad(y: usize, v0: v128, v1: v128, v2: v128, v3: v128, n: i32): void {
  finishPair(y, v0, v1, n)
  if (n > 8) finishPair(y + 32, v2, v3, n - 8)
}

// asc warns of exported functions with v128 in their signature unless they are inline
/** Stores the first n of 8 elements. */
@inline export function storePair(y: usize, v0: v128, v1: v128, n: i32): void { finishPair(y, v0, v1, n) }
/** Stores the first n of 16 elements. */
@inline export function storeQuad(y: usize, v0: v128, v1: v128, v2: v128, v3: v128, n: i32): void {
  finishQuad(y, v0, v1, v2, v3, n)
}

/** Lanes 0..n-1 all ones, the others zero */
@inline export function firstLanes(n: i32): v128 { return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(n)) }

@inline export function sumLanes(v: v128): f32 {
  const pair = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
  return lane(f32x4.add(pair, v128.shuffle<f32>(pair, pair, 1, 0, 3, 2)))
}

@inline export function maxLanes(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)))
}

@inline export function minLanes(v: v128): f32 {
  return min(min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)))
}

// ---- exp ---------------------------------------------------------------------------------------------------------------
// e^x = 2^n e^r, |r| <= ln2 / 2, n ln2 subtracted in two parts (Cody and Waite); e^r = 1 + r + r^2 p(r), p minimax of
// degree 4 (Remez, relative error 3.1e-9). 2^n is applied as two factors, which reaches infinity and the denormals.
// Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.

/** round(x log2 e) + 1.5 * 2^23 */
@inline function expTurns(x: v128): v128 { return madd(x, splat(1.44269504), splat(12582912)) }

/** x - n ln2 */
@inline function expRest(x: v128, turns: v128): v128 {
  const n = sub(turns, splat(12582912))
  return sub(sub(x, mul(n, splat(0.693359375))), mul(n, splat(-2.12194440e-4)))
}

/** e^r - 1 */
@inline function expPolynomial(r: v128): v128 {
  const r2 = mul(r, r)
  const low = madd(r, splat(0.16666520632), splat(0.49999993448)), high = madd(r, splat(0.00836871688), splat(0.04166838805))
  return madd(r2, madd(r2, madd(r2, splat(0.00138145986), high), low), r)
}

/** y 2^n */
@inline function scale(y: v128, turns: v128): v128 {
  const n = i32x4.shl(turns, 23)
  const half = v128.and(i32x4.shr_s(n, 1), i32x4.splat(0xff800000))
  return mul(mul(y, i32x4.add(half, splat(1))), i32x4.add(i32x4.sub(n, half), splat(1)))
}

/** e^x, ulp 0.99 */
@inline export function exp4(x: v128): v128 {
  x = f32x4.pmax(f32x4.pmin(x, splat(89)), splat(-104))
  const turns = expTurns(x)
  return scale(add(expPolynomial(expRest(x, turns)), splat(1)), turns)
}

/** e^x for x <= 0, ulp 0.99; 0 where that is denormal, which saves the second factor */
@inline export function expDown(x: v128): v128 {
  const turns = expTurns(x), power = i32x4.add(i32x4.shl(turns, 23), splat(1))
  return v128.andnot(mul(add(expPolynomial(expRest(x, turns)), splat(1)), power), f32x4.lt(x, splat(-87.33654)))
}

/** e^(x + low) for x <= 0 and |low| far below 1 */
@inline function expSum(x: v128, low: v128): v128 {
  x = f32x4.pmax(x, splat(-104))
  const turns = expTurns(x)
  return scale(add(expPolynomial(add(expRest(x, turns), low)), splat(1)), turns)
}

/** e^x - 1 for |x| < 87; p of degree 5 here, relative error 4.7e-10 of e^r - 1 */
@inline function expm1Bounded(x: v128): v128 {
  const turns = expTurns(x), power = i32x4.add(i32x4.shl(turns, 23), splat(1)), r = expRest(x, turns), r2 = mul(r, r)
  const low = madd(r, splat(0.16666666756), splat(0.50000000808)), middle = madd(r, splat(0.00833328601), splat(0.04166624054))
  const p = madd(r2, madd(r2, madd(r, splat(0.00019907585), splat(0.00139485928)), middle), low)
  return madd(madd(r2, p, r), power, sub(power, splat(1)))
}

/** e^x - 1 for x <= 0, ulp 0.91 */
@inline export function expm1Negative(x: v128): v128 { return expm1Bounded(f32x4.pmax(x, splat(-30))) } // -1 from there on

/** tanh x = t / (t + 2) for t = e^2x - 1, ulp 2.2; below 0.17 with -2|x|, where t + 2 keeps one digit more, beyond with 2|x| */
@inline export function tanh4(x: v128): v128 {
  const u = f32x4.pmin(f32x4.abs(x), splat(10)) // tanh 10 is 1 already
  const t = expm1Bounded(mul(u, choose(f32x4.lt(u, splat(0.17)), splat(-2), splat(2))))
  return choose(splat(-0.0), x, div(t, add(t, splat(2))))
}

/** 1 / (1 + e^-x), from e^-|x| so that small results keep their digits; ulp 1.9 */
@inline export function sigmoid4(x: v128): v128 {
  const t = exp4(f32x4.neg(f32x4.abs(x)))
  const y = choose(f32x4.lt(x, splat(0)), t, splat(1))
  return sub(y, mul(y, div(t, add(t, splat(1)))))
}

// ---- log ---------------------------------------------------------------------------------------------------------------
// x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt 2; s = f / (2 + f), log(1 + f) = f - f^2/2 + s (f^2/2 + p(s^2)) with the
// coefficients of FreeBSD's e_logf.c. sqrt(1/2) stands for its bits in integer arithmetic.

/** x, or 2^23 x where x is denormal */
@inline function lifted(x: v128, tiny: v128): v128 { return choose(tiny, mul(x, splat(8388608)), x) }

/** k as int32, for bits = those of x less those of sqrt(1/2) */
@inline function wholePart(bits: v128): v128 { return i32x4.shr_s(bits, 23) }

/** 1 + f */
@inline function mantissa(bits: v128): v128 { return i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), splat(0.70710677)) }

/** log(1 + f) + k log 2 */
@inline function logSum(f: v128, k: v128): v128 {
  const s = div(f, add(f, splat(2))), z = mul(s, s), w = mul(z, z)
  const odd = madd(w, splat(0.28498786688), splat(0.66666662693)), even = madd(w, splat(0.24279078841), splat(0.40000972152))
  const p = madd(z, odd, mul(w, even))
  const half = mul(mul(f, f), splat(0.5))
  return madd(k, splat(6.9313812256e-01), add(f, sub(madd(s, add(half, p), mul(k, splat(9.0580006145e-06))), half)))
}

/** y = log x with its values at and beyond the ends of the domain */
@inline function logEnds(y: v128, x: v128): v128 {
  const inside = choose(f32x4.lt(x, splat(Infinity)), y, x)
  const negative = v128.or(inside, f32x4.lt(x, splat(0)))
  return choose(f32x4.eq(x, splat(0)), splat(-Infinity), negative)
}

/** log x, ulp 0.84; log 0 = -inf, NaN below */
@inline export function log4(x: v128): v128 {
  const tiny = f32x4.lt(x, splat(1.17549435e-38))
  const bits = i32x4.sub(lifted(x, tiny), splat(0.70710677))
  const k = f32x4.convert_i32x4_s(i32x4.sub(wholePart(bits), v128.and(tiny, i32x4.splat(23))))
  return logEnds(logSum(sub(mantissa(bits), splat(1)), k), x)
}

/**
 * log(1 + x), ulp 1.4. k is that of the rounded 1 + x; f = 2^-k x + (2^-k - 1) has no such rounding (N. Juffa). 2^-k is kept
 * four times too large: for k = 128 it has no exponent of its own.
 */
@inline export function log1p4(x: v128): v128 {
  const sum = add(x, splat(1))
  const k = wholePart(i32x4.sub(sum, splat(0.70710677)))
  const power = mul(i32x4.sub(i32x4.splat(0x40800000), i32x4.shl(k, 23)), splat(0.25))
  return logEnds(logSum(madd(x, power, sub(power, splat(1))), f32x4.convert_i32x4_s(k)), sum)
}

/** log(1 + e^x), ulp 1.6 */
@inline export function softplus4(x: v128): v128 {
  const positive = choose(f32x4.lt(x, splat(0)), splat(0), x)
  return add(log1p4(exp4(f32x4.neg(f32x4.abs(x)))), positive)
}

// ---- normal distribution -----------------------------------------------------------------------------------------------
// For u >= 0: cdf(-u) = e^(-u^2/2) p(t) / (u + 3.5), t = (u - 3.5) / (u + 3.5), p minimax of degree 9 on 0 <= u <= 14.5 (Remez,
// relative error 7.2e-9; the map is Schonfelder's, Math. Comp. 32, 1978). Not 1 + erf: that cancels for negative x.

/** e^(-u^2/2) for u >= 0; the square of the upper 12 bits of u is exact, the rest goes to `low` */
@inline export function bell4(u: v128): v128 {
  u = f32x4.pmin(u, splat(15))
  const upper = v128.and(u, i32x4.splat(0xfffff000))
  const low = mul(mul(sub(u, upper), add(u, upper)), splat(-0.5))
  return expSum(mul(mul(upper, upper), splat(-0.5)), low)
}

/** e^(-x^2/2) / sqrt(2 pi) for bell = e^(-x^2/2), ulp 2.1 */
@inline export function normalDensity(bell: v128): v128 { return mul(bell, splat(0.39894228)) }

/** The integral of normalDensity beyond u >= 0 */
@inline export function normalTail(u: v128, bell: v128): v128 {
  u = f32x4.pmin(u, splat(15))
  const shifted = add(u, splat(3.5))
  const t = div(sub(u, splat(3.5)), shifted), t2 = mul(t, t), t4 = mul(t2, t2)
  const low = madd(t2, madd(t, splat(-0.11605304077), splat(0.31542504875)), madd(t, splat(-0.56556174510), splat(0.74441607414)))
  const middle = madd(t, splat(0.00649311568), splat(0.0174063781)), high = madd(t, splat(-0.0004949428), splat(-0.00317530953))
  const p = madd(t4, madd(t4, madd(t, splat(0.00011068819), splat(0.00042189633)), madd(t2, high, middle)), low)
  return div(mul(bell, p), shifted)
}

/** The integral of normalDensity from -inf to x = (1 + erf(x / sqrt 2)) / 2, for that beyond |x|; ulp 2.1 for x > 0 and 5.3 for x < 0 */
@inline export function normalCdf(x: v128, tail: v128): v128 { return choose(f32x4.lt(x, splat(0)), tail, sub(splat(1), tail)) }

/**
 * erf x, for the tail beyond sqrt(2) |x|, ulp 1.9: below 0.9 an odd polynomial (Remez, relative error 2.9e-10), beyond from the normal
 * distribution's tail
 */
@inline export function erf4(x: v128, tail: v128): v128 {
  const z = mul(x, x), z2 = mul(z, z)
  const low = madd(z, splat(0.11283715032), splat(-0.3761263498)), middle = madd(z, splat(0.00520385908), splat(-0.02686050842))
  const p = madd(z2, madd(z2, madd(z, splat(0.00008513101), splat(-0.00081756386)), middle), low)
  const small = madd(x, madd(z, p, splat(0.12837916676)), x)
  return choose(f32x4.lt(f32x4.abs(x), splat(0.9)), small, v128.or(sub(splat(1), add(tail, tail)), v128.and(x, splat(-0.0))))
}

// ---- sin and cos -------------------------------------------------------------------------------------------------------
// x = n pi/2 + r, |r| <= pi/4, in float64 with pi/2 in two parts (25 and 53 bits, as in FreeBSD's e_rem_pio2f.c); then
// r + r^3 p(r^2) (Remez, relative error 3.8e-9) or 1 - r^2/2 + r^4 p(r^2) (8.1e-10). From 2^20 on, r comes from largeAngle.

/** The bits of 2 / pi after 32 zeros */
const TWO_OVER_PI: usize = memory.data<u32>([
  0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561, 0xb7246e3a,
])

@inline export function upperHalf(x: v128): v128 { return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 2, 3)) }
@inline export function lowerHalf(x: v128): v128 { return f64x2.promote_low_f32x4(x) }
@inline export function joined(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5)
}

/** round(x 2/pi) + 1.5 * 2^52 */
@inline function turns64(x: v128): v128 {
  return f64x2.add(f64x2.mul(x, f64x2.splat(0.6366197723675814)), f64x2.splat(6755399441055744))
}
@inline function rest64(x: v128): v128 {
  const n = f64x2.sub(turns64(x), f64x2.splat(6755399441055744))
  return f64x2.sub(f64x2.sub(x, f64x2.mul(n, f64x2.splat(1.5707963109016418))), f64x2.mul(n, f64x2.splat(1.5893254773528196e-8)))
}

/**
 * |x| 2/pi mod 4 in units of 2^-62, for 2^20 <= |x| < inf: the 24 bits of x times the 96 bits of 2/pi that matter
 * (Payne and Hanek, SIGNUM Newsletter 18, 1983).
 */
function largeAngle(x: f32): u64 {
  const bits = reinterpret<u32>(x)
  const m = <u64>(bits & 0x7fffff | 0x800000)
  const start = <i32>(bits >> 23 & 0xff) - 150 + 30
  const word = TWO_OVER_PI + (<usize>(start >> 5) << 2), shift = <u64>(start & 31)
  const w0 = <u64>load<u32>(word), w1 = <u64>load<u32>(word, 4), w2 = <u64>load<u32>(word, 8), w3 = <u64>load<u32>(word, 12)
  const high = (w0 << 32 | w1) << shift >> 32, middle = (w1 << 32 | w2) << shift >> 32, low = (w2 << 32 | w3) << shift >> 32
  return (m * high << 32) + m * middle + (m * low >> 32)
}

function largeRest(x: f32, rest: f32): f32 {
  if (!(abs(x) >= 1048576)) return rest
  const r = <f32>(<f64>(<i64>(largeAngle(x) << 2) >> 2) * 3.4061215800304876e-19) // pi/2 * 2^-62
  return abs(x) == Infinity ? NaN : x < 0 ? -r : r
}

function largeQuarter(x: f32, quarter: i32): i32 {
  if (!(abs(x) >= 1048576)) return quarter
  const n = <i32>((largeAngle(x) + (<u64>1 << 61)) >> 62)
  return x < 0 ? -n : n
}

/** The lanes of `rests` from 2^20 on made right; infinity gives NaN */
function largeRests(x: v128, rests: v128): v128 {
  const r0 = largeRest(f32x4.extract_lane(x, 0), f32x4.extract_lane(rests, 0))
  const r1 = largeRest(f32x4.extract_lane(x, 1), f32x4.extract_lane(rests, 1))
  const r2 = largeRest(f32x4.extract_lane(x, 2), f32x4.extract_lane(rests, 2))
  const r3 = largeRest(f32x4.extract_lane(x, 3), f32x4.extract_lane(rests, 3))
  return f32x4(r0, r1, r2, r3)
}

/** The same for the numbers of quarter turns */
function largeQuarters(x: v128, n: v128): v128 {
  const n0 = largeQuarter(f32x4.extract_lane(x, 0), i32x4.extract_lane(n, 0))
  const n1 = largeQuarter(f32x4.extract_lane(x, 1), i32x4.extract_lane(n, 1))
  const n2 = largeQuarter(f32x4.extract_lane(x, 2), i32x4.extract_lane(n, 2))
  const n3 = largeQuarter(f32x4.extract_lane(x, 3), i32x4.extract_lane(n, 3))
  return i32x4(n0, n1, n2, n3)
}

/** sin(x + shift pi/2): sin x, or cos x for a shift of 1, ulp 1.6 */
@inline export function sinShifted(x: v128, shift: i32): v128 {
  const x0 = lowerHalf(x), x1 = upperHalf(x)
  let n = v128.shuffle<i32>(turns64(x0), turns64(x1), 0, 2, 4, 6), r = joined(rest64(x0), rest64(x1))
  if (v128.any_true(f32x4.ge(f32x4.abs(x), splat(1048576)))) {
    n = largeQuarters(x, n)
    r = largeRests(x, r)
  }
  n = i32x4.add(n, i32x4.splat(shift))
  const z = mul(r, r)
  const sin = madd(mul(r, z), madd(z, madd(z, splat(-0.00019514632), splat(0.00833215605)), splat(-0.16666654537)), r)
  const high = madd(z, madd(z, splat(0.00002452636), splat(-0.00138881989)), splat(0.04166666439))
  const cos = add(splat(1), mul(z, madd(z, high, splat(-0.5))))
  const y = choose(i32x4.shr_s(i32x4.shl(n, 31), 31), cos, sin)
  return v128.xor(y, v128.and(i32x4.shl(n, 30), splat(-0.0)))
}

// ---- powers ------------------------------------------------------------------------------------------------------------
// |x|^y = 2^(y log2 |x|) in float64, since y multiplies the error of the logarithm: log2 by s = (m - 1) / (m + 1) and an odd
// polynomial (Remez, relative error 4.8e-12), 2^r by one of degree 6 (1.9e-9).

/** y (k + log2 m) */
@inline function logPower(m: v128, k: v128, y: v128): v128 {
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1))), z = f64x2.mul(s, s)
  let p = f64x2.add(f64x2.mul(z, f64x2.splat(0.1179166843938156)), f64x2.splat(0.14268627332965336))
  p = f64x2.add(f64x2.mul(z, p), f64x2.splat(0.20000167942465735))
  p = f64x2.add(f64x2.mul(z, p), f64x2.splat(0.33333332821593953))
  return f64x2.mul(y, f64x2.add(k, f64x2.mul(f64x2.splat(2.8853900817779268), f64x2.add(s, f64x2.mul(f64x2.mul(s, z), p)))))
}

@inline function exp2(x: v128): v128 {
  x = f64x2.pmax(f64x2.pmin(x, f64x2.splat(400)), f64x2.splat(-400))
  const turns = f64x2.add(x, f64x2.splat(6755399441055744)), r = f64x2.sub(x, f64x2.sub(turns, f64x2.splat(6755399441055744)))
  let p = f64x2.add(f64x2.mul(r, f64x2.splat(0.00015345812055467118)), f64x2.splat(0.0013399931224346918))
  p = f64x2.add(f64x2.mul(r, p), f64x2.splat(0.009618488957081107))
  p = f64x2.add(f64x2.mul(r, p), f64x2.splat(0.055503287769474566))
  p = f64x2.add(f64x2.mul(r, p), f64x2.splat(0.2402264689063031))
  p = f64x2.add(f64x2.mul(r, p), f64x2.splat(0.693147205737284))
  p = f64x2.add(f64x2.mul(r, p), f64x2.splat(1.0000000005541703))
  return f64x2.mul(p, i64x2.add(i64x2.shl(turns, 52), f64x2.splat(1)))
}

/** x^y with the special cases of C's pow (as in PyTorch: 1^NaN = NaN^0 = 1), ulp 0.54 */
@inline export function pow4(x: v128, y: v128): v128 {
  const zero = splat(0), infinity = splat(Infinity), base = f32x4.abs(x)
  const tiny = f32x4.lt(base, splat(1.17549435e-38))
  const bits = i32x4.sub(lifted(base, tiny), splat(0.70710677)), m = mantissa(bits)
  const k = i32x4.sub(wholePart(bits), v128.and(tiny, i32x4.splat(23)))
  let low = logPower(lowerHalf(m), f64x2.convert_low_i32x4_s(k), lowerHalf(y))
  let high = logPower(upperHalf(m), f64x2.convert_low_i32x4_s(v128.shuffle<i32>(k, k, 2, 3, 2, 3)), upperHalf(y))
  let power = joined(exp2(low), exp2(high))

  // bases 0 and inf have no logarithm: the power is 0 or inf by the sign of y
  const grows = v128.xor(f32x4.eq(base, zero), f32x4.gt(y, zero))
  const endless = v128.or(f32x4.eq(base, zero), f32x4.eq(base, infinity))
  power = choose(endless, v128.and(grows, infinity), power)
  // a finite negative base needs a whole y, an odd y keeps the sign
  const whole = f32x4.eq(f32x4.floor(y), y), pair = mul(y, splat(0.5))
  const odd = v128.andnot(whole, f32x4.eq(f32x4.floor(pair), pair))
  power = v128.xor(power, v128.and(v128.and(x, odd), splat(-0.0)))
  power = v128.or(power, v128.andnot(v128.andnot(f32x4.lt(x, zero), whole), endless))
  power = v128.or(power, v128.or(f32x4.ne(x, x), f32x4.ne(y, y)))
  // (-1)^inf = 1 as well
  const unit = v128.or(f32x4.eq(x, splat(1)), v128.and(f32x4.eq(base, splat(1)), f32x4.eq(f32x4.abs(y), infinity)))
  return choose(v128.or(unit, f32x4.eq(y, zero)), splat(1), power)
}
