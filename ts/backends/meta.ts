// The meta backend: addresses without memory behind them. Tensors have shapes, kernels do nothing, so that models of any size can be
// built and run for their shapes.

import { SHAPES_ONLY } from '../arena.js'
import type { Backend, Kernels } from '../kernels.js'

/** A backend whose address space ends at 2^53, with the kernels of another. Reading what a kernel would have computed is an error. */
export function createMeta({ kernels }: Backend): Backend {
  let top = 64
  // what the host wrote as int32 (labels, indices, counters) is known, because ops check indices on the host
  const written = new Map<number, Int32Array>()
  const nothing = (...args: number[]): void => {
    // outputs come last: what lay there is overwritten
    written.delete(args[args.length - 1]!)
  }
  const unknown = () => -1
  const known = (address: number, n: number): Int32Array => {
    const values = written.get(address)
    if (values && values.length >= n) return values.slice(0, n)
    throw new Error('meta: this tensor has a shape but no values: make it, and the model it comes from, outside onMeta() to compute')
  }
  return {
    name: 'meta',
    variant: SHAPES_ONLY,
    width: 4,
    kernels: {
      ...(Object.fromEntries(Object.keys(kernels).map(name => [name, nothing])) as Record<keyof Kernels<number>, typeof nothing>),
      crossEntropy: unknown,
      firstNonFinite: unknown,
    },
    bytes: 0,
    total: 0,
    most: Infinity,
    reserve(bytes) {
      const address = top
      if (top + bytes > Number.MAX_SAFE_INTEGER) throw new RangeError('the end of the 2^53 addresses that a number can name')
      top += bytes
      return address
    },
    read: (address, n, dtype) => known(dtype === 'int32' ? address : NaN, n),
    readOne: (address, dtype) => known(dtype === 'int32' ? address : NaN, 1)[0]!,
    write(address, values, dtype) {
      if (dtype === 'int32') written.set(address, Int32Array.from(values))
    },
    writeScalars() {},
    filterCount: () => 0,
    makeFilters() {},
    readWords: known,
    writeWords(address, words) {
      written.set(address, Int32Array.from(words))
    },
  }
}
