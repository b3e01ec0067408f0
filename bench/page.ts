// The page that --html writes: bar charts of a run, and of how it differs from an earlier one.

import { barChart, escapeText, type Bar } from 'hebb/plot'
import type { Difference, Run } from './compare.js'
import { gbytes, gflops, share } from './measure.js'
import type { Result } from './session.js'
import { digits, thousands, time } from './text.js'

const rate = (r: Result): number => ((r.items ?? 0) * 1000) / r.ms

/** What a bar shows; the first that fits a result */
const METRICS: readonly { unit: string; fits(r: Result): boolean; bar(r: Result): Omit<Bar, 'name'> }[] = [
  { unit: 'images per second', fits: r => !!r.items, bar: r => ({ value: rate(r), text: thousands(rate(r)) }) },
  { unit: 'GB/s', fits: r => !!r.bytes, bar: r => ({ value: gbytes(r), text: digits(gbytes(r)) }) },
  {
    unit: 'GFLOP/s',
    fits: r => !!r.flops,
    bar: r => ({ value: gflops(r), text: `${digits(gflops(r))}${share(r) > 0 ? ` (${Math.round(share(r) * 100)} % of C)` : ''}` }),
  },
  { unit: 'time', fits: () => true, bar: r => ({ value: r.ms, text: time(r.ms) }) },
]

function chartsOf(results: readonly Result[]): string[] {
  const groups = new Map<string, Bar[]>()
  for (const r of results) {
    const { unit, bar } = METRICS.find(m => m.fits(r))!
    const title = `${r.table}, ${unit}`
    const bars = groups.get(title) ?? []
    groups.set(title, bars)
    bars.push({ name: r.name, ...bar(r) })
  }
  return [...groups].map(([title, bars]) => barChart({ title, bars, width: 900 }))
}

const STYLE = `
body { margin: 2rem auto; max-width: 960px; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff }
svg { display: block; width: 100%; height: auto; margin: 2rem 0 }
li { margin: .2rem 0 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } }
`

/** A page without scripts that needs no other file */
export function buildPage(run: Run, header: readonly string[], compared: readonly Difference[]): string {
  const ratios = compared.map(d => ({ name: d.name, value: d.ratio, text: `${digits(d.ratio)} × ${d.flag}`.trim() }))
  const changes = ratios.length === 0 ? [] : [barChart({ title: 'speed against the earlier run', width: 900, bars: ratios })]
  const notTimed = run.refused.map(({ subject, name, why }) => `${subject}/${name} was not timed, its result is wrong: ${why}`)
  return [
    '<!doctype html>', '<html lang="en">', '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width">',
    '<title>hebb bench</title>', `<style>${STYLE}</style>`, '<h1>hebb bench</h1>',
    '<ul>', ...[...header, ...notTimed].map(line => `<li>${escapeText(line)}</li>`), '</ul>',
    ...changes, ...chartsOf(run.results), '</html>', '',
  ].join('\n')
}
