// The training loop: epochs over a loader, progress, early stopping, checkpoints, and an end at the first number that isn't finite.

import { capture, crossEntropy, DataLoader, debug, engine, Module, NonFiniteError, Tensor, turn, type Dataset, type Optimizer, type Schedule } from 'hebb'
import type { Training } from './checkpoint.js'
import { countRight, isLabelled, judge, lossFunction, requireDataset, type LossFunction } from './evaluate.js'

/** Training that can't go on: the loss is no number. */
export class TrainingError extends Error {
  override name = 'TrainingError'
  /** The message without advice, for programs that give their own */
  fact = this.message
}

export interface BatchReport {
  /** Counted from 1 */
  epoch: number
  epochs: number
  batch: number
  batches: number
  /** Examples in this batch */
  examples: number
  /** Means over the epoch so far; accuracy is NaN where there are no class labels */
  loss: number
  accuracy: number
}

export interface EpochReport {
  epoch: number
  epochs: number
  loss: number
  accuracy: number
  validationLoss?: number
  validationAccuracy?: number
  /** Learning rate at the end of the epoch */
  lr: number
  seconds: number
  examplesPerSecond: number
}

/** Milliseconds spent in the steps of a training. */
export interface PhaseTimes {
  steps: number
  forward: number
  backward: number
  optimizer: number
  /** All of fit(), with data, validation and output */
  total: number
}

export interface Callbacks {
  onBatch?(report: BatchReport): void
  onEpoch?(report: EpochReport): void | Promise<void>
}

/** How far a training has come. A checkpoint holds it, and fit() takes it up again. */
export interface Progress {
  history: EpochReport[]
  /** Sums over the running epoch */
  loss: number
  right: number
  seen: number
  seconds: number
}
/** A training that has not begun. */
export const newProgress = (): Progress => ({ history: [], loss: 0, right: 0, seen: 0, seconds: 0 })

export interface FitOptions extends Callbacks {
  optimizer: Optimizer<any>
  /** Epochs in all, those of a resumed training included */
  epochs: number
  /** Scalar loss of the model's output and the targets (default crossEntropy) */
  loss?: Module | LossFunction
  schedule?: Schedule
  /** Step the schedule after each batch or after each epoch (default) */
  scheduleEvery?: 'batch' | 'epoch'
  /** Judged after each epoch, in evaluation mode, by `loss` and in batches of the loader's size */
  validation?: Dataset
  /** Ends the training after the current batch */
  signal?: AbortSignal
  /** Stop when the validation loss (without validation: the loss) has not fallen by minDelta for `patience` epochs */
  earlyStopping?: { patience: number; minDelta?: number }
  /** Called with the number of the epoch after every `every` epochs (default 1), to save */
  checkpoint?: { every?: number; save(epoch: number): void | Promise<void> }
  /**
   * Replay the step as a list of kernel calls once its shapes repeat (default true); same bits as without. What a callback changes in the model or
   * the loss (a frozen layer, a hook, a weight of the loss) counts from the next epoch on; false: at once
   */
  capture?: boolean
  /** Stop at the first NaN or infinity inside the step and name the op, the layer and the pass (default false); slower, not captured */
  debug?: boolean
  progress?: Progress
}

export interface FitResult {
  history: EpochReport[]
  /** Why it ended: all epochs done, the signal, or early stopping */
  ended: 'done' | 'aborted' | 'early'
  times: PhaseTimes
  progress: Progress
}

const now: () => number = typeof performance === 'object' ? () => performance.now() : () => Date.now()
/** Longest stretch without giving the event loop a chance, in ms: signals and timers would never come otherwise. */
const STRETCH = 80
const pause = (): Promise<void> =>
  new Promise(resolve => {
    if (typeof setTimeout === 'function') setTimeout(resolve, 0)
    else resolve()
  })

/**
 * Trains a model on a loader's batches (x, y). Gives the event loop a turn at least every 100 ms. Resuming: a loader whose `state`
 * was restored goes on where it stood. A Training, as checkpoints have it, may be spread into the options.
 * @throws TrainingError at the first loss that is not finite, saying where
 */
export async function fit(model: Module, loader: DataLoader, options: FitOptions): Promise<FitResult> {
  const { optimizer, epochs, loss: given = crossEntropy, schedule, scheduleEvery = 'epoch', validation, signal, earlyStopping, checkpoint } =
    engine.requireOptions('fit', options as FitOptions & Partial<Training>, 'optimizer epochs loss schedule scheduleEvery validation signal earlyStopping checkpoint capture debug progress onBatch onEpoch model loader recipe')
  if (typeof optimizer?.step !== 'function') {
    throw new TypeError(`fit: an optimizer expected, new SGD(model.parameters(), { lr: 0.1 }) for instance, got ${typeof optimizer}`)
  }
  if (!(loader instanceof DataLoader)) {
    const got = typeof loader === 'object' ? 'another object' : typeof loader
    throw new TypeError(`fit: a DataLoader of (x, y) expected, got ${got}: new DataLoader(dataset)`)
  }
  const lossOf = lossFunction('fit', given)
  if (validation) requireDataset('fit: validation', validation)
  if (validation?.length === 0) throw new RangeError('fit: a validation set with examples expected, got an empty one')
  if (scheduleEvery !== 'batch' && scheduleEvery !== 'epoch') throw new RangeError(`fit: scheduleEvery batch or epoch expected, got ${scheduleEvery}`)
  if (earlyStopping) {
    const { patience } = engine.requireOptions('fit: earlyStopping', earlyStopping, 'patience minDelta')
    if (!(patience >= 1)) throw new RangeError(`fit: earlyStopping with a patience ≥ 1 expected, got ${patience}`)
  }
  if (checkpoint && !(Number.isInteger(checkpoint.every ?? 1) && (checkpoint.every ?? 1) >= 1)) {
    throw new RangeError(`fit: a checkpoint every ≥ 1 epochs expected, got ${checkpoint.every}`)
  }
  if (!(Number.isInteger(epochs) && epochs >= 0)) throw new RangeError(`fit: a whole number of epochs ≥ 0 expected, got ${epochs}`)
  const progress = options.progress ?? newProgress()
  const times: PhaseTimes = { steps: 0, forward: 0, backward: 0, optimizer: 0, total: 0 }
  const start = now()
  let mark = 0
  const lap = (phase: 'forward' | 'backward' | 'optimizer') => {
    const t = now()
    times[phase] += t - mark
    mark = t
  }

  const step = (x: Tensor, y: Tensor): Tensor[] => {
    engine.hostMark(() => (mark = now()))
    const output = model.forward(x) as Tensor
    const loss = lossOf(output, y)
    if (!(loss instanceof Tensor)) throw new TypeError(`fit: a loss that is a tensor expected, got ${typeof loss}: numbers have no gradient`)
    engine.hostMark(() => lap('forward'))
    optimizer.zeroGrad()
    loss.backward()
    engine.hostMark(() => lap('backward'))
    optimizer.step()
    if (schedule && scheduleEvery === 'batch') schedule.step()
    engine.hostMark(() => lap('optimizer'))
    return isLabelled(output, y) ? [loss, countRight(output, y)] : [loss]
  }
  const undebug = options.debug ? debug.nan(model) : null
  const run = options.capture === false || debug.on ? Object.assign(step, { dispose() {} }) : capture(step)

  let ended: FitResult['ended'] = 'done'
  let rested = now()
  const rest = async () => {
    if (now() - rested < STRETCH) return
    await pause()
    rested = now()
  }

  model.train()
  // the loader may have gone through epochs before this training
  const before = loader.state.epoch - progress.history.length
  let batches = loader.batches()
  /** Where the loader stood before a batch that has not been trained with */
  let position: DataLoader['state'] | null = null
  const enough = () => earlyStopping !== undefined && stalled(progress.history, earlyStopping)
  try {
    if (enough()) ended = 'early'
    while (ended === 'done' && loader.state.epoch - before < epochs) {
      const epoch = loader.state.epoch - before
      const began = now() - progress.seconds * 1000
      for (let done = false; !done; ) {
        if (signal?.aborted) {
          ended = 'aborted'
          break
        }
        done = turn('fit', loader.state.batch, () => {
          position = loader.state
          const next = batches.next()
          if (next.done) {
            position = null
            return true
          }
          const [x, y] = next.value
          if (!x || !y) throw new TypeError('fit: batches (x, y) expected, got batches of one tensor: give the data set a second part')
          const lr = optimizer.lr
          const [loss, right] = located(() => run(x, y), epoch + 1, loader.state.batch, lr)
          position = null
          times.steps++
          const value = loss!.item()
          const examples = x.shape[0]!
          if (!Number.isFinite(value)) throw notFinite(value, epoch + 1, loader.state.batch, lr, model, x)
          progress.loss += value * examples
          progress.right += right ? right.item() : NaN
          progress.seen += examples
          options.onBatch?.({
            epoch: epoch + 1, epochs, batch: loader.state.batch, batches: loader.length, examples,
            loss: progress.loss / progress.seen, accuracy: progress.right / progress.seen,
          })
          return false
        })
        await rest()
      }
      progress.seconds = (now() - began) / 1000
      if (ended === 'aborted') break
      const report: EpochReport = {
        epoch: epoch + 1, epochs, loss: progress.loss / progress.seen, accuracy: progress.right / progress.seen,
        lr: optimizer.lr, seconds: progress.seconds, examplesPerSecond: progress.seen / progress.seconds,
      }
      progress.history.push(report)
      Object.assign(progress, { loss: 0, right: 0, seen: 0, seconds: 0 })
      try {
        if (validation) {
          const judged = judge(model, validation, lossOf, loader.batchSize)
          report.validationLoss = judged.loss
          report.validationAccuracy = judged.accuracy
        }
      } finally {
        // the epoch is over, whether it could be judged or not
        if (schedule && scheduleEvery === 'epoch') {
          schedule.step(report.validationLoss ?? report.loss)
          report.lr = optimizer.lr
        }
      }
      // before the callbacks: loops of theirs over the loader have epochs of their own
      batches = loader.batches()
      await options.onEpoch?.(report)
      if (checkpoint && (epoch + 1) % (checkpoint.every ?? 1) === 0) await checkpoint.save(epoch + 1)
      // the callbacks may have changed what the step does
      if (options.onBatch || options.onEpoch || checkpoint) run.dispose()
      if (enough()) ended = 'early'
    }
  } finally {
    batches.return()
    if (position) loader.state = position
    run.dispose()
    undebug?.()
  }
  times.total = now() - start
  return { history: progress.history, ended, times, progress }
}

/** Has the loss not fallen below its best for `patience` epochs? */
function stalled(history: readonly EpochReport[], { patience, minDelta = 0 }: { patience: number; minDelta?: number }): boolean {
  let best = Infinity
  let since = 0
  for (const report of history) {
    const loss = report.validationLoss ?? report.loss
    if (loss < best - minDelta) {
      best = loss
      since = 0
    } else since++
  }
  return since >= patience
}

/** What debug.nan() finds, with the place in the training. */
function located<T>(f: () => T, epoch: number, batch: number, lr: number): T {
  try {
    return f()
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error
    throw new TrainingError(`fit: epoch ${epoch}, batch ${batch}, learning rate ${lr}: ${error.message}`, { cause: error })
  }
}

function notFinite(value: number, epoch: number, batch: number, lr: number, model: Module, x: Tensor): TrainingError {
  const { kernels } = x.backend
  const input = kernels.firstNonFinite(x.size, x.address) >= 0
  const broken = model.namedParameters().find(([, p]) => kernels.firstNonFinite(p.size, p.address) >= 0)
  const where = input ? 'the input batch itself holds such a value' : broken ? `parameter ${broken[0]} is no longer finite` : 'inputs and parameters are still finite'
  const advice = input
    ? 'Look for missing values and divisions by 0 in the data.'
    : 'A smaller learning rate (try a tenth) or clipped gradients usually help; fit(…, { debug: true }) names the op and the layer.'
  const fact = `fit: the loss became ${value} in epoch ${epoch}, batch ${batch}, at learning rate ${lr}; ${where}`
  return Object.assign(new TrainingError(`${fact}. ${advice}`), { fact })
}
