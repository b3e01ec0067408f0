// Transposed convolutions as layers. Defaults and state_dict keys are PyTorch's.

import * as ops from '../ops/conv.js'
import { perDim, show, ShapeError, type PerDim } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { Conv } from './layers.js'

export interface ConvTransposeLayerOptions extends ops.ConvTransposeOptions {
  bias?: boolean
}

abstract class ConvTranspose extends Conv<ops.ConvTransposeOptions> {
  constructor(rank: number, inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvTransposeLayerOptions) {
    super(rank, inChannels, outChannels, kernelSize, options, true)
  }
  /** Options with the outputPadding that makes the result as large as wished: a stride s leaves s sizes open. */
  protected optionsFor(rank: number, x: Tensor, outputSize: PerDim | null): ops.ConvTransposeOptions {
    if (outputSize === null || (x.rank !== rank + 1 && x.rank !== rank + 2)) return this.options
    const name = this.constructor.name
    const per = (role: string, value: PerDim, least: number) => perDim(name, role, value, rank, least)
    const stride = per('stride', this.options.stride ?? 1, 1)
    const padding = per('padding', this.options.padding ?? 0, 0)
    const dilation = per('dilation', this.options.dilation ?? 1, 1)
    const kernel = per('kernelSize', this.kernelSize, 1)
    const wanted = per('outputSize', outputSize, 1)
    const least = x.shape.slice(-rank).map((d, i) => (d - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (kernel[i]! - 1) + 1)
    const most = least.map((d, i) => d + stride[i]! - 1)
    if (wanted.some((d, i) => d < least[i]! || d > most[i]!)) {
      throw new ShapeError(`${name}: an outputSize between ${show(least)} and ${show(most)} expected, got ${show(wanted)}`)
    }
    return { ...this.options, outputPadding: wanted.map((d, i) => d - least[i]!) }
  }
}

/** convTranspose1d with weight [inChannels, outChannels / groups, k]; forward(x, outputSize) as in ConvTranspose2d */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvTransposeLayerOptions = {}) {
    super(1, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor, outputSize: PerDim | null = null): Tensor {
    return ops.convTranspose1d(x, this.weight, this.bias, this.optionsFor(1, x, outputSize))
  }
}
/**
 * convTranspose2d with weight [inChannels, outChannels / groups, kh, kw] (Zeiler et al., 2010), drawn like the bias from
 * U(±1/√(outChannels / groups · kh · kw)). x: [n, inChannels, h, w]; sizes become (h − 1) s − 2p + d(k − 1) + outputPadding + 1, and
 * forward(x, outputSize) chooses the outputPadding.
 */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvTransposeLayerOptions = {}) {
    super(2, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor, outputSize: PerDim | null = null): Tensor {
    return ops.convTranspose2d(x, this.weight, this.bias, this.optionsFor(2, x, outputSize))
  }
}
/** convTranspose3d with weight [inChannels, outChannels / groups, kd, kh, kw]; forward(x, outputSize) as in ConvTranspose2d */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvTransposeLayerOptions = {}) {
    super(3, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor, outputSize: PerDim | null = null): Tensor {
    return ops.convTranspose3d(x, this.weight, this.bias, this.optionsFor(3, x, outputSize))
  }
}
