// Initial weights, drawn in place. Formulas use the fans of a weight [out, in, ...]: fanIn = in · receptive field, fanOut = out · receptive field.

import { requireFloat } from '../ops/arithmetic.js'
import { empty, trainable } from '../ops/creation.js'
import { draw, randn } from '../ops/random.js'
import { checkShape, requireChoice, requireNumber, requireOptions, show, ShapeError, sizeOf, type Shape } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { addScaled, dot } from '../vectors.js'

export interface Fans {
  fanIn: number
  fanOut: number
}
/** Inputs and outputs of one unit. @throws ShapeError for fewer than two dimensions */
export function fans(shape: Shape): Fans {
  if (shape.length < 2) throw new ShapeError(`init: fans need a weight [out, in, ...], got shape ${show(shape)}`)
  const field = sizeOf(shape.slice(2))
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field }
}

function fansOf(t: Tensor): Fans {
  requireFloat('init', t)
  return fans(t.shape)
}

export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu'
/** How much a nonlinearity shrinks a signal, undone: 1, 5/3 for tanh, √2 for relu, √(2 / (1 + a²)) for leakyRelu, 3/4 for selu. */
export function gain(nonlinearity: Nonlinearity, a = 0.01): number {
  const gains = { linear: 1, sigmoid: 1, tanh: 5 / 3, relu: Math.SQRT2, leakyRelu: Math.sqrt(2 / (1 + a * a)), selu: 0.75 }
  requireChoice('init', 'nonlinearity', nonlinearity, ...Object.keys(gains))
  return gains[nonlinearity]
}

function renewed(t: Tensor): Tensor {
  t.changed('init')
  t.written()
  return t
}
function redrawn(kernel: 'uniform' | 'normal', t: Tensor, a: number, b: number): Tensor {
  requireFloat('init', t)
  return renewed(draw('init', kernel, t, a, b))
}

/** U(low, high) */
export const uniform = (t: Tensor, low = 0, high = 1): Tensor => redrawn('uniform', t, low, high)
/** N(mean, std²) */
export const normal = (t: Tensor, mean = 0, std = 1): Tensor => redrawn('normal', t, mean, std)
/** All elements `value` */
export function constant(t: Tensor, value: number): Tensor {
  requireFloat('init', t)
  requireNumber('init', 'value', value)
  t.backend.kernels.fill(t.size, value, t.address)
  return renewed(t)
}

/** U(±gain √(6 / (fanIn + fanOut))) (Glorot and Bengio, 2010) */
export function xavierUniform(t: Tensor, options: { gain?: number } = {}): Tensor {
  const { gain: g = 1 } = requireOptions('init', options, 'gain')
  const { fanIn, fanOut } = fansOf(t)
  const bound = g * Math.sqrt(6 / (fanIn + fanOut))
  return uniform(t, -bound, bound)
}
/** N(0, gain² · 2 / (fanIn + fanOut)) (Glorot and Bengio, 2010) */
export function xavierNormal(t: Tensor, options: { gain?: number } = {}): Tensor {
  const { gain: g = 1 } = requireOptions('init', options, 'gain')
  const { fanIn, fanOut } = fansOf(t)
  return normal(t, 0, g * Math.sqrt(2 / (fanIn + fanOut)))
}

export interface KaimingOptions {
  /** Negative slope of a leaky relu (default 0: relu) */
  a?: number
  /** Keep the variance of activations (fanIn, default) or of gradients (fanOut) */
  mode?: 'fanIn' | 'fanOut'
  nonlinearity?: Nonlinearity
}
function heStd(t: Tensor, options: KaimingOptions): number {
  const { a = 0, mode = 'fanIn', nonlinearity = 'leakyRelu' } = requireOptions('init', options, 'a mode nonlinearity')
  requireChoice('init', 'mode', mode, 'fanIn', 'fanOut')
  return gain(nonlinearity, a) / Math.sqrt(fansOf(t)[mode])
}
/** U(±√3 gain / √fan) (He et al., 2015) */
export function kaimingUniform(t: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * heStd(t, options)
  return uniform(t, -bound, bound)
}
/** N(0, gain² / fan) (He et al., 2015) */
export const kaimingNormal = (t: Tensor, options: KaimingOptions = {}): Tensor => normal(t, 0, heStd(t, options))

/**
 * Rows of [out, in ...] orthonormal, times gain; where there are more rows than columns, the columns (Saxe, McClelland and Ganguli, 2014).
 * Drawn evenly from all such matrices: the orthogonal part of a normal one, whose triangular part has a positive diagonal.
 */
export function orthogonal(t: Tensor, options: { gain?: number } = {}): Tensor {
  const { gain: g = 1 } = requireOptions('init', options, 'gain')
  if (t.rank < 2) throw new ShapeError(`init: orthogonal needs a weight [out, in, ...], got shape ${show(t.shape)}`)
  const rows = t.shape[0]!
  const columns = t.size / Math.max(rows, 1)
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows]
  const source = randn([count, length])
  const drawn = Float64Array.from(source.values())
  source.dispose()
  const vectors = Array.from({ length: count }, (_, i) => drawn.subarray(i * length, (i + 1) * length))
  vectors.forEach((v, i) => {
    // Gram and Schmidt's process, twice: once leaves rounding errors that nearly dependent vectors magnify
    for (let pass = 0; pass < 2; pass++) for (let j = 0; j < i; j++) addScaled(v, -dot(v, vectors[j]!), vectors[j]!)
    const scale = 1 / Math.sqrt(dot(v, v))
    for (let k = 0; k < length; k++) v[k]! *= scale
  })
  return t.set(Float64Array.from({ length: t.size }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    return g * (rows <= columns ? vectors[row]![column]! : vectors[column]![row]!)
  }))
}
/** A parameter drawn from U(±1/√fanIn), PyTorch's default for the weight and bias of linear and convolutional layers. @internal */
export function defaultParameter(shape: Shape, fanIn: number): Tensor {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0
  return trainable(uniform(empty(checkShape('parameter', shape), 'float32', 'module'), -bound, bound))
}
/** A parameter of one value. @internal */
export function constantParameter(shape: Shape, value: number): Tensor {
  return trainable(constant(empty(checkShape('parameter', shape), 'float32', 'module'), value))
}
