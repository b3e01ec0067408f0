// Gradients of functions: grad, valueAndGrad, vjp, jvp, jacobian, hessian, hvp, and the check of gradients against differences.

import { recordingIf } from './autograd.js'
import { backward, gradients, type GradientOptions } from './backward.js'
import { add, mul } from './ops/arithmetic.js'
import { requireTensors } from './ops/checks.js'
import { like } from './ops/creation.js'
import { reshape, select } from './ops/layout.js'
import { stack } from './ops/joining.js'
import { sum } from './ops/reduce.js'
import { scope } from './scope.js'
import { requireList, requireOptions, sameShape, ShapeError, show } from './shape.js'
import { Tensor } from './tensor.js'
import { dot } from './vectors.js'

export { backward, gradients, type GradientOptions }

export type ScalarFunction = (...inputs: Tensor[]) => Tensor
export type TensorFunction = (...inputs: Tensor[]) => Tensor

/** A leaf with x's values, or, when a graph is to go on through it, x itself. */
function leaf(x: Tensor): Tensor {
  requireTensors('input or result of a function', x)
  if (x.requiresGrad) return x
  const t = x.alias()
  t.requiresGrad = true
  return t
}

/** How many functions are being differentiated, each in the one before */
let depth = 0
/** Run f, of which derivatives are wanted. */
function differentiated<R>(f: () => R): R {
  depth++
  try {
    return recordingIf(true, f)
  } finally {
    depth--
  }
}
/** The derivative of a function inside another one's is differentiated itself. */
const nested = (options: GradientOptions): GradientOptions => ({ createGraph: depth > 1, ...options })

/** Go on with what f makes of leaves, recorded inside noGrad() too. */
function through<R>(f: TensorFunction, inputs: readonly Tensor[], then: (value: Tensor, xs: Tensor[]) => R): R {
  requireList('a derivative', 'inputs', inputs, 'f, [x]')
  return differentiated(() => {
    // one that comes twice has a gradient at each place
    const xs = inputs.map(x => (x.requiresGrad && inputs.indexOf(x) < inputs.lastIndexOf(x) ? reshape(x, x.shape) : leaf(x)))
    const value = f(...xs)
    // a constant is a leaf as well, until then: its gradients are zeros, no error
    const root = leaf(value)
    const result = then(root, xs)
    root.requiresGrad = value.requiresGrad
    return result
  })
}

/**
 * (…inputs) => { value: f(…inputs), grads: [df/dinput, …] } of a scalar f.
 * @throws ShapeError unless f returns one element
 */
export function valueAndGrad(f: ScalarFunction, options: GradientOptions = {}): (...inputs: Tensor[]) => { value: Tensor; grads: Tensor[] } {
  return (...inputs) => through(f, inputs, (value, xs) => {
    if (value.size !== 1) throw new ShapeError(`grad: a function with a scalar result expected, got shape ${show(value.shape)}`)
    return { value, grads: gradients(value, xs, nested(options)) }
  })
}

/** input => df/dinput of a scalar f of one input; valueAndGrad() takes several. */
export function grad(f: ScalarFunction, options: GradientOptions = {}): (...inputs: Tensor[]) => Tensor {
  const both = valueAndGrad(f, options)
  return (...inputs) => {
    if (inputs.length !== 1) throw new TypeError(`grad: one input expected, got ${inputs.length}: use valueAndGrad(f)(…).grads for several`)
    return both(...inputs).grads[0]!
  }
}

/** Vector-Jacobian product: f(x) and vᵀ J for each input. */
export function vjp(f: TensorFunction, inputs: readonly Tensor[], v: Tensor, options: GradientOptions = {}): { value: Tensor; grads: Tensor[] } {
  return through(f, inputs, (value, xs) => ({ value, grads: gradients(value, xs, nested({ ...options, gradOutputs: [v] })) }))
}

/**
 * Jacobian-vector product J v by two reverse passes: vᵀJ is linear in v, and its gradient is what is wanted.
 * @throws ShapeError unless there is a vector of each input's shape
 */
export function jvp(f: TensorFunction, inputs: readonly Tensor[], vectors: readonly Tensor[]): { value: Tensor; tangent: Tensor } {
  for (const list of [inputs, vectors]) requireList('jvp', 'inputs', list, 'f, [x], [v]')
  requireTensors('jvp', ...inputs, ...vectors)
  inputs.forEach(({ shape }, i) => {
    const got = vectors[i]?.shape
    if (!got || !sameShape(got, shape)) throw new ShapeError(`jvp: a vector of shape ${show(shape)} for input ${i} expected, got ${got ? show(got) : 'none'}`)
  })
  return through(f, inputs, (value, xs) => {
    const u = leaf(like(value, 0))
    const products = gradients(value, xs, { gradOutputs: [u], createGraph: true })
    const total = products.map((p, i) => sum(mul(p, vectors[i]!))).reduce((a, b) => add(a, b))
    return { value, tangent: gradients(leaf(total), [u], nested({}))[0]! }
  })
}

/** All derivatives of f at x: shape [...f(x).shape, ...x.shape]. */
export function jacobian(f: TensorFunction, x: Tensor, options: GradientOptions = {}): Tensor {
  return through(f, [x], (y, xs) => {
    const flat = reshape(y, [y.size])
    const rows = Array.from({ length: y.size }, (_, i) => gradients(select(flat, 0, i), xs, nested({ ...options, retainGraph: true }))[0]!)
    return reshape(stack(rows), [...y.shape, ...x.shape])
  })
}

/** Second derivatives of a scalar f at x: shape [...x.shape, ...x.shape]. */
export function hessian(f: ScalarFunction, x: Tensor): Tensor {
  return jacobian(grad(f), x)
}

/** Hessian-vector product of a scalar f at x, without the Hessian. */
export function hvp(f: ScalarFunction, x: Tensor, v: Tensor): Tensor {
  return through(f, [x], (value, xs) => gradients(leaf(gradients(value, xs, { createGraph: true })[0]!), xs, nested({ gradOutputs: [v] }))[0]!)
}

export interface CheckOptions {
  /** Step of the central difference (default 1e-2, or 1e-5 where elements are float64) */
  step?: number
  /** Also check the gradients of the gradients (default false) */
  second?: boolean
}

/**
 * Largest relative error of the gradients of f against central differences, each along one random direction: f is made scalar with a
 * random covector, so no Jacobian is needed. About 1e-4 in float32, 1e-8 in float64; kinks within a step of an input spoil it.
 */
export function checkGradients(f: TensorFunction, inputs: readonly Tensor[], options: CheckOptions = {}): number {
  const { step, second = false } = requireOptions('checkGradients', options, 'step second')
  if (!inputs.some(x => x.dtype === 'float32')) throw new TypeError('checkGradients: a float32 input expected, got none')
  return scope(() => differentiated(() => {
    const first = worst(f, inputs, step)
    if (!second) return first
    // the gradient itself as a function of the inputs and the covector
    const cotangent = scope(() => direction(f(...inputs).shape, inputs[0]!, 5))
    const slope: TensorFunction = (...all) => {
      const xs = all.slice(0, -1)
      const grads = gradients(leaf(f(...xs)), xs, { gradOutputs: [all.at(-1)!], createGraph: true })
      return grads.map((g, i) => sum(mul(g, direction(g.shape, g, 11 + i)))).reduce((a, b) => add(a, b))
    }
    return Math.max(first, worst(slope, [...inputs, cotangent], step))
  }))
}

function worst(f: TensorFunction, inputs: readonly Tensor[], step?: number): number {
  const { width } = inputs[0]!.backend
  const h = step ?? (width === 8 ? 1e-5 : 1e-2)
  const xs = inputs.map(x => {
    const copy = new Tensor(x.shape, x.dtype, x.backend).set(x.values())
    copy.requiresGrad = x.dtype === 'float32'
    return copy
  })
  const y = leaf(f(...xs))
  const v = direction(y.shape, y, 3)
  const weights = v.values()
  const active = xs.filter(x => x.requiresGrad)
  const exact = gradients(y, active, { gradOutputs: [v] }).map(g => g.values())
  const value = () => scope(() => dot(f(...xs).values(), weights))
  let largest = 0
  active.forEach((x, i) => {
    const base = x.values()
    const d = direction(x.shape, x, 7 + i).values()
    const at = (sign: number) => x.set(Float64Array.from(base, (b, j) => b + sign * h * d[j]!))
    at(1)
    const plus = value()
    at(-1)
    const minus = value()
    x.set(base)
    let slope = 0
    let size = 0
    for (let j = 0; j < base.length; j++) {
      slope += exact[i]![j]! * d[j]!
      size += Math.abs(exact[i]![j]! * d[j]!)
    }
    const error = Math.abs((plus - minus) / (2 * h) - slope) / (Math.max(Math.abs(slope), size / Math.sqrt(base.length)) + 1e-3)
    // written so that NaN counts as wrong
    if (!(error <= largest)) largest = Number.isNaN(error) ? Infinity : error
  })
  return largest
}

/** Fixed pseudo-random numbers in ±1, away from 0. */
function direction(shape: readonly number[], like: Tensor, seed: number): Tensor {
  const t = new Tensor(shape, 'float32', like.backend)
  let state = seed * 7919 + 1
  return t.set(Float64Array.from({ length: t.size }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    const r = (state >>> 8) / 8388608 - 1
    return r + (r < 0 ? -0.1 : 0.1)
  }))
}
