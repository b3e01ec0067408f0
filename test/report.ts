// What the main job prints and writes: progress, tables, charts, pictures, the page, files that are whole or absent.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import {
  chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { Interruption } from '../examples/cli/interruption.js'
import { parseOptions, type Recipe } from '../examples/cli/options.js'
import { confusionTable, createReporter, duration, liveLine, timeTable } from '../examples/cli/progress.js'
import type { BatchEvent, EndEvent, EpochEvent, StartEvent } from '../examples/cli/progress.js'
import { buildReport, type ReportData } from '../examples/cli/report.js'
import { checkWritable, sameFile, save, SaveError } from '../examples/cli/save.js'
import { axis, numberText } from '../ts/plot/axes.js'
import { barChart, base64, encodePng, filterPictures, heatMap, imageGrid, imagePicture, lineChart } from '../ts/plot/index.js'

const recipe = (line = ''): Recipe => parseOptions(line ? line.split(' ') : [], {}) as Recipe
const start: StartEvent = { recipe: recipe(), parameters: 12345, trainCount: 1257, validationCount: 180, testCount: 4 }
const batch: BatchEvent = { epoch: 3, epochs: 25, batch: 12, batches: 40, images: 32, loss: 0.12345, accuracy: 0.9641 }
const epoch: EpochEvent = {
  epoch: 3, epochs: 25, loss: 0.5, accuracy: 0.8, validationLoss: 0.4, validationAccuracy: 0.9,
  seconds: 1.2, imagesPerSecond: 8412.3,
}
const end: EndEvent = {
  testAccuracy: 0.75, testCount: 4, testLoss: 0.25, seconds: 9, weightsHash: 'abc',
  confusion: [[2, 1], [0, 1]], classNames: ['cat', '<dog>'],
  times: { steps: 100, forward: 200, backward: 500, optimizer: 100, total: 1000 }, report: 'r.html', save: 's.safetensors',
}

let beside = ''

/** What a whole training prints. Notes that would spoil the output go to `beside`. */
function printed(line: string, sink: { isTTY?: boolean, columns?: number } = {}, env: Record<string, string> = {}): string {
  let text = ''
  beside = ''
  let time = 0
  const aside = { write: (part: string) => (beside += part) }
  const reporter = createReporter(recipe(line), { write: (part: string) => (text += part), ...sink }, env, () => (time += 30), aside)
  reporter.start({ ...start, recipe: recipe(line) })
  for (let i = 1; i <= 40; i++) reporter.batch({ ...batch, batch: i })
  reporter.epoch(epoch)
  reporter.note('a word')
  reporter.end(end)
  return text
}

test('plain lines where the output is no terminal', () => {
  const lines = printed('').split('\n')
  assert.is(lines[0], 'dataset    digits')
  assert.ok(lines.includes('images     1,257 to train, 180 to validate, 4 to test'))
  assert.ok(lines.includes('parameters 12,345'))
  assert.ok(
    lines.includes('epoch  3/25  loss 0.5000  accuracy 80.00 %  validation loss 0.4000  accuracy 90.00 %  1.2 s  8,412 images/s'),
  )
  assert.is(lines.filter(line => line.includes('test accuracy')).length, 1)
  assert.ok(lines.includes('test accuracy 75.00 %: 3 of 4 images, loss 0.2500'))
  assert.ok(lines.includes('report   r.html'))
  assert.ok(lines.includes('saved    s.safetensors'))
  assert.ok(lines.includes('a word'))
  assert.is(beside, '')
  assert.not.match(lines.join(), /[\r\x1b]/)
  assert.is(printed('', { isTTY: true }, { TERM: 'dumb' }), printed(''))
})

test('a live line on a terminal: redrawn in place, seldom, cleared before other lines, never too wide', () => {
  for (const columns of [20, 40, 60, 80, 200]) {
    const text = printed('', { isTTY: true, columns }, { NO_COLOR: '1' })
    const drawn = text.split('\r').slice(1).filter(part => part.includes('\x1b[K') && !part.startsWith('\x1b'))
    assert.is(drawn.length, 21, 'every second batch of 30 ms, and the last')
    for (const part of drawn) assert.ok(part.split('\x1b')[0]!.length < columns, part)
    assert.match(drawn.at(-1)!, /^(epoch  )?3\/25/)
    assert.is(text.replace(/\r[^\r\n]*\x1b\[K/g, ''), printed(''), 'the rest is the same')
    assert.not.match(text, '\x1b[?25')
  }
})

test('a warning goes to the error output, after the live line is cleared', () => {
  let text = ''
  const sink = { write: (part: string) => (text += part) }
  const reporter = createReporter(recipe(), { ...sink, isTTY: true }, {}, () => 0, sink)
  reporter.batch(batch)
  reporter.warn('a word')
  assert.ok(text.endsWith('\x1b[K\r\x1b[Ka word\n'), JSON.stringify(text))
})

test('the first two interruptions are answered, the third ends at once; what a terminal and npm both send is one', async () => {
  const { exit } = process
  let ended = 0
  process.exit = (() => ended++) as unknown as typeof exit
  const said: string[] = []
  const interruption = new Interruption(text => said.push(text))
  assert.not(interruption.signal.aborted)
  for (const answers of [1, 2, 2]) {
    process.emit('SIGTERM')
    process.emit('SIGINT')
    assert.equal([interruption.signal.aborted, process.exitCode], [true, 143])
    assert.is(Math.min(said.length, 2), answers)
    await new Promise(resolve => setTimeout(resolve, 120))
  }
  assert.is(ended, 1)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  Object.assign(process, { exit, exitCode: undefined })
})

test('the live line shows what fits', () => {
  assert.is(
    liveLine(batch, 8412, 3.2, 120),
    'epoch  3/25  ━━━━━━━━━─────────────────────  12/40  8,412 images/s  loss 0.1235  accuracy 96.41 %  3.2 s left',
  )
  assert.is(liveLine(batch, 8412, 3.2, 75), 'epoch  3/25  ━━━━────────  12/40  loss 0.1235  accuracy 96.41 %  3.2 s left')
  assert.is(liveLine(batch, 8412, 3.2, 60), 'epoch  3/25  ━━━──────  12/40  loss 0.1235  accuracy 96.41 %')
  assert.is(liveLine(batch, 8412, 3.2, 45), 'epoch  3/25  loss 0.1235  accuracy 96.41 %')
  assert.is(liveLine(batch, 8412, 3.2, 40), 'epoch  3/25  ━━━━━━──────────────  12/40')
  assert.is(liveLine(batch, 8412, 3.2, 19), '3/25  ━━────  12/40')
  assert.is(liveLine(batch, 8412, 3.2, 7), '12/40')
  for (let width = 0; width < 130; width++) assert.ok(liveLine(batch, 8412, 3.2, width).length <= width)
})

test('JSON lines, and quiet', () => {
  const events = printed('--json').trimEnd().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  assert.equal(events.map(e => e.event), ['start', 'epoch', 'end'])
  assert.equal([events[2]!.testAccuracy, events[2]!.testCount, events[2]!.seconds, events[2]!.weightsHash], [0.75, 4, 9, 'abc'])
  assert.equal([(events[0]!.recipe as Recipe).model, events[1]!.validationAccuracy], ['convnet', 0.9])
  assert.is(printed('--json', { isTTY: true }), printed('--json'))
  assert.is(beside, 'a word\n')
  assert.is(printed('--quiet'), 'test accuracy 75.00 %: 3 of 4 images, loss 0.2500\n')
  assert.equal(printed('--quiet --json').split('\n').length, 2)
})

test('tables', () => {
  assert.equal(confusionTable([[10, 2], [0, 0]], ['cat', 'dog']), [
    'confusion matrix: rows are the truth, columns the prediction',
    'truth   0  1   correct',
    '0 cat  10  2    83.3 %',
    '1 dog   ·  ·         –',
  ])
  assert.match(confusionTable([[10, 2], [0, 5]], undefined, true).join('\n'), '\x1b[1;31m  2\x1b[0m')
  assert.equal(timeTable(end.times), [
    'where the time went       total     per step    share',
    'forward                  0.20 s     2.000 ms   20.0 %',
    'backward                 0.50 s     5.000 ms   50.0 %',
    'optimizer                0.10 s     1.000 ms   10.0 %',
    'data and the rest        0.20 s     2.000 ms   20.0 %',
    'all of 100 steps         1.00 s    10.000 ms  100.0 %',
    'backward / forward       2.50',
  ])
  assert.equal(
    [0, 9.94, 9.96, 59.6, 61, 3599, 3600, 7290].map(duration),
    ['0.0 s', '9.9 s', '10 s', '1:00 min', '1:01 min', '59:59 min', '1:00 h', '2:02 h'],
  )
})

/** The chunks of a PNG, with their checksums verified by zlib's own. */
function chunks(png: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(png)
  assert.equal([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10])
  const found = new Map<string, Buffer>()
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at)
    found.set(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, at + 8 + length))
    at += 12 + length
  }
  return found
}

test('PNG', () => {
  const png = encodePng({ width: 2, height: 2, channels: 1, pixels: Uint8Array.of(0, 255, 128, 7) })
  const parts = chunks(png)
  assert.equal([...parts.keys()], ['IHDR', 'IDAT', 'IEND'])
  assert.equal([...parts.get('IHDR')!], [0, 0, 0, 2, 0, 0, 0, 2, 8, 0, 0, 0, 0])
  assert.equal([...inflateSync(parts.get('IDAT')!)], [0, 0, 255, 0, 128, 7])
  assert.equal(Buffer.from(png).subarray(-8).toString('hex'), '49454e44ae426082', 'the known checksum of IEND')
  const pixels = Uint8Array.from({ length: 300 * 200 * 3 }, (_, i) => i * 7)
  const rows = inflateSync(chunks(encodePng({ width: 300, height: 200, channels: 3, pixels })).get('IDAT')!)
  assert.is(rows.length, 200 * 901)
  assert.equal([...rows.subarray(901 * 150, 901 * 150 + 4)], [0, ...pixels.subarray(150 * 900, 150 * 900 + 3)])
  assert.throws(
    () => encodePng({ width: 2, height: 2, channels: 3, pixels: new Uint8Array(4) }),
    '2×2 pixels of 3 bytes expected, got 4 bytes',
  )
  assert.throws(() => encodePng({ width: 0, height: 2, channels: 1, pixels: new Uint8Array(0) }), /expected/)
  for (const n of [0, 1, 2, 3, 4, 100]) {
    assert.is(base64(pixels.subarray(0, n)), Buffer.from(pixels.subarray(0, n)).toString('base64'))
  }
})

test('pictures of images and filters', () => {
  assert.equal([...imagePicture(Uint8Array.of(0, 8, 16, 20), 1, 2, 2, 16).pixels], [0, 128, 255, 255])
  assert.equal([...imagePicture(Uint8Array.of(1, 2, 3, 4, 5, 6), 3, 1, 2).pixels], [1, 3, 5, 2, 4, 6])
  assert.equal([...imagePicture(Uint8Array.of(1, 2, 3, 4), 2, 1, 2).pixels], [1, 2])
  assert.throws(() => imagePicture(new Uint8Array(3), 1, 2, 2), '1×2×2 bytes expected, got 3')
  const grey = filterPictures([1, -1, 0, NaN], 2, 2, 1, 1)
  assert.equal(grey.map(p => [...p.pixels]), [[178, 24, 43], [33, 102, 172], [247, 247, 247], [247, 247, 247]])
  assert.equal(filterPictures([2, 0, -2], 1, 3, 1, 1).map(p => [...p.pixels]), [[255, 128, 0]])
  assert.is(filterPictures(new Float32Array(18), 1, 2, 3, 3).length, 2)
  assert.throws(() => filterPictures([1], 2, 1, 1, 1), '2×1×1×1 numbers expected, got 1')
})

test('axes have round values that hold the data', () => {
  assert.equal(axis([0.13, 1.92]), { from: 0, to: 2, ticks: [0, 0.5, 1, 1.5, 2] })
  assert.equal(axis([0.951, 0.988]), { from: 0.95, to: 0.99, ticks: [0.95, 0.96, 0.97, 0.98, 0.99] })
  assert.equal(axis([1, 25], { tight: true, whole: true, count: 6 }), { from: 1, to: 25, ticks: [5, 10, 15, 20, 25] })
  assert.equal(axis([0, 9]).ticks, [0, 2, 4, 6, 8, 10])
  assert.equal(axis([1, 2], { tight: true, whole: true }).ticks, [1, 2])
  assert.equal(axis([3], { tight: true, whole: true }), { from: 2.5, to: 3.5, ticks: [3] })
  const cases = [[], [0], [5], [-5], [NaN, Infinity], [1e308, -1e308], [5e-324], [1, 1 + 1e-15], [-3, -1], [1e-9, 2e-9]]
  for (const values of cases) {
    for (const tight of [false, true]) {
      const { from, to, ticks } = axis(values, { tight })
      assert.ok(from < to && Number.isFinite(to - from) || values[0] === 1e308, `${values}`)
      assert.ok(ticks.length <= 12 && ticks.every(Number.isFinite), `${values}: ${ticks}`)
      for (const x of values.filter(Number.isFinite)) assert.ok(x >= from - 1e-9 && x <= to + 1e-9, `${values}`)
    }
  }
  assert.equal([0, 1200, 0.05, 1 / 3, 2e-7, 1.5e9, -3].map(numberText), ['0', '1200', '0.05', '0.3333', '2e-7', '1.5e9', '-3'])
})

/** Fails where tags don't match or text breaks out: enough of an XML parser for what we write. */
function wellFormed(markup: string): void {
  const open: string[] = []
  const tag = /<(\/?)([a-z][a-z0-9]*)(?:\s+[a-zA-Z0-9-]+="[^"<>]*")*\s*(\/?)>/g
  const rest = markup.replace(/<style>.*?<\/style>/gs, '').replace(tag, (_, close: string, name: string, self: string) => {
    if (close) assert.is(open.pop(), name)
    else if (!self && !['meta', 'img'].includes(name)) open.push(name)
    return ''
  })
  assert.equal(open, [])
  assert.not.match(rest.replace('<!doctype html>', ''), /[<>]|&(?!(amp|lt|gt|quot|#39);)/)
  assert.not.match(markup, /NaN|Infinity|undefined/)
}

test('charts are well-formed, whatever the data and the names', () => {
  const name = `<b>"&'`
  const many = Array.from({ length: 1000 }, (_, i) => [i, i * i] as const)
  const gaps = [[1, NaN], [2, 3], [3, Infinity], [4, 5], [5, 6]] as const
  for (const points of [[], [[1, 2]] as const, gaps, many]) {
    const svg = lineChart({ title: name, x: name, y: name, series: [{ name, points, dashed: true }, { name: 'two', points: [] }] })
    wellFormed(svg)
    assert.ok(svg.length < 40000)
  }
  const broken = lineChart({ title: 't', x: 'x', y: 'y', series: [{ name: 's', points: gaps }] })
  assert.is(broken.match(/<path d="(.*?)"/)![1]!.replace(/[^ML]/g, ''), 'MML')
  assert.is(broken.match(/<title>/g)!.length, 3)
  const odd = [{ name, value: 3 }, { name, value: -1 }, { name, value: NaN, text: name }, { name, value: Infinity, text: '∞' }]
  wellFormed(barChart({ title: name, bars: odd }))
  wellFormed(barChart({ title: 'none', bars: [] }))
  for (const n of [1, 2, 10, 100]) {
    const names = Array.from({ length: n }, (_, i) => `${name}${i}`)
    const counts = names.map((_, i) => names.map((_, j) => (i * j) % 7))
    wellFormed(heatMap({ title: 't', counts, rowNames: names, columnNames: names, rows: 'truth', columns: name, diagonal: true }))
  }
  wellFormed(heatMap({ title: 't', counts: [], rowNames: [], columnNames: [], rows: 'r', columns: 'c' }))
  wellFormed(imageGrid([{ picture: imagePicture(new Uint8Array(4), 1, 2, 2), alt: name, caption: [name, 'b'] }]))
})

const page: ReportData = {
  start, end, epochs: [epoch, { ...epoch, epoch: 4, validationLoss: undefined, validationAccuracy: undefined }],
  image: { channels: 1, height: 2, width: 2, white: 16 },
  mistakes: [{ pixels: Uint8Array.of(0, 5, 9, 16), truth: 0, prediction: 1, confidence: 0.987 }],
  filters: { name: '0.weight', weights: [1, -1], shape: [2, 1, 1, 1] },
}

test('the page is whole, well-formed and needs no other file', () => {
  const html = buildReport(page)
  wellFormed(html)
  const texts = [
    '75.00 %', '3 of 4', 'cat → &lt;dog&gt;', '98.7 %', 'The only mistake:', '0.weight', '2.50 times', 'Confusion matrix',
    'prefers-color-scheme:dark', 'abc',
  ]
  for (const text of texts) assert.ok(html.includes(text), text)
  assert.not.match(html, /<script|<link|<canvas|https?:|url\(|@import/)
  assert.match(html, /src="data:image\/png;base64,/)
  assert.is(buildReport(page), html)
})

test('the page of a run without training, mistakes or filters', () => {
  const { filters: _, ...rest } = page
  const times = { steps: 0, forward: 0, backward: 0, optimizer: 0, total: 0 }
  const perfect: EndEvent = { ...end, testAccuracy: 1, testLoss: undefined, confusion: [[4, 0], [0, 0]], times }
  const html = buildReport({ ...rest, epochs: [], mistakes: [], end: perfect })
  wellFormed(html)
  assert.match(html, 'None: every test image was recognised.')
  assert.match(html, 'No image was taken for another class.')
})

/** Runs `work` in a fresh folder. */
function inFolder(work: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'hebb-save-'))
  try {
    work(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function refused(work: () => void, message: string): void {
  assert.throws(work, (error: Error) => {
    assert.instance(error, SaveError)
    assert.is(error.message, message)
    return true
  })
}

test('save replaces a file as a whole', () => inFolder(dir => {
  const file = join(dir, 'a.txt')
  checkWritable(file)
  assert.equal(readdirSync(dir), [])
  save(file, 'one')
  save(file, new TextEncoder().encode('two'))
  assert.equal([readFileSync(file, 'utf8'), readdirSync(dir)], ['two', ['a.txt']])
  chmodSync(file, 0o640)
  symlinkSync(file, join(dir, 'link'))
  save(join(dir, 'link'), 'three')
  assert.equal([readFileSync(file, 'utf8'), readdirSync(dir), statSync(file).mode & 0o777], ['three', ['a.txt', 'link'], 0o640])
}))

test('a file is the same by whatever path it is called, and a link to nothing is followed', () => inFolder(dir => {
  const [file, link] = [join(dir, 'a.txt'), join(dir, 'link')]
  symlinkSync('a.txt', link)
  assert.ok(sameFile(file, link) && sameFile(file, join(dir, 'a.txt')))
  assert.not(sameFile(file, join(dir, 'b.txt')))
  save(link, 'through')
  assert.equal([readFileSync(file, 'utf8'), readlinkSync(link)], ['through', 'a.txt'])
  assert.ok(sameFile(file, link))
  assert.not(sameFile(file, join(dir, 'b.txt')))
  assert.not(sameFile('/dev/null', '/dev/null'), 'nothing is lost there')
}))

test('long names in any script, and what killed programs left', () => inFolder(dir => {
  const name = '数'.repeat(80) + '.txt'
  const { pid: gone } = spawnSync(process.execPath, ['--version'])
  const left = (pid: number | string) => `.a.txt.${pid}.tmp`
  for (const pid of [gone, process.ppid, 'x']) writeFileSync(join(dir, left(pid)), '')
  save(join(dir, name), 'long')
  save(join(dir, 'a.txt'), 'short')
  assert.is(readFileSync(join(dir, name), 'utf8'), 'long')
  assert.equal(readdirSync(dir).sort(), [left(process.ppid), left('x'), 'a.txt', name].sort())
}))

test('places that cannot be written: named, nothing left, the old file untouched', () => inFolder(dir => {
  const file = join(dir, 'a.txt')
  save(file, 'kept')
  mkdirSync(join(dir, 'folder'))
  for (const write of [checkWritable, (path: string) => save(path, 'x')]) {
    refused(
      () => write(join(dir, 'no', 'b')),
      `${join(dir, 'no', 'b')}: expected a file that can be written, got no folder ${join(dir, 'no')}`,
    )
    refused(
      () => write(join(file, 'b')), `${join(file, 'b')}: expected a file that can be written, got ${file}, which is no folder`,
    )
    refused(() => write(join(dir, 'folder')), `${join(dir, 'folder')}: expected a file that can be written, got a folder`)
    refused(
      () => write(join(dir, 'x'.repeat(300))),
      `${join(dir, 'x'.repeat(300))}: expected a file that can be written, got a name that is too long`,
    )
  }
  assert.throws(() => save(file, 7 as unknown as string), /a\.txt: expected a file that can be written/)
  assert.equal([readFileSync(file, 'utf8'), readdirSync(dir).sort()], ['kept', ['a.txt', 'folder']])
}))

test('pipes and devices are written in place', () => inFolder(dir => {
  const pipe = join(dir, 'pipe')
  if (spawnSync('mkfifo', [pipe]).status !== 0) return
  // Open for both directions, so that neither side waits for the other.
  const handle = openSync(pipe, 'r+')
  checkWritable(pipe)
  save(pipe, 'through')
  const bytes = new Uint8Array(20)
  assert.is(readSync(handle, bytes), 7)
  closeSync(handle)
  assert.ok(statSync(pipe).isFIFO())
}))

test.run()
