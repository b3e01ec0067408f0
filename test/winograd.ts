// Winograd's filtering: its error against float64 up to 512 channels, maps that no tile fits, and the switch to direct sums.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { configure, currentBackend } from '../ts/backends/current.js'
import { createReference } from '../ts/backends/reference/index.js'
import { createWasm } from '../ts/backends/wasm.js'
import { Activation } from '../ts/kernels.js'
import { Draw, input, output } from './kernels/operands.js'
import { compare, run, Room, type Case, type Outcome } from './kernels/run.js'

const wasm = createWasm()
const room = new Room(wasm)
const oracle = new Room(createReference(8))
const draw = new Draw(1)

type Kernel = 'conv' | 'convGradInput' | 'convGradWeight'
interface Shape {
  n?: number
  c: number
  o: number
  h: number
  w: number
  ph?: number
  pw?: number
}

/** A kernel at a shape, what float64 gives, and how many channels' worth of 3 × 3 terms it sums. */
interface Made {
  call: Case
  expected: Outcome
  channels: number
}
function made(kernel: Kernel, { n = 1, c, o, h, w, ph = 1, pw = 1 }: Shape, activation = Activation.none): Made {
  const oh = h + 2 * ph - 2
  const ow = w + 2 * pw - 2
  const numbers = [n, c, o, 1, 1, h, w, 1, 3, 3, 1, oh, ow, 1, 1, 1, 0, ph, pw, 1, 1, 1]
  const x = input(draw.normal(n * c * h * w))
  const weight = input(draw.normal(o * c * 9, Math.sqrt(2 / (9 * c))))
  const g = input(draw.normal(n * o * oh * ow))
  const args = {
    conv: () => [...numbers, x, weight, 0, input(draw.normal(o)), activation, output(n * o * oh * ow)],
    convGradInput: () => [...numbers, g, weight, output(n * c * h * w)],
    convGradWeight: () => [...numbers, x, g, output(o * c * 9)],
  }[kernel]()
  const what = `${n}×${c}×${h}×${w} to ${o}, padding ${ph}, ${pw}`
  const channels = { conv: c, convGradInput: o, convGradWeight: Math.max(c, (n * oh * ow) / 9) }[kernel]
  const call: Case = { kernel, what, args, tolerance: 'exact' }
  return { call, expected: run(oracle, call), channels }
}

/** Errors relative to the root mean square of what float64 gives, and what compare() finds wrong at 5e-6 √channels. */
function errors({ call, expected, channels }: Made, where = room) {
  const got = run(where, call)
  const values = (o: Outcome) => Array.from(o.operands.at(-1)!.after).slice(16, -16)
  const right = values(expected)
  const mean = (list: number[]) => Math.sqrt(list.reduce((sum, v) => sum + v * v, 0) / list.length)
  const size = mean(right)
  const wrong = compare({ ...call, tolerance: { relative: 0, absolute: 5e-6 * Math.sqrt(channels) * size } }, got, expected)
  const list = values(got)
  return { rms: mean(list.map((v, i) => v - right[i]!)) / size, wrong, list }
}

/** Scratch full of NaN, by a product whose packed operands are. */
function spoilScratch(): void {
  const size = 400
  const at = wasm.reserve(size * size * 4)
  const c = wasm.reserve(size * size * 4)
  wasm.kernels.fill(size * size, NaN, at)
  wasm.kernels.gemm(1, 0, 0, size, size, size, 1, at, 0, at, 0, 0, c, 0, 0, Activation.none)
}

const SHAPES: Shape[] = [
  // channels up to 512, either way
  { n: 2, c: 32, o: 32, h: 16, w: 16 },
  { n: 2, c: 64, o: 40, h: 12, w: 12 },
  { n: 1, c: 128, o: 24, h: 16, w: 16 },
  { n: 2, c: 256, o: 16, h: 8, w: 8 },
  { n: 1, c: 512, o: 16, h: 10, w: 10 },
  { n: 1, c: 16, o: 512, h: 10, w: 10 },
  // many tiles; filters in several parts
  { n: 1, c: 32, o: 32, h: 30, w: 31 },
  { n: 1, c: 130, o: 270, h: 8, w: 8 },
  // edges that cut tiles, maps of one row or column of tiles, any padding
  { n: 3, c: 33, o: 37, h: 13, w: 11 },
  { n: 1, c: 40, o: 29, h: 18, w: 6, ph: 0, pw: 2 },
  { n: 2, c: 36, o: 34, h: 9, w: 14, ph: 2, pw: 0 },
  { n: 1, c: 32, o: 32, h: 8, w: 270 },
  { n: 70, c: 32, o: 32, h: 4, w: 4 },
  { n: 2, c: 32, o: 34, h: 7, w: 7, ph: 3, pw: 4 },
]

for (const kernel of ['conv', 'convGradInput', 'convGradWeight'] as const) {
  test(`${kernel}: error against float64`, () => {
    let filtered = 0
    for (const shape of SHAPES) {
      const one = made(kernel, shape)
      spoilScratch()
      const { rms, wrong, list } = errors(one)
      assert.is(wrong, null, one.call.what)
      assert.ok(rms <= 3e-7 * Math.sqrt(one.channels), `${one.call.what}: rms ${rms / Math.sqrt(one.channels)} √channels`)
      wasm.setPrecise(true)
      const direct = errors(one)
      wasm.setPrecise(false)
      if (direct.list.some((v, i) => v !== list[i])) filtered++
      assert.is(direct.wrong, null, `${one.call.what}, direct`)
    }
    assert.ok(filtered >= 9, `only ${filtered} of ${SHAPES.length} shapes took the way that is tested here`)
  })
}

test('precise: the error of a direct sum', () => {
  const one = made('conv', { n: 2, c: 64, o: 32, h: 16, w: 16 })
  const fast = errors(one).rms
  wasm.setPrecise(true)
  const direct = errors(one).rms
  wasm.setPrecise(false)
  assert.ok(direct < 0.8 * fast && direct < 6e-7, `direct ${direct}, Winograd ${fast}`)
})

test('configure({ precise: true }) reaches the kernels, before and after they are made', () => {
  const one = made('conv', { n: 1, c: 64, o: 32, h: 12, w: 12 })
  const fast = errors(one).list
  wasm.setPrecise(true)
  const direct = errors(one).list
  wasm.setPrecise(false)
  assert.is.not(fast.join(), direct.join())
  for (const precise of [true, false, true]) {
    configure({ backend: 'wasm', precise })
    assert.is(errors(one, new Room(currentBackend())).list.join(), (precise ? direct : fast).join())
  }
})

test('bias and every activation', () => {
  for (const activation of [Activation.relu, Activation.tanh, Activation.sigmoid]) {
    const { rms, wrong } = errors(made('conv', { n: 2, c: 32, o: 32, h: 9, w: 10 }, activation))
    assert.is(wrong, null, Activation[activation])
    assert.ok(rms <= 3e-7 * Math.sqrt(32), `${rms}`)
  }
})

test('transformed filters that were kept give the same bits, also to the outputs of one share', () => {
  const guard = 16
  for (const [c, o] of [[32, 32], [65, 36], [33, 100], [130, 260], [256, 128]] as const) {
    for (const [n, h, w] of [[1, 9, 8], [2, 8, 7], [1, 28, 30]] as const) {
      const { call } = made('conv', { n, c, o, h, w })
      const sizes = call.args.slice(0, 22) as number[]
      const count = wasm.filterCount(...sizes)
      assert.ok(count >= c * o * 36, `${count}`)
      const list = (where: Outcome) => where.operands.at(-1)!.after
      const plain = run(room, call)
      const filters = wasm.reserve(Math.ceil((count + 2 * guard) / 16) * 64) + 4 * guard
      const ends = [filters - 4 * guard, filters + 4 * count]
      for (const end of ends) wasm.write(end, new Float32Array(guard).fill(7), 'float32')
      wasm.makeFilters(...sizes, run(room, call).operands[1]!.address, filters)
      for (const end of ends) assert.equal([...wasm.read(end, guard, 'float32')], Array(guard).fill(7), 'nothing beyond the ends')
      const kept: Case = { ...call, args: call.args.map((a, i) => (i === 24 ? filters : a)) }
      assert.equal(list(run(room, kept)), list(plain), `${c} to ${o}`)
      // a share each after another
      const conv: typeof wasm.kernels.conv = (...args) => {
        for (let i = 0; i < 3; i++) {
          wasm.setShare(i, 3)
          wasm.kernels.conv(...args)
        }
        wasm.setShare(0, 1)
      }
      assert.equal(list(run(room, kept, { ...wasm.kernels, conv })), list(plain), `${c} to ${o} in three shares`)
    }
  }
})

test('filters are not kept where transforming them takes no time worth mentioning, or where there are none', () => {
  const count = (shape: Shape) => wasm.filterCount(...(made('conv', shape).call.args.slice(0, 22) as number[]))
  assert.is(count({ n: 16, c: 64, o: 64, h: 32, w: 32 }), 0)
  assert.is(count({ c: 16, o: 64, h: 8, w: 8 }), 0)
  assert.is(count({ c: 64, o: 66, h: 8, w: 8 }), 0)
  wasm.setPrecise(true)
  assert.is(count({ c: 64, o: 64, h: 8, w: 8 }), 0)
  wasm.setPrecise(false)
})

test.run()
