// Random numbers from Philox 4x32-10 (J. Salmon and others, Parallel random numbers: as easy as 1, 2, 3, 2011).
// Block i is a function of the key and of i alone, so four blocks are computed at once and every backend draws the same bits.
import { add, choose, mul, splat, storeUpTo } from './simd'

@external('env', 'scratch') declare const scratch: usize

/** The lower and the upper words of four 64-bit products */
@inline function lowWords(a: v128, b: v128): v128 { return v128.shuffle<i32>(a, b, 0, 2, 4, 6) }
@inline function highWords(a: v128, b: v128): v128 { return v128.shuffle<i32>(a, b, 1, 3, 5, 7) }

/** Writes the 16 words of the blocks counter .. counter + 3 to scratch memory. Vectors hold one word of all four blocks. */
function drawBlocks(counter: u64, key0: i32, key1: i32): void {
  const m0 = i32x4.splat(0xd2511f53), m1 = i32x4.splat(0xcd9e8d57), start = i32x4.splat(<i32>counter)
  let c0 = i32x4.add(start, i32x4(0, 1, 2, 3)), c1 = i32x4.sub(i32x4.splat(<i32>(counter >> 32)), i32x4.lt_u(c0, start))
  let c2 = i32x4.splat(0), c3 = c2
  let round = 0
  do {
    const low0 = i64x2.extmul_low_i32x4_u(c0, m0), high0 = i64x2.extmul_high_i32x4_u(c0, m0)
    const low1 = i64x2.extmul_low_i32x4_u(c2, m1), high1 = i64x2.extmul_high_i32x4_u(c2, m1)
    c0 = v128.xor(v128.xor(highWords(low1, high1), c1), i32x4.splat(key0))
    c1 = lowWords(low1, high1)
    c2 = v128.xor(v128.xor(highWords(low0, high0), c3), i32x4.splat(key1))
    c3 = lowWords(low0, high0)
    key0 += 0x9e3779b9
    key1 += 0xbb67ae85
  } while (++round < 10)
  const low01 = v128.shuffle<i32>(c0, c1, 0, 4, 1, 5), high01 = v128.shuffle<i32>(c0, c1, 2, 6, 3, 7)
  const low23 = v128.shuffle<i32>(c2, c3, 0, 4, 1, 5), high23 = v128.shuffle<i32>(c2, c3, 2, 6, 3, 7)
  v128.store(scratch, v128.shuffle<i64>(low01, low23, 0, 2))
  v128.store(scratch, v128.shuffle<i64>(low01, low23, 1, 3), 16)
  v128.store(scratch, v128.shuffle<i64>(high01, high23, 0, 2), 32)
  v128.store(scratch, v128.shuffle<i64>(high01, high23, 1, 3), 48)
}

/** The counter of `state` before it moves on by the blocks that n numbers take */
function advance(n: i32, state: usize): u64 {
  const counter = load<u64>(state, 8)
  store<u64>(state, counter + ((<u64>n + 3) >> 2), 8)
  return counter
}

/** The upper 24 bits of four words as numbers in [0, 1) */
@inline function units(words: usize): v128 {
  return mul(f32x4.convert_i32x4_u(i32x4.shr_u(v128.load(words), 8)), splat(5.9604644775390625e-8))
}

export function uniform(n: i32, low: f32, high: f32, state: usize, y: usize): void {
  const key0 = load<i32>(state), key1 = load<i32>(state, 4), start = splat(low), range = splat(high - low)
  for (let counter = advance(n, state); n > 0; counter += 4) {
    drawBlocks(counter, key0, key1)
    for (let words = scratch; words < scratch + 64 && n > 0; words += 16) {
      storeUpTo(y, add(start, mul(range, units(words))), n)
      y += 16
      n -= 4
    }
  }
}

export function bernoulli(n: i32, p: f32, scale: f32, state: usize, y: usize): void {
  const key0 = load<i32>(state), key1 = load<i32>(state, 4), threshold = splat(p), kept = splat(scale)
  for (let counter = advance(n, state); n > 0; counter += 4) {
    drawBlocks(counter, key0, key1)
    for (let words = scratch; words < scratch + 64 && n > 0; words += 16) {
      storeUpTo(y, choose(f32x4.ge(units(words), threshold), kept, splat(0)), n)
      y += 16
      n -= 4
    }
  }
}

// ---- normal numbers; everything below repeats ts/numerics.ts operation by operation, so that the bits agree -------------------

/** mean and std come in float64: the host's numbers are not rounded before the result is. */
export function normal(n: i32, mean: f64, std: f64, state: usize, y: usize): void {
  const key0 = load<i32>(state), key1 = load<i32>(state, 4)
  for (let counter = advance(n, state); n > 0; counter += 4) {
    drawBlocks(counter, key0, key1)
    for (let words = scratch; words < scratch + 64 && n > 0; words += 8) {
      boxMuller(load<u32>(words), load<u32>(words, 4), n, mean, std, y)
      y += 8
      n -= 2
    }
  }
}

const HALF_PI_1: f64 = 1.57079632673412561417
const HALF_PI_2: f64 = 6.07710050630396597660e-11
const HALF_PI_3: f64 = 2.02226624871116645580e-21
const HALF_PI_REST: f64 = 8.47842766036889956997e-32
const TWO_OVER_PI: f64 = 6.36619772367581382433e-1
const TAU: f64 = 6.283185307179586

/** Two normal numbers from two words, of which only the first is stored where n = 1 (G. Box and M. Muller, 1958) */
function boxMuller(a: u32, b: u32, n: i32, mean: f64, std: f64, y: usize): void {
  const radius = sqrt<f64>(-2 * log((<f64>a + 1) / 4294967296)), angle = TAU * (<f64>b / 4294967296)
  let remainder = angle, remainderLow: f64 = 0, quadrant = 0
  if (angle > 0.7853981633974483) {
    const q = floor<f64>(angle * TWO_OVER_PI + 0.5)
    const r1 = angle - q * HALF_PI_1
    const w2 = q * HALF_PI_2
    const r2 = r1 - w2
    const w3 = q * HALF_PI_3
    const r3 = r2 - w3
    const low = ((r1 - r2) - w2) + ((r2 - r3) - w3) - q * HALF_PI_REST
    remainder = r3 + low
    remainderLow = (r3 - remainder) + low
    quadrant = <i32>q & 3
  }
  const s = sinSmall(remainder, remainderLow), c = cosSmall(remainder, remainderLow), odd = (quadrant & 1) != 0
  const cos = odd ? s : c, sin = odd ? c : s
  store<f32>(y, <f32>(mean + std * (radius * (quadrant == 1 || quadrant == 2 ? -cos : cos))))
  if (n > 1) store<f32>(y, <f32>(mean + std * (radius * (quadrant & 2 ? -sin : sin))), 4)
}

const LN2_HIGH: f64 = 6.93147180369123816490e-1
const LN2_LOW: f64 = 1.90821492927058770002e-10
const SQRT_HALF: i64 = 0x3fe6a09e00000000
const ONE: i64 = 0x3ff0000000000000

/** log x for 2^-32 <= x <= 1 */
function log(x: f64): f64 {
  const bits = reinterpret<i64>(x) + (ONE - SQRT_HALF)
  const k = <f64>((bits >> 52) - 1023), f = reinterpret<f64>((bits & 0xfffffffffffff) + SQRT_HALF) - 1
  const halfSquare = 0.5 * f * f
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
  const odd = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 +
    w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)))
  return s * (halfSquare + (odd + even)) + k * LN2_LOW - halfSquare + f + k * LN2_HIGH
}

/** sin(x + y) for |x| <= pi/4 and a correction y */
function sinSmall(x: f64, y: f64): f64 {
  const z = x * x
  const v = z * x
  const r = 8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 + z * 2.75573137070700676789e-6) +
    z * (z * z) * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)
  return x - ((z * (0.5 * y - v * r) - y) - v * -1.66666666666666324348e-1)
}

/** cos(x + y) for |x| <= pi/4 and a correction y */
function cosSmall(x: f64, y: f64): f64 {
  const z = x * x
  const w = z * z
  const r = z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * 2.48015872894767294178e-5)) +
    w * w * (-2.75573143513906633035e-7 + z * (2.08757232129817482790e-9 + z * -1.13596475577881948265e-11))
  const half = 0.5 * z
  const t = 1 - half
  return t + (((1 - t) - half) + (z * r - x * y))
}
