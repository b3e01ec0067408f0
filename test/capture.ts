// Captured steps compute bit for bit what the same steps compute eagerly.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, BatchNorm1d, BatchNorm2d, capture, Conv2d, CosineAnnealingLR, crossEntropy, Dropout, Flatten, info, Linear, manualSeed, MaxPool2d, onBackend,
  parameter, rand, randn, ReLU, scope, Sequential, SGD, StepLR, steps, tensor, type BackendName, type Captured, type Module, type Optimizer, type Schedule,
  type Tensor,
} from 'hebb'

const BACKENDS: BackendName[] = info().backend === 'wasm' ? ['wasm', 'reference'] : ['reference']

interface Learner {
  model: Module
  optimizer: Optimizer<any>
  schedule?: Schedule
  /** Sizes of an input without the batch, and classes */
  shape: number[]
  classes: number
}
type Step = (x: Tensor, y: Tensor) => Tensor

const trainStep = ({ model, optimizer, schedule }: Learner): Step => (x, y) => {
  const loss = crossEntropy(model.forward(x) as Tensor, y)
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  schedule?.step()
  return loss
}

/** Everything that a training leaves, by name: losses, parameters, running statistics, the optimizer's state. */
type Trace = Record<string, ArrayLike<number>>

function trace(make: () => Learner, count: number, batch: number, use: (step: Step) => Step, change?: (i: number, learner: Learner) => void): Trace {
  return scope(() => {
    manualSeed(7)
    const learner = make()
    const step = use(trainStep(learner))
    const losses: number[] = []
    const rates: number[] = []
    for (const i of steps(count)) {
      change?.(i, learner)
      const x = randn([batch, ...learner.shape])
      const y = tensor(Array.from({ length: batch }, (_, j) => (i + 3 * j) % learner.classes), { dtype: 'int32' })
      losses.push(step(x, y).item())
      rates.push(learner.optimizer.lr)
    }
    const { buffers, steps: taken } = learner.optimizer.stateDict()
    const result: Trace = { losses, rates, taken, random: rand([3]).values() }
    for (const [name, t] of Object.entries({ ...learner.model.stateDict(), ...buffers })) result[name] = t.values()
    assert.ok(losses.every(Number.isFinite) && new Set(losses).size === count, 'losses are numbers, and differ')
    if ('dispose' in step) (step as unknown as Captured<[Tensor, Tensor], Tensor>).dispose()
    return result
  })
}

/** What differs first, or null */
function difference(got: Trace, expected: Trace): string | null {
  const names = Object.keys(expected)
  if (Object.keys(got).join() !== names.join()) return `${Object.keys(got)} instead of ${names}`
  for (const name of names) {
    const [a, b] = [got[name]!, expected[name]!]
    for (let i = 0; i < Math.max(a.length, b.length); i++) if (!Object.is(a[i], b[i])) return `${name}[${i}] is ${a[i]}, eager ${b[i]}`
  }
  return null
}

function sameBits(make: () => Learner, { count = 50, batch = 6, change }: { count?: number; batch?: number; change?: (i: number, learner: Learner) => void } = {}): void {
  const eager = trace(make, count, batch, step => step, change)
  let calls = 0
  const captured = trace(make, count, batch, step => {
    const program = capture(step)
    return Object.assign((x: Tensor, y: Tensor) => {
      const loss = program(x, y)
      calls = program.calls
      return loss
    }, { dispose: program.dispose })
  }, change)
  assert.is(difference(captured, eager), null)
  assert.ok(calls > 5, `a program of ${calls} calls was replayed`)
}

const mlp = (): Module => new Sequential(new Linear(5, 8), new ReLU(), new Linear(8, 3))
const learner = (model: Module, optimizer: (p: Tensor[]) => Optimizer<any>, shape: number[], classes: number): Learner =>
  ({ model, optimizer: optimizer(model.parameters()), shape, classes })

const lenet = (): Module => new Sequential(
  new Conv2d(1, 6, 5, { padding: 2 }), new ReLU(), new MaxPool2d(2), new Conv2d(6, 16, 5), new ReLU(), new MaxPool2d(2), new Flatten(),
  new Linear(400, 120), new ReLU(), new Dropout(0.5), new Linear(120, 84), new ReLU(), new Dropout(0.2), new Linear(84, 10),
)
/** Two layers, one with the average over all batches, and a layer that is used twice in a step */
class Normalised extends Sequential {
  readonly twice = new BatchNorm1d(4, { momentum: null })
  constructor() {
    super(new Conv2d(2, 4, 3), new BatchNorm2d(4), new ReLU(), new Conv2d(4, 4, 3), new BatchNorm2d(4, { momentum: null }), new ReLU(), new Flatten(), new Linear(16, 4))
  }
  override forward(x: Tensor): Tensor {
    return this.twice.forward(this.twice.forward(super.forward(x)).mul(2).add(1))
  }
}

for (const backend of BACKENDS) {
  const on = (name: string, f: () => void) => test(`${backend}: ${name}`, () => onBackend(backend, f))

  on('an MLP with SGD and momentum', () => {
    sameBits(() => learner(mlp(), p => new SGD(p, { lr: 0.1, momentum: 0.9, weightDecay: 1e-3, nesterov: true }), [5], 3))
    sameBits(() => learner(mlp(), p => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.5 }), [5], 3))
    sameBits(() => learner(mlp(), p => new SGD(p, { lr: 0.1 }), [5], 3))
  })

  on('LeNet with dropout and Adam', () => {
    // the reference takes 40 times as long
    const size = backend === 'wasm' ? { count: 50, batch: 8 } : { count: 5, batch: 2 }
    sameBits(() => learner(lenet(), p => new Adam(p, { amsgrad: true, weightDecay: 1e-4 }), [1, 28, 28], 10), size)
  })

  on('batch normalisation, its running statistics among the result', () => {
    sameBits(() => learner(new Normalised(), p => new SGD(p, { lr: 0.05, momentum: 0.5 }), [2, 6, 6], 4))
  })

  on('schedules that step inside, before and after the optimizer', () => {
    for (const make of [(o: Optimizer<any>) => new StepLR(o, { stepSize: 7, gamma: 0.5 }), (o: Optimizer<any>) => new CosineAnnealingLR(o, { tMax: 50, etaMin: 1e-3 })]) {
      sameBits(() => {
        const l = learner(mlp(), p => new Adam(p, { lr: 0.01 }), [5], 3)
        return { ...l, schedule: make(l.optimizer) }
      })
    }
    sameBits(() => {
      const l = learner(mlp(), p => new SGD(p, { lr: 0.1, momentum: 0.9 }), [5], 3)
      const schedule = new CosineAnnealingLR(l.optimizer, { tMax: 25 })
      const { model } = l
      const forward = model.forward.bind(model)
      model.forward = x => {
        schedule.step()
        return forward(x)
      }
      return l
    })
  })

  on('options that change between steps take effect', () => {
    sameBits(() => learner(mlp(), p => new SGD(p, { lr: 0.1 }), [5], 3), { change: (i, { optimizer }) => (optimizer.lr = 0.1 / (i + 1)) })
    sameBits(() => learner(mlp(), p => new Adam(p), [5], 3), {
      change: (i, { optimizer }) => void (optimizer.groups[0]!.weightDecay = i % 3 ? 0 : 0.1),
    })
  })

  on('momentum that begins while the step is recorded', () => {
    const make = () => learner(mlp(), p => new SGD(p, { lr: 0.1 }), [5], 3)
    sameBits(make, { change: (i, { optimizer }) => void (optimizer.groups[0]!.momentum = i === 0 ? 0 : 0.9) })
  })

  on('two optimizer steps in one program', () => {
    const run = (captured: boolean) => scope(() => {
      manualSeed(2)
      const w = parameter([1, -2, 3])
      const optimizer = new Adam([w], { lr: 0.1 })
      const twice = () => {
        for (let i = 0; i < 2; i++) {
          optimizer.zeroGrad()
          w.mul(w).sum().backward()
          optimizer.step()
        }
      }
      const step = captured ? capture(twice) : twice
      for (let i = 0; i < 10; i++) step()
      return [...w.values()]
    })
    assert.equal(run(true), run(false))
  })
}

test.run()
