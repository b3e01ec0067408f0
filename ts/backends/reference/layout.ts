// Reference kernels: memory and layout.

import type { Kernels } from '../../kernels.js'
import type { Ints, Memory } from './memory.js'

type Layout = Pick<
  Kernels<number>,
  'fill' | 'copy' | 'copyFrom' | 'copyTo' | 'toInt' | 'toFloat' | 'gather' | 'scatterAdd' | 'indexSelect' | 'indexAdd' | 'oneHot'
>

/** Visits every element of a box: its number, and its position by the strides from the offset on, which must not be below 0. */
function walk(
  n0: number, n1: number, n2: number, n3: number, n4: number, n5: number,
  s0: number, s1: number, s2: number, s3: number, s4: number, s5: number, offset: number, visit: (i: number, at: number) => void,
): void {
  let i = 0
  for (let i0 = 0; i0 < n0; i0++)
    for (let i1 = 0; i1 < n1; i1++)
      for (let i2 = 0; i2 < n2; i2++)
        for (let i3 = 0; i3 < n3; i3++)
          for (let i4 = 0; i4 < n4; i4++) {
            const row = offset + i0 * s0 + i1 * s1 + i2 * s2 + i3 * s3 + i4 * s4
            for (let i5 = 0; i5 < n5; i5++) {
              if (row + i5 * s5 < 0) throw new RangeError('strides reach below the tensor')
              visit(i++, row + i5 * s5)
            }
          }
}

/**
 * Visits every element k of [outer, m, inner] with the element of [outer, n, inner] that its index names, -1 for an index outside 0..n-1.
 * There is an index for each element, or one for each of the m rows.
 */
function follow(outer: number, n: number, m: number, inner: number, index: Ints, visit: (k: number, named: number) => void): void {
  const ofRows = index.length === m
  let k = 0
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < m; j++)
      for (let i = 0; i < inner; i++, k++) {
        const t = index[ofRows ? j : k]!
        visit(k, t >= 0 && t < n ? (o * n + t) * inner + i : -1)
      }
}

export const layout = (memory: Memory): Layout => {
  const take = (outer: number, n: number, m: number, inner: number, x: number, index: Ints, y: number) => {
    const from = memory.ints(x)
    const to = memory.ints(y)
    follow(outer, n, m, inner, index, (k, named) => (to[k] = named < 0 ? memory.nan : from[named]!))
  }
  const addUp = (outer: number, n: number, m: number, inner: number, g: number, index: Ints, y: number) => {
    const from = memory.floats(g)
    const sums = new Float64Array(outer * n * inner)
    follow(outer, n, m, inner, index, (k, named) => {
      if (named >= 0) sums[named]! += from[k]!
    })
    memory.floats(y).set(sums)
  }

  return {
    fill(n, value, y) {
      memory.floats(y, n).fill(value)
    },

    copy(n, x, y) {
      memory.ints(y, n).set(memory.ints(x, n))
    },

    copyFrom(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, x, y) {
      const from = memory.ints(x)
      const to = memory.ints(y)
      walk(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, (i, at) => (to[i] = from[at]!))
    },

    copyTo(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, accumulate, x, y) {
      if (!accumulate) {
        const from = memory.ints(x)
        const to = memory.ints(y)
        walk(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, (i, at) => (to[at] = from[i]!))
        return
      }
      let end = 0
      walk(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, (_, at) => (end = Math.max(end, at + 1)))
      const from = memory.floats(x)
      // many repeats may add up in one element: in float64, rounded once
      const sums = Float64Array.from(memory.floats(y, end))
      walk(n0, n1, n2, n3, n4, n5, s0, s1, s2, s3, s4, s5, offset, (i, at) => (sums[at]! += from[i]!))
      memory.floats(y).set(sums)
    },

    toInt(n, x, y) {
      const from = memory.floats(x)
      const to = memory.ints(y)
      for (let i = 0; i < n; i++) {
        const v = from[i]!
        to[i] = v !== v ? 0 : Math.max(-2147483648, Math.min(2147483647, v < 0 ? Math.ceil(v) : Math.floor(v))) + 0
      }
    },

    toFloat(n, x, y) {
      memory.floats(y).set(memory.ints(x, n))
    },

    gather: (outer, n, m, inner, x, index, y) => take(outer, n, m, inner, x, memory.ints(index, outer * m * inner), y),
    indexSelect: (outer, n, m, inner, x, index, y) => take(outer, n, m, inner, x, memory.ints(index, m), y),
    scatterAdd: (outer, n, m, inner, g, index, y) => addUp(outer, n, m, inner, g, memory.ints(index, outer * m * inner), y),
    indexAdd: (outer, n, m, inner, g, index, y) => addUp(outer, n, m, inner, g, memory.ints(index, m), y),

    oneHot(n, classes, index, y) {
      const at = memory.ints(index)
      const to = memory.floats(y)
      for (let i = 0; i < n; i++) for (let c = 0; c < classes; c++) to[i * classes + c] = at[i] === c ? 1 : 0
    },
  }
}
