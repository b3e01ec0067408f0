// What an operation costs beyond its arithmetic: tiny tensors, tiny networks.

import { capture, Linear, manualSeed, onBackend, parameter, scope, SGD, steps, tensor, turn, type Tensor } from 'hebb'
import { measure, WrongResult, type Work } from './measure.js'
import { checkReference } from './numbers.js'
import type { Case, Subject } from './session.js'
import { time } from './text.js'

interface Tiny extends Case {
  prepare(): Work
}

/** Operations of one turn */
const AT_ONCE = 100

function adds(name: string, recorded: boolean): Tiny {
  return {
    name,
    prepare() {
      const make = () => {
        const b = tensor([5, 6, 7, 8])
        return [recorded ? parameter([1, 2, 3, 4]) : tensor([1, 2, 3, 4]), b] as const
      }
      const [a, b] = make()
      return {
        check: () => checkReference(() => {
          const [p, q] = make()
          return p.add(q)
        }),
        run: () => void turn('bench', 0, () => {
          for (let i = 0; i < AT_ONCE; i++) a.add(b)
        }),
        per: AT_ONCE,
      }
    },
  }
}

const XOR_STEPS = 1000

/** 2-4-1 with tanh and sigmoid, squared error, gradient descent on the four examples at once */
function xorStep(): () => Tensor {
  manualSeed(1)
  const hidden = new Linear(2, 4)
  const output = new Linear(4, 1)
  const optimizer = new SGD([...hidden.parameters(), ...output.parameters()], { lr: 0.5 })
  const x = tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
  const y = tensor([[0], [1], [1], [0]])
  return () => {
    const loss = output.forward(hidden.forward(x).tanh()).sigmoid().mseLoss(y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
}
function lossAfter(count: number, step: () => Tensor): number {
  let loss = NaN
  for (const _ of steps(count)) loss = step().item()
  return loss
}

function xor(captured: boolean): Tiny {
  return {
    name: `XOR 2-4-1, 1,000 steps, ${captured ? 'captured' : 'eager'}`,
    prepare() {
      const make = () => {
        const eager = xorStep()
        if (!captured) return { step: eager, dispose() {} }
        const step = capture(eager)
        return { step, dispose: () => step.dispose() }
      }
      const { step, dispose } = make()
      return {
        check() {
          const got = scope(() => {
            const own = make()
            const loss = lossAfter(20, own.step)
            own.dispose()
            return loss
          })
          const want = onBackend('reference64', () => scope(() => lossAfter(20, xorStep())))
          if (!(Math.abs(got - want) < 1e-5)) throw new WrongResult(`loss ${got} after 20 steps, expected ${want}`)
        },
        run() {
          for (const _ of steps(XOR_STEPS)) step()
        },
        dispose,
      }
    },
  }
}

const CASES: readonly Tiny[] = [
  adds('add of 4 numbers, recorded', true), adds('add of 4 numbers, unrecorded', false),
  {
    name: 'an empty turn',
    prepare: () => ({
      check() {},
      run() {
        for (const _ of steps(AT_ONCE));
      },
      per: AT_ONCE,
    }),
  },
  {
    name: 'read one element',
    prepare() {
      const one = tensor(1)
      return {
        check() {
          if (one.item() !== 1) throw new WrongResult(`${one.item()}, expected 1`)
        },
        run() {
          for (let i = 0; i < AT_ONCE; i++) one.item()
        },
        per: AT_ONCE,
      }
    },
  },
  xor(false), xor(true),
]

/** Costs beyond arithmetic */
export const overhead: Subject = {
  name: 'overhead',
  about: 'tiny operations, XOR eager and captured',
  cases: () => CASES,
  run(session) {
    session.table('overhead', 'overhead', [['median', 8], ['', 6], ['best', 8]], CASES, ({ name, prepare }, add) => {
      const work = prepare()
      const m = measure(work, session.effort)
      work.dispose?.()
      add(name, m)
      return [time(m.ms), `±${Math.round(m.error)} %`, time(m.best)]
    })
  },
}
