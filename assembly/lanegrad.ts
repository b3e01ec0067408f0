// The gradient of a convolution with respect to its weights, eight images at once: the lanes of a sum are images, so that neither
// dL/dy nor the cells are turned round. The lanes are added up at the very end.

import { sumTile32, sumTile33, sumTile42 } from '../build/assembly/tiles'
import { LANES_AT } from './blocks'
import { Window } from './columns'
import { LANES, toLanes } from './lanes'
import { MR, panelRow, scratchAt } from './microkernel'
import { shareEnd, shareStart } from './share'

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
 * columns: LeNet-5's layers 0.7, 3 x 3 at 64x24x13x13 0.89, 8x5x9x11 0.5.
 */
export function suitsLaneSums(w: Window): bool {
  if (w.n < LANES || w.groups != 1 || w.id != 1 || w.kd != 1 || w.od != 1 || w.pd != 0 || w.dw != 1 || w.c * w.taps < 2) return false
  // tiles have 4 rows or 3
  if (w.o < 3 || w.o == 5 || w.o > MOST_OUTPUTS || w.c > MOST_CHANNELS || w.ph < 0 || w.pw < 0 || w.places == 0) return false
  // toLanes writes four cells of a row at least, which must not reach into the padding of the next
  if (min(w.iw, frameWidth(w) - w.pw) < 4) return false
  return bandBytes(w, 1) + 16 * <f64>(w.o + 1) * <f64>(w.c * w.taps + 1) + 256 < ROOM
}

/** gw = dL/dy times the cells under each tap, summed over all places of all images. A share is some stretches of taps. */
export function addLanes(w: Window, x: usize, g: usize, gw: usize): void {
  const c = w.c
  const o = w.o
  const count = c * w.taps
  const width = frameWidth(w)
  const sums = scratchAt(LANES_AT)
  const sumsBytes = <usize>(o * (count + 1)) << 4
  const panels = (o + MR - 1) / MR
  let band = w.oh
  while (band > 1 && bandBytes(w, band) > BAND) band = band + 1 >> 1
  const plane = <usize>(frameHeight(w, band) * width) << 5
  const taps = sums + sumsBytes
  const cells = taps + (<usize>(count + 16) << 2 & -64)
  // toLanes may write 3 cells too many, of few
  const grads = cells + <usize>c * plane
  let tap = taps
  for (let i = 0; i < c; i++) {
    for (let ky = 0; ky < w.kh; ky++) {
      for (let kx = 0; kx < w.kw; kx++) {
        store<usize>(tap, <usize>i * plane + (<usize>(ky * w.dh * width + kx) << 5))
        tap += 4
      }
    }
  }
  store<usize>(tap, 0)
  memory.fill(sums, 0, sumsBytes)
  for (let i = 0; i < w.n; i += LANES) {
    const images = min(w.n - i, LANES)
    for (let r = 0; r < w.oh; r += band) {
      const rows = min(band, w.oh - r)
      const top = r * w.sh - w.ph
      layCells(w, x + (<usize>(i * c * w.plane) << 2), images, top, frameHeight(w, rows), width, plane, cells)
      // panel by panel, as the tiles read it: places of all outputs would share a few sets of the cache (2-8 % slower)
      for (let p = 0; p < panels; p++) {
        const j = panelRow(o, panels, p)
        const h = panelRow(o, panels, p + 1) - j
        const from = g + (<usize>((i * o + j) * w.places + r * w.ow) << 2)
        toLanes(from, <usize>(o * w.places) << 2, h, w.places, rows * w.ow, images, grads + (<usize>(j * rows * w.ow) << 5))
      }
      addTiles(w, rows, cells, taps, width, grads, sums)
    }
  }
  finish(w, sums, gw)
}

/** Rows of eight images from `top` on, `width` cells each, with zeros where the images have none; planes lie `plane` bytes apart. */
function layCells(w: Window, x: usize, images: i32, top: i32, height: i32, width: i32, plane: usize, to: usize): void {
  const some = min(w.iw, width - w.pw)
  const size = <usize>(w.c * w.plane) << 2
  const row = <usize>width << 5
  const padded = some < width || top < 0 || top + height > w.ih
  for (let c = 0; c < w.c; c++) {
    if (!padded && width == w.iw) toLanes(x + (<usize>(top * w.iw) << 2), size, 1, 0, height * w.iw, images, to)
    else {
      if (padded) memory.fill(to, 0, <usize>height * row)
      let at = to + (<usize>w.pw << 5)
      for (let y = top; y < top + height; y++) {
        if (<u32>y < <u32>w.ih && some > 0) toLanes(x + (<usize>(y * w.iw) << 2), size, 1, 0, some, images, at)
        at += row
      }
    }
    x += <usize>w.plane << 2
    to += plane
  }
}

/** Sums of this share's taps, some at a time, all outputs. */
function addTiles(w: Window, rows: i32, cells: usize, taps: usize, width: i32, grads: usize, sums: usize): void {
  const o = w.o
  const panels = (o + MR - 1) / MR
  const count = w.c * w.taps
  const xCell = <usize>w.sw << 5
  const span = <usize>w.ow * xCell
  const xRow = (<usize>(w.sh * width) << 5) - span
  const step = <usize>(count + 1) << 4
  for (let p = 0; p < panels; p++) {
    const i = panelRow(o, panels, p)
    const h = panelRow(o, panels, p + 1) - i
    const some = tapsOf(count, h)
    const stretches = stretchesOf(some, h)
    const g = grads + (<usize>(i * rows * w.ow) << 5)
    const last = shareEnd(stretches, 1)
    for (let s = shareStart(stretches, 1); s < last; s++) {
      const t = panelRow(some, stretches, s)
      const tap = taps + (<usize>t << 2)
      const p0 = cells + load<usize>(tap)
      const p1 = cells + load<usize>(tap, 4)
      const p2 = cells + load<usize>(tap, 8)
      const to = sums + <usize>i * step + (<usize>t << 4)
      if (h == 4) sumTile42(g, p0, p1, p2, xCell, span, xRow, rows, to, step)
      else if (panelRow(some, stretches, s + 1) - t == 3) sumTile33(g, p0, p1, p2, xCell, span, xRow, rows, to, step)
      else sumTile32(g, p0, p1, p2, xCell, span, xRow, rows, to, step)
    }
  }
}

/** Taps that panels of h outputs meet: four outputs meet two at a time, be it one that counts for nothing. */
@inline
function tapsOf(count: i32, h: i32): i32 {
  return h == 4 ? count + (count & 1) : count
}

/** Stretches of taps, whose lengths differ by one at most, that panels of h outputs meet at a time. */
@inline
function stretchesOf(count: i32, h: i32): i32 {
  return h == 4 ? (count + 1) / 2 : (count + 2) / 3
}

/** Adds up the lanes of this share's sums. */
function finish(w: Window, sums: usize, gw: usize): void {
  const count = w.c * w.taps
  const panels = (w.o + MR - 1) / MR
  for (let i = 0, p = 0; p < panels; p++) {
    const end = panelRow(w.o, panels, p + 1)
    const some = tapsOf(count, end - i)
    const stretches = stretchesOf(some, end - i)
    const first = panelRow(some, stretches, shareStart(stretches, 1))
    const last = min(panelRow(some, stretches, shareEnd(stretches, 1)), count)
    for (; i < end; i++) {
      for (let t = i * count + first; t < i * count + last; t++) {
        const v = v128.load(sums + (<usize>(t + i) << 4))
        const sum = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
        store<f32>(gw + (<usize>t << 2), sum)
      }
    }
  }
}
