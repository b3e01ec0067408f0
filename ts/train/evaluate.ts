// Judging a classifier on a data set.

import { crossEntropy, DataLoader, noGrad, type Dataset, type Module, softmax, type Tensor } from 'hebb'

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

export interface EvaluateOptions {
  /** Examples a batch (default 256) */
  batchSize?: number
}

/** Run the model over a set in evaluation mode, without gradients. The model's mode is put back afterwards. */
export function evaluate(model: Module, set: Dataset, { batchSize = 256 }: EvaluateOptions = {}): Evaluation {
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
