// Matrix products: c = activation(alpha op(a) op(b) + beta c + bias), blocked so that every operand of the register tile is in cache.
//
// After K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication (2008): a block of A (MC x KC) stays in
// the second-level cache, a panel of B (KC x 8) in the first.

import { Activation, Unary } from './codes'
import { unary } from './elementwise'
import { columnProduct, rowProduct } from './gemv'
import { EDGE, FREE, MR, NR, clearZeros, panelRow, scratchAt, tileRows } from './microkernel'
import { packA, packB } from './pack'

const KC: i32 = 256
const MC: i32 = 120
const NC: i32 = 1536

const BLOCK_A: usize = FREE
/** KC x MC elements of A, and what packing writes too many */
const BLOCK_B: usize = BLOCK_A + 4 * KC * MC + 256

export function gemm(
  batch: i32, transA: i32, transB: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, strideA: i32,
  b: usize, strideB: i32, beta: f32, c: usize, strideC: i32, bias: usize, activation: i32,
): void {
  if (batch <= 0 || m <= 0 || n <= 0) return
  // matrices that share b and follow one another are one taller matrix
  if (!transA && strideB == 0 && strideA == m * k && strideC == m * n) {
    m *= batch
    batch = 1
  }
  const low: f32 = activation == Activation.relu ? 0 : -Infinity
  for (let i = 0; i < batch; i++) {
    if (k <= 0) scaleRows(m, n, beta, bias, low, c)
    else if (m == 1) rowProduct(transB, n, k, alpha, a, b, beta, bias, 1, low, c)
    else if (n == 1) columnProduct(transA, m, k, alpha, a, b, beta, bias, low, c)
    else blocked(transA, transB, m, n, k, alpha, a, b, beta, bias, low, c)
    if (activation == Activation.tanh) unary(Unary.tanh, m * n, 0, 0, c, c)
    else if (activation == Activation.sigmoid) unary(Unary.sigmoid, m * n, 0, 0, c, c)
    a += <usize>strideA << 2
    b += <usize>strideB << 2
    c += <usize>strideC << 2
  }
}

/** c = max(beta c + bias, low) for c [m, n]; beta = 0 ignores what c holds. */
function scaleRows(m: i32, n: i32, beta: f32, bias: usize, low: f32, c: usize): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum: f32 = beta == 0 ? 0 : beta * load<f32>(c)
      if (bias) sum += load<f32>(bias + (<usize>j << 2))
      store<f32>(c, sum < low ? low : sum)
      c += 4
    }
  }
}

/** Size of equal parts of `total`, none larger than `most`, a multiple of `unit`. */
@inline
export function part(total: i32, most: i32, unit: i32): i32 {
  const parts = max((total + most - 1) / most, 1)
  return ((total + parts - 1) / parts + unit - 1) / unit * unit
}

function blocked(
  transA: i32, transB: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, b: usize, beta: f32, bias: usize, low: f32, c: usize,
): void {
  let fresh = beta == 0
  if (!fresh && (beta != 1 || bias != 0)) {
    scaleRows(m, n, beta, bias, -Infinity, c)
    bias = 0
  }
  const zeros = clearZeros()
  const blockA = scratchAt(BLOCK_A)
  const blockB = scratchAt(BLOCK_B)
  const lda = transA ? m : k
  const ldb = transB ? k : n
  const mc = part(m, MC, MR)
  const nc = part(n, NC, NR)
  const kc = part(k, KC, 4)
  for (let j = 0; j < n; j += nc) {
    const columns = min(nc, n - j)
    for (let l = 0; l < k; l += kc) {
      const depth = min(kc, k - l)
      const floor: f32 = l + depth == k ? low : -Infinity
      packB(transB, columns, depth, b + (<usize>(transB ? j * ldb + l : l * ldb + j) << 2), ldb, blockB)
      for (let i = 0; i < m; i += mc) {
        const rows = min(mc, m - i)
        const panels = (rows + MR - 1) / MR
        packA(transA, rows, panels, depth, alpha, a + (<usize>(transA ? l * lda + i : i * lda + l) << 2), lda, blockA)
        let start: usize = 0
        if (fresh && l == 0) start = bias ? bias + (<usize>j << 2) : zeros
        const corner = c + (<usize>(i * n + j) << 2)
        block(rows, panels, columns, depth, blockA, blockB, start, start != zeros, corner, <usize>n << 2, floor)
      }
    }
  }
}

/**
 * The tiles of a block of C, in panels of 8 columns: every panel of B meets all panels of A while it is in the first-level
 * cache. Sums start from `start` (the same for all rows; moves along with the columns if `moves`) or, if it is 0, from C.
 */
export function block(
  m: i32, panels: i32, n: i32, k: i32, a: usize, b: usize, start: usize, moves: bool, c: usize, cs: usize, low: f32,
): void {
  const stepA = <usize>k << 4
  const stepB = <usize>k << 5
  for (let j = 0; j < n; j += NR) {
    const columns = min(NR, n - j)
    let ap = a
    for (let p = 0; p < panels; p++) {
      const i = panelRow(m, panels, p)
      const rows = panelRow(m, panels, p + 1) - i
      const cp = c + <usize>i * cs
      if (columns == NR) {
        if (start) tileRows(rows, ap, ap + stepA, b, start, start + 16, 0, cp, cp + 16, cs, low)
        else tileRows(rows, ap, ap + stepA, b, cp, cp + 16, cs, cp, cp + 16, cs, low)
      } else edge(rows, columns, ap, ap + stepA, b, start, cp, cs, low)
      ap += stepA
    }
    b += stepB
    c += 32
    if (moves && start) start += 32
  }
}

/** A tile of fewer than 8 columns goes through scratch: nothing beyond C is written. */
function edge(rows: i32, columns: i32, a: usize, ae: usize, b: usize, start: usize, c: usize, cs: usize, low: f32): void {
  const at = scratchAt(EDGE)
  if (start == 0) {
    for (let r: usize = 0; r < <usize>rows; r++) {
      for (let j: usize = 0; j < <usize>columns; j++) store<f32>(at + (r << 5) + (j << 2), load<f32>(c + r * cs + (j << 2)))
    }
    tileRows(rows, a, ae, b, at, at + 16, 32, at, at + 16, 32, low)
  } else tileRows(rows, a, ae, b, start, start + 16, 0, at, at + 16, 32, low)
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let j: usize = 0; j < <usize>columns; j++) store<f32>(c + r * cs + (j << 2), load<f32>(at + (r << 5) + (j << 2)))
  }
}
