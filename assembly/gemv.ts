// Products with a vector: bound by the reading of the matrix, so nothing is packed and every element is read once, in order.

import { FREE, scratchAt } from './microkernel'
import { add, madd, mul, splat, storeUpTo } from './simd'

/** Most rows for which this is better than packing. */
export const FEW: i32 = 3

/** Columns whose sums are kept in scratch at a time. */
const STRIP: i32 = 4096

/** c [m, n] = max(alpha a op(b) + beta c + bias, low) with a [m, k]; bias moves by `biasStep` elements per column. */
export function rowProducts(
  transB: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, b: usize, beta: f32, bias: usize, biasStep: i32, low: f32, c: usize,
): void {
  const sums = scratchAt(FREE)
  for (let j = 0; j < n; j += STRIP) {
    const columns = min(STRIP, n - j)
    if (transB) dots(m, columns, k, a, b + (<usize>j * <usize>k << 2), sums)
    else combine(m, columns, n, k, a, b + (<usize>j << 2), sums)
    for (let r = 0; r < m; r++) {
      const from = sums + (<usize>(r * STRIP) << 2)
      const to = c + (<usize>(r * n + j) << 2)
      finish(columns, alpha, from, beta, bias ? bias + (<usize>(j * biasStep) << 2) : 0, biasStep, low, to)
    }
  }
}

/** c = max(alpha x + beta c + bias, low) for n elements */
@inline
function finish(n: i32, alpha: f32, x: usize, beta: f32, bias: usize, biasStep: i32, low: f32, c: usize): void {
  const scale = splat(alpha)
  const keep = splat(beta)
  const floor = splat(low)
  let shift = bias ? v128.load32_splat(bias) : splat(0)
  for (; n > 0; n -= 4) {
    let sum = mul(scale, v128.load(x))
    if (beta != 0) sum = madd(keep, v128.load(c), sum)
    if (bias) {
      if (biasStep) {
        shift = v128.load(bias)
        bias += 16
      }
      sum = add(sum, shift)
    }
    storeUpTo(c, f32x4.pmax(sum, floor), n)
    x += 16
    c += 16
  }
}

/** y[r, j] = Σ a[r, i] b[j, i] with b [n, k]: four rows of b at a time for all rows of a. */
function dots(m: i32, n: i32, k: i32, a: usize, b: usize, y: usize): void {
  const step = <usize>k << 2
  const last = b + <usize>(n - 1) * step
  for (let j = 0; j < n; j += 4) {
    const r0 = b + <usize>j * step
    const r1 = min(r0 + step, last)
    const r2 = min(r1 + step, last)
    const r3 = min(r2 + step, last)
    for (let r = 0; r < m; r++) v128.store(y + (<usize>(r * STRIP + j) << 2), fourDots(k, a + <usize>r * step, r0, r1, r2, r3))
  }
}

/** Products of x with four rows, in two partial sums of four lanes each. */
@inline
function fourDots(k: i32, x: usize, r0: usize, r1: usize, r2: usize, r3: usize): v128 {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let u0 = s0
  let u1 = s0
  let u2 = s0
  let u3 = s0
  let i = 0
  for (; i + 8 <= k; i += 8) {
    const x0 = v128.load(x)
    s0 = f32x4.add(s0, f32x4.mul(x0, v128.load(r0)))
    s1 = f32x4.add(s1, f32x4.mul(x0, v128.load(r1)))
    s2 = f32x4.add(s2, f32x4.mul(x0, v128.load(r2)))
    s3 = f32x4.add(s3, f32x4.mul(x0, v128.load(r3)))
    if (x == 1) break
    const x1 = v128.load(x, 16)
    u0 = f32x4.add(u0, f32x4.mul(x1, v128.load(r0, 16)))
    u1 = f32x4.add(u1, f32x4.mul(x1, v128.load(r1, 16)))
    u2 = f32x4.add(u2, f32x4.mul(x1, v128.load(r2, 16)))
    u3 = f32x4.add(u3, f32x4.mul(x1, v128.load(r3, 16)))
    x += 32
    r0 += 32
    r1 += 32
    r2 += 32
    r3 += 32
  }
  s0 = f32x4.add(s0, u0)
  s1 = f32x4.add(s1, u1)
  s2 = f32x4.add(s2, u2)
  s3 = f32x4.add(s3, u3)
  // lanes 0, 1 of s0 + lanes 2, 3 and so on: the four sums end up in the four lanes
  const s01 = f32x4.add(v128.shuffle<f32>(s0, s1, 0, 1, 4, 5), v128.shuffle<f32>(s0, s1, 2, 3, 6, 7))
  const s23 = f32x4.add(v128.shuffle<f32>(s2, s3, 0, 1, 4, 5), v128.shuffle<f32>(s2, s3, 2, 3, 6, 7))
  let sum = f32x4.add(v128.shuffle<f32>(s01, s23, 0, 2, 4, 6), v128.shuffle<f32>(s01, s23, 1, 3, 5, 7))
  for (; i < k; i++) {
    let column = v128.load32_zero(r0)
    column = v128.load_lane<f32>(r1, column, 1)
    column = v128.load_lane<f32>(r2, column, 2)
    column = v128.load_lane<f32>(r3, column, 3)
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(x), column))
    x += 4
    r0 += 4
    r1 += 4
    r2 += 4
    r3 += 4
  }
  return sum
}

/**
 * y[r, j] = Σ a[r, i] b[i, j], b with rows of ldb elements: eight rows of b at a time are added to all rows of y. (A walk down 32
 * columns with the sums in registers is as fast in cache and three times slower where rows are a page apart.)
 */
function combine(m: i32, n: i32, ldb: i32, k: i32, a: usize, b: usize, y: usize): void {
  const step = <usize>ldb << 2
  const size = <usize>n << 2
  const wide = size & ~127
  for (let r = 0; r < m; r++) {
    const z = y + (<usize>(r * STRIP) << 2)
    for (let j: usize = 0; j < size; j += 16) v128.store(z + j, f32x4.splat(0))
  }
  for (let i = 0; i < k; i += 8) {
    const rows = min(8, k - i)
    for (let r = 0; r < m; r++) {
      const from = a + (<usize>(r * k + i) << 2)
      const z = y + (<usize>(r * STRIP) << 2)
      if (rows < 8) addRows(rows, from, b, step, z, z + size)
      else {
        if (wide) addEight(from, b, step, z, z + wide)
        if (wide < size) addNarrow(from, b + wide, step, z + wide, z + size)
      }
    }
    b += 8 * step
  }
}

/** y..end += `rows` elements of a times as many rows of b. */
@inline
function addRows(rows: i32, a: usize, b: usize, step: usize, y: usize, end: usize): void {
  for (; rows; rows--) {
    const x = v128.load32_splat(a)
    for (let j: usize = 0; y + j < end; j += 16) v128.store(y + j, madd(x, v128.load(b + j), v128.load(y + j)))
    a += 4
    b += step
  }
}

/** y..end += eight elements of a times eight rows of b. */
@inline
function addNarrow(a: usize, b: usize, step: usize, y: usize, end: usize): void {
  const a0 = v128.load32_splat(a)
  const a1 = v128.load32_splat(a, 4)
  const a2 = v128.load32_splat(a, 8)
  const a3 = v128.load32_splat(a, 12)
  const a4 = v128.load32_splat(a, 16)
  const a5 = v128.load32_splat(a, 20)
  const a6 = v128.load32_splat(a, 24)
  const a7 = v128.load32_splat(a, 28)
  for (; y < end; y += 16) {
    let row = b + step
    let sum = madd(a1, v128.load(row), madd(a0, v128.load(b), v128.load(y)))
    row += step
    sum = madd(a2, v128.load(row), sum)
    row += step
    sum = madd(a3, v128.load(row), sum)
    row += step
    sum = madd(a4, v128.load(row), sum)
    row += step
    sum = madd(a5, v128.load(row), sum)
    row += step
    sum = madd(a6, v128.load(row), sum)
    row += step
    v128.store(y, madd(a7, v128.load(row), sum))
    b += 16
  }
}

/**
 * y..end += the same, 32 columns at a time. The tests never hold; they keep V8 from loading all rows
 * first (see scripts/tiles.js). It would also put off the sums until they are used: hence the stores behind the loop, which serve every way out of it.
 */
@inline
function addEight(a: usize, b: usize, step: usize, y: usize, end: usize): void {
  let x = f32x4.splat(0)
  let s0 = x
  let s1 = x
  let s2 = x
  let s3 = x
  let s4 = x
  let s5 = x
  let s6 = x
  let s7 = x
  const last = end - 128
  while (true) {
    s0 = v128.load(y)
    s1 = v128.load(y, 16)
    s2 = v128.load(y, 32)
    s3 = v128.load(y, 48)
    s4 = v128.load(y, 64)
    s5 = v128.load(y, 80)
    s6 = v128.load(y, 96)
    s7 = v128.load(y, 112)
    let row = b
    x = v128.load32_splat(a)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 1) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 3) break
    row += step
    x = v128.load32_splat(a, 4)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 5) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 7) break
    row += step
    x = v128.load32_splat(a, 8)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 9) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 11) break
    row += step
    x = v128.load32_splat(a, 12)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 13) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 15) break
    row += step
    x = v128.load32_splat(a, 16)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 17) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 19) break
    row += step
    x = v128.load32_splat(a, 20)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 21) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 23) break
    row += step
    x = v128.load32_splat(a, 24)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 25) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == 27) break
    row += step
    x = v128.load32_splat(a, 28)
    s0 = madd(x, v128.load(row), s0)
    s1 = madd(x, v128.load(row, 16), s1)
    s2 = madd(x, v128.load(row, 32), s2)
    s3 = madd(x, v128.load(row, 48), s3)
    if (y == 29) break
    s4 = madd(x, v128.load(row, 64), s4)
    s5 = madd(x, v128.load(row, 80), s5)
    s6 = madd(x, v128.load(row, 96), s6)
    s7 = madd(x, v128.load(row, 112), s7)
    if (y == last) break
    v128.store(y, s0)
    v128.store(y, s1, 16)
    v128.store(y, s2, 32)
    v128.store(y, s3, 48)
    v128.store(y, s4, 64)
    v128.store(y, s5, 80)
    v128.store(y, s6, 96)
    v128.store(y, s7, 112)
    y += 128
    b += 128
  }
  v128.store(y, s0)
  v128.store(y, s1, 16)
  v128.store(y, s2, 32)
  v128.store(y, s3, 48)
  v128.store(y, s4, 64)
  v128.store(y, s5, 80)
  v128.store(y, s6, 96)
  v128.store(y, s7, 112)
}
