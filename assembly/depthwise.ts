// Depthwise convolutions of 3 x 3, one plane after the other: its padded copy stays in first-level cache and the nine weights in
// registers (1x128x28x28: 0.75 of the time that thin.ts needs forward, 0.55 for the weights; with stride 2, 0.4 and 0.35).

import { PLANE_AT } from './blocks'
import { Window } from './columns'
import { copyFrames } from './frame'
import { scratchAt } from './microkernel'
import { shareEnd, shareStart } from './share'
import { madd } from './simd'
import { THIN } from './thin'

/** Most cells of a padded plane. */
const PLANE: i32 = 262144

/** True if w is a depthwise convolution that is worked out here. */
export function suitsPlanes(w: Window): bool {
  if (w.c != w.groups || w.o > w.c * THIN || w.id != 1 || w.kd != 1 || w.od != 1 || w.pd != 0 || w.kh != 3 || w.kw != 3) return false
  if (w.dh != 1 || w.dw != 1 || w.sw > 2 || w.sh != w.sw || w.ow < 4 || w.oh < 2) return false
  return (<f64>(w.oh - 1) * w.sh + 3) * (<f64>(w.ow - 1) * w.sw + 3) <= <f64>PLANE
}

/** Lays the windows over one plane and over its padded copy; true if the plane has to be copied. */
function layPlane(w: Window, one: Window, f: Window): bool {
  memory.copy(changetype<usize>(one), changetype<usize>(w), offsetof<Window>())
  one.n = 1
  one.c = 1
  memory.copy(changetype<usize>(f), changetype<usize>(one), offsetof<Window>())
  f.ih = (w.oh - 1) * w.sh + 3
  f.iw = (w.ow - 1) * w.sw + 3
  f.ph = 0
  f.pw = 0
  return w.ph != 0 || w.pw != 0 || f.ih > w.ih || f.iw > w.iw
}

/** y = max(bias + weights times cells, low); `turned`: the weights are those of the convolution whose gradient this is. */
export function correlatePlanes(w: Window, x: usize, weight: usize, turned: i32, bias: usize, low: f32, y: usize): void {
  const one = changetype<Window>(scratchAt(PLANE_AT))
  const f = changetype<Window>(scratchAt(PLANE_AT + 128))
  const weights = scratchAt(PLANE_AT + 256)
  const copy = scratchAt(PLANE_AT + 320)
  const padded = layPlane(w, one, f)
  const pitch = <usize>(padded ? f.iw : w.iw) << 2
  const multiple = w.o / w.c
  const size = <usize>w.plane << 2
  for (let i = 0; i < w.n; i++) {
    for (let c = 0; c < w.c; c++) {
      if (padded) copyFrames(one, f, 1, x, copy)
      const from = padded ? copy : x
      for (let o = c * multiple; o < (c + 1) * multiple; o++) {
        const first = weight + <usize>(o * 36)
        for (let t: usize = 0; t < 36; t += 4) store<f32>(weights + t, load<f32>(first + (turned ? 32 - t : t)))
        const start = bias ? v128.load32_splat(bias + (<usize>o << 2)) : f32x4.splat(0)
        if (w.sw == 1) planeBy1(from, pitch, w.oh, w.ow, weights, start, low, y)
        else planeBy2(from, pitch, w.oh, w.ow, weights, start, low, y)
        y += <usize>w.places << 2
      }
      x += size
    }
  }
}

/** Cells under tap 0, 1 or 2 of four outputs, from the cell of the first tap on. */
@inline
function under(at: usize, kx: usize, sw: i32): v128 {
  if (sw == 1) return v128.load(at + (kx << 2))
  const p = at + ((kx & 2) << 2)
  if (kx == 1) return v128.shuffle<f32>(v128.load(p), v128.load(p, 16), 1, 3, 5, 7)
  return v128.shuffle<f32>(v128.load(p), v128.load(p, 16), 0, 2, 4, 6)
}

/**
 * One plane; with stride 1 two rows at a time, the last of which may be worked out twice: they share half of their cells
 * (1x128x28x28: 0.91 of the time). The tests that never hold end basic blocks, as in scripts/tiles.js.
 */
@inline
function plane(sw: i32, x: usize, pitch: usize, oh: i32, ow: i32, weights: usize, start: v128, low: f32, y: usize): void {
  const w0 = v128.load32_splat(weights)
  const w1 = v128.load32_splat(weights, 4)
  const w2 = v128.load32_splat(weights, 8)
  const w3 = v128.load32_splat(weights, 12)
  const w4 = v128.load32_splat(weights, 16)
  const w5 = v128.load32_splat(weights, 20)
  const w6 = v128.load32_splat(weights, 24)
  const w7 = v128.load32_splat(weights, 28)
  const w8 = v128.load32_splat(weights, 32)
  const floor = f32x4.splat(low)
  const last = <usize>(ow - 4) << 2
  const row = <usize>ow << 2
  const end = sw == 1 ? oh - 2 : oh - 1
  for (let i = 0; ; i = min(i + 3 - sw, end)) {
    const top = x + <usize>(i * sw) * pitch
    const to = y + <usize>i * row
    for (let ox: usize = 0; ; ) {
      const p = top + (sw == 1 ? ox : ox << 1)
      const q = p + pitch
      const r = q + pitch
      let u = under(p, 0, sw), v = under(p, 1, sw), w = under(p, 2, sw)
      let sum = madd(w2, w, madd(w1, v, madd(w0, u, start)))
      if (p == 1) break
      u = under(q, 0, sw), v = under(q, 1, sw), w = under(q, 2, sw)
      sum = madd(w5, w, madd(w4, v, madd(w3, u, sum)))
      let next = start
      if (sw == 1) next = madd(w2, w, madd(w1, v, madd(w0, u, start)))
      if (p == 3) break
      u = under(r, 0, sw), v = under(r, 1, sw), w = under(r, 2, sw)
      sum = madd(w8, w, madd(w7, v, madd(w6, u, sum)))
      if (sw == 1) next = madd(w5, w, madd(w4, v, madd(w3, u, next)))
      v128.store(to + ox, f32x4.pmax(sum, floor))
      if (sw == 1) {
        if (p == 5) break
        const s = r + pitch
        next = madd(w8, under(s, 2, sw), madd(w7, under(s, 1, sw), madd(w6, under(s, 0, sw), next)))
        v128.store(to + row + ox, f32x4.pmax(next, floor))
      }
      if (ox == last) break
      ox = min(ox + 16, last)
    }
    if (i == end) break
  }
}

function planeBy1(x: usize, pitch: usize, oh: i32, ow: i32, weights: usize, start: v128, low: f32, y: usize): void {
  plane(1, x, pitch, oh, ow, weights, start, low, y)
}

function planeBy2(x: usize, pitch: usize, oh: i32, ow: i32, weights: usize, start: v128, low: f32, y: usize): void {
  plane(2, x, pitch, oh, ow, weights, start, low, y)
}

/** gw = the sums of dL/dy times the cells under each tap, for the channels of this share. */
export function planeWeights(w: Window, x: usize, g: usize, gw: usize): void {
  const one = changetype<Window>(scratchAt(PLANE_AT))
  const f = changetype<Window>(scratchAt(PLANE_AT + 128))
  const sums = scratchAt(PLANE_AT + 256)
  const copy = scratchAt(PLANE_AT + 448)
  const padded = layPlane(w, one, f)
  const pitch = <usize>(padded ? f.iw : w.iw) << 2
  const multiple = w.o / w.c
  const end = shareEnd(w.groups, 1)
  for (let c = shareStart(w.groups, 1); c < end; c++) {
    for (let m = 0; m < multiple; m++) {
      const o = c * multiple + m
      memory.fill(sums, 0, 144)
      for (let i = 0; i < w.n; i++) {
        const cells = x + (<usize>(i * w.c + c) * <usize>w.plane << 2)
        if (padded && (m == 0 || w.n > 1)) copyFrames(one, f, 1, cells, copy)
        const from = padded ? copy : cells
        const grads = g + (<usize>(i * w.o + o) * <usize>w.places << 2)
        if (w.sw == 1) dotBy1(from, pitch, w.sh, w.oh, w.ow, grads, sums)
        else dotBy2(from, pitch, w.sh, w.oh, w.ow, grads, sums)
      }
      for (let t: usize = 0; t < 9; t++) {
        const s = v128.load(sums + (t << 4))
        const sum = f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
        store<f32>(gw + <usize>(o * 36) + (t << 2), sum)
      }
    }
  }
}

@inline
function dot(sw: i32, x: usize, pitch: usize, sh: i32, oh: i32, ow: i32, g: usize, sums: usize): void {
  let s0 = v128.load(sums)
  let s1 = v128.load(sums, 16)
  let s2 = v128.load(sums, 32)
  let s3 = v128.load(sums, 48)
  let s4 = v128.load(sums, 64)
  let s5 = v128.load(sums, 80)
  let s6 = v128.load(sums, 96)
  let s7 = v128.load(sums, 112)
  let s8 = v128.load(sums, 128)
  const last = <usize>(ow - 4) << 2
  // the last vector overlaps the one before: what is counted already must not count again
  const fresh = i32x4.ge_s(i32x4(0, 1, 2, 3), i32x4.splat(-ow & 3))
  const rowStep = <usize>sh * pitch
  for (; oh > 0; oh--) {
    for (let ox: usize = 0; ; ) {
      const p = x + (sw == 1 ? ox : ox << 1)
      const q = p + pitch
      const r = q + pitch
      let v = v128.load(g + ox)
      if (ox == last) v = v128.and(v, fresh)
      s0 = madd(v, under(p, 0, sw), s0)
      s1 = madd(v, under(p, 1, sw), s1)
      s2 = madd(v, under(p, 2, sw), s2)
      if (p == 1) break
      s3 = madd(v, under(q, 0, sw), s3)
      s4 = madd(v, under(q, 1, sw), s4)
      s5 = madd(v, under(q, 2, sw), s5)
      if (p == 3) break
      s6 = madd(v, under(r, 0, sw), s6)
      s7 = madd(v, under(r, 1, sw), s7)
      s8 = madd(v, under(r, 2, sw), s8)
      if (ox == last) break
      ox = min(ox + 16, last)
    }
    x += rowStep
    g += <usize>ow << 2
  }
  v128.store(sums, s0)
  v128.store(sums, s1, 16)
  v128.store(sums, s2, 32)
  v128.store(sums, s3, 48)
  v128.store(sums, s4, 64)
  v128.store(sums, s5, 80)
  v128.store(sums, s6, 96)
  v128.store(sums, s7, 112)
  v128.store(sums, s8, 128)
}

function dotBy1(x: usize, pitch: usize, sh: i32, oh: i32, ow: i32, g: usize, sums: usize): void {
  dot(1, x, pitch, sh, oh, ow, g, sums)
}

function dotBy2(x: usize, pitch: usize, sh: i32, oh: i32, ow: i32, g: usize, sums: usize): void {
  dot(2, x, pitch, sh, oh, ow, g, sums)
}
