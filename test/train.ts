// The training loop: it learns, lets the event loop live, ends when told to, and gives the same bits however it runs.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  Adam, ArrayDataset, BatchNorm1d, BatchNorm2d, Conv2d, CosineAnnealingLR, DataLoader, Dropout, Flatten, gunzip, ImageDataset,
  info, Linear, manualSeed, MaxPool2d, mseLoss, MSELoss, readIdxImages, ReduceLROnPlateau, ReLU, scope, Sequential, SGD, split, StepLR, Tanh, tensor,
  type Dataset, type ImageSet, type Module, type Tensor,
} from 'hebb'
import { MLP, Perceptron } from 'hebb/models'
import {
  confusionMatrix, evaluate, fit, newProgress, predict, TrainingError, weightsHash, type BatchReport, type EpochReport, type FitOptions,
} from 'hebb/train'

const FOLDER = 'examples/data/digits/'
async function digits(): Promise<ImageSet> {
  const [images, labels] = await Promise.all(['images-idx3', 'labels-idx1'].map(async part => {
    const name = `${FOLDER}digits-${part}-ubyte.gz`
    return { name, bytes: await gunzip(readFileSync(name), name) }
  }))
  return readIdxImages(images!, labels!, { name: 'digits', classes: 10, white: 16 })
}
const set = await digits()
const images = new ImageDataset(set, { mean: 0.3, std: 0.38 })
const [some, others] = split(images, [300, 200, 1297], { seed: 1 }) as readonly Dataset[] as [Dataset, Dataset]

const xor = new ArrayDataset({ values: [0, 0, 0, 1, 1, 0, 1, 1], shape: [2] }, { values: Int32Array.of(0, 1, 1, 0), shape: [] })
const noop = () => new Sequential(new Linear(2, 2))

/** A small net with everything that draws numbers or keeps statistics */
function busy(): Sequential {
  return new Sequential(
    new Conv2d(1, 4, 3, { padding: 1 }), new BatchNorm2d(4), new ReLU(), new MaxPool2d(2), new Flatten(), new Dropout(0.2),
    new Linear(64, 16), new BatchNorm1d(16, { momentum: null }),
    new ReLU(), new Linear(16, 10),
  )
}

test('fit learns XOR', async () => {
  manualSeed(4)
  const model = new Sequential(new Linear(2, 8), new Tanh(), new Linear(8, 2))
  const { history, ended } = await fit(model, new DataLoader(xor, { batchSize: 4 }),
    { optimizer: new Adam(model.parameters(), { lr: 0.05 }), epochs: 150 })
  assert.is(ended, 'done')
  assert.is(history.length, 150)
  assert.ok(history[149]!.loss < 0.02, `${history[149]!.loss}`)
  assert.is(history[149]!.accuracy, 1)
  assert.equal([...evaluate(model, xor).predictions], [0, 1, 1, 0])
})

test('fit learns digits to a known loss', async () => {
  manualSeed(1)
  const model = new MLP([64, 32, 10])
  const loader = new DataLoader(some, { batchSize: 32, shuffle: true, seed: 1 })
  const { history } = await fit(model, loader,
    { optimizer: new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }), epochs: 5, validation: others })
  const losses = history.map(h => h.loss)
  const known = [2.08423, 0.87323, 0.40872, 0.2339, 0.15387]
  losses.forEach((loss, i) => assert.ok(Math.abs(loss - known[i]!) < 1e-3, `losses ${losses}`))
  assert.ok(Math.abs(history[4]!.validationLoss! - 0.56643) < 1e-3 && history[4]!.validationAccuracy! > 0.84,
    `${JSON.stringify(history[4])}`)
})

test('the reports of batches and epochs', async () => {
  manualSeed(1)
  const model = new Perceptron(64)
  const batches: BatchReport[] = []
  const epochs: EpochReport[] = []
  const saved: number[] = []
  const optimizer = new SGD(model.parameters(), { lr: 0.1 })
  let waited = false
  const { history, times, progress } = await fit(model, new DataLoader(some, { batchSize: 128 }), {
    optimizer, epochs: 4, schedule: new StepLR(optimizer, { stepSize: 2, gamma: 0.5 }),
    onBatch: r => void batches.push(r),
    onEpoch: async r => {
      epochs.push(r)
      await new Promise(resolve => setTimeout(resolve, 1))
      waited = true
    },
    checkpoint: { every: 2, save: epoch => {
      assert.ok(waited, 'onEpoch is awaited')
      saved.push(epoch)
    } },
  })
  assert.equal(batches.slice(0, 4).map(b => [b.epoch, b.epochs, b.batch, b.batches, b.examples]),
    [[1, 4, 1, 3, 128], [1, 4, 2, 3, 128], [1, 4, 3, 3, 44], [2, 4, 1, 3, 128]])
  assert.is(batches[2]!.loss, epochs[0]!.loss, 'the mean over the epoch so far')
  assert.equal(epochs, history)
  assert.equal(history.map(h => [h.epoch, h.lr]), [[1, 0.1], [2, 0.05], [3, 0.05], [4, 0.025]])
  assert.equal(saved, [2, 4])
  assert.is(times.steps, 12)
  const { forward, backward, optimizer: updates, total } = times
  assert.ok(forward > 0 && backward > 0 && updates > 0 && total >= forward + backward + updates, JSON.stringify(times))
  assert.equal([progress.seen, progress.loss, progress.history], [0, 0, history])
  // with a rate of 0 the mean over batches of unequal size is the loss over all examples
  const still = new SGD(model.parameters(), { lr: 0 })
  const [report] = (await fit(model, new DataLoader(some, { batchSize: 128 }), { optimizer: still, epochs: 1 })).history
  const judged = evaluate(model, some)
  assert.ok(Math.abs(report!.loss - judged.loss) < 1e-5)
  assert.is(report!.accuracy, judged.accuracy)
})

test('a schedule may step every batch, and a loss may be any scalar', async () => {
  const model = new Linear(1, 1)
  const data = new ArrayDataset({ values: [0, 1, 2, 3], shape: [1] }, { values: [1, 3, 5, 7], shape: [1] })
  const optimizer = new SGD(model.parameters(), { lr: 0.1 })
  const { history } = await fit(model, new DataLoader(data, { batchSize: 1, shuffle: true, seed: 1 }), {
    optimizer, epochs: 60, loss: (output, target) => mseLoss(output, target),
    schedule: new CosineAnnealingLR(optimizer, { tMax: 240 }), scheduleEvery: 'batch',
  })
  assert.ok(history[59]!.loss < 1e-3, `${history[59]!.loss}`)
  assert.ok(Number.isNaN(history[59]!.accuracy), 'numbers have no classes')
  assert.ok(Math.abs(optimizer.lr) < 1e-15)
  assert.ok(Math.abs(history[29]!.lr - 0.05) < 1e-12)
  assert.ok(Math.abs(model.weight.item() - 2) < 0.05 && Math.abs(model.bias!.item() - 1) < 0.05)
})

/** The bits of a training: weights, statistics and history without times. */
async function bits(seed: number, options: Partial<FitOptions> = {}): Promise<string> {
  manualSeed(seed)
  const model = busy()
  const optimizer = new Adam(model.parameters(), { lr: 0.01, weightDecay: 1e-3 })
  const schedule = new CosineAnnealingLR(optimizer, { tMax: 15 })
  const loader = new DataLoader(some, { batchSize: 64, shuffle: true })
  const { history } = await fit(model, loader,
    { optimizer, epochs: 3, schedule, scheduleEvery: 'batch', validation: others, ...options })
  const numbers = history.map(({ loss, accuracy, lr, validationLoss, validationAccuracy }) =>
    [loss, accuracy, lr, validationLoss, validationAccuracy])
  return JSON.stringify([await weightsHash(model), model.namedBuffers().map(([, t]) => [...t.values()]), numbers])
}
test('two runs with one seed are bit-identical, with and without capture', async () => {
  const plain = await bits(7, { capture: false })
  assert.is(await bits(7, { capture: false }), plain)
  assert.is(await bits(7), plain, 'replayed steps compute what eager ones do')
  assert.is(await bits(7, { onBatch() {} }), plain)
  assert.is.not(await bits(8), plain)
})

test('fit leaves no memory behind', async () => {
  manualSeed(1)
  const model = busy()
  const optimizer = new Adam(model.parameters(), { lr: 0.01 })
  const loader = new DataLoader(some, { batchSize: 64 })
  await fit(model, loader, { optimizer, epochs: 3 })
  const { buffers } = info().memory
  await fit(model, loader, { optimizer, epochs: 6, validation: others })
  assert.is(info().memory.buffers, buffers)
})

/** Spends time in every batch, as a large model would. */
const slowly = (ms: number) => (output: Tensor, target: Tensor) => {
  for (const end = performance.now() + ms; performance.now() < end; );
  return output.crossEntropy(target)
}

test('timers run during a long epoch', async () => {
  const model = noop()
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  const data = new ArrayDataset({ values: new Float32Array(120), shape: [2] }, { values: new Int32Array(60), shape: [] })
  await fit(model, new DataLoader(data, { batchSize: 1 }),
    { optimizer: new SGD(model.parameters(), { lr: 0.1 }), epochs: 1, loss: slowly(10), capture: false })
  clearInterval(timer)
  // 600 ms, and a turn for the event loop at least every 100
  assert.ok(ticks >= 5, `${ticks} ticks`)
})

test('a signal ends the training after the current batch', async () => {
  const model = noop()
  const loader = new DataLoader(xor, { batchSize: 1 })
  const before = await weightsHash(model)
  const optimizer = new SGD(model.parameters(), { lr: 0.1 })
  const gone = await fit(model, loader, { optimizer, epochs: 2, signal: AbortSignal.abort() })
  assert.equal([gone.ended, gone.times.steps, gone.history, await weightsHash(model)], ['aborted', 0, [], before])
  const controller = new AbortController()
  const { ended, history, progress, times } = await fit(model, loader, {
    optimizer, epochs: 3, signal: controller.signal,
    onBatch: ({ epoch, batch }) => { if (epoch === 2 && batch === 3) controller.abort() },
  })
  assert.equal([ended, times.steps, history.length, progress.seen, loader.state.epoch, loader.state.batch],
    ['aborted', 7, 1, 3, 1, 3])
  const timed = new AbortController()
  setTimeout(() => timed.abort(), 1)
  const late = await fit(model, new DataLoader(xor, { batchSize: 1 }),
    { optimizer, epochs: 1000, signal: timed.signal, loss: slowly(10), capture: false })
  assert.is(late.ended, 'aborted')
  assert.ok(late.times.steps < 100, `${late.times.steps}`)
})

test('early stopping waits for patience epochs without a lower loss', async () => {
  const run = async (options: Partial<FitOptions>, lr = 0) => {
    manualSeed(2)
    const model = new Sequential(new Linear(2, 2))
    const { ended, history } = await fit(model, new DataLoader(xor, { batchSize: 4 }),
      { optimizer: new SGD(model.parameters(), { lr }), epochs: 12, ...options })
    return [ended, history.length]
  }
  assert.equal(await run({ earlyStopping: { patience: 3 } }), ['early', 4])
  assert.equal(await run({ earlyStopping: { patience: 3 }, validation: xor }), ['early', 4])
  assert.equal(await run({ earlyStopping: { patience: 3 } }, 0.1), ['done', 12], 'the loss falls')
  assert.equal(await run({ earlyStopping: { patience: 2, minDelta: 10 } }, 0.1), ['early', 3], 'but not by that much')
  assert.equal(await run({}), ['done', 12])
})

test('the first loss that is not finite stops the training and says where', async () => {
  const said = async (model: Module, data: Dataset, lr: number, loss?: FitOptions['loss']) => {
    try {
      await fit(model, new DataLoader(data, { batchSize: 2 }),
        { optimizer: new SGD(model.parameters(), { lr }), epochs: 9, loss })
    } catch (error) {
      assert.instance(error, TrainingError)
      return (error as Error).message
    }
    return 'no error'
  }
  manualSeed(1)
  const fine = new ArrayDataset({ values: [1, 2, 3, 4, 5, 6, 7, 8], shape: [2] }, { values: Int32Array.of(0, 0, 1, 1), shape: [] })
  assert.match(
    await said(noop(), fine, 1e39),
    /^fit: the loss became (NaN|Infinity) in epoch 1, batch 2, at learning rate 1e\+39; parameter 0\.weight is no longer finite\. A smaller /,
  )
  const broken = new ArrayDataset({ values: [0, 1, 2, 3, NaN, 5, 6, 7], shape: [2] },
    { values: Int32Array.of(0, 1, 1, 0), shape: [] })
  assert.match(await said(noop(), broken, 0.1),
    /^fit: the loss became NaN in epoch 1, batch 2, at learning rate 0\.1; the input batch itself holds such a value\./)
  const far = new ArrayDataset({ values: [1, 2, 3, 4], shape: [2] }, { values: [1e20, 1e20], shape: [1] })
  assert.match(await said(new Linear(2, 1), far, 0.1, mseLoss),
    /^fit: the loss became Infinity in epoch 1, batch 1, at learning rate 0\.1; inputs and parameters are still finite\./)
})

test('evaluate judges every example once, in evaluation mode, whatever the batch size', () => {
  manualSeed(3)
  const model = busy()
  const [first, drop] = [model.layers[0]!, model.layers[5]!]
  drop.eval()
  const statistics = model.namedBuffers().map(([, t]) => t.array())
  const a = evaluate(model, others, { batchSize: 33 })
  const b = evaluate(model, others)
  assert.ok(model.training && first.training && !drop.training, 'every module is in the mode it was in')
  assert.equal(model.namedBuffers().map(([, t]) => t.array()), statistics)
  assert.equal([a.count, a.predictions, a.labels, a.accuracy], [200, b.predictions, b.labels, b.accuracy])
  assert.ok(Math.abs(a.loss - b.loss) < 1e-5)
  scope(() => {
    const [x, y] = others.batch(Int32Array.from({ length: 200 }, (_, i) => i)) as [Tensor, Tensor]
    const p = predict(model, x)
    assert.not(p.requiresGrad)
    assert.ok(Math.abs(p.sum(1).sub(1).abs().amax().item()) < 1e-5)
    assert.equal([...p.argmax(1).values()], [...a.predictions])
    p.amax(1).values().forEach((v, i) => assert.ok(Math.abs(v - a.confidences[i]!) < 1e-5))
    assert.equal([...y.values()], [...a.labels])
    assert.ok(Math.abs(p.gather(1, y.unsqueeze(1)).log().mean().item() + a.loss) < 1e-4)
  })
  assert.ok(model.training && !drop.training)
  const right = a.predictions.filter((v, i) => v === a.labels[i]).length
  assert.is(a.accuracy, right / 200)
  const counts = confusionMatrix(a.labels, a.predictions, 10)
  assert.is(counts.flat().reduce((n, c) => n + c), 200)
  assert.is(counts.reduce((n, row, i) => n + row[i]!, 0), right)
  assert.equal(confusionMatrix([0, 1, 1], [1, 1, 0], 2), [[0, 1], [1, 1]])
})

test('predict puts the mode back after an error too', () => {
  const model = busy()
  assert.throws(() => predict(model, tensor([1])))
  assert.ok([...model.namedModules()].every(([, m]) => m.training))
  assert.ok(model.forward(tensor(new Float32Array(128), [2, 1, 8, 8])).requiresGrad, 'graphs are recorded again')
})

test('weightsHash is the SHA-256 of all parameters as float32', async () => {
  const model = new MLP([3, 2, 2])
  const values = Float32Array.from(model.parameters().flatMap(p => [...p.values()]))
  assert.is(await weightsHash(model), createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex'))
  const before = await weightsHash(model)
  const last = model.parameters().at(-1)!
  last.set(last.values().map((v, i) => (i === 1 ? v + 1e-3 : v)))
  assert.is.not(await weightsHash(model), before)
})

test('validation is judged by the loss of the training, in batches of its size', async () => {
  const values = Float32Array.from({ length: 80 }, (_, i) => (((i * 7) % 11) / 11) - 0.5)
  const line = new ArrayDataset({ values, shape: [2] }, { values: values.filter((_, i) => i % 2 === 0).map(v => 3 * v), shape: [1] })
  const model = new Linear(2, 1)
  const sizes: number[] = []
  const seen: Dataset = { length: line.length, batch: indices => (sizes.push(indices.length), line.batch(indices)) }
  const optimizer = new Adam(model.parameters(), { lr: 0.05 })
  const { history, ended } = await fit(model, new DataLoader(line, { batchSize: 16 }), {
    optimizer, epochs: 8, loss: new MSELoss(), validation: seen, schedule: new ReduceLROnPlateau(optimizer, { patience: 1 }), earlyStopping: { patience: 3 },
  })
  assert.is(ended, 'done')
  assert.equal([...new Set(sizes)], [16, 8])
  assert.ok(history.every((report, i) => i === 0 || report.validationLoss! < history[i - 1]!.validationLoss!), 'it falls')
  assert.ok(history.every(report => Number.isNaN(report.validationAccuracy) && report.lr === 0.05))
  const [x, y] = line.batch(Array.from({ length: 40 }, (_, i) => i)) as [Tensor, Tensor]
  assert.ok(Math.abs(history.at(-1)!.validationLoss! - model.forward(x).mseLoss(y).item()) < 1e-6)
})

test('what a callback changes counts from the next epoch on, captured or not', async () => {
  const runs: number[][] = []
  for (const capture of [true, false]) {
    manualSeed(3)
    const model = busy()
    const [first, norm] = model.layers as [Conv2d, BatchNorm2d]
    const dropout = model.layers[5] as Dropout
    let share = 0
    const losses: number[] = []
    for (const p of first.parameters()) p.requiresGrad = false
    await fit(model, new DataLoader(some, { batchSize: 60, seed: 1 }), {
      optimizer: new SGD(model.parameters(), { lr: 0.05 }), epochs: 6, capture, loss: (o, y) => o.crossEntropy(y).add(o.square().mean().mul(share)),
      onEpoch({ epoch, loss }) {
        losses.push(loss)
        if (epoch === 1) for (const p of first.parameters()) p.requiresGrad = true
        if (epoch === 2) share = 0.1
        if (epoch === 3) norm.eval()
        if (epoch === 4) (dropout as { p: number }).p = 0
        if (epoch === 5) model.layers[9]!.registerForwardHook((_m, _i, y) => (y as Tensor).mul(0.5))
      },
    })
    runs.push([...losses, ...first.weight.values()])
  }
  assert.equal(runs[0], runs[1])
})

test('a loader that was used before: fit() counts its own epochs', async () => {
  const loader = new DataLoader(xor, { batchSize: 2, seed: 1 })
  for (const _ of loader) break
  for (const epochs of [2, 3]) {
    const model = noop()
    const before = await weightsHash(model)
    const { history } = await fit(model, loader, { optimizer: new SGD(model.parameters(), { lr: 0.1 }), epochs })
    assert.equal(history.map(h => h.epoch), Array.from({ length: epochs }, (_, i) => i + 1))
    assert.not.equal(await weightsHash(model), before)
  }
})

test('a batch or a validation that fails loses nothing: fit() goes on where it stood', async () => {
  const run = async (fails: boolean): Promise<unknown[]> => {
    manualSeed(1)
    const model = new MLP([64, 8, 10])
    let [reads, looks] = [0, 0]
    const flaky: Dataset = { length: some.length, batch: indices => {
      if (fails && ++reads === 7) throw new Error('no network')
      return some.batch(indices)
    } }
    const validation: Dataset = { length: others.length, batch: indices => {
      if (fails && ++looks === 1) throw new Error('no disk')
      return others.batch(indices)
    } }
    const loader = new DataLoader(flaky, { batchSize: 64, shuffle: true, seed: 2 })
    const options: FitOptions = { optimizer: new SGD(model.parameters(), { lr: 0.1 }), epochs: 3, validation, progress: newProgress() }
    for (const text of fails ? ['no disk', 'no network'] : []) {
      let error: unknown
      await fit(model, loader, options).catch(caught => (error = caught))
      assert.is((error as Error).message, text)
    }
    const { history } = await fit(model, loader, options)
    return [await weightsHash(model), history.map(h => h.loss)]
  }
  assert.equal(await run(true), await run(false))
})

test('early stopping holds for a training that is taken up again', async () => {
  const model = noop()
  const loader = new DataLoader(xor, { batchSize: 4 })
  const options: FitOptions = { optimizer: new SGD(model.parameters(), { lr: 0.1 }), epochs: 9, earlyStopping: { patience: 2, minDelta: 100 }, progress: newProgress() }
  for (let i = 0; i < 2; i++) {
    const { ended, history } = await fit(model, loader, options)
    assert.equal([ended, history.length], ['early', 3])
  }
})

test('values of options that mean nothing are refused before anything is trained', async () => {
  const model = noop()
  const before = await weightsHash(model)
  for (const [wrong, text] of [
    [{ scheduleEvery: 'step' }, 'scheduleEvery batch or epoch expected, got step'], [{ earlyStopping: {} }, 'earlyStopping with a patience ≥ 1 expected, got undefined'],
    [{ earlyStopping: { patiance: 1 } }, 'earlyStopping: option patience or minDelta expected, got patiance'],
    [{ checkpoint: { every: 0, save() {} } }, 'a checkpoint every ≥ 1 epochs expected, got 0'], [{ loss: 'mse' }, 'a loss (output, target) => scalar, or a module, expected, got string'],
    [{ validation: new DataLoader(xor) }, 'validation: a data set with length and batch() expected, got a DataLoader: give its dataset'],
  ] as [object, string][]) {
    let error: unknown
    await fit(model, new DataLoader(xor), { optimizer: new SGD(model.parameters(), { lr: 1 }), epochs: 1, ...wrong }).catch(caught => (error = caught))
    assert.is((error as Error).message.replace(/^fit: /, ''), text)
  }
  assert.is(await weightsHash(model), before)
})

test.run()
