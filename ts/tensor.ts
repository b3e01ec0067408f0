// The tensor: a shape over a buffer of one backend. Who frees it, how its values are read, how it prints.
/// <reference lib="esnext.disposable" preserve="true" />

import type { Backend, Binary, DType } from './kernels.js'
import { Buffer, isReal } from './arena.js'
import { arenaFor, collects, currentHome, currentScope, gradientWatch, heapOf, hostMark, recorder, type Kin, type Owned, type Scope } from './memory.js'
import type { Node } from './autograd.js'
import { format, INSPECT } from './format.js'
import { sameShape, ShapeError, show, sizeOf, type Shape } from './shape.js'

export const VERSION = '0.1.0'

/** Values as nested arrays: a number for a scalar. */
export type NestedArray = number | NestedArray[]

/** What the garbage collector gives back for a tensor that no scope owns. */
interface Lease {
  buffer: Buffer
  done: boolean
  /** Among `unowned`: not kept on purpose */
  counted: boolean
}
/** Tensors alive that only the garbage collector can free. */
let unowned = 0
let told = false
const collected = collects
  ? new FinalizationRegistry<Lease>(lease => {
      if (lease.done) return
      lease.done = true
      if (lease.counted) unowned--
      lease.buffer.release()
    })
  : null

/** Counts the ops recorded so far, for the order of nodes and of writes. @internal */
export const clock = { now: 0 }

/** Memory with the time it was made and last changed from outside the graph; a block of scalars for a kernel has none. */
interface Values extends Buffer {
  born?: number
  changed?: number
  changedBy?: string
  version?: number
}
class Stamped extends Buffer implements Values {
  readonly born = clock.now
  changed = 0
  changedBy = ''
  /** Counts the times that these values were written over; NaN, which equals nothing: kernels do so at any time */
  version = 0
}

/** The node whose gradient is being computed: it must find the values that its forward pass used. @internal */
export let reader: Node | null = null
/** @internal */
export function setReader(node: Node | null): void {
  reader = node
}

/** Called with a gradient; a tensor it returns replaces it. */
export type GradientHook = (gradient: Tensor) => Tensor | void

/** Whose life a tensor shares: the turn or scope it is made in, the scope(f) around (parameters), or another tensor (its gradient). */
export type Home = 'turn' | 'module' | Tensor

/** An array of numbers with a shape, in the memory of a backend: made by tensor(), zeros() and the like, and by ops, which are its methods. */
export class Tensor implements Owned {
  readonly size: number
  /** Set by parameters, requiresGradient() and ops whose inputs need a gradient */
  requiresGrad = false
  /** Made to be trained: it stays a module's parameter while it is frozen, requiresGrad = false. @internal */
  trainable = false
  /** Outlives turns and scopes */
  kept = false
  /** The op that made this tensor, while it can still be back-propagated. @internal */
  node: Node | null = null
  /** @internal */
  owner: Scope | null = null
  /** @internal */
  kin: Kin | null = null
  /** Name of the op or parameter, for messages */
  label = 'tensor'
  /** Storage of the gradient; `grad` hides it while it is stale. @internal */
  gradient: Tensor | null = null
  /** The gradient's values are of before zeroGrad(): the next backward() overwrites them. @internal */
  stale = true
  /** @internal */
  hooks: readonly GradientHook[] | null = null
  #buffer: Values
  #gone: Scope | string | null = null
  /** Not gone yet, though `#gone` is set so that any use comes by: this wants to know of it */
  #used: (() => void) | null = null
  #lease: Lease | null = null
  #companions: Tensor[] | null = null

  /** @internal Use tensor(), zeros(), … */
  constructor(readonly shape: Shape, readonly dtype: DType, readonly backend: Backend, buffer: Values | null = null, home: Home = 'turn') {
    this.size = sizeOf(shape)
    this.#buffer = buffer ?? new Stamped(home === 'turn' ? arenaFor(backend) : heapOf(backend), this.size * backend.width)
    const scope = home === 'turn' ? currentScope() : home === 'module' ? currentHome() : null
    this.kept = home !== 'turn' && !scope
    if (typeof home !== 'string') {
      home.adopt(this)
      this.#buffer.version = NaN
    }
    this.owner = scope
    if (scope) scope.owned.push(this)
    // also beside another tensor: the collector doesn't tell it
    else this.#leaveToCollector()
  }

  #leaveToCollector(): void {
    this.#lease = { buffer: this.#buffer, done: false, counted: !this.kept }
    collected?.register(this, this.#lease)
    if (this.kept) return
    if (++unowned >= 1000 && !told) {
      told = true
      console.warn(
        'hebb: 1,000 tensors wait for the garbage collector, which never runs inside a synchronous loop: ' +
          'run loops over a loader or steps(n), or put their bodies into scope(() => ...)',
      )
    }
  }

  /** Free `other` together with this tensor: its gradient, an optimizer's state. @internal */
  adopt(other: Tensor): void {
    ;(this.#companions ??= []).push(other)
  }

  get rank(): number {
    return this.shape.length
  }

  /** @internal */
  get buffer(): Values {
    if (this.#gone !== null) this.#back()
    return this.#buffer
  }

  /** Address for a kernel. @internal */
  get address(): number {
    if (this.#gone !== null) this.#back()
    if (recorder) recorder.hold(this.#buffer)
    // what the gradient itself makes and fills is younger than the node
    if (reader !== null && this.#buffer.changed! > reader.order && this.#buffer.born! <= reader.order) throw new Error(this.#wasChanged(reader))
    return this.#buffer.address
  }

  #wasChanged({ op }: Node): string {
    return (
      `backward: ${this.label} ${show(this.shape)}, which the gradient of ${op.name} needs, was changed by ${this.#buffer.changedBy} ` +
      'after the forward pass: change it after backward(), or compute the loss anew'
    )
  }

  /** Note that the values were changed outside the graph: gradients that need the old ones refuse to be computed. @internal */
  changed(by: string): void {
    this.#buffer.changed = clock.now
    this.#buffer.changedBy = by
  }

  /** Note that a kernel or the host wrote over the values: what was made from them is out of date. @internal */
  written(): void {
    const values = this.#buffer
    hostMark(() => {
      values.version!++
    })
  }

  /** Kernels will write over the values without a note. @internal */
  restless(): this {
    this.#buffer.version = NaN
    return this
  }

  /** Used after its turn: an error, unless it waits for just that. */
  #back(): void {
    if (this.#used === null) {
      throw new Error(
        `${this.label} ${show(this.shape)} was freed by ${this.#gone}: ` +
          'read it before that with item() or array(), or keep() it to let it live on',
      )
    }
    this.#used()
  }

  /** @internal */
  wait(used: () => void): void {
    this.#used = used
    this.#gone = 'its turn'
  }
  /** @internal */
  get waits(): boolean {
    return this.#used !== null
  }

  /** @internal */
  get bytes(): number {
    return this.#buffer.bytes
  }

  /** True once its memory has been given back. */
  get freed(): boolean {
    return this.#gone !== null && this.#used === null
  }

  /** The gradient that backward() accumulated, or null. */
  get grad(): Tensor | null {
    gradientWatch?.(this)
    return this.stale ? null : this.gradient
  }

  /** Forget the gradient: the next backward() starts from zero. The memory is kept for it. */
  zeroGrad(): void {
    gradientWatch?.(this)
    this.stale = true
  }

  /**
   * Call `hook` with the gradient of this tensor, leaf or result, when it is complete: before it goes further back, or is added to `grad`.
   * A tensor that the hook returns takes its place. What it makes is freed after it, unless kept. Returns a function that takes it off again.
   * @throws Error if this tensor does not require a gradient
   */
  registerHook(hook: GradientHook): () => void {
    if (!this.requiresGrad) {
      throw new Error(`registerHook: ${this.label} ${show(this.shape)} has no gradient: use parameters or requiresGradient(), outside noGrad()`)
    }
    // a copy, so that a hook registered twice is taken off once
    const entry: GradientHook = gradient => hook(gradient)
    this.hooks = [...(this.hooks ?? []), entry]
    return () => {
      const left = this.hooks?.filter(h => h !== entry) ?? []
      this.hooks = left.length > 0 ? left : null
    }
  }

  /** The same values under another shape, sharing the buffer, outside the graph. @internal */
  alias(shape: Shape = this.shape): Tensor {
    return new Tensor(shape, this.dtype, this.backend, this.buffer.retain())
  }

  /** Let this tensor outlive the turn or scope it was made in: it lives until dispose(), or until nothing refers to it. Returns itself. */
  keep(): this {
    void this.buffer
    if (recorder && this.#buffer.arena === recorder.arena) recorder.refuse('keep()')
    if (!this.kept) {
      this.kept = true
      if (this.#lease) {
        this.#lease.counted = false
        unowned--
      } else this.#leaveToCollector()
      this.owner = null
    }
    return this
  }

  /** Hand the tensor to another scope (null: to the garbage collector). @internal */
  moveTo(scope: Scope | null): void {
    this.kept = false
    this.owner = scope
    if (this.#used !== null) this.#gone = this.#used = null
    // the collector must not free it a second time
    if (this.#lease) {
      this.#lease.done = true
      if (this.#lease.counted) unowned--
      this.#lease = null
    }
    if (scope) scope.owned.push(this)
    else this.#leaveToCollector()
  }

  /** Give the buffer back; `by` is named when the tensor is used afterwards. @internal */
  release(by: Scope | string): void {
    if (this.freed) return
    this.#gone = by
    this.#used = null
    this.node = null
    if (this.#lease) {
      if (this.#lease.done) return
      this.#lease.done = true
      if (this.#lease.counted) unowned--
    }
    this.#buffer.release()
    if (this.#companions) for (const t of this.#companions) t.release(by)
  }

  /** Free the memory now. Using the tensor afterwards is an error. */
  dispose(): void {
    this.release('dispose()')
  }

  /**
   * The value of a tensor with one element.
   * @throws ShapeError if it has more or none
   */
  item(): number {
    if (this.size !== 1) throw new ShapeError(`item: one element expected, got shape ${show(this.shape)}: reduce it with mean() or sum(), or read array()`)
    const { address } = this.buffer
    recorder?.refuse('item()')
    return this.backend.readOne(address, this.dtype)
  }

  /** A flat copy of the values in row-major order: Float32Array, Int32Array, or Float64Array on reference64. */
  values(): Float32Array | Float64Array | Int32Array {
    const { address } = this.buffer
    recorder?.refuse('values() or array()')
    return this.backend.read(address, this.size, this.dtype)
  }

  /** The values as nested JavaScript arrays (a number for a scalar). */
  array(): NestedArray {
    return nest(this.values(), this.shape)
  }

  /** Write values in row-major order (same number of elements), or those of another tensor of this shape. */
  set(values: ArrayLike<number> | Tensor): this {
    if (values instanceof Tensor) {
      if (!sameShape(values.shape, this.shape) || values.dtype !== this.dtype) {
        throw new ShapeError(`set: ${this.dtype} ${show(this.shape)} expected, got ${values.dtype} ${show(values.shape)}`)
      }
      values = values.values()
    }
    const first: unknown = values[0]
    if (typeof first === 'object') {
      const got = Array.isArray(first) ? 'arrays in it: flat(Infinity) joins them' : 'objects in it'
      throw new TypeError(`set: one flat list of ${this.size} numbers expected for shape ${show(this.shape)}, got ${got}`)
    }
    if (values.length !== this.size) throw new ShapeError(`set: ${this.size} values expected for shape ${show(this.shape)}, got ${values.length}`)
    const { address } = this
    this.backend.write(address, values, this.dtype)
    this.changed('set()')
    this.written()
    recorder?.wrote(address, Array.from(values), this.dtype)
    return this
  }

  toString(): string {
    const about = `${this.dtype === 'int32' ? ', int32' : ''}${this.requiresGrad ? ', requiresGrad' : ''}`
    if (this.freed) return `tensor(freed by ${this.#gone}, shape ${show(this.shape)})`
    if (!isReal(this.backend)) return `tensor(on meta, without values, shape ${show(this.shape)}${about})`
    return `tensor(${format(this.backend.read(this.buffer.address, this.size, this.dtype), this.shape)}, shape ${show(this.shape)}${about})`
  }

  /** `${x}` and 'loss ' + x give the text; x * 2 would be NaN without a word. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'number') {
      throw new TypeError(
        `${this.label} ${show(this.shape)}: JavaScript's operators don't compute with tensors: ` +
          'write x.mul(2), x.sub(y), x.lt(y), or read a number with item()',
      )
    }
    return this.toString()
  }

  /** What console.log shows in Node, Deno and Bun. */
  [INSPECT](): string {
    return this.toString()
  }
  [Symbol.for('Deno.customInspect')](): string {
    return this.toString()
  }
}

/** The name of what `using` calls; where runtimes have no `using`, a name that nobody else knows. @internal */
export const DISPOSE = (Symbol as { dispose?: symbol }).dispose ?? Symbol('dispose')
;(Tensor.prototype as unknown as Record<symbol, () => void>)[DISPOSE] = Tensor.prototype.dispose
export interface Tensor {
  [Symbol.dispose](): void
}

/** A float32 constant. @internal */
export function filled(shape: Shape, value: number, backend: Backend): Tensor {
  const t = new Tensor(shape, 'float32', backend)
  backend.kernels.fill(t.size, value, t.address)
  return t
}

/** out = f(a, b) of three tensors of one size. @internal */
export function combined(f: Binary, a: Tensor, b: Tensor, out: Tensor): void {
  out.backend.kernels.binary(f, 1, 1, 1, out.size, 0, 0, 0, 1, 0, 0, 0, 1, a.address, b.address, out.address)
}

function nest(values: ArrayLike<number>, shape: Shape): NestedArray {
  let at = 0
  const level = (d: number): NestedArray => {
    if (d === shape.length) return values[at++]!
    return Array.from({ length: shape[d]! }, () => level(d + 1))
  }
  return level(0)
}
