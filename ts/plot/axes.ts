// What the charts share: round axis values, number texts, escaping, colours.

/** Text that may stand in HTML, in attributes too. */
export const escapeText = (text: string): string =>
  text.replace(/[&<>"']/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[c]!)

/**
 * Eight hues that colour-blind readers can tell apart (M. Okabe and K. Ito, Color Universal Design, 2008); their yellow is
 * darkened to show on white.
 */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8a8a00', '#666666']

/** The colour of series i, which a page may set anew by --series-1, --series-2, and so on. */
export const seriesColor = (i: number): string => `var(--series-${(i % COLORS.length) + 1},${COLORS[i % COLORS.length]})`

/** The beginning of every chart: the <svg> tag and the title. Text takes the colour of the page. */
export const openChart = (title: string, width: number, height: number): string[] => [
  `<svg class="chart" viewBox="0 0 ${at(width)} ${at(height)}" role="img" aria-label="${escapeText(title)}" font-size="12"`,
  ' fill="currentColor" font-family="system-ui,sans-serif">',
  `<text x="0" y="16" font-size="15" font-weight="600">${escapeText(title)}</text>`,
]

/** Coordinates for SVG: two decimals suffice and keep the file small. */
export const at = (x: number): string => String(Math.round(x * 100) / 100)

/** A number in as few characters as tell it: 1200, 0.05, 2e-7. */
export function numberText(x: number): string {
  if (x === 0 || !Number.isFinite(x)) return String(x)
  const size = Math.abs(x)
  if (size >= 1e6 || size < 1e-4) return x.toExponential(2).replace(/\.?0+e/, 'e').replace('e+', 'e')
  return String(Number(x.toPrecision(4)))
}

/** 1, 2 or 5 times a power of ten, at least `step`. Powers by multiplication: Math.log10 and pow differ between runtimes. */
function roundStep(step: number): number {
  let unit = 1
  while (unit * 10 <= step) unit *= 10
  while (unit > step) unit /= 10
  return unit * [1, 2, 5, 10].find(m => unit * m >= step * (1 - 1e-9))!
}

export interface Axis {
  from: number
  to: number
  /** Round values from `from` to `to`. */
  ticks: number[]
}

export interface AxisOptions {
  /** About how many steps, 5 unless given. */
  count?: number
  /** Ends where the values end; else at the next round value. */
  tight?: boolean
  /** Only whole numbers as ticks. */
  whole?: boolean
}

/** A range that holds all finite `values`, and round values in it. */
export function axis(values: readonly number[], { count = 5, tight = false, whole = false }: AxisOptions = {}): Axis {
  let low = Infinity
  let high = -Infinity
  for (const x of values) {
    if (!Number.isFinite(x)) continue
    low = Math.min(low, x)
    high = Math.max(high, x)
  }
  if (low > high) [low, high] = [0, 1]
  const size = Math.max(Math.abs(low), Math.abs(high))
  if (size < 1e-300) [low, high] = tight ? [-0.5, 0.5] : [0, 1]
  else if (high / 2 - low / 2 < size * 1e-12) [low, high] = tight ? [low - 0.5, high + 0.5] : [Math.min(low, 0), Math.max(high, 0)]
  const rounded = roundStep(high / count - low / count)
  const step = whole ? Math.max(1, rounded) : rounded
  const first = tight ? Math.ceil(low / step - 1e-9) : Math.floor(low / step + 1e-9)
  const last = tight ? Math.floor(high / step + 1e-9) : Math.ceil(high / step - 1e-9)
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
  return tight ? { from: low, to: high, ticks } : { from: ticks[0]!, to: ticks[ticks.length - 1]!, ticks }
}
