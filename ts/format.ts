// How tensors print: aligned numbers, nested brackets, the middle of long dimensions left out.

import { iota, stridesOf, type Shape } from './shape.js'

/** The method that console.log of Node.js and others calls */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')

/** Longer dimensions show three entries at each end. */
const LONGEST = 8

function number(x: number): string {
  if (Number.isInteger(x)) return Object.is(x, -0) ? '-0' : Math.abs(x) < 1e7 ? String(x) : x.toExponential(3)
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf'
  const size = Math.abs(x)
  return size >= 1e5 || size < 1e-3 ? x.toExponential(3) : x.toFixed(4)
}

/** Indices of a dimension that are shown; -1 stands for the ellipsis. */
function shown(n: number): number[] {
  if (n <= LONGEST) return [...iota(n)]
  return [0, 1, 2, -1, n - 3, n - 2, n - 1]
}

export function format(values: ArrayLike<number>, shape: Shape): string {
  if (shape.length === 0) return number(values[0]!)
  const texts = new Map<number, string>()
  let width = 0
  const strides = stridesOf(shape)
  const visit = (d: number, at: number): void => {
    if (d === shape.length) {
      const text = number(values[at]!)
      texts.set(at, text)
      width = Math.max(width, text.length)
    } else for (const i of shown(shape[d]!)) if (i >= 0) visit(d + 1, at + i * strides[d]!)
  }
  visit(0, 0)
  const write = (d: number, at: number, indent: string): string => {
    if (d === shape.length) return texts.get(at)!.padStart(width)
    const inner = d === shape.length - 1
    const parts = shown(shape[d]!).map(i => (i < 0 ? '…' : write(d + 1, at + i * strides[d]!, indent + ' ')))
    return `[${parts.join(inner ? ', ' : ',\n' + indent + ' ')}]`
  }
  return write(0, 0, '       ')
}
