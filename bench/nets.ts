// The networks of the benchmarks: how they are built, what a training step of them is, how many operations it takes, and whether it
// computes the right gradients.

import { Conv2d, Linear, LSTM, manualSeed, Module, onBackend, scope, SGD, tensor, type Tensor } from 'hebb'
import { AlexNet, ConvNet, LeNet5, MLP, ResNet20 } from 'hebb/models'
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

/** The rows of an image, read one after the other */
class RowReader extends Module {
  readonly lstm = new LSTM(28, 128, { batchFirst: true })
  readonly head = new Linear(128, CLASSES)
  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x).h.select(0, 0))
  }
}

export const NETWORKS: readonly Network[] = [
  { name: 'MLP 784-256-128-10, b64', batch: 64, shape: [784], build: () => new MLP([784, 256, 128, CLASSES]) },
  { name: 'LeNet-5, b64', batch: 64, shape: [1, 28, 28], build: () => new LeNet5() },
  { name: 'LSTM 128 over 28 rows, b64', batch: 64, shape: [28, 28], build: () => new RowReader() },
  {
    name: 'CIFAR convnet 32-64-256, b100',
    batch: 100,
    shape: [3, 32, 32],
    build: () => new ConvNet({ channels: 3, size: 32, widths: [32, 64, 256], pools: 2 }),
  },
  { name: 'ResNet-20, b100', batch: 100, shape: [3, 32, 32], long: true, build: () => new ResNet20({ classes: CLASSES }) },
  {
    name: 'AlexNet 64×64 hidden 1024, b32',
    batch: 32,
    shape: [3, 64, 64],
    long: true,
    // dropout's random numbers would depend on the batch; the reference must hold the hidden layers' weights in float64
    build: () => new AlexNet({ classes: CLASSES, hidden: 1024, dropout: 0 }),
  },
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
    if (layer instanceof LSTM) {
      return [layer.registerForwardHook((_, [input]) => {
        const { shape, requiresGrad } = input as Tensor
        const gates = 2 * shape[0]! * shape[1]! * 4 * layer.hiddenSize
        total.forward += gates * (layer.inputSize + layer.hiddenSize)
        total.backward += gates * ((requiresGrad ? 2 : 1) * layer.inputSize + 2 * layer.hiddenSize)
        return undefined
      })]
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

/** Largest length of a gradient's error, as a share of its own, that rounding and a changed winner of a pool explain */
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
      const [value, wantedValue] = [loss.item(), exact.item()]
      if (!(Math.abs(value - wantedValue) <= 1e-4 * Math.max(1, wantedValue))) throw new WrongResult(`loss ${value}, expected ${wantedValue}`)
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
