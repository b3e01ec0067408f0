// Data sets and loaders: orders by seed, replacement, positions that can be taken up again, parts, and the set put aside.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ArrayDataset, DataLoader, Generator, ImageDataset, info, manualSeed, pixelStatistics, scope, SGD, split, steps, Subset,
  tensor, TestSet, type ImageSet, type LoaderOptions, type Tensor,
} from 'hebb'
import { evaluate, fit } from 'hebb/train'
import { Perceptron } from 'hebb/models'

/** Examples 0 … n − 1, each its own number */
const counting = (n: number) => new ArrayDataset({ values: Float32Array.from({ length: n }, (_, i) => i), shape: [] })
const load = (n: number, options: LoaderOptions) => new DataLoader(counting(n), { seed: 1, ...options })
/** The batches of one epoch */
const epoch = (loader: DataLoader): number[][] => {
  const batches: number[][] = []
  for (const [x] of loader) batches.push([...x!.values()])
  return batches
}
const sorted = (list: number[]) => [...list].sort((a, b) => a - b)
const range = (n: number) => Array.from({ length: n }, (_, i) => i)

test('without shuffling examples come in order, the last batch smaller or left out', () => {
  const loader = load(7, { batchSize: 3 })
  assert.equal([loader.length, loader.examples], [3, 7])
  assert.equal(epoch(loader), [[0, 1, 2], [3, 4, 5], [6]])
  assert.equal(epoch(loader), [[0, 1, 2], [3, 4, 5], [6]])
  const dropping = load(7, { batchSize: 3, dropLast: true })
  assert.equal([dropping.length, dropping.examples], [2, 6])
  assert.equal(epoch(dropping), [[0, 1, 2], [3, 4, 5]])
  assert.equal(epoch(load(2, { batchSize: 5 })), [[0, 1]])
  assert.is(new DataLoader(counting(3)).batchSize, 32)
})

test('shuffled epochs are permutations that differ, and repeat by seed', () => {
  const loader = load(50, { batchSize: 8, shuffle: true })
  const epochs = range(4).map(() => epoch(loader).flat())
  for (const order of epochs) assert.equal(sorted(order), range(50))
  assert.is(new Set(epochs.map(String)).size, 4)
  const again = load(50, { batchSize: 8, shuffle: true })
  assert.equal(range(4).map(() => epoch(again).flat()), epochs)
  assert.not.equal(epoch(load(50, { shuffle: true, seed: 2 })).flat(), epochs[0])
  assert.equal(epoch(load(50, { batchSize: 13, shuffle: true })).flat(), epochs[0], 'the order does not depend on the batch size')
  // every example stands at every place equally often: 300 epochs of 6, 50 expected, 5 standard errors
  const small = load(6, { shuffle: true })
  const counts = range(36).fill(0)
  for (let e = 0; e < 300; e++) epoch(small).flat().forEach((x, place) => counts[6 * place + x]!++)
  for (const count of counts) assert.ok(Math.abs(count - 50) < 5 * Math.sqrt(50 * (5 / 6)), String(counts))
})

test('without a seed the order comes from manualSeed', () => {
  const order = (seed: number) => {
    manualSeed(seed)
    return epoch(new DataLoader(counting(20), { shuffle: true }))
  }
  assert.equal(order(3), order(3))
  assert.not.equal(order(3), order(4))
  manualSeed(3)
  const [a, b] = [new DataLoader(counting(20), { shuffle: true }), new DataLoader(counting(20), { shuffle: true })]
  assert.not.equal(epoch(a), epoch(b), 'two loaders, two orders')
})

test('with replacement examples come at random', () => {
  const loader = load(1000, { batchSize: 100, replacement: true })
  const [a, b] = [epoch(loader).flat(), epoch(loader).flat()]
  assert.is(a.length, 1000)
  assert.not.equal(a, b)
  // 1 − 1/e of the examples come at least once: 632 ± 5 · 9.5
  assert.ok(Math.abs(new Set(a).size - 632) < 48, `${new Set(a).size}`)
  assert.ok(a.every(x => x >= 0 && x < 1000))
  assert.equal(epoch(load(1000, { batchSize: 100, replacement: true })).flat(), a)
})

test('a position taken up again gives the batches that were left', () => {
  for (const options of [{ shuffle: true }, { replacement: true }, {}]) {
    const whole = load(23, { batchSize: 4, ...options })
    const all = [epoch(whole), epoch(whole)]
    const first = load(23, { batchSize: 4, ...options })
    epoch(first)
    const batches = first.batches()
    scope(() => {
      batches.next()
      batches.next()
    })
    const state = JSON.parse(JSON.stringify(first.state)) as DataLoader['state']
    assert.equal(state, { seed: 1, epoch: 1, batch: 2 })
    const second = load(23, { batchSize: 4, seed: 99, ...options })
    second.state = state
    assert.equal(epoch(second), all[1]!.slice(2))
    assert.equal(second.state, { seed: 1, epoch: 2, batch: 0 })
    assert.equal(epoch(second), epoch(whole), 'and the epochs after it')
  }
})

test('a loop that breaks off or throws leaves the epoch', () => {
  const loader = load(10, { batchSize: 2, shuffle: true })
  const whole = load(10, { batchSize: 2, shuffle: true })
  const all = [epoch(whole), epoch(whole), epoch(whole)]
  for (const [x] of loader) {
    assert.equal([...x!.values()], all[0]![0])
    break
  }
  assert.equal(loader.state, { seed: 1, epoch: 1, batch: 0 })
  assert.throws(() => {
    for (const _ of loader) throw new Error('out')
  }, /out/)
  assert.equal(loader.state, { seed: 1, epoch: 2, batch: 0 })
  assert.equal(epoch(loader), all[2])
  let left: Tensor | undefined
  for (const [x] of loader) {
    left = x
    if (loader.state.batch === loader.length) break
  }
  assert.ok(left!.freed, 'the batch was its turn\'s')
  assert.equal(loader.state, { seed: 1, epoch: 4, batch: 0 }, 'breaking off in the last batch ends the epoch once')
})

test('every turn frees its batch, also in loops within loops', () => {
  const [a, b] = [load(6, { batchSize: 2 }), load(4, { batchSize: 2 })]
  const before = info().memory.buffers
  let most = 0
  for (const [x] of a) {
    for (const [y] of b) x!.add(y!)
    assert.not(x!.freed)
    most = Math.max(most, info().memory.buffers - before)
  }
  assert.is(most, 1)
  assert.is(info().memory.buffers, before)
})

test('loops over one loader are passes of their own, each its epoch', () => {
  const loader = load(4, { batchSize: 2 })
  const pairs: number[][] = []
  for (const [a] of loader) for (const [b] of loader) pairs.push([...a.values(), ...b.values()])
  assert.equal(pairs, [[0, 1, 0, 1], [0, 1, 2, 3], [2, 3, 0, 1], [2, 3, 2, 3]])
  assert.equal(loader.state, { seed: 1, epoch: 3, batch: 0 })
  const [one, two] = [loader[Symbol.iterator](), loader[Symbol.iterator]()]
  const read = (from: typeof one) => {
    const { value } = from.next()
    return value ? [...value[0].values()] : null
  }
  assert.equal([read(one), read(two), read(one), read(two), read(one), read(two)], [[0, 1], [0, 1], [2, 3], [2, 3], null, null])
  const order = (n: number) => range(n).map(() => epoch(shuffled).flat())
  const shuffled = load(9, { batchSize: 3, shuffle: true })
  const [first, second, third, fourth] = order(4)
  shuffled.state = { seed: 1, epoch: 0, batch: 1 }
  const outer: number[] = []
  for (const [x] of shuffled) {
    outer.push(...x.values())
    if (outer.length === 3) assert.equal(epoch(shuffled).flat(), second, 'the inner loop is the next epoch')
  }
  assert.equal(outer, first!.slice(3), 'the outer one goes on in its own')
  assert.equal(order(2), [third, fourth])
})

test('loops beside batches() have epochs of their own, and the position stays', () => {
  const loader = load(8, { batchSize: 2, shuffle: true })
  const orders = range(6).map(() => epoch(loader).flat())
  loader.state = { seed: 1, epoch: 0, batch: 0 }
  const inner: number[][] = []
  scope(() => {
    for (const _ of loader.batches()) {
      const { state } = loader
      inner.push(epoch(loader).flat())
      assert.equal(loader.state, state)
    }
  })
  assert.equal(inner, orders.slice(1, 5))
  assert.equal(loader.state, { seed: 1, epoch: 1, batch: 0 })
  assert.equal(epoch(loader).flat(), orders[1])
  scope(() => {
    for (const _ of loader.batches()) break
  })
  assert.equal(loader.state, { seed: 1, epoch: 2, batch: 1 })
  assert.equal(epoch(loader).flat(), orders[2]!.slice(2), 'batches that ended hold nothing')
  loader.batches().return()
  assert.equal(epoch(loader).flat(), orders[3])
})

test('loops over its loader in callbacks leave fit its epochs', async () => {
  const labelled = new ArrayDataset({ values: range(16), shape: [2] }, { values: Int32Array.from(range(8), i => i % 2), shape: [] })
  const train = async (loops: number) => {
    manualSeed(1)
    const model = new Perceptron(2, 2)
    const loader = new DataLoader(labelled, { batchSize: 2, shuffle: true, seed: 1 })
    const seen: number[] = []
    const reports: number[][] = []
    const look = () => {
      for (let i = 0; i < loops; i++) seen.push(epoch(loader).length)
    }
    const { history } = await fit(model, loader, {
      optimizer: new SGD(model.parameters(), { lr: 0.01 }), epochs: 3,
      onBatch({ epoch, batch }) {
        look()
        reports.push([epoch, batch, loader.state.epoch, loader.state.batch])
      },
      onEpoch({ epoch }) {
        look()
        assert.equal(loader.state, { seed: 1, epoch, batch: 0 })
      },
    })
    assert.ok(seen.length === 15 * loops && seen.every(n => n === 4), `${seen}`)
    assert.equal(reports, range(12).map(i => [Math.floor(i / 4) + 1, i % 4 + 1, Math.floor(i / 4), i % 4 + 1]))
    assert.equal(loader.state, { seed: 1, epoch: 3, batch: 0 })
    const next = epoch(loader)
    return [history.map(h => [h.epoch, h.loss]), next]
  }
  assert.equal(await train(2), await train(0))
})

test('first() shows a batch and moves nothing', () => scope(() => {
  const loader = load(10, { batchSize: 4, shuffle: true })
  const [x] = loader.first()
  assert.equal(loader.state, { seed: 1, epoch: 0, batch: 0 })
  assert.equal([...x!.values()], epoch(loader)[0])
  assert.equal([...loader.first()[0]!.values()], epoch(loader)[0], 'of the epoch that comes next')
}))

test('ArrayDataset keeps shapes and whole numbers', () => scope(() => {
  const set = new ArrayDataset({ values: range(12), shape: [2, 2] }, { values: Int32Array.of(7, 8, 9), shape: [] },
    { values: new Float64Array(3), shape: [1] })
  assert.is(set.length, 3)
  const [x, y, z] = set.batch([2, 0]) as [Tensor, Tensor, Tensor]
  assert.equal(x.array(), [[[8, 9], [10, 11]], [[0, 1], [2, 3]]])
  assert.equal([y.array(), y.dtype], [[9, 7], 'int32'])
  assert.equal([z.shape, z.dtype], [[2, 1], 'float32'])
}))

const picture = (values: number[], labels: number[], white?: number): ImageSet => ({
  name: 'p', images: Uint8Array.from(values), labels: Uint8Array.from(labels), count: labels.length, channels: 1, height: 1,
  width: 2, classes: 3, ...(white ? { white } : {}),
})

test('ImageDataset scales pixels by white, mean and deviation', () => scope(() => {
  const set = picture([0, 16, 8, 4, 12, 16], [2, 0, 1], 16)
  const statistics = pixelStatistics(set)
  const pixels = [0, 1, 0.5, 0.25, 0.75, 1]
  const mean = pixels.reduce((a, b) => a + b) / 6
  assert.ok(Math.abs(statistics.mean - mean) < 1e-15)
  assert.ok(Math.abs(statistics.std - Math.sqrt(pixels.reduce((s, p) => s + (p - mean) ** 2, 0) / 6)) < 1e-15)
  assert.equal(pixelStatistics(set, [1]), { mean: 0.375, std: 0.125 })
  const [plain, y] = new ImageDataset(set).batch([2, 0]) as [Tensor, Tensor]
  assert.equal([plain.shape, plain.array(), y.array(), y.dtype], [[2, 1, 1, 2], [[[[0.75, 1]]], [[[0, 1]]]], [1, 2], 'int32'])
  const [scaled] = new ImageDataset(set, { mean: 0.5, std: 0.25 }).batch([1])
  assert.equal(scaled!.array(), [[[[0, -1]]]])
  const all = new ImageDataset(set, statistics).batch([0, 1, 2])[0]!
  assert.ok(Math.abs(all.mean().item()) < 1e-6 && Math.abs(all.variance(null, { correction: 0 }).item() - 1) < 1e-5)
  assert.equal(new ImageDataset(picture([255, 51], [0])).batch([0])[0]!.array(), [[[[1, Math.fround(0.2)]]]],
    'white is 255 unless said')
  const flat = picture([9, 9], [0])
  assert.ok(pixelStatistics(flat).std > 0, 'one colour alone must not divide by 0')
}))

test('Subset picks, split parts without overlap, and both nest', () => {
  const set = counting(20)
  const values = (s: Subset) => scope(() => [...s.batch(range(s.length))[0]!.values()])
  assert.equal(values(new Subset(set, Int32Array.of(3, 3, 19))), [3, 3, 19])
  const parts = split(set, [0.7, 0.1, 0.2], { seed: 5 })
  assert.equal(parts.map(p => p.length), [14, 2, 4])
  assert.equal(sorted(parts.flatMap(values)), range(20))
  assert.equal(split(set, [0.7, 0.1, 0.2], { seed: 5 }).map(values), parts.map(values))
  assert.not.equal(split(set, [0.7, 0.1, 0.2], { seed: 6 }).map(values), parts.map(values))
  const [a, b] = split(set, [15, 5], { seed: 5 }) as [Subset, Subset]
  assert.equal([a.length, b.length], [15, 5])
  assert.equal(values(a).slice(0, 14), values(parts[0]!), 'one order, cut elsewhere')
  const [inner] = split(a, [5, 10], { seed: 1 }) as [Subset, Subset]
  assert.ok(values(inner).every(v => values(a).includes(v)))
  manualSeed(1)
  const drawn = split(set, [0.5, 0.5]).map(values)
  manualSeed(1)
  assert.equal(split(set, [0.5, 0.5]).map(values), drawn)
  // thirds of 20 add up whatever the rounding; a part may be empty; one example is a count and a fraction
  assert.is(split(set, [1 / 3, 1 / 3, 1 / 3], { seed: 1 }).reduce((n, p) => n + p.length, 0), 20)
  assert.equal(split(set, [20, 0]).map(p => p.length), [20, 0])
  assert.equal(split(counting(1), [1]).map(p => p.length), [1])
})

test('TestSet counts how often it was looked at', async () => {
  const labelled = new ArrayDataset({ values: new Generator(1).shuffle(Float32Array.from(range(12))), shape: [2] },
    { values: Int32Array.from([0, 1, 0, 1, 0, 1]), shape: [] })
  const held = new TestSet(labelled)
  assert.equal([held.length, held.looks], [6, 0])
  scope(() => held.batch([0]))
  assert.is(held.looks, 0)
  const model = new Perceptron(2, 2)
  evaluate(model, held, { batchSize: 2 })
  assert.is(held.looks, 1, 'once for a whole pass')
  evaluate(model, held)
  for (const _ of new DataLoader(held, { batchSize: 4 })) break
  assert.is(held.looks, 3)
  await fit(model, new DataLoader(labelled, { batchSize: 6 }),
    { optimizer: new SGD(model.parameters(), { lr: 0.01 }), epochs: 2, validation: held })
  assert.is(held.looks, 5, 'a test set used for validation shows it')
  evaluate(model, new Subset(held, Int32Array.of(1, 2)))
  evaluate(model, split(split(held, [0.5, 0.5])[0]!, [1])[0]!)
  assert.is(held.looks, 7, 'a part of it is it')
})

test('two loaders in step, and a loop in a scope', () => {
  const [a, b] = [load(6, { batchSize: 2 }), load(6, { batchSize: 3 })]
  const pairs: number[][] = []
  const other = b[Symbol.iterator]()
  for (const [x] of a) {
    const next = other.next()
    if (next.done) break
    pairs.push([x!.sum().item(), next.value[0]!.sum().item()])
  }
  assert.equal(pairs, [[1, 3], [5, 12]])
  const sums = scope(() => [...steps(2)].map(() => epoch(a).flat().length))
  assert.equal(sums, [6, 6])
})

test('a data set of tensors', () => {
  const [x, y] = [tensor([[1, 2], [3, 4], [5, 6]]), tensor([0, 1, 0], { dtype: 'int32' })]
  const set = new ArrayDataset(x, y)
  x.set([0, 0, 0, 0, 0, 0])
  assert.is(set.length, 3)
  assert.equal(set.batch([2, 0]).map(t => [t.dtype, t.array()]), [['float32', [[5, 6], [1, 2]]], ['int32', [0, 0]]])
  assert.equal(x.set(tensor([[6, 5], [4, 3], [2, 1]])).array(), [[6, 5], [4, 3], [2, 1]])
})

test.run()
