// Encodes small pictures as PNG (W3C PNG, third edition) without compressing them, and files as data: addresses.

/** Pixels row by row, 1 (grey) or 3 (red, green, blue) bytes each. */
export interface Picture {
  width: number
  height: number
  channels: 1 | 3
  pixels: Uint8Array
}

/** The most bytes that a stored block of deflate can hold (RFC 1951 §3.2.4). */
const BLOCK = 65535

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

function adler32(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}

/** A zlib stream (RFC 1950) of stored blocks. */
function stored(bytes: Uint8Array): Uint8Array {
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK))
  const out = new Uint8Array(2 + 5 * blocks + bytes.length + 4)
  const view = new DataView(out.buffer)
  view.setUint16(0, 0x7801)
  let at = 2
  for (let i = 0; i < blocks; i++) {
    const part = bytes.subarray(i * BLOCK, (i + 1) * BLOCK)
    out[at] = i === blocks - 1 ? 1 : 0
    view.setUint16(at + 1, part.length, true)
    view.setUint16(at + 3, ~part.length & 0xffff, true)
    out.set(part, at + 5)
    at += 5 + part.length
  }
  view.setUint32(at, adler32(bytes))
  return out
}

function chunk(name: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + data.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, data.length)
  for (let i = 0; i < 4; i++) out[4 + i] = name.charCodeAt(i)
  out.set(data, 8)
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)))
  return out
}

/** The bytes of a PNG file. Throws RangeError where the pixels don't fill width × height × channels. */
export function encodePng({ width, height, channels, pixels }: Picture): Uint8Array {
  if (!(width >= 1 && height >= 1) || pixels.length !== width * height * channels) {
    throw new RangeError(`encodePng: ${width}×${height} pixels of ${channels} bytes expected, got ${pixels.length} bytes`)
  }
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([8, channels === 3 ? 2 : 0, 0, 0, 0], 8)
  const row = width * channels
  const rows = new Uint8Array(height * (row + 1))
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1)
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10)
  const parts = [signature, chunk('IHDR', header), chunk('IDAT', stored(rows)), chunk('IEND', new Uint8Array(0))]
  const file = new Uint8Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    file.set(part, at)
    at += part.length
  }
  return file
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Not every runtime has btoa or Buffer. */
export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const three = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const left = bytes.length - i
    text += LETTERS[three >>> 18]! + LETTERS[(three >>> 12) & 63]!
    text += (left > 1 ? LETTERS[(three >>> 6) & 63]! : '=') + (left > 2 ? LETTERS[three & 63]! : '=')
  }
  return text
}

/** A picture as the address of an <img>. */
export const pictureAddress = (picture: Picture): string => `data:image/png;base64,${base64(encodePng(picture))}`
