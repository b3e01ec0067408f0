// The unpacker of the kernels, a module of its own: undoes scripts/pack.js, and makes the binary with plain SIMD of the one with relaxed
// SIMD. Its memory holds the models, then the text from TEXT on, and then what it unpacks.

/** Where the text begins, six bits a character; before it lie the models. */
export const TEXT: usize = 24576

/**
 * A model of 16 symbols: where each begins in 0..32767, as 16 bits, and the end; then how often the model has been used, up to 15.
 * The widths are the probabilities.
 */
const MODEL_BYTES: i32 = 40

// places of models: as in scripts/pack.js
const COMMAND: i32 = 0
const HIGH: i32 = 128
const LOW: i32 = 136
const LIKELY_HIGH: i32 = 264
const LIKELY_LOW: i32 = 280
const OLD_LENGTH: i32 = 536
const NEW_MORE: i32 = 537
const OLD_MORE: i32 = 554
const SCALE: i32 = 571
const TOP: i32 = 575
const REST: i32 = 591
const MODELS: i32 = 595

let text: usize = 0
/** What is left of the coded number: at least 2 to the 24, below 2 to the 30 */
let code: u32 = 0

/** Takes in six bits at a time: what scripts/pack.js wrote as one of # to c without the backslash */
function refill(rest: u32): void {
  while (rest < 0x1000000) {
    const c: u32 = load<u8>(text++)
    rest = rest << 6 | c - 35 - u32(c > 92)
  }
  code = rest
}

/** A symbol 0..15 by its model, which learns it */
function symbol(model: i32): i32 {
  const at: usize = model * MODEL_BYTES
  const a = v128.load(at), b = v128.load(at, 16)
  const low = code & 0x7fff
  const x = i16x8.splat(<i16>low)
  const aboveA = i16x8.gt_s(a, x), aboveB = i16x8.gt_s(b, x)
  const found = 15 - popcnt(i8x16.bitmask(i8x16.narrow_i16x8_s(aboveA, aboveB)))
  const start: u32 = load<u16>(at + 2 * found), end: u32 = load<u16>(at + 2 * found, 2)

  // beginnings move towards those of a certain symbol, by half to a sixty-fourth: the more the model has seen, the less
  const seen: u32 = load<u16>(at, 34)
  const rate: i32 = 33 - clz(seen + 1)
  if (seen < 15) store<u16>(at, seen + 1, 34)
  const most = i16x8.splat(32752)
  const towardsA = v128.add<i16>(i16x8(0, 1, 2, 3, 4, 5, 6, 7), v128.and(aboveA, most))
  const towardsB = v128.add<i16>(i16x8(8, 9, 10, 11, 12, 13, 14, 15), v128.and(aboveB, most))
  v128.store(at, v128.add<i16>(a, i16x8.shr_s(v128.sub<i16>(towardsA, a), rate)))
  v128.store(at, v128.add<i16>(b, i16x8.shr_s(v128.sub<i16>(towardsB, b), rate)), 16)

  refill((end - start) * (code >> 15) + low - start)
  return found
}

function byte(models: i32): i32 {
  const high = symbol(models)
  return high << 4 | symbol(models + 1 + high)
}

function literal(before: i32, likely: i32): i32 {
  const high = symbol(likely >= 0 ? LIKELY_HIGH + (likely >> 4) : HIGH + (before >> 5))
  return high << 4 | symbol(high == likely >> 4 ? LIKELY_LOW + likely : LOW + (high << 3 | before >> 5))
}

function distance(length: i32): usize {
  const scale = symbol(SCALE + min(length - 2, 3))
  const four = symbol(TOP + scale)
  const bits = (scale << 1 | four >> 3) - 3
  let d = 8 | four & 7
  if (bits <= 0) return d >> -bits
  const last = min(bits, 4)
  // those between the first and the last bits are as likely 0 as 1
  d = d << bits - last | code & (1 << bits - last) - 1
  refill(code >> bits - last)
  return d << last | symbol(REST + last - 1)
}

/** Writes `size` bytes from `out` on, and at most 272 more; the byte before `out` is 0. */
export function unpack(size: i32, out: usize): void {
  for (let i = 0; i < MODELS * MODEL_BYTES; i += MODEL_BYTES) {
    v128.store(i, i16x8(0, 2048, 4096, 6144, 8192, 10240, 12288, 14336))
    v128.store(i, i16x8(16384, 18432, 20480, 22528, 24576, 26624, 28672, 30720), 16)
    store<u32>(i, 0x8000, 32)
  }
  text = TEXT
  refill(0)
  const end = out + size
  let d0: usize = 1, d1: usize = 1, d2: usize = 1, d3: usize = 1
  // the kinds of the last two commands: literal, one byte of the newest distance, old distance, new distance
  let last = 0
  while (out < end) {
    const before: i32 = load<u8>(out - 1)
    const command = symbol(COMMAND + (last << 3 | before >> 5))
    if (command == 0) {
      store<u8>(out, literal(before, last & 3 ? <i32>load<u8>(out - d0) : -1))
      out++
      last = last << 2 & 15
      continue
    }
    let n = 1
    if (command > 5) {
      n = command < 15 ? command - 4 : 11 + byte(NEW_MORE)
      d3 = d2
      d2 = d1
      d1 = d0
      d0 = distance(n)
    } else if (command > 1) {
      let d = d0
      if (command > 2) {
        d = d1
        if (command > 3) {
          d = d2
          if (command > 4) {
            d = d3
            d3 = d2
          }
          d2 = d1
        }
        d1 = d0
        d0 = d
      }
      n = 2 + symbol(OLD_LENGTH)
      if (n > 16) n += byte(OLD_MORE)
    }
    last = last << 2 & 15 | (command > 5 ? 3 : min(command, 2))
    // byte by byte: a match may reach into what it makes
    for (const until = out + n; out < until; out++) store<u8>(out, load<u8>(out - d0))
  }
}

// ---- plain SIMD ----------------------------------------------------------------------------------------------------------

/** The section of a module that holds functions */
const CODE: i32 = 10
/** local.get, and drop */
const GET: u32 = 0x20
const DROP: u32 = 0x1a
/** f32x4.relaxed_madd, three bytes, which scripts/arrange.js found nowhere else in the functions */
const MADD: u32 = 0x0285fd
/** What does the same with two roundings, local.set t, f32x4.mul, local.get t, f32x4.add: its first eight bytes with t = 0, and the last two */
const MUL_ADD: u64 = 0xfd0020_01e6fd0021
const ADD_END: u32 = 0x01e4
const T_TWICE: u64 = 0x1_00000000_0100

let read: usize = 0

/** The LEB128 number at `read` */
function leb(): u32 {
  let value: u32 = 0
  let shift = 0
  let byte: u32
  do {
    byte = load<u8>(read++)
    value |= (byte & 127) << shift
    shift += 7
  } while (byte > 127)
  return value
}

/** A size in four bytes, whatever it is: sections and functions grow. */
@inline
function storeSize(at: usize, n: u32): void {
  store<u32>(at, n & 127 | (n >> 7 & 127) << 8 | (n >> 14 & 127) << 16 | n >> 21 << 24 | 0x808080)
}

/** Copies what lies before `end`; if `t` >= 0, with a multiplication and an addition through local variable t for every relaxed_madd. */
function copyUpTo(end: usize, t: i32, out: usize): usize {
  while (read < end) {
    if (t >= 0 && (load<u32>(read) & 0xffffff) == MADD) {
      store<u64>(out, MUL_ADD + T_TWICE * t)
      store<u16>(out, ADD_END, 8)
      read += 3
      out += 10
    } else store<u8>(out++, load<u8>(read++))
  }
  return out
}

/**
 * Writes the module at from..end-1 to `out` on, its relaxed instructions replaced by plain ones. Functions that have some begin with
 * local.get t, drop, where t is a local variable to be used. Returns the end of what it wrote.
 */
export function plain(from: usize, end: usize, out: usize): usize {
  read = from
  out = copyUpTo(from + 8, -1, out)
  while (read < end) {
    const section: i32 = load<u8>(read)
    store<u8>(out, section)
    read++
    const size = leb()
    const next = read + size
    const sizeAt = out + 1
    out += 5
    if (section == CODE) {
      const first = read
      const count = leb()
      const second = read
      read = first
      out = copyUpTo(second, -1, out)
      for (let f: u32 = 0; f < count; f++) {
        const bytes = leb()
        const start = read
        for (let groups = leb(); groups > 0; groups--) {
          leb()
          read++
        }
        const head = load<u32>(read)
        const t: i32 = (head & 0xff00ff) == (GET | DROP << 16) ? head >> 8 & 127 : -1
        read = start
        const begun = out + 4
        out = copyUpTo(start + bytes, t, begun)
        storeSize(begun - 4, <u32>(out - begun))
      }
    }
    out = copyUpTo(next, -1, out)
    storeSize(sizeAt, <u32>(out - sizeAt - 4))
  }
  return out
}
