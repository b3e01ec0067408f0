// Packs bytes for assembly/unpack.ts: LZ77 whose every choice a range coder codes by adaptive probabilities, the scheme of LZMA
// (Pavlov, 1998). Kernels become a quarter smaller than by gzip, and a second binary costs only what it doesn't share with the first.

// places of the probabilities that a bit is 0, in 65536ths; assembly/unpack.ts has the same
const MATCH = 0
const OLD = 12
const NEWEST = 24
const LONG = 36
const SECOND = 48
const THIRD = 60
const LENGTHS = 72 // of new and of old distances: 2 + 8 + 8 + 256 each
const LENGTH_PLACES = 274
const SLOTS = LENGTHS + 2 * LENGTH_PLACES // 4 x 64
const LOW_BITS = SLOTS + 256 // 32 for each of the slots 4..13
const ALIGN = LOW_BITS + 10 * 32
const LITERALS = ALIGN + 16 // 8 x 3 x 256
const PLACES = LITERALS + 8 * 768
const HALF = 0x8080
const RATE = 4

// what the last choices were decides which probabilities the next one uses
const afterLiteral = s => (s < 4 ? 0 : s < 10 ? s - 3 : s - 6)
const afterMatch = s => (s < 7 ? 7 : 10)
const afterOld = s => (s < 7 ? 8 : 11)
const afterByte = s => (s < 7 ? 9 : 11)

/** 64 characters that need no escape in a string, in the order of their codes */
const DIGITS = Array.from({ length: 65 }, (_, i) => String.fromCharCode(35 + i)).filter(c => c !== '\\').join('')

const LONGEST = 273
/** A match of this length is taken without a look at others. */
const ENOUGH = 120
/** Earlier positions in which a longer match is looked for */
const DEPTH = 400
/** Bytes whose cheapest coding is found at once, by the probabilities at their beginning */
const BLOCK = 2048
/** Bits that a byte beyond the block costs, about */
const BYTE_BITS = 1.6

/** For each position lengths and distances of matches, the nearest of its length, each longer than the one before */
function findMatches(data) {
  const last2 = new Int32Array(65536).fill(-1)
  const last3 = new Int32Array(65536).fill(-1)
  const before = new Int32Array(data.length)
  return Array.from(data, (_, i) => {
    const found = []
    let best = 1
    const offer = at => {
      const length = common(data, i, i - at)
      if (length > best) found.push([(best = length), i - at])
    }
    const two = data[i] | (data[i + 1] << 8)
    if (last2[two] >= 0) offer(last2[two])
    last2[two] = i
    const three = Math.imul(two | (data[i + 2] << 16), 0x9e3779b1) >>> 16
    for (let at = last3[three], looks = 0; at >= 0 && looks < DEPTH && best < LONGEST; at = before[at], looks++) {
      if (data[at + best] === data[i + best]) offer(at)
    }
    before[i] = last3[three]
    last3[three] = i
    return found
  })
}

/** How many bytes from `i` on repeat those `distance` before */
function common(data, i, distance) {
  if (distance > i) return 0
  let length = 0
  while (length < LONGEST && i + length < data.length && data[i + length] === data[i + length - distance]) length++
  return length
}

/** Sends each bit of a choice with the place of its probability to `bit`, which codes it, or adds up its price. */
function grammar(data, bit, even) {
  const tree = (base, bits, value) => {
    for (let i = bits - 1, m = 1; i >= 0; i--) {
      const b = (value >> i) & 1
      bit(base + m, b)
      m = 2 * m + b
    }
  }
  const treeFromBelow = (base, bits, value) => {
    for (let i = 0, m = 1; i < bits; i++) {
      const b = (value >> i) & 1
      bit(base + m, b)
      m = 2 * m + b
    }
  }
  return {
    literal(at, state, newest) {
      const base = LITERALS + 768 * ((data[at - 1] ?? 0) >> 5)
      // after a match the byte at its distance is the likely one that it is not
      let likely = state >= 7 ? data[at - newest] | 256 : 0
      for (let i = 7, m = 1; i >= 0; i--) {
        const b = (data[at] >> i) & 1
        const expected = (likely >> i) & 1
        bit(base + (likely > 0 ? (1 + expected) << 8 : 0) + m, b)
        if (b !== expected) likely = 0
        m = 2 * m + b
      }
    },
    length(old, length) {
      const base = LENGTHS + old * LENGTH_PLACES
      const rest = length - 2
      bit(base, +(rest >= 8))
      if (rest < 8) return tree(base + 2, 3, rest)
      bit(base + 1, +(rest >= 16))
      if (rest < 16) tree(base + 10, 3, rest - 8)
      else tree(base + 18, 8, rest - 16)
    },
    distance(length, distance) {
      const d = distance - 1
      const top = 31 - Math.clz32(d)
      const slot = d < 4 ? d : 2 * top + ((d >> (top - 1)) & 1)
      tree(SLOTS + 64 * Math.min(length - 2, 3), 6, slot)
      if (slot < 4) return
      const bits = top - 1
      const low = d & ((1 << bits) - 1)
      if (slot < 14) return treeFromBelow(LOW_BITS + 32 * (slot - 4), bits, low)
      for (let i = bits - 1; i >= 4; i--) even((low >> i) & 1)
      treeFromBelow(ALIGN, 4, low & 15)
    },
    /** Which of the last four distances, and whether for more than one byte */
    old(state, which, long) {
      bit(OLD + state, 1)
      bit(NEWEST + state, +(which > 0))
      if (which === 0) return bit(LONG + state, +long)
      bit(SECOND + state, +(which > 1))
      if (which > 1) bit(THIRD + state, which - 2)
    },
  }
}

/** Codes bits by adaptive probabilities into digits of 6 bits, one a character of text. */
class RangeEncoder {
  probabilities = new Uint16Array(PLACES).fill(HALF)
  digits = []
  #low = 0
  #range = 0x3fffffff

  #add(width, taken) {
    this.#low += taken
    this.#range = width
    for (let i = this.digits.length - 1; this.#low > 0x3fffffff; i--) {
      // the carry
      this.digits[i] = (this.digits[i] + 1) & 63
      if (this.digits[i] > 0) this.#low -= 0x40000000
    }
    while (this.#range < 0x1000000) {
      this.#shift()
      this.#range <<= 6
    }
  }
  #shift() {
    this.digits.push(this.#low >> 24)
    this.#low = (this.#low & 0xffffff) << 6
  }
  bit(place, bit) {
    const p = this.probabilities[place]
    const bound = (this.#range >> 14) * (p >> 2)
    if (bit) this.#add(this.#range - bound, bound)
    else this.#add(bound, 0)
    this.probabilities[place] = bit ? p - (p >> RATE) : p + ((65536 - p) >> RATE)
  }
  even(bit) {
    const half = this.#range >> 1
    this.#add(half, bit ? half : 0)
  }
  finish() {
    for (let i = 0; i < 5; i++) this.#shift()
    return this.digits
  }
}

const PRICES = Float64Array.from({ length: 4096 }, (_, i) => -Math.log2((i + 0.5) / 4096))
const toFront = (distances, which) => [distances[which], ...distances.filter((_, i) => i !== which)]

/** Bytes as a text, nearly the shortest of this scheme: the cheapest of all codings of a block is found by dynamic programming. */
export function packedText(data) {
  const matches = findMatches(data)
  const coder = new RangeEncoder()
  const code = grammar(data, (place, bit) => coder.bit(place, bit), bit => coder.even(bit))
  let sum = 0
  const priced = (place, bit) => {
    const p = coder.probabilities[place] >> 4
    sum += PRICES[bit ? 4095 - p : p]
  }
  const add = grammar(data, priced, () => sum++)
  const price = f => {
    sum = 0
    f()
    return sum
  }

  let start = 0
  let state = 0
  let distances = [1, 1, 1, 1]
  while (start < data.length) {
    const size = Math.min(BLOCK, data.length - start)
    // probabilities stay as they are until the block is coded
    const lengthPrices = [0, 1].map(old => Float64Array.from({ length: LONGEST + 1 }, (_, l) => (l < 2 ? 0 : price(() => add.length(old, l)))))
    /** Cheapest way to each position: its price, the position before, what came between, state and distances then */
    const nodes = Array(size + LONGEST + 1).fill(null)
    nodes[0] = { cost: 0, from: 0, choice: null, state, distances }
    const offer = (from, length, cost, choice, next, list) => {
      const node = nodes[from + length]
      if (!node || cost < node.cost) nodes[from + length] = { cost, from, choice, state: next, distances: list }
    }
    let reached = 0
    for (let longest = 0; reached < size && longest < ENOUGH; reached++) {
      const at = start + reached
      const { cost, state: s, distances: list } = nodes[reached]
      const byLiteral = () => {
        priced(MATCH + s, 0)
        add.literal(at, s, list[0])
      }
      offer(reached, 1, cost + price(byLiteral), 'literal', afterLiteral(s), list)
      const match = cost + price(() => priced(MATCH + s, 1))
      for (let which = 0; which < 4; which++) {
        const length = common(data, at, list[which])
        if (which === 0 && length > 0) offer(reached, 1, match + price(() => add.old(s, 0, false)), 'byte', afterByte(s), list)
        if (length < 2) continue
        const named = match + price(() => add.old(s, which, true))
        const next = toFront(list, which)
        for (let l = length >= ENOUGH ? length : 2; l <= length; l++) offer(reached, l, named + lengthPrices[1][l], which, afterOld(s), next)
        longest = Math.max(longest, length)
      }
      const fresh = match + price(() => priced(OLD + s, 0))
      let l = 2
      for (const [length, distance] of matches[at]) {
        const next = [distance, ...list.slice(0, 3)]
        if (length >= ENOUGH) l = length
        for (let far = 0; l <= length; l++) {
          // the price of a distance is one from length 5 on
          if (far === 0 || l <= 5) far = price(() => add.distance(l, distance))
          offer(reached, l, fresh + lengthPrices[0][l] + far, 'new', afterMatch(s), next)
        }
        longest = Math.max(longest, length)
      }
    }
    let end = reached
    const value = i => nodes[i].cost - BYTE_BITS * i
    for (let i = reached; i < nodes.length; i++) if (nodes[i] && value(i) < value(end)) end = i
    const path = []
    for (let i = end; i > 0; i = nodes[i].from) path.unshift(i)
    for (const i of path) {
      const { from, choice, state: next, distances: list } = nodes[i]
      const length = i - from
      coder.bit(MATCH + state, +(choice !== 'literal'))
      if (choice === 'literal') code.literal(start + from, state, distances[0])
      else if (choice === 'byte') code.old(state, 0, false)
      else if (choice === 'new') {
        coder.bit(OLD + state, 0)
        code.length(0, length)
        code.distance(length, list[0])
      } else {
        code.old(state, choice, true)
        code.length(1, length)
      }
      state = next
      distances = list
    }
    start += end
  }
  return coder.finish().map(digit => DIGITS[digit]).join('')
}
