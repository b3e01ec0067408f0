// The WebAssembly backend: instantiates the compiled kernels over one linear memory and binds them to the kernel table.

import { megabytes, memoryLimit } from '../arena.js'
import type { Backend, DType, Kernels } from '../kernels.js'
import type { Rewriting } from './inlined.js'
import relaxed from '../../build/wasm/relaxed.wasm'
import simd from '../../build/wasm/simd.wasm'

const PAGE = 65536
/** Static data of the module fills page 0 (asconfig's initialMemory), scratch follows, then tensors. */
const STATIC_BYTES = PAGE
const SCRATCH_BYTES = 4 << 20
/** Vector loads may read past the last tensor, never write. */
const SLACK = 64

type Exports = Kernels<number> & Pick<Backend, 'filterCount' | 'makeFilters'> & {
  heapBase(): number
  setPrecise(on: number): void
  setShare(index: number, count: number): void
}

/** relaxed: fused multiply-adds, where the processor and the runtime have them. simd: the same bits everywhere */
export type Binary = 'relaxed' | 'simd'
/** Fastest first */
const COMPILERS: Record<Binary, (rewritten?: Rewriting) => WebAssembly.Module | null> = { relaxed, simd }

export interface WasmBackend extends Backend {
  readonly variant: Binary
  /** How many threads compute: more than one is hebb/threads' work */
  threads: number
  /** Only direct convolution algorithms from now on, or any (at first) */
  setPrecise(on: boolean): void
  /** From now on products, convolutions and batch norms do share `index` of `count` of their work */
  setShare(index: number, count: number): void
  /** Address of a scratch region for one more thread. Throws RangeError when there is no more memory. */
  reserveScratch(): number
}

/** A compiled binary and its name */
export interface Compiled {
  binary: Binary
  module: WebAssembly.Module
}

/** Why WebAssembly can't be used here, or null. */
export let wasmRefusal: string | null = null

/** The first binary that this runtime takes, compiled at import time: compiling later, inside a request, is forbidden on some edge runtimes. */
const fastest: Compiled | null = (() => {
  for (const binary of Object.keys(COMPILERS) as Binary[]) {
    try {
      const module = COMPILERS[binary]()
      if (module) return { binary, module }
    } catch (error) {
      wasmRefusal = error instanceof Error ? error.message : String(error)
    }
  }
  return null
})()
if (fastest) wasmRefusal = null

export const wasmAvailable = (): boolean => fastest !== null

/**
 * The fastest binary of this runtime, or one by name.
 * @param rewritten makes of it what is compiled
 * @throws Error where it can't be compiled
 */
export function compiledBinary(binary?: Binary, rewritten?: Rewriting): Compiled {
  if (!fastest) throw new Error(`wasm: not available here (${wasmRefusal})`)
  const name = binary ?? fastest.binary
  if (name === fastest.binary && !rewritten) return fastest
  const module = COMPILERS[name](rewritten)
  if (!module) throw new Error(`wasm: no ${name} SIMD here`)
  return { binary: name, module }
}

/** What the kernels need before the first tensor */
export const KERNEL_BYTES = STATIC_BYTES + SCRATCH_BYTES + SLACK
/** Size of a backend's memory at first */
export const WASM_PAGES = (STATIC_BYTES + SCRATCH_BYTES) / PAGE
const MOST_PAGES = 65536
const ownMemory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: WASM_PAGES, maximum: MOST_PAGES })

/** A backend on a compiled binary, with a memory of its own if none is given. Throws if WebAssembly with SIMD is not available. */
export function createWasm({ binary, module }: Compiled = compiledBinary(), memory: WebAssembly.Memory = ownMemory()): WasmBackend {
  const scratch = new WebAssembly.Global({ value: 'i32', mutable: false }, STATIC_BYTES)
  const exports = new WebAssembly.Instance(module, { env: { memory, scratch } }).exports as unknown as Exports
  const first = KERNEL_BYTES
  let top = first

  // growth detaches views, so they are made anew whenever the buffer has changed
  let buffer = memory.buffer
  let f32 = new Float32Array(buffer)
  let i32 = new Int32Array(buffer)
  let f64 = new Float64Array(buffer)
  const refresh = () => {
    if (buffer === memory.buffer) return
    buffer = memory.buffer
    f32 = new Float32Array(buffer)
    i32 = new Int32Array(buffer)
    f64 = new Float64Array(buffer)
  }
  const view = (dtype: DType) => {
    refresh()
    return dtype === 'int32' ? i32 : f32
  }
  const { filterCount, makeFilters, heapBase, setPrecise, setShare, ...kernels } = exports
  if (heapBase() > STATIC_BYTES) throw new Error('wasm: static data reaches into the scratch region; raise initialMemory in asconfig.json')

  const grown = (pages: number): boolean => {
    try {
      memory.grow(pages)
      return true
    } catch {
      return false
    }
  }
  // no getter in here: V8 would look the properties of such an object up by hashing, a sixth of a tiny op's time
  const backend: WasmBackend & { bytes: number; total: number } = {
    name: 'wasm',
    variant: binary,
    threads: 1,
    width: 4,
    kernels: kernels satisfies Kernels<number>,
    setPrecise(on) {
      setPrecise(on ? 1 : 0)
    },
    setShare,
    filterCount,
    makeFilters,
    reserveScratch: () => backend.reserve(SCRATCH_BYTES + SLACK),
    bytes: 0,
    total: memory.buffer.byteLength,
    most: MOST_PAGES * PAGE,
    reserve(bytes) {
      const address = top
      const pages = memory.buffer.byteLength / PAGE
      const missing = Math.ceil((top + bytes + SLACK) / PAGE) - pages
      if (missing > 0) {
        const limit = memoryLimit()
        const most = Math.min(MOST_PAGES, Math.floor(limit / PAGE))
        if (pages + missing > most) {
          throw new RangeError(most < MOST_PAGES ? `the limit of ${megabytes(limit)}, ${megabytes(first)} of it for the kernels,` : 'the end of the 4 GB that WebAssembly can address')
        }
        // growth in steps of an eighth, where that much is granted, so that many small tensors don't grow the memory page by page
        if (!grown(Math.min(most - pages, Math.max(missing, pages >> 3))) && !grown(missing)) {
          throw new RangeError('the end of the memory that this runtime grants')
        }
        backend.total = memory.buffer.byteLength
      }
      top += bytes
      backend.bytes = top - first
      return address
    },
    read(address, n, dtype) {
      return view(dtype).slice(address >>> 2, (address >>> 2) + n)
    },
    readOne(address, dtype) {
      return view(dtype)[address >>> 2]!
    },
    write(address, values, dtype) {
      view(dtype).set(values, address >>> 2)
    },
    writeScalars(address, values) {
      refresh()
      // set() of an array takes 50 ns
      for (let i = 0; i < values.length; i++) f64[(address >>> 3) + i] = values[i]!
    },
    readWords: (address, n) => backend.read(address, n, 'int32') as Int32Array,
    writeWords: (address, words) => backend.write(address, words, 'int32'),
  }
  return backend
}
