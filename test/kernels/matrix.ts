// The cases of the kernel tests for matrix products.

import { Activation } from '../../ts/kernels.js'
import { codes, Draw, inout, input, one, output, within, type Cases } from './operands.js'

interface Product {
  m: number
  n: number
  k: number
  transA?: number
  transB?: number
  alpha?: number
  beta?: number
  batch?: number
  shareA?: boolean
  shareB?: boolean
  gap?: number
  bias?: boolean
  activation?: Activation
}
export function product(d: Draw, q: Product) {
  const { m, n, k, transA = 0, transB = 0, alpha = 1, beta = 0, batch = 1, gap = 0, activation = Activation.none } = q
  const [strideA, strideB, strideC] = [q.shareA ? 0 : m * k + gap, q.shareB ? 0 : k * n + gap, m * n + gap]
  const size = (matrix: number, stride: number) => (batch === 0 ? 0 : (batch - 1) * stride + matrix)
  const c = size(m * n, strideC)
  const a = input(d.normal(size(m * k, strideA)))
  const b = input(d.normal(size(k * n, strideB)))
  const bias = q.bias ? input(d.normal(n)) : 0
  const y = beta === 0 ? output(c) : inout(d.normal(c))
  const args = [batch, transA, transB, m, n, k, alpha, a, strideA, b, strideB, beta, y, strideC, bias, activation]
  const what = `${m}×${n}×${k} transposed ${transA} ${transB} batch ${batch} gap ${gap} ${Activation[activation]}`
  // the terms are products of normal numbers: a running float32 sum is off by some 2e-8 k (one standard deviation)
  return one(what, args, within(1e-6, 1.5e-7 * Math.abs(alpha) * k + 1e-6))
}

export function* gemm(d: Draw): Cases {
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      for (const m of [1, 4, 5, 17]) {
        for (const n of [1, 3, 8, 17, 33]) for (const k of [1, 4, 7, 64]) yield product(d, { m, n, k, transA, transB })
      }
      for (const n of [0, 5]) for (const m of [0, 3]) yield product(d, { m, n, k: 4, transA, transB, bias: true })
      // vectors and beyond the blocks of k and n
      yield product(d, { m: 1, n: 130, k: 300, transA, transB, bias: true })
      yield product(d, { m: 130, n: 1, k: 70, transA, transB, beta: 1 })
      yield product(d, { m: 2, n: 1, k: 600, transA, transB })
      yield product(d, { m: 6, n: 10, k: 530, transA, transB, beta: 0.5, alpha: -2, bias: true, activation: Activation.relu })
      yield product(d, { m: 250, n: 12, k: 9, transA, transB, bias: true, activation: Activation.tanh })
      yield product(d, { m: 5, n: 1560, k: 6, transA, transB, bias: true })
    }
  }
  for (const activation of codes(Activation) as Activation[]) {
    for (const [beta, bias] of [[0, false], [0, true], [1, false], [1, true]] as const) {
      for (const [m, n] of [[1, 9], [9, 1], [7, 11], [16, 16]] as const) {
        yield product(d, { m, n, k: 5, beta, bias, activation, batch: 2 })
        yield product(d, { m, n, k: 0, beta, bias, activation })
      }
    }
  }
  for (let i = 0; i < 120; i++) {
    const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 67]
    yield product(d, {
      m: d.pick(sizes), n: d.pick(sizes), k: d.pick(sizes), transA: d.pick([0, 1]), transB: d.pick([0, 1]),
      alpha: d.pick([1, 0.5, -2]), beta: d.pick([0, 0, 1, -0.5]), batch: d.pick([1, 2, 3, 0]), gap: d.pick([0, 0, 1, 5]),
      shareA: d.pick([true, false]), shareB: d.pick([true, false]), bias: d.pick([true, false]),
      activation: d.pick(codes(Activation) as Activation[]),
    })
  }
  yield product(d, { m: 130, n: 1550, k: 260, transA: 1, beta: 1, bias: true })
  // a NaN in a reaches its row and nothing else
  const a = d.normal(7 * 9)
  a[3 * 9 + 4] = NaN
  for (const activation of [Activation.none, Activation.relu]) {
    const args = [1, 0, 0, 7, 10, 9, 1, input(a), 0, input(d.normal(90)), 0, 0, output(70), 0, 0, activation]
    yield one(`NaN in a, ${Activation[activation]}`, args, within(1e-6, 3e-6))
  }
}
