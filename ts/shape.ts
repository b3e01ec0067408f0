// Shapes: sizes, dimensions, broadcasting, the arithmetic of windows; checks of arguments that all floors share; the error that says which shapes don't fit.

export type Shape = readonly number[]

/** Shapes or arguments that don't fit: what was expected, what came, how to mend it. */
export class ShapeError extends Error {
  override name = 'ShapeError'
}

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let n = 1
  for (let i = 0; i < shape.length; i++) n *= shape[i]!
  return n
}

export const show = (shape: Shape): string => `[${shape.join(',')}]`

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Is n a whole number from `least` to `most`? */
export const isWhole = (n: number, least: number, most = Infinity): boolean => Number.isInteger(n) && n >= least && n <= most

/** 0, 1 … n − 1 */
export const iota = (n: number): Int32Array => Int32Array.from({ length: n }, (_, i) => i)

/** A shape that a user gave: whole numbers ≥ 0. */
export function checkShape(op: string, shape: Shape): Shape {
  requireList(op, 'a shape', shape, '[2, 3]')
  for (const d of shape) {
    if (!isWhole(d, 0)) throw new ShapeError(`${op}: sizes must be whole numbers ≥ 0, got shape ${show(shape)}`)
  }
  return shape
}

type ErrorClass = new (message: string) => Error

/** Sizes and counts. */
export function requireCount(op: string, role: string, value: number, least = 1, kind: ErrorClass = ShapeError): void {
  if (!isWhole(value, least)) throw new kind(`${op}: ${role} must be a whole number ≥ ${least}, got ${value}`)
}

/** @throws RangeError unless the condition holds */
export function demand(holds: boolean, message: string): void {
  if (!holds) throw new RangeError(message)
}

/** What would be NaN, in silence: an object, or a word */
export function requireNumber(op: string, role: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${op}: a number as ${role} expected, got ${value}`)
}

export function requirePositive(op: string, role: string, value: number): void {
  requireNumber(op, role, value)
  if (!(value > 0)) throw new RangeError(`${op}: ${role} > 0 expected, got ${value}`)
}

export function requireNotNegative(op: string, role: string, value: number): void {
  requireNumber(op, role, value)
  if (!(value >= 0)) throw new RangeError(`${op}: ${role} ≥ 0 expected, got ${value}`)
}

/** A share or a probability */
export function requireShare(op: string, role: string, value: number): void {
  requireNumber(op, role, value)
  if (!(value >= 0 && value <= 1)) throw new RangeError(`${op}: ${role} in 0..1 expected, got ${value}`)
}

/** Values for int32, which would cut and wrap others in silence */
export function requireInts(op: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] !== 'number' || values[i] !== (values[i]! | 0)) throw new TypeError(`${op}: whole numbers of 32 bits expected for int32, got ${values[i]} at position ${i}`)
  }
}

/** One of several settings */
export function requireChoice(op: string, role: string, value: unknown, ...choices: readonly unknown[]): void {
  if (!choices.includes(value)) throw new RangeError(`${op}: ${role} ${oneOf(choices)} expected, got ${value}`)
}
const oneOf = (choices: readonly unknown[]): string => (choices.length > 1 ? `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}` : String(choices[0]))

/** Shapes and lists of dimensions stand in brackets: zeros([2, 3]), not zeros(2, 3). */
export function requireList(op: string, what: string, list: unknown, example: string): void {
  if (!Array.isArray(list)) throw new ShapeError(`${op}: ${what} in brackets expected, ${op}(${example}) for instance, got ${typeof list === 'object' ? 'an object' : list}`)
}

/** What has no rank is no tensor. */
function requireRank(op: string, rank: number): void {
  if (!(rank >= 0)) throw new TypeError(`${op}: a tensor expected, got something without dimensions: wrap it in tensor()`)
}

type Words<S extends string> = S extends `${infer First} ${infer Rest}` ? First | Words<Rest> : S
/** The names of all options, as words or as an object that has them */
export type Known<O, S> = S extends string ? ([keyof O, Words<S>] extends [Words<S>, keyof O] ? S : never) : { [K in keyof O]-?: unknown }
/** Lists of words, each taken apart once: a split at every call would take longer than a small op */
const WORDS: Record<string, string[]> = {}
/** Options are one object of known names: a number or true in its place, as in Python, or another name would do nothing, in silence. Returns them. @throws TypeError, RangeError for a name that isn't `known` */
export function requireOptions<O extends object, S>(op: string, options: O, known?: S & Known<O, S>): O {
  if (options === null || typeof options !== 'object' || 'length' in options || 'shape' in options) throw new TypeError(`${op}: options in braces expected, { name: value }, got ${String(options)}`)
  for (const name in options) {
    const names = typeof known === 'string' ? (WORDS[known] ??= known.split(' ')) : Object.keys(known ?? options)
    if (options[name] !== undefined && !names.includes(name)) requireChoice(op, 'option', name, ...names)
  }
  return options
}

/** Dimension `dim` of a tensor of rank `rank`; negative ones count from the end. A scalar takes 0 and -1. */
export function dimension(op: string, dim: number, rank: number): number {
  requireRank(op, rank)
  const most = Math.max(rank, 1)
  if (!Number.isInteger(dim)) throw new ShapeError(`${op}: a whole number as dim expected, ${-most}..${most - 1} for a tensor of rank ${rank}, got ${dim}`)
  if (dim < -most || dim >= most) {
    throw new ShapeError(`${op}: dim ${dim} is outside ${-most}..${most - 1}, the dimensions of a tensor of rank ${rank}`)
  }
  return dim < 0 ? dim + most : dim
}

/** Dimensions in increasing order; null or absent means all. */
export function dimensions(op: string, dim: number | readonly number[] | null | undefined, rank: number): number[] {
  requireRank(op, rank)
  if (dim === null || dim === undefined) return [...iota(rank)]
  if (typeof dim !== 'number') requireList(op, 'dims', dim, '[0, 1]')
  const list = (typeof dim === 'number' ? [dim] : dim).map(d => dimension(op, d, rank)).sort((a, b) => a - b)
  const twice = list.find((d, i) => d === list[i - 1])
  if (twice !== undefined) throw new ShapeError(`${op}: dim ${twice} is named twice`)
  return rank === 0 ? [] : list
}

/** All dimensions but one */
export const otherDims = (rank: number, dim: number): number[] => [...iota(rank)].filter(i => i !== dim)

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  for (let i = shape.length - 1, s = 1; i >= 0; i--) {
    strides[i] = s
    s *= shape[i]!
  }
  return strides
}

/** A function that says where the element at a position of the row-major order stands. */
export function placesIn(shape: Shape): (position: number) => number[] {
  const strides = stridesOf(shape)
  return position => strides.map((stride, d) => Math.floor(position / stride) % shape[d]!)
}

/**
 * Shape of the result of an elementwise op (NumPy's rule: sizes agree from the right, or one of them is 1). `which` names the shapes
 * in the error.
 */
export function broadcastShapes(op: string, a: Shape, b: Shape, which = (): string => `shapes ${show(a)} and ${show(b)}`): Shape {
  if (sameShape(a, b)) return a
  const rank = Math.max(a.length, b.length)
  const out = new Array<number>(rank)
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${op}: ${which()} don't broadcast: from the right, ${x} meets ${y}; sizes must agree or be 1 (see unsqueeze, reshape)`,
      )
    }
    out[i] = x === 1 ? y : x
  }
  return out
}

/** Strides of a tensor of shape `from` read as shape `to`: 0 where it repeats. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from)
  return to.map((_, i) => {
    const j = i - to.length + from.length
    return j < 0 || from[j] === 1 ? 0 : strides[j]!
  })
}

/** Dimensions of a loop nest over several strided operands. */
export interface Nest {
  sizes: number[]
  /** strides[operand][dimension] */
  strides: number[][]
}

/** Merge neighbouring dimensions that every operand walks as one, and drop those of size 1. */
export function collapse(sizes: Shape, strides: readonly (readonly number[])[]): Nest {
  const nest: Nest = { sizes: [], strides: strides.map(() => []) }
  for (let d = 0; d < sizes.length; d++) {
    const size = sizes[d]!
    if (size === 1) continue
    const last = nest.sizes.length - 1
    if (last >= 0 && strides.every((s, o) => nest.strides[o]![last] === s[d]! * size)) {
      nest.sizes[last] = nest.sizes[last]! * size
      strides.forEach((s, o) => (nest.strides[o]![last] = s[d]!))
    } else {
      nest.sizes.push(size)
      strides.forEach((s, o) => nest.strides[o]!.push(s[d]!))
    }
  }
  return nest
}

/** Pad sizes with 1 and strides with 0 in front, to the fixed rank that a kernel takes. */
export function padFront(values: readonly number[], rank: number, fill: number): number[] {
  return values.length === rank ? (values as number[]) : [...new Array<number>(rank - values.length).fill(fill), ...values]
}

/**
 * Run a loop nest of any rank through a kernel that takes `rank` dimensions: leading ones are looped over here.
 * run gets sizes, strides by operand, each operand's start and the position in the contiguous result.
 */
export function nested(
  rank: number, sizes: Shape, strides: readonly (readonly number[])[], run: (n: readonly number[], s: readonly (readonly number[])[], at: readonly number[], out: number) => void,
): void {
  const nest = collapse(sizes, strides)
  const extra = Math.max(0, nest.sizes.length - rank)
  const n = padFront(nest.sizes.slice(extra), rank, 1)
  const s = nest.strides.map(list => padFront(list.slice(extra), rank, 0))
  const block = sizeOf(n)
  const at = nest.strides.map(() => 0)
  let out = 0
  const level = (d: number) => {
    if (d === extra) {
      run(n, s, at, out)
      out += block
      return
    }
    for (let i = 0; i < nest.sizes[d]!; i++) {
      level(d + 1)
      nest.strides.forEach((list, o) => (at[o] = at[o]! + list[d]!))
    }
    nest.strides.forEach((list, o) => (at[o] = at[o]! - list[d]! * nest.sizes[d]!))
  }
  level(0)
}

/** The dimensions [outer, n, inner] that a reduction over neighbouring dims first..last sees. */
export function around(shape: Shape, first: number, last: number): [number, number, number] {
  return [sizeOf(shape.slice(0, first)), sizeOf(shape.slice(first, last + 1)), sizeOf(shape.slice(last + 1))]
}

/** A number for every spatial dimension, or one number each, in D, H, W order. */
export type PerDim = number | readonly number[]

export function perDim(op: string, role: string, value: PerDim, rank: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(rank).fill(value) : Array.isArray(value) ? [...(value as number[])] : []
  if (list.length !== rank || list.some(v => !isWhole(v, least))) {
    throw new ShapeError(
      `${op}: ${role} must be a whole number ≥ ${least}${rank > 1 ? `, or ${rank} of them` : ''}, got ${Array.isArray(value) ? show(value) : String(value)}`,
    )
  }
  return list
}

/** Windows over an image, in D, H, W order */
export interface WindowSizes {
  input: number[]
  kernel: number[]
  output: number[]
  stride: number[]
  padding: number[]
  dilation: number[]
}
/** With leading dimensions of size 1, three in all */
export function inThree({ input, kernel, output, stride, padding, dilation }: WindowSizes): WindowSizes {
  return {
    input: padFront(input, 3, 1), kernel: padFront(kernel, 3, 1), output: padFront(output, 3, 1),
    stride: padFront(stride, 3, 1), padding: padFront(padding, 3, 0), dilation: padFront(dilation, 3, 1),
  }
}

/** ⌊(size + before + after − dilation (kernel − 1) − 1) / stride⌋ + 1, with ⌈⌉ if `ceil`: then the last window must begin inside size + before. */
export function windowCount(
  size: number, kernel: number, stride: number, before: number, after: number, dilation: number, ceil = false,
): number {
  const room = size + before + after - dilation * (kernel - 1) - 1
  if (!ceil) return Math.floor(room / stride) + 1
  const count = Math.ceil(room / stride) + 1
  return (count - 1) * stride >= size + before ? count - 1 : count
}
