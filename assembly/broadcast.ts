// Elementwise functions of several operands that may be broadcast. A formula is a class with one inline method, which the loops
// take as a type parameter; a new one needs its class and a case in `line`.
import { Binary } from './codes'
import { add, choose, div, maxNaN, minNaN, mul, pow4, splat, storePair, storeUpTo, sub } from './simd'

@unmanaged class Add {
  @inline of(a: v128, b: v128): v128 { return add(a, b) }
}
@unmanaged class Sub {
  @inline of(a: v128, b: v128): v128 { return sub(a, b) }
}
@unmanaged class Mul {
  @inline of(a: v128, b: v128): v128 { return mul(a, b) }
}
@unmanaged class Div {
  @inline of(a: v128, b: v128): v128 { return div(a, b) }
}
@unmanaged class Maximum {
  @inline of(a: v128, b: v128): v128 { return maxNaN(a, b) }
}
@unmanaged class Minimum {
  @inline of(a: v128, b: v128): v128 { return minNaN(a, b) }
}
@unmanaged class Eq {
  @inline of(a: v128, b: v128): v128 { return v128.and(f32x4.eq(a, b), splat(1)) }
}
@unmanaged class Ne {
  @inline of(a: v128, b: v128): v128 { return v128.and(f32x4.ne(a, b), splat(1)) }
}
@unmanaged class Lt {
  @inline of(a: v128, b: v128): v128 { return v128.and(f32x4.lt(a, b), splat(1)) }
}
@unmanaged class Le {
  @inline of(a: v128, b: v128): v128 { return v128.and(f32x4.le(a, b), splat(1)) }
}

// How an operand is read in a row: one element after another, or the same one again and again.
@unmanaged class Run {
  @inline vector(p: usize, i: usize): v128 { return v128.load(p + (i << 4)) }
  @inline step(): usize { return 16 }
}
@unmanaged class Repeat {
  @inline vector(p: usize, i: usize): v128 { return v128.load32_splat(p) }
  @inline step(): usize { return 0 }
}

function vectors<F, A, B>(n: i32, a: usize, b: usize, y: usize): void {
  const f = changetype<F>(0), ra = changetype<A>(0), rb = changetype<B>(0)
  if (n >= 16) do {
    const v0 = f.of(ra.vector(a, 0), rb.vector(b, 0)), v1 = f.of(ra.vector(a, 1), rb.vector(b, 1))
    const v2 = f.of(ra.vector(a, 2), rb.vector(b, 2)), v3 = f.of(ra.vector(a, 3), rb.vector(b, 3))
    v128.store(y, v0)
    v128.store(y, v1, 16)
    v128.store(y, v2, 32)
    v128.store(y, v3, 48)
    a += 4 * ra.step()
    b += 4 * rb.step()
    y += 64
    n -= 16
  } while (n >= 16)
  if (n > 0) while (true) {
    const v = f.of(ra.vector(a, 0), rb.vector(b, 0))
    if (n <= 4) return storeUpTo(y, v, n)
    v128.store(y, v)
    a += ra.step()
    b += rb.step()
    y += 16
    n -= 4
  }
}

/** Four elements of an operand of any stride, of which n exist. Only a stride of 1 reads beyond them. */
@inline function next(p: usize, stride: i32, n: i32): v128 {
  return stride == 1 ? v128.load(p) : stride == 0 ? v128.load32_splat(p) : spread(p, <usize>stride << 2, n)
}

function spread(p: usize, step: usize, n: i32): v128 {
  let v = v128.load32_zero(p)
  if (n > 1) v = v128.load32_lane(p + step, v, 1)
  if (n > 2) v = v128.load32_lane(p + 2 * step, v, 2)
  if (n > 3) v = v128.load32_lane(p + 3 * step, v, 3)
  return v
}

/** One row of y */
function row<F>(n: i32, aStride: i32, bStride: i32, a: usize, b: usize, y: usize): void {
  if (aStride == 1 && bStride == 1) return vectors<F, Run, Run>(n, a, b, y)
  if (aStride == 1 && bStride == 0) return vectors<F, Run, Repeat>(n, a, b, y)
  if (aStride == 0 && bStride == 1) return vectors<F, Repeat, Run>(n, a, b, y)
  const f = changetype<F>(0)
  if (n > 0) while (true) {
    const v = f.of(next(a, aStride, n), next(b, bStride, n))
    if (n <= 4) return storeUpTo(y, v, n)
    v128.store(y, v)
    a += <usize>aStride << 4
    b += <usize>bStride << 4
    y += 16
    n -= 4
  }
}

/** Powers take so long that reading the operands does not count. */
function rowOfPowers(n: i32, aStride: i32, bStride: i32, a: usize, b: usize, y: usize): void {
  if (n > 0) while (true) {
    const v = pow4(next(a, aStride, n), next(b, bStride, n))
    if (n <= 4) return storeUpTo(y, v, n)
    v128.store(y, v)
    a += <usize>aStride << 4
    b += <usize>bStride << 4
    y += 16
    n -= 4
  }
}

function line(f: i32, n: i32, aStride: i32, bStride: i32, a: usize, b: usize, y: usize): void {
  switch (f) {
    case Binary.add: return row<Add>(n, aStride, bStride, a, b, y)
    case Binary.sub: return row<Sub>(n, aStride, bStride, a, b, y)
    case Binary.mul: return row<Mul>(n, aStride, bStride, a, b, y)
    case Binary.div: return row<Div>(n, aStride, bStride, a, b, y)
    case Binary.pow: return rowOfPowers(n, aStride, bStride, a, b, y)
    case Binary.maximum: return row<Maximum>(n, aStride, bStride, a, b, y)
    case Binary.minimum: return row<Minimum>(n, aStride, bStride, a, b, y)
    case Binary.eq: return row<Eq>(n, aStride, bStride, a, b, y)
    case Binary.ne: return row<Ne>(n, aStride, bStride, a, b, y)
    case Binary.lt: return row<Lt>(n, aStride, bStride, a, b, y)
    case Binary.le: return row<Le>(n, aStride, bStride, a, b, y)
    case Binary.gt: return row<Lt>(n, bStride, aStride, b, a, y)
    case Binary.ge: return row<Le>(n, bStride, aStride, b, a, y)
  }
}

export function binary(
  f: i32, n0: i32, n1: i32, n2: i32, n3: i32, a0: i32, a1: i32, a2: i32, a3: i32, b0: i32, b1: i32, b2: i32, b3: i32,
  a: usize, b: usize, y: usize,
): void {
  for (let i0 = 0; i0 < n0; i0++) {
    for (let i1 = 0; i1 < n1; i1++) {
      let pa = a + (<usize>(i0 * a0 + i1 * a1) << 2), pb = b + (<usize>(i0 * b0 + i1 * b1) << 2)
      for (let i2 = 0; i2 < n2; i2++) {
        line(f, n3, a3, b3, pa, pb, y)
        pa += <usize>a2 << 2
        pb += <usize>b2 << 2
        y += <usize>n3 << 2
      }
    }
  }
}

function choices<A, B>(n: i32, c: usize, a: usize, b: usize, y: usize): void {
  const ra = changetype<A>(0), rb = changetype<B>(0)
  if (n > 0) while (true) {
    const v = choose(f32x4.ne(v128.load(c), splat(0)), ra.vector(a, 0), rb.vector(b, 0))
    if (n <= 4) return storeUpTo(y, v, n)
    v128.store(y, v)
    c += 16
    a += ra.step()
    b += rb.step()
    y += 16
    n -= 4
  }
}

function rowOfChoices(n: i32, cStride: i32, aStride: i32, bStride: i32, c: usize, a: usize, b: usize, y: usize): void {
  if (cStride == 1 && aStride == 1 && bStride == 1) return choices<Run, Run>(n, c, a, b, y)
  if (cStride == 1 && aStride == 1 && bStride == 0) return choices<Run, Repeat>(n, c, a, b, y)
  if (cStride == 1 && aStride == 0 && bStride == 1) return choices<Repeat, Run>(n, c, a, b, y)
  if (n > 0) while (true) {
    const v = choose(f32x4.ne(next(c, cStride, n), splat(0)), next(a, aStride, n), next(b, bStride, n))
    if (n <= 4) return storeUpTo(y, v, n)
    v128.store(y, v)
    c += <usize>cStride << 4
    a += <usize>aStride << 4
    b += <usize>bStride << 4
    y += 16
    n -= 4
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
        rowOfChoices(n3, c3, a3, b3, pc, pa, pb, y)
        y += <usize>n3 << 2
      }
    }
  }
}

export function axpby(n: i32, a: f32, x: usize, b: f32, y: usize): void {
  const av = splat(a), bv = splat(b)
  if (n <= 0) return
  if (b == 0) while (true) {
    const v0 = mul(av, v128.load(x)), v1 = mul(av, v128.load(x, 16))
    if (n <= 8) return storePair(y, v0, v1, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    x += 32
    y += 32
    n -= 8
  }
  while (true) {
    const v0 = add(mul(av, v128.load(x)), mul(bv, v128.load(y))), v1 = add(mul(av, v128.load(x, 16)), mul(bv, v128.load(y, 16)))
    if (n <= 8) return storePair(y, v0, v1, n)
    v128.store(y, v0)
    v128.store(y, v1, 16)
    x += 32
    y += 32
    n -= 8
  }
}
