// Checkpoints: a training that is saved and taken up again gives the bits of one that was never interrupted.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createHash } from 'node:crypto'
import {
  Adam, ArrayDataset, BatchNorm1d, BatchNorm2d, Conv2d, CosineAnnealingLR, DataLoader, Dropout, engine, Flatten, Generator, info,
  Linear, manualSeed, Module, ReduceLROnPlateau, ReLU, Rprop, Sequential, SGD, ShapeError, StepLR, tensor, type Optimizer, type Schedule, type Tensor,
} from 'hebb'
import { readSafetensors, SafetensorsError, writeSafetensors } from 'hebb/io'
import {
  fit, loadCheckpoint, newProgress, readRecipe, readStateDict, saveCheckpoint, weightsHash, writeStateDict, type Training,
} from 'hebb/train'

const CLASSES = 3
/** Noisy images whose brightest row is their class */
const data = (() => {
  const generator = new Generator(1)
  const labels = Int32Array.from({ length: 46 }, () => generator.integer(CLASSES))
  const values = Float32Array.from({ length: 46 * 9 },
    (_, i) => generator.normal() + (Math.floor((i % 9) / 3) === labels[Math.floor(i / 9)] ? 2 : 0))
  return new ArrayDataset({ values, shape: [1, 3, 3] }, { values: labels, shape: [] })
})()

const net = () => new Sequential(
  new Conv2d(1, 4, 2), new BatchNorm2d(4), new ReLU(), new Flatten(), new Dropout(0.3), new Linear(16, 8),
  new BatchNorm1d(8, { momentum: null }), new ReLU(), new Linear(8, CLASSES),
)

type MakeOptimizer = (model: Module) => Optimizer<any>
const sgd: MakeOptimizer = model => new SGD(model.parameters(), { lr: 0.05, momentum: 0.9, weightDecay: 1e-3 })
const adam: MakeOptimizer = model => new Adam(model.parameters(), { lr: 0.02, amsgrad: true })
type MakeSchedule = (optimizer: Optimizer<any>) => Schedule
const cosine: MakeSchedule = o => new CosineAnnealingLR(o, { tMax: 80 })
const stepped: MakeSchedule = o => new StepLR(o, { stepSize: 3, gamma: 0.5 })

interface Recipe {
  optimizer: MakeOptimizer
  schedule: MakeSchedule
  scheduleEvery: 'batch' | 'epoch'
  capture?: boolean
}

/** Everything of a training, made anew from a seed. */
function prepare({ optimizer, schedule }: Recipe, seed: number): Training & { schedule: Schedule } {
  manualSeed(seed)
  const model = net()
  const opt = optimizer(model)
  return { model, optimizer: opt, schedule: schedule(opt), loader: new DataLoader(data, { batchSize: 6, shuffle: true }),
    progress: newProgress() }
}
const train = (training: Training, recipe: Recipe, epochs: number, stopAt?: [epoch: number, batch: number]) => {
  const controller = new AbortController()
  return fit(training.model, training.loader, {
    ...training, epochs, scheduleEvery: recipe.scheduleEvery, capture: recipe.capture, validation: data,
    signal: controller.signal,
    onBatch: ({ epoch, batch }) => { if (epoch === stopAt?.[0] && batch === stopAt[1]) controller.abort() },
  })
}
const digest = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
/** What must come out the same: all but the clock */
async function bits({ model, optimizer, loader, progress }: Training): Promise<Record<string, unknown>> {
  const { buffers, groups, steps } = optimizer.stateDict()
  return {
    weights: await weightsHash(model),
    statistics: digest(model.namedBuffers().map(([name, t]) => [name, ...t.values()])),
    optimizer: digest(Object.entries(buffers).map(([name, t]) => [name, ...t.values()])),
    groups, steps, loader: loader.state, random: engine.randomState(),
    losses: progress.history.map(({ loss, validationLoss, lr }) => [loss, validationLoss, lr].join(' ')),
  }
}

const recipes: [string, Recipe][] = [
  ['SGD, cosine each batch', { optimizer: sgd, schedule: cosine, scheduleEvery: 'batch' }],
  ['Adam, steps each epoch', { optimizer: adam, schedule: stepped, scheduleEvery: 'epoch' }],
  ['SGD, without capture', { optimizer: sgd, schedule: stepped, scheduleEvery: 'epoch', capture: false }],
]
for (const [name, recipe] of recipes) {
  test(`10 epochs are 5, a file and 5 more, bit for bit: ${name}`, async () => {
    const whole = prepare(recipe, 3)
    await train(whole, recipe, 10)
    const expected = await bits(whole)
    const first = prepare(recipe, 3)
    await train(first, recipe, 5)
    const file = saveCheckpoint({ ...first, recipe: { name, epochs: 10 } })
    // other weights, another order, other random numbers: all of it comes from the file
    const second = prepare(recipe, 99)
    assert.equal(readRecipe(file), { name, epochs: 10 })
    assert.equal(loadCheckpoint(file, second), { name, epochs: 10 })
    const { history } = await train(second, recipe, 10)
    assert.is(history.length, 10)
    assert.equal(await bits(second), expected)
  })

  test(`the same in the middle of an epoch: ${name}`, async () => {
    const whole = prepare(recipe, 3)
    await train(whole, recipe, 6)
    const expected = await bits(whole)
    const first = prepare(recipe, 3)
    const { ended } = await train(first, recipe, 6, [3, 4])
    assert.is(ended, 'aborted')
    assert.equal([first.loader.state.epoch, first.loader.state.batch, first.progress.seen], [2, 4, 24])
    const file = saveCheckpoint(first)
    const second = prepare(recipe, 99)
    loadCheckpoint(file, second)
    assert.equal(second.progress, first.progress)
    await train(second, recipe, 6)
    assert.equal(await bits(second), expected)
  })
}

test('a checkpoint is a safetensors file with the keys of the model', async () => {
  const training = prepare(recipes[1]![1], 1)
  await train(training, recipes[1]![1], 1)
  const bytes = saveCheckpoint(training)
  const { tensors, metadata } = readSafetensors(bytes)
  const names = Object.keys(training.model.stateDict())
  assert.equal([...tensors.keys()].slice(0, names.length), names)
  assert.ok(tensors.has('optimizer.0.m') && tensors.has('optimizer.0.vMax'))
  assert.is(metadata.format, 'hebb checkpoint 1')
  assert.is(tensors.get('1.num_batches_tracked')!.dtype, 'I32')
  assert.equal(saveCheckpoint(training), bytes, 'the same state gives the same bytes')
  assert.equal(Object.keys(readStateDict(bytes)), names, 'its weights can be read alone')
})

test('writeStateDict and readStateDict carry a model over', async () => {
  const [a, b] = [net(), net()]
  const bytes = writeStateDict(a, { made: 'by a test' })
  assert.equal(readSafetensors(bytes).metadata, { made: 'by a test' })
  b.loadStateDict(readStateDict(bytes))
  assert.is(await weightsHash(b), await weightsHash(a))
})

test('a child called optimizer is one like others', () => {
  class Learner extends Module {
    readonly optimizer = new Sequential(new Linear(2, 2))
    forward(x: Tensor): Tensor {
      return this.optimizer.forward(x)
    }
  }
  const start = (): Training => {
    const model = new Learner()
    return { model, optimizer: adam(model), loader: new DataLoader(data), progress: newProgress() }
  }
  const first = start()
  first.model.forward(tensor([[1, 2]])).sum().backward()
  first.optimizer.step()
  const names = ['optimizer.0.weight', 'optimizer.0.bias']
  assert.equal(Object.keys(readStateDict(writeStateDict(first.model))), names)
  const file = saveCheckpoint(first)
  assert.equal(Object.keys(readStateDict(file)), names)
  const second = start()
  loadCheckpoint(file, second)
  assert.equal(saveCheckpoint(second), file)
})

test('options that are infinite here stay so', () => {
  const start = (stepSizes: [number, number]): Training => {
    const model = new Linear(2, 2)
    return { model, optimizer: new Rprop(model.parameters(), { stepSizes }), loader: new DataLoader(data), progress: newProgress() }
  }
  const file = saveCheckpoint(start([1e-5, Infinity]))
  const same = start([1e-6, Infinity])
  loadCheckpoint(file, same)
  assert.equal(same.optimizer.groups[0]!.stepSizes, [1e-5, Infinity])
  assert.throws(() => loadCheckpoint(file, start([1e-6, 50])), /groups\[0\]\.stepSizes\[1\]: expected a number, got null: /)
  loadCheckpoint(saveCheckpoint(start([1e-6, 50])), same)
  assert.equal(same.optimizer.groups[0]!.stepSizes, [1e-6, 50])
})

test('states of schedules of old are taken', () => {
  for (const [schedule, old] of [[stepped, [4]], [(o: Optimizer<any>) => new ReduceLROnPlateau(o), [4, 0.5, 1, 0]]] as [MakeSchedule, number[]][]) {
    const recipe: Recipe = { optimizer: adam, schedule, scheduleEvery: 'epoch' }
    const { tensors, metadata } = readSafetensors(saveCheckpoint(prepare(recipe, 1)))
    const training = JSON.stringify({ ...JSON.parse(metadata.training!) as object, schedule: old, scheduleName: undefined })
    const taken = prepare(recipe, 2)
    loadCheckpoint(writeSafetensors(tensors, { ...metadata, training }), taken)
    assert.equal(taken.schedule.save().slice(0, old.length), old)
    assert.is(taken.optimizer.lr, schedule === stepped ? 0.01 : 0.02)
  }
})

test('a file that does not fit is refused in words and changes nothing', async () => {
  const [, recipe] = recipes[1]!
  const trained = prepare(recipe, 1)
  await train(trained, recipe, 2)
  const file = saveCheckpoint(trained)
  const refuse = async (bytes: Uint8Array, training: Training, kind: Function, text: RegExp | string) => {
    const before = await bits(training)
    let error: unknown
    try {
      loadCheckpoint(bytes, training, 'net.safetensors')
    } catch (caught) {
      error = caught
    }
    assert.instance(error, kind)
    if (typeof text === 'string') assert.is((error as Error).message, text)
    else assert.match((error as Error).message, text)
    assert.equal(await bits(training), before, `changed by ${text}`)
  }
  const fresh = (optimizer = recipe.optimizer, model = net(), batchSize = 6): Training => {
    manualSeed(5)
    return { model, optimizer: optimizer(model), loader: new DataLoader(data, { batchSize, shuffle: true }),
      progress: newProgress() }
  }
  const text = (change: (training: any) => void): Uint8Array => {
    const { tensors, metadata } = readSafetensors(file)
    const training = JSON.parse(metadata.training!) as unknown
    change(training)
    return writeSafetensors(tensors, { ...metadata, training: JSON.stringify(training) })
  }

  await refuse(file, fresh(sgd), SafetensorsError, 'net.safetensors: expected a state of SGD, got one of "Adam"')
  const other = new Sequential(new Flatten(), new Linear(9, CLASSES))
  await refuse(file, fresh(recipe.optimizer, other), ShapeError,
    /^net\.safetensors: Adam: a state of 2 parameters in 1 groups expected, got 10 in 1$/)
  const wider = new Sequential(
    new Conv2d(1, 4, 2), new BatchNorm2d(4), new ReLU(), new Flatten(), new Dropout(0.3), new Linear(16, 9), new BatchNorm1d(9),
    new ReLU(), new Linear(9, CLASSES),
  )
  await refuse(file, fresh(recipe.optimizer, wider), ShapeError, /^net\.safetensors: Adam: m of parameter 4 \[9,16\] expected, got \[8,16\]$/)
  // the optimizer's state fits, the names don't
  const renamed = new Sequential(...[new Flatten(), ...net().layers])
  await refuse(file, fresh(recipe.optimizer, renamed), ShapeError, /^net\.safetensors: loadStateDict: missing 2\.weight, /)
  await refuse(text(t => (t.loader.batch = 4)), fresh(recipe.optimizer, net(), 46), RangeError,
    'net.safetensors: DataLoader: a position of at most 1 batches expected, got 4: was it another batch size or data set?')
  await refuse(writeStateDict(trained.model), fresh(), SafetensorsError,
    "net.safetensors: expected a checkpoint (metadata format 'hebb checkpoint 1'), got weights only")
  await refuse(writeSafetensors({}, { format: 'hebb checkpoint 2', training: '{}' }), fresh(), SafetensorsError,
    "net.safetensors: expected a checkpoint (metadata format 'hebb checkpoint 1'), got \"hebb checkpoint 2\"")
  const damaged = async (change: (training: any) => void, what: string) =>
    refuse(text(change), fresh(), SafetensorsError, `net.safetensors: training.${what}: the file is damaged`)
  await refuse(writeSafetensors(readSafetensors(file).tensors, { format: 'hebb checkpoint 1', training: '{"optimizer":' }),
    fresh(), SafetensorsError, 'net.safetensors: training.optimizer: expected an object, got nothing: the file is damaged')
  await damaged(t => delete t.random, 'random: expected an object, got nothing')
  await damaged(t => (t.random.host = [1, 2, 3, 4]), "random.host: expected 5 words of a generator's state, got [1,2,3,4]")
  await damaged(t => (t.loader = null), 'loader: expected an object, got null')
  await damaged(t => (t.loader.seed = '3'), 'loader.seed: expected a whole number, got "3"')
  await damaged(t => (t.loader.epoch = -1), 'loader.epoch: expected a whole number ≥ 0, got -1')
  await damaged(t => (t.progress.history = [null]), 'progress.history[0]: expected an object, got null')
  await damaged(t => (t.progress.history[0].loss = 'low'), 'progress.history[0].loss: expected a number, got "low"')
  await damaged(t => (t.optimizer.steps = 3), 'optimizer.steps: expected a list, got 3')
  await damaged(t => (t.optimizer.steps[1] = null), 'optimizer.steps[1]: expected a whole number ≥ 0, got null')
  await damaged(t => (t.optimizer.groups = [null]), 'optimizer.groups[0]: expected an object, got null')
  await damaged(t => (t.optimizer.groups[0].eps = '0.9'), 'optimizer.groups[0].eps: expected a number, got "0.9"')
  await damaged(t => (t.optimizer.groups[0].betas = [0.9]), 'optimizer.groups[0].betas: expected a list of 2, got [0.9]')
  await damaged(t => (t.optimizer.groups[0].amsgrad = 1), 'optimizer.groups[0].amsgrad: expected true or false, got 1')
  await damaged(t => (t.recipe = '\x9bA'), 'recipe: expected an object, got "\ufffdA"')
  const plateau: MakeSchedule = o => new ReduceLROnPlateau(o)
  for (const [schedule, wrong] of [
    [stepped, []], [stepped, [null, 1]], [stepped, [1, null]], [stepped, [1, -1]], [plateau, [3, 0.5, null, 0, 0]], [plateau, [2, 0.02]],
  ] as const) {
    await refuse(text(t => (t.schedule = wrong)), prepare({ ...recipe, schedule }, 5), RangeError,
      `net.safetensors: restore: what save() of this schedule gave expected, got [${wrong}]`)
  }
  const retyped = (name: string, dtype: 'F32' | 'I32') => {
    const { tensors, metadata } = readSafetensors(file)
    const { shape, data } = tensors.get(name)!
    return writeSafetensors(tensors.set(name, { shape, dtype, data: dtype === 'I32' ? Int32Array.from(data) : Float32Array.from(data) }), metadata)
  }
  const refused = fresh()
  const { buffers } = info().memory
  await refuse(retyped('6.running_mean', 'I32'), refused, ShapeError, 'net.safetensors: tensor "6.running_mean": expected F32, got I32: is it another model\'s?')
  await refuse(retyped('1.num_batches_tracked', 'F32'), refused, ShapeError,
    'net.safetensors: tensor "1.num_batches_tracked": expected I32, got F32: is it another model\'s?')
  await refuse(retyped('optimizer.3.v', 'I32'), refused, SafetensorsError, 'net.safetensors: tensor "optimizer.3.v": expected F32, got I32: the file is damaged')
  assert.is(info().memory.buffers, buffers, 'nothing is left of a refused file')
  await refuse(text(t => (t.optimizer.groups[0].lr = -1)), fresh(), RangeError, 'net.safetensors: Adam: a learning rate lr ≥ 0 expected, got -1')
  await refuse(text(t => t.optimizer.groups.push({})), fresh(), ShapeError,
    /^net\.safetensors: Adam: a state of 10 parameters in 1 groups expected, got 10 in 2$/)
  await refuse(text(t => (t.loader.batch = 9)), fresh(), RangeError,
    'net.safetensors: DataLoader: a position of at most 8 batches expected, got 9: was it another batch size or data set?')
  const { tensors, metadata } = readSafetensors(file)
  tensors.delete('optimizer.3.v')
  await refuse(writeSafetensors(tensors, metadata), fresh(), ShapeError, 'net.safetensors: Adam: v of parameter 3 [4] expected, got none')
  for (const cut of [0, 7, 100, file.length - 1]) {
    await refuse(file.slice(0, cut), fresh(), SafetensorsError, /^net\.safetensors: .*expected /)
  }
})

test('a rate set by hand and figures that are none are taken up too; another schedule is refused', async () => {
  const recipe: Recipe = { optimizer: adam, schedule: stepped, scheduleEvery: 'epoch' }
  const training = prepare(recipe, 1)
  training.optimizer.lr = 0.123
  training.progress.history.push({ epoch: 1, epochs: 2, loss: 1, accuracy: NaN, lr: 0.1, seconds: 1, examplesPerSecond: 2 })
  const file = saveCheckpoint(training)
  const again = prepare(recipe, 2)
  loadCheckpoint(file, again)
  assert.is(again.optimizer.lr, 0.123)
  assert.ok(Number.isNaN(again.progress.history[0]!.accuracy))
  assert.throws(() => loadCheckpoint(file, prepare({ ...recipe, schedule: cosine }, 2)), /: a state of CosineAnnealingLR expected, got one of "StepLR"$/)
})

test.run()
