// Softmax, log-softmax and cross-entropy.

import { apply, freeWith, isRecording, type Op } from '../autograd.js'
import { recorder } from '../memory.js'
import { around, dimension, requireOptions, requireShare, sameShape, show, ShapeError, sizeOf, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, div, mul, ne, requireFloat, sub } from './arithmetic.js'
import { requireClassWeight, requireTensors } from './checks.js'
import { hot, indexCheck, outside } from './indexing.js'
import { expand, perChannel, permute, reshape } from './layout.js'
import { sum } from './reduce.js'
import { exp, float, int, neg } from './unary.js'
import { ofOne, reduced, type LossOptions } from './reduction.js'

interface Attrs {
  dim: number
}
const kept = (x: Tensor, dim: number): Tensor => expand(sum(x, dim, { keepdim: true }), x.shape)

function alongDim(name: 'softmax' | 'logSoftmax', gradient: (g: Tensor, y: Tensor, dim: number) => Tensor): (x: Tensor, dim: number) => Tensor {
  const op: Op<Attrs> = {
    name,
    forward([x], { dim }) {
      const y = new Tensor(x!.shape, 'float32', x!.backend)
      y.backend.kernels[name](...around(x!.shape, dim, dim), x!.address, y.address)
      return y
    },
    gradient: (g, { output, attrs: { dim } }) => [gradient(g, output, dim)],
    fused(g, node) {
      const { output: y, attrs: { dim } } = node
      const out = node.into(0)
      y.backend.kernels[`${name}Grad`](...around(y.shape, dim, dim), y.address, g.address, out.address)
      return [out]
    },
  }
  return (x, dim) => {
    requireFloat(name, x)
    return apply(op, [x], { dim: dimension(name, dim, x.rank) })
  }
}
/** e^x / Σ e^x along dim, stable */
export const softmax = alongDim('softmax', (g, y, dim) => mul(y, sub(g, kept(mul(g, y), dim))))
/** x − log Σ e^x along dim, stable */
export const logSoftmax = alongDim('logSoftmax', (g, y, dim) => sub(g, mul(exp(y), kept(g, dim))))

interface CrossEntropy {
  /** logits as [n, c, inner] */
  n: number
  c: number
  inner: number
  ignoreIndex: number
  labelSmoothing: number
  target: Tensor
  weight: Tensor | null
  /** [n, inner]: w[t], or 0 where ignored; written by the forward pass */
  used: Tensor
  /** e^(x − max x), written by the forward pass, if there will be a gradient */
  exps: Tensor | null
  shape: Shape
}
const ofLogits = (x: Tensor): string => ` for logits ${show(x.shape)}`
const crossEntropyOp: Op<CrossEntropy> = {
  name: 'crossEntropy',
  forward([x], q, saved) {
    const { backend } = x!
    const loss = new Tensor(q.shape, 'float32', backend)
    const sums = new Tensor(q.shape, 'float32', backend)
    saved.push(sums)
    const bad = backend.kernels.crossEntropy(
      q.n, q.c, q.inner, q.ignoreIndex, q.labelSmoothing, x!.address, q.target.address, q.weight?.address ?? 0,
      loss.address, sums.address, q.used.address, q.exps?.address ?? 0,
    )
    if (bad >= 0) throw outside('crossEntropy', 'labels', q.c, backend.readOne(q.target.address + bad * backend.width, 'int32'), bad, ofLogits(x!))
    return loss
  },
  gradient(g, { inputs: [x], attrs: q }) {
    const { n, c, inner } = q
    const smooth = q.labelSmoothing
    // loss = −Σ_j k_j lp_j, so dloss/dx_j = softmax_j Σ k − k_j
    const at = permute(reshape(hot(reshape(q.target, [n * inner]), c), [n, inner, c]), [0, 2, 1])
    let k = mul(at, 1 - smooth)
    if (smooth > 0) k = add(k, smooth / c)
    if (q.weight) k = mul(k, reshape(q.weight, [1, c, 1]))
    k = mul(k, ne(float(reshape(q.target, [n, 1, inner])), q.ignoreIndex))
    const p = softmax(reshape(x!, [n, c, inner]), 1)
    return [reshape(mul(sub(mul(p, kept(k, 1)), k), reshape(g, [n, 1, inner])), x!.shape)]
  },
  fused(g, node) {
    const { inputs: [x], attrs: q, saved: [sums] } = node
    const out = node.into(0)
    x!.backend.kernels.crossEntropyGrad(
      q.n, q.c, q.inner, q.ignoreIndex, q.labelSmoothing, q.exps!.address, q.target.address, q.weight?.address ?? 0,
      sums!.address, g.address, out.address,
    )
    return [out]
  },
}
export interface CrossEntropyOptions extends LossOptions {
  /** Weight of each class: [c] */
  weight?: Tensor | null
  /** Targets that count for nothing (default −100) */
  ignoreIndex?: number
  /** Share of the target spread evenly over all classes, 0..1 (default 0) */
  labelSmoothing?: number
}

/**
 * −log softmax(logits)[target], averaged. logits: [n, c] or [n, c, ...]; target: class indices [n] or [n, ...] (int32 or whole
 * float32), or probabilities of the logits' shape. With weights the mean divides by the sum of the targets' weights.
 * @throws ShapeError if the shapes don't fit; RangeError for a label outside 0..c−1
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { weight = null, ignoreIndex = -100, labelSmoothing = 0, reduction = 'mean' } = requireOptions('crossEntropy', options, 'weight ignoreIndex labelSmoothing reduction')
  requireFloat('crossEntropy', logits)
  requireTensors('crossEntropy', target)
  if (logits.rank < 1) throw new ShapeError('crossEntropy: logits [n, c] expected, got a scalar')
  requireShare('crossEntropy', 'labelSmoothing', labelSmoothing)
  if (logits.rank === 1) return ofOne(crossEntropy, logits, target, options)
  const [n, c] = logits.shape as [number, number]
  requireClassWeight('crossEntropy', weight, c)
  const shape = [n, ...logits.shape.slice(2)]
  if (target.dtype === 'float32' && sameShape(target.shape, logits.shape)) return probabilities(logits, target, weight, labelSmoothing, options)
  if (!sameShape(target.shape, shape)) {
    // one-hot rows of whole numbers have the shape of probabilities, but count as labels
    const rows = sameShape(target.shape, logits.shape) ? ' of int32: float() it if its rows are probabilities or one-hot' : ''
    const mend = target.size === sizeOf(shape) ? `: reshape(${show(shape)}) it` : rows
    const wanted = `class indices ${show(shape)} or probabilities ${show(logits.shape)}`
    throw new ShapeError(`crossEntropy: logits ${show(logits.shape)} need ${wanted}, got a target of ${show(target.shape)}${mend}`)
  }
  const check = indexCheck('crossEntropy', 'labels', target, c, ignoreIndex, ofLogits(logits))
  // the kernel looks at int32, but a replayed step doesn't look at what the kernel found
  if (target.dtype === 'float32') check()
  recorder?.verify(target.buffer, check)
  const used = new Tensor(shape, 'float32', logits.backend)
  const inner = logits.size / Math.max(1, n * c)
  const labels = int(target)
  const exps = isRecording() && logits.requiresGrad ? new Tensor(logits.shape, 'float32', logits.backend) : null
  const loss = apply(crossEntropyOp, [logits], { n, c, inner, ignoreIndex, labelSmoothing, target: labels, weight, used, exps, shape })
  const total = reduction === 'mean' ? sum(used) : null
  if (exps) freeWith(loss, exps)
  freeWith(loss, used, ...(labels === target ? [] : [labels]))
  return total ? freeWith(div(sum(loss), total), total) : reduced('crossEntropy', loss, options)
}
function probabilities(logits: Tensor, target: Tensor, weight: Tensor | null, smoothing: number, options: CrossEntropyOptions): Tensor {
  const c = logits.shape[1]!
  let p = target
  if (smoothing > 0) p = add(mul(p, 1 - smoothing), smoothing / c)
  if (weight) p = mul(p, perChannel(weight, logits))
  return reduced('crossEntropy', neg(sum(mul(p, logSoftmax(logits, 1)), 1)), options)
}
