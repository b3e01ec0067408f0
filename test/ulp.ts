// How far the kernels' exp, log, tanh ... are from the functions, in units of the result's last place: of all float32 numbers at which
// they aren't a constant or their argument to the last digit, and of every 997th beyond.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compiledBinary, createWasm, type Binary } from '../ts/backends/wasm.js'
import { Unary } from '../ts/kernels.js'
import * as numerics from '../ts/numerics.js'

/** Numbers whose results are computed at once */
const CHUNK = 1 << 16
/** Neighbours among them that one polynomial serves */
const BLOCK = 512
const SPARSE = 997

/** The function in float64 at first + step * i for i = 0 .. CHUNK - 1, a hundredth of an octave */
type Model = (first: number, step: number, out: Float64Array) => void

/** Number by number */
const exact = (f: (x: number) => number): Model => (first, step, out) => {
  for (let i = 0; i < CHUNK; i++) out[i] = f(first + step * i)
}

/** The cubics through four points of each block: off by 1e-4 units of float32 at most, where the function bends little within a block */
function smooth(f: (x: number) => number): Model {
  const third = 170
  return (first, step, out) => {
    for (let start = 0; start < CHUNK; start += BLOCK) {
      const at = (k: number) => f(first + step * (start + third * k))
      const [y0, y1, y2, y3] = [at(0), at(1), at(2), at(3)]
      // divided differences in t = i / third
      const d1 = y1 - y0
      const d2 = (y2 - y1 - d1) / 2
      const d3 = (y3 - y2 - (y2 - y1) - 2 * d2) / 6
      for (let i = 0; i < BLOCK; i++) {
        const t = i * (1 / third)
        out[start + i] = y0 + t * (d1 + (t - 1) * (d2 + (t - 2) * d3))
      }
    }
  }
}

/** sin or cos of large angles, between which there may be turns: by the angles' sums, and number by number where little is left of them */
function turning(which: 'sin' | 'cos'): Model {
  const { sin, cos } = numerics
  const f = numerics[which]
  const sines = new Float64Array(BLOCK)
  const cosines = new Float64Array(BLOCK)
  let known = 0
  return (first, step, out) => {
    if (step !== known) {
      for (let i = 0; i < BLOCK; i++) {
        sines[i] = sin(step * i)
        cosines[i] = cos(step * i)
      }
      known = step
    }
    const [s1, c1] = [sin(step * BLOCK), cos(step * BLOCK)]
    let [s, c] = [sin(first), cos(first)]
    for (let start = 0; start < CHUNK; start += BLOCK) {
      const [p, q] = which === 'sin' ? [s, c] : [c, -s]
      for (let i = 0; i < BLOCK; i++) {
        const y = p * cosines[i]! + q * sines[i]!
        out[start + i] = Math.abs(y) < 1e-4 ? f(first + step * (start + i)) : y
      }
      ;[s, c] = [s * c1 + c * s1, c * c1 - s * s1]
    }
  }
}
const angle = (which: 'sin' | 'cos'): Model => {
  const [near, far] = [smooth(numerics[which]), turning(which)]
  return (first, step, out) => (Math.abs(first) < 8 ? near : far)(first, step, out)
}

/** What f(-x) is of f(x): the same, or with the other sign. 0: negative numbers are measured like positive ones; null: f(-x) is NaN */
type Mirror = 1 | -1 | 0 | null
interface Case {
  f: (x: number) => number
  model?: Model
  /** All |x| from 2^from up to 2^to */
  from: number
  to: number
  mirror: Mirror
  /** As assembly/simd.ts says of plain SIMD, rounded up */
  ulp: number
}
const CASES: Partial<Record<keyof typeof Unary, Case>> = {
  exp: { f: numerics.exp, from: -26, to: 7, mirror: 0, ulp: 1 },
  log: { f: numerics.log, from: -149, to: 128, mirror: null, ulp: 0.84 },
  tanh: { f: numerics.tanh, from: -13, to: 4, mirror: -1, ulp: 2.23 },
  sigmoid: { f: numerics.sigmoid, from: -26, to: 7, mirror: 0, ulp: 1.87 },
  erf: { f: numerics.erf, from: -13, to: 2, mirror: -1, ulp: 1.91 },
  sin: { f: numerics.sin, model: angle('sin'), from: -13, to: 128, mirror: -1, ulp: 1.6 },
  cos: { f: numerics.cos, model: angle('cos'), from: -13, to: 128, mirror: 1, ulp: 1.6 },
}

/** The last place's unit by the eight bits of a float32's exponent; infinity counts as 2^128 */
const UNITS = Float64Array.from({ length: 256 }, (_, e) => 2 ** (Math.max(e, 1) - 150))
const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)
const float = (pattern: number): number => {
  bits[0] = pattern
  return word[0]!
}
function distance(got: number, expected: number): number {
  if (got === expected) return 0
  word[0] = expected
  const unit = UNITS[(bits[0]! >>> 23) & 255]!
  const inRange = (y: number) => (y === Infinity ? 2 ** 128 : y === -Infinity ? -(2 ** 128) : y)
  const off = Math.abs(inRange(got) - Math.max(-(2 ** 128), Math.min(2 ** 128, expected))) / unit
  return off >= 0 ? off : Infinity // NaN
}

class Kernel {
  readonly inputs: Int32Array
  readonly outputs: Float32Array
  #backend
  #at

  constructor(binary: Binary, readonly code: Unary) {
    const memory = new WebAssembly.Memory({ initial: 100, maximum: 100 })
    this.#backend = createWasm(compiledBinary(binary), memory)
    this.#at = [0, 1].map(() => this.#backend.reserve(4 * CHUNK)) as [number, number]
    this.inputs = new Int32Array(memory.buffer, this.#at[0], CHUNK)
    this.outputs = new Float32Array(memory.buffer, this.#at[1], CHUNK)
  }

  run(count = CHUNK): void {
    this.#backend.kernels.unary(this.code, count, 0, 0, ...this.#at)
  }
}

/** The largest distance so far, and of which number */
class Worst {
  off = 0
  x = 0
  /** A result at most so many times itself away is no worse: a unit is more than 2^-24 of the number */
  near = 0

  see(off: number, x: number): void {
    if (off <= this.off) return
    this.off = off
    this.x = x
    this.near = off * 2 ** -24
  }
}

/** All numbers with patterns first .. first + 2^23 - 1, the same sign and exponent */
function measureOctave(kernel: Kernel, model: Model, first: number, worst: Worst): void {
  const { inputs, outputs } = kernel
  const expected = new Float64Array(CHUNK)
  const step = float(first + 1) - float(first)
  for (let chunk = first; chunk < first + (1 << 23); chunk += CHUNK) {
    const pattern = chunk | 0
    for (let i = 0; i < CHUNK; i++) inputs[i] = pattern + i
    kernel.run()
    model(float(chunk), step, expected)
    for (let i = 0; i < CHUNK; i++) {
      const y = outputs[i]!
      const wanted = expected[i]!
      if (!(Math.abs(y - wanted) <= Math.abs(wanted) * worst.near)) worst.see(distance(y, wanted), float(chunk + i))
    }
  }
}

/** Every 997th of all numbers up to infinity, each by itself; where only positive numbers are measured, what their negatives give */
function measureSparsely(kernel: Kernel, { f, mirror }: Case, worst: Worst): void {
  const SIGN = 0x80000000
  const [INFINITY, NAN] = [0x7f800000, 0x7fc00000]
  const patterns = [NAN, NAN + SIGN]
  for (let p = 0; p < INFINITY; p += SPARSE) patterns.push(p, p + SIGN)
  patterns.push(INFINITY, INFINITY + SIGN)
  for (let start = 0; start < patterns.length; start += CHUNK) {
    const some = patterns.slice(start, start + CHUNK)
    kernel.inputs.set(some)
    kernel.run(some.length)
    some.forEach((pattern, i) => {
      const x = float(pattern)
      const y = kernel.outputs[i]!
      const expected = f(x)
      if (Number.isNaN(expected) || Number.isNaN(y)) {
        assert.ok(Number.isNaN(expected) && Number.isNaN(y), `of ${x}: ${expected} expected, got ${y}`)
        return
      }
      worst.see(distance(y, expected), x)
      if (mirror && i % 2 === 1) assert.is(y, mirror * kernel.outputs[i - 1]!, `of ${x}: that of its negative with ${mirror < 0 ? 'the other' : 'the same'} sign`)
    })
  }
}

for (const [name, one] of Object.entries(CASES) as [keyof typeof Unary, Case][]) {
  test(`${name}: ${one.ulp} units in the last place`, () => {
    const kernel = new Kernel('simd', Unary[name])
    const worst = new Worst()
    measureSparsely(kernel, one, worst)
    const model = one.model ?? smooth(one.f)
    for (const sign of one.mirror === 0 ? [0, 0x80000000] : [0]) {
      for (let e = Math.max(0, one.from + 127); e < one.to + 127; e++) {
        // denormal numbers are too far apart, as parts of themselves
        measureOctave(kernel, e > 0 ? model : exact(one.f), sign + e * (1 << 23), worst)
      }
    }
    assert.ok(worst.off <= one.ulp, `${name}(${worst.x}) is off by ${worst.off} units in the last place`)
    // a measure that sees nothing is none: no polynomial in float32 is exact everywhere
    assert.ok(worst.off > 0.5, `${name} is off by ${worst.off} at most`)
  })
}

test.run()
