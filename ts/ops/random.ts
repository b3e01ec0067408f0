// Random tensors and dropout: counter-based numbers (Philox) whose state lies in linear memory, so that a replayed step advances it.

import { apply, freeWith, type Op } from '../autograd.js'
import { currentBackend } from '../backends/current.js'
import type { Backend } from '../kernels.js'
import { heapOf } from '../memory.js'
import { Generator, seedWords } from '../random.js'
import { checkShape, requireNumber, requireOptions, requireShare, type Shape } from '../shape.js'
import { Tensor } from '../tensor.js'
import { mul, requireFloat } from './arithmetic.js'
import { empty, type TensorOptions } from './creation.js'

const WORDS = 4
/** The host draws from the far half of the counters, so that its stream and the tensors' never meet. */
const FAR = 0x80000000
let seed = 0
let host = hostStream()
const states = new Map<Backend, number>()

function hostStream(): Generator {
  const generator = new Generator(seed)
  const [low, high] = seedWords(seed)
  generator.restore([low, high, 0, FAR, 0])
  return generator
}

/**
 * Start all random numbers of the engine from a seed (a whole number; default 0): initial weights, dropout, shuffling.
 * Equal seeds give equal bits on every run.
 * @throws RangeError unless the seed is a safe whole number
 */
export function manualSeed(n: number): void {
  const words = seedWords(n)
  seed = n
  host = hostStream()
  for (const [backend, address] of states) backend.writeWords(address, words)
}

/** Where the generator of a backend keeps its state. */
function stateOf(backend: Backend): number {
  let address = states.get(backend)
  if (address === undefined) {
    address = heapOf(backend).range(64)
    backend.writeWords(address, seedWords(seed))
    states.set(backend, address)
  }
  return address
}

/** The host's generator, for shuffling and splitting. */
export const hostGenerator = (): Generator => host

/** Everything the generators need to go on from here: for checkpoints. */
export interface RandomState {
  tensors: number[]
  host: number[]
}
export function randomState(): RandomState {
  const backend = currentBackend()
  return { tensors: Array.from(backend.readWords(stateOf(backend), WORDS)), host: host.save() }
}
export function restoreRandomState(state: RandomState): void {
  const backend = currentBackend()
  backend.writeWords(stateOf(backend), state.tensors)
  host.restore(state.host)
}

/** Draw the elements of a tensor anew: evenly from [a, b), or normally with mean a and deviation b. @internal */
export function draw(op: string, kernel: 'uniform' | 'normal', t: Tensor, a: number, b: number): Tensor {
  for (const value of [a, b]) requireNumber(op, kernel === 'uniform' ? 'low and high' : 'mean and std', value)
  t.backend.kernels[kernel](t.size, a, b, stateOf(t.backend), t.address)
  return t
}
function drawn(op: string, kernel: 'uniform' | 'normal', shape: Shape, a: number, b: number, requiresGrad: boolean): Tensor {
  const t = draw(op, kernel, empty(checkShape(op, shape)), a, b)
  t.requiresGrad = t.trainable = requiresGrad
  return t
}

type Leaf = Omit<TensorOptions, 'dtype'>
/** Numbers drawn evenly from [low, high) (default [0, 1)). */
export function rand(shape: Shape, options: Leaf & { low?: number; high?: number } = {}): Tensor {
  const { low = 0, high = 1, requiresGrad = false } = requireOptions('rand', options, 'low high requiresGrad')
  return drawn('rand', 'uniform', shape, low, high, requiresGrad)
}

/** Numbers of the normal distribution with this mean (default 0) and standard deviation (default 1). */
export function randn(shape: Shape, options: Leaf & { mean?: number; std?: number } = {}): Tensor {
  const { mean = 0, std = 1, requiresGrad = false } = requireOptions('randn', options, 'mean std requiresGrad')
  return drawn('randn', 'normal', shape, mean, std, requiresGrad)
}

const bernoulliOp: Op<{ p: number; scale: number }> = {
  name: 'dropout',
  forward([x], { p, scale }) {
    const mask = new Tensor(x!.shape, 'float32', x!.backend)
    x!.backend.kernels.bernoulli(x!.size, p, scale, stateOf(x!.backend), mask.address)
    return mask
  },
}
/**
 * Each element is 0 with probability p, else divided by 1 − p, in training; x itself otherwise (Srivastava et al., 2014).
 * @throws RangeError unless 0 ≤ p ≤ 1
 */
export function dropout(x: Tensor, options: { p?: number; training?: boolean } = {}): Tensor {
  requireFloat('dropout', x)
  const { p = 0.5, training = true } = requireOptions('dropout', options, 'p training')
  requireShare('dropout', 'a probability p', p)
  if (!training || p === 0) return x
  const mask = apply(bernoulliOp, [x], { p, scale: p === 1 ? 0 : 1 / (1 - p) })
  return freeWith(mul(x, mask), mask)
}
