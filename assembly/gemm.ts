// Matrix products: c = activation(alpha op(a) op(b) + beta c + bias), in blocks, so that the tile's operands are in cache.
//
// After K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication (2008): a block of A (MC x KC) stays in
// the second-level cache, a panel of B (KC x 8) in the first.

import { Activation, Unary } from './codes'
import { unary } from './elementwise'
import { FEW, rowProducts } from './gemv'
import { EDGE, FREE, MR, NR, clearZeros, panelRow, scratchAt, tilePanels, tileRows } from './microkernel'
import { packA, packB } from './pack'
import { shareEnd, shareStart } from './share'

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
  // several matrices are shared out whole, one by its rows or columns
  const single = batch == 1
  const first = single ? 0 : shareStart(batch, 1)
  const last = single ? 1 : shareEnd(batch, 1)
  a += <usize>(first * strideA) << 2
  b += <usize>(first * strideB) << 2
  c += <usize>(first * strideC) << 2
  for (let i = first; i < last; i++) {
    if (k <= 0) scaleRows(m, n, beta, bias, low, c)
    else if (m <= FEW && (m == 1 || !transA)) rowProducts(transB, m, n, k, alpha, a, b, beta, bias, 1, low, c)
    // one column: the product of one row, b, and the transposed matrix
    else if (n == 1) rowProducts(1 - transA, 1, m, k, alpha, b, a, beta, bias, 0, low, c)
    else blocked(single, transA, transB, m, n, k, alpha, a, b, beta, bias, low, c)
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

/** Starting values of the rows of a turned product */
const STARTS: usize = BLOCK_B + 4 * KC * NC + 256
/** Products with at most so many columns may be turned. */
const NARROW: i32 = 20

function blocked(
  shared: bool, transA: i32, transB: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, b: usize, beta: f32, bias: usize, low: f32, c: usize,
): void {
  if (beta != 0 && (beta != 1 || bias != 0)) {
    scaleRows(m, n, beta, bias, -Infinity, c)
    bias = 0
  }
  const rowStep = <usize>n << 2
  let start = clearZeros()
  if (beta != 0) start = 0
  else if (bias) start = bias
  // 10 columns fill two panels badly, but 10 rows are tiles of 4 + 3 + 3: then c^T = op(b)^T op(a)^T
  if (n <= NARROW && (n & 7) > 0 && (n & 7) < 6 && m >= NR) {
    if (bias) {
      start = scratchAt(STARTS)
      for (let j = 0; j < n; j++) {
        const v = v128.load32_splat(bias + (<usize>j << 2))
        v128.store(start + (<usize>j << 5), v)
        v128.store(start + (<usize>j << 5), v, 16)
      }
    }
    multiply(shared, 1 - transB, 1 - transA, n, m, k, alpha, b, a, start, bias ? 32 : 0, 0, c, 4, rowStep, low)
  } else multiply(shared, transA, transB, m, n, k, alpha, a, b, start, 0, bias ? 4 : 0, c, rowStep, 4, low)
}

/**
 * c = max(start + alpha op(a) op(b), low). `start` is the address of row 0, column 0 (0: c itself), with bytes from row to row
 * and from column to column (0 or 4); element i, j of c is at c + i rowStep + j columnStep. If `shared`, this share's rows or columns only.
 */
function multiply(
  shared: bool, transA: i32, transB: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, b: usize,
  start: usize, startRow: usize, startColumn: usize, c: usize, rowStep: usize, columnStep: usize, low: f32,
): void {
  const blockA = scratchAt(BLOCK_A)
  const blockB = scratchAt(BLOCK_B)
  const lda = transA ? m : k
  const ldb = transB ? k : n
  // every share packs the shorter side for itself
  const byRows = shared && m >= n
  const byColumns = shared && m < n
  const top = byRows ? shareStart(m, MR) : 0
  const bottom = byRows ? shareEnd(m, MR) : m
  const left = byColumns ? shareStart(n, NR) : 0
  const right = byColumns ? shareEnd(n, NR) : n
  const mc = part(bottom - top, MC, MR)
  const nc = part(right - left, NC, NR)
  const kc = part(k, KC, 4)
  for (let j = left; j < right; j += nc) {
    const columns = min(nc, right - j)
    for (let l = 0; l < k; l += kc) {
      const depth = min(kc, k - l)
      const floor: f32 = l + depth == k ? low : -Infinity
      packB(transB, columns, depth, b + (<usize>(transB ? j * ldb + l : l * ldb + j) << 2), ldb, blockB)
      for (let i = top; i < bottom; i += mc) {
        const rows = min(mc, bottom - i)
        const panels = (rows + MR - 1) / MR
        packA(transA, rows, panels, depth, alpha, a + (<usize>(transA ? l * lda + i : i * lda + l) << 2), lda, blockA)
        let from: usize = 0
        if (start && l == 0) from = start + <usize>i * startRow + <usize>j * startColumn
        const corner = c + <usize>i * rowStep + <usize>j * columnStep
        block(rows, panels, columns, depth, blockA, blockB, from, startRow, startColumn, corner, rowStep, columnStep, floor)
      }
    }
  }
}

/** The tiles of a block of C: a panel of B meets all panels of A while it is in first-level cache. Starts and steps as above. */
export function block(
  m: i32, panels: i32, n: i32, k: i32, a: usize, b: usize, start: usize, startRow: usize, startColumn: usize,
  c: usize, rowStep: usize, columnStep: usize, low: f32,
): void {
  const length = <usize>k << 4
  for (let j = 0; j < n; j += NR) {
    const columns = min(NR, n - j)
    if (columns < NR || columnStep != 4) edges(m, panels, columns, length, a, b, start, startRow, c, rowStep, columnStep, low)
    else if (start) tilePanels(m, panels, length, a, b, start, start + 16, startRow, c, c + 16, rowStep, low)
    else tilePanels(m, panels, length, a, b, c, c + 16, rowStep, c, c + 16, rowStep, low)
    b += length << 1
    c += <usize>NR * columnStep
    if (start) start += <usize>NR * startColumn
  }
}

/** Tiles of fewer than 8 columns, or ones that are stored turned, go through scratch: nothing beyond C is written. */
function edges(
  m: i32, panels: i32, columns: i32, length: usize, a: usize, b: usize, start: usize, startRow: usize,
  c: usize, rowStep: usize, columnStep: usize, low: f32,
): void {
  const tile = scratchAt(EDGE)
  for (let p = 0; p < panels; p++) {
    const rows = panelRow(m, panels, p + 1) - panelRow(m, panels, p)
    a += length
    if (start) {
      tileRows(rows, 1, length, a, b, start, start + 16, startRow, tile, tile + 16, 32, low)
      start += <usize>rows * startRow
    } else {
      for (let r: usize = 0; r < <usize>rows; r++) {
        const to = tile + (r << 5)
        for (let j: usize = 0; j < <usize>columns; j++) store<f32>(to + (j << 2), load<f32>(c + r * rowStep + j * columnStep))
      }
      tileRows(rows, 1, length, a, b, tile, tile + 16, 32, tile, tile + 16, 32, low)
    }
    for (let r: usize = 0; r < <usize>rows; r++) {
      const from = tile + (r << 5)
      for (let j: usize = 0; j < <usize>columns; j++) store<f32>(c + r * rowStep + j * columnStep, load<f32>(from + (j << 2)))
    }
    c += <usize>rows * rowStep
  }
}
