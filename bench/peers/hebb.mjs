// hebb as one of the peers in a harness that runs the same cases on several engines. README.md says what the harness is.
import {
  Adam, capture, conv2d, convMaxPool2d, crossEntropy, gradients, linear, matmul, maxPool2d, noGrad, parameter, SGD, steps, tensor, turn,
} from 'hebb'

/** Adds of four numbers in one turn: a training step has about as many operations */
const TINY_ADDS = 100

/** Values of [rows, columns] as [columns, rows] */
function transposed(values, rows, columns) {
  const out = new Float32Array(values.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]
  return out
}
const inTurn = f => turn('peer', 0, f)
/** A case whose work is one call of `compute`, which returns the tensor to be checked */
const job = (compute, rest = {}) => ({ run: () => inTurn(() => void compute()), check: () => inTurn(() => compute().values()), ...rest })
/** The gradient of y with respect to x alone, for dL/dy = g, computed anew at each call */
const slope = (y, x, g) => job(() => gradients(y, [x], { gradOutputs: [g], retainGraph: true })[0])
/** Cross-entropy needs whole numbers for classes. */
const classes = list => tensor(list, [list.length], { dtype: 'int32' })

/** The harness's networks: dense weights [in, out] become hebb's [out, in] once. */
function network(lib, net) {
  const { layers } = lib.nets[net]
  const parameters = lib.initParams(net).map(({ kind, shape, data }) =>
    kind === 'dense' ? parameter(transposed(data, ...shape), [shape[1], shape[0]]) : parameter(data, shape))
  const forward = x => {
    let next = 0
    // as Sequential does: a relu, and the pool after it, in one pass with the layer before
    for (let i = 0; i < layers.length; i++) {
      const [kind, , , , padding] = layers[i]
      const relu = layers[i + 1]?.[0] === 'relu'
      const pool = relu && layers[i + 2]?.[0] === 'pool'
      if (kind === 'dense') x = linear(x, parameters[next++], parameters[next++], { relu })
      else if (kind !== 'conv') x = kind === 'relu' ? x.relu() : kind === 'pool' ? maxPool2d(x, 2) : x.flatten(1)
      else if (pool) x = convMaxPool2d(x, parameters[next++], parameters[next++], { padding }, 2, { relu })
      else x = conv2d(x, parameters[next++], parameters[next++], { padding, relu })
      if (kind === 'dense' || kind === 'conv') i += Number(relu) + Number(kind === 'conv' && pool)
    }
    return x
  }
  /** Gradient of the first parameter in the harness's layout */
  const firstGradient = () => {
    const { grad } = parameters[0]
    return layers[0][0] === 'dense' ? transposed(grad.values(), ...grad.shape) : grad.values()
  }
  return { parameters, forward, firstGradient }
}

const OPTIMIZERS = {
  sgd: (parameters, lr) => new SGD(parameters, { lr }),
  sgdm: (parameters, lr) => new SGD(parameters, { lr, momentum: 0.9 }),
  adam: (parameters, lr) => new Adam(parameters, { lr }),
}

/** ResNet-18 with batch norms folded into the convolutions. The weights are numbered in order of execution. */
function resnet18(lib) {
  const size = shape => shape.reduce((a, b) => a * b, 1)
  const uniform = (shape, seed) => tensor(lib.fill(size(shape), seed, Math.sqrt(3 / size(shape.slice(1)))), shape)
  let seed = 200
  const conv = (o, c, k, stride) => {
    const [weight, bias] = [uniform([o, c, k, k], seed++), tensor(new Float32Array(o), [o])]
    return (x, relu = false) => conv2d(x, weight, bias, { stride, padding: k >> 1, relu })
  }
  const stem = conv(64, 3, 7, 2)
  const stages = [[64, 64, 1], [64, 64, 1], [64, 128, 2], [128, 128, 1], [128, 256, 2], [256, 256, 1], [256, 512, 2], [512, 512, 1]]
  const blocks = stages.map(([from, to, stride]) => {
    const [first, second] = [conv(to, from, 3, stride), conv(to, to, 3, 1)]
    const past = stride === 1 ? x => x : conv(to, from, 1, stride)
    return x => second(first(x, true)).add(past(x)).relu()
  })
  const [weight, bias] = [uniform([1000, 512], 300), tensor(new Float32Array(1000), [1000])]
  return x => {
    const start = maxPool2d(stem(x, true), 3, { stride: 2, padding: 1 })
    return linear(blocks.reduce((y, block) => block(y), start).mean([2, 3]), weight, bias)
  }
}

/** The adapter. lib: the harness's library, and `captured`: replay steps instead of running them eagerly. */
export default function adapter(lib) {
  const { fill, captured = false } = lib
  const perhapsCaptured = f => (captured ? capture(f) : f)
  const vector = (n, seed, scale = 1) => tensor(fill(n, seed, scale), [n])
  const image = ({ n, c, h, w }, options) => tensor(fill(n * c * h * w, 1), [n, c, h, w], options)
  const unary = f => c => {
    const x = vector(c.n, 1, 2)
    return job(() => f(x))
  }

  /** A convolution, its operands, and what would come back from behind it */
  const convolution = (c, wanted) => {
    const x = image(c, { requiresGrad: wanted === 'x' })
    const shape = [c.k, c.c / c.groups, c.r, c.s]
    const w = tensor(fill(shape.reduce((a, b) => a * b, 1), 2), shape, { requiresGrad: wanted === 'w' })
    const forward = () => conv2d(x, w, null, { stride: c.stride, padding: c.pad, groups: c.groups })
    if (!wanted) return job(forward)
    const y = forward()
    return slope(y, wanted === 'x' ? x : w, tensor(fill(y.size, 3), y.shape))
  }

  const ops = {
    matmul({ m, k, n, ta, tb }) {
      if (ta && tb) return null
      const a = tensor(fill(m * k, 1), ta ? [k, m] : [m, k])
      const b = tensor(fill(k * n, 2), tb ? [n, k] : [k, n])
      if (tb) return job(() => linear(a, b))
      if (!ta) return job(() => matmul(a, b))
      // Aᵀ B is the gradient of A W with respect to W for dL/d(A W) = B
      const w = tensor(new Float32Array(m * n), [m, n], { requiresGrad: true })
      return slope(matmul(a, w), w, b)
    },
    conv2d: c => convolution(c),
    conv2d_dx: c => convolution(c, 'x'),
    conv2d_dw: c => convolution(c, 'w'),
    maxpool(c) {
      const x = image(c)
      return job(() => maxPool2d(x, 2))
    },
    maxpool_grad(c) {
      const x = image(c, { requiresGrad: true })
      const y = maxPool2d(x, 2)
      return slope(y, x, tensor(fill(y.size, 3), y.shape))
    },
    softmax_xent(c) {
      const x = tensor(fill(c.n * c.c, 1, 2), [c.n, c.c], { requiresGrad: true })
      const y = classes(lib.labels(c.n, c.c))
      return job(() => {
        x.zeroGrad()
        crossEntropy(x, y).backward()
        return x.grad
      })
    },
    add(c) {
      const [a, b] = [vector(c.n, 1).requiresGradient(), vector(c.n, 2)]
      const once = job(() => a.add(b), { note: 'recorded for a gradient' })
      if (c.n > 1000) return once
      return { ...once, per: TINY_ADDS, run: () => inTurn(() => { for (let i = 0; i < TINY_ADDS; i++) a.add(b) }) }
    },
    relu: unary(x => x.relu()),
    tanh: unary(x => x.tanh()),
    exp: unary(x => x.exp()),
    sum: unary(x => x.sum()),
    train(c) {
      const { parameters, forward, firstGradient } = network(lib, c.net)
      const optimizer = OPTIMIZERS[c.opt](parameters, c.lr)
      const data = lib.batch(c.net, c.n)
      const [x, y] = [tensor(data.x, data.xshape), classes(data.y)]
      const step = perhapsCaptured((input, target) => {
        const loss = forward(input).crossEntropy(target)
        if (c.mode === 'fwd') return loss
        optimizer.zeroGrad()
        loss.backward()
        if (c.mode === 'step') optimizer.step()
        return loss
      })
      const run = () => inTurn(() => void step(x, y))
      const loss = () => inTurn(() => step(x, y).item())
      const check = {
        fwd: loss,
        fwdbwd() {
          run()
          return firstGradient()
        },
        step: () => [loss(), loss(), loss(), loss(), loss()].at(-1),
      }[c.mode]
      return { run, check, dispose: () => step.dispose?.() }
    },
    infer(c) {
      const { forward } = network(lib, c.net)
      const { x: data, xshape } = lib.batch(c.net, c.n)
      const x = tensor(data, xshape)
      const infer = perhapsCaptured(input => noGrad(() => forward(input)))
      return job(() => infer(x), { dispose: () => infer.dispose?.() })
    },
    resnet18() {
      const forward = resnet18(lib)
      const x = tensor(fill(150528, 3), [1, 3, 224, 224])
      const infer = perhapsCaptured(forward)
      return job(() => infer(x), { dispose: () => infer.dispose?.() })
    },
    xor(c) {
      const hidden = [parameter(transposed(fill(8, 5, 1.2), 2, 4), [4, 2]), parameter(new Float32Array(4))]
      const output = [parameter(fill(4, 6, 1.2), [1, 4]), parameter(new Float32Array(1))]
      const optimizer = new SGD([...hidden, ...output], { lr: c.lr })
      const x = tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
      const y = tensor([[0], [1], [1], [0]])
      const lossOf = input => linear(linear(input, ...hidden).tanh(), ...output).sigmoid().mseLoss(y)
      const step = perhapsCaptured(input => {
        const loss = lossOf(input)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      const train = count => {
        for (const _ of steps(count)) step(x)
      }
      return {
        run: () => train(c.steps),
        check() {
          train(20)
          return inTurn(() => lossOf(x).item())
        },
        dispose: () => step.dispose?.(),
      }
    },
  }
  return {
    name: captured ? 'hebb captured' : 'hebb',
    async init({ threads }) {
      if (threads !== 1) throw new Error('hebb runs on one thread')
    },
    ops,
  }
}
