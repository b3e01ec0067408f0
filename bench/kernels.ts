// Single operations, called as a user calls them: products, convolutions, pooling, elementwise work, losses, optimizers.

import {
  Adam, avgPool2d, batchNorm, conv2d, crossEntropy, gradients, linear, matmul, maxPool2d, parameter, SGD, softmax, tensor, turn, type Tensor,
} from 'hebb'
import { directly } from './direct.js'
import { gbytes, gflops, measure, share, type Measured, type Work } from './measure.js'
import { checkReference, checkSamples, convAt, convSizes, labels, productAt, uniform, type ConvShape } from './numbers.js'
import type { Case, Session, Subject } from './session.js'
import { digits, percent, time } from './text.js'

interface Kernel extends Case {
  prepare(): Work
}

/** Once, in a turn of its own: what it makes is freed */
const once = (f: () => unknown) => () => void turn('bench', 0, f)

// ---- matrix products -----------------------------------------------------------------------------------------------------------

type Form = 'AB' | 'AtB' | 'ABt'

/** [m, k] times [k, n]. The transposed forms are those of training: linear's weight, and the gradient of a product. */
function product(m: number, k: number, n: number, form: Form = 'AB', title = ''): Kernel {
  const size = m === k && k === n ? `${m}³` : `${m}×${k}×${n}`
  return {
    name: title || `${form.replace('t', 'ᵀ')} ${size}`,
    prepare() {
      const [a, b] = [uniform(m * k, 1), uniform(k * n, 2)]
      const A = tensor(a, form === 'AtB' ? [k, m] : [m, k])
      const B = tensor(b, form === 'ABt' ? [n, k] : [k, n])
      let run: () => Tensor
      if (form === 'AB') run = () => matmul(A, B)
      else if (form === 'ABt') run = () => linear(A, B)
      else {
        // d(A W) / dW = Aᵀ B for dL/d(A W) = B
        const W = tensor(new Float32Array(m * n), [m, n], { requiresGrad: true })
        const y = matmul(A, W)
        run = () => gradients(y, [W], { gradOutputs: [B], retainGraph: true })[0]!
      }
      const left = (i: number, p: number) => a[form === 'AtB' ? p * m + i : i * k + p]!
      const right = (p: number, j: number) => b[form === 'ABt' ? j * k + p : p * n + j]!
      return { check: once(() => checkSamples(run(), i => productAt(i, n, k, left, right))), run: once(run), flops: 2 * m * k * n }
    },
  }
}

function batched(batch: number, size: number): Kernel {
  return {
    name: `${batch} products of ${size}³`,
    prepare() {
      const area = size * size
      const [a, b] = [uniform(batch * area, 1), uniform(batch * area, 2)]
      const A = tensor(a, [batch, size, size])
      const B = tensor(b, [batch, size, size])
      const run = () => matmul(A, B)
      const expected = (i: number) => {
        const at = Math.floor(i / area) * area
        return productAt(i % area, size, size, (row, p) => a[at + row * size + p]!, (p, column) => b[at + p * size + column]!)
      }
      return { check: once(() => checkSamples(run(), expected)), run: once(run), flops: 2 * batch * area * size }
    },
  }
}

const PRODUCTS = [
  ...[32, 64, 128, 256, 512].map(n => product(n, n, n)),
  { ...product(1024, 1024, 1024), long: true },
  product(256, 256, 256, 'AtB'), product(256, 256, 256, 'ABt'), product(512, 512, 512, 'AtB'), product(512, 512, 512, 'ABt'),
  product(64, 784, 256), product(784, 64, 256, 'AtB'), product(64, 256, 784, 'ABt'), product(4096, 64, 64), product(64, 256, 10),
  batched(64, 64),
]
const VECTORS = [
  product(1, 784, 256), product(1, 784, 256, 'ABt'), product(1, 4096, 1000), product(1, 4096, 1000, 'ABt'), product(784, 256, 1),
]

// ---- convolutions --------------------------------------------------------------------------------------------------------------

const square = (n: number, c: number, size: number, o: number, k: number, rest: Partial<ConvShape> = {}): ConvShape =>
  ({ n, c, h: size, w: size, o, k, stride: 1, padding: 0, dilation: 1, groups: 1, ...rest })
const SHAPES = {
  'LeNet conv1, 64×1×28×28, 6@5×5': square(64, 1, 28, 6, 5, { padding: 2 }),
  'LeNet conv2, 64×6×14×14, 16@5×5': square(64, 6, 14, 16, 5),
  '3×3, 16×64×32×32, 64': square(16, 64, 32, 64, 3, { padding: 1 }),
  '3×3, 1×64×56×56, 64': square(1, 64, 56, 64, 3, { padding: 1 }),
  '3×3 odd map, 16×64×31×31, 64': square(16, 64, 31, 64, 3, { padding: 1 }),
  '3×3 stride 2, 16×64×32×32, 64': square(16, 64, 32, 64, 3, { padding: 1, stride: 2 }),
  '3×3 dilation 2, 16×64×32×32, 64': square(16, 64, 32, 64, 3, { padding: 2, dilation: 2 }),
  '1×1, 1×256×14×14, 1024': square(1, 256, 14, 1024, 1),
  '7×7 stride 2, 1×3×224×224, 64': square(1, 3, 224, 64, 7, { padding: 3, stride: 2 }),
  'depthwise 3×3, 1×128×28×28': square(1, 128, 28, 128, 3, { padding: 1, groups: 128 }),
} as const

function convolution(name: keyof typeof SHAPES, which: 'y' | 'dx' | 'dw', direct = false): Kernel {
  const q: ConvShape = SHAPES[name]
  return {
    name: `${which === 'y' ? 'conv' : which === 'dx' ? 'conv dX' : 'conv dW'} ${direct ? 'direct ' : ''}${name}`,
    prepare() {
      const { oh, ow, flops } = convSizes(q)
      const weights = (q.o * q.c * q.k * q.k) / q.groups
      const data = { x: uniform(q.n * q.c * q.h * q.w, 1), w: uniform(weights, 2), g: uniform(q.n * q.o * oh * ow, 3) }
      const x = tensor(data.x, [q.n, q.c, q.h, q.w], { requiresGrad: which === 'dx' })
      const w = tensor(data.w, [q.o, q.c / q.groups, q.k, q.k], { requiresGrad: which === 'dw' })
      const forward = () => conv2d(x, w, null, { stride: q.stride, padding: q.padding, dilation: q.dilation, groups: q.groups })
      let run = forward
      if (which !== 'y') {
        const y = forward()
        const gradOutputs = [tensor(data.g, [q.n, q.o, oh, ow])]
        run = () => gradients(y, [which === 'dx' ? x : w], { gradOutputs, retainGraph: true })[0]!
      }
      const compute = direct ? () => directly(run) : run
      return { check: once(() => checkSamples(compute(), i => convAt(q, data, which, i))), run: once(compute), flops }
    },
  }
}
const shapeNames = Object.keys(SHAPES) as (keyof typeof SHAPES)[]
const [conv1, conv2, main] = shapeNames as [keyof typeof SHAPES, keyof typeof SHAPES, keyof typeof SHAPES]
const depthwise = shapeNames.at(-1)!
const odd = '3×3 odd map, 16×64×31×31, 64'
const CONVOLUTIONS = [
  ...shapeNames.map(name => convolution(name, 'y')),
  ...[conv2, main, depthwise].map(name => convolution(name, 'dx')),
  ...[conv1, conv2, main, depthwise].map(name => convolution(name, 'dw')),
  ...(['y', 'dx', 'dw'] as const).map(which => convolution(main, which, true)),
  convolution(odd, 'y', true),
]

// ---- passes over memory ---------------------------------------------------------------------------------------------------------

/** `build` makes inputs and returns the operation; it is called for the backend that is measured and for the reference. */
function pass(name: string, bytes: number, build: () => () => Tensor, tolerance?: number): Kernel {
  return {
    name,
    prepare: () => ({ check: () => checkReference(() => build()(), tolerance), run: once(build()), bytes }),
  }
}
const MILLION = 1 << 20
const vector = (seed: number, scale = 2) => tensor(uniform(MILLION, seed, scale), [MILLION])
const unary = (name: string, f: (x: Tensor) => Tensor, input = () => vector(1)) => pass(`${name} 1M`, 8 * MILLION, () => {
  const x = input()
  return () => f(x)
})

const PLANES = [64, 16, 28, 28] as const
const pooled = 64 * 16 * 28 * 28
/** A gradient with respect to x, of what f makes of it */
function slope(f: (x: Tensor) => Tensor, shape: readonly number[]): () => Tensor {
  const x = tensor(uniform(shape.reduce((a, b) => a * b, 1), 1), shape, { requiresGrad: true })
  const y = f(x)
  const gradOutputs = [tensor(uniform(y.size, 3), y.shape)]
  return () => gradients(y, [x], { gradOutputs, retainGraph: true })[0]!
}
function entropy(n: number, classes: number): () => Tensor {
  const x = tensor(uniform(n * classes, 1, 2), [n, classes], { requiresGrad: true })
  const y = tensor(labels(n, classes), [n], { dtype: 'int32' })
  return () => {
    x.zeroGrad()
    crossEntropy(x, y).backward()
    return x.grad!
  }
}
/** Weights after one step of an optimizer on 1M parameters with gradient 1; the check starts anew, so it sees the first step */
function stepOf(make: (p: Tensor) => { step(): void }): () => Tensor {
  const p = parameter(uniform(MILLION, 1), [MILLION])
  p.sum().backward()
  const optimizer = make(p)
  return () => {
    optimizer.step()
    return p
  }
}
const PASSES = [
  pass('add 1M', 12 * MILLION, () => {
    const [a, b] = [vector(1), vector(2)]
    return () => a.add(b)
  }),
  pass('add a row, 1024×1024', 8 * MILLION, () => {
    const [a, b] = [vector(1).reshape([1024, 1024]), tensor(uniform(1024, 2), [1024])]
    return () => a.add(b)
  }),
  unary('relu', x => x.relu()), unary('exp', x => x.exp()), unary('log', x => x.log(), () => vector(1).abs().add(0.5)),
  unary('tanh', x => x.tanh()), unary('sigmoid', x => x.sigmoid()), unary('gelu', x => x.gelu()),
  pass('transpose 1024×1024', 8 * MILLION, () => {
    const x = vector(1).reshape([1024, 1024])
    return () => x.transpose(0, 1)
  }),
  pass('sum 1M', 4 * MILLION, () => {
    const x = vector(1)
    return () => x.sum()
  }, 1e-3),
  pass('sum of rows, 1024×1024', 4 * MILLION, () => {
    const x = vector(1).reshape([1024, 1024])
    return () => x.sum(1)
  }, 1e-3),
  pass('sum of columns, 1024×1024', 4 * MILLION, () => {
    const x = vector(1).reshape([1024, 1024])
    return () => x.sum(0)
  }, 1e-3),
  pass('max of rows, 1024×1024', 4 * MILLION, () => {
    const x = vector(1).reshape([1024, 1024])
    return () => x.amax(1)
  }),
  pass('max-pool 2×2, 64×16×28×28', 6 * pooled, () => {
    const x = tensor(uniform(pooled, 1), PLANES)
    return () => maxPool2d(x, 2)
  }),
  pass('max-pool 2×2 backward', 6 * pooled, () => slope(x => maxPool2d(x, 2), PLANES)),
  pass('max-pool 3×3 stride 2, 64×16×28×28', 6 * pooled, () => {
    const x = tensor(uniform(pooled, 1), PLANES)
    return () => maxPool2d(x, 3, { stride: 2, padding: 1 })
  }),
  pass('average-pool 2×2, 64×16×28×28', 5 * pooled, () => {
    const x = tensor(uniform(pooled, 1), PLANES)
    return () => avgPool2d(x, 2)
  }),
  pass('batch norm, 16×64×32×32', 8 * MILLION, () => {
    const [x, w, b] = [vector(1).reshape([16, 64, 32, 32]), tensor(uniform(64, 2)), tensor(uniform(64, 3))]
    return () => batchNorm(x, w, b, { training: true })
  }, 1e-4),
  pass('batch norm backward', 12 * MILLION, () => {
    const [w, b] = [tensor(uniform(64, 2)), tensor(uniform(64, 3))]
    return slope(x => batchNorm(x, w, b, { training: true }), [16, 64, 32, 32])
  }, 1e-4),
  pass('softmax 64×1000', 8 * 64000, () => {
    const x = tensor(uniform(64000, 1, 2), [64, 1000])
    return () => softmax(x, 1)
  }),
  pass('cross-entropy + gradient 64×10', 8 * 640, () => entropy(64, 10)),
  pass('cross-entropy + gradient 64×1000', 8 * 64000, () => entropy(64, 1000)),
  pass('SGD with momentum, 1M weights', 20 * MILLION, () => stepOf(p => new SGD([p], { lr: 1e-7, momentum: 0.9 }))),
  pass('Adam, 1M weights', 28 * MILLION, () => stepOf(p => new Adam([p], { lr: 1e-7 }))),
]

// ---- tables --------------------------------------------------------------------------------------------------------------------

const timeCells = ({ ms, error, best }: Measured) => [time(ms), `±${Math.round(error)} %`, time(best)]
const TIMES = [['median', 8], ['', 5], ['best', 8]] as const

/** Single operations */
export const kernels: Subject = {
  name: 'kernels',
  about: 'matrix products, convolutions, pooling, elementwise work, losses, optimizers',
  cases: () => [...PRODUCTS, ...VECTORS, ...CONVOLUTIONS, ...PASSES],
  run(session: Session) {
    const computed = [...TIMES, ['GFLOP/s', 8], ['of C', 6]] as const
    for (const [title, cases] of [['matrix products, m×k×n', PRODUCTS], ['convolutions', CONVOLUTIONS]] as const) {
      session.table<Kernel>('kernels', title, computed, cases, ({ name, prepare }, add) => {
        const m = measure(prepare(), session.effort)
        add(name, m)
        return [...timeCells(m), digits(gflops(m)), percent(share(m))]
      })
    }
    const moving = [...TIMES, ['GFLOP/s', 8], ['GB/s', 8]] as const
    session.table<Kernel>('kernels', 'matrix times vector', moving, VECTORS, ({ name, prepare }, add) => {
      const m = measure(prepare(), session.effort)
      // each weight is read once and used in one multiply-add
      const moved = { ...m, bytes: 2 * m.flops! }
      add(name, moved)
      return [...timeCells(m), digits(gflops(m)), digits(gbytes(moved))]
    })
    session.table<Kernel>('kernels', 'passes over memory', [...TIMES, ['GB/s', 8]], PASSES, ({ name, prepare }, add) => {
      const m = measure(prepare(), session.effort)
      add(name, m)
      return [...timeCells(m), digits(gbytes(m))]
    })
  },
}
