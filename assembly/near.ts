// Tiles of two outputs and four halves whose cells are read where they are in the image, for convolutions with too few outputs
// to gather panels of columns. Of the time of gathered ones: LeNet-5's first layer forward 0.76, 3 x 3 of 3 channels 0.89.

import { HALF, Half, How, TAP } from './columns'
import { panelRow } from './microkernel'
import { madd } from './simd'

/** Most outputs of a group that are worked out so. */
export const FEW: i32 = 8
/** Bytes of a step of packPairs */
const STEP: usize = 12

/** True if the next four halves lie in one row of the image each, all inside. */
@inline
export function inRows(at: usize): bool {
  return (
    changetype<Half>(at).how == How.row && changetype<Half>(at + HALF).how == How.row &&
    changetype<Half>(at + 2 * HALF).how == How.row && changetype<Half>(at + 3 * HALF).how == How.row
  )
}

/**
 * For each pair of rows of weights, which are panels of A, and each tap: both weights and where the tap lies. A last single row is
 * there twice.
 */
export function packPairs(rows: i32, panels: i32, a: usize, taps: usize, count: i32, to: usize): void {
  for (let r = 0; r < rows; r += 2) {
    const u = rowAt(rows, panels, r, a, count)
    const v = rowAt(rows, panels, min(r + 1, rows - 1), a, count)
    for (let t = 0; t < count; t++) {
      const k = <usize>t << 4
      store<f32>(to, load<f32>(u + k))
      store<f32>(to, load<f32>(v + k), 4)
      store<usize>(to, load<usize>(taps + <usize>t * TAP), 8)
      to += STEP
    }
  }
}

/** Where row r of weights begins in its panel */
function rowAt(rows: i32, panels: i32, r: i32, a: usize, count: i32): usize {
  let p = 0
  while (panelRow(rows, panels, p + 1) <= r) p++
  return a + (<usize>(p * count) << 4) + (<usize>(r - panelRow(rows, panels, p)) << 2)
}

/** Four halves that are inRows: y = max(start + weights times cells, low) for all rows, whose weights packPairs has packed. */
export function nearRows(
  at: usize, count: i32, shift: usize, rows: i32, pairs: usize, start: usize, startStep: usize, y: usize, ys: usize, low: f32,
): void {
  const l0 = changetype<Half>(at).lane(0)
  const l1 = changetype<Half>(at + HALF).lane(0)
  const l2 = changetype<Half>(at + 2 * HALF).lane(0)
  const l3 = changetype<Half>(at + 3 * HALF).lane(0)
  const length = <usize>count * STEP
  nearTiles(
    l0.at + shift, l1.at + shift, l2.at + shift, l3.at + shift, rows, pairs + length, length, -count & 7, start, start ? startStep : ys,
    y + (<usize>l0.out << 2), y + (<usize>l1.out << 2), y + (<usize>l2.out << 2), y + (<usize>l3.out << 2), ys, low,
  )
}

/**
 * The sums of all rows, two at a time, at four places; the first turn of the loop begins at step `first`. A function of its own,
 * whose addresses come as parameters: V8 would sink their additions into the loop. Where the switch may jump to, a basic block ends,
 * as tests that never hold end it in microkernel.ts; the default is a step, so that V8 adds up addresses before the loop. Of the
 * time with a test after each half of a step, two steps a turn and a call for each pair: 0.8.
 */
function nearTiles(
  p0: usize, p1: usize, p2: usize, p3: usize, rows: i32, end: usize, length: usize, first: i32, start: usize, ss: usize,
  y0: usize, y1: usize, y2: usize, y3: usize, ys: usize, low: f32,
): void {
  const floor = f32x4.splat(low)
  let u = floor, v = floor, x = floor
  let offset: usize = 0
  for (; rows > 0; rows -= 2) {
    const sb = rows > 1 ? ss : 0
    const yb = rows > 1 ? ys : 0
    const from0 = start ? start : y0, from1 = start ? start : y1, from2 = start ? start : y2, from3 = start ? start : y3
    let s0 = v128.load(from0), s1 = v128.load(from1), s2 = v128.load(from2), s3 = v128.load(from3)
    let t0 = v128.load(from0 + sb), t1 = v128.load(from1 + sb), t2 = v128.load(from2 + sb), t3 = v128.load(from3 + sb)
    if (start) start += ss << 1
    let a = end - length
    let step = first
    do {
      switch (step) {
        case 0:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 1:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 2:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 3:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 4:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 5:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        case 6:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
        default:
          u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)
          x = v128.load(p0 + offset), s0 = madd(u, x, s0), t0 = madd(v, x, t0)
          x = v128.load(p1 + offset), s1 = madd(u, x, s1), t1 = madd(v, x, t1)
          x = v128.load(p2 + offset), s2 = madd(u, x, s2), t2 = madd(v, x, t2)
          x = v128.load(p3 + offset), s3 = madd(u, x, s3), t3 = madd(v, x, t3)
          a += STEP
      }
      step = 0
    } while (a != end)
    v128.store(y0, f32x4.pmax(s0, floor)), v128.store(y0 + yb, f32x4.pmax(t0, floor)), y0 += ys << 1
    v128.store(y1, f32x4.pmax(s1, floor)), v128.store(y1 + yb, f32x4.pmax(t1, floor)), y1 += ys << 1
    v128.store(y2, f32x4.pmax(s2, floor)), v128.store(y2 + yb, f32x4.pmax(t2, floor)), y2 += ys << 1
    v128.store(y3, f32x4.pmax(s3, floor)), v128.store(y3 + yb, f32x4.pmax(t3, floor)), y3 += ys << 1
    end += length
  }
}
