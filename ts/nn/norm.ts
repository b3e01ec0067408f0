// Normalisation without a batch: over layers, over groups of channels, over neighbouring channels.

import { groupNorm, layerNorm, localResponseNorm, type LocalResponseNormOptions } from '../ops/norm.js'
import { checkShape, isWhole, requireOptions, ShapeError, show, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { constantParameter } from './init.js'
import { Module } from './module.js'

/** (x − mean) / √(variance + eps) · weight + bias over the last dimensions (Ba et al., 2016). x: [..., normalizedShape] */
export class LayerNorm extends Module {
  weight: Tensor | null
  bias: Tensor | null
  readonly normalizedShape: Shape
  readonly eps: number
  constructor(normalizedShape: number | Shape, options: { eps?: number; elementwiseAffine?: boolean; bias?: boolean } = {}) {
    super()
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = requireOptions('LayerNorm', options, 'eps elementwiseAffine bias')
    this.normalizedShape = checkShape('LayerNorm', typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape)
    this.eps = eps
    this.weight = elementwiseAffine ? constantParameter(this.normalizedShape, 1) : null
    this.bias = elementwiseAffine && bias ? constantParameter(this.normalizedShape, 0) : null
  }
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this.weight, this.bias, { eps: this.eps })
  }
  override describe(): string {
    return show(this.normalizedShape)
  }
}

/** (x − mean) / √(variance + eps) · weight + bias over each group of channels of each image (Wu and He, 2018). x: [n, numChannels, ...] */
export class GroupNorm extends Module {
  weight: Tensor | null
  bias: Tensor | null
  readonly eps: number
  constructor(readonly numGroups: number, readonly numChannels: number, options: { eps?: number; affine?: boolean } = {}) {
    super()
    const { eps = 1e-5, affine = true } = requireOptions('GroupNorm', options, 'eps affine')
    if (!isWhole(numGroups, 1) || !Number.isInteger(numChannels) || numChannels % numGroups) {
      throw new ShapeError(`GroupNorm: a number of groups that divides the channels expected, got ${numGroups} for ${numChannels}`)
    }
    this.eps = eps
    this.weight = affine ? constantParameter([numChannels], 1) : null
    this.bias = affine ? constantParameter([numChannels], 0) : null
  }
  forward(x: Tensor): Tensor {
    if (x.shape[1] !== this.numChannels) throw new ShapeError(`GroupNorm: x [n, ${this.numChannels}, ...] expected, got ${show(x.shape)}`)
    return groupNorm(x, this.numGroups, this.weight, this.bias, { eps: this.eps })
  }
  override describe(): string {
    return `${this.numGroups}, ${this.numChannels}`
  }
}

/** x / (k + alpha/size · Σ x² of `size` neighbouring channels)^beta (Krizhevsky et al., 2012). x: [n, c, ...] */
export class LocalResponseNorm extends Module {
  constructor(readonly size: number, readonly options: LocalResponseNormOptions = {}) {
    super()
    requireOptions('LocalResponseNorm', options, 'alpha beta k')
  }
  forward(x: Tensor): Tensor {
    return localResponseNorm(x, this.size, this.options)
  }
  override describe(): string {
    return String(this.size)
  }
}
