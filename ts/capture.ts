// capture(step): run a step once while the kernel table writes down every call, then replay the list. Freed buffers are reused
// in the same order each time, so the recorded addresses already are a static memory plan.

import { Arena, type Buffer } from './arena.js'
import { currentBackend } from './backends/current.js'
import type { Backend, DType, Kernels } from './kernels.js'
import { closeScope, collects, FRAME, heapOf, openScope, recorder as active, setRecorder, synchronous, watchingGradients, type Owned, type Recorder } from './memory.js'
import { requireTensors } from './ops/checks.js'
import { sameShape } from './shape.js'
import { Tensor } from './tensor.js'

type Call = (...args: number[]) => unknown

/** What a step may return: a tensor, nothing, or an array or record of tensors. */
export type Outputs = Tensor | void | readonly Tensor[] | Readonly<Record<string, Tensor>>

export interface Captured<A extends readonly Tensor[], R extends Outputs> {
  (...inputs: A): R
  /** Kernel calls of the program last recorded; 0 before */
  readonly calls: number
  /** Bytes of the programs' own memory */
  readonly bytes: number
  /** Free the programs. The next call starts anew. */
  dispose(): void
}

/** What a program has to give back. Nothing in here leads to the program or its outputs, so that the collector may find it unused. */
interface Holdings {
  arena: Arena
  /** Buffers from outside */
  held: Set<Buffer>
  /** Of inputs and outputs */
  inside: Buffer[]
  owned: Owned[]
}
function giveBack({ arena, held, inside, owned }: Holdings): void {
  for (const thing of owned.splice(0)) thing.release('the end of the captured step')
  for (const buffer of [...inside.splice(0), ...held]) buffer.release()
  held.clear()
  // the memory goes back to the engine: nothing else knows its addresses
  arena.drainInto(heapOf(arena.backend))
}
/** A program that nobody can call any more gives its memory back, where there is a collector to say so. */
const dropped = collects ? new FinalizationRegistry<Holdings>(giveBack) : null
/** Whoever has an input or output still needs the program. */
const programOf = new WeakMap<Tensor, Program>()

class Program implements Recorder {
  readonly arena: Arena
  readonly #functions: Call[] = []
  readonly #arguments: number[][] = []
  readonly #work: (() => void)[] = []
  readonly #checks: (() => void)[] = []
  readonly #holdings: Holdings
  readonly #conditions: (() => boolean)[] = []
  /** Whose gradients the program touches, and whether they are empty at its end */
  readonly #leaves = new Map<{ stale: boolean }, boolean>()
  /** Tensors from outside that ops have read */
  readonly #read = new Set<object>()
  /** The tensors of inputs, and of outputs that the step made */
  readonly #own: Tensor[] = []
  inputs: Tensor[] = []
  outputs: Outputs = undefined

  constructor(readonly backend: Backend) {
    this.arena = new Arena(backend, heapOf(backend))
    this.#holdings = { arena: this.arena, held: new Set(), inside: [], owned: [] }
    dropped?.register(this, this.#holdings, this)
  }

  hold(buffer: Buffer): void {
    const { held } = this.#holdings
    if (buffer.arena !== this.arena && !held.has(buffer)) held.add(buffer.retain())
  }
  reads(inputs: readonly { requiresGrad: boolean; buffer: Buffer }[]): void {
    for (const x of inputs) {
      if (this.#read.has(x) || x.buffer.arena === this.arena) continue
      this.#read.add(x)
      const { requiresGrad } = x
      this.expect(() => x.requiresGrad === requiresGrad)
    }
  }
  own(thing: Owned): void {
    thing.kept = true
    this.#holdings.owned.push(thing)
  }
  verify(buffer: Buffer, check: () => void): void {
    if (this.inputs.some(x => x.buffer === buffer)) this.#checks.push(check)
  }
  before(work: () => void): void {
    this.#work.push(work)
  }
  wrote(address: number, values: ArrayLike<number>, dtype: DType): void {
    this.at(() => this.backend.write(address, values, dtype))
  }
  at(work: () => void): void {
    this.#functions.push(work)
    this.#arguments.push([])
  }
  expect(condition: () => boolean): void {
    this.#conditions.push(condition)
  }
  refuse(what: string): never {
    throw new Error(`capture: ${what} inside a captured step would take values out of the program: return the tensor and read it after the step`)
  }

  get calls(): number {
    return this.#functions.length
  }

  /** Run `step` in the private arena, writing down what it does. */
  record<A extends readonly Tensor[]>(step: (...inputs: A) => Outputs, inputs: A): void {
    const { backend } = this
    const real = backend.kernels
    const table: Record<string, Call> = {}
    for (const [name, kernel] of Object.entries(real) as [string, Call][]) {
      table[name] = (...args) => {
        this.#functions.push(kernel)
        this.#arguments.push(args)
        return kernel(...args)
      }
    }
    const frame = openScope('the captured step', FRAME)
    setRecorder(this)
    try {
      for (const x of inputs) {
        const copy = new Tensor(x.shape, x.dtype, backend)
        this.inputs.push(copy)
        this.#own.push(copy)
        real.copy(x.size, x.buffer.address, copy.address)
        copy.requiresGrad = x.requiresGrad
      }
      backend.kernels = table as unknown as Kernels<number>
      const outputs = watchingGradients(leaf => {
        const { stale } = leaf
        if (this.#leaves.has(leaf)) return
        this.#leaves.set(leaf, stale)
        this.expect(() => leaf.stale === stale)
      }, () => mapped(step(...(this.inputs as unknown as A)), t => this.#apart(t)))
      // what the step returns but didn't make stays its maker's
      this.#own.push(...tensorsIn(outputs).filter(t => t.owner === frame && !this.#own.includes(t)))
      this.outputs = outputs
      for (const leaf of this.#leaves.keys()) this.#leaves.set(leaf, leaf.stale)
    } finally {
      backend.kernels = real
      setRecorder(null)
      for (const t of this.#own) {
        if (t.freed) continue
        t.moveTo(null)
        t.keep()
        programOf.set(t, this)
        this.#holdings.inside.push(t.buffer.retain())
      }
      closeScope(frame)
    }
  }

  /** Of an output that is an input, a copy: given to the next call, it would be overwritten while the inputs are copied. */
  #apart(t: Tensor): Tensor {
    if (t.freed || !this.inputs.some(x => !x.freed && x.buffer === t.buffer)) return t
    const y = new Tensor(t.shape, t.dtype, t.backend)
    t.backend.kernels.copy(t.size, t.address, y.address)
    return y
  }

  /** Is all that was decided by as the recording found it? */
  get fits(): boolean {
    return this.#conditions.every(holds => holds())
  }

  replay(inputs: readonly Tensor[]): void {
    const { kernels } = this.backend
    for (let i = 0; i < inputs.length; i++) kernels.copy(inputs[i]!.size, inputs[i]!.address, this.inputs[i]!.address)
    for (const check of this.#checks) check()
    for (const work of this.#work) work()
    const functions = this.#functions
    const args = this.#arguments
    for (let i = 0; i < functions.length; i++) functions[i]!(...args[i]!)
    for (const [leaf, stale] of this.#leaves) leaf.stale = stale
  }

  dispose(): void {
    dropped?.unregister(this)
    for (const t of this.#own) t.release('dispose() of the captured step')
    giveBack(this.#holdings)
  }
}

/** What a step returns, with f of each tensor. @throws TypeError for anything else */
function mapped<R extends Outputs>(outputs: R, f: (t: Tensor) => Tensor): R {
  if (outputs === undefined || outputs === null) return outputs
  const one = (t: unknown): Tensor => {
    if (t instanceof Tensor) return f(t)
    throw new TypeError('capture: a step returns a tensor, or an array or record of tensors: read numbers with item() after it')
  }
  if (outputs instanceof Tensor || typeof synchronous('capture', outputs) !== 'object') return one(outputs) as R
  return (Array.isArray(outputs) ? outputs.map(one) : Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, one(t)]))) as R
}
function tensorsIn(outputs: Outputs): Tensor[] {
  const list: Tensor[] = []
  mapped(outputs, t => (list.push(t), t))
  return list
}

const MOST_PROGRAMS = 8

/** Inputs of one form, and their program once it is recorded. Every call compares them, so nothing is made for it. */
class Case {
  program: Program | null = null
  readonly #forms: Pick<Tensor, 'backend' | 'dtype' | 'requiresGrad' | 'shape'>[]
  constructor(inputs: readonly Tensor[]) {
    this.#forms = inputs.map(({ backend, dtype, requiresGrad, shape }) => ({ backend, dtype, requiresGrad, shape }))
  }
  isOf(inputs: readonly Tensor[]): boolean {
    return inputs.length === this.#forms.length && this.#forms.every((form, i) => {
      const x = inputs[i]!
      return x.backend === form.backend && x.dtype === form.dtype && x.requiresGrad === form.requiresGrad && sameShape(x.shape, form.shape)
    })
  }
}

/**
 * A step (forward, backward, optimizer) that is replayed as a plain list of kernel calls, bit for bit what it would compute
 * eagerly. The first call with a shape runs eagerly, the second records, later ones replay; shapes that differ get programs of
 * their own. What JavaScript decides inside (branches, train or eval) is frozen by the recording; while a tensor from outside requires a gradient
 * that didn't then, or no more, calls run eagerly. Outputs are overwritten by the next call, and have no graph: backward() belongs into the step.
 * @throws Error inside the step for item(), values(), array(), keep() and loops over a loader; RangeError as the eager step for labels and
 * indices out of range, where they are an input of the step
 */
export function capture<A extends readonly Tensor[], R extends Outputs>(step: (...inputs: A) => R): Captured<A, R> {
  let cases: Case[] = []
  let last: Program | null = null
  const run = (...inputs: A): R => {
    requireTensors('capture', ...inputs)
    if (active) return step(...inputs)
    const known = cases.find(c => c.isOf(inputs))
    const program = known?.program
    if (program?.fits) {
      last = program
      program.replay(inputs)
      return program.outputs as R
    }
    // the first call makes what is made once (gradients, an optimizer's state); a program that doesn't fit has to wait
    if (!known || program) {
      const before = inputs.map(x => x.stale)
      // gradients left in inputs would stay in the program's copies
      let untouched = true
      const outputs = watchingGradients(leaf => {
        if (!leaf.stale && inputs.includes(leaf as Tensor)) untouched = false
      }, () => step(...inputs))
      if (!known && untouched && inputs.every((x, i) => x.stale === before[i]) && cases.length < MOST_PROGRAMS) cases.push(new Case(inputs))
      return outputs
    }
    const recorded = new Program(inputs[0]?.backend ?? currentBackend())
    try {
      recorded.record(step, inputs)
    } catch (error) {
      recorded.dispose()
      throw error
    }
    last = known.program = recorded
    return recorded.outputs as R
  }
  return Object.defineProperties(run, {
    calls: { get: () => last?.calls ?? 0 },
    bytes: { get: () => cases.reduce((n, { program }) => n + (program?.arena.reserved ?? 0), 0) },
    dispose: {
      value: () => {
        for (const { program } of cases) program?.dispose()
        cases = []
        last = null
      },
    },
  }) as Captured<A, R>
}
