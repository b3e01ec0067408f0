// Random numbers by Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, 2011): block i is a pure function of the key and i.
// ts/random.ts is the same generator; logarithm, sine and cosine repeat ts/numerics.ts operation by operation, so that the bits agree.

let w0: u32 = 0
let w1: u32 = 0
let w2: u32 = 0
let w3: u32 = 0

/** Words of the block with this counter under this key, left in w0..w3. */
function block(counter: u64, k0: u32, k1: u32): void {
  let c0 = <u32>counter
  let c1 = <u32>(counter >> 32)
  let c2: u32 = 0
  let c3: u32 = 0
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>c0 * 0xd2511f53
    const p1 = <u64>c2 * 0xcd9e8d57
    c0 = <u32>(p1 >> 32) ^ c1 ^ k0
    c1 = <u32>p1
    c2 = <u32>(p0 >> 32) ^ c3 ^ k1
    c3 = <u32>p0
    k0 += 0x9e3779b9
    k1 += 0xbb67ae85
  }
  w0 = c0
  w1 = c1
  w2 = c2
  w3 = c3
}

/** The counter of `state` before it is moved on by the blocks that n numbers need. */
function advance(state: usize, n: i32): u64 {
  const counter = load<u64>(state, 8)
  store<u64>(state, counter + ((<u64>n + 3) >> 2), 8)
  return counter
}

@inline function unit(word: u32): f32 { return <f32>(word >>> 8) / <f32>16777216 }

export function uniform(n: i32, low: f32, high: f32, state: usize, y: usize): void {
  let counter = advance(state, n)
  const k0 = load<u32>(state)
  const k1 = load<u32>(state, 4)
  const range = high - low
  for (; n > 0; n -= 4) {
    block(counter++, k0, k1)
    store<f32>(y, low + range * unit(w0))
    if (n > 1) store<f32>(y, low + range * unit(w1), 4)
    if (n > 2) store<f32>(y, low + range * unit(w2), 8)
    if (n > 3) store<f32>(y, low + range * unit(w3), 12)
    y += 16
  }
}

export function bernoulli(n: i32, p: f32, scale: f32, state: usize, y: usize): void {
  let counter = advance(state, n)
  const k0 = load<u32>(state)
  const k1 = load<u32>(state, 4)
  for (; n > 0; n -= 4) {
    block(counter++, k0, k1)
    store<f32>(y, unit(w0) >= p ? scale : 0)
    if (n > 1) store<f32>(y, unit(w1) >= p ? scale : 0, 4)
    if (n > 2) store<f32>(y, unit(w2) >= p ? scale : 0, 8)
    if (n > 3) store<f32>(y, unit(w3) >= p ? scale : 0, 12)
    y += 16
  }
}

export function normal(n: i32, mean: f32, std: f32, state: usize, y: usize): void {
  let counter = advance(state, n)
  const k0 = load<u32>(state)
  const k1 = load<u32>(state, 4)
  for (; n > 0; n -= 4) {
    block(counter++, k0, k1)
    pair(w0, w1, n, mean, std, y)
    if (n > 2) pair(w2, w3, n - 2, mean, std, y + 8)
    y += 16
  }
}

const TAU: f64 = 6.283185307179586

/** Two normal numbers from two words (Box and Muller, 1958); only the first is stored where n is 1. */
function pair(a: u32, b: u32, n: i32, mean: f64, std: f64, y: usize): void {
  const radius = Math.sqrt(-2 * log((<f64>a + 1) / 4294967296))
  const angle = TAU * (<f64>b / 4294967296)
  const q = reduce(angle)
  const s = sinSmall(remainder, remainderLow)
  const c = cosSmall(remainder, remainderLow)
  let cosine = q & 1 ? s : c
  if (q == 1 || q == 2) cosine = -cosine
  store<f32>(y, <f32>(mean + std * (radius * cosine)))
  if (n < 2) return
  const sine = q & 1 ? c : s
  store<f32>(y, <f32>(mean + std * (radius * (q & 2 ? -sine : sine))), 4)
}

const LN2_HIGH: f64 = 6.93147180369123816490e-1
const LN2_LOW: f64 = 1.90821492927058770002e-10
const SQRT_HALF_HIGH: i32 = 0x3fe6a09e
const ONE_HIGH: i32 = 0x3ff00000

/** log x for normal x > 0 */
function log(x: f64): f64 {
  const bits = reinterpret<i64>(x)
  const high = <i32>(bits >> 32) + (ONE_HIGH - SQRT_HALF_HIGH)
  const k = <f64>((high >> 20) - 1023)
  const m = reinterpret<f64>((<i64>((high & 0xfffff) + SQRT_HALF_HIGH) << 32) | (bits & 0xffffffff))
  const f = m - 1
  const halfSquare = 0.5 * f * f
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
  const odd = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 +
    w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)))
  return s * (halfSquare + (odd + even)) + (k * LN2_LOW + 0) - halfSquare + f + k * LN2_HIGH
}

const HALF_PI_1: f64 = 1.57079632673412561417
const HALF_PI_2: f64 = 6.07710050630396597660e-11
const HALF_PI_3: f64 = 2.02226624871116645580e-21
const HALF_PI_REST: f64 = 8.47842766036889956997e-32
const TWO_OVER_PI: f64 = 6.36619772367581382433e-1

let remainder: f64 = 0
let remainderLow: f64 = 0

/** x, 0 ≤ x < 2π, as a multiple of π/2 plus the remainder; returns the multiple modulo 4. */
function reduce(x: f64): i32 {
  if (x <= 0.7853981633974483) {
    remainder = x
    remainderLow = 0
    return 0
  }
  const q = Math.floor(x * TWO_OVER_PI + 0.5)
  const r1 = x - q * HALF_PI_1
  const w2 = q * HALF_PI_2
  const r2 = r1 - w2
  const w3 = q * HALF_PI_3
  const r3 = r2 - w3
  const low = ((r1 - r2) - w2) + ((r2 - r3) - w3) - q * HALF_PI_REST
  remainder = r3 + low
  remainderLow = (r3 - remainder) + low
  return <i32>q & 3
}

function sinSmall(x: f64, y: f64): f64 {
  const z = x * x
  const v = z * x
  const r = 8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 + z * 2.75573137070700676789e-6) +
    z * (z * z) * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)
  return x - ((z * (0.5 * y - v * r) - y) - v * -1.66666666666666324348e-1)
}

function cosSmall(x: f64, y: f64): f64 {
  const z = x * x
  const w = z * z
  const r = z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * 2.48015872894767294178e-5)) +
    w * w * (-2.75573143513906633035e-7 + z * (2.08757232129817482790e-9 + z * -1.13596475577881948265e-11))
  const half = 0.5 * z
  const t = 1 - half
  return t + (((1 - t) - half) + (z * r - x * y))
}
