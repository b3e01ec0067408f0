// What all optimizers and schedules share: captured steps, saved states, clipping; and what PyTorch's golden vectors don't cover.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adadelta, Adagrad, Adam, Adamax, AdamW, capture, ChainedScheduler, clipGradNorm, clipGradValue, ConstantLR, CyclicLR, ExponentialLR, Generator, LambdaLR,
  Linear, LinearLR, Lion, manualSeed, MultiStepLR, NAdam, OneCycleLR, parameter, RAdam, ReduceLROnPlateau, RMSprop, Rprop, scope, SequentialLR, SGD, StepLR, steps, sum,
  tensor, type Optimizer, type Schedule, type Tensor,
} from 'hebb'

const MAKERS: [string, (params: Tensor[]) => Optimizer<any>][] = [
  ['SGD', p => new SGD(p, { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 })],
  ['SGD classic', p => new SGD(p, { lr: 0.05, momentum: 0.9, form: 'classic' })],
  ['SGD classic nesterov', p => new SGD(p, { lr: 0.05, momentum: 0.9, form: 'classic', nesterov: true })],
  ['Adagrad', p => new Adagrad(p, { lrDecay: 0.1, initialAccumulatorValue: 0.5 })],
  ['Adadelta', p => new Adadelta(p)],
  ['RMSprop', p => new RMSprop(p, { momentum: 0.9, centered: true })],
  ['RMSprop momentum', p => new RMSprop(p, { momentum: 0.9 })],
  ['Adam', p => new Adam(p, { amsgrad: true })],
  ['Adamax', p => new Adamax(p)],
  ['NAdam', p => new NAdam(p)],
  ['AdamW', p => new AdamW(p)],
  ['RAdam', p => new RAdam(p)],
  ['Rprop', p => new Rprop(p)],
  ['Lion', p => new Lion(p, { weightDecay: 0.1 })],
]

const batches = (() => {
  const generator = new Generator(2)
  return Array.from({ length: 12 }, () => Float32Array.from({ length: 5 * 4 }, () => generator.normal()))
})()

/** A small regression under an optimizer, from the start or from where `training` was left. */
interface Training {
  model: Linear
  optimizer: Optimizer<any>
  schedule: Schedule
}
function begin(make: (params: Tensor[]) => Optimizer<any>): Training {
  manualSeed(3)
  const model = new Linear(4, 3)
  const optimizer = make(model.parameters())
  return { model, optimizer, schedule: new OneCycleLR(optimizer, { maxLr: 0.1, totalSteps: 12, cycleMomentum: optimizer.groups[0].momentum !== 0 }) }
}
function train({ model, optimizer, schedule }: Training, from: number, to: number, captured: boolean): void {
  const step = (x: Tensor): Tensor => {
    if (optimizer instanceof SGD) optimizer.lookAhead()
    const loss = model.forward(x).tanh().sub(0.3).square().mean()
    optimizer.zeroGrad()
    loss.backward()
    clipGradNorm(model.parameters(), 0.3)
    optimizer.step()
    schedule.step()
    return loss
  }
  const run = captured ? capture(step) : step
  for (const i of steps(to - from)) run(tensor(batches[from + i]!, [5, 4]))
}
const weights = ({ model }: Training): number[] => model.parameters().flatMap(p => [...p.values()])

test('a captured step of every optimizer, with clipping and a schedule of rate and momentum, equals the eager one bit for bit', () => {
  for (const [name, make] of MAKERS) {
    const [eager, replayed] = [begin(make), begin(make)]
    train(eager, 0, 12, false)
    train(replayed, 0, 12, true)
    assert.equal(weights(replayed), weights(eager), name)
    assert.ok(weights(eager).every(Number.isFinite), name)
  }
})

test('every optimizer and its schedule go on from a saved state bit for bit', () => {
  for (const [name, make] of MAKERS) {
    const whole = begin(make)
    train(whole, 0, 12, false)
    const first = begin(make)
    train(first, 0, 5, false)
    const state = first.optimizer.stateDict()
    const next = begin(make)
    next.model.loadStateDict(first.model.stateDict())
    next.optimizer.loadStateDict({ ...state, groups: JSON.parse(JSON.stringify(state.groups)) })
    next.schedule.restore(JSON.parse(JSON.stringify(first.schedule.save())))
    train(next, 5, 12, false)
    assert.equal(weights(next), weights(whole), name)
  }
})

test('Lion follows its formula', () => {
  const w = parameter([1, -2, 0.5])
  const optimizer = new Lion([w], { lr: 0.25, betas: [0.5, 0.75], weightDecay: 0.5 })
  let [expected, m] = [[1, -2, 0.5], [0, 0, 0]]
  for (const g of [[1, -1, 0], [-4, 0.5, 0], [0.25, 8, -2]]) {
    optimizer.zeroGrad()
    sum(w.mul(tensor(g))).backward()
    optimizer.step()
    expected = expected.map((v, i) => v * (1 - 0.125) - 0.25 * Math.sign(0.5 * m[i]! + 0.5 * g[i]!))
    m = m.map((v, i) => 0.75 * v + 0.25 * g[i]!)
    assert.equal([...w.values()], expected)
  }
})

test('classic Nesterov asks for lookAhead()', () => {
  const w = parameter([1])
  const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9, form: 'classic', nesterov: true })
  sum(w).backward()
  assert.throws(() => optimizer.step(), /SGD: the classic form of nesterov takes gradients ahead of the parameters: call lookAhead\(\)/)
  assert.throws(() => new SGD([w], { lr: 0.1, momentum: 0.9, form: 'classic', dampening: 0.5 }), /SGD: the classic form has no dampening/)
})

test('options out of range are refused by every optimizer', () => {
  const w = [parameter([1])]
  const refused: [() => unknown, RegExp][] = [
    [() => new Adagrad(w, { lrDecay: -1 }), /Adagrad: lrDecay ≥ 0 expected, got -1/],
    [() => new Adadelta(w, { rho: 2 }), /Adadelta: rho in 0\.\.1/],
    [() => new RMSprop(w, { alpha: -1 }), /RMSprop: alpha in 0\.\.1/],
    [() => new NAdam(w, { betas: [0.9, 1] }), /NAdam: two betas in \[0, 1\) expected, got \[0\.9,1\]/],
    [() => new AdamW(w, { betas: [0.9] as unknown as [number, number] }), /AdamW: two betas/],
    [() => new Adamax(w, { eps: -1 }), /Adamax: eps ≥ 0/],
    [() => new RAdam(w, { lr: -1 }), /RAdam: a learning rate lr ≥ 0/],
    [() => new Rprop(w, { etas: [1.2, 0.5] }), /Rprop: etas in \(0, 1\) and above 1/],
    [() => new Rprop(w, { stepSizes: [1, 0] }), /Rprop: stepSizes \[smallest, largest\]/],
    [() => new Rprop(w, { etas: 0.5 as never }), /Rprop: etas in \(0, 1\) and above 1 expected, got \[0\.5\]/],
    [() => new Rprop(w, { stepSizes: 1 as never }), /Rprop: stepSizes \[smallest, largest\] expected, got \[1\]/],
    [() => new Lion(w, { betas: [2, 0] }), /Lion: two betas in 0\.\.1/],
    [() => new Lion(w, { betas: 0.9 as never }), /Lion: two betas in 0\.\.1 expected, got \[0\.9\]/],
  ]
  for (const [make, message] of refused) assert.throws(make, message)
})

test('clipping: what it returns, refuses, and how it meets infinities', () => {
  scope(() => {
    const [a, b] = [parameter([1, 1]), parameter([[1]])]
    assert.is(clipGradNorm([a, b], 1).item(), 0)
    assert.throws(() => clipGradNorm([a], -1), /clipGradNorm: a maxNorm ≥ 0 expected, got -1/)
    assert.throws(() => clipGradValue([a], -1), /clipGradValue: a clipValue ≥ 0 expected, got -1/)
    assert.throws(() => clipGradNorm(a as unknown as Tensor[], 1), /clipGradNorm: a list of parameters expected: pass model\.parameters\(\)/)
    // b has no gradient and is passed over
    sum(a.mul(tensor([3, 4]))).backward()
    assert.is(clipGradNorm([a, b], 1).item(), 5)
    assert.ok([...a.grad!.values()].every((g, i) => Math.abs(g - [0.6, 0.8][i]!) < 1e-6))
    clipGradValue([a, b], 0.7)
    assert.is(a.grad!.values()[1], Math.fround(0.7))
    a.zeroGrad()
    sum(a.mul(tensor([Infinity, 1]))).backward()
    assert.throws(() => clipGradNorm([a], 1, { errorIfNonfinite: true }), /clipGradNorm: the norm of the gradients is Infinity: a smaller learning rate\?/)
    assert.is(clipGradNorm([a], 1).item(), Infinity)
  })
})

const optimizerOf = (lr: number) => new SGD([parameter([0])], { lr, momentum: 0.9 })
const rates = (schedule: Schedule, n: number): number[] =>
  Array.from({ length: n }, () => {
    const { lr } = schedule.optimizer
    schedule.step()
    return lr
  })
const close = (got: number[], expected: number[]): void => {
  assert.is(got.length, expected.length)
  got.forEach((v, i) => assert.ok(Math.abs(v - expected[i]!) <= 1e-12, `step ${i}: ${v}, expected ${expected[i]}`))
}

test('schedules one after the other and at once', () => {
  const one = optimizerOf(1)
  const warm = new LinearLR(one, { startFactor: 0.25, totalIters: 3 })
  close(rates(new SequentialLR(one, { schedules: [warm, new StepLR(one, { stepSize: 2, gamma: 0.5 })], milestones: [3] }), 8), [0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 0.25])
  const two = optimizerOf(1)
  close(rates(new ChainedScheduler(two, [new ConstantLR(two, { factor: 0.5, totalIters: 2 }), new ExponentialLR(two, { gamma: 0.5 })]), 4), [0.5, 0.25, 0.25, 0.125])
  assert.throws(() => new SequentialLR(two, { schedules: [warm], milestones: [] }), /SequentialLR: schedules of this optimizer expected/)
  assert.throws(() => new SequentialLR(one, { schedules: [warm, warm], milestones: [] }), /a milestone between each two schedules expected, got 0 for 2 schedules/)
  assert.throws(() => new LambdaLR(one, 0.5 as never), /LambdaLR: a function of the step expected, got number/)
})

test('a saved schedule keeps the rates that it started from, wherever the optimizer is when the next one is made', () => {
  const makers: ((o: Optimizer<any>) => Schedule)[] = [
    o => new ExponentialLR(o, { gamma: 0.5 }), o => new LinearLR(o), o => new ChainedScheduler(o, [new StepLR(o, { stepSize: 2 }), new ConstantLR(o)]),
    o => new SequentialLR(o, { schedules: [new LinearLR(o, { totalIters: 2 }), new ExponentialLR(o, { gamma: 0.5 })], milestones: [2] }),
  ]
  for (const make of makers) {
    const two = () => new SGD([{ params: [parameter([0])], lr: 0.5 }, { params: [parameter([0])] }], { lr: 1 })
    const [one, other] = [two(), two()]
    const first = make(one)
    rates(first, 3)
    other.loadStateDict(one.stateDict())
    const next = make(other)
    const saved = JSON.parse(JSON.stringify(first.save())) as number[]
    next.restore(saved)
    const all = (s: Schedule) => rates(s, 4).concat(s.optimizer.groups.map(g => g.lr as number))
    close(all(next), all(first))
    // a state of old: of the steps alone
    const old = make(two())
    old.restore(saved.slice(0, 1))
    close(old.optimizer.groups.map(g => g.lr as number), one.groups.map((_, i) => first.rate(first.initial[i]!, 3)))
    for (const wrong of [[], [-1], [1, 1], [null, 1, 0.5], [1, 1, null], [1, 1, -1], [1, Infinity, 1], [1, 1, 'x']] as number[][]) assert.throws(() => next.restore(wrong), /^restore: what save\(\) of this schedule gave expected, got \[/)
  }
})

test('a milestone at 0 counts from the first step on', () => {
  close(rates(new MultiStepLR(optimizerOf(1), { milestones: [0, 3] }), 5), [0.1, 0.1, 0.1, 0.01, 0.01])
})

test('one cycle ends at its last rate; cycles take the momentum along, an Adam its first beta', () => {
  const optimizer = optimizerOf(1)
  const once = new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 4, pctStart: 0.5, annealStrategy: 'linear', divFactor: 10, finalDivFactor: 10 })
  close(rates(once, 7), [0.1, 1, 0.505, 0.01, 0.01, 0.01, 0.01])
  const adam = new Adam([parameter([0])], { betas: [0.5, 0.75] })
  const cyclic = new CyclicLR(adam, { baseLr: 0, maxLr: 1, stepSizeUp: 2, stepSizeDown: 1, baseMomentum: 0.8, maxMomentum: 0.9 })
  const seen = Array.from({ length: 4 }, () => {
    const [group] = adam.groups
    const now = [group!.lr, ...group!.betas]
    cyclic.step()
    return now
  })
  close(seen.flat(), [0, 0.9, 0.75, 0.5, 0.85, 0.75, 1, 0.8, 0.75, 0, 0.9, 0.75])
})

test('ReduceLROnPlateau: needs its metric, keeps its memory in a saved state', () => {
  const metrics = [3, 2, 2, 2, 2, 1, 1, 1, 1, 1]
  const see = (schedule: Schedule, list: number[]): number[] => list.map(m => (schedule.step(m), schedule.optimizer.lr))
  const make = () => new ReduceLROnPlateau(optimizerOf(1), { factor: 0.5, patience: 1, cooldown: 1 })
  const whole = see(make(), metrics)
  assert.equal(whole, [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25])
  const first = make()
  const before = see(first, metrics.slice(0, 4))
  const next = make()
  next.optimizer.lr = first.optimizer.lr
  next.restore(JSON.parse(JSON.stringify(first.save())))
  assert.equal([...before, ...see(next, metrics.slice(4))], whole)
  const fresh = make()
  fresh.restore(JSON.parse(JSON.stringify(make().save())))
  assert.equal(see(fresh, metrics), whole)
  for (const mode of ['min', 'max'] as const) {
    for (const best of [Infinity, -Infinity]) {
      const [whole, half] = [0, 0].map(() => new ReduceLROnPlateau(optimizerOf(1), { mode, patience: 0 })) as [ReduceLROnPlateau, ReduceLROnPlateau]
      see(whole, [best])
      half.restore(JSON.parse(JSON.stringify(whole.save())))
      half.optimizer.lr = whole.optimizer.lr
      assert.equal(see(half, [best, 1]), see(whole, [best, 1]), `${mode} ${best}`)
    }
  }
  fresh.restore([3, 0.5, 1, 0])
  for (const wrong of [[], [3], [3, 0.5, null, 0], [3, NaN, 1, 0, 0], [3, 'x', 1, 0], [3, 0.5, 1, 0, 2], [3, 0.5, 1, 0, 0, 0]] as number[][]) assert.throws(() => fresh.restore(wrong), /^restore: what save\(\) of this schedule gave expected, got \[/)
  assert.throws(() => new ReduceLROnPlateau(optimizerOf(1), { minLr: [0.1] as never }), /^ReduceLROnPlateau: one minLr for all groups expected, got \[0\.1\]$/)
  assert.throws(() => fresh.step(), /ReduceLROnPlateau: step\(metric\) expected, such as the validation loss/)
  const { optimizer } = fresh
  assert.throws(() => new SequentialLR(optimizer, { schedules: [fresh], milestones: [] }), /cannot be part of another schedule/)
})

test.run()
