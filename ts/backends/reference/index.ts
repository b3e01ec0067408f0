// The reference backend: every kernel in obvious loops, in float64 arithmetic. It is the specification of the kernel table, the
// oracle of the kernel tests, and the fallback where WebAssembly is forbidden.

import type { Backend, DType, Kernels } from '../../kernels.js'
import { convolution } from './conv.js'
import { elementwise } from './elementwise.js'
import { layout } from './layout.js'
import { matrix } from './matrix.js'
import { LARGEST, Memory } from './memory.js'
import { normalisation } from './norm.js'
import { pooling } from './pool.js'
import { random } from './random.js'
import { reductions } from './reduce.js'
import { softmax } from './softmax.js'
import { update } from './update.js'

/**
 * A backend with a memory of its own, whose tensors hold float32 (width 4) or float64 (width 8). It knows nothing of the engine's state, because in
 * some forms of the library it is a file of its own.
 * @param limit the most bytes it may have
 */
export function createReference(width: 4 | 8, limit: () => number = () => Infinity): Backend {
  const memory = new Memory(width, limit)
  const view = (address: number, n: number, dtype: DType) => (dtype === 'int32' ? memory.ints(address, n) : memory.floats(address, n))
  return {
    name: width === 4 ? 'reference' : 'reference64',
    variant: width === 4 ? 'float32' : 'float64',
    width,
    kernels: {
      ...layout(memory),
      ...elementwise(memory),
      ...reductions(memory),
      ...softmax(memory),
      ...matrix(memory),
      ...convolution(memory),
      ...pooling(memory),
      ...normalisation(memory),
      ...random(memory),
      ...update(memory),
    } satisfies Kernels<number>,
    get bytes() {
      return memory.bytes
    },
    get total() {
      return memory.total
    },
    most: LARGEST,
    reserve(bytes) {
      return memory.reserve(bytes)
    },
    read(address, n, dtype) {
      return dtype === 'int32' ? Int32Array.from(view(address, n, dtype)) : memory.floats(address, n).slice()
    },
    readOne(address, dtype) {
      return view(address, 1, dtype)[0]!
    },
    write(address, values, dtype) {
      view(address, values.length, dtype).set(values)
    },
    writeScalars(address, values) {
      memory.scalars(address, values.length).set(values)
    },
    filterCount: () => 0,
    makeFilters() {},
    readWords(address, n) {
      return memory.words(address, n).slice()
    },
    writeWords(address, words) {
      memory.words(address, words.length).set(words)
    },
  }
}
