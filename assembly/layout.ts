// Memory and layout: fills, copies of strided boxes, conversions, reading and adding by index. Elements are 4 bytes of any type.

import { storeUpTo } from './simd'

@inline function at(base: usize, i: i32): usize { return base + (<usize>i << 2) }

export function fill(n: i32, value: f32, y: usize): void {
  if (reinterpret<u32>(value) == 0) {
    memory.fill(y, 0, <usize>n << 2)
    return
  }
  const v = f32x4.splat(value)
  for (; n > 0; n -= 4) {
    storeUpTo(y, v, n)
    y += 16
  }
}

export function copy(n: i32, x: usize, y: usize): void {
  memory.copy(y, x, <usize>n << 2)
}

/** y[0..n) = x[0], x[step] … */
function readRow(n: i32, step: i32, x: usize, y: usize): void {
  if (step == 1) {
    // memory.copy costs more than its copying for a few bytes (2-3 times on Node 20)
    if (n >= 64) memory.copy(y, x, <usize>n << 2)
    else for (; n > 0; n -= 4) {
      storeUpTo(y, v128.load(x), n)
      x += 16
      y += 16
    }
  } else if (step == 0) {
    const v = v128.load32_splat(x)
    for (; n > 0; n -= 4) {
      storeUpTo(y, v, n)
      y += 16
    }
  } else {
    const bytes = <usize>step << 2
    for (const end = at(y, n); y < end; y += 4) {
      store<u32>(y, load<u32>(x))
      x += bytes
    }
  }
}

/** y[0], y[step] … = or += x[0..n) */
function writeRow(n: i32, step: i32, accumulate: i32, x: usize, y: usize): void {
  if (accumulate) {
    const bytes = <usize>step << 2
    if (step == 0) {
      let sum: f64 = load<f32>(y)
      for (const end = at(x, n); x < end; x += 4) sum += <f64>load<f32>(x)
      store<f32>(y, <f32>sum)
    } else for (const end = at(x, n); x < end; x += 4) {
      store<f32>(y, load<f32>(y) + load<f32>(x))
      y += bytes
    }
  } else if (step == 1) readRow(n, 1, x, y)
  else {
    const bytes = <usize>step << 2
    for (const end = at(x, n); x < end; x += 4) {
      store<u32>(y, load<u32>(x))
      y += bytes
    }
  }
}

/** y [rows, columns] = x read with a row stride of 1 and a column stride of `step`: a transpose, in blocks of 4 x 4. */
function transpose(rows: i32, columns: i32, step: i32, x: usize, y: usize): void {
  const across = <usize>step << 2
  const down = <usize>columns << 2
  let i = 0
  for (; i + 4 <= rows; i += 4) {
    let from = at(x, i)
    let to = y + <usize>i * down
    let j = 0
    for (; j + 4 <= columns; j += 4) {
      const a = v128.load(from)
      const b = v128.load(from + across)
      const c = v128.load(from + 2 * across)
      const d = v128.load(from + 3 * across)
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
      const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
      const ef = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
      const gh = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
      v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5))
      v128.store(to + down, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7))
      v128.store(to + 2 * down, v128.shuffle<f32>(ef, gh, 0, 1, 4, 5))
      v128.store(to + 3 * down, v128.shuffle<f32>(ef, gh, 2, 3, 6, 7))
      from += 4 * across
      to += 16
    }
    for (; j < columns; j++) {
      for (let r: usize = 0; r < 4; r++) store<u32>(to + r * down, load<u32>(from + (r << 2)))
      from += across
      to += 4
    }
  }
  for (; i < rows; i++) readRow(columns, step, at(x, i), y + <usize>i * down)
}

export function copyFrom(
  n0: i32, n1: i32, n2: i32, n3: i32, n4: i32, n5: i32, s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32, offset: i32, x: usize, y: usize,
): void {
  if (n5 <= 0 || n4 <= 0) return
  const plane = at(0, n4 * n5)
  const turned = s4 == 1 && s5 != 1 && n4 >= 4
  for (let i0 = 0; i0 < n0; i0++)
    for (let i1 = 0; i1 < n1; i1++)
      for (let i2 = 0; i2 < n2; i2++)
        for (let i3 = 0; i3 < n3; i3++) {
          const from = offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3
          if (turned) transpose(n4, n5, s5, at(x, from), y)
          else for (let i4 = 0; i4 < n4; i4++) readRow(n5, s5, at(x, from + i4 * s4), at(y, i4 * n5))
          y += plane
        }
}

export function copyTo(
  n0: i32, n1: i32, n2: i32, n3: i32, n4: i32, n5: i32, s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, s5: i32,
  offset: i32, accumulate: i32, x: usize, y: usize,
): void {
  if (n5 <= 0) return
  const row = at(0, n5)
  for (let i0 = 0; i0 < n0; i0++)
    for (let i1 = 0; i1 < n1; i1++)
      for (let i2 = 0; i2 < n2; i2++)
        for (let i3 = 0; i3 < n3; i3++)
          for (let i4 = 0; i4 < n4; i4++) {
            writeRow(n5, s5, accumulate, x, at(y, offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4))
            x += row
          }
}

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

export function gather(outer: i32, n: i32, m: i32, inner: i32, x: usize, index: usize, y: usize): void {
  for (let o = 0; o < outer; o++) {
    const from = at(x, o * n * inner)
    for (let j = 0; j < m; j++) {
      for (let i = 0; i < inner; i++) {
        const k = load<i32>(index)
        store<f32>(y, <u32>k < <u32>n ? load<f32>(at(from, k * inner + i)) : NaN)
        index += 4
        y += 4
      }
    }
  }
}

export function scatterAdd(outer: i32, n: i32, m: i32, inner: i32, g: usize, index: usize, y: usize): void {
  memory.fill(y, 0, at(0, outer * n * inner))
  for (let o = 0; o < outer; o++) {
    const to = at(y, o * n * inner)
    for (let j = 0; j < m; j++) {
      for (let i = 0; i < inner; i++) {
        const k = load<i32>(index)
        if (<u32>k < <u32>n) {
          const place = at(to, k * inner + i)
          store<f32>(place, load<f32>(place) + load<f32>(g))
        }
        index += 4
        g += 4
      }
    }
  }
}

export function indexSelect(outer: i32, n: i32, m: i32, inner: i32, x: usize, index: usize, y: usize): void {
  const row = at(0, inner)
  for (let o = 0; o < outer; o++) {
    const from = at(x, o * n * inner)
    for (let j = 0; j < m; j++) {
      const k = load<i32>(at(index, j))
      if (<u32>k < <u32>n) readRow(inner, 1, at(from, k * inner), y)
      else fill(inner, NaN, y)
      y += row
    }
  }
}

export function indexAdd(outer: i32, n: i32, m: i32, inner: i32, g: usize, index: usize, y: usize): void {
  memory.fill(y, 0, at(0, outer * n * inner))
  const row = at(0, inner)
  for (let o = 0; o < outer; o++) {
    const to = at(y, o * n * inner)
    for (let j = 0; j < m; j++) {
      const k = load<i32>(at(index, j))
      if (<u32>k < <u32>n) {
        let place = at(to, k * inner)
        let from = g
        for (let left = inner; left > 0; left -= 4) {
          storeUpTo(place, f32x4.add(v128.load(place), v128.load(from)), left)
          place += 16
          from += 16
        }
      }
      g += row
    }
  }
}

export function oneHot(n: i32, classes: i32, index: usize, y: usize): void {
  memory.fill(y, 0, at(0, n * classes))
  for (let i = 0; i < n; i++) {
    const k = load<i32>(at(index, i))
    if (<u32>k < <u32>classes) store<f32>(at(y, i * classes + k), 1)
  }
}
