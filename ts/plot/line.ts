// Line charts: several series over a common axis, as SVG text.

import { at, axis, escapeText, numberText, openChart, seriesColor } from './axes.js'

export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
  dashed?: boolean
}

export interface LineChartOptions {
  /** Read aloud in place of the chart, and shown above it. */
  title: string
  x: string
  y: string
  series: readonly Series[]
  /** x counts something: whole numbers only. */
  wholeX?: boolean
  formatY?: (y: number) => string
  width?: number
  height?: number
}

/** More points than this carry no mark; every line still goes through all of them. */
const MOST_MARKS = 60
const FONT = 12
/** Mean width of a digit or letter of common sans-serif fonts, as a share of the font size. */
const LETTER = 0.56

/** An <svg> element. Points that are not finite interrupt their line. Text takes the colour of the page. */
export function lineChart(options: LineChartOptions): string {
  const { title, series, wholeX, formatY = numberText, width = 480, height = 280 } = options
  const xs = axis(series.flatMap(s => s.points.map(p => p[0])), { tight: true, whole: wholeX, count: 6 })
  const ys = axis(series.flatMap(s => s.points.map(p => p[1])))
  const left = 14 + FONT * LETTER * Math.max(...ys.ticks.map(y => formatY(y).length))
  const [top, right, bottom] = [62, 14, 40]
  const toX = (x: number) => left + ((x - xs.from) / (xs.to - xs.from)) * (width - left - right)
  const toY = (y: number) => height - bottom - ((y - ys.from) / (ys.to - ys.from)) * (height - top - bottom)
  const out = openChart(title, width, height)
  const faint = (x: number, y: number, anchor: string, text: string) =>
    `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill-opacity=".75">${escapeText(text)}</text>`
  let x = 0
  series.forEach((s, i) => {
    out.push(
      `<line x1="${at(x)}" x2="${at(x + 20)}" y1="36" y2="36" ${stroke(s, i)}/>`,
      `<text x="${at(x + 26)}" y="40">${escapeText(s.name)}</text>`,
    )
    x += 26 + FONT * LETTER * s.name.length + 18
  })
  for (const y of ys.ticks) {
    const ends = `x1="${at(left)}" x2="${width - right}" y1="${at(toY(y))}" y2="${at(toY(y))}"`
    out.push(`<line ${ends} stroke="currentColor" stroke-opacity=".15"/>`, faint(left - 7, toY(y) + 4, 'end', formatY(y)))
  }
  for (const tick of xs.ticks) out.push(faint(toX(tick), height - bottom + 18, 'middle', numberText(tick)))
  out.push(faint((left + width - right) / 2, height - 4, 'middle', options.x))
  series.forEach((s, i) => {
    out.push(`<path d="${path(s, toX, toY)}" fill="none" ${stroke(s, i)} stroke-linejoin="round" stroke-linecap="round"/>`)
  })
  series.forEach((s, i) => {
    const every = Math.ceil(s.points.length / MOST_MARKS)
    s.points.forEach(([px, py], j) => {
      if (!Number.isFinite(px) || !Number.isFinite(py) || (j % every !== 0 && j !== s.points.length - 1)) return
      const spot = `cx="${at(toX(px))}" cy="${at(toY(py))}"`
      const text = `${s.name}: ${formatY(py)} (${options.x} ${numberText(px)})`
      // The wide invisible disc is what a pointer finds.
      const dot = every === 1 ? `<circle ${spot} r="2.5" style="fill:${seriesColor(i)}"/>` : ''
      out.push(`<g><title>${escapeText(text)}</title>${dot}<circle ${spot} r="9" fill-opacity="0"/></g>`)
    })
  })
  out.push('</svg>')
  return out.join('\n')
}

const stroke = (s: Series, i: number): string =>
  `style="stroke:${seriesColor(i)}" stroke-width="2"${s.dashed ? ' stroke-dasharray="5 4"' : ''}`

function path({ points }: Series, toX: (x: number) => number, toY: (y: number) => number): string {
  let d = ''
  let pen = 'M'
  for (const [x, y] of points) {
    if (Number.isFinite(x) && Number.isFinite(y)) {
      d += `${pen}${at(toX(x))} ${at(toY(y))}`
      pen = 'L'
    } else pen = 'M'
  }
  return d
}
