// SGD and Adam against loops written out in float64, parameter groups, saved states, and learning-rate schedules.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adagrad, Adam, Conv2d, CosineAnnealingLR, Generator, info, LBFGS, Linear, onBackend, parameter, Rprop, scope, Sequential, SGD, StepLR, steps, sum,
  tensor, type AdamOptions, type BackendName, type SGDOptions, type Tensor,
} from 'hebb'

const STEPS = 20
const SIZE = 7
type Rule = (w: number, g: number, t: number, state: number[]) => number
type Stepping = { step(): void; zeroGrad(): void }

/** Gradients of each step: the same for the optimizer and the loop */
const slopes = (() => {
  const generator = new Generator(1)
  return Array.from({ length: STEPS }, () => Array.from({ length: SIZE }, () => generator.normal()))
})()
const start = [1, -2, 0.5, 3, -0.25, 0, 10]

/** Weights after every step of an optimizer whose gradients are `slopes`. */
function run(make: (w: Tensor) => Stepping, change?: (optimizer: Stepping, t: number) => void): number[][] {
  const w = parameter(start)
  const optimizer = make(w)
  return slopes.map((slope, t) => scope(() => {
    change?.(optimizer, t)
    optimizer.zeroGrad()
    sum(w.mul(tensor(slope))).backward()
    optimizer.step()
    return [...w.values()]
  }))
}

/** The same, one weight at a time. */
function loop(rule: Rule): number[][] {
  const states = start.map(() => [0, 0, 0])
  let w = start
  return slopes.map((slope, i) => (w = w.map((v, j) => rule(v, slope[j]!, i + 1, states[j]!))))
}

function agree(name: string, make: (w: Tensor) => Stepping, rule: Rule, change?: (optimizer: Stepping, t: number) => void): void {
  const expected = loop(rule)
  for (const [backend, limit] of [['reference64', 1e-13], [info().backend, 3e-6]] as [BackendName, number][]) {
    onBackend(backend, () => run(make, change)).forEach((row, t) => row.forEach((v, i) => {
      const error = Math.abs(v - expected[t]![i]!) / (1 + Math.abs(expected[t]![i]!))
      assert.ok(error <= limit, `${name} on ${backend}, step ${t + 1}, weight ${i}: ${v}, expected ${expected[t]![i]}`)
    }))
  }
}

function sgd({ lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false }: SGDOptions): Rule {
  return (w, g, t, s) => {
    g += weightDecay * w
    if (momentum > 0) {
      s[0] = t === 1 ? g : momentum * s[0]! + (1 - dampening) * g
      g = nesterov ? g + momentum * s[0] : s[0]
    }
    return w - lr * g
  }
}
function adam(options: Partial<AdamOptions>): Rule {
  const { lr = 1e-3, betas: [b1, b2] = [0.9, 0.999], eps = 1e-8, weightDecay = 0, amsgrad = false } = options
  return (w, g, t, s) => {
    g += weightDecay * w
    s[0] = b1 * s[0]! + (1 - b1) * g
    s[1] = b2 * s[1]! + (1 - b2) * g * g
    s[2] = Math.max(s[2]!, s[1])
    const v = (amsgrad ? s[2] : s[1]) / (1 - b2 ** t)
    return w - (lr * (s[0] / (1 - b1 ** t))) / (Math.sqrt(v) + eps)
  }
}

test('SGD', () => {
  for (const options of [
    { lr: 0.1 }, { lr: 0.1, weightDecay: 0.3 }, { lr: 0.05, momentum: 0.9 }, { lr: 0.05, momentum: 0.9, dampening: 0.5 },
    { lr: 0.05, momentum: 0.9, nesterov: true },
    { lr: 0.05, momentum: 0.7, dampening: 0.2, weightDecay: 0.1 }, { lr: 0.05, momentum: 0.7, nesterov: true, weightDecay: 0.1 },
  ]) agree(`SGD ${JSON.stringify(options)}`, w => new SGD([w], options), sgd(options))
})

test('Adam', () => {
  for (const options of [
    {}, { lr: 0.1 }, { lr: 0.1, betas: [0.5, 0.9] as const, eps: 1e-2 }, { lr: 0.1, weightDecay: 0.2 },
    { lr: 0.1, betas: [0.5, 0.6] as const, amsgrad: true },
  ]) {
    agree(`Adam ${JSON.stringify(options)}`, w => new Adam([w], options), adam(options))
  }
  const first = run(w => new Adam([w], { lr: 0.25 }))[0]!
  first.forEach((v, i) =>
    assert.ok(Math.abs(Math.abs(v - start[i]!) - 0.25) < 1e-5, 'the first step is lr long in every direction'))
})

test('options may change between steps', () => {
  const rate = (t: number) => 0.1 / (1 + t)
  agree('a new lr each step', w => new SGD([w], { lr: 1, momentum: 0.9 }),
    (w, g, t, s) => sgd({ lr: rate(t - 1), momentum: 0.9 })(w, g, t, s), (o, t) => ((o as SGD).lr = rate(t)))
  agree('momentum from the sixth step on', w => new SGD([w], { lr: 0.1 }),
    (w, g, t, s) => sgd({ lr: 0.1, momentum: t > 5 ? 0.9 : 0 })(w, g, t, s), (o, t) => {
    if (t === 5) (o as SGD).groups[0]!.momentum = 0.9
  })
})

test('the first momentum is the gradient as it is, whenever it begins', () => {
  const w = parameter([10])
  const optimizer = new SGD([w], { lr: 1, dampening: 0.5 })
  const after = [0, 0.9, 0.9, 0, 0.9].map(momentum => scope(() => {
    optimizer.groups[0]!.momentum = momentum
    // it makes the buffer
    optimizer.stateDict()
    optimizer.zeroGrad()
    sum(w).backward()
    optimizer.step()
    return w.item()
  }))
  // PyTorch's u: none, 1, 1.4, none, 1.76
  ;[9, 8, 6.6, 5.6, 3.84].forEach((v, i) => assert.ok(Math.abs(after[i]! - v) < 1e-5, `${after}`))
})

test('buffers begin with values of the backend\'s own width', () => onBackend('reference64', () => {
  for (const make of [(w: Tensor) => new Rprop([w], { lr: 0.1 }), (w: Tensor) => new Adagrad([w], { initialAccumulatorValue: 0.1 })]) {
    const w = parameter([1])
    const optimizer = make(w)
    const first = () => Object.values(optimizer.stateDict().buffers)[0]!.item()
    sum(w.mul(0)).backward()
    optimizer.step()
    assert.is(first(), 0.1)
    // of a state without steps
    optimizer.loadStateDict({ ...optimizer.stateDict(), steps: [0], buffers: {} })
    assert.is(first(), 0.1)
  }
}))

test('parameter groups have options of their own', () => {
  const [a, b, c] = [parameter([1]), parameter([1]), parameter([1])]
  const optimizer = new SGD([{ params: [a] }, { params: [b, c], lr: 0.5, momentum: 0.9 }], { lr: 0.1 })
  assert.equal(optimizer.groups.map(g => [g.lr, g.momentum, g.params.length]), [[0.1, 0, 1], [0.5, 0.9, 2]])
  for (const _ of steps(2)) {
    optimizer.zeroGrad()
    sum(a.add(b)).backward()
    optimizer.step()
  }
  const near = (t: Tensor, v: number) => assert.ok(Math.abs(t.item() - v) < 1e-6, `${t} ${v}`)
  near(a, 0.8)
  near(b, 1 - 0.5 - 0.5 * 1.9)
  near(c, 1)
  assert.equal(optimizer.stateDict().steps, [2, 2, 0], 'a parameter without a gradient takes no step')
  assert.is(optimizer.lr, 0.1)
  optimizer.lr = 0.2
  assert.equal(optimizer.groups.map(g => g.lr), [0.2, 0.2])
})

test('a saved state goes on bit for bit', () => {
  for (const make of [
    (w: Tensor) => new SGD([w], { lr: 0.1, momentum: 0.9, dampening: 0.3 }), (w: Tensor) => new Adam([w], { lr: 0.1 }),
    (w: Tensor) => new Adam([w], { lr: 0.1, amsgrad: true }),
  ]) {
    const whole = run(make)
    const w = parameter(start)
    const half = make(w)
    const drive = (optimizer: Stepping, v: Tensor, from: number, to: number) => {
      for (const t of steps(to - from)) {
        optimizer.zeroGrad()
        sum(v.mul(tensor(slopes[from + t]!))).backward()
        optimizer.step()
      }
    }
    drive(half, w, 0, 9)
    const saved = half.stateDict()
    assert.equal(saved.steps, [9])
    const [again, other] = [parameter(w), new Adam([parameter(start)])]
    const resumed = make(again)
    // what it did before is forgotten
    drive(resumed, again, 3, 5)
    again.set(w.values())
    resumed.loadStateDict({ ...saved, groups: JSON.parse(JSON.stringify(saved.groups)) as Record<string, unknown>[] })
    drive(resumed, again, 9, STEPS)
    assert.equal([...again.values()], whole[STEPS - 1])
    drive(half, w, 9, STEPS)
    assert.equal([...w.values()], whole[STEPS - 1], 'the saved one was not disturbed')
    assert.equal(other.stateDict().buffers, {})
  }
})

test('a state has no say in which tensors are the parameters', () => {
  for (const make of [(p: Tensor) => new SGD([p], { lr: 0.5 }), (p: Tensor) => new LBFGS([p])]) {
    const p = parameter([1])
    const optimizer = make(p)
    const state = optimizer.stateDict()
    optimizer.loadStateDict({ ...state, groups: [{ ...state.groups[0], params: ['another'] }] })
    assert.ok(optimizer.groups[0]!.params[0] === p && optimizer.groups[0]!.params.length === 1)
  }
})

test('loading brings the options along, and a fresh state clears a used one', () => {
  const [a, b] = [parameter([1]), parameter([1])]
  const [plain, amsgrad] = [new Adam([a], { lr: 0.5 }), new Adam([b], { lr: 0.1, amsgrad: true })]
  const step = (w: Tensor, optimizer: Stepping, slope: number) => scope(() => {
    optimizer.zeroGrad()
    sum(w.mul(slope)).backward()
    optimizer.step()
  })
  step(b, amsgrad, 3)
  plain.loadStateDict(amsgrad.stateDict())
  a.set(b.values())
  assert.equal([plain.lr, plain.groups[0]!.amsgrad], [0.1, true])
  for (const slope of [0.1, -0.1]) {
    step(a, plain, slope)
    step(b, amsgrad, slope)
  }
  assert.is(a.item(), b.item())
  const fresh = new Adam([parameter([1])], { lr: 0.5 }).stateDict()
  plain.loadStateDict(fresh)
  assert.equal(plain.stateDict().steps, [0])
  a.set([1])
  step(a, plain, 2)
  assert.ok(Math.abs(a.item() - 0.5) < 1e-6, 'a first step again')
})

test('state lives and ends with its parameter, and a step makes no more of it', () => {
  const model = new Sequential(new Conv2d(1, 2, 3), new Linear(2, 2))
  const optimizer = new Adam(model.parameters())
  const { buffers } = info().memory
  const turn = () => scope(() => {
    optimizer.zeroGrad()
    sum(model.parameters().map(p => sum(p.mul(p))).reduce((a, b) => a.add(b))).backward()
    optimizer.step()
  })
  turn()
  const after = info().memory.buffers
  turn()
  assert.is(info().memory.buffers, after)
  model.dispose()
  assert.is(info().memory.buffers, buffers - model.parameters().length)
})

test('zeroGrad clears, and step without gradients does nothing', () => {
  const w = parameter([1, 2])
  const optimizer = new SGD([w], { lr: 1 })
  optimizer.step()
  assert.equal(w.array(), [1, 2])
  sum(w).backward()
  optimizer.zeroGrad()
  assert.is(w.grad, null)
  optimizer.step()
  assert.equal(w.array(), [1, 2])
})

test('StepLR and CosineAnnealingLR follow their formulas, for every group', () => {
  const optimizer = () => new SGD([{ params: [parameter([1])], lr: 0.8 }, { params: [parameter([1])], lr: 0.2 }], { lr: 1 })
  const rates = (o: SGD) => o.groups.map(g => g.lr)
  const near = (a: number[], b: number[]) => a.forEach((v, i) => assert.ok(Math.abs(v - b[i]!) < 1e-15, `${a} expected ${b}`))
  const a = optimizer()
  const stepped = new StepLR(a, { stepSize: 3, gamma: 0.5 })
  for (let t = 0; t < 10; t++) {
    near(rates(a), [0.8, 0.2].map(lr => lr * 0.5 ** Math.floor(t / 3)))
    stepped.step()
  }
  assert.is(stepped.steps, 10)
  const b = optimizer()
  const cosine = new CosineAnnealingLR(b, { tMax: 8, etaMin: 0.1 })
  for (let t = 0; t < 12; t++) {
    near(rates(b), [0.8, 0.2].map(lr => 0.1 + ((lr - 0.1) * (1 + Math.cos((Math.PI * t) / 8))) / 2))
    cosine.step()
  }
  cosine.goTo(8)
  near(rates(b), [0.1, 0.1])
  cosine.goTo(0)
  near(rates(b), [0.8, 0.2])
  const c = optimizer()
  new StepLR(c, { stepSize: 1 }).step()
  near(rates(c), [0.08, 0.02])
})

test.run()
