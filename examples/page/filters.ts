// Pictures of the first layer: each filter's weights, and its map of the drawing.

/** As in LeNet-5: six filters of 5×5, maps of 28×28 */
const FILTERS = 6
const FILTER = 5
const MAP = 28

type Colour = readonly [number, number, number]

/** A colour of the style sheet as numbers */
function colour(name: string): Colour {
  const [r, g, b] = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1).match(/../g)!.map(part => parseInt(part, 16))
  return [r!, g!, b!]
}

/** `share(i)` of each pixel in −1..1: towards the cold colour below 0, the warm one above */
function paint(canvas: HTMLCanvasElement, side: number, share: (i: number) => number, [paper, warm, cold]: readonly Colour[]): void {
  const picture = new ImageData(side, side)
  for (let i = 0; i < side * side; i++) {
    const s = share(i)
    const end = s < 0 ? cold! : warm!
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = paper![c]! + Math.abs(s) * (end[c]! - paper![c]!)
    picture.data[4 * i + 3] = 255
  }
  canvas.getContext('2d')!.putImageData(picture, 0, 0)
}

export class FilterPictures {
  readonly #pairs: [HTMLCanvasElement, HTMLCanvasElement][]
  constructor(list: HTMLElement) {
    this.#pairs = Array.from({ length: FILTERS }, (_, i) => {
      const item = document.createElement('li')
      const pair = [FILTER, MAP].map((side, j) => {
        const canvas = document.createElement('canvas')
        ;[canvas.width, canvas.height] = [side, side]
        canvas.setAttribute('role', 'img')
        canvas.setAttribute('aria-label', j === 0 ? `Weights of filter ${i + 1}` : `Where filter ${i + 1} answers`)
        return canvas
      }) as [HTMLCanvasElement, HTMLCanvasElement]
      item.append(...pair)
      list.append(item)
      return pair
    })
  }

  /** filters: [6, 5, 5]; maps: [6, 28, 28] or null where nothing is drawn. Each kind has one scale. */
  draw(filters: Float32Array, maps: Float32Array | null): void {
    const colours = ['--sheet', '--warm', '--cold'].map(colour)
    const most = filters.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-6)
    const highest = maps?.reduce((m, v) => Math.max(m, v), 1e-6) ?? 1
    const ink = [colours[0]!, colour('--ink'), colours[2]!]
    this.#pairs.forEach(([filter, map], f) => {
      paint(filter, FILTER, i => filters[f * FILTER * FILTER + i]! / most, colours)
      paint(map, MAP, i => (maps ? maps[f * MAP * MAP + i]! / highest : 0), ink)
    })
  }
}
