// Reads PNG images as grey values. Format: w3.org/TR/png-3.

import { joined } from './bytes.js'
import { inflate, InflateError } from './inflate.js'

/** An image that can't be read: the message says what was expected and what came. */
export class PngError extends Error {
  override name = 'PngError'
}

export interface GreyImage {
  width: number
  height: number
  /** 0 (black) to 255 (white), row by row; transparent pixels lie on white */
  grey: Float32Array
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10]
/** Samples a pixel and bit depths allowed, by colour type */
const COLOURS: Record<number, { samples: number, depths: readonly number[] }> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
}
const PALETTE = 3
/** Luminance of red, green and blue (ITU-R BT.601) */
const LUMINANCE = [0.299, 0.587, 0.114] as const

interface Header {
  width: number
  height: number
  depth: number
  colour: number
}

interface Chunks {
  header: Header
  palette: Uint8Array | null
  transparency: Uint8Array | null
  data: Uint8Array[]
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})
function crc(bytes: Uint8Array): number {
  let c = 0xffffffff
  for (const byte of bytes) c = CRC[(c ^ byte) & 255]! ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}

function readHeader(view: DataView, at: number, length: number, maxPixels: number): Header {
  if (length !== 13) throw new PngError(`png: a header of 13 bytes expected, got ${length}`)
  const header = { width: view.getUint32(at), height: view.getUint32(at + 4), depth: view.getUint8(at + 8), colour: view.getUint8(at + 9) }
  const { width, height, depth, colour } = header
  if (width === 0 || height === 0 || width * height > maxPixels) {
    throw new PngError(`png: 1 to ${maxPixels} pixels expected, got ${width} × ${height}: send a smaller image`)
  }
  if (!COLOURS[colour]?.depths.includes(depth)) throw new PngError(`png: a colour type and bit depth of the standard expected, got type ${colour} with ${depth} bits`)
  if (view.getUint8(at + 10) !== 0 || view.getUint8(at + 11) !== 0) throw new PngError('png: compression and filter method 0 expected')
  if (view.getUint8(at + 12) !== 0) throw new PngError('png: an image without interlacing expected: save it without')
  return header
}

function readChunks(bytes: Uint8Array, maxPixels: number): Chunks {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new PngError('png: a PNG file expected, got something else: its first eight bytes are not the signature')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let header: Header | null = null
  const chunks: Omit<Chunks, 'header'> = { palette: null, transparency: null, data: [] }
  for (let at = 8; ;) {
    if (at + 12 > bytes.length) throw new PngError(`png: truncated after ${bytes.length} bytes, before its end chunk`)
    const length = view.getUint32(at)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    const body = at + 8
    if (length > bytes.length - body - 4) throw new PngError(`png: truncated: chunk ${JSON.stringify(type)} of ${length} bytes is cut off`)
    if (crc(bytes.subarray(at + 4, body + length)) !== view.getUint32(body + length)) throw new PngError(`png: damaged: the checksum of chunk ${JSON.stringify(type)} is wrong`)
    const content = bytes.subarray(body, body + length)
    if (!header && type !== 'IHDR') throw new PngError(`png: a header first expected, got chunk ${JSON.stringify(type)}`)
    if (type === 'IHDR') header = readHeader(view, body, length, maxPixels)
    else if (type === 'PLTE') chunks.palette = content
    else if (type === 'tRNS') chunks.transparency = content
    else if (type === 'IDAT') chunks.data.push(content)
    else if (type === 'IEND') break
    at = body + length + 4
  }
  if (header!.colour === PALETTE && !chunks.palette) throw new PngError('png: a palette expected, got none')
  return { header: header!, ...chunks }
}

function decompressed(parts: readonly Uint8Array[], size: number): Uint8Array {
  try {
    return inflate(joined(parts), size)
  } catch (error) {
    if (error instanceof InflateError) throw new PngError(`png: pixels of ${size} bytes expected, got damaged data: ${error.message}`)
    throw error
  }
}

const paeth = (a: number, b: number, c: number): number => {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)]
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c
}

/** Undo the rows' filters in place: each row begins with the number of its filter. `step`: bytes from a pixel to the next */
function unfilter(bytes: Uint8Array, rowBytes: number, height: number, step: number): void {
  for (let y = 0; y < height; y++) {
    const row = y * (rowBytes + 1)
    const filter = bytes[row]!
    if (filter > 4) throw new PngError(`png: a row filter 0 to 4 expected, got ${filter} in row ${y}`)
    for (let i = 1; filter > 0 && i <= rowBytes; i++) {
      const left = i > step ? bytes[row + i - step]! : 0
      const up = y > 0 ? bytes[row + i - rowBytes - 1]! : 0
      const corner = y > 0 && i > step ? bytes[row + i - rowBytes - 1 - step]! : 0
      bytes[row + i]! += filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner)
    }
  }
}

/** Sample `i` of the row that begins (after its filter) at `row`, with all its bits */
function sample(bytes: Uint8Array, row: number, i: number, depth: number): number {
  if (depth === 16) return (bytes[row + 2 * i]! << 8) | bytes[row + 2 * i + 1]!
  const bit = i * depth
  return (bytes[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)
}

/** Grey value 0..255 of each pixel, on white */
function greyOf(bytes: Uint8Array, { header: { width, height, depth, colour }, palette, transparency }: Chunks, rowBytes: number): Float32Array {
  const { samples } = COLOURS[colour]!
  const most = (1 << depth) - 1
  const grey = new Float32Array(width * height)
  /** In a grey or colour image without alpha one colour can be transparent */
  const clear = transparency && colour !== PALETTE && transparency.length >= 2 * samples ? new DataView(transparency.buffer, transparency.byteOffset) : null
  const colours = samples < 3 ? 1 : 3
  const values = [0, 0, 0, 0]
  for (let y = 0; y < height; y++) {
    const row = y * (rowBytes + 1) + 1
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < samples; k++) values[k] = sample(bytes, row, x * samples + k, depth)
      let [red, green, blue] = values as [number, number, number, number]
      let alpha = samples > colours ? values[colours]! / most : 1
      if (colour === PALETTE) {
        const entry = red
        if (3 * entry + 3 > palette!.length) throw new PngError(`png: a palette of more than ${entry} colours expected, got ${palette!.length / 3}`)
        alpha = (transparency?.[entry] ?? 255) / 255
        red = palette![3 * entry]! / 255
        green = palette![3 * entry + 1]! / 255
        blue = palette![3 * entry + 2]! / 255
      } else {
        if (clear && values.every((v, k) => k >= samples || clear.getUint16(2 * k) === v)) alpha = 0
        red /= most
        green = colours === 1 ? red : green / most
        blue = colours === 1 ? red : blue / most
      }
      const light = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
      grey[y * width + x] = 255 * (alpha * light + 1 - alpha)
    }
  }
  return grey
}

/**
 * A PNG file of any colour type and bit depth, not interlaced, as grey values.
 * @throws PngError for a file that is none, is damaged, or has more than `maxPixels` pixels
 */
export function readPng(bytes: Uint8Array, maxPixels = 1 << 20): GreyImage {
  const chunks = readChunks(bytes, maxPixels)
  const { width, height, depth, colour } = chunks.header
  const bits = COLOURS[colour]!.samples * depth
  const rowBytes = Math.ceil((width * bits) / 8)
  const pixels = decompressed(chunks.data, (rowBytes + 1) * height)
  unfilter(pixels, rowBytes, height, Math.max(1, bits >> 3))
  return { width, height, grey: greyOf(pixels, chunks, rowBytes) }
}
