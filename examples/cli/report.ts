// The page that the main job writes: one HTML file with everything in it, that needs no script and no network.

import { barChart, escapeText, filterPictures, heatMap, imageGrid, imagePicture, lineChart } from 'hebb/plot'
import { effectiveOptions } from './options.js'
import { decimal, duration, percent, whole, type EndEvent, type EpochEvent, type StartEvent } from './progress.js'

/** A test image that the model took for another class. */
export interface Mistake {
  /** [channels, height, width] */
  pixels: Uint8Array
  truth: number
  prediction: number
  /** Probability that the model gave its prediction, 0..1. */
  confidence: number
}

export interface ReportData {
  start: StartEvent
  epochs: readonly EpochEvent[]
  end: EndEvent
  /** Of the images in `mistakes`. */
  image: { channels: number, height: number, width: number, white?: number }
  /** Worst first. */
  mistakes: readonly Mistake[]
  /** The first layer's weights; `shape` is [n, channels, height, width]. */
  filters?: { name: string, weights: ArrayLike<number>, shape: readonly [number, number, number, number] }
}

const TITLES = { digits: 'Digits', mnist: 'MNIST', fashion: 'Fashion-MNIST', cifar10: 'CIFAR-10' }
const MOST_FILTERS = 64
const MOST_MISTAKES = 30
const MOST_CONFUSIONS = 8

export function buildReport(data: ReportData): string {
  const { start: { recipe }, end } = data
  const title = `${TITLES[recipe.dataset]}, ${recipe.model}: ${percent(end.testAccuracy)}`
  const sections = [summary(data), curves(data), confusion(data), filters(data), mistakes(data), times(data)]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${sections.filter(Boolean).join('\n')}
</main>
<footer>
<p>Weights SHA-256 <code>${escapeText(end.weightsHash)}</code></p>
<p>Written by hebb. The same seed gives the same weights, bit for bit.</p>
</footer>
</body>
</html>
`
}

/** The names of the classes, as short labels. */
function labels({ end: { confusion, classNames } }: ReportData): string[] {
  return confusion.map((_, i) => classNames?.[i] ?? String(i))
}

const definitions = (rows: readonly (readonly [string, string])[]): string =>
  rows.map(([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`).join('\n')

function summary({ start, end, epochs }: ReportData): string {
  const { recipe, parameters, trainCount, validationCount, testCount, note } = start
  const right = whole(end.testAccuracy * end.testCount)
  const speed = epochs.length > 0 ? epochs.reduce((sum, e) => sum + e.imagesPerSecond, 0) / epochs.length : undefined
  const facts: [string, string][] = [['parameters', whole(parameters)], ['time', duration(end.seconds)]]
  if (end.testLoss !== undefined) facts.unshift(['test loss', decimal(end.testLoss)])
  if (speed !== undefined) facts.push(['images per second', whole(speed)])
  const rows = effectiveOptions(recipe).map(line => {
    const [, name, value] = /^(\S+)\s+(.*)$/s.exec(line)!
    return [name!, value!] as const
  })
  const counts = [[trainCount, 'to train'], [validationCount, 'to validate'], [testCount, 'to test']] as const
  const images = counts.flatMap(([n, what]) => (n > 0 ? [`${whole(n)} ${what}`] : [])).join(', ')
  return `<header>
<p class="kicker">${escapeText(TITLES[recipe.dataset])} · ${escapeText(recipe.model)}</p>
<h1><span class="figure">${percent(end.testAccuracy)}</span>
<span class="of">of the test images recognised: ${right} of ${whole(end.testCount)}</span></h1>
<dl class="facts">
${definitions(facts)}
</dl>
<dl class="recipe">
${definitions([...rows, ['images', note ? `${images} (${note})` : images]])}
</dl>
</header>`
}

function curves({ epochs }: ReportData): string {
  if (epochs.length === 0) return ''
  type Read = (e: EpochEvent) => number | undefined
  const points = (read: Read) =>
    epochs.flatMap(e => (read(e) === undefined ? [] : [[e.epoch, read(e)!] as const]))
  const chart = (title: string, train: Read, validation: Read, formatY?: (y: number) => string) => {
    const series = [{ name: 'training', points: points(train) }, { name: 'validation', points: points(validation) }]
    return lineChart({ title, x: 'epoch', y: title, wholeX: true, formatY, series: series.filter(s => s.points.length > 0) })
  }
  const cell = (x: number | undefined, write: (x: number) => string) => `<td>${x === undefined ? '–' : write(x)}</td>`
  const rows = epochs.map(e => {
    const losses = cell(e.loss, decimal) + cell(e.validationLoss, decimal)
    const accuracies = cell(e.accuracy, percent) + cell(e.validationAccuracy, percent)
    return `<tr><th scope="row">${e.epoch}</th>${losses}${accuracies}${cell(e.seconds, duration)}</tr>`
  })
  const heads = ['epoch', 'training loss', 'validation loss', 'training accuracy', 'validation accuracy', 'time']
  return `<section aria-label="Learning curves">
<div class="pair">
<div class="card">${chart('Loss', e => e.loss, e => e.validationLoss)}</div>
<div class="card">${chart('Accuracy', e => e.accuracy, e => e.validationAccuracy, accuracyText)}</div>
</div>
<p class="note">Training values are means over an epoch while the weights still change; validation values are taken at its end.</p>
<details><summary>The curves as a table</summary>
<div class="scroll"><table><thead><tr>${heads.map(head => `<th scope="col">${head}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div></details>
</section>`
}

/** Axis values are round: 97.5 %, 98 %. */
const accuracyText = (x: number): string => `${Number((100 * x).toFixed(2))} %`

function confusion(data: ReportData): string {
  const names = labels(data)
  const counts = data.end.confusion
  const wrong = counts.flatMap((row, i) => row.flatMap((n, j) => (n > 0 && i !== j ? [{ n, i, j }] : [])))
  const most = wrong.sort((a, b) => b.n - a.n).slice(0, MOST_CONFUSIONS).map(({ n, i, j }) => {
    return `<li><b>${escapeText(names[i]!)}</b> taken for <b>${escapeText(names[j]!)}</b><span>${whole(n)} ×</span></li>`
  })
  const list = `<h3>Most frequent confusions</h3>\n<ol class="confusions">\n${most.join('\n')}\n</ol>`
  const map = heatMap({
    title: 'Confusion matrix', counts, rowNames: names, columnNames: names, rows: 'truth', columns: 'prediction',
    diagonal: true, width: 520,
  })
  const recall = counts.map((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0)
    return { name: names[i]!, value: sum > 0 ? row[i]! / sum : 0, text: sum > 0 ? percent(row[i]! / sum, 1) : 'no image' }
  })
  return `<section aria-label="Confusion matrix" class="pair">
<div class="card">${map}</div>
<div class="card">${barChart({ title: 'Recognised, by class', bars: recall })}
${most.length > 0 ? list : '<p>No image was taken for another class.</p>'}</div>
</section>`
}

function filters({ filters }: ReportData): string {
  if (!filters) return ''
  const [n, channels, height, width] = filters.shape
  const pictures = filterPictures(filters.weights, n, channels, height, width)
  const shown = pictures.slice(0, MOST_FILTERS)
  const what = channels === 3
    ? 'The colours show which red, green and blue a filter answers to.'
    : 'Red weights are above 0, blue ones below, white ones near 0.'
  const part = shown.length < pictures.length ? ` The first ${shown.length} of ${pictures.length} are shown.` : ''
  const tiles = shown.map((picture, i) => ({ picture, alt: `filter ${i + 1}, ${height}×${width}` }))
  return `<section class="card">
<h2>What the first layer looks for</h2>
<p>The weights of <code>${escapeText(filters.name)}</code>, ${height}×${width}, all in one scale. ${what}${part}</p>
${imageGrid(tiles, shown.length > 8 ? 52 : 104)}
</section>`
}

function mistakes(data: ReportData): string {
  const { image: { channels, height, width, white }, end } = data
  const names = labels(data)
  const wrong = end.testCount - Math.round(end.testAccuracy * end.testCount)
  if (data.mistakes.length === 0) {
    const none = wrong === 0 ? 'None: every test image was recognised.' : 'None were kept.'
    return `<section class="card"><h2>Worst mistakes</h2><p>${none}</p></section>`
  }
  const shown = data.mistakes.slice(0, MOST_MISTAKES)
  const tiles = shown.map(({ pixels, truth, prediction, confidence }) => ({
    picture: imagePicture(pixels, channels, height, width, white),
    alt: `an image of ${names[truth]}, taken for ${names[prediction]} with ${percent(confidence, 1)} confidence`,
    caption: [`${names[truth]} → ${names[prediction]}`, percent(confidence, 1)],
  }))
  const all = wrong === 1 ? 'The only' : `All ${whole(wrong)}`
  const which = shown.length === wrong ? all : `The ${shown.length} surest of all ${whole(wrong)}`
  return `<section class="card">
<h2>Worst mistakes</h2>
<p>${which} ${wrong === 1 ? 'mistake' : 'mistakes'}: truth → prediction, and how sure the model was.</p>
${imageGrid(tiles, 90)}
</section>`
}

function times({ end: { times: { steps, forward, backward, optimizer, total } } }: ReportData): string {
  if (steps === 0) return ''
  const rest = Math.max(0, total - forward - backward - optimizer)
  const parts = [['forward', forward], ['backward', backward], ['optimizer', optimizer], ['data and the rest', rest]] as const
  const perStep = (ms: number) => `${(ms / steps).toFixed(3)} ms`
  const row = (name: string, ms: number) => {
    const cells = [`${(ms / 1000).toFixed(2)} s`, perStep(ms), percent(total > 0 ? ms / total : 0, 1)]
    return `<tr><th scope="row">${name}</th>${cells.map(text => `<td>${text}</td>`).join('')}</tr>`
  }
  const ratio = forward > 0 ? `Backward takes ${(backward / forward).toFixed(2)} times as long as forward.` : ''
  const bars = parts.map(([name, ms]) => ({ name, value: ms / steps, text: perStep(ms) }))
  return `<section class="card">
<h2>Where the time went</h2>
<div class="pair">
<div class="scroll"><table>
<thead><tr><td></td><th scope="col">total</th><th scope="col">per step</th><th scope="col">share</th></tr></thead>
<tbody>${parts.map(([name, ms]) => row(name, ms)).join('\n')}</tbody>
<tfoot>${row(`all of ${whole(steps)} steps`, total)}</tfoot></table></div>
<div>${barChart({ title: 'Milliseconds per step', bars })}<p class="note">${ratio}</p></div>
</div>
</section>`
}

const STYLE = `
:root{color-scheme:light dark;--paper:#f6f5f1;--card:#fff;--ink:#1d2126;--soft:#5d6670;--line:#dfddd6;--accent:#0072b2;
--good:#0072b2;--bad:#d55e00;--on-strong:#fff}
@media (prefers-color-scheme:dark){:root{--paper:#131619;--card:#1c2024;--ink:#e8e6e1;--soft:#9aa3ab;--line:#30363c;
--accent:#62b6ec;--good:#3d8fd0;--bad:#ee7b2e;--series-1:#62b6ec;--series-2:#ff9955;--series-3:#3fc79a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding:44px 0 8px}
.kicker{margin:0;color:var(--accent);font-weight:600;letter-spacing:.02em}
h1{margin:4px 0 20px;font-weight:400;line-height:1.15;display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 18px}
.figure{font-size:clamp(48px,9vw,84px);font-weight:700;letter-spacing:-.03em;font-variant-numeric:tabular-nums}
.of{font-size:19px;color:var(--soft)}
h2,h3{margin:0 0 6px;font-size:18px;line-height:1.3}
h3{font-size:15px;margin-top:18px}
p{margin:0 0 12px}
dl{margin:0}dd{margin:0}
.facts{display:flex;flex-wrap:wrap;gap:10px 36px;margin-bottom:22px}
.facts dt,.recipe dt{color:var(--soft);font-size:13px}
.facts dd{font-size:22px;font-weight:600;font-variant-numeric:tabular-nums}
.recipe{display:grid;grid-template-columns:repeat(auto-fit,minmax(215px,1fr));gap:10px 24px;
border-top:1px solid var(--line);padding-top:16px;font-size:14px}
.recipe dd{overflow-wrap:anywhere}
section{margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px;min-width:0}
.pair{display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}
.chart{display:block;width:100%;height:auto;overflow:visible}
.note{color:var(--soft);font-size:13px;margin:10px 0 6px}
code{font:13px ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
.confusions{margin:0;padding:0;list-style:none;font-size:14px}
.confusions li{display:flex;gap:.35em;padding:3px 0;border-bottom:1px solid var(--line)}
.confusions li span{margin-left:auto;color:var(--soft);font-variant-numeric:tabular-nums}
.tiles{font-size:13px;line-height:1.35}
.tiles img{border-radius:5px;outline:1px solid var(--line)}
.tiles .caption{margin-top:4px}
.tiles .caption span+span{color:var(--soft);font-variant-numeric:tabular-nums}
details{font-size:14px}summary{cursor:pointer;color:var(--accent)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child{text-align:left}th{font-weight:500}thead th{color:var(--soft);font-size:13px}
tfoot th,tfoot td{font-weight:700;border-bottom:0}
footer{color:var(--soft);font-size:13px;padding-top:8px;padding-bottom:40px}footer p{margin:0}
@media print{body{background:#fff}.card{break-inside:avoid}}
`
