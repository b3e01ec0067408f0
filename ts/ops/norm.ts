// Normalisation: over the batch, over layers and groups of channels, over neighbouring channels.

import { apply, freeWith, type Op } from '../autograd.js'
import { SCALARS } from '../kernels.js'
import { Buffer } from '../arena.js'
import { heapOf, hostWork, recorder } from '../memory.js'
import { isWhole, otherDims, requireCount, requireOptions, ShapeError, show, sizeOf, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, mul, requireFloat, sub } from './arithmetic.js'
import { requireEnd, requirePerChannel } from './checks.js'
import { like } from './creation.js'
import { perChannel, reshape } from './layout.js'
import { meanOverNeighbours } from './pool.js'
import { mean as meanOf } from './reduce.js'
import { affine, powScalar, rsqrt, square } from './unary.js'

interface BatchNorm {
  n: number
  c: number
  inner: number
  eps: number
  training: boolean
  mean: Tensor
  variance: Tensor
}
/** Batch normalisation (Ioffe and Szegedy, 2015) */
const batchNormOp: Op<BatchNorm> = {
  name: 'batchNorm',
  forward([x, weight, bias], q) {
    const y = new Tensor(x!.shape, 'float32', x!.backend)
    x!.backend.kernels.batchNorm(
      q.n, q.c, q.inner, q.eps, x!.address, q.mean.address, q.variance.address, weight ? weight.address : 0, bias ? bias.address : 0, y.address,
    )
    return y
  },
  gradient(g, node) {
    const [x, weight, bias] = node.inputs as readonly [Tensor, Tensor?, Tensor?]
    const q = node.attrs
    const dims = otherDims(x.rank, 1)
    const over = (t: Tensor): Tensor => perChannel(meanOf(t, dims), x)
    // recomputed from x, so that the gradient can be differentiated
    const centred = sub(x, q.training ? over(x) : perChannel(q.mean, x))
    const scale = rsqrt(add(q.training ? over(mul(centred, centred)) : perChannel(q.variance, x), q.eps))
    const normal = mul(centred, scale)
    const m = q.n * q.inner
    const gx = () => {
      const gn = weight ? mul(g, perChannel(weight, x)) : g
      return mul(scale, q.training ? sub(sub(gn, over(gn)), mul(normal, over(mul(gn, normal)))) : gn)
    }
    return [
      node.needs(0) ? gx() : null,
      weight && node.needs(1) ? mul(meanOf(mul(g, normal), dims), m) : null,
      bias && node.needs(2) ? mul(meanOf(g, dims), m) : null,
    ]
  },
  fused(g, node) {
    const [x, weight, bias] = node.inputs as readonly [Tensor, Tensor?, Tensor?]
    const q = node.attrs
    const [gx, gw, gb] = [0, 1, 2].map(i => (node.inputs[i] && node.needs(i) ? node.into(i) : null))
    x.backend.kernels.batchNormGrad(
      q.n, q.c, q.inner, q.eps, q.training ? 1 : 0, x.address, q.mean.address, q.variance.address, weight ? weight.address : 0, g.address,
      gx ? gx.address : 0, gw ? gw.address : 0, gb ? gb.address : 0,
    )
    return bias ? [gx!, gw!, gb!] : [gx!, gw!]
  },
}

/** Mean and biased variance of each channel of x as [n, c, inner] */
function moments(x: Tensor, n: number, c: number, inner: number): RunningStatistics {
  const [mean, variance] = [new Tensor([c], 'float32', x.backend), new Tensor([c], 'float32', x.backend)]
  x.backend.kernels.channelMoments(n, c, inner, x.address, mean.address, variance.address)
  return { mean, variance }
}

/** Averages of the statistics of all batches, which evaluation uses. */
export interface RunningStatistics {
  mean: Tensor
  variance: Tensor
}
export interface BatchNormOptions {
  /** Normalise with the statistics of this batch (default true), else with the running ones */
  training?: boolean
  running?: RunningStatistics | null
  /** Share of the new batch in the running statistics (default 0.1); a function is asked before every update */
  momentum?: number | (() => number)
  /** Added to the variance (default 1e-5) */
  eps?: number
}

/**
 * (x − mean) / √(variance + eps) · weight + bias for each channel. x: [n, c, ...], weight and bias: [c].
 * Training uses the batch's mean and biased variance, and moves the running statistics towards them (with the unbiased variance).
 * @throws ShapeError if sizes don't fit, or training on one value a channel
 */
export function batchNorm(x: Tensor, weight?: Tensor | null, bias?: Tensor | null, options: BatchNormOptions = {}): Tensor {
  const { training = true, running = null, momentum = 0.1, eps = 1e-5 } = requireOptions('batchNorm', options, 'training running momentum eps')
  requireFloat('batchNorm', x)
  if (x.rank < 2) throw new ShapeError(`batchNorm: x [n, c, ...] expected, got ${show(x.shape)}`)
  const [n, c] = x.shape as [number, number]
  const inner = sizeOf(x.shape.slice(2))
  requirePerChannel('batchNorm', x, { weight, bias, 'running mean': running?.mean, 'running variance': running?.variance })
  if (!training && !running) throw new Error('batchNorm: evaluation needs running statistics')
  if (training && n * inner < 2) throw new ShapeError(`batchNorm: more than one value a channel expected in training, got x ${show(x.shape)}: use larger batches or eval()`)
  const { kernels } = x.backend
  const q: BatchNorm = { n, c, inner, eps, training, mean: running?.mean ?? x, variance: running?.variance ?? x }
  if (training) {
    Object.assign(q, moments(x, n, c, inner))
    if (running) {
      const factor = scalarBlock(running.mean).address
      hostWork(() => {
        x.backend.writeScalars(factor, [typeof momentum === 'number' ? momentum : momentum()])
        for (const t of [running.mean, running.variance]) t.changed('a training batch')
      })
      const m = n * inner
      kernels.updateRunning(c, m / (m - 1), factor, q.mean.address, q.variance.address, running.mean.restless().address, running.variance.restless().address)
    }
  }
  // a bias comes third, so it needs a weight before it
  const inputs = bias ? [x, weight ?? like(bias, 1), bias] : weight ? [x, weight] : [x]
  const y = apply(batchNormOp, inputs, q)
  return training ? freeWith(y, q.mean, q.variance) : y
}

/** (x − mean) / √(variance + eps) of each of `rows` neighbouring runs of x: batch normalisation of one image whose channels they are. */
function standardise(x: Tensor, rows: number, eps: number): Tensor {
  const inner = rows ? x.size / rows : 0
  const { mean, variance } = moments(x, 1, rows, inner)
  const y = apply(batchNormOp, [reshape(x, [1, rows, inner])], { n: 1, c: rows, inner, eps, training: true, mean, variance })
  return reshape(freeWith(y, mean, variance), x.shape)
}
function scaled(y: Tensor, weight: Tensor | null | undefined, bias: Tensor | null | undefined): Tensor {
  if (weight) y = mul(y, weight)
  return bias ? add(y, bias) : y
}

export interface LayerNormOptions {
  /** Added to the variance (default 1e-5) */
  eps?: number
}
/**
 * (x − mean) / √(variance + eps) · weight + bias, with mean and biased variance over the last dimensions (Ba et al., 2016).
 * x: [..., normalizedShape], weight and bias: normalizedShape
 * @throws ShapeError if x doesn't end in normalizedShape
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, weight?: Tensor | null, bias?: Tensor | null, options: LayerNormOptions = {}): Tensor {
  const { eps = 1e-5 } = requireOptions('layerNorm', options, 'eps')
  requireFloat('layerNorm', x)
  const lead = requireEnd('layerNorm', x, normalizedShape, { weight, bias })
  return scaled(standardise(x, sizeOf(x.shape.slice(0, lead)), eps), weight, bias)
}

/**
 * (x − mean) / √(variance + eps) · weight + bias, with mean and biased variance of each image over each group of channels (Wu and He, 2018).
 * x: [n, c, ...], weight and bias: [c]; as many groups as channels is instance normalisation.
 * @throws ShapeError unless numGroups divides the channels
 */
export function groupNorm(x: Tensor, numGroups: number, weight?: Tensor | null, bias?: Tensor | null, options: LayerNormOptions = {}): Tensor {
  const { eps = 1e-5 } = requireOptions('groupNorm', options, 'eps')
  requireFloat('groupNorm', x)
  const [n, c] = x.shape as [number, number]
  if (x.rank < 2 || !isWhole(numGroups, 1) || c % numGroups) {
    throw new ShapeError(`groupNorm: x [n, c, ...] with a number of channels that ${numGroups} groups divide expected, got ${show(x.shape)}`)
  }
  requirePerChannel('groupNorm', x, { weight, bias })
  return scaled(standardise(x, n * numGroups, eps), weight && perChannel(weight, x), bias && perChannel(bias, x))
}

export interface LocalResponseNormOptions {
  /** Default 1e-4, divided by size */
  alpha?: number
  /** Default 0.75 */
  beta?: number
  /** Default 1 */
  k?: number
}
/**
 * x / (k + alpha/size · Σ x²)^beta, the sum over channels c − ⌊size/2⌋ .. c + ⌊(size − 1)/2⌋, zeros outside (Krizhevsky et al., 2012).
 * x: [n, c, ...]
 */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  const { alpha = 1e-4, beta = 0.75, k = 1 } = requireOptions('localResponseNorm', options, 'alpha beta k')
  requireFloat('localResponseNorm', x)
  if (x.rank < 2) throw new ShapeError(`localResponseNorm: x [n, c, ...] expected, got ${show(x.shape)}`)
  requireCount('localResponseNorm', 'size', size)
  return mul(x, powScalar(affine(meanOverNeighbours(square(x), size), alpha, k), -beta))
}

const blocks = new WeakMap<Tensor, Tensor>()
/**
 * A block of float64 scalars for a kernel call: written by the host, read by the kernel. It lives as long as `owner` and serves
 * every call. A captured program writes all its scalars before its first kernel runs, so there each call gets a block of its own,
 * outside the program's arena, where something else may have lain before. @internal
 */
export function scalarBlock(owner: Tensor): Tensor {
  let block = recorder ? undefined : blocks.get(owner)
  if (!block) {
    const { backend } = owner
    const buffer = new Buffer(heapOf(backend), SCALARS * 8)
    block = new Tensor([(SCALARS * 8) / backend.width], 'float32', backend, buffer, recorder ? 'turn' : owner)
    block.label = 'scalars'
    if (recorder) recorder.own(block)
    else blocks.set(owner, block)
  }
  return block
}
