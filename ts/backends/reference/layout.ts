// Reference kernels: memory and layout.

import type { Kernels } from '../../kernels.js'
import type { Memory } from './memory.js'

type Layout = Pick<
  Kernels<number>,
  'fill' | 'copy' | 'copyFrom' | 'copyTo' | 'toInt' | 'toFloat' | 'gather' | 'scatterAdd' | 'indexSelect' | 'indexAdd' | 'oneHot'
>

/** Smallest and largest offset that indices below `sizes` reach with `strides`; no sizes of 0. */
function reach(sizes: readonly number[], strides: readonly number[]): [number, number] {
  let least = 0
  let most = 0
  for (let i = 0; i < sizes.length; i++) {
    const far = (sizes[i]! - 1) * strides[i]!
    if (far < 0) least += far
    else most += far
  }
  return [least, most]
}

export const layout = (memory: Memory): Layout => ({
  fill(n, value, y) {
    memory.floats(y, n).fill(value)
  },

  copy(n, x, y) {
    memory.ints(y, n).set(memory.ints(x, n))
  },

  copyFrom(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, x, y) {
    const n = n0 * n1 * n2 * n3 * n4 * n5
    if (n === 0) return
    const [least, most] = reach([n0, n1, n2, n3, n4, n5], [s0, s1, s2, s3, s4, s5])
    const from = memory.ints(x, offset + most + 1)
    const to = memory.ints(y, n)
    if (offset + least < 0) throw new RangeError('copyFrom: strides reach below the tensor')
    let i = 0
    for (let i0 = 0; i0 < n0; i0++)
      for (let i1 = 0; i1 < n1; i1++)
        for (let i2 = 0; i2 < n2; i2++)
          for (let i3 = 0; i3 < n3; i3++)
            for (let i4 = 0; i4 < n4; i4++) {
              const row = offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4
              for (let i5 = 0; i5 < n5; i5++) to[i++] = from[row + i5 * s5]!
            }
  },

  copyTo(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, accumulate, x, y) {
    const n = n0 * n1 * n2 * n3 * n4 * n5
    if (n === 0) return
    const [least, most] = reach([n0, n1, n2, n3, n4, n5], [s0, s1, s2, s3, s4, s5])
    if (offset + least < 0) throw new RangeError('copyTo: strides reach below the tensor')
    const target = accumulate ? memory.floats(y, offset + most + 1) : memory.ints(y, offset + most + 1)
    const from = accumulate ? memory.floats(x, n) : memory.ints(x, n)
    // many repeats may add up in one element: in float64, rounded once
    const to = accumulate ? Float64Array.from(target) : target
    let i = 0
    for (let i0 = 0; i0 < n0; i0++)
      for (let i1 = 0; i1 < n1; i1++)
        for (let i2 = 0; i2 < n2; i2++)
          for (let i3 = 0; i3 < n3; i3++)
            for (let i4 = 0; i4 < n4; i4++) {
              const row = offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4
              if (accumulate) for (let i5 = 0; i5 < n5; i5++) to[row + i5 * s5]! += from[i++]!
              else for (let i5 = 0; i5 < n5; i5++) to[row + i5 * s5] = from[i++]!
            }
    if (accumulate) target.set(to)
  },

  toInt(n, x, y) {
    const from = memory.floats(x, n)
    const to = memory.ints(y, n)
    for (let i = 0; i < n; i++) {
      const v = from[i]!
      to[i] = v !== v ? 0 : Math.max(-2147483648, Math.min(2147483647, v < 0 ? Math.ceil(v) : Math.floor(v))) + 0
    }
  },

  toFloat(n, x, y) {
    memory.floats(y, n).set(memory.ints(x, n))
  },

  gather(outer, n, m, inner, x, index, y) {
    const from = memory.ints(x, outer * n * inner)
    const at = memory.ints(index, outer * m * inner)
    const to = memory.ints(y, outer * m * inner)
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < m; j++)
        for (let i = 0; i < inner; i++) {
          const k = (o * m + j) * inner + i
          const t = at[k]!
          to[k] = t >= 0 && t < n ? from[(o * n + t) * inner + i]! : memory.nan
        }
  },

  scatterAdd(outer, n, m, inner, g, index, y) {
    const from = memory.floats(g, outer * m * inner)
    const at = memory.ints(index, outer * m * inner)
    const sums = new Float64Array(outer * n * inner)
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < m; j++)
        for (let i = 0; i < inner; i++) {
          const k = (o * m + j) * inner + i
          const t = at[k]!
          if (t >= 0 && t < n) sums[(o * n + t) * inner + i]! += from[k]!
        }
    memory.floats(y, outer * n * inner).set(sums)
  },

  indexSelect(outer, n, m, inner, x, index, y) {
    const from = memory.ints(x, outer * n * inner)
    const at = memory.ints(index, m)
    const to = memory.ints(y, outer * m * inner)
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < m; j++) {
        const t = at[j]!
        const known = t >= 0 && t < n
        for (let i = 0; i < inner; i++) to[(o * m + j) * inner + i] = known ? from[(o * n + t) * inner + i]! : memory.nan
      }
  },

  indexAdd(outer, n, m, inner, g, index, y) {
    const from = memory.floats(g, outer * m * inner)
    const at = memory.ints(index, m)
    const sums = new Float64Array(outer * n * inner)
    for (let o = 0; o < outer; o++)
      for (let j = 0; j < m; j++) {
        const t = at[j]!
        if (t < 0 || t >= n) continue
        for (let i = 0; i < inner; i++) sums[(o * n + t) * inner + i]! += from[(o * m + j) * inner + i]!
      }
    memory.floats(y, outer * n * inner).set(sums)
  },

  oneHot(n, classes, index, y) {
    const at = memory.ints(index, n)
    const to = memory.floats(y, n * classes)
    for (let i = 0; i < n; i++) for (let c = 0; c < classes; c++) to[i * classes + c] = at[i] === c ? 1 : 0
  },
})
