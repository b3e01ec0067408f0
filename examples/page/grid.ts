// The 8×8 cells that the network sees, which a keyboard, a pointer or a screen reader can ink one by one.

import { SIDE } from './strokes.js'

const INK = 16
const MOVES: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }

export class Grid {
  readonly image = new Uint8Array(SIDE * SIDE)
  readonly #cells: HTMLElement[]
  #at = 0

  /** `onInk` hears of every cell that a user inks or blanks. */
  constructor(element: HTMLElement, onInk: () => void) {
    this.#cells = Array.from(this.image, (_, i) => {
      const cell = document.createElement('div')
      cell.setAttribute('role', 'gridcell')
      cell.addEventListener('click', () => {
        this.#go(i)
        this.#ink(i, this.image[i]! > 0 ? 0 : INK)
        onInk()
      })
      return cell
    })
    for (let row = 0; row < SIDE; row++) {
      const line = document.createElement('div')
      line.setAttribute('role', 'row')
      line.append(...this.#cells.slice(row * SIDE, (row + 1) * SIDE))
      element.append(line)
    }
    element.addEventListener('keydown', event => {
      const move = MOVES[event.key]
      if (move) {
        const [row, column] = [Math.floor(this.#at / SIDE) + move[0], (this.#at % SIDE) + move[1]]
        if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) {
          // the pen leaves ink where it stood and where it goes
          if (event.shiftKey) for (const i of [this.#at, row * SIDE + column]) this.#ink(i, INK)
          this.#go(row * SIDE + column)
          if (event.shiftKey) onInk()
        }
      } else if (event.key === ' ' || event.key === 'Enter') {
        this.#ink(this.#at, this.image[this.#at]! > 0 ? 0 : INK)
        onInk()
      } else return
      event.preventDefault()
    })
    this.#cells[0]!.tabIndex = 0
    this.show(this.image)
  }

  /** Shows an image [8, 8] of 0..16. */
  show(image: Uint8Array): void {
    image.forEach((value, i) => this.#ink(i, value))
  }

  #ink(i: number, value: number): void {
    this.image[i] = value
    const cell = this.#cells[i]!
    cell.style.setProperty('--level', String(value / INK))
    const ink = value === 0 ? 'blank' : value === INK ? 'ink' : `${Math.round((100 * value) / INK)} % ink`
    cell.setAttribute('aria-label', `row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}: ${ink}`)
  }

  /** One cell at a time is in the order of the Tab key. */
  #go(i: number): void {
    this.#cells[this.#at]!.tabIndex = -1
    this.#at = i
    this.#cells[i]!.tabIndex = 0
    this.#cells[i]!.focus()
  }
}
