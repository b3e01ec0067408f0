// Tiles of two outputs and four halves whose cells are read where they are in the image, for convolutions with too few outputs
// to gather panels of columns (LeNet-5's first layer forward, of the peak: 0.45 gathered, 0.6 so).

import { HALF, Half, How, TAP } from './columns'
import { panelRow } from './microkernel'
import { madd } from './simd'

/** Most outputs of a group that are worked out so. */
export const FEW: i32 = 8

/** True if the next four halves lie in one row of the image each, all inside. */
@inline
export function inRows(at: usize): bool {
  return (
    changetype<Half>(at).how == How.row && changetype<Half>(at + HALF).how == How.row &&
    changetype<Half>(at + 2 * HALF).how == How.row && changetype<Half>(at + 3 * HALF).how == How.row
  )
}

/** Four halves that are inRows: y = max(start + weights times cells, low) for all rows of weights, which are panels of A. */
export function nearRows(
  at: usize, taps: usize, end: usize, shift: usize, rows: i32, panels: i32, a: usize, start: usize, startStep: usize,
  y: usize, ys: usize, low: f32,
): void {
  const step = (end - taps) / TAP << 4
  // rows go in pairs, whichever panels they are in
  let held: usize = 0
  for (let p = 0; p < panels; p++) {
    const h = panelRow(rows, panels, p + 1) - panelRow(rows, panels, p)
    for (let l = 0; l < h; l++) {
      const row = a + (<usize>l << 2)
      if (held) {
        nearPair(at, taps, end, shift, held, row, start, start + startStep, y, y + ys, low)
        if (start) start += startStep << 1
        y += ys << 1
        held = 0
      } else held = row
    }
    a += step
  }
  if (held) nearPair(at, taps, end, shift, held, held, start, start, y, y, low)
}

/** Two rows; if their sums go to the same place, they are one. */
@inline
function nearPair(
  at: usize, taps: usize, end: usize, shift: usize, a: usize, b: usize, start: usize, startB: usize, y: usize, z: usize, low: f32,
): void {
  const p0 = changetype<Half>(at).lane(0).at + shift
  const p1 = changetype<Half>(at + HALF).lane(0).at + shift
  const p2 = changetype<Half>(at + 2 * HALF).lane(0).at + shift
  const p3 = changetype<Half>(at + 3 * HALF).lane(0).at + shift
  pairTile(p0, p1, p2, p3, taps, end, a, b, at, start, startB, y, z, low)
}

/**
 * The sums of two rows at four places. A function of its own, whose addresses come as parameters: V8 would sink their
 * additions into the loop.
 */
function pairTile(
  p0: usize, p1: usize, p2: usize, p3: usize, taps: usize, end: usize, a: usize, b: usize,
  at: usize, start: usize, startB: usize, y: usize, z: usize, low: f32,
): void {
  const first = changetype<Half>(at).lane(0)
  const second = changetype<Half>(at + HALF).lane(0)
  const third = changetype<Half>(at + 2 * HALF).lane(0)
  const fourth = changetype<Half>(at + 3 * HALF).lane(0)
  let s0 = v128.load(start ? start : y + (<usize>first.out << 2))
  let s1 = v128.load(start ? start : y + (<usize>second.out << 2))
  let s2 = v128.load(start ? start : y + (<usize>third.out << 2))
  let s3 = v128.load(start ? start : y + (<usize>fourth.out << 2))
  let t0 = v128.load(start ? startB : z + (<usize>first.out << 2))
  let t1 = v128.load(start ? startB : z + (<usize>second.out << 2))
  let t2 = v128.load(start ? startB : z + (<usize>third.out << 2))
  let t3 = v128.load(start ? startB : z + (<usize>fourth.out << 2))
  let offset: usize
  let u: v128
  let v: v128
  let x: v128
  if ((end - taps) / TAP & 1) {
    offset = load<usize>(taps)
    u = v128.load32_splat(a)
    v = v128.load32_splat(b)
    x = v128.load(p0 + offset)
    s0 = madd(u, x, s0)
    t0 = madd(v, x, t0)
    x = v128.load(p1 + offset)
    s1 = madd(u, x, s1)
    t1 = madd(v, x, t1)
    x = v128.load(p2 + offset)
    s2 = madd(u, x, s2)
    t2 = madd(v, x, t2)
    x = v128.load(p3 + offset)
    s3 = madd(u, x, s3)
    t3 = madd(v, x, t3)
    a += 16
    b += 16
    taps += TAP
  }
  // the tests that never hold end basic blocks, as in microkernel.ts
  while (taps != end) {
    offset = load<usize>(taps)
    u = v128.load32_splat(a)
    v = v128.load32_splat(b)
    x = v128.load(p0 + offset)
    s0 = madd(u, x, s0)
    t0 = madd(v, x, t0)
    x = v128.load(p1 + offset)
    s1 = madd(u, x, s1)
    t1 = madd(v, x, t1)
    if (taps == 1) break
    x = v128.load(p2 + offset)
    s2 = madd(u, x, s2)
    t2 = madd(v, x, t2)
    x = v128.load(p3 + offset)
    s3 = madd(u, x, s3)
    t3 = madd(v, x, t3)
    if (taps == 2) break
    offset = load<usize>(taps, 16)
    u = v128.load32_splat(a, 16)
    v = v128.load32_splat(b, 16)
    x = v128.load(p0 + offset)
    s0 = madd(u, x, s0)
    t0 = madd(v, x, t0)
    x = v128.load(p1 + offset)
    s1 = madd(u, x, s1)
    t1 = madd(v, x, t1)
    if (taps == 3) break
    x = v128.load(p2 + offset)
    s2 = madd(u, x, s2)
    t2 = madd(v, x, t2)
    x = v128.load(p3 + offset)
    s3 = madd(u, x, s3)
    t3 = madd(v, x, t3)
    a += 32
    b += 32
    taps += 2 * TAP
  }
  const floor = f32x4.splat(low)
  v128.store(y + (<usize>first.out << 2), f32x4.pmax(s0, floor))
  v128.store(y + (<usize>second.out << 2), f32x4.pmax(s1, floor))
  v128.store(y + (<usize>third.out << 2), f32x4.pmax(s2, floor))
  v128.store(y + (<usize>fourth.out << 2), f32x4.pmax(s3, floor))
  v128.store(z + (<usize>first.out << 2), f32x4.pmax(t0, floor))
  v128.store(z + (<usize>second.out << 2), f32x4.pmax(t1, floor))
  v128.store(z + (<usize>third.out << 2), f32x4.pmax(t2, floor))
  v128.store(z + (<usize>fourth.out << 2), f32x4.pmax(t3, floor))
}
