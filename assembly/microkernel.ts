// How the tile that matrix products and convolutions share, up to 4 rows x 8 columns, is called and its panels lie; the layout of the scratch region.
//
// A packed panel of A holds for every k the 4 rows of a tile (16 bytes, also where the tile has fewer rows), a packed panel
// of B the 8 columns (32 bytes). The tile's sums start from memory (zeros, a bias, or what C holds) and stay in 8 registers.

import { tile1, tile2, tile3, tile4 } from '../build/assembly/tiles'

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
 * `count` tiles of `rows` rows (1-4) below one another: c = max(start + A B, low), where low is 0 for relu and -inf for no activation. Row r
 * starts from s0 + r ss (columns 0-3) and s1 + r ss (4-7) and goes to c0 + r cs and c1 + r cs. The panels of A are `length` bytes
 * each, the first one ends at `ae`. scripts/tiles.js makes the tiles.
 */
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
