// The binary version of CIFAR-10: records of one label byte and a 32×32 image in three planes, red, green, blue.
// A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

import { DataError } from './gzip.js'
import type { ImageSet, NamedBytes } from './idx.js'

const SIDE = 32
const PIXELS = 3 * SIDE * SIDE
const RECORD = 1 + PIXELS

export const CIFAR10_CLASSES: readonly string[] = [
  'airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck',
]

/** Images [n, 3, 32, 32] and labels of unpacked batch files, one after the other. Throws DataError. */
export function readCifar10(files: readonly NamedBytes[], name = 'cifar10'): ImageSet {
  let count = 0
  for (const { name: file, bytes: { length } } of files) {
    if (length === 0 || length % RECORD !== 0) {
      throw new DataError(`${file}: expected records of ${RECORD} bytes (a label and 3×32×32 pixels), got ${length} bytes`)
    }
    count += length / RECORD
  }
  if (count === 0) throw new DataError(`${name}: expected at least one batch file, got none`)
  const images = new Uint8Array(count * PIXELS)
  const labels = new Uint8Array(count)
  let i = 0
  for (const { name: file, bytes } of files) {
    for (let at = 0; at < bytes.length; at += RECORD, i++) {
      const label = bytes[at]!
      if (label >= CIFAR10_CLASSES.length) {
        throw new DataError(`${file}: expected labels 0..${CIFAR10_CLASSES.length - 1}, got ${label} at position ${at / RECORD}`)
      }
      labels[i] = label
      images.set(bytes.subarray(at + 1, at + RECORD), i * PIXELS)
    }
  }
  return {
    name, images, labels, count, channels: 3, height: SIDE, width: SIDE,
    classes: CIFAR10_CLASSES.length, classNames: CIFAR10_CLASSES,
  }
}
