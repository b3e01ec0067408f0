// Moving elements: fills, strided copies and their adjoints, int32 conversions, gathering and scattering by index. Elements are
// four bytes of any type unless they are added.
import { exactSum } from './reduce'
import { add, splat, storeQuad, storeUpTo } from './simd'

/** memory.copy and memory.fill take 10 ns and more to begin: a loop is faster for short rows. */
const LONG: i32 = 48

/** The address of element i */
@inline function at(base: usize, i: i32): usize { return base + (<usize>i << 2) }

function fillRow(n: i32, v: v128, y: usize): void {
  for (; n > 16; n -= 16) {
    v128.store(y, v)
    v128.store(y, v, 16)
    v128.store(y, v, 32)
    v128.store(y, v, 48)
    y += 64
  }
  storeQuad(y, v, v, v, v, n)
}

export function fill(n: i32, value: f32, y: usize): void {
  if (reinterpret<u32>(value) == 0 && n >= LONG) memory.fill(y, 0, <usize>n << 2)
  else if (n > 0) fillRow(n, splat(value), y)
}

export function copy(n: i32, x: usize, y: usize): void {
  memory.copy(y, x, <usize>n << 2)
}

function copyRow(n: i32, x: usize, y: usize): void {
  if (n >= LONG) return memory.copy(y, x, <usize>n << 2)
  for (; n > 0; n -= 4) {
    storeUpTo(y, v128.load(x), n)
    x += 16
    y += 16
  }
}

// ---- strided copies ----------------------------------------------------------------------------------------------------

/** y[i] = x[i stride] */
function readRow(n: i32, stride: i32, x: usize, y: usize): void {
  if (stride == 1) return copyRow(n, x, y)
  if (stride == 0) return fillRow(n, v128.load32_splat(x), y)
  if (stride == -1) {
    for (; n >= 4; n -= 4) {
      const v = v128.load(x - 12)
      v128.store(y, v128.shuffle<i32>(v, v, 3, 2, 1, 0))
      x -= 16
      y += 16
    }
  }
  for (const step = <usize>stride << 2; n > 0; n--) {
    store<u32>(y, load<u32>(x))
    x += step
    y += 4
  }
}

/** y[i stride] = x[i] */
function writeRow(n: i32, stride: i32, x: usize, y: usize): void {
  if (stride == 1) return copyRow(n, x, y)
  for (const step = <usize>stride << 2; n > 0; n--) {
    store<u32>(y, load<u32>(x))
    x += 4
    y += step
  }
}

/** y[i stride] += x[i] */
function addRow(n: i32, stride: i32, x: usize, y: usize): void {
  if (stride == 1) {
    for (; n > 0; n -= 4) {
      storeUpTo(y, add(v128.load(y), v128.load(x)), n)
      x += 16
      y += 16
    }
  } else if (stride == 0) {
    store<f32>(y, <f32>(load<f32>(y) + exactSum(n, x)))
  } else for (const step = <usize>stride << 2; n > 0; n--) {
    store<f32>(y, load<f32>(y) + load<f32>(x))
    x += 4
    y += step
  }
}

/** Bytes of a first-level cache: its ways times the distance of addresses that share them */
const CACHE: i32 = 32768

/**
 * y[i down + j] = x[i + j across] for i < rows, j < columns: a transpose, in blocks of 4 x 4 inside strips of columns whose lines
 * of x stay in the cache from one block of rows to the next: fewer where a power of two in `across` makes them share its ways.
 */
function transpose(rows: i32, columns: i32, across: i32, down: i32, x: usize, y: usize): void {
  const a = <usize>across << 2, d = <usize>down << 2, most = a ? max(8, min(64, CACHE / <i32>(a & -a))) : 64
  for (let strip = 0; strip < columns; strip += most) {
    const end = min(columns, strip + most)
    let i = 0
    for (; i + 4 <= rows; i += 4) {
      let from = at(x, strip * across + i), to = at(y, i * down + strip), j = strip
      for (; j + 4 <= end; j += 4) {
        const v0 = v128.load(from), v1 = v128.load(from + a), v2 = v128.load(from + 2 * a), v3 = v128.load(from + 3 * a)
        const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5), high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7)
        const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5), high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7)
        v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
        v128.store(to + d, v128.shuffle<i64>(low01, low23, 1, 3))
        v128.store(to + 2 * d, v128.shuffle<i64>(high01, high23, 0, 2))
        v128.store(to + 3 * d, v128.shuffle<i64>(high01, high23, 1, 3))
        from += 4 * a
        to += 16
      }
      for (; j < end; j++) {
        const v = v128.load(from)
        v128.store32_lane(to, v, 0)
        v128.store32_lane(to + d, v, 1)
        v128.store32_lane(to + 2 * d, v, 2)
        v128.store32_lane(to + 3 * d, v, 3)
        from += a
        to += 4
      }
    }
    for (; i < rows; i++) readRow(end - strip, across, at(x, strip * across + i), at(y, i * down + strip))
  }
}

export function copyFrom(
  n0: i32, n1: i32, n2: i32, n3: i32, n4: i32, n5: i32,
  s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32, offset: i32, x: usize, y: usize,
): void {
  const t4 = n5, t3 = n4 * t4, t2 = n3 * t3, t1 = n2 * t2, t0 = n1 * t1
  // where neighbours of x lie along another dimension than neighbours of y, those two are transposed at once
  let rows = 0, down = 0
  if (s5 != 1 && s4 == 1 && n4 > 3) {
    rows = n4
    down = t4
    n4 = 1
  } else if (s5 != 1 && s3 == 1 && n3 > 3) {
    rows = n3
    down = t3
    n3 = 1
  } else if (s5 != 1 && s2 == 1 && n2 > 3) {
    rows = n2
    down = t2
    n2 = 1
  } else if (s5 != 1 && s1 == 1 && n1 > 3) {
    rows = n1
    down = t1
    n1 = 1
  } else if (s5 != 1 && s0 == 1 && n0 > 3) {
    rows = n0
    down = t0
    n0 = 1
  }
  for (let i0 = 0; i0 < n0; i0++)
    for (let i1 = 0; i1 < n1; i1++)
      for (let i2 = 0; i2 < n2; i2++)
        for (let i3 = 0; i3 < n3; i3++)
          for (let i4 = 0; i4 < n4; i4++) {
            const from = at(x, offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4)
            const to = at(y, i0 * t0 + i1 * t1 + i2 * t2 + i3 * t3 + i4 * t4)
            if (rows) transpose(rows, n5, s5, down, from, to)
            else if (n5 > 0) readRow(n5, s5, from, to)
          }
}

export function copyTo(
  n0: i32, n1: i32, n2: i32, n3: i32, n4: i32, n5: i32,
  s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32, offset: i32, accumulate: i32, x: usize, y: usize,
): void {
  for (let i0 = 0; i0 < n0; i0++)
    for (let i1 = 0; i1 < n1; i1++)
      for (let i2 = 0; i2 < n2; i2++)
        for (let i3 = 0; i3 < n3; i3++)
          for (let i4 = 0; i4 < n4; i4++) {
            const to = at(y, offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4)
            if (accumulate) addRow(n5, s5, x, to)
            else writeRow(n5, s5, x, to)
            x = at(x, n5)
          }
}

// ---- int32 -------------------------------------------------------------------------------------------------------------

export function toInt(n: i32, x: usize, y: usize): void {
  for (; n > 0; n -= 4) {
    storeUpTo(y, i32x4.trunc_sat_f32x4_s(v128.load(x)), n)
    x += 16
    y += 16
  }
}

export function toFloat(n: i32, x: usize, y: usize): void {
  for (; n > 0; n -= 4) {
    storeUpTo(y, f32x4.convert_i32x4_s(v128.load(x)), n)
    x += 16
    y += 16
  }
}

// ---- by index ----------------------------------------------------------------------------------------------------------

export function gather(outer: i32, n: i32, m: i32, inner: i32, x: usize, index: usize, y: usize): void {
  for (let o = 0; o < outer; o++) {
    for (let j = m * inner, i = 0; j > 0; j--) {
      const k = load<i32>(index)
      store<f32>(y, <u32>k < <u32>n ? load<f32>(at(x, k * inner + i)) : NaN)
      if (++i == inner) i = 0
      index += 4
      y += 4
    }
    x = at(x, n * inner)
  }
}

export function scatterAdd(outer: i32, n: i32, m: i32, inner: i32, g: usize, index: usize, y: usize): void {
  memory.fill(y, 0, <usize>(outer * n * inner) << 2)
  for (let o = 0; o < outer; o++) {
    for (let j = m * inner, i = 0; j > 0; j--) {
      const k = load<i32>(index)
      if (<u32>k < <u32>n) {
        const to = at(y, k * inner + i)
        store<f32>(to, load<f32>(to) + load<f32>(g))
      }
      if (++i == inner) i = 0
      index += 4
      g += 4
    }
    y = at(y, n * inner)
  }
}

export function indexSelect(outer: i32, n: i32, m: i32, inner: i32, x: usize, index: usize, y: usize): void {
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < m; j++) {
      const k = load<i32>(at(index, j))
      if (inner == 1) store<f32>(y, <u32>k < <u32>n ? load<f32>(at(x, k)) : NaN)
      else if (<u32>k < <u32>n) copyRow(inner, at(x, k * inner), y)
      else fill(inner, NaN, y)
      y = at(y, inner)
    }
    x = at(x, n * inner)
  }
}

export function indexAdd(outer: i32, n: i32, m: i32, inner: i32, g: usize, index: usize, y: usize): void {
  memory.fill(y, 0, <usize>(outer * n * inner) << 2)
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < m; j++) {
      const k = load<i32>(at(index, j))
      if (<u32>k < <u32>n) {
        const to = at(y, k * inner)
        if (inner == 1) store<f32>(to, load<f32>(to) + load<f32>(g))
        else addRow(inner, 1, g, to)
      }
      g = at(g, inner)
    }
    y = at(y, n * inner)
  }
}

export function oneHot(n: i32, classes: i32, index: usize, y: usize): void {
  memory.fill(y, 0, <usize>(n * classes) << 2)
  for (let i = 0; i < n; i++) {
    const k = load<i32>(at(index, i))
    if (<u32>k < <u32>classes) store<f32>(at(y, k), 1)
    y = at(y, classes)
  }
}
