// debug.nan(): looks at every result and gradient and stops at the first that is not finite, saying which op, layer, pass and turn made it.

import { watch, type Node, type Op } from './autograd.js'
import { recorder } from './memory.js'
import type { Module } from './nn/module.js'
import { placesIn, show } from './shape.js'
import type { Tensor } from './tensor.js'

/** A result or gradient that debug.nan() found to be NaN or infinite. */
export class NonFiniteError extends Error {
  override name = 'NonFiniteError'
}

/** Infinities that these give were asked for, such as the −Infinity of masks. */
const GIVEN = new Set(['maskedFill', 'where', 'pad'])
/** Names under which users know an op */
const KNOWN_AS: Record<string, string> = { affine: 'arithmetic with a number' }

/** Position and value of the first NaN, or of the first infinity where there is no NaN. */
function firstBad(t: Tensor): { at: string; value: number } | null {
  if (t.dtype !== 'float32' || t.backend.kernels.firstNonFinite(t.size, t.address) < 0) return null
  const values = t.values()
  let i = values.findIndex(Number.isNaN)
  if (i < 0) i = values.findIndex(v => !Number.isFinite(v))
  return { at: show(placesIn(t.shape)(i)), value: values[i]! }
}

/** Layers by path, the modules whose forward is running, and where each result was made. */
class Watch {
  readonly #running: string[] = []
  /** Innermost layer of the op that made a tensor */
  readonly #places = new WeakMap<Tensor, string>()
  readonly #parameters = new WeakMap<Tensor, string>()
  readonly #hooks: (() => void)[] = []

  constructor(models: readonly Module[]) {
    for (const model of models) {
      for (const [path, module] of model.namedModules()) {
        const place = path ? `${path} (${module.constructor.name})` : module.constructor.name
        let depth: number[] = []
        this.#hooks.push(
          module.registerForwardPreHook(() => {
            depth = [...depth, this.#running.length]
            this.#running.push(place)
          }),
          // also after an error, which would leave the path of a layer behind
          module.registerForwardHook(() => {
            this.#running.length = depth.at(-1)!
            depth = depth.slice(0, -1)
          }, { alwaysCall: true }),
        )
      }
      for (const [name, p] of model.namedParameters()) this.#parameters.set(p, name)
    }
  }

  end(): void {
    for (const off of this.#hooks) off()
  }

  #named(t: Tensor): string {
    const parameter = this.#parameters.get(t)
    return `${parameter ? `parameter ${parameter}` : t.label} ${show(t.shape)}`
  }

  #fail(text: string, output: Tensor): never {
    const { owner } = output
    throw new NonFiniteError(`debug.nan: ${text}${owner && owner.turn >= 0 ? `, in ${owner}` : ''}`)
  }

  result(op: Op<any>, inputs: readonly Tensor[], output: Tensor): void {
    if (recorder) throw new Error('debug.nan: a captured step is replayed without a look at its ops: call the step itself while debug.nan() is on')
    const place = this.#running.at(-1)
    if (place) this.#places.set(output, place)
    const bad = firstBad(output)
    if (!bad) return
    const i = inputs.findIndex(firstBad)
    const before = inputs[i]
    if (!Number.isNaN(bad.value) && ((before && !this.#parameters.has(before)) || GIVEN.has(op.name))) return
    const held = before && firstBad(before)!
    const cause = before ? `its input ${i}, ${this.#named(before)}, holds ${held!.value} at ${held!.at} already` : 'its inputs are finite'
    const who = `${KNOWN_AS[op.name] ?? op.name}${place ? ` of ${place}` : ''}`
    this.#fail(`${who} gave ${bad.value} at ${bad.at} of ${show(output.shape)} in the forward pass; ${cause}`, output)
  }

  gradient(node: Node, i: number, gradient: Tensor): void {
    const bad = firstBad(gradient)
    if (!bad) return
    const { output } = node
    const place = this.#places.get(output)
    this.#fail(
      `${output.label}${place ? ` of ${place}` : ''} gave the gradient ${bad.value} at ${bad.at} of its input ${i}, ${this.#named(node.inputs[i]!)}, ` +
        'in the backward pass; the gradient it was given is finite',
      output,
    )
  }
}

let current: Watch | null = null

/** Tools for finding what is wrong in a training. */
export const debug = {
  /**
   * From now on look at every op's result and every gradient: the first NaN, or infinity out of finite numbers, throws a NonFiniteError
   * that names the op, the layer of `models`, forward or backward, and the turn. Costs a pass over each result; captured steps must be
   * called uncaptured. Returns a function that ends it, as debug.off() does.
   */
  nan(...models: Module[]): () => void {
    debug.off()
    const mine = new Watch(models)
    current = mine
    watch(mine)
    return () => {
      if (current === mine) debug.off()
    }
  },

  /** End debug.nan(). */
  off(): void {
    current?.end()
    current = null
    watch(null)
  },

  /** Is debug.nan() on? */
  get on(): boolean {
    return current !== null
  },
}
