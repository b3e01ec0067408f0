// Metrics of classifiers against counts made by hand.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randn, tensor } from 'hebb'
import { accuracy, confusionMatrix, f1Score, precision, recall, topKAccuracy } from 'hebb/train'

const truth = [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
const guess = [0, 0, 1, 1, 2, 2, 2, 2, 0, 1]
const near = (actual: number | number[], expected: number | number[]) => {
  const [a, b] = [[actual].flat(), [expected].flat()]
  assert.is(a.length, b.length)
  a.forEach((v, i) => assert.ok(Math.abs(v - b[i]!) < 1e-12, `${a} expected ${b}`))
}

test('the confusion matrix counts truth by prediction, of arrays and tensors', () => {
  const counts = [[2, 1, 0], [0, 1, 1], [1, 1, 3]]
  assert.equal(confusionMatrix(truth, guess, 3), counts)
  assert.equal(confusionMatrix(tensor(truth, { dtype: 'int32' }), Int32Array.from(guess), 3), counts)
  assert.equal(confusionMatrix([], [], 2), [[0, 0], [0, 0]])
  assert.throws(() => confusionMatrix([0], [3], 3), /^confusionMatrix: classes 0\.\.2 expected, got truth 0 and prediction 3 at position 0$/)
  assert.throws(() => confusionMatrix([0], [0.5], 3), /prediction 0\.5 at position 0$/)
  assert.throws(() => confusionMatrix([0, 1], [0], 3), /^confusionMatrix: as many predictions as true classes expected, got 1 for 2$/)
})

test('accuracy, and accuracy among the k best', () => {
  assert.is(accuracy(truth, guess), 0.6)
  assert.ok(Number.isNaN(accuracy([], [])))
  const scores = tensor([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [NaN, 1, 2]])
  const y = [2, 1, 0]
  assert.equal([1, 2, 3].map(k => topKAccuracy(y, scores, k)), [1 / 3, 2 / 3, 1])
  const many = randn([200, 7])
  const labels = Array.from({ length: 200 }, (_, i) => i % 7)
  for (const k of [1, 3, 7]) {
    const best = many.topk(k, 1).indices.array() as number[][]
    near(topKAccuracy(labels, many, k), labels.filter((c, i) => best[i]!.includes(c)).length / 200)
  }
  near(topKAccuracy(labels, many, 1), accuracy(labels, many.argmax(1)))
  assert.throws(() => topKAccuracy([0], scores, 1), /^topKAccuracy: scores \[1,classes\] expected for 1 true classes, got shape \[3,3\]$/)
  assert.throws(() => topKAccuracy(y, scores, 4), /^topKAccuracy: k in 1\.\.3 expected, got 4$/)
  assert.throws(() => topKAccuracy([0, 3, 0], scores, 1), /^topKAccuracy: classes 0\.\.2 expected, got 3 at position 1$/)
})

test('precision, recall and F1: of each class, macro, micro', () => {
  near(precision(truth, guess, { average: 'none' }), [2 / 3, 1 / 3, 3 / 4])
  near(recall(truth, guess, { average: 'none' }), [2 / 3, 1 / 2, 3 / 5])
  near(f1Score(truth, guess, { average: 'none' }), [2 / 3, 2 / 5, 2 / 3])
  near(precision(truth, guess), (2 / 3 + 1 / 3 + 3 / 4) / 3)
  near(recall(truth, guess), (2 / 3 + 1 / 2 + 3 / 5) / 3)
  near(f1Score(truth, guess), (2 / 3 + 2 / 5 + 2 / 3) / 3)
  for (const f of [precision, recall, f1Score]) near(f(truth, guess, { average: 'micro' }), 0.6)
})

test('classes that are never predicted or never occur count 0; those that do neither are left out of the mean', () => {
  near(precision([0, 1], [0, 0], { average: 'none', classes: 4 }), [0.5, 0, 0, 0])
  near(recall([0, 0], [0, 1], { average: 'none' }), [0.5, 0])
  near(f1Score([0, 1], [0, 0], { classes: 4 }), (2 / 3 + 0) / 2)
  near([precision([], []), f1Score([], [], { average: 'micro' })], [0, 0])
  assert.equal(recall([], [], { average: 'none', classes: 2 }), [0, 0])
  assert.throws(() => recall([0], [5], { classes: 2 }), /classes 0\.\.1 expected/)
  assert.throws(() => recall([0], [0], { average: 'weighted' as 'macro' }), /^recall: average macro, micro or none expected, got weighted$/)
})

test.run()
