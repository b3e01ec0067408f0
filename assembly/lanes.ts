// Convolutions of eight images at once, the columns of the products: in a copy of the images as [row][cell][channel][8 images] what
// lies under neighbouring taps follows one another, so that no columns are gathered and taps outside the image are left out.

import { LANES_AT } from './blocks'
import { Window } from './columns'
import { laneTile3, laneTile4 } from '../build/assembly/tiles'
import { MR, panelRow, scratchAt, transpose } from './microkernel'

/** Images worked on at a time */
export const LANES: i32 = 8
/** Most products of a sum that are added up without a break, so that the cells under all taps stay in first-level cache */
const DEPTH: i32 = 600
/** Bytes of the cells and sums of a band of rows that should fit into second-level cache, and the most there is room for */
const BAND: f64 = 163840
const ROOM: f64 = 3670016

/** Rows of the image under `rows` rows of outputs, at most */
@inline
function rowsUnder(w: Window, rows: i32, uh: i32): i32 {
  return min(w.ih, ((rows - 1) * w.sh + (w.kh - 1) * w.dh) / uh + 2)
}

/** Bytes of the cells and sums of `rows` rows of outputs */
@inline
function bandBytes(w: Window, rows: i32, uh: i32): f64 {
  return 32 * (<f64>rowsUnder(w, rows, uh) * <f64>(w.iw * w.c) + <f64>rows * <f64>(w.ow * w.o))
}

/**
 * How many images of w, a multiple of 8, are worked out here. uh and uw are the strides of the convolution whose gradient this is,
 * or 1: between the rows of its image lie uh - 1 rows of zeros.
 * A sum's order is the same for all of them, but another for images left over.
 * Few channels are near.ts's, unless the map has odd sizes; one tap alone has nothing to gain. Of the time of panels gathered
 * from the image: LeNet-5's second layer 0.82 forward and 0.55 back, 3 x 3 at 16x64x32x32 0.9, of stride 2 back 0.8, at 3x5x9x7 0.45.
 */
export function imagesInLanes(w: Window, uh: i32, uw: i32): i32 {
  if (w.n < LANES || w.groups != 1 || w.id != 1 || w.kd != 1 || w.od != 1 || w.pd != 0 || w.taps < 2) return 0
  // tiles have 4 rows or 3
  if (w.o < 3 || w.o == 5 || w.c < (w.places & 3 ? 1 : 4) || w.places == 0) return 0
  if (uh * uw > 1 && (w.dh > 1 || w.dw > 1)) return 0
  const weights = 4 * <f64>w.c * <f64>(w.o + 3) * <f64>w.taps
  return weights + <f64>(w.o << 5) + <f64>(w.c << 7) + 128 + bandBytes(w, 1, uh) < ROOM ? w.n / LANES * LANES : 0
}

/**
 * y = max(bias + columns of x times weights, low) for the first `images` images, as imagesInLanes says. If `turned`, the weights
 * are those of the convolution whose gradient this is.
 */
export function correlateLanes(
  w: Window, images: i32, x: usize, weight: usize, turned: i32, uh: i32, uw: i32, bias: usize, low: f32, y: usize,
): void {
  const c = w.c
  const o = w.o
  const starts = scratchAt(LANES_AT)
  const weights = starts + (<usize>o << 5)
  packTaps(w, weight, turned, uw, weights)
  for (let i = 0; i < o; i++) {
    v128.store(starts + (<usize>i << 5), bias ? v128.load32_splat(bias + (<usize>i << 2)) : f32x4.splat(0))
  }
  let band = w.oh
  while (band > 1 && bandBytes(w, band, uh) > BAND) band = band + 1 >> 1
  const cells = weights + (<usize>((o + 3) * c * w.taps) << 2) + 64
  // toLanes may write 3 cells too many, of few
  const sums = cells + (<usize>((rowsUnder(w, band, uh) * w.iw + 3) * c) << 5)
  for (let i = 0; i < images; i += LANES) {
    for (let r = 0; r < w.oh; r += band) {
      const end = min(r + band, w.oh)
      const top = max(r * w.sh - w.ph, 0) / uh
      const bottom = min(((end - 1) * w.sh - w.ph + (w.kh - 1) * w.dh) / uh + 1, w.ih)
      if (top < bottom) {
        const from = x + (<usize>(i * c * w.plane + top * w.iw) << 2)
        toLanes(from, <usize>(c * w.plane) << 2, c, w.plane, (bottom - top) * w.iw, LANES, cells)
      }
      laneRows(w, r, end, top, uh, uw, cells, weights, starts, low, sums)
      fromLanes(sums, o, w.places, (end - r) * w.ow, y + (<usize>(i * o * w.places + r * w.ow) << 2))
    }
  }
}

/** Weights as panels [kh][kw][channel][4 rows], the taps of a row of the kernel by kx % uw first: those that meet come together. */
function packTaps(w: Window, weight: usize, turned: i32, uw: i32, to: usize): void {
  const taps = w.taps
  const panels = (w.o + MR - 1) / MR
  const rowStep = <usize>(turned ? taps : w.c * taps) << 2
  const channelStep = <usize>(turned ? w.o * taps : taps) << 2
  for (let p = 0; p < panels; p++) {
    const i = panelRow(w.o, panels, p)
    const h = panelRow(w.o, panels, p + 1) - i
    const corner = weight + <usize>i * rowStep
    for (let ky = 0; ky < taps; ky += w.kw) {
      for (let first = 0; first < min(uw, w.kw); first++) {
        for (let kx = first; kx < w.kw; kx += uw) {
          let from = corner + (<usize>(turned ? taps - 1 - ky - kx : ky + kx) << 2)
          for (let j = 0; j < w.c; j++) {
            store<f32>(to, load<f32>(from))
            store<f32>(to, load<f32>(from + rowStep), 4)
            store<f32>(to, load<f32>(from + 2 * rowStep), 8)
            if (h > 3) store<f32>(to, load<f32>(from + 3 * rowStep), 12)
            from += channelStep
            to += 16
          }
        }
      }
    }
  }
}

/**
 * `count` neighbouring cells of c planes of eight images, `size` bytes apart, of which all but the first `images` are zeros, as
 * [cell][c][8]. Fewer than 4 cells write what follows them as well.
 */
export function toLanes(x: usize, size: usize, c: i32, plane: i32, count: i32, images: i32, to: usize): void {
  const step = <usize>c << 5
  for (let i = 0; i < c; i++) {
    if (images == LANES) turn(x, size, size << 2, 4, max(count - 4, 0), to, step, 16, step)
    else {
      for (let p = 0; p < count; p++) {
        for (let l = 0; l < LANES; l++) {
          store<f32>(to + <usize>p * step + (<usize>l << 2), l < images ? load<f32>(x + <usize>l * size + (<usize>p << 2)) : 0)
        }
      }
    }
    x += <usize>plane << 2
    to += 32
  }
}

/** The way back of toLanes; nothing beyond the cells is written. */
function fromLanes(from: usize, o: i32, places: i32, count: i32, y: usize): void {
  const step = <usize>o << 5
  const size = <usize>(o * places) << 2
  for (let i = 0; i < o; i++) {
    if (count >= 4) turn(from, step, 16, step, count - 4, y, size, size << 2, 4)
    else {
      for (let q: usize = 0; q < <usize>count; q++) {
        for (let l: usize = 0; l < 8; l++) store<f32>(y + l * size + (q << 2), load<f32>(from + q * step + (l << 2)))
      }
    }
    from += 32
    y += <usize>places << 2
  }
}

/**
 * Transposes 4 x 4 blocks, two at a time, whose rows lie xStep and yStep bytes apart and the blocks xNext and yNext, and goes on by four
 * cells up to the one numbered `last`. Addresses worked out by the number of the cell would take longer than the blocks.
 */
function turn(
  x: usize, xStep: usize, xNext: usize, xCell: usize, last: i32, y: usize, yStep: usize, yNext: usize, yCell: usize,
): void {
  const xEnd = x + <usize>last * xCell
  const yEnd = y + <usize>last * yCell
  while (true) {
    transpose(x, x + xStep, x + 2 * xStep, x + 3 * xStep, y, yStep)
    const z = x + xNext
    transpose(z, z + xStep, z + 2 * xStep, z + 3 * xStep, y + yNext, yStep)
    if (x == xEnd) break
    x += 4 * xCell
    y += 4 * yCell
    if (x > xEnd) {
      x = xEnd
      y = yEnd
    }
  }
}

/** Rows first..end - 1 of outputs; row `top` of the image is the first at x. */
function laneRows(
  w: Window, first: i32, end: i32, top: i32, uh: i32, uw: i32, x: usize, weights: usize, starts: usize, low: f32, y: usize,
): void {
  const o = w.o
  const tap = <usize>w.c << 4
  const panel = <usize>w.taps * tap
  const row = <usize>(w.iw * w.c) << 5
  const nextA = <usize>(uh * w.kw) * tap
  const nextB = <usize>w.dh * row
  const whole = w.dw == 1 && w.taps * w.c <= DEPTH
  for (let oy = first; oy < end; oy++) {
    const above = oy * w.sh - w.ph
    // of the taps firstY, firstY + uh, ... those numbered y0 .. y1 - 1 meet the image, the first of them in row iy
    const firstY = uh == 1 ? 0 : (uh - above % uh) % uh
    const start = (above + firstY) / uh
    const y0 = start < 0 ? (w.dh - 1 - start) / w.dh : 0
    const y1 = start < w.ih ? min((w.kh - firstY + uh - 1) / uh, (w.ih - 1 - start) / w.dh + 1) : 0
    const rowX = x + <usize>(start + y0 * w.dh - top) * row
    const rowA = weights + <usize>((firstY + y0 * uh) * w.kw) * tap
    for (let ox = 0; ox < w.ow; ox++) {
      const left = ox * w.sw - w.pw
      const firstX = uw == 1 ? 0 : (uw - left % uw) % uw
      const ix = (left + firstX) / uw
      const x0 = ix < 0 ? (w.dw - 1 - ix) / w.dw : 0
      const x1 = ix < w.iw ? min((w.kw - firstX + uw - 1) / uw, (w.iw - 1 - ix) / w.dw + 1) : 0
      const before = tapsBefore(w.kw, uw, firstX) + x0
      const b = rowX + (<usize>((ix + x0 * w.dw) * w.c) << 5)
      const met = y0 < y1 && x0 < x1
      const a = rowA + <usize>before * tap
      if (y0 >= y1 || x0 >= x1) panelTiles(o, a, panel, 0, 0, b, 0, 0, starts, 0, y, low)
      else if (whole) panelTiles(o, a, panel, <usize>(x1 - x0) * tap, nextA, b, nextB, y1 - y0, starts, 0, y, low)
      else {
        // row by row of the kernel, so that what the panels share stays in first-level cache
        const run = w.dw == 1 ? <usize>(x1 - x0) * tap : tap
        const runs = w.dw == 1 ? 1 : x1 - x0
        for (let ky = y0; ky < y1; ky++) {
          const k = <usize>(ky - y0)
          panelTiles(
            o, a + k * nextA, panel, run, tap, b + k * nextB, <usize>(w.dw * w.c) << 5, runs,
            ky == y0 ? starts : y, ky == y0 ? 0 : 16, y, ky == y1 - 1 ? low : -Infinity,
          )
        }
      }
      y += <usize>o << 5
    }
  }
}

/** Taps of a row of the kernel that are packed before those with kx % uw = first. */
@inline
function tapsBefore(kw: i32, uw: i32, first: i32): i32 {
  let count = 0
  for (let i = 0; i < first; i++) count += (kw - i + uw - 1) / uw
  return count
}

/**
 * The tiles of one place, 4 or 3 outputs each: all panels of weights meet the same cells. y = max(start + weights times cells, low). The weights
 * of the first of `runs` stretches, `run` bytes each, begin at a, those of the next nextA further on; they meet cells at b, nextB apart. Output r
 * starts from 16 bytes at start + 32 r and at start + half + 32 r.
 */
function panelTiles(
  o: i32, a: usize, panel: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32,
  start: usize, half: usize, y: usize, low: f32,
): void {
  const panels = (o + MR - 1) / MR
  // the others have three
  const fours = o - 3 * panels
  laneTile4(fours, panel, a + run, run, nextA, b, nextB, runs, start, half, y, low)
  const at = <usize>fours << 7
  laneTile3(panels - fours, panel, a + <usize>fours * panel + run, run, nextA, b, nextB, runs, start + at, half, y + at, low)
}
