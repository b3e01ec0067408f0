// IDX, the file format of MNIST: a magic number, big-endian sizes, raw elements; and the sets of images that readers give.

import { show, sizeOf } from '../shape.js'
import { DataError } from './gzip.js'

/** Labelled images as they lie in memory: images [count, channels, height, width], labels [count]. */
export interface ImageSet {
  name: string
  images: Uint8Array
  labels: Uint8Array
  count: number
  channels: number
  height: number
  width: number
  /** Labels are 0..classes-1. */
  classes: number
  classNames?: readonly string[]
  /** The value of a fully lit pixel, 255 unless said. */
  white?: number
}

export interface Idx {
  shape: number[]
  data: Uint8Array
}

const ELEMENTS: Record<number, string> = {
  0x08: 'unsigned bytes', 0x09: 'signed bytes', 0x0b: '16-bit integers', 0x0c: '32-bit integers', 0x0d: 'float32', 0x0e: 'float64',
}

const hex = (x: number): string => `0x${x.toString(16).padStart(8, '0')}`

/**
 * Reads an unpacked IDX file of unsigned bytes. The magic number is 0x000008RR with rank RR; `rank`, if given, says which
 * one is expected. `data` shares the memory of `bytes`. Throws DataError.
 */
export function parseIdx(bytes: Uint8Array, name: string, rank?: number): Idx {
  if (bytes.length < 4) {
    throw new DataError(`${name}: expected an IDX file with a magic number of 4 bytes, got ${bytes.length} bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const magic = view.getUint32(0)
  const dims = magic & 0xff
  const type = magic >>> 8
  const unsigned = (dims: number) => `${hex(0x800 + dims)} (unsigned bytes, ${dims}-dimensional)`
  const wanted = rank === undefined ? '0x000008RR (unsigned bytes, RR dimensions)' : unsigned(rank)
  if (type !== 0x08 || dims === 0 || (rank !== undefined && dims !== rank)) {
    const known = ELEMENTS[type]
    throw new DataError(
      `${name}: expected IDX magic number ${wanted}, got ${hex(magic)}${known ? ` (${known}, ${dims}-dimensional)` : ''}`,
    )
  }
  const start = 4 + 4 * dims
  if (bytes.length < start) {
    throw new DataError(
      `${name}: expected ${dims} sizes in a header of ${start} bytes, got a file of ${bytes.length} bytes: it is truncated`,
    )
  }
  const shape = Array.from({ length: dims }, (_, i) => view.getUint32(4 + 4 * i))
  const size = sizeOf(shape)
  if (size !== bytes.length - start) {
    throw new DataError(`${name}: expected ${size} bytes of data for shape ${show(shape)}, got ${bytes.length - start}`)
  }
  return { shape, data: bytes.subarray(start) }
}

/** A file's unpacked bytes and the name that errors give it. */
export interface NamedBytes {
  name: string
  bytes: Uint8Array
}

export interface ImageSetOptions {
  name: string
  classes: number
  classNames?: readonly string[]
  white?: number
}

/** Labels must be 0..classes-1; pixels, where `white` is given, 0..white. */
function checked(set: ImageSet, imagesFile: string, labelsFile: string): ImageSet {
  const wrong = set.labels.findIndex(label => label >= set.classes)
  if (wrong >= 0) {
    throw new DataError(`${labelsFile}: expected labels 0..${set.classes - 1}, got ${set.labels[wrong]} at position ${wrong}`)
  }
  const white = set.white ?? 255
  const bright = white < 255 ? set.images.findIndex(pixel => pixel > white) : -1
  if (bright >= 0) {
    const image = Math.floor((bright * set.count) / set.images.length)
    throw new DataError(`${imagesFile}: expected pixels 0..${white}, got ${set.images[bright]} in image ${image}`)
  }
  return set
}

/**
 * Images [n, h, w] (or [n, c, h, w]) and labels [n] of two unpacked IDX files. Throws DataError where the counts differ,
 * there is no image, or a label or pixel is out of range.
 */
export function readIdxImages(images: NamedBytes, labels: NamedBytes, options: ImageSetOptions): ImageSet {
  const channels = images.bytes[3] === 4
  const { shape, data } = parseIdx(images.bytes, images.name, channels ? 4 : 3)
  const { shape: [labelled], data: labelData } = parseIdx(labels.bytes, labels.name, 1)
  if (data.length === 0) throw new DataError(`${images.name}: expected at least one image, got shape ${show(shape)}`)
  const count = shape[0]!
  if (labelled !== count) {
    throw new DataError(`${labels.name}: expected ${count} labels, one for each image of ${images.name}, got ${labelled}`)
  }
  const set: ImageSet = {
    ...options, images: data, labels: labelData, count,
    channels: channels ? shape[1]! : 1, height: shape.at(-2)!, width: shape.at(-1)!,
  }
  return checked(set, images.name, labels.name)
}
