// The house rules that a compiler can't see: floors of the import graph, results that must not depend on the runtime, documentation
// of the public face, no dependencies, and what the package contains.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { transformSync } from 'esbuild'

const read = (file: string) => readFileSync(file, 'utf8')
/** Without what tools leave in folders of theirs, .wrangler for instance */
const filesIn = (folder: string) =>
  (existsSync(folder) ? readdirSync(folder, { recursive: true }) as string[] : [])
    .map(f => posix.join(folder, f.replaceAll('\\', '/'))).filter(f => !/\/\./.test(f)).sort()
const SOURCES = filesIn('ts').filter(f => f.endsWith('.ts') && !f.endsWith('.d.ts'))

// ---- imports -------------------------------------------------------------------------------------------------------------

interface Import {
  from: string
  /** Vanishes when types are stripped */
  typeOnly: boolean
}

function importsOf(text: string): Import[] {
  const found: Import[] = []
  for (const [, type, names, from] of text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[\w$]+\s*,\s*)?(\{[^}]*\}|\*(?:\s+as\s+[\w$]+)?|[\w$]+)\s+from\s+'([^']+)'/gm)) {
    const list = names!.startsWith('{') ? names!.slice(1, -1).split(',').map(n => n.trim()).filter(Boolean) : ['value']
    found.push({ from: from!, typeOnly: !!type || (list.length > 0 && list.every(n => n.startsWith('type '))) })
  }
  for (const [, from] of text.matchAll(/^import\s+'([^']+)'/gm)) found.push({ from: from!, typeOnly: false })
  for (const [, from] of text.matchAll(/\bimport\(\s*['"]([^'"]+)/g)) found.push({ from: from!, typeOnly: false })
  return found
}

test('imports are read as meant', () => {
  const text = `import { a, type B } from './x.js'\nimport type { C } from './y.js'\nimport {\n  type D,\n} from './z.js'\nexport * from './w.js'
import e, * as f from 'v'\nexport { type G } from './u.js'\nimport './side.js'\nconst from = 'none'\n`
  assert.equal(importsOf(text).map(({ from, typeOnly }) => from + (typeOnly ? ' type' : '')), [
    './x.js', './y.js type', './z.js type', './w.js', 'v', './u.js type', './side.js',
  ])
})

/** From the ground up. A file may import its own floor and those below; what stands in a folder belongs to the folder's floor. */
const FLOORS = [
  ['shape'],
  ['kernels'],
  ['arena', 'memory'],
  ['format', 'tensor', 'autograd', 'backward', 'scope', 'numerics', 'vectors', 'random'],
  ['backends'],
  ['ops'],
  ['capture', 'grad'],
  ['nn', 'optim', 'data', 'debug'],
  ['summary'],
  ['index'],
]
/** Entry points of their own, which import the engine as its users do */
const PARTS = ['models', 'train', 'io', 'plot', 'worker', 'threads']
/** What lies outside ts/ and may be imported: the codes that kernels and library share, and the compiled kernels */
const GROUND = ['assembly/codes.js', 'build/wasm/simd.wasm', 'build/wasm/relaxed.wasm']

const room = (file: string) => file.split('/')[1]!.replace(/\.ts$/, '')
const floorOf = (file: string) => FLOORS.findIndex(names => names.includes(room(file)))

test('nothing imports upwards but types', () => {
  const wrong: string[] = []
  for (const file of SOURCES.filter(f => !PARTS.includes(room(f)))) {
    const floor = floorOf(file)
    if (floor < 0) wrong.push(`${file} has no floor: add it to FLOORS`)
    for (const { from, typeOnly } of importsOf(read(file))) {
      const target = posix.join(dirname(file), from)
      if (!from.startsWith('.')) wrong.push(`${file} imports ${from}, which is no file of ts/`)
      else if (GROUND.includes(target)) continue
      else if (!SOURCES.includes(target.replace(/\.js$/, '.ts'))) wrong.push(`${file} imports ${from}, which is not there`)
      else if (!typeOnly && floorOf(target) > floor) wrong.push(`${file} imports ${from} from above`)
    }
  }
  assert.equal(wrong, [])
})

test('the other entry points import hebb by its name', () => {
  const wrong: string[] = []
  for (const file of SOURCES.filter(f => PARTS.includes(room(f)))) {
    for (const { from } of importsOf(read(file))) {
      const target = posix.join(dirname(file), from)
      const inside = from.startsWith('.') && (room(target) === room(file) || GROUND.includes(target))
      if (!inside && from !== 'hebb' && !PARTS.some(part => from === `hebb/${part}`)) wrong.push(`${file} imports ${from}`)
    }
  }
  assert.equal(wrong, [])
})

// ---- what a source may not say -------------------------------------------------------------------------------------------------

/** JavaScript without types and comments, with empty strings and patterns */
function bare(text: string): string {
  const { code } = transformSync(text, {
    loader: 'ts', target: 'es2022', charset: 'utf8', legalComments: 'none', minifyWhitespace: true, supported: { 'template-literal': false, 'top-level-await': true },
  })
  return code.replace(
    /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?<=[(,=:[!&|?{};\n]|\breturn)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g,
    match => (match.startsWith('/') ? '/ /' : '""'),
  )
}

const UNSTEADY = 'exp|expm1|log|log1p|log2|log10|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|hypot|cbrt'
const FORBIDDEN: [RegExp, string][] = [
  [new RegExp(`\\bMath\\s*\\.\\s*(?:${UNSTEADY})\\b`), 'differs between runtimes: take it from numerics.ts'],
  [new RegExp(`\\{[^{}]*\\b(?:${UNSTEADY})\\b[^{}]*\\}\\s*=\\s*Math\\b`), 'differs between runtimes: take it from numerics.ts'],
  [/\bMath\s*\[|[\w$]\s*=\s*Math\s*[;,)\n]/, 'hides which function of Math is meant'],
  [/\*\*/, 'differs between runtimes: multiply, or pow() of numerics.ts'],
  [/(?<![.\w$])process\b(?!\s*[:(])/, 'is not everywhere'],
  [/(?<![.\w$])require\s*\(/, 'is not everywhere'],
  [/(?<![.\w$])eval\s*\((?!\)\s*\{)|\b(?:globalThis|self|window)\s*\.\s*eval\b/, 'is forbidden on edge runtimes'],
  [/(?<![.\w$])Function\s*\(/, 'is forbidden on edge runtimes'],
  [/\bimport\s*\.\s*meta\b/, 'is undefined on some runtimes'],
  [/(?<![.\w$])import\s*\(/, 'splits the one file that the library is'],
]

const offences = (text: string): string[] => {
  const code = bare(text)
  return FORBIDDEN.flatMap(([pattern, why]) => {
    const match = pattern.exec(code)
    return match ? [`${match[0].trim()} ${why}`] : []
  })
}
/** Only esbuild knows where the top level is. */
function awaitsAtTop(text: string): boolean {
  try {
    transformSync(text, { loader: 'ts', target: 'es2022', supported: { 'top-level-await': false }, logLevel: 'silent' })
    return false
  } catch {
    return true
  }
}

test('forbidden words are found in code, and not in comments, strings and names', () => {
  const bad = [
    'Math.exp(1)', 'const y = Math . log1p(x)', 'const { sqrt, hypot } = Math', 'const M = Math;', 'Math["exp"](1)', 'x ** 2', 'let z = a\nz **= 3', 'process.env',
    'typeof process === "object"', 'require("x")', 'eval("1")', 'globalThis.eval("1")', 'new Function("return 1")', 'Function("return 1")', 'import.meta.url',
    'await import("x")', 'const s = `${Math.sin(1)}`', 'const r = /["\'`]/g; const t = x ** 2; const u = "a"',
  ]
  for (const text of bad) assert.is(offences(text).length, 1, text)
  const good = [
    '// Math.exp(1) ** 2', '/** process, eval(x) */ const a = 1', 'const s = "Math.exp(1) ** 2 process"', 'const r = /Math.exp(x) process/', 'const t = `${a} ** Math.exp(b)`',
    'class A { eval() { return 1 } }', 'model.eval()', 'numerics.exp(1)', 'const { sqrt, floor } = Math', 'const Math2 = 1', 'a.process', 'type F = Function', 'const b = { process: 1 }',
    'const c = a / b; const d = "x" / 2',
  ]
  for (const text of good) assert.equal(offences(text), [], text)
  assert.is(awaitsAtTop('await f()'), true)
  assert.is(awaitsAtTop('for await (const x of y) f(x)'), true)
  assert.is(awaitsAtTop('const f = async () => await g()'), false)
})

test('no result depends on the runtime, and nothing is used that a runtime may lack', () => {
  const wrong = SOURCES.flatMap(file => {
    const text = read(file)
    return [...offences(text), ...(awaitsAtTop(text) ? ['top-level await hangs on some runtimes'] : [])].map(what => `${file}: ${what}`)
  })
  assert.equal(wrong, [])
})

const WRITTEN = ['ts', 'assembly', 'test', 'scripts', 'examples', 'bench'].flatMap(filesIn).filter(f => /\.(ts|js)$/.test(f))

test('a file begins with what it is for, and nothing is left for later', () => {
  const later = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].map(word => `\\b${word}\\b`).join('|'))
  const wrong = WRITTEN.flatMap(file => {
    const text = read(file)
    const [first] = text.replace(/^#!.*\n/, '').split('\n')
    return [...(/^(\/\/|\/\*\*?) \S/.test(first!) ? [] : [`${file}: its first line is ${first}`]), ...(later.test(text) ? [`${file}: ${later.exec(text)![0]}`] : [])]
  })
  assert.equal(wrong, [])
})

// ---- documentation -------------------------------------------------------------------------------------------------------------------

/** Exported functions and classes without a doc comment, by `file: name`; `export … from` is followed. */
function undocumented(file: string, wanted: Set<string> | null = null): string[] {
  const text = read(file)
  const missing: string[] = []
  const lines = text.split('\n')
  const seen = new Set<string>()
  lines.forEach((line, i) => {
    const match = /^export (?:declare )?(?:abstract )?(?:async )?(?:(function\*?|class) ([\w$]+)|const ([\w$]+)[^=]*=(.*))/.exec(line)
    if (!match) return
    const name = match[2] ?? match[3]!
    const callable = match[1] || /^\s*(?:async )?(?:\([^;]*|[\w$]+) =>|^\s*\($|^\s*\([^)]*$/.test(match[4]!)
    if (!callable || seen.has(name) || (wanted && !wanted.has(name))) return
    seen.add(name)
    if (!/\*\/\s*$/.test(lines[i - 1] ?? '')) missing.push(`${file}: ${name}`)
  })
  for (const [, list, star, from] of text.matchAll(/^export (?:\{([^}]*)\}|(\*)(?: as \w+)?) from '(\.[^']+)'/gm)) {
    const target = posix.join(dirname(file), from!.replace(/\.js$/, '.ts'))
    const names = list?.split(',').map(n => n.trim()).filter(n => n && !n.startsWith('type ')).map(n => n.split(' as ')[0]!.trim())
    missing.push(...undocumented(target, star ? null : new Set(names)))
  }
  return missing
}

test('every exported function and class says what it does', () => {
  const faces = ['ts/index.ts', ...PARTS.map(part => `ts/${part}/index.ts`)].filter(existsSync)
  assert.equal([...new Set(faces.flatMap(file => undocumented(file)))], [])
})

// ---- the package -----------------------------------------------------------------------------------------------------------------

interface Manifest {
  files: string[]
  exports: Record<string, string | Record<string, string>>
  devDependencies: Record<string, string>
}
const manifest = JSON.parse(read('package.json')) as Manifest & Record<string, unknown>

test('no dependencies, and the agreed tools in exact versions', () => {
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies', 'bundleDependencies']) assert.is(manifest[kind], undefined, kind)
  const tools = Object.keys(manifest.devDependencies)
  assert.equal(tools.filter(name => !name.startsWith('@types/')).sort(), ['assemblyscript', 'benchmark', 'esbuild', 'typescript', 'uvu'])
  for (const [name, version] of Object.entries(manifest.devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name)
})

/** An entry point's files by condition; null for one that is a file itself */
const conditions = (entry: string): Record<string, string> | null => {
  const target = manifest.exports[entry]!
  return typeof target === 'string' ? null : target
}

test('the built library is one file an entry point, which imports nothing but hebb', () => {
  for (const entry of Object.keys(manifest.exports)) {
    const { types, ...files } = conditions(entry) ?? {}
    for (const [condition, file] of Object.entries(files)) {
      // printed without minification
      const imported = importsOf(transformSync(read(file)).code.replaceAll('"', "'")).map(({ from }) => from)
      const binaries = entry === './kernels'
      const allowed = ({
        workerd: binaries ? ['./simd.wasm'] : ['hebb/kernels'],
        'edge-light': binaries ? ['./simd.wasm?module'] : ['hebb/kernels'],
        'module-sync': binaries ? [] : ['hebb/kernels'],
        module: [],
        deno: [],
        default: entry === '.' || entry === './inline' ? [] : ['hebb', ...PARTS.map(part => `hebb/${part}`)],
      } as Record<string, string[]>)[condition]
      assert.ok(allowed, `a condition that bundlers know: ${condition}`)
      assert.equal(imported.filter(from => !allowed!.includes(from)), [], file)
      if (condition !== 'default') assert.equal([...new Set(imported)].sort(), [...allowed!].sort(), file)
    }
    if (types) assert.ok(existsSync(types), `${types} is there: npm run build makes it`)
  }
})

test('classes keep their names in the minified library', async () => {
  for (const entry of Object.keys(manifest.exports).filter(entry => conditions(entry)?.default)) {
    const library = (await import(posix.join('hebb', entry))) as Record<string, unknown>
    const classes = Object.entries(library).filter(([, value]) => typeof value === 'function' && /^class\b/.test(String(value)))
    assert.equal(classes.filter(([name, value]) => (value as { name: string }).name !== name).map(([name]) => name), [], entry)
    if (entry === '.') assert.ok(classes.length > 100)
  }
})

test('the package holds what users need and nothing else', () => {
  // prepare would build everything anew
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], shell: process.platform === 'win32' })
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  const paths = files.map(f => f.path)
  const known = /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|build\/dist\/[\w.]+\.(c?js|wasm)|build\/types\/(ts|assembly)\/[\w/-]+\.d\.ts)$/
  assert.equal(paths.filter(path => !known.test(path)), [])
  const needed = Object.values(manifest.exports).flatMap(target => (typeof target === 'string' ? [target] : Object.values(target))).map(path => path.replace('./', ''))
  const written = ['LICENSE', 'README.md', 'CHANGELOG.md'].filter(path => existsSync(path))
  assert.equal([...needed, ...written].filter(path => !paths.includes(path)), [])
  // every declaration that a declaration imports
  const absent = paths.filter(path => path.endsWith('.d.ts')).flatMap(path =>
    importsOf(read(path)).filter(({ from }) => from.startsWith('.')).map(({ from }) => posix.join(dirname(path), from.replace(/\.js$/, '.d.ts'))).filter(target => !paths.includes(target)))
  assert.equal(absent, [])
})

test('the tests run in the folder of package.json', () => assert.ok(existsSync(join('test', 'structure.ts'))))

test.run()
