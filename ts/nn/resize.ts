// Layers that give images another size, or leave out whole channels.

import { mul } from '../ops/arithmetic.js'
import { interpolate, type InterpolateOptions } from '../ops/interpolate.js'
import { adaptiveAvgPool1d } from '../ops/pool.js'
import { show, ShapeError, type PerDim } from '../shape.js'
import { filled, type Tensor } from '../tensor.js'
import { Dropout } from './layers.js'
import { described, Module } from './module.js'

/** interpolate() as a layer: nearest (default), linear, bilinear or trilinear, to a size or by a scaleFactor. x: [n, c, ...] */
export class Upsample extends Module {
  constructor(readonly options: InterpolateOptions) {
    super()
    if ((options?.size ?? null) === null && (options?.scaleFactor ?? null) === null) {
      throw new ShapeError('Upsample: { size } or { scaleFactor } expected, got neither')
    }
  }
  forward(x: Tensor): Tensor {
    return interpolate(x, this.options)
  }
  override describe(): string {
    return described([], this.options)
  }
}

/** adaptiveAvgPool1d: a fixed output size for sequences of any length. x: [n, c, l] */
export class AdaptiveAvgPool1d extends Module {
  constructor(readonly outputSize: PerDim) {
    super()
  }
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize)
  }
  override describe(): string {
    return String(this.outputSize)
  }
}

/**
 * Zeroes whole channels with probability p in training and divides the others by 1 − p (Tompson et al., 2015): neighbouring pixels are
 * too alike for Dropout to hide anything. x: [n, c, h, w]
 */
export class Dropout2d extends Dropout {
  override forward(x: Tensor): Tensor {
    if (x.rank !== 4) throw new ShapeError(`Dropout2d: x [n, c, h, w] expected, got ${show(x.shape)}`)
    if (!this.training || this.p === 0) return x
    return mul(x, super.forward(filled([x.shape[0]!, x.shape[1]!, 1, 1], 1, x.backend)))
  }
}
