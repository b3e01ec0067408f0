// Captured steps: what the recording refuses, what it guards, which gradients it may meet, and the memory that it gives back.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, ArrayDataset, BatchNorm2d, capture, Conv2d, crossEntropy, DataLoader, embedding, engine, Flatten, gradients, info, Linear, manualSeed, noGrad, onBackend, parameter, rand,
  randn, ReLU, RMSprop, scope, Sequential, SGD, steps, tensor, type BackendName, type Captured, type Optimizer, type Tensor,
} from 'hebb'
import { alsoOnReference } from './collector/again.js'
import { settle as collect } from './collector/settle.js'

alsoOnReference()

const BACKENDS: BackendName[] = info().backend === 'wasm' ? ['wasm', 'reference'] : ['reference']
const live = () => engine.heapOf(engine.currentBackend()).live
const settle = () => collect(() => engine.heapOf(engine.currentBackend()).reserved + live())

/** A small captured step and what it is made of, in a scope */
function small(f: (step: Captured<[Tensor], Tensor>, w: Tensor, optimizer: SGD) => void): void {
  scope(() => {
    const w = parameter([1, 2])
    const optimizer = new SGD([w], { lr: 0.5, momentum: 0.5 })
    const step = capture((x: Tensor) => {
      const loss = w.mul(x).sum()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    f(step, w, optimizer)
    step.dispose()
  })
}
const replayed = (step: Captured<[Tensor], Tensor>, x: Tensor) => {
  for (let i = 0; i < 3; i++) step(x)
}

test('the first call is eager, the second records, the third replays: without making tensors', () => {
  small((step, w) => {
    const x = tensor([1, 1])
    assert.equal([step(x).item(), step.calls, step.bytes], [3, 0, 0])
    step(x)
    const { calls, bytes } = step
    assert.ok(calls > 0 && bytes > 0 && bytes % 64 === 0)
    const before = live()
    for (let i = 0; i < 20; i++) step(x)
    assert.equal([step.calls, step.bytes, live()], [calls, bytes, before])
    assert.ok(w.values()[0]! < -10)
  })
})

test('outputs are overwritten by the next call', () => {
  small(step => {
    replayed(step, tensor([0, 0]))
    const [first, second] = [step(tensor([1, 0])), step(tensor([0, 1]))]
    assert.is(first, second)
    small(other => {
      replayed(other, tensor([0, 0]))
      assert.is.not(other(tensor([1, 0])), first)
    })
  })
})

test('each shape, type and backend gets a program of its own; from the ninth on the step stays eager', () => {
  scope(() => {
    const sums: number[] = []
    let runs = 0
    const step = capture((x: Tensor) => {
      runs++
      return x.float().mul(2).sum()
    })
    for (let round = 0; round < 4; round++) {
      for (let n = 1; n <= 8; n++) sums.push(step(tensor(new Float32Array(n).fill(round))).item())
    }
    assert.equal(sums, Array.from({ length: 32 }, (_, i) => 2 * (i >> 3) * ((i & 7) + 1)))
    assert.is(runs, 16, 'eager once and recorded once each')
    const { calls } = step
    for (let i = 0; i < 3; i++) assert.is(step(tensor(new Float32Array(9).fill(1))).item(), 18)
    assert.is(runs, 19)
    step.dispose()
    assert.is(calls > 0 && step.calls === 0 && step.bytes === 0, true)
    for (const name of [...BACKENDS, 'reference64'] as BackendName[]) {
      onBackend(name, () => {
        for (let i = 0; i < 3; i++) assert.is(step(tensor([3, i])).item(), 2 * (3 + i))
        for (let i = 0; i < 3; i++) assert.is(step(tensor([5, i], { dtype: 'int32' })).item(), 2 * (5 + i))
      })
    }
    step.dispose()
  })
})

test('a step may take nothing and return nothing, an array or a record', () => {
  scope(() => {
    const w = parameter([2])
    const grow = capture(() => {
      noGrad(() => w.backend.kernels.copy(1, w.mul(2).address, w.address))
    })
    for (let i = 0; i < 5; i++) assert.is(grow(), undefined)
    assert.is(w.item(), 64)
    const list = capture((x: Tensor) => [x.sum(), x.mul(2)])
    const named = capture((x: Tensor, y: Tensor) => ({ sum: x.add(y), product: x.mul(y) }))
    for (let i = 0; i < 4; i++) {
      const x = tensor([i, 1])
      assert.equal(list(x).map(t => t.array()), [i + 1, [2 * i, 2]])
      const { sum, product } = named(x, tensor([1, i]))
      assert.equal([sum.array(), product.array()], [[i + 1, i + 1], [i, i]])
    }
    const wrong = capture((x: Tensor) => [x, 3] as unknown as Tensor[])
    wrong(w)
    assert.throws(() => wrong(w), 'capture: a step returns a tensor, or an array or record of tensors: read numbers with item() after it')
    for (const step of [grow, list, named, wrong]) step.dispose()
  })
})

test('random numbers and values written inside go on, values read outside are those of the call', () => {
  const run = (captured: boolean) => scope(() => {
    manualSeed(3)
    const once = (x: Tensor) => {
      const written = tensor([1, 2])
      const y = x.add(rand([2])).add(written.mul(randn([])))
      // what follows may lie where it was
      written.dispose()
      return y.mul(2).add(y)
    }
    const step = captured ? capture(once) : once
    const out: unknown[] = []
    for (let i = 0; i < 6; i++) out.push(step(tensor([i, -i])).array())
    return out
  })
  assert.equal(run(true), run(false))
})

test('loops and scopes inside a step', () => {
  const run = (captured: boolean) => scope(() => {
    const w = parameter([1, 1])
    const optimizer = new SGD([w], { lr: 0.01 })
    const once = (x: Tensor) => {
      for (const i of steps(3)) w.mul(x).add(i).square().sum().backward()
      const norm = scope(() => w.grad!.square().sum())
      optimizer.step()
      optimizer.zeroGrad()
      return norm
    }
    const step = captured ? capture(once) : once
    const out: number[] = []
    for (let i = 0; i < 6; i++) out.push(step(tensor([i, 0.5])).item())
    return [out, [...w.values()]]
  })
  assert.equal(run(true), run(false))
})

// ---- gradients that come from elsewhere -------------------------------------------------------------------------------------

/** w after some rounds, with the parts of a training step captured or not */
function rounds(captured: boolean, round: (part: <A extends Tensor[], R extends Tensor | void>(f: (...x: A) => R) => (...x: A) => R) => (w: Tensor, optimizer: Adam, i: number) => void): number[] {
  return scope(() => {
    const w = parameter([1, -2])
    const optimizer = new Adam([w], { lr: 0.1 })
    const run = round(f => (captured ? capture(f) : f))
    for (let i = 0; i < 12; i++) run(w, optimizer, i)
    return [...w.values()]
  })
}
function sameRounds(round: Parameters<typeof rounds>[1]): void {
  assert.equal(rounds(true, round), rounds(false, round))
}
type Part = Parameters<Parameters<typeof rounds>[1]>[0]
const cached = (make: (w: Tensor, optimizer: Adam) => (i: number) => void) => {
  let run: ((i: number) => void) | undefined
  return (w: Tensor, optimizer: Adam, i: number) => (run ??= make(w, optimizer))(i)
}

test('zeroGrad() outside the step, always or now and then', () => {
  for (const every of [1, 3]) {
    sameRounds((part: Part) => cached((w, optimizer) => {
      const step = part((x: Tensor) => {
        w.mul(x).square().sum().backward()
        optimizer.step()
      })
      return i => {
        if (i % every === 0) optimizer.zeroGrad()
        step(tensor([i, 1]))
      }
    }))
  }
})

test('forward and backward captured, the optimizer not', () => {
  sameRounds((part: Part) => cached((w, optimizer) => {
    const slope = part((x: Tensor) => w.mul(x).square().sum().backward())
    return i => {
      optimizer.zeroGrad()
      slope(tensor([i, 1]))
      optimizer.step()
    }
  }))
})

test('gradients accumulate over two calls', () => {
  sameRounds((part: Part) => cached((w, optimizer) => {
    const add = part((x: Tensor) => w.mul(x).square().sum().backward())
    return i => {
      optimizer.zeroGrad()
      add(tensor([i, 1]))
      add(tensor([1, i]))
      optimizer.step()
    }
  }))
})

test('a captured optimizer step without a gradient does nothing, as outside', () => {
  sameRounds((part: Part) => cached((w, optimizer) => {
    const step = part(() => optimizer.step())
    return i => {
      if (i % 4 !== 3) w.mul(i).square().sum().backward()
      step()
      optimizer.zeroGrad()
    }
  }))
})

test('a captured step inside another is part of it', () => {
  sameRounds((part: Part) => cached((w, optimizer) => {
    const inner = part((x: Tensor) => w.mul(x).square().sum())
    const outer = part((x: Tensor) => {
      optimizer.zeroGrad()
      const loss = w.sub(x).square().sum()
      loss.backward()
      optimizer.step()
      return noGrad(() => inner(x).add(loss))
    })
    return i => {
      const x = tensor([i, 1])
      const total = outer(x).item()
      if (i % 5 === 0) w.set([total / 100, inner(x).item() / 100])
    }
  }))
})

test('an option that asks for other buffers, set after the recording and taken back later', () => {
  const cases: [(w: Tensor) => Optimizer<any>, Record<string, unknown>][] = [
    [w => new SGD([w], { lr: 0.01 }), { momentum: 0.9 }],
    [w => new SGD([w], { lr: 0.01, momentum: 0.9, dampening: 0.5 }), { momentum: 0 }],
    [w => new SGD([w], { lr: 0.01, momentum: 0.9 }), { nesterov: true }],
    [w => new SGD([w], { lr: 0.01, momentum: 0.9, form: 'classic' }), { nesterov: true }],
    [w => new SGD([w], { lr: 0.01, momentum: 0.9, form: 'classic' }), { momentum: 0 }],
    [w => new Adam([w]), { amsgrad: true }],
    [w => new RMSprop([w]), { centered: true }],
    [w => new RMSprop([w]), { momentum: 0.9 }],
  ]
  for (const [make, options] of cases) {
    const run = (captured: boolean) => scope(() => {
      const w = parameter([1, -2])
      const optimizer = make(w)
      const [group] = optimizer.groups
      const before = { ...group }
      const once = (x: Tensor) => {
        if (optimizer instanceof SGD) optimizer.lookAhead()
        optimizer.zeroGrad()
        w.mul(x).square().sum().backward()
        optimizer.step()
      }
      const step = captured ? capture(once) : once
      const seen: number[] = []
      for (const i of steps(12)) {
        if (i === 4) Object.assign(group, options)
        if (i === 8) Object.assign(group, before)
        step(tensor([i % 3, 1]))
        seen.push(...w.values())
      }
      return seen
    })
    assert.equal(run(true), run(false), `${make} ${JSON.stringify(options)}`)
  }
})

test('inputs get their gradients at every call', () => {
  const run = (captured: boolean) => scope(() => {
    const w = parameter([1, -2])
    const once = (x: Tensor) => {
      const loss = w.mul(x).square().sum()
      loss.backward()
      return loss
    }
    const asked = (x: Tensor) => gradients(w.mul(x).square().sum(), [x])[0]!
    const [step, ask] = captured ? [capture(once), capture(asked)] : [once, asked]
    const out = [...Array(5).keys()].map(i => {
      const [x, y] = [0, 1].map(() => tensor([i, 1], { requiresGrad: true })) as [Tensor, Tensor]
      return [step(x).item(), x.grad!.array(), ask(y).array()]
    })
    const x = tensor([1, 2], { requiresGrad: true })
    for (let i = 0; i < 3; i++) step(x)
    const calls = (ask as Captured<[Tensor], Tensor>).calls
    return { out: [out, x.grad!.array(), w.grad!.array()], calls }
  })
  const captured = run(true)
  assert.equal(captured.out, run(false).out)
  assert.ok(captured.calls > 0, 'gradients() that are returned are replayed')
})

test('an input that begins to want a gradient gets it', () => {
  const run = (captured: boolean) => scope(() => {
    const w = parameter([2])
    const once = (x: Tensor) => {
      w.zeroGrad()
      const loss = w.mul(x).square().sum()
      loss.backward()
      return loss
    }
    const step = captured ? capture(once) : once
    return [false, false, false, true, true, true, false].map((requiresGrad, i) => {
      const x = tensor([i], { requiresGrad })
      return [step(x).item(), w.grad!.item(), x.grad?.item()]
    })
  })
  assert.equal(run(true), run(false))
})

test('an older gradient of an input is in the way of nothing but a step that reads it, adds to it or empties it', () => {
  scope(() => {
    const w = parameter([2])
    const steps: [boolean, (x: Tensor) => Tensor][] = [
      [true, x => w.mul(x.detach()).sum()],
      [true, x => gradients(w.mul(x).sum(), [x])[0]!],
      [false, x => x.grad!.mul(2)],
      [false, x => {
        const loss = w.mul(x).mul(0).sum()
        loss.backward()
        return loss
      }],
      [false, x => {
        const y = x.detach().mul(w)
        x.zeroGrad()
        return y
      }],
    ]
    for (const [replayed, once] of steps) {
      const step = capture((x: Tensor, _again: Tensor) => once(x))
      for (let i = 0; i < 4; i++) {
        const x = tensor([1], { requiresGrad: true })
        x.square().sum().backward()
        step(x, x)
      }
      assert.is(step.calls > 0, replayed, String(once))
      step.dispose()
    }
  })
})

// ---- refusals, errors, memory ------------------------------------------------------------------------------------------------

const advice = 'inside a captured step would take values out of the program: return the tensor and read it after the step'
const loader = new DataLoader(new ArrayDataset({ values: [1, 2, 3, 4], shape: [] }), { batchSize: 2 })
const REFUSED: [string, (x: Tensor) => unknown][] = [
  ['item()', x => x.sum().item()],
  ['values() or array()', x => x.mul(2).values()],
  ['values() or array()', x => x.array()],
  ['keep()', x => x.mul(2).keep()],
  ['a loop over a loader', () => {
    for (const _ of loader) return
  }],
]
test('what would take values out of the program is refused by name, and the engine goes on', () => {
  for (const [what, f] of REFUSED) {
    const before = live()
    scope(() => {
      const w = parameter([1, 2])
      const x = tensor([3, 4])
      let on = false
      const step = capture((x: Tensor) => {
        const loss = w.mul(x).sum()
        if (on) for (const _ of steps(2)) f(x)
        w.zeroGrad()
        loss.backward()
        return loss
      })
      step(x)
      on = true
      const during = live()
      for (let i = 0; i < 2; i++) assert.throws(() => step(x), (e: Error) => e.message === `capture: ${what} ${advice}`)
      assert.is(live(), during, what)
      assert.is(w.mul(x).sum().item(), 11)
      on = false
      for (let i = 0; i < 3; i++) assert.equal([step(x).item(), w.grad!.array()], [11, [3, 4]])
      step.dispose()
    })
    assert.is(live(), before, what)
  }
})

test('a throw inside the recorded step leaves the engine as it was', () => {
  const before = live()
  scope(() => {
    const w = parameter([1, 2])
    const { kernels } = w.backend
    let where = ''
    const fail = (here: string) => {
      if (where === here) throw new Error(`in ${here}`)
    }
    const broken = (x: Tensor) => engine.apply({
      name: 'broken',
      forward: ([t]) => {
        const y = t!.mul(1)
        fail('forward')
        return y
      },
      gradient: g => {
        const out = g.mul(1)
        fail('backward')
        return [out]
      },
    }, [x], undefined)
    const step = capture((x: Tensor) => {
      w.zeroGrad()
      const loss = broken(w.mul(x)).sum()
      for (const _ of steps(1)) scope(() => noGrad(() => fail('a scope')))
      loss.backward()
      fail('the end')
      return loss
    })
    const x = tensor([3, 4])
    step(x)
    const during = live()
    for (where of ['forward', 'backward', 'a scope', 'the end']) {
      assert.throws(() => step(x), `in ${where}`)
      assert.is(live(), during, where)
      assert.is(w.backend.kernels, kernels)
      scope(() => assert.ok(w.mul(x).node, 'a graph is recorded'))
    }
    where = ''
    w.zeroGrad()
    for (let i = 0; i < 3; i++) assert.equal([step(x).item(), w.grad!.array()], [11, [3, 4]])
    assert.ok(step.calls > 0)
    step.dispose()
  })
  assert.is(live(), before)
})

test('a replay refuses labels and indices that are out of range as the eager step does, before anything has moved', () => {
  for (const backend of BACKENDS) onBackend(backend, () => scope(() => {
    const run = (captured: boolean): number[] => {
      manualSeed(3)
      const [table, model] = [parameter([...Array(12).keys()], [4, 3]), new Linear(3, 2)]
      const optimizer = new Adam([table, ...model.parameters()])
      const once = (indices: Tensor, y: Tensor) => {
        const loss = crossEntropy(model.forward(embedding(indices, table)), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      }
      const step = captured ? capture(once) : once
      for (const dtype of ['int32', 'float32'] as const) {
        const at = (values: number[]) => tensor(values, { dtype })
        for (let i = 0; i < 3; i++) for (const _ of steps(1)) step(at([0, 3]), at([1, 0]))
        for (const _ of steps(1)) {
          assert.throws(() => step(at([0, 1]), at([1, 2])), 'crossEntropy: labels 0..1 expected for logits [2,2], got 2 at position 1')
          assert.throws(() => step(at([0, 4]), at([1, 0])), 'embedding: indices 0..3 expected, got 4 at position 1')
          assert.throws(() => step(at([-1, 1]), at([1, 0])), 'embedding: indices 0..3 expected, got -1 at position 0')
          if (dtype === 'float32') assert.throws(() => step(at([0, 1]), at([0, 0.5])), 'crossEntropy: whole numbers as labels expected, got 0.5 at position 1')
          step(at([0, 1]), at([-100, 1]))
        }
      }
      return [...table.values(), ...model.weight.values()]
    }
    assert.equal(run(true), run(false))
  }))
})

test('dispose() gives all memory back, and the next call starts anew', () => {
  scope(() => {
    const model = new Sequential(new Conv2d(2, 4, 3), new BatchNorm2d(4), new ReLU(), new Flatten(), new Linear(64, 4))
    const optimizer = new Adam(model.parameters())
    const step = capture((x: Tensor, y: Tensor) => {
      const loss = crossEntropy(model.forward(x), y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    })
    const [x, y] = [randn([5, 2, 6, 6]), tensor([0, 1, 2, 3, 0], { dtype: 'int32' })]
    for (const _ of steps(1)) step(x, y)
    const before = live()
    const { bytes } = info().memory
    let reserved = 0
    for (let round = 0; round < 5; round++) {
      for (const _ of steps(4)) step(x, y)
      assert.ok(step.calls > 0 && step.bytes > 0)
      step.dispose()
      step.dispose()
      assert.equal([step.calls, step.bytes, live(), info().memory.bytes], [0, 0, before, bytes])
      // the next program works in what this one has left behind
      if (round === 0) ({ reserved } = info().memory)
      assert.is(info().memory.reserved, reserved)
    }
    for (const _ of steps(1)) {
      step(x, y)
      const out = step(x, y)
      step.dispose()
      assert.throws(() => out.item(), /^div \[\] was freed by dispose\(\) of the captured step: /)
    }
  })
})

test('what the program uses lives as long as the program', () => {
  scope(() => {
    const before = live()
    let table!: Tensor
    const step = capture((x: Tensor) => x.add(table))
    const x = tensor([1, 1])
    for (const _ of steps(1)) {
      table = tensor([10, 20])
      step(x)
      step(x)
    }
    assert.ok(table.freed)
    const others = Array.from({ length: 5 }, () => tensor([7, 7]))
    assert.equal(step(x).array(), [11, 21])
    for (const t of [...others, x]) t.dispose()
    step.dispose()
    assert.is(live(), before)
  })
})

test('a program that nobody can call any more gives its memory back; whoever has an output keeps it', async () => {
  const heap = engine.heapOf(engine.currentBackend())
  const w = parameter([1, 2])
  const optimizer = new Adam([w])
  const make = (): { output: Tensor; shared: Tensor; untouched: Tensor } => {
    const step = capture((x: Tensor) => {
      const loss = w.mul(x).square().sum()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return [loss, loss.reshape([1]), w] as const
    })
    let last!: readonly [Tensor, Tensor, Tensor]
    for (let i = 0; i < 3; i++) for (const _ of steps(1)) last = step(tensor([i, 1])) as typeof last
    const [output, , untouched] = last
    return { output, shared: output.detach(), untouched }
  }
  await settle()
  let all: ReturnType<typeof make> | null = make()
  const value = all.output.item()
  await settle()
  // whatever is made now must not lie where the output lies
  for (let i = 0; i < 20; i++) tensor([i, i])
  assert.equal([all.output.item(), all.shared.item(), all.untouched === w], [value, value, true])
  let shared: Tensor | null = all.shared
  all = null
  await settle()
  for (let i = 0; i < 20; i++) tensor([i, i])
  assert.is(shared.item(), value)
  shared = null
  await settle()
  const { live, reserved } = heap
  for (let i = 0; i < 3; i++) make()
  await settle()
  assert.equal([heap.live, heap.reserved], [live, reserved])
  assert.ok(!w.freed)
  w.dispose()
})

test('dispose() leaves what the step returned but did not make', () => {
  scope(() => {
    const w = parameter([1, 2])
    const step = capture((x: Tensor) => ({ w, x, y: w.mul(x) }))
    let made!: { w: Tensor; x: Tensor; y: Tensor }
    for (let i = 0; i < 3; i++) for (const _ of steps(1)) made = step(tensor([i, i]))
    assert.equal([made.x.array(), made.y.array()], [[2, 2], [2, 4]])
    step.dispose()
    assert.equal([made.w.freed, made.x.freed, made.y.freed], [false, true, true])
    const early = capture((x: Tensor) => {
      const y = x.mul(w)
      y.dispose()
      x.dispose()
      return y
    })
    let gone!: Tensor
    for (let i = 0; i < 2; i++) for (const _ of steps(1)) gone = early(tensor([1, 2]))
    assert.throws(() => gone.values(), /^mul \[2\] was freed by dispose\(\)/)
    early.dispose()
    const wrong = capture((_: Tensor) => [1] as unknown as Tensor)
    const x = tensor([1])
    for (const _ of steps(1)) wrong(x)
    const before = live()
    assert.throws(() => {
      for (const _ of steps(1)) wrong(x)
    }, /^capture: a step returns a tensor, or an array or record/)
    assert.is(live(), before)
  })
})

test('intermediate results are gone after the step, and backward() through its output says so', () => {
  scope(() => {
    const w = parameter([1, 2])
    let inner: Tensor | undefined
    const step = capture((x: Tensor) => (inner = w.mul(x)).sum())
    const x = tensor([1, 1])
    for (let i = 0; i < 3; i++) step(x)
    assert.throws(() => inner!.values(), /^mul \[2\] was freed by the captured step: /)
    assert.throws(() => step(x).backward(), /^backward: mul \[2\] was freed before its gradient was computed/)
    step.dispose()
  })
})

test('a parameter that is frozen after the recording, and later not', () => {
  const runs = [true, false].map(captured => {
    const [a, b] = [parameter([1, 2]), parameter([3, 4])]
    const optimizer = new SGD([a, b], { lr: 0.1 })
    const once = (x: Tensor): Tensor => {
      const loss = a.mul(b).mul(x).sum()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss
    }
    const step = captured ? capture(once) : Object.assign(once, { dispose() {} })
    const seen: number[] = []
    for (const i of steps(9)) {
      a.requiresGrad = i < 3 || i > 5
      seen.push(step(tensor([i, 1])).item(), ...a.values(), ...b.values())
    }
    step.dispose()
    return seen
  })
  assert.equal(runs[0], runs[1])
  assert.equal(runs[0]!.slice(11, 13), runs[0]!.slice(26, 28), 'it stays')
})

test('outputs that are inputs, given to the next call', () => {
  for (const once of [
    (a: Tensor, b: Tensor) => [a.add(b), a], (a: Tensor, b: Tensor) => [b, a], (a: Tensor, b: Tensor) => [b.add(1), a.reshape([1])], (a: Tensor, b: Tensor) => [b.detach(), a.add(b)],
  ] as ((a: Tensor, b: Tensor) => [Tensor, Tensor])[]) {
    const [eager, captured] = [once, capture(once)].map(step => {
      let [a, b] = [tensor([1]), tensor([2])] as [Tensor, Tensor]
      return Array.from({ length: 8 }, () => {
        ;[a, b] = step(a, b)
        return [a.item(), b.item()]
      })
    })
    assert.equal(captured, eager, String(once))
  }
})

test('a step that waits is refused when it would be recorded', async () => {
  const step = capture(((x: Tensor) => Promise.resolve(x.mul(2))) as never) as unknown as (x: Tensor) => Promise<Tensor>
  await step(tensor([1]))
  assert.throws(() => step(tensor([1])), /^capture: a synchronous function expected, got one that returns a promise/)
})

test.run()
