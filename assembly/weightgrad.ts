// The gradient of a convolution with respect to its weights: dL/dy times the turned matrix of columns, summed over all columns.

import { A_AT, B_AT, GRAD_COLUMNS, GRAD_ROWS, HALVES_AT, PANEL_AT, TAPS, TAPS_AT } from './blocks'
import { COLUMNS, HALF, Half, TAP, Window, gatherHalf, imagesAtOnce, layHalves, layTaps } from './columns'
import { block, part } from './gemm'
import { MR, NR, clearZeros, panelRow, scratchAt, transpose } from './microkernel'
import { FEW } from './near'
import { shareEnd, shareStart } from './share'
import { nearWeights } from './thin'

/**
 * gw = or, unless `fresh`, += dL/dy times the turned columns of x. A share is some groups, or some taps of all outputs, or some
 * outputs if they are more.
 */
export function addWeights(w: Window, x: usize, g: usize, fresh: i32, gw: usize): void {
  const groups = w.groups
  const cg = w.c / groups
  const og = w.o / groups
  const depth = cg * w.taps
  const places = w.places
  const columns = w.n * places
  const zeros = clearZeros()
  const taps = scratchAt(TAPS_AT)
  const halvesAt = scratchAt(HALVES_AT)
  const blockA = scratchAt(A_AT)
  const blockB = scratchAt(B_AT)
  const byTaps = groups == 1 && depth >= og
  const byRows = groups == 1 && depth < og
  const firstGroup = groups > 1 ? shareStart(groups, 1) : 0
  const lastGroup = groups > 1 ? shareEnd(groups, 1) : 1
  const firstTap = byTaps ? shareStart(depth, NR) : 0
  const lastTap = byTaps ? shareEnd(depth, NR) : depth
  const firstRow = byRows ? shareStart(og, MR) : 0
  const lastRow = byRows ? shareEnd(og, MR) : og
  const kc = part(lastTap - firstTap, TAPS, NR)
  const oc = part(lastRow - firstRow, GRAD_ROWS, MR)
  const most = og <= FEW ? COLUMNS : GRAD_COLUMNS
  const images = imagesAtOnce(places, most)
  const jc = images ? images * places : most
  let laid = -1
  let onward: usize = 0
  let from = g
  for (let j = 0; j < columns; j += jc) {
    const end = min(j + jc, columns)
    const halves = (end - j + 3) / 4
    if (images && laid == end - j) {
      // the same halves, some images further on
      onward += <usize>(images * w.c * w.plane) << 2
      from += <usize>(images * w.o * places) << 2
    } else {
      layHalves(w, j, end, halves, x, halvesAt)
      laid = end - j
      from = g
      onward = 0
    }
    for (let group = firstGroup; group < lastGroup; group++) {
      const shift = onward + (<usize>(group * cg * w.plane) << 2)
      for (let r = firstRow; r < lastRow; r += oc) {
        const rows = min(oc, lastRow - r)
        const panels = (rows + MR - 1) / MR
        const row = group * og + r
        const corner = from + (<usize>(row * places) << 2)
        if (og > FEW) gatherRows(halvesAt, halves, rows, panels, places, corner, blockA)
        for (let k = firstTap; k < lastTap; k += kc) {
          const some = min(kc, lastTap - k)
          if (firstTap + kc < lastTap || j == 0 && group == firstGroup && r == firstRow) layTaps(w, k, some, taps)
          const first = fresh != 0 && j == 0
          const to = gw + (<usize>(row * depth + k) << 2)
          const step = <usize>depth << 2
          if (og > FEW) {
            gatherTurned(w, halvesAt, halves, taps, some, shift, blockB)
            block(rows, panels, some, halves * 4, blockA, blockB, first ? zeros : 0, 0, 0, to, step, 4, -Infinity)
          } else {
            const cells = scratchAt(PANEL_AT)
            nearWeights(w, halvesAt, halves, taps, some, shift, cells, blockB, rows, corner, <usize>places << 2, first, to, step)
          }
        }
      }
    }
  }
}

/** Rows of dL/dy as panels of A: for every column the 4 rows. Columns that don't exist are zeros. */
function gatherRows(halvesAt: usize, halves: i32, rows: i32, panels: i32, places: i32, g: usize, to: usize): void {
  const step = <usize>places << 2
  for (let p = 0; p < panels; p++) {
    const i = panelRow(rows, panels, p)
    const h = panelRow(rows, panels, p + 1) - i
    const r0 = g + <usize>i * step
    const r1 = h > 1 ? r0 + step : r0
    const r2 = h > 2 ? r1 + step : r1
    const r3 = h > 3 ? r2 + step : r2
    let at = halvesAt
    for (let q = 0; q < halves; q++) {
      const half = changetype<Half>(at)
      if (half.whole) {
        const o = <usize>half.lane(0).out << 2
        transpose(r0 + o, r1 + o, r2 + o, r3 + o, to, 16)
        to += 64
      } else {
        for (let l = 0; l < 4; l++) {
          const out = half.lane(l).out
          const o = <usize>out << 2
          if (out < 0) v128.store(to, f32x4.splat(0))
          else {
            store<f32>(to, load<f32>(r0 + o))
            store<f32>(to, load<f32>(r1 + o), 4)
            store<f32>(to, load<f32>(r2 + o), 8)
            store<f32>(to, load<f32>(r3 + o), 12)
          }
          to += 16
        }
      }
      at += HALF
    }
  }
}

/** The matrix of columns turned: panels of B hold for every column 8 taps. */
function gatherTurned(w: Window, halvesAt: usize, halves: i32, taps: usize, count: i32, shift: usize, to: usize): void {
  const panel = scratchAt(PANEL_AT)
  const panelStep = <usize>halves << 7
  for (let i = 0; i < halves; i++) {
    gatherHalf(w, changetype<Half>(halvesAt), taps, taps + <usize>count * TAP, shift, panel, 16)
    let from = panel
    let z = to
    for (let t = 0; t < count; t += NR) {
      transpose(from, from + 16, from + 32, from + 48, z, 32)
      transpose(from + 64, from + 80, from + 96, from + 112, z + 16, 32)
      from += 128
      z += panelStep
    }
    halvesAt += HALF
    to += 128
  }
}
