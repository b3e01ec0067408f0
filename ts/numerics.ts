// Elementary functions in float64 from + - * / and sqrt alone: Math.exp and its like differ in the last bit between
// runtimes, and a training run must not. Formulas and coefficients follow fdlibm (Sun Microsystems, 1993) unless noted;
// errors stay below 1 ulp (expm1: 1.2; tanh, sigmoid, erf and erfc: 2.2). test/numerics.ts measures them.

const { abs, floor } = Math

const LN2_HIGH = 6.93147180369123816490e-1 // 32 significant bits: k LN2_HIGH is exact for |k| < 2^20
const LN2_LOW = 1.90821492927058770002e-10
const LOG2_E = 1.44269504088896338700
const SQRT_HALF_HIGH = 0x3fe6a09e // high words of sqrt 1/2 and of 1
const ONE_HIGH = 0x3ff00000

// The two words of a float64, low word first: every platform that runs JavaScript engines is little-endian.
const float = new Float64Array(1)
const words = new Int32Array(float.buffer)
const highWord = (x: number): number => {
  float[0] = x
  return words[1]!
}
const withHighWord = (x: number, high: number): number => {
  float[0] = x
  words[1] = high
  return float[0]
}
/** 2^k for -1022 ≤ k ≤ 1023 */
const twoTo = (k: number): number => withHighWord(0, (k + 1023) << 20)

/** x 2^k, rounded once even where the result is subnormal; 0.5 < |x| < 2 and -1100 < k < 1100 */
function scale(x: number, k: number): number {
  if (k > 1023) return x * 2 * twoTo(k - 1)
  if (k < -1021) return x * twoTo(k + 100) * twoTo(-100)
  return x * twoTo(k)
}

// ---- exponentials --------------------------------------------------------------------------------------------------------

/** What the last call of above1() left over */
let above1Low = 0

/** e^(x + low) 2^-k - 1 for the whole k nearest to x / log 2 and a small correction low: the result and what rounding it loses */
function above1(x: number, low: number, k: number): number {
  const high = x - k * LN2_HIGH
  const rest = k * LN2_LOW - low
  const r = high - rest
  const t = r * r
  const c = r - t * (1.66666666666666019037e-1 + t * (-2.77777777770155933842e-3 +
    t * (6.61375632143793436117e-5 + t * (-1.65339022054652515390e-6 + t * 4.13813679705723846039e-8))))
  const u = (r * c) / (2 - c) - rest
  const v = high + u
  above1Low = u - (v - high)
  return v
}

/** e^(x + low) for a small correction low; |x| < 750 */
function expSum(x: number, low: number): number {
  const k = floor(x * LOG2_E + 0.5)
  const v = above1(x, low, k)
  // each sum with what rounding it loses: 0.63 ulp, and exact powers come out exact
  const y = 1 + v
  return scale(y + ((v - (y - 1)) + above1Low), k)
}

export function exp(x: number): number {
  if (x !== x) return x
  if (x > 709.782712893384) return Infinity
  if (x < -745.1332191019412) return 0
  return expSum(x, 0)
}

/** e^x - 1 without cancellation near 0 */
export function expm1(x: number): number {
  // what is left out is below half an ulp
  if (x !== x || abs(x) < 5.6e-17) return x
  if (x > 38) return exp(x)
  if (x < -38) return -1
  const k = floor(x * LOG2_E + 0.5)
  const power = twoTo(k)
  const v = above1(x, 0, k) * power
  const y = power - 1 + v
  return y + ((v - (y - (power - 1))) + above1Low * power)
}

export function tanh(x: number): number {
  const a = abs(x)
  if (x !== x || a < 1e-9) return x
  const t = expm1(2 * a)
  const y = a > 22 ? 1 : t / (t + 2)
  return x < 0 ? -y : y
}

/** 1 / (1 + e^-x) */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + exp(-x))
  const e = exp(x)
  return e / (1 + e)
}

// ---- logarithms ----------------------------------------------------------------------------------------------------------

/** log(1 + f) + c + k log 2 for 1 + f between sqrt 1/2 and sqrt 2 */
function logSum(f: number, c: number, k: number): number {
  const halfSquare = 0.5 * f * f
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
  const odd = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 +
    w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)))
  return s * (halfSquare + (odd + even)) + (k * LN2_LOW + c) - halfSquare + f + k * LN2_HIGH
}

export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN
  if (x === Infinity) return x
  let k = 0
  let m = x
  if (x < 2.2250738585072014e-308) {
    m = x * 18014398509481984 // 2^54 makes a subnormal number normal
    k = -54
  }
  const high = highWord(m) + (ONE_HIGH - SQRT_HALF_HIGH)
  k += (high >> 20) - 1023
  m = withHighWord(m, (high & 0xfffff) + SQRT_HALF_HIGH)
  return logSum(m - 1, 0, k)
}

/** log(1 + x) without cancellation near 0 */
export function log1p(x: number): number {
  if (!(x > -1)) return x === -1 ? -Infinity : NaN
  if (x === Infinity || abs(x) < 1.1e-16) return x
  if (x > -0.29289 && x < 0.41421) return logSum(x, 0, 0)
  const u = 1 + x
  const high = highWord(u) + (ONE_HIGH - SQRT_HALF_HIGH)
  const k = (high >> 20) - 1023
  // what rounding 1 + x has lost, to first order
  const c = k < 54 ? (k >= 2 ? 1 - (u - x) : x - (u - 1)) / u : 0
  return logSum(withHighWord(u, (high & 0xfffff) + SQRT_HALF_HIGH) - 1, c, k)
}

// ---- sine and cosine -----------------------------------------------------------------------------------------------------

// π/2 in three parts of 33 bits, so that their products with a quadrant number below 2^20 are exact, and the rest
const HALF_PI_1 = 1.57079632673412561417
const HALF_PI_2 = 6.07710050630396597660e-11
const HALF_PI_3 = 2.02226624871116645580e-21
const HALF_PI_REST = 8.47842766036889956997e-32
const TWO_OVER_PI = 6.36619772367581382433e-1

// The remainder of the last reduction, |remainder + remainderLow| ≤ π/4
let remainder = 0
let remainderLow = 0

/** Writes x as a multiple of π/2 plus the remainder (Cody and Waite, 1980) and returns the multiple modulo 4; finite x. */
function reduce(x: number): number {
  if (abs(x) <= 0.7853981633974483) {
    remainder = x
    remainderLow = 0
    return 0
  }
  if (abs(x) > 1.6e6) return reduceHuge(x)
  const q = floor(x * TWO_OVER_PI + 0.5)
  const r1 = x - q * HALF_PI_1
  const w2 = q * HALF_PI_2
  const r2 = r1 - w2
  const w3 = q * HALF_PI_3
  const r3 = r2 - w3
  const low = ((r1 - r2) - w2) + ((r2 - r3) - w3) - q * HALF_PI_REST
  remainder = r3 + low
  remainderLow = (r3 - remainder) + low
  return q & 3
}

/** Precision of π for large arguments: the exponent of the largest float64, and how close one comes to a multiple of π/2 (2^-62) */
const PI_BITS = 1400n
let halfPi = 0n

/** arctan 1/n, scaled by 2^PI_BITS */
function arctanOfInverse(n: bigint): bigint {
  let sum = 0n
  for (let power = (1n << PI_BITS) / n, odd = 1n; power !== 0n; power /= -n * n, odd += 2n) sum += power / odd
  return sum
}

/** reduce() for large arguments in exact integer arithmetic */
function reduceHuge(x: number): number {
  halfPi ||= 8n * arctanOfInverse(5n) - 2n * arctanOfInverse(239n) // Machin, 1706
  const exponent = ((highWord(x) >> 20) & 2047) - 1075
  // whole turns above all float64s make it positive
  const angle = (BigInt(x * twoTo(-exponent)) << (BigInt(exponent) + PI_BITS)) + (halfPi << 1100n)
  const q = (angle + halfPi / 2n) / halfPi
  const rest = (angle - q * halfPi) >> (PI_BITS - 360n)
  const rounded = Number(rest)
  remainder = rounded * twoTo(-360)
  remainderLow = Number(rest - BigInt(rounded)) * twoTo(-360)
  return Number(q & 3n)
}

/** sin(x + y) for |x| ≤ π/4 and a correction y */
function sinSmall(x: number, y: number): number {
  const z = x * x
  const v = z * x
  const r = 8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 + z * 2.75573137070700676789e-6) +
    z * (z * z) * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)
  return x - ((z * (0.5 * y - v * r) - y) - v * -1.66666666666666324348e-1)
}

/** cos(x + y) for |x| ≤ π/4 and a correction y */
function cosSmall(x: number, y: number): number {
  const z = x * x
  const w = z * z
  const r = z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * 2.48015872894767294178e-5)) +
    w * w * (-2.75573143513906633035e-7 + z * (2.08757232129817482790e-9 + z * -1.13596475577881948265e-11))
  const half = 0.5 * z
  const t = 1 - half
  return t + (((1 - t) - half) + (z * r - x * y))
}

export function sin(x: number): number {
  if (x - x !== 0) return NaN
  const q = reduce(x)
  const y = q & 1 ? cosSmall(remainder, remainderLow) : sinSmall(remainder, remainderLow)
  return q & 2 ? -y : y
}

export function cos(x: number): number {
  if (x - x !== 0) return NaN
  const q = reduce(x)
  const y = q & 1 ? sinSmall(remainder, remainderLow) : cosSmall(remainder, remainderLow)
  return q === 1 || q === 2 ? -y : y
}

// ---- error function ------------------------------------------------------------------------------------------------------

/** (erf(x) - x) / x for |x| < 0.84375 */
function erfNearZero(x: number): number {
  const z = x * x
  const p = 1.28379167095512558561e-1 + z * (-3.25042107247001499370e-1 + z * (-2.84817495755985104766e-2 +
    z * (-5.77027029648944159157e-3 + z * -2.37630166566501626084e-5)))
  const q = 1 + z * (3.97917223959155352819e-1 + z * (6.50222499887672944485e-2 + z * (5.08130628187576562776e-3 +
    z * (1.32494738004321644526e-4 + z * -3.96022827877536812320e-6))))
  return p / q
}

const ERF_1 = 8.45062911510467529297e-1
/** erf(x) - ERF_1 for 0.84375 ≤ x < 1.25 */
function erfNearOne(x: number): number {
  const s = x - 1
  const p = -2.36211856075265944077e-3 + s * (4.14856118683748331666e-1 + s * (-3.72207876035701323847e-1 +
    s * (3.18346619901161753674e-1 + s * (-1.10894694282396677476e-1 + s * (3.54783043256182359371e-2 +
    s * -2.16637559486879084300e-3)))))
  const q = 1 + s * (1.06420880400844228286e-1 + s * (5.40397917702171048937e-1 + s * (7.18286544141962662868e-2 +
    s * (1.26171219808761642112e-1 + s * (1.36370839120290507362e-2 + s * 1.19844998467991074170e-2)))))
  return p / q
}

/** 1 - erf(x) for 1.25 ≤ x < 28 */
function erfTail(x: number): number {
  const s = 1 / (x * x)
  let p: number
  let q: number
  if (x < 2.857142857142857) {
    p = -9.86494403484714822705e-3 + s * (-6.93858572707181764372e-1 + s * (-1.05586262253232909814e1 +
      s * (-6.23753324503260060396e1 + s * (-1.62396669462573470355e2 + s * (-1.84605092906711035994e2 +
      s * (-8.12874355063065934246e1 + s * -9.81432934416914548592))))))
    q = 1 + s * (1.96512716674392571292e1 + s * (1.37657754143519042600e2 + s * (4.34565877475229228821e2 +
      s * (6.45387271733267880336e2 + s * (4.29008140027567833386e2 + s * (1.08635005541779435134e2 +
      s * (6.57024977031928170135 + s * -6.04244152148580987438e-2)))))))
  } else {
    p = -9.86494292470009928597e-3 + s * (-7.99283237680523006574e-1 + s * (-1.77579549177547519889e1 +
      s * (-1.60636384855821916062e2 + s * (-6.37566443368389627722e2 + s * (-1.02509513161107724954e3 +
      s * -4.83519191608651397019e2)))))
    q = 1 + s * (3.03380607434824582924e1 + s * (3.25792512996573918826e2 + s * (1.53672958608443695994e3 +
      s * (3.19985821950859553908e3 + s * (2.55305040643316442583e3 + s * (4.74528541206955367215e2 +
      s * -2.24409524465858183362e1))))))
  }
  // e^(-x²) from a short z, whose square is exact
  float[0] = x
  words[0] = 0
  const z = float[0]
  return exp(-z * z - 0.5625) * exp((z - x) * (z + x) + p / q) / x
}

/** 2/sqrt(π) ∫₀ˣ e^(-t²) dt */
export function erf(x: number): number {
  const a = abs(x)
  if (x !== x || x === 0) return x
  // 8 x first: the small correction of a subnormal number would be lost
  if (a < 1e-300) return 0.125 * (8 * x + 1.02703333676410069053 * x)
  if (a < 0.84375) return x + x * erfNearZero(x)
  const y = a < 1.25 ? ERF_1 + erfNearOne(a) : a < 6 ? 1 - erfTail(a) : 1
  return x < 0 ? -y : y
}

/** 1 - erf(x) without cancellation for large x */
export function erfc(x: number): number {
  const a = abs(x)
  if (x !== x) return x
  if (a < 0.84375) return x < 0.25 ? 1 - (x + x * erfNearZero(x)) : 0.5 - (x - 0.5 + x * erfNearZero(x))
  if (a < 1.25) return x > 0 ? 1 - ERF_1 - erfNearOne(a) : 1 + (ERF_1 + erfNearOne(a))
  if (a < 28) return x > 0 ? erfTail(a) : 2 - erfTail(a)
  return x > 0 ? 0 : 2
}

// ---- powers --------------------------------------------------------------------------------------------------------------

// A product as a sum of two floats: the function returns the rounded product, this is what rounding left (Dekker, 1971).
let productLow = 0
function product(a: number, b: number): number {
  const p = a * b
  const ta = 134217729 * a // 2^27 + 1 splits 53 bits into halves
  const ah = ta - (ta - a)
  const al = a - ah
  const tb = 134217729 * b
  const bh = tb - (tb - b)
  const bl = b - bh
  productLow = ((ah * bh - p) + ah * bl + al * bh) + al * bl
  return p
}

const LN2 = 0.6931471805599453
const LN2_REST = 2.3190468138462996e-17
const LN_3_2 = 0.4054651081081644
const LN_3_2_REST = -2.8811380259626426e-18

/** |x|^y for positive finite |x| ≠ 1 and 1e-20 < |y| < 2^64: e^(y log x) with the logarithm in two floats, good to 2^-66 */
function powPositive(x: number, y: number): number {
  let k = 0
  let m = x
  if (x < 2.2250738585072014e-308) {
    m = x * 18014398509481984
    k = -54
  }
  // m near 1 or near 3/2, so that |s| ≤ 0.101
  const high = highWord(m)
  const fraction = high & 0xfffff
  k += (high >> 20) - 1023
  let base = 1
  if (fraction <= 0x3988e) m = withHighWord(m, fraction | ONE_HIGH)
  else if (fraction < 0xbb67a) {
    m = withHighWord(m, fraction | ONE_HIGH)
    base = 1.5
  } else {
    m = withHighWord(m, fraction | (ONE_HIGH - 0x100000))
    k += 1
  }
  // s = (m - base) / (m + base) and its square, each in two floats
  const numerator = m - base
  const denominator = m + base
  const part = denominator - base
  const denominatorLow = (base - (denominator - part)) + (m - part)
  const s = numerator / denominator
  const p = product(s, denominator)
  const sLow = ((numerator - p) - productLow - s * denominatorLow) / denominator
  const z = product(s, s)
  const zLow = productLow + 2 * s * sLow
  // log(m / base) = 2 s (1 + z/3 + z²/5 + ...) = 2/3 s (3 + z + z² series)
  const series = z * z * (0.599999999999994648725 + z * (0.428571428578550184252 + z * (0.333333329818377432918 +
    z * (0.272728123808534006489 + z * (0.230660745775561754067 + z * 0.206975017800338417784)))))
  const t = 3 + z
  const tLow = (z - (t - 3)) + zLow + series
  const f = product(s, t)
  const fLow = productLow + (s * tLow + sLow * t)
  const two3 = product(0.6666666666666666, f)
  const two3Low = productLow + (3.700743415417188e-17 * f + 0.6666666666666666 * fLow)
  // k log 2 + log base + log(m / base), largest first
  const c = product(k, LN2)
  const cLow = productLow + k * LN2_REST + (base === 1.5 ? LN_3_2_REST : 0)
  const b = base === 1.5 ? LN_3_2 : 0
  const u = c + b
  const uLow = abs(c) > b ? b - (u - c) : c - (u - b)
  const l = u + two3
  const lLow = (abs(u) > abs(two3) ? two3 - (l - u) : u - (l - two3)) + uLow + cLow + two3Low
  const e = product(y, l)
  const eLow = productLow + y * lLow
  if (e > 710) return Infinity
  if (e < -746) return 0
  return expSum(e, eLow)
}

/** x^y with the special values of IEEE 754: x^0 = 1 and 1^y = 1 even for NaN */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1
  if (x !== x || y !== y) return NaN
  if (y === 1) return x
  if (y === 2) return x * x
  const a = abs(x)
  const whole = abs(y) >= 9007199254740992 || floor(y) === y
  const odd = abs(y) < 9007199254740992 && whole && y % 2 !== 0
  const sign = x < 0 || (x === 0 && 1 / x < 0) ? (odd ? -1 : 1) : 1
  if (a === 1 && (whole || y === Infinity || y === -Infinity)) return sign
  if (a === 0 || a === Infinity) return sign * ((a === 0) === (y > 0) ? 0 : Infinity)
  if (y === Infinity || y === -Infinity) return a > 1 === y > 0 ? Infinity : 0
  if (x < 0 && !whole) return NaN
  if (abs(y) > 18446744073709551616) return sign * (a > 1 === y > 0 ? Infinity : 0)
  if (abs(y) < 1e-20) return 1
  return sign * powPositive(a, y)
}
