// Attention (Vaswani et al., 2017).

import { broadcastShapes, isWhole, requireOptions, ShapeError, show } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, mul, requireFloat, where } from './arithmetic.js'
import { permute, reshape, select, triangle } from './layout.js'
import { linear, matmul, product } from './matmul.js'
import { dropout as drop } from './random.js'
import { softmax } from './softmax.js'

export interface AttentionOptions {
  /** Position i sees positions 0..i only (default false) */
  causal?: boolean
  /** Added to the scores, broadcast to [..., tq, tk]; −∞ hides */
  mask?: Tensor | null
  /** Probability with which a weight is dropped in training (default 0) */
  dropout?: number
}

/**
 * softmax(q kᵀ / √d + mask) v. q: [..., tq, d], k: [..., tk, d], v: [..., tk, dv], leading dimensions broadcast.
 * @throws ShapeError if the sizes don't fit
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { causal = false, mask, dropout = 0 } = requireOptions('scaledDotProductAttention', options, 'causal mask dropout')
  requireFloat('scaledDotProductAttention', q, k, v)
  if (Math.min(q.rank, k.rank, v.rank) < 2 || q.shape.at(-1) !== k.shape.at(-1) || k.shape.at(-2) !== v.shape.at(-2)) {
    throw new ShapeError(
      `scaledDotProductAttention: q [..., tq, d], k [..., tk, d] and v [..., tk, dv] expected, got ${show(q.shape)}, ${show(k.shape)} and ${show(v.shape)}`,
    )
  }
  // q is the smallest of the factors that could carry 1/√d
  let scores = product(mul(q, 1 / Math.sqrt(q.shape.at(-1)!)), k, false, true)
  if (causal) scores = where(triangle(scores, 0, true), scores, -Infinity)
  if (mask) {
    broadcastShapes('scaledDotProductAttention', scores.shape, mask.shape)
    scores = add(scores, mask)
  }
  return matmul(drop(softmax(scores, -1), { p: dropout }), v)
}

export interface MultiHeadWeights {
  /** The rows of q, k and v: [3e, e] */
  inProjWeight: Tensor
  /** [3e] */
  inProjBias?: Tensor | null
  /** [e, e] */
  outProjWeight: Tensor
  /** [e] */
  outProjBias?: Tensor | null
}
/**
 * Self-attention by several heads, each on e / numHeads columns of the projections q, k and v, put side by side and projected again.
 * x: [n, t, e]
 * @throws ShapeError if the sizes don't fit or numHeads doesn't divide e
 */
export function multiHeadAttention(x: Tensor, weights: MultiHeadWeights, { numHeads, ...options }: AttentionOptions & { numHeads: number }): Tensor {
  const { inProjWeight, inProjBias, outProjWeight, outProjBias } = weights
  const [n, t, e] = x.shape as [number, number, number]
  if (x.rank !== 3 || !isWhole(numHeads, 1) || e % numHeads) {
    throw new ShapeError(`multiHeadAttention: x [n, t, e] with a size e that ${numHeads} heads divide expected, got ${show(x.shape)}`)
  }
  if (inProjWeight.shape[0] !== 3 * e) {
    throw new ShapeError(`multiHeadAttention: x ${show(x.shape)} needs an inProjWeight [${3 * e},${e}], got ${show(inProjWeight.shape)}`)
  }
  const all = permute(reshape(linear(x, inProjWeight, inProjBias), [n, t, 3, numHeads, e / numHeads]), [2, 0, 3, 1, 4])
  const [q, k, v] = [0, 1, 2].map(i => select(all, 0, i)) as [Tensor, Tensor, Tensor]
  const heads = scaledDotProductAttention(q, k, v, options)
  return linear(reshape(permute(heads, [0, 2, 1, 3]), [n, t, e]), outProjWeight, outProjBias)
}
