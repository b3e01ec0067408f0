// Golden vectors: whole networks: evaluation, one training pass with all gradients, ten steps of SGD.

import {
  adaptiveAvgPool2d, arange, avgPool2d, BatchNorm2d, cat, Conv2d, crossEntropy, Embedding, LayerNorm, Linear, localResponseNorm, LSTM, maxPool2d, Module,
  scaledDotProductAttention, Sequential, SGD, type Tensor,
} from 'hebb'
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

/** Four branches side by side (Szegedy et al., 2015). */
class Inception extends Module {
  branch1: Conv2d
  branch2_reduce: Conv2d
  branch2: Conv2d
  branch3_reduce: Conv2d
  branch3: Conv2d
  branch4: Conv2d
  constructor(into: number, [c1, c3r, c3, c5r, c5, pooled]: readonly [number, number, number, number, number, number]) {
    super()
    this.branch1 = new Conv2d(into, c1, 1)
    this.branch2_reduce = new Conv2d(into, c3r, 1)
    this.branch2 = new Conv2d(c3r, c3, 3, { padding: 1 })
    this.branch3_reduce = new Conv2d(into, c5r, 1)
    this.branch3 = new Conv2d(c5r, c5, 5, { padding: 2 })
    this.branch4 = new Conv2d(into, pooled, 1)
  }
  forward(x: Tensor): Tensor {
    return cat([
      this.branch1.forward(x).relu(),
      this.branch2.forward(this.branch2_reduce.forward(x).relu()).relu(),
      this.branch3.forward(this.branch3_reduce.forward(x).relu()).relu(),
      this.branch4.forward(maxPool2d(x, 3, { stride: 1, padding: 1 })).relu(),
    ], 1)
  }
}
class MiniGoogLeNet extends Module {
  conv1: Conv2d
  inception: Inception
  fc: Linear
  constructor({ stem, inc, classes }: Args) {
    super()
    this.conv1 = new Conv2d(3, stem, 7, { stride: 2, padding: 3 })
    this.inception = new Inception(stem, inc)
    this.fc = new Linear(inc[0] + inc[2] + inc[4] + inc[5], classes)
  }
  forward(x: Tensor): Tensor {
    x = maxPool2d(this.conv1.forward(x).relu(), 3, { stride: 2, ceilMode: true })
    x = this.inception.forward(localResponseNorm(x, 5, { alpha: 1e-2, beta: 0.75, k: 1 }))
    return this.fc.forward(adaptiveAvgPool2d(x, 1).flatten(1))
  }
}

class MiniAlexNet extends Module {
  conv1: Conv2d
  conv2: Conv2d
  conv3: Conv2d
  conv4: Conv2d
  conv5: Conv2d
  fc6: Linear
  fc7: Linear
  fc8: Linear
  constructor({ c, hidden, classes }: Args) {
    super()
    this.conv1 = new Conv2d(3, c[0], 5, { padding: 2 })
    this.conv2 = new Conv2d(c[0], c[1], 5, { padding: 2, groups: 2 })
    this.conv3 = new Conv2d(c[1], c[2], 3, { padding: 1 })
    this.conv4 = new Conv2d(c[2], c[3], 3, { padding: 1, groups: 2 })
    this.conv5 = new Conv2d(c[3], c[4], 3, { padding: 1, groups: 2 })
    this.fc6 = new Linear(c[4] * 9, hidden)
    this.fc7 = new Linear(hidden, hidden)
    this.fc8 = new Linear(hidden, classes)
  }
  forward(x: Tensor): Tensor {
    for (const conv of [this.conv1, this.conv2]) {
      x = maxPool2d(localResponseNorm(conv.forward(x).relu(), 5, { alpha: 1e-1, beta: 0.75, k: 2 }), 3, { stride: 2 })
    }
    for (const conv of [this.conv3, this.conv4, this.conv5]) x = conv.forward(x).relu()
    x = maxPool2d(x, 3, { stride: 2 }).flatten(1)
    return this.fc8.forward(this.fc7.forward(this.fc6.forward(x).relu()).relu())
  }
}

class CharLSTM extends Module {
  embedding: Embedding
  lstm: LSTM
  fc: Linear
  constructor({ vocab, emb, hidden, layers }: Args) {
    super()
    this.embedding = new Embedding(vocab, emb)
    this.lstm = new LSTM(emb, hidden, { numLayers: layers, batchFirst: true })
    this.fc = new Linear(hidden, vocab)
  }
  forward(x: Tensor): Tensor {
    return this.fc.forward(this.lstm.forward(this.embedding.forward(x)).output)
  }
}

class Attention extends Module {
  c_attn: Linear
  c_proj: Linear
  constructor(readonly e: number, readonly heads: number) {
    super()
    this.c_attn = new Linear(e, 3 * e)
    this.c_proj = new Linear(e, e)
  }
  forward(x: Tensor): Tensor {
    const [n, t] = x.shape as [number, number]
    const [q, k, v] = this.c_attn.forward(x).split(this.e, 2).map(part => part.reshape([n, t, this.heads, this.e / this.heads]).transpose(1, 2))
    return this.c_proj.forward(scaledDotProductAttention(q!, k!, v!, { causal: true }).transpose(1, 2).reshape([n, t, this.e]))
  }
}
class Mlp extends Module {
  c_fc: Linear
  c_proj: Linear
  constructor(e: number) {
    super()
    this.c_fc = new Linear(e, 4 * e)
    this.c_proj = new Linear(4 * e, e)
  }
  forward(x: Tensor): Tensor {
    return this.c_proj.forward(this.c_fc.forward(x).gelu({ approximate: 'tanh' }))
  }
}
class GPTBlock extends Module {
  ln_1: LayerNorm
  attn: Attention
  ln_2: LayerNorm
  mlp: Mlp
  constructor(e: number, heads: number) {
    super()
    this.ln_1 = new LayerNorm(e)
    this.attn = new Attention(e, heads)
    this.ln_2 = new LayerNorm(e)
    this.mlp = new Mlp(e)
  }
  forward(x: Tensor): Tensor {
    x = x.add(this.attn.forward(this.ln_1.forward(x)))
    return x.add(this.mlp.forward(this.ln_2.forward(x)))
  }
}
class MiniGPT extends Module {
  wte: Embedding
  wpe: Embedding
  h: GPTBlock[]
  ln_f: LayerNorm
  lm_head: Linear
  constructor({ vocab, ctx, E, H }: Args) {
    super()
    this.wte = new Embedding(vocab, E)
    this.wpe = new Embedding(ctx, E)
    this.h = [new GPTBlock(E, H)]
    this.ln_f = new LayerNorm(E)
    this.lm_head = new Linear(E, vocab, { bias: false })
  }
  forward(x: Tensor): Tensor {
    const positions = arange(0, x.shape[1]!, 1, { dtype: 'int32' })
    let y = this.wte.forward(x).add(this.wpe.forward(positions))
    for (const block of this.h) y = block.forward(y)
    return this.lm_head.forward(this.ln_f.forward(y))
  }
}

export const NETWORKS: Record<string, (config: Args) => Module> = {
  lenet5: () => new LeNet5(),
  mini_resnet: config => new MiniResNet(config),
  mini_googlenet: config => new MiniGoogLeNet(config),
  mini_alexnet: config => new MiniAlexNet(config),
  char_lstm: config => new CharLSTM(config),
  mini_gpt: config => new MiniGPT(config),
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
