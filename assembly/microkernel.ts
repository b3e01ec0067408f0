// The register tile that matrix products and convolutions share: up to 4 rows x 8 columns, and the layout of the scratch region.
//
// A packed panel of A holds for every k the 4 rows of a tile (16 bytes, also where the tile has fewer rows), a packed panel
// of B the 8 columns (32 bytes). The tile's sums start from memory (zeros, a bias, or what C holds) and stay in 8 registers.

import { madd } from './simd'

@external('env', 'scratch')
declare const scratch: usize

/** Size of the scratch region that the loader reserves at `scratch`. */
export const SCRATCH_BYTES: i32 = 4194304

/** Rows and columns of a tile. */
export const MR: i32 = 4
export const NR: i32 = 8

/** Tiles of fewer than 8 columns are made here, 4 rows of 8. */
export const EDGE: usize = 0
/** 8 zeros from which a sum may start. */
export const ZEROS: usize = 128
/** A word that is not 0 if only direct algorithms may be used. */
const PRECISE: usize = 192
/** First byte of scratch that the drivers may use as they like. */
export const FREE: usize = 256

/** Address of byte `offset` of scratch. */
@inline
export function scratchAt(offset: usize): usize {
  return scratch + offset
}

export function setPrecise(on: i32): void {
  store<i32>(scratch + PRECISE, on)
}

@inline
export function isPrecise(): bool {
  return load<i32>(scratch + PRECISE) != 0
}

@inline
export function clearZeros(): usize {
  const zeros = scratch + ZEROS
  v128.store(zeros, f32x4.splat(0))
  v128.store(zeros, f32x4.splat(0), 16)
  return zeros
}

/**
 * Stands in a loop where it is never reached. V8 11.3 lets the arithmetic of a block follow sum by sum, a multiplication and its addition,
 * unless something takes two sums at once: then two multiplications come before two additions, of which Zen 4 begins 5 % more in a cycle.
 */
@inline
export function inPairs(y: usize, u: v128, v: v128): void {
  v128.store(y, v128.xor(u, v))
}

/**
 * Tiles of `rows` rows below one another: c = max(start + A B, low). Row r starts from s0 + r ss (columns 0-3) and s1 + r ss
 * (4-7) and goes to c0 + r cs and c1 + r cs. The panels of A are `length` bytes each, the first one ends at `ae`.
 *
 * Four rows need all that a core can begin: a step of k is 16 multiplications and additions, which take 4 cycles of Zen 4, of at
 * least 4 that 6 loads, a step of `a` and a test make of it. Sixteen steps a turn take 4.2 each, and a tile 15 cycles besides.
 *
 * V8 11.3 moves all loads of a basic block to its top, so that an unrolled loop spills. A test that never holds (addresses are
 * even) ends the block; equal tests would be merged, hence the different constants. A test of `a` costs a little more. Two steps
 * go row by row, two column by column: V8 13.6 takes 12 % longer if all go row by row, and fused additions 3 % if every other does.
 */
@inline
function tiles(
  rows: i32, count: i32, length: usize, ae: usize, panel: usize,
  s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  const zero = f32x4.splat(0)
  // pmax(x, low) = x < low ? low : x keeps NaN and costs a third of max; low is 0 for relu and -inf for no activation
  const floor = f32x4.splat(low)
  const last = ae + <usize>count * length
  const odd = length & 16
  for (; ae != last; ae += length) {
    let t00 = v128.load(s0)
    let t01 = v128.load(s1)
    let t10 = zero
    let t11 = zero
    let t20 = zero
    let t21 = zero
    let t30 = zero
    let t31 = zero
    if (rows > 1) {
      s0 += ss
      s1 += ss
      t10 = v128.load(s0)
      t11 = v128.load(s1)
    }
    if (rows > 2) {
      s0 += ss
      s1 += ss
      t20 = v128.load(s0)
      t21 = v128.load(s1)
    }
    if (rows > 3) {
      s0 += ss
      s1 += ss
      t30 = v128.load(s0)
      t31 = v128.load(s1)
    }
    // of a difference, unlike a parameter, V8 11.3 knows that its upper half is clear: 3 % faster
    let a = ae - length
    let b = panel
    let b0 = zero, b1 = zero, x0 = zero, x1 = zero, x2 = zero, x3 = zero
    if (odd) {
      b0 = v128.load(b), b1 = v128.load(b, 16)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      if (rows > 1) x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      if (rows > 2) x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      if (rows > 3) x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      b += 32
    }
    while (a != ae) {
      b0 = v128.load(b), b1 = v128.load(b, 16)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      if (rows > 1) x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      if (rows > 2) x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      if (rows > 3) x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 1) break
      b0 = v128.load(b, 32), b1 = v128.load(b, 48)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      if (rows > 1) x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      if (rows > 2) x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      if (rows > 3) x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 64), b1 = v128.load(b, 80)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00)
      if (rows > 1) x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10)
      if (rows > 2) x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20)
      if (rows > 3) x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01)
      if (rows > 1) t11 = madd(x1, b1, t11)
      if (rows > 2) t21 = madd(x2, b1, t21)
      if (rows > 3) t31 = madd(x3, b1, t31)
      a += 16
      if (b == 5) break
      b0 = v128.load(b, 96), b1 = v128.load(b, 112)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00)
      if (rows > 1) x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10)
      if (rows > 2) x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20)
      if (rows > 3) x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01)
      if (rows > 1) t11 = madd(x1, b1, t11)
      if (rows > 2) t21 = madd(x2, b1, t21)
      if (rows > 3) t31 = madd(x3, b1, t31)
      a += 16
      if (rows < 4) {
        if (b == 7) {
          inPairs(c0, t00, t01)
          if (rows > 1) inPairs(c0, t10, t11)
          if (rows > 2) inPairs(c0, t20, t21)
          break
        }
        b += 128
        continue
      }
      if (a == ae) break
      b0 = v128.load(b, 128), b1 = v128.load(b, 144)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 9) break
      b0 = v128.load(b, 160), b1 = v128.load(b, 176)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 192), b1 = v128.load(b, 208)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 13) break
      b0 = v128.load(b, 224), b1 = v128.load(b, 240)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 256), b1 = v128.load(b, 272)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 17) break
      b0 = v128.load(b, 288), b1 = v128.load(b, 304)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 320), b1 = v128.load(b, 336)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 21) break
      b0 = v128.load(b, 352), b1 = v128.load(b, 368)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 384), b1 = v128.load(b, 400)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 25) break
      b0 = v128.load(b, 416), b1 = v128.load(b, 432)
      x0 = v128.load32_splat(a), t00 = madd(x0, b0, t00), t01 = madd(x0, b1, t01)
      x1 = v128.load32_splat(a, 4), t10 = madd(x1, b0, t10), t11 = madd(x1, b1, t11)
      x2 = v128.load32_splat(a, 8), t20 = madd(x2, b0, t20), t21 = madd(x2, b1, t21)
      x3 = v128.load32_splat(a, 12), t30 = madd(x3, b0, t30), t31 = madd(x3, b1, t31)
      a += 16
      if (a == ae) break
      b0 = v128.load(b, 448), b1 = v128.load(b, 464)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 29) break
      b0 = v128.load(b, 480), b1 = v128.load(b, 496)
      x0 = v128.load32_splat(a), x1 = v128.load32_splat(a, 4), x2 = v128.load32_splat(a, 8), x3 = v128.load32_splat(a, 12)
      t00 = madd(x0, b0, t00), t10 = madd(x1, b0, t10), t20 = madd(x2, b0, t20), t30 = madd(x3, b0, t30)
      t01 = madd(x0, b1, t01), t11 = madd(x1, b1, t11), t21 = madd(x2, b1, t21), t31 = madd(x3, b1, t31)
      a += 16
      if (b == 31) {
        inPairs(c0, t00, t01), inPairs(c0, t10, t11), inPairs(c0, t20, t21), inPairs(c0, t30, t31)
        break
      }
      b += 512
    }
    v128.store(c0, f32x4.pmax(t00, floor))
    v128.store(c1, f32x4.pmax(t01, floor))
    if (rows > 1) {
      c0 += cs
      c1 += cs
      v128.store(c0, f32x4.pmax(t10, floor))
      v128.store(c1, f32x4.pmax(t11, floor))
    }
    if (rows > 2) {
      c0 += cs
      c1 += cs
      v128.store(c0, f32x4.pmax(t20, floor))
      v128.store(c1, f32x4.pmax(t21, floor))
    }
    if (rows > 3) {
      c0 += cs
      c1 += cs
      v128.store(c0, f32x4.pmax(t30, floor))
      v128.store(c1, f32x4.pmax(t31, floor))
    }
    s0 += ss
    s1 += ss
    c0 += cs
    c1 += cs
  }
}

// Functions of their own, called once per panel of B: V8 replaces its slow first code only when a function is called again, so a
// long loop around an inlined tile would stay slow to its end (first product of 512 x 512: 47 ms inlined, 16 ms so).
function tile1(
  count: i32, length: usize, ae: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  tiles(1, count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
}

function tile2(
  count: i32, length: usize, ae: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  tiles(2, count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
}

function tile3(
  count: i32, length: usize, ae: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  tiles(3, count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
}

function tile4(
  count: i32, length: usize, ae: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  tiles(4, count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
}

/** `count` tiles of 1-4 rows below one another, whose two halves of 4 columns start and end at addresses of their own. */
@inline
export function tileRows(
  rows: i32, count: i32, length: usize, ae: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  if (rows == 4) tile4(count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
  else if (rows == 3) tile3(count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
  else if (rows == 2) tile2(count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
  else tile1(count, length, ae, b, s0, s1, ss, c0, c1, cs, low)
}

/** All tiles of a panel of B, whose m rows are in `panels` panels at a as panelRow says. */
export function tilePanels(
  m: i32, panels: i32, length: usize, a: usize, b: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,
): void {
  const least = m / panels
  const taller = m % panels
  a += length
  if (taller) {
    const rows = <usize>(taller * (least + 1))
    tileRows(least + 1, taller, length, a, b, s0, s1, ss, c0, c1, cs, low)
    a += <usize>taller * length
    s0 += rows * ss
    s1 += rows * ss
    c0 += rows * cs
    c1 += rows * cs
  }
  tileRows(least, panels - taller, length, a, b, s0, s1, ss, c0, c1, cs, low)
}

/**
 * Heights of the panels of m rows differ by one at most (10 = 4 + 3 + 3): a tile of 3 rows wastes nothing, one of 2 rows has
 * too few sums in flight. Panel p of q begins at row panelRow(m, q, p).
 */
@inline
export function panelRow(m: i32, q: i32, p: i32): i32 {
  return p * (m / q) + min(p, m % q)
}

/** Stores the transpose of the 4 x 4 block with rows at r0, r1, r2, r3: its columns go to y, y + step, ... */
@inline
export function transpose(r0: usize, r1: usize, r2: usize, r3: usize, y: usize, step: usize): void {
  const x0 = v128.load(r0)
  const x1 = v128.load(r1)
  const x2 = v128.load(r2)
  const x3 = v128.load(r3)
  const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5)
  const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5)
  const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
  const high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
  v128.store(y, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
  y += step
  v128.store(y, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7))
  y += step
  v128.store(y, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5))
  y += step
  v128.store(y, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7))
}
