// Convolution and its two gradients as matrix products whose columns are gathered from the image panel by panel.

import { Activation, Unary } from './codes'
import { spreadBack } from './back'
import { A_AT, FRAME, FRAMES_AT, HALVES_AT, PAIRS_AT, PANEL_AT, ROWS, STARTS_AT, TAPS, TAPS_AT, WINDOW } from './blocks'
import { COLUMNS, HALF, Half, TAP, Window, gatherPanel, imagesAtOnce, layHalves, layTaps } from './columns'
import { correlatePlanes, planeWeights, suitsPlanes } from './depthwise'
import { unary } from './elementwise'
import { copyFrames, layFrame } from './frame'
import { part } from './gemm'
import { EDGE, MR, NR, clearZeros, panelRow, scratchAt, tilePanels, tileRows } from './microkernel'
import { addLanes, suitsLaneSums } from './lanegrad'
import { LANES, correlateLanes, imagesInLanes } from './lanes'
import { FEW, inRows, nearRows, packPairs } from './near'
import { packA } from './pack'
import { shareEnd, shareStart } from './share'
import { THIN, thinRows } from './thin'
import { addWeights } from './weightgrad'
import { correlateTiles, filterCount as countFilters, keepFilters, suitsWinograd, weightTiles } from './winograd'

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

export function filterCount(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
): i32 {
  return countFilters(layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw))
}

export function makeFilters(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  weight: usize, filters: usize,
): void {
  keepFilters(layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw), weight, filters)
}

/** Outputs that one image is shared out by. */
const OUTPUTS: i32 = 16

/** Narrows w to the images of this share, which keeps eights together; returns the first. */
function shareImages(w: Window): i32 {
  const unit = w.n >= LANES ? LANES : 1
  const first = shareStart(w.n, unit)
  w.n = shareEnd(w.n, unit) - first
  return first
}

export function conv(
  n: i32, c: i32, o: i32, groups: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32,
  od: i32, oh: i32, ow: i32, sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  x: usize, weight: usize, filters: usize, bias: usize, activation: i32, y: usize,
): void {
  const w = layWindow(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw)
  const tiles = suitsWinograd(w, false)
  let first = 0
  if (n > 1 || groups > 1) {
    const image = shareImages(w)
    x += <usize>(image * c * w.plane) << 2
    y += <usize>(image * o * w.places) << 2
  } else {
    // one image: its outputs, at least so many that none of the ways for few is taken
    first = shareStart(o, OUTPUTS)
    w.o = shareEnd(o, OUTPUTS) - first
    weight += <usize>(first * c * w.taps) << 2
    if (bias) bias += <usize>first << 2
    y += <usize>(first * w.places) << 2
  }
  const size = w.n * w.o * w.places
  const low: f32 = activation == Activation.relu ? 0 : -Infinity
  if (tiles) correlateTiles(w, x, weight, 0, filters, o, first, bias, low, y)
  else correlate(w, x, weight, 0, bias, low, y)
  if (activation == Activation.tanh) unary(Unary.tanh, size, 0, 0, y, y)
  else if (activation == Activation.sigmoid) unary(Unary.sigmoid, size, 0, 0, y, y)
}

/**
 * With unit strides dL/dx is the convolution of dL/dy with the kernel turned round, which needs no sums in memory but computes
 * id·ih·iw columns of o·taps rows; else the products of every column (c·taps rows) are added to the cells that it read.
 * The cheaper one is chosen by measured costs per cell and tap in units of a product: gathering 3.5 (1.5 if thin), adding 18.
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
  const gathering: f32 = c / groups <= THIN ? 1.5 : 3.5
  const pz = (kd - 1) * dd - pd
  const py = (kh - 1) * dh - ph
  const px = (kw - 1) * dw - pw
  const back = layWindow(n, o, c, groups, od, oh, ow, kd, kh, kw, id, ih, iw, 1, 1, 1, pz, py, px, dd, dh, dw)
  const plain = sd == 1 && sh == 1 && sw == 1
  const tiles = plain && suitsWinograd(back, false)
  const first = shareImages(back)
  n = back.n
  g += <usize>(first * o * od * oh * ow) << 2
  gx += <usize>(first * c * id * ih * iw) << 2
  const images = sd == 1 && !tiles ? imagesInLanes(back, sh, sw) : 0
  if (images) {
    correlateLanes(back, images, g, weight, 1, sh, sw, 0, -Infinity, gx)
    n -= images
    if (n == 0) return
    g += <usize>(images * o * od * oh * ow) << 2
    gx += <usize>(images * c * id * ih * iw) << 2
    back.n = n
  }
  if (tiles) {
    correlateTiles(back, g, weight, 1, 0, c, 0, 0, -Infinity, gx)
  } else if (plain && (suitsPlanes(back) || inputs * og * (cg + gathering) <= outputs * cg * (og + 18))) {
    correlate(back, g, weight, 1, 0, -Infinity, gx)
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
  const size = o * (c / groups) * w.taps
  if (size == 0) return
  if (n * w.places == 0) memory.fill(gw, 0, <usize>size << 2)
  if (suitsWinograd(w, true)) {
    weightTiles(w, x, g, gw)
    return
  }
  if (suitsPlanes(w)) {
    planeWeights(w, x, g, gw)
    return
  }
  if (suitsLaneSums(w)) {
    addLanes(w, x, g, gw)
    return
  }
  const f = changetype<Window>(scratchAt(FRAME))
  const some = layFrame(w, f)
  if (some == 0) addWeights(w, x, g, 1, gw)
  for (let i = 0; some > 0 && i < n; i += some) {
    const frames = scratchAt(FRAMES_AT)
    f.n = min(some, n - i)
    copyFrames(w, f, f.n, x + (<usize>(i * c * w.plane) << 2), frames)
    addWeights(f, frames, g + (<usize>(i * o * w.places) << 2), i == 0 ? 1 : 0, gw)
  }
}

/** y = max(bias + columns of x times weights, low); if `turned`, the weights are those of the convolution whose dL/dx this is. */
function correlate(w: Window, x: usize, weight: usize, turned: i32, bias: usize, low: f32, y: usize): void {
  if (suitsPlanes(w)) {
    correlatePlanes(w, x, weight, turned, bias, low, y)
    return
  }
  const images = imagesInLanes(w, 1, 1)
  if (images) {
    correlateLanes(w, images, x, weight, turned, 1, 1, bias, low, y)
    x += <usize>(images * w.c * w.plane) << 2
    y += <usize>(images * w.o * w.places) << 2
    w.n -= images
  }
  const f = changetype<Window>(scratchAt(FRAME))
  const some = layFrame(w, f)
  if (some == 0) correlateColumns(w, x, weight, turned, bias, low, y)
  for (let i = 0; some > 0 && i < w.n; i += some) {
    const frames = scratchAt(FRAMES_AT)
    f.n = min(some, w.n - i)
    copyFrames(w, f, f.n, x + (<usize>(i * w.c * w.plane) << 2), frames)
    correlateColumns(f, frames, weight, turned, bias, low, y + (<usize>(i * w.o * w.places) << 2))
  }
}

function correlateColumns(w: Window, x: usize, weight: usize, turned: i32, bias: usize, low: f32, output: usize): void {
  let y = output
  const groups = w.groups
  const places = w.places
  const ys = <usize>places << 2
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
  const near = og > THIN && og <= FEW && depth > 0
  const pairs = scratchAt(PAIRS_AT)
  const images = imagesAtOnce(places, COLUMNS)
  const jc = images ? images * places : COLUMNS
  let laid = -1
  let onward: usize = 0
  for (let j = 0; j < columns; j += jc) {
    const end = min(j + jc, columns)
    const halves = (end - j + NR - 1) / NR * 2
    if (images && laid == end - j) {
      // the same halves, some images further on
      onward += <usize>(images * w.c * w.plane) << 2
      y += <usize>(images * w.o) * ys
    } else {
      layHalves(w, j, end, halves, x, halvesAt)
      laid = end - j
      y = output
      onward = 0
    }
    for (let group = 0; group < groups; group++) {
      const shift = onward + (<usize>(group * cg * w.plane) << 2)
      // at least once, so that without any tap y is the bias
      for (let k = 0; k == 0 || k < depth; k += kc) {
        const some = min(kc, depth - k)
        const tapsEnd = taps + <usize>some * TAP
        if (kc < depth || j == 0 && group == 0) layTaps(w, k, some, taps)
        const floor: f32 = k + some == depth ? low : -Infinity
        for (let r = 0; r < og; r += oc) {
          const rows = min(oc, og - r)
          const panels = (rows + MR - 1) / MR
          const row = group * og + r
          if (!single || j == 0) {
            if (turned) packTurned(weight, group, cg, og, w.taps, r, rows, panels, k, some, blockA)
            else packA(0, rows, panels, some, 1, weight + (<usize>(row * depth + k) << 2), depth, blockA)
            if (near) packPairs(rows, panels, blockA, taps, some, pairs)
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
          const startStep: usize = bias ? 32 : 0
          const corner = y + (<usize>(row * places) << 2)
          if (og <= THIN) {
            thinRows(w, halvesAt, halves, taps, tapsEnd, shift, panel, rows, blockA, start, startStep, corner, ys, floor)
            continue
          }
          let half = halvesAt
          for (let p = 0; p < halves; p += 2) {
            if (near && p + 4 <= halves && inRows(half)) {
              nearRows(half, some, shift, rows, pairs, start, startStep, corner, ys, floor)
              p += 2
              half += 4 * HALF
              continue
            }
            const left = changetype<Half>(half)
            const right = changetype<Half>(half + HALF)
            gatherPanel(w, left, right, taps, tapsEnd, shift, panel)
            panelTiles(left, right, rows, panels, some, blockA, panel, start, startStep, corner, ys, floor)
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
  const length = <usize>k << 4
  if (left.whole && right.whole) {
    const y0 = y + (<usize>left.lane(0).out << 2)
    const y1 = y + (<usize>right.lane(0).out << 2)
    if (start) tilePanels(rows, panels, length, a, b, start, start + 16, startStep, y0, y1, ys, low)
    else tilePanels(rows, panels, length, a, b, y0, y1, ys, y0, y1, ys, low)
    return
  }
  for (let p = 0; p < panels; p++) {
    const i = panelRow(rows, panels, p)
    const h = panelRow(rows, panels, p + 1) - i
    a += length
    apartTile(left, right, h, length, a, b, start ? start + <usize>i * startStep : 0, startStep, y + <usize>i * ys, ys, low)
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
  left: Half, right: Half, rows: i32, length: usize, ae: usize, b: usize, start: usize, startStep: usize,
  y: usize, ys: usize, low: f32,
): void {
  const tile = scratchAt(EDGE)
  if (start) tileRows(rows, 1, length, ae, b, start, start + 16, startStep, tile, tile + 16, 32, low)
  else {
    for (let i = 0; i < NR; i++) {
      const out = outOf(left, right, i)
      if (out < 0) continue
      const from = y + (<usize>out << 2)
      const to = tile + (<usize>i << 2)
      for (let r: usize = 0; r < <usize>rows; r++) store<f32>(to + (r << 5), load<f32>(from + r * ys))
    }
    tileRows(rows, 1, length, ae, b, tile, tile + 16, 32, tile, tile + 16, 32, low)
  }
  for (let i = 0; i < NR; i++) {
    const out = outOf(left, right, i)
    if (out < 0) continue
    const from = tile + (<usize>i << 2)
    const to = y + (<usize>out << 2)
    for (let r: usize = 0; r < <usize>rows; r++) store<f32>(to + r * ys, load<f32>(from + (r << 5)))
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
