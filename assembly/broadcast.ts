// Elementwise functions of several operands that may be broadcast, row by row.
import { Binary, Unary } from './codes'
import { BINARY, BLOCK, CHOICE, SUM, compute, short } from './formulas'
import { FREE, scratchAt } from './microkernel'

// Where operands lie that are gathered from afar, or that repeat: a block and four vectors each.
const ROOM: usize = (<usize>BLOCK << 2) + 64
const GATHERED: usize = FREE + 16

/** Address in room `index` of scratch where an operand lies that repeats. */
@inline function repeated(p: usize, index: usize): usize {
  const room = scratchAt(GATHERED) + index * ROOM, v = v128.load32_splat(p)
  v128.store(room, v)
  v128.store(room, v, 16)
  v128.store(room, v, 32)
  v128.store(room, v, 48)
  return room
}

/** Address where n elements of an operand lie one after another, in room `index` of scratch unless they do already */
function gathered(n: i32, stride: i32, p: usize, index: usize): usize {
  if (stride == 1) return p
  const room = scratchAt(GATHERED) + index * ROOM, step = <usize>stride << 2
  for (let to = room, end = room + (<usize>n << 2); to < end; to += 4) {
    store<f32>(to, load<f32>(p))
    p += step
  }
  return room
}

/** One row of a formula of operands of any strides, block by block */
function row(formula: i32, n: i32, as_: i32, bs: i32, cs: i32, a: usize, b: usize, c: usize, y: usize): void {
  for (; n > 0; n -= BLOCK) {
    const k = min(n, BLOCK)
    compute(formula, k, 0, 0, gathered(k, as_, a, 0), 16, gathered(k, bs, b, 1), 16, gathered(k, cs, c, 2), y)
    a += <usize>(BLOCK * as_) << 2
    b += <usize>(BLOCK * bs) << 2
    c += <usize>(BLOCK * cs) << 2
    y += <usize>BLOCK << 2
  }
}

export function binary(
  f: i32, n0: i32, n1: i32, n2: i32, n3: i32, a0: i32, a1: i32, a2: i32, a3: i32, b0: i32, b1: i32, b2: i32, b3: i32,
  a: usize, b: usize, y: usize,
): void {
  if (f == Binary.gt) return binary(Binary.lt, n0, n1, n2, n3, b0, b1, b2, b3, a0, a1, a2, a3, b, a, y)
  if (f == Binary.ge) return binary(Binary.le, n0, n1, n2, n3, b0, b1, b2, b3, a0, a1, a2, a3, b, a, y)
  const formula = BINARY + f, near = <u32>(a3 | b3) <= 1
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      let pa = a + (<usize>(i0 * a0 + i1 * a1) << 2), pb = b + (<usize>(i0 * b0 + i1 * b1) << 2)
      for (let i2 = 0; i2 < n2; i2++) {
        if (near) compute(formula, n3, 0, 0, a3 ? pa : repeated(pa, 0), a3 << 4, b3 ? pb : repeated(pb, 1), b3 << 4, y, y)
        else row(formula, n3, a3, b3, 1, pa, pb, y, y)
        pa += <usize>a2 << 2
        pb += <usize>b2 << 2
        y += <usize>n3 << 2
      }
    }
  }
}

export function where(
  n0: i32, n1: i32, n2: i32, n3: i32, c0: i32, c1: i32, c2: i32, c3: i32, a0: i32, a1: i32, a2: i32, a3: i32,
  b0: i32, b1: i32, b2: i32, b3: i32, c: usize, a: usize, b: usize, y: usize,
): void {
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      for (let i2 = 0; i2 < n2; i2++) {
        const pc = c + (<usize>(i0 * c0 + i1 * c1 + i2 * c2) << 2)
        const pa = a + (<usize>(i0 * a0 + i1 * a1 + i2 * a2) << 2), pb = b + (<usize>(i0 * b0 + i1 * b1 + i2 * b2) << 2)
        row(CHOICE, n3, c3, a3, b3, pc, pa, pb, y)
        y += <usize>n3 << 2
      }
    }
  }
}

export function axpby(n: i32, a: f32, x: usize, b: f32, y: usize): void {
  // b = 0 ignores what y holds
  if (b == 0) short(Unary.affine, n, a, -0, x, x, x, y)
  else short(SUM, n, a, b, x, y, x, y)
}
