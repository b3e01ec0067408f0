// Packing for matrix products: copies blocks of A and B, either way up, into the panels that the register tile reads.

import { NR, panelRow, transpose } from './microkernel'

/**
 * Rows 0..m-1 of op(a), columns 0..k-1, times alpha, as q panels [k][4] at y. `lda`: elements between rows of a as stored. Lanes
 * beyond a panel's height hold anything. May write 48 bytes too many: the next panel overwrites them.
 */
export function packA(transA: i32, m: i32, q: i32, k: i32, alpha: f32, a: usize, lda: i32, y: usize): void {
  const step = <usize>lda << 2
  const first = y
  for (let p = 0; p < q; p++) {
    const i = panelRow(m, q, p)
    if (transA) {
      let r = a + (<usize>i << 2)
      const end = y + (<usize>k << 4)
      for (; y < end; y += 16) {
        v128.store(y, v128.load(r))
        r += step
      }
    } else {
      const h = panelRow(m, q, p + 1) - i
      let r0 = a + <usize>i * step
      let r1 = h > 1 ? r0 + step : r0
      let r2 = h > 2 ? r1 + step : r1
      let r3 = h > 3 ? r2 + step : r2
      for (let j = 0; j < k; j += 4) {
        transpose(r0, r1, r2, r3, y + (<usize>j << 4), 16)
        r0 += 16
        r1 += 16
        r2 += 16
        r3 += 16
      }
      y += <usize>k << 4
    }
  }
  if (alpha == 1) return
  const scale = f32x4.splat(alpha)
  for (let x = first; x < y; x += 16) v128.store(x, f32x4.mul(v128.load(x), scale))
}

/** Rows 0..k-1 of op(b), columns 0..n-1, as panels [k][8] at y. Columns beyond n hold anything. May write 96 bytes too many. */
export function packB(transB: i32, n: i32, k: i32, b: usize, ldb: i32, y: usize): void {
  const step = <usize>ldb << 2
  for (let j = 0; j < n; j += NR) {
    if (transB) {
      const last = b + <usize>(n - 1) * step
      // four rows at a time: the addresses of eight don't fit into V8's registers
      for (let h = 0; h < NR; h += 4) {
        let r0 = min(b + <usize>(j + h) * step, last)
        let r1 = min(r0 + step, last)
        let r2 = min(r1 + step, last)
        let r3 = min(r2 + step, last)
        let z = y + (<usize>h << 2)
        for (let i = 0; i < k; i += 4) {
          transpose(r0, r1, r2, r3, z, 32)
          r0 += 16
          r1 += 16
          r2 += 16
          r3 += 16
          z += 128
        }
      }
      y += <usize>k << 5
    } else {
      let r = b + (<usize>j << 2)
      const end = y + (<usize>k << 5)
      for (; y < end; y += 32) {
        v128.store(y, v128.load(r))
        v128.store(y, v128.load(r, 16), 16)
        r += step
      }
    }
  }
}
