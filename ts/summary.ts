// summary(model, inputShape): what each layer of a model makes and costs, from a run on the meta backend that computes nothing.

import type { Buffer } from './arena.js'
import { isRecording, type Node } from './autograd.js'
import { currentBackend, onMeta } from './backends/current.js'
import type { Backend, DType, Kernels } from './kernels.js'
import { closeScope, HOME, openScope, type Scope } from './memory.js'
import { isParameter, Module } from './nn/module.js'
import { empty } from './ops/creation.js'
import { checkShape, requireOptions, show, sizeOf, stridesOf, type Shape } from './shape.js'
import { Tensor } from './tensor.js'
import { INSPECT } from './format.js'

export interface ReceptiveField {
  /** Cells of the input that an output cell depends on, for each spatial dimension of the input; it may reach into the padding */
  size: number[]
  /** Cells of the input between neighbouring output cells */
  stride: number[]
}

/** One module. Parameters, MACs and activations are its own, without those of the modules inside: they add up to the totals. */
export interface LayerSummary {
  /** As in namedModules(); '' is the model itself */
  path: string
  /** Name of the class, and what stands in brackets when the module prints */
  type: string
  description: string
  /** Of its last call; null if it was not called, or returns no tensor */
  outputShape: Shape | null
  /** Trainable numbers; a shared parameter counts where it is met first */
  parameters: number
  /** Multiplications with an addition, in convolutions and matrix products, over all calls and the whole batch */
  macs: number
  /** Bytes of the results that backward() may need; views of other tensors cost nothing */
  activationBytes: number
  /** Along the path on which it is largest; null before the first convolution or pooling, and where there is no image or sequence */
  receptiveField: ReceptiveField | null
  calls: number
}

export interface SummaryOptions {
  /** Run as in training (default false): dropout, statistics of the batch */
  training?: boolean
  /** Of the input (default float32); int32 inputs are zeros */
  dtype?: DType
}

/** What summary() returns: plain data for programs, and a table for people by toString(). */
export class Summary {
  readonly parameters: number
  readonly parameterBytes: number
  readonly macs: number
  readonly activationBytes: number
  /** @internal */
  constructor(readonly model: string, readonly inputShape: Shape, readonly outputShape: Shape | null, readonly layers: readonly LayerSummary[]) {
    const total = (key: 'parameters' | 'macs' | 'activationBytes') => layers.reduce((n, layer) => n + layer[key], 0)
    this.parameters = total('parameters')
    this.parameterBytes = 4 * this.parameters
    this.macs = total('macs')
    this.activationBytes = total('activationBytes')
  }

  /** The layer at a path, as in namedModules(). Throws RangeError if there is none. */
  at(path: string): LayerSummary {
    const layer = this.layers.find(l => l.path === path)
    if (layer) return layer
    throw new RangeError(`summary: no module at ${JSON.stringify(path)}; there are ${this.layers.slice(1, 6).map(l => l.path).join(', ')} …`)
  }

  toString(): string {
    const paths = new Set(this.layers.map(l => l.path))
    const depth = (path: string): number => path.split('.').filter((_, i, parts) => paths.has(parts.slice(0, i + 1).join('.'))).length
    const digits = this.macs < 1e7 ? 3 : 2
    const millions = (n: number): string => thousands((n / 1e6).toFixed(digits))
    const rows = this.layers.map(({ path, type, outputShape, parameters, macs, activationBytes, receptiveField: field, calls }) => [
      path === '' ? this.model : '  '.repeat(depth(path)) + path,
      path === '' ? '' : type,
      calls === 0 ? 'not called' : outputShape ? show(outputShape) : '',
      parameters ? thousands(String(parameters)) : '',
      macs ? millions(macs) : '',
      activationBytes ? size(activationBytes) : '',
      field ? same(field.size) : '',
      field ? same(field.stride) : '',
    ])
    const table = [['module', 'type', 'output', 'parameters', 'MMAC', 'activations', 'field', 'stride'], ...rows]
    const widths = table[0]!.map((_, i) => Math.max(...table.map(row => row[i]!.length)))
    // words to the left, numbers to the right
    const lines = table.map(row => row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ').trimEnd())
    const rule = '-'.repeat(widths.reduce((n, w) => n + w + 2, -2))
    lines.splice(1, 0, rule)
    const parameters = `${thousands(String(this.parameters))} parameters (${size(this.parameterBytes)})`
    const total = `input ${show(this.inputShape)}: ${parameters}, ${millions(this.macs)} MMAC, ${size(this.activationBytes)} of activations`
    return [...lines, rule, total].join('\n')
  }
  [INSPECT](): string {
    return this.toString()
  }
}

const thousands = (digits: string): string => digits.replace(/\d(?=(?:\d{3})+(?:\.|$))/g, '$&,')
function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let power = 0
  while ((bytes /= 1024) >= 1024 && power < 2) power++
  return `${bytes.toFixed(1)} ${'KMG'[power]}B`
}
const same = (list: readonly number[]): string => (list.every(v => v === list[0]) ? String(list[0]) : list.join('×'))

/**
 * Per module: output shape, parameters, multiply-adds, activation bytes, receptive field; and the totals. Nothing is computed: with a
 * function that makes the model no weight is allocated, and a model that exists keeps its values, running statistics and mode.
 * `inputShape` includes the batch. Costs are counted where kernels are called, so functional code counts too.
 * `console.log(String(summary(() => new ResNet18(), [1, 3, 224, 224])))`
 * @throws TypeError for what is no module; ShapeError where the model doesn't take the input; Error if forward() reads values
 */
export function summary(model: Module | (() => Module), inputShape: Shape, options: SummaryOptions = {}): Summary {
  const { training = false, dtype = 'float32' } = requireOptions('summary', options, 'training dtype')
  checkShape('summary', inputShape)
  if (!isRecording()) throw new Error('summary: receptive fields are read from the graph: call it outside noGrad()')
  return onMeta(() => {
    const scope = openScope('summary()', HOME)
    try {
      const built = model instanceof Module || typeof model !== 'function' ? model : model()
      if (!(built instanceof Module)) throw new TypeError(`summary: a module, or a function that makes one, expected, got ${typeof built}`)
      return restoring(built, () => {
        built.train(training)
        return new Examination(built, scope).run(inputShape, dtype)
      })
    } finally {
      closeScope(scope)
    }
  })
}

/** Run `f` while the model's tensors are replaced by others of the same shape without memory; then everything is as it was. */
function restoring<T>(model: Module, f: () => T): T {
  const modules = [...model.namedModules()].map(([, module]) => module)
  const before = modules.map(module => Object.getOwnPropertyDescriptors(module))
  const backend = currentBackend()
  const doubles = new Map<Tensor, Tensor>()
  const double = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(double)
    if (!(value instanceof Tensor) || value.backend === backend) return value
    let other = doubles.get(value)
    if (!other) {
      doubles.set(value, (other = new Tensor(value.shape, value.dtype, backend)))
      other.requiresGrad = value.requiresGrad
      other.trainable = value.trainable
      // indices and counters decide what runs
      if (value.dtype === 'int32') other.set(value.values())
    }
    return other
  }
  try {
    modules.forEach((module, i) => {
      for (const [name, value] of Object.entries(module)) {
        const other = double(value)
        // what can't be replaced, such as a frozen list of sizes, stays
        if (other !== value && before[i]![name]!.configurable) Object.defineProperty(module, name, { value: other, writable: true, enumerable: true, configurable: true })
      }
    })
    return f()
  } finally {
    modules.forEach((module, i) => {
      for (const name of Reflect.ownKeys(module)) if (!Object.hasOwn(before[i]!, name)) Reflect.deleteProperty(module, name)
      Object.defineProperties(module, before[i]!)
    })
  }
}

type GemmArguments = Parameters<Kernels<number>['gemm']>

/** One run of a model, watched: which module is open, what kernels are called, which tensors appear. */
class Examination {
  readonly #layers = new Map<Module, LayerSummary>()
  /** Modules in the order in which they are called */
  readonly #called: LayerSummary[] = []
  /** Modules whose forward() is running; the last one pays */
  readonly #open: LayerSummary[] = []
  readonly #fields = new Map<Tensor, Axis[]>()
  readonly #counted = new Set<Buffer>()
  #windows = false
  #next = 0

  constructor(readonly model: Module, readonly scope: Scope) {
    const met = new Set<Tensor>()
    for (const [path, module] of model.namedModules()) {
      let parameters = 0
      for (const [, t] of module.namedTensors()) {
        if (!isParameter(t) || met.has(t)) continue
        met.add(t)
        parameters += t.size
      }
      const layer: LayerSummary = {
        path, type: module.constructor.name, description: module.describe(), outputShape: null,
        parameters, macs: 0, activationBytes: 0, receptiveField: null, calls: 0,
      }
      this.#layers.set(module, layer)
      this.#watch(module, layer)
    }
  }

  #watch(module: Module, layer: LayerSummary): void {
    const plain = module.forward
    const watched = (...inputs: unknown[]): unknown => {
      this.#settle()
      if (layer.calls++ === 0) this.#called.push(layer)
      this.#open.push(layer)
      try {
        const y: unknown = plain.apply(module, inputs)
        this.#settle()
        const t = firstTensor(y)
        layer.outputShape = t ? [...t.shape] : null
        layer.receptiveField = this.#fieldOf(t)
        return y
      } finally {
        this.#open.pop()
      }
    }
    Object.defineProperty(module, 'forward', { configurable: true, writable: true, enumerable: false, value: watched })
  }

  run(inputShape: Shape, dtype: DType): Summary {
    const backend = currentBackend()
    const x = empty(inputShape, dtype)
    if (dtype === 'int32') x.set(new Int32Array(x.size))
    else {
      // records a graph from the input on
      x.requiresGrad = true
      this.#fields.set(x, inputShape.slice(2).map((extent, i) => ({ size: 1, stride: 1, extent, dim: i + 2, inner: 1 })))
    }
    this.#counted.add(x.buffer)
    this.#next = this.scope.owned.length
    const { kernels } = backend
    backend.kernels = this.#counting(kernels)
    let y: unknown
    try {
      y = this.model.forward(x)
    } finally {
      backend.kernels = kernels
    }
    const idle = [...this.#layers.values()].filter(layer => layer.calls === 0)
    return new Summary(this.model.constructor.name, [...inputShape], firstTensor(y)?.shape ?? null, [...this.#called, ...idle])
  }

  #counting(kernels: Kernels<number>): Backend['kernels'] {
    const pay = (macs: number) => {
      this.#open.at(-1)!.macs += macs
    }
    const conv = (...[n, c, o, groups, , , , kd, kh, kw, od, oh, ow]: number[]) => pay(n! * o! * (c! / groups!) * kd! * kh! * kw! * od! * oh! * ow!)
    return {
      ...kernels,
      conv,
      convGradInput: conv,
      convGradWeight: conv,
      gemm: (...[batch, , , m, n, k]: GemmArguments) => pay(batch * m * n * k),
    }
  }

  /** Tensors made since the last call belong to the module that is open. They are met in the order in which they were made. */
  #settle(): void {
    const { owned } = this.scope
    const layer = this.#open.at(-1)
    for (; this.#next < owned.length; this.#next++) {
      const t = owned[this.#next]
      if (!(t instanceof Tensor) || t.freed || !t.node) continue
      this.#trace(t, t.node)
      if (this.#counted.has(t.buffer)) continue
      this.#counted.add(t.buffer)
      if (layer) layer.activationBytes += 4 * t.size
    }
  }

  #trace(t: Tensor, node: Node): void {
    const reached = node.inputs.flatMap((x, i) => {
      const axes = this.#fields.get(x)
      return axes ? [axes.map(axis => follow(node, i, axis))] : []
    })
    if (WINDOWS.includes(node.op.name)) this.#windows = true
    const [first, ...others] = reached
    // where paths join, the one that sees most
    if (first) this.#fields.set(t, first.map((axis, a) => others.reduce((best, list) => (list[a]!.size > best.size ? list[a]! : best), axis)))
  }

  #fieldOf(t: Tensor | null): ReceptiveField | null {
    const axes = t && this.#windows ? this.#fields.get(t) : undefined
    return axes?.length ? { size: axes.map(a => a.size), stride: axes.map(a => a.stride) } : null
  }
}

function firstTensor(value: unknown): Tensor | null {
  if (value instanceof Tensor) return value
  if (typeof value !== 'object' || value === null) return null
  for (const v of Object.values(value)) {
    const t = firstTensor(v)
    if (t) return t
  }
  return null
}

/** How one spatial dimension of the input is seen by a tensor's elements. */
interface Axis {
  size: number
  stride: number
  /** Positions along it */
  extent: number
  /** Dimension of the tensor that holds them; −1: none, every element sees the same */
  dim: number
  /** Distance of neighbours in that dimension: 1 unless it was merged with others */
  inner: number
}

const WINDOWS = ['conv', 'convGradInput', 'maxPool', 'avgPool']

/** The axis of input i of an op as its output sees it. Normalisation by statistics is not counted as sight: nobody does. */
function follow(node: Node, i: number, axis: Axis): Axis {
  const { dim } = axis
  if (dim < 0) return axis
  const x = node.inputs[i]!
  const y = node.output
  const { attrs } = node
  /** Every element of the output sees all positions */
  const everywhere = { ...axis, size: axis.size + (axis.extent - 1) * axis.stride, extent: 1, dim: -1, inner: 1 }
  const along = (to: number): Axis => ({ ...axis, dim: to })
  /** Broadcasting: dimensions agree from the right */
  const aligned = (): Axis => {
    const to = dim + y.rank - x.rank
    return to >= 0 && y.shape[to] === x.shape[dim] ? along(to) : everywhere
  }
  if (WINDOWS.includes(node.op.name)) return i === 0 ? throughWindow(node, axis) : everywhere
  switch (node.op.name) {
    case 'linear':
      return i === 0 && dim < x.rank - 1 ? along(dim) : everywhere
    case 'matmul': {
      const transposed: boolean = i === 0 ? attrs.transA : attrs.transB
      // rows of a and columns of b survive, from left and right
      const survivor = (i === 0) === transposed ? x.rank - 1 : x.rank - 2
      if (dim >= x.rank - 2) return dim === survivor ? along(y.rank - (i === 0 ? 2 : 1)) : everywhere
      return aligned()
    }
    case 'reshape':
      return reshaped(x.shape, y.shape, axis) ?? everywhere
    case 'permute':
      return along((attrs.order as readonly number[]).indexOf(dim))
    case 'softmax':
    case 'logSoftmax':
    case 'cumsum':
      return attrs.dim === dim ? everywhere : axis
    case 'cat':
      return axis
    case 'pad':
      return { ...axis, extent: axis.inner === 1 ? y.shape[dim]! : axis.extent }
    case 'slice': {
      if (y.rank === x.rank) {
        const step = Math.abs((attrs.strides as readonly number[])[dim]!) / stridesOf(x.shape)[dim]!
        return { ...axis, stride: axis.stride * step, extent: axis.inner === 1 ? y.shape[dim]! : axis.extent }
      }
      const own = stridesOf(x.shape)[dim]!
      const to = (attrs.strides as readonly number[]).findIndex((s, d) => s === own && y.shape[d] === x.shape[dim])
      // one position of it was selected
      return to >= 0 ? along(to) : { ...axis, extent: 1, dim: -1 }
    }
    case 'indexSelect': {
      if (attrs.dim !== dim) return axis
      const times = y.shape[dim]! / x.shape[dim]!
      // whole multiples enlarge an image; otherwise its edges were repeated
      return { ...axis, extent: y.shape[dim]!, stride: times >= 2 && Number.isInteger(times) ? axis.stride / times : axis.stride }
    }
  }
  const dims: unknown = (attrs as { dims?: unknown } | undefined)?.dims
  // reductions drop dimensions
  if (Array.isArray(dims) && y.rank === x.rank - dims.length) {
    return dims.includes(dim) ? everywhere : along(dim - dims.filter((d: number) => d < dim).length)
  }
  return aligned()
}

/** size + d (k − 1) · stride, stride · s (Araujo, Norris and Sim, 2019); a transposed convolution goes the other way. */
function throughWindow(node: Node, axis: Axis): Axis {
  const [x] = node.inputs as readonly [Tensor]
  const { input, output, kernel, stride, dilation } = node.attrs as Record<'input' | 'output' | 'kernel' | 'stride' | 'dilation', readonly number[]>
  const transposed = node.op.name === 'convGradInput'
  const seen = transposed ? output : input
  const spatial = x.shape.slice(2)
  // windows over something else, such as neighbouring channels, leave the image alone
  if (spatial.length > 3 || spatial.some((d, i) => d !== seen[i + 3 - spatial.length])) return axis
  const at = axis.dim - x.rank + 3
  const reach = dilation[at]! * (kernel[at]! - 1)
  const s = stride[at]!
  return {
    ...axis, extent: node.output.shape[axis.dim]!,
    size: axis.size + (transposed ? Math.floor(reach / s) : reach) * axis.stride,
    stride: transposed ? axis.stride / s : axis.stride * s,
  }
}

/** Where the positions lie after a reshape, or null if none of the new dimensions holds them all. */
function reshaped(from: Shape, to: Shape, axis: Axis): Axis | null {
  const step = sizeOf(from.slice(axis.dim + 1)) * axis.inner
  for (let d = to.length - 1, tail = 1; d >= 0; d--) {
    if (step >= tail && axis.extent * step <= tail * to[d]!) return { ...axis, dim: d, inner: step / tail }
    tail *= to[d]!
  }
  return null
}
