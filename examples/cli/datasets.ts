// Finds the data sets of the command line on disk: the digits that ship with the project, MNIST, Fashion-MNIST, CIFAR-10.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DataError, gunzip, readCifar10, readIdxImages, type ImageSet, type ImageSetOptions, type NamedBytes } from 'hebb'
import type { Dataset } from './options.js'
import { whole } from './progress.js'

export interface LoadedData {
  train: ImageSet
  /** Absent where the set has no test images of its own and the caller splits it. */
  test?: ImageSet
  /** Says so where the files hold a subset of the published data. */
  note?: string
}

/** From build/examples/train.js, where this file ends up. */
const DIGITS = fileURLToPath(new URL('../../examples/data/digits', import.meta.url))

const FASHION_CLASSES = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot']

/** Training and test images in the published sets. */
const PUBLISHED = { mnist: [60000, 10000], fashion: [60000, 10000], cifar10: [50000, 10000] } as const

/**
 * Loads a set. `data` is the folder that holds mnist/, fashion/ and cifar10/. Counts are taken from the files.
 * Throws DataError, with a second line that says how to fetch what is missing.
 */
export async function loadDataset(name: Dataset, data: string, digits = DIGITS): Promise<LoadedData> {
  if (name === 'digits') {
    const files = [join(digits, 'digits-images-idx3-ubyte.gz'), join(digits, 'digits-labels-idx1-ubyte.gz')] as const
    const advice = 'it is part of the repository: git checkout examples/data/digits brings it back'
    const [images, labels] = await Promise.all(files.map(file => unpack(file, advice)))
    return { train: readIdxImages(images!, labels!, { name, classes: 10, white: 16 }) }
  }
  const folder = join(data, name)
  const names = await list(folder, name)
  const { train, test } = name === 'cifar10' ? await loadCifar(folder, names) : await loadIdx(folder, name)
  const [trainCount, testCount] = PUBLISHED[name]
  const complete = train.count === trainCount && test.count === testCount
  const part = (n: number, of: number, what: string) => `${whole(n)} of ${whole(of)} ${what} images`
  const parts = [part(train.count, trainCount, 'training'), part(test.count, testCount, 'test')]
  return { train, test, note: complete ? undefined : `a subset: ${parts.join(', ')}` }
}

const fetching = (name: Dataset, folder: string, them = 'it'): string =>
  `npm run data -- ${name} ${/[^\w./:\\-]/.test(folder) ? JSON.stringify(folder) : folder}   fetches ${them}`

async function loadIdx(folder: string, name: 'mnist' | 'fashion'): Promise<{ train: ImageSet, test: ImageSet }> {
  const options: ImageSetOptions = { name, classes: 10, classNames: name === 'fashion' ? FASHION_CLASSES : undefined }
  const [train, test] = await Promise.all(['train', 't10k'].map(async part => {
    const files = [join(folder, `${part}-images-idx3-ubyte.gz`), join(folder, `${part}-labels-idx1-ubyte.gz`)]
    const [images, labels] = await Promise.all(files.map(file => unpack(file, fetching(name, folder), name)))
    const set = readIdxImages(images!, labels!, options)
    if (set.channels !== 1 || set.height !== 28 || set.width !== 28) {
      throw new DataError(`${images!.name}: expected images of 1×28×28, got ${set.channels}×${set.height}×${set.width}`)
    }
    return set
  }))
  return { train: train!, test: test! }
}

async function loadCifar(folder: string, names: readonly string[]): Promise<{ train: ImageSet, test: ImageSet }> {
  const number = (file: string) => Number(/^data_batch_(\d+)\.bin\.gz$/.exec(file)?.[1] ?? NaN)
  const batches = names.filter(file => number(file) >= 0).sort((a, b) => number(a) - number(b))
  if (batches.length === 0) {
    const advice = fetching('cifar10', folder, 'them')
    throw new DataError(`${folder}: expected files named data_batch_1.bin.gz to data_batch_5.bin.gz, got none\n${advice}`)
  }
  const read = async (files: readonly string[]) =>
    readCifar10(await Promise.all(files.map(file => unpack(join(folder, file), fetching('cifar10', folder), 'cifar10'))))
  return { train: await read(batches), test: await read(['test_batch.bin.gz']) }
}

async function list(folder: string, name: Dataset): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const got = code === 'ENOENT' ? 'nothing there' : code === 'ENOTDIR' ? 'something else' : code
    throw new DataError(`${folder}: expected a folder with the files of ${name}, got ${got}\n${fetching(name, folder, 'them')}`)
  }
}

async function unpack(file: string, advice: string, set = 'digits'): Promise<NamedBytes> {
  let packed: Uint8Array
  try {
    packed = await readFile(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') throw new DataError(`${file}: expected this file of ${set}, got nothing there\n${advice}`)
    throw new DataError(`${file}: expected a readable file, got ${code === 'EISDIR' ? 'a folder' : code}`)
  }
  return { name: file, bytes: await gunzip(packed, file) }
}
