// The smoke test: nothing else is run unless this passes. A tensor, an op, a gradient, a training, a file.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Adam, ArrayDataset, capture, conv2d, DataLoader, info, Linear, manualSeed, ReLU, Sequential, SGD, steps, tensor } from 'hebb'
import { fit, readStateDict, writeStateDict } from 'hebb/train'

test('WebAssembly is used', () => assert.is(info().backend, 'wasm', `${info().refused}`))

test('a tensor holds its values', () => {
  const x = tensor([[1, 2, 3], [4, 5, 6]])
  assert.equal(x.shape, [2, 3])
  assert.equal(x.array(), [[1, 2, 3], [4, 5, 6]])
  assert.is(x.sum().item(), 21)
})

test('ops compute', () => {
  const x = tensor([[1, 2], [3, 4]])
  assert.equal(x.matmul(x).array(), [[7, 10], [15, 22]])
  assert.equal(x.mul(2).sub(5).relu().array(), [[0, 0], [1, 3]])
  const image = tensor([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
  assert.equal(conv2d(image, tensor([[[[1, 0], [0, -1]]]])).array(), [[[[-4, -4], [-4, -4]]]])
})

test('a gradient is the derivative', () => {
  const x = tensor([1, -2, 3], { requiresGrad: true })
  x.mul(x).sum().backward()
  assert.equal([...x.grad!.values()], [2, -4, 6])
})

const XOR = { x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]] }

function learner(): { model: Sequential; optimizer: Adam } {
  manualSeed(1)
  const model = new Sequential(new Linear(2, 8), new ReLU(), new Linear(8, 1))
  return { model, optimizer: new Adam(model.parameters(), { lr: 0.05 }) }
}

test('a plain loop, a captured step and fit() learn XOR, the first two with the same bits', async () => {
  const [x, y] = [tensor(XOR.x), tensor(XOR.y)]
  const weights = [false, true].map(captured => {
    const { model, optimizer } = learner()
    const once = () => {
      const loss = model.forward(x).mseLoss(y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    }
    const step = captured ? capture(once) : once
    let last = Infinity
    for (const _ of steps(300)) last = step().item()
    assert.ok(last < 0.01, `loss ${last} after 300 steps`)
    return model.parameters().map(p => [...p.values()])
  })
  assert.equal(weights[1], weights[0])

  const { model, optimizer } = learner()
  const data = new ArrayDataset({ values: XOR.x.flat(), shape: [2] }, { values: XOR.y.flat(), shape: [1] })
  const { history, ended } = await fit(model, new DataLoader(data, { batchSize: 4 }), { optimizer, epochs: 300, loss: (output, target) => output.mseLoss(target) })
  assert.is(ended, 'done')
  assert.ok(history.at(-1)!.loss < 0.01, `loss ${history.at(-1)!.loss}`)
})

test('SGD moves against the gradient', () => {
  const layer = new Linear(1, 1, { bias: false })
  layer.weight.set([2])
  const optimizer = new SGD([layer.weight], { lr: 0.25 })
  layer.forward(tensor([[3]])).sum().backward()
  optimizer.step()
  assert.is(layer.weight.item(), 2 - 0.25 * 3)
})

test('weights survive a file', () => {
  manualSeed(5)
  const [model, other] = [0, 1].map(() => new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 2))) as [Sequential, Sequential]
  const x = tensor([[0.1, -0.2, 0.3]])
  const wanted = [...model.forward(x).values()]
  assert.not.equal([...other.forward(x).values()], wanted)
  other.loadStateDict(readStateDict(writeStateDict(model)))
  assert.equal([...other.forward(x).values()], wanted)
})

test.run()
