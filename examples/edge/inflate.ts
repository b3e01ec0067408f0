// Decompression of the zlib format (RFC 1950 and 1951), for hosts without DecompressionStream.

/** Compressed bytes that are none */
export class InflateError extends Error {
  override name = 'InflateError'
}
const bad = (why: string): never => {
  throw new InflateError(why)
}

const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
const LONGEST = 15
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const DISTANCES = Array.from({ length: 30 }, (_, i) => (i < 4 ? i + 1 : ((2 + (i & 1)) << ((i >> 1) - 1)) + 1))
const END = 256

/** A canonical Huffman code: how many codes have each length, and the symbols in the order of their codes */
interface Code {
  counts: Uint16Array
  symbols: Uint16Array
}
function codeOf(lengths: readonly number[]): Code {
  const counts = new Uint16Array(LONGEST + 1)
  for (const length of lengths) counts[length]!++
  counts[0] = 0
  let free = 1
  for (let length = 1; length <= LONGEST; length++) {
    free = 2 * free - counts[length]!
    if (free < 0) bad('a code with more symbols than it has room for')
  }
  const next = new Uint16Array(LONGEST + 2)
  for (let length = 1; length <= LONGEST; length++) next[length + 1] = next[length]! + counts[length]!
  const symbols = new Uint16Array(lengths.length)
  lengths.forEach((length, symbol) => {
    if (length > 0) symbols[next[length]!++] = symbol
  })
  return { counts, symbols }
}

const FIXED: readonly [Code, Code] = [
  codeOf(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  codeOf(Array.from({ length: 30 }, () => 5)),
]

class Bits {
  #held = 0
  #n = 0
  constructor(readonly bytes: Uint8Array, public at: number) {}
  take(n: number): number {
    while (this.#n < n) {
      if (this.at >= this.bytes.length) bad('an end in the middle')
      this.#held |= this.bytes[this.at++]! << this.#n
      this.#n += 8
    }
    const value = this.#held & ((1 << n) - 1)
    this.#held >>>= n
    this.#n -= n
    return value
  }
  symbol({ counts, symbols }: Code): number {
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= LONGEST; length++) {
      code |= this.take(1)
      const count = counts[length]!
      if (code - first < count) return symbols[index + code - first]!
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    return bad('a code that stands for nothing')
  }
  /** To the next whole byte; what is held is part of the byte before */
  align(): void {
    this.#held = 0
    this.#n = 0
  }
}

function readCodes(bits: Bits): readonly [Code, Code] {
  const literals = bits.take(5) + 257
  const distances = bits.take(5) + 1
  const lengthCodes = Array.from({ length: 19 }, () => 0)
  for (let n = bits.take(4) + 4, i = 0; i < n; i++) lengthCodes[ORDER[i]!] = bits.take(3)
  const code = codeOf(lengthCodes)
  const lengths: number[] = []
  while (lengths.length < literals + distances) {
    const symbol = bits.symbol(code)
    if (symbol < 16) lengths.push(symbol)
    else {
      if (symbol === 16 && lengths.length === 0) bad('a repetition of nothing')
      const repeated = symbol === 16 ? lengths.at(-1)! : 0
      const times = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7)
      for (let i = 0; i < times; i++) lengths.push(repeated)
    }
  }
  if (lengths.length > literals + distances) bad('more code lengths than announced')
  return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))]
}

function adler32(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return ((b << 16) | a) >>> 0
}

/**
 * The bytes that were compressed, which must be `size` of them.
 * @throws InflateError for damaged data, or another size, before it takes more memory than `size`
 */
export function inflate(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length < 6 || (bytes[0]! & 15) !== 8 || ((bytes[0]! << 8) | bytes[1]!) % 31 !== 0 || (bytes[1]! & 32) !== 0) bad('no zlib data')
  const out = new Uint8Array(size)
  const bits = new Bits(bytes, 2)
  let n = 0
  const room = (more: number) => {
    if (n + more > size) bad(`${size} bytes expected, got more`)
  }
  for (let last = false; !last;) {
    last = bits.take(1) === 1
    const type = bits.take(2)
    if (type === 3) bad('a block of an unknown type')
    if (type === 0) {
      bits.align()
      const length = bits.take(16)
      if ((bits.take(16) ^ 0xffff) !== length) bad('a block whose length is damaged')
      room(length)
      if (bits.at + length > bytes.length) bad('an end in the middle')
      out.set(bytes.subarray(bits.at, bits.at + length), n)
      bits.at += length
      n += length
      continue
    }
    const [literal, distance] = type === 1 ? FIXED : readCodes(bits)
    for (let symbol = bits.symbol(literal); symbol !== END; symbol = bits.symbol(literal)) {
      if (symbol < END) {
        room(1)
        out[n++] = symbol
        continue
      }
      const k = symbol - 257
      if (k >= LENGTHS.length) bad('a length that does not exist')
      const length = LENGTHS[k]! + bits.take(LENGTH_BITS[k]!)
      const d = bits.symbol(distance)
      if (d >= DISTANCES.length) bad('a distance that does not exist')
      const back = DISTANCES[d]! + bits.take(Math.max(0, (d >> 1) - 1))
      if (back > n) bad('a distance beyond the beginning')
      room(length)
      for (const end = n + length; n < end; n++) out[n] = out[n - back]!
    }
  }
  if (n < size) bad(`${size} bytes expected, got ${n}`)
  bits.align()
  const checksum = bytes.length - bits.at >= 4 ? new DataView(bytes.buffer, bytes.byteOffset + bits.at).getUint32(0) : -1
  if (checksum !== adler32(out)) bad('a wrong checksum')
  return out
}
