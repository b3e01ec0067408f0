// Layers: linear, convolution, pooling, batch normalisation, dropout, flatten. Defaults and state_dict keys are PyTorch's.

import * as ops from '../ops/conv.js'
import { linear } from '../ops/matmul.js'
import { batchNorm } from '../ops/norm.js'
import * as pool from '../ops/pool.js'
import { flatten } from '../ops/layout.js'
import { dropout } from '../ops/random.js'
import { persistent } from '../ops/creation.js'
import { hostWork } from '../memory.js'
import { isWhole, perDim, requireCount, requireNumber, requireOptions, requireShare, show, ShapeError, sizeOf, type PerDim } from '../shape.js'
import { Tensor } from '../tensor.js'
import { isReLU } from './activations.js'
import { constantParameter, defaultParameter } from './init.js'
import { described, Module } from './module.js'

/** y = x Wᵀ + b. weight: [outFeatures, inFeatures], drawn from U(±1/√inFeatures) like the bias */
export class Linear extends Module {
  weight: Tensor
  bias: Tensor | null
  constructor(readonly inFeatures: number, readonly outFeatures: number, options: { bias?: boolean } = {}) {
    super()
    const { bias = true } = requireOptions('Linear', options, 'bias')
    requireCount('Linear', 'inFeatures', inFeatures)
    requireCount('Linear', 'outFeatures', outFeatures)
    this.weight = defaultParameter([outFeatures, inFeatures], inFeatures)
    this.bias = bias ? defaultParameter([outFeatures], inFeatures) : null
  }
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias)
  }
  override forwardWith(x: Tensor, after: Module | undefined): [Tensor, number] | null {
    if (this.forward !== Linear.prototype.forward || !isReLU(after)) return null
    return [linear(x, this.weight, this.bias, { relu: true }), 1]
  }
  override describe(): string {
    return described([this.inFeatures, this.outFeatures], this.bias ? {} : { bias: false })
  }
}

export interface ConvLayerOptions extends ops.ConvOptions {
  bias?: boolean
}
/**
 * What convolutions and transposed ones have in common. The weight of the one is [outChannels, inChannels / groups, ...kernel], of the other
 * [inChannels, outChannels / groups, ...kernel]. @internal
 */
export abstract class Conv<O extends ops.ConvOptions | ops.ConvTransposeOptions> extends Module {
  weight: Tensor
  bias: Tensor | null
  readonly options: Omit<O, 'bias'>
  constructor(
    rank: number, readonly inChannels: number, readonly outChannels: number, readonly kernelSize: PerDim, options: O & { bias?: boolean },
    transposed = false,
  ) {
    super()
    const name = this.constructor.name
    requireCount(name, 'inChannels', inChannels)
    requireCount(name, 'outChannels', outChannels)
    requireOptions(name, options)
    const { bias = true, ...rest } = options
    const kernel = perDim(name, 'kernelSize', kernelSize, rank, 1)
    const groups = rest.groups ?? 1
    if (!isWhole(groups, 1) || inChannels % groups || outChannels % groups) throw new ShapeError(`${name}: groups must divide ${inChannels} and ${outChannels} channels, got ${groups}`)
    this.options = rest
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels]
    // PyTorch takes the second dimension of any weight for its inputs
    const fanIn = (second / groups) * sizeOf(kernel)
    this.weight = defaultParameter([first, second / groups, ...kernel], fanIn)
    this.bias = bias ? defaultParameter([outChannels], fanIn) : null
  }
  override describe(): string {
    return described([this.inChannels, this.outChannels, this.kernelSize], { ...this.options, ...(this.bias ? {} : { bias: false }) })
  }
}
/** conv1d with weight [outChannels, inChannels / groups, k] */
export class Conv1d extends Conv<ops.ConvOptions> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvLayerOptions = {}) {
    super(1, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor): Tensor {
    return ops.conv1d(x, this.weight, this.bias, this.options)
  }
}
/** conv2d with weight [outChannels, inChannels / groups, kh, kw], drawn from U(±1/√fanIn) like the bias */
export class Conv2d extends Conv<ops.ConvOptions> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvLayerOptions = {}) {
    super(2, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor): Tensor {
    return ops.conv2d(x, this.weight, this.bias, this.options)
  }
  override forwardWith(x: Tensor, after: Module | undefined, afterThat: Module | undefined): [Tensor, number] | null {
    if (this.forward !== Conv2d.prototype.forward || !isReLU(after) || this.options.relu) return null
    if (!(afterThat instanceof MaxPool2d && afterThat.forward === MaxPool2d.prototype.forward)) {
      return [ops.conv2d(x, this.weight, this.bias, { ...this.options, relu: true }), 1]
    }
    return [ops.convMaxPool2d(x, this.weight, this.bias, this.options, afterThat.kernelSize, { ...afterThat.options, relu: true }), 2]
  }
}
/** conv3d with weight [outChannels, inChannels / groups, kd, kh, kw] */
export class Conv3d extends Conv<ops.ConvOptions> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvLayerOptions = {}) {
    super(3, inChannels, outChannels, kernelSize, options)
  }
  forward(x: Tensor): Tensor {
    return ops.conv3d(x, this.weight, this.bias, this.options)
  }
}

abstract class Pool<O extends object> extends Module {
  constructor(readonly kernelSize: PerDim, readonly options: O = {} as O) {
    super()
    requireOptions(this.constructor.name, options)
  }
  override describe(): string {
    return described([this.kernelSize])
  }
}
/** maxPool1d of [n, c, l] */
export class MaxPool1d extends Pool<pool.MaxPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.maxPool1d(x, this.kernelSize, this.options)
  }
}
/** maxPool2d; the stride is the window's size unless given */
export class MaxPool2d extends Pool<pool.MaxPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.maxPool2d(x, this.kernelSize, this.options)
  }
}
/** maxPool3d of [n, c, d, h, w] */
export class MaxPool3d extends Pool<pool.MaxPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.maxPool3d(x, this.kernelSize, this.options)
  }
}
/** avgPool1d of [n, c, l] */
export class AvgPool1d extends Pool<pool.AvgPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.avgPool1d(x, this.kernelSize, this.options)
  }
}
/** avgPool2d; the stride is the window's size unless given */
export class AvgPool2d extends Pool<pool.AvgPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.avgPool2d(x, this.kernelSize, this.options)
  }
}
/** avgPool3d of [n, c, d, h, w] */
export class AvgPool3d extends Pool<pool.AvgPoolOptions> {
  forward(x: Tensor): Tensor {
    return pool.avgPool3d(x, this.kernelSize, this.options)
  }
}
/** adaptiveAvgPool2d: a fixed output size for images of any size */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly outputSize: PerDim) {
    super()
  }
  forward(x: Tensor): Tensor {
    return pool.adaptiveAvgPool2d(x, this.outputSize)
  }
  override describe(): string {
    return String(this.outputSize)
  }
}

export interface BatchNormLayerOptions {
  eps?: number
  /** Share of a new batch in the running statistics (default 0.1); null: the average of all batches */
  momentum?: number | null
  /** Train a weight and a bias (default true) */
  affine?: boolean
  /** Keep running statistics for evaluation (default true) */
  trackRunningStats?: boolean
}
/** What normalisations over a batch and over each image have in common. @internal */
export abstract class ChannelNorm extends Module {
  weight: Tensor | null
  bias: Tensor | null
  runningMean: Tensor | null
  runningVar: Tensor | null
  /** int32 count of training batches; stays 0 in instance normalisation, as in PyTorch */
  numBatchesTracked: Tensor | null
  readonly eps: number
  readonly momentum: number | null
  /** @param standard whether there are weights and running statistics unless the options say otherwise */
  constructor(readonly numFeatures: number, options: BatchNormLayerOptions, standard: boolean) {
    super()
    requireCount(this.constructor.name, 'numFeatures', numFeatures)
    const { eps = 1e-5, momentum = 0.1, affine = standard, trackRunningStats = standard } = requireOptions(this.constructor.name, options, 'eps momentum affine trackRunningStats')
    this.eps = eps
    if (momentum !== null) requireNumber(this.constructor.name, 'momentum', momentum)
    this.momentum = momentum
    this.weight = affine ? constantParameter([numFeatures], 1) : null
    this.bias = affine ? constantParameter([numFeatures], 0) : null
    this.runningMean = trackRunningStats ? persistent([numFeatures], 0) : null
    this.runningVar = trackRunningStats ? persistent([numFeatures], 1) : null
    this.numBatchesTracked = trackRunningStats ? new Tensor([], 'int32', this.runningMean!.backend, null, 'module').set([0]) : null
  }
  override describe(): string {
    return String(this.numFeatures)
  }
}

abstract class BatchNorm extends ChannelNorm {
  protected abstract readonly ranks: readonly number[]
  constructor(numFeatures: number, options: BatchNormLayerOptions = {}) {
    super(numFeatures, options, true)
  }
  forward(x: Tensor): Tensor {
    if (!this.ranks.includes(x.rank) || x.shape[1] !== this.numFeatures) {
      throw new ShapeError(`${this.constructor.name}: x of rank ${this.ranks.join(' or ')} with ${this.numFeatures} channels expected, got ${show(x.shape)}`)
    }
    const { runningMean: mean, runningVar: variance, numBatchesTracked: count } = this
    const running = mean && variance ? { mean, variance } : null
    if (this.training && count) {
      const { backend, address } = count
      hostWork(() => backend.write(address, [backend.readOne(address, 'int32') + 1], 'int32'))
    }
    const momentum = this.momentum ?? (() => 1 / count!.backend.readOne(count!.buffer.address, 'int32'))
    return batchNorm(x, this.weight, this.bias, { training: this.training || !running, running, momentum, eps: this.eps })
  }
}
/** Batch normalisation of [n, c] or [n, c, l] */
export class BatchNorm1d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [2, 3]
  }
}
/** Batch normalisation of [n, c, h, w] (Ioffe and Szegedy, 2015) */
export class BatchNorm2d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [4]
  }
}
/** Batch normalisation of [n, c, d, h, w] */
export class BatchNorm3d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [5]
  }
}

/** Zeroes elements with probability p in training (Srivastava et al., 2014). */
export class Dropout extends Module {
  constructor(readonly p = 0.5) {
    super()
    requireShare(this.constructor.name, 'a probability p', p)
  }
  forward(x: Tensor): Tensor {
    return dropout(x, { p: this.p, training: this.training })
  }
  override describe(): string {
    return String(this.p)
  }
}

/** [n, ...] to [n, features] */
export class Flatten extends Module {
  constructor(readonly start = 1, readonly end = -1) {
    super()
  }
  forward(x: Tensor): Tensor {
    return flatten(x, this.start, this.end)
  }
}
