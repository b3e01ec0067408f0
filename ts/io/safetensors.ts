// The safetensors format: a JSON header of names, types, shapes and byte ranges, then raw little-endian numbers.
// Layout and limits as in github.com/huggingface/safetensors; files may come from anywhere, so nothing in them is believed.

import { decodeUtf8, encodeUtf8 } from './utf8.js'

export type SafeData = Float32Array | Int32Array | Uint8Array

export interface SafeTensor {
  shape: number[]
  dtype: 'F32' | 'I32' | 'U8'
  data: SafeData
}

export interface SafetensorsFile {
  tensors: Map<string, SafeTensor>
  metadata: Record<string, string>
}

/** A file that can't be read, or tensors that can't be written: "FILE: tensor 'NAME': expected ..., got ...". */
export class SafetensorsError extends Error {
  override name = 'SafetensorsError'
}

interface Stored {
  width: number
  as: SafeTensor['dtype']
  read(view: DataView, at: number): number
}

/** Types that are converted on reading; F32, I32 and U8 are taken as they are. */
const TYPES: Record<string, Stored> = {
  F32: { width: 4, as: 'F32', read: (view, at) => view.getFloat32(at, true) },
  I32: { width: 4, as: 'I32', read: (view, at) => view.getInt32(at, true) },
  U8: { width: 1, as: 'U8', read: (view, at) => view.getUint8(at) },
  BOOL: { width: 1, as: 'U8', read: (view, at) => view.getUint8(at) },
  F64: { width: 8, as: 'F32', read: (view, at) => view.getFloat64(at, true) },
  F16: { width: 2, as: 'F32', read: (view, at) => half(view.getUint16(at, true)) },
  BF16: { width: 2, as: 'F32', read: bfloat },
  I8: { width: 1, as: 'I32', read: (view, at) => view.getInt8(at) },
  I16: { width: 2, as: 'I32', read: (view, at) => view.getInt16(at, true) },
  U16: { width: 2, as: 'I32', read: (view, at) => view.getUint16(at, true) },
  U32: { width: 4, as: 'I32', read: (view, at) => view.getUint32(at, true) },
  I64: { width: 8, as: 'I32', read: (view, at) => Number(view.getBigInt64(at, true)) },
  U64: { width: 8, as: 'I32', read: (view, at) => Number(view.getBigUint64(at, true)) },
}

/** IEEE binary16. Every step is exact: powers of two times integers of 11 bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  if (exponent === 0) return (sign * fraction) / 0x1000000
  return exponent < 25 ? (sign * (1024 + fraction)) / (1 << (25 - exponent)) : sign * (1024 + fraction) * (1 << (exponent - 25))
}

const word = new DataView(new ArrayBuffer(4))

/** bfloat16 is the upper half of a float32. */
function bfloat(view: DataView, at: number): number {
  word.setUint32(0, view.getUint16(at, true) << 16)
  return word.getFloat32(0)
}

const asFloat = new Float32Array(1)
const asBits = new Uint32Array(asFloat.buffer)

/** `bits` without the last n, to nearest, ties to even. A carry runs into the exponent and there up to infinity, as it should. */
function rounded(bits: number, n: number): number {
  const kept = bits >>> n
  const rest = bits - kept * (1 << n)
  const tie = 1 << (n - 1)
  return rest > tie || (rest === tie && kept % 2 === 1) ? kept + 1 : kept
}

/** The binary16 nearest to x, as bits; one rounding, also below the normal numbers. */
function toHalf(x: number): number {
  asFloat[0] = x
  const bits = asBits[0]!
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // from 2^16 on: infinity
  if (magnitude >= 0x47800000) return sign | 0x7c00
  // the bias of the exponent is 127 there, 15 here
  if (magnitude >= 0x38800000) return sign | rounded(magnitude - 0x38000000, 13)
  const shift = 126 - (magnitude >>> 23)
  return shift > 24 ? sign : sign | rounded((magnitude & 0x7fffff) | 0x800000, shift)
}

function toBfloat(x: number): number {
  asFloat[0] = x
  const bits = asBits[0]!
  // the NaN whose payload lies in the lower half must not become infinity
  return (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : rounded(bits, 16)
}

const NARROW = { f16: { dtype: 'F16', bits: toHalf }, bf16: { dtype: 'BF16', bits: toBfloat } } as const

export interface WriteOptions {
  /** How F32 tensors are stored: 'f32' (default), or rounded to the nearest 'f16' or 'bf16', ties to even */
  dtype?: 'f32' | keyof typeof NARROW
}

const KINDS = { F32: '[object Float32Array]', I32: '[object Int32Array]', U8: '[object Uint8Array]' }
const RESERVED = new Set(['__metadata__', '__proto__'])
const quote = (text: string): string => JSON.stringify(text.length > 80 ? text.slice(0, 79) + '…' : text).replace(/\p{C}/gu, '\ufffd')
const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x)

/** Number of elements, or NaN where the shape isn't a list of sizes. */
function sizeOf(shape: unknown): number {
  if (!Array.isArray(shape)) return NaN
  let n = 1
  for (const d of shape) n = Number.isSafeInteger(d) && d >= 0 ? n * d : NaN
  return n
}

/**
 * The bytes of a file with these tensors. The same input gives the same bytes: names stay in the order given (use a Map
 * for names like '0', which objects reorder), the header is padded with spaces to a multiple of 8. Data lie in order of
 * decreasing element width, because the format allows no gaps and readers want aligned numbers.
 * @throws SafetensorsError that names the tensor, or RangeError for another dtype
 */
export function writeSafetensors(
  tensors: Record<string, SafeTensor> | ReadonlyMap<string, SafeTensor>, metadata?: Record<string, string>, { dtype: as = 'f32' }: WriteOptions = {},
): Uint8Array {
  if (as !== 'f32' && !Object.hasOwn(NARROW, as)) throw new RangeError(`writeSafetensors: dtype f32, f16 or bf16 expected, got ${as}`)
  const narrow = as === 'f32' ? null : NARROW[as]
  const stored = (dtype: SafeTensor['dtype']) => (narrow && dtype === 'F32' ? narrow.dtype : dtype)
  const list: [string, SafeTensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  for (const [name, { shape, dtype, data }] of list) {
    const fail = (text: string) => new SafetensorsError(`writeSafetensors: tensor ${quote(name)}: ${text}`)
    if (RESERVED.has(name)) throw fail('expected another name, this one is reserved')
    if (!Object.hasOwn(KINDS, dtype)) throw fail(`expected dtype F32, I32 or U8, got ${dtype}`)
    // instanceof would refuse arrays of another realm (a frame, a vm context).
    if (Object.prototype.toString.call(data) !== KINDS[dtype]) {
      throw fail(`expected ${KINDS[dtype].slice(8, -1)} for dtype ${dtype}`)
    }
    if (sizeOf(shape) !== data.length) throw fail(`expected sizes whose product is ${data.length}, got shape [${shape}]`)
  }
  const ranges = new Map<string, [number, number]>()
  let end = 0
  for (const width of [4, 2, 1]) {
    for (const [name, { dtype, data }] of list) {
      if (TYPES[stored(dtype)]!.width === width) ranges.set(name, [end, (end += data.length * width)])
    }
  }
  const fields = list.map(([name, { shape, dtype }]) => {
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype: stored(dtype), shape, data_offsets: ranges.get(name) })}`
  })
  if (metadata && Object.keys(metadata).length > 0) {
    for (const [key, value] of Object.entries(metadata)) {
      if (typeof value !== 'string') {
        throw new SafetensorsError(`writeSafetensors: metadata ${quote(key)}: expected a string, got ${typeof value}`)
      }
    }
    fields.unshift(`"__metadata__":${JSON.stringify(metadata)}`)
  }
  const header = encodeUtf8(`{${fields.join(',')}}`)
  const padded = Math.ceil(header.length / 8) * 8
  const file = new Uint8Array(8 + padded + end)
  const view = new DataView(file.buffer)
  view.setUint32(0, padded, true)
  file.fill(0x20, 8, 8 + padded).set(header, 8)
  for (const [name, { dtype, data }] of list) {
    const at = 8 + padded + ranges.get(name)![0]
    if (narrow && dtype === 'F32') for (let i = 0; i < data.length; i++) view.setUint16(at + 2 * i, narrow.bits(data[i]!), true)
    else file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
  }
  return file
}

/**
 * Reads a file. F16, BF16 and F64 become float32; BOOL becomes U8; the other integers become I32 and must fit. Data that
 * need no conversion share the memory of `bytes` where they are aligned. Throws SafetensorsError naming `name` and the
 * tensor for every file that breaks a rule of the format; allocates no more than the file's own size, twice that for F16 and BF16
 * and four times for 8-bit integers.
 */
export function readSafetensors(content: Uint8Array | ArrayBuffer, name = 'safetensors'): SafetensorsFile {
  const bytes = content instanceof ArrayBuffer ? new Uint8Array(content) : content
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${name}: the file's bytes expected, a Uint8Array, got ${typeof bytes}`)
  const fail = (text: string, cause?: unknown) => new SafetensorsError(`${name}: ${text}`, { cause })
  if (bytes.length < 10) throw fail(`expected a safetensors file of at least 10 bytes, got ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 0x100000000
  if (length > bytes.length - 8) {
    throw fail(
      `expected a safetensors file, whose first 8 bytes give its header's length, got ${length} before ${bytes.length - 8} bytes`,
    )
  }
  const start = 8 + length
  const header = readHeader(bytes.subarray(8, start), fail)
  const tensors = new Map<string, SafeTensor>()
  const metadata: Record<string, string> = {}
  const ranges: { key: string, from: number, to: number }[] = []
  for (const [key, entry] of Object.entries(header)) {
    const wrong = (text: string) => fail(key === '__metadata__' ? `__metadata__: ${text}` : `tensor ${quote(key)}: ${text}`)
    if (!isObject(entry)) throw wrong(`expected an object, got ${quote(JSON.stringify(entry))}`)
    if (key === '__metadata__') {
      for (const [field, value] of Object.entries(entry)) {
        if (typeof value !== 'string') throw wrong(`expected a string for ${quote(field)}, got ${quote(JSON.stringify(value))}`)
        metadata[field] = value
      }
      continue
    }
    const { dtype, shape, data_offsets: offsets } = entry
    const got = (x: unknown) => (x === undefined ? 'nothing' : quote(JSON.stringify(x)))
    const type = typeof dtype === 'string' && Object.hasOwn(TYPES, dtype) ? TYPES[dtype]! : undefined
    if (!type) throw wrong(`expected a dtype of ${Object.keys(TYPES).join(', ')}, got ${got(dtype)}`)
    const size = sizeOf(shape)
    if (!Array.isArray(shape) || !Number.isSafeInteger(size)) {
      throw wrong(`expected a shape of whole numbers ≥ 0, got ${got(shape)}`)
    }
    const body = bytes.length - start
    const [from, to] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : []
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || (from as number) < 0 || (from as number) > (to as number)) {
      throw wrong(`expected data_offsets [start, end], got ${got(offsets)}`)
    }
    const range = { key, from: from as number, to: to as number }
    if (range.to > body) {
      throw wrong(
        `expected data_offsets up to ${body}, the bytes after the header, got [${from},${to}]: the file may be truncated`,
      )
    }
    if (range.to - range.from !== size * type.width) {
      throw wrong(`expected ${size * type.width} bytes for ${dtype} of shape [${shape}], got data_offsets [${from},${to}]`)
    }
    ranges.push(range)
    tensors.set(key, { shape: shape as number[], dtype: type.as, data: new Uint8Array(0) })
  }
  checkTiling(ranges, bytes.length - start, fail)
  for (const { key, from, to } of ranges) {
    const tensor = tensors.get(key)!
    const dtype = (header[key] as { dtype: string }).dtype
    tensor.data = readData(bytes, view, start + from, start + to, dtype, text => fail(`tensor ${quote(key)}: ${text}`))
  }
  return { tensors, metadata }
}

type Fail = (text: string, cause?: unknown) => SafetensorsError

/** Every byte after the header belongs to exactly one tensor: overlaps and gaps are how files smuggle or lose data. */
function checkTiling(ranges: { key: string, from: number, to: number }[], size: number, fail: Fail): void {
  let end = 0
  for (const { key, from, to } of [...ranges].sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) {
      const what = from < end ? 'overlap another tensor' : 'leave a gap before them'
      throw fail(`tensor ${quote(key)}: expected data_offsets that begin at ${end}, got [${from},${to}], which ${what}`)
    }
    end = to
  }
  if (end !== size) throw fail(`expected ${end} bytes of data after the header, as its last tensor ends there, got ${size}`)
}

function readHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string
  let header: unknown
  try {
    text = decodeUtf8(bytes)
    header = JSON.parse(text)
  } catch (cause) {
    throw fail('expected a header in JSON, got something else: the file is damaged or no safetensors file', cause)
  }
  if (!isObject(header)) throw fail(`expected a header that is a JSON object, got ${quote(text)}`)
  checkKeys(text, fail)
  return header
}

/** JSON.parse keeps the last of two equal keys in silence. `text` is valid JSON, so a string before a colon is a key. */
function checkKeys(text: string, fail: Fail): void {
  const open: Set<string>[] = []
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '{') open.push(new Set())
    else if (c === '}') open.pop()
    else if (c === '"') {
      const from = i++
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
      let next = i + 1
      while (text[next] === ' ' || text[next] === '\n' || text[next] === '\r' || text[next] === '\t') next++
      if (text[next] !== ':') continue
      const key = JSON.parse(text.slice(from, i + 1)) as string
      const keys = open[open.length - 1]!
      if (keys.has(key)) throw fail(`key ${quote(key)}: expected once, got it twice`)
      if (key === '__proto__') throw fail(`key ${quote(key)}: expected another name, this one is reserved`)
      keys.add(key)
    }
  }
}

function readData(
  bytes: Uint8Array, view: DataView, from: number, to: number, dtype: string, fail: (text: string) => SafetensorsError,
): SafeData {
  const { width, as, read } = TYPES[dtype]!
  const count = (to - from) / width
  if (dtype === 'U8' || dtype === 'BOOL') return bytes.subarray(from, to)
  const Numbers = as === 'F32' ? Float32Array : Int32Array
  if (dtype === as && (bytes.byteOffset + from) % 4 === 0) {
    return new Numbers(bytes.buffer as ArrayBuffer, bytes.byteOffset + from, count)
  }
  const data = new Numbers(count)
  for (let i = 0, at = from; i < count; i++, at += width) {
    const x = read(view, at)
    data[i] = x
    if (as === 'I32' && data[i] !== x) throw fail(`expected ${dtype} values that fit into 32 bits, got ${x} at position ${i}`)
  }
  return data
}
