// The gradient of a convolution with respect to its image, column by column: weights times dL/dy, added to the cells that the
// column read (col2im).

import { A_AT, B_AT, BACK_ROWS, BACK_STEP, BACK_TAPS, GRAD_COLUMNS, RUNS_AT, SUMS_AT, TAPS_AT } from './blocks'
import { TAP, Tap, Window, layTaps } from './columns'
import { block, part } from './gemm'
import { MR, NR, clearZeros, scratchAt } from './microkernel'
import { packA } from './pack'
import { storePart } from './simd'

/** gx += W^T dL/dy, column by column. */
export function spreadBack(w: Window, g: usize, weight: usize, gx: usize): void {
  const groups = w.groups
  const places = w.places
  const columns = w.n * places
  const cg = w.c / groups
  const og = w.o / groups
  const depth = cg * w.taps
  if (depth == 0 || og == 0 || columns == 0) return
  const zeros = clearZeros()
  const taps = scratchAt(TAPS_AT)
  const runs = scratchAt(RUNS_AT)
  const blockA = scratchAt(A_AT)
  const blockB = scratchAt(B_AT)
  const sums = scratchAt(SUMS_AT)
  const kc = part(depth, BACK_TAPS, MR)
  const oc = part(og, BACK_ROWS, 1)
  // whole images, or parts of one: in which order a cell is summed must not depend on the images before it
  const whole = GRAD_COLUMNS / places * places
  const most = part(places, GRAD_COLUMNS, NR)
  for (let j = 0, some = 0; j < columns; j += some) {
    some = whole ? min(whole, columns - j) : min(most, places - j % places)
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
          block(rows, panels, wide, few, blockA, blockB, r == 0 ? zeros : 0, 0, 0, sums, BACK_STEP, 4, -Infinity)
        }
        if (kc < depth || j == 0 && group == 0) layTaps(w, k, rows, taps)
        addColumns(w, runs, count, taps, rows, sums, BACK_STEP, <usize>(group * cg * w.plane) << 2)
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
  for (let t = 0; t < taps;) {
    // taps beside one another add to the same row of the image
    const tap = changetype<Tap>(tapsAt)
    const some = w.sw == 1 ? min(w.kw - tap.x / w.dw, taps - t) : 1
    let at = runsAt
    for (let i = 0; i < runs; i++) {
      const run = changetype<Run>(at)
      at += RUN
      if (<u32>(run.z + tap.z) >= <u32>id || <u32>(run.y + tap.y) >= <u32>ih) continue
      const x0 = tap.x - w.pw
      const row = run.at + shift + tap.offset - (<usize>x0 << 2)
      const from = sums + (<usize>run.column << 2)
      if (w.sw == 1) addNeighbours(run.x, run.end, x0, some, w.dw, from, step, row, w.iw)
      else addApart(run.x, run.end, x0, w.sw, from, row, w.iw)
    }
    sums += <usize>some * step
    tapsAt += <usize>some * TAP
    t += some
  }
}

/**
 * Outputs x..end - 1 of a row at stride 1: `taps` sums each, in rows `step` bytes apart, go to the cells x0, x0 + dw, ...
 * further on. Cell by cell, so that each is loaded and stored once.
 */
function addNeighbours(x: i32, end: i32, x0: i32, taps: i32, dw: i32, sums: usize, step: usize, row: usize, iw: i32): void {
  const wide = (taps - 1) * dw
  const stop = min(end + x0 + wide, iw)
  const last = i32x4.splat(end - 1 - x)
  const lanes = i32x4(0, 1, 2, 3)
  const apart = i32x4.splat(dw)
  const back = step - (<usize>dw << 2)
  for (let cell = max(x + x0, 0); cell < stop; cell += 4) {
    const to = row + (<usize>cell << 2)
    // the output whose first tap reads this cell
    let i = cell - x0
    let from = sums + (<usize>i << 2)
    let sum = v128.load(to)
    if (i - wide >= x && i + 4 <= end) {
      let t = taps
      do {
        sum = f32x4.add(sum, v128.load(from))
        from += back
      } while (--t)
    } else {
      let output = i32x4.add(i32x4.splat(i - x), lanes)
      let t = taps
      do {
        sum = f32x4.add(sum, v128.and(v128.load(from), i32x4.le_u(output, last)))
        output = i32x4.sub(output, apart)
        from += back
      } while (--t)
    }
    if (stop - cell >= 4) v128.store(to, sum)
    else storePart(to, sum, stop - cell)
  }
}

/** The same for one tap at a larger stride. */
function addApart(x: i32, end: i32, x0: i32, sw: i32, sums: usize, row: usize, iw: i32): void {
  // the outputs whose cells are inside the image
  if (x * sw + x0 < 0) x = (sw - 1 - x0) / sw
  end = min(end, x0 < iw ? (iw - 1 - x0) / sw + 1 : 0)
  const step = <usize>sw << 2
  let to = row + (<usize>(x * sw + x0) << 2)
  let from = sums + (<usize>x << 2)
  for (; x < end; x++) {
    store<f32>(to, load<f32>(to) + load<f32>(from))
    from += 4
    to += step
  }
}
