// What layers and models are: parameters by name, train and eval, state dicts with PyTorch's keys, hooks.

import { watcher } from '../autograd.js'
import { requireTensors } from '../ops/checks.js'
import { Tensor } from '../tensor.js'
import { requireInts, requireOptions, sameShape, show, ShapeError } from '../shape.js'
import { INSPECT } from '../format.js'

/** numBatchesTracked -> num_batches_tracked: keys are PyTorch's, properties are JavaScript's. */
const key = (property: string): string => property.replace(/[A-Z]/g, c => `_${c.toLowerCase()}`)

/** Is or was it to be trained? @internal */
export const isParameter = (t: Tensor): boolean => t.requiresGrad || t.trainable

export type StateDict = Record<string, Tensor>
/** Called after forward with the module, its inputs and its output; a tensor it returns replaces the output. */
export type ForwardHook = (module: Module, inputs: readonly unknown[], output: unknown) => unknown
export interface ForwardHookOptions {
  /** Also after an error in forward, with undefined as the output (default false) */
  alwaysCall?: boolean
}
/** Called before forward with the module and its inputs; an array that it returns replaces the inputs, a tensor all of them. */
export type ForwardPreHook = (module: Module, inputs: readonly unknown[]) => unknown

interface Hook {
  before?: ForwardPreHook
  after?: ForwardHook
  always?: boolean
}

/**
 * A layer or model. Properties that hold tensors with requiresGrad are its parameters, also while they are frozen, requiresGrad = false; other
 * tensors are its buffers, modules its children; arrays count too, also within arrays, but what lies in other objects is not found.
 */
export abstract class Module {
  /** Set by train() and eval(): dropout and batch normalisation behave differently. */
  training = true
  #hooks: readonly Hook[] = []
  #unhook: (() => unknown) | null = null

  abstract forward(...inputs: any[]): any

  /** This layer and the first of those after it, computed together: the result, and how many of them; or null, if it can't. @internal */
  forwardWith(_x: Tensor, _after: Module | undefined, _afterThat: Module | undefined): [result: Tensor, others: number] | null {
    return null
  }

  /** Own children by name. */
  *namedChildren(): Generator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) yield* within(value, Module, key(name))
  }

  /** Own tensors by name. @internal */
  *namedTensors(): Generator<[string, Tensor]> {
    for (const [name, value] of Object.entries(this)) yield* within(value, Tensor, key(name))
  }

  /** This module and all below it, by path; each once, or (what doesn't lie in a circle) under every path. */
  *namedModules(path = '', seen = new Set<Module>(), each = false): Generator<[string, Module]> {
    if (seen.has(this)) return
    seen.add(this)
    yield [path, this]
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(path ? `${path}.${name}` : name, seen, each)
    if (each && !holds(this, this)) seen.delete(this)
  }

  *#named(wanted: (t: Tensor) => boolean, each = false): Generator<[string, Tensor]> {
    const seen = new Set<Tensor>()
    for (const [path, module] of this.namedModules('', new Set(), each)) {
      for (const [name, value] of module.namedTensors()) {
        if (!wanted(value) || (seen.has(value) && !each)) continue
        seen.add(value)
        yield [path ? `${path}.${name}` : name, value]
      }
    }
  }

  /** Trainable tensors by name, as in PyTorch's state_dict, those included that are frozen: requiresGrad = false. */
  namedParameters(): [string, Tensor][] {
    return [...this.#named(isParameter)]
  }
  parameters(): Tensor[] {
    return this.namedParameters().map(([, t]) => t)
  }
  /** Tensors that belong to the state but aren't trained, such as running statistics. */
  namedBuffers(): [string, Tensor][] {
    return [...this.#named(t => !isParameter(t))]
  }

  /** Switch this module and all below it to training (or not). Returns itself. */
  train(on = true): this {
    for (const [, module] of this.namedModules()) module.training = on
    return this
  }
  /** Switch to evaluation: no dropout, running statistics. Returns itself. */
  eval(): this {
    return this.train(false)
  }

  /** Parameters and buffers by name, those that modules share by every name: the module's own tensors, not copies. */
  stateDict(): StateDict {
    return Object.fromEntries(this.#named(() => true, true))
  }

  /**
   * Copy values by name into this module's parameters and buffers. Nothing is changed unless everything fits.
   * @throws ShapeError that lists missing and unknown names and shapes that differ
   */
  loadStateDict(given: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): this {
    const { strict = true } = requireOptions('loadStateDict', options, 'strict')
    const own = this.stateDict()
    const state: StateDict = given instanceof Map ? Object.fromEntries(given) : given
    // of the names of one tensor, files hold one or all
    const loaded = new Set(Object.keys(state).map(name => own[name]))
    const listed = (what: string, names: string[]): string[] =>
      // names of files must not command the terminal
      names.length ? [`${what} ${names.slice(0, 4).join(', ').replace(/\p{C}/gu, '\ufffd')}${names.length > 4 ? ` and ${names.length - 4} more` : ''}`] : []
    const wrong = [
      ...listed('missing', Object.keys(own).filter(name => !loaded.has(own[name]))),
      ...listed('unknown', Object.keys(state).filter(name => !Object.hasOwn(own, name))),
    ]
    if (strict && wrong.length) throw new ShapeError(`loadStateDict: ${wrong.join('; ')}: is it another model's? ({ strict: false } ignores that)`)
    const pairs = Object.entries(own).filter(([name]) => Object.hasOwn(state, name)).map(([name, to]) => {
      const from = state[name]!
      requireTensors(`loadStateDict: ${name}`, from)
      if (!sameShape(to.shape, from.shape)) throw new ShapeError(`loadStateDict: ${name} has shape ${show(to.shape)} here, but ${show(from.shape)} in what is loaded`)
      const values = from.values()
      if (to.dtype === 'int32') requireInts(`loadStateDict: ${name}`, values)
      return [to, values] as const
    })
    for (const [to, values] of pairs) to.set(values)
    return this
  }

  /** Call `hook` after every forward() of this module. Returns a function that takes it off again. */
  registerForwardHook(hook: ForwardHook, options: ForwardHookOptions = {}): () => void {
    const { alwaysCall: always = false } = requireOptions('registerForwardHook', options, 'alwaysCall')
    return this.#register({ after: hook, always })
  }

  /** Call `hook` before every forward() of this module. Returns a function that takes it off again. */
  registerForwardPreHook(hook: ForwardPreHook): () => void {
    return this.#register({ before: hook })
  }

  #register(entry: Hook): () => void {
    if (!this.#unhook) this.#hookForward()
    this.#hooks = [...this.#hooks, entry]
    return () => {
      this.#hooks = this.#hooks.filter(e => e !== entry)
      if (this.#hooks.length > 0) return
      this.#unhook?.()
      this.#unhook = null
    }
  }

  /** An instance property hides the class's forward for as long as there are hooks. */
  #hookForward(): void {
    const plain = this.forward
    const own = Object.getOwnPropertyDescriptor(this, 'forward')
    this.#unhook = () => (own ? Object.defineProperty(this, 'forward', own) : delete (this as { forward?: unknown }).forward)
    const value = (...given: unknown[]) => {
      const inputs = this.#hooks.reduce<readonly unknown[]>((x, { before }) => [before?.(this, x) ?? x].flat(), given)
      let output: unknown
      try {
        output = plain.apply(this, [...inputs])
      } catch (error) {
        for (const { after, always } of this.#hooks) if (always) after!(this, inputs, undefined)
        throw error
      }
      return this.#hooks.reduce((y, { after }) => after?.(this, inputs, y) ?? y, output)
    }
    Object.defineProperty(this, 'forward', { configurable: true, enumerable: false, value })
  }

  /** What stands in brackets when the module prints. */
  describe(): string {
    return ''
  }
  toString(): string {
    const children = [...this.namedChildren()]
    const name = this.constructor.name
    if (children.length === 0) return `${name}(${this.describe()})`
    return `${name}(\n${children.map(([n, m]) => `(${n}): ${m}`.replace(/^/gm, '  ')).join('\n')}\n)`
  }
  [INSPECT](): string {
    return this.toString()
  }

  /** Free the memory of all parameters and buffers. */
  dispose(): void {
    for (const [, t] of this.#named(() => true)) t.dispose()
  }
}

/** Is a module among those below another? */
function holds(module: Module, wanted: Module, done = new Set<Module>()): boolean {
  for (const [, child] of module.namedChildren()) {
    if (child === wanted) return true
    if (done.has(child)) continue
    done.add(child)
    if (holds(child, wanted, done)) return true
  }
  return false
}

/** The modules or tensors that a value is or, as an array, holds: by name, and by position behind it. Data are passed over. @internal */
export function* within<T>(value: unknown, kind: abstract new (...given: any[]) => T, name = '', around: readonly unknown[] = []): Generator<[string, T]> {
  if (value instanceof kind) yield [name, value]
  else if (Array.isArray(value) && typeof value[0] !== 'number' && !around.includes(value)) {
    const inside = [...around, value]
    for (const [i, one] of value.entries()) if (typeof one === 'object') yield* within(one, kind, name ? `${name}.${i}` : String(i), inside)
  }
}

/** What describe() returns: values, then the options where there are any, as in '3, 8, { bias: false }'. @internal */
export function described(values: readonly unknown[], options: object = {}): string {
  const named = Object.entries(options).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return [...values.map(v => (Array.isArray(v) ? show(v) : v)), ...(named.length ? [`{ ${named.join(', ')} }`] : [])].join(', ')
}

/** Modules one after the other. */
export class Sequential extends Module {
  readonly #layers: Module[]
  constructor(...layers: Module[]) {
    super()
    this.#layers = layers
    layers.forEach((layer, i) => {
      if (layer instanceof Module) return
      const given: unknown = layer
      const got = Array.isArray(given) ? 'an array: write the modules without brackets around' : typeof given
      throw new TypeError(`Sequential: modules expected, at position ${i} got ${typeof given === 'function' ? `${given.name}: is \`new\` missing?` : got}`)
    })
  }
  get layers(): Module[] {
    return this.#layers
  }
  override *namedChildren(): Generator<[string, Module]> {
    yield* within(this.#layers, Module)
    yield* super.namedChildren()
  }
  forward(x: Tensor): Tensor {
    return inOrder(this.#layers, x)
  }
}

/**
 * x through layers, one after the other. Those that a kernel can do in one pass are done so, unless somebody looks: a layer with hooks, or
 * with a forward() of its own, is called by itself, and under debug.nan() all are. @internal
 */
export function inOrder(layers: readonly Module[], x: Tensor): Tensor {
  for (let i = 0; i < layers.length; i++) {
    const layer = layers[i]!
    const together = watcher === null ? layer.forwardWith(x, layers[i + 1], layers[i + 2]) : null
    if (together) {
      x = together[0]
      i += together[1]
    } else x = layer.forward(x)
  }
  return x
}
