// The sheet: strokes of mouse, finger or pen, drawn as they come.

import { SIDE, type Point } from './strokes.js'

/** Width of the pen as a share of the sheet */
const PEN = 0.065

export class Pad {
  readonly strokes: Point[][] = []
  #pixels: Uint8Array | null = null
  readonly #context: CanvasRenderingContext2D
  #pointer: number | null = null

  /** `onStroke` hears every movement of the pen. */
  constructor(readonly canvas: HTMLCanvasElement, onStroke: () => void) {
    this.#context = canvas.getContext('2d')!
    const points = (event: PointerEvent): Point[] => {
      const { left, top, width } = canvas.getBoundingClientRect()
      const all = event.getCoalescedEvents?.() ?? []
      return (all.length > 0 ? all : [event]).map(e => ({ x: (e.clientX - left) / width, y: (e.clientY - top) / width }))
    }
    canvas.addEventListener('pointerdown', event => {
      if (event.button !== 0 || this.#pointer !== null) return
      if (this.#pixels) this.clear()
      canvas.setPointerCapture(event.pointerId)
      this.#pointer = event.pointerId
      this.strokes.push(points(event))
      this.draw()
      onStroke()
    })
    canvas.addEventListener('pointermove', event => {
      if (event.pointerId !== this.#pointer) return
      this.strokes.at(-1)!.push(...points(event))
      this.draw()
      onStroke()
    })
    const lift = (event: PointerEvent) => {
      if (event.pointerId === this.#pointer) this.#pointer = null
    }
    canvas.addEventListener('pointerup', lift)
    canvas.addEventListener('pointercancel', lift)
    new ResizeObserver(() => this.draw()).observe(canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw())
  }

  clear(): void {
    this.strokes.length = 0
    this.#pixels = null
    this.draw()
  }

  /** Shows an image [8, 8] of 0..16 in place of strokes. */
  show(image: Uint8Array): void {
    this.strokes.length = 0
    this.#pixels = image
    this.draw()
  }

  draw(): void {
    const { canvas } = this
    const context = this.#context
    const size = Math.round(canvas.clientWidth * devicePixelRatio)
    if (canvas.width !== size || canvas.height !== size) [canvas.width, canvas.height] = [size, size]
    context.clearRect(0, 0, size, size)
    const style = getComputedStyle(canvas)
    const ink = style.getPropertyValue('--ink')
    context.lineWidth = Math.max(1, devicePixelRatio)
    context.strokeStyle = style.getPropertyValue('--line')
    context.beginPath()
    for (let i = 1; i < SIDE; i++) {
      const at = Math.round((i * size) / SIDE) + 0.5
      context.moveTo(at, 0)
      context.lineTo(at, size)
      context.moveTo(0, at)
      context.lineTo(size, at)
    }
    context.globalAlpha = 0.5
    context.stroke()
    context.fillStyle = ink
    this.#pixels?.forEach((value, i) => {
      context.globalAlpha = value / 16
      context.fillRect(((i % SIDE) * size) / SIDE, (Math.floor(i / SIDE) * size) / SIDE, size / SIDE, size / SIDE)
    })
    context.globalAlpha = 1
    Object.assign(context, { strokeStyle: ink, lineWidth: size * PEN, lineCap: 'round', lineJoin: 'round' })
    for (const [first, ...rest] of this.strokes) {
      if (!first) continue
      context.beginPath()
      context.moveTo(first.x * size, first.y * size)
      // a dot is a line to itself
      for (const point of rest.length > 0 ? rest : [first]) context.lineTo(point.x * size, point.y * size)
      context.stroke()
    }
  }
}
