// The cases of the kernel tests for normalisation, random numbers, optimizers and checks.

import { Update } from '../../ts/kernels.js'
import { Draw, inout, input, one, output, scalars, SIZES, within, words, type Cases } from './operands.js'
import type { Operand } from './run.js'

/** [n, c, inner] */
const CHANNELS = [
  [1, 1, 1], [2, 3, 1], [3, 1, 5], [4, 5, 16], [2, 3, 67], [17, 4, 3], [5, 2, 64], [3, 7, 33], [64, 3, 1],
  [0, 2, 3], [2, 0, 3], [2, 3, 400],
] as const

export function* channelMoments(d: Draw): Cases {
  for (const [n, c, inner] of CHANNELS) {
    for (const shift of [0, 100]) {
      const x = input(d.normal(n * c * inner, 1, shift))
      yield one(`${[n, c, inner]} around ${shift}`, [n, c, inner, x, output(c), output(c)], within(2e-6, 2e-6))
    }
  }
}
export function* batchNorm(d: Draw): Cases {
  for (const [n, c, inner] of CHANNELS) {
    for (const affine of [0, 1, 2, 3]) {
      const [weight, bias] = [affine & 1 ? input(d.normal(c)) : 0, affine & 2 ? input(d.normal(c)) : 0]
      const [mean, variance] = [input(d.normal(c)), input(d.normal(c).map(Math.abs))]
      const args = [n, c, inner, 0.0009765625, input(d.normal(n * c * inner)), mean, variance, weight, bias, output(n * c * inner)]
      yield one(`${[n, c, inner]} affine ${affine}`, args, within(3e-6, 4e-6))
    }
  }
}
export function* batchNormGrad(d: Draw): Cases {
  for (const [n, c, inner] of CHANNELS) {
    for (const training of [0, 1]) {
      for (let wanted = 0; wanted < 8; wanted++) {
        const size = n * c * inner
        const [mean, variance] = [input(d.normal(c, 0.1)), input(d.normal(c, 0.1, 1).map(Math.abs))]
        const weight = wanted % 3 ? input(d.normal(c)) : 0
        const outputs = [wanted & 1 ? output(size) : 0, wanted & 2 ? output(c) : 0, wanted & 4 ? output(c) : 0]
        const [x, g] = [input(d.normal(size)), input(d.normal(size))]
        const args = [n, c, inner, 0.0009765625, training, x, mean, variance, weight, g, ...outputs]
        const tolerance = within(5e-6, 1e-6 * Math.max(4, Math.sqrt(n * inner)))
        yield one(`${[n, c, inner]} training ${training} wanted ${wanted}`, args, tolerance)
      }
    }
  }
}
export function* updateRunning(d: Draw): Cases {
  for (const c of SIZES) {
    for (const [factor, unbias] of [[0.125, 1], [1, 1.25], [0, 1]] as const) {
      const args = [c, unbias, scalars([factor]), input(d.normal(c)), input(d.normal(c)), inout(d.normal(c)), inout(d.normal(c))]
      yield one(`factor ${factor}`, args, within(1e-6, 1e-6))
    }
  }
}

const STATES = [[1, 2, 0, 0], [-5, 77, -1, 6], [12345, -1, -2, -1]]
export function* drawing(attributes: [number, number][]): Cases {
  for (const state of STATES) {
    for (const n of [...SIZES, 1000]) {
      for (const [a, b] of attributes) yield one(`${a} ${b} state ${state}`, [n, a, b, words(state), output(n)])
    }
  }
}

export function* update(d: Draw): Cases {
  for (const n of SIZES) {
    const state = (scale = 1) => inout(d.normal(n, scale))
    const square = (shift = 0) => inout(d.normal(n).map(v => v * v + shift))
    const step = (what: string, f: Update, block: number[], ...states: (Operand | 0)[]) => {
      const [s1 = 0, s2 = 0, s3 = 0] = states
      return one(what, [f, n, scalars(block), state(), input(d.normal(n)), s1, s2, s3], within(1e-6, 1e-6))
    }
    for (const weightDecay of [0, 0.125]) {
      yield step('sgd', Update.sgd, [0.1, weightDecay])
      for (const nesterov of [0, 1]) {
        yield step(`momentum, nesterov ${nesterov}`, Update.sgd, [0.1, weightDecay, 0.875, 0.5, 0.75, nesterov], state())
      }
      for (const [shrink, gradStep] of [[1, 0], [0.96875, 0.02]] as const) {
        const block = [0.01, 0.9, 0.999, 1e-8, 0.3, weightDecay, shrink, gradStep]
        // small second moments would divide one rounding error by another
        yield step(`adam, shrink ${shrink}`, Update.adam, block, state(), square(0.1))
        yield step(`amsgrad, shrink ${shrink}`, Update.adam, block, state(), square(0.1), square(0.1))
      }
      for (const momentum of [0, 0.9]) {
        const block = [0.01, 0.99, 0.01, 1e-8, weightDecay, momentum]
        const velocity = () => (momentum ? state() : 0)
        yield step(`rms, momentum ${momentum}`, Update.rms, block, square(0.1), 0, velocity())
        yield step(`centred rms, momentum ${momentum}`, Update.rms, block, square(2), state(0.25), velocity())
      }
      yield step('adagrad', Update.rms, [0.01, 1, 1, 1e-10, weightDecay, 0], square(0.1))
      yield step('adadelta', Update.adadelta, [1, 0.9, 1e-6, weightDecay], square(0.1), square(0.01))
      yield step('adamax', Update.adamax, [0.002, 0.9, 0.999, 1e-8, weightDecay], state(), square(0.1))
    }
    const previous = inout(d.normal(n).map((v, i) => (i % 4 === 0 ? 0 : v)))
    yield step('rprop', Update.rprop, [0.5, 1.25, 0.25, 2], square(0.125), previous)
    for (const shrink of [1, 0.96875]) yield step(`lion, shrink ${shrink}`, Update.lion, [0.01, 0.9, 0.99, shrink], state())
  }
}

export function* firstNonFinite(d: Draw): Cases {
  for (const n of [...SIZES, 1000]) {
    yield one('none', [n, input(d.wide(n, -149, 127.9))])
    for (const at of [0, 1, n >> 1, n - 2, n - 1]) {
      if (at < 0 || at >= n) continue
      const x = d.normal(n)
      x[n - 1] = NaN
      x[at] = d.pick([NaN, Infinity, -Infinity])
      yield one(`at ${at}`, [n, input(x)])
    }
  }
}
