// The cases of the kernel tests for elementwise kernels: every function, special values, broadcasts, in-place calls.

import { Binary, Unary } from '../../ts/kernels.js'
import {
  codes, Draw, inout, input, one, output, ROUNDED, SIZES, SPECIAL, within, type Cases,
} from './operands.js'
import type { Tolerance } from './run.js'

const ATTRIBUTES: Partial<Record<Unary, number[][]>> = {
  [Unary.affine]: [[2, 1], [-0.5, 0], [0, 3]],
  [Unary.leakyRelu]: [[0.25, 0], [Math.fround(0.01), 0]],
  [Unary.elu]: [[1, 0], [1.5, 0]],
  [Unary.softplus]: [[1, 20], [2, 10]],
  [Unary.clamp]: [[-1, 1], [-Infinity, 0.5], [0, Infinity], [2, -2]],
  [Unary.power]: [[2, 0], [3, 0], [-1, 0], [0.5, 0], [0, 0], [1, 0], [1.5, 0], [-2, 0], [-0.5, 0]],
}
const ONE_ROUNDING = [Unary.affine, Unary.sqrt, Unary.square, Unary.leakyRelu, Unary.reciprocal]
const EXACT = [Unary.abs, Unary.relu, Unary.sign, Unary.floor, Unary.clamp]
/** Where small values come from a difference of larger ones: the tails of gelu, the zeros of sine and cosine */
const ABSOLUTE: Partial<Record<Unary, number>> = {
  [Unary.gelu]: 5e-7, [Unary.geluTanh]: 5e-7, [Unary.sin]: 2e-7, [Unary.cos]: 2e-7, [Unary.affine]: 2e-7,
}
function unaryTolerance(f: Unary): Tolerance {
  if (EXACT.includes(f)) return 'exact'
  if (ONE_ROUNDING.includes(f)) return within(1.3e-7, ABSOLUTE[f] ?? 1e-44)
  // a few units in the last place; results below the normal numbers may be flushed
  return within(5e-7, ABSOLUTE[f] ?? 1.2e-38)
}
/** Arguments at which a formula is interesting */
const domain = (f: Unary, d: Draw): ArrayLike<number> => {
  switch (f) {
    case Unary.exp: return Float32Array.from({ length: 400 }, (_, i) => i * 0.5 - 110.3)
    case Unary.log: case Unary.sqrt: case Unary.rsqrt: return d.wide(200, -149, 127).map(Math.abs)
    case Unary.log1p: return [...d.wide(200, -30, -1), ...d.wide(100, -1, 100).map(Math.abs)]
    case Unary.sin: case Unary.cos: return [...d.wide(200, -20, 7), ...Array.from({ length: 100 }, (_, i) => (i * Math.PI) / 2)]
    case Unary.power: return [...d.wide(200, -20, 20), ...d.normal(100).map(Math.abs)]
    default: return [...d.wide(200, -30, 12), ...d.normal(200, 5)]
  }
}

export function* unary(d: Draw): Cases {
  for (const f of codes(Unary) as Unary[]) {
    const tolerance = unaryTolerance(f)
    for (const [a, b] of ATTRIBUTES[f] ?? [[0, 0]]) {
      const name = `${Unary[f]}${ATTRIBUTES[f] ? `(${a}, ${b})` : ''}`
      for (const n of SIZES) yield one(name, [f, n, a!, b!, input(d.spiced(n)), output(n)], tolerance)
      const x = domain(f, d)
      yield one(`${name} domain`, [f, x.length, a!, b!, input(x), output(x.length)], tolerance)
      yield one(`${name} special`, [f, SPECIAL.length, a!, b!, input(SPECIAL), output(SPECIAL.length)], tolerance)
      const y = inout(d.normal(19))
      yield one(`${name} in place`, [f, 19, a!, b!, y, y], tolerance)
    }
  }
  for (const f of [Unary.sin, Unary.cos]) {
    yield one(`${Unary[f]} far`, [f, 300, 0, 0, input(d.wide(300, 7, 20)), output(300)], within(1e-6, 1e-6))
  }
}

/** gradients where inf · 0 may go either way are left out */
const CALM = SPECIAL.filter(x => Math.abs(x) < 1e5 || x !== x)
export function* unaryGrad(d: Draw, value: (f: Unary, x: number, a: number, b: number) => number): Cases {
  const kinks = [0, -0, 1, -1, NaN, 2, 0.5, -0.5, 1e-3]
  for (const f of codes(Unary) as Unary[]) {
    const masks = EXACT.includes(f) || f === Unary.leakyRelu
    const tolerance = masks ? ROUNDED : within(1e-6, 1e-6)
    for (const [a, b] of ATTRIBUTES[f] ?? [[0, 0]]) {
      const name = `${Unary[f]}${ATTRIBUTES[f] ? `(${a}, ${b})` : ''}`
      const given = (x: Float32Array) => [input(x), input(x.map(v => value(f, v, a!, b!)))]
      for (const n of SIZES) {
        yield one(name, [f, n, a!, b!, ...given(d.normal(n)), input(d.normal(n)), output(n)], tolerance)
      }
      const x = d.spiced(90, masks ? SPECIAL : kinks)
      yield one(`${name} special`, [f, 90, a!, b!, ...given(x), input(d.normal(90)), output(90)], tolerance)
      if (!masks) {
        const calm = Float32Array.from(CALM)
        const g = d.normal(calm.length, 0.5)
        yield one(`${name} calm`, [f, calm.length, a!, b!, ...given(calm), input(g), output(calm.length)], tolerance)
      } else {
        // a mask stops even a gradient that is not finite
        const g = input(x.map((_, i) => [NaN, Infinity, 1][i % 3]!))
        yield one(`${name} masks`, [f, 90, a!, b!, ...given(x), g, output(90)], tolerance)
      }
      const g = inout(d.normal(19))
      yield one(`${name} in place`, [f, 19, a!, b!, ...given(d.normal(19)), g, g], tolerance)
    }
  }
}

/** Sizes of the result, strides of the operands */
interface Spread {
  what: string
  sizes: number[]
  strides: number[][]
}
const spread = (what: string, sizes: number[], ...strides: number[][]): Spread => {
  const pad = (list: number[], filler: number) => [...Array<number>(4 - list.length).fill(filler), ...list]
  return { what, sizes: pad(sizes, 1), strides: strides.map(s => pad(s, 0)) }
}
function spreads(m: number, n: number): Spread[] {
  return [
    spread('same shape', [m * n], [1], [1], [1]),
    spread('scalar right', [m * n], [1], [0], [1]),
    spread('scalar left', [m * n], [0], [1], [0]),
    spread('two scalars', [n], [0], [0], [0]),
    spread('row right', [m, n], [n, 1], [0, 1], [n, 1]),
    spread('row left', [m, n], [0, 1], [n, 1], [0, 1]),
    spread('column right', [m, n], [n, 1], [1, 0], [0, 1]),
    spread('column left', [m, n], [1, 0], [n, 1], [n, 1]),
    spread('outer', [m, n], [1, 0], [0, 1], [n, 1]),
    spread('channels', [2, 3, m, n], [3 * m * n, m * n, n, 1], [0, 1, 0, 0], [m * n, 0, n, 1]),
    spread('scattered', [2, m, 3, n], [0, n, 0, 1], [3 * m, 3, 1, 0], [0, 0, n, 1]),
    spread('transposed', [m, n], [1, m], [n, 1], [n, 1]),
  ]
}
/** Elements that strides reach; of an empty result, those of the operand itself */
const extent = (sizes: number[], strides: number[]) =>
  sizes.includes(0)
    ? sizes.reduce((a, b, i) => a * (strides[i] ? b : 1), 1)
    : sizes.reduce((a, b, i) => a + (b - 1) * strides[i]!, 1)

export function* binary(d: Draw): Cases {
  for (const f of codes(Binary) as Binary[]) {
    const tolerance = f === Binary.pow ? within(5e-7, 1.2e-38) : ROUNDED
    // some whole numbers: negative bases of powers, ties of comparisons
    const few = (n: number) => d.normal(n, 2).map((x, i) => (i % 2 ? Math.round(x) : x))
    for (const n of SIZES) {
      const args = [f, 1, 1, 1, n, 0, 0, 0, 1, 0, 0, 0, 1]
      yield one(Binary[f], [...args, input(few(n)), input(few(n)), output(n)], tolerance)
    }
    for (const [m, n] of [[3, 4], [5, 17], [1, 33], [16, 1], [0, 3]] as const) {
      for (const { what, sizes, strides: [sa, sb] } of spreads(m, n)) {
        const size = sizes.reduce((a, b) => a * b)
        const a = input(few(extent(sizes, sa!)))
        const b = input(few(extent(sizes, sb!)))
        yield one(`${Binary[f]} ${what}`, [f, ...sizes, ...sa!, ...sb!, a, b, output(size)], tolerance)
      }
    }
    const s = SPECIAL.length
    const left = SPECIAL.flatMap(a => SPECIAL.map(() => a))
    const right = SPECIAL.flatMap(() => SPECIAL)
    const pairs = [f, 1, 1, 1, s * s, 0, 0, 0, 1, 0, 0, 0, 1, input(left), input(right), output(s * s)]
    yield one(`${Binary[f]} special`, pairs, tolerance)
    const outer = [f, 1, 1, s, s, 0, 0, 1, 0, 0, 0, 0, 1, input(SPECIAL), input(SPECIAL), output(s * s)]
    yield one(`${Binary[f]} special, broadcast`, outer, tolerance)
    const a = inout(d.normal(35))
    yield one(`${Binary[f]} in place left`, [f, 1, 1, 5, 7, 0, 0, 7, 1, 0, 0, 0, 1, a, input(d.normal(7)), a], tolerance)
    const b = inout(d.normal(35))
    yield one(`${Binary[f]} in place right`, [f, 1, 1, 5, 7, 0, 0, 1, 0, 0, 0, 7, 1, input(d.normal(5)), b, b], tolerance)
    const same = inout(d.normal(9))
    yield one(`${Binary[f]} with itself`, [f, 1, 1, 1, 9, 0, 0, 0, 1, 0, 0, 0, 1, same, same, same], tolerance)
  }
}

export function* where(d: Draw): Cases {
  const condition = (n: number) => input(Float32Array.from({ length: n }, () => d.pick([0, 1, 0, 1, -0, NaN, 0.5])))
  for (const n of SIZES) {
    const buffers = [condition(n), input(d.spiced(n)), input(d.spiced(n)), output(n)]
    yield one('same shape', [1, 1, 1, n, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, ...buffers])
  }
  for (const [m, n] of [[3, 4], [5, 17], [0, 3]] as const) {
    for (const { what, sizes, strides } of spreads(m, n)) {
      const size = sizes.reduce((a, b) => a * b)
      for (let turn = 0; turn < 3; turn++) {
        const [sc, sa, sb] = [strides[turn]!, strides[(turn + 1) % 3]!, strides[(turn + 2) % 3]!]
        const c = condition(extent(sizes, sc))
        const a = input(d.spiced(extent(sizes, sa)))
        const b = input(d.spiced(extent(sizes, sb)))
        yield one(`${what} ${turn}`, [...sizes, ...sc, ...sa, ...sb, c, a, b, output(size)])
      }
    }
  }
}

export function* axpby(d: Draw): Cases {
  for (const n of SIZES) {
    yield one('b = 0 over garbage', [n, 2, input(d.normal(n)), 0, output(n)], ROUNDED)
    for (const [a, b] of [[1, 1], [0.5, -2], [-1, 1]] as const) {
      yield one(`${a} x + ${b} y`, [n, a, input(d.normal(n)), b, inout(d.normal(n))], within(1.3e-7, 3e-7))
    }
  }
}
