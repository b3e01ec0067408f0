// What optimizers share: parameter groups, gradients cleared, state that lives as long as its parameter.

import { hostMark, hostWork, recorder } from '../memory.js'
import type { Update } from '../kernels.js'
import { scalarBlock } from '../ops/norm.js'
import { Tensor } from '../tensor.js'
import { requireNotNegative, requireOptions, ShapeError, show } from '../shape.js'
import { vector, type Vector } from '../vectors.js'

export interface GroupOptions {
  /** Learning rate */
  lr: number
}
/** Parameters with options of their own: { params, lr: 0.01 }. */
export type ParamGroup<O> = { params: readonly Tensor[] } & Partial<O>
export type Params<O> = readonly Tensor[] | readonly ParamGroup<O>[]
export type Group<O> = { params: readonly Tensor[] } & O

interface State {
  /** Steps taken with this parameter, and how many of them before its newest buffer was there */
  steps: number
  before: number
  /** momentum and the like, by name */
  buffers: Record<string, Tensor>
}

/** What a checkpoint needs: for each parameter in order, its steps and buffers; for each group, its options. */
export interface OptimizerState {
  groups: Record<string, unknown>[]
  steps: number[]
  buffers: Record<string, Tensor>
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor
const kind = (value: unknown): string => (typeof value === 'object' && value !== null ? `a ${value.constructor.name}` : String(value))

const parametersOf = <O>(groups: readonly Group<O>[]): [Tensor, Group<O>][] =>
  groups.flatMap(group => group.params.map(p => [p, group] as [Tensor, Group<O>]))

/** Moves parameters against their gradients; a subclass says by which kernel, with which state and scalars. */
export abstract class Optimizer<O extends GroupOptions = GroupOptions> {
  /** Options may be changed between steps, `optimizer.groups[0].lr = 0.01` */
  readonly groups: Group<O>[]
  readonly #state = new Map<Tensor, State>()

  constructor(readonly name: string, params: Params<O>, defaults: Partial<O>, options: Partial<O> = {}) {
    requireOptions(name, options, { lr: 0, ...defaults } as never)
    const groups = Array.isArray(params) && params.length > 0 && !isTensor(params[0]) ? (params as ParamGroup<O>[]) : [{ params: params as readonly Tensor[] }]
    this.groups = groups.map(group => {
      const list = (group as Partial<ParamGroup<O>> | null)?.params
      if (!Array.isArray(list)) throw new TypeError(`${name}: a list of parameters or of groups { params } expected, got ${kind(list ?? group)}: pass model.parameters()`)
      if (list.length === 0) throw new Error(`${name}: parameters expected, got none: pass model.parameters()`)
      const merged = { ...defaults, ...options, ...group, params: [...list] } as unknown as Group<O>
      this.validate(merged)
      return merged
    })
    const seen = new Set<Tensor>()
    for (const p of this.groups.flatMap(g => g.params)) {
      if (!isTensor(p) || !(p.requiresGrad || p.trainable) || p.node) {
        const got = isTensor(p) ? `a tensor ${show(p.shape)} ${p.node ? `that ${p.label} made` : 'without requiresGrad'}` : kind(p)
        throw new TypeError(`${name}: parameters expected, got ${got}`)
      }
      if (seen.has(p)) throw new Error(`${name}: parameter ${show(p.shape)} comes twice`)
      seen.add(p)
    }
  }

  /** @throws RangeError for options out of range */
  protected validate(group: Group<O>): void {
    if (group.lr === undefined) throw new TypeError(`${this.name}: a learning rate expected, { lr: 0.01 } for instance, got none`)
    requireNotNegative(this.name, 'a learning rate lr', group.lr)
    this.notNegative(group, 'weightDecay')
  }
  /** @throws RangeError for an option below 0; one that isn't there is none */
  protected notNegative(group: object, ...names: string[]): void {
    for (const name of names) requireNotNegative(this.name, name, (group as Record<string, number>)[name] ?? 0)
  }
  /** Names of the buffers of the parameter's size that the update needs, in the kernel's order; null for one that it does without. */
  protected abstract buffersOf(group: Group<O>): readonly (string | null)[]
  /** What a buffer holds before the first step. */
  protected initial(_name: string, _group: Group<O>): number {
    return 0
  }
  /** A parameter's buffer of this name, if a step has made it. */
  protected bufferOf(p: Tensor, name: string): Tensor | undefined {
    return this.#state.get(p)?.buffers[name]
  }
  /** The scalars of step `t` (from 1) for the kernel; `age` counts (from 1 too) since the newest buffer was made. */
  protected abstract scalarsOf(group: Group<O>, t: number, age: number): readonly number[]
  protected abstract readonly update: Update

  #namesOf(group: Group<O>): string[] {
    return this.buffersOf(group).filter(name => name !== null)
  }

  #initially(name: string, { backend, size }: Tensor, group: Group<O>): Vector {
    return vector(backend, size).fill(this.initial(name, group))
  }

  #stateOf(p: Tensor, group: Group<O>): State {
    let state = this.#state.get(p)
    if (!state) this.#state.set(p, (state = { steps: 0, before: 0, buffers: {} }))
    // also where an option was changed that asks for more
    for (const name of this.#namesOf(group)) {
      if (state.buffers[name]) continue
      const t = new Tensor(p.shape, 'float32', p.backend, null, p)
      t.label = name
      // not by a kernel: a captured step would clear it at every replay
      t.backend.write(t.buffer.address, this.#initially(name, t, group), 'float32')
      state.buffers[name] = t
      state.before = state.steps
    }
    return state
  }

  /** Move every parameter that has a gradient; one without, such as a frozen one, is passed over. */
  step(): void {
    const by = `step() of ${this.name}`
    // all that needs memory comes first, so that where there is none no parameter has moved
    const moves: (() => void)[] = []
    const moved: Tensor['buffer'][] = []
    for (const group of this.groups) {
      const names = this.buffersOf(group)
      recorder?.expect(() => {
        const wanted = this.buffersOf(group)
        return wanted.length === names.length && wanted.every((name, i) => name === names[i])
      })
      for (const p of group.params) {
        const g = p.grad
        if (!g) continue
        const state = this.#stateOf(p, group)
        const { backend } = p
        const { address } = scalarBlock(p)
        moved.push(p.buffer)
        moves.push(() => {
          hostWork(() => {
            backend.writeScalars(address, this.scalarsOf(group, ++state.steps, state.steps - state.before))
            p.changed(by)
          })
          const [s1 = 0, s2 = 0, s3 = 0] = names.map(name => (name ? state.buffers[name]!.address : 0))
          backend.kernels.update(this.update, p.size, address, p.address, g.address, s1, s2, s3)
        })
      }
    }
    for (const move of moves) move()
    if (moves.length > 0) hostMark(() => moved.forEach(values => values.version!++))
  }

  /** Forget the gradients: the next backward() starts from zero. */
  zeroGrad(): void {
    for (const { params } of this.groups) {
      for (const p of params) p.zeroGrad()
    }
  }

  /** The learning rate of the first group. Setting it sets all groups. */
  get lr(): number {
    return this.groups[0]!.lr
  }
  set lr(value: number) {
    for (const group of this.groups) this.validate({ ...group, lr: value })
    for (const group of this.groups) group.lr = value
  }

  /** Options, steps and buffers (the optimizer's own tensors, named `parameter index.buffer`). */
  stateDict(): OptimizerState {
    const buffers: Record<string, Tensor> = {}
    const steps = parametersOf(this.groups).map(([p, group], i) => {
      if (!this.#state.has(p)) return 0
      const state = this.#stateOf(p, group)
      for (const name of this.#namesOf(group)) buffers[`${i}.${name}`] = state.buffers[name]!
      return state.steps
    })
    return { groups: this.groups.map(({ params: _, ...options }) => options), steps, buffers }
  }

  /** Does a saved state fit? @throws ShapeError if it belongs to other parameters, RangeError for options out of range */
  check(saved: OptimizerState): void {
    const loaded = this.groups.map((group, i) => ({ ...group, ...saved.groups[i], params: group.params }) as Group<O>)
    const all = parametersOf(loaded)
    if (saved.steps.length !== all.length || saved.groups.length !== this.groups.length) {
      throw new ShapeError(`${this.name}: a state of ${all.length} parameters in ${this.groups.length} groups expected, got ${saved.steps.length} in ${saved.groups.length}`)
    }
    for (const group of loaded) this.validate(group)
    all.forEach(([p, group], i) => {
      for (const name of saved.steps[i]! > 0 ? this.#namesOf(group) : []) {
        const t = saved.buffers[`${i}.${name}`]
        if (!t || t.size !== p.size) throw new ShapeError(`${this.name}: ${name} of parameter ${i} ${show(p.shape)} expected, got ${t ? show(t.shape) : 'none'}`)
      }
    })
  }

  /** A state is of options and buffers: it says nothing of which tensors are the parameters. */
  protected loadOptions(saved: OptimizerState): void {
    this.groups.forEach((group, i) => Object.assign(group, saved.groups[i], { params: group.params }))
  }
  /** Go on from a saved state. Nothing is changed unless everything fits. @throws as check() */
  loadStateDict(saved: OptimizerState): void {
    this.check(saved)
    this.loadOptions(saved)
    parametersOf(this.groups).forEach(([p, group], i) => {
      const steps = saved.steps[i]!
      if (steps === 0 && !this.#state.has(p)) return
      const state = this.#stateOf(p, group)
      state.steps = steps
      state.before = 0
      for (const [name, t] of Object.entries(state.buffers)) t.set(saved.buffers[`${i}.${name}`]?.values() ?? this.#initially(name, t, group))
    })
  }
}
