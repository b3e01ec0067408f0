// Batch normalisation over [n, c, inner]: statistics of the channels, the normalised result, its gradients, running averages
// (S. Ioffe and C. Szegedy, 2015). With inner = 1 vectors hold neighbouring channels, else neighbours of one channel, and a
// share is some channels.
import { exactSum, momentsOfColumns, sumOfDeviations } from './reduce'
import { shareEnd, shareStart } from './share'
import { add, firstLanes, joined, lowerHalf, mul, splat, storeUpTo, storeUpToHere, sub, sumLanes, upperHalf } from './simd'

@external('env', 'scratch') declare const scratch: usize

const BLOCK: i32 = 4096

@inline function at(base: usize, i: i32): usize { return base + (<usize>i << 2) }

export function channelMoments(n: i32, c: i32, inner: i32, x: usize, mean: usize, variance: usize): void {
  const count = <f64>n * <f64>inner
  if (inner == 1) {
    momentsOfColumns(n, c, x, mean, variance)
    for (let j = 0; j < c; j++) store<f32>(at(variance, j), <f32>(<f64>load<f32>(at(variance, j)) / count))
    return
  }
  const end = shareEnd(c, 1)
  for (let j = shareStart(c, 1); j < end; j++) {
    let sum: f64 = 0, squares: f64 = 0
    for (let i = 0; i < n; i++) sum += exactSum(inner, at(x, (i * c + j) * inner))
    const exact = sum / count, m = <f32>exact
    for (let i = 0; i < n; i++) squares += sumOfDeviations(inner, m, <f64>m - exact, at(x, (i * c + j) * inner))
    store<f32>(at(mean, j), m)
    store<f32>(at(variance, j), <f32>(squares / count))
  }
}

/** 1 / sqrt(variance + eps) of channel j */
@inline function scaleOf(variance: usize, j: i32, eps: f32): f64 {
  return 1 / sqrt<f64>(<f64>load<f32>(at(variance, j)) + <f64>eps)
}

/** The same of four channels */
@inline function scaleOf4(variance: usize, j: i32, eps: f32): v128 {
  const v = v128.load(at(variance, j)), e = f64x2.splat(eps), one = f64x2.splat(1)
  return joined(
    f64x2.div(one, f64x2.sqrt(f64x2.add(lowerHalf(v), e))),
    f64x2.div(one, f64x2.sqrt(f64x2.add(upperHalf(v), e))),
  )
}

export function batchNorm(
  n: i32, c: i32, inner: i32, eps: f32, x: usize, mean: usize, variance: usize, weight: usize, bias: usize, y: usize,
): void {
  if (inner == 1) {
    for (let j = 0; j < c; j += 4) {
      const scale = scaleOf4(variance, j, eps), factor = weight ? mul(scale, v128.load(at(weight, j))) : scale
      normalise(n, at(0, c), c - j, v128.load(at(mean, j)), factor, bias ? v128.load(at(bias, j)) : splat(0), at(x, j), at(y, j))
    }
    return
  }
  const end = shareEnd(c, 1)
  for (let j = shareStart(c, 1); j < end; j++) {
    const m = splat(load<f32>(at(mean, j))), offset = splat(bias ? load<f32>(at(bias, j)) : 0)
    const factor = splat(<f32>(scaleOf(variance, j, eps) * <f64>(weight ? load<f32>(at(weight, j)) : 1)))
    for (let i = 0; i < n; i++) {
      const row = (i * c + j) * inner
      normaliseRow(inner, m, factor, offset, at(x, row), at(y, row))
    }
  }
}

/** y = (x - mean) factor + offset for a row */
function normaliseRow(n: i32, mean: v128, factor: v128, offset: v128, x: usize, y: usize): void {
  if (n > 0) while (true) {
    const v = add(mul(sub(v128.load(x), mean), factor), offset)
    if (n <= 4) return storeUpToHere(y, v, n)
    v128.store(y, v)
    x += 16
    y += 16
    n -= 4
  }
}

/** The same for four neighbouring columns, of which `count` exist */
function normalise(n: i32, step: usize, count: i32, mean: v128, factor: v128, offset: v128, x: usize, y: usize): void {
  for (; n > 0; n--) {
    storeUpToHere(y, add(mul(sub(v128.load(x), mean), factor), offset), count)
    x += step
    y += step
  }
}

// With s = 1 / sqrt(variance + eps), d = x - mean and means over a channel: gbias = sum g, gweight = s sum g d and
// gx = weight s (g - mean(g) - d s^2 mean(g d)); where mean and variance are constants, gx = weight s g.
export function batchNormGrad(
  n: i32, c: i32, inner: i32, eps: f32, training: i32, x: usize, mean: usize, variance: usize, weight: usize, g: usize,
  gx: usize, gweight: usize, gbias: usize,
): void {
  const count = <f64>n * <f64>inner
  if (inner == 1) return gradColumns(n, c, eps, training, x, mean, variance, weight, g, gx, gweight, gbias)
  const end = shareEnd(c, 1)
  for (let j = shareStart(c, 1); j < end; j++) {
    const m = load<f32>(at(mean, j)), scale = scaleOf(variance, j, eps)
    store<f64>(scratch, 0)
    store<f64>(scratch, 0, 8)
    if (training || gweight || gbias) {
      for (let i = 0; i < n; i++) addProducts(inner, m, at(x, (i * c + j) * inner), at(g, (i * c + j) * inner))
    }
    const sum = load<f64>(scratch), products = load<f64>(scratch, 8)
    if (gweight) store<f32>(at(gweight, j), <f32>(products * scale))
    if (gbias) store<f32>(at(gbias, j), <f32>sum)
    if (!gx) continue
    const factor = splat(<f32>(scale * <f64>(weight ? load<f32>(at(weight, j)) : 1)))
    const centre = splat(training ? <f32>(sum / count) : 0), slope = splat(training ? <f32>(products * scale * scale / count) : 0)
    for (let i = 0; i < n; i++) {
      const row = (i * c + j) * inner
      gradRow(inner, splat(m), slope, centre, factor, at(x, row), at(g, row), at(gx, row))
    }
  }
}

/** Adds the sums of g and of g (x - mean) to the two float64 numbers in scratch memory. */
function addProducts(n: i32, mean: f32, x: usize, g: usize): void {
  const m = splat(mean)
  let sum: f64 = 0, products: f64 = 0
  while (n > 0) {
    let k = min(n, BLOCK), s0 = splat(0), s1 = s0, p0 = s0, p1 = s0
    n -= k
    for (; k >= 8; k -= 8) {
      const g0 = v128.load(g), g1 = v128.load(g, 16)
      s0 = add(s0, g0)
      s1 = add(s1, g1)
      p0 = add(p0, mul(g0, sub(v128.load(x), m)))
      p1 = add(p1, mul(g1, sub(v128.load(x, 16), m)))
      x += 32
      g += 32
    }
    for (; k > 0; k -= 4) {
      const g0 = v128.load(g), lanes = firstLanes(k)
      s0 = add(s0, v128.and(g0, lanes))
      p0 = add(p0, v128.and(mul(g0, sub(v128.load(x), m)), lanes))
      x += 16
      g += 16
    }
    sum += sumLanes(add(s0, s1))
    products += sumLanes(add(p0, p1))
  }
  store<f64>(scratch, load<f64>(scratch) + sum)
  store<f64>(scratch, load<f64>(scratch, 8) + products, 8)
}

@inline function gradOf(mean: v128, slope: v128, centre: v128, factor: v128, x: usize, g: usize): v128 {
  return mul(sub(sub(v128.load(g), centre), mul(sub(v128.load(x), mean), slope)), factor)
}

function gradRow(n: i32, mean: v128, slope: v128, centre: v128, factor: v128, x: usize, g: usize, gx: usize): void {
  if (n > 0) while (true) {
    const v = gradOf(mean, slope, centre, factor, x, g)
    if (n <= 4) return storeUpToHere(gx, v, n)
    v128.store(gx, v)
    x += 16
    g += 16
    gx += 16
    n -= 4
  }
}

function gradColumns(
  n: i32, c: i32, eps: f32, training: i32, x: usize, mean: usize, variance: usize, weight: usize, g: usize,
  gx: usize, gweight: usize, gbias: usize,
): void {
  const step = at(0, c), size = <usize>n * step, count = f64x2.splat(n)
  for (let j = 0; j < c; j += 4) {
    const m = v128.load(at(mean, j)), scale = scaleOf4(variance, j, eps), first = at(0, j)
    let low = f64x2.splat(0), high = low, lowProduct = low, highProduct = low
    for (let p = first; p < first + size; p += step) {
      const v = v128.load(g + p), product = mul(v, sub(v128.load(x + p), m))
      low = f64x2.add(low, lowerHalf(v))
      high = f64x2.add(high, upperHalf(v))
      lowProduct = f64x2.add(lowProduct, lowerHalf(product))
      highProduct = f64x2.add(highProduct, upperHalf(product))
    }
    if (gweight) storeUpTo(at(gweight, j), mul(joined(lowProduct, highProduct), scale), c - j)
    if (gbias) storeUpTo(at(gbias, j), joined(low, high), c - j)
    if (!gx) continue
    const factor = weight ? mul(scale, v128.load(at(weight, j))) : scale
    let centre = splat(0), slope = splat(0)
    if (training) {
      centre = joined(f64x2.div(low, count), f64x2.div(high, count))
      slope = mul(mul(joined(f64x2.div(lowProduct, count), f64x2.div(highProduct, count)), scale), scale)
    }
    for (let p = first; p < first + size; p += step) storeUpToHere(gx + p, gradOf(m, slope, centre, factor, x + p, g + p), c - j)
  }
}

export function updateRunning(
  c: i32, unbias: f32, scalars: usize, mean: usize, variance: usize, runningMean: usize, runningVariance: usize,
): void {
  const f = load<f64>(scalars), keep = 1 - f, scaled = f * <f64>unbias
  for (let j = 0; j < c; j++) {
    const m = at(runningMean, j), v = at(runningVariance, j)
    store<f32>(m, <f32>(keep * <f64>load<f32>(m) + f * <f64>load<f32>(at(mean, j))))
    store<f32>(v, <f32>(keep * <f64>load<f32>(v) + scaled * <f64>load<f32>(at(variance, j))))
  }
}
