// Reference kernels: reductions of [outer, n, inner] over the middle, running sums, and the search for values that are not finite.

import { Reduce, type Kernels } from '../../kernels.js'
import { exp, log } from '../../numerics.js'
import type { Memory } from './memory.js'

type Reductions = Pick<Kernels<number>, 'reduce' | 'argReduce' | 'moments' | 'logSumExp' | 'cumsum' | 'firstNonFinite'>

/** What a reduction starts from, and how it takes in one more element */
const REDUCE: Record<Reduce, [start: number, add: (sum: number, x: number) => number]> = {
  [Reduce.sum]: [0, (sum, x) => sum + x],
  [Reduce.mean]: [0, (sum, x) => sum + x],
  [Reduce.max]: [-Infinity, (most, x) => (x > most || x !== x ? x : most)],
  [Reduce.min]: [Infinity, (least, x) => (x < least || x !== x ? x : least)],
  [Reduce.prod]: [1, (product, x) => product * x],
  [Reduce.sumAbs]: [0, (sum, x) => sum + Math.abs(x)],
  [Reduce.sumSquares]: [0, (sum, x) => sum + x * x],
}

/** Visits the lines of n elements in [outer, n, inner]: where each starts (its elements are `inner` apart), and its number. */
export function lines(outer: number, n: number, inner: number, visit: (start: number, line: number) => void): void {
  for (let o = 0; o < outer; o++) for (let i = 0; i < inner; i++) visit(o * n * inner + i, o * inner + i)
}

export const reductions = (memory: Memory): Reductions => ({
  reduce(f, outer, n, inner, x, y) {
    const [start, add] = REDUCE[f]
    const [from, to] = memory.views(x, y)
    lines(outer, n, inner, (at, line) => {
      let result = start
      for (let j = 0; j < n; j++) result = add(result, from[at + j * inner]!)
      to[line] = f === Reduce.mean ? result / n : result
    })
  },

  argReduce(sign, outer, n, inner, x, y) {
    const from = memory.floats(x)
    const to = memory.ints(y)
    lines(outer, n, inner, (at, line) => {
      let best = 0
      let most = sign * from[at]!
      for (let j = 1; j < n; j++) {
        const v = sign * from[at + j * inner]!
        if (v > most || (v !== v && most === most)) {
          best = j
          most = v
        }
      }
      to[line] = best
    })
  },

  moments(outer, n, inner, x, mean, squares) {
    const [from, means, deviations] = memory.views(x, mean, squares)
    lines(outer, n, inner, (at, line) => {
      let sum = 0
      for (let j = 0; j < n; j++) sum += from[at + j * inner]!
      const centre = sum / n
      let squared = 0
      for (let j = 0; j < n; j++) {
        const d = from[at + j * inner]! - centre
        squared += d * d
      }
      means[line] = centre
      deviations[line] = squared
    })
  },

  logSumExp(outer, n, inner, x, y) {
    const [from, to] = memory.views(x, y)
    lines(outer, n, inner, (at, line) => (to[line] = logSumExp(from, n, inner, at)))
  },

  cumsum(outer, n, inner, reverse, x, y) {
    const [from, to] = memory.views(x, y)
    lines(outer, n, inner, at => {
      let sum = 0
      for (let j = 0; j < n; j++) {
        const k = at + (reverse ? n - 1 - j : j) * inner
        sum += from[k]!
        to[k] = sum
      }
    })
  },

  firstNonFinite(n, x) {
    const from = memory.floats(x)
    for (let i = 0; i < n; i++) if (from[i]! - from[i]! !== 0) return i
    return -1
  },
})

/** Maximum of n elements from `start` on, `step` apart; NaN wins */
export function maximumOf(x: ArrayLike<number>, n: number, step: number, start: number): number {
  let most = -Infinity
  for (let j = 0; j < n; j++) {
    const v = x[start + j * step]!
    if (v > most || v !== v) most = v
    if (most !== most) break
  }
  return most
}

/** log Σ exp x of n elements from `start` on, `step` apart */
export function logSumExp(x: ArrayLike<number>, n: number, step: number, start: number): number {
  const most = maximumOf(x, n, step, start)
  if (most - most !== 0) return most // -inf, inf and NaN are their own answer; the shift would make inf - inf
  let sum = 0
  for (let j = 0; j < n; j++) sum += exp(x[start + j * step]! - most)
  return most + log(sum)
}
