// npm run docs:support: docs/support.md, what runs where, from hebb's own tables: kernels of each backend, ops, exports, PyTorch's cases.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { mayRun } from './arguments.js'
import { root } from './build.js'
import { endWith, renewLibrary } from './outdated.js'
import { guardOutput } from './output.js'

const BACKENDS = ['wasm', 'reference', 'reference64']
const FILE = 'docs/support.md'
const read = file => readFileSync(join(root, file), 'utf8')

/** Code without comments and strings, in which names would pass for uses. */
const bare = text => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:\\.|[^'\\\n])*'/gm, match => (match.startsWith("'") ? "''" : ' '))

/** What stands at the top level of a file by name (its code, and whether others may import it), and where imported names come from. */
function declarationsOf(file) {
  const text = read(file)
  const declared = new Map()
  for (const part of bare(text).split(/^(?=(?:export|declare|abstract|async|function|const|let|class|interface|type|import)\b)/m)) {
    const match = /^(?:export )?(?:abstract )?(?:async )?(function\*?|const|let|class) (\w+)/.exec(part)
    if (match) declared.set(match[2], { code: part, exported: part.startsWith('export') })
  }
  const imported = new Map()
  for (const [, names, from] of text.matchAll(/^import \{([^}]*)\} from '(\.[^']+)'/gm)) {
    for (const name of names.split(',').map(n => n.trim()).filter(n => n && !n.startsWith('type '))) {
      const [there, here = there] = name.split(' as ')
      imported.set(here, { file: posix.join(dirname(file), from.replace(/\.js$/, '.ts')), name: there })
    }
  }
  return { declared, imported }
}

/** All that the code of a declaration uses, directly or through others: kernels by name, and whether it reads values on the host. */
function usesOf(files, kernels, start) {
  const used = new Set()
  let reads = false
  const seen = new Set()
  const visit = (file, name) => {
    const key = `${file} ${name}`
    const { declared, imported } = files.get(file) ?? {}
    const found = declared?.get(name)
    if (seen.has(key)) return
    seen.add(key)
    if (name === 'onHost') reads = true
    if (!found) {
      const other = imported?.get(name)
      if (other) visit(other.file, other.name)
      return
    }
    for (const [, dot, word] of found.code.matchAll(/(\.)?\b([A-Za-z_]\w*)/g)) {
      if (dot && kernels.has(word)) used.add(word)
      else if (!dot && word !== name && (declared.has(word) || imported.has(word))) visit(file, word)
    }
  }
  visit(start.file, start.name)
  return { used, reads }
}

const camel = name => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
/** PyTorch's name of an op where hebb's is not the same in camelCase */
const RENAMED = { var: 'variance', bceWithLogitsLoss: 'bceWithLogits', batchNormSequence: 'batchNorm' }

/** How many of PyTorch's cases test a name. */
function casesByName() {
  const counts = new Map()
  for (const { op, args, group } of JSON.parse(read('test/golden/index.json')).cases) {
    const key = op === 'optimizer' ? args.optimizer : op === 'lr_scheduler' ? args.scheduler : op === 'network' ? group : (RENAMED[camel(op)] ?? camel(op))
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

const row = cells => `| ${cells.join(' | ')} |`
const table = (heads, rows) => [row(heads), row(heads.map((_, i) => (i === 0 ? '---' : ':---:'))), ...rows.map(row)].join('\n')
const mark = yes => (yes ? '✓' : '–')

/** The page, from the sources and the built library. */
export async function supportPage() {
  const hebb = await import(pathToFileURL(join(root, 'build/dist/hebb.js')).href)
  const { engine, onMeta, Module, Optimizer, Schedule, Tensor } = hebb
  const tables = Object.fromEntries(BACKENDS.map(name => [name, new Set(Object.keys(engine.backendNamed(name).kernels))]))
  const meta = new Set(Object.keys(onMeta(() => engine.currentBackend()).kernels))
  const kernels = new Set(Object.values(tables).flatMap(set => [...set]))
  const files = new Map(
    ['ops', 'nn', 'optim'].flatMap(folder => readdirSync(join(root, 'ts', folder)).filter(f => f.endsWith('.ts')).map(f => `ts/${folder}/${f}`))
      .map(file => [file, declarationsOf(file)]),
  )
  const counts = casesByName()
  const gradients = read('test/gradients.ts')
  const flat = new Set([...(/const without = \[([^\]]*)\]/.exec(gradients)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(([, name]) => name))
  const differentiable = new Set([...gradients.matchAll(/^ {2}\['(\w+)',/gm)].map(([, name]) => name))

  /** Where an exported name is declared, in a folder */
  const home = (folder, name) => [...files.keys()].find(file => file.startsWith(`ts/${folder}/`) && files.get(file).declared.get(name)?.exported)
  const runsOn = uses => BACKENDS.map(name => mark([...uses].every(kernel => tables[name].has(kernel))))

  const ops = [...new Set([...Object.keys(hebb), 'split'])].filter(name => /^[a-z]/.test(name))
  const opRows = ops.flatMap(name => {
    const file = home('ops', name)
    if (!file || !(flat.has(name) || differentiable.has(name) || /\): Tensor\b/.test(files.get(file).declared.get(name).code))) return []
    const { used, reads } = usesOf(files, kernels, { file, name })
    const isMethod = typeof Object.getOwnPropertyDescriptor(Tensor.prototype, name)?.value === 'function'
    const family = file.replace(/^ts\/ops\/|\.ts$/g, '')
    const shapesOnly = !reads && [...used].every(kernel => meta.has(kernel))
    const cells = [`\`${name}\``, mark(isMethod), ...runsOn(used), mark(shapesOnly), mark(!reads), mark(differentiable.has(name)), counts.get(name) ?? '']
    return [{ family, cells }]
  })
  const heads = ['op', 'method', ...BACKENDS, 'meta', 'capture', 'gradient', 'PyTorch']
  const families = [...new Set(opRows.map(r => r.family))].sort()
  const derived = (base, folder) => Object.entries(hebb).filter(([, value]) => typeof value === 'function' && value.prototype instanceof base).map(([name]) => name).sort()
    .flatMap(name => {
      const file = home(folder, name)
      return file ? [[`\`${name}\``, ...runsOn(usesOf(files, kernels, { file, name }).used), counts.get(name) ?? '']] : []
    })
  const networks = [...counts].filter(([name]) => name.startsWith('net_')).map(([name]) => name.slice(4).replaceAll('_', ' '))

  return `# What runs where

Written by \`npm run docs:support\` from hebb's own tables: the kernels of each backend, the ops and what their code uses, the exports, and the
${[...counts.values()].reduce((a, b) => a + b, 0)} cases with PyTorch's numbers in test/golden, which run on wasm and reference. A test fails when this page is out of date.

- **wasm** is the WebAssembly module, **reference** the plain loops in float32, **reference64** the same in float64: ✓ where every kernel that
  the op's code uses, forward and backward, is in the backend's table.
- **meta** computes shapes without values (\`onMeta\`, \`summary\`); **capture** replays a recorded step. – in both: the op reads values on the host, at
  least for some arguments.
- **gradient** is ✓ where test/gradients.ts checks it against differences, in float64 and float32, first and second order; – where there is none.
- **PyTorch** is the number of cases of that op.

## Ops

${families.map(family => `### ${family}\n\n${table(heads, opRows.filter(r => r.family === family).map(r => r.cells))}`).join('\n\n')}

## Layers

${table(['layer', ...BACKENDS], derived(Module, 'nn').map(cells => cells.slice(0, -1)))}

## Optimizers

${table(['optimizer', ...BACKENDS, 'PyTorch'], derived(Optimizer, 'optim'))}

## Schedules

They compute on the host, so they run with every backend.

${table(['schedule', 'PyTorch'], derived(Schedule, 'optim').map(cells => [cells[0], cells.at(-1)]))}

## Networks

Trained for ten steps beside PyTorch: ${networks.join(', ')}.

## Kernels

${table(['kernel', ...BACKENDS], [...kernels].sort().map(name => [`\`${name}\``, ...BACKENDS.map(backend => mark(tables[backend].has(name)))]))}
`
}

async function main() {
  guardOutput()
  // the test prints what the library that it has just built gives
  if (process.argv.includes('--print')) {
    process.stdout.write(await supportPage())
    return
  }
  if (!mayRun('docs:support', `writes ${FILE}, what runs where`)) return
  await renewLibrary().catch(endWith('run docs:support'))
  const page = await supportPage()
  writeFileSync(join(root, FILE), page)
  console.log(`${FILE}: ${page.split('\n').length} lines`)
}

if (process.argv[1] && statSync(process.argv[1]).ino === statSync(fileURLToPath(import.meta.url)).ino) await main()
