// Numbers that judge a classifier.

/** counts[truth][prediction] */
export function confusionMatrix(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let i = 0; i < truth.length; i++) {
    const row = counts[truth[i]!]
    if (!row || !(predicted[i]! >= 0 && predicted[i]! < classes)) {
      throw new RangeError(`confusionMatrix: classes 0..${classes - 1} expected, got truth ${truth[i]} and prediction ${predicted[i]} at position ${i}`)
    }
    row[predicted[i]!]!++
  }
  return counts
}
