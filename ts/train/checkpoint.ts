// Saving and loading: state dicts as safetensors with PyTorch's keys, and checkpoints from which a training goes on bit for bit.

import { engine, MemoryError, ShapeError, tensor, type DataLoader, type Module, type Optimizer, type OptimizerState, type Schedule, type Tensor } from 'hebb'
import { readSafetensors, SafetensorsError, writeSafetensors, type SafeTensor, type WriteOptions } from 'hebb/io'
import type { EpochReport, Progress } from './fit.js'
import { count, like, list, number, object, optional, orNull, orOwn, quote, text, whole, words, type Kind } from './kinds.js'

const FORMAT = 'hebb checkpoint 1'
const OPTIMIZER = 'optimizer.'

function safe(t: Tensor): SafeTensor {
  return t.dtype === 'int32'
    ? { shape: [...t.shape], dtype: 'I32', data: Int32Array.from(t.values()) }
    : { shape: [...t.shape], dtype: 'F32', data: Float32Array.from(t.values()) }
}

/**
 * The parameters and buffers of a model as a safetensors file; PyTorch's load_state_dict takes the keys as they are.
 * { dtype: 'f16' } or 'bf16' stores float32 in half the bytes, rounded; readStateDict() makes float32 of them again.
 */
export function writeStateDict(model: Module, metadata: Record<string, string> = {}, options?: WriteOptions): Uint8Array {
  return writeSafetensors(new Map(Object.entries(model.stateDict()).map(([name, t]) => [name, safe(t)])), metadata, options)
}

/** Tensors of a safetensors file by name, without those of an optimizer. `file` names it in errors. */
export function readStateDict(bytes: Uint8Array, file?: string): Record<string, Tensor> {
  const { tensors, metadata } = readSafetensors(bytes, file)
  const own = metadata.format === FORMAT ? [...tensors].filter(([name]) => !name.startsWith(prefixOf(metadata))) : [...tensors]
  return Object.fromEntries(own.map(([name, t]) => [name, toTensor(t)]))
}
/** What the names of an optimizer's tensors begin with in a checkpoint */
const prefixOf = (metadata: Readonly<Record<string, string>>): string => metadata.prefix ?? OPTIMIZER
const toTensor = ({ shape, dtype, data }: SafeTensor): Tensor => tensor(data, shape, { dtype: dtype === 'I32' ? 'int32' : 'float32' })

/** Everything that a training is made of. */
export interface Training {
  model: Module
  optimizer: Optimizer<any>
  schedule?: Schedule
  loader: DataLoader
  progress: Progress
  /** What the training was started with; readRecipe() gives it back, to compare */
  recipe?: Record<string, unknown>
}

/** Model, optimizer, schedule, the loader's position, random numbers and history in one safetensors file. */
export function saveCheckpoint({ model, optimizer, schedule, loader, progress, recipe }: Training): Uint8Array {
  const state = optimizer.stateDict()
  const tensors = new Map(Object.entries(model.stateDict()).map(([name, t]) => [name, safe(t)]))
  // the model may have a child of this name
  let prefix = OPTIMIZER
  while ([...tensors.keys()].some(name => name.startsWith(prefix))) prefix = `_${prefix}`
  for (const [name, t] of Object.entries(state.buffers)) tensors.set(prefix + name, safe(t))
  return writeSafetensors(tensors, {
    format: FORMAT,
    prefix,
    training: JSON.stringify({
      optimizer: { name: optimizer.name, groups: state.groups, steps: state.steps },
      schedule: schedule?.save() ?? null,
      scheduleName: schedule?.constructor.name ?? null,
      loader: loader.state,
      random: engine.randomState(),
      progress,
      recipe: recipe ?? null,
    }),
  })
}

interface Saved {
  optimizer: { name: string; groups: Record<string, unknown>[]; steps: number[] }
  schedule: (number | null)[] | null
  scheduleName?: string | null
  loader: DataLoader['state']
  random: ReturnType<typeof engine.randomState>
  progress: Progress
  recipe: Record<string, unknown> | null
}

const REPORT = object({
  epoch: count, epochs: count, loss: number, accuracy: orNull(number), lr: number, seconds: number, examplesPerSecond: orNull(number),
  validationLoss: optional(orNull(number)), validationAccuracy: optional(orNull(number)),
})
const SAVED: Record<keyof Saved, Kind> = {
  optimizer: object({ name: text, groups: list(object()), steps: list(count) }),
  schedule: orNull(list(orNull(number))),
  scheduleName: optional(orNull(text)),
  loader: object({ seed: whole, epoch: count, batch: count }),
  random: object({ tensors: words(4, 0xffffffff), host: words(5, 3) }),
  progress: object({ history: list(REPORT), loss: number, right: orNull(number), seen: count, seconds: number }),
  recipe: orNull(object()),
}

function ensure(file: string, kind: Kind, value: unknown, at: string): void {
  const wrong = kind(value, `training.${at}`)
  if (wrong !== undefined) throw new SafetensorsError(`${file}: ${wrong}: the file is damaged`)
}

function parse(text: string): Partial<Saved> | null {
  try {
    return JSON.parse(text) as Saved
  } catch {
    // nothing of it is there, which is said
    return null
  }
}

function readCheckpoint(bytes: Uint8Array, file: string): { tensors: Map<string, SafeTensor>, saved: Saved, prefix: string } {
  const { tensors, metadata } = readSafetensors(bytes, file)
  const { format, training } = metadata
  if (format !== FORMAT || training === undefined) {
    throw new SafetensorsError(`${file}: expected a checkpoint (metadata format '${FORMAT}'), got ${format ? quote(format) : 'weights only'}`)
  }
  const saved = parse(training)
  for (const [name, kind] of Object.entries(SAVED)) ensure(file, kind, saved?.[name as keyof Saved], name)
  return { tensors, saved: saved as Saved, prefix: prefixOf(metadata) }
}

/** The recipe that a checkpoint was saved with. @throws SafetensorsError if the file is none or damaged */
export function readRecipe(bytes: Uint8Array, file = 'checkpoint'): Record<string, unknown> | null {
  return readCheckpoint(bytes, file).saved.recipe
}

/**
 * Take up a training where saveCheckpoint() left it. Returns the recipe that was saved.
 * @throws SafetensorsError if the file is no checkpoint, damaged or of another optimizer, ShapeError if it is another model's, RangeError
 * if the loader has fewer batches or the schedule is another. Nothing is changed then.
 */
export function loadCheckpoint(bytes: Uint8Array, training: Training, file = 'checkpoint'): Record<string, unknown> | null {
  const { tensors, saved, prefix } = readCheckpoint(bytes, file)
  const { model, optimizer, schedule, loader, progress } = training
  if (saved.optimizer.name !== optimizer.name) throw new SafetensorsError(`${file}: expected a state of ${optimizer.name}, got one of ${quote(saved.optimizer.name)}`)
  const { groups, steps } = saved.optimizer
  for (const [i, { params: _, ...options }] of optimizer.groups.entries()) {
    if (!groups[i]) continue
    ensure(file, like(options), groups[i], `optimizer.groups[${i}]`)
    groups[i] = Object.fromEntries(Object.entries(groups[i]).map(([name, value]) => [name, orOwn(value, options[name])]))
  }
  const state: Record<string, Tensor> = {}
  const buffers: OptimizerState['buffers'] = {}
  const own = model.stateDict()
  for (const [name, { dtype }] of tensors) {
    const buffer = name.startsWith(prefix)
    const expected = !buffer && own[name]?.dtype === 'int32' ? 'I32' : 'F32'
    if (dtype === expected || !(buffer || own[name])) continue
    const told = `${file}: tensor ${quote(name)}: expected ${expected}, got ${dtype}`
    throw buffer ? new SafetensorsError(`${told}: the file is damaged`) : new ShapeError(`${told}: is it another model's?`)
  }
  const position = loader.state
  try {
    for (const [name, t] of tensors) {
      if (name.startsWith(prefix)) buffers[name.slice(prefix.length)] = toTensor(t)
      else state[name] = toTensor(t)
    }
    loader.state = saved.loader
    optimizer.check({ groups, steps, buffers })
    if (saved.schedule !== null) schedule?.check(saved.schedule)
    if (schedule && saved.scheduleName && saved.scheduleName !== schedule.constructor.name) {
      throw new RangeError(`a state of ${schedule.constructor.name} expected, got one of ${quote(saved.scheduleName)}`)
    }
    model.loadStateDict(state)
    optimizer.loadStateDict({ groups, steps, buffers })
  } catch (error) {
    loader.state = position
    // it says what to do, and the file is not to blame
    if (error instanceof MemoryError) throw error
    const told = `${file}: ${(error as Error).message}`
    throw error instanceof ShapeError ? new ShapeError(told, { cause: error }) : new RangeError(told, { cause: error })
  } finally {
    for (const t of [...Object.values(state), ...Object.values(buffers)]) t.dispose()
  }
  if (saved.schedule !== null) schedule?.restore(saved.schedule)
  // a rate may have been set by hand since the schedule's step
  if (saved.scheduleName) for (const [i, group] of optimizer.groups.entries()) group.lr = groups[i]!.lr
  engine.restoreRandomState(saved.random)
  // JSON has no NaN
  const history = saved.progress.history.map(report => Object.fromEntries(Object.entries(report).map(([name, value]) => [name, value ?? NaN])) as unknown as EpochReport)
  Object.assign(progress, saved.progress, { history, right: saved.progress.right ?? NaN })
  return saved.recipe
}

/** SHA-256 of all parameters' values (little-endian float32, in the order of namedParameters()), in hexadecimal. */
export async function weightsHash(model: Module): Promise<string> {
  const parts = model.parameters().map(p => Float32Array.from(p.values()))
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  const digest = await crypto.subtle.digest('SHA-256', all)
  return Array.from(new Uint8Array(digest), b => b.toString(16).padStart(2, '0')).join('')
}
