// How each kernel is split: into calls that compute different outputs, each in the order in which the whole call would. Kernels
// that are missing here (whole sums, random numbers, what is always small) are left to one thread.

import type { engine } from 'hebb'
import { Activation, Unary, Update } from '../../assembly/codes.js'

export type Kernels = ReturnType<typeof engine.currentBackend>['kernels']
export type KernelName = keyof Kernels
type Arguments = readonly number[]

/** One of the calls. */
export interface Part {
  args: number[]
  /** Share of the call's work for kernels that are split inside (assembly/share.ts), else 0 of 1 */
  share: number
  shares: number
}

export interface Rule {
  /** Estimated time on one thread, µs */
  time(args: Arguments): number
  /** Most parts that there are */
  most(args: Arguments): number
  /** µs that a part should take at least where there are more of them than threads: most, if each lays out the same operand anew */
  grain?: number
  part(args: Arguments, index: number, count: number): Part
  /** What the whole call returns, from the results of its parts; kernels without it return nothing. */
  result?(args: Arguments, results: readonly number[]): number
}

/** A range of elements begins where a vector loop would be at the start of a round, whatever its unrolling. */
const UNIT = 64

/** First of n elements of part `index` of `count`, in whole units. */
const bound = (n: number, unit: number, index: number, count: number): number =>
  index === count ? n : Math.floor((Math.ceil(n / unit) * index) / count) * unit

/** Elements of a buffer that belong to one item; the position of the buffer among the arguments */
type Operand = readonly [position: number, size: (a: Arguments) => number]

/** Moves buffers (0 means none) to item `from`, for elements of 4 bytes. */
function move(args: number[], a: Arguments, operands: readonly Operand[], from: number): void {
  for (const [position, size] of operands) if (args[position] !== 0) args[position]! += 4 * from * size(a)
}

/** Kernels over args[n] items, each item a number of elements of each operand. `each` is an item's time in ns. */
function items(n: number, operands: readonly Operand[], each: (a: Arguments) => number, unit: number = 1, result?: Rule['result']): Rule {
  return {
    time: a => (a[n]! * each(a)) / 1000,
    most: a => Math.ceil(a[n]! / unit),
    part(a, index, count) {
      const from = bound(a[n]!, unit, index, count)
      const args = [...a]
      args[n] = bound(a[n]!, unit, index + 1, count) - from
      move(args, a, operands, from)
      return { args, share: 0, shares: 1 }
    },
    result,
  }
}

const one = () => 1
/** Elementwise kernels: neighbouring elements */
const elements = (n: number, positions: readonly number[], each: (a: Arguments) => number): Rule =>
  items(n, positions.map(position => [position, one] as const), each, UNIT)

interface Strided {
  /** Position of the first size, and how many there are */
  sizes: number
  rank: number
  /** Operands with the position of their first stride */
  strided: readonly (readonly [position: number, strides: number])[]
  /** Operands laid out as the sizes say */
  plain: readonly number[]
  /** The offset that the strides apply to, if not the operand's address */
  offset?: number
}

/** The first dimension that isn't 1, or the last. */
function leading(a: Arguments, { sizes, rank }: Strided): number {
  let d = 0
  while (d < rank - 1 && a[sizes + d] === 1) d++
  return d
}

/** Kernels over strided operands: ranges of the leading dimension. */
function strided(shape: Strided, each: (a: Arguments) => number, possible: (a: Arguments) => boolean = () => true): Rule {
  const { sizes, rank } = shape
  const product = (a: Arguments, d: number) => {
    let n = 1
    for (let i = d; i < rank; i++) n *= a[sizes + i]!
    return n
  }
  const unit = (d: number) => (d === rank - 1 ? UNIT : 1)
  return {
    time: a => (possible(a) ? (product(a, 0) * each(a)) / 1000 : 0),
    most(a) {
      const d = leading(a, shape)
      return possible(a) ? Math.ceil(a[sizes + d]! / unit(d)) : 1
    },
    part(a, index, count) {
      const d = leading(a, shape)
      const from = bound(a[sizes + d]!, unit(d), index, count)
      const args = [...a]
      args[sizes + d] = bound(a[sizes + d]!, unit(d), index + 1, count) - from
      for (const [position, strides] of shape.strided) {
        const step = from * a[strides + d]!
        if (shape.offset === undefined) args[position]! += 4 * step
        else args[shape.offset]! += step
      }
      for (const position of shape.plain) args[position]! += 4 * from * product(a, d + 1)
      return { args, share: 0, shares: 1 }
    },
  }
}

/** Kernels that are split inside, by setShare. */
function shared(time: (a: Arguments) => number, most: (a: Arguments) => number, grain?: number): Rule {
  return { time, most, grain, part: (a, index, count) => ({ args: [...a], share: index, shares: count }) }
}

/** ns an element of the slower functions; others are bound by memory */
const SLOW = new Set<number>([Unary.exp, Unary.log, Unary.log1p, Unary.sin, Unary.cos, Unary.tanh, Unary.sigmoid, Unary.elu, Unary.gelu, Unary.geluTanh, Unary.silu, Unary.softplus, Unary.power, Unary.erf])
const ofUnary = (a: Arguments) => (SLOW.has(a[0]!) ? 2 : 0.3)
const ofUpdate = (a: Arguments) => (a[0] === Update.sgd ? 0.6 : 1)

/** [outer, n, inner] at arguments 1 … 3 or 0 … 2 */
const whole = (first: number) => (a: Arguments) => a[first + 1]! * a[first + 2]!
const inner = (first: number) => (a: Arguments) => a[first + 2]!
const rows = (first: number, inputs: readonly number[], outputs: readonly number[], each: number): Rule =>
  items(first, [...inputs.map(p => [p, whole(first)] as const), ...outputs.map(p => [p, inner(first)] as const)], a => each * whole(first)(a))

/** gather and the like, [outer, n, m, inner]: operands of n and of m elements in the middle */
const picked = (ofN: number, ofM: readonly number[]): Rule =>
  items(0, [[ofN, a => a[1]! * a[3]!], ...ofM.map(p => [p, (a: Arguments) => a[2]! * a[3]!] as const)], a => (a[1]! + 2 * a[2]!) * a[3]!)

/** indexSelect of one matrix: some of the indices */
const indexed = items(2, [[5, one], [6, a => a[3]!]], a => a[3]!)

/** The smallest index that a part found, counted from the start of the whole; -1 where none did. */
const firstFound = (position: number, size: (a: Arguments) => number, unit: number) => (a: Arguments, results: readonly number[]): number => {
  const at = results.findIndex(r => r >= 0)
  return at < 0 ? -1 : results[at]! + bound(a[position]!, unit, at, results.length) * size(a)
}

const entropy = (a: Arguments) => a[1]! * a[2]!
const entropyInner = (a: Arguments) => a[2]!

/** Cells of an image and of an output of a convolution or a pooling whose sizes begin at args[i] and args[o]. */
const volume = (i: number) => (a: Arguments) => a[i]! * a[i + 1]! * a[i + 2]!

/** ns a multiply-add */
const PRODUCT = 0.05
/** Multiply-adds of a convolution */
const convProducts = (a: Arguments) => a[0]! * a[2]! * volume(10)(a) * (a[1]! / a[3]!) * volume(7)(a)
const convTime = (a: Arguments) => (convProducts(a) * PRODUCT) / 1000
/** Eight images may be computed together. */
const imagesOf = (a: Arguments) => (a[0]! >= 8 ? Math.ceil(a[0]! / 8) : a[0]!)

/** Parts of a product: matrices, or tiles of the longer side. */
function tilesOf(a: Arguments): number {
  const [batch, transA, , m, n, k, , , strideA, , strideB, beta, , strideC, bias, activation] = a as [number, number, number, number, number, number, number, number, number, number, number, number, number, number, number, number]
  const single = batch === 1 || (!transA && strideB === 0 && strideA === m * k && strideC === m * n)
  if (!single) return batch
  const height = m * batch
  const rest = (beta !== 0 && (beta !== 1 || bias !== 0)) || activation > Activation.relu
  if (rest || n === 1 || k <= 0 || height <= 3) return 1
  return Math.ceil(Math.max(height, n) / 8)
}

/** Rules by kernel. */
export const RULES: { readonly [K in KernelName]?: Rule } = {
  fill: elements(0, [2], () => 0.1),
  copy: elements(0, [1, 2], () => 0.3),
  copyFrom: strided({ sizes: 0, rank: 6, strided: [[13, 6]], plain: [14], offset: 12 }, () => 1),
  copyTo: strided({ sizes: 0, rank: 6, strided: [[15, 6]], plain: [14], offset: 12 }, () => 1, a => a[13] === 0),
  toInt: elements(0, [1, 2], () => 0.3),
  toFloat: elements(0, [1, 2], () => 0.3),
  gather: picked(4, [5, 6]),
  scatterAdd: picked(6, [4, 5]),
  indexSelect: { ...indexed, most: a => (a[0] === 1 ? a[2]! : 1) },
  indexAdd: items(0, [[4, a => a[2]! * a[3]!], [6, a => a[1]! * a[3]!]], a => (a[1]! + 2 * a[2]!) * a[3]!),

  unary: elements(1, [4, 5], ofUnary),
  unaryGrad: elements(1, [4, 5, 6, 7], ofUnary),
  binary: strided({ sizes: 1, rank: 4, strided: [[13, 5], [14, 9]], plain: [15] }, () => 0.4),
  where: strided({ sizes: 0, rank: 4, strided: [[16, 4], [17, 8], [18, 12]], plain: [19] }, () => 0.5),
  axpby: elements(0, [2, 4], () => 0.4),

  reduce: rows(1, [4], [5], 0.2),
  argReduce: rows(1, [4], [5], 0.5),
  moments: rows(0, [3], [4, 5], 0.5),
  logSumExp: rows(0, [3], [4], 1.5),
  cumsum: rows(0, [4, 5], [], 1),

  softmax: rows(0, [3, 4], [], 2),
  softmaxGrad: rows(0, [3, 4, 5], [], 0.5),
  logSoftmax: rows(0, [3, 4], [], 1.5),
  logSoftmaxGrad: rows(0, [3, 4, 5], [], 1.5),
  crossEntropy: items(0, [[5, entropy], [6, entropyInner], [8, entropyInner], [9, entropyInner], [10, entropyInner], [11, entropy]], a => 1.5 * entropy(a), 1, firstFound(0, entropyInner, 1)),
  crossEntropyGrad: items(0, [[5, entropy], [6, entropyInner], [8, entropyInner], [9, entropyInner], [10, entropy]], a => 0.5 * entropy(a)),

  gemm: shared(a => (a[0]! * a[3]! * a[4]! * a[5]! * PRODUCT) / 1000, tilesOf, 1000),
  conv: shared(convTime, a => (a[0]! > 1 || a[3]! > 1 ? imagesOf(a) : Math.floor(a[2]! / 16))),
  convGradInput: shared(convTime, imagesOf),
  convGradWeight: shared(convTime, a => (a[3]! > 1 ? a[3]! : Math.ceil(Math.max(a[1]! * volume(7)(a), a[2]!) / 8)), 1000),

  maxPool: items(0, [[20, volume(1)], [21, volume(7)], [22, volume(7)]], a => 0.5 * volume(7)(a) * volume(4)(a)),
  maxPoolGrad: items(0, [[3, a => a[2]!], [4, a => a[2]!], [5, a => a[1]!]], a => 0.2 * a[1]! + a[2]!),
  pickWinners: items(0, [[3, a => a[1]!], [4, a => a[2]!], [5, a => a[2]!]], a => a[2]!),
  avgPool: items(0, [[21, volume(1)], [22, volume(7)]], a => 0.5 * volume(7)(a) * volume(4)(a)),
  avgPoolGrad: items(0, [[21, volume(7)], [22, volume(1)]], a => 0.5 * volume(7)(a) * volume(4)(a)),

  channelMoments: shared(a => (a[2]! > 1 ? (a[0]! * a[1]! * a[2]! * 0.5) / 1000 : 0), a => (a[2]! > 1 ? a[1]! : 1)),
  batchNorm: shared(a => (a[2]! > 1 ? (a[0]! * a[1]! * a[2]! * 0.4) / 1000 : 0), a => (a[2]! > 1 ? a[1]! : 1)),
  batchNormGrad: shared(a => (a[2]! > 1 ? (a[0]! * a[1]! * a[2]!) / 1000 : 0), a => (a[2]! > 1 ? a[1]! : 1)),

  update: elements(1, [3, 4, 5, 6, 7], ofUpdate),
  firstNonFinite: { ...elements(0, [1], () => 0.1), result: firstFound(0, one, UNIT) },
}
