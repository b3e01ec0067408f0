// Documentation runs: every js and ts block of README.md and docs/ is executed, the ts blocks type-check against the declarations
// that users get, and the README's first program learns XOR from any seed. A block stands alone, or goes on where the one before it
// ended if its first line says `continue`.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'
import { buildSync } from 'esbuild'

/** Programs lie inside the package, so that they import hebb as installed. */
const FOLDER = resolve('build/test/docs')
const RUN = ['js', 'ts']
const SHOWN = ['text', 'sh', 'json', 'html']

interface Block {
  file: string
  /** Of its first line of code */
  line: number
  language: string
  continues: boolean
  code: string
}

function blocksOf(file: string, text: string): Block[] {
  const blocks: Block[] = []
  let open: { block: Block; indent: number; fence: string } | null = null
  text.split(/\r?\n/).forEach((line, i) => {
    const [, indent = '', fence = '', info = ''] = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/.exec(line) ?? []
    if (open) {
      if (fence.startsWith(open.fence) && info.trim() === '') open = null
      else open.block.code += `${line.slice(Math.min(open.indent, line.length - line.trimStart().length))}\n`
    } else if (fence) {
      const [language = '', ...words] = info.trim().split(/\s+/)
      const block = { file, line: i + 2, language, continues: words.includes('continue'), code: '' }
      blocks.push(block)
      open = { block, indent: indent.length, fence }
    }
  })
  if (open) throw new Error(`${file}:${(open as { block: Block }).block.line}: a code block without an end`)
  return blocks
}

/** Blocks and those that go on after them, as one program */
function programsOf(blocks: Block[]): Block[] {
  const programs: Block[] = []
  for (const block of blocks.filter(b => RUN.includes(b.language))) {
    const last = programs.at(-1)
    if (!block.continues) programs.push({ ...block })
    else if (!last) throw new Error(`${block.file}:${block.line}: nothing before it to continue`)
    else Object.assign(last, { code: last.code + block.code, language: block.language === 'ts' ? 'ts' : last.language })
  }
  return programs
}

test('blocks are found, joined and told apart', () => {
  const text = [
    'Text', '```ts', 'const a: number = 1', '```', '- list', '  ```js continue', '  if (a) {', '    b()', '  }', '  ```', '~~~sh', 'npm test', '```ts', '~~~',
    '````js', '```', '````', '```', 'no language', '```',
  ]
  const blocks = blocksOf('x.md', text.join('\n'))
  assert.equal(blocks.map(b => [b.language, b.line, b.continues, b.code]), [
    ['ts', 3, false, 'const a: number = 1\n'], ['js', 7, true, 'if (a) {\n  b()\n}\n'], ['sh', 12, false, 'npm test\n```ts\n'], ['js', 16, false, '```\n'],
    ['', 19, false, 'no language\n'],
  ])
  assert.equal(programsOf(blocks).map(b => [b.language, b.line, b.code]), [['ts', 3, 'const a: number = 1\nif (a) {\n  b()\n}\n'], ['js', 16, '```\n']])
  assert.throws(() => programsOf(blocksOf('x.md', '```ts continue\n```')), 'x.md:2: nothing before it to continue')
  assert.throws(() => blocksOf('x.md', 'a\n```ts\nb'), 'x.md:3: a code block without an end')
})

const docs = existsSync('docs') ? (readdirSync('docs', { recursive: true }) as string[]).map(f => posix.join('docs', f.replaceAll('\\', '/'))) : []
const files = ['README.md', ...docs.sort()].filter(f => f.endsWith('.md') && existsSync(f))
const blocks = files.flatMap(file => blocksOf(file, readFileSync(file, 'utf8')))
const programs = programsOf(blocks)
const nameOf = ({ file, line }: Block) => `${file.replace(/\W+/g, '-')}-${line}`

rmSync(FOLDER, { recursive: true, force: true })
mkdirSync(FOLDER, { recursive: true })
// what a reader would find beside the page
symlinkSync(resolve('examples'), join(FOLDER, 'examples'), 'junction')

function bundle(name: string, language: string, code: string): string {
  const outfile = join(FOLDER, `${name}.js`)
  buildSync({
    stdin: { contents: code, loader: language as 'js' | 'ts', resolveDir: FOLDER, sourcefile: name },
    outfile, bundle: true, format: 'esm', platform: 'node', target: 'es2022', packages: 'external', sourcemap: 'inline', logLevel: 'silent',
    // the repository's tsconfig leads hebb to its sources
    tsconfigRaw: '{}',
  })
  return outfile
}
function execute(...args: string[]): string {
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, args, { cwd: FOLDER, encoding: 'utf8', timeout: 240000 })
  assert.is(status, 0, `${signal ?? `exit code ${status}`}\n${stdout}${stderr}`)
  return stdout
}

test('every block says what it is', () => {
  const unknown = blocks.filter(b => ![...RUN, ...SHOWN].includes(b.language)).map(b => `${b.file}:${b.line}: ${b.language || 'no language'}`)
  assert.equal(unknown, [], `one of ${[...RUN, ...SHOWN].join(', ')}`)
})

for (const program of programs) {
  test(`${program.file}:${program.line} runs`, () => void execute('--enable-source-maps', bundle(nameOf(program), program.language, program.code)))
}

test('the ts blocks type-check', () => {
  const typed = programs.filter(p => p.language === 'ts')
  if (typed.length === 0) return
  for (const program of typed) writeFileSync(join(FOLDER, `${nameOf(program)}.ts`), `${program.code}\nexport {}\n`)
  const compilerOptions = { strict: true, noEmit: true, target: 'es2022', module: 'nodenext', lib: ['es2022', 'dom', 'esnext.disposable'], types: ['node'], skipLibCheck: false }
  writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const tsc = ['lib/tsc.js', 'bin/tsc'].map(f => resolve('node_modules/typescript', f)).find(existsSync)!
  execute(tsc, '-p', FOLDER)
})

/** Numbers that a text ends with, without those of shapes */
function lastNumbers(text: string, n: number): number[] {
  return (text.replace(/shape \[[^\]]*\]/g, '').match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g) ?? []).slice(-n).map(Number)
}

test('the last numbers of an output', () => {
  assert.equal(lastNumbers('loss 0.5\ntensor([[0.0012],\n [1.002e-3]], shape [2,1])', 2), [0.0012, 0.001002])
  assert.equal(lastNumbers('[ [ -1 ], [ 2 ] ]', 4), [-1, 2])
})

const first = programs.find(p => p.file === 'README.md')
if (first) {
  test('the README\'s first program learns XOR from each of 50 seeds: the last four numbers it prints round to 0 1 1 0', () => {
    assert.not.match(first.code, /manualSeed/, 'the test chooses the seeds')
    const seeded = bundle('xor', first.language, `import { manualSeed as seed } from 'hebb'\nseed(globalThis.seed)\n${first.code}`)
    // a query makes a module of its own, which runs anew
    writeFileSync(join(FOLDER, 'seeds.mjs'), `
import { format } from 'node:util'
const outputs = []
const { log } = console
for (globalThis.seed = 0; globalThis.seed < 50; globalThis.seed++) {
  let output = ''
  console.log = (...values) => void (output += format(...values) + '\\n')
  await import(${JSON.stringify(`${seeded}?`)} + globalThis.seed)
  outputs.push(output)
}
log(JSON.stringify(outputs))
`)
    const outputs = JSON.parse(execute(join(FOLDER, 'seeds.mjs'))) as string[]
    const failed = outputs.flatMap((output, seed) => (lastNumbers(output, 4).map(Math.round).join(' ') === '0 1 1 0' ? [] : [`seed ${seed}: ${output}`]))
    assert.equal(failed, [])
  })
}

test.run()
