// L-BFGS: curvature from the last few gradients instead of a matrix, for full batches.

import { recorder, turn } from '../memory.js'
import { Update } from '../kernels.js'
import { requireChoice, requireCount, ShapeError, show } from '../shape.js'
import { Tensor } from '../tensor.js'
import { addScaled, dot, vector, type Vector } from '../vectors.js'
import { strongWolfe, type Point } from './line-search.js'
import { Optimizer, type Group, type GroupOptions, type OptimizerState } from './optimizer.js'

export interface LBFGSOptions extends GroupOptions {
  /** Iterations of a step (default 20) */
  maxIter?: number
  /** Evaluations of the closure in a step (default ⌊1.25 maxIter⌋) */
  maxEval?: number
  /** A step ends when no element of the gradient exceeds this (default 1e-7) */
  toleranceGrad?: number
  /** … or when no parameter moves further, or the loss changes by less (default 1e-9) */
  toleranceChange?: number
  /** Pairs of changes remembered, each twice as large as the parameters (default 100) */
  historySize?: number
  /** strongWolfe chooses the length of each iteration's step by trying; null (default) takes lr */
  lineSearchFn?: 'strongWolfe' | null
}
type Full = Required<LBFGSOptions>

/** A change of the parameters, and of the gradient with it. */
interface Pair {
  s: Vector
  y: Vector
  /** 1 / sᵀy */
  rho: number
}
interface Memory {
  pairs: Pair[]
  direction: Vector
  gradient: Vector
  /** Since the first step: iterations and evaluations; length of the last iteration's step, and the loss before it */
  iterations: number
  evaluations: number
  length: number
  loss: number
}

/** Pairs of less curvature would make the next direction explode. */
const LEAST_CURVATURE = 1e-10

function largest(a: Vector): number {
  let most = 0
  for (const v of a) most = Math.max(most, Math.abs(v))
  return most
}
function sumOfSizes(a: Vector): number {
  let total = 0
  for (const v of a) total += Math.abs(v)
  return total
}
/**
 * Limited-memory BFGS (Nocedal, 1980; Liu and Nocedal, 1989): w += t d with d = −H g, H being the inverse Hessian that the last pairs
 * s = Δw, y = Δg tell, by the two loops q = g, then for the pairs from new to old α = sᵀq / sᵀy, q −= α y; r = (sᵀy / yᵀy) q, then from
 * old to new r += s (α − yᵀr / sᵀy); H g = r. t = lr (default 1; min(1, 1 / ‖g‖₁) lr in the first iteration), or from there found by a
 * line search for the strong Wolfe conditions. step(closure) evaluates the loss several times: for full batches, or a fixed one.
 * The vectors are kept and computed outside linear memory, in float64 rounded to the parameters' type. One parameter group only.
 */
export class LBFGS extends Optimizer<Full> {
  protected get update(): Update {
    return Update.sgd
  }
  #memory: Memory | null = null
  constructor(params: readonly Tensor[], options: Partial<LBFGSOptions> = {}) {
    const maxIter = options.maxIter ?? 20
    const defaults: Full = {
      lr: 1, maxIter, maxEval: Math.floor((maxIter * 5) / 4), toleranceGrad: 1e-7, toleranceChange: 1e-9, historySize: 100, lineSearchFn: null,
    }
    super('LBFGS', params, defaults, options)
    if (params.some(p => !(p instanceof Tensor))) {
      throw new TypeError('LBFGS: one list of parameters expected, got groups: it moves all by one direction')
    }
  }
  protected override validate(group: Group<Full>): void {
    super.validate(group)
    const { maxIter, maxEval, historySize, lineSearchFn } = group
    for (const [role, value] of Object.entries({ maxIter, maxEval, historySize })) requireCount('LBFGS', role, value, 1, RangeError)
    this.notNegative(group, 'toleranceGrad', 'toleranceChange')
    requireChoice('LBFGS', 'lineSearchFn', lineSearchFn, 'strongWolfe', null)
  }
  protected buffersOf(): readonly string[] {
    return []
  }
  protected scalarsOf(): readonly number[] {
    return []
  }

  get #params(): readonly Tensor[] {
    return this.groups[0]!.params
  }
  /** A vector as long as all parameters together, in their type */
  #vector(values: ArrayLike<number> | null = null): Vector {
    const all = vector(this.#params[0]!.backend, this.#params.reduce((n, p) => n + p.size, 0))
    if (values) all.set(values)
    return all
  }
  #gather(read: (p: Tensor) => Tensor | null): Vector {
    const all = this.#vector()
    let at = 0
    for (const p of this.#params) {
      const t = read(p)
      if (t) all.set(t.values(), at)
      at += p.size
    }
    return all
  }
  /** w = from + t d */
  #move(from: Vector, t: number, direction: Vector): void {
    const to = from.slice()
    addScaled(to, t, direction)
    let at = 0
    for (const p of this.#params) p.set(to.subarray(at, (at += p.size)))
  }
  /** Loss and gradient where the parameters are now. What the closure makes is freed. */
  #evaluate(closure: () => Tensor | number, memory: Memory): { loss: number; gradient: Vector } {
    return turn('LBFGS', memory.evaluations++, () => {
      const value = closure()
      const loss = typeof value === 'number' ? value : value?.item()
      if (typeof loss !== 'number') throw new TypeError(`LBFGS: a closure that returns the loss expected, got ${typeof value}`)
      return { loss, gradient: this.#gather(p => p.grad) }
    })
  }

  /**
   * Up to maxIter iterations. `closure` clears the gradients, computes the loss, calls backward() and returns the loss.
   * Returns the loss before the first of them.
   * @throws TypeError without a closure; Error in a captured step, since a line search decides by values
   */
  override step(closure?: () => Tensor | number): number {
    recorder?.refuse('LBFGS.step()')
    if (typeof closure !== 'function') {
      throw new TypeError(
        'LBFGS: step(closure) expected, with a function that clears the gradients, computes the loss, calls backward() and returns the loss',
      )
    }
    const { lr, maxIter, maxEval, toleranceGrad, toleranceChange, historySize, lineSearchFn } = this.groups[0]!
    const memory = (this.#memory ??= {
      pairs: [], direction: this.#vector(), gradient: this.#vector(), iterations: 0, evaluations: 0, length: 0, loss: 0,
    })
    const before = memory.evaluations
    let { loss, gradient } = this.#evaluate(closure, memory)
    const first = loss
    for (let n = 1; n <= maxIter && largest(gradient) > toleranceGrad; n++) {
      memory.iterations++
      if (memory.iterations > 1) remember(memory, gradient, historySize)
      const direction = this.#vector(descent(memory.pairs, gradient))
      const start = memory.iterations === 1 ? Math.min(1, 1 / sumOfSizes(gradient)) * lr : lr
      Object.assign(memory, { gradient, loss, direction, length: start })
      const slope = dot(gradient, direction)
      if (!(slope <= -toleranceChange)) break
      const from = this.#gather(p => p)
      if (lineSearchFn === 'strongWolfe') {
        const at = (t: number): Point => {
          this.#move(from, t, direction)
          const there = this.#evaluate(closure, memory)
          return { t, ...there, slope: dot(there.gradient, direction) }
        }
        const found = strongWolfe(at, { t: 0, loss, gradient, slope }, start, largest(direction), toleranceChange)
        memory.length = found.t
        ;({ loss, gradient } = found)
        this.#move(from, found.t, direction)
      } else {
        this.#move(from, start, direction)
        // what the last iteration finds is evaluated by the next step
        if (n < maxIter) ({ loss, gradient } = this.#evaluate(closure, memory))
      }
      const small = largest(direction) * memory.length <= toleranceChange || Math.abs(loss - memory.loss) < toleranceChange
      if (n < maxIter && (memory.evaluations - before >= maxEval || small)) break
    }
    return first
  }

  /** steps: iterations, evaluations, length of the last step and loss before it; buffers: direction, gradient, and s and y of each pair. */
  override stateDict(): OptimizerState {
    const groups = this.groups.map(({ params: _, ...options }) => options)
    const memory = this.#memory
    if (!memory) return { groups, steps: [], buffers: {} }
    const { iterations, evaluations, length, loss, direction, gradient, pairs } = memory
    const { backend } = this.#params[0]!
    const held = (v: Vector) => new Tensor([v.length], 'float32', backend).set(v)
    const buffers: Record<string, Tensor> = { direction: held(direction), gradient: held(gradient) }
    pairs.forEach(({ s, y }, i) => Object.assign(buffers, { [`${i}.s`]: held(s), [`${i}.y`]: held(y) }))
    return { groups, steps: [iterations, evaluations, length, loss], buffers }
  }
  override check(saved: OptimizerState): void {
    if (saved.groups.length !== 1 || (saved.steps.length !== 0 && saved.steps.length !== 4)) {
      throw new ShapeError(`LBFGS: a state of one group with four numbers expected, got ${saved.groups.length} groups and ${saved.steps.length} numbers`)
    }
    this.validate({ ...this.groups[0]!, ...saved.groups[0] } as Group<Full>)
    if (saved.steps.length === 0) return
    const { length } = this.#vector()
    for (const name of ['direction', 'gradient', ...pairNames(saved)]) {
      const t = saved.buffers[name]
      if (!t || t.size !== length) throw new ShapeError(`LBFGS: ${name} of ${length} elements expected, got ${t ? show(t.shape) : 'none'}`)
    }
  }
  override loadStateDict(saved: OptimizerState): void {
    this.check(saved)
    this.loadOptions(saved)
    if (saved.steps.length === 0) {
      this.#memory = null
      return
    }
    const [iterations, evaluations, length, loss] = saved.steps as [number, number, number, number]
    const read = (name: string) => this.#vector(saved.buffers[name]!.values())
    const pairs = Array.from({ length: pairNames(saved).length / 2 }, (_, i): Pair => {
      const [s, y] = [read(`${i}.s`), read(`${i}.y`)]
      return { s, y, rho: 1 / dot(s, y) }
    })
    this.#memory = { pairs, direction: read('direction'), gradient: read('gradient'), iterations, evaluations, length, loss }
  }
}

/** Names of all vectors of pairs up to the last one that is there at all */
function pairNames({ buffers }: OptimizerState): string[] {
  let count = 0
  while (buffers[`${count}.s`] || buffers[`${count}.y`]) count++
  return Array.from({ length: count }, (_, i) => [`${i}.s`, `${i}.y`]).flat()
}

/** What the last move did to the gradient becomes a pair; the oldest makes room. */
function remember({ pairs, direction, gradient: last, length }: Memory, gradient: Vector, most: number): void {
  const y = gradient.map((v, i) => v - last[i]!) as Vector
  const s = direction.map(v => v * length) as Vector
  const curvature = dot(s, y)
  if (!(curvature > LEAST_CURVATURE)) return
  while (pairs.length >= most) pairs.shift()
  pairs.push({ s, y, rho: 1 / curvature })
}

/** −H g by the two loops */
function descent(pairs: readonly Pair[], gradient: Vector): Float64Array {
  const q = Float64Array.from(gradient, v => -v)
  const weights = pairs.map(() => 0)
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]!
    weights[i] = dot(s, q) * rho
    addScaled(q, -weights[i]!, y)
  }
  const last = pairs.at(-1)
  if (!last) return q
  const scale = 1 / (last.rho * dot(last.y, last.y))
  for (let i = 0; i < q.length; i++) q[i]! *= scale
  pairs.forEach(({ s, y, rho }, i) => addScaled(q, weights[i]! - dot(y, q) * rho, s))
  return q
}
