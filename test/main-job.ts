// The main job as a user runs it: output, files, options, bad input, interruption and resumption, real data sets.

import { spawn, spawnSync } from 'node:child_process'
import { closeSync, createReadStream, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readSafetensors, writeSafetensors } from 'hebb/io'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'build/examples/train.js')
const folder = mkdtempSync(join(tmpdir(), 'hebb-main-'))
const env = { ...process.env, HEBB_DATA: '' }
test.after(() => rmSync(folder, { recursive: true, force: true }))

function run(args: readonly string[], options: { env?: Record<string, string | undefined> } = {}) {
  const at = args.includes('--report') || args.includes('--help') ? [] : ['--report', join(folder, 'report.html')]
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args, ...at], { cwd: folder, encoding: 'utf8', env: { ...env, ...options.env } })
  return { status, stdout, stderr }
}
const events = (stdout: string) => stdout.trim().split('\n').map(line => JSON.parse(line) as Record<string, any>)
const end = (stdout: string) => events(stdout).at(-1)!

/** A wrong call: exit code 1, nothing on stdout's last line but the message on stderr, of at most two lines. */
function refused(args: readonly string[], ...parts: RegExp[]) {
  const before = readdirSync(folder)
  const { status, stdout, stderr } = run(args)
  assert.is(status, 1, `${args.join(' ')}: ${stdout}${stderr}`)
  assert.ok(stderr.trim().split('\n').length <= 2, stderr)
  for (const part of parts) assert.match(stderr, part)
  assert.equal(readdirSync(folder), before, 'nothing was written')
}

test('trains on the digits, prints what it did, and writes a report', () => {
  const file = join(folder, 'first.html')
  const { status, stdout, stderr } = run(['--epochs', '3', '--report', file])
  assert.is(status, 0, stderr)
  for (const part of [/convnet/, /epoch 3\/3/, /test accuracy \d.* \(looked at once\)/, /confusion matrix/, /backward \/ forward/, /1,258 to train, 180 to validate, 359 to test/, /sha256 [0-9a-f]{64}/]) {
    assert.match(stdout, part)
  }
  assert.not.match(stdout, /[\r\x1b]/, 'plain lines where the output is no terminal')
  const page = readFileSync(file, 'utf8')
  assert.match(page, /<svg/)
  assert.not.match(page, /(src|href)="http/)
})

test('npm start from another folder takes paths from there', () => {
  const folders = { ...env, npm_lifecycle_event: 'start', INIT_CWD: folder }
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/start.js'), '--epochs', '1', '--report', 'here.html'], { cwd: root, encoding: 'utf8', env: folders })
  assert.is(status, 0, stderr)
  assert.ok(existsSync(join(folder, 'here.html')))
})

test('--help lists every option', () => {
  const { status, stdout } = run(['--help'])
  assert.is(status, 0)
  for (const option of ['dataset', 'data', 'model', 'epochs', 'batch', 'lr', 'optimizer', 'seed', 'threads', 'save', 'load', 'resume', 'report', 'json', 'quiet']) {
    assert.match(stdout, new RegExp(`--${option}\\b`))
  }
  assert.match(stdout, /HEBB_DATA/)
})

test('--json: one object a line; the same seed gives the same weights, another seed others', () => {
  const args = ['--json', '--epochs', '2']
  const first = run(args)
  assert.is(first.status, 0, first.stderr)
  const list = events(first.stdout)
  assert.equal(list.map(e => e.event), ['start', 'epoch', 'epoch', 'end'])
  const { testAccuracy, testCount, seconds, weightsHash } = list.at(-1)!
  assert.ok(testAccuracy > 0.5 && testAccuracy <= 1)
  assert.is(testCount, 359)
  assert.ok(seconds > 0)
  assert.match(weightsHash, /^[0-9a-f]{64}$/)
  assert.is(end(run(args).stdout).weightsHash, weightsHash)
  assert.is.not(end(run([...args, '--seed', '1']).stdout).weightsHash, weightsHash)
})

test('every model and optimizer that takes the digits trains', () => {
  for (const args of [['--model', 'mlp'], ['--model', 'perceptron'], ['--optimizer', 'adam']]) {
    const { status, stdout, stderr } = run(['--json', '--quiet', '--epochs', '2', ...args])
    assert.is(status, 0, stderr)
    assert.ok(end(stdout).testAccuracy > 0.5, `${args}: ${end(stdout).testAccuracy}`)
  }
})

test('saved weights load again; --load with 0 epochs only tests', () => {
  const file = join(folder, 'weights.safetensors')
  const trained = end(run(['--json', '--epochs', '2', '--save', file]).stdout)
  const loaded = run(['--json', '--epochs', '0', '--load', file])
  assert.is(loaded.status, 0, loaded.stderr)
  assert.is(end(loaded.stdout).weightsHash, trained.weightsHash)
  assert.is(end(loaded.stdout).testAccuracy, trained.testAccuracy)
  refused(['--load', file, '--model', 'mlp'], /--load .*weights\.safetensors: expected weights of --model mlp for --dataset digits, got others: 1\.weight expected float32 \[64,64\], got none/)
  refused(['--resume', '--save', file, '--epochs', '2', '--optimizer', 'adam'], /--resume .*: trained with --optimizer sgd, expected the same, got adam/)
  refused(['--resume', '--save', file, '--epochs', '3'], /--epochs 2, expected the same, got 3/)
})

test('weights and trainings that cannot be meant are refused in one line', () => {
  const { tensors, metadata } = readSafetensors(readFileSync(join(folder, 'weights.safetensors')))
  const file = join(folder, 'odd.safetensors')
  const put = (name: string, change: (training: any) => void) => {
    const training = JSON.parse(metadata.training!) as unknown
    change(training)
    const all = new Map(tensors)
    if (name) all.set(name, { ...all.get(name)!, data: all.get(name)!.data.map((x, i) => (i === 3 ? NaN : x)) })
    writeFileSync(file, writeSafetensors(all, { ...metadata, training: JSON.stringify(training) }))
  }
  const resumed = (text: RegExp) => refused(['--epochs', '2', '--save', file, '--resume'], text)
  const weight = [...tensors.keys()][0]!
  put(weight, () => {})
  refused(['--load', file], /odd\.safetensors: \S+weight holds NaN, expected finite numbers$/m)
  resumed(/--resume .*odd\.safetensors: \S+weight holds NaN/)
  put('optimizer.0.momentum', () => {})
  resumed(/0\.momentum holds NaN/)
  put('', t => (t.recipe.images = '9 images of checksum 1'))
  resumed(/trained with 9 images of checksum 1, expected the same, got 1797 images of checksum [0-9a-f]+/)
  put('', t => (t.recipe.model = '\x1b[2J'))
  resumed(/trained with --model "\\u001b\[2J", expected the same, got convnet/)
  put('', t => (t.loader.epoch = 1e9))
  resumed(/expected at most 2 epochs and a report of each, got 1000000000 and 2: the file is damaged/)
  put('', t => (t.recipe = 'none'))
  resumed(/training\.recipe: expected an object, got "none": the file is damaged/)
  rmSync(file)
})

test('Ctrl-C saves after the current batch, says how to go on, and resuming gives the same bits', async () => {
  const args = ['--epochs', '6', '--seed', '3']
  const whole = end(run(['--json', ...args]).stdout).weightsHash
  const file = join(folder, 'interrupted.safetensors')
  const child = spawn(process.execPath, [program, ...args, '--save', file, '--report', join(folder, 'i.html')], { cwd: folder, env })
  let stdout = ''
  let stderr = ''
  let sent = false
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
    if (sent || !stdout.includes('epoch 2/6')) return
    // twice: a terminal sends one to the program, and npm passes its own on
    sent = child.kill('SIGINT') && child.kill('SIGINT')
  })
  const code = await new Promise(resolve => child.on('close', resolve))
  assert.is(code, 130, stdout)
  assert.is(stderr, 'saving after this step\n')
  assert.match(stdout, /Interrupted in epoch \d of 6; saved to .*interrupted\.safetensors/)
  assert.match(stdout, /npm start -- --epochs 6 --seed 3 --report \S+ --save \S+ --resume/)
  const resumed = run(['--json', ...args, '--save', file, '--resume'])
  assert.is(resumed.status, 0, resumed.stderr)
  assert.is(end(resumed.stdout).weightsHash, whole)
})

test('Ctrl-C during the final test saves too', async () => {
  const pipe = join(folder, 'pipe')
  if (spawnSync('mkfifo', [pipe]).status !== 0) return
  const child = spawn(process.execPath, [program, '--epochs', '1', '--save', pipe, '--report', join(folder, 'i.html')], { cwd: folder, env })
  let stdout = ''
  const read = () => new Promise<unknown>(resolve => createReadStream(pipe).resume().on('close', resolve as () => void))
  child.stdout.setEncoding('utf8').on('data', async text => {
    stdout += text
    if (!text.includes('epoch 1/1')) return
    // saving after the epoch waits for a reader; then comes the test, then what the interruption saves
    child.kill('SIGINT')
    await read()
    await read()
  })
  assert.is(await new Promise(resolve => child.on('close', resolve)), 130, stdout)
  assert.match(stdout, /Interrupted in the final test; saved to .*pipe/)
  rmSync(pipe)
})

test('other signals and a closed pipe save as well, with the exit codes that shells expect', async () => {
  const file = join(folder, 'signalled.safetensors')
  for (const [how, code] of [['SIGTERM', 143], ['SIGHUP', 129], ['close', 141]] as const) {
    const child = spawn(process.execPath, [program, '--epochs', '300', '--save', file, '--report', join(folder, 'i.html')], { cwd: folder, env })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
    child.stdout.once('data', () => (how === 'close' ? child.stdout.destroy() : child.kill(how)))
    assert.is(await new Promise(resolve => child.on('exit', resolve)), code, how)
    if (how === 'close') assert.is(stderr, '', 'quietly')
    assert.ok(existsSync(file), how)
    rmSync(file)
  }
})

test('output without room is one line', () => {
  if (!existsSync('/dev/full')) return
  const full = openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8', stdio: ['ignore', full, 'pipe'], env })
  closeSync(full)
  assert.is(status, 1)
  assert.is(stderr, 'standard output: expected room for the results, got a full disk\n')
})

test('a report to the output goes there, before the end', () => {
  if (!existsSync('/dev/stdout')) return
  const file = join(folder, 'out.txt')
  const args = ['--epochs', '1', '--json', '--report', '/dev/stdout']
  const out = openSync(file, 'w')
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: ['ignore', out, 'inherit'], env })
  closeSync(out)
  for (const text of [readFileSync(file, 'utf8'), run(args).stdout]) {
    assert.is(status, 0)
    assert.match(text, /^\{"event":"start".*<!doctype html>.*<\/html>\n\{"event":"end".*\}\n$/s)
  }
})

test('what cannot be written in the end costs neither the result nor the training', () => {
  if (!existsSync('/dev/full')) return
  const { status, stdout, stderr } = run(['--epochs', '3', '--json', '--save', '/dev/full', '--report', '/dev/full'])
  assert.is(status, 1)
  const { testCount, weightsHash, save, report } = end(stdout)
  assert.equal([testCount, weightsHash.length, basename(save), report], [359, 64, 'interrupted.safetensors', undefined])
  const lines = stderr.trim().split('\n')
  const full = '/dev/full: expected a file that can be written, got a full disk'
  assert.equal(lines.filter(line => line === full).length, 3, 'weights after the first epoch and in the end, report')
  assert.match(stderr, /the training is in .*interrupted\.safetensors instead/)
})

test('wrong options are named, with what was expected and what came', () => {
  refused(['--bach', '32'], /--bach: unknown option; did you mean --batch\?/)
  refused(['--batch', '0'], /--batch: expected a whole number from 1/)
  refused(['--lr', 'fast'], /--lr: expected a number above 0, got "fast"/)
  refused(['--dataset', 'minst'], /--dataset: expected .*did you mean mnist\?/)
  refused(['--model', 'lenet5'], /--model lenet5: expected images of 28×28 or 32×32, got 8×8/)
  refused(['--resume'], /--resume: expected --save FILE/)
  refused(['--load', 'nowhere.safetensors'], /--load nowhere\.safetensors: expected a file to read, got nothing there/)
  refused(['--load', '.'], /--load \.: expected a file to read, got a folder/)
  if (existsSync('/dev/zero')) refused(['--load', '/dev/zero'], /--load \/dev\/zero: expected a file to read, got a device or pipe/)
  refused(['--save', join('no', 'such', 'folder', 'x')], /expected a file that can be written, got no folder/)
  refused(['--dataset', 'mnist', '--data', 'nowhere'], /expected a folder with the files of mnist, got nothing there/, /npm run data -- mnist/)
})

test('a learning rate that diverges stops at once, says where, and writes nothing', () => {
  refused(['--lr', '1e20', '--save', join(folder, 'never.safetensors'), '--report', join(folder, 'never.html')], /the loss became (NaN|Infinity|-Infinity) in epoch 1, batch \d+, at learning rate \d+; .* finite$/m, /^--lr 10+: .* try --lr 0\.05$/m)
})

test('damaged data files are named, with what was expected and what came', () => {
  const digits = join(root, 'examples/data/digits')
  const mnist = join(folder, 'data', 'mnist')
  mkdirSync(mnist, { recursive: true })
  const images = gunzipSync(readFileSync(join(digits, 'digits-images-idx3-ubyte.gz')))
  const labels = gunzipSync(readFileSync(join(digits, 'digits-labels-idx1-ubyte.gz')))
  const put = (name: string, bytes: Uint8Array) => writeFileSync(join(mnist, `${name}.gz`), bytes)
  const good = () => {
    for (const part of ['train', 't10k']) {
      put(`${part}-images-idx3-ubyte`, gzipSync(image28()))
      put(`${part}-labels-idx1-ubyte`, gzipSync(header(2049, [4], Uint8Array.of(0, 1, 2, 3))))
    }
  }
  const header = (magic: number, shape: number[], data: Uint8Array) => {
    const head = Buffer.alloc(4 + 4 * shape.length)
    head.writeUInt32BE(magic, 0)
    shape.forEach((d, i) => head.writeUInt32BE(d, 4 + 4 * i))
    return Buffer.concat([head, data])
  }
  const image28 = () => header(2051, [4, 28, 28], new Uint8Array(4 * 784).fill(7))
  const args = ['--dataset', 'mnist', '--data', join(folder, 'data'), '--epochs', '1', '--batch', '2']
  good()
  assert.is(run(args).status, 0, run(args).stderr)
  const cases: [string, Uint8Array, RegExp][] = [
    ['train-images-idx3-ubyte', gzipSync(image28()).subarray(0, 40), /train-images-idx3-ubyte\.gz/],
    ['train-images-idx3-ubyte', Buffer.from('no gzip at all'), /train-images-idx3-ubyte\.gz/],
    ['train-images-idx3-ubyte', gzipSync(labels), /magic number 0x00000803.*got 0x00000801/],
    ['train-images-idx3-ubyte', gzipSync(images), /expected images of 1×28×28, got 1×8×8|expected 1797 labels/],
    ['train-images-idx3-ubyte', gzipSync(image28().subarray(0, 1000)), /expected 3136 bytes of data/],
    ['train-labels-idx1-ubyte', gzipSync(header(2049, [3], Uint8Array.of(0, 1, 2))), /expected 4 labels.*got 3/],
    ['t10k-labels-idx1-ubyte', gzipSync(header(2049, [4], Uint8Array.of(0, 1, 2, 10))), /expected labels 0\.\.9, got 10 at position 3/],
  ]
  for (const [name, bytes, message] of cases) {
    good()
    put(name, bytes)
    refused(args, message)
  }
})

test('a damaged weights file is named', () => {
  const file = join(folder, 'weights.safetensors')
  const bytes = readFileSync(file)
  const damaged = join(folder, 'damaged.safetensors')
  for (const broken of [bytes.subarray(0, 100), bytes.subarray(0, bytes.length - 4), Buffer.from('hello')]) {
    writeFileSync(damaged, broken)
    refused(['--load', damaged], /damaged\.safetensors/)
    refused(['--save', damaged, '--resume'], /damaged\.safetensors/)
    assert.equal(readFileSync(damaged), Buffer.from(broken), 'left as it was')
  }
  rmSync(damaged)
})

const real = process.env.HEBB_DATA
const withData = real && existsSync(join(real, 'mnist')) ? test : test.skip
withData('MNIST with the default recipe (needs HEBB_DATA): at least 98.7 % on the 10,000 test images', () => {
  const { status, stdout, stderr } = run(['--dataset', 'mnist', '--json'], { env: { HEBB_DATA: real } })
  assert.is(status, 0, stderr)
  const { testAccuracy, testCount } = end(stdout)
  assert.is(testCount, 10000)
  assert.ok(testAccuracy >= 0.987, `accuracy ${testAccuracy}`)
})
withData('Fashion-MNIST and CIFAR-10 train, and subsets are named (needs HEBB_DATA)', () => {
  for (const [dataset, least] of [['fashion', 0.75], ['cifar10', 0.35]] as const) {
    const { status, stdout, stderr } = run(['--dataset', dataset, '--json', '--epochs', '1'], { env: { HEBB_DATA: real } })
    assert.is(status, 0, stderr)
    const [start] = events(stdout)
    assert.match(start!.note, /a subset: 1[02],000 of \d+,000 training images/)
    assert.ok(end(stdout).testAccuracy > least, `${dataset}: ${end(stdout).testAccuracy}`)
  }
})

test.run()
