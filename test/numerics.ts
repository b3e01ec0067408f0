// The engine's own exp, log, sin ... against Math's, at random and at special arguments, in units in the last place.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as numerics from '../ts/numerics.js'
import { Generator } from '../ts/random.js'

const random = new Generator(1)
const between = (low: number, high: number) => low + (high - low) * random.uniform()
/** Any magnitude from 2^low to 2^high, either sign */
const magnitude = (low: number, high: number) => (random.integer(2) === 0 ? 1 : -1) * 2 ** between(low, high)

/** Distance between neighbouring floats at x */
function ulp(x: number): number {
  const a = Math.abs(x)
  if (a < 2 ** -1022) return 2 ** -1074
  const exponent = Math.floor(Math.log2(a))
  return 2 ** (Math.max(-1022, a < 2 ** exponent ? exponent - 1 : exponent) - 52)
}

function near(got: number, expected: number, ulps: number, what: string) {
  if (Object.is(got, expected)) return
  const off = Math.abs(got - expected) / ulp(expected)
  assert.ok(off <= ulps, `${what}: got ${got}, expected ${expected}, ${off} ulp`)
}

const SPECIAL = [
  0, -0, 1, -1, 0.5, -0.5, 2, -3, NaN, Infinity, -Infinity, 5e-324, -5e-324, 1e-310, 2 ** -1022, 1e-20, 1e100, Number.MAX_VALUE,
  -Number.MAX_VALUE, 709.78, 709.79, -708.4, -740, -745.13, -745.14, -37.5, 22.5, Math.PI, Math.PI / 2, Math.PI / 4, 2 ** 53,
]

const ANGLES = [
  () => between(-7, 7), () => between(-1e6, 1e6), () => magnitude(-60, 1023), () => random.integer(1e6) * (Math.PI / 2),
]
// Math's own error, below 1 ulp in V8, is allowed on top of ours
const ONE: [keyof typeof numerics & keyof Math, number, (() => number)[]][] = [
  ['exp', 1.7, [() => between(-740, 709), () => between(-1, 1), () => magnitude(-60, 9)]],
  ['expm1', 1.8, [() => between(-40, 709), () => between(-1, 1), () => magnitude(-60, 9)]],
  ['log', 1.8, [() => Math.abs(magnitude(-1074, 1023)), () => between(0.6, 1.5), () => 1 + magnitude(-52, -2)]],
  ['log1p', 1.8, [() => Math.abs(magnitude(-60, 1000)), () => between(-0.999, 1), () => magnitude(-60, -1)]],
  ['tanh', 3, [() => between(-25, 25), () => between(-1, 1), () => magnitude(-60, 4)]],
  ['sin', 1.8, ANGLES],
  ['cos', 1.8, ANGLES],
]
for (const [name, ulps, draws] of ONE) {
  test(name, () => {
    const ours = numerics[name] as (x: number) => number
    const theirs = Math[name] as (x: number) => number
    for (const x of SPECIAL) near(ours(x), theirs(x), ulps, `${name}(${x})`)
    for (let i = 0; i < 4000; i++) {
      const x = draws[i % draws.length]!()
      near(ours(x), theirs(x), ulps, `${name}(${x})`)
    }
  })
}

test('sin and cos of huge numbers', () => {
  // computed with 1300 bits
  near(numerics.sin(1e22), -0.8522008497671888, 1, 'sin(1e22)')
  near(numerics.cos(6381956970095103 * 2 ** 797), -4.687165924254628e-19, 1, 'the float64 nearest to an odd multiple of π/2')
  near(numerics.cos(Number.MAX_VALUE), -0.9999876894265599, 1, 'cos(MAX_VALUE)')
})

test('pow', () => {
  const expected = (x: number, y: number) => (x === 1 || (Math.abs(x) === 1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y))
  for (const x of SPECIAL) for (const y of SPECIAL) near(numerics.pow(x, y), expected(x, y), 3, `pow(${x}, ${y})`)
  const draws = [
    () => [2 ** between(-20, 20), between(-30, 30)], () => [2 ** between(-1074, 1023), between(-1, 1)],
    () => [1 + magnitude(-50, -5), magnitude(0, 40)], () => [2 ** between(-1, 1), between(-1000, 1000)],
  ]
  // V8's own pow is off by more than 100 ulp at times
  for (let i = 0; i < 4000; i++) {
    const [x, y] = draws[i % 4]!() as [number, number]
    near(numerics.pow(x, y), Math.pow(x, y), 1000, `pow(${x}, ${y})`)
  }
  // computed with 300 bits: x, y, x^y
  const TABLE = [
    [0.9999998913636764, -2200520495.4065156, 6.620726068937762e103], [1.0000001, 1500000000, 1.3936992499446889e65],
    [0.37, -611.25, 8.643629918174443e263], [1.7976e308, 0.9, 2.686728322205701e277], [5e-324, 0.5001, 2.0632968108495992e-162],
    [2.5, -700.5, 1.7499430901513467e-279], [1.49999, 333.3, 4.9006268788351986e58], [0.8660254, 1234.5, 7.613116675572173e-78],
    [1.2247, -77.7, 1.4457424187924228e-7], [1 + 2 ** -45, 3e15, 1.0719504616474982e37], [2, 0.5, Math.SQRT2], [10, 308, 1e308],
  ] as const
  for (const [x, y, expected] of TABLE) near(numerics.pow(x, y), expected, 1, `pow(${x}, ${y})`)
  for (let base = -40; base <= 40; base++) {
    let power = 1
    for (let y = 0; Math.abs(power) < 2 ** 53; y++, power *= base) {
      assert.is(numerics.pow(base, y), power, `${base}^${y} is a whole number`)
      if (Math.abs(base) < 2) break
    }
  }
})

test('erf, erfc and sigmoid', () => {
  // computed with 200 bits: x, erf(x), erfc(x)
  const TABLE = [
    [1e-310, 1.1283791670955e-310, 1], [-1e-9, -1.1283791670955127e-9, 1.0000000011283792],
    [0.25, 0.27632639016823696, 0.7236736098317631],
    [-0.7, -0.6778011938374184, 1.6778011938374184], [0.84, 0.7651427114549945, 0.23485728854500548],
    [0.9, 0.7969082124228322, 0.20309178757716786], [-1.2, -0.9103139782296353, 1.9103139782296354],
    [1.3, 0.9340079449406524, 0.06599205505934755], [2, 0.9953222650189527, 0.004677734981047266],
    [-2.5, -0.999593047982555, 1.999593047982555], [3, 0.9999779095030014, 2.209049699858544e-5],
    [5, 0.9999999999984626, 1.537459794428035e-12], [6.5, 1, 3.8421483271206475e-20], [26, 1, 5.663192408856143e-296],
    [30, 1, 0], [Infinity, 1, 0], [-Infinity, -1, 2],
  ] as const
  for (const [x, erf, erfc] of TABLE) {
    near(numerics.erf(x), erf, 2, `erf(${x})`)
    near(numerics.erfc(x), erfc, 3, `erfc(${x})`)
  }
  assert.ok(Object.is(numerics.erf(-0), -0))
  assert.ok(Number.isNaN(numerics.erf(NaN)) && Number.isNaN(numerics.erfc(NaN)) && Number.isNaN(numerics.sigmoid(NaN)))
  for (const x of [-745, -100, -30, -3, -0.1, 0, 0.2, 5, 40, 800, Infinity, -Infinity]) {
    near(numerics.sigmoid(x), x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)), 3, `sigmoid(${x})`)
  }
})

test('the same bits on every runtime', () => {
  // checksums of many results: if they change here, results of training runs change everywhere
  let low = 0
  let high = 0
  const add = (x: number) => {
    const words = new Int32Array(new Float64Array([x]).buffer)
    low = (Math.imul(low, 31) + words[0]!) | 0
    high = (Math.imul(high, 31) + words[1]!) | 0
  }
  for (let i = 1; i < 500; i++) {
    const x = i * 0.37 - 90
    const { exp, expm1, sin, cos, tanh, erf, erfc, sigmoid } = numerics
    for (const f of [exp, expm1, sin, cos, tanh, erf, erfc, sigmoid]) add(f(x))
    add(numerics.log(i * 0.7))
    add(numerics.log1p(i * 0.001))
    add(numerics.pow(i * 0.3, x * 0.1))
  }
  assert.equal([low, high], [-243756367, 891004551])
})

test.run()
