// How hebb/threads splits kernels: any number of parts, done in any order, gives the bits of the whole call.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UNARY } from '../ts/backends/reference/formulas.js'
import { createWasm } from '../ts/backends/wasm.js'
import type { Kernels } from '../ts/kernels.js'
import { RULES, type KernelName } from '../ts/threads/split.js'
import { CASES } from './kernels/cases.js'
import { product } from './kernels/matrix.js'
import { Draw, input, one, output, type Cases } from './kernels/operands.js'
import { run, Room, type Case, type Outcome } from './kernels/run.js'
import { convolution } from './kernels/windows.js'

const backend = createWasm()
const room = new Room(backend)

/** Each kernel in so many parts, the last one first */
function inParts(count: number): Kernels<number> {
  const split = Object.entries(RULES).map(([name, rule]) => {
    const kernel = backend.kernels[name as KernelName] as (...args: number[]) => number | void
    return [name, (...args: number[]) => {
      assert.ok(rule.time(args) >= 0, name)
      const parts = Math.min(count, rule.most(args))
      if (parts < 2) return kernel(...args)
      const results: number[] = []
      for (let i = parts - 1; i >= 0; i--) {
        const part = rule.part(args, i, parts)
        backend.setShare(part.share, part.shares)
        results[i] = kernel(...part.args) ?? 0
      }
      backend.setShare(0, 1)
      return rule.result?.(args, results)
    }]
  })
  return { ...backend.kernels, ...Object.fromEntries(split) }
}

const bitsOf = (values: ArrayLike<number>) => new Uint32Array(values instanceof Int32Array ? values : Float32Array.from(values).buffer)

function difference(whole: Outcome, parts: Outcome): string | null {
  if (whole.result !== parts.result) return `returned ${parts.result}, the whole ${whole.result}`
  for (let k = 0; k < whole.operands.length; k++) {
    if (whole.operands[k]!.operand.kind === 'scalars') continue
    const a = bitsOf(whole.operands[k]!.after)
    const b = bitsOf(parts.operands[k]!.after)
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return `operand ${k} differs at ${i - 16} of ${a.length - 32}: ${parts.operands[k]!.after[i]}, the whole ${whole.operands[k]!.after[i]}`
  }
  return null
}

function sameBits(cases: Iterable<Case>): void {
  const wrong: string[] = []
  let split = 0
  for (const c of cases) {
    const whole = run(room, c)
    for (const count of [2, 3, 4, 7]) {
      if (RULES[c.kernel]!.most(c.args.map(a => (typeof a === 'number' ? a : 64))) >= 2) split++
      const message = difference(whole, run(room, c, inParts(count)))
      if (message) wrong.push(`${c.kernel} ${c.what} in ${count} parts: ${message}`)
    }
  }
  assert.ok(split > 0, 'some case has parts')
  // as a difference: lines of a message are printed twice, with the stack too
  assert.equal(wrong.slice(0, 12), [], `${wrong.length} wrong`)
}

/** Larger ones than those of the kernel tests: several blocks, every algorithm. */
const LARGE: { [K in KernelName]?: (d: Draw) => Cases } = {
  *gemm(d) {
    for (let i = 0; i < 60; i++) {
      const [m, n, k] = [1 + d.random.integer(i % 3 ? 150 : 20), 1 + d.random.integer(i % 4 ? 150 : 20), 1 + d.random.integer(i % 5 ? 90 : 600)]
      const [transA, transB] = [d.random.integer(2), d.random.integer(2)]
      yield product(d, { m, n, k, transA, transB, bias: i % 2 > 0, beta: d.pick([0, 0, 1, 0.5]), batch: d.pick([1, 1, 1, 3]), activation: d.pick([0, 0, 1]) })
    }
    yield product(d, { m: 300, n: 1600, k: 40 })
  },
  *conv(d) {
    for (const { numbers, x, w, sizes, what, bias } of convolutions(d)) yield one(what, [...numbers, input(x()), input(w()), 0, input(bias), d.random.integer(4), output(sizes.y)])
  },
  *convGradInput(d) {
    for (const { numbers, w, sizes, what } of convolutions(d)) yield one(what, [...numbers, input(d.normal(sizes.y)), input(w()), output(sizes.x)])
  },
  *convGradWeight(d) {
    for (const { numbers, x, sizes, what } of convolutions(d)) yield one(what, [...numbers, input(x()), input(d.normal(sizes.y)), output(sizes.w)])
  },
  *copyFrom(d) {
    yield one('a turned matrix', [1, 1, 1, 1, 90, 70, 0, 0, 0, 0, 1, 90, 0, input(d.normal(6300)), output(6300)])
    yield one('a long row', [1, 1, 1, 1, 1, 1000, 0, 0, 0, 0, 0, 2, 5, input(d.normal(2100)), output(1000)])
  },
  *binary(d) {
    for (const f of [0, 1, 2, 3, 4, 5]) {
      yield one(`rows ${f}`, [f, 1, 1, 50, 33, 0, 0, 33, 1, 0, 0, 0, 1, input(d.normal(1650)), input(d.normal(33)), output(1650)])
      yield one(`a line ${f}`, [f, 1, 1, 1, 1001, 0, 0, 0, 1, 0, 0, 0, 1, input(d.normal(1001)), input(d.normal(1001)), output(1001)])
    }
  },
  *unary(d) {
    for (let f = 0; f < 25; f++) yield one(`${f}`, [f, 1003, 0.5, 0.75, input(d.normal(1003)), output(1003)])
  },
  *unaryGrad(d) {
    for (let f = 0; f < 25; f++) yield one(`${f}`, [f, 1003, 0.5, 0.75, input(d.normal(1003)), input(d.normal(1003)), input(d.normal(1003)), output(1003)])
  },
}
function* convolutions(d: Draw) {
  const shapes = [
    // LeNet-5's, Winograd's, one image, 1 × 1, strides, groups
    { n: 16, c: 1, o: 6, size: [28, 28], kernel: [5, 5], before: [2, 2] }, { n: 19, c: 6, o: 16, size: [14, 14], kernel: [5, 5] },
    { n: 5, c: 32, o: 32, size: [12, 12], kernel: [3, 3], before: [1, 1] }, { n: 9, c: 32, o: 64, size: [8, 8], kernel: [3, 3], before: [1, 1] },
    { n: 1, c: 40, o: 72, size: [15, 17], kernel: [3, 3], before: [1, 1] }, { n: 1, c: 16, o: 50, size: [20, 20], kernel: [1, 1] },
    { n: 1, c: 8, o: 40, size: [21, 19], kernel: [5, 5], stride: [2, 2], before: [2, 2] }, { n: 4, c: 3, o: 20, size: [31, 33], kernel: [7, 7], stride: [2, 2], before: [3, 3] },
    { n: 12, c: 16, o: 16, groups: 16, size: [14, 14], kernel: [3, 3], before: [1, 1] }, { n: 1, c: 12, o: 24, groups: 4, size: [9, 9], kernel: [3, 3], before: [1, 1] },
  ]
  for (const shape of shapes) yield { ...convolution(shape, d), bias: d.normal(shape.o) }
  for (let i = 0; i < 40; i++) {
    const groups = i % 8 ? 1 : 2
    const [n, c, o] = [1 + d.random.integer(i % 2 ? 4 : 20), groups * (1 + d.random.integer(i % 3 ? 8 : 40)), groups * (1 + d.random.integer(i % 3 ? 12 : 50))]
    const kernel = d.pick([[1, 1], [3, 3], [3, 3], [5, 5], [2, 3]])
    const stride = d.pick([[1, 1], [1, 1], [2, 2], [2, 1]])
    yield { ...convolution({ n, c, o, groups, size: [5 + d.random.integer(14), 5 + d.random.integer(14)], kernel, stride, before: d.pick([[0, 0], [1, 1]]) }, d), bias: d.normal(o) }
  }
}

for (const kernel of Object.keys(RULES) as KernelName[]) {
  test(`${kernel} in parts has the bits of the whole`, () => {
    const draw = new Draw(11)
    const cases = function* () {
      for (const c of CASES[kernel](draw, (f, x, a, b) => UNARY[f](x, a, b))) yield { kernel, ...c }
      for (const c of LARGE[kernel]?.(draw) ?? []) yield { kernel, ...c }
    }
    sameBits(cases())
  })
}

/** Elements of outputs that hold something else than before the call */
function written({ operands }: Outcome): number {
  let count = 0
  for (const { operand, after } of operands) {
    if (operand.role === 'output') for (let i = 0; i < operand.values.length; i++) if (!Object.is(after[16 + i], operand.values[i])) count++
  }
  return count
}

for (const kernel of (Object.keys(LARGE) as KernelName[])) {
  test(`parts of ${kernel} write different elements`, () => {
    const rule = RULES[kernel]!
    for (const c of LARGE[kernel]!(new Draw(5))) {
      const whole: Case = { kernel, ...c }
      let sum = 0
      for (let i = 0; i < 3; i++) {
        const only = (...args: number[]) => {
          const part = rule.part(args, i, 3)
          backend.setShare(part.share, part.shares)
          ;(backend.kernels[kernel] as (...args: number[]) => void)(...part.args)
          backend.setShare(0, 1)
        }
        if (rule.most(c.args.map(a => (typeof a === 'number' ? a : 64))) >= 3) sum += written(run(room, whole, { ...backend.kernels, [kernel]: only }))
      }
      // two threads that write the same element would race, even with the same value: one may read back what the other has begun
      if (sum > 0) assert.is(sum, written(run(room, whole)), c.what)
    }
  })
}

test('a kernel whose parts are wrong is caught', () => {
  const c: Case = { kernel: 'copy', what: '', args: [1000, input(new Draw(1).normal(1000)), output(1000)], tolerance: 'exact' }
  const whole = run(room, c)
  const half = { ...backend.kernels, copy: (n: number, x: number, y: number) => backend.kernels.copy(n >> 1, x, y) }
  assert.ok(difference(whole, run(room, c, half)))
})

test.run()
