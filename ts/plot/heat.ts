// Heat maps of counts, such as confusion matrices, as SVG text.

import { at, escapeText, openChart } from './axes.js'

export interface HeatMapOptions {
  title: string
  /** counts[row][column] ≥ 0 */
  counts: readonly (readonly number[])[]
  rowNames: readonly string[]
  columnNames: readonly string[]
  /** What rows and columns are. */
  rows: string
  columns: string
  /** Cells (i, i) are the good ones and get a colour of their own. */
  diagonal?: boolean
  width?: number
}

const LETTER = 6.6
const GOOD = 'var(--good,#0072b2)'
const BAD = 'var(--bad,#d55e00)'

/**
 * An <svg> element. A cell's colour is as strong as its share of its row, by the square root, so that a single
 * mistake among hundreds still shows.
 */
export function heatMap(options: HeatMapOptions): string {
  const { title, counts, rowNames, columnNames, rows, columns, diagonal, width = 480 } = options
  const lanes = Math.max(1, columnNames.length)
  const left = 26 + LETTER * Math.max(1, ...rowNames.map(name => name.length))
  const cell = (width - left) / lanes
  const slanted = columnNames.some(name => name.length * LETTER > cell - 4)
  const head = slanted ? 30 + LETTER * 0.72 * Math.max(...columnNames.map(name => name.length)) : 46
  const top = 24 + head
  const height = top + cell * counts.length
  // The last slanted name leans out to the right of the map.
  const lean = slanted ? Math.max(0, LETTER * 0.72 * (columnNames.at(-1)?.length ?? 0) - cell / 2) : 0
  const out = [
    ...openChart(title, width + lean, height),
    `<text x="${at(left + (cell * lanes) / 2)}" y="40" text-anchor="middle" fill-opacity=".75">${escapeText(columns)}</text>`,
    `<text transform="translate(11 ${at(top + (cell * counts.length) / 2)}) rotate(-90)" text-anchor="middle" fill-opacity=".75">`,
    `${escapeText(rows)}</text>`,
  ]
  columnNames.forEach((name, j) => {
    const x = left + cell * (j + 0.5)
    out.push(
      slanted
        ? `<text transform="translate(${at(x)} ${at(top - 7)}) rotate(-45)">${escapeText(name)}</text>`
        : `<text x="${at(x)}" y="${at(top - 7)}" text-anchor="middle">${escapeText(name)}</text>`,
    )
  })
  counts.forEach((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0)
    const y = top + cell * i
    const rowName = rowNames[i] ?? String(i)
    out.push(`<text x="${at(left - 7)}" y="${at(y + cell / 2 + 4)}" text-anchor="end">${escapeText(rowName)}</text>`)
    row.forEach((count, j) => {
      const share = sum > 0 ? count / sum : 0
      const strength = Math.sqrt(Math.min(1, Math.max(0, share)))
      const fill = diagonal && i !== j ? BAD : GOOD
      const name = `${rows} ${rowName}, ${columns} ${columnNames[j] ?? j}: ${count}`
      const size = Math.min(13, (cell - 4) / (0.6 * String(count).length))
      const ink = strength > 0.6 ? ' style="fill:var(--on-strong,#fff)"' : ''
      const side = at(Math.max(0, cell - 2))
      const box = `x="${at(left + cell * j + 1)}" y="${at(y + 1)}" width="${side}" height="${side}" rx="3"`
      const middle = `x="${at(left + cell * (j + 0.5))}" y="${at(y + cell / 2 + size * 0.36)}" text-anchor="middle"`
      out.push(
        `<g><title>${escapeText(name)}</title><rect ${box} fill-opacity="${count > 0 ? '0' : '.05'}"/>`,
        count > 0 ? `<rect ${box} style="fill:${fill}" fill-opacity="${at(strength)}"/>` : '',
        count > 0 && size >= 5 ? `<text ${middle} font-size="${at(size)}"${ink}>${count}</text>` : '',
        '</g>',
      )
    })
  })
  out.push('</svg>')
  return out.filter(Boolean).join('\n')
}
