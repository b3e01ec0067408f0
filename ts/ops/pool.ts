// Pooling in one, two and three dimensions: maximum, average, adaptive average.

import { apply, type Op } from '../autograd.js'
import { inThree, perDim, requireOptions, show, ShapeError, sizeOf, windowCount, type PerDim, type Shape, type WindowSizes } from '../shape.js'
import { Tensor } from '../tensor.js'
import { requireFloat } from './arithmetic.js'
import { matmul } from './matmul.js'
import { transpose } from './layout.js'

export interface Windows extends WindowSizes {
  planes: number
  shape: Shape
  /** max(0, y) */
  relu: boolean
}
type Six = [number, number, number, number, number, number]
type Nine = [...Six, number, number, number]

export interface PoolOptions {
  /** Step of the window (default: its size) */
  stride?: PerDim
  padding?: PerDim
  /** Let a last window hang over the end (default false) */
  ceilMode?: boolean
}

function windows(name: string, rank: number, x: Tensor, kernelSize: PerDim, options: MaxPoolOptions): Windows {
  requireFloat(name, x)
  return windowsOf(name, rank, x.shape, kernelSize, options)
}
/** Windows over an image of shape x. @internal */
export function windowsOf(name: string, rank: number, x: Shape, kernelSize: PerDim, options: MaxPoolOptions): Windows {
  if (x.length !== rank + 2 && x.length !== rank + 1) throw new ShapeError(`${name}: x [n, c, ${rank} sizes] expected, got ${show(x)}`)
  const kernel = perDim(name, 'kernelSize', kernelSize, rank, 1)
  const stride = perDim(name, 'stride', options.stride ?? kernelSize, rank, 1)
  const padding = perDim(name, 'padding', options.padding ?? 0, rank, 0)
  const dilation = perDim(name, 'dilation', options.dilation ?? 1, rank, 1)
  if (padding.some((p, i) => 2 * p > kernel[i]!)) throw new ShapeError(`${name}: padding of at most half the kernel ${show(kernel)} expected, got ${show(padding)}`)
  const input = x.slice(-rank)
  const output = input.map((d, i) => windowCount(d, kernel[i]!, stride[i]!, padding[i]!, padding[i]!, dilation[i]!, options.ceilMode))
  if (output.some(d => d < 1)) throw new ShapeError(`${name}: a window of ${show(kernel)} is larger than x ${show(x)}`)
  const lead = x.slice(0, -rank)
  return {
    planes: sizeOf(lead),
    ...inThree({ input, kernel, output, stride, padding, dilation }),
    shape: [...lead, ...output],
    relu: options.relu ?? false,
  }
}

const maxPoolOp: Op<Windows> = {
  name: 'maxPool',
  forward([x], q, saved) {
    const y = new Tensor(q.shape, 'float32', x!.backend)
    const winners = new Tensor(q.shape, 'int32', x!.backend)
    saved.push(winners)
    pickMaxima(x!, q, y, winners)
    return y
  },
  gradient: (g, { inputs: [x], attrs, saved: [winners] }) => [spread(g, winners!, attrs, x!.shape)],
}
/** y = max(x) over windows, and the winners of each. @internal */
export function pickMaxima(x: Tensor, q: Windows, y: Tensor, winners: Tensor): void {
  x.backend.kernels.maxPool(
    q.planes, ...([...q.input, ...q.kernel] as Six), ...([...q.output, ...q.stride, ...q.padding] as Nine),
    ...(q.dilation as [number, number, number]), q.relu ? 1 : 0, x.address, y.address, winners.address,
  )
}
/** dL/dx of shape x, where `winners` won, from g = dL/dy, differentiable. @internal */
export const spread = (g: Tensor, winners: Tensor, q: Windows, x: Shape): Tensor =>
  apply(spreadOp, [g, winners], { planes: q.planes, inSize: sizeOf(q.input), outSize: sizeOf(q.output), x, y: q.shape })

/** With the winners fixed, pooling picks elements and its gradient puts them back: a linear pair. */
interface Pick {
  planes: number
  inSize: number
  outSize: number
  x: Shape
  y: Shape
}
const spreadOp: Op<Pick> = {
  name: 'maxPoolGrad',
  forward([g, winners], q) {
    const gx = new Tensor(q.x, 'float32', g!.backend)
    g!.backend.kernels.maxPoolGrad(q.planes, q.inSize, q.outSize, g!.address, winners!.address, gx.address)
    return gx
  },
  gradient: (h, { inputs: [, winners], attrs }) => [apply(pickOp, [h, winners!], attrs), null],
}
const pickOp: Op<Pick> = {
  name: 'pickWinners',
  forward([x, winners], q) {
    const y = new Tensor(q.y, 'float32', x!.backend)
    x!.backend.kernels.pickWinners(q.planes, q.inSize, q.outSize, x!.address, winners!.address, y.address)
    return y
  },
  gradient: (g, { inputs: [, winners], attrs }) => [apply(spreadOp, [g, winners!], attrs), null],
}

export interface MaxPoolOptions extends PoolOptions {
  dilation?: PerDim
  /**
   * max(0, y), in the same pass (default false): what relu() after it would give, but that its result is not kept; relu() before it gives
   * the same but for the sign of a zero and for windows without a cell of x (−∞ there, 0 here)
   */
  relu?: boolean
}
export const MAX_POOL = 'stride padding ceilMode dilation relu'
const maxPool = (name: string, rank: number) => (x: Tensor, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor =>
  apply(maxPoolOp, [x], windows(name, rank, x, kernelSize, requireOptions(name, options, MAX_POOL)))
type MaxPool = (x: Tensor, kernelSize: PerDim, options?: MaxPoolOptions) => Tensor
/** As maxPool2d with one spatial dimension */
export const maxPool1d: MaxPool = maxPool('maxPool1d', 1)
/**
 * Maximum of each window. x: [n, c, h, w]; padding counts as −∞; of equal elements the first takes the gradient; NaN wins.
 * @throws ShapeError if the window is larger than x
 */
export const maxPool2d: MaxPool = maxPool('maxPool2d', 2)
/** As maxPool2d with three spatial dimensions */
export const maxPool3d: MaxPool = maxPool('maxPool3d', 3)

interface Average extends Windows {
  countIncludePad: boolean
  divisorOverride: number
  x: Shape
}
const averageArgs = (q: Average) =>
  [
    q.planes, ...([...q.input, ...q.kernel] as Six), ...([...q.output, ...q.stride, ...q.padding] as Nine),
    ...(q.padding as [number, number, number]), q.countIncludePad ? 1 : 0, q.divisorOverride,
  ] as const
const avgPoolOp: Op<Average> = {
  name: 'avgPool',
  forward([x], q) {
    const y = new Tensor(q.shape, 'float32', x!.backend)
    x!.backend.kernels.avgPool(...averageArgs(q), x!.address, y.address)
    return y
  },
  gradient: (g, { attrs }) => [apply(avgPoolGradOp, [g], attrs)],
}
const avgPoolGradOp: Op<Average> = {
  name: 'avgPoolGrad',
  forward([g], q) {
    const gx = new Tensor(q.x, 'float32', g!.backend)
    g!.backend.kernels.avgPoolGrad(...averageArgs(q), g!.address, gx.address)
    return gx
  },
  gradient: (h, { attrs }) => [apply(avgPoolOp, [h], attrs)],
}

export interface AvgPoolOptions extends PoolOptions {
  /** Count the zeros of the padding in the divisor (default true) */
  countIncludePad?: boolean
  /** Divide by this instead of the number of cells */
  divisorOverride?: number | null
}
type AvgPool = (x: Tensor, kernelSize: PerDim, options?: AvgPoolOptions) => Tensor
function average(name: string, rank: number, x: Tensor, kernelSize: PerDim, options: AvgPoolOptions = {}): Tensor {
  const { countIncludePad = true, divisorOverride } = requireOptions(name, options, 'stride padding ceilMode countIncludePad divisorOverride')
  const sizes = windows(name, rank, x, kernelSize, options)
  if (divisorOverride === 0) throw new RangeError(`${name}: a divisor other than 0 expected`)
  return apply(avgPoolOp, [x], { ...sizes, countIncludePad, divisorOverride: divisorOverride ?? 0, x: x.shape })
}
const avgPool = (name: string, rank: number): AvgPool => (x, kernelSize, options) => average(name, rank, x, kernelSize, options)
/** As avgPool2d with one spatial dimension */
export const avgPool1d: AvgPool = avgPool('avgPool1d', 1)
/** Mean of each window. x: [n, c, h, w] */
export const avgPool2d: AvgPool = avgPool('avgPool2d', 2)
/** As avgPool2d with three spatial dimensions */
export const avgPool3d: AvgPool = avgPool('avgPool3d', 3)

/** Mean over `size` neighbours along dim 1 of x [n, c, ...], ⌊size/2⌋ of them before; those outside count as zeros. @internal */
export function meanOverNeighbours(x: Tensor, size: number): Tensor {
  const [n, c] = x.shape as [number, number]
  const inner = sizeOf(x.shape.slice(2))
  return apply(avgPoolOp, [x], {
    planes: n, input: [c, 1, inner], kernel: [size, 1, 1], output: [c, 1, inner], stride: [1, 1, 1], padding: [Math.floor(size / 2), 0, 0],
    dilation: [1, 1, 1], shape: x.shape, relu: false, countIncludePad: true, divisorOverride: size, x: x.shape,
  })
}

/** The matrix [out, in] that averages window i = [⌊i·in/out⌋, ⌈(i+1)·in/out⌉). */
function averaging(x: Tensor, from: number, to: number): Tensor {
  const values = new Float64Array(to * from)
  for (let i = 0; i < to; i++) {
    const [start, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)]
    values.fill(1 / (end - start), i * from + start, i * from + end)
  }
  return new Tensor([to, from], 'float32', x.backend).set(values)
}
function adaptive(name: string, rank: number, x: Tensor, outputSize: PerDim): Tensor {
  requireFloat(name, x)
  if (x.rank !== rank + 2 && x.rank !== rank + 1) throw new ShapeError(`${name}: x [n, c, ${rank} sizes] expected, got ${show(x.shape)}`)
  const output = perDim(name, 'outputSize', outputSize, rank, 1)
  const input = x.shape.slice(-rank)
  const lead = x.shape.slice(0, -rank)
  if (input.some(d => d === 0)) throw new ShapeError(`${name}: an empty image, shape ${show(x.shape)}`)
  // windows of one size and no overlap are ordinary pooling
  if (input.every((d, i) => d % output[i]! === 0)) {
    return average(name, rank, x, input.map((d, i) => d / output[i]!))
  }
  // else a product with an averaging matrix along each dimension
  return input.reduce((y, d, i) => {
    const dim = lead.length + i
    return transpose(matmul(transpose(y, dim, -1), transpose(averaging(x, d, output[i]!), 0, 1)), dim, -1)
  }, x)
}
/** As adaptiveAvgPool2d with one spatial dimension */
export const adaptiveAvgPool1d = (x: Tensor, outputSize: PerDim): Tensor => adaptive('adaptiveAvgPool1d', 1, x, outputSize)
/** Mean of windows chosen so that the result has the size asked for. x: [n, c, h, w] */
export const adaptiveAvgPool2d = (x: Tensor, outputSize: PerDim): Tensor => adaptive('adaptiveAvgPool2d', 2, x, outputSize)
