// Rewrites a WebAssembly module so that it packs better (kernels: by an eighth): functions that look alike come one after another, where a
// compressor remembers them, local variables have the numbers that their like had before, and constants of four equal lanes are written once
// and splat. What is computed stays the same. Functions with relaxed_madd are prepared for assembly/unpack.ts, which replaces it.
import { CALL, F32X4_SPLAT, F32_CONST, RELAXED_MADD, V128_CONST, VECTOR, endOf, skipLeb } from './instructions.js'
import { leb, number } from './leb.js'
import { renumbered } from './locals.js'

const CUSTOM = 0
const TYPES = 1
const IMPORTS = 2
const FUNCTIONS = 3
const EXPORTS = 7
const START = 8
const ELEMENTS = 9
const CODE = 10

/** The function with calls by new numbers and with shorter constants */
function rewritten(body, numbers) {
  const pieces = []
  let [groups, at] = number(body, 0)
  for (; groups > 0; groups--) at = skipLeb(body, at) + 1
  let copied = 0
  const replace = (start, end, bytes) => {
    pieces.push(body.subarray(copied, start), Buffer.from(bytes))
    copied = end
  }
  for (let next; at < body.length; at = next) {
    next = endOf(body, at)
    if (body[at] === CALL) replace(at + 1, next, leb(numbers(number(body, at + 1)[0])))
    else if (body[at] === VECTOR && body[at + 1] === V128_CONST) {
      const first = body.subarray(at + 2, at + 6)
      if ([6, 10, 14].every(i => first.equals(body.subarray(at + i, at + i + 4)))) replace(at, next, [F32_CONST, ...first, VECTOR, F32X4_SPLAT])
    }
  }
  return Buffer.concat([...pieces, body.subarray(copied)])
}

const V128 = 0x7b
const LOCAL_GET = 0x20
const DROP = 0x1a
const MADD = Buffer.from([VECTOR, ...leb(RELAXED_MADD)])

/**
 * A function with relaxed_madd gets one more local variable, and begins by naming it: local.get, drop. What replaces the instruction
 * uses it, and looks for the instruction's bytes alone.
 */
function prepared(body, parameters) {
  let [groups, at] = number(body, 0)
  const declarations = number(body, 0)[1]
  let locals = parameters
  for (let i = 0; i < groups; i++) {
    const [count, type] = number(body, at)
    locals += count
    at = type + 1
  }
  const code = body.subarray(at)
  let uses = 0
  for (let i = 0; i < code.length; i = endOf(code, i)) if (MADD.equals(code.subarray(i, i + MADD.length))) uses++
  let found = 0
  for (let i = code.indexOf(MADD); i >= 0; i = code.indexOf(MADD, i + 1)) found++
  if (found > uses) throw new Error('the bytes of relaxed_madd in a number of the kernels, where they would be replaced: write the number otherwise')
  if (uses === 0) return body
  if (locals > 127) throw new Error(`${locals} local variables in a function with relaxed_madd: at most 127 expected`)
  return Buffer.concat([Buffer.from(leb(groups + 1)), body.subarray(declarations, at), Buffer.from([1, V128, LOCAL_GET, locals, DROP]), code])
}

/** Bytes that have to look alike, and bytes before a function among which they are looked for */
const GRAM = 4
const WINDOW = 8000

/** An order of the functions, from the largest on: the next one shares most with those just before. */
function orderOf(bodies) {
  const grams = bodies.map(body => new Set(Array.from({ length: Math.max(0, body.length - GRAM + 1) }, (_, i) => body.readInt32LE(i))))
  const left = new Set(bodies.keys())
  const order = []
  const take = i => left.delete(i) && order.push(i)
  take(bodies.reduce((best, body, i) => (body.length > bodies[best].length ? i : best), 0))
  while (left.size > 0) {
    const near = new Set()
    for (let i = order.length - 1, size = 0; i >= 0 && size < WINDOW; size += bodies[order[i--]].length) for (const gram of grams[order[i]]) near.add(gram)
    let best = -1
    let most = -1
    for (const i of left) {
      let shared = 0
      for (const gram of grams[i]) if (near.has(gram)) shared++
      // a few bytes alike mean little in a small function
      const share = shared / (grams[i].size + 20)
      if (share > most) [best, most] = [i, share]
    }
    take(best)
  }
  return order
}

function sectionsOf(bytes) {
  const sections = []
  for (let at = 8; at < bytes.length; ) {
    const [size, start] = number(bytes, at + 1)
    sections.push({ id: bytes[at], content: bytes.subarray(start, start + size) })
    at = start + size
  }
  return sections
}

/** The parts of a vector of items: each is what `end` finds to begin at a position */
function itemsOf(content, end) {
  let [count, at] = number(content, 0)
  return Array.from({ length: count }, () => content.subarray(at, (at = end(content, at))))
}
const vector = items => Buffer.concat([Buffer.from(leb(items.length)), ...items])
const sized = content => Buffer.concat([Buffer.from(leb(content.length)), content])
const skipName = (bytes, at) => {
  const [length, text] = number(bytes, at)
  return text + length
}

const FUNCTION = 0
const TABLE = 1
const GLOBAL_KIND = 3
const FUNCTION_NAMES = 1
/** Of the names that --debug adds only those of functions stay. */
function renamed(content, numbers) {
  let at = skipName(content, 0)
  const head = content.subarray(0, at)
  if (head.toString('latin1', 1) !== 'name') return content
  while (at < content.length) {
    const kind = content[at]
    const [size, start] = number(content, at + 1)
    at = start + size
    if (kind !== FUNCTION_NAMES) continue
    const names = itemsOf(content.subarray(start, at), (bytes, i) => skipName(bytes, skipLeb(bytes, i))).map(item => {
      const [index, text] = number(item, 0)
      return { index: numbers(index), name: item.subarray(text) }
    })
    names.sort((a, b) => a.index - b.index)
    const list = vector(names.map(({ index, name }) => Buffer.concat([Buffer.from(leb(index)), name])))
    return Buffer.concat([head, Buffer.from([FUNCTION_NAMES]), sized(list)])
  }
  return head
}

/** A type is a byte, a vector of parameters and one of results. */
function parameterCounts(content) {
  const skipTypes = (bytes, at) => {
    const [count, first] = number(bytes, at)
    return first + count
  }
  return itemsOf(content, (bytes, at) => skipTypes(bytes, skipTypes(bytes, at + 1))).map(type => number(type, 1)[0])
}

/** The imports' kinds are bytes after two names. */
function importsFunctions(content) {
  return itemsOf(content, (bytes, at) => {
    const kind = skipName(bytes, skipName(bytes, at))
    if (bytes[kind] === FUNCTION) return skipLeb(bytes, kind + 1)
    if (bytes[kind] === GLOBAL_KIND) return kind + 3
    // of a memory or a table's limits; a table has a type before
    const limits = kind + (bytes[kind] === TABLE ? 2 : 1)
    const minimum = skipLeb(bytes, limits + 1)
    return bytes[limits] & 1 ? skipLeb(bytes, minimum) : minimum
  }).some(item => item[skipName(item, skipName(item, 0))] === FUNCTION)
}

/** The module, functions in another order and constants written shorter. Its functions must not lie in tables, and it must import none. */
export function arranged(bytes) {
  const sections = sectionsOf(bytes)
  const contentOf = id => sections.find(section => section.id === id)?.content
  for (const id of [START, ELEMENTS]) if (contentOf(id)) throw new Error(`section ${id} in the kernels: it would have to be rewritten`)
  if (contentOf(IMPORTS) && importsFunctions(contentOf(IMPORTS))) throw new Error('the kernels import a function: it would be numbered')
  const bodies = itemsOf(contentOf(CODE), (code, at) => {
    const [size, start] = number(code, at)
    return start + size
  }).map(item => item.subarray(number(item, 0)[1]))
  const order = orderOf(bodies)
  const places = new Map(order.map((old, place) => [old, place]))
  const numbers = index => places.get(index)
  const types = itemsOf(contentOf(FUNCTIONS), skipLeb)
  const counts = parameterCounts(contentOf(TYPES))
  const parameters = order.map(old => counts[number(types[old], 0)[0]])
  const code = renumbered(order.map(old => rewritten(bodies[old], numbers)), parameters).map((body, i) => prepared(body, parameters[i]))
  const rewrite = {
    [FUNCTIONS]: () => vector(order.map(old => types[old])),
    [EXPORTS]: content => vector(itemsOf(content, (list, at) => skipLeb(list, skipName(list, at) + 1)).map(item => {
      const at = skipName(item, 0)
      return item[at] === FUNCTION ? Buffer.concat([item.subarray(0, at + 1), Buffer.from(leb(numbers(number(item, at + 1)[0])))]) : item
    })),
    [CODE]: () => vector(code.map(sized)),
    [CUSTOM]: content => renamed(content, numbers),
  }
  return Buffer.concat([
    bytes.subarray(0, 8),
    ...sections.flatMap(({ id, content }) => [Buffer.from([id]), sized(rewrite[id]?.(content) ?? content)]),
  ])
}
