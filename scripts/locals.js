// Renumbers local variables so that code packs better: where two functions have the same instructions in a row, the variables there get the
// same numbers, as far as possible, and a compressor sees one repeat instead of many. A third of the packed kernels were such numbers.
import { LOCAL, endOf, within } from './instructions.js'
import { leb, number } from './leb.js'

/** How many instructions before and after a variable must be alike, and what that counts */
const LIKENESS = [[6, 6, 4], [3, 3, 1], [1, 2, 0.2]]
/** What a number counts after another one has been used in the same place */
const FADING = 0.7

/** Types of the locals without parameters; instructions as { op, local } or { bytes } */
function decoded(body) {
  const types = []
  let [groups, at] = number(body, 0)
  for (; groups > 0; groups--) {
    const [count, type] = number(body, at)
    for (let i = 0; i < count; i++) types.push(body[type])
    at = type + 1
  }
  const code = []
  for (let next; at < body.length; at = next) {
    next = endOf(body, at)
    code.push(within(body[at], LOCAL) ? { op: body[at], local: number(body, at + 1)[0] } : { bytes: body.subarray(at, next) })
  }
  return { types, code }
}

/** For each kind of likeness and each instruction what stands around it, without numbers of locals */
function surroundings(code) {
  const names = code.map(({ op, bytes }) => (bytes ? bytes.toString('latin1') : `local ${op}`))
  return LIKENESS.map(([before, after]) => code.map((_, i) => {
    const near = []
    for (let k = i - before; k <= i + after; k++) near.push(names[k])
    return `${before} ${near.join('|')}`
  }))
}

/** For each local of the function the numbers that it would have had where it stands in those before, with what speaks for them */
function votesFor(code, parameters, around, seen) {
  const votes = new Map()
  code.forEach(({ local }, i) => {
    if (!(local >= parameters)) return
    if (!votes.has(local)) votes.set(local, new Map())
    const mine = votes.get(local)
    LIKENESS.forEach(([, , weight], kind) => {
      for (const [index, count] of seen.get(around[kind][i]) ?? []) mine.set(index, (mine.get(index) ?? 0) + weight * count)
    })
  })
  return votes
}

/** New numbers: those with most votes first, then what is left in the order in which the locals appear */
function newNumbers(votes, parameters, count) {
  const numbers = new Map()
  const taken = new Set()
  const give = (local, index) => {
    numbers.set(local, index)
    taken.add(index)
  }
  const wishes = [...votes].flatMap(([local, mine]) => [...mine].map(([index, weight]) => ({ local, index, weight })))
  for (const { local, index } of wishes.sort((a, b) => b.weight - a.weight)) {
    if (!numbers.has(local) && !taken.has(index) && index >= parameters && index < parameters + count) give(local, index)
  }
  let free = parameters
  for (const local of [...votes.keys(), ...Array.from({ length: count }, (_, i) => parameters + i)]) {
    if (numbers.has(local)) continue
    while (taken.has(free)) free++
    give(local, free)
  }
  return numbers
}

/** The locals' declaration: runs of one type */
function declaration(types) {
  const runs = []
  for (const type of types) {
    if (runs.at(-1)?.type === type) runs.at(-1).count++
    else runs.push({ type, count: 1 })
  }
  return [...leb(runs.length), ...runs.flatMap(({ type, count }) => [...leb(count), type])]
}

/** Notes which numbers stand where. */
function note(code, around, seen, numberOf) {
  code.forEach(({ local }, i) => {
    if (local === undefined) return
    for (const places of around) {
      const counts = seen.get(places[i]) ?? new Map()
      for (const [other, count] of counts) counts.set(other, count * FADING)
      seen.set(places[i], counts.set(numberOf(local), (counts.get(numberOf(local)) ?? 0) + 1))
    }
  })
}

/** Functions with new numbers of locals. `parameters`, whose numbers stay, are how many each has. */
export function renumbered(bodies, parameters) {
  const seen = new Map()
  return bodies.map((body, f) => {
    const { types, code } = decoded(body)
    const around = surroundings(code)
    const numbers = newNumbers(votesFor(code, parameters[f], around, seen), parameters[f], types.length)
    const numberOf = local => numbers.get(local) ?? local
    note(code, around, seen, numberOf)
    const renamed = []
    for (const [local, index] of numbers) renamed[index - parameters[f]] = types[local - parameters[f]]
    return Buffer.concat([
      Buffer.from(declaration(renamed)),
      ...code.map(({ op, local, bytes }) => bytes ?? Buffer.from([op, ...leb(numberOf(local))])),
    ])
  })
}
