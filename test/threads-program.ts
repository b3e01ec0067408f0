// What test/threads.ts runs in processes of its own: threads are chosen once for an engine.

import {
  Adam, capture, Conv2d, Embedding, engine, info, Linear, LSTM, manualSeed, Module, randint, randn, rand, SGD, steps, tensor, TransformerEncoderLayer, type Tensor,
} from 'hebb'
import { LeNet5, MLP, ResNet20 } from 'hebb/models'
import { stopThreads, threadStatistics, useThreads } from 'hebb/threads'
import { weightsHash } from 'hebb/train'

/** A small network of each kind, large enough that kernels are split */
class Sentences extends Module {
  words = new Embedding(50, 64)
  layer = new TransformerEncoderLayer(64, 4, { dimFeedforward: 128, dropout: 0.1 })
  recurrent = new LSTM(64, 64)
  head = new Linear(64, 50)
  override forward(x: Tensor): Tensor {
    return this.head.forward(this.recurrent.forward(this.layer.forward(this.words.forward(x))).output).reshape([-1, 50])
  }
}

async function train(kind: string, count: number, captured: boolean): Promise<void> {
  manualSeed(3)
  const sentences = kind === 'sentences'
  const model: Module = sentences ? new Sentences() : kind === 'resnet' ? new ResNet20() : kind === 'mlp' ? new MLP([784, 64, 10]) : new LeNet5()
  const optimizer = kind === 'lenet' || kind === 'mlp' ? new SGD(model.parameters(), { lr: 0.02, momentum: 0.9 }) : new Adam(model.parameters(), { lr: 0.002 })
  const x = sentences ? randint(0, 50, [16, 12]) : kind === 'resnet' ? randn([9, 3, 32, 32]) : rand([kind === 'mlp' ? 16 : 64, 1, 28, 28])
  const y = sentences ? randint(0, 50, [16 * 12]) : tensor(Array.from({ length: x.shape[0]! }, (_, i) => i % 10), { dtype: 'int32' })
  const losses: number[] = []
  const one = (x: Tensor, y: Tensor) => {
    const loss = model.forward(x).crossEntropy(y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  const step = captured ? capture(one) : one
  for (const _ of steps(count)) losses.push(step(x, y).item())
  console.log(JSON.stringify({ losses, hash: await weightsHash(model), info: info(), work: threadStatistics() }))
}

/** A split kernel at an address beyond all memory */
async function crash(): Promise<void> {
  const { kernels } = engine.currentBackend()
  let message = 'no error'
  try {
    for (const _ of steps(50)) kernels.unary(0, 1 << 20, 1, 0, 0xffc00000, 0xffc00000)
  } catch (error) {
    message = String(error)
  }
  // sooner or later the failure of a worker is told, and one thread goes on
  stopThreads()
  console.log(JSON.stringify({ message, sum: randn([100_000]).mul(0).sum().item(), threads: info().threads }))
}

async function settings(): Promise<void> {
  const told: (string | number)[] = []
  const attempt = async (f: () => unknown) => {
    try {
      const result = await f()
      told.push((result as { threads?: number })?.threads ?? 'done')
    } catch (error) {
      told.push(String(error))
    }
  }
  const early = tensor([1])
  await attempt(() => useThreads(2))
  early.dispose()
  for (const n of [0, 17, 1.5, NaN]) await attempt(() => useThreads(n))
  console.log(JSON.stringify(told))
}

async function changes(): Promise<void> {
  const told: unknown[] = []
  const both = await Promise.allSettled([useThreads(2), useThreads(2)])
  told.push(both.map(b => (b.status === 'fulfilled' ? b.value.threads : String(b.reason))))
  const product = () => {
    manualSeed(1)
    return randn([200, 300]).matmul(randn([300, 150])).sum().item()
  }
  const sums = [product()]
  for (const n of [3, 1, 4]) {
    told.push((await useThreads(n)).threads)
    sums.push(product())
  }
  stopThreads()
  sums.push(product())
  stopThreads()
  told.push(info().threads, new Set(sums).size)
  try {
    new Conv2d(1, 1, 1)
    engine.adoptWasm(engine.currentBackend() as never)
  } catch (error) {
    told.push(String(error))
  }
  console.log(JSON.stringify(told))
}

const [what, n, count, how] = process.argv.slice(2)
if (Number(n) > 1) await useThreads(Number(n))
if (what === 'crash') await crash()
else if (what === 'settings') await settings()
else if (what === 'changes') await changes()
else await train(what!, Number(count), how === 'captured')
