// Tiles of convolutions of eight images at once: 4 or 3 outputs of a place in 8 images, whose 8 sums stay in registers.
//
// y = max(start + weights times cells, low). The weights of the first of `runs` stretches, `run` bytes each, end at `ae`, those of
// the next nextA further on; they meet cells at b, nextB apart. Row r starts from 16 bytes at start + 32 r and at start + half + 32 r.

import { inPairs } from './microkernel'
import { madd } from './simd'

/**
 * Tests that never hold end basic blocks, as in microkernel.ts. Of the time with two of them a step and four steps a turn: 0.91 at
 * LeNet-5's second layer, 16x64x32x32 and 64x24x13x13, 0.97 at 16x8x16x16. Order of products: see microkernel.ts.
 */
export function tile4(
  ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32, start: usize, half: usize, y: usize, low: f32,
): void {
  let t00 = v128.load(start), t01 = v128.load(start + half)
  let t10 = v128.load(start, 32), t11 = v128.load(start + half, 32)
  let t20 = v128.load(start, 64), t21 = v128.load(start + half, 64)
  let t30 = v128.load(start, 96), t31 = v128.load(start + half, 96)
  let b0 = t00, b1 = t00, x = t00, x1 = t00, x2 = t00, x3 = t00
  nextB -= run << 1
  const odd = <i32>(run >> 4) & 3
  for (; runs > 0; runs--) {
    let a = ae - run
    for (let i = odd; i; i--) {
      b0 = v128.load(b), b1 = v128.load(b, 16)
      x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
      x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
      x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
      x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
      a += 16
      b += 32
    }
    while (a != ae) {
      b0 = v128.load(b), b1 = v128.load(b, 16)
      x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
      x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
      x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
      x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
      a += 16
      if (b == 1) break
      b0 = v128.load(b, 32), b1 = v128.load(b, 48)
      x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
      x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
      x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
      x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
      a += 16
      if (b == 3) break
      b0 = v128.load(b, 64), b1 = v128.load(b, 80)
      x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 5) break
      b0 = v128.load(b, 96), b1 = v128.load(b, 112)
      x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) {
        b += 128
        break
      }
      b0 = v128.load(b, 128), b1 = v128.load(b, 144)
      x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
      x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
      x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
      x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
      a += 16
      if (b == 9) break
      b0 = v128.load(b, 160), b1 = v128.load(b, 176)
      x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
      x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
      x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
      x = v128.load32_splat(a, 12), t30 = madd(x, b0, t30), t31 = madd(x, b1, t31)
      a += 16
      if (b == 11) break
      b0 = v128.load(b, 192), b1 = v128.load(b, 208)
      x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 13) break
      b0 = v128.load(b, 224), b1 = v128.load(b, 240)
      x = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 15) {
        inPairs(y, t00, t01), inPairs(y, t10, t11), inPairs(y, t20, t21), inPairs(y, t30, t31)
        break
      }
      b += 256
    }
    ae += nextA
    b += nextB
  }
  const floor = f32x4.splat(low)
  v128.store(y, f32x4.pmax(t00, floor)), v128.store(y, f32x4.pmax(t01, floor), 16)
  v128.store(y, f32x4.pmax(t10, floor), 32), v128.store(y, f32x4.pmax(t11, floor), 48)
  v128.store(y, f32x4.pmax(t20, floor), 64), v128.store(y, f32x4.pmax(t21, floor), 80)
  v128.store(y, f32x4.pmax(t30, floor), 96), v128.store(y, f32x4.pmax(t31, floor), 112)
}

/**
 * A jump into the first turn spares a loop for odd steps, and each place where it may land ends a basic block. Of the time of
 * tile4's way 0.93 for three rows, but 1.05 for four. The last case is the default, so that V8 adds up addresses before the loop.
 */
export function tile3(
  ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32, start: usize, half: usize, y: usize, low: f32,
): void {
  let t00 = v128.load(start), t01 = v128.load(start + half)
  let t10 = v128.load(start, 32), t11 = v128.load(start + half, 32)
  let t20 = v128.load(start, 64), t21 = v128.load(start + half, 64)
  let b0 = t00, b1 = t00, x = t00
  // the first turn begins at this step, all others are whole
  const first = -<i32>(run >> 4) & 7
  nextB -= (run << 1) + (<usize>first << 5)
  b -= <usize>first << 5
  for (; runs > 0; runs--) {
    let a = ae - run
    let step = first
    do {
      switch (step) {
        case 0:
          b0 = v128.load(b), b1 = v128.load(b, 16)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 1:
          b0 = v128.load(b, 32), b1 = v128.load(b, 48)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 2:
          b0 = v128.load(b, 64), b1 = v128.load(b, 80)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 3:
          b0 = v128.load(b, 96), b1 = v128.load(b, 112)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 4:
          b0 = v128.load(b, 128), b1 = v128.load(b, 144)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 5:
          b0 = v128.load(b, 160), b1 = v128.load(b, 176)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        case 6:
          b0 = v128.load(b, 192), b1 = v128.load(b, 208)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
        default:
          b0 = v128.load(b, 224), b1 = v128.load(b, 240)
          x = v128.load32_splat(a), t00 = madd(x, b0, t00), t01 = madd(x, b1, t01)
          x = v128.load32_splat(a, 4), t10 = madd(x, b0, t10), t11 = madd(x, b1, t11)
          x = v128.load32_splat(a, 8), t20 = madd(x, b0, t20), t21 = madd(x, b1, t21)
          a += 16
      }
      step = 0
      b += 256
    } while (a != ae)
    ae += nextA
    b += nextB
  }
  const floor = f32x4.splat(low)
  v128.store(y, f32x4.pmax(t00, floor)), v128.store(y, f32x4.pmax(t01, floor), 16)
  v128.store(y, f32x4.pmax(t10, floor), 32), v128.store(y, f32x4.pmax(t11, floor), 48)
  v128.store(y, f32x4.pmax(t20, floor), 64), v128.store(y, f32x4.pmax(t21, floor), 80)
}
