// What optimizers share: parameter groups, gradients cleared, state that lives as long as its parameter.

import { hostWork } from '../memory.js'
import type { Update } from '../kernels.js'
import { scalarBlock } from '../ops/norm.js'
import { Tensor } from '../tensor.js'
import { ShapeError, show } from '../shape.js'

export interface GroupOptions {
  /** Learning rate */
  lr: number
}
/** Parameters with options of their own: { params, lr: 0.01 }. */
export type ParamGroup<O> = { params: readonly Tensor[] } & Partial<O>
export type Params<O> = readonly Tensor[] | readonly ParamGroup<O>[]
export type Group<O> = { params: readonly Tensor[] } & O

interface State {
  /** Steps taken with this parameter */
  steps: number
  /** float64 scalars that the kernel reads */
  scalars: Tensor
  /** momentum and the like, named in stateDict() */
  buffers: readonly Tensor[]
}

/** What a checkpoint needs: for each parameter in order, its steps and buffers; for each group, its options. */
export interface OptimizerState {
  groups: Record<string, unknown>[]
  steps: number[]
  buffers: Record<string, Tensor>
}

export abstract class Optimizer<O extends GroupOptions = GroupOptions> {
  /** Options may be changed between steps, `optimizer.groups[0].lr = 0.01` */
  readonly groups: Group<O>[]
  readonly #state = new Map<Tensor, State>()

  constructor(readonly name: string, params: Params<O>, defaults: O) {
    const list = [...params] as (Tensor | ParamGroup<O>)[]
    if (list.length === 0) throw new Error(`${name}: parameters expected, got none: pass model.parameters()`)
    this.groups = (list[0] instanceof Tensor ? [{ params: list as Tensor[] }] : (list as ParamGroup<O>[])).map(group => {
      const merged = { ...defaults, ...group, params: [...group.params] } as Group<O>
      this.validate(merged)
      return merged
    })
    const seen = new Set<Tensor>()
    for (const p of this.groups.flatMap(g => g.params)) {
      if (!(p instanceof Tensor) || !p.requiresGrad || p.node) throw new TypeError(`${name}: parameters expected, got ${p instanceof Tensor ? `a tensor ${show(p.shape)} that is no leaf with requiresGrad` : typeof p}`)
      if (seen.has(p)) throw new Error(`${name}: parameter ${show(p.shape)} comes twice`)
      seen.add(p)
    }
  }

  /** @throws RangeError for options out of range */
  protected validate(group: Group<O>): void {
    if (!(group.lr >= 0)) throw new RangeError(`${this.name}: a learning rate lr ≥ 0 expected, got ${group.lr}`)
  }
  /** How many buffers of the parameter's size the update needs. */
  protected abstract buffersOf(group: Group<O>): readonly string[]
  /** The scalars of step `t` (from 1) for the kernel. */
  protected abstract scalarsOf(group: Group<O>, t: number): readonly number[]
  protected abstract readonly update: Update

  #stateOf(p: Tensor, group: Group<O>): State {
    let state = this.#state.get(p)
    if (!state) {
      const buffers = this.buffersOf(group).map(name => {
        const t = new Tensor(p.shape, 'float32', p.backend, null, p)
        t.label = name
        t.backend.kernels.fill(t.size, 0, t.address)
        return t
      })
      state = { steps: 0, scalars: scalarBlock(p), buffers }
      this.#state.set(p, state)
    }
    return state
  }

  /** Move every parameter that has a gradient. */
  step(): void {
    for (const group of this.groups) {
      for (const p of group.params) {
        const g = p.grad
        if (!g) continue
        const state = this.#stateOf(p, group)
        const { backend } = p
        const { address } = state.scalars
        hostWork(() => backend.writeScalars(address, this.scalarsOf(group, ++state.steps)))
        const [s1, s2, s3] = state.buffers
        backend.kernels.update(this.update, p.size, address, p.address, g.address, s1 ? s1.address : 0, s2 ? s2.address : 0, s3 ? s3.address : 0)
      }
    }
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
    for (const group of this.groups) {
      group.lr = value
      this.validate(group)
    }
  }

  #parameters(): [Tensor, Group<O>][] {
    return this.groups.flatMap(group => group.params.map(p => [p, group] as [Tensor, Group<O>]))
  }

  /** Options, steps and buffers (the optimizer's own tensors, named `parameter index.buffer`). */
  stateDict(): OptimizerState {
    const buffers: Record<string, Tensor> = {}
    const steps = this.#parameters().map(([p, group], i) => {
      const state = this.#state.get(p)
      if (!state) return 0
      this.buffersOf(group).forEach((name, j) => (buffers[`${i}.${name}`] = state.buffers[j]!))
      return state.steps
    })
    return { groups: this.groups.map(({ params: _, ...options }) => options), steps, buffers }
  }

  /** Go on from a saved state. @throws ShapeError if it belongs to other parameters */
  loadStateDict(saved: OptimizerState): void {
    const all = this.#parameters()
    if (saved.steps.length !== all.length || saved.groups.length !== this.groups.length) {
      throw new ShapeError(`${this.name}: a state of ${all.length} parameters in ${this.groups.length} groups expected, got ${saved.steps.length} in ${saved.groups.length}`)
    }
    all.forEach(([p, group], i) => {
      for (const name of saved.steps[i]! > 0 ? this.buffersOf(group) : []) {
        const t = saved.buffers[`${i}.${name}`]
        if (!t || t.size !== p.size) throw new ShapeError(`${this.name}: ${name} of parameter ${i} ${show(p.shape)} expected, got ${t ? show(t.shape) : 'none'}`)
      }
    })
    all.forEach(([p, group], i) => {
      if (saved.steps[i] === 0) return
      const state = this.#stateOf(p, group)
      state.steps = saved.steps[i]!
      this.buffersOf(group).forEach((name, j) => state.buffers[j]!.set(saved.buffers[`${i}.${name}`]!.values()))
    })
    this.groups.forEach((group, i) => Object.assign(group, saved.groups[i]))
  }
}
