// The unpacker of the other modules, a module of its own: undoes scripts/lzma.js. Its memory holds the text from TEXT on, and then
// what it unpacks.

/** Where the text begins, six bits a character; before it lie the probabilities. */
export const TEXT: usize = 16384

// places of the probabilities that a bit is 0, in 65536ths: as in scripts/lzma.js
const MATCH: i32 = 0
const OLD: i32 = 12
const NEWEST: i32 = 24
const LONG: i32 = 36
const SECOND: i32 = 48
const THIRD: i32 = 60
const LENGTHS: i32 = 72
const LENGTH_PLACES: i32 = 274
const SLOTS: i32 = LENGTHS + 2 * LENGTH_PLACES
const LOW_BITS: i32 = SLOTS + 256
const ALIGN: i32 = LOW_BITS + 10 * 32
const LITERALS: i32 = ALIGN + 16

let text: usize = 0
let range: u32 = 0
let code: u32 = 0

/** Six bits: what scripts/lzma.js wrote as one of # to c without the backslash */
@inline function digit(): u32 {
  const c: u32 = load<u8>(text++)
  return c - 35 - u32(c > 92)
}

/** `count` bits, the highest first, each by the probability that those before it choose */
function tree(base: i32, count: i32): i32 {
  // in locals, which V8's first compiler keeps in registers
  let r = range, c = code
  let m = 1
  const end = 1 << count
  do {
    const at: usize = base + m << 1
    const p: u32 = load<u16>(at)
    const bound = (r >> 14) * (p >> 2)
    if (c < bound) {
      r = bound
      store<u16>(at, p + (65536 - p >> 4))
      m <<= 1
    } else {
      c -= bound
      r -= bound
      store<u16>(at, p - (p >> 4))
      m = m << 1 | 1
    }
    while (r < 0x1000000) {
      r <<= 6
      c = c << 6 | digit()
    }
  } while (m < end)
  range = r
  code = c
  return m - end
}

function bit(place: i32): i32 { return tree(place - 1, 1) }

function treeFromBelow(base: i32, count: i32): i32 {
  let value = 0
  for (let rest = tree(base, count); count > 0; count--) {
    value = value << 1 | rest & 1
    rest >>= 1
  }
  return value
}

function literal(out: usize, state: i32, newest: usize): i32 {
  const base = LITERALS + 768 * i32(load<u8>(out - 1) >> 5)
  let likely = state >= 7 ? <i32>load<u8>(out - newest) | 256 : 0
  if (likely == 0) return tree(base, 8)
  let m = 1
  for (let i = 7; i >= 0; i--) {
    const expected = likely >> i & 1
    const b = bit(base + (likely > 0 ? 1 + expected << 8 : 0) + m)
    if (b != expected) likely = 0
    m = m << 1 | b
  }
  return m & 255
}

function length(old: i32): i32 {
  const base = LENGTHS + old * LENGTH_PLACES
  if (!bit(base)) return 2 + tree(base + 2, 3)
  if (!bit(base + 1)) return 10 + tree(base + 10, 3)
  return 18 + tree(base + 18, 8)
}

function distance(length: i32): usize {
  const slot = tree(SLOTS + 64 * min(length - 2, 3), 6)
  if (slot < 4) return slot + 1
  const count = (slot >> 1) - 1
  let d = (2 | slot & 1) << count
  if (slot < 14) return d + treeFromBelow(LOW_BITS + 32 * (slot - 4), count) + 1
  for (let i = count - 1; i >= 4; i--) {
    range >>= 1
    const b = code >= range
    if (b) {
      code -= range
      d |= 1 << i
    }
    while (range < 0x1000000) {
      range <<= 6
      code = code << 6 | digit()
    }
  }
  return d + treeFromBelow(ALIGN, 4) + 1
}

/** Writes `size` bytes from `out` on, and at most 272 more; the byte before `out` is 0. */
export function unpack(size: i32, out: usize): void {
  memory.fill(0, 0x80, TEXT)
  text = TEXT
  range = 0x3fffffff
  for (let i = 0; i < 5; i++) code = code << 6 | digit()
  const end = out + size
  let d0: usize = 1, d1: usize = 1, d2: usize = 1, d3: usize = 1
  let state = 0
  while (out < end) {
    if (!bit(MATCH + state)) {
      store<u8>(out, literal(out, state, d0))
      out++
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
      continue
    }
    let n = 1
    if (!bit(OLD + state)) {
      n = length(0)
      d3 = d2
      d2 = d1
      d1 = d0
      d0 = distance(n)
      state = state < 7 ? 7 : 10
    } else {
      let d = d0
      let byte = false
      if (!bit(NEWEST + state)) byte = !bit(LONG + state)
      else {
        if (!bit(SECOND + state)) d = d1
        else {
          if (!bit(THIRD + state)) d = d2
          else {
            d = d3
            d3 = d2
          }
          d2 = d1
        }
        d1 = d0
        d0 = d
      }
      if (!byte) n = length(1)
      state = byte ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11
    }
    // byte by byte: a match may reach into what it makes
    for (const until = out + n; out < until; out++) store<u8>(out, load<u8>(out - d0))
  }
}
