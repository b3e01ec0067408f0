// Softmax, log-softmax and cross-entropy along the middle dimension of [outer, n, inner]: rows (inner = 1) and, four at a time,
// columns. Differences from the largest element are taken first, so that nothing overflows and large logits keep their digits.
import {
  add, div, expDown, firstLanes, joined, lowerHalf, mul, splat, storeUpToHere, sub, sumLanes, upperHalf,
} from './simd'
import { exactSum, expRow, log, logOf, maxOf, maxOfColumns, sumOfExpColumns } from './reduce'
import { FREE, scratchAt } from './microkernel'

const BLOCK: i32 = 1024

/** y = e^(x - shift) for four neighbouring columns, of which `count` exist, and shifts that no x exceeds; returns the sums. y may be 0. */
function expColumns(n: i32, step: usize, shift: v128, count: i32, x: usize, y: usize): v128 {
  let low = f64x2.splat(0), high = low, move = step
  if (!y) {
    y = scratchAt(FREE)
    move = 0
  }
  if (n > 0) do {
    const v = expDown(sub(v128.load(x), shift))
    low = f64x2.add(low, lowerHalf(v))
    high = f64x2.add(high, upperHalf(v))
    storeUpToHere(y, v, count)
    x += step
    y += move
  } while (--n > 0)
  return joined(low, high)
}

/** y = factor x */
function scaleRow(n: i32, factor: f32, x: usize, y: usize): void {
  const f = splat(factor)
  for (; n >= 16; n -= 16) {
    const v0 = mul(v128.load(x), f), v1 = mul(v128.load(x, 16), f), v2 = mul(v128.load(x, 32), f), v3 = mul(v128.load(x, 48), f)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    v128.store(y, v2, 32)
    v128.store(y, v3, 48)
    x += 64
    y += 64
  }
  if (n > 0) do {
    storeUpToHere(y, mul(v128.load(x), f), n)
    x += 16
    y += 16
    n -= 4
  } while (n > 0)
}

export function softmax(outer: i32, n: i32, inner: i32, x: usize, y: usize): void {
  const step = <usize>inner << 2, size = <usize>n * step
  for (let o = 0; o < outer; o++) {
    if (inner == 1) scaleRow(n, <f32>(1 / expRow(n, maxOf(n, x), x, y)), y, y)
    else for (let i = 0; i < inner; i += 4) {
      const from = x + (<usize>i << 2), to = y + (<usize>i << 2), count = inner - i
      const factor = div(splat(1), expColumns(n, step, maxOfColumns(n, step, from), count, from, to))
      for (let p = to; p < to + size; p += step) storeUpToHere(p, mul(v128.load(p), factor), count)
    }
    x += size
    y += size
  }
}

/** Sum of a b */
@inline function dotRow(n: i32, a: usize, b: usize): f32 {
  let sum: f64 = 0
  while (n > 0) {
    let k = min(n, BLOCK), s0 = splat(0), s1 = s0
    n -= k
    for (; k >= 8; k -= 8) {
      s0 = add(s0, mul(v128.load(a), v128.load(b)))
      s1 = add(s1, mul(v128.load(a, 16), v128.load(b, 16)))
      a += 32
      b += 32
    }
    for (; k > 0; k -= 4) {
      s0 = add(s0, v128.and(mul(v128.load(a), v128.load(b)), firstLanes(k)))
      a += 16
      b += 16
    }
    sum += sumLanes(add(s0, s1))
  }
  return <f32>sum
}

/** The same for four neighbouring columns */
@inline function dotColumns(n: i32, step: usize, a: usize, b: usize): v128 {
  let low = f64x2.splat(0), high = low
  for (; n > 0; n--) {
    const v = mul(v128.load(a), v128.load(b))
    low = f64x2.add(low, lowerHalf(v))
    high = f64x2.add(high, upperHalf(v))
    a += step
    b += step
  }
  return joined(low, high)
}

@inline function softmaxSlope(y: usize, g: usize, dot: v128): v128 { return mul(v128.load(y), sub(v128.load(g), dot)) }

export function softmaxGrad(outer: i32, n: i32, inner: i32, y: usize, g: usize, out: usize): void {
  const step = <usize>inner << 2, size = <usize>n * step
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      const dot = splat(dotRow(n, y, g))
      for (let i = 0; i < n; i += 4) {
        const at = <usize>i << 2
        storeUpToHere(out + at, softmaxSlope(y + at, g + at, dot), n - i)
      }
    } else for (let i = 0; i < inner; i += 4) {
      const first = <usize>i << 2, dot = dotColumns(n, step, y + first, g + first)
      for (let at = first; at < first + size; at += step) storeUpToHere(out + at, softmaxSlope(y + at, g + at, dot), inner - i)
    }
    y += size
    g += size
    out += size
  }
}

export function logSoftmax(outer: i32, n: i32, inner: i32, x: usize, y: usize): void {
  const step = <usize>inner << 2, size = <usize>n * step
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      const largest = maxOf(n, x), m = splat(largest), l = splat(log(expRow(n, largest, x, 0)))
      let at: usize = 0, left = n
      if (n > 0) do {
        storeUpToHere(y + at, sub(sub(v128.load(x + at), m), l), left)
        at += 16
        left -= 4
      } while (left > 0)
    } else for (let i = 0; i < inner; i += 4) {
      const first = <usize>i << 2, m = maxOfColumns(n, step, x + first), l = logOf(sumOfExpColumns(n, step, m, x + first))
      for (let at = first; at < first + size; at += step) storeUpToHere(y + at, sub(sub(v128.load(x + at), m), l), inner - i)
    }
    x += size
    y += size
  }
}

@inline function sumOfColumns(n: i32, step: usize, x: usize): v128 {
  let low = f64x2.splat(0), high = low
  for (; n > 0; n--) {
    const v = v128.load(x)
    low = f64x2.add(low, lowerHalf(v))
    high = f64x2.add(high, upperHalf(v))
    x += step
  }
  return joined(low, high)
}

@inline function logSoftmaxSlope(y: usize, g: usize, sum: v128): v128 { return sub(v128.load(g), mul(expDown(v128.load(y)), sum)) }

export function logSoftmaxGrad(outer: i32, n: i32, inner: i32, y: usize, g: usize, out: usize): void {
  const step = <usize>inner << 2, size = <usize>n * step
  for (let o = 0; o < outer; o++) {
    if (inner == 1) {
      const sum = splat(<f32>exactSum(n, g))
      let at: usize = 0, left = n
      if (n > 0) do {
        storeUpToHere(out + at, logSoftmaxSlope(y + at, g + at, sum), left)
        at += 16
        left -= 4
      } while (left > 0)
    } else for (let i = 0; i < inner; i += 4) {
      const first = <usize>i << 2, sum = sumOfColumns(n, step, g + first)
      let at = first
      if (n > 0) do {
        storeUpToHere(out + at, logSoftmaxSlope(y + at, g + at, sum), inner - i)
        at += step
      } while (at < first + size)
    }
    y += size
    g += size
    out += size
  }
}

// ---- cross-entropy -----------------------------------------------------------------------------------------------------

@inline function weightOf(weight: usize, j: i32): f32 { return weight ? load<f32>(weight + (<usize>j << 2)) : 1 }

/** Sum of w (x - shift) over the classes, which lie `step` bytes apart: four neighbouring positions at once */
@inline function weightedSum(c: i32, step: usize, shift: v128, x: usize, weight: usize): v128 {
  let sum = splat(0)
  for (let j = 0; j < c; j++) {
    sum = add(sum, mul(sub(v128.load(x), shift), splat(weightOf(weight, j))))
    x += step
  }
  return sum
}

/** The same for a row */
function weightedRow(c: i32, shift: f32, x: usize, weight: usize): f32 {
  const m = splat(shift)
  let sum = splat(0)
  for (let j = 0; j < c; j += 4) {
    const at = <usize>j << 2, d = sub(v128.load(x + at), m)
    sum = add(sum, v128.and(weight ? mul(d, v128.load(weight + at)) : d, firstLanes(c - j)))
  }
  return sumLanes(sum)
}

function totalWeight(c: i32, weight: usize): f64 {
  return weight ? exactSum(c, weight) : c
}

export function crossEntropy(
  n: i32, c: i32, inner: i32, ignore: i32, smoothing: f32, x: usize, target: usize, weight: usize,
  loss: usize, sums: usize, used: usize, exps: usize,
): i32 {
  const step = <usize>inner << 2, size = <usize>c * step
  const total = <f32>totalWeight(c, weight), even = smoothing / <f32>c
  let wrong = -1
  for (let o = 0; o < n; o++) {
    // first the largest logit to `loss`, the smoothed sum to `used`
    if (inner == 1) {
      const largest = maxOf(c, x)
      store<f32>(loss, largest)
      store<f32>(sums, <f32>expRow(c, largest, x, exps))
      if (smoothing) store<f32>(used, weightedRow(c, largest, x, weight))
    } else for (let i = 0; i < inner; i += 4) {
      const at = <usize>i << 2, largest = maxOfColumns(c, step, x + at)
      storeUpToHere(loss + at, largest, inner - i)
      storeUpToHere(sums + at, expColumns(c, step, largest, inner - i, x + at, exps ? exps + at : 0), inner - i)
      if (smoothing) storeUpToHere(used + at, weightedSum(c, step, largest, x + at, weight), inner - i)
    }
    for (let i = 0; i < inner; i++) {
      const t = load<i32>(target), largest = load<f32>(loss), logSum = log(load<f32>(sums))
      let value: f32 = 0, w: f32 = 0
      if (t != ignore) {
        if (<u32>t < <u32>c) {
          w = weightOf(weight, t)
          value = (1 - smoothing) * w * (logSum - (load<f32>(x + (<usize>(t * inner + i) << 2)) - largest))
          if (smoothing) value += even * (total * logSum - load<f32>(used))
        } else {
          value = NaN
          if (wrong < 0) wrong = o * inner + i
        }
      }
      store<f32>(loss, value)
      store<f32>(used, w)
      target += 4
      loss += 4
      sums += 4
      used += 4
    }
    x += size
    if (exps) exps += size
  }
  return wrong
}

// With p = softmax(x), W the sum of w and e = smoothing: dloss/dx_j = p_j ((1-e) w_t + e/c W) - e/c w_j - [j = t] (1-e) w_t.
// p is made of the forward pass's exponentials and their sum: e^(x - lse) would have a relative error of 3e-5 at logits of 1000.

/** (1-e) w_t: 0 for ignored targets, NaN for targets out of range */
@inline function hold(t: i32, c: i32, ignore: i32, smoothing: f32, weight: usize): f32 {
  return t == ignore ? 0 : <u32>t < <u32>c ? (1 - smoothing) * weightOf(weight, t) : NaN
}

/** `even` is e/c, `total` W */
function crossEntropyGradRow(
  c: i32, ignore: i32, smoothing: f32, even: f32, total: f32, exps: usize, t: i32, weight: usize, sum: f32, g: f32, out: usize,
): void {
  if (t == ignore) return memory.fill(out, 0, <usize>c << 2)
  const held = g * hold(t, c, ignore, smoothing, weight)
  scaleRow(c, (held + g * even * total) / sum, exps, out)
  if (even) {
    const away = splat(g * even)
    for (let j = 0; j < c; j += 4) {
      const at = <usize>j << 2
      storeUpToHere(out + at, sub(v128.load(out + at), weight ? mul(away, v128.load(weight + at)) : away), c - j)
    }
  }
  if (<u32>t < <u32>c) {
    const at = out + (<usize>t << 2)
    store<f32>(at, load<f32>(at) - held)
  }
}

/** g (1-e) w_t for the i-th of four neighbouring positions, 0 beyond the `count` that exist */
@inline function heldAt(i: i32, count: i32, c: i32, ignore: i32, smoothing: f32, target: usize, weight: usize, g: usize): f32 {
  const at = <usize>i << 2
  return i < count ? load<f32>(g + at) * hold(load<i32>(target + at), c, ignore, smoothing, weight) : 0
}

/** Four neighbouring positions, of which `count` exist */
function crossEntropyGradColumns(
  c: i32, step: usize, count: i32, ignore: i32, smoothing: f32, even: f32, total: f32,
  exps: usize, target: usize, weight: usize, sums: usize, g: usize, out: usize,
): void {
  const room = scratchAt(FREE)
  for (let i = 0; i < 4; i++) store<f32>(room + (<usize>i << 2), heldAt(i, count, c, ignore, smoothing, target, weight, g))
  const held = v128.load(room), away = mul(v128.load(g), splat(even))
  const factor = div(add(held, mul(away, splat(total))), v128.load(sums))
  const targets = v128.load(target), counted = i32x4.ne(targets, i32x4.splat(ignore))
  for (let j = 0; j < c; j++) {
    let v = mul(v128.load(exps), factor)
    if (even) v = sub(v, mul(away, splat(weightOf(weight, j))))
    v = sub(v, v128.and(held, i32x4.eq(targets, i32x4.splat(j))))
    storeUpToHere(out, v128.and(v, counted), count)
    exps += step
    out += step
  }
}

export function crossEntropyGrad(
  n: i32, c: i32, inner: i32, ignore: i32, smoothing: f32, exps: usize, target: usize, weight: usize, sums: usize,
  g: usize, out: usize,
): void {
  const step = <usize>inner << 2, size = <usize>c * step, total = <f32>totalWeight(c, weight), even = smoothing / <f32>c
  for (let o = 0; o < n; o++) {
    if (inner == 1) crossEntropyGradRow(c, ignore, smoothing, even, total, exps, load<i32>(target), weight, load<f32>(sums), load<f32>(g), out)
    else for (let i = 0; i < inner; i += 4) {
      const at = <usize>i << 2
      crossEntropyGradColumns(c, step, inner - i, ignore, smoothing, even, total, exps + at, target + at, weight, sums + at, g + at, out + at)
    }
    exps += size
    out += size
    target += step
    sums += step
    g += step
  }
}
