// Judging a model on a data set.

import { crossEntropy, DataLoader, engine, Module, noGrad, ShapeError, softmax, type Dataset, type Tensor } from 'hebb'

export interface Evaluation {
  /** Mean cross-entropy and share of right answers, 0..1 */
  loss: number
  accuracy: number
  count: number
  /** Class predicted for each example in order, the probability given to it, and the truth */
  predictions: Int32Array
  confidences: Float32Array
  labels: Int32Array
}

/** Scalar loss of a model's output and the targets */
export type LossFunction = (output: Tensor, target: Tensor) => Tensor
/** A loss is a function, or a module as those of hebb. */
export function lossFunction(by: string, given: Module | LossFunction): LossFunction {
  if (given instanceof Module) return (output, target) => given.forward(output, target) as Tensor
  if (typeof given === 'function') return given
  throw new TypeError(`${by}: a loss (output, target) => scalar, or a module, expected, got ${typeof given}`)
}

export interface EvaluateOptions {
  /** Examples a batch (default 256) */
  batchSize?: number
}

/**
 * Run a classifier over a set in evaluation mode, without gradients: the model makes logits [n, classes], the set int32 labels [n]. The model's mode
 * is put back afterwards.
 * @throws ShapeError for other outputs or targets
 */
export function evaluate(model: Module, set: Dataset, options: EvaluateOptions = {}): Evaluation {
  const { batchSize = 256 } = engine.requireOptions('evaluate', options, 'batchSize')
  requireDataset('evaluate', set)
  const { length } = set
  const predictions = new Int32Array(length)
  const confidences = new Float32Array(length)
  const labels = new Int32Array(length)
  let loss = 0
  let right = 0
  let at = 0
  inEvaluation(model, () => {
    for (const [x, y] of new DataLoader(set, { batchSize, seed: 0 })) {
      const logits = model.forward(x) as Tensor
      if (!isLabelled(logits, y)) {
        throw new ShapeError(`evaluate: logits [n, classes] of the model and int32 labels [n] of the set expected, got ${named(logits)} and ${named(y)}`)
      }
      loss += crossEntropy(logits, y, { reduction: 'sum' }).item()
      const best = softmax(logits, 1).max(1)
      predictions.set(best.indices.values(), at)
      confidences.set(best.values.values(), at)
      labels.set(y.values(), at)
      for (const end = at + y.size; at < end; at++) if (predictions[at] === labels[at]) right++
    }
  })
  return { loss: loss / length, accuracy: right / length, count: length, predictions, confidences, labels }
}

/** Loaders go over data sets, these over all of one. */
export function requireDataset(by: string, set: Dataset): void {
  if (typeof set?.batch === 'function') return
  throw new TypeError(`${by}: a data set with length and batch() expected, got ${set instanceof DataLoader ? 'a DataLoader: give its dataset' : typeof set}`)
}
const named = (t: Tensor | undefined): string => (t?.shape ? `${t.dtype} [${t.shape.join(', ')}]` : 'no tensor')

/** Are these logits [n, classes], and labels for them? */
export const isLabelled = (output: Tensor, target: Tensor | undefined): boolean => output.rank === 2 && target?.dtype === 'int32' && target.rank === 1

/** How many of the logits' largest are at the labels, a scalar */
export const countRight = (logits: Tensor, labels: Tensor): Tensor => logits.argmax(1).float().eq(labels.float()).sum()

/** Mean loss and share of right answers (NaN where there are no class labels) of a model in evaluation mode, in batches. */
export function judge(model: Module, set: Dataset, lossOf: LossFunction, batchSize: number): Pick<Evaluation, 'loss' | 'accuracy'> {
  let loss = 0
  let right = 0
  inEvaluation(model, () => {
    for (const [x, y] of new DataLoader(set, { batchSize, seed: 0 })) {
      const output = model.forward(x) as Tensor
      loss += lossOf(output, y).item() * x.shape[0]!
      right += isLabelled(output, y) ? countRight(output, y).item() : NaN
    }
  })
  return { loss: loss / set.length, accuracy: right / set.length }
}

/** Class probabilities [n, classes] of a batch, in evaluation mode and without gradients. */
export function predict(model: Module, x: Tensor): Tensor {
  return inEvaluation(model, () => softmax(model.forward(x) as Tensor, 1))
}

function inEvaluation<T>(model: Module, f: () => T): T {
  const modes = [...model.namedModules()].map(([, m]) => [m, m.training] as const)
  model.eval()
  try {
    return noGrad(f)
  } finally {
    for (const [m, training] of modes) m.training = training
  }
}
