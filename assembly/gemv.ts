// Products with a vector: bound by the reading of the matrix, so nothing is packed and every element is read once, in order.

import { FREE, scratchAt } from './microkernel'

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
      let from = sums + (<usize>(r * STRIP) << 2)
      let to = c + (<usize>(r * n + j) << 2)
      for (let i = 0; i < columns; i++) {
        let sum = alpha * load<f32>(from)
        if (beta != 0) sum += beta * load<f32>(to)
        if (bias) sum += load<f32>(bias + (<usize>((j + i) * biasStep) << 2))
        store<f32>(to, sum < low ? low : sum)
        from += 4
        to += 4
      }
    }
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
  for (let r = 0; r < m; r++) {
    const z = y + (<usize>(r * STRIP) << 2)
    for (let j: usize = 0; j < size; j += 16) v128.store(z + j, f32x4.splat(0))
  }
  let i = 0
  for (; i + 8 <= k; i += 8) {
    for (let r = 0; r < m; r++) {
      const z = y + (<usize>(r * STRIP) << 2)
      addEight(a + (<usize>(r * k + i) << 2), b, step, z, z + size)
    }
    b += 8 * step
  }
  for (; i < k; i++) {
    for (let r = 0; r < m; r++) {
      const x = v128.load32_splat(a + (<usize>(r * k + i) << 2))
      const z = y + (<usize>(r * STRIP) << 2)
      for (let j: usize = 0; j < size; j += 16) v128.store(z + j, f32x4.add(v128.load(z + j), f32x4.mul(x, v128.load(b + j))))
    }
    b += step
  }
}

/** y..end += eight elements of a times eight rows of b. */
@inline
function addEight(a: usize, b: usize, step: usize, y: usize, end: usize): void {
  const a0 = v128.load32_splat(a)
  const a1 = v128.load32_splat(a, 4)
  const a2 = v128.load32_splat(a, 8)
  const a3 = v128.load32_splat(a, 12)
  const a4 = v128.load32_splat(a, 16)
  const a5 = v128.load32_splat(a, 20)
  const a6 = v128.load32_splat(a, 24)
  const a7 = v128.load32_splat(a, 28)
  let r0 = b
  let r2 = b + 2 * step
  let r4 = b + 4 * step
  let r6 = b + 6 * step
  for (; y < end; y += 16) {
    let sum = f32x4.add(f32x4.mul(a0, v128.load(r0)), f32x4.mul(a1, v128.load(r0 + step)))
    let more = f32x4.add(f32x4.mul(a2, v128.load(r2)), f32x4.mul(a3, v128.load(r2 + step)))
    // never holds; keeps V8 from loading all eight rows first (see microkernel.ts)
    if (y == 1) break
    sum = f32x4.add(sum, f32x4.add(f32x4.mul(a4, v128.load(r4)), f32x4.mul(a5, v128.load(r4 + step))))
    more = f32x4.add(more, f32x4.add(f32x4.mul(a6, v128.load(r6)), f32x4.mul(a7, v128.load(r6 + step))))
    v128.store(y, f32x4.add(v128.load(y), f32x4.add(sum, more)))
    r0 += 16
    r2 += 16
    r4 += 16
    r6 += 16
  }
}
