// A step length that satisfies the strong Wolfe conditions: enough descent, and a slope that has flattened out.

import type { Vector } from '../vectors.js'

/** Where a trial of length t along the direction leads. */
export interface Point {
  t: number
  loss: number
  gradient: Vector
  /** Derivative of the loss along the direction */
  slope: number
}

/** Share of the descent promised by the slope that a step must bring, and share of the slope that may remain */
const DESCENT = 1e-4
const FLATNESS = 0.9
const MOST_TRIALS = 25

/** Minimum of the cubic through both ends with their slopes, kept between the bounds; their middle if it has none. */
function cubicMinimum(a: Point, b: Point, [low, high]: readonly [number, number]): number {
  const [left, right] = a.t <= b.t ? [a, b] : [b, a]
  const d1 = left.slope + right.slope - (3 * (left.loss - right.loss)) / (left.t - right.t)
  const d2 = Math.sqrt(d1 * d1 - left.slope * right.slope)
  const t = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
  // no number where there is no minimum, or where the loss overflowed
  return Number.isNaN(t) ? (low + high) / 2 : Math.min(Math.max(t, low), high)
}

/**
 * The first t found with loss ≤ loss₀ + 1e-4 t slope₀ and |slope| ≤ 0.9 |slope₀|: an interval that holds one is sought from `first` on, then narrowed
 * by cubic interpolation (Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6). After 25 trials, or once the interval
 * moves no parameter by more than `tolerance`, its lower end. `reach` is the largest element of the direction.
 */
export function strongWolfe(at: (t: number) => Point, origin: Point, first: number, reach: number, tolerance: number): Point {
  // also where the loss is no number
  const high = (p: Point, than: number) => !(p.loss <= origin.loss + DESCENT * p.t * origin.slope) || p.loss >= than
  const flat = (p: Point) => Math.abs(p.slope) <= -FLATNESS * origin.slope
  let last = origin
  let point = at(first)
  let trials = 0
  let [lower, upper]: [Point, Point | null] = [origin, null]
  for (; trials < MOST_TRIALS; trials++) {
    if (high(point, trials > 1 ? last.loss : Infinity) || (!flat(point) && point.slope >= 0)) {
      ;[lower, upper] = ordered(last, point)
      break
    }
    if (flat(point)) return point
    const t = cubicMinimum(last, point, [point.t + 0.01 * (point.t - last.t), point.t * 10])
    last = point
    point = at(t)
  }
  if (!upper) [lower, upper] = ordered(origin, point)

  let stuck = false
  for (; trials < MOST_TRIALS && Math.abs(upper.t - lower.t) * reach >= tolerance; trials++) {
    const [low, top] = [Math.min(lower.t, upper.t), Math.max(lower.t, upper.t)]
    let t = cubicMinimum(lower, upper, [low, top])
    const margin = 0.1 * (top - low)
    // near an end twice in a row, or on it: step away from that end, or the interval would hardly shrink
    const near = Math.min(top - t, t - low) < margin
    if (near && (stuck || t >= top || t <= low)) {
      t = top - t < t - low ? top - margin : low + margin
      stuck = false
    } else stuck = near
    point = at(t)
    if (high(point, lower.loss)) {
      ;[lower, upper] = ordered(lower, point)
      continue
    }
    if (flat(point)) return point
    // the interval's end towards which the loss falls stays
    if (point.slope * (upper.t - lower.t) >= 0) upper = lower
    lower = point
  }
  return lower
}
/** The point with the smaller loss first */
const ordered = (a: Point, b: Point): [Point, Point] => (b.loss < a.loss ? [b, a] : [a, b])
