// Checks of arguments that several ops share.

import { foreign } from '../autograd.js'
import { requireList, sameShape, show, ShapeError, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Tensors that an op may go without, by what they are for it */
type Named = Record<string, Tensor | null | undefined>

export function requireTensors(op: string, ...inputs: readonly Tensor[]): void {
  for (const t of inputs) if (!(t instanceof Tensor)) throw foreign(op, t)
}

export function requireInteger(op: string, role: string, value: number): void {
  if (!Number.isInteger(value)) throw new ShapeError(`${op}: a whole number as ${role} expected, got ${value}`)
}

const isVector = (t: Tensor, n: number): boolean => t.rank === 1 && t.size === n

export function requireBias(op: string, weight: Tensor, bias: Tensor | null | undefined, n: number): void {
  if (bias) requireTensors(op, bias)
  if (bias && !isVector(bias, n)) throw new ShapeError(`${op}: weight ${show(weight.shape)} needs a bias of ${n}, got ${show(bias.shape)}`)
}

export function requireClassWeight(op: string, weight: Tensor | null | undefined, classes: number): void {
  if (weight && !isVector(weight, classes)) throw new ShapeError(`${op}: a weight for each of ${classes} classes expected, got ${show(weight.shape)}`)
}

export function requirePerChannel(op: string, x: Tensor, tensors: Named): void {
  const c = x.shape[1]!
  for (const [role, t] of Object.entries(tensors)) {
    if (t) requireTensors(op, t)
    if (t && !isVector(t, c)) throw new ShapeError(`${op}: x ${show(x.shape)} has ${c} channels, but the ${role} ${show(t.shape)}`)
  }
}

/** x ends in this shape, which others have. Returns the number of dimensions before it. */
export function requireEnd(op: string, x: Tensor, shape: Shape, tensors: Named): number {
  requireList(op, 'the last sizes', shape, `x, [${x.shape.at(-1)}]`)
  const lead = x.rank - shape.length
  if (shape.length === 0 || lead < 0 || !sameShape(x.shape.slice(lead), shape)) throw new ShapeError(`${op}: x [..., ${shape}] expected, got ${show(x.shape)}`)
  for (const [role, t] of Object.entries(tensors)) {
    if (t) requireTensors(op, t)
    if (t && !sameShape(t.shape, shape)) throw new ShapeError(`${op}: a ${role} ${show(shape)} expected, got ${show(t.shape)}`)
  }
  return lead
}
