// Tensors from values: arrays, constants, ranges, parameters.

import { currentBackend } from '../backends/current.js'
import type { DType } from '../kernels.js'
import { checkShape, requireChoice, requireInts, requireNumber, requireOptions, ShapeError, show, sizeOf, type Shape } from '../shape.js'
import { filled, Tensor, type Home, type NestedArray } from '../tensor.js'
import { requireFloat } from './arithmetic.js'

export type Values = NestedArray | ArrayLike<number> | readonly Values[]

export interface TensorOptions {
  /** float32 (default) or int32 */
  dtype?: DType
  /** Accumulate a gradient in `grad` (default false) */
  requiresGrad?: boolean
}

/** A new tensor with values yet to be written by a kernel. @internal */
export function empty(shape: Shape, dtype: DType = 'float32', home: Home = 'turn'): Tensor {
  return new Tensor(shape, dtype, currentBackend(), null, home)
}

const isFlat = (v: unknown): v is ArrayLike<number> => ArrayBuffer.isView(v)
const isList = (v: unknown): v is ArrayLike<unknown> => Array.isArray(v) || isFlat(v)

/** Shape of nested arrays; complains about ragged ones. */
function shapeOf(values: Values): number[] {
  const shape: number[] = []
  let level: unknown = values
  while (isList(level)) {
    shape.push(level.length)
    level = level[0]
  }
  return shape
}

function flatten(values: Values, shape: Shape, out: Float64Array): void {
  let at = 0
  const visit = (v: unknown, d: number): void => {
    if (d === shape.length) {
      if (typeof v !== 'number' && typeof v !== 'boolean') {
        if (Array.isArray(v)) throw new ShapeError(`tensor: numbers expected at depth ${d} of shape ${show(shape)}, got an array: rows must have one length`)
        const what = v instanceof Tensor ? 'a tensor: clone() copies one, stack() joins several' : typeof v === 'string' ? JSON.stringify(v) : String(v)
        throw new TypeError(`tensor: numbers, arrays of them or a typed array expected, got ${what}`)
      }
      out[at++] = Number(v)
      return
    }
    if (!isList(v) || v.length !== shape[d]) {
      throw new ShapeError(`tensor: rows of one length expected, ${shape[d]} at depth ${d}, got ${isList(v) ? `one of ${v.length}` : String(v)}`)
    }
    for (let i = 0; i < v.length; i++) visit(v[i], d + 1)
  }
  visit(values, 0)
}

/**
 * A tensor of nested arrays, a number or a typed array (then a shape may follow).
 * tensor([[1, 2], [3, 4]]) · tensor(3) · tensor(new Float32Array(6), [2, 3]) · tensor([0, 2], { dtype: 'int32' })
 * @throws ShapeError if rows differ in length, or the shape doesn't fit the number of values; TypeError for what is no number
 */
export function tensor(values: Values, shape?: Shape | TensorOptions, options?: TensorOptions): Tensor {
  const given = Array.isArray(shape) ? checkShape('tensor', shape as Shape) : null
  const settings = options ?? (given ? {} : ((shape as TensorOptions | undefined) ?? {}))
  const { dtype = 'float32', requiresGrad = false } = requireOptions('tensor', settings, 'dtype requiresGrad')
  checkDType('tensor', dtype)
  const natural = shapeOf(values)
  let flat: ArrayLike<number>
  if (isFlat(values)) flat = values
  else {
    const numbers = new Float64Array(sizeOf(natural))
    flatten(values, natural, numbers)
    flat = numbers
  }
  const to = given ?? natural
  if (sizeOf(to) !== flat.length) throw new ShapeError(`tensor: shape ${show(to)} takes ${sizeOf(to)} values, got ${flat.length}`)
  if (dtype === 'int32') requireInts('tensor', flat)
  return leaf('tensor', empty(to, dtype).set(flat), requiresGrad)
}

function leaf(op: string, t: Tensor, requiresGrad: boolean): Tensor {
  if (requiresGrad) requireFloat(op, t)
  t.requiresGrad = t.trainable = requiresGrad
  return t
}

function checkDType(op: string, dtype: DType): void {
  if (dtype !== 'float32' && dtype !== 'int32') throw new TypeError(`${op}: dtype float32 or int32 expected, got ${dtype}`)
}

function constant(name: string, shape: Shape, value: number, options: TensorOptions = {}): Tensor {
  checkShape(name, shape)
  requireNumber(name, 'value', value)
  const { dtype = 'float32', requiresGrad = false } = requireOptions(name, options, 'dtype requiresGrad')
  checkDType(name, dtype)
  const t = empty(shape, dtype)
  if (dtype === 'int32') {
    requireInts(name, [value])
    t.set(new Int32Array(t.size).fill(value))
  } else t.backend.kernels.fill(t.size, value, t.address)
  return leaf(name, t, requiresGrad)
}
/** A tensor whose elements are all `value`. */
export const full = (shape: Shape, value: number, options?: TensorOptions): Tensor => constant('full', shape, value, options)
/** A tensor of zeros. */
export const zeros = (shape: Shape, options?: TensorOptions): Tensor => constant('zeros', shape, 0, options)
/** A tensor of ones. */
export const ones = (shape: Shape, options?: TensorOptions): Tensor => constant('ones', shape, 1, options)
/** Zeros in float32 of x's shape, on x's backend. */
export const zerosLike = (x: Tensor): Tensor => like(x, 0)
/** Ones in float32 of x's shape, on x's backend. */
export const onesLike = (x: Tensor): Tensor => like(x, 1)

/** A float32 constant of x's shape on x's backend. @internal */
export const like = (x: Tensor, value: number): Tensor => filled(x.shape, value, x.backend)

/** Memory first: to compute values that don't fit would take minutes. */
function row(op: string, n: number, value: (i: number) => number, options: TensorOptions): Tensor {
  const { dtype = 'float32', requiresGrad = false } = requireOptions(op, options, 'dtype requiresGrad')
  checkDType(op, dtype)
  const t = empty(checkShape(op, [n]), dtype)
  const values = Float64Array.from({ length: n }, (_, i) => value(i))
  if (dtype === 'int32') requireInts(op, values)
  return leaf(op, t.set(values), requiresGrad)
}

/** start, start + step … up to but without end. arange(5) counts from 0. */
export function arange(start: number, end?: number, step = 1, options: TensorOptions = {}): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end]
  if (!(step !== 0 && Number.isFinite((to - from) / step))) throw new ShapeError(`arange: a finite range and a step other than 0 expected, got ${from}, ${to}, ${step}`)
  const n = Math.max(0, Math.ceil((to - from) / step))
  return row('arange', n, i => from + i * step, options)
}

/** n numbers from start to end, both included. */
export function linspace(start: number, end: number, n: number, options: TensorOptions = {}): Tensor {
  for (const bound of [start, end]) requireNumber('linspace', 'start and end', bound)
  return row('linspace', n, i => (n === 1 ? start : start + ((end - start) * i) / (n - 1)), options)
}

/** The n × m identity matrix. */
export function eye(n: number, m = n): Tensor {
  checkShape('eye', [n, m])
  const values = new Float32Array(n * m)
  for (let i = 0; i < Math.min(n, m); i++) values[i * m + i] = 1
  return tensor(values, [n, m])
}

/** Make a tensor a parameter. @internal */
export function trainable(p: Tensor): Tensor {
  p.requiresGrad = p.trainable = true
  p.label = 'parameter'
  return p
}

/** A leaf that requires a gradient and lives on after the turn it is made in: what optimizers train. */
export function parameter(values: Tensor | Values, shape?: Shape): Tensor {
  if (values instanceof Tensor) {
    requireFloat('parameter', values)
    if (shape) requireChoice('parameter', 'a size of', sizeOf(checkShape('parameter', shape)), values.size)
    const p = new Tensor(shape ?? values.shape, 'float32', values.backend, null, 'module')
    p.backend.kernels.copy(p.size, values.address, p.address)
    return trainable(p)
  }
  const source = tensor(values, shape)
  const p = parameter(source)
  source.dispose()
  return p
}

/** A tensor without gradient that lives as long as the module it belongs to, such as running statistics. */
export function persistent(shape: Shape, value: number): Tensor {
  const t = empty(checkShape('persistent', shape), 'float32', 'module')
  t.backend.kernels.fill(t.size, value, t.address)
  return t
}
