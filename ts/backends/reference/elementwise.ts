// Reference kernels: elementwise functions of one, two and three tensors.

import type { Kernels } from '../../kernels.js'
import { BINARY, UNARY, UNARY_GRAD } from './formulas.js'
import type { Memory } from './memory.js'

type Elementwise = Pick<Kernels<number>, 'unary' | 'unaryGrad' | 'binary' | 'where' | 'axpby'>

export const elementwise = (memory: Memory): Elementwise => ({
  unary(f, n, a, b, x, y) {
    const formula = UNARY[f]
    const [from, to] = memory.views(x, y)
    for (let i = 0; i < n; i++) to[i] = formula(from[i]!, a, b)
  },

  unaryGrad(f, n, a, b, x, y, g, out) {
    const gradient = UNARY_GRAD[f]
    const [xs, ys, gs, to] = memory.views(x, y, g, out)
    for (let i = 0; i < n; i++) to[i] = gradient(gs[i]!, xs[i]!, ys[i]!, a, b)
  },

  binary(f, n0, n1, n2, n3, a0, a1, a2, a3, b0, b1, b2, b3, a, b, y) {
    const apply = BINARY[f]
    const [as, bs, to] = memory.views(a, b, y)
    let i = 0
    for (let i0 = 0; i0 < n0; i0++)
      for (let i1 = 0; i1 < n1; i1++)
        for (let i2 = 0; i2 < n2; i2++) {
          const ai = i0 * a0 + i1 * a1 + i2 * a2
          const bi = i0 * b0 + i1 * b1 + i2 * b2
          for (let i3 = 0; i3 < n3; i3++) to[i++] = apply(as[ai + i3 * a3]!, bs[bi + i3 * b3]!)
        }
  },

  where(n0, n1, n2, n3, c0, c1, c2, c3, a0, a1, a2, a3, b0, b1, b2, b3, c, a, b, y) {
    const [cs, as, bs, to] = memory.views(c, a, b, y)
    let i = 0
    for (let i0 = 0; i0 < n0; i0++)
      for (let i1 = 0; i1 < n1; i1++)
        for (let i2 = 0; i2 < n2; i2++) {
          const ci = i0 * c0 + i1 * c1 + i2 * c2
          const ai = i0 * a0 + i1 * a1 + i2 * a2
          const bi = i0 * b0 + i1 * b1 + i2 * b2
          for (let i3 = 0; i3 < n3; i3++) to[i++] = cs[ci + i3 * c3] !== 0 ? as[ai + i3 * a3]! : bs[bi + i3 * b3]!
        }
  },

  axpby(n, a, x, b, y) {
    const [from, to] = memory.views(x, y)
    for (let i = 0; i < n; i++) to[i] = b === 0 ? a * from[i]! : a * from[i]! + b * to[i]!
  },
})
