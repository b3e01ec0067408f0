// The kernels with plain SIMD, made of those with relaxed SIMD by what makes them at run time too: assembly/unpack.ts.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.js'

/** What unpacks the kernels from their text: buildKernels() makes it */
export const UNPACKER = 'build/wasm/unpack.wasm'
const PAGE = 65536

/** A module that arranged() has prepared, with a multiplication and an addition for every relaxed_madd */
export function plain(module) {
  const { memory, TEXT, plain } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(join(root, UNPACKER)))).exports
  const from = TEXT.value
  const out = from + module.length
  memory.grow(Math.ceil((2 * module.length) / PAGE) + 1)
  new Uint8Array(memory.buffer, from).set(module)
  return Buffer.from(memory.buffer.slice(out, plain(from, out, out)))
}
