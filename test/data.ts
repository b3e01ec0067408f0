// Readers of data files: gzip, IDX, CIFAR-10, and the folders that the command line loads.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readCifar10 } from '../ts/data/cifar.js'
import { gunzip } from '../ts/data/gzip.js'
import { parseIdx, readIdxImages } from '../ts/data/idx.js'
import { loadDataset } from '../examples/cli/datasets.js'

const DIGITS = 'examples/data/digits'

async function refused(work: () => unknown, message: string | RegExp): Promise<void> {
  let error: unknown
  try {
    await work()
  } catch (caught) {
    error = caught
  }
  assert.is((error as Error | undefined)?.name, 'DataError', String(error))
  const text = (error as Error).message
  if (typeof message === 'string') assert.is(text, message)
  else assert.match(text, message)
}

/** An IDX file of the shape with the data, unpacked. */
function idx(shape: number[], data: ArrayLike<number>, type = 8): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, (type << 8) | shape.length)
  shape.forEach((d, i) => view.setUint32(4 + 4 * i, d))
  bytes.set(data, 4 + 4 * shape.length)
  return bytes
}

const noise = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24)

test('gunzip gives the content, also of an empty file', async () => {
  for (const n of [0, 1, 100000]) assert.equal(await gunzip(gzipSync(noise(n)), 'f'), noise(n))
  assert.is((await gunzip(gzipSync(new Uint8Array(3000000)), 'f')).length, 3000000, 'the highest ratio')
})

test('gunzip refuses what is no intact gzip file, in one line that names it', async () => {
  const good = new Uint8Array(gzipSync(noise(5000)))
  const changed = (at: number) => good.map((b, i) => (i === at ? b ^ 255 : b))
  const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
  await refused(() => gunzip(new Uint8Array(0), 'f.gz'), 'f.gz: expected a gzip file (first bytes 1f 8b), got an empty file')
  await refused(
    () => gunzip(Uint8Array.of(80, 75, 3, 4, 5), 'f.gz'),
    'f.gz: expected a gzip file (first bytes 1f 8b), got first bytes 50 4b 03 04',
  )
  await refused(
    () => gunzip(good.slice(0, 12), 'f.gz'), 'f.gz: expected a gzip file of at least 18 bytes, got 12: it is truncated',
  )
  const files = [
    good.slice(0, 900), good.slice(0, -4), good.slice(0, -1),
    changed(3), changed(900), changed(good.length - 6), changed(good.length - 2),
    joined(good, new Uint8Array(20)), joined(good, noise(9)), joined(good, good), joined(good, Uint8Array.of(0)),
    joined(good, Uint8Array.of(0, 0x70, 0x17, 0, 0)),
  ]
  await refused(() => gunzip(changed(good.length - 1), 'f.gz'), /its end announces 4278195080 bytes of content, more than \d+ packed ones/)
  for (const bytes of files) await refused(() => gunzip(bytes, 'f.gz'), /^f\.gz: expected an intact gzip file, got [^\n]+$/)
})

test('IDX: shape and data', () => {
  assert.equal(parseIdx(idx([2, 1, 3], [1, 2, 3, 4, 5, 6]), 'f'), { shape: [2, 1, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) })
  assert.equal(parseIdx(idx([0, 5], []), 'f', 2), { shape: [0, 5], data: new Uint8Array(0) })
})

test('IDX: wrong magic, rank, size', async () => {
  await refused(() => parseIdx(Uint8Array.of(0, 0), 'f'), 'f: expected an IDX file with a magic number of 4 bytes, got 2 bytes')
  await refused(
    () => parseIdx(Uint8Array.of(1, 2, 3, 4), 'f'),
    'f: expected IDX magic number 0x000008RR (unsigned bytes, RR dimensions), got 0x01020304',
  )
  await refused(
    () => parseIdx(idx([1], [7]), 'f', 3),
    'f: expected IDX magic number 0x00000803 (unsigned bytes, 3-dimensional), got 0x00000801 (unsigned bytes, 1-dimensional)',
  )
  await refused(() => parseIdx(idx([1], [7, 7, 7, 7], 0x0d), 'f'), /got 0x00000d01 \(float32, 1-dimensional\)/)
  await refused(() => parseIdx(idx([], [7]), 'f'), /got 0x00000800/)
  await refused(
    () => parseIdx(idx([2, 2], [1, 2, 3, 4]).slice(0, 9), 'f'),
    'f: expected 2 sizes in a header of 12 bytes, got a file of 9 bytes: it is truncated',
  )
  await refused(() => parseIdx(idx([2, 2], [1, 2, 3]), 'f'), 'f: expected 4 bytes of data for shape [2,2], got 3')
  await refused(() => parseIdx(idx([2], [1, 2, 3]), 'f'), 'f: expected 2 bytes of data for shape [2], got 3')
  await refused(() => parseIdx(idx([4294967295, 4294967295], [1]), 'f'), /expected 18446744065119617000 bytes of data/)
})

test('images and labels must fit each other', async () => {
  const read = (images: Uint8Array, labels: Uint8Array, white?: number) =>
    readIdxImages({ name: 'i', bytes: images }, { name: 'l', bytes: labels }, { name: 'set', classes: 3, white })
  const set = read(idx([2, 1, 2], [0, 9, 16, 3]), idx([2], [2, 0]), 16)
  assert.equal(set, {
    name: 'set', classes: 3, white: 16, images: Uint8Array.of(0, 9, 16, 3), labels: Uint8Array.of(2, 0),
    count: 2, channels: 1, height: 1, width: 2,
  })
  assert.is(read(idx([1, 3, 1, 2], noise(6)), idx([1], [0])).channels, 3)
  await refused(
    () => read(idx([2, 1, 2], [0, 9, 16, 3]), idx([3], [2, 0, 1])), 'l: expected 2 labels, one for each image of i, got 3',
  )
  await refused(() => read(idx([2, 1, 1], [0, 9]), idx([2], [2, 3])), 'l: expected labels 0..2, got 3 at position 1')
  await refused(() => read(idx([2, 1, 1], [0, 17]), idx([2], [2, 0]), 16), 'i: expected pixels 0..16, got 17 in image 1')
  await refused(() => read(idx([0, 1, 1], []), idx([0], [])), 'i: expected at least one image, got shape [0,1,1]')
  await refused(() => read(idx([2], [0, 9]), idx([2], [2, 0])), /^i: expected IDX magic number 0x00000803/)
})

test('CIFAR-10 records', async () => {
  const record = (label: number) => Uint8Array.of(label, ...noise(3072))
  const both = Uint8Array.of(...record(9), ...record(0))
  const set = readCifar10([{ name: 'a', bytes: both }, { name: 'b', bytes: record(4) }])
  assert.equal([...set.labels], [9, 0, 4])
  assert.equal([set.count, set.channels, set.height, set.width, set.classes, set.classNames![9]], [3, 3, 32, 32, 10, 'truck'])
  assert.equal(set.images, Uint8Array.of(...noise(3072), ...noise(3072), ...noise(3072)))
  await refused(
    () => readCifar10([{ name: 'a', bytes: both.slice(1) }]),
    'a: expected records of 3073 bytes (a label and 3×32×32 pixels), got 6145 bytes',
  )
  await refused(() => readCifar10([{ name: 'a', bytes: new Uint8Array(0) }]), /^a: expected records/)
  await refused(
    () => readCifar10([{ name: 'a', bytes: Uint8Array.of(...record(1), ...record(10)) }]),
    'a: expected labels 0..9, got 10 at position 1',
  )
  await refused(() => readCifar10([]), 'cifar10: expected at least one batch file, got none')
})

/** Runs `work` in a fresh folder. */
async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'hebb-data-'))
  try {
    await work(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

test('the digits that ship with the project', async () => {
  const { train, test: held, note } = await loadDataset('digits', 'data', DIGITS)
  assert.equal(
    [train.count, train.height, train.width, train.classes, train.white, held, note], [1797, 8, 8, 10, 16, undefined, undefined],
  )
  const counts = new Array<number>(10).fill(0)
  for (const label of train.labels) counts[label]!++
  assert.equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
})

test('MNIST-like folders: whole sets, subsets, and everything that can be wrong', async () => inFolder(async dir => {
  const folder = join(dir, 'mnist')
  const at = (name: string) => join(folder, name)
  const put = (name: string, bytes: Uint8Array) => writeFileSync(at(name), gzipSync(bytes))
  await refused(
    () => loadDataset('mnist', dir),
    `${folder}: expected a folder with the files of mnist, got nothing there\nnpm run data -- mnist ${folder}   fetches them`,
  )
  mkdirSync(folder)
  put('train-images-idx3-ubyte.gz', idx([3, 28, 28], noise(3 * 784)))
  put('train-labels-idx1-ubyte.gz', idx([3], [1, 2, 3]))
  put('t10k-images-idx3-ubyte.gz', idx([2, 28, 28], noise(2 * 784)))
  await refused(
    () => loadDataset('mnist', dir),
    `${at('t10k-labels-idx1-ubyte.gz')}: expected this file of mnist, got nothing there\n` +
      `npm run data -- mnist ${folder}   fetches it`,
  )
  put('t10k-labels-idx1-ubyte.gz', idx([2], [9, 10]))
  await refused(() => loadDataset('mnist', dir), `${at('t10k-labels-idx1-ubyte.gz')}: expected labels 0..9, got 10 at position 1`)
  put('t10k-labels-idx1-ubyte.gz', idx([2], [9, 0]))
  const { train, test: held, note } = await loadDataset('mnist', dir)
  assert.equal([train.count, held!.count, train.height, held!.width, train.classes], [3, 2, 28, 28, 10])
  assert.is(note, 'a subset: 3 of 60,000 training images, 2 of 10,000 test images')
  put('t10k-images-idx3-ubyte.gz', idx([2, 8, 8], noise(2 * 64)))
  await refused(() => loadDataset('mnist', dir), `${at('t10k-images-idx3-ubyte.gz')}: expected images of 1×28×28, got 1×8×8`)
  // both sets are read at once: only one of them may be wrong
  put('t10k-images-idx3-ubyte.gz', idx([2, 28, 28], noise(2 * 784)))
  writeFileSync(at('train-images-idx3-ubyte.gz'), readFileSync(at('train-images-idx3-ubyte.gz')).subarray(0, 900))
  await refused(() => loadDataset('mnist', dir), new RegExp('train-images-idx3-ubyte.gz: expected an intact gzip file, got'))
  rmSync(at('train-images-idx3-ubyte.gz'))
  writeFileSync(join(dir, 'file'), '')
  await refused(() => loadDataset('mnist', join(dir, 'file')), /expected a folder with the files of mnist, got something else/)
  mkdirSync(at('train-images-idx3-ubyte.gz'))
  await refused(() => loadDataset('mnist', dir), `${at('train-images-idx3-ubyte.gz')}: expected a readable file, got a folder`)
}))

test('CIFAR-10 folders: batches in the order of their numbers', async () => inFolder(async dir => {
  const folder = join(dir, 'cifar10')
  const put = (name: string, ...labels: number[]) =>
    writeFileSync(join(folder, name), gzipSync(Buffer.concat(labels.map(label => Uint8Array.of(label, ...noise(3072))))))
  mkdirSync(folder)
  put('test_batch.bin.gz', 8)
  await refused(
    () => loadDataset('cifar10', dir),
    `${folder}: expected files named data_batch_1.bin.gz to data_batch_5.bin.gz, got none\n` +
      `npm run data -- cifar10 ${folder}   fetches them`,
  )
  put('data_batch_10.bin.gz', 3)
  put('data_batch_2.bin.gz', 1, 2)
  const { train, test: held, note } = await loadDataset('cifar10', dir)
  assert.equal([[...train.labels], [...held!.labels]], [[1, 2, 3], [8]])
  assert.is(note, 'a subset: 3 of 50,000 training images, 1 of 10,000 test images')
}))

test.run()
