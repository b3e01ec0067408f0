// Reference kernels: random numbers. The results are float32 values on reference64 too, so that all backends draw the same bits.

import type { Kernels } from '../../kernels.js'
import { boxMuller, philox } from '../../random.js'
import type { Memory } from './memory.js'

type Random = Pick<Kernels<number>, 'uniform' | 'normal' | 'bernoulli'>

const TWO_24 = 16777216
const { fround } = Math

export const random = (memory: Memory): Random => {
  const block = new Uint32Array(4)
  const pair = new Float64Array(2)

  /** The block at the counter, which moves on */
  const draw = (state: Int32Array) => {
    const [k0, k1, c0, c1] = state
    philox(c0!, c1!, 0, 0, k0!, k1!, block)
    state[2] = c0! + 1
    if (state[2] === 0) state[3] = c1! + 1
  }

  /** n numbers, each made of word i of a block */
  const fill = (n: number, state: number, y: number, number: (i: number) => number) => {
    const words = memory.words(state, 4)
    const to = memory.floats(y)
    for (let i = 0; i < n; i++) {
      if (i % 4 === 0) draw(words)
      to[i] = fround(number(i % 4))
    }
  }
  /** In [0, 1) */
  const fraction = (i: number) => (block[i]! >>> 8) / TWO_24

  return {
    uniform(n, low, high, state, y) {
      const start = fround(low)
      const range = fround(fround(high) - start)
      fill(n, state, y, i => start + fround(range * fraction(i)))
    },

    normal(n, mean, std, state, y) {
      fill(n, state, y, i => {
        if (i % 2 === 0) boxMuller(block[i]!, block[i + 1]!, pair)
        return mean + std * pair[i % 2]!
      })
    },

    bernoulli(n, p, scale, state, y) {
      const threshold = fround(p)
      fill(n, state, y, i => (fraction(i) >= threshold ? scale : 0))
    },
  }
}
