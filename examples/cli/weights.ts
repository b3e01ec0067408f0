// Weights and trainings, from files and to files.

import { readFileSync, statSync, type Stats } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Module, Tensor } from 'hebb'
import { loadCheckpoint, readRecipe, readStateDict, saveCheckpoint, type Training } from 'hebb/train'
import { OptionError, userFolder, type Recipe } from './options.js'
import { save } from './save.js'

/** From build/examples/train.js, where this file ends up. */
const INTERRUPTED = fileURLToPath(new URL('../interrupted.safetensors', import.meta.url))

/** A file as the user would name it. */
export function shown(file: string): string {
  const path = relative(userFolder(process.env), file)
  return path.startsWith('..') || isAbsolute(path) ? file : path
}

function read(named: string, file: string): Uint8Array {
  const refuse = (got: unknown) => new OptionError(`${named}: expected a file to read, got ${got}`)
  let stats: Stats
  try {
    stats = statSync(file)
    // reading a device or a pipe may never end
    if (stats.isFile()) return readFileSync(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw refuse(code === 'ENOENT' ? 'nothing there' : code)
  }
  throw refuse(stats.isDirectory() ? 'a folder' : 'a device or pipe')
}

/** What a file holds, as it may be printed: nothing in it commands the terminal. */
function plain(value: unknown): string {
  if (typeof value === 'string' && /^[\w ,.]+$/.test(value)) return value
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80).replace(/\p{C}/gu, '\ufffd')
}

type State = Readonly<Record<string, Tensor>>

/** How weights differ from those that a model has: the first name that one of them lacks or has otherwise. */
function misfit(own: State, loaded: State): string | undefined {
  const form = (state: State, name: string) => (Object.hasOwn(state, name) ? `${state[name]!.dtype} [${state[name]!.shape}]` : 'none')
  const name = Object.keys({ ...own, ...loaded }).find(key => form(own, key) !== form(loaded, key))
  return name === undefined ? undefined : `${plain(name)} expected ${form(own, name)}, got ${form(loaded, name)}`
}

function checkFinite(named: string, state: State): void {
  for (const [name, t] of Object.entries(state)) {
    const wrong = t.values().find(x => !Number.isFinite(x))
    if (wrong !== undefined) throw new OptionError(`${named}: ${plain(name)} holds ${wrong}, expected finite numbers`)
  }
}

/** Weights to start from or to test. */
export function load(file: string, { model: name, dataset }: Recipe, model: Module): void {
  const named = `--load ${file}`
  const state = readStateDict(read(named, file), named)
  const wrong = misfit(model.stateDict(), state)
  if (wrong !== undefined) throw new OptionError(`${named}: expected weights of --model ${name} for --dataset ${dataset}, got others: ${wrong}`)
  checkFinite(named, state)
  model.loadStateDict(state)
}

/** Goes on with the training in `file`, which must have been given the same recipe for the same bits to come out. */
export function resume(file: string, epochs: number, training: Training): void {
  const named = `--resume ${file}`
  const bytes = read(named, file)
  const saved = readRecipe(bytes, named)
  for (const [name, value] of Object.entries(saved ? training.recipe! : {})) {
    if (saved![name] === value) continue
    const option = name === 'images' ? '' : `--${name} `
    throw new OptionError(`${named}: trained with ${option}${plain(saved![name])}, expected the same, got ${plain(value)}`)
  }
  loadCheckpoint(bytes, training, named)
  const { loader: { state: { epoch } }, progress: { history }, model, optimizer } = training
  if (epoch > epochs || history.length !== epoch) {
    throw new OptionError(`${named}: expected at most ${epochs} epochs and a report of each, got ${epoch} and ${history.length}: the file is damaged`)
  }
  checkFinite(named, { ...model.stateDict(), ...optimizer.stateDict().buffers })
}

/** Saves a training, and where `wanted` can't be written, in build/: an hour of work outweighs a folder's name. */
export function keep(training: Training, wanted = INTERRUPTED): { file?: string, trouble?: string } {
  const content = saveCheckpoint(training)
  const troubles: string[] = []
  for (const file of new Set([wanted, INTERRUPTED])) {
    try {
      save(file, content)
      return { file, trouble: troubles[0] && `${troubles[0]}\nthe training is in ${shown(file)} instead` }
    } catch (error) {
      troubles.push((error as Error).message)
    }
  }
  return { trouble: troubles.join('\n') }
}
