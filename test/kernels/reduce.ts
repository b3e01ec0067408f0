// The cases of the kernel tests for reductions, softmax and cross-entropy.

import { Reduce } from '../../ts/kernels.js'
import { codes, Draw, FEW, input, ints, one, output, outputInts, SIZES, within, type Cases } from './operands.js'
import type { Operand } from './run.js'

const RUNS: [number, number, number][] = [
  ...SIZES.map(n => [1, n, 1] as [number, number, number]),
  ...FEW.flatMap(outer => [3, 4, 16, 33].flatMap(n => [1, 4, 7, 67].map(inner => [outer, n, inner] as [number, number, number]))),
  [0, 3, 2], [2, 3, 0], [3, 0, 4], [67, 1, 1], [1, 1, 67], [64, 5, 1], [2, 300, 9],
]
const LONG: [number, number, number][] = [[1, 20000, 1], [2, 5000, 3], [3, 4001, 1]]

export function* reduce(d: Draw): Cases {
  for (const f of codes(Reduce) as Reduce[]) {
    const extreme = f === Reduce.max || f === Reduce.min
    for (const [outer, n, inner] of RUNS) {
      const size = outer * n * inner
      const x = f === Reduce.prod ? d.normal(size, 0.1, 1) : extreme ? d.spiced(size) : d.normal(size)
      // relative to the terms, since a sum may cancel: normal numbers have magnitude 1
      const tolerance = extreme ? 'exact' : within(2e-6, f === Reduce.mean ? 1e-6 : 5e-7 * Math.sqrt(n))
      yield one(`${Reduce[f]} ${[outer, n, inner]}`, [f, outer, n, inner, input(x), output(outer * inner)], tolerance)
    }
    for (const [outer, n, inner] of f === Reduce.prod ? [] : LONG) {
      // all of one sign and far from zero: one running float32 sum would be 1e-5 off
      const x = d.normal(outer * n * inner, 1, 10)
      const args = [f, outer, n, inner, input(x), output(outer * inner)]
      yield one(`${Reduce[f]} long ${[outer, n, inner]}`, args, extreme ? 'exact' : within(2e-6))
    }
    for (const n of [2, 5, 17, 40]) {
      for (const v of [NaN, Infinity, -Infinity]) {
        for (const at of [0, 1, n - 1]) {
          const [along, across] = [d.normal(n, 0.1, 1), d.normal(3 * n, 0.1, 1)]
          along[at] = v
          across[at * 3 + 1] = v
          yield one(`${Reduce[f]} ${v} at ${at} of ${n}`, [f, 1, n, 1, input(along), output(1)], within(4e-6))
          yield one(`${Reduce[f]} ${v} at ${at} of ${n}, inner 3`, [f, 1, n, 3, input(across), output(3)], within(4e-6))
        }
      }
    }
  }
}

export function* argReduce(d: Draw): Cases {
  for (const sign of [1, -1]) {
    for (const [outer, n, inner] of [...RUNS, ...LONG]) {
      if (n === 0) continue
      const size = outer * n * inner
      const values = [
        d.whole(size, -3, 4), d.normal(size), d.spiced(size, [NaN, -Infinity, Infinity, 1]),
        new Float32Array(size).fill(-sign * Infinity),
      ]
      for (const x of values) {
        yield one(`sign ${sign} ${[outer, n, inner]}`, [sign, outer, n, inner, input(x), outputInts(outer * inner)])
      }
    }
  }
}

export function* moments(d: Draw): Cases {
  for (const [outer, n, inner] of [...RUNS, ...LONG]) {
    for (const shift of [0, 100]) {
      const x = input(d.normal(outer * n * inner, 1, shift))
      const args = [outer, n, inner, x, output(outer * inner), output(outer * inner)]
      yield one(`${[outer, n, inner]} around ${shift}`, args, within(3e-6, 2e-6))
    }
  }
}

export function* logSumExp(d: Draw): Cases {
  for (const [outer, n, inner] of [...RUNS, ...LONG]) {
    for (const scale of [1, 50]) {
      const x = input(d.normal(outer * n * inner, scale))
      yield one(`${[outer, n, inner]} scale ${scale}`, [outer, n, inner, x, output(outer * inner)], within(1e-6, 1e-6))
    }
    const x = input(d.spiced(outer * n * inner, [-Infinity, -Infinity, 1e4, -3e38]))
    yield one(`${[outer, n, inner]} masked`, [outer, n, inner, x, output(outer * inner)], within(1e-6, 1e-6))
  }
  for (const special of [Infinity, -Infinity, NaN]) {
    for (const n of [1, 3, 4, 17]) yield one(`all ${special}`, [2, n, 3, input(new Float32Array(6 * n).fill(special)), output(6)])
    yield one(`one ${special}`, [1, 5, 1, input([1, 2, special, 3, 4]), output(1)], within(1e-6))
  }
}

export function* cumsum(d: Draw): Cases {
  for (const [outer, n, inner] of [...RUNS, [1, 4000, 2] as const]) {
    for (const reverse of [0, 1]) {
      const x = input(d.normal(outer * n * inner))
      const tolerance = within(1e-6, 3e-7 * Math.max(1, Math.sqrt(n) * 2))
      const args = [outer, n, inner, reverse, x, output(outer * n * inner)]
      yield one(`${[outer, n, inner]}${reverse ? ' reverse' : ''}`, args, tolerance)
    }
  }
}

// ---- softmax and cross-entropy -----------------------------------------------------------------------------------------------

const CLASSES: [number, number, number][] = [...RUNS, [5, 10, 1], [2, 1000, 1], [3, 21, 25]]

const logits = (d: Draw, size: number) =>
  [['', d.normal(size, 2)], [' far apart', d.normal(size, 60, -300)], [' masked', d.spiced(size, [-Infinity, 0, 30])]] as const

export function* softmax(d: Draw): Cases {
  for (const [outer, n, inner] of CLASSES) {
    const size = outer * n * inner
    for (const [what, x] of logits(d, size)) {
      yield one(`${[outer, n, inner]}${what}`, [outer, n, inner, input(x), output(size)], within(2e-6, 1e-7))
    }
  }
  yield one('all masked', [1, 5, 1, input(new Float32Array(5).fill(-Infinity)), output(5)])
  yield one('a NaN', [1, 5, 1, input([1, NaN, 2, 3, 4]), output(5)])
}
export function* logSoftmax(d: Draw): Cases {
  for (const [outer, n, inner] of CLASSES) {
    const size = outer * n * inner
    for (const [what, x] of logits(d, size)) {
      yield one(`${[outer, n, inner]}${what}`, [outer, n, inner, input(x), output(size)], within(1e-6, 1e-6))
    }
  }
}
/** Gradients take the outputs of the forward kernels: probabilities, or their logarithms. */
export function* softmaxGrads(d: Draw, log: boolean): Cases {
  for (const [outer, n, inner] of CLASSES) {
    const size = outer * n * inner
    const y = d.normal(size).map(v => (log ? -Math.abs(v) - Math.log(n + 1) : Math.exp(v) / (2 * n)))
    const args = [outer, n, inner, input(y), input(d.normal(size)), output(size)]
    yield one(`${[outer, n, inner]}`, args, within(2e-6, 1e-6 * Math.max(1, Math.sqrt(n) / 2)))
  }
}

/** weights, smoothing, targets of every kind */
export function* entropies(d: Draw, gradient: boolean): Cases {
  const tolerance = within(2e-6, 2e-6)
  const shapes = [
    [1, 1, 1], [0, 3, 1], [3, 10, 1], [17, 4, 1], [5, 33, 1], [2, 5, 7], [3, 10, 16], [64, 10, 1], [2, 67, 3], [1, 1000, 1],
  ] as const
  for (const [n, c, inner] of shapes) {
    const count = n * inner
    for (const smoothing of [0, 0.25]) {
      for (const weighted of [false, true]) {
        for (const ignore of [-100, Math.min(1, c - 1)]) {
          const x = d.normal(n * c * inner, 3, weighted ? 1000 : 0)
          const targets = d.whole(count, 0, c)
          if (ignore < 0) for (let i = 1; i < count; i += 5) targets[i] = ignore
          const weight = weighted ? input(d.normal(c).map(Math.abs)) : 0
          const what = `${[n, c, inner]} smoothing ${smoothing} ignore ${ignore}${weighted ? ' weights' : ''}`
          const rest = [ints(targets), weight]
          const head = [n, c, inner, ignore, smoothing]
          const outputs = [output(count), output(count), output(count)]
          if (!gradient) {
            yield one(what, [...head, input(x), ...rest, ...outputs, output(x.length)], tolerance)
            yield one(`${what}, exponentials not wanted`, [...head, input(x), ...rest, ...outputs, 0], tolerance)
          } else {
            const exps = x.map(v => Math.exp((v - (weighted ? 1000 : 0)) / 3))
            const sums = Float32Array.from({ length: count }, (_, p) => {
              let sum = 0
              for (let j = 0; j < c; j++) sum += exps[Math.floor(p / inner) * c * inner + (p % inner) + j * inner]!
              return sum
            })
            yield one(what, [...head, input(exps), ...rest, input(sums), input(d.normal(count)), output(x.length)], tolerance)
          }
        }
      }
    }
  }
  if (gradient) return
  const [loss, sums, used]: Operand[] = [output(6), output(6), { ...output(6), role: 'ignored' }]
  yield one('strays', [3, 4, 2, -100, 0, input(d.normal(24)), ints([0, -100, 3, 4, -1, 1]), 0, loss!, sums!, used!, output(24)], tolerance)
  const ruledOut = input([1, -Infinity, 2, 3])
  yield one('a class ruled out', [1, 4, 1, -100, 0, ruledOut, ints([2]), 0, output(1), output(1), output(1), output(4)], tolerance)
  const apart = input([1e4, 0, -1e4, -500, -501, -502])
  yield one('logits far apart', [2, 3, 1, -100, 0, apart, ints([1, 0]), 0, output(2), output(2), output(2), output(6)], tolerance)
}
