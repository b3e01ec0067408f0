// Convolution in one, two and three dimensions, and its transpose. Forward, input gradient and weight gradient are three ops
// that are each other's gradients, so second order needs no more.

import { apply, isRecording, watcher, type Gradients, type Node, type Op } from '../autograd.js'
import { Activation, type Kernels } from '../kernels.js'
import { inThree, isWhole, otherDims, perDim, requireOptions, ShapeError, show, windowCount, type PerDim, type WindowSizes } from '../shape.js'
import { Tensor } from '../tensor.js'
import { add, requireFloat } from './arithmetic.js'
import { requireBias } from './checks.js'
import { keptFilters } from './filters.js'
import { perChannel, squeeze, unsqueeze } from './layout.js'
import { MAX_POOL, maxPool2d, pickMaxima, spread, windowsOf, type MaxPoolOptions, type Windows } from './pool.js'
import { sum } from './reduce.js'
import { rectified, rectifiedOver } from './unary.js'

/** Everything the kernels need to know; padding is what is before. */
interface Geometry extends WindowSizes {
  n: number
  /** Channels of the image, of the result, and groups of them */
  c: number
  o: number
  groups: number
  /** Shapes of image, weight and result in their own rank */
  shapes: { x: readonly number[]; w: readonly number[]; y: readonly number[] }
  /** y = max(0, …) */
  relu: boolean
  /** No gradient will be asked for: w may be the same the next time */
  inference: boolean
}

type Sizes = Parameters<Kernels<number>['conv']> extends [...infer S, number, number, number, number, Activation, number] ? S : never
const sizesOf = (q: Geometry): Sizes =>
  [q.n, q.c, q.o, q.groups, ...q.input, ...q.kernel, ...q.output, ...q.stride, ...q.padding, ...q.dilation] as unknown as Sizes

const convOp: Op<Geometry> = {
  name: 'conv',
  forward([x, w, b], q) {
    const y = new Tensor(q.shapes.y, 'float32', x!.backend)
    convolveInto(x!, w!, b, q, q.relu ? Activation.relu : Activation.none, y)
    return y
  },
  // the three ops are each other's gradients without the relu
  gradient: (g, node) => node.attrs.relu ? gradientOps(rectified(g, node.output), node, { ...node.attrs, relu: false }) : gradientOps(g, node, node.attrs),
  fused: (g, node) => gradientKernels(node.attrs.relu ? rectifiedOver(g, node.output) : g, node, node.attrs),
}

function convolveInto(x: Tensor, w: Tensor, b: Tensor | undefined, q: Geometry, activation: Activation, y: Tensor): void {
  const sizes = sizesOf(q)
  const filters = q.inference ? keptFilters(w, sizes) : 0
  x.backend.kernels.conv(...sizes, x.address, w.address, filters, b ? b.address : 0, activation, y.address)
}

/** Gradients of image, weight and bias from g, that of the sums before any activation. */
function gradientOps(g: Tensor, node: Node, q: Geometry): Gradients {
  const [x, w, b] = node.inputs as readonly [Tensor, Tensor, Tensor?]
  return [
    node.needs(0) ? apply(inputOp, [g, w], q) : null, node.needs(1) ? apply(weightOp, [x, g], q) : null, b && node.needs(2) ? overPositions(g) : null,
  ]
}
/** The same in kernels. */
function gradientKernels(g: Tensor, node: Node, q: Geometry): Gradients {
  const [x, w, b] = node.inputs as readonly [Tensor, Tensor, Tensor?]
  const { kernels } = x.backend
  const gx = node.needs(0) ? node.into(0) : null
  if (gx) kernels.convGradInput(...sizesOf(q), g.address, w.address, gx.address)
  const gw = node.needs(1) ? node.into(1) : null
  if (gw) kernels.convGradWeight(...sizesOf(q), x.address, g.address, gw.address)
  return [gx, gw, b && node.needs(2) ? overPositions(g) : null]
}

interface Pooled {
  conv: Geometry
  pool: Windows
}
/** The convolution's own result is scratch: its gradient needs the winners alone. */
const convMaxPoolOp: Op<Pooled> = {
  name: 'convMaxPool',
  forward([x, w, b], { conv, pool }, saved) {
    const sums = new Tensor(conv.shapes.y, 'float32', x!.backend)
    const y = new Tensor(pool.shape, 'float32', x!.backend)
    const winners = new Tensor(pool.shape, 'int32', x!.backend)
    saved.push(winners)
    convolveInto(x!, w!, b, conv, Activation.none, sums)
    pickMaxima(sums, pool, y, winners)
    sums.release('convMaxPool')
    return y
  },
  gradient: (g, node) => gradientOps(spread(g, node.saved[0]!, node.attrs.pool, node.attrs.conv.shapes.y), node, node.attrs.conv),
  fused: (g, node) => gradientKernels(spread(g, node.saved[0]!, node.attrs.pool, node.attrs.conv.shapes.y), node, node.attrs.conv),
}
/** Σ over images and positions: the gradient of a bias. g: [n, o, ...] */
const overPositions = (g: Tensor): Tensor => sum(g, otherDims(g.rank, 1))

/** dL/dx from g = dL/dy and w */
const inputOp: Op<Geometry> = {
  name: 'convGradInput',
  forward([g, w], q) {
    const gx = new Tensor(q.shapes.x, 'float32', g!.backend)
    g!.backend.kernels.convGradInput(...sizesOf(q), g!.address, w!.address, gx.address)
    return gx
  },
  gradient(h, node) {
    const [g, w] = node.inputs as readonly [Tensor, Tensor]
    return [node.needs(0) ? apply(convOp, [h, w], node.attrs) : null, node.needs(1) ? apply(weightOp, [h, g], node.attrs) : null]
  },
}

/** dL/dw from x and g = dL/dy */
const weightOp: Op<Geometry> = {
  name: 'convGradWeight',
  forward([x, g], q) {
    const gw = new Tensor(q.shapes.w, 'float32', x!.backend)
    x!.backend.kernels.convGradWeight(...sizesOf(q), x!.address, g!.address, gw.address)
    return gw
  },
  gradient(h, node) {
    const [x, g] = node.inputs as readonly [Tensor, Tensor]
    return [node.needs(0) ? apply(inputOp, [g, h], node.attrs) : null, node.needs(1) ? apply(convOp, [x, h], node.attrs) : null]
  },
}

export interface ConvOptions {
  /** Step of the window (default 1); each option is one number or one for every spatial dimension */
  stride?: PerDim
  /** Zeros around the image (default 0), or 'same': as many as keep its size (stride 1) */
  padding?: PerDim | 'same'
  /** Distance between the taps of the kernel (default 1) */
  dilation?: PerDim
  /** Channels are split into groups that don't see each other (default 1) */
  groups?: number
  /** max(0, y), in the same pass (default false): what relu() would give, but that its operand is not kept */
  relu?: boolean
}

function convolve(name: string, rank: number, x: Tensor, weight: Tensor, bias: Tensor | null | undefined, options: ConvOptions): Tensor {
  requireFloat(name, x, weight)
  if (x.rank === rank + 1) return squeeze(convolve(name, rank, unsqueeze(x, 0), weight, bias, options), 0)
  return apply(convOp, bias ? [x, weight, bias] : [x, weight], geometryOf(name, rank, x, weight, bias, options))
}

function geometryOf(name: string, rank: number, x: Tensor, weight: Tensor, bias: Tensor | null | undefined, options: ConvOptions): Geometry {
  requireOptions(name, options, 'stride padding dilation groups relu')
  const axes = ['w', 'h, w', 'd, h, w'][rank - 1]!
  if (x.rank !== rank + 2) throw new ShapeError(`${name}: x [n, c, ${axes}], or [c, ${axes}] without a batch, expected, got ${show(x.shape)}`)
  if (weight.rank !== rank + 2) throw new ShapeError(`${name}: weight [out, in / groups, ${axes}] expected, got ${show(weight.shape)}`)
  const { groups = 1 } = options
  const [n, c] = x.shape as [number, number]
  const o = weight.shape[0]!
  if (!isWhole(groups, 1) || c % groups || o % groups) {
    throw new ShapeError(`${name}: groups must divide the ${c} channels of x ${show(x.shape)} and the ${o} of weight ${show(weight.shape)}, got ${groups}`)
  }
  if (weight.shape[1] !== c / groups) {
    const takes = weight.shape[1]! * groups
    const last = x.shape.at(-1) === takes ? `: are channels its last dimension? permute it to [n, c, ${axes}]` : ''
    throw new ShapeError(`${name}: x ${show(x.shape)} has ${c} channels${groups > 1 ? ` in ${groups} groups` : ''}, but weight ${show(weight.shape)} takes ${takes}${last}`)
  }
  requireBias(name, weight, bias, o)
  const stride = perDim(name, 'stride', options.stride ?? 1, rank, 1)
  const dilation = perDim(name, 'dilation', options.dilation ?? 1, rank, 1)
  const input = x.shape.slice(2)
  const kernel = weight.shape.slice(2)
  const same = options.padding === 'same'
  if (same && stride.some(s => s !== 1)) throw new ShapeError(`${name}: padding 'same' needs stride 1, got ${show(stride)}`)
  // an uneven total puts the extra zero behind
  const total = kernel.map((k, i) => dilation[i]! * (k - 1))
  const padding = same ? total.map(t => Math.floor(t / 2)) : perDim(name, 'padding', (options.padding as PerDim | undefined) ?? 0, rank, 0)
  const output = input.map((size, i) => windowCount(size, kernel[i]!, stride[i]!, padding[i]!, same ? total[i]! - padding[i]! : padding[i]!, dilation[i]!))
  if (output.some(d => d < 1)) {
    throw new ShapeError(`${name}: kernel ${show(kernel)} with dilation ${show(dilation)} is larger than x ${show(x.shape)} with padding ${show(padding)}`)
  }
  return {
    n, c, o, groups,
    ...inThree({ input, kernel, output, stride, padding, dilation }),
    shapes: { x: x.shape, w: weight.shape, y: [n, o, ...output] },
    inference: !(isRecording() && (x.requiresGrad || weight.requiresGrad || bias?.requiresGrad)),
    relu: options.relu ?? false,
  }
}

/** As conv2d with one spatial dimension. x: [n, cIn, w], weight: [cOut, cIn / groups, k], bias: [cOut] */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor {
  return convolve('conv1d', 1, x, weight, bias, options)
}
/**
 * y[n,co,i,j] = bias[co] + Σ x[n, ci, i·s + u·d − p, j·s + v·d − p] weight[co, ci, u, v] (cross-correlation, as everybody's).
 * x: [n, cIn, h, w] or [cIn, h, w], weight: [cOut, cIn / groups, kh, kw], bias: [cOut]. Output size ⌊(h + 2p − d(k−1) − 1) / s⌋ + 1.
 * @throws ShapeError if channels don't fit or the kernel is larger than the padded image
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor {
  return convolve('conv2d', 2, x, weight, bias, options)
}
/**
 * maxPool2d(conv2d(x, weight, bias, conv), kernelSize, pool), bit for bit, where the result of conv2d isn't kept: in training a third to a
 * half of the memory. With `{ relu: true }` in `pool` the usual three in one. x: [n, cIn, h, w]
 * @throws ShapeError as the two
 */
export function convMaxPool2d(
  x: Tensor, weight: Tensor, bias: Tensor | null | undefined, conv: ConvOptions, kernelSize: PerDim, pool: MaxPoolOptions = {},
): Tensor {
  requireFloat('convMaxPool2d', x, weight)
  requireOptions('convMaxPool2d', conv)
  requireOptions('convMaxPool2d', pool, MAX_POOL)
  // debug.nan() looks at each result
  if (x.rank !== 4 || conv.relu || watcher !== null) return maxPool2d(conv2d(x, weight, bias, conv), kernelSize, pool)
  const q = geometryOf('conv2d', 2, x, weight, bias, conv)
  return apply(convMaxPoolOp, bias ? [x, weight, bias] : [x, weight], { conv: q, pool: windowsOf('maxPool2d', 2, q.shapes.y, kernelSize, pool) })
}
/** As conv2d with three spatial dimensions. x: [n, cIn, d, h, w], weight: [cOut, cIn / groups, kd, kh, kw] */
export function conv3d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor {
  return convolve('conv3d', 3, x, weight, bias, options)
}

export interface ConvTransposeOptions {
  stride?: PerDim
  padding?: PerDim
  /** Added to one side of the output size (default 0) */
  outputPadding?: PerDim
  dilation?: PerDim
  groups?: number
}

function convolveTransposed(name: string, rank: number, x: Tensor, weight: Tensor, bias: Tensor | null | undefined, options: ConvTransposeOptions): Tensor {
  requireFloat(name, x, weight)
  if (x.rank === rank + 1) return squeeze(convolveTransposed(name, rank, unsqueeze(x, 0), weight, bias, options), 0)
  const { groups = 1 } = requireOptions(name, options, 'stride padding outputPadding dilation groups')
  if (x.rank !== rank + 2 || weight.rank !== rank + 2 || x.shape[1] !== weight.shape[0] || x.shape[1]! % groups) {
    throw new ShapeError(
      `${name}: x [n, cIn, ${rank} sizes] and weight [cIn, cOut / groups, ${rank} sizes] with cIn a multiple of groups ${groups} expected, got ${show(x.shape)} and ${show(weight.shape)}`,
    )
  }
  const [n, o] = x.shape as [number, number]
  const c = weight.shape[1]! * groups
  requireBias(name, weight, bias, c)
  const stride = perDim(name, 'stride', options.stride ?? 1, rank, 1)
  const padding = perDim(name, 'padding', options.padding ?? 0, rank, 0)
  const extra = perDim(name, 'outputPadding', options.outputPadding ?? 0, rank, 0)
  const dilation = perDim(name, 'dilation', options.dilation ?? 1, rank, 1)
  const kernel = weight.shape.slice(2)
  const input = x.shape.slice(2)
  const output = input.map((d, i) => (d - 1) * stride[i]! - 2 * padding[i]! + dilation[i]! * (kernel[i]! - 1) + extra[i]! + 1)
  if (output.some(d => d < 1)) throw new ShapeError(`${name}: padding ${show(padding)} leaves nothing of x ${show(x.shape)} with kernel ${show(kernel)}`)
  // the gradient of the convolution that maps our output to our input
  const q: Geometry = {
    n, c, o, groups,
    ...inThree({ input: output, kernel, output: input, stride, padding, dilation }),
    shapes: { x: [n, c, ...output], w: weight.shape, y: x.shape },
    inference: false,
    relu: false,
  }
  const y = apply(inputOp, [x, weight], q)
  return bias ? add(y, perChannel(bias, y)) : y
}
/** As convTranspose2d with one spatial dimension */
export function convTranspose1d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose1d', 1, x, weight, bias, options)
}
/**
 * The gradient of conv2d with respect to its image, as a layer: sizes grow by the stride.
 * x: [n, cIn, h, w], weight: [cIn, cOut / groups, kh, kw]. Output size (h − 1) s − 2p + d(k − 1) + outputPadding + 1.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose2d', 2, x, weight, bias, options)
}
/** As convTranspose2d with three spatial dimensions */
export function convTranspose3d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose3d', 3, x, weight, bias, options)
}
