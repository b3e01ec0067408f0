// Convolution with 3 x 3 kernels and its gradients by Winograd's minimal filtering: tiles, filters and outputs become 36 points
// each, and every point is a matrix product of its own.

import { FINISHED, GRAD_STRIPS_AT, POINTS_AT, STRIPS_AT, TILES } from './blocks'
import { Window } from './columns'
import { block, part } from './gemm'
import { MR, NR, SCRATCH_BYTES, clearZeros, isPrecise, panelRow, scratchAt } from './microkernel'
import { shareEnd, shareStart } from './share'
import { copyStrips, frameBytes, layPlaces, layStrips, pitchOf, placeOf, storeTile } from './winograd-tiles'
import { cellsForward, outputsBack, pointsToFilters, pointsToTiles, tapsForward } from './winograd-transform'

/** Matrices of neighbouring points are set apart, so that they don't fall into the same sets of the cache. */
const APART: usize = 64
/** Most channels, and outputs, of which the filters are transformed at a time if they don't all fit into scratch. */
const DEPTH: i32 = 64
const ROWS: i32 = 64
/** Most outputs whose sums are kept. */
const SUMS: i32 = 256
/** The same for the gradient of the weights. */
const GRAD_SIDE: i32 = 96

/**
 * True if a convolution, or the gradient of its weights, is done faster so. Measured per filter in ns: a direct sum 0.6 an
 * output; here 2.25 a tile (forward eight at a time), 10 to transform the filter, 33 to transform its gradient back.
 */
export function suitsWinograd(w: Window, weights: bool): bool {
  if (w.groups != 1 || w.kd != 1 || w.kh != 3 || w.kw != 3 || w.id != 1 || w.od != 1 || w.pd != 0) return false
  if (w.sh != 1 || w.sw != 1 || w.dh != 1 || w.dw != 1 || w.oh < 4 || w.ow < 4) return false
  if (w.c < 32 || w.o < 8 || w.c * w.o < 1024 || isPrecise()) return false
  const tiles = w.n * tilesAlong(w.oh) * tilesAlong(w.ow)
  const outputs = <f32>w.n * <f32>w.places
  return weights ? 33 + 2.25 * <f32>tiles <= 0.55 * outputs : 10 + 2.25 * <f32>(tiles + NR - 1 & ~(NR - 1)) <= 0.6 * outputs
}

@inline
function tilesAlong(size: i32): i32 {
  return (size + 3) >> 2
}

/** Fewest hundredths of a convolution's time that transforming its filters beforehand must save. */
const WORTH: f32 = 0.02

/**
 * How many numbers the transformed filters of a convolution are, if it is worth keeping them, else 0. They are blocks of channels, in
 * them 36 points, in them panels of four outputs, so that a share of the outputs finds its own.
 */
export function filterCount(w: Window): i32 {
  if ((w.o & 3) != 0 || !suitsWinograd(w, false)) return 0
  const tiles = w.n * tilesAlong(w.oh) * tilesAlong(w.ow)
  if (<f32>10 < WORTH * (10 + 2.25 * <f32>tiles)) return 0
  const kc = part(w.c, DEPTH, 1)
  return (w.c + kc - 1) / kc * 36 * <i32>(keptStep(kc, w.o) >> 2)
}

/** Bytes from one point to the next in kept filters. */
@inline
function keptStep(kc: i32, o: i32): usize {
  return APART + (<usize>(kc * o) << 2)
}

/** The transformed filters of a convolution, as filterCount() says. */
export function keepFilters(w: Window, weight: usize, to: usize): void {
  const kc = part(w.c, DEPTH, 1)
  const step = keptStep(kc, w.o)
  for (let k = 0; k < w.c; k += kc) {
    filtersForward(weight, w.c, w.o, 0, 0, w.o, w.o >> 2, k, min(kc, w.c - k), to, step)
    to += 36 * step
  }
}

/**
 * y = max(bias + columns of x times weights, low), as in conv.ts. `kept`: 0, or the transformed filters of all `outputs` of the
 * convolution, of which w has those from `first` on.
 */
export function correlateTiles(
  w: Window, x: usize, weight: usize, turned: i32, kept: usize, outputs: i32, first: i32, bias: usize, low: f32, y: usize,
): void {
  const c = w.c
  const o = w.o
  const down = tilesAlong(w.oh)
  const across = tilesAlong(w.ow)
  const tiles = w.n * down * across
  const plane = <usize>w.plane << 2
  const row = <usize>w.iw << 2
  const pitch = pitchOf(across, TILES)
  const zeros = clearZeros()
  const strips = scratchAt(STRIPS_AT)
  const most = part(tiles, TILES, NR)
  const om = part(o, SUMS, MR)
  let kc = part(c, DEPTH, 1)
  let oc = part(om, ROWS, MR)
  const frame = scratchAt(POINTS_AT)
  const size = frameBytes(across, TILES)
  const sumStep = APART + <usize>(om * most) * 4
  const sums = frame + (size + 63 & ~63)
  const cells = sums + 36 * sumStep
  // all filters at once if they fit
  const room = <usize>SCRATCH_BYTES - (cells - scratchAt(0))
  const single = !kept && o == om && (<usize>c * <usize>(o + 3 + most) * 4 + 2 * APART) * 36 <= room
  if (single) {
    kc = c
    oc = o
  }
  if (kept) oc = om
  const cellStep = APART + <usize>(kc * most) * 4
  const filterStep = kept ? keptStep(kc, outputs) : APART + <usize>(kc * ((oc + MR - 1) / MR)) * 16
  let filters = cells + 36 * cellStep
  for (let r = 0; r < o; r += om) {
    const rows = min(om, o - r)
    for (let j = 0; j < tiles; j += most) {
      const some = min(most, tiles - j)
      const wide = (some + NR - 1) & ~(NR - 1)
      memory.fill(frame, 0, size)
      const count = layStrips(c, w.ih, w.iw, w.ph, w.pw, down, across, j, some, 6, strips)
      layPlaces(o, w.oh, w.ow, down, across, j, some, wide)
      for (let k = 0; k < c; k += kc) {
        const depth = min(kc, c - k)
        for (let i = 0; i < depth; i++) {
          copyStrips(strips, count, x + <usize>(k + i) * plane, row, pitch, frame)
          tilesForward(frame, pitch, wide, cells + (<usize>i << 5), <usize>depth << 5, cellStep)
        }
        for (let q = 0; q < rows; q += oc) {
          const few = min(oc, rows - q)
          const panels = (few + MR - 1) / MR
          if (kept) filters = kept + <usize>(k / kc) * 36 * filterStep + (<usize>((first + r) * depth) << 2)
          else if (!single || j == 0) filtersForward(weight, c, o, turned, r + q, few, panels, k, depth, filters, filterStep)
          for (let p: usize = 0; p < 36; p++) {
            const a = filters + p * filterStep
            const to = sums + p * sumStep + (<usize>(q * most) << 2)
            block(few, panels, wide, depth, a, cells + p * cellStep, k == 0 ? zeros : 0, 0, 0, to, <usize>most << 2, 4, -Infinity)
          }
        }
      }
      for (let i = 0; i < rows; i++) {
        const start: f32 = bias ? load<f32>(bias + (<usize>(r + i) << 2)) : 0
        const to = y + (<usize>(r + i) * <usize>w.places << 2)
        tilesBack(sums + (<usize>(i * most) << 2), sumStep, some, start, low, to, <usize>w.ow << 2)
      }
    }
  }
}

/** Tiles of one channel, four neighbours at a time, to row `to` of the panels. */
function tilesForward(frame: usize, pitch: usize, wide: i32, to: usize, panelStep: usize, step: usize): void {
  for (let i = 0; i < wide; i += NR) {
    for (let h = 0; h < NR; h += 4) {
      const p0 = frame + placeOf(i + h).frame
      const p1 = frame + placeOf(i + h + 1).frame
      const p2 = frame + placeOf(i + h + 2).frame
      const p3 = frame + placeOf(i + h + 3).frame
      cellsForward(p0, p1, p2, p3, pitch, to + (<usize>h << 2), step)
    }
    to += panelStep
  }
}

/** Tiles of one output, four at a time, to y. */
function tilesBack(sums: usize, step: usize, count: i32, start: f32, low: f32, y: usize, row: usize): void {
  const finished = scratchAt(FINISHED)
  for (let i = 0; i < count; i += 4) {
    pointsToTiles(sums + (<usize>i << 2), step, start, low, finished)
    const some = min(count - i, 4)
    for (let l = 0; l < some; l++) {
      const place = placeOf(i + l)
      storeTile(place, finished + (<usize>l << 6), y + place.out, row)
    }
  }
}

/** Filters of outputs r .. r + rows - 1 and channels k .. k + depth - 1 as panels of A, for each of the 36 points. */
function filtersForward(
  weight: usize, c: i32, o: i32, turned: i32, r: i32, rows: i32, panels: i32, k: i32, depth: i32, to: usize, step: usize,
): void {
  // weights are [o, c, 9], turned ones [c, o, 9]
  const rowStep = turned ? <usize>36 : <usize>c * 36
  const depthStep = turned ? <usize>o * 36 : <usize>36
  for (let p = 0; p < panels; p++) {
    const i = panelRow(rows, panels, p)
    const h = panelRow(rows, panels, p + 1) - i
    let p0 = weight + <usize>(r + i) * rowStep + <usize>k * depthStep
    const s1 = h > 1 ? rowStep : 0
    const s2 = h > 2 ? s1 + rowStep : s1
    const s3 = h > 3 ? s2 + rowStep : s2
    for (let j = 0; j < depth; j++) {
      tapsForward(p0, p0 + s1, p0 + s2, p0 + s3, turned, to, step)
      p0 += depthStep
      to += 16
    }
  }
}

/** gw = gradient with respect to the weights: G^T (sum over tiles of A dL/dy A^T times B^T x B) G. */
export function weightTiles(w: Window, x: usize, g: usize, gw: usize): void {
  const c = w.c
  const o = w.o
  const down = tilesAlong(w.oh)
  const across = tilesAlong(w.ow)
  const tiles = w.n * down * across
  const zeros = clearZeros()
  const strips = scratchAt(STRIPS_AT)
  const gradStrips = scratchAt(GRAD_STRIPS_AT)
  const pitch = pitchOf(across, TILES)
  const most = part(tiles, TILES, 1)
  // every share transforms the smaller side for itself
  const byOutputs = o > c
  const firstChannel = byOutputs ? 0 : shareStart(c, NR)
  const lastChannel = byOutputs ? c : shareEnd(c, NR)
  const firstOutput = byOutputs ? shareStart(o, MR) : 0
  const lastOutput = byOutputs ? shareEnd(o, MR) : o
  const kc = part(lastChannel - firstChannel, GRAD_SIDE, NR)
  const oc = part(lastOutput - firstOutput, GRAD_SIDE, MR)
  const frame = scratchAt(POINTS_AT)
  const size = frameBytes(across, TILES)
  const gradFrame = frame + 4 * size
  const cells = gradFrame + (4 * size + 63 & ~63)
  const cellStep = APART + <usize>(kc * most) * 4
  const grads = cells + 36 * cellStep
  const gradStep = APART + <usize>(oc * most) * 4
  const filters = grads + 36 * gradStep
  const filterStep = APART + <usize>(oc * kc) * 4
  for (let r = firstOutput; r < lastOutput; r += oc) {
    const rows = min(oc, lastOutput - r)
    const panels = (rows + MR - 1) / MR
    for (let k = firstChannel; k < lastChannel; k += kc) {
      const depth = min(kc, lastChannel - k)
      const wide = (depth + NR - 1) & ~(NR - 1)
      for (let j = 0; j < tiles; j += most) {
        const some = min(most, tiles - j)
        memory.fill(frame, 0, 8 * size)
        const count = layStrips(c, w.ih, w.iw, w.ph, w.pw, down, across, j, some, 6, strips)
        layStrips(o, w.oh, w.ow, 0, 0, down, across, j, some, 4, gradStrips)
        layPlaces(o, w.oh, w.ow, down, across, j, some, some)
        for (let i = 0; i < depth; i += 4) {
          const few = min(4, depth - i)
          for (let l = 0; l < few; l++) {
            const at = x + (<usize>(k + i + l) * <usize>w.plane << 2)
            copyStrips(strips, count, at, <usize>w.iw << 2, pitch, frame + <usize>l * size)
          }
          const to = cells + <usize>(i >> 3) * (<usize>some << 5) + (<usize>(i & 4) << 2)
          channelsForward(frame, size, few, pitch, some, false, to, 32, cellStep)
        }
        for (let p = 0; p < panels; p++) {
          const i = panelRow(rows, panels, p)
          const few = panelRow(rows, panels, p + 1) - i
          for (let l = 0; l < few; l++) {
            const at = g + (<usize>(r + i + l) * <usize>w.places << 2)
            copyStrips(gradStrips, count, at, <usize>w.ow << 2, pitch, gradFrame + <usize>l * size)
          }
          channelsForward(gradFrame, size, few, pitch, some, true, grads + <usize>p * (<usize>some << 4), 16, gradStep)
        }
        for (let p: usize = 0; p < 36; p++) {
          const a = grads + p * gradStep
          const to = filters + p * filterStep
          block(rows, panels, wide, some, a, cells + p * cellStep, j == 0 ? zeros : 0, 0, 0, to, <usize>kc << 2, 4, -Infinity)
        }
      }
      for (let i = 0; i < rows; i++) {
        filtersBack(filters + (<usize>(i * kc) << 2), filterStep, depth, gw + <usize>((r + i) * c + k) * 36)
      }
    }
  }
}

/** All tiles of four channels, whose frames are `size` bytes apart, of cells or of gradients. */
function channelsForward(
  frame: usize, size: usize, few: i32, pitch: usize, count: i32, grads: bool, to: usize, tileStep: usize, step: usize,
): void {
  const s1 = few > 1 ? size : 0
  const s2 = few > 2 ? s1 + size : s1
  const s3 = few > 3 ? s2 + size : s2
  for (let i = 0; i < count; i++) {
    const p = frame + placeOf(i).frame
    if (grads) outputsBack(p, p + s1, p + s2, p + s3, pitch, to, step)
    else cellsForward(p, p + s1, p + s2, p + s3, pitch, to, step)
    to += tileStep
  }
}

/** The filters of one output from their points. */
function filtersBack(points: usize, step: usize, count: i32, gw: usize): void {
  const filters = scratchAt(FINISHED)
  for (let i = 0; i < count; i += 4) {
    pointsToFilters(points + (<usize>i << 2), step, filters)
    const some = min(count - i, 4)
    for (let l: usize = 0; l < <usize>some; l++) {
      const from = filters + 48 * l
      v128.store(gw, v128.load(from))
      v128.store(gw, v128.load(from, 16), 16)
      store<f32>(gw, load<f32>(from, 32), 32)
      gw += 36
    }
  }
}
