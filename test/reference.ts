// The reference backend against itself and against the definitions: gradients by finite differences, linear kernels by their
// adjoints, convolution and products by the formulas of ts/kernels.ts, and its memory.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createReference } from '../ts/backends/reference/index.js'
import { Activation, Binary, Reduce, Unary, Update } from '../ts/kernels.js'
import { Generator } from '../ts/random.js'

const backend = createReference(8)
const k = backend.kernels
const random = new Generator(11)
const normal = (n: number, scale = 1, shift = 0) => Float64Array.from({ length: n }, () => random.normal(shift, scale))
const reserve = (n: number) => backend.reserve(Math.max(64, Math.ceil(n / 8) * 64))
function put(values: ArrayLike<number>, dtype: 'float32' | 'int32' = 'float32'): number {
  const address = reserve(values.length)
  backend.write(address, values, dtype)
  return address
}
const get = (address: number, n: number) => backend.read(address, n, 'float32') as Float64Array
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0)
function near(got: number, expected: number, tolerance: number, what: string) {
  assert.ok(Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: got ${got}, expected ${expected}`)
}

/** d/dx Σ g f(x) at x by central differences, against a gradient */
function differences(
  what: string, x: Float64Array, g: Float64Array, f: (x: Float64Array) => Float64Array, gradient: Float64Array,
) {
  const h = 1e-5
  for (let i = 0; i < x.length; i++) {
    const [above, below] = [x.slice(), x.slice()]
    above[i]! += h
    below[i]! -= h
    near(gradient[i]!, (dot(g, f(above)) - dot(g, f(below))) / (2 * h), 1e-7, `${what}[${i}]`)
  }
}

test('every unary gradient is the derivative', () => {
  const attributes: Partial<Record<Unary, number[]>> = {
    [Unary.affine]: [2, 3], [Unary.leakyRelu]: [0.1, 0], [Unary.elu]: [1.5, 0], [Unary.softplus]: [2, 3], [Unary.clamp]: [-1, 1],
    [Unary.power]: [2.5, 0],
  }
  const positive = [Unary.log, Unary.log1p, Unary.sqrt, Unary.rsqrt, Unary.power]
  const x = Float64Array.of(-3.1, -1.7, -0.9, -0.4, -0.05, 0.06, 0.3, 0.8, 1.4, 1.6, 2.7)
  for (const f of Object.values(Unary).filter(v => typeof v === 'number') as Unary[]) {
    const [a, b] = attributes[f] ?? [0, 0]
    const points = positive.includes(f) ? x.map(Math.abs) : x
    const forward = (v: Float64Array) => {
      const y = reserve(v.length)
      k.unary(f, v.length, a!, b!, put(v), y)
      return get(y, v.length)
    }
    const g = normal(x.length)
    const out = reserve(x.length)
    k.unaryGrad(f, x.length, a!, b!, put(points), put(forward(points)), put(g), out)
    differences(Unary[f], points, g, forward, get(out, x.length))
  }
})

test('softmax and cross-entropy gradients are the derivatives', () => {
  const [n, c, inner] = [2, 5, 3]
  const size = n * c * inner
  const x = normal(size)
  const g = normal(size)
  for (const [forward, gradient] of [[k.softmax, k.softmaxGrad], [k.logSoftmax, k.logSoftmaxGrad]] as const) {
    const f = (v: Float64Array) => {
      const y = reserve(size)
      forward(n, c, inner, put(v), y)
      return get(y, size)
    }
    const out = reserve(size)
    gradient(n, c, inner, put(f(x)), put(g), out)
    differences(forward.name, x, g, f, get(out, size))
  }
  const targets = put([0, 4, 2, -100, 1, 1], 'int32')
  const g6 = normal(6)
  for (const smoothing of [0, 0.3]) {
    for (const weight of [0, put([1, 2, 0.5, 3, 0])]) {
      const [loss, sums, used, exps, out] = [reserve(6), reserve(6), reserve(6), reserve(size), reserve(size)]
      const f = (v: Float64Array) => {
        k.crossEntropy(n, c, inner, -100, smoothing, put(v), targets, weight, loss, sums, used, exps)
        return get(loss, 6)
      }
      f(x)
      k.crossEntropyGrad(n, c, inner, -100, smoothing, exps, targets, weight, sums, put(g6), out)
      differences(`crossEntropy ${smoothing}`, x, g6, f, get(out, size))
    }
  }
})

test('batch normalisation gradients are the derivatives', () => {
  const [n, c, inner] = [3, 2, 4]
  const size = n * c * inner
  const [x, g, w, b] = [normal(size), normal(size), normal(c), normal(c)]
  for (const training of [0, 1]) {
    const [mean, variance, y] = [put([0.1, -0.2]), put([1.2, 0.7]), reserve(size)]
    const forward = (x: Float64Array, w: Float64Array, b: Float64Array) => {
      if (training) k.channelMoments(n, c, inner, put(x), mean, variance)
      k.batchNorm(n, c, inner, 0.01, put(x), mean, variance, put(w), put(b), y)
      return get(y, size)
    }
    forward(x, w, b)
    const [gx, gw, gb] = [reserve(size), reserve(c), reserve(c)]
    k.batchNormGrad(n, c, inner, 0.01, training, put(x), mean, variance, put(w), put(g), gx, gw, gb)
    const gradients = [get(gx, size), get(gw, c), get(gb, c)]
    differences('x', x, g, v => forward(v, w, b), gradients[0]!)
    differences('weight', w, g, v => forward(x, v, b), gradients[1]!)
    differences('bias', b, g, v => forward(x, w, v), gradients[2]!)
  }
})

test('convolution is its formula, and its gradients are its adjoints', () => {
  const [n, c, o, groups] = [2, 4, 6, 2]
  const [size, kernel, stride, padding, dilation] = [[3, 6, 7], [2, 3, 2], [1, 2, 3], [1, 2, 0], [2, 1, 3]]
  // one more output in the last dimension than fits: it reads zeros beyond the end
  const fits = size.map((s, i) => Math.floor((s + 2 * padding[i]! - dilation[i]! * (kernel[i]! - 1) - 1) / stride[i]!) + 1)
  const out = [fits[0]!, fits[1]!, fits[2]! + 1]
  const cells = (list: number[]) => list.reduce((a, b) => a * b)
  const [x, w] = [normal(n * c * cells(size)), normal((o * c * cells(kernel)) / groups)]
  const [bias, g] = [normal(o), normal(n * o * cells(out))]
  type Numbers = Parameters<typeof k.convGradInput> extends [...infer Head, number, number, number] ? Head : never
  const numbers = [n, c, o, groups, ...size, ...kernel, ...out, ...stride, ...padding, ...dilation] as unknown as Numbers
  const y = reserve(g.length)
  k.conv(...numbers, put(x), put(w), 0, put(bias), Activation.none, y)
  const got = get(y, g.length)
  let at = 0
  for (let image = 0; image < n; image++) for (let to = 0; to < o; to++)
    for (let zd = 0; zd < out[0]!; zd++) for (let zh = 0; zh < out[1]!; zh++) for (let zw = 0; zw < out[2]!; zw++) {
      let sum = bias[to]!
      for (let from = 0; from < c / groups; from++)
        for (let ud = 0; ud < kernel[0]!; ud++) for (let uh = 0; uh < kernel[1]!; uh++) for (let uw = 0; uw < kernel[2]!; uw++) {
          const cell = [zd, zh, zw].map((z, i) => z * stride[i]! + [ud, uh, uw][i]! * dilation[i]! - padding[i]!)
          if (cell.some((v, i) => v < 0 || v >= size[i]!)) continue
          const channel = Math.floor(to / (o / groups)) * (c / groups) + from
          sum += x[(((image * c + channel) * size[0]! + cell[0]!) * size[1]! + cell[1]!) * size[2]! + cell[2]!]! *
            w[(((to * c / groups + from) * kernel[0]! + ud) * kernel[1]! + uh) * kernel[2]! + uw]!
        }
      near(got[at]!, sum, 1e-12, `y[${at++}]`)
    }
  // <conv(x, w), g> = <x, gradInput(g, w)> = <w, gradWeight(x, g)>
  const [gx, gw] = [reserve(x.length), reserve(w.length)]
  k.conv(...numbers, put(x), put(w), 0, 0, Activation.none, y)
  k.convGradInput(...numbers, put(g), put(w), gx)
  k.convGradWeight(...numbers, put(x), put(g), gw)
  const product = dot(get(y, g.length), g)
  near(dot(get(gx, x.length), x), product, 1e-12, 'adjoint in x')
  near(dot(get(gw, w.length), w), product, 1e-12, 'adjoint in w')
})

test('pooling, strided copies, indexing and sums are adjoint in pairs', () => {
  const [x, y, index] = [normal(2 * 6 * 7), normal(2 * 3 * 4), put([5, 0, 5, 2], 'int32')]
  const [ax, ay, outX, outY, won] = [put(x), put(y), reserve(x.length), reserve(y.length), reserve(y.length)]
  const window = [2, 1, 6, 7, 1, 3, 2, 1, 3, 4, 1, 2, 2, 0, 1, 1] as const
  const pairs: Record<string, [() => void, () => void]> = {
    avgPool: [() => k.avgPool(...window, 0, 1, 1, 1, 0, ax, outY), () => k.avgPoolGrad(...window, 0, 1, 1, 1, 0, ay, outX)],
    maxPool: [
      () => k.maxPool(...window, 1, 1, 1, 0, ax, outY, won),
      () => k.maxPoolGrad(2, 42, 12, ay, won, outX),
    ],
    winners: [() => k.pickWinners(2, 42, 12, ax, won, outY), () => k.maxPoolGrad(2, 42, 12, ay, won, outX)],
    copy: [
      () => k.copyFrom(1, 1, 1, 2, 3, 4, 0, 0, 0, 42, -7, 0, 38, ax, outY),
      () => (k.fill(84, 0, outX), k.copyTo(1, 1, 1, 2, 3, 4, 0, 0, 0, 42, -7, 0, 38, 1, ay, outX)),
    ],
    index: [() => k.indexSelect(2, 14, 4, 3, ax, index, outY), () => k.indexAdd(2, 14, 4, 3, ay, index, outX)],
  }
  for (const [name, [forward, back]] of Object.entries(pairs)) {
    forward()
    back()
    near(dot(get(outY, 24), y), dot(get(outX, 84), x), 1e-12, name)
  }
})

test('matrix products are their formula', () => {
  const [batch, m, n, inner] = [2, 3, 4, 5]
  const [a, b, c, bias] = [normal(batch * m * inner), normal(inner * n), normal(batch * m * n), normal(n)]
  for (const [transA, transB] of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
    const y = put(c)
    k.gemm(batch, transA, transB, m, n, inner, 2, put(a), m * inner, put(b), 0, 0.5, y, m * n, put(bias), Activation.relu)
    const got = get(y, c.length)
    for (let i = 0; i < batch; i++) for (let r = 0; r < m; r++) for (let s = 0; s < n; s++) {
      let sum = 0
      for (let p = 0; p < inner; p++) {
        sum += a[i * m * inner + (transA ? p * m + r : r * inner + p)]! * b[transB ? s * inner + p : p * n + s]!
      }
      const at = (i * m + r) * n + s
      near(got[at]!, Math.max(0, 2 * sum + 0.5 * c[at]! + bias[s]!), 1e-13, `${transA}${transB} ${at}`)
    }
  }
})

test('two steps of the optimizers by hand', () => {
  const block = backend.reserve(64)
  const [w, s1, s2, s3] = [put([1]), put([0]), put([0]), put([0])]
  backend.writeScalars(block, [0.5, 0.1, 0.9, 1, 0.9, 1])
  // g = 2 + 0.1 · 1, v = 2.1, w = 1 - 0.5 (2.1 + 0.9 · 2.1)
  k.update(Update.sgd, 1, block, w, put([2]), s1, 0, 0)
  near(get(w, 1)[0]!, 1 - 0.5 * 1.9 * 2.1, 1e-15, 'sgd')
  backend.write(w, [1], 'float32')
  backend.write(s1, [0], 'float32')
  backend.writeScalars(block, [0.1, 0.9, 0.99, 0.001, 0.1, 0, 0.5])
  // s1 = 0.2, s2 = 0.04, w = 0.5 - 0.1 · 0.2 / (0.2 / 0.1 + 0.001); then g = 0: s2 falls, its maximum stays
  k.update(Update.adam, 1, block, w, put([2]), s1, s2, s3)
  near(get(w, 1)[0]!, 0.5 - 0.02 / 2.001, 1e-15, 'adam')
  backend.writeScalars(block, [0.1, 0.9, 0.99, 0.001, 0.1, 0, 1])
  k.update(Update.adam, 1, block, w, put([0]), s1, s2, s3)
  near(get(w, 1)[0]!, 0.5 - 0.02 / 2.001 - 0.018 / 2.001, 1e-15, 'amsgrad')
  near(get(s2, 1)[0]!, 0.0396, 1e-15, 'second moment')
})

test('empty reductions, special values', () => {
  const y = reserve(1)
  const empty = (f: Reduce) => (k.reduce(f, 1, 0, 1, put([]), y), get(y, 1)[0]!)
  assert.equal([Reduce.sum, Reduce.prod, Reduce.mean, Reduce.max, Reduce.min].map(empty), [0, 1, NaN, -Infinity, Infinity])
  const binary = (f: Binary, a: number, b: number) => {
    k.binary(f, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, put([a]), put([b]), y)
    return get(y, 1)[0]!
  }
  assert.equal([binary(Binary.pow, NaN, 0), binary(Binary.maximum, 1, NaN), binary(Binary.minimum, NaN, 1)], [1, NaN, NaN])
  assert.equal([binary(Binary.eq, NaN, NaN), binary(Binary.ne, NaN, NaN), binary(Binary.lt, 1, NaN)], [0, 1, 0])
})

test('memory: aligned addresses, contents survive growth, an end', () => {
  for (const width of [4, 8] as const) {
    const b = createReference(width)
    const first = b.reserve(64)
    b.write(first, [1.5, -2.5], 'float32')
    const words = b.reserve(64)
    b.writeWords(words, [-1, 0x7fc00001, 3, 4])
    let last = 0
    for (let i = 0; i < 40; i++) {
      const address = b.reserve(64 * (i * i + 1))
      assert.ok(address > last && address % 64 === 0)
      last = address
    }
    assert.ok(b.bytes > 1 << 20)
    assert.equal([...b.read(first, 2, 'float32')], [1.5, -2.5])
    assert.equal(b.readWords(words, 4), Int32Array.of(-1, 0x7fc00001, 3, 4))
    assert.throws(() => b.reserve(2 ** 31), (e: Error) => e instanceof RangeError)
    // whole numbers beyond 2^24 and bit patterns of NaN stay what they are
    const numbers = Int32Array.of(16777217, -1, 0x7fc00001, -2147483648, 2147483647, 0x7f800001)
    const [x, y] = [b.reserve(64), b.reserve(64)]
    b.write(x, numbers, 'int32')
    b.kernels.copy(6, x, y)
    assert.equal(b.read(y, 6, 'int32'), numbers)
    assert.is(b.readOne(y + b.width, 'int32'), -1)
  }
})

test.run()
