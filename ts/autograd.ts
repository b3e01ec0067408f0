// Reverse-mode automatic differentiation: how an op is declared, applied and recorded. Read it first: everything in ts/ops is made of
// `apply`. backward.ts walks the graph.

import { connect, gradientWatch, recorder, synchronous, usedIn } from './memory.js'
import { clock, reader, Tensor, VERSION } from './tensor.js'

export type Gradients = (Tensor | null)[]

/** All the engine knows about an op. `A` holds its attributes (stride, dim …). */
export interface Op<A = void> {
  readonly name: string
  /** The result. What else the gradient needs goes into `saved`, which backward() frees. Runs unrecorded. */
  forward(inputs: readonly Tensor[], attrs: A, saved: Tensor[]): Tensor
  /** dL/dinput for each input with node.needs(i), given g = dL/doutput, written in differentiable ops. Absent: no gradient. */
  gradient?(g: Tensor, node: Node<A>): Gradients
  /** The same in kernels, used when the gradient itself is not differentiated. A test compares the two. */
  fused?(g: Tensor, node: Node<A>): Gradients
  /**
   * For an op that reads a part of its one input: add dL/dinput to `sum`, the gradient of that input so far. Taking a sequence apart
   * would cost a pass over all of it for each part otherwise.
   */
  addTo?(sum: Tensor, g: Tensor, node: Node<A>): void
}

/** What looks at every result and gradient: debug.nan(). @internal */
export interface Watcher {
  result(op: Op<any>, inputs: readonly Tensor[], output: Tensor): void
  /** dL/d(input i) as computed by this node */
  gradient(node: Node, i: number, gradient: Tensor): void
}
export let watcher: Watcher | null = null
/** @internal */
export function watch(next: Watcher | null): void {
  watcher = next
}

/** Tensors on the way to those that gradients() was asked for; null while every leaf is wanted. */
let leading: Set<Tensor> | null = null

/** One recorded application of an op. */
export class Node<A = any> {
  /** Creation order is a topological order. */
  readonly order = clock.now++
  grad: Tensor | null = null
  mark = 0
  constructor(
    readonly op: Op<A>,
    readonly inputs: readonly Tensor[],
    readonly output: Tensor,
    readonly attrs: A,
    readonly saved: readonly Tensor[],
  ) {}

  /** Is the gradient of input i wanted? Never compute one that nobody asked for. */
  needs(i: number): boolean {
    const input = this.inputs[i]
    return input !== undefined && (leading ? leading.has(input) : input.requiresGrad)
  }

  /** Is the gradient of any input wanted? */
  get leads(): boolean {
    return this.inputs.some((_, i) => this.needs(i))
  }

  /**
   * Where a fused gradient may write dL/dinput i: the leaf's own gradient if that is empty (saves a pass over the
   * weights), else a new tensor.
   */
  into(i: number): Tensor {
    const input = this.inputs[i]!
    if (input.node === null && input.stale && !leading && !input.hooks) {
      gradientWatch?.(input)
      const gradient = gradientOf(input)
      // to be overwritten, so it doesn't matter what set() did to it
      gradient.buffer.changed = 0
      input.stale = false
      recorder?.hold(gradient.buffer)
      return gradient.alias()
    }
    return new Tensor(input.shape, input.dtype, input.backend)
  }

  /** The same for a gradient that is computed element by element from g: g's own memory, unless somebody else reads that. */
  over(g: Tensor, i: number): Tensor {
    return this.inputs[i]!.node !== null && g.buffer.owners === 1 ? g.alias() : this.into(i)
  }
}

/** Run `f` while only the gradients of these tensors are wanted. */
export function leadingTo<T>(tensors: Set<Tensor>, f: () => T): T {
  const was = leading
  leading = tensors
  try {
    return f()
  } finally {
    leading = was
  }
}

/** The node of a result whose graph backward() has used up. */
export const SPENT = {} as Node
let recording = true

/** Is a graph being recorded? */
export const isRecording = (): boolean => recording

/** Run `f` with or without recording. */
export function recordingIf<T>(on: boolean, f: () => T): T {
  const was = recording
  recording = on
  try {
    return f()
  } finally {
    recording = was
  }
}

/**
 * Run `f` without recording a graph: what it computes has no gradient.
 * @throws TypeError if f returns a promise: recording goes on when f returns
 */
export const noGrad = <T>(f: () => T): T => recordingIf(false, () => synchronous('noGrad', f()))

/** Apply an op, recording it if an input requires a gradient. */
export function apply(op: Op, inputs: readonly Tensor[]): Tensor
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor
export function apply(op: Op<any>, inputs: readonly Tensor[], attrs?: unknown): Tensor {
  const first = inputs[0]
  if (!(first instanceof Tensor)) throw foreign(op.name, first)
  const { backend } = first
  let differentiable = false
  let owned = false
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!
    if (!(input instanceof Tensor)) throw foreign(op.name, input)
    if (input.backend !== backend) {
      throw new Error(
        `${op.name}: tensors of two backends, ${backend.name} and ${input.backend.name}: make both on one, or move the values with values() and tensor()`,
      )
    }
    if (input.requiresGrad) differentiable = true
    if (input.owner !== null) owned = true
  }
  recorder?.reads(inputs)
  const saved: Tensor[] = []
  const was = recording
  recording = false
  let output: Tensor
  try {
    output = op.forward(inputs, attrs, saved)
  } finally {
    recording = was
  }
  output.label = op.name
  if (owned && (recording || reader === null)) relate(output, inputs)
  if (watcher !== null && reader === null) watcher.result(op, inputs, output)
  if (recording && differentiable && op.gradient) {
    output.requiresGrad = true
    output.node = new Node(op, inputs, output, attrs, saved)
    for (let i = 0; i < saved.length; i++) if (saved[i]!.owner !== null && saved[i]!.owner === output.owner) connect(output, saved[i]!)
  } else for (const t of saved) t.release(op.name)
  return output
}

/** Note what one task made: a result and its inputs, as far as the same turn or scope owns them. Shared inputs and parameters tell nothing. */
export function relate(output: Tensor, inputs: readonly Tensor[]): void {
  const { owner } = output
  let other: Tensor | null = null
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!
    if (input.owner === null) continue
    if (input.owner === owner || input.owner === owner?.around) connect(output, input)
    else {
      if (owner !== null) usedIn(owner, input)
      if (other?.owner === input.owner) connect(other, input)
      other = input
    }
  }
}

/** Free `scratch`, which an op made for itself on the way to y, together with y's graph; at once if there is none. Returns y. */
export function freeWith(y: Tensor, ...scratch: Tensor[]): Tensor {
  if (y.node && y.node !== SPENT) (y.node.saved as Tensor[]).push(...scratch)
  else for (const t of scratch) t.release(y.label)
  return y
}

/** The error for an input that isn't a tensor of this engine. */
export function foreign(op: string, value: unknown): Error {
  const other = (value as { constructor?: { engineVersion?: string } } | null)?.constructor?.engineVersion
  if (other) {
    return new Error(`${op}: a tensor of another copy of hebb (version ${other}) came to version ${VERSION}: let the project install one copy only`)
  }
  const got = () => {
    if (value === null) return 'null'
    if (Array.isArray(value)) return 'an array: wrap it in tensor()'
    if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}: wrap it in tensor(values, shape)`
    return value instanceof Promise ? 'a promise: await it' : typeof value
  }
  return new TypeError(`${op}: a tensor expected, got ${got()}`)
}
Object.defineProperty(Tensor, 'engineVersion', { value: VERSION })

/** The leaf's storage for its gradient, made at the first use; it lives as long as the leaf. */
export function gradientOf(leaf: Tensor): Tensor {
  if (!leaf.gradient || leaf.gradient.freed) {
    leaf.gradient = new Tensor(leaf.shape, leaf.dtype, leaf.backend, null, leaf)
    leaf.gradient.label = `gradient of ${leaf.label}`
  }
  return leaf.gradient
}
