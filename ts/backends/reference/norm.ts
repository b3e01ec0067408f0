// Reference kernels: batch normalisation of [n, c, inner] with statistics of each channel.

import type { Kernels } from '../../kernels.js'
import type { Memory } from './memory.js'

type Normalisation = Pick<Kernels<number>, 'channelMoments' | 'batchNorm' | 'batchNormGrad' | 'updateRunning'>

export const normalisation = (memory: Memory): Normalisation => ({
  channelMoments(n, c, inner, x, mean, variance) {
    const [xs, means, variances] = memory.views(x, mean, variance)
    const count = n * inner
    for (let channel = 0; channel < c; channel++) {
      let sum = 0
      for (let i = 0; i < n; i++) for (let j = 0; j < inner; j++) sum += xs[(i * c + channel) * inner + j]!
      const centre = sum / count
      let squared = 0
      for (let i = 0; i < n; i++)
        for (let j = 0; j < inner; j++) {
          const d = xs[(i * c + channel) * inner + j]! - centre
          squared += d * d
        }
      means[channel] = centre
      variances[channel] = squared / count
    }
  },

  batchNorm(n, c, inner, eps, x, mean, variance, weight, bias, y) {
    const [xs, means, variances, weights, biases, ys] = memory.views(x, mean, variance, weight, bias, y)
    for (let i = 0; i < n; i++)
      for (let channel = 0; channel < c; channel++) {
        const scale = (weight ? weights[channel]! : 1) / Math.sqrt(variances[channel]! + eps)
        const shift = bias ? biases[channel]! : 0
        const start = (i * c + channel) * inner
        for (let j = start; j < start + inner; j++) ys[j] = (xs[j]! - means[channel]!) * scale + shift
      }
  },

  batchNormGrad(n, c, inner, eps, training, x, mean, variance, weight, g, gx, gweight, gbias) {
    const [xs, gs, means, variances, weights, gxs, gweights, gbiases] = memory.views(x, g, mean, variance, weight, gx, gweight, gbias)
    const count = n * inner
    for (let channel = 0; channel < c; channel++) {
      const centre = means[channel]!
      const inverse = 1 / Math.sqrt(variances[channel]! + eps)
      let sum = 0 // Σ g
      let dot = 0 // Σ g x̂, with x̂ = (x - mean) / sqrt(variance + eps)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < inner; j++) {
          const k = (i * c + channel) * inner + j
          sum += gs[k]!
          dot += gs[k]! * ((xs[k]! - centre) * inverse)
        }
      if (gweight) gweights[channel] = dot
      if (gbias) gbiases[channel] = sum
      if (!gx) continue
      const scale = (weight ? weights[channel]! : 1) * inverse
      for (let i = 0; i < n; i++)
        for (let j = 0; j < inner; j++) {
          const k = (i * c + channel) * inner + j
          const through = training ? (sum + (xs[k]! - centre) * inverse * dot) / count : 0
          gxs[k] = scale * (gs[k]! - through)
        }
    }
  },

  updateRunning(c, unbias, scalars, mean, variance, runningMean, runningVariance) {
    const factor = memory.scalars(scalars, 1)[0]!
    const [means, variances, runningMeans, runningVariances] = memory.views(mean, variance, runningMean, runningVariance)
    for (let i = 0; i < c; i++) {
      runningMeans[i] = (1 - factor) * runningMeans[i]! + factor * means[i]!
      runningVariances[i] = (1 - factor) * runningVariances[i]! + factor * (unbias * variances[i]!)
    }
  },
})
