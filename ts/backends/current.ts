// Which backend new tensors live on, and the settings of the engine: configure() and info().

import type { Backend } from '../kernels.js'
import { limitMemory, megabytes, memoryLimit } from '../arena.js'
import { heapOf, memoryInUse, synchronous } from '../memory.js'
import { createMeta } from './meta.js'
import { createReference } from './reference/index.js'
import { compiledBinary, createWasm, KERNEL_BYTES, wasmAvailable, wasmRefusal, type Compiled, type WasmBackend } from './wasm.js'

export type BackendName = Backend['name']
type Computing = Exclude<BackendName, 'meta'>
const NAMES: readonly Computing[] = ['wasm', 'reference', 'reference64']

export interface Settings {
  /** wasm, or the plain-TypeScript reference in float32 or float64 (default wasm where WebAssembly SIMD is available) */
  backend?: Computing
  /**
   * The plain SIMD binary, whose results are bit-equal on every runtime (default false: where there is relaxed SIMD, multiply-adds are
   * fused, which is faster by a tenth and rounds as the processor and the runtime please)
   */
  strict?: boolean
  /**
   * Only direct convolution algorithms, whose rounding error is that of a plain sum (default false: many 3 × 3 convolutions are
   * done two to three times faster by Winograd's, with up to twice the error, and a NaN or infinity spreads to its neighbours)
   */
  precise?: boolean
  memory?: {
    /**
     * Largest number of bytes of the engine's linear memory: tensors, what is grown ahead, and on wasm 4.1 MB for the kernels
     * (default: what the runtime grants)
     */
    limit?: number
  }
}

const settings = { strict: false, precise: false, limit: Infinity }
const made = new Map<BackendName, Backend>()
let wasm: WasmBackend | null = null
/** The binary of the next backend, if not the fastest */
let compiled: Compiled | undefined
/** `wasm` comes from hebb/threads */
let adopted = false
let preferred: BackendName | null = null
let meta: Backend | null = null

export function backendNamed(name: BackendName): Backend {
  const before = made.get(name)
  if (before) return before
  if (name === 'meta') return (meta ??= createMeta(backendNamed(wasmAvailable() ? 'wasm' : 'reference')))
  if (!NAMES.includes(name)) throw new Error(`backend: ${NAMES.join(', ')} expected, got ${name}`)
  const backend = name === 'wasm' ? (wasm = createWasm(compiled)) : createReference(name === 'reference' ? 4 : 8, memoryLimit)
  wasm?.setPrecise(settings.precise)
  made.set(name, backend)
  return backend
}

function requireNoTensors(by: string): void {
  if (memoryInUse()) throw new Error(`${by}: tensors exist already: call it before the first tensor is made`)
}

/** Pins the plain binary, or takes the fastest again. Compiled at once: inside a request, where tensors may be made, it can be forbidden. */
function setStrict(strict: boolean): void {
  if (strict === settings.strict) return
  if (adopted) throw new Error('configure: threads compute already, with their own binary: call it before useThreads()')
  if (wasmAvailable()) {
    try {
      compiled = compiledBinary(strict ? 'simd' : undefined)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`configure: strict needs the plain binary, which can't be compiled here (${reason}): call it where modules are loaded, not inside a request`)
    }
    if (wasm?.variant !== compiled.binary) {
      made.delete('wasm')
      wasm = null
    }
  }
  settings.strict = strict
}

/**
 * Makes a backend whose kernels are those of hebb/threads the one for WebAssembly.
 * @throws Error once tensors exist
 */
export function adoptWasm(backend: WasmBackend): void {
  requireNoTensors('useThreads')
  backend.setPrecise(settings.precise)
  made.set('wasm', (wasm = backend))
  adopted = true
}

/** Where tensors made now live. */
export function currentBackend(): Backend {
  preferred ??= wasmAvailable() ? 'wasm' : 'reference'
  return backendNamed(preferred)
}

/**
 * Run `f` with new tensors on another backend, for tests and comparisons.
 * @throws TypeError if f returns a promise: the backend is the old one again when f returns
 */
export function onBackend<T>(name: BackendName, f: () => T): T {
  return preferring('onBackend', name, f)
}

/**
 * Run `f` with new tensors that have shapes but neither memory nor values, so that a model of any size can be built and run for
 * its shapes: `onMeta(() => new VGG16())`. Reading values is an error; so is mixing such tensors with ordinary ones.
 * @throws TypeError if f returns a promise
 */
export function onMeta<T>(f: () => T): T {
  return preferring('onMeta', 'meta', f)
}

function preferring<T>(by: string, name: BackendName, f: () => T): T {
  const was = preferred
  preferred = name
  try {
    return synchronous(by, f())
  } finally {
    preferred = was
  }
}

/**
 * Settings of the engine, before the first tensor.
 * @throws Error once tensors exist, or for a setting that does not exist
 */
export function configure(wanted: Settings): void {
  requireNoTensors('configure')
  const known = ['backend', 'strict', 'precise', 'memory']
  for (const key of Object.keys(wanted)) if (!known.includes(key)) throw new Error(`configure: ${known.join(', ')} expected, got ${key}`)
  if (wanted.backend !== undefined) {
    if (!NAMES.includes(wanted.backend)) throw new Error(`configure: backend must be one of ${NAMES.join(', ')}, got ${wanted.backend}`)
    preferred = wanted.backend
  }
  setStrict(wanted.strict ?? settings.strict)
  settings.precise = wanted.precise ?? settings.precise
  wasm?.setPrecise(settings.precise)
  const limit = wanted.memory?.limit
  if (limit !== undefined) {
    if (!(limit > 0)) throw new Error(`configure: memory.limit must be a number of bytes > 0, got ${limit}`)
    const name = preferred ?? (wasmAvailable() ? 'wasm' : 'reference')
    if (name === 'wasm' && limit <= KERNEL_BYTES) {
      throw new Error(`configure: a memory.limit above the ${megabytes(KERNEL_BYTES)} that the kernels need expected, got ${megabytes(limit)}`)
    }
    limitMemory((settings.limit = limit))
  }
}

export interface Info {
  /** meta inside onMeta() */
  backend: BackendName
  /** relaxed or simd, or the element type of a reference backend */
  binary: string
  /** How many threads compute: 1 without useThreads() of hebb/threads */
  threads: number
  strict: boolean
  precise: boolean
  memory: {
    /** Buffers alive and their bytes; those of transformed convolution weights among them; the most bytes alive at once; bytes reserved for them; all linear memory, which has the limit */
    buffers: number
    bytes: number
    filters: number
    peak: number
    reserved: number
    total: number
    limit: number
  }
  /** Why WebAssembly is not used, or null */
  refused: string | null
}

/** What the engine runs on, and what its memory holds. */
export function info(): Info {
  const backend = currentBackend()
  const heap = heapOf(backend)
  return {
    backend: backend.name,
    binary: backend.variant,
    threads: backend === wasm ? wasm.threads : 1,
    strict: settings.strict,
    precise: settings.precise,
    memory: { buffers: heap.live, bytes: heap.liveBytes, filters: heap.keptBytes, peak: heap.peakBytes, reserved: backend.bytes, total: backend.total, limit: settings.limit },
    refused: wasmRefusal,
  }
}
