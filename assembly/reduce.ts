// Reductions of the middle dimension of [outer, n, inner]. Rows (inner = 1) run over eight vectors of partial results, columns
// (inner > 1) over vectors of neighbouring columns. Sums are float32 within a block, float64 from block to block.
import { Reduce, Unary } from './codes'
import { short } from './formulas'
import { FREE, scratchAt } from './microkernel'
import {
  add, choose, expDown, firstLanes, joined, lane, log4, lowerHalf, maxLanes, maxNaN, minLanes, minNaN, mul, splat,
  storeUpTo, storeUpToHere, sub, sumLanes, upperHalf,
} from './simd'

const BLOCK: i32 = 4096 // elements of a row: 128 in each of 32 partial sums
const BLOCK_ROWS: i32 = 64

// A fold: what an element contributes, how contributions join, what joining nothing gives, and the fold of four lanes.
@unmanaged class Addition {
  @inline join(a: v128, b: v128): v128 { return add(a, b) }
  @inline empty(): v128 { return splat(0) }
  @inline lanes(v: v128): f32 { return sumLanes(v) }
}
@unmanaged class Sum extends Addition {
  @inline term(x: v128): v128 { return x }
}
@unmanaged class SumSquares extends Addition {
  @inline term(x: v128): v128 { return mul(x, x) }
}
@unmanaged class Max {
  @inline term(x: v128): v128 { return x }
  @inline join(a: v128, b: v128): v128 { return maxNaN(a, b) }
  @inline empty(): v128 { return splat(-Infinity) }
  @inline lanes(v: v128): f32 { return maxLanes(v) }
}
@unmanaged class Min {
  @inline term(x: v128): v128 { return x }
  @inline join(a: v128, b: v128): v128 { return minNaN(a, b) }
  @inline empty(): v128 { return splat(Infinity) }
  @inline lanes(v: v128): f32 { return minLanes(v) }
}
@unmanaged class Prod {
  @inline term(x: v128): v128 { return x }
  @inline join(a: v128, b: v128): v128 { return mul(a, b) }
  @inline empty(): v128 { return splat(1) }
  @inline lanes(v: v128): f32 {
    const pairs = mul(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
    return f32x4.extract_lane(pairs, 0) * f32x4.extract_lane(pairs, 1)
  }
}

// ---- rows --------------------------------------------------------------------------------------------------------------

function foldRow<F>(n: i32, x: usize): f32 {
  const f = changetype<F>(0)
  let v0 = f.empty()
  if (n >= 32) {
    let v1 = v0, v2 = v0, v3 = v0, v4 = v0, v5 = v0, v6 = v0, v7 = v0
    for (; n >= 32; n -= 32) {
      v0 = f.join(v0, f.term(v128.load(x)))
      v1 = f.join(v1, f.term(v128.load(x, 16)))
      v2 = f.join(v2, f.term(v128.load(x, 32)))
      v3 = f.join(v3, f.term(v128.load(x, 48)))
      v4 = f.join(v4, f.term(v128.load(x, 64)))
      v5 = f.join(v5, f.term(v128.load(x, 80)))
      v6 = f.join(v6, f.term(v128.load(x, 96)))
      v7 = f.join(v7, f.term(v128.load(x, 112)))
      x += 128
    }
    v0 = f.join(f.join(f.join(v0, v1), f.join(v2, v3)), f.join(f.join(v4, v5), f.join(v6, v7)))
  }
  for (; n >= 4; n -= 4) {
    v0 = f.join(v0, f.term(v128.load(x)))
    x += 16
  }
  if (n) v0 = f.join(v0, choose(firstLanes(n), f.term(v128.load(x)), f.empty()))
  return f.lanes(v0)
}

/** One row, sums block by block */
function row(f: i32, n: i32, x: usize): f64 {
  if (f <= Reduce.mean && n <= BLOCK) return foldRow<Sum>(n, x)
  if (f == Reduce.max) return foldRow<Max>(n, x)
  if (f == Reduce.min) return foldRow<Min>(n, x)
  if (f == Reduce.prod) return foldRow<Prod>(n, x)
  let sum: f64 = 0
  for (; n > 0; n -= BLOCK) {
    const k = min(n, BLOCK)
    if (f == Reduce.sumAbs) short(Unary.abs, k, 0, 0, x, x, x, scratchAt(FREE))
    sum += f == Reduce.sumSquares ? foldRow<SumSquares>(k, x) : foldRow<Sum>(k, f == Reduce.sumAbs ? scratchAt(FREE) : x)
    x += BLOCK << 2
  }
  return sum
}

/** The largest of n elements; NaN wins, -inf for n = 0 */
export function maxOf(n: i32, x: usize): f32 { return foldRow<Max>(n, x) }

/** The sum in float64 throughout: the mean of equal numbers is that number. */
export function exactSum(n: i32, x: usize): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0
  for (; n >= 8; n -= 8) {
    const v0 = v128.load(x), v1 = v128.load(x, 16)
    s0 = f64x2.add(s0, lowerHalf(v0))
    s1 = f64x2.add(s1, upperHalf(v0))
    s2 = f64x2.add(s2, lowerHalf(v1))
    s3 = f64x2.add(s3, upperHalf(v1))
    x += 32
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3))
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1)
  for (; n > 0; n--) {
    sum += load<f32>(x)
    x += 4
  }
  return sum
}

/** Sum of squared differences from the mean, of which `mean` is the rounded value and `error` what rounding has added */
export function sumOfDeviations(n: i32, mean: f32, error: f64, x: usize): f64 {
  const m = splat(mean)
  let sum = -error * error * <f64>n
  while (n > 0) {
    const end = x + (<usize>min(n, BLOCK) << 2)
    let s0 = splat(0), s1 = s0, s2 = s0, s3 = s0
    for (; x + 64 <= end; x += 64) {
      const d0 = sub(v128.load(x), m), d1 = sub(v128.load(x, 16), m), d2 = sub(v128.load(x, 32), m), d3 = sub(v128.load(x, 48), m)
      s0 = add(s0, mul(d0, d0))
      s1 = add(s1, mul(d1, d1))
      s2 = add(s2, mul(d2, d2))
      s3 = add(s3, mul(d3, d3))
    }
    for (; x < end; x += 16) {
      const d = v128.and(sub(v128.load(x), m), firstLanes(<i32>(end - x) >> 2))
      s0 = add(s0, mul(d, d))
    }
    sum += sumLanes(add(add(s0, s1), add(s2, s3)))
    x = end
    n -= BLOCK
  }
  return max(sum, 0)
}

/** y = e^(x - shift) for a shift that no x exceeds, unless y is 0; returns the sum */
export function expRow(n: i32, shift: f32, x: usize, y: usize): f64 {
  const m = splat(shift)
  let sum: f64 = 0
  while (n > 0) {
    let k = min(n, BLOCK >> 2), s0 = splat(0), s1 = s0, to = y ? y : scratchAt(FREE)
    n -= k
    if (k >= 16) do {
      const v0 = expDown(sub(v128.load(x), m)), v1 = expDown(sub(v128.load(x, 16), m))
      const v2 = expDown(sub(v128.load(x, 32), m)), v3 = expDown(sub(v128.load(x, 48), m))
      s0 = add(s0, add(v0, v2))
      s1 = add(s1, add(v1, v3))
      v128.store(to, v0)
      v128.store(to, v1, 16)
      v128.store(to, v2, 32)
      v128.store(to, v3, 48)
      x += 64
      to += 64
      k -= 16
    } while (k >= 16)
    if (k > 0) do {
      const v = expDown(sub(v128.load(x), m))
      s0 = add(s0, v128.and(v, firstLanes(k)))
      storeUpToHere(to, v, k)
      x += 16
      to += 16
      k -= 4
    } while (k > 0)
    sum += sumLanes(add(s0, s1))
    if (y) y = to
  }
  return sum
}

function logApart(x: v128): v128 { return log4(x) }

/** log x in a function of its own */
@inline export function logOf(x: v128): v128 { return logApart(x) }

export function log(x: f64): f32 { return lane(logApart(splat(<f32>x))) }

function logSumExpOf(n: i32, x: usize): f32 {
  const largest = maxOf(n, x)
  return isFinite(largest) ? largest + log(expRow(n, largest, x, 0)) : largest
}

// ---- columns -----------------------------------------------------------------------------------------------------------

/** Folds without rounding trouble, of `inner` columns n long; signs are those of the elements and of the results, flipped by `flip` */
function foldColumns<F>(n: i32, inner: i32, flip: v128, x: usize, y: usize): void {
  const f = changetype<F>(0), step = <usize>inner << 2
  for (let i = 0; i < inner; i += 4) {
    let v0 = f.empty(), v1 = v0, p = x, j = n
    for (; j >= 2; j -= 2) {
      v0 = f.join(v0, v128.xor(v128.load(p), flip))
      v1 = f.join(v1, v128.xor(v128.load(p + step), flip))
      p += 2 * step
    }
    if (j) v0 = f.join(v0, v128.xor(v128.load(p), flip))
    storeUpTo(y, v128.xor(f.join(v0, v1), flip), inner - i)
    x += 16
    y += 16
  }
}

/** x, or |x| or x^2 where these are summed */
@inline function term(f: i32, x: v128): v128 {
  if (f <= Reduce.mean) return x
  return f == Reduce.sumAbs ? f32x4.abs(x) : mul(x, x)
}

/** Sums of terms of `inner` columns n long, each divided by `divisor` */
function sumColumns(f: i32, n: i32, inner: i32, divisor: f64, x: usize, y: usize): void {
  const step = <usize>inner << 2, d = f64x2.splat(divisor)
  let i = 0
  for (; i + 16 <= inner; i += 16) {
    let l0 = f64x2.splat(0), l1 = l0, l2 = l0, l3 = l0, h0 = l0, h1 = l0, h2 = l0, h3 = l0, p = x
    for (let j = n; j > 0; j -= BLOCK_ROWS) {
      let s0 = splat(0), s1 = s0, s2 = s0, s3 = s0
      let k = min(j, BLOCK_ROWS)
      if (f <= Reduce.mean) for (; k > 0; k--) {
        s0 = add(s0, v128.load(p))
        s1 = add(s1, v128.load(p, 16))
        s2 = add(s2, v128.load(p, 32))
        s3 = add(s3, v128.load(p, 48))
        p += step
      }
      for (; k > 0; k--) {
        s0 = add(s0, term(f, v128.load(p)))
        s1 = add(s1, term(f, v128.load(p, 16)))
        s2 = add(s2, term(f, v128.load(p, 32)))
        s3 = add(s3, term(f, v128.load(p, 48)))
        p += step
      }
      l0 = f64x2.add(l0, lowerHalf(s0))
      l1 = f64x2.add(l1, lowerHalf(s1))
      l2 = f64x2.add(l2, lowerHalf(s2))
      l3 = f64x2.add(l3, lowerHalf(s3))
      h0 = f64x2.add(h0, upperHalf(s0))
      h1 = f64x2.add(h1, upperHalf(s1))
      h2 = f64x2.add(h2, upperHalf(s2))
      h3 = f64x2.add(h3, upperHalf(s3))
    }
    v128.store(y, joined(f64x2.div(l0, d), f64x2.div(h0, d)))
    v128.store(y, joined(f64x2.div(l1, d), f64x2.div(h1, d)), 16)
    v128.store(y, joined(f64x2.div(l2, d), f64x2.div(h2, d)), 32)
    v128.store(y, joined(f64x2.div(l3, d), f64x2.div(h3, d)), 48)
    x += 64
    y += 64
  }
  for (; i < inner; i += 4) {
    let low = f64x2.splat(0), high = low, p = x
    for (let j = n; j > 0; j -= BLOCK_ROWS) {
      let s0 = splat(0), s1 = s0, k = min(j, BLOCK_ROWS)
      for (; k >= 2; k -= 2) {
        s0 = add(s0, term(f, v128.load(p)))
        s1 = add(s1, term(f, v128.load(p + step)))
        p += 2 * step
      }
      if (k) {
        s0 = add(s0, term(f, v128.load(p)))
        p += step
      }
      s0 = add(s0, s1)
      low = f64x2.add(low, lowerHalf(s0))
      high = f64x2.add(high, upperHalf(s0))
    }
    storeUpTo(y, joined(f64x2.div(low, d), f64x2.div(high, d)), inner - i)
    x += 16
    y += 16
  }
}

// ---- exports -----------------------------------------------------------------------------------------------------------

export function reduce(f: i32, outer: i32, n: i32, inner: i32, x: usize, y: usize): void {
  const divisor: f64 = f == Reduce.mean ? n : 1
  for (let o = 0; o < outer; o++) {
    if (inner == 1) store<f32>(y, <f32>(row(f, n, x) / divisor))
    else if (f == Reduce.prod) foldColumns<Prod>(n, inner, splat(0), x, y)
    else if (f == Reduce.max || f == Reduce.min) foldColumns<Max>(n, inner, splat(f == Reduce.min ? -0.0 : 0.0), x, y)
    else sumColumns(f, n, inner, divisor, x, y)
    x += <usize>(n * inner) << 2
    y += <usize>inner << 2
  }
}

export function argReduce(sign: i32, outer: i32, n: i32, inner: i32, x: usize, y: usize): void {
  // the smallest is the largest of the numbers with their signs flipped
  const flip = sign < 0 ? splat(-0.0) : splat(0), step = <usize>inner << 2
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      store<i32>(y, find(n, sign < 0 ? foldRow<Min>(n, x) : maxOf(n, x), x))
    } else {
      for (let i = 0; i < inner; i += 4) {
        let p = x + (<usize>i << 2), index = i32x4.splat(0)
        let best = v128.xor(v128.load(p), flip)
        for (let j = 1; j < n; j++) {
          p += step
          const v = v128.xor(v128.load(p), flip)
          const better = v128.or(f32x4.gt(v, best), v128.and(f32x4.ne(v, v), f32x4.eq(best, best)))
          best = choose(better, v, best)
          index = choose(better, i32x4.splat(j), index)
        }
        storeUpTo(y + (<usize>i << 2), index, inner - i)
      }
    }
    x += <usize>n * step
    y += step
  }
}

/** Position of the first element equal to `value`, or of the first NaN if that is what it is */
function find(n: i32, value: f32, x: usize): i32 {
  const v = splat(value), nan = isNaN(value)
  for (let i = 0; i < n; i += 4) {
    const w = v128.load(x + (<usize>i << 2))
    const mask = i32x4.bitmask(nan ? f32x4.ne(w, w) : f32x4.eq(w, v))
    if (mask) return i + ctz(mask)
  }
  return 0
}

export function moments(outer: i32, n: i32, inner: i32, x: usize, mean: usize, squares: usize): void {
  if (n == 0) {
    for (let i = 0; i < outer * inner; i++) store<f32>(mean + (<usize>i << 2), NaN)
    return memory.fill(squares, 0, <usize>(outer * inner) << 2)
  }
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      const exact = exactSum(n, x) / <f64>n, m = <f32>exact
      store<f32>(mean, m)
      store<f32>(squares, <f32>sumOfDeviations(n, m, <f64>m - exact, x))
    } else momentsOfColumns(n, inner, x, mean, squares)
    x += <usize>(n * inner) << 2
    mean += <usize>inner << 2
    squares += <usize>inner << 2
  }
}

export function momentsOfColumns(n: i32, inner: i32, x: usize, mean: usize, squares: usize): void {
  const step = <usize>inner << 2, d = f64x2.splat(n)
  for (let i = 0; i < inner; i += 4) {
    let low = f64x2.splat(0), high = low, p = x
    for (let j = 0; j < n; j++) {
      const v = v128.load(p)
      low = f64x2.add(low, lowerHalf(v))
      high = f64x2.add(high, upperHalf(v))
      p += step
    }
    low = f64x2.div(low, d)
    high = f64x2.div(high, d)
    const m = joined(low, high), lowError = f64x2.sub(low, lowerHalf(m)), highError = f64x2.sub(high, upperHalf(m))
    storeUpTo(mean, m, inner - i)
    low = f64x2.mul(f64x2.mul(lowError, lowError), f64x2.neg(d))
    high = f64x2.mul(f64x2.mul(highError, highError), f64x2.neg(d))
    p = x
    for (let j = n; j > 0; j -= BLOCK_ROWS) {
      let s = splat(0)
      for (let k = min(j, BLOCK_ROWS); k > 0; k--) {
        const deviation = sub(v128.load(p), m)
        s = add(s, mul(deviation, deviation))
        p += step
      }
      low = f64x2.add(low, lowerHalf(s))
      high = f64x2.add(high, upperHalf(s))
    }
    storeUpTo(squares, f32x4.pmax(joined(low, high), splat(0)), inner - i)
    x += 16
    mean += 16
    squares += 16
  }
}

export function logSumExp(outer: i32, n: i32, inner: i32, x: usize, y: usize): void {
  const step = <usize>inner << 2
  for (let o = 0; o < outer; o++) {
    if (inner == 1) store<f32>(y, logSumExpOf(n, x))
    else for (let i = 0; i < inner; i += 4) {
      storeUpTo(y + (<usize>i << 2), logSumExpOfColumns(n, step, x + (<usize>i << 2)), inner - i)
    }
    x += <usize>n * step
    y += step
  }
}

function maxApart(n: i32, step: usize, x: usize): v128 {
  let largest = splat(-Infinity)
  for (; n > 0; n--) {
    largest = maxNaN(largest, v128.load(x))
    x += step
  }
  return largest
}

/** The largest of n elements in each of four neighbouring columns */
@inline export function maxOfColumns(n: i32, step: usize, x: usize): v128 { return maxApart(n, step, x) }

function expApart(n: i32, step: usize, shift: v128, x: usize): v128 {
  let low = f64x2.splat(0), high = low
  for (; n > 0; n -= BLOCK_ROWS) {
    let s = splat(0), k = min(n, BLOCK_ROWS)
    do {
      s = add(s, expDown(sub(v128.load(x), shift)))
      x += step
    } while (--k > 0)
    low = f64x2.add(low, lowerHalf(s))
    high = f64x2.add(high, upperHalf(s))
  }
  return joined(low, high)
}

/** Sums of e^(x - shift) of four neighbouring columns, for shifts that no x exceeds */
@inline export function sumOfExpColumns(n: i32, step: usize, shift: v128, x: usize): v128 { return expApart(n, step, shift, x) }

@inline function logSumExpOfColumns(n: i32, step: usize, x: usize): v128 {
  const largest = maxOfColumns(n, step, x)
  const finite = f32x4.lt(f32x4.abs(largest), splat(Infinity)), shift = v128.and(largest, finite)
  return choose(finite, add(logApart(sumOfExpColumns(n, step, shift, x)), shift), largest)
}

export function cumsum(outer: i32, n: i32, inner: i32, reverse: i32, x: usize, y: usize): void {
  const step = <usize>inner << 2, size = <usize>n * step
  // the sums run in float64, from the first or from the last row
  const start = reverse ? size - step : 0, move = reverse ? -step : step
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i += 4) {
      let low = f64x2.splat(0), high = low, at = start + (<usize>i << 2)
      for (let j = 0; j < n; j++) {
        const v = v128.load(x + at)
        low = f64x2.add(low, lowerHalf(v))
        high = f64x2.add(high, upperHalf(v))
        storeUpToHere(y + at, joined(low, high), inner - i)
        at += move
      }
    }
    x += size
    y += size
  }
}

export function firstNonFinite(n: i32, x: usize): i32 {
  const infinity = splat(Infinity)
  let i = 0
  for (; i + 16 <= n; i += 16) {
    const p = x + (<usize>i << 2)
    const v0 = f32x4.abs(v128.load(p)), v1 = f32x4.abs(v128.load(p, 16))
    const v2 = f32x4.abs(v128.load(p, 32)), v3 = f32x4.abs(v128.load(p, 48))
    const finite = v128.and(
      v128.and(f32x4.lt(v0, infinity), f32x4.lt(v1, infinity)),
      v128.and(f32x4.lt(v2, infinity), f32x4.lt(v3, infinity)),
    )
    if (!i32x4.all_true(finite)) break
  }
  for (; i < n; i++) if (!isFinite(load<f32>(x + (<usize>i << 2)))) return i
  return -1
}
