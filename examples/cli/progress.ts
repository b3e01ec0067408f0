// What the main job prints: a live line on terminals, plain lines elsewhere, JSON lines for programs, or only the result.

import { effectiveOptions, type Recipe } from './options.js'

/** Where the output goes; process.stdout is one. */
export interface Sink {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

export interface StartEvent {
  recipe: Recipe
  /** Numbers that the training adjusts. */
  parameters: number
  trainCount: number
  validationCount: number
  testCount: number
  /** More to know of the data, such as that they are a subset. */
  note?: string
}

/** After a batch. Loss and accuracy (0..1) are means over the epoch so far. */
export interface BatchEvent {
  epoch: number
  epochs: number
  batch: number
  batches: number
  /** Images in this batch. */
  images: number
  loss: number
  accuracy: number
}

export interface EpochEvent {
  epoch: number
  epochs: number
  loss: number
  accuracy: number
  validationLoss?: number
  validationAccuracy?: number
  seconds: number
  imagesPerSecond: number
}

/** Milliseconds of a training; what total leaves over are data, validation and output. */
export interface Times {
  steps: number
  forward: number
  backward: number
  optimizer: number
  total: number
}

export interface EndEvent {
  /** 0..1 */
  testAccuracy: number
  testCount: number
  testLoss?: number
  /** How often the test images have been looked at, this time included. */
  testLooks?: number
  seconds: number
  /** SHA-256 of all parameters. */
  weightsHash: string
  /** counts[truth][prediction] on the test images */
  confusion: number[][]
  classNames?: readonly string[]
  times: Times
  /** Files that were written. */
  report?: string
  save?: string
}

/** Tells the user what happens, in the manner that the recipe and the terminal ask for. */
export interface Reporter {
  start(event: StartEvent): void
  batch(event: BatchEvent): void
  epoch(event: EpochEvent): void
  end(event: EndEvent): void
  /** A line for people: above the live line, or to the error output where the output is for programs. */
  note(text: string): void
  /** A line to the error output, below what the terminal shows. */
  warn(text: string): void
}

type Env = Readonly<Record<string, string | undefined>>

/** `now` in milliseconds. */
export function createReporter(
  recipe: Recipe, sink: Sink = process.stdout, env: Env = process.env, now: () => number = () => performance.now(),
  aside: Sink = process.stderr,
): Reporter {
  const terminal = sink.isTTY === true && env.TERM !== 'dumb'
  if (recipe.json) return new JsonReporter(sink, aside, recipe.quiet)
  if (recipe.quiet) return new QuietReporter(sink, aside)
  return new TextReporter(sink, aside, terminal ? new LiveLine(sink, now) : undefined, terminal && !env.NO_COLOR)
}

class JsonReporter implements Reporter {
  constructor(private readonly sink: Sink, private readonly aside: Sink, private readonly quiet: boolean) {}
  start(event: StartEvent): void {
    if (!this.quiet) this.print('start', event)
  }
  batch(): void {}
  epoch(event: EpochEvent): void {
    if (!this.quiet) this.print('epoch', event)
  }
  end(event: EndEvent): void {
    this.print('end', event)
  }
  note(text: string): void {
    this.warn(text)
  }
  warn(text: string): void {
    this.aside.write(`${text}\n`)
  }
  private print(event: string, fields: object): void {
    this.sink.write(`${JSON.stringify({ event, ...fields })}\n`)
  }
}

class QuietReporter implements Reporter {
  constructor(private readonly sink: Sink, private readonly aside: Sink) {}
  start(): void {}
  batch(): void {}
  epoch(): void {}
  end(event: EndEvent): void {
    this.sink.write(`${testLine(event)}\n`)
  }
  note(text: string): void {
    this.warn(text)
  }
  warn(text: string): void {
    this.aside.write(`${text}\n`)
  }
}

class TextReporter implements Reporter {
  constructor(
    private readonly sink: Sink, private readonly aside: Sink, private readonly live: LiveLine | undefined, private readonly color: boolean,
  ) {}

  start({ recipe, parameters, trainCount, validationCount, testCount, note }: StartEvent): void {
    const counts = [[trainCount, 'to train'], [validationCount, 'to validate'], [testCount, 'to test']] as const
    const images = counts.flatMap(([n, what]) => (n > 0 ? [`${whole(n)} ${what}`] : []))
    const lines = [...effectiveOptions(recipe), `images     ${images.join(', ')}`]
    if (note) lines.push(`           ${note}`)
    this.print(...lines, `parameters ${whole(parameters)}`, '')
  }

  batch(event: BatchEvent): void {
    this.live?.batch(event)
  }

  epoch({ epoch, epochs, loss, accuracy, validationLoss, validationAccuracy, seconds, imagesPerSecond }: EpochEvent): void {
    const parts = [`epoch ${of(epoch, epochs)}`, `loss ${decimal(loss)}`, `accuracy ${percent(accuracy)}`]
    if (validationLoss !== undefined) parts.push(`validation loss ${decimal(validationLoss)}`)
    if (validationAccuracy !== undefined) {
      parts.push(`${validationLoss === undefined ? 'validation ' : ''}accuracy ${percent(validationAccuracy)}`)
    }
    this.print([...parts, duration(seconds), `${whole(imagesPerSecond)} images/s`].join('  '))
  }

  end(event: EndEvent): void {
    const { confusion, classNames, times, report, save, weightsHash } = event
    this.print('', testLine(event), '', ...confusionTable(confusion, classNames, this.color), '')
    if (times.steps > 0) this.print(...timeTable(times), '')
    const files = [['report', report], ['saved', save]].flatMap(([name, file]) => (file ? [`${name!.padEnd(9)}${file}`] : []))
    this.print(...files, `weights  sha256 ${weightsHash}`)
  }

  note(text: string): void {
    this.print(text)
  }

  warn(text: string): void {
    this.live?.clear()
    this.aside.write(`${text}\n`)
  }

  private print(...lines: string[]): void {
    this.live?.clear()
    this.sink.write(`${lines.join('\n')}\n`)
  }
}

const REDRAW = 50

/** One line of the terminal, drawn again in place, at most 20 times a second. */
class LiveLine {
  private drawn = false
  private drawnAt = -Infinity
  private begun: number | undefined
  private epochBegun = 0
  private epochImages = 0
  private done = 0

  constructor(private readonly sink: Sink, private readonly now: () => number) {}

  batch(event: BatchEvent): void {
    const time = this.now()
    if (event.batch === 1 || this.begun === undefined) {
      // The first batch's own time is unknown: it began before it was reported. Rates count from its end.
      this.epochBegun = time
      this.epochImages = 0
      this.begun ??= time
    } else {
      this.epochImages += event.images
    }
    this.done++
    const last = event.batch === event.batches
    if (time - this.drawnAt < REDRAW && !last) return
    this.drawnAt = time
    const rate = time > this.epochBegun ? this.epochImages / ((time - this.epochBegun) / 1000) : undefined
    const ahead = (event.epochs - event.epoch) * event.batches + event.batches - event.batch
    const left = this.done > 1 ? ((time - this.begun) / 1000 / (this.done - 1)) * ahead : undefined
    this.sink.write(`\r${liveLine(event, rate, left, (this.sink.columns || 80) - 1)}\x1b[K`)
    this.drawn = true
  }

  clear(): void {
    if (this.drawn) this.sink.write('\r\x1b[K')
    this.drawn = false
    this.drawnAt = -Infinity
  }
}

const WIDEST_BAR = 30
const NARROWEST_BAR = 8

/** The live line in at most `width` cells: the bar shrinks first, then the less telling parts go. */
export function liveLine(
  event: BatchEvent, imagesPerSecond: number | undefined, secondsLeft: number | undefined, width: number,
): string {
  const { epoch, epochs, batch, batches, loss, accuracy } = event
  const parts: [rank: number, text: string][] = [
    [0, `epoch ${of(epoch, epochs)}`],
    [3, ''],
    [2, of(batch, batches)],
    [5, imagesPerSecond === undefined ? '' : `${whole(imagesPerSecond)} images/s`],
    [1, `loss ${decimal(loss)}`],
    [1, `accuracy ${percent(accuracy)}`],
    [4, secondsLeft === undefined ? '' : `${duration(secondsLeft)} left`],
  ]
  for (let rank = 5; rank > 0; rank--) {
    const kept = parts.filter(([r, text]) => r <= rank && (text || r === 3))
    const used = kept.reduce((n, [, text]) => n + text.length + 2, -2)
    const room = Math.min(WIDEST_BAR, width - used)
    if (rank < 3 ? used > width : room < NARROWEST_BAR) continue
    return kept.map(([r, text]) => (r === 3 ? bar(batch / batches, room) : text)).join('  ')
  }
  // how far it is matters more than how well
  const done = of(batch, batches)
  for (const [head, least] of [[`epoch ${of(epoch, epochs)}`, NARROWEST_BAR], [`${epoch}/${epochs}`, 1]] as const) {
    const room = Math.min(WIDEST_BAR, width - head.length - done.length - 4)
    if (room >= least) return [head, bar(batch / batches, room), done].join('  ')
  }
  return done.slice(0, Math.max(0, width))
}

function bar(part: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * width)
  return '━'.repeat(full) + '─'.repeat(width - full)
}

/** Counts by truth (rows) and prediction (columns), with the share of each class that was recognised. */
export function confusionTable(counts: readonly (readonly number[])[], classNames?: readonly string[], color = false): string[] {
  const label = (i: number) => (classNames?.[i] !== undefined && classNames[i] !== String(i) ? `${i} ${classNames[i]}` : String(i))
  const left = Math.max(5, ...counts.map((_, i) => label(i).length))
  const widest = Math.max(...counts.map(row => Math.max(...row.map(x => String(x).length))), String(counts.length - 1).length)
  const paint = (style: number | string, text: string) => (color ? `\x1b[${style}m${text}\x1b[0m` : text)
  const cell = (x: number, right: boolean) => {
    const text = (x === 0 ? '·' : String(x)).padStart(widest + 1)
    return x === 0 ? paint(2, text) : right ? paint(32, text) : paint('1;31', text)
  }
  const rows = counts.map((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0)
    const share = sum > 0 ? percent(row[i]! / sum, 1) : '–'
    return `${label(i).padStart(left)} ${row.map((x, j) => cell(x, i === j)).join('')}  ${share.padStart(8)}`
  })
  const columns = counts.map((_, i) => String(i).padStart(widest + 1)).join('')
  const head = `${'truth'.padStart(left)} ${columns}  ${'correct'.padStart(8)}`
  return ['confusion matrix: rows are the truth, columns the prediction', paint(2, head), ...rows]
}

/** Where a training's time went. */
export function timeTable({ steps, forward, backward, optimizer, total }: Times): string[] {
  const rest = Math.max(0, total - forward - backward - optimizer)
  const line = (name: string, sum: string, step: string, share: string) =>
    name.padEnd(20) + sum.padStart(11) + step.padStart(13) + share.padStart(9)
  const row = (name: string, ms: number) =>
    line(name, `${(ms / 1000).toFixed(2)} s`, `${(ms / steps).toFixed(3)} ms`, percent(total > 0 ? ms / total : 0, 1))
  return [
    line('where the time went', 'total', 'per step', 'share'),
    row('forward', forward), row('backward', backward), row('optimizer', optimizer), row('data and the rest', rest),
    row(`all of ${whole(steps)} steps`, total),
    `backward / forward  ${forward > 0 ? (backward / forward).toFixed(2).padStart(9) : '–'}`,
  ]
}

function testLine({ testAccuracy, testCount, testLoss, testLooks }: EndEvent): string {
  const right = Math.round(testAccuracy * testCount)
  const loss = testLoss === undefined ? '' : `, loss ${decimal(testLoss)}`
  return `test accuracy ${percent(testAccuracy)}: ${whole(right)} of ${whole(testCount)} images${loss}${testLooks === undefined ? '' : testLooks === 1 ? ' (looked at once)' : ` (looked at ${testLooks} times)`}`
}

/** 3 of 25 as ' 3/25', so that columns stay put. */
const of = (i: number, n: number): string => `${String(i).padStart(String(n).length)}/${n}`

export const whole = (x: number): string => Math.round(x).toLocaleString('en-US')

/** 0..1 as a percentage. */
export const percent = (x: number, digits = 2): string => `${(100 * x).toFixed(digits)} %`

/** A loss: four decimals, fewer digits for large ones. */
export const decimal = (x: number): string => (Math.abs(x) < 1000 ? x.toFixed(4) : x.toExponential(2))

export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const s = Math.round(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)} min`
  const minutes = Math.round(s / 60)
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`
}
