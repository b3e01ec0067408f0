// Losses beside cross-entropy, in ops.

import { apply, type Op } from '../autograd.js'
import { isReal } from '../arena.js'
import { broadcastShapes, requireChoice, requireNotNegative, requireOptions, requirePositive, sameShape, show, ShapeError } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { add, div, eq, maximum, mul, ne, requireFloat, sub, where } from './arithmetic.js'
import { requireClassWeight, requireTensors } from './checks.js'
import { checkIndices, gathered, hot, selected } from './indexing.js'
import { reshape, unsqueeze } from './layout.js'
import { sum } from './reduce.js'
import { ofOne, reduced, type LossOptions, type Reduction } from './reduction.js'
import { abs, affine, clamp, exp, float, int, log, log1p, neg, relu, softplus, square } from './unary.js'

function pair(name: string, input: Tensor, target: Tensor): void {
  requireFloat(name, input, target)
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(`${name}: input ${show(input.shape)} and target ${show(target.shape)} must have one shape: reshape or unsqueeze one of them`)
  }
}

/** A loss of input and target of one shape, element by element; `known` are its options */
const elementwise = <O extends LossOptions>(name: string, known: string, loss: (input: Tensor, target: Tensor, options: Partial<O>) => Tensor) =>
  (input: Tensor, target: Tensor, options: Partial<O> = {}): Tensor => {
    pair(name, input, target)
    requireOptions(name, options, known as never)
    return reduced(name, loss(input, target, options), options)
  }

/** (input − target)², averaged */
export const mseLoss = elementwise<LossOptions>('mseLoss', 'reduction', (input, target) => square(sub(input, target)))

/** |input − target|, averaged */
export const l1Loss = elementwise<LossOptions>('l1Loss', 'reduction', (input, target) => abs(sub(input, target)))

/** m (|d| − m/2) with m = min(|d|, knee): d²/2 up to the knee, then the straight line that goes on from there */
function quadraticThenLinear(input: Tensor, target: Tensor, knee: number): Tensor {
  const distance = abs(sub(input, target))
  const near = clamp(distance, { max: knee })
  return mul(near, sub(distance, mul(near, 0.5)))
}

/** |d| < beta ? d² / (2 beta) : |d| − beta/2, averaged, with d = input − target; beta = 0 is l1Loss (Girshick, 2015) */
export function smoothL1Loss(input: Tensor, target: Tensor, options: LossOptions & { beta?: number } = {}): Tensor {
  const { beta = 1, ...others } = requireOptions('smoothL1Loss', options, 'reduction beta')
  requireNotNegative('smoothL1Loss', 'beta', beta)
  pair('smoothL1Loss', input, target)
  return beta === 0 ? l1Loss(input, target, others) : reduced('smoothL1Loss', mul(quadraticThenLinear(input, target, beta), 1 / beta), others)
}

/** |d| ≤ delta ? d² / 2 : delta (|d| − delta/2), averaged, with d = input − target (Huber, 1964) */
export const huberLoss = elementwise<LossOptions & { delta?: number }>('huberLoss', 'reduction delta', (input, target, { delta = 1 }) => {
  requirePositive('huberLoss', 'delta', delta)
  return quadraticThenLinear(input, target, delta)
})

export interface WeightedLossOptions extends LossOptions {
  /** Factor of each element, broadcast to the input's shape */
  weight?: Tensor | null
}
function weighted(name: string, loss: Tensor, { weight, reduction }: WeightedLossOptions): Tensor {
  if (weight && !sameShape(broadcastShapes(name, loss.shape, weight.shape), loss.shape)) {
    throw new ShapeError(`${name}: a weight that broadcasts to the input ${show(loss.shape)} expected, got ${show(weight.shape)}`)
  }
  return reduced(name, weight ? mul(loss, weight) : loss, { reduction })
}

/** log x and log(1 − x), no less than −100, so that a wrong certainty costs much but not everything */
const logs = (x: Tensor): [Tensor, Tensor] => [clamp(log(x), { min: -100 }), clamp(log1p(neg(x)), { min: -100 })]
const bceOp: Op = {
  name: 'bceLoss',
  forward([x, t]) {
    const [yes, no] = logs(x!)
    return neg(add(mul(t!, yes), mul(affine(t!, -1, 1), no)))
  },
  gradient(g, node) {
    const [x, t] = node.inputs as readonly [Tensor, Tensor]
    const [yes, no] = logs(x)
    // (x − t) / (x (1 − x)): the clamps don't stop it, so that a wrong certainty is unlearnt
    const slope = () => div(sub(x, t), maximum(mul(x, affine(x, -1, 1)), 1e-12))
    return [node.needs(0) ? mul(g, slope()) : null, node.needs(1) ? mul(g, sub(no, yes)) : null]
  },
}
/**
 * Binary cross-entropy −w (t log x + (1 − t) log(1 − x)), each log at least −100, averaged. input: probabilities 0..1 of any shape;
 * target: 0..1 of the same shape. From logits use bceWithLogits, which is stable.
 * @throws RangeError for an input outside 0..1
 */
export function bceLoss(input: Tensor, target: Tensor, options: WeightedLossOptions = {}): Tensor {
  pair('bceLoss', input, target)
  requireOptions('bceLoss', options, 'reduction weight')
  if (isReal(input.backend)) {
    // read on the host, where a mistake can be named; a captured step is checked while it is recorded
    const values = input.backend.read(input.buffer.address, input.size, 'float32')
    const wrong = values.findIndex(v => v < 0 || v > 1)
    if (wrong >= 0) {
      throw new RangeError(`bceLoss: probabilities 0..1 expected, got ${values[wrong]} at position ${wrong}: use bceWithLogits for logits, or sigmoid() first`)
    }
  }
  return weighted('bceLoss', apply(bceOp, [input, target]), options)
}

export interface BceWithLogitsOptions extends WeightedLossOptions {
  /** Factor of the positive term, broadcast */
  posWeight?: Tensor | null
}
/**
 * Binary cross-entropy of sigmoid(input), stable at any size: w ((1 − t) x + (1 + (posWeight − 1) t) softplus(−x)), averaged.
 * input: logits of any shape; target: 0..1 of the same shape
 */
export function bceWithLogits(input: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  pair('bceWithLogits', input, target)
  const { posWeight } = requireOptions('bceWithLogits', options, 'reduction weight posWeight')
  // beyond 40 log(1 + e^x) is x to the last bit of a float64, and e^40 is far from overflow
  const tail = softplus(neg(input), { threshold: 40 })
  const positive = posWeight ? add(mul(sub(posWeight, 1), target), 1) : null
  return weighted('bceWithLogits', add(mul(affine(target, -1, 1), input), positive ? mul(positive, tail) : tail), options)
}

export interface NllOptions extends LossOptions {
  /** Weight of each class: [c] */
  weight?: Tensor | null
  /** Targets that count for nothing (default −100) */
  ignoreIndex?: number
}
/**
 * −w[t] · input[t], averaged over the weights of the targets: cross-entropy of log-probabilities. input: [n, c] or [n, c, ...];
 * target: class indices [n] or [n, ...].
 * @throws ShapeError if the shapes don't fit; RangeError for a label outside 0..c−1
 */
export function nllLoss(input: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  const { weight, ignoreIndex = -100, reduction = 'mean' } = requireOptions('nllLoss', options, 'reduction weight ignoreIndex')
  requireFloat('nllLoss', input)
  requireTensors('nllLoss', target)
  if (input.rank === 1) return ofOne(nllLoss, input, target, options)
  const [n, c] = input.shape as [number, number]
  const shape = [n, ...input.shape.slice(2)]
  if (input.rank === 0 || !sameShape(target.shape, shape)) {
    throw new ShapeError(`nllLoss: log-probabilities [n, c, ...] and class indices [n, ...] expected, got an input ${show(input.shape)} and a target ${show(target.shape)}`)
  }
  requireClassWeight('nllLoss', weight, c)
  const labels = int(target)
  checkIndices('nllLoss', 'labels', target, c, ignoreIndex)
  const counted = ne(float(labels), ignoreIndex)
  const index = int(where(counted, float(labels), 0))
  const share = weight ? mul(reshape(selected(weight, 0, reshape(index, [index.size])), shape), counted) : counted
  // an ignored position is 0 even where its log-probability is −∞
  const picked = where(counted, reshape(gathered(input, 1, unsqueeze(index, 1)), shape), 0)
  const loss = neg(mul(share, picked))
  return reduction === 'mean' ? div(sum(loss), sum(share)) : reduced('nllLoss', loss, options)
}

export interface MarginOptions extends LossOptions {
  /** Distance at which a right answer costs nothing more (default 1) */
  margin?: number
}
/** target 1: input; target −1: max(0, margin − input), averaged: for distances of pairs that are alike (1) or not (−1) */
export const hingeEmbeddingLoss = elementwise<MarginOptions>('hingeEmbeddingLoss', 'reduction margin', (input, target, { margin = 1 }) =>
  where(eq(target, 1), input, where(eq(target, -1), clamp(affine(input, -1, margin), { min: 0 }), 0)))

/** max(0, margin − target · input), averaged; targets are ±1 (Cortes and Vapnik, 1995) */
export const hingeLoss = elementwise<MarginOptions>('hingeLoss', 'reduction margin', (input, target, { margin = 1 }) => relu(affine(mul(target, input), -1, margin)))

export interface MultiMarginOptions extends MarginOptions {
  /** Exponent 1 (default) or 2 */
  p?: 1 | 2
  /** Weight of each class: [c] */
  weight?: Tensor | null
}
/**
 * w[t]/c · Σ_{i ≠ t} max(0, margin − input[t] + input[i])^p, averaged over rows (Crammer and Singer, 2001).
 * input: scores [n, c]; target: class indices [n].
 * @throws ShapeError if the shapes don't fit; RangeError for a label outside 0..c−1
 */
export function multiMarginLoss(input: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  const { p = 1, margin = 1, weight } = requireOptions('multiMarginLoss', options, 'reduction margin p weight')
  requireFloat('multiMarginLoss', input)
  requireChoice('multiMarginLoss', 'p', p, 1, 2)
  const [n, c] = input.shape as [number, number]
  if (input.rank !== 2 || target.rank !== 1 || target.size !== n) {
    throw new ShapeError(`multiMarginLoss: scores [n, c] and class indices [n] expected, got an input ${show(input.shape)} and a target ${show(target.shape)}`)
  }
  requireClassWeight('multiMarginLoss', weight, c)
  const labels = int(target)
  checkIndices('multiMarginLoss', 'labels', target, c)
  const slack = relu(add(sub(input, gathered(input, 1, unsqueeze(labels, 1))), margin))
  const others = affine(hot(labels, c), -1, 1)
  const loss = mul(sum(mul(p === 2 ? square(slack) : slack, others), 1), 1 / c)
  return reduced('multiMarginLoss', weight ? mul(loss, selected(weight, 0, labels)) : loss, options)
}

export interface KlDivOptions {
  /** As in other losses, or batchmean: the sum divided by the first size, which is the divergence's definition */
  reduction?: Reduction | 'batchmean'
  /** The target holds logarithms too (default false) */
  logTarget?: boolean
}
/**
 * Kullback-Leibler divergence of the input from the target: t (log t − input), 0 where t = 0; with logTarget e^t (t − input).
 * input: log-probabilities; target: probabilities (or their logarithms) of the same shape
 */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  pair('klDiv', input, target)
  const { reduction = 'mean', logTarget = false } = requireOptions('klDiv', options, 'reduction logTarget')
  const zero = eq(target, 0)
  const loss = logTarget
    ? mul(exp(target), sub(target, input))
    : sub(where(zero, 0, mul(target, log(where(zero, 1, target)))), mul(target, input))
  return reduction === 'batchmean' ? mul(sum(loss), 1 / (input.shape[0] ?? 1)) : reduced('klDiv', loss, { reduction })
}
