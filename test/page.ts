// The page in examples/page: drawings become images like the data set's, and the network that it trains reads them.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { gunzip, parseIdx, pixelStatistics } from 'hebb'
import { DigitImages, enlarge, inputOf } from '../examples/page/images.js'
import { bitmapOf, BITMAP, countBlocks, imageOf, SIDE, type Stroke } from '../examples/page/strokes.js'
import { trainingCount } from '../examples/page/parts.js'
import { read } from '../examples/page/read.js'
import { train, type Report } from '../examples/page/train.js'
import { glyphs } from './digit-strokes.js'

const FOLDER = 'examples/data/digits'
const unpack = async (file: string) => parseIdx(await gunzip(readFileSync(`${FOLDER}/${file}.gz`), file), file).data
const images = await unpack('digits-images-idx3-ubyte')
const labels = await unpack('digits-labels-idx1-ubyte')

const rows = (bitmap: Uint8Array) => Array.from({ length: BITMAP }, (_, r) => bitmap.subarray(r * BITMAP, (r + 1) * BITMAP).some(v => v > 0))
const columns = (bitmap: Uint8Array) => Array.from({ length: BITMAP }, (_, c) => bitmap.some((v, p) => p % BITMAP === c && v > 0))
const total = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0)

test('no stroke gives an empty image, a dot a disc in its middle', () => {
  assert.is(total(imageOf([])), 0)
  assert.is(total(imageOf([[]])), 0)
  const dot = bitmapOf([[{ x: 400, y: 7 }]])
  assert.ok(total(dot) > 40 && total(dot) < 80)
  for (const shown of [rows(dot), columns(dot)]) assert.equal([shown.indexOf(true) + shown.lastIndexOf(true), shown.every(Boolean)], [BITMAP - 1, false])
})

test('a drawing fills the height, is centred, and has the data set\'s amount of ink', () => {
  const counted = Array.from({ length: 10 }, (_, digit) => {
    const sums = Array.from(labels.keys()).filter(i => labels[i] === digit).map(i => total(images.subarray(i * 64, i * 64 + 64)))
    return total(sums) / sums.length
  })
  assert.ok(Math.min(...counted) > 300 && Math.max(...counted) < 335, String(counted))
  for (const { name, strokes } of glyphs(10, 3)) {
    const bitmap = bitmapOf(strokes)
    const [high, wide] = [rows(bitmap), columns(bitmap)]
    assert.ok(high.indexOf(true) <= 1 && high.lastIndexOf(true) >= BITMAP - 2, `${name} from top to bottom`)
    assert.ok(wide.indexOf(true) >= 3 && wide.lastIndexOf(true) <= BITMAP - 4, `${name} leaves columns free`)
    assert.ok(Math.abs(wide.indexOf(true) + wide.lastIndexOf(true) - (BITMAP - 1)) <= 2, `${name} in the middle`)
    assert.ok(total(bitmap) >= 250 && total(bitmap) <= 340, `${name}: ${total(bitmap)} pixels of ink`)
  }
})

test('where and how large it is drawn makes no difference, nor how many points the pointer sent', () => {
  for (const { name, strokes } of glyphs(1, 0, true)) {
    const image = imageOf(strokes)
    // powers of two, so that no rounding moves a pixel
    const moved = strokes.map(stroke => stroke.map(({ x, y }) => ({ x: 4 * x + 512, y: 4 * y - 256 })))
    assert.equal(imageOf(moved), image, name)
    const twice = strokes.map(stroke => stroke.flatMap(point => [point, point]))
    assert.equal(imageOf(twice), image, name)
  }
})

test('ink is counted in blocks of 4×4', () => {
  const bitmap = new Uint8Array(BITMAP * BITMAP)
  bitmap.fill(1, 0, 4)
  bitmap[BITMAP * BITMAP - 1] = 1
  const image = countBlocks(bitmap)
  assert.equal([image[0], image[1], image[63], total(image)], [4, 0, 1, 5])
  assert.equal(countBlocks(new Uint8Array(BITMAP * BITMAP).fill(1)), new Uint8Array(SIDE * SIDE).fill(16))
})

test('an enlarged image keeps its place and its mean; its numbers have mean 0 and deviation 1 over the data set', () => {
  const { mean, std } = pixelStatistics({ name: 'digits', images, labels, count: labels.length, channels: 1, height: 8, width: 8, classes: 10, white: 16 })
  assert.ok(Math.abs(mean - 0.305) < 1e-3 && Math.abs(std - 0.376) < 1e-3, `${mean} ${std}`)
  const out = new Float32Array(BITMAP * BITMAP)
  const one = new Uint8Array(64)
  one[3 * 8 + 5] = 16
  enlarge(one, 0, out, 0)
  const ink = Array.from(out, v => v * 0.376 + 0.305)
  const at = (weight: (p: number) => number) => ink.reduce((sum, v, p) => sum + v * weight(p), 0) / total(ink)
  assert.ok(Math.abs(total(ink) - 16) < 1e-3)
  assert.ok(Math.abs(at(p => p % BITMAP) - 21.5) < 1e-3 && Math.abs(at(p => Math.floor(p / BITMAP)) - 13.5) < 1e-3)
})

test('batches of images are the images, and those with a seed come differently placed each time', () => {
  const [x, y] = new DigitImages(images, labels).batch([5, 2])
  assert.equal([x!.shape, y!.shape, y!.dtype, [...y!.values()]], [[2, 1, 32, 32], [2], 'int32', [labels[5], labels[2]]])
  assert.equal(x!.values().subarray(1024), inputOf(images.subarray(128, 192)).values())
  const shaken = new DigitImages(images, labels, 1)
  const [first, second] = [shaken.batch([5])[0]!.values(), shaken.batch([5])[0]!.values()]
  assert.not.equal(first, second)
  assert.equal(new DigitImages(images, labels, 1).batch([5])[0]!.values(), first)
})

const right = (weights: Uint8Array, drawings: { digit: number; strokes: Stroke[] }[]): number =>
  drawings.filter(({ digit, strokes }, i) => {
    const { probabilities } = read({ strokes, ...(i === 0 && { weights }) })
    return probabilities!.indexOf(Math.max(...probabilities!)) === digit
  }).length

test('a reading shows the image, what each filter answers, and probabilities', () => {
  const blank = read({})
  assert.equal([blank.probabilities, blank.maps, blank.filters.length, total(blank.image)], [null, null, 6 * 5 * 5, 0])
  const image = images.subarray(0, 64)
  const { probabilities, maps, filters } = read({ image })
  assert.ok(Math.abs(total(probabilities!) - 1) < 1e-5 && probabilities!.length === 10)
  assert.equal([maps!.length, filters], [6 * 28 * 28, blank.filters])
  // one answer of one filter, by hand
  const x = inputOf(image).values()
  const of = read({ image }).maps!
  const at = (f: number, r: number, c: number) => {
    let sum = 0
    for (let i = 0; i < 25; i++) sum += filters[f * 25 + i]! * x[(r + Math.floor(i / 5)) * BITMAP + c + (i % 5)]!
    return sum
  }
  const differences = [[0, 4, 9], [0, 12, 3], [0, 20, 14]].map(([f, r, c]) => of[f! * 784 + r! * 28 + c!]! - at(f!, r!, c!)).filter((_, i) => of[[121, 339, 574][i]!]! > 0)
  assert.ok(differences.every(d => Math.abs(d - differences[0]!) < 1e-4), 'all differ by the bias alone')
})

test('the network that the page trains reads drawings of all ten digits', async () => {
  const reports: Report[] = []
  const progress = async (report: Report | (() => Report)) => {
    if (reports.length === 0 && typeof report === 'function') reports.push(structuredClone(report()))
  }
  const epochs = 12
  const outcome = await train({ images, labels, epochs, seed: 2 }, { signal: new AbortController().signal, progress, modules: {} as never })
  const { ended, accuracy, loss, weights } = outcome
  assert.equal([ended, accuracy.length, loss.length, outcome.epoch], ['done', epochs, epochs * Math.ceil(trainingCount(labels.length) / 32), epochs])
  assert.ok(accuracy.at(-1)![1] > 0.93, `${accuracy.at(-1)![1]} of the images held back`)
  assert.ok(loss.at(-1)![1] < 0.2)
  assert.equal([reports[0]!.loss.length, reports[0]!.loss[0]![0]], [1, 1 / Math.ceil(trainingCount(labels.length) / 32)])
  const [steady, shaken] = [glyphs(1, 0, true), glyphs(20, 7)]
  assert.ok(right(reports[0]!.weights, shaken) < 0.3 * shaken.length, 'an untrained network can\'t read')
  assert.is(right(weights, steady), steady.length)
  assert.ok(right(weights, shaken) > 0.9 * shaken.length, `${right(weights, shaken)} of ${shaken.length} drawings`)
})

test.run()
