// npm run bench: the form of what it prints and writes, its options, and that it never times a wrong result. Nothing about speed.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { conv2d, gradients, onBackend, scope, tensor } from 'hebb'
import { differences, type Run } from '../bench/compare.js'
import { WrongResult } from '../bench/measure.js'
import { countFlops, NETWORKS, prepare } from '../bench/nets.js'
import { checkReference, checkSamples, convAt, convSizes, productAt, uniform, type ConvShape } from '../bench/numbers.js'
import { parseOptions } from '../bench/options.js'
import { buildPage } from '../bench/page.js'
import { Session, type Result } from '../bench/session.js'
import { digits, thousands, time } from '../bench/text.js'

const folder = mkdtempSync(join(tmpdir(), 'hebb-bench-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const inFolder = (name: string) => join(folder, name)

function execute(args: readonly string[], options: readonly string[] = [], program = 'build/bench/index.js') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, program, ...args], { encoding: 'utf8', timeout: 120000 })
  return { status, stdout, stderr }
}
const readJson = (name: string) => JSON.parse(readFileSync(inFolder(name), 'utf8')) as Run

// first of all: it builds what the other tests run
test('prints the machine and aligned tables, and writes --json and --html', () => {
  const { status, stdout, stderr } = execute(
    ['--quick', '--only', 'ab 32', '--only=empty turn,ratio/MLP', '--json', inFolder('a.json'), '--html', inFolder('a.html')], [],
    'scripts/bench.js',
  )
  assert.is(status, 0, stderr + stdout)
  const machine = [/^hebb \S+, wasm \w+, one thread$/m, /cores/, /^Node \d+\.\d+\.\d+, V8 /m, /multiply-add loop.* GFLOP\/s$/m]
  for (const part of [...machine, /^4 results in /m]) assert.match(stdout, part)
  const lines = stdout.split('\n')
  const at = lines.findIndex(line => line.startsWith('matrix products'))
  assert.match(lines[at]!, /median +best +GFLOP\/s +of C$/)
  assert.match(lines[at + 1]!, /^AB 32³ +[\d.]+ (ns|µs|ms) +±\d+ % +[\d.]+ (ns|µs|ms) +[\d.]+ +\d+ %$/)
  assert.is(lines[at]!.length, lines[at + 1]!.length, 'columns are aligned')
  assert.match(stdout, /^an empty turn +[\d.]+ (ns|µs)/m)
  assert.match(stdout, /^MLP 784-256-128-10, b64 +\S+ \S+ +\S+ \S+ +[\d.]+ +1\.15 +[\d.]+$/m)
  assert.not.match(stdout, /convolutions|LeNet|[\r\x1b]/)

  const run = readJson('a.json')
  assert.is(run.quick, true)
  assert.ok(run.machine.cores > 0 && run.machine.node === process.versions.node && run.machine.threads === 1 && run.peak > 0)
  assert.equal(run.results.map(r => `${r.subject}/${r.name}`), [
    'kernels/AB 32³', 'ratio/MLP 784-256-128-10, b64: forward', 'ratio/MLP 784-256-128-10, b64: backward', 'overhead/an empty turn',
  ])
  for (const r of run.results) assert.ok(r.ms > 0 && r.best > 0 && r.best <= r.ms && r.samples > 0 && r.peak > 0, r.name)
  assert.is(run.results[0]!.flops, 65536)
  const page = readFileSync(inFolder('a.html'), 'utf8')
  assert.is(page.match(/<svg/g)!.length, 3)
  assert.match(page, /AB 32³/)
  assert.not.match(page, /(src|href)=|<script/)
})

test('--compare prints ratios and flags what changed by more than 10 %', () => {
  const earlier = readJson('a.json')
  Object.assign(earlier.results[0]!, { best: earlier.results[0]!.best * 100, core: 1 })
  earlier.results = earlier.results.filter(r => r.subject === 'kernels')
  writeFileSync(inFolder('old.json'), JSON.stringify(earlier))
  const { status, stdout, stderr } = execute(['--quick', '--only', 'ab 32', '--compare', inFolder('old.json'), '--html', inFolder('c.html')])
  assert.is(status, 0, stderr)
  // on a busy machine this run itself is disturbed
  assert.match(stdout, /^kernels\/AB 32³ .* × +(faster|disturbed)$/m)
  assert.match(stdout, /^1 compared, [01] faster and 0 slower/m)
  assert.match(readFileSync(inFolder('c.html'), 'utf8'), /speed against the earlier run/)
})

test('a wrong kernel is found and not timed', () => {
  // damages the first element of every product, as the engine runs it
  const damage = resolve('build/test/bench-damage.mjs')
  writeFileSync(damage, `import { engine } from 'hebb'
const backend = engine.currentBackend()
const { gemm } = backend.kernels
backend.kernels.gemm = (...args) => {
  gemm(...args)
  backend.write(args[12], [12345], 'float32')
}
`)
  const only = ['ab 32', 'ab 1×784', 'ratio/mlp', 'empty turn'].flatMap(name => ['--only', name])
  const { status, stdout } = execute(
    ['--quick', ...only, '--json', inFolder('d.json'), '--html', inFolder('d.html')], ['--import', pathToFileURL(damage).href],
  )
  assert.is(status, 1, stdout)
  assert.match(stdout, /AB 32³: not timed, the result is wrong: element 0 of \[32,32\] is 12345, expected/)
  assert.match(stdout, /MLP 784-256-128-10, b64: not timed, the result is wrong: loss/)
  assert.match(stdout, /1 results in .*, 3 refused: wrong results/)
  const run = readJson('d.json')
  assert.equal(run.refused.map(r => r.name), ['AB 32³', 'AB 1×784×256', 'MLP 784-256-128-10, b64'])
  assert.equal(run.results.map(r => r.name), ['an empty turn'])
  assert.match(readFileSync(inFolder('d.html'), 'utf8'), /kernels\/AB 32³ was not timed/)
})

test('wrong options are named', () => {
  const refused = (args: readonly string[], message: RegExp) => {
    const { status, stdout, stderr } = execute(args)
    assert.is(status, 1, stdout)
    assert.match(stderr, message)
    assert.is(stderr.trim().split('\n').length, 1, stderr)
  }
  refused(['--fast'], /--fast: unknown option; expected --only, --quick, --json, --compare, --html, --help/)
  refused(['--only', 'nothing like it'], /--only nothing like it: expected one of kernels, networks, ratio, overhead, start/)
  refused(['--quick', '--only', 'alexnet'], /AlexNet .* takes too long for --quick/)
  refused(['--compare', inFolder('nowhere.json')], /expected a file to read, got ENOENT/)
  refused(['--compare', 'package.json'], /expected the results that --json wrote/)
  refused(['--json', join(folder, 'no', 'such', 'folder'), '--only', 'empty turn'], /expected a file that can be written, got no folder/)
  const { status, stdout } = execute(['--help'])
  assert.is(status, 0)
  for (const option of ['--only NAME', '--quick', '--json FILE', '--compare FILE', '--html FILE']) assert.match(stdout, option)
  for (const subject of ['kernels', 'networks', 'ratio', 'overhead', 'start']) assert.match(stdout, subject)
})

test('a run that is refused leaves earlier results as they were, and nothing beside them', () => {
  writeFileSync(inFolder('kept.json'), 'earlier')
  const before = readdirSync(folder)
  const { status } = execute(['--quick', '--only', 'empty turn', '--json', inFolder('kept.json'), '--html', inFolder('none/x.html')])
  assert.equal([status, readFileSync(inFolder('kept.json'), 'utf8'), readdirSync(folder)], [1, 'earlier', before])
})

test('options are read as meant', () => {
  assert.equal(parseOptions(['--only', 'a, b', '--only=c', '--quick', '--json=x=y']), { only: ['a', 'b', 'c'], quick: true, json: 'x=y' })
  assert.is(parseOptions(['--quick', '--help']), 'help')
  for (const args of [['--quick=1'], ['--json'], ['--json', '--quick'], ['--only='], ['x'], ['--json', 'a', '--html=./a']]) {
    assert.throws(() => parseOptions(args), (e: Error) => e.name === 'OptionError', args.join())
  }
})

test('a case whose check fails is refused, another error ends the run, and what was begun leaves no result', () => {
  const lines: string[] = []
  const session = new Session({ quick: true, peak: () => 1 }, [], { line: text => void lines.push(text), progress() {} })
  const result = { ms: 1, best: 1, error: 0, samples: 1, peak: 1, core: 1 }
  session.table('s', 't', [['time', 6]], [{ name: 'good' }, { name: 'bad' }, { name: 'late', long: true }], ({ name }, add) => {
    add(`${name}: part`, result)
    if (name === 'bad') throw new WrongResult('7, expected 8')
    return ['1 ms']
  })
  assert.equal(lines, ['', 't       time', 'good    1 ms', '  bad: not timed, the result is wrong: 7, expected 8'])
  assert.equal(session.results.map(r => r.name), ['good: part'])
  assert.equal(session.refused, [{ subject: 's', name: 'bad', why: '7, expected 8' }])
  assert.throws(() => session.table('s', 't', [], [{ name: 'x' }], () => { throw new Error('other') }), 'other')
})

test('checks accept what is right and refuse what is not, NaN included', () => scope(() => {
  const expected = (i: number) => ({ value: i, size: 1 })
  checkSamples(tensor([0, 1, 2.000001]), expected)
  const isRefusal = (e: Error) => e instanceof WrongResult
  for (const wrong of [[0, 1, 2.1], [0, 1, NaN], [1e-3, 1, 2]]) assert.throws(() => checkSamples(tensor(wrong), expected), isRefusal)
  let calls = 0
  const shifting = (by: number) => () => tensor([1, 2 + by * calls++])
  checkReference(shifting(0))
  for (const by of [0.1, NaN, -1e-3]) assert.throws(() => checkReference(shifting(by)), isRefusal)
}))

test('the float64 sums agree with the reference backend in every element', () => onBackend('reference64', () => scope(() => {
  const shapes: Partial<ConvShape>[] = [
    {}, { padding: 2, dilation: 2 }, { stride: 2, padding: 1, h: 8 }, { groups: 2, o: 6, padding: 1 }, { groups: 4, o: 4 }, { k: 1, stride: 3 },
  ]
  for (const rest of shapes) {
    const q: ConvShape = { n: 2, c: 4, h: 7, w: 6, o: 2, k: 3, stride: 1, padding: 0, dilation: 1, groups: 1, ...rest }
    const { oh, ow } = convSizes(q)
    const weights = (q.o * q.c * q.k * q.k) / q.groups
    const data = { x: uniform(q.n * q.c * q.h * q.w, 1), w: uniform(weights, 2), g: uniform(q.n * q.o * oh * ow, 3) }
    const x = tensor(data.x, [q.n, q.c, q.h, q.w], { requiresGrad: true })
    const w = tensor(data.w, [q.o, q.c / q.groups, q.k, q.k], { requiresGrad: true })
    const y = conv2d(x, w, null, { stride: q.stride, padding: q.padding, dilation: q.dilation, groups: q.groups })
    assert.equal(y.shape, [q.n, q.o, oh, ow])
    const [dx, dw] = gradients(y, [x, w], { gradOutputs: [tensor(data.g, y.shape)], retainGraph: true })
    for (const [which, t] of [['y', y], ['dx', dx!], ['dw', dw!]] as const) {
      t.values().forEach((value, i) => {
        assert.ok(Math.abs(convAt(q, data, which, i).value - value) < 1e-12, `${which}[${i}] of ${JSON.stringify(q)}`)
      })
    }
  }
  assert.equal(productAt(5, 3, 2, (i, p) => 10 * i + p, (p, j) => p - j), { value: 10 * -2 + 11 * -1, size: 31 })
})))

test('operations are counted as arithmetic says, and the first layer has no input gradient', () => {
  const ratios: Record<string, number> = { MLP: 1.15, 'LeNet-5': 1.72, CIFAR: 1.87 }
  for (const network of NETWORKS) {
    const name = Object.keys(ratios).find(start => network.name.startsWith(start))
    if (!name) continue
    const { forward, backward } = scope(() => {
      const { model, x } = prepare(network)
      return countFlops(model, x)
    })
    assert.is((backward / forward).toFixed(2), String(ratios[name]))
    if (name === 'MLP') assert.is(forward, 2 * 64 * (784 * 256 + 256 * 128 + 128 * 10))
    if (name === 'LeNet-5') assert.is(forward, 2 * 64 * (784 * 6 * 25 + 100 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10))
  }
})

const result = (name: string, best: number, peak: number): Result =>
  ({ subject: 's', table: 't', name, ms: best, best, error: 0, samples: 1, peak, core: 1 })

test('a slow phase of the machine cancels out of a comparison', () => {
  const before = [result('a', 1, 40), result('b', 1, 0), result('c', 1, 40), result('gone', 1, 1)]
  const now = [result('a', 2, 20), result('b', 2, 0), result('c', 1, 20), result('new', 1, 1)]
  assert.equal(differences(before, now).map(d => [d.name, d.ratio, d.flag]), [['s/a', 1, ''], ['s/b', 0.5, 'slower'], ['s/c', 2, 'faster']])
  const shared = now.map(r => ({ ...r, core: 0.7 }))
  assert.equal(differences(before, shared).map(d => d.flag), ['', 'disturbed', 'disturbed'], 'other work on the core explains a change')
})

test('names are escaped on the page', () => {
  const run = { ...readJson('a.json'), results: [result('<b>&', 1, 1)], refused: [{ subject: 's', name: '<i>', why: '"' }] }
  const page = buildPage(run, ['<u>'], [])
  assert.not.match(page, /<[bui]>/)
  assert.match(page, /&lt;b&gt;&amp;/)
})

test('numbers have three digits and a unit', () => {
  const times = ['123 ns', '45.6 µs', '1.00 ms', '1.23 ms', '-56.8 ms', '1.00 s', '12.3 s']
  assert.equal([0.000123, 0.0456, 0.9999, 1.234, -56.78, 999.9, 12345].map(time), times)
  assert.equal([0.1234, 1.234, 12.34, 123.4].map(digits), ['0.123', '1.23', '12.3', '123'])
  assert.is(thousands(1234567.8), '1,234,568')
})

test.run()
