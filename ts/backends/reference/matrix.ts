// Reference kernel: matrix products.

import type { Kernels } from '../../kernels.js'
import { ACTIVATION } from './formulas.js'
import type { Memory } from './memory.js'

export const matrix = (memory: Memory): Pick<Kernels<number>, 'gemm'> => ({
  gemm(batch, transA, transB, m, n, k, alpha, a, strideA, b, strideB, beta, c, strideC, bias, activation) {
    if (batch === 0 || m === 0 || n === 0) return
    const [as, bs, cs, added] = memory.views(a, b, c, bias)
    const activate = ACTIVATION[activation]
    // steps from one row and one column of op(a) and op(b) to the next
    const [aRow, aColumn] = transA ? [1, m] : [k, 1]
    const [bRow, bColumn] = transB ? [1, k] : [n, 1]
    const row = new Float64Array(n)
    for (let i = 0; i < batch; i++)
      for (let r = 0; r < m; r++) {
        row.fill(0)
        for (let p = 0; p < k; p++) {
          const x = as[i * strideA + r * aRow + p * aColumn]!
          const start = i * strideB + p * bRow
          for (let j = 0; j < n; j++) row[j]! += x * bs[start + j * bColumn]!
        }
        for (let j = 0; j < n; j++) {
          const at = i * strideC + r * n + j
          let value = alpha * row[j]!
          if (beta !== 0) value += beta * cs[at]!
          if (bias) value += added[j]!
          cs[at] = activate(value)
        }
      }
  },
})
