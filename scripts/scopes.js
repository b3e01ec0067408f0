// Names in a minified text: which of them are variables, and where each is declared. Of JavaScript's grammar it knows what esbuild writes;
// what is made of it is checked by esbuild (scripts/names.js).

const TOKEN = /\s+|(?:\d[\w.]*|\.\d\w*)(?:(?<=e)[-+]\d+)?|#?[\w$]+|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|=>|\.{3}|\?\.(?!\d)|\?\?|[^]/y
/** A template from its beginning or the end of an expression to its own end or the next expression */
const CHUNK = /[`}](?:\\[^]|\$(?!\{)|[^\\`$])*(?:`|\$\{)/y
const PATTERN = /\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[])+\/[a-z]*/y
const WORD = /^[A-Za-z_$][\w$]*$/
const RESERVED = new Set((
  'await break case catch class const continue default delete do else export extends false finally for function if import in instanceof let new null ' +
  'return static super switch this throw true try typeof var void while yield'
).split(' '))

/** Whether a token may be a variable. `as`, `of` and their like may, and are reserved nowhere. */
export const isName = token => WORD.test(token) && !RESERVED.has(token)
const opens = token => /^[([{]$|\$\{$/.test(token)
const closes = token => /^[)\]}]/.test(token)

/** Tokens as { text, start }, without spaces */
export function tokensOf(text) {
  const tokens = []
  /** How many braces stand open in the expression of each template */
  const depths = []
  for (let start = 0, last = ';'; start < text.length;) {
    const c = text[start]
    const resumes = c === '}' && depths.at(-1) === 0
    const divides = /[\w$)\]}"'`]$/.test(last) && !/^(?:return|typeof|case)$/.test(last)
    const kind = c === '`' || resumes ? CHUNK : c === '/' && !divides ? PATTERN : TOKEN
    kind.lastIndex = start
    const [token] = kind.exec(text)
    if (resumes) depths.pop()
    if (kind === CHUNK && token.endsWith('${')) depths.push(0)
    else if (kind === TOKEN && depths.length > 0) depths[depths.length - 1] += token === '{' ? 1 : token === '}' ? -1 : 0
    if (/\S/.test(token)) tokens.push({ text: last = token, start })
    start += token.length
  }
  return tokens
}

/** For each token that opens something where it closes, the reverse, and the bracket around each token */
function brackets(words) {
  const closing = new Map()
  const opening = new Map()
  const open = []
  const around = words.map((word, i) => {
    if (closes(word)) {
      opening.set(i, open.at(-1))
      closing.set(open.pop(), i)
    }
    const outer = open.at(-1)
    if (opens(word)) open.push(i)
    return outer
  })
  return { closing, opening, around }
}

/**
 * Scopes from the outermost in, the text's own first, each { start, end, parent, names }, and variables as { at, name, scope, from, shorthand }:
 * the token, the scope that declares it, unless that is an import or the runtime, the one it stands in, and whether it is a property's name too, as in `{ x }`.
 */
export function scopesOf(tokens) {
  const words = tokens.map(({ text }) => text)
  const { closing, opening, around } = brackets(words)
  const scopes = [{ start: 0, end: words.length, names: new Set(), called: true }]

  /** What a brace encloses: the members of a class or an object, or statements */
  const kindOf = i => {
    let before = i - 1
    while (isName(words[before]) || words[before] === '.' || words[before] === 'extends') before--
    if (words[before] === 'class') return 'class'
    if (words[i - 1] === ':') {
      let label = i - 2
      while (!/^(?:case|default|[,{;}?(])$/.test(words[label])) label--
      return /^[cd]/.test(words[label]) ? 'block' : 'object'
    }
    return i === 0 || /^(?:\)|=>|;|\{|\}|else|do|try|finally|static)$/.test(words[i - 1]) ? 'block' : 'object'
  }
  const kinds = new Map(words.flatMap((word, i) => (word === '{' ? [[i, kindOf(i)]] : [])))

  /** Where the bracket at i closes: a template, after all its expressions */
  const pastBracket = i => {
    while (opens(words[i])) i = closing.get(i)
    return i
  }
  /** Where the expression ends that begins at i: the token after it */
  const expressionEnd = i => {
    for (let choices = 0; i < words.length; i++) {
      if (opens(words[i])) i = pastBracket(i)
      else if (closes(words[i]) || words[i] === ',' || words[i] === ';') break
      if (words[i] === '?') choices++
      if (words[i] === ':' && choices-- === 0) break
    }
    return i
  }
  /** Where the statement without braces ends that begins at i */
  const statementEnd = i => {
    while (words[i] !== ';' && !closes(words[i])) i = (opens(words[i]) ? pastBracket(i) : i) + 1
    return i - closes(words[i])
  }
  /** Adds the names that the pattern at i declares, and gives where it ends. */
  const declarePattern = (i, names) => {
    if (words[i] === '...') return declarePattern(i + 1, names)
    if (words[i] === '[') declareList(i + 1, closing.get(i), names)
    else if (words[i] === '{') declareList(i + 1, closing.get(i), names, true)
    else names.add(words[i])
    return (closing.get(i) ?? i) + 1
  }
  /** The same for patterns with commas between, each of which may have a default */
  const declareList = (i, end, names, keyed = false) => {
    while (i < end) {
      if (words[i] === ',') {
        i++
        continue
      }
      i = declarePattern(keyed && words[i + 1] === ':' ? i + 2 : i, names)
      if (words[i] === '=') i = expressionEnd(i + 1)
    }
  }

  const bodies = new Set()
  const methods = new Set()
  words.forEach((word, i) => {
    const names = new Set()
    if (word === '=>') {
      const start = opening.get(i - 1) ?? i - 1
      declareList(start === i - 1 ? start : start + 1, start === i - 1 ? i : i - 1, names)
      bodies.add(i + 1)
      scopes.push({ start, end: words[i + 1] === '{' ? closing.get(i + 1) : expressionEnd(i + 1) - 1, names, called: true })
    } else if (word === '(' && words[closing.get(i) + 1] === '{' && !/^(?:if|for|while|switch)$/.test(words[i - 1])) {
      const body = closing.get(i) + 1
      declareList(i + 1, body - 1, names)
      bodies.add(body)
      scopes.push({ start: i, end: closing.get(body), names, called: words[i - 1] !== 'catch' })
      if (!words.slice(Math.max(0, i - 3), i).includes('function')) methods.add(i - 1)
    } else if (word === 'for' && words[i + 1] === '(') {
      const body = closing.get(i + 1) + 1
      scopes.push({ start: i, end: words[body] === '{' ? closing.get(body) : statementEnd(body), names })
    }
  })
  for (const [start, kind] of kinds) if (kind === 'block' && !bodies.has(start)) scopes.push({ start, end: closing.get(start), names: new Set() })
  scopes.sort((a, b) => a.start - b.start || b.end - a.end)

  const inside = new Array(words.length)
  for (const scope of scopes) {
    scope.parent = inside[scope.start]
    inside.fill(scope, scope.start, scope.end + 1)
  }
  words.forEach((word, i) => {
    let scope = inside[i]
    if (word === 'var') while (!scope.called) scope = scope.parent
    if (/^(?:let|const|var)$/.test(word)) {
      for (let next = i; next === i || words[next] === ',';) {
        next = declarePattern(next + 1, scope.names)
        if (words[next] === '=') next = expressionEnd(next + 1)
      }
    } else if (word === 'function' || word === 'class') {
      const name = words[i + 1] === '*' ? i + 2 : i + 1
      if (isName(words[name])) scope.names.add(words[name])
    }
  })

  /** Names of properties, labels, and the words `as` and `of` */
  const isOther = i => {
    const [before, after] = [words[i - 1], words[i + 1]]
    if (/^(?:\??\.|break|continue)$/.test(before) || methods.has(i)) return true
    if (/^(?:as|of)$/.test(words[i]) && (isName(before) || before === ']' || (before === '}' && words[around[i]] === '('))) return true
    if (after === ':' && /^[{,;}]$/.test(before)) return true
    return kinds.get(around[i]) === 'class' && /^(?:[{;}*]|static|get|set|async)$/.test(before)
  }
  const variables = []
  words.forEach((name, at) => {
    if (!isName(name) || isOther(at)) return
    let scope = inside[at]
    while (scope && !scope.names.has(name)) scope = scope.parent
    const shorthand = kinds.get(around[at]) === 'object' && /^[{,]$/.test(words[at - 1]) && /^[},=]$/.test(words[at + 1])
    variables.push({ at, name, scope, from: inside[at], shorthand })
  })
  return { scopes, variables }
}
