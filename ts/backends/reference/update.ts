// Reference kernel: the optimizers' update of one parameter.

import { SCALARS, Update, type Kernels } from '../../kernels.js'
import type { Floats, Memory } from './memory.js'

/** The update of element i. `s1`, `s2`, `s3` are empty where a state is not kept. */
type Rule = (block: Float64Array, w: Floats, g: Floats, s1: Floats, s2: Floats, s3: Floats) => (i: number) => void

const sgd: Rule = ([lr, weightDecay, decay, gain, momentum, nesterov], w, g, s1) => i => {
  let step = g[i]! + weightDecay! * w[i]!
  if (s1.length) {
    const velocity = decay! * s1[i]! + gain! * step
    s1[i] = velocity
    step = nesterov ? step + momentum! * velocity : velocity
  }
  w[i] = w[i]! - lr! * step
}

const adam: Rule = ([stepSize, beta1, beta2, eps, rootCorrection, weightDecay, shrink, gradStep], w, g, s1, s2, s3) => i => {
  const weight = w[i]! * shrink!
  const gradient = g[i]! + weightDecay! * weight
  const mean = beta1! * s1[i]! + (1 - beta1!) * gradient
  const square = beta2! * s2[i]! + (1 - beta2!) * gradient * gradient
  s1[i] = mean
  s2[i] = square
  let v = square
  if (s3.length) {
    v = Math.max(s3[i]!, square)
    s3[i] = v
  }
  w[i] = weight - (stepSize! * mean + gradStep! * gradient) / (Math.sqrt(v) / rootCorrection! + eps!)
}

const rms: Rule = ([lr, decay, gain, eps, weightDecay, momentum], w, g, s1, s2, s3) => i => {
  const gradient = g[i]! + weightDecay! * w[i]!
  const square = decay! * s1[i]! + gain! * gradient * gradient
  s1[i] = square
  let v = square
  if (s2.length) {
    const mean = decay! * s2[i]! + gain! * gradient
    s2[i] = mean
    v = square - mean * mean
  }
  let step = gradient / (Math.sqrt(v) + eps!)
  if (s3.length) {
    step += momentum! * s3[i]!
    s3[i] = step
  }
  w[i] = w[i]! - lr! * step
}

const adadelta: Rule = ([lr, rho, eps, weightDecay], w, g, s1, s2) => i => {
  const gradient = g[i]! + weightDecay! * w[i]!
  const square = rho! * s1[i]! + (1 - rho!) * gradient * gradient
  const step = (Math.sqrt(s2[i]! + eps!) / Math.sqrt(square + eps!)) * gradient
  s1[i] = square
  s2[i] = rho! * s2[i]! + (1 - rho!) * step * step
  w[i] = w[i]! - lr! * step
}

const adamax: Rule = ([stepSize, beta1, beta2, eps, weightDecay], w, g, s1, s2) => i => {
  const gradient = g[i]! + weightDecay! * w[i]!
  const mean = beta1! * s1[i]! + (1 - beta1!) * gradient
  const largest = Math.max(beta2! * s2[i]!, Math.abs(gradient) + eps!)
  s1[i] = mean
  s2[i] = largest
  w[i] = w[i]! - (stepSize! * mean) / largest
}

const rprop: Rule = ([shrink, grow, smallest, largest], w, g, s1, s2) => i => {
  const agreement = g[i]! * s2[i]!
  const step = Math.min(Math.max(s1[i]! * (agreement > 0 ? grow! : agreement < 0 ? shrink! : 1), smallest!), largest!)
  const gradient = agreement < 0 ? 0 : g[i]!
  s1[i] = step
  s2[i] = gradient
  w[i] = w[i]! - Math.sign(gradient) * step
}

const lion: Rule = ([lr, beta1, beta2, shrink], w, g, s1) => i => {
  const mean = s1[i]!
  const gradient = g[i]!
  w[i] = w[i]! * shrink! - lr! * Math.sign(beta1! * mean + (1 - beta1!) * gradient)
  s1[i] = beta2! * mean + (1 - beta2!) * gradient
}

const RULES: Record<Update, Rule> = {
  [Update.sgd]: sgd,
  [Update.adam]: adam,
  [Update.rms]: rms,
  [Update.adadelta]: adadelta,
  [Update.adamax]: adamax,
  [Update.rprop]: rprop,
  [Update.lion]: lion,
}

export const update = (memory: Memory): Pick<Kernels<number>, 'update'> => ({
  update(f, n, scalars, w, g, s1, s2, s3) {
    const floats = (address: number) => memory.floats(address)
    const move = RULES[f](memory.scalars(scalars, SCALARS), floats(w), floats(g), floats(s1), floats(s2), floats(s3))
    for (let i = 0; i < n; i++) move(i)
  },
})
