// Reference kernels: softmax and cross-entropy.

import type { Kernels } from '../../kernels.js'
import { exp, log } from '../../numerics.js'
import type { Memory } from './memory.js'
import { lines, logSumExp, maximumOf } from './reduce.js'

type Softmax = Pick<
  Kernels<number>,
  'softmax' | 'softmaxGrad' | 'logSoftmax' | 'logSoftmaxGrad' | 'crossEntropy' | 'crossEntropyGrad'
>

export const softmax = (memory: Memory): Softmax => ({
  softmax(outer, n, inner, x, y) {
    const [from, to] = memory.views(x, y)
    lines(outer, n, inner, start => {
      const most = maximumOf(from, n, inner, start)
      let sum = 0
      for (let j = 0; j < n; j++) sum += exp(from[start + j * inner]! - most)
      for (let j = 0; j < n; j++) to[start + j * inner] = exp(from[start + j * inner]! - most) / sum
    })
  },

  softmaxGrad(outer, n, inner, y, g, out) {
    const [ys, gs, to] = memory.views(y, g, out)
    lines(outer, n, inner, start => {
      let dot = 0
      for (let j = 0; j < n; j++) dot += ys[start + j * inner]! * gs[start + j * inner]!
      for (let j = 0; j < n; j++) to[start + j * inner] = ys[start + j * inner]! * (gs[start + j * inner]! - dot)
    })
  },

  logSoftmax(outer, n, inner, x, y) {
    const [from, to] = memory.views(x, y)
    lines(outer, n, inner, start => {
      const lse = logSumExp(from, n, inner, start)
      for (let j = 0; j < n; j++) to[start + j * inner] = from[start + j * inner]! - lse
    })
  },

  logSoftmaxGrad(outer, n, inner, y, g, out) {
    const [ys, gs, to] = memory.views(y, g, out)
    lines(outer, n, inner, start => {
      let sum = 0
      for (let j = 0; j < n; j++) sum += gs[start + j * inner]!
      for (let j = 0; j < n; j++) to[start + j * inner] = gs[start + j * inner]! - exp(ys[start + j * inner]!) * sum
    })
  },

  crossEntropy(n, c, inner, ignore, smoothing, x, target, weight, loss, sums, used, exps) {
    const xs = memory.floats(x)
    const targets = memory.ints(target)
    const [weights, losses, sumsTo, useds, expsTo] = memory.views(weight, loss, sums, used, exps)
    let stray = -1
    lines(n, c, inner, (start, p) => {
      const t = targets[p]!
      const most = maximumOf(xs, c, inner, start)
      let sum = 0
      for (let k = start; k < start + c * inner; k += inner) {
        const e = exp(xs[k]! - most)
        sum += e
        if (exps) expsTo[k] = e
      }
      sumsTo[p] = sum
      // as logSumExp has it
      const total = most - most === 0 ? most + log(sum) : most
      if (t === ignore) {
        losses[p] = 0
        useds[p] = 0
      } else if (!(t >= 0 && t < c)) {
        losses[p] = NaN
        useds[p] = NaN
        if (stray < 0) stray = p
      } else {
        const w = weight ? weights[t]! : 1
        let value = (1 - smoothing) * w * (total - xs[start + t * inner]!)
        // the second term only where it counts: a class ruled out by -inf would make it 0 · inf
        if (smoothing !== 0)
          for (let j = 0; j < c; j++) value += (smoothing / c) * (weight ? weights[j]! : 1) * (total - xs[start + j * inner]!)
        losses[p] = value
        useds[p] = w
      }
    })
    return stray
  },

  crossEntropyGrad(n, c, inner, ignore, smoothing, exps, target, weight, sums, g, out) {
    const targets = memory.ints(target)
    const [from, weights, totals, gs, to] = memory.views(exps, weight, sums, g, out)
    let sum = c
    if (weight) {
      sum = 0
      for (let j = 0; j < c; j++) sum += weights[j]!
    }
    lines(n, c, inner, (start, p) => {
      const t = targets[p]!
      const own = (1 - smoothing) * (t >= 0 && t < c ? (weight ? weights[t]! : 1) : NaN)
      for (let j = 0; j < c; j++) {
        const k = start + j * inner
        const probability = from[k]! / totals[p]!
        const smooth = (smoothing / c) * (sum * probability - (weight ? weights[j]! : 1))
        to[k] = t === ignore ? 0 : gs[p]! * (own * (probability - (j === t ? 1 : 0)) + smooth)
      }
    })
  },
})
