// Normalisation of each image by itself, and of vectors by their root mean square.

import { noGrad } from '../autograd.js'
import { expand, reshape, squeeze, unsqueeze } from '../ops/layout.js'
import { batchNorm, groupNorm } from '../ops/norm.js'
import { mean } from '../ops/reduce.js'
import { rmsNorm } from '../ops/rms-norm.js'
import { checkShape, requireOptions, show, ShapeError, sizeOf, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { constantParameter } from './init.js'
import { ChannelNorm } from './layers.js'
import { Module } from './module.js'

export interface InstanceNormOptions {
  eps?: number
  /** Share of a new batch in the running statistics (default 0.1) */
  momentum?: number
  /** Train a weight and a bias (default false) */
  affine?: boolean
  /** Keep running statistics, the images' averaged, and use them in evaluation (default false) */
  trackRunningStats?: boolean
}

abstract class InstanceNorm extends ChannelNorm {
  /** With the batch */
  protected abstract readonly rank: number
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super(numFeatures, options, false)
  }
  forward(x: Tensor): Tensor {
    const { rank } = this
    if (x.rank === rank - 1) return squeeze(this.forward(unsqueeze(x, 0)), 0)
    if (x.rank !== rank || x.shape[1] !== this.numFeatures) {
      throw new ShapeError(
        `${this.constructor.name}: x of rank ${rank}, or ${rank - 1} without a batch, with ${this.numFeatures} channels expected, got ${show(x.shape)}`,
      )
    }
    const { runningMean, runningVar, weight, bias, eps } = this
    if (!this.training && runningMean && runningVar) {
      return batchNorm(x, weight, bias, { training: false, running: { mean: runningMean, variance: runningVar }, eps })
    }
    if (sizeOf(x.shape.slice(2)) < 2) {
      throw new ShapeError(`${this.constructor.name}: more than one value a channel and image expected, got x ${show(x.shape)}`)
    }
    if (runningMean && runningVar) this.#follow(x, runningMean, runningVar)
    return groupNorm(x, this.numFeatures, weight, bias, { eps })
  }
  /** Move the running statistics towards the mean of those of the images. */
  #follow(x: Tensor, runningMean: Tensor, runningVar: Tensor): void {
    const [n, c] = x.shape as [number, number]
    noGrad(() => {
      // every image of every channel as a channel of its own, with a copy of the statistics
      const own = [runningMean, runningVar]
      const all = own.map(t => reshape(expand(t, [n, c]), [n * c]))
      const [means, variances] = all as [Tensor, Tensor]
      const running = { mean: means, variance: variances }
      batchNorm(reshape(x, [1, n * c, ...x.shape.slice(2)]), null, null, { running, momentum: this.momentum! })
      own.forEach((t, i) => t.backend.kernels.copy(c, mean(reshape(all[i]!, [n, c]), 0).address, t.restless().address))
    })
  }
}
/** Instance normalisation of [n, c, l] or [c, l] */
export class InstanceNorm1d extends InstanceNorm {
  protected get rank(): number {
    return 3
  }
}
/**
 * (x − mean) / √(variance + eps) · weight + bias with mean and biased variance of each channel of each image (Ulyanov et al., 2016).
 * x: [n, c, h, w] or [c, h, w]; weight and bias with { affine: true }, running statistics with { trackRunningStats: true }
 */
export class InstanceNorm2d extends InstanceNorm {
  protected get rank(): number {
    return 4
  }
}
/** Instance normalisation of [n, c, d, h, w] or [c, d, h, w] */
export class InstanceNorm3d extends InstanceNorm {
  protected get rank(): number {
    return 5
  }
}

/** x / √(mean(x²) + eps) · weight over the last dimensions (Zhang and Sennrich, 2019). x: [..., normalizedShape]; eps null: 2⁻²³ */
export class RMSNorm extends Module {
  weight: Tensor | null
  readonly normalizedShape: Shape
  readonly eps: number | null
  constructor(normalizedShape: number | Shape, options: { eps?: number | null; elementwiseAffine?: boolean } = {}) {
    super()
    const { eps = null, elementwiseAffine = true } = requireOptions('RMSNorm', options, 'eps elementwiseAffine')
    this.normalizedShape = checkShape('RMSNorm', typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape)
    this.eps = eps
    this.weight = elementwiseAffine ? constantParameter(this.normalizedShape, 1) : null
  }
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this.weight, this.eps === null ? {} : { eps: this.eps })
  }
  override describe(): string {
    return show(this.normalizedShape)
  }
}
