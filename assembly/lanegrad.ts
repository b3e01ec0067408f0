// The gradient of a convolution with respect to its weights, eight images at once: the lanes of a sum are images, so that neither
// dL/dy nor the cells are turned round. The lanes are added up at the very end.

import { LANES_AT } from './blocks'
import { Window } from './columns'
import { LANES, toLanes } from './lanes'
import { MR, panelRow, scratchAt } from './microkernel'
import { shareEnd, shareStart } from './share'
import { madd } from './simd'

/** Bytes of the cells and of dL/dy of a band of rows that should fit into second-level cache, and the most there is room for */
const BAND: f64 = 229376
const ROOM: f64 = 3670016
const MOST_OUTPUTS: i32 = 24
const MOST_CHANNELS: i32 = 32

/** Rows and columns of the image, with its padding, under `rows` rows of dL/dy */
@inline
function frameHeight(w: Window, rows: i32): i32 {
  return (rows - 1) * w.sh + (w.kh - 1) * w.dh + 1
}

@inline
function frameWidth(w: Window): i32 {
  return (w.ow - 1) * w.sw + w.kw
}

/** Bytes of the cells and of dL/dy of `rows` rows */
@inline
function bandBytes(w: Window, rows: i32): f64 {
  return 32 * (<f64>frameHeight(w, rows) * <f64>(frameWidth(w) * w.c) + <f64>rows * <f64>(w.ow * w.o))
}

/**
 * True if the gradient is worked out here. Many channels would lie too far apart for the cache. Of the time of products of turned
 * columns: LeNet-5's layers 0.74 and 0.79, 3 x 3 at 64x24x13x13 0.89, 8x5x9x11 0.5.
 */
export function suitsLaneSums(w: Window): bool {
  if (w.n < LANES || w.groups != 1 || w.id != 1 || w.kd != 1 || w.od != 1 || w.pd != 0 || w.dw != 1) return false
  // tiles have 4 rows or 3
  if (w.o < 3 || w.o == 5 || w.o > MOST_OUTPUTS || w.c > MOST_CHANNELS || w.iw < 4 || w.ph < 0 || w.pw < 0 || w.places == 0) return false
  return bandBytes(w, 1) + 16 * <f64>(w.o * w.c) * <f64>w.taps + 256 < ROOM
}

/** gw = dL/dy times the cells under each tap, summed over all places of all images. A share is some stretches of taps. */
export function addLanes(w: Window, x: usize, g: usize, gw: usize): void {
  const c = w.c
  const o = w.o
  const width = frameWidth(w)
  const sums = scratchAt(LANES_AT)
  const sumsBytes = <usize>(o * c * w.taps) << 4
  const cells = sums + sumsBytes
  const panels = (o + MR - 1) / MR
  let band = w.oh
  while (band > 1 && bandBytes(w, band) > BAND) band = band + 1 >> 1
  const cellBytes = <usize>(frameHeight(w, band) * width * c) << 5
  const grads = cells + cellBytes
  memory.fill(sums, 0, sumsBytes)
  for (let i = 0; i < w.n; i += LANES) {
    const images = min(w.n - i, LANES)
    for (let r = 0; r < w.oh; r += band) {
      const rows = min(band, w.oh - r)
      const top = r * w.sh - w.ph
      layCells(w, x + (<usize>(i * c * w.plane) << 2), images, top, frameHeight(w, rows), width, cells)
      // panel by panel, as the tiles read it: places of all outputs would share a few sets of the cache (2-8 % slower)
      for (let p = 0; p < panels; p++) {
        const j = panelRow(o, panels, p)
        const h = panelRow(o, panels, p + 1) - j
        const from = g + (<usize>((i * o + j) * w.places + r * w.ow) << 2)
        toLanes(from, <usize>(o * w.places) << 2, h, w.places, rows * w.ow, images, grads + (<usize>(j * rows * w.ow) << 5))
      }
      addTiles(w, rows, cells, width, grads, sums)
    }
  }
  finish(w, sums, gw)
}

/** The rows of eight images from `top` on, `width` cells each, with zeros where the images have none. */
function layCells(w: Window, x: usize, images: i32, top: i32, height: i32, width: i32, to: usize): void {
  const some = min(w.iw, width - w.pw)
  const size = <usize>(w.c * w.plane) << 2
  const row = <usize>(width * w.c) << 5
  const padded = some < width
  if (!padded && top >= 0 && top + height <= w.ih && width == w.iw) {
    toLanes(x + (<usize>(top * w.iw) << 2), size, w.c, w.plane, height * w.iw, images, to)
    return
  }
  if (padded || top < 0 || top + height > w.ih) memory.fill(to, 0, <usize>height * row)
  for (let y = top; y < top + height; y++) {
    if (<u32>y < <u32>w.ih && some > 0) toLanes(x + (<usize>(y * w.iw) << 2), size, w.c, w.plane, some, images, to + (<usize>(w.pw * w.c) << 5))
    to += row
  }
}

/** Sums of this share's taps: stretches of neighbouring taps and channels in a row of the kernel, all outputs. */
function addTiles(w: Window, rows: i32, cells: usize, width: i32, grads: usize, sums: usize): void {
  const o = w.o
  const panels = (o + MR - 1) / MR
  const run = w.kw * w.c
  const xCell = <usize>(w.sw * w.c) << 5
  const row = <usize>(width * w.c) << 5
  const xRow = <usize>w.sh * row - <usize>w.ow * xCell
  const step = <usize>(w.taps * w.c) << 4
  for (let p = 0; p < panels; p++) {
    const i = panelRow(o, panels, p)
    const h = panelRow(o, panels, p + 1) - i
    const four = h == 4
    const most = four ? 2 : 3
    const stretches = (run + most - 1) / most
    const gCell = <usize>h << 5
    const g = grads + (<usize>(i * rows * w.ow) << 5)
    const last = shareEnd(w.kh * stretches, 1)
    for (let s = shareStart(w.kh * stretches, 1); s < last; s++) {
      const ky = s / stretches
      const j = (s - ky * stretches) * most
      const some = min(most, run - j)
      const x = cells + <usize>(ky * w.dh) * row + (<usize>j << 5)
      const to = sums + <usize>i * step + (<usize>(ky * run + j) << 4)
      if (four) {
        if (some == 2) tile42(g, gCell, x, xCell, xRow, w.ow, rows, to, step)
        else tile41(g, gCell, x, xCell, xRow, w.ow, rows, to, step)
      } else if (some == 3) tile33(g, gCell, x, xCell, xRow, w.ow, rows, to, step)
      else if (some == 2) tile32(g, gCell, x, xCell, xRow, w.ow, rows, to, step)
      else tile31(g, gCell, x, xCell, xRow, w.ow, rows, to, step)
    }
  }
}

/** Adds up the lanes of this share's sums, which stand in the order [o][kh][kw][c]. */
function finish(w: Window, sums: usize, gw: usize): void {
  const run = w.kw * w.c
  const panels = (w.o + MR - 1) / MR
  for (let p = 0; p < panels; p++) {
    const end = panelRow(w.o, panels, p + 1)
    const most = end - panelRow(w.o, panels, p) == 4 ? 2 : 3
    const stretches = (run + most - 1) / most
    const last = shareEnd(w.kh * stretches, 1)
    for (let i = panelRow(w.o, panels, p); i < end; i++) {
      for (let s = shareStart(w.kh * stretches, 1); s < last; s++) {
        const ky = s / stretches
        for (let j = (s - ky * stretches) * most; j < min((s - ky * stretches + 1) * most, run); j++) {
          const v = v128.load(sums + (<usize>((i * w.kh + ky) * run + j) << 4))
          const kx = j / w.c
          const sum = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
          store<f32>(gw + (<usize>(((i * w.c + j - kx * w.c) * w.kh + ky) * w.kw + kx) << 2), sum)
        }
      }
    }
  }
}

/**
 * Sums of `rows` outputs, 32 bytes apart, by `columns` taps or channels, 32 bytes apart as well, over oh rows of ow places whose
 * outputs are gCell and whose cells xCell bytes apart. The tests that never hold end basic blocks, as in microkernel.ts.
 */
@inline
function tile(
  rows: i32, columns: i32, g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize,
): void {
  const zero = f32x4.splat(0)
  const to1 = sums + step
  const to2 = to1 + step
  const to3 = to2 + step
  let s00 = v128.load(sums)
  let s01 = columns > 1 ? v128.load(sums, 16) : zero
  let s02 = columns > 2 ? v128.load(sums, 32) : zero
  let s10 = v128.load(to1)
  let s11 = columns > 1 ? v128.load(to1, 16) : zero
  let s12 = columns > 2 ? v128.load(to1, 32) : zero
  let s20 = v128.load(to2)
  let s21 = columns > 1 ? v128.load(to2, 16) : zero
  let s22 = columns > 2 ? v128.load(to2, 32) : zero
  let s30 = rows > 3 ? v128.load(to3) : zero
  let s31 = rows > 3 && columns > 1 ? v128.load(to3, 16) : zero
  for (; oh > 0; oh--) {
    for (let i = ow; i > 0; i--) {
      const u0 = v128.load(g)
      const u1 = v128.load(g, 32)
      const u2 = v128.load(g, 64)
      const u3 = rows > 3 ? v128.load(g, 96) : zero
      const v = v128.load(x)
      s00 = madd(u0, v, s00)
      s10 = madd(u1, v, s10)
      s20 = madd(u2, v, s20)
      if (rows > 3) s30 = madd(u3, v, s30)
      if (columns > 1) {
        const v = v128.load(x, 32)
        s01 = madd(u0, v, s01)
        s11 = madd(u1, v, s11)
        s21 = madd(u2, v, s21)
        if (rows > 3) s31 = madd(u3, v, s31)
      }
      if (columns > 2) if (x == 3) break
      if (columns > 2) {
        const v = v128.load(x, 64)
        s02 = madd(u0, v, s02)
        s12 = madd(u1, v, s12)
        s22 = madd(u2, v, s22)
      }
      if (x == 1) break
      const u0High = v128.load(g, 16)
      const u1High = v128.load(g, 48)
      const u2High = v128.load(g, 80)
      const u3High = rows > 3 ? v128.load(g, 112) : zero
      const vHigh = v128.load(x, 16)
      s00 = madd(u0High, vHigh, s00)
      s10 = madd(u1High, vHigh, s10)
      s20 = madd(u2High, vHigh, s20)
      if (rows > 3) s30 = madd(u3High, vHigh, s30)
      if (columns > 1) {
        const v = v128.load(x, 48)
        s01 = madd(u0High, v, s01)
        s11 = madd(u1High, v, s11)
        s21 = madd(u2High, v, s21)
        if (rows > 3) s31 = madd(u3High, v, s31)
      }
      if (columns > 2) if (x == 7) break
      if (columns > 2) {
        const v = v128.load(x, 80)
        s02 = madd(u0High, v, s02)
        s12 = madd(u1High, v, s12)
        s22 = madd(u2High, v, s22)
      }
      g += gCell
      x += xCell
    }
    x += xRow
  }
  v128.store(sums, s00)
  if (columns > 1) v128.store(sums, s01, 16)
  if (columns > 2) v128.store(sums, s02, 32)
  v128.store(to1, s10)
  if (columns > 1) v128.store(to1, s11, 16)
  if (columns > 2) v128.store(to1, s12, 32)
  v128.store(to2, s20)
  if (columns > 1) v128.store(to2, s21, 16)
  if (columns > 2) v128.store(to2, s22, 32)
  if (rows > 3) v128.store(to3, s30)
  if (rows > 3 && columns > 1) v128.store(to3, s31, 16)
}

function tile42(g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize): void {
  tile(4, 2, g, gCell, x, xCell, xRow, ow, oh, sums, step)
}

function tile41(g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize): void {
  tile(4, 1, g, gCell, x, xCell, xRow, ow, oh, sums, step)
}

function tile33(g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize): void {
  tile(3, 3, g, gCell, x, xCell, xRow, ow, oh, sums, step)
}

function tile32(g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize): void {
  tile(3, 2, g, gCell, x, xCell, xRow, ow, oh, sums, step)
}

function tile31(g: usize, gCell: usize, x: usize, xCell: usize, xRow: usize, ow: i32, oh: i32, sums: usize, step: usize): void {
  tile(3, 1, g, gCell, x, xCell, xRow, ow, oh, sums, step)
}
