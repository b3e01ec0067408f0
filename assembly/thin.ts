// Convolutions with one or two outputs per group, depthwise ones above all: too few rows for a register tile to pay for the
// gathering of columns, so that the cells are read where they are, four neighbours at a time.

import { HALF, Half, How, TAP, Tap, Window, gatherHalf } from './columns'
import { EDGE, scratchAt } from './microkernel'
import { inRows } from './near'
import { madd } from './simd'

/** Most outputs of a group that are worked out here. */
export const THIN: i32 = 2

/**
 * Rows 0..rows-1 of all halves: y = max(start + weights times cells, low). Weights as a panel of A; row r starts from
 * start + r startStep or, if start is 0, from y. `cells` has room for 16 bytes per tap.
 */
export function thinRows(
  w: Window, halvesAt: usize, halves: i32, taps: usize, end: usize, shift: usize, cells: usize,
  rows: i32, a: usize, start: usize, startStep: usize, y: usize, ys: usize, low: f32,
): void {
  for (; rows > 0; rows--) {
    let at = halvesAt
    for (let i = 0; i < halves;) {
      if (i + 4 <= halves && inRows(at)) {
        thinFour(at, taps, end, shift, a, start, y, low)
        at += 4 * HALF
        i += 4
      } else {
        const half = changetype<Half>(at)
        gatherHalf(w, half, taps, end, shift, cells, 16)
        thinOne(half, <i32>((end - taps) / TAP), cells, a, start, y, low)
        at += HALF
        i++
      }
    }
    a += 4
    if (start) start += startStep
    y += ys
  }
}

@inline
function thinFour(at: usize, taps: usize, end: usize, shift: usize, a: usize, start: usize, y: usize, low: f32): void {
  const lane0 = changetype<Half>(at).lane(0)
  const lane1 = changetype<Half>(at + HALF).lane(0)
  const lane2 = changetype<Half>(at + 2 * HALF).lane(0)
  const lane3 = changetype<Half>(at + 3 * HALF).lane(0)
  const y0 = y + (<usize>lane0.out << 2)
  const y1 = y + (<usize>lane1.out << 2)
  const y2 = y + (<usize>lane2.out << 2)
  const y3 = y + (<usize>lane3.out << 2)
  const p0 = lane0.at + shift
  const p1 = lane1.at + shift
  const p2 = lane2.at + shift
  const p3 = lane3.at + shift
  let s0 = v128.load(start ? start : y0)
  let s1 = v128.load(start ? start : y1)
  let s2 = v128.load(start ? start : y2)
  let s3 = v128.load(start ? start : y3)
  for (; taps < end; taps += TAP) {
    const offset = changetype<Tap>(taps).offset
    const x = v128.load32_splat(a)
    s0 = madd(x, v128.load(p0 + offset), s0)
    s1 = madd(x, v128.load(p1 + offset), s1)
    s2 = madd(x, v128.load(p2 + offset), s2)
    s3 = madd(x, v128.load(p3 + offset), s3)
    a += 16
  }
  const floor = f32x4.splat(low)
  v128.store(y0, f32x4.pmax(s0, floor))
  v128.store(y1, f32x4.pmax(s1, floor))
  v128.store(y2, f32x4.pmax(s2, floor))
  v128.store(y3, f32x4.pmax(s3, floor))
}

/** One half whose cells have been gathered. */
@inline
function thinOne(half: Half, taps: i32, cells: usize, a: usize, start: usize, y: usize, low: f32): void {
  const at = half.whole ? y + (<usize>half.lane(0).out << 2) : scratchAt(EDGE)
  if (!half.whole && !start) loadLanes(half, y, at)
  let sum = v128.load(start ? start : at)
  for (; taps > 0; taps--) {
    sum = madd(v128.load32_splat(a), v128.load(cells), sum)
    a += 16
    cells += 16
  }
  v128.store(at, f32x4.pmax(sum, f32x4.splat(low)))
  if (half.whole) return
  for (let l = 0; l < 4; l++) {
    const out = half.lane(l).out
    if (out >= 0) store<f32>(y + (<usize>out << 2), load<f32>(at + (<usize>l << 2)))
  }
}

/** The outputs of a half that lie apart, zeros for those that don't exist, to `to`. */
@inline
function loadLanes(half: Half, y: usize, to: usize): void {
  for (let l = 0; l < 4; l++) {
    const out = half.lane(l).out
    store<f32>(to + (<usize>l << 2), out < 0 ? 0 : load<f32>(y + (<usize>out << 2)))
  }
}

/**
 * gw[t] = or, unless `fresh`, += the sum over all halves of dL/dy times the cells under tap t, for the `rows` rows of a group.
 * `sums` has room for 16 bytes per tap and row, the taps rounded up to 4.
 */
export function nearWeights(
  w: Window, halvesAt: usize, halves: i32, taps: usize, count: i32, shift: usize, cells: usize, sums: usize,
  rows: i32, g: usize, gs: usize, fresh: bool, gw: usize, gwStep: usize,
): void {
  const step = <usize>(count + 3 & ~3) << 4
  for (let r = 0; r < rows; r += 2) {
    const to = sums + <usize>r * step
    const from = g + <usize>r * gs
    const pair = r + 1 < rows
    for (let t = 0; t < count; t += 4) {
      const tap = taps + <usize>t * TAP
      const y = to + (<usize>t << 4)
      if (pair) dotEight(halvesAt, halves, tap, count - t, shift, from, from + gs, y, y + step)
      else dotFour(halvesAt, halves, tap, count - t, shift, from, y)
    }
  }
  let at = halvesAt
  for (let i = 0; i < halves; i++) {
    const half = changetype<Half>(at)
    at += HALF
    if (half.how == How.row) continue
    gatherHalf(w, half, taps, taps + <usize>count * TAP, shift, cells, 16)
    for (let r = 0; r < rows; r++) {
      const row = g + <usize>r * gs
      const to = sums + <usize>r * step
      const lanes = half.whole ? row + (<usize>half.lane(0).out << 2) : scratchAt(EDGE)
      if (!half.whole) loadLanes(half, row, lanes)
      const v = v128.load(lanes)
      for (let t: usize = 0; t < <usize>count << 4; t += 16) {
        v128.store(to + t, madd(v, v128.load(cells + t), v128.load(to + t)))
      }
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let t = 0; t < count; t++) {
      const s = v128.load(sums + (<usize>t << 4))
      const to = gw + (<usize>t << 2)
      const sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
      store<f32>(to, fresh ? sum : load<f32>(to) + sum)
    }
    sums += step
    gw += gwStep
  }
}

/**
 * Sums in four lanes of two rows of dL/dy times the cells under 4 taps (beyond `count` the first again), over the halves in one
 * row.
 */
function dotEight(
  at: usize, halves: i32, taps: usize, count: i32, shift: usize, g: usize, h: usize, y: usize, z: usize,
): void {
  const end = at + <usize>halves * HALF
  const o0 = changetype<Tap>(taps).offset + shift
  if (count >= 4) {
    const o1 = changetype<Tap>(taps + TAP).offset + shift
    const o2 = changetype<Tap>(taps + 2 * TAP).offset + shift
    const o3 = changetype<Tap>(taps + 3 * TAP).offset + shift
    dotTile(at, end, o0, o1, o2, o3, g, h, y, z)
  } else {
    const o1 = count > 1 ? changetype<Tap>(taps + TAP).offset + shift : o0
    const o2 = count > 2 ? changetype<Tap>(taps + 2 * TAP).offset + shift : o0
    dotTile(at, end, o0, o1, o2, o0, g, h, y, z)
  }
}

/** A function of its own, for its addresses' sake: see near.ts. */
function dotTile(
  at: usize, end: usize, o0: usize, o1: usize, o2: usize, o3: usize, g: usize, h: usize, y: usize, z: usize,
): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let t0 = s0
  let t1 = s0
  let t2 = s0
  let t3 = s0
  for (; at != end; at += HALF) {
    if (changetype<Half>(at).how != How.row) continue
    const p = changetype<Half>(at).lane(0).at
    const out = <usize>changetype<Half>(at).lane(0).out << 2
    const u = v128.load(g + out)
    const v = v128.load(h + out)
    let x = v128.load(p + o0)
    s0 = madd(u, x, s0)
    t0 = madd(v, x, t0)
    x = v128.load(p + o1)
    s1 = madd(u, x, s1)
    t1 = madd(v, x, t1)
    // never: ends the basic block, as in scripts/tiles.js
    if (at == 1) break
    x = v128.load(p + o2)
    s2 = madd(u, x, s2)
    t2 = madd(v, x, t2)
    x = v128.load(p + o3)
    s3 = madd(u, x, s3)
    t3 = madd(v, x, t3)
  }
  v128.store(y, s0)
  v128.store(y, s1, 16)
  v128.store(y, s2, 32)
  v128.store(y, s3, 48)
  v128.store(z, t0)
  v128.store(z, t1, 16)
  v128.store(z, t2, 32)
  v128.store(z, t3, 48)
}

/** Sums in four lanes of dL/dy times the cells under 4 taps (beyond `count` the last again), over the halves in one row. */
function dotFour(at: usize, halves: i32, taps: usize, count: i32, shift: usize, g: usize, to: usize): void {
  const last = taps + <usize>(count - 1) * TAP
  const o0 = changetype<Tap>(taps).offset + shift
  const o1 = changetype<Tap>(min(taps + TAP, last)).offset + shift
  const o2 = changetype<Tap>(min(taps + 2 * TAP, last)).offset + shift
  const o3 = changetype<Tap>(min(taps + 3 * TAP, last)).offset + shift
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; halves > 0; halves--) {
    if (changetype<Half>(at).how == How.row) {
      const lane = changetype<Half>(at).lane(0)
      const p = lane.at
      const v = v128.load(g + (<usize>lane.out << 2))
      s0 = madd(v, v128.load(p + o0), s0)
      s1 = madd(v, v128.load(p + o1), s1)
      s2 = madd(v, v128.load(p + o2), s2)
      s3 = madd(v, v128.load(p + o3), s3)
    }
    at += HALF
  }
  v128.store(to, s0)
  v128.store(to, s1, 16)
  v128.store(to, s2, 32)
  v128.store(to, s3, 48)
}
