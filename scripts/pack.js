// Packs bytes for assembly/unpack.ts: LZ77 with optimal parsing, as LZMA has it (Pavlov, 1998), whose choices are symbols of four bits
// by adaptive models, coded as one large number (asymmetric numeral systems: Duda, 2009). Kernels become a seventh smaller than by
// gzip, a second binary costs only what it doesn't share with the first, and a symbol is found by a few vector instructions.

// places of models; assembly/unpack.ts has the same
const COMMAND = 0 // the kinds of the last two commands, 16, by the byte before, 8
const HIGH = 128 // by the byte before
const LOW = 136 // by the high half, 16, by the byte before, 8
const LIKELY_HIGH = 264 // by the high half of the likely byte
const LIKELY_LOW = 280 // by the likely byte
const OLD_LENGTH = 536
const NEW_MORE = 537 // a high half and 16 low ones
const OLD_MORE = 554
const SCALE = 571 // by the length
const TOP = 575 // by the scale
const REST = 591 // by the number of bits
const MODELS = 595

// commands
const LITERAL = 0
const BYTE = 1
const OLD = 2 // four of them, the newest distance first
const NEW = 6 // of lengths 2..10, and of longer ones

/** What the last commands were decides which models the next one uses: two kinds, the latter in the lower two bits. */
const after = (last, kind) => ((last << 2) & 15) | kind

/** 64 characters that need no escape in a string, in the order of their codes */
const DIGITS = Array.from({ length: 65 }, (_, i) => String.fromCharCode(35 + i)).filter(c => c !== '\\').join('')

const LONGEST = 266
/** A match of this length is taken without a look at others. */
const ENOUGH = 120
/** Earlier positions in which a longer match is looked for */
const DEPTH = 400
/**
 * Bytes whose cheapest coding is found at once: first by the models at their beginning, then by a mean of these and of what the models
 * became, which counts `share`. That packs 1 % better; which pair does best, by half a per cent, is chance, so all are tried.
 */
const SETTINGS = [3072, 4096, 8192].flatMap(block => [0.7, 0.85, 1].map(share => ({ block, share })))
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

/** Sends each symbol of a choice with the place of its model to `symbol`, which codes it, or adds up its price; `even(n, bits)` takes bits as likely 0 as 1. */
function grammar(data, symbol, even) {
  const byte = (models, value) => {
    symbol(models, value >> 4)
    symbol(models + 1 + (value >> 4), value & 15)
  }
  const before = at => (data[at - 1] ?? 0) >> 5
  return {
    command: (at, last, which) => symbol(COMMAND + ((last << 3) | before(at)), which),
    literal(at, last, newest) {
      const high = data[at] >> 4
      // after a match the byte at its distance tells something about the one that ended it
      const likely = last & 3 ? (data[at - newest] ?? 0) : -1
      symbol(likely >= 0 ? LIKELY_HIGH + (likely >> 4) : HIGH + before(at), high)
      symbol(high === likely >> 4 ? LIKELY_LOW + likely : LOW + ((high << 3) | before(at)), data[at] & 15)
    },
    newLength: length => length > 10 && byte(NEW_MORE, length - 11),
    oldLength(length) {
      symbol(OLD_LENGTH, Math.min(length - 2, 15))
      if (length > 16) byte(OLD_MORE, length - 17)
    },
    distance(length, distance) {
      const top = 31 - Math.clz32(distance)
      const bits = top - 3
      symbol(SCALE + Math.min(length - 2, 3), top >> 1)
      symbol(TOP + (top >> 1), ((top & 1) << 3) | ((bits > 0 ? distance >> bits : distance << -bits) & 7))
      if (bits <= 0) return
      const last = Math.min(bits, 4)
      even(bits - last, (distance >> last) & ((1 << (bits - last)) - 1))
      symbol(REST + last - 1, distance & ((1 << last) - 1))
    },
  }
}
const newCommand = length => NEW + Math.min(length - 2, 9)

/** Codes symbols by models that learn them, into digits of six bits. */
class Encoder {
  /** 16 beginnings in 0..32767, the end, and how often the model has been used */
  #models = Array.from({ length: MODELS }, () => Int32Array.from({ length: 18 }, (_, i) => (i < 17 ? 2048 * i : 0)))
  /** What is coded: begin and width in 32768ths */
  #choices = []

  /** The widths of all symbols, 16 a model */
  widths() {
    return Float64Array.from({ length: 16 * MODELS }, (_, i) => this.#models[i >> 4][(i & 15) + 1] - this.#models[i >> 4][i & 15])
  }
  symbol(place, value) {
    const model = this.#models[place]
    this.#choices.push([model[value], model[value + 1] - model[value], 15])
    const rate = 33 - Math.clz32(model[17] + 1)
    if (model[17] < 15) model[17]++
    for (let i = 0; i < 16; i++) model[i] += (i + (i > value ? 32752 : 0) - model[i]) >> rate
  }
  even(bits, value) {
    this.#choices.push([value, 1, bits])
  }
  /** Remembers what has been coded; the function returned goes back there. */
  mark() {
    const models = this.#models.map(model => model.slice())
    const count = this.#choices.length
    return () => {
      this.#models = models
      this.#choices.length = count
    }
  }
  /** The digits: what is coded last is decoded first. */
  digits() {
    const digits = []
    let code = 0x1000000
    const shift = () => {
      digits.push(code & 63)
      code >>>= 6
    }
    for (const [begin, width, bits] of this.#choices.reverse()) {
      while (code >= width * 2 ** (30 - bits)) shift()
      code = (Math.floor(code / width) << bits) + begin + (code % width)
    }
    for (let i = 0; i < 5; i++) shift()
    return digits.reverse()
  }
}

const toFront = (distances, which) => [distances[which], ...distances.filter((_, i) => i !== which)]

/**
 * The cheapest way to code about `size` bytes from `start` on, found by dynamic programming: its steps, each with the position it starts from,
 * its length and its choice, and kinds of commands and distances after it.
 * @param widths probabilities of symbols, in 32768ths
 */
function cheapest(data, matches, start, size, { last, distances }, widths) {
  const prices = widths.map(width => 15 - Math.log2(width))
  let sum = 0
  const add = grammar(data, (place, value) => (sum += prices[16 * place + value]), bits => (sum += bits))
  const price = f => {
    sum = 0
    f()
    return sum
  }
  const lengthPrices = Float64Array.from({ length: LONGEST + 1 }, (_, l) => (l < 2 ? 0 : price(() => add.oldLength(l))))
  /** Cheapest way to each position: its price, the position before, what came between, kinds of commands and distances then */
  const nodes = Array(size + LONGEST + 1).fill(null)
  nodes[0] = { cost: 0, from: 0, choice: null, last, distances }
  const offer = (from, length, cost, choice, next, list) => {
    const node = nodes[from + length]
    if (!node || cost < node.cost) nodes[from + length] = { cost, from, choice, last: next, distances: list }
  }
  let reached = 0
  for (let longest = 0; reached < size && longest < ENOUGH; reached++) {
    const at = start + reached
    const { cost, last: s, distances: list } = nodes[reached]
    const command = which => cost + price(() => add.command(at, s, which))
    offer(reached, 1, command(LITERAL) + price(() => add.literal(at, s, list[0])), LITERAL, after(s, 0), list)
    for (let which = 0; which < 4; which++) {
      const length = common(data, at, list[which])
      if (which === 0 && length > 0) offer(reached, 1, command(BYTE), BYTE, after(s, 1), list)
      if (length < 2) continue
      const named = command(OLD + which)
      const next = toFront(list, which)
      for (let l = length >= ENOUGH ? length : 2; l <= length; l++) offer(reached, l, named + lengthPrices[l], OLD + which, after(s, 2), next)
      longest = Math.max(longest, length)
    }
    let l = 2
    for (const [length, distance] of matches[at]) {
      const next = [distance, ...list.slice(0, 3)]
      if (length >= ENOUGH) l = length
      for (let far = 0; l <= length; l++) {
        // the price of a distance is one from length 5 on
        if (far === 0 || l <= 5) far = price(() => add.distance(l, distance))
        offer(reached, l, command(newCommand(l)) + price(() => add.newLength(l)) + far, NEW, after(s, 3), next)
      }
      longest = Math.max(longest, length)
    }
  }
  let end = reached
  const value = i => nodes[i].cost - BYTE_BITS * i
  for (let i = reached; i < nodes.length; i++) if (nodes[i] && value(i) < value(end)) end = i
  const steps = []
  for (let i = end; i > 0; i = nodes[i].from) {
    const { from, choice, last: next, distances: list } = nodes[i]
    steps.unshift({ at: start + from, length: i - from, choice, last: next, distances: list })
  }
  return steps
}

function coded(data, matches, { block, share }) {
  const coder = new Encoder()
  const code = grammar(data, (place, value) => coder.symbol(place, value), (bits, value) => coder.even(bits, value))
  /** Codes the steps; returns where they end. */
  const write = (steps, { last, distances }) => {
    for (const { at, length, choice, last: next, distances: list } of steps) {
      code.command(at, last, choice === NEW ? newCommand(length) : choice)
      if (choice === LITERAL) code.literal(at, last, distances[0])
      else if (choice === NEW) {
        code.newLength(length)
        code.distance(length, list[0])
      } else if (choice >= OLD) code.oldLength(length)
      last = next
      distances = list
    }
    return { last, distances }
  }
  let state = { last: 0, distances: [1, 1, 1, 1] }
  for (let start = 0; start < data.length; ) {
    const size = Math.min(block, data.length - start)
    const before = coder.widths()
    const back = coder.mark()
    write(cheapest(data, matches, start, size, state, before), state)
    const mean = coder.widths().map((width, i) => width * share + before[i] * (1 - share))
    back()
    const steps = cheapest(data, matches, start, size, state, mean)
    state = write(steps, state)
    const { at, length } = steps.at(-1)
    start = at + length
  }
  return coder.digits().map(digit => DIGITS[digit]).join('')
}

/** Bytes as a text, nearly the shortest of this scheme */
export function packedText(data) {
  const matches = findMatches(data)
  return SETTINGS.map(setting => coded(data, matches, setting)).reduce((best, text) => (text.length < best.length ? text : best))
}
