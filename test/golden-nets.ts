// Golden vectors: whole networks: evaluation, one training pass with all gradients, ten steps of SGD.

import { BatchNorm2d, Conv2d, crossEntropy, Linear, Module, Sequential, SGD, avgPool2d, type Tensor } from 'hebb'
import { outputsOf, read, toTensor, type Args, type Case, type Results, type Source, type Stored, type Values } from './golden-format.js'

class LeNet5 extends Module {
  conv1 = new Conv2d(1, 6, 5)
  conv2 = new Conv2d(6, 16, 5)
  fc1 = new Linear(400, 120)
  fc2 = new Linear(120, 84)
  fc3 = new Linear(84, 10)
  forward(x: Tensor): Tensor {
    x = avgPool2d(this.conv1.forward(x).tanh(), 2)
    x = avgPool2d(this.conv2.forward(x).tanh(), 2).flatten(1)
    return this.fc3.forward(this.fc2.forward(this.fc1.forward(x).tanh()).tanh())
  }
}

class BasicBlock extends Module {
  conv1: Conv2d
  bn1: BatchNorm2d
  conv2: Conv2d
  bn2: BatchNorm2d
  downsample: Sequential | null
  constructor(into: number, out: number, stride: number) {
    super()
    this.conv1 = new Conv2d(into, out, 3, { stride, padding: 1, bias: false })
    this.bn1 = new BatchNorm2d(out)
    this.conv2 = new Conv2d(out, out, 3, { padding: 1, bias: false })
    this.bn2 = new BatchNorm2d(out)
    this.downsample = stride !== 1 || into !== out ? new Sequential(new Conv2d(into, out, 1, { stride, bias: false }), new BatchNorm2d(out)) : null
  }
  forward(x: Tensor): Tensor {
    const y = this.bn2.forward(this.conv2.forward(this.bn1.forward(this.conv1.forward(x)).relu()))
    return y.add(this.downsample ? this.downsample.forward(x) : x).relu()
  }
}
class MiniResNet extends Module {
  conv1: Conv2d
  bn1: BatchNorm2d
  layer1: BasicBlock
  layer2: BasicBlock
  fc: Linear
  constructor({ width, classes }: Args) {
    super()
    this.conv1 = new Conv2d(3, width, 3, { padding: 1, bias: false })
    this.bn1 = new BatchNorm2d(width)
    this.layer1 = new BasicBlock(width, width, 1)
    this.layer2 = new BasicBlock(width, 2 * width, 2)
    this.fc = new Linear(2 * width, classes)
  }
  forward(x: Tensor): Tensor {
    x = this.layer2.forward(this.layer1.forward(this.bn1.forward(this.conv1.forward(x)).relu()))
    return this.fc.forward(x.mean([2, 3]))
  }
}

export const NETWORKS: Record<string, (config: Args) => Module> = {
  lenet5: () => new LeNet5(),
  mini_resnet: config => new MiniResNet(config),
}

/** Cross-entropy, averaged over all positions. logits: [n, classes] or, for sequences, [n, t, classes] */
const lossOf = (logits: Tensor, y: Tensor): Tensor =>
  logits.rank === 3 ? crossEntropy(logits.flatten(0, 1), y.flatten()) : crossEntropy(logits, y)

export function runNetwork(c: Case, source: Source): Results {
  const inputs = (role: string): Stored => source(c.inputs!.find(name => name.endsWith(`/in.${role}`))!)
  const { net, config, train } = c.args
  const model = NETWORKS[net]!(config)
  const load = () => {
    const state = Object.fromEntries(Object.entries({ ...c.params, ...c.buffers }).map(([name, t]) => [name, toTensor(source(t))]))
    const missing = Object.keys(model.stateDict()).filter(name => !(name in state) && !name.endsWith('num_batches_tracked'))
    if (missing.length) throw new Error(`${net}: the case lacks ${missing.join(', ')}`)
    model.loadStateDict({ ...model.stateDict(), ...state })
  }
  const made: Record<string, Values> = {}
  const x = toTensor(inputs('x'))
  const y = toTensor(inputs('y'))

  load()
  made['logits_eval'] = read(model.eval().forward(x))

  const logits = model.train().forward(x) as Tensor
  const loss = lossOf(logits, y)
  loss.backward()
  made['logits_train'] = read(logits)
  made['loss'] = read(loss)
  const results: Results = new Map()
  const state = model.stateDict()
  for (const [name, t] of Object.entries(c.grads ?? {})) if (state[name]?.grad) results.set(t, read(state[name].grad))
  for (const [name, t] of Object.entries(c.buffers_after ?? {})) if (state[name]) results.set(t, read(state[name]))

  load()
  const optimizer = new SGD(model.parameters(), { lr: train.lr, momentum: train.momentum })
  const [xs, ys] = [toTensor(inputs('train_x')), toTensor(inputs('train_y'))]
  const losses: number[] = []
  for (let s = 0; s < train.steps; s++) {
    const k = s % xs.shape[0]!
    const stepLoss = lossOf(model.forward(xs.select(0, k)), ys.select(0, k))
    losses.push(stepLoss.item())
    optimizer.zeroGrad()
    stepLoss.backward()
    optimizer.step()
  }
  made['train_losses'] = { shape: [losses.length], data: losses }
  made['logits_after_training'] = read(model.eval().forward(x))
  const norms = Object.keys(c.params!).map(name => state[name]!.norm().item())
  made['param_norms_after_training'] = { shape: [norms.length], data: norms }
  for (const [name, values] of outputsOf(c, made)) results.set(name, values)
  return results
}
