// Batch normalisation (Ioffe and Szegedy, 2015).

import { apply, type Op } from '../autograd.js'
import { SCALARS } from '../kernels.js'
import { hostWork, recorder } from '../memory.js'
import { show, ShapeError, sizeOf } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, mul, requireFloat, sub } from './arithmetic.js'
import { reshape } from './layout.js'
import { mean as meanOf } from './reduce.js'
import { rsqrt } from './unary.js'

interface BatchNorm {
  n: number
  c: number
  inner: number
  eps: number
  training: boolean
  mean: Tensor
  variance: Tensor
}
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
    const dims = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]))
    const perChannel = (t: Tensor): Tensor => reshape(t, [q.c, ...x.shape.slice(2).map(() => 1)])
    const over = (t: Tensor): Tensor => perChannel(meanOf(t, dims))
    // recomputed from x, so that the gradient can be differentiated
    const centred = sub(x, q.training ? over(x) : perChannel(q.mean))
    const scale = rsqrt(add(q.training ? over(mul(centred, centred)) : perChannel(q.variance), q.eps))
    const normal = mul(centred, scale)
    const m = q.n * q.inner
    const gx = () => {
      const gn = weight ? mul(g, perChannel(weight)) : g
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
  const { training = true, running = null, momentum = 0.1, eps = 1e-5 } = options
  requireFloat('batchNorm', x)
  if (x.rank < 2) throw new ShapeError(`batchNorm: x [n, c, ...] expected, got ${show(x.shape)}`)
  const [n, c] = x.shape as [number, number]
  const inner = sizeOf(x.shape.slice(2))
  for (const [role, t] of [['weight', weight], ['bias', bias], ['running mean', running?.mean], ['running variance', running?.variance]] as const) {
    if (t && (t.rank !== 1 || t.size !== c)) throw new ShapeError(`batchNorm: x ${show(x.shape)} has ${c} channels, but the ${role} ${show(t.shape)}`)
  }
  if (bias && !weight) throw new ShapeError('batchNorm: a bias without a weight')
  if (!training && !running) throw new Error('batchNorm: evaluation needs running statistics')
  if (training && n * inner < 2) throw new ShapeError(`batchNorm: more than one value a channel expected in training, got x ${show(x.shape)}: use larger batches or eval()`)
  const { kernels } = x.backend
  const q: BatchNorm = { n, c, inner, eps, training, mean: running?.mean ?? x, variance: running?.variance ?? x }
  if (training) {
    q.mean = new Tensor([c], 'float32', x.backend)
    q.variance = new Tensor([c], 'float32', x.backend)
    kernels.channelMoments(n, c, inner, x.address, q.mean.address, q.variance.address)
    if (running) {
      const factor = momentumBlock(running.mean).address
      hostWork(() => x.backend.writeScalars(factor, [typeof momentum === 'number' ? momentum : momentum()]))
      const m = n * inner
      kernels.updateRunning(c, m / (m - 1), factor, q.mean.address, q.variance.address, running.mean.address, running.variance.address)
    }
  }
  const inputs = [x, weight, bias].filter((t): t is Tensor => !!t)
  return apply(batchNormOp, inputs, q)
}

const blocks = new WeakMap<Tensor, Tensor>()
/** A block of float64 scalars that lives as long as `owner`: written by the host, read by kernels. @internal */
export function scalarBlock(owner: Tensor): Tensor {
  const block = new Tensor([(SCALARS * 8) / owner.backend.width], 'float32', owner.backend, null, owner)
  block.label = 'scalars'
  return block
}
/** The block for an average that is updated now. A captured program writes all its scalars first, so each update there has its own. */
function momentumBlock(running: Tensor): Tensor {
  let block = recorder ? undefined : blocks.get(running)
  if (!block) {
    block = scalarBlock(running)
    if (!recorder) blocks.set(running, block)
  }
  return block
}
