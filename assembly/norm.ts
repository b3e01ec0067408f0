// Batch normalisation: statistics per channel, the normalised result, its gradients, running averages (Ioffe and Szegedy, 2015).

import { storeUpTo } from './simd'

@inline function at(base: usize, i: i32): usize { return base + (<usize>i << 2) }

@inline function horizontal(v: v128): f64 {
  return <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1) + (<f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3))
}

/** Σ (x − shift)^power over a row for power 1 or 2, or Σ (x − shift) g when g is given: eight partial sums. */
// @ts-ignore: decorator
@inline function rowSum<T>(n: i32, x: usize, shift: f32, g: usize, kind: T): f64 {
  const s = f32x4.splat(shift)
  let sum0 = f32x4.splat(0)
  let sum1 = f32x4.splat(0)
  let i = 0
  for (; i + 8 <= n; i += 8) {
    const a = f32x4.sub(v128.load(at(x, i)), s)
    const b = f32x4.sub(v128.load(at(x, i), 16), s)
    if (<i32>kind == 1) {
      sum0 = f32x4.add(sum0, a)
      sum1 = f32x4.add(sum1, b)
    } else if (<i32>kind == 2) {
      sum0 = f32x4.add(sum0, f32x4.mul(a, a))
      sum1 = f32x4.add(sum1, f32x4.mul(b, b))
    } else {
      sum0 = f32x4.add(sum0, f32x4.mul(a, v128.load(at(g, i))))
      sum1 = f32x4.add(sum1, f32x4.mul(b, v128.load(at(g, i), 16)))
    }
  }
  let sum = horizontal(f32x4.add(sum0, sum1))
  for (; i < n; i++) {
    const a = <f64>load<f32>(at(x, i)) - <f64>shift
    if (<i32>kind == 1) sum += a
    else if (<i32>kind == 2) sum += a * a
    else sum += a * <f64>load<f32>(at(g, i))
  }
  return sum
}
function sumOf(n: i32, x: usize, shift: f32): f64 { return rowSum<i32>(n, x, shift, 0, 1) }
function squaresOf(n: i32, x: usize, shift: f32): f64 { return rowSum<i32>(n, x, shift, 0, 2) }
function productOf(n: i32, x: usize, shift: f32, g: usize): f64 { return rowSum<i32>(n, x, shift, g, 3) }

export function channelMoments(n: i32, c: i32, inner: i32, x: usize, mean: usize, variance: usize): void {
  const count = <f64>n * <f64>inner
  for (let j = 0; j < c; j++) {
    let sum: f64 = 0
    for (let i = 0; i < n; i++) sum += sumOf(inner, at(x, (i * c + j) * inner), 0)
    const centre = <f32>(sum / count)
    // what rounding the mean has left over is taken out of the second pass
    let squares: f64 = 0
    let rest: f64 = 0
    for (let i = 0; i < n; i++) {
      const row = at(x, (i * c + j) * inner)
      squares += squaresOf(inner, row, centre)
      rest += sumOf(inner, row, centre)
    }
    store<f32>(at(mean, j), centre)
    store<f32>(at(variance, j), <f32>((squares - rest * rest / count) / count))
  }
}

/** y = x factor + offset over a row */
function affineRow(n: i32, x: usize, factor: f32, offset: f32, y: usize): void {
  const f = f32x4.splat(factor)
  const o = f32x4.splat(offset)
  for (; n > 0; n -= 4) {
    storeUpTo(y, f32x4.add(f32x4.mul(v128.load(x), f), o), n)
    x += 16
    y += 16
  }
}

/** y = (x − centre) factor + offset over a row: the difference first, since factor · centre may be large */
function centredRow(n: i32, x: usize, centre: f32, factor: f32, offset: f32, y: usize): void {
  const m = f32x4.splat(centre)
  const f = f32x4.splat(factor)
  const o = f32x4.splat(offset)
  for (; n > 0; n -= 4) {
    storeUpTo(y, f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), m), f), o), n)
    x += 16
    y += 16
  }
}

@inline function scaleOf(variance: usize, j: i32, eps: f32): f64 {
  return 1 / Math.sqrt(<f64>load<f32>(at(variance, j)) + <f64>eps)
}

export function batchNorm(
  n: i32, c: i32, inner: i32, eps: f32, x: usize, mean: usize, variance: usize, weight: usize, bias: usize, y: usize,
): void {
  for (let j = 0; j < c; j++) {
    const factor = <f32>(scaleOf(variance, j, eps) * (weight ? <f64>load<f32>(at(weight, j)) : 1))
    const offset: f32 = bias ? load<f32>(at(bias, j)) : 0
    const centre = load<f32>(at(mean, j))
    for (let i = 0; i < n; i++) {
      const row = (i * c + j) * inner
      centredRow(inner, at(x, row), centre, factor, offset, at(y, row))
    }
  }
}

export function batchNormGrad(
  n: i32, c: i32, inner: i32, eps: f32, training: i32, x: usize, mean: usize, variance: usize, weight: usize, g: usize,
  gx: usize, gweight: usize, gbias: usize,
): void {
  const count = <f64>n * <f64>inner
  for (let j = 0; j < c; j++) {
    const scale = scaleOf(variance, j, eps)
    const centre = load<f32>(at(mean, j))
    let sum: f64 = 0
    let product: f64 = 0
    if (gbias || gweight || training) {
      for (let i = 0; i < n; i++) {
        const row = (i * c + j) * inner
        sum += sumOf(inner, at(g, row), 0)
        product += productOf(inner, at(x, row), centre, at(g, row))
      }
    }
    if (gweight) store<f32>(at(gweight, j), <f32>(product * scale))
    if (gbias) store<f32>(at(gbias, j), <f32>sum)
    if (!gx) continue
    const factor = <f32>(scale * (weight ? <f64>load<f32>(at(weight, j)) : 1))
    // gx = factor (g − mean g − (x − mean) scale² mean(g (x − mean)))
    const slope = <f32>(product * scale * scale / count)
    const offset = <f32>(sum / count)
    for (let i = 0; i < n; i++) {
      const row = (i * c + j) * inner
      if (training) trainingRow(inner, at(x, row), at(g, row), centre, slope, offset, factor, at(gx, row))
      else affineRow(inner, at(g, row), factor, 0, at(gx, row))
    }
  }
}

function trainingRow(n: i32, x: usize, g: usize, centre: f32, slope: f32, offset: f32, factor: f32, y: usize): void {
  const m = f32x4.splat(centre)
  const s = f32x4.splat(slope)
  const o = f32x4.splat(offset)
  const f = f32x4.splat(factor)
  for (; n > 0; n -= 4) {
    const normal = f32x4.mul(f32x4.sub(v128.load(x), m), s)
    storeUpTo(y, f32x4.mul(f32x4.sub(f32x4.sub(v128.load(g), o), normal), f), n)
    x += 16
    g += 16
    y += 16
  }
}

export function updateRunning(c: i32, unbias: f32, scalars: usize, mean: usize, variance: usize, runningMean: usize, runningVariance: usize): void {
  const f = load<f64>(scalars)
  for (let j = 0; j < c; j++) {
    const m = at(runningMean, j)
    const v = at(runningVariance, j)
    store<f32>(m, <f32>((1 - f) * <f64>load<f32>(m) + f * <f64>load<f32>(at(mean, j))))
    store<f32>(v, <f32>((1 - f) * <f64>load<f32>(v) + f * <f64>unbias * <f64>load<f32>(at(variance, j))))
  }
}
