// Convolution weights in the form in which a backend computes with them (Winograd's, say), kept from call to call in inference.

import { Buffer, MemoryError, type Arena } from '../arena.js'
import { heapOf, hostMark, recorder } from '../memory.js'
import type { Tensor } from '../tensor.js'

/** What is kept of a weight */
interface Filters {
  buffer: Buffer
  /** Of the weight's values when these were made */
  version: number
  /** Channels and outputs */
  c: number
  o: number
}
/** By the weight's memory: the version that the last call saw, and what is kept */
const known = new WeakMap<Buffer, { seen: number; filters: Filters | null }>()

/** A buffer of the engine's, if there is memory to spare. */
function roomFor(heap: Arena, bytes: number): Buffer | null {
  let buffer: Buffer
  try {
    buffer = new Buffer(heap, bytes)
  } catch (error) {
    if (error instanceof MemoryError) return null
    throw error
  }
  // others had to make room
  if (!heap.pressed) return buffer
  buffer.release()
  return null
}

/**
 * Address of the transformed `weight` of a convolution of these sizes, or 0: in the first call that sees these values (most
 * weights change at every step, or are seen once), where transforming takes no time worth mentioning, and once memory has been short.
 */
export function keptFilters(weight: Tensor, sizes: readonly number[]): number {
  const { buffer, backend } = weight
  const heap = heapOf(backend)
  if (buffer.arena !== heap || heap.pressed) return 0
  const count = backend.filterCount(...sizes)
  if (count === 0) return 0
  const version = buffer.version!
  let entry = known.get(buffer)
  if (!entry) known.set(buffer, (entry = { seen: NaN, filters: null }))
  if (entry.seen !== version) {
    entry.seen = version
    // kept filters are as good again after one transformation
    if (!entry.filters || !buffer.made) return 0
  }
  const [, c, o] = sizes as [number, number, number]
  let { filters } = entry
  if (!filters || buffer.made !== filters.buffer || filters.c !== c || filters.o !== o) {
    const made = roomFor(heap, count * backend.width)
    if (!made) return 0
    heap.keep(buffer, made)
    entry.filters = filters = { buffer: made, version: NaN, c, o }
  }
  const kept = filters
  recorder?.hold(buffer)
  recorder?.hold(kept.buffer)
  hostMark(() => {
    if (kept.version === buffer.version) return
    backend.makeFilters(...sizes, buffer.address, kept.buffer.address)
    kept.version = buffer.version!
  })
  return kept.buffer.address
}
