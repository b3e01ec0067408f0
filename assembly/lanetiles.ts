// Tiles of convolutions of eight images at once: 4 or 3 outputs of a place in 8 images, whose sums stay in registers.
//
// y = max(start + weights times cells, low). The weights of the first of `runs` stretches, `run` bytes each, end at `ae`, those of
// the next nextA further on; they meet cells at b, nextB apart. Row r starts from 16 bytes at start + 32 r and at start + half + 32 r.

import { inPairs } from './microkernel'
import { madd } from './simd'

/**
 * `count` panels of weights, `panel` bytes apart, meet the same cells. Tests that never hold end basic blocks, as in microkernel.ts, and
 * inPairs says why it is there. Of the time with four steps a turn, two tests in each, a call for each panel and sums one after the other:
 * 0.86 at LeNet-5's second layer. Order of products: see microkernel.ts.
 */
@inline
function tiles(
  rows: i32, count: i32, panel: usize, ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32,
  start: usize, half: usize, y: usize, low: f32,
): void {
  const floor = f32x4.splat(low)
  const odd = run & 16
  for (; count > 0; count--) {
    let t00 = v128.load(start), t01 = v128.load(start + half)
    let t10 = v128.load(start, 32), t11 = v128.load(start + half, 32)
    let t20 = v128.load(start, 64), t21 = v128.load(start + half, 64)
    let t30 = rows > 3 ? v128.load(start, 96) : floor, t31 = rows > 3 ? v128.load(start + half, 96) : floor
    let b0 = t00, b1 = t00, x = t00, x1 = t00, x2 = t00, x3 = t00
    let end = ae, cells = b
    for (let i = runs; i > 0; i--) {
      let a = end - run
      let p = cells
      if (odd) {
        b0 = v128.load(p), b1 = v128.load(p, 16)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        p += 32
      }
      while (a != end) {
        b0 = v128.load(p), b1 = v128.load(p, 16)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (p == 1) break
        b0 = v128.load(p, 32), b1 = v128.load(p, 48)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 64), b1 = v128.load(p, 80)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (p == 5) break
        b0 = v128.load(p, 96), b1 = v128.load(p, 112)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 128), b1 = v128.load(p, 144)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (p == 9) break
        b0 = v128.load(p, 160), b1 = v128.load(p, 176)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 192), b1 = v128.load(p, 208)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (p == 13) break
        b0 = v128.load(p, 224), b1 = v128.load(p, 240)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 256), b1 = v128.load(p, 272)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (p == 17) break
        b0 = v128.load(p, 288), b1 = v128.load(p, 304)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 320), b1 = v128.load(p, 336)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (p == 21) break
        b0 = v128.load(p, 352), b1 = v128.load(p, 368)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 384), b1 = v128.load(p, 400)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (p == 25) break
        b0 = v128.load(p, 416), b1 = v128.load(p, 432)
        x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
        x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
        x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
        if (rows > 3) x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
        a += 16
        if (a == end) break
        b0 = v128.load(p, 448), b1 = v128.load(p, 464)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (p == 29) break
        b0 = v128.load(p, 480), b1 = v128.load(p, 496)
        x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8)
        if (rows > 3) x3 = v128.load32_splat(a, 12)
        t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20)
        if (rows > 3) t30 = madd(x3, b0, t30)
        t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21)
        if (rows > 3) t31 = madd(x3, b1, t31)
        a += 16
        if (p == 31) {
          inPairs(y, t00, t01), inPairs(y, t10, t11), inPairs(y, t20, t21)
          if (rows > 3) inPairs(y, t30, t31)
          break
        }
        p += 512
      }
      end += nextA
      cells += nextB
    }
    v128.store(y, f32x4.pmax(t00, floor)), v128.store(y, f32x4.pmax(t01, floor), 16)
    v128.store(y, f32x4.pmax(t10, floor), 32), v128.store(y, f32x4.pmax(t11, floor), 48)
    v128.store(y, f32x4.pmax(t20, floor), 64), v128.store(y, f32x4.pmax(t21, floor), 80)
    if (rows > 3) v128.store(y, f32x4.pmax(t30, floor), 96), v128.store(y, f32x4.pmax(t31, floor), 112)
    ae += panel
    start += <usize>rows << 5
    y += <usize>rows << 5
  }
}

export function tile4(
  count: i32, panel: usize, ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32,
  start: usize, half: usize, y: usize, low: f32,
): void {
  tiles(4, count, panel, ae, run, nextA, b, nextB, runs, start, half, y, low)
}

export function tile3(
  count: i32, panel: usize, ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32,
  start: usize, half: usize, y: usize, low: f32,
): void {
  tiles(3, count, panel, ae, run, nextA, b, nextB, runs, start, half, y, low)
}
