// The learning-rate range test: a short training at ever larger rates, to see where it learns fastest and where it breaks.

import { capture, crossEntropy, DataLoader, engine, tensor, turn, type Module, type Optimizer, type Tensor } from 'hebb'
import { lossFunction, type LossFunction } from './evaluate.js'

export interface RangeTestOptions {
  optimizer: Optimizer<any>
  /** Scalar loss of the model's output and the targets (default crossEntropy) */
  loss?: Module | LossFunction
  /** First and last learning rate (default 1e-7 and 10) */
  from?: number
  to?: number
  /** Training steps (default 100) */
  steps?: number
  /** Share of the past in the smoothed loss, 0..1 (default 0.9) */
  smoothing?: number
  /** Ends where the smoothed loss exceeds its best by this factor (default 4; Infinity: only where it is no number) */
  divergence?: number
}

export interface RangeTestPoint {
  lr: number
  loss: number
  /** Average of the losses so far, later ones weighing more */
  smoothed: number
}

export interface RangeTest {
  /** One point a step; shorter than `steps` if the loss diverged */
  curve: RangeTestPoint[]
  /** The rate at which the smoothed loss fell fastest per factor of the rate, or null if it never fell */
  suggestion: number | null
  /** The rate of the smallest smoothed loss: too large to train with, a tenth of it is the other common choice */
  lowest: number | null
}

/**
 * Trains for `steps` batches while the learning rate of all groups grows evenly in its logarithm: lrᵢ = from (to / from)^(i / (steps − 1))
 * (Smith, 2017). The smoothed loss is sᵢ / (1 − βⁱ⁺¹) with sᵢ = β sᵢ₋₁ + (1 − β) lossᵢ. Afterwards model, optimizer, gradients, modes, loader
 * and random numbers are as they were.
 * @throws RangeError for options out of range
 */
export function lrRangeTest(model: Module, loader: DataLoader, options: RangeTestOptions): RangeTest {
  const { optimizer, loss: given = crossEntropy, from = 1e-7, to = 10, steps = 100, smoothing = 0.9, divergence = 4 } =
    engine.requireOptions('lrRangeTest', options, 'optimizer loss from to steps smoothing divergence')
  const lossOf = lossFunction('lrRangeTest', given)
  if (typeof optimizer?.step !== 'function') {
    throw new TypeError(`lrRangeTest: an optimizer expected, new SGD(model.parameters(), { lr: 0.1 }) for instance, got ${typeof optimizer}`)
  }
  if (!(loader instanceof DataLoader)) throw new TypeError(`lrRangeTest: a DataLoader of (x, y) expected, got ${typeof loader}: new DataLoader(dataset)`)
  if (!(from > 0 && to > from && to < Infinity)) throw new RangeError(`lrRangeTest: rates 0 < from < to expected, got ${from} and ${to}`)
  if (!(Number.isInteger(steps) && steps >= 2)) throw new RangeError(`lrRangeTest: a whole number of steps ≥ 2 expected, got ${steps}`)
  if (!(smoothing >= 0 && smoothing < 1)) throw new RangeError(`lrRangeTest: smoothing in [0, 1) expected, got ${smoothing}`)
  if (!(divergence > 1)) throw new RangeError(`lrRangeTest: divergence > 1 expected, got ${divergence}`)

  const restore = remember(model, loader, optimizer)
  const step = (x: Tensor, y: Tensor): Tensor => {
    const loss = lossOf(model.forward(x) as Tensor, y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
  const run = capture(step)
  const curve: RangeTestPoint[] = []
  let average = 0
  let share = 1
  let best = Infinity
  try {
    model.train()
    let batches = loader.batches()
    for (let i = 0; i < steps; i++) {
      const lr = from * engine.pow(to / from, i / (steps - 1))
      const loss = turn('lrRangeTest', i, () => {
        let next = batches.next()
        if (next.done) next = (batches = loader.batches()).next()
        const [x, y] = next.value ?? []
        if (!x || !y) throw new TypeError('lrRangeTest: batches (x, y) expected, got batches of one tensor: give the data set a second part')
        optimizer.lr = lr
        return run(x, y).item()
      })
      if (!Number.isFinite(loss)) break
      average = smoothing * average + (1 - smoothing) * loss
      share *= smoothing
      const smoothed = average / (1 - share)
      curve.push({ lr, loss, smoothed })
      if (smoothed < best) best = smoothed
      else if (best > 0 && smoothed > divergence * best) break
    }
  } finally {
    run.dispose()
    restore()
  }
  return { curve, ...judge(curve, smoothing) }
}

/** Everything that training changes, and a function that puts it back. */
function remember(model: Module, loader: DataLoader, optimizer: Optimizer<any>): () => void {
  const modes = [...model.namedModules()].map(([, m]) => [m, m.training] as const)
  const trained: Tensor[] = optimizer.groups.flatMap(group => group.params)
  const tensors = [...new Set([...Object.values(model.stateDict()), ...trained])].map(t => [t, t.values()] as const)
  const gradients = tensors.map(([t]) => [t, t.grad?.values()] as const)
  const { groups, steps, buffers } = optimizer.stateDict()
  // the optimizer's own tensors go on changing
  const copies = Object.entries(buffers).map(([name, t]) => [name, t.shape, t.values()] as const)
  const saved = { groups: groups.map(group => ({ ...group })), steps: [...steps] }
  const position = loader.state
  const random = engine.randomState()
  return () => {
    for (const [t, values] of tensors) t.set(values)
    for (const [t, values] of gradients) {
      t.zeroGrad()
      if (!values) continue
      t.gradient!.set(values)
      t.stale = false
    }
    const held = Object.fromEntries(copies.map(([name, shape, values]) => [name, tensor(values, shape)]))
    optimizer.loadStateDict({ ...saved, buffers: held })
    for (const t of Object.values(held)) t.dispose()
    for (const [m, training] of modes) m.training = training
    loader.state = position
    engine.restoreRandomState(random)
  }
}

/** Where the smoothed loss is lowest, and where it falls fastest on the way there. */
function judge(curve: readonly RangeTestPoint[], smoothing: number): { suggestion: number | null; lowest: number | null } {
  let lowest = 0
  curve.forEach((point, i) => {
    if (point.smoothed < curve[lowest]!.smoothed) lowest = i
  })
  // the first averages are of few losses, and a difference of neighbours shows little but noise
  const begin = Math.min(Math.ceil(1 / (1 - smoothing)), Math.floor(lowest / 2))
  const reach = Math.max(1, Math.floor(lowest / 10))
  let steepest = -1
  let most = 0
  // the rates are evenly spaced in their logarithm, so differences are slopes
  for (let i = begin + reach; i + reach <= lowest; i++) {
    const fall = curve[i - reach]!.smoothed - curve[i + reach]!.smoothed
    if (fall > most) {
      most = fall
      steepest = i
    }
  }
  return { suggestion: steepest < 0 ? null : curve[steepest]!.lr, lowest: lowest === 0 ? null : curve[lowest]!.lr }
}
