// Gives the variables of a minified text names that pack better (the engine after gzip: by 5 %). What is declared in a function may have a letter of
// the code around it that the function doesn't use, so that functions that do alike are written alike; esbuild numbers on instead. Where the same
// code stands around two variables they have the same name, as far as possible, like those of the kernels (scripts/locals.js). What is exported has
// the name it is exported by, unless the text uses it often: then no list says both names, and `{ conv2d: conv2d }` is `{ conv2d }`.
import { transform } from 'esbuild'
import { isName, scopesOf, tokensOf } from './scopes.js'

/** Letters from the most frequent in such texts */
const LETTERS = [...'etrnsaiolcuphdmfgvybwkxzjqETRNSAIOLCUPHDMFGVYBWKXZJQ_$']
/** Names that may be exported but not declared, beside keywords */
const EXPORTED_ONLY = /^(?:enum|let|static|package|private|protected|public|interface|implements|eval|arguments)$/
const free = names => names.filter(name => isName(name) && !/^(?:as|of)$/.test(name))
/** Names of locals in the order in which they are given */
const LOCALS = free([...LETTERS, ...LETTERS.flatMap(a => LETTERS.map(b => a + b))])
/** Names of the text's own: letters that few functions need, and two, the second of which changes last */
const SINGLES = LETTERS.slice(10)
const PAIRS = free([LETTERS.slice(0, 24), LETTERS].flatMap(letters => letters.flatMap(b => letters.map(a => a + b))))
/** How many tokens before and after a variable must be alike, and what that counts */
const LIKENESS = [[8, 4], [4, 2], [2, 1], [1, 0.2]]
/** What a name counts after another one has been used in the same place, and the first that is free */
const FADING = 0.7
const FIRST = 2
/** What is exported and used more often keeps its short name. */
const OFTEN = 20

/** The text with other names; `nameOf` gives a variable's */
function replaced(text, tokens, variables, nameOf) {
  const pieces = []
  let copied = 0
  for (const variable of variables) {
    const name = nameOf(variable)
    if (name === variable.name) continue
    const { start } = tokens[variable.at]
    pieces.push(text.slice(copied, start), variable.shorthand ? `${variable.name}:` : '', name)
    copied = start + variable.name.length
  }
  return pieces.join('') + text.slice(copied)
}

/** For each scope what is declared outside and used within, as { scope, name }, and where its own names stand */
function usesIn({ scopes, variables }) {
  const uses = new Map(scopes.map(scope => [scope, { outer: [], own: new Map() }]))
  for (const { at, name, scope, from } of variables) {
    for (let inner = from; inner !== scope; inner = inner.parent) uses.get(inner).outer.push({ scope, name })
    if (!scope) continue
    const { own } = uses.get(scope)
    own.set(name, [...(own.get(name) ?? []), at])
  }
  return uses
}

/** Where the list of exports begins, or the text ends */
const exportsAt = text => (text.lastIndexOf('export{') < 0 ? text.length : text.lastIndexOf('export{'))

/**
 * Names of the text's own: what is exported has that name, what is used most of the others one letter, and the rest two, in the order in which they
 * appear: neighbours share a letter.
 */
function ownNames(own, foreign, exported) {
  const names = new Map(exported.filter(({ name, as }) => own.get(name)?.length <= OFTEN && !foreign.has(as) && isName(as) && !EXPORTED_ONLY.test(as)).map(({ name, as }) => [name, as]))
  const taken = new Set([...foreign, ...names.values()])
  const [singles, pairs] = [SINGLES, PAIRS].map(list => [...new Set(list)].filter(name => !taken.has(name)))
  const others = [...own.keys()].filter(name => !names.has(name))
  const often = [...others].sort((a, b) => own.get(b).length - own.get(a).length).slice(0, singles.length)
  for (const name of others) names.set(name, often.includes(name) ? singles[often.indexOf(name)] : pairs.shift())
  return names
}

/** Remembers which names stood among which tokens. In `words` what has no name yet is empty. */
function likenesses(words) {
  /** By what stands around, which names stood there, and what each counts */
  const seen = new Map()
  const around = at => LIKENESS.map(([far]) => [...words.slice(Math.max(0, at - far), at), ' ', ...words.slice(at + 1, at + far + 1)].join(' '))
  return {
    /** The best name for what stands in these places */
    best(places, taken) {
      const votes = new Map([[LOCALS.find(name => !taken.has(name)), FIRST]])
      for (const near of places.map(around)) {
        near.forEach((tokens, kind) => {
          for (const [name, count] of seen.get(tokens) ?? []) if (!taken.has(name)) votes.set(name, (votes.get(name) ?? 0) + LIKENESS[kind][1] * count)
        })
      }
      return [...votes].sort((a, b) => b[1] - a[1])[0][0]
    },
    note(places, name) {
      for (const tokens of places.flatMap(around)) {
        const counts = seen.get(tokens) ?? new Map()
        for (const [other, count] of counts) counts.set(other, count * FADING)
        seen.set(tokens, counts.set(name, (counts.get(name) ?? 0) + 1))
      }
      for (const at of places) words[at] = name
    },
  }
}

/**
 * A variable of a scope within is given a name that nothing has which is used there: the one that variables before had where the same tokens stand
 * around them, or else the first. Exports come in the order of their last uses: those that are methods too stand in both lists alike.
 */
function withBetterNames(text) {
  const end = exportsAt(text)
  const [, list = '', rest = ''] = /^export\{(.*?)\}(.*)$/s.exec(text.slice(end)) ?? []
  const tokens = tokensOf(text.slice(0, end))
  const { scopes, variables } = scopesOf(tokens)
  const uses = usesIn({ scopes, variables })
  const given = new Map(scopes.map(scope => [scope, new Map()]))
  const nameOf = ({ scope, name }) => (scope ? given.get(scope).get(name) : name)

  const [whole, ...within] = scopes
  const { own: ofText, outer } = uses.get(whole)
  const exported = list.split(',').map(entry => {
    const [name, as = name] = entry.split(' as ')
    return { name, as, last: ofText.get(name)?.at(-1) ?? 0 }
  }).sort((a, b) => a.last - b.last)
  // what is no module has names that are its own business
  given.set(whole, list ? ownNames(ofText, new Set(outer.map(nameOf)), exported) : new Map([...ofText.keys()].map(name => [name, name])))

  const words = tokens.map(token => token.text)
  for (const variable of variables) if (variable.scope) words[variable.at] = nameOf(variable) ?? ''
  const { best, note } = likenesses(words)
  for (const scope of within) {
    const { outer, own } = uses.get(scope)
    const taken = new Set(outer.map(nameOf))
    for (const name of scope.names) {
      const places = own.get(name) ?? []
      const better = best(places, taken)
      given.get(scope).set(name, better)
      taken.add(better)
      note(places, better)
    }
  }
  const code = replaced(text.slice(0, end), tokens, variables, nameOf)
  const entries = exported.map(({ name, as }) => {
    const better = given.get(whole).get(name) ?? name
    return better === as ? as : `${better} as ${as}`
  })
  return list ? `${code}export{${entries.join(',')}}${rest}` : code
}

/** `{ x: x }` as `{ x }` */
function withShorthands(text) {
  const tokens = tokensOf(text)
  const words = tokens.map(token => token.text)
  const pieces = []
  let copied = 0
  for (const { at, name } of scopesOf(tokens).variables) {
    if (words[at - 1] !== ':' || words[at - 2] !== name || !/^[{,]$/.test(words[at - 3]) || !/^[},=]$/.test(words[at + 1])) continue
    pieces.push(text.slice(copied, tokens[at - 1].start))
    copied = tokens[at].start + name.length
  }
  return pieces.join('') + text.slice(copied)
}

/**
 * The text with names of esbuild's, and its exports in order: the same for texts that differ in names only. Which letters esbuild gives first depends
 * on how often they stand in the text, so as many follow it that nothing else counts.
 */
async function canonical(text, weight) {
  const letters = [...LETTERS, ...'0123456789'].map((letter, i) => letter.repeat(weight * (i + 1)))
  const { code } = await transform(`${text};"${letters.join('')}"`, { minify: true, format: text.includes('export{') ? 'esm' : undefined, target: 'es2022' })
  const end = exportsAt(code)
  return code.slice(0, end) + code.slice(end).split(/[{},;]/).sort()
}

/** The text with better names if esbuild finds that it says the same, else as it was: larger, and right. `file` is for the warning. */
export async function renamed(text, file = 'a text') {
  try {
    const better = withShorthands(withBetterNames(text))
    const weight = 2000 + (text.length >> 5)
    const [before, after] = await Promise.all([canonical(text, weight), canonical(better, weight)])
    if (before === after) return better
  } catch {
    // what scopes.js can't read, it can't rename
  }
  console.warn(`${file}: expected code whose names scripts/scopes.js understands, got other; it keeps those of esbuild`)
  return text
}
