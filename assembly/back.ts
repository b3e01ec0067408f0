// The way back of a convolution's columns: products of every column are added to the cells of the image that it read (col2im).

import { TAP, Tap, Window } from './columns'

/** Neighbouring columns in one row of the output. */
@unmanaged
class Run {
  /** Address of the cell under the first tap of channel 0 for output x = 0 of this row; may lie outside the image */
  at: usize
  z: i32
  y: i32
  /** Outputs x..end - 1 of the row */
  x: i32
  end: i32
  /** Column of output x = 0, counted from the first column of the block */
  column: i32
}

const RUN: usize = offsetof<Run>()

/** Describe columns first .. first + count - 1; returns the number of runs. */
export function layRuns(w: Window, first: i32, count: i32, image: usize, to: usize): i32 {
  const places = w.places
  const n = first / places
  let place = first % places
  let x = place % w.ow
  place /= w.ow
  let y = place % w.oh
  let z = place / w.oh
  const size = <usize>(w.c * w.plane) << 2
  image += <usize>n * size
  let runs = 0
  for (let column = 0; column < count; runs++) {
    const run = changetype<Run>(to)
    run.z = z * w.sd - w.pd
    run.y = y * w.sh - w.ph
    run.x = x
    run.end = min(w.ow, x + count - column)
    run.column = column - x
    run.at = image + (<usize>((run.z * w.ih + run.y) * w.iw - w.pw) << 2)
    column += run.end - x
    to += RUN
    x = 0
    if (++y == w.oh) {
      y = 0
      if (++z == w.od) {
        z = 0
        image += size
      }
    }
  }
  return runs
}

/** Cell of each column under each tap += sums[tap, column]; rows of `sums` are `step` bytes apart. */
export function addColumns(w: Window, runsAt: usize, runs: i32, tapsAt: usize, taps: i32, sums: usize, step: usize, shift: usize): void {
  const id = w.id
  const ih = w.ih
  const iw = w.iw
  const sw = w.sw
  for (let t = 0; t < taps; t++) {
    const tap = changetype<Tap>(tapsAt)
    // outputs lo..hi - 1 of a row have their cell inside the image
    const x0 = tap.x - w.pw
    const lo = x0 < 0 ? (sw - 1 - x0) / sw : 0
    const hi = x0 < iw ? (iw - 1 - x0) / sw + 1 : 0
    let at = runsAt
    for (let i = 0; i < runs; i++) {
      const run = changetype<Run>(at)
      at += RUN
      if (<u32>(run.z + tap.z) >= <u32>id || <u32>(run.y + tap.y) >= <u32>ih) continue
      const x = max(lo, run.x)
      const n = min(hi, run.end) - x
      if (n <= 0) continue
      const from = sums + (<usize>(run.column + x) << 2)
      const to = run.at + shift + tap.offset + (<usize>(x * sw) << 2)
      if (sw == 1) addRow(n, from, to)
      else addApart(n, sw, from, to)
    }
    sums += step
    tapsAt += TAP
  }
}

@inline
function addRow(n: i32, x: usize, y: usize): void {
  for (; n >= 4; n -= 4) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)))
    x += 16
    y += 16
  }
  if (n & 2) {
    v128.store64_lane(y, f32x4.add(v128.load64_zero(y), v128.load64_zero(x)), 0)
    x += 8
    y += 8
  }
  if (n & 1) store<f32>(y, load<f32>(y) + load<f32>(x))
}

@inline
function addApart(n: i32, stride: i32, x: usize, y: usize): void {
  const step = <usize>stride << 2
  for (; n > 0; n--) {
    store<f32>(y, load<f32>(y) + load<f32>(x))
    x += 4
    y += step
  }
}
