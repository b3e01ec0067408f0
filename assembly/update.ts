// Parameter updates: one pass over the parameters, their gradients and the optimizer's state. The formulas stand at `update` in
// ts/kernels.ts.
import { Update } from './codes'
import { add, choose, div, madd, maxNaN, mul, sign4, splat, storePair, storeUpTo, storeUpToHere, sub } from './simd'

/** scalars[i] in every lane */
@inline function scalar(scalars: usize, i: i32): v128 { return splat(<f32>load<f64>(scalars + (<usize>i << 3))) }

/** 1 - scalars[i], taken in float64: 1 - 0.999 in float32 has lost four digits */
@inline function rest(scalars: usize, i: i32): v128 { return splat(<f32>(1 - load<f64>(scalars + (<usize>i << 3)))) }

export function update(f: i32, n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize): void {
  if (n <= 0) return
  switch (f) {
    case Update.sgd: return s1 ? sgdWithMomentum(n, scalars, w, g, s1) : sgd(n, scalars, w, g)
    case Update.adam: return adam(n, scalars, w, g, s1, s2, s3)
    case Update.rms: return rms(n, scalars, w, g, s1, s2, s3)
    case Update.adadelta: return adadelta(n, scalars, w, g, s1, s2)
    case Update.adamax: return adamax(n, scalars, w, g, s1, s2)
    case Update.rprop: return rprop(n, scalars, w, g, s1, s2)
    case Update.lion: return lion(n, scalars, w, g, s1)
  }
}

function sgd(n: i32, scalars: usize, w: usize, g: usize): void {
  const lr = scalar(scalars, 0), weightDecay = scalar(scalars, 1)
  while (true) {
    const w0 = v128.load(w), w1 = v128.load(w, 16)
    const next0 = sub(w0, mul(lr, madd(weightDecay, w0, v128.load(g))))
    const next1 = sub(w1, mul(lr, madd(weightDecay, w1, v128.load(g, 16))))
    if (n <= 8) return storePair(w, next0, next1, n)
    v128.store(w, next0)
    v128.store(w, next1, 16)
    w += 32
    g += 32
    n -= 8
  }
}

function sgdWithMomentum(n: i32, scalars: usize, w: usize, g: usize, s1: usize): void {
  const lr = scalar(scalars, 0), weightDecay = scalar(scalars, 1), decay = scalar(scalars, 2), gain = scalar(scalars, 3)
  // the step is a multiple of the gradient, which is 0 but for nesterov, plus one of the velocity
  const nesterov = load<f64>(scalars, 40) != 0
  const direct = nesterov ? lr : splat(0), delayed = nesterov ? mul(lr, scalar(scalars, 4)) : lr
  while (true) {
    const w0 = v128.load(w), w1 = v128.load(w, 16)
    const slope0 = madd(weightDecay, w0, v128.load(g)), slope1 = madd(weightDecay, w1, v128.load(g, 16))
    const velocity0 = madd(gain, slope0, mul(decay, v128.load(s1))), velocity1 = madd(gain, slope1, mul(decay, v128.load(s1, 16)))
    const next0 = sub(sub(w0, mul(direct, slope0)), mul(delayed, velocity0))
    const next1 = sub(sub(w1, mul(direct, slope1)), mul(delayed, velocity1))
    if (n <= 8) {
      storePair(s1, velocity0, velocity1, n)
      return storePair(w, next0, next1, n)
    }
    v128.store(s1, velocity0)
    v128.store(s1, velocity1, 16)
    v128.store(w, next0)
    v128.store(w, next1, 16)
    w += 32
    g += 32
    s1 += 32
    n -= 8
  }
}

/** One loop for each kind: one that looks for the largest also where nobody wants it takes a fifth longer. */
@inline function adamLoop(
  amsgrad: bool, n: i32, stepSize: v128, beta1: v128, beta2: v128, rest1: v128, rest2: v128, eps: v128, weightDecay: v128, shrink: v128,
  gradStep: v128, correction: v128, w: usize, g: usize, s1: usize, s2: usize, s3: usize,
): void {
  while (true) {
    const weight = mul(v128.load(w), shrink), slope = madd(weightDecay, weight, v128.load(g))
    const first = madd(rest1, slope, mul(beta1, v128.load(s1)))
    const second = madd(mul(rest2, slope), slope, mul(beta2, v128.load(s2))), third = amsgrad ? maxNaN(v128.load(s3), second) : second
    const next = sub(weight, div(madd(gradStep, slope, mul(stepSize, first)), madd(f32x4.sqrt(third), correction, eps)))
    if (n <= 4) {
      storeUpToHere(s1, first, n)
      storeUpToHere(s2, second, n)
      if (amsgrad) storeUpToHere(s3, third, n)
      return storeUpToHere(w, next, n)
    }
    v128.store(s1, first)
    v128.store(s2, second)
    if (amsgrad) v128.store(s3, third)
    v128.store(w, next)
    w += 16
    g += 16
    s1 += 16
    s2 += 16
    s3 += 16
    n -= 4
  }
}

function adam(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize): void {
  const stepSize = scalar(scalars, 0), beta1 = scalar(scalars, 1), beta2 = scalar(scalars, 2), eps = scalar(scalars, 3)
  const weightDecay = scalar(scalars, 5), shrink = scalar(scalars, 6), gradStep = scalar(scalars, 7)
  const rest1 = rest(scalars, 1), rest2 = rest(scalars, 2)
  const correction = splat(<f32>(1 / load<f64>(scalars, 32)))
  if (s3) adamLoop(true, n, stepSize, beta1, beta2, rest1, rest2, eps, weightDecay, shrink, gradStep, correction, w, g, s1, s2, s3)
  else adamLoop(false, n, stepSize, beta1, beta2, rest1, rest2, eps, weightDecay, shrink, gradStep, correction, w, g, s1, s2, 0)
}

// Stores that call nothing take half of the time here and 0.85 in lion, but 1.3 to 1.8 times as long in the loops in between, where V8 11.3
// then makes its constants anew.
function rms(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize): void {
  const lr = scalar(scalars, 0), decay = scalar(scalars, 1), gain = scalar(scalars, 2), eps = scalar(scalars, 3)
  const weightDecay = scalar(scalars, 4), momentum = scalar(scalars, 5)
  for (let at: usize = 0; n > 0; n -= 4) {
    const weight = v128.load(w + at), slope = madd(weightDecay, weight, v128.load(g + at))
    const square = madd(mul(gain, slope), slope, mul(decay, v128.load(s1 + at)))
    storeUpToHere(s1 + at, square, n)
    let variance = square
    if (s2) {
      const mean = madd(gain, slope, mul(decay, v128.load(s2 + at)))
      storeUpToHere(s2 + at, mean, n)
      variance = sub(square, mul(mean, mean))
    }
    let step = div(slope, add(f32x4.sqrt(variance), eps))
    if (s3) {
      step = madd(momentum, v128.load(s3 + at), step)
      storeUpToHere(s3 + at, step, n)
    }
    storeUpToHere(w + at, sub(weight, mul(lr, step)), n)
    at += 16
  }
}

function adadelta(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize): void {
  const lr = scalar(scalars, 0), rho = scalar(scalars, 1), fresh = rest(scalars, 1), eps = scalar(scalars, 2)
  const weightDecay = scalar(scalars, 3)
  for (let at: usize = 0; n > 0; n -= 4) {
    const weight = v128.load(w + at), steps = v128.load(s2 + at), slope = madd(weightDecay, weight, v128.load(g + at))
    const square = madd(mul(fresh, slope), slope, mul(rho, v128.load(s1 + at)))
    const step = mul(div(f32x4.sqrt(add(steps, eps)), f32x4.sqrt(add(square, eps))), slope)
    storeUpTo(s1 + at, square, n)
    storeUpTo(s2 + at, madd(mul(fresh, step), step, mul(rho, steps)), n)
    storeUpTo(w + at, sub(weight, mul(lr, step)), n)
    at += 16
  }
}

function adamax(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize): void {
  const stepSize = scalar(scalars, 0), beta1 = scalar(scalars, 1), rest1 = rest(scalars, 1), beta2 = scalar(scalars, 2)
  const eps = scalar(scalars, 3), weightDecay = scalar(scalars, 4)
  for (let at: usize = 0; n > 0; n -= 4) {
    const weight = v128.load(w + at), slope = madd(weightDecay, weight, v128.load(g + at))
    const mean = madd(rest1, slope, mul(beta1, v128.load(s1 + at)))
    const largest = maxNaN(mul(beta2, v128.load(s2 + at)), add(f32x4.abs(slope), eps))
    storeUpTo(s1 + at, mean, n)
    storeUpTo(s2 + at, largest, n)
    storeUpTo(w + at, sub(weight, div(mul(stepSize, mean), largest)), n)
    at += 16
  }
}

function rprop(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize): void {
  const shrink = scalar(scalars, 0), grow = scalar(scalars, 1), smallest = scalar(scalars, 2), largest = scalar(scalars, 3)
  for (let at: usize = 0; n > 0; n -= 4) {
    const slope = v128.load(g + at), agreement = mul(slope, v128.load(s2 + at)), turned = f32x4.lt(agreement, splat(0))
    const factor = choose(turned, shrink, choose(f32x4.gt(agreement, splat(0)), grow, splat(1)))
    const step = f32x4.pmin(f32x4.pmax(mul(v128.load(s1 + at), factor), smallest), largest), kept = v128.andnot(slope, turned)
    storeUpTo(s1 + at, step, n)
    storeUpTo(s2 + at, kept, n)
    storeUpTo(w + at, sub(v128.load(w + at), mul(sign4(kept), step)), n)
    at += 16
  }
}

function lion(n: i32, scalars: usize, w: usize, g: usize, s1: usize): void {
  const lr = scalar(scalars, 0), beta1 = scalar(scalars, 1), rest1 = rest(scalars, 1)
  const beta2 = scalar(scalars, 2), rest2 = rest(scalars, 2), shrink = scalar(scalars, 3)
  for (let at: usize = 0; n > 0; n -= 4) {
    const mean = v128.load(s1 + at), slope = v128.load(g + at), weight = mul(v128.load(w + at), shrink)
    storeUpToHere(w + at, sub(weight, mul(lr, sign4(madd(beta1, mean, mul(rest1, slope))))), n)
    storeUpToHere(s1 + at, madd(beta2, mean, mul(rest2, slope)), n)
    at += 16
  }
}
