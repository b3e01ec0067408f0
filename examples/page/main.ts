// The page: it draws and shows. Training and reading are the work of two workers, so that nothing ever blocks it.

import { trainInWorker } from 'hebb/worker'
import { drawChart, type ChartOptions } from './chart.js'
import { FilterPictures } from './filters.js'
import { Grid } from './grid.js'
import { Pad } from './pad.js'
import { trainingCount } from './parts.js'
import type { Glance, read, Reading } from './read.js'
import { SIDE } from './strokes.js'
import type { Outcome, Report, train } from './train.js'
import type { unpack } from './unpack.js'

const EPOCHS = 15
/** Below this the page says that the network is unsure. */
const SURE = 0.6
/** Milliseconds without a change until an answer is spoken */
const SETTLED = 600
/** Milliseconds between two reports of the training */
const EVERY = 100

const percent = (share: number): string => `${Math.round(100 * share)} %`
const LOSS: ChartOptions = { name: 'Loss', most: 2.5, ticks: [0, 1, 2], guessing: 2.303, format: value => value.toFixed(value === Math.round(value) ? 0 : 2) }
const ACCURACY: ChartOptions = { name: 'Accuracy', most: 1, ticks: [0, 0.5, 1], guessing: 0.1, format: percent }

const textIn = (id: string): string => document.getElementById(id)!.textContent!
const find = <E extends Element = HTMLElement>(id: string): E => document.getElementById(id) as Element as E

/** Resolves when the page has had a frame, so that what follows doesn't delay it */
const rest = (): Promise<void> => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))

/** Ten bars; returns what shows probabilities in them, or nothing. */
function makeBars(list: HTMLElement): (probabilities: Float32Array | null, best: number) => void {
  const bars = Array.from({ length: 10 }, (_, digit) => {
    const item = document.createElement('li')
    item.innerHTML = `<span>${digit}</span><div class="track" aria-hidden="true"><div class="bar"></div></div><span class="percent"></span>`
    list.append(item)
    return { item, bar: item.querySelector<HTMLElement>('.bar')!, text: item.querySelector<HTMLElement>('.percent')! }
  })
  return (probabilities, best) => bars.forEach(({ item, bar, text }, digit) => {
    const share = probabilities?.[digit] ?? 0
    bar.style.transform = `scaleX(${share.toFixed(3)})`
    text.textContent = probabilities ? percent(share) : ''
    item.className = digit === best ? 'best' : ''
  })
}

/** Speaks to screen readers, the newest text only, once nothing newer has come for `after` ms. */
function makeVoice(element: HTMLElement): (text: string, after?: number) => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return (text, after = 0) => {
    clearTimeout(timer)
    timer = setTimeout(() => (element.textContent = text), after)
  }
}

// a task of its own: parsing the page has taken long enough
await rest()
const { dataset } = document.body
const button = find('train')
const course = find('course')
const say = makeVoice(find('says'))
const showBars = makeBars(find('bars'))
const pictures = new FilterPictures(find('filters'))
const program = rest().then(() => URL.createObjectURL(new Blob([textIn('worker')], { type: 'text/javascript' })))
const reader = program.then(address => new Worker(address))
const digits = reader.then(worker => trainInWorker<typeof unpack>(worker, { input: { images: textIn('images'), labels: textIn('labels') } }))

// ---- drawing and reading ------------------------------------------------------------------------------------------------------

/** What is on the sheet */
let sheet: Pick<Glance, 'strokes' | 'image'> = {}
/** The digit that the writer of an example meant */
let meant: number | null = null
/** Weights that the reader hasn't got yet */
let weights: Uint8Array | undefined
let trained = false

function show({ filters, image, probabilities, maps }: Reading, aloud: boolean): void {
  pictures.draw(filters, maps)
  grid.show(image)
  if (!probabilities) {
    showBars(null, -1)
    dataset.sure = 'no'
    find('digit').textContent = '?'
    find('sure').textContent = 'Draw something first.'
    return
  }
  const best = probabilities.indexOf(Math.max(...probabilities))
  const sure = probabilities[best]!
  dataset.sure = trained && sure >= SURE ? 'yes' : 'no'
  find('digit').textContent = String(best)
  const truth = meant === null ? '' : meant === best ? ' Its writer meant that, too.' : ` Its writer meant ${meant}.`
  find('sure').textContent = (trained ? `${sure < SURE ? 'Perhaps: it is only' : 'It is'} ${percent(sure)} sure.` : 'Untrained, it can only guess.') + truth
  showBars(probabilities, best)
  if (aloud) say(trained ? `It reads ${best}, ${percent(sure)} sure.${truth}` : `Untrained, it guesses ${best}.${truth}`, SETTLED)
}

let reading = false
let again: { aloud: boolean } | null = null
/** Has what is on the sheet read, one reading at a time; what changes meanwhile is read next. */
async function look(aloud: boolean): Promise<void> {
  again = { aloud: aloud || !!again?.aloud }
  if (reading) return
  reading = true
  while (again) {
    const { aloud } = again as { aloud: boolean }
    again = null
    const input: Glance = { ...sheet, ...(weights && { weights }) }
    const transfer = weights ? [weights.buffer as ArrayBuffer] : []
    weights = undefined
    const result = await trainInWorker<typeof read>(await reader, { input, transfer })
    // between frames, and never on top of a newer drawing
    await new Promise(requestAnimationFrame)
    if (!again) show(result, aloud)
  }
  reading = false
}

function put(next: typeof sheet, label: number | null = null): void {
  ;[sheet, meant] = [next, label]
  if (next.strokes?.length || next.image?.some(v => v > 0)) dataset.drawn = ''
  else delete dataset.drawn
  look(true).catch(fail)
}
const fail = (error: unknown) => (course.textContent = `The page failed: ${error instanceof Error ? error.message : String(error)}`)

const pad = new Pad(find<HTMLCanvasElement>('pad'), () => put({ strokes: pad.strokes }))
const grid = new Grid(find('grid'), () => {
  const image = grid.image.slice()
  pad.show(image)
  put({ image })
})
find('clear').addEventListener('click', () => {
  pad.clear()
  put({})
  say('The sheet is blank.')
})
find('example').addEventListener('click', async () => {
  const { images, labels } = await digits
  const first = trainingCount(labels.length)
  const i = first + Math.floor(Math.random() * (labels.length - first))
  const image = images.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE)
  pad.show(image)
  put({ image }, labels[i]!)
})

// ---- training -------------------------------------------------------------------------------------------------------------------

function draw({ loss, accuracy }: Pick<Report, 'loss' | 'accuracy'>): void {
  drawChart(find<SVGElement>('loss'), LOSS, loss, EPOCHS)
  drawChart(find<SVGElement>('accuracy'), ACCURACY, accuracy, EPOCHS)
}
function take(report: Report): void {
  ;({ weights } = report)
  trained = true
  draw(report)
  find<HTMLProgressElement>('progress').value = (report.loss.at(-1)?.[0] ?? 0) / EPOCHS
  const right = report.accuracy.at(-1)
  const speed = `${Math.round(report.imagesPerSecond).toLocaleString('en')} images/s`
  course.textContent = `Epoch ${report.epoch} of ${report.epochs}: ${speed}${right ? `, ${percent(right[1])} right` : ''}`
  look(false).catch(fail)
}
function finish(outcome: Outcome): void {
  take(outcome)
  const right = outcome.accuracy.at(-1)
  const result = right ? `It reads ${percent(right[1])} of the digits held back.` : 'It has hardly begun.'
  course.textContent = `${outcome.ended === 'aborted' ? 'Stopped' : 'Trained'} after ${outcome.seconds.toFixed(1)} s. ${result}`
  say(`${course.textContent} Draw a digit.`)
}

let stop: AbortController | null = null
let runs = 0
async function run(): Promise<void> {
  stop = new AbortController()
  dataset.state = 'training'
  button.textContent = 'Stop'
  draw({ loss: [], accuracy: [] })
  say('Training has begun.')
  try {
    const { images, labels } = await digits
    const input = { images, labels, epochs: EPOCHS, seed: 2 + runs++ }
    finish(await trainInWorker<typeof train>(await program, { input, signal: stop.signal, every: EVERY, type: 'classic', onProgress: take }))
    dataset.state = 'trained'
  } catch (error) {
    fail(error)
    dataset.state = 'failed'
  }
  stop = null
  button.textContent = 'Train again'
}
button.addEventListener('click', () => (stop ? stop.abort() : void run()))
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => void look(false).catch(fail))
draw({ loss: [], accuracy: [] })
// laid out at once, the page would take its first frame 60 ms, most of it for fonts that the browser has to find: a part each frame
for (const part of document.querySelectorAll<HTMLElement>('[hidden]')) {
  await rest()
  part.hidden = false
}
put({})
