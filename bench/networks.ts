// Training steps of whole networks: forward, backward and optimizer, eager and captured.

import { capture, engine, noGrad, scope, turn } from 'hebb'
import { gflops, measure, share, summary, WrongResult, type Measured, type Memory } from './measure.js'
import { countFlops, NETWORKS, prepare, trainStep, verify, type Flops, type Network } from './nets.js'
import type { Session, Subject } from './session.js'
import { digits, megabytes, percent, thousands, time } from './text.js'

/** Losses of the first four steps */
const lossesOf = (step: () => { item(): number }): number[] => Array.from({ length: 4 }, () => turn('bench', 0, () => step().item()))

/** Captured steps must do what eager ones do, bit for bit: the first is eager, the second recorded, the others are replayed. */
function verifyCapture(network: Network): void {
  const eager = scope(() => {
    const trained = prepare(network)
    return lossesOf(() => trainStep(trained, trained.x, trained.y))
  })
  const captured = scope(() => {
    const trained = prepare(network)
    const step = capture((x: typeof trained.x, y: typeof trained.y) => trainStep(trained, x, y))
    const losses = lossesOf(() => step(trained.x, trained.y))
    step.dispose()
    return losses
  })
  if (eager.join() === captured.join()) return
  throw new WrongResult(`losses of captured steps are ${captured.join(', ')}, of eager ones ${eager.join(', ')}`)
}

interface Parts {
  forward: number[]
  backward: number[]
  optimizer: number[]
}

interface TimedStep {
  /** Fills `parts`, and frees what it makes */
  step(): void
  parts: Parts
  flops: Flops
}

/** An eager step that writes down how long its parts take, ms */
export function timedStep(network: Network, withOptimizer = true): TimedStep {
  const { model, optimizer, x, y } = prepare(network)
  const flops = countFlops(model, x)
  const parts: Parts = { forward: [], backward: [], optimizer: [] }
  const step = () => turn('bench', 0, () => {
    const start = performance.now()
    const loss = model.forward(x).crossEntropy(y)
    const forward = performance.now()
    optimizer.zeroGrad()
    loss.backward()
    const backward = performance.now()
    parts.forward.push(forward - start)
    parts.backward.push(backward - forward)
    if (!withOptimizer) return
    optimizer.step()
    parts.optimizer.push(performance.now() - backward)
  })
  return { parts, step, flops }
}

export const forget = (parts: Parts): void => {
  for (const list of Object.values(parts) as number[][]) list.length = 0
}

function measureEager(session: Session, network: Network): Record<'step' | keyof Parts, Measured> {
  return scope(() => {
    const { parts, step, flops } = timedStep(network)
    const work = { check: () => verify(network), run: step, warm: () => forget(parts), flops: flops.forward + flops.backward }
    const whole = measure(work, session.effort)
    const part = (list: number[], flops: number) => ({ ...summary(list, whole), flops })
    const [forward, backward] = [part(parts.forward, flops.forward), part(parts.backward, flops.backward)]
    return { step: whole, forward, backward, optimizer: part(parts.optimizer, 0) }
  })
}

function measureCaptured(session: Session, network: Network, flops: number): Measured {
  return scope(() => {
    const trained = prepare(network)
    const step = capture((x: typeof trained.x, y: typeof trained.y) => trainStep(trained, x, y))
    const run = () => turn('bench', 0, () => void step(trained.x, trained.y))
    const m = measure({ check: () => verifyCapture(network), run, flops }, session.effort)
    step.dispose()
    return m
  })
}

function measureInference(session: Session, network: Network, flops: number): Measured {
  return scope(() => {
    const { model, x } = prepare(network)
    model.eval()
    // checked by verify(): the same forward pass
    return measure({ check() {}, run: () => turn('bench', 0, () => noGrad(() => void model.forward(x))), flops }, session.effort)
  })
}

function measureMemory(network: Network): Memory {
  return scope(() => {
    const trained = prepare(network)
    // gradients and the optimizer's state are made once
    turn('bench', 0, () => void trainStep(trained, trained.x, trained.y))
    const heap = engine.heapOf(engine.currentBackend())
    const before = heap.liveBytes
    heap.peakBytes = before
    let live = 0
    turn('bench', 0, () => {
      const loss = trained.model.forward(trained.x).crossEntropy(trained.y)
      // at the widest point: layers that are computed together let go of what lies between them
      live = heap.peakBytes - before
      trained.optimizer.zeroGrad()
      loss.backward()
      trained.optimizer.step()
    })
    return { live, peak: heap.peakBytes - before }
  })
}

const COLUMNS = [
  ['forward', 8], ['backward', 8], ['optimizer', 9], ['step', 8], ['captured', 8], ['±', 5], ['images/s', 9], ['GFLOP/s', 7], ['of C', 5],
  ['infer', 8], ['memory', 8], ['of live', 7],
] as const

/** Training steps of whole networks */
export const networks: Subject = {
  name: 'networks',
  about: 'training steps of MLP, LeNet-5, LSTM, CIFAR convnet, ResNet-20, AlexNet: eager and captured',
  cases: () => NETWORKS,
  run(session) {
    session.table('networks', 'training steps', COLUMNS, NETWORKS, (network, add) => {
      const eager = measureEager(session, network)
      const { forward, backward, optimizer, step } = eager
      const captured = measureCaptured(session, network, step.flops!)
      const inference = measureInference(session, network, forward.flops!)
      const memory = measureMemory(network)
      const parts = { ...eager, step: { ...step, memory }, 'captured step': { ...captured, items: network.batch }, inference }
      for (const [part, m] of Object.entries(parts)) add(`${network.name}: ${part}`, m)
      return [
        ...[forward, backward, optimizer, step, captured].map(m => time(m.ms)), `±${Math.round(captured.error)} %`,
        thousands((network.batch * 1000) / captured.ms), digits(gflops(captured)), percent(share(captured)), time(inference.ms),
        megabytes(memory.peak), digits(memory.peak / memory.live),
      ]
    })
  },
}
