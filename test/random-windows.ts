// Convolutions and pooling of random shapes against the reference in float64: for maps, kernels and batches that nobody would think of.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { avgPool2d, conv2d, gradients, maxPool2d, onBackend, relu, scope, tensor, type Tensor } from 'hebb'
import { Generator } from '../ts/random.js'

const whole = (draw: Generator, low: number, high: number) => low + draw.integer(high - low + 1)
const numbers = (draw: Generator, n: number) => Float32Array.from({ length: n }, () => draw.uniform() * 2 - 1)
const pair = (low: number, high: number, draw: Generator): [number, number] => [whole(draw, low, high), whole(draw, low, high)]

/** Result and gradients of `f` on the default backend and in float64 */
function both(inputs: [Float32Array, number[]][], f: (...xs: Tensor[]) => Tensor, draw: Generator): [number[][], number[][]] {
  let given: Float32Array | undefined
  const run = () =>
    scope(() => {
      const xs = inputs.map(([values, shape]) => tensor(values, shape, { requiresGrad: true }))
      const y = f(...xs)
      const g = tensor((given ??= numbers(draw, y.size)), y.shape)
      return [y, ...gradients(y, xs, { gradOutputs: [g] })].map(t => [...t.values()])
    })
  return [run(), onBackend('reference64', run)]
}

test('convolutions and both gradients of 500 random shapes', () => {
  const draw = new Generator(1)
  for (let i = 0; i < 500; ) {
    const groups = draw.uniform() < 0.8 ? 1 : whole(draw, 2, 3)
    const [n, c, o] = [whole(draw, 1, 20), whole(draw, 1, 5) * groups, whole(draw, 1, 6) * groups]
    const [size, kernel, stride, padding, dilation] = [pair(1, 12, draw), pair(1, 5, draw), pair(1, 3, draw), pair(0, 3, draw), pair(1, 2, draw)]
    if (size.some((s, d) => s + 2 * padding[d]! < dilation[d]! * (kernel[d]! - 1) + 1)) continue
    i++
    const [x, w] = [[n, c, ...size], [o, c / groups, ...kernel]]
    const operands = [x, w].map((shape): [Float32Array, number[]] => [numbers(draw, shape.reduce((a, b) => a * b)), shape])
    const [fast, exact] = both(operands, (x, w) => conv2d(x!, w!, null, { stride, padding, dilation, groups }), draw)
    for (const [k, what] of ['y', 'dL/dx', 'dL/dw'].entries()) {
      const scale = exact[k]!.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-3)
      const error = exact[k]!.reduce((a, b, j) => Math.max(a, Math.abs(b - fast[k]![j]!)), 0)
      assert.ok(error <= 5e-6 * scale, `${what} of x [${x}] and w [${w}], stride ${stride}, padding ${padding}, dilation ${dilation}, groups ${groups}: off by ${error} of ${scale}`)
    }
  }
})

test('maximum pooling, with relu or not, and its gradient of 300 random shapes, with equal values, zeros of both signs, infinities and NaN', () => {
  const draw = new Generator(2)
  const SPECIAL = [0, -0, 0.5, 0.5, -1, Infinity, -Infinity, NaN]
  for (let i = 0; i < 300; ) {
    const [size, kernel, stride, dilation] = [pair(1, 14, draw), pair(1, 4, draw), pair(1, 3, draw), pair(1, 2, draw)]
    const padding = kernel.map(k => whole(draw, 0, k >> 1)) as [number, number]
    if (size.some((s, d) => s + 2 * padding[d]! < dilation[d]! * (kernel[d]! - 1) + 1)) continue
    i++
    const shape = [whole(draw, 1, 3), whole(draw, 1, 3), ...size]
    // a NaN in few of them: most are for what is compared
    const kinds = draw.uniform() < 0.3 ? 8 : 7
    const x = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (draw.uniform() < 0.5 ? draw.uniform() - 0.5 : SPECIAL[whole(draw, 0, kinds - 1)]!))
    const active = draw.uniform() < 0.5
    const [fast, exact] = both([[x, shape]], x => {
      const y = maxPool2d(x!, kernel, { stride, padding, dilation })
      return active ? relu(y) : y
    }, draw)
    const what = `x [${shape}], kernel ${kernel}, stride ${stride}, padding ${padding}, dilation ${dilation}${active ? ', relu' : ''}`
    assert.equal(fast[0], exact[0], `y of ${what}`)
    assert.ok(fast[1]!.every((g, j) => Math.abs(g - exact[1]![j]!) < 1e-5), `dL/dx of ${what}`)
  }
})

test('average pooling and its gradient of 200 random shapes', () => {
  const draw = new Generator(3)
  for (let i = 0; i < 200; ) {
    const [size, kernel, stride] = [pair(1, 14, draw), pair(1, 4, draw), pair(1, 3, draw)]
    const padding = kernel.map(k => whole(draw, 0, k >> 1)) as [number, number]
    if (size.some((s, d) => s + 2 * padding[d]! < kernel[d]!)) continue
    i++
    const shape = [whole(draw, 1, 3), whole(draw, 1, 3), ...size]
    const [fast, exact] = both([[numbers(draw, shape.reduce((a, b) => a * b)), shape]], x => avgPool2d(x!, kernel, { stride, padding }), draw)
    for (const [k, what] of ['y', 'dL/dx'].entries()) {
      assert.ok(fast[k]!.every((v, j) => Math.abs(v - exact[k]![j]!) < 1e-5), `${what} of x [${shape}], kernel ${kernel}, stride ${stride}, padding ${padding}`)
    }
  }
})

test.run()
