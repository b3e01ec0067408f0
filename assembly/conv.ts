// Convolution and its two gradients as matrix products whose columns are gathered from the image panel by panel.

import { Activation, Unary } from './codes'
import { addColumns, layRuns } from './back'
import { HALF, Half, TAP, Window, gatherHalf, gatherPanel, layHalves, layTaps } from './columns'
import { unary } from './elementwise'
import { block, part } from './gemm'
import { EDGE, FREE, MR, NR, clearZeros, panelRow, scratchAt, tileRows, transpose } from './microkernel'
import { packA } from './pack'

/** Most columns whose halves are described at a time, and most taps and rows of a product. */
const COLUMNS: i32 = 1024
const TAPS: i32 = 288
const ROWS: i32 = 192
/** The same for the gradients: columns at a time, rows of dL/dy. */
const GRAD_COLUMNS: i32 = 256
const GRAD_ROWS: i32 = 1024
/** dL/dx: taps at a time, and channels of the output. */
const BACK_TAPS: i32 = 160
const BACK_ROWS: i32 = 256

const WINDOW: usize = FREE
const TAPS_AT: usize = WINDOW + 256
const STARTS_AT: usize = TAPS_AT + <usize>TAPS * TAP
const HALVES_AT: usize = STARTS_AT + ROWS * 32
const RUNS_AT: usize = HALVES_AT
const PANEL_AT: usize = HALVES_AT + (<usize>COLUMNS / 4 * HALF + 64 & ~63)
const A_AT: usize = PANEL_AT + TAPS * 32 + 256
const B_AT: usize = A_AT + GRAD_ROWS * GRAD_COLUMNS * 4 + 256
const SUMS_AT: usize = B_AT + GRAD_COLUMNS * TAPS * 4 + 256

function layWindow(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
): Window {
  const w = changetype<Window>(scratchAt(WINDOW))
  w.n = n
  w.c = c
  w.o = o
  w.groups = groups
  w.id = id
  w.ih = ih
  w.iw = iw
  w.kd = kd
  w.kh = kh
  w.kw = kw
  w.od = od
  w.oh = oh
  w.ow = ow
  w.sd = sd
  w.sh = sh
  w.sw = sw
  w.pd = pd
  w.ph = ph
  w.pw = pw
  w.dd = dd
  w.dh = dh
  w.dw = dw
  return w
}

export function conv(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  x: usize, weight: usize, bias: usize, activation: i32, y: usize,
): void {
  const w = layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw)
  correlate(w, x, weight, 0, bias, activation == Activation.relu ? 0 : -Infinity, y)
  const size = n * o * w.places
  if (activation == Activation.tanh) unary(Unary.tanh, size, 0, 0, y, y)
  else if (activation == Activation.sigmoid) unary(Unary.sigmoid, size, 0, 0, y, y)
}

/**
 * With unit strides dL/dx is the convolution of dL/dy with the kernel turned round, which needs no sums in memory but computes
 * id·ih·iw columns of o·taps rows; else the products of every column (c·taps rows) are added to the cells that it read.
 */
export function convGradInput(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  g: usize, weight: usize, gx: usize,
): void {
  const inputs = <f32>(id * ih * iw)
  const outputs = <f32>(od * oh * ow)
  const cg = <f32>(c / groups)
  const og = <f32>(o / groups)
  if (sd == 1 && sh == 1 && sw == 1 && inputs * og * (cg + 4) <= outputs * cg * (og + 5)) {
    const pz = (kd - 1) * dd - pd
    const py = (kh - 1) * dh - ph
    const px = (kw - 1) * dw - pw
    const w = layWindow(n, o, c, groups, od, oh, ow, kd, kh, kw, id, ih, iw, 1, 1, 1, pz, py, px, dd, dh, dw)
    correlate(w, g, weight, 1, 0, -Infinity, gx)
  } else {
    const w = layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw)
    memory.fill(gx, 0, <usize>(n * c * w.plane) << 2)
    spreadBack(w, g, weight, gx)
  }
}

export function convGradWeight(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  x: usize, g: usize, gw: usize,
): void {
  const w = layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw)
  const cg = c / groups
  const og = o / groups
  const depth = cg * w.taps
  const columns = n * w.places
  if (columns == 0) memory.fill(gw, 0, <usize>(o * depth) << 2)
  if (o == 0 || depth == 0) return
  const zeros = clearZeros()
  const taps = scratchAt(TAPS_AT)
  const halvesAt = scratchAt(HALVES_AT)
  const blockA = scratchAt(A_AT)
  const blockB = scratchAt(B_AT)
  const kc = part(depth, TAPS, NR)
  const oc = part(og, GRAD_ROWS, MR)
  for (let j = 0; j < columns; j += GRAD_COLUMNS) {
    const halves = (min(GRAD_COLUMNS, columns - j) + 3) / 4
    layHalves(w, j, halves, x, halvesAt)
    for (let group = 0; group < groups; group++) {
      for (let r = 0; r < og; r += oc) {
        const rows = min(oc, og - r)
        const panels = (rows + MR - 1) / MR
        const row = group * og + r
        gatherRows(halvesAt, halves, rows, panels, w.places, g + (<usize>(row * w.places) << 2), blockA)
        for (let k = 0; k < depth; k += kc) {
          const some = min(kc, depth - k)
          if (kc < depth || j == 0 && group == 0 && r == 0) layTaps(w, k, some, taps)
          gatherTurned(w, halvesAt, halves, taps, some, <usize>(group * cg * w.plane) << 2, blockB)
          const corner = gw + (<usize>(row * depth + k) << 2)
          block(rows, panels, some, halves * 4, blockA, blockB, j == 0 ? zeros : 0, false, corner, <usize>depth << 2, -Infinity)
        }
      }
    }
  }
}

/** y = max(bias + columns of x times weights, low). With `turned` the weights are those of the convolution whose dL/dx this is. */
function correlate(w: Window, x: usize, weight: usize, turned: i32, bias: usize, low: f32, y: usize): void {
  const groups = w.groups
  const places = w.places
  const columns = w.n * places
  const cg = w.c / groups
  const og = w.o / groups
  const depth = cg * w.taps
  const zeros = clearZeros()
  const taps = scratchAt(TAPS_AT)
  const starts = scratchAt(STARTS_AT)
  const halvesAt = scratchAt(HALVES_AT)
  const panel = scratchAt(PANEL_AT)
  const blockA = scratchAt(A_AT)
  const kc = max(part(depth, TAPS, 1), 1)
  const oc = max(part(og, ROWS, MR), 1)
  const single = groups == 1 && kc >= depth && oc >= og
  for (let j = 0; j < columns; j += COLUMNS) {
    const halves = (min(COLUMNS, columns - j) + NR - 1) / NR * 2
    layHalves(w, j, halves, x, halvesAt)
    for (let group = 0; group < groups; group++) {
      const shift = <usize>(group * cg * w.plane) << 2
      // at least once, so that without any tap y is the bias
      for (let k = 0; k == 0 || k < depth; k += kc) {
        const some = min(kc, depth - k)
        const end = taps + <usize>some * TAP
        if (kc < depth || j == 0 && group == 0) layTaps(w, k, some, taps)
        const floor: f32 = k + some == depth ? low : -Infinity
        for (let r = 0; r < og; r += oc) {
          const rows = min(oc, og - r)
          const panels = (rows + MR - 1) / MR
          const row = group * og + r
          if (!single || j == 0) {
            if (turned) packTurned(weight, group, cg, og, w.taps, r, rows, panels, k, some, blockA)
            else packA(0, rows, panels, some, 1, weight + (<usize>(row * depth + k) << 2), depth, blockA)
            if (bias && k == 0) {
              for (let i = 0; i < rows; i++) {
                const start = v128.load32_splat(bias + (<usize>(row + i) << 2))
                v128.store(starts + (<usize>i << 5), start)
                v128.store(starts + (<usize>i << 5), start, 16)
              }
            }
          }
          let start: usize = 0
          if (k == 0) start = bias ? starts : zeros
          const corner = y + (<usize>(row * places) << 2)
          let half = halvesAt
          for (let p = 0; p < halves; p += 2) {
            const left = changetype<Half>(half)
            const right = changetype<Half>(half + HALF)
            gatherPanel(w, left, right, taps, end, shift, panel)
            panelTiles(left, right, rows, panels, some, blockA, panel, start, bias ? 32 : 0, corner, <usize>places << 2, floor)
            half += 2 * HALF
          }
        }
      }
    }
  }
}

/** All tiles of one panel of columns. Their sums start from `start` or, if it is 0, from y. */
function panelTiles(
  left: Half, right: Half, rows: i32, panels: i32, k: i32, a: usize, b: usize, start: usize, startStep: usize,
  y: usize, ys: usize, low: f32,
): void {
  const step = <usize>k << 4
  const direct = left.whole && right.whole
  const y0 = y + (<usize>left.lane(0).out << 2)
  const y1 = y + (<usize>right.lane(0).out << 2)
  for (let p = 0; p < panels; p++) {
    const i = panelRow(rows, panels, p)
    const h = panelRow(rows, panels, p + 1) - i
    const at = <usize>i * ys
    const s = start + <usize>i * startStep
    if (!direct) apartTile(left, right, h, a, a + step, b, start ? s : 0, startStep, y + at, ys, low)
    else if (start) tileRows(h, a, a + step, b, s, s + 16, startStep, y0 + at, y1 + at, ys, low)
    else tileRows(h, a, a + step, b, y0 + at, y1 + at, ys, y0 + at, y1 + at, ys, low)
    a += step
  }
}

/** Index of the output of column i of a panel, or -1. */
@inline
function outOf(left: Half, right: Half, i: i32): i32 {
  const half = i < 4 ? left : right
  const l = i & 3
  return half.whole ? half.lane(0).out + l : half.lane(l).out
}

/** A tile some of whose columns are missing or lie in different images goes through scratch. */
function apartTile(
  left: Half, right: Half, rows: i32, a: usize, ae: usize, b: usize, start: usize, startStep: usize, y: usize, ys: usize, low: f32,
): void {
  const tile = scratchAt(EDGE)
  if (start) tileRows(rows, a, ae, b, start, start + 16, startStep, tile, tile + 16, 32, low)
  else {
    for (let i = 0; i < NR; i++) {
      const out = outOf(left, right, i)
      if (out < 0) continue
      for (let r: usize = 0; r < <usize>rows; r++) store<f32>(tile + (r << 5) + (<usize>i << 2), load<f32>(y + r * ys + (<usize>out << 2)))
    }
    tileRows(rows, a, ae, b, tile, tile + 16, 32, tile, tile + 16, 32, low)
  }
  for (let i = 0; i < NR; i++) {
    const out = outOf(left, right, i)
    if (out < 0) continue
    for (let r: usize = 0; r < <usize>rows; r++) store<f32>(y + r * ys + (<usize>out << 2), load<f32>(tile + (r << 5) + (<usize>i << 2)))
  }
}

/** Weights [o, c, taps] read as [c, o, taps backwards], rows r .. r + rows - 1 and columns k .. k + count - 1, in panels of A. */
function packTurned(
  weight: usize, group: i32, cg: i32, og: i32, taps: i32, r: i32, rows: i32, panels: i32, k: i32, count: i32, to: usize,
): void {
  const rowStep = <usize>taps << 2
  const stepBack = <usize>(og * taps) << 2
  for (let p = 0; p < panels; p++) {
    const i = panelRow(rows, panels, p)
    const h = panelRow(rows, panels, p + 1) - i
    let tap = k % taps
    let from = weight + (<usize>(((group * cg + k / taps) * og + r + i + 1) * taps - 1 - tap) << 2)
    for (let j = 0; j < count; j++) {
      for (let l: usize = 0; l < <usize>h; l++) store<f32>(to + (l << 2), load<f32>(from + l * rowStep))
      to += 16
      from -= 4
      if (++tap == taps) {
        tap = 0
        from += rowStep + stepBack
      }
    }
  }
}

/** Rows of dL/dy as panels of A: for every column the 4 rows. Columns that don't exist are zeros. */
function gatherRows(halvesAt: usize, halves: i32, rows: i32, panels: i32, places: i32, g: usize, to: usize): void {
  const one = f32x4.splat(1)
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
        transpose(r0 + o, r1 + o, r2 + o, r3 + o, one, to, 16)
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
  const one = f32x4.splat(1)
  const panel = scratchAt(PANEL_AT)
  const panelStep = <usize>halves << 7
  for (let i = 0; i < halves; i++) {
    gatherHalf(w, changetype<Half>(halvesAt), taps, taps + <usize>count * TAP, shift, panel, 16)
    let from = panel
    let z = to
    for (let t = 0; t < count; t += NR) {
      transpose(from, from + 16, from + 32, from + 48, one, z, 32)
      transpose(from + 64, from + 80, from + 96, from + 112, one, z + 16, 32)
      from += 128
      z += panelStep
    }
    halvesAt += HALF
    to += 128
  }
}

/** gx += W^T dL/dy, column by column. */
function spreadBack(w: Window, g: usize, weight: usize, gx: usize): void {
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
          block(rows, panels, wide, few, blockA, blockB, r == 0 ? zeros : 0, false, sums, GRAD_COLUMNS * 4, -Infinity)
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
