// Modules that hold others: lists of layers, residual connections, and the layer that does nothing.

import { add } from '../ops/arithmetic.js'
import type { Tensor } from '../tensor.js'
import { Module, within } from './module.js'

/** y = x, where a layer is expected and none is wanted */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x
  }
}

/**
 * Layers of which a model's forward() makes what it likes: model.blocks[i] of an array, with methods. Keys are 0.weight, 1.weight …
 * @throws TypeError for what is no module
 */
export class ModuleList extends Module implements Iterable<Module> {
  readonly #list: Module[] = []
  constructor(modules: Iterable<Module> = []) {
    super()
    this.extend(modules)
  }
  get length(): number {
    return this.#list.length
  }
  /** The module at a position; −1 is the last. @throws RangeError if there is none */
  at(i: number): Module {
    const module = this.#list.at(i)
    if (!module) throw new RangeError(`ModuleList: a position in ${-this.length}..${this.length - 1} expected, got ${i}`)
    return module
  }
  append(module: Module): this {
    if (!(module instanceof Module)) throw new TypeError(`ModuleList: modules expected, at position ${this.length} got ${typeof module}`)
    this.#list.push(module)
    return this
  }
  extend(modules: Iterable<Module>): this {
    for (const module of modules) this.append(module)
    return this
  }
  [Symbol.iterator](): Iterator<Module> {
    return this.#list[Symbol.iterator]()
  }
  override *namedChildren(): Generator<[string, Module]> {
    yield* within(this.#list, Module)
    yield* super.namedChildren()
  }
  /** @throws Error always: the order is not a list's to decide */
  forward(): never {
    throw new Error('ModuleList: it has no forward(): call its modules one by one, or use Sequential')
  }
}

/**
 * module(x) + shortcut(x); without a shortcut, module(x) + x (He et al., 2016). A shortcut mends what the module changes of the
 * shape, a 1×1 convolution for instance.
 */
export class Residual extends Module {
  readonly shortcut: Module | null
  constructor(readonly module: Module, shortcut: Module | null = null) {
    super()
    this.shortcut = shortcut
  }
  forward(x: Tensor): Tensor {
    return add(this.module.forward(x) as Tensor, this.shortcut ? (this.shortcut.forward(x) as Tensor) : x)
  }
}
