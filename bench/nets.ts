// The networks of the benchmarks: how they are built, what a training step of them is, how many operations it takes, and whether it
// computes the right gradients.

import {
  BatchNorm2d, Conv2d, Flatten, Linear, lstm, manualSeed, MaxPool2d, Module, onBackend, parameter, ReLU, scope, Sequential, SGD, tensor,
  type CellWeights, type Tensor,
} from 'hebb'
import { ConvNet, LeNet5, MLP } from 'hebb/models'
import { WrongResult } from './measure.js'
import { labels, uniform } from './numbers.js'
import type { Case } from './session.js'

const CLASSES = 10

export interface Network extends Case {
  batch: number
  /** Of one example */
  shape: readonly number[]
  build(): Module
}

// ---- networks that hebb/models doesn't have -------------------------------------------------------------------------------------

/** x + two 3×3 convolutions with batch norm; a 1×1 convolution on the way past where the size changes (He et al., 2016) */
class Residual extends Module {
  readonly conv1: Conv2d
  readonly bn1: BatchNorm2d
  readonly conv2: Conv2d
  readonly bn2: BatchNorm2d
  readonly shortcut: Module | null
  constructor(from: number, to: number, stride: number) {
    super()
    this.conv1 = new Conv2d(from, to, 3, { padding: 1, stride, bias: false })
    this.bn1 = new BatchNorm2d(to)
    this.conv2 = new Conv2d(to, to, 3, { padding: 1, bias: false })
    this.bn2 = new BatchNorm2d(to)
    this.shortcut = stride === 1 && from === to ? null : new Sequential(new Conv2d(from, to, 1, { stride, bias: false }), new BatchNorm2d(to))
  }
  forward(x: Tensor): Tensor {
    const y = this.bn2.forward(this.conv2.forward(this.bn1.forward(this.conv1.forward(x)).relu()))
    return y.add(this.shortcut ? (this.shortcut.forward(x) as Tensor) : x).relu()
  }
}

class ResNet20 extends Module {
  readonly stem = new Sequential(new Conv2d(3, 16, 3, { padding: 1, bias: false }), new BatchNorm2d(16), new ReLU())
  readonly blocks = new Sequential(
    ...[[16, 1], [32, 2], [64, 2]].flatMap(([width, stride]) => [
      new Residual(stride === 1 ? width! : width! / 2, width!, stride!), new Residual(width!, width!, 1), new Residual(width!, width!, 1),
    ]),
  )
  readonly head = new Linear(64, CLASSES)
  forward(x: Tensor): Tensor {
    return this.head.forward(this.blocks.forward(this.stem.forward(x)).mean([2, 3]))
  }
}

/** Krizhevsky's network in the one-tower form of 2014 for 64×64 images, without dropout, whose random numbers no other backend's batch shares */
const alexNet = () => new Sequential(
  new Conv2d(3, 64, 11, { stride: 4, padding: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
  new Conv2d(64, 192, 5, { padding: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
  new Conv2d(192, 384, 3, { padding: 1 }), new ReLU(), new Conv2d(384, 256, 3, { padding: 1 }), new ReLU(),
  new Conv2d(256, 256, 3, { padding: 1 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
  new Flatten(), new Linear(256, 4096), new ReLU(), new Linear(4096, 4096), new ReLU(), new Linear(4096, CLASSES),
)

const HIDDEN = 128
/** The rows of a 28×28 image, read one after the other */
class RowReader extends Module {
  readonly weightIh = parameter(uniform(4 * HIDDEN * 28, 11, 0.088), [4 * HIDDEN, 28])
  readonly weightHh = parameter(uniform(4 * HIDDEN * HIDDEN, 12, 0.088), [4 * HIDDEN, HIDDEN])
  readonly biasIh = parameter(uniform(4 * HIDDEN, 13, 0.088))
  readonly biasHh = parameter(uniform(4 * HIDDEN, 14, 0.088))
  readonly head = new Linear(HIDDEN, CLASSES)
  forward(x: Tensor): Tensor {
    const weights: CellWeights = this
    return this.head.forward(lstm(x, null, [weights], { batchFirst: true }).h.select(0, 0))
  }
}

export const NETWORKS: readonly Network[] = [
  { name: 'MLP 784-256-128-10, b64', batch: 64, shape: [784], build: () => new MLP([784, 256, 128, CLASSES]) },
  { name: 'LeNet-5, b64', batch: 64, shape: [1, 28, 28], build: () => new LeNet5() },
  { name: 'LSTM 128 over 28 rows, b64', batch: 64, shape: [28, 28], build: () => new RowReader() },
  { name: 'CIFAR convnet 32-64-256, b100', batch: 100, shape: [3, 32, 32], build: () => new ConvNet({ channels: 3, size: 32, widths: [32, 64, 256], pools: 2 }) },
  { name: 'ResNet-20, b100', batch: 100, shape: [3, 32, 32], long: true, build: () => new ResNet20() },
  { name: 'AlexNet 64×64, b32', batch: 32, shape: [3, 64, 64], long: true, build: alexNet },
]

// ---- operations ------------------------------------------------------------------------------------------------------------------

/** Operations of the products and convolutions in a forward and in a backward pass */
export interface Flops {
  forward: number
  backward: number
}

/**
 * Counted while the network runs once on x. The gradient of a layer takes as many operations with respect to its weight as the layer
 * itself, and as many again with respect to its input, which the first layer leaves out.
 */
export function countFlops(model: Module, x: Tensor): Flops {
  const total: Flops = { forward: 0, backward: 0 }
  const unhook = [...model.namedModules()].flatMap(([, layer]) => {
    if (layer instanceof RowReader) {
      const rows = x.shape[0]! * x.shape[1]!
      const fromInput = 2 * rows * layer.weightIh.size
      const fromState = 2 * rows * layer.weightHh.size
      total.forward += fromInput + fromState
      total.backward += fromInput + 2 * fromState
    }
    if (!(layer instanceof Linear || layer instanceof Conv2d)) return []
    return [layer.registerForwardHook((_, [input], output) => {
      const flops = (2 * (output as Tensor).size * layer.weight.size) / layer.weight.shape[0]!
      total.forward += flops
      total.backward += (input as Tensor).requiresGrad ? 2 * flops : flops
      return undefined
    })]
  })
  scope(() => void model.forward(x))
  for (const off of unhook) off()
  return total
}

// ---- training -------------------------------------------------------------------------------------------------------------------

export interface Trained {
  model: Module
  optimizer: SGD
  x: Tensor
  y: Tensor
}

/** `distinct` examples, repeated until the batch is full */
function examples({ shape, batch }: Network, distinct: number, count = batch): { x: Tensor; y: Tensor } {
  const size = shape.reduce((a, b) => a * b, 1)
  const pixels = uniform(distinct * size, 3)
  const classes = labels(distinct, CLASSES)
  return {
    x: tensor(Float32Array.from({ length: count * size }, (_, i) => pixels[i % pixels.length]!), [count, ...shape]),
    y: tensor(Int32Array.from({ length: count }, (_, i) => classes[i % distinct]!), [count], { dtype: 'int32' }),
  }
}

/** The same network every time, with a batch of random examples */
export function prepare(network: Network): Trained {
  manualSeed(1)
  const model = network.build()
  return { model, optimizer: new SGD(model.parameters(), { lr: 0.01, momentum: 0.9 }), ...examples(network, network.batch) }
}

const lossOf = ({ model }: { model: Module }, x: Tensor, y: Tensor): Tensor => (model.forward(x) as Tensor).crossEntropy(y)

export function trainStep(trained: Trained, x: Tensor, y: Tensor): Tensor {
  const loss = lossOf(trained, x, y)
  trained.optimizer.zeroGrad()
  loss.backward()
  trained.optimizer.step()
  return loss
}

/** Largest difference of a gradient's direction and length, as a share of its length, that rounding and a changed winner of a pool explain */
const GRADIENT_TOLERANCE = 0.02

const verified = new Set<Network>()

/**
 * Loss and every gradient against the reference backend in float64. The batch repeats two examples, so that the reference needs
 * these two alone: mean loss, gradients and batch statistics are the same.
 */
export function verify(network: Network): void {
  if (verified.has(network)) return
  scope(() => {
    manualSeed(1)
    const model = network.build()
    const { x, y } = examples(network, 2)
    const loss = lossOf({ model }, x, y)
    loss.backward()
    onBackend('reference64', () => {
      const reference = network.build()
      reference.loadStateDict(Object.fromEntries(model.namedParameters()), { strict: false })
      const two = examples(network, 2, 2)
      const exact = lossOf({ model: reference }, two.x, two.y)
      exact.backward()
      if (!(Math.abs(loss.item() - exact.item()) <= 1e-4 * Math.max(1, exact.item()))) throw new WrongResult(`loss ${loss.item()}, expected ${exact.item()}`)
      const wanted = new Map(reference.namedParameters())
      for (const [name, p] of model.namedParameters()) {
        const got = p.grad!.values()
        const want = wanted.get(name)!.grad!.values()
        let length = 0
        let off = 0
        for (let i = 0; i < got.length; i++) {
          length += want[i]! * want[i]!
          off += (got[i]! - want[i]!) * (got[i]! - want[i]!)
        }
        // the bias before a batch norm has no gradient but rounding
        if (!(Math.sqrt(off) <= GRADIENT_TOLERANCE * Math.sqrt(length) + 1e-5)) {
          throw new WrongResult(`the gradient of ${name} is off by ${(100 * Math.sqrt(off / length)).toFixed(1)} % of its length`)
        }
      }
    })
  })
  verified.add(network)
}
