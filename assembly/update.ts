// Parameter updates: one pass over the parameters, their gradients and the optimizer's state.
import { Update } from './codes'
import { div, madd, maxNaN, mul, splat, storePair, storeUpTo, sub } from './simd'

/** scalars[i] in every lane */
@inline function scalar(scalars: usize, i: i32): v128 { return splat(<f32>load<f64>(scalars + (<usize>i << 3))) }

export function update(f: i32, n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize): void {
  if (n <= 0) return
  switch (f) {
    case Update.sgd: return s1 ? sgdWithMomentum(n, scalars, w, g, s1) : sgd(n, scalars, w, g)
    case Update.adam: return adam(n, scalars, w, g, s1, s2, s3)
  }
}

function sgd(n: i32, scalars: usize, w: usize, g: usize): void {
  const lr = scalar(scalars, 0), weightDecay = scalar(scalars, 1)
  while (true) {
    const w0 = v128.load(w), w1 = v128.load(w, 16)
    const next0 = sub(w0, mul(lr, madd(weightDecay, w0, v128.load(g)))), next1 = sub(w1, mul(lr, madd(weightDecay, w1, v128.load(g, 16))))
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
  // the step is a multiple of the gradient plus one of the velocity
  const nesterov = load<f64>(scalars, 40) != 0, direct = splat(nesterov ? 1 : 0), delayed = nesterov ? scalar(scalars, 4) : splat(1)
  while (true) {
    const weight = v128.load(w), slope = madd(weightDecay, weight, v128.load(g))
    const velocity = madd(gain, slope, mul(decay, v128.load(s1)))
    const next = sub(weight, mul(lr, madd(direct, slope, mul(delayed, velocity))))
    if (n <= 4) {
      storeUpTo(s1, velocity, n)
      return storeUpTo(w, next, n)
    }
    v128.store(s1, velocity)
    v128.store(w, next)
    w += 16
    g += 16
    s1 += 16
    n -= 4
  }
}

const ZEROS: usize = memory.data(16, 16)

function adam(n: i32, scalars: usize, w: usize, g: usize, s1: usize, s2: usize, s3: usize): void {
  const stepSize = scalar(scalars, 0), beta1 = scalar(scalars, 1), beta2 = scalar(scalars, 2), eps = scalar(scalars, 3)
  const weightDecay = scalar(scalars, 5), shrink = scalar(scalars, 6)
  // taken in float64: 1 - 0.999 in float32 has lost four digits
  const rest1 = splat(<f32>(1 - load<f64>(scalars, 8))), rest2 = splat(<f32>(1 - load<f64>(scalars, 16)))
  const correction = splat(<f32>(1 / load<f64>(scalars, 32)))
  // without s3 the largest is taken among s2 and zeros
  let largest = s3 ? s3 : ZEROS
  const move: usize = s3 ? 16 : 0
  while (true) {
    const weight = mul(v128.load(w), shrink), slope = madd(weightDecay, weight, v128.load(g))
    const first = madd(rest1, slope, mul(beta1, v128.load(s1)))
    const second = madd(mul(rest2, slope), slope, mul(beta2, v128.load(s2))), third = maxNaN(v128.load(largest), second)
    const next = sub(weight, div(mul(stepSize, first), madd(f32x4.sqrt(third), correction, eps)))
    if (n <= 4) {
      storeUpTo(s1, first, n)
      storeUpTo(s2, second, n)
      if (s3) storeUpTo(largest, third, n)
      return storeUpTo(w, next, n)
    }
    v128.store(s1, first)
    v128.store(s2, second)
    if (s3) v128.store(largest, third)
    v128.store(w, next)
    w += 16
    g += 16
    s1 += 16
    s2 += 16
    largest += move
    n -= 4
  }
}
