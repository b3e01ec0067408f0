// Stochastic gradient descent, with momentum and Nesterov's variant.

import { Update } from '../kernels.js'
import { hostWork, recorder } from '../memory.js'
import { scalarBlock } from '../ops/norm.js'
import { demand, requireChoice } from '../shape.js'
import { Optimizer, type Group, type GroupOptions, type Params } from './optimizer.js'

export interface SGDOptions extends GroupOptions {
  /** γ, share of the last step that is kept (default 0) */
  momentum?: number
  /** Share of a new gradient that momentum leaves out (default 0) */
  dampening?: number
  /** L2 penalty added to the gradient (default 0) */
  weightDecay?: number
  /** Look ahead along the momentum (default false) */
  nesterov?: boolean
  /**
   * torch (default): the learning rate multiplies the whole momentum. classic: it multiplies each gradient as it comes, as textbooks
   * write it. They differ when the rate changes, and in Nesterov's variant.
   */
  form?: 'torch' | 'classic'
}
type Full = Required<SGDOptions>
const isClassic = (group: Full): boolean => group.form === 'classic' && group.momentum > 0

/**
 * g += weightDecay w; u = its first step ? g : momentum u + (1 − dampening) g; g = nesterov ? g + momentum u : u; w −= lr g.
 * Without momentum u is left out. (Polyak, 1964; Nesterov, 1983, in the form of Sutskever et al., 2013; PyTorch's SGD)
 * Classic form: u = momentum u + lr g; w −= u; with nesterov g is the gradient at w − momentum u, where lookAhead() goes.
 */
export class SGD extends Optimizer<Full> {
  protected get update(): Update {
    return Update.sgd
  }
  #lookedAhead = false
  constructor(params: Params<SGDOptions>, options: SGDOptions) {
    super('SGD', params as Params<Full>, { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, form: 'torch' }, options)
  }
  protected override validate(group: Group<Full>): void {
    super.validate(group)
    const { momentum, dampening, nesterov, form } = group
    this.notNegative(group, 'momentum')
    requireChoice('SGD', 'form', form, 'torch', 'classic')
    demand(!nesterov || (momentum > 0 && dampening === 0), 'SGD: nesterov needs momentum > 0 and dampening 0')
    demand(form === 'torch' || dampening === 0, 'SGD: the classic form has no dampening')
  }
  protected buffersOf(group: Group<Full>): readonly string[] {
    return group.momentum > 0 ? ['momentum'] : []
  }
  protected scalarsOf(group: Group<Full>, _t: number, age: number): readonly number[] {
    const { lr, weightDecay, momentum, dampening, nesterov } = group
    if (!isClassic(group)) return [lr, weightDecay, momentum, age === 1 ? 1 : 1 - dampening, momentum, nesterov ? 1 : 0]
    // ahead by momentum u, the new w = w − momentum u − lr g is one plain step away
    return nesterov ? [lr, weightDecay, momentum, lr, 0, 1] : [1, weightDecay, momentum, lr, 0, 0]
  }

  /**
   * w −= momentum u in groups of the classic form with nesterov: call it before the forward pass whose gradients step() takes. Between
   * step() and the next lookAhead() the parameters are the iterates themselves.
   */
  lookAhead(): void {
    this.#lookedAhead = true
    for (const group of this.groups) {
      const ahead = () => group.nesterov && isClassic(group)
      const was = ahead()
      recorder?.expect(() => ahead() === was)
      if (!was) continue
      for (const p of group.params) {
        const u = this.bufferOf(p, 'momentum')
        if (!u) continue
        const { address } = scalarBlock(p)
        hostWork(() => {
          p.backend.writeScalars(address, [group.momentum, 0])
          p.changed('lookAhead()')
        })
        p.backend.kernels.update(Update.sgd, p.size, address, p.address, u.address, 0, 0, 0)
        p.written()
      }
    }
  }
  override step(): void {
    if (!this.#lookedAhead && this.groups.some(group => group.nesterov && isClassic(group))) {
      throw new Error('SGD: the classic form of nesterov takes gradients ahead of the parameters: call lookAhead() before the forward pass')
    }
    this.#lookedAhead = false
    super.step()
  }
}
