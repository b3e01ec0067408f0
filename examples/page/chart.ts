// A small live chart: one curve over the epochs, a line for what guessing gives, the newest value beside its end.

export interface ChartOptions {
  /** Names the chart to those who can't see it */
  name: string
  /** Highest value of the axis, and where its lines are */
  most: number
  ticks: readonly number[]
  /** What a network that guesses reaches */
  guessing: number
  format(value: number): string
}

const WIDTH = 300
const HEIGHT = 168
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 8, 12, 22]

/** Draws the points [epochs done, value] and says the last one in the chart's label. */
export function drawChart(svg: SVGElement, { name, most, ticks, guessing, format }: ChartOptions, points: readonly (readonly [number, number])[], epochs: number): void {
  const toX = (x: number) => LEFT + (x / epochs) * (WIDTH - LEFT - RIGHT)
  const toY = (y: number) => HEIGHT - BOTTOM - (Math.min(y, most) / most) * (HEIGHT - TOP - BOTTOM)
  const at = (n: number) => n.toFixed(1)
  const across = (y: number, kind: string) => `<line class="${kind}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(toY(y))}" y2="${at(toY(y))}"/>`
  const out = ticks.map(y => `${across(y, 'rule')}<text x="${LEFT - 7}" y="${at(toY(y) + 4)}" text-anchor="end">${format(y)}</text>`)
  const step = Math.ceil(epochs / 3)
  for (let x = 0; x < epochs; x += step) out.push(`<text x="${at(toX(x))}" y="${HEIGHT - 5}" text-anchor="middle">${x}</text>`)
  out.push(`<text x="${WIDTH - RIGHT}" y="${HEIGHT - 5}" text-anchor="end">${epochs} epochs</text>`)
  out.push(across(guessing, 'guess'), `<text x="${WIDTH - RIGHT}" y="${at(toY(guessing) - 5)}" text-anchor="end">guessing</text>`)
  const last = points.at(-1)
  if (last) {
    const [x, y] = last
    const value = format(y)
    out.push(`<path class="curve" d="${points.map(([px, py], i) => `${i ? 'L' : 'M'}${at(toX(px))} ${at(toY(py))}`).join('')}"/>`)
    out.push(`<circle class="dot" cx="${at(toX(x))}" cy="${at(toY(y))}" r="3.5"/>`)
    // beside the end of the curve where there is room, else before it
    const end = x > epochs * 0.75
    const below = toY(y) < TOP + 22
    out.push(`<text class="now" x="${at(toX(x) + (end ? 2 : 8))}" y="${at(toY(y) + (below ? 20 : end ? -9 : 4))}" text-anchor="${end ? 'end' : 'start'}">${value}</text>`)
    svg.setAttribute('aria-label', `${name} over ${epochs} epochs: ${value} after ${x < 10 ? x.toFixed(1) : Math.round(x)}; guessing gives ${format(guessing)}`)
  } else svg.setAttribute('aria-label', `${name}: no training yet`)
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`)
  svg.innerHTML = out.join('')
}
