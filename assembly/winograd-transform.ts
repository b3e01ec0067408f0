// The transforms of Winograd's minimal filtering F(4x4, 3x3), four at a time: each lane is a tile or a filter of its own.
//
// y = A^T ((G w G^T) * (B^T x B)) A makes 4 x 4 outputs of 6 x 6 cells with 36 products in place of 144 (A. Lavin and S. Gray,
// Fast algorithms for convolutional neural networks, 2016). The polynomials are taken at 0, ±5/8, ±3/2 and infinity, not at
// 0, ±1, ±2 as usual: that halves the rounding error (of the output's rms, at 64 channels: 0.8e-6 for 1.7e-6), and all
// constants but those of G are exact.

import { HALFWAY } from './blocks'
import { scratchAt } from './microkernel'

const A1: f32 = 0.625
const B1: f32 = 1.5
const A2: f32 = A1 * A1
const B2: f32 = B1 * B1
const A3: f32 = A2 * A1
const B3: f32 = B2 * B1
const SUM: f32 = A2 + B2
const PRODUCT: f32 = A2 * B2
/** 1/N of Lagrange's basis for 0, ±a and ±b */
const N0: f32 = <f32>(1 / (0.390625 * 2.25))
const NA: f64 = 1 / (2 * 0.390625 * (0.390625 - 2.25))
const NB: f64 = 1 / (2 * 2.25 * (2.25 - 0.390625))
const GA0: f32 = <f32>NA
const GA1: f32 = <f32>(NA * 0.625)
const GA2: f32 = <f32>(NA * 0.390625)
const GB0: f32 = <f32>NB
const GB1: f32 = <f32>(NB * 1.5)
const GB2: f32 = <f32>(NB * 2.25)

/** Bytes of a row of six half-transformed vectors */
const ROW: usize = 96

@inline
function by(x: v128, factor: f32): v128 {
  return f32x4.mul(x, f32x4.splat(factor))
}

/** B^T d, stored at y, y + step, ... */
@inline
function cellsToPoints(d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, y: usize, step: usize): void {
  v128.store(y, f32x4.add(f32x4.sub(by(d0, PRODUCT), by(d2, SUM)), d4))
  const evenA = f32x4.sub(d4, by(d2, B2))
  const oddA = by(f32x4.sub(d3, by(d1, B2)), A1)
  y += step
  v128.store(y, f32x4.add(evenA, oddA))
  y += step
  v128.store(y, f32x4.sub(evenA, oddA))
  const evenB = f32x4.sub(d4, by(d2, A2))
  const oddB = by(f32x4.sub(d3, by(d1, A2)), B1)
  y += step
  v128.store(y, f32x4.add(evenB, oddB))
  y += step
  v128.store(y, f32x4.sub(evenB, oddB))
  y += step
  v128.store(y, f32x4.add(f32x4.sub(by(d1, PRODUCT), by(d3, SUM)), d5))
}

/** V = B^T x B of four tiles of 6 x 6 cells at p0..p3 with rows `row` bytes apart; its 36 vectors go to y, y + step, ... */
export function cellsForward(p0: usize, p1: usize, p2: usize, p3: usize, row: usize, y: usize, step: usize): void {
  let t = scratchAt(HALFWAY)
  const end = t + 6 * ROW
  do {
    const x0 = v128.load(p0)
    const x1 = v128.load(p1)
    const x2 = v128.load(p2)
    const x3 = v128.load(p3)
    const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5)
    const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5)
    const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
    const high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
    const last01 = v128.shuffle<f32>(v128.load64_zero(p0, 16), v128.load64_zero(p1, 16), 0, 4, 1, 5)
    const last23 = v128.shuffle<f32>(v128.load64_zero(p2, 16), v128.load64_zero(p3, 16), 0, 4, 1, 5)
    cellsToPoints(
      v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), v128.shuffle<f32>(low01, low23, 2, 3, 6, 7),
      v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), v128.shuffle<f32>(high01, high23, 2, 3, 6, 7),
      v128.shuffle<f32>(last01, last23, 0, 1, 4, 5), v128.shuffle<f32>(last01, last23, 2, 3, 6, 7), t, 16,
    )
    p0 += row
    p1 += row
    p2 += row
    p3 += row
    t += ROW
  } while (t < end)
  t = scratchAt(HALFWAY)
  const side = t + ROW
  do {
    cellsToPoints(
      v128.load(t), v128.load(t, 96), v128.load(t, 192), v128.load(t, 288), v128.load(t, 384), v128.load(t, 480), y, 6 * step,
    )
    y += step
    t += 16
  } while (t < side)
}

/** A d for four values, stored at y, y + step, ... */
@inline
function outputsToPoints(d0: v128, d1: v128, d2: v128, d3: v128, y: usize, step: usize): void {
  v128.store(y, d0)
  const evenA = f32x4.add(d0, by(d2, A2))
  const oddA = f32x4.add(by(d1, A1), by(d3, A3))
  y += step
  v128.store(y, f32x4.add(evenA, oddA))
  y += step
  v128.store(y, f32x4.sub(evenA, oddA))
  const evenB = f32x4.add(d0, by(d2, B2))
  const oddB = f32x4.add(by(d1, B1), by(d3, B3))
  y += step
  v128.store(y, f32x4.add(evenB, oddB))
  y += step
  v128.store(y, f32x4.sub(evenB, oddB))
  y += step
  v128.store(y, d3)
}

/** A g A^T of four tiles of 4 x 4 values of dL/dy; otherwise like cellsForward. */
export function outputsBack(p0: usize, p1: usize, p2: usize, p3: usize, row: usize, y: usize, step: usize): void {
  let t = scratchAt(HALFWAY)
  const end = t + 4 * ROW
  do {
    const x0 = v128.load(p0)
    const x1 = v128.load(p1)
    const x2 = v128.load(p2)
    const x3 = v128.load(p3)
    const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5)
    const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5)
    const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
    const high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
    outputsToPoints(
      v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), v128.shuffle<f32>(low01, low23, 2, 3, 6, 7),
      v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), t, 16,
    )
    p0 += row
    p1 += row
    p2 += row
    p3 += row
    t += ROW
  } while (t < end)
  t = scratchAt(HALFWAY)
  const side = t + ROW
  do {
    outputsToPoints(v128.load(t), v128.load(t, 96), v128.load(t, 192), v128.load(t, 288), y, 6 * step)
    y += step
    t += 16
  } while (t < side)
}

/** A^T m, stored at y, y + step, ... */
@inline
function pointsToOutputs(m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128, y: usize, step: usize): void {
  const evenA = f32x4.add(m1, m2)
  const oddA = f32x4.sub(m1, m2)
  const evenB = f32x4.add(m3, m4)
  const oddB = f32x4.sub(m3, m4)
  v128.store(y, f32x4.add(m0, f32x4.add(evenA, evenB)))
  y += step
  v128.store(y, f32x4.add(by(oddA, A1), by(oddB, B1)))
  y += step
  v128.store(y, f32x4.add(by(evenA, A2), by(evenB, B2)))
  y += step
  v128.store(y, f32x4.add(f32x4.add(by(oddA, A3), by(oddB, B3)), m5))
}

/**
 * max(start + A^T M A, low) of four tiles, whose 36 vectors lie at x, x + step, ...: 4 x 4 outputs each. Row r of tile l goes to
 * y + 64 l + 16 r.
 */
export function pointsToTiles(x: usize, step: usize, start: f32, low: f32, y: usize): void {
  let t = scratchAt(HALFWAY)
  const row = step * 6
  const side = t + ROW
  do {
    let p = x
    const m0 = v128.load(p)
    p += row
    const m1 = v128.load(p)
    p += row
    const m2 = v128.load(p)
    p += row
    const m3 = v128.load(p)
    p += row
    const m4 = v128.load(p)
    p += row
    pointsToOutputs(m0, m1, m2, m3, m4, v128.load(p), t, ROW)
    x += step
    t += 16
  } while (t < side)
  t = scratchAt(HALFWAY)
  const floor = f32x4.splat(low)
  const first = f32x4.splat(start)
  const end = t + 4 * ROW
  do {
    const m0 = f32x4.add(v128.load(t), first)
    const m1 = v128.load(t, 16)
    const m2 = v128.load(t, 32)
    const m3 = v128.load(t, 48)
    const m4 = v128.load(t, 64)
    const m5 = v128.load(t, 80)
    const evenA = f32x4.add(m1, m2)
    const oddA = f32x4.sub(m1, m2)
    const evenB = f32x4.add(m3, m4)
    const oddB = f32x4.sub(m3, m4)
    const y0 = f32x4.pmax(f32x4.add(m0, f32x4.add(evenA, evenB)), floor)
    const y1 = f32x4.pmax(f32x4.add(first, f32x4.add(by(oddA, A1), by(oddB, B1))), floor)
    const y2 = f32x4.pmax(f32x4.add(first, f32x4.add(by(evenA, A2), by(evenB, B2))), floor)
    const y3 = f32x4.pmax(f32x4.add(first, f32x4.add(f32x4.add(by(oddA, A3), by(oddB, B3)), m5)), floor)
    const low01 = v128.shuffle<f32>(y0, y1, 0, 4, 1, 5)
    const low23 = v128.shuffle<f32>(y2, y3, 0, 4, 1, 5)
    const high01 = v128.shuffle<f32>(y0, y1, 2, 6, 3, 7)
    const high23 = v128.shuffle<f32>(y2, y3, 2, 6, 3, 7)
    v128.store(y, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
    v128.store(y, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 64)
    v128.store(y, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 128)
    v128.store(y, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 192)
    y += 16
    t += ROW
  } while (t < end)
}

/** G w, stored at y, y + step, ... */
@inline
function tapsToPoints(w0: v128, w1: v128, w2: v128, y: usize, step: usize): void {
  v128.store(y, by(w0, N0))
  const evenA = f32x4.add(by(w0, GA0), by(w2, GA2))
  const oddA = by(w1, GA1)
  y += step
  v128.store(y, f32x4.add(evenA, oddA))
  y += step
  v128.store(y, f32x4.sub(evenA, oddA))
  const evenB = f32x4.add(by(w0, GB0), by(w2, GB2))
  const oddB = by(w1, GB1)
  y += step
  v128.store(y, f32x4.add(evenB, oddB))
  y += step
  v128.store(y, f32x4.sub(evenB, oddB))
  y += step
  v128.store(y, w2)
}

/** U = G w G^T of four filters of 3 x 3 taps at p0..p3, turned round if `turned`; its 36 vectors go to y, y + step, ... */
export function tapsForward(p0: usize, p1: usize, p2: usize, p3: usize, turned: i32, y: usize, step: usize): void {
  const start = scratchAt(HALFWAY)
  const taps = start + 3 * ROW
  const move = turned ? <usize>-16 : 16
  let z = turned ? taps + 8 * 16 : taps
  for (let i = 0; i < 9; i++) {
    let w = v128.load32_zero(p0)
    w = v128.load_lane<f32>(p1, w, 1)
    w = v128.load_lane<f32>(p2, w, 2)
    v128.store(z, v128.load_lane<f32>(p3, w, 3))
    p0 += 4
    p1 += 4
    p2 += 4
    p3 += 4
    z += move
  }
  let t = start
  for (z = taps; z < taps + 9 * 16; z += 48) {
    tapsToPoints(v128.load(z), v128.load(z, 16), v128.load(z, 32), t, 16)
    t += ROW
  }
  const side = start + ROW
  t = start
  do {
    tapsToPoints(v128.load(t), v128.load(t, 96), v128.load(t, 192), y, 6 * step)
    y += step
    t += 16
  } while (t < side)
}

/** G^T u, stored at y, y + step, ... */
@inline
function pointsToTaps(u0: v128, u1: v128, u2: v128, u3: v128, u4: v128, u5: v128, y: usize, step: usize): void {
  const evenA = f32x4.add(u1, u2)
  const evenB = f32x4.add(u3, u4)
  v128.store(y, f32x4.add(by(u0, N0), f32x4.add(by(evenA, GA0), by(evenB, GB0))))
  y += step
  v128.store(y, f32x4.add(by(f32x4.sub(u1, u2), GA1), by(f32x4.sub(u3, u4), GB1)))
  y += step
  v128.store(y, f32x4.add(f32x4.add(by(evenA, GA2), by(evenB, GB2)), u5))
}

/** G^T U G of four filters, whose 36 vectors lie at x, x + step, ...: tap t of filter l goes to y + 48 l + 4 t. */
export function pointsToFilters(x: usize, step: usize, y: usize): void {
  let t = scratchAt(HALFWAY)
  const row = step * 6
  const side = t + ROW
  do {
    let p = x
    const u0 = v128.load(p)
    p += row
    const u1 = v128.load(p)
    p += row
    const u2 = v128.load(p)
    p += row
    const u3 = v128.load(p)
    p += row
    const u4 = v128.load(p)
    p += row
    pointsToTaps(u0, u1, u2, u3, u4, v128.load(p), t, ROW)
    x += step
    t += 16
  } while (t < side)
  t = scratchAt(HALFWAY)
  const taps = t + 3 * ROW
  const end = taps
  let z = taps
  do {
    pointsToTaps(v128.load(t), v128.load(t, 16), v128.load(t, 32), v128.load(t, 48), v128.load(t, 64), v128.load(t, 80), z, 16)
    z += 48
    t += ROW
  } while (t < end)
  for (z = taps; z < taps + 9 * 16; z += 16) {
    const w = v128.load(z)
    v128.store32_lane(y, w, 0)
    v128.store32_lane(y, w, 1, 48)
    v128.store32_lane(y, w, 2, 96)
    v128.store32_lane(y, w, 3, 144)
    y += 4
  }
}
