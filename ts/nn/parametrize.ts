// Weights that are functions of other parameters: weight normalisation and spectral normalisation. Keys are PyTorch's.

import { noGrad } from '../autograd.js'
import { div, mul } from '../ops/arithmetic.js'
import { parameter } from '../ops/creation.js'
import { permute, reshape } from '../ops/layout.js'
import { matmul } from '../ops/matmul.js'
import { randn } from '../ops/random.js'
import { norm, sum } from '../ops/reduce.js'
import { clamp } from '../ops/unary.js'
import { scope } from '../scope.js'
import { dimension, otherDims, requireCount, requireOptions, ShapeError, show } from '../shape.js'
import { Tensor } from '../tensor.js'
import { isParameter, type Module } from './module.js'

type Properties = Record<string, unknown>

/** The parameter `name` of a module, which is to be replaced. */
function parameterOf(op: string, module: Module, name: string): Tensor {
  const found = Object.getOwnPropertyDescriptor(module, name)
  if (found?.get) throw new Error(`${op}: ${name} of ${module.constructor.name} is the result of a normalisation already`)
  if (!(found?.value instanceof Tensor) || !isParameter(found.value)) {
    throw new TypeError(`${op}: a module with a parameter ${name} expected, got ${module.constructor.name}`)
  }
  return found.value
}

/**
 * Put a function of `parts` in the parameter's place; not enumerable, so that it is no parameter itself. Returns the parts as the module has them:
 * summary() puts others there for a while.
 */
function replace<P extends string>(module: Module, name: string, parts: Record<P, Tensor>, compute: (own: Record<P, Tensor>) => Tensor): Record<P, Tensor> {
  const all = module as unknown as Properties
  delete all[name]
  const own = {} as Record<P, Tensor>
  for (const part of Object.keys(parts) as P[]) {
    all[`${name}_${part}`] = parts[part]
    Object.defineProperty(own, part, { get: () => all[`${name}_${part}`] })
  }
  Object.defineProperty(module, name, { get: () => compute(own), enumerable: false, configurable: true })
  return own
}

/** Give a module its parameter back, with the values it has now. */
function restore(op: string, module: Module, name: string, ...suffixes: string[]): void {
  const own = module as unknown as Properties
  const parts = suffixes.map(suffix => `${name}_${suffix}`)
  if (!Object.getOwnPropertyDescriptor(module, name)?.get || !parts.every(part => part in module)) {
    throw new Error(`${op}: ${name} of ${module.constructor.name} is not normalised`)
  }
  const [kept] = parts
  const original = own[kept!] as Tensor
  // no further step of a power iteration
  const { training } = module
  module.training = false
  scope(() => noGrad(() => original.backend.kernels.copy(original.size, (own[name] as Tensor).address, original.address)))
  module.training = training
  original.written()
  for (const part of parts) {
    if (part !== kept) (own[part] as Tensor).dispose()
    delete own[part]
  }
  Object.defineProperty(module, name, { value: original, writable: true, enumerable: true, configurable: true })
}

/**
 * weight = g v / ‖v‖: length and direction are trained apart (Salimans and Kingma, 2016). The norm runs over all dimensions but dim (default 0;
 * null: over all), so each output has a length of its own. Replaces the parameter `name` by name_g and name_v. Returns the module.
 * @throws TypeError if the module has no such parameter
 */
export function weightNorm<M extends Module>(module: M, options: { name?: string; dim?: number | null } = {}): M {
  const { name = 'weight', dim = 0 } = requireOptions('weightNorm', options, 'name dim')
  const v = parameterOf('weightNorm', module, name)
  const kept = dim === null ? null : dimension('weightNorm', dim, v.rank)
  const length = (of: Tensor) => norm(of, kept === null ? null : otherDims(of.rank, kept), { keepdim: kept !== null })
  replace(module, name, { g: scopedParameter(() => noGrad(() => length(v))), v }, ({ g, v }) => mul(v, div(g, length(v))))
  return module
}
/** A parameter with the values that f computes. */
function scopedParameter(f: () => Tensor): Tensor {
  const values = f()
  const p = parameter(values)
  values.dispose()
  return p
}
/** Undo weightNorm(): the weight is a parameter again. @throws Error if it isn't normalised */
export function removeWeightNorm<M extends Module>(module: M, name = 'weight'): M {
  restore('removeWeightNorm', module, name, 'v', 'g')
  return module
}

export interface SpectralNormOptions {
  name?: string
  /** Steps of the power iteration at each use in training (default 1) */
  nPowerIterations?: number
  /** Smallest norm that is divided by (default 1e-12) */
  eps?: number
  /** The dimension of outputs (default 0; 1 for transposed convolutions) */
  dim?: number
}
/** Iterations with which u and v start, so that the first weight is already near. */
const WARM_UP = 15

/**
 * weight / σ with its largest singular value σ = uᵀ W v, W being the weight as a matrix [outputs, rest] (Miyato et al., 2018). Each use in
 * training improves v = Wᵀu / ‖Wᵀu‖ and u = W v / ‖W v‖. Replaces the parameter `name` by name_orig and the buffers name_u and name_v.
 * Returns the module.
 * @throws TypeError if the module has no such parameter
 */
export function spectralNorm<M extends Module>(module: M, options: SpectralNormOptions = {}): M {
  const { name = 'weight', nPowerIterations = 1, eps = 1e-12 } = requireOptions('spectralNorm', options, 'name nPowerIterations eps dim')
  requireCount('spectralNorm', 'nPowerIterations', nPowerIterations, 1, RangeError)
  const weight = parameterOf('spectralNorm', module, name)
  if (weight.rank < 2) throw new ShapeError(`spectralNorm: a weight with two dimensions or more expected, got ${show(weight.shape)}`)
  const dim = dimension('spectralNorm', options.dim ?? (module.constructor.name.startsWith('ConvTranspose') ? 1 : 0), weight.rank)
  const rows = weight.shape[dim]!
  const matrix = (weight: Tensor) => reshape(dim === 0 ? weight : permute(weight, [dim, ...otherDims(weight.rank, dim)]), [rows, -1])
  const unit = (x: Tensor) => div(x, clamp(norm(x), { min: eps }))
  const [u, v] = [rows, weight.size / rows].map(n => {
    const t = scopedParameter(() => randn([n]))
    t.requiresGrad = t.trainable = false
    t.label = 'buffer'
    return t
  }) as [Tensor, Tensor]
  /** New vectors instead of changed ones: an earlier result's gradient still needs the old. */
  const improve = (times: number): [Tensor, Tensor] => {
    const { orig, u, v } = own
    const w = matrix(orig)
    let [left, right] = [u, v]
    for (let i = 0; i < times; i++) {
      right = unit(matmul(left, w))
      left = unit(matmul(w, right))
    }
    u.backend.kernels.copy(u.size, left.address, u.restless().address)
    v.backend.kernels.copy(v.size, right.address, v.restless().address)
    return [left, right]
  }
  const own = replace(module, name, { orig: weight, u, v }, ({ orig, u, v }) => {
    const [left, right] = module.training ? noGrad(() => improve(nPowerIterations)) : [u, v]
    return div(orig, sum(mul(left, matmul(matrix(orig), right))))
  })
  scope(() => noGrad(() => void improve(WARM_UP)))
  return module
}
/** Undo spectralNorm(): the normalised weight is a parameter again. @throws Error if it isn't normalised */
export function removeSpectralNorm<M extends Module>(module: M, name = 'weight'): M {
  restore('removeSpectralNorm', module, name, 'orig', 'u', 'v')
  return module
}
