// Horizontal bars with their names and values, as SVG text.

import { at, escapeText, numberText, openChart, seriesColor } from './axes.js'

export interface Bar {
  name: string
  value: number
  /** Shown in place of the number. */
  text?: string
}

export interface BarChartOptions {
  title: string
  bars: readonly Bar[]
  width?: number
}

const ROW = 30
const LETTER = 6.9

/** An <svg> element. Bars grow from 0 to the right; values below 0 or not finite have no bar. */
export function barChart({ title, bars, width = 480 }: BarChartOptions): string {
  const texts = bars.map(bar => bar.text ?? numberText(bar.value))
  const left = 10 + LETTER * Math.max(0, ...bars.map(bar => bar.name.length))
  const right = 10 + LETTER * Math.max(0, ...texts.map(text => text.length))
  const most = bars.reduce((m, { value }) => (value < Infinity ? Math.max(m, value) : m), 0)
  const height = 30 + ROW * bars.length
  const out = openChart(title, width, height)
  bars.forEach(({ name, value }, i) => {
    const y = 30 + ROW * i
    const size = most > 0 && value > 0 && value < Infinity ? (value / most) * (width - left - right) : 0
    out.push(
      `<g><title>${escapeText(`${name}: ${texts[i]}`)}</title>`,
      `<text x="${at(left - 10)}" y="${y + 19}" text-anchor="end">${escapeText(name)}</text>`,
      `<rect x="${at(left)}" y="${y + 4}" width="${at(size)}" height="${ROW - 8}" rx="3" style="fill:${seriesColor(0)}"/>`,
      `<text x="${at(left + size + 7)}" y="${y + 19}">${escapeText(texts[i]!)}</text></g>`,
    )
  })
  out.push('</svg>')
  return out.join('\n')
}
