// L-BFGS: against its formulas written plainly, on valleys and regressions, its rules, its state; and the line search alone.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  capture, crossEntropy, Generator, info, LBFGS, Linear, manualSeed, onBackend, parameter, randn, scope, Sequential, steps, Tanh, tensor,
  type LBFGSOptions, type Tensor,
} from 'hebb'
import { strongWolfe, type Point } from '../ts/optim/line-search.js'

const check = (name: string, f: () => void): void => void test(name, () => scope(f))

/** Rosenbrock's valley (1 − x)² + 100 (y − x²)², its minimum at (1, 1) */
const valley = (w: Tensor): Tensor => {
  const [x, y] = [w.select(0, 0), w.select(0, 1)]
  return y.sub(x.square()).square().mul(100).add(x.sub(1).square())
}
function closureOf(w: Tensor, f: (w: Tensor) => Tensor): () => Tensor {
  return () => {
    w.zeroGrad()
    const loss = f(w)
    loss.backward()
    return loss
  }
}

check('descends along an ill-conditioned bowl as the dense BFGS formula of the inverse Hessian says', () => onBackend('reference64', () => {
  const scales = [1, 10, 40]
  const start = [1, -2, 0.5]
  const bowl = (w: Tensor) => w.square().mul(tensor(scales)).sum().mul(0.5)
  const w = parameter(start)
  const optimizer = new LBFGS([w], { lr: 0.3, maxIter: 1, toleranceChange: 0 })
  // H′ = (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ from H₀ = sᵀy / yᵀy of the newest pair, over all pairs so far
  let at = [...start]
  const gradient = (x: number[]) => x.map((v, i) => v * scales[i]!)
  const product = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
  const pairs: [number[], number[]][] = []
  for (let k = 0; k < 12; k++) {
    optimizer.step(closureOf(w, bowl))
    const g = gradient(at)
    const newest = pairs.at(-1)
    const scale = newest ? product(newest[0], newest[1]) / product(newest[1], newest[1]) : 1
    let H = start.map((_, i) => start.map((_, j) => (i === j ? scale : 0)))
    for (const [s, y] of pairs) {
      const rho = 1 / product(s, y)
      const A = s.map((si, i) => y.map((yj, j) => (i === j ? 1 : 0) - rho * si * yj))
      const times = (P: number[][], Q: number[][]) => P.map(row => Q[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * Q[k]![j]!, 0)))
      H = times(times(A, H), A[0]!.map((_, j) => A.map(row => row[j]!))).map((row, i) => row.map((v, j) => v + rho * s[i]! * s[j]!))
    }
    const t = k === 0 ? Math.min(1, 1 / g.reduce((sum, v) => sum + Math.abs(v), 0)) * 0.3 : 0.3
    const next = at.map((v, i) => v - t * product(H[i]!, g))
    const y = gradient(next).map((v, i) => v - g[i]!)
    pairs.push([next.map((v, i) => v - at[i]!), y])
    at = next
    w.values().forEach((v, i) => assert.ok(Math.abs(v - at[i]!) < 1e-9, `iteration ${k}: ${w} instead of ${at}`))
  }
}))

check('finds the end of a curved valley in one step with the line search', () => {
  for (const backend of ['reference64', info().backend] as const) {
    onBackend(backend, () => {
      const w = parameter([-1.2, 1])
      const optimizer = new LBFGS([w], { maxIter: 100, lineSearchFn: 'strongWolfe', toleranceChange: 1e-12 })
      const first = optimizer.step(closureOf(w, valley))
      assert.ok(Math.abs(first - 24.2) < 1e-4, 'returns the loss at the start')
      w.values().forEach(v => assert.ok(Math.abs(v - 1) < (backend === 'reference64' ? 1e-6 : 2e-3), `${w}`))
      const [iterations, evaluations] = optimizer.stateDict().steps as [number, number]
      assert.ok(iterations <= 50 && evaluations <= 70, `${iterations} iterations, ${evaluations} evaluations`)
    })
  }
})

check('trains networks with several parameters, far beyond gradient descent', () => {
  manualSeed(6)
  const x = randn([40, 3])
  const labels = tensor(Int32Array.from({ length: 40 }, (_, i) => (x.values()[i * 3]! * x.values()[i * 3 + 1]! > 0 ? 1 : 0)), [40], { dtype: 'int32' })
  const model = new Sequential(new Linear(3, 8), new Tanh(), new Linear(8, 2))
  const optimizer = new LBFGS(model.parameters(), { lineSearchFn: 'strongWolfe' })
  const closure = () => {
    optimizer.zeroGrad()
    const loss = crossEntropy(model.forward(x), labels)
    loss.backward()
    return loss
  }
  const first = optimizer.step(closure)
  for (const _ of steps(4)) optimizer.step(closure)
  const last = closure().item()
  assert.ok(first > 0.5 && last < 0.02, `${first} to ${last}`)
})

check('stops at its limits', () => {
  const counting = (options: Partial<LBFGSOptions>) => {
    const w = parameter([-1.2, 1])
    let calls = 0
    const optimizer = new LBFGS([w], options)
    const closure = closureOf(w, valley)
    optimizer.step(() => (calls++, closure()))
    const [iterations, evaluations] = optimizer.stateDict().steps
    assert.is(evaluations, calls)
    return [iterations, calls, w] as const
  }
  assert.equal(counting({ lr: 1e-3, maxIter: 6, maxEval: 50 }).slice(0, 2), [6, 6], 'the last iteration leaves evaluating to the next step')
  assert.equal(counting({ lr: 1e-3, maxIter: 6, maxEval: 4 }).slice(0, 2), [3, 4])
  assert.equal(counting({ lr: 1e-3, toleranceGrad: 1e4 }).slice(0, 2), [0, 1])
  assert.equal(counting({ lr: 1e-3, toleranceChange: 10 }).slice(0, 2), [1, 2])
  const untouched = new LBFGS([parameter([1]), parameter([2])])
  assert.is(untouched.step(() => 3), 3, 'parameters without gradients, and a loss that is a number')
  const overflowing = parameter([5])
  const optimizer = new LBFGS([overflowing], { lr: 1, lineSearchFn: 'strongWolfe' })
  optimizer.step(closureOf(overflowing, w => w.square().exp().sum()))
  assert.ok(Math.abs(overflowing.item()) < 5, `${overflowing}: steps into infinity are taken back`)
})

check('forgets pairs beyond historySize, and frees what closures make', () => {
  const w = parameter(Float32Array.from({ length: 6 }, (_, i) => i - 2.5))
  const bowl = (t: Tensor) => t.square().square().sum()
  const optimizer = new LBFGS([w], { lr: 0.2, maxIter: 9, historySize: 3 })
  optimizer.step(closureOf(w, bowl))
  const buffers = Object.keys(optimizer.stateDict().buffers)
  assert.equal(buffers, ['direction', 'gradient', '0.s', '0.y', '1.s', '1.y', '2.s', '2.y'])
  const before = info().memory.buffers
  optimizer.step(closureOf(w, bowl))
  assert.is(info().memory.buffers, before)
})

check('goes on from a saved state with the same bits', () => {
  const generator = new Generator(3)
  const scales = tensor(Float32Array.from({ length: 5 }, () => 0.5 + 4 * generator.uniform()))
  const bowl = (t: Tensor) => t.square().mul(scales).sum().add(t.sum().square())
  for (const lineSearchFn of [null, 'strongWolfe'] as const) {
    const options = { lr: 0.3, maxIter: 2, historySize: 4, lineSearchFn, toleranceChange: 0 }
    const start = [1, -2, 3, 0.5, -1]
    const whole = parameter(start)
    const optimizer = new LBFGS([whole], options)
    for (let i = 0; i < 6; i++) optimizer.step(closureOf(whole, bowl))

    const part = parameter(start)
    const first = new LBFGS([part], options)
    for (let i = 0; i < 3; i++) first.step(closureOf(part, bowl))
    const saved = first.stateDict()
    const copy = { ...(JSON.parse(JSON.stringify({ groups: saved.groups, steps: saved.steps })) as typeof saved), buffers: saved.buffers }
    const second = new LBFGS([part], { lr: 9 })
    second.loadStateDict(copy)
    assert.is(second.lr, 0.3)
    for (let i = 0; i < 3; i++) second.step(closureOf(part, bowl))
    assert.equal(part.values(), whole.values())
    assert.equal(second.stateDict().steps, optimizer.stateDict().steps)
    second.loadStateDict(new LBFGS([part], options).stateDict())
    assert.equal(second.stateDict().steps, [], 'a state before the first step')
    const { direction: _, ...rest } = copy.buffers
    assert.throws(() => second.check({ ...copy, buffers: rest }), /^LBFGS: direction of 5 elements expected, got none$/)
    assert.throws(() => new LBFGS([parameter([1, 2])]).check(copy), /^LBFGS: direction of 2 elements expected, got \[5\]$/)
    assert.throws(() => second.check({ ...copy, steps: [1] }), /^LBFGS: a state of one group with four numbers expected, got 1 groups and 1 numbers$/)
  }
})

check('says what it needs', () => {
  const w = parameter([1])
  const optimizer = new LBFGS([w])
  assert.equal([optimizer.lr, optimizer.groups[0]!.maxIter, optimizer.groups[0]!.maxEval, optimizer.groups[0]!.historySize], [1, 20, 25, 100])
  assert.throws(() => optimizer.step(), /^LBFGS: step\(closure\) expected, with a function that clears the gradients/)
  assert.throws(() => optimizer.step((() => undefined) as unknown as () => number), /^LBFGS: a closure that returns the loss expected, got undefined$/)
  const step = capture((x: Tensor) => {
    optimizer.step(() => 1)
    return x.mul(2)
  })
  step(tensor([1]))
  assert.throws(() => step(tensor([1])), /^capture: LBFGS.step\(\) inside a captured step would take values out of the program/)
  step.dispose()
  assert.throws(() => new LBFGS([{ params: [w] }] as unknown as Tensor[]), /^LBFGS: one list of parameters expected, got groups/)
  assert.throws(() => new LBFGS([w], { maxIter: 0 }), /^LBFGS: maxIter must be a whole number ≥ 1, got 0$/)
  assert.throws(() => new LBFGS([w], { lineSearchFn: 'strong_wolfe' as 'strongWolfe' }), /^LBFGS: lineSearchFn strongWolfe or null expected, got strong_wolfe$/)
  assert.throws(() => new LBFGS([w], { toleranceGrad: -1 }), /^LBFGS: toleranceGrad ≥ 0 expected, got -1$/)
})

check('the line search keeps the strong Wolfe conditions from near and far', () => {
  const functions: [name: string, f: (t: number) => number, slope: (t: number) => number][] = [
    ['parabola', t => (t - 3) ** 2, t => 2 * (t - 3)],
    ['quartic', t => (t - 1) ** 4 + 0.1 * (t - 1), t => 4 * (t - 1) ** 3 + 0.1],
    ['waves', t => Math.cos(3 * t) + 0.05 * t * t - 0.1 * t, t => -3 * Math.sin(3 * t) + 0.1 * t - 0.1],
    ['barrier', t => (t < 2 ? -Math.log(2 - t) - 3 * t : Infinity), t => (t < 2 ? 1 / (2 - t) - 3 : NaN)],
  ]
  for (const [name, f, slope] of functions) {
    for (const first of [1e-3, 0.1, 1, 30]) {
      let calls = 0
      const at = (t: number): Point => (calls++, { t, loss: f(t), gradient: new Float64Array([slope(t)]), slope: slope(t) })
      const found = strongWolfe(at, at(0), first, 1, 1e-9)
      assert.ok(found.t > 0 && f(found.t) <= f(0) + 1e-4 * found.t * slope(0), `${name} from ${first}: descent at ${found.t}`)
      assert.ok(Math.abs(slope(found.t)) <= 0.9 * Math.abs(slope(0)), `${name} from ${first}: slope at ${found.t}`)
      assert.ok(calls <= 20, `${name} from ${first}: ${calls} evaluations`)
    }
  }
})

test.run()
