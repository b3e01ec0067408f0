// Numbers that judge a classifier. Truth comes first, classes are whole numbers from 0; tensors and arrays will do.

import { Tensor } from 'hebb'

/** Class numbers, one for each example */
export type Labels = ArrayLike<number> | Tensor

const list = (x: Labels): ArrayLike<number> => (x instanceof Tensor ? x.values() : x)

function pair(op: string, truth: Labels, predicted: Labels): [ArrayLike<number>, ArrayLike<number>] {
  const lists: [ArrayLike<number>, ArrayLike<number>] = [list(truth), list(predicted)]
  const [n, m] = lists.map(l => l.length)
  if (n !== m) throw new RangeError(`${op}: as many predictions as true classes expected, got ${m} for ${n}`)
  return lists
}

/**
 * counts[truth][prediction]
 * @throws RangeError for a class outside 0..classes − 1
 */
export function confusionMatrix(truth: Labels, predicted: Labels, classes: number): number[][] {
  const [t, p] = pair('confusionMatrix', truth, predicted)
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let i = 0; i < t.length; i++) {
    const row = counts[t[i]!]
    if (!row || !(Number.isInteger(p[i]) && p[i]! >= 0 && p[i]! < classes)) {
      throw new RangeError(`confusionMatrix: classes 0..${classes - 1} expected, got truth ${t[i]} and prediction ${p[i]} at position ${i}`)
    }
    row[p[i]!]!++
  }
  return counts
}

/** Share of right predictions, 0..1; NaN for no examples */
export function accuracy(truth: Labels, predicted: Labels): number {
  const [t, p] = pair('accuracy', truth, predicted)
  let right = 0
  for (let i = 0; i < t.length; i++) if (t[i] === p[i]) right++
  return right / t.length
}

/**
 * Share of examples whose true class is among the k with the highest scores [n, classes]; NaN for no examples. A class whose score
 * equals the k-th best counts only if fewer than k classes before it in number have scores as high, as in topk().
 * @throws RangeError for a class without a score, or scores of another shape
 */
export function topKAccuracy(truth: Labels, scores: Tensor, k: number): number {
  const t = list(truth)
  const [n, classes] = scores.shape as [number, number]
  if (scores.rank !== 2 || n !== t.length) {
    throw new RangeError(`topKAccuracy: scores [${t.length},classes] expected for ${t.length} true classes, got shape [${scores.shape}]`)
  }
  if (!(Number.isInteger(k) && k >= 1 && k <= classes)) throw new RangeError(`topKAccuracy: k in 1..${classes} expected, got ${k}`)
  const values = scores.values()
  // NaN is as high as a score can be
  const high = (v: number): number => (v === v ? v : Infinity)
  let right = 0
  for (let i = 0; i < n; i++) {
    const own = values[i * classes + t[i]!]
    if (own === undefined || !(t[i]! >= 0 && t[i]! < classes)) throw new RangeError(`topKAccuracy: classes 0..${classes - 1} expected, got ${t[i]} at position ${i}`)
    let ahead = 0
    for (let c = 0; c < classes; c++) {
      const other = high(values[i * classes + c]!)
      if (other > high(own) || (other === high(own) && c < t[i]!)) ahead++
    }
    if (ahead < k) right++
  }
  return right / n
}

/**
 * How the classes' numbers are joined: macro (default) is their mean, over the classes that occur or are predicted; micro counts all
 * examples alike, which makes precision, recall and F1 the accuracy; none gives one number for each class.
 */
export type Average = 'macro' | 'micro' | 'none'
export interface ScoreOptions<A extends Average = Average> {
  average?: A
  /** Number of classes (default: the largest class that occurs, plus 1) */
  classes?: number
}

/** What one class counts: predicted and right, predicted, true */
interface Tally {
  right: number
  predicted: number
  truth: number
}

/** A fraction that is 0 where nothing is counted */
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

function score<A extends Average>(
  op: string, truth: Labels, predicted: Labels, { average, classes }: ScoreOptions<A>, of: (t: Tally) => number,
): A extends 'none' ? number[] : number {
  const [t, p] = pair(op, truth, predicted)
  if (average !== undefined && !['macro', 'micro', 'none'].includes(average)) throw new RangeError(`${op}: average macro, micro or none expected, got ${average}`)
  let n = classes ?? 0
  if (classes === undefined) for (let i = 0; i < t.length; i++) n = Math.max(n, t[i]! + 1, p[i]! + 1)
  const counts = confusionMatrix(t, p, n)
  const tallies = counts.map((row, c): Tally => ({ right: row[c]!, truth: row.reduce((s, v) => s + v, 0), predicted: counts.reduce((s, r) => s + r[c]!, 0) }))
  const joined = (): number | number[] => {
    if (average === 'none') return tallies.map(of)
    if (average === 'micro') {
      const right = tallies.reduce((s, { right: r }) => s + r, 0)
      return of({ right, predicted: t.length, truth: t.length })
    }
    const seen = tallies.filter(({ truth: a, predicted: b }) => a + b > 0)
    return ratio(seen.reduce((s, tally) => s + of(tally), 0), seen.length)
  }
  return joined() as A extends 'none' ? number[] : number
}

/** Right predictions of a class among all predictions of it, 0..1; 0 for a class that is never predicted */
export const precision = <A extends Average = 'macro'>(truth: Labels, predicted: Labels, options: ScoreOptions<A> = {}) =>
  score('precision', truth, predicted, options, ({ right, predicted: all }) => ratio(right, all))

/** Right predictions of a class among all examples of it, 0..1; 0 for a class that never occurs */
export const recall = <A extends Average = 'macro'>(truth: Labels, predicted: Labels, options: ScoreOptions<A> = {}) =>
  score('recall', truth, predicted, options, ({ right, truth: all }) => ratio(right, all))

/** The harmonic mean of a class's precision and recall, 2 right / (predicted + true), 0..1 */
export const f1Score = <A extends Average = 'macro'>(truth: Labels, predicted: Labels, options: ScoreOptions<A> = {}) =>
  score('f1Score', truth, predicted, options, ({ right, predicted: a, truth: b }) => ratio(2 * right, a + b))
