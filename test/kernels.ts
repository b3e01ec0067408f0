// Every kernel on every backend against reference64: awkward sizes, special values, guards around every operand.
// And the harness against spoilt kernels: a test that can't fail is a defect.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createReference } from '../ts/backends/reference/index.js'
import { UNARY } from '../ts/backends/reference/formulas.js'
import { createWasm, wasmAvailable, wasmRefusal } from '../ts/backends/wasm.js'
import { Activation, Binary, Reduce, Unary, Update, type Kernels } from '../ts/kernels.js'
import { CASES } from './kernels/cases.js'
import { codes, Draw } from './kernels/operands.js'
import { check, run, Room, type Case, type KernelName, type Operand, type Outcome } from './kernels/run.js'

const oracle = new Room(createReference(8))
const rooms = [new Room(createReference(4)), ...(wasmAvailable() ? [new Room(createWasm())] : [])]
const names = Object.keys(oracle.backend.kernels) as KernelName[]

function* casesOf(kernel: KernelName): Iterable<Case> {
  const make = CASES[kernel]
  if (!make) throw new Error(`${kernel} has no cases`)
  const draw = new Draw(names.indexOf(kernel) + 1)
  for (const c of make(draw, (f, x, a, b) => UNARY[f](x, a, b))) yield { kernel, ...c }
}

test('every backend has the kernels of the table, and no others', () => {
  for (const { backend } of rooms) {
    const there = Object.keys(backend.kernels) as KernelName[]
    const odd = { missing: names.filter(name => !there.includes(name)), unknown: there.filter(name => !names.includes(name)) }
    assert.equal(odd, { missing: [], unknown: [] }, backend.name)
  }
})

test('WebAssembly is available', () => assert.ok(wasmAvailable(), `${wasmRefusal}`))

for (const kernel of names) {
  for (const room of rooms) {
    test(`${room.backend.name}: ${kernel}`, () => {
      assert.ok(room.backend.kernels[kernel], `${room.backend.name} has no kernel of this name`)
      const wrong: string[] = []
      let count = 0
      for (const c of casesOf(kernel)) {
        count++
        const message = check(room, oracle, c)
        if (message) wrong.push(message)
      }
      assert.ok(count > 10, `${kernel} has only ${count} cases`)
      // as a difference: lines of a message are printed twice, with the stack too
      assert.equal(wrong.slice(0, 8), [], `${wrong.length} of ${count} cases`)
    })
  }
}

test('every formula of a code has a case', () => {
  const used = (kernel: KernelName, argument: number) => new Set([...casesOf(kernel)].map(c => c.args.at(argument)))
  for (const f of codes(Unary)) assert.ok(used('unary', 0).has(f) && used('unaryGrad', 0).has(f), Unary[f])
  for (const f of codes(Binary)) assert.ok(used('binary', 0).has(f), Binary[f])
  for (const f of codes(Reduce)) assert.ok(used('reduce', 0).has(f), Reduce[f])
  for (const f of codes(Update)) assert.ok(used('update', 0).has(f), Update[f])
  for (const f of codes(Activation)) assert.ok(used('gemm', -1).has(f) && used('conv', -2).has(f), Activation[f])
})

// ---- the harness itself --------------------------------------------------------------------------------------------------------

const sound = rooms[0]!

/** Some case of the kernel fails when the kernel, or the memory after it, is spoilt. */
function caught(kernel: KernelName, kernels?: Kernels<number>, tamper?: (o: Outcome) => void): boolean {
  for (const c of casesOf(kernel)) if (check(sound, oracle, c, kernels, tamper)) return true
  return false
}
const spoil = <K extends KernelName>(kernel: K, f: (right: Kernels<number>[K]) => Kernels<number>[K]): Kernels<number> =>
  ({ ...sound.backend.kernels, [kernel]: f(sound.backend.kernels[kernel]) })
const outputsOf = (o: Outcome) => o.operands.filter(p => p.operand.role === 'output' && p.operand.values.length > 0)
const readOnly = (o: Operand) => o.role === 'input' && o.kind !== 'scalars'
const dtype = (kind: string) => (kind === 'int' ? 'int32' as const : 'float32' as const)

for (const kernel of names) {
  test(`a spoilt ${kernel} is caught`, () => {
    const { backend } = sound
    const idle = (() => undefined) as unknown as Kernels<number>[typeof kernel]
    assert.ok(caught(kernel, spoil(kernel, () => idle)), 'one that does nothing')
    if (kernel === 'firstNonFinite') return
    for (const where of ['first', 'last']) {
      const nudged = caught(kernel, undefined, outcome => {
        for (const { operand, address } of outputsOf(outcome)) {
          const at = address + (where === 'first' ? 0 : operand.values.length - 1) * backend.width
          const value = operand.kind === 'words' ? backend.readWords(at, 1)[0]! : backend.readOne(at, dtype(operand.kind))
          if (operand.kind === 'words') backend.writeWords(at, [value + 1])
          else backend.write(at, [operand.kind === 'int' ? value + 1 : value * 1.0001 + 1e-4], dtype(operand.kind))
        }
      })
      assert.ok(nudged, `a ${where} element that is slightly off`)
    }
    for (const [what, offset] of [['before the start', () => -1], ['past the end', (n: number) => n]] as const) {
      const strayed = caught(kernel, undefined, outcome => {
        for (const { operand, address } of outputsOf(outcome)) {
          const at = address + offset(operand.values.length) * backend.width
          if (operand.kind === 'words') backend.writeWords(at, [0])
          else backend.write(at, [0], dtype(operand.kind))
        }
      })
      assert.ok(strayed, `a store ${what}`)
    }
    const changed = caught(kernel, undefined, outcome => {
      for (const { operand, address } of outcome.operands) {
        if (readOnly(operand) && operand.values.length > 0) backend.write(address, [4321], dtype(operand.kind))
      }
    })
    const hasInputs = [...casesOf(kernel)].some(c => c.args.some(a => typeof a !== 'number' && readOnly(a)))
    assert.ok(changed || !hasInputs, 'an input that changes')
  })
}

const SLIPS: { [K in KernelName]?: [string, (right: Kernels<number>[K]) => Kernels<number>[K]][] } = {
  unary: [
    ['stops at whole vectors', right => (f, n, a, b, x, y) => right(f, n - (n % 4), a, b, x, y)],
    ['relu lets negative numbers pass', right => (f, ...rest) => right(f === Unary.relu ? Unary.floor : f, ...rest)],
    ['sign for tanh', right => (f, n, a, b, x, y) => right(f === Unary.tanh ? Unary.sign : f, n, a, b, x, y)],
    ['geluTanh for gelu', right => (f, n, a, b, x, y) => right(f === Unary.gelu ? Unary.geluTanh : f, n, a, b, x, y)],
  ],
  unaryGrad: [
    ['leakyRelu slope 0', right => (f, n, a, b, x, y, g, out) => right(f, n, f === Unary.leakyRelu ? 0 : a, b, x, y, g, out)],
    ['reads y for x', right => (f, n, a, b, _x, y, g, out) => right(f, n, a, b, y, y, g, out)],
  ],
  binary: [
    ['le for lt', right => (f, ...rest) => right(f === Binary.lt ? Binary.le : f, ...rest)],
    ['swapped operands', right => (f, n0, n1, n2, n3, a0, a1, a2, a3, b0, b1, b2, b3, a, b, y) =>
      right(f, n0, n1, n2, n3, b0, b1, b2, b3, a0, a1, a2, a3, b, a, y)],
  ],
  axpby: [['multiplies garbage by 0', right => (n, a, x, b, y) => right(n, a, x, b || 1e-30, y)]],
  reduce: [
    ['reads one too many', right => (f, outer, n, inner, x, y) => right(f, outer, n + 1, inner, x, y)],
    ['reads one too few', right => (f, outer, n, inner, x, y) => right(f, outer, Math.max(0, n - 1), inner, x, y)],
    ['sum for mean', right => (f, ...rest) => right(f === Reduce.mean ? Reduce.sum : f, ...rest)],
  ],
  argReduce: [['least for largest', right => (sign, ...rest) => right(-sign, ...rest)]],
  logSumExp: [['drops the last', right => (outer, n, inner, x, y) => right(outer, Math.max(0, n - 1), inner, x, y)]],
  crossEntropy: [
    ['no smoothing', right => (n, c, inner, ignore, _e, ...rest) => right(n, c, inner, ignore, 0, ...rest)],
    ['nothing ignored', right => (n, c, inner, _ignore, ...rest) => right(n, c, inner, -12345, ...rest)],
  ],
  gemm: [
    ['multiplies garbage by 0', right => (b0, ta, tb, m, n, k, alpha, a, sa, b, sb, beta, ...rest) =>
      right(b0, ta, tb, m, n, k, alpha, a, sa, b, sb, beta || 1e-30, ...rest)],
    ['forgets a transpose', right => (b0, _ta, ...rest) => right(b0, 0, ...rest)],
    ['forgets the end of k', right => (b0, ta, tb, m, n, k, ...rest) => right(b0, ta, tb, m, n, k > 256 ? 256 : k, ...rest)],
    ['only one batch', right => (b0, ...rest) => right(Math.min(b0, 1), ...rest)],
    ['no bias', right => (...args) => right(...([...args.slice(0, 14), 0, args[15]] as typeof args))],
  ],
  maxPool: [
    ['no dilation', right => (...args) => right(...([...args.slice(0, 16), 1, 1, 1, ...args.slice(19)] as typeof args))],
    ['padding wins', right => (...args) => {
      right(...args)
      const [planes, , , , , , , od, oh, ow] = args
      const n = planes * od * oh * ow
      const y = args[21]
      sound.backend.write(y, sound.backend.read(y, n, 'float32').map(v => (v < 0 ? 0 : v)), 'float32')
    }],
  ],
  uniform: [['counter stands still', right => (n, low, high, state, y) => {
    const before = sound.backend.readWords(state, 4)
    right(n, low, high, state, y)
    sound.backend.writeWords(state, before)
  }]],
  update: [['no s3', right => (f, n, block, w, g, s1, s2) => right(f, n, block, w, g, s1, s2, 0)]],
}
for (const [kernel, slips] of Object.entries(SLIPS) as [KernelName, [string, (right: unknown) => never][]][]) {
  for (const [what, f] of slips) {
    test(`a slip in ${kernel} is caught: ${what}`, () => assert.ok(caught(kernel, spoil(kernel, f))))
  }
}

test('ties go to the first: a case tells', () => {
  const c = [...casesOf('argReduce')].find(c => c.args[2] === 33 && c.args[3] === 1)!
  const outcome = run(sound, c)
  const x = outcome.operands[0]!.operand.values
  const y = outcome.operands[1]!
  const first = y.after[16]!
  assert.ok([...x.slice(first + 1, 33)].includes(x[first]!), 'the largest value occurs again')
})

test.run()
