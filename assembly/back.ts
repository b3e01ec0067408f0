// The gradient of a convolution with respect to its image, column by column: weights times dL/dy, added to the cells that the
// column read (col2im).

import { A_AT, B_AT, BACK_ROWS, BACK_TAPS, GRAD_COLUMNS, RUNS_AT, SUMS_AT, TAPS_AT } from './blocks'
import { TAP, Tap, Window, layTaps } from './columns'
import { block, part } from './gemm'
import { MR, NR, clearZeros, scratchAt } from './microkernel'
import { packA } from './pack'

/** gx += W^T dL/dy, column by column. */
export function spreadBack(w: Window, g: usize, weight: usize, gx: usize): void {
  const groups = w.groups
  const places = w.places
  const columns = w.n * places
  const cg = w.c / groups
  const og = w.o / groups
  const depth = cg * w.taps
  if (depth == 0 || og == 0) return
  const zeros = clearZeros()
  const taps = scratchAt(TAPS_AT)
  const runs = scratchAt(RUNS_AT)
  const blockA = scratchAt(A_AT)
  const blockB = scratchAt(B_AT)
  const sums = scratchAt(SUMS_AT)
  const kc = part(depth, BACK_TAPS, MR)
  const oc = part(og, BACK_ROWS, 1)
  for (let j = 0; j < columns; j += GRAD_COLUMNS) {
    const some = min(GRAD_COLUMNS, columns - j)
    const wide = (some + NR - 1) / NR * NR
    const count = layRuns(w, j, some, gx, runs)
    for (let group = 0; group < groups; group++) {
      for (let k = 0; k < depth; k += kc) {
        const rows = min(kc, depth - k)
        const panels = (rows + MR - 1) / MR
        for (let r = 0; r < og; r += oc) {
          const few = min(oc, og - r)
          const row = group * og + r
          if (oc < og || k == 0) gatherOutputs(w, j, some, few, g + (<usize>(row * places) << 2), blockB)
          packA(1, rows, panels, few, 1, weight + (<usize>(row * depth + k) << 2), depth, blockA)
          block(rows, panels, wide, few, blockA, blockB, r == 0 ? zeros : 0, 0, 0, sums, GRAD_COLUMNS * 4, 4, -Infinity)
        }
        if (kc < depth || j == 0 && group == 0) layTaps(w, k, rows, taps)
        addColumns(w, runs, count, taps, rows, sums, GRAD_COLUMNS * 4, <usize>(group * cg * w.plane) << 2)
      }
    }
  }
}

/** Columns first .. first + count - 1 of dL/dy as panels of B: for every channel 8 columns, zeros beyond the last. */
function gatherOutputs(w: Window, first: i32, count: i32, rows: i32, g: usize, to: usize): void {
  const places = w.places
  const step = <usize>places << 2
  const size = <usize>w.o * step
  const panelStep = <usize>rows << 5
  let place = first % places
  g += <usize>(first / places) * size + (<usize>place << 2)
  for (let i = 0; i < count;) {
    const at = to + <usize>(i >> 3) * panelStep + (<usize>(i & 7) << 2)
    // four columns of one image at once, or one at a time
    const some = (i & 3) == 0 && count - i >= 4 && places - place >= 4 ? 4 : 1
    let from = g
    for (let z = at; z < at + panelStep; z += 32) {
      if (some == 4) v128.store(z, v128.load(from))
      else store<f32>(z, load<f32>(from))
      from += step
    }
    i += some
    place += some
    g += <usize>some << 2
    if (place == places) {
      place = 0
      g += size - step
    }
  }
  for (let i = count; i & 7; i++) {
    const at = to + <usize>(i >> 3) * panelStep + (<usize>(i & 7) << 2)
    for (let z = at; z < at + panelStep; z += 32) store<f32>(z, 0)
  }
}

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
function layRuns(w: Window, first: i32, count: i32, image: usize, to: usize): i32 {
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
function addColumns(w: Window, runsAt: usize, runs: i32, tapsAt: usize, taps: i32, sums: usize, step: usize, shift: usize): void {
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
