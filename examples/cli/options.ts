// The options of the main job: what they are called, what they default to, and errors that name the option.

import { relative, resolve } from 'node:path'
import { sameFile } from './save.js'

export const DATASETS = ['digits', 'mnist', 'fashion', 'cifar10'] as const
export const MODELS = ['lenet5', 'mlp', 'perceptron', 'convnet'] as const
export const OPTIMIZERS = ['sgd', 'adam'] as const

export type Dataset = (typeof DATASETS)[number]
export type Model = (typeof MODELS)[number]

export interface Recipe {
  dataset: Dataset
  model: Model
  /** 0 tests a loaded model without training it. */
  epochs: number
  batch: number
  lr: number
  optimizer: (typeof OPTIMIZERS)[number]
  /** Of sgd. */
  momentum: number
  schedule: 'cosine'
  seed: number
  threads: number
  /** The folder that holds mnist/, fashion/, cifar10/. */
  data: string
  save?: string
  load?: string
  resume: boolean
  report: string
  json: boolean
  quiet: boolean
}

/** An option that is unknown, wrong or at odds with another. The message is one or two lines for the user. */
export class OptionError extends Error {
  override name = 'OptionError'
}

type Preset = Pick<Recipe, 'model' | 'epochs' | 'batch' | 'lr'>

export const PRESETS: Record<Dataset, Preset> = {
  digits: { model: 'convnet', epochs: 25, batch: 32, lr: 0.05 },
  mnist: { model: 'lenet5', epochs: 2, batch: 64, lr: 0.05 },
  fashion: { model: 'lenet5', epochs: 5, batch: 64, lr: 0.05 },
  cifar10: { model: 'convnet', epochs: 5, batch: 64, lr: 0.05 },
}
/** Adam's steps have the size of lr, whatever the gradient: sgd's rates are far too large for it. */
const ADAM_LR = 0.001
/** The learning rate where none is given. */
export const usualRate = ({ dataset, optimizer }: Pick<Recipe, 'dataset' | 'optimizer'>): number => (optimizer === 'adam' ? ADAM_LR : PRESETS[dataset].lr)
const MOMENTUM = 0.9
const DATA = 'data'
const REPORT = 'build/report.html'
const MOST_BATCH = 1000000
const MOST_THREADS = 16
const MOST_EPOCHS = 1000000
const MOST_SEED = 4294967295

interface Option {
  value?: string
  about: string
}

const OPTIONS = {
  dataset: { value: 'NAME', about: 'digits (ships with hebb), mnist, fashion or cifar10; default digits' },
  data: {
    value: 'DIR',
    about: [
      `folder of the other sets; default HEBB_DATA, else ${DATA}`,
      'DIR/mnist/train-images-idx3-ubyte.gz, DIR/fashion/... (same names),',
      'DIR/cifar10/data_batch_*.bin.gz and test_batch.bin.gz',
      'npm run data -- mnist   fetches a set',
    ].join('\n'),
  },
  model: { value: 'NAME', about: 'lenet5, mlp, perceptron or convnet' },
  epochs: { value: 'N', about: 'passes over the training images; 0 with --load only tests' },
  batch: { value: 'N', about: 'images per step' },
  lr: { value: 'X', about: `learning rate at the start; a cosine takes it down to 0 (adam: default ${ADAM_LR})` },
  optimizer: { value: 'NAME', about: `sgd (momentum ${MOMENTUM}) or adam; default sgd` },
  seed: { value: 'N', about: 'split, initial weights, order of images; default 0. Same seed, same bits' },
  threads: { value: 'N', about: 'threads that compute, 1 to 16; default 1. The same bits with any number' },
  save: { value: 'FILE', about: 'write weights and training state to FILE (safetensors)' },
  load: { value: 'FILE', about: 'start from the weights in FILE' },
  resume: { about: "continue an interrupted training from --save's file" },
  report: { value: 'FILE', about: `the page of curves and pictures; default ${REPORT}` },
  json: { about: 'one JSON object a line: event start, epoch or end' },
  quiet: { about: 'print only the result (with --json: only the end event)' },
  help: { about: 'this text' },
} as const satisfies Record<string, Option>

type OptionName = keyof typeof OPTIONS

/** The text of --help. */
export function helpText(): string {
  const left = (name: string, option: Option) => `--${name}${option.value ? ` ${option.value}` : ''}`
  const options = Object.entries<Option>(OPTIONS)
  const width = Math.max(...options.map(([name, option]) => left(name, option).length)) + 2
  const margin = ' '.repeat(width + 2)
  const lines = options.map(([name, option]) => {
    return `  ${left(name, option).padEnd(width)}${option.about.replaceAll('\n', `\n${margin}`)}`
  })
  const row = (...cells: (string | number)[]) => `  ${cells.map((cell, i) => String(cell).padEnd(i ? 9 : 10)).join('')}`.trimEnd()
  const presets = DATASETS.map(name => {
    const { model, epochs, batch, lr } = PRESETS[name]
    return row(name, model, epochs, batch, lr)
  })
  return [
    'Trains a neural network on images, tests it once, and writes a report.',
    '',
    'npm start -- [options]',
    '',
    ...lines,
    '',
    'Defaults that depend on the data set:',
    row('', 'model', 'epochs', 'batch', 'lr'),
    ...presets,
    '',
  ].join('\n')
}

type Env = Readonly<Record<string, string | undefined>>

/** The folder that the user is in: npm leaves it for the package's. */
export const userFolder = (env: Env): string => (env.npm_lifecycle_event === 'start' && env.INIT_CWD) || process.cwd()

/** The recipe that the arguments (without node and the script) and the environment ask for, or 'help'. Throws OptionError. */
export function parseOptions(argv: readonly string[], env: Env = {}): Recipe | 'help' {
  const given = collect(argv)
  if (given.has('help')) return 'help'
  const choice = <T extends string>(name: OptionName, choices: readonly T[], otherwise: T): T => {
    const value = given.get(name)
    if (value === undefined) return otherwise
    if ((choices as readonly string[]).includes(value)) return value as T
    const near = nearest(value, choices)
    const all = `${choices.slice(0, -1).join(', ')} or ${choices[choices.length - 1]}`
    throw new OptionError(`--${name}: expected ${all}, got ${JSON.stringify(value)}${near ? `; did you mean ${near}?` : ''}`)
  }
  const whole = (name: OptionName, least: number, most: number, otherwise: number): number => {
    const value = given.get(name)
    if (value === undefined) return otherwise
    const n = /^\d+$/.test(value) ? Number(value) : NaN
    if (n >= least && n <= most) return n
    throw new OptionError(`--${name}: expected a whole number from ${least} to ${most}, got ${JSON.stringify(value)}`)
  }
  const rate = (otherwise: number): number => {
    const value = given.get('lr')
    if (value === undefined) return otherwise
    const x = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : NaN
    if (x > 0 && x < Infinity) return x
    throw new OptionError(`--lr: expected a number above 0, got ${JSON.stringify(value)}`)
  }
  const folder = userFolder(env)
  // as it was typed where that means the same
  const path = (file: string | undefined) => (file === undefined || relative(folder, '') === '' ? file : resolve(folder, file))
  const dataset = choice('dataset', DATASETS, 'digits')
  const optimizer = choice('optimizer', OPTIMIZERS, 'sgd')
  const preset = PRESETS[dataset]
  const recipe: Recipe = {
    dataset,
    model: choice('model', MODELS, preset.model),
    epochs: whole('epochs', 0, MOST_EPOCHS, preset.epochs),
    batch: whole('batch', 1, MOST_BATCH, preset.batch),
    lr: rate(usualRate({ dataset, optimizer })),
    optimizer,
    momentum: MOMENTUM,
    schedule: 'cosine',
    seed: whole('seed', 0, MOST_SEED, 0),
    threads: whole('threads', 1, MOST_THREADS, 1),
    data: path(given.get('data') ?? (env.HEBB_DATA || undefined)) ?? DATA,
    save: path(given.get('save')),
    load: path(given.get('load')),
    resume: given.has('resume'),
    report: path(given.get('report')) ?? REPORT,
    json: given.has('json'),
    quiet: given.has('quiet'),
  }
  checkTogether(recipe)
  return recipe
}

function checkTogether(recipe: Recipe): void {
  const { epochs, save, load, resume, report } = recipe
  if (resume && load !== undefined) {
    throw new OptionError(
      '--load and --resume: expected one of them, got both\n' +
        "--load starts a new training from FILE's weights, --resume continues --save's training",
    )
  }
  if (resume && save === undefined) throw new OptionError('--resume: expected --save FILE too, the file to continue from')
  if (epochs === 0 && load === undefined) {
    throw new OptionError('--epochs: expected 1 or more, got 0, which only tests and needs --load FILE')
  }
  for (const [name, file] of [['save', save], ['load', load]] as const) {
    if (file === undefined || !sameFile(file, report)) continue
    const got = file === report ? 'for both' : `and ${JSON.stringify(report)}, which are one`
    throw new OptionError(`--${name} and --report: expected two files, got ${JSON.stringify(file)} ${got}`)
  }
}

/** Option names with their values; flags have the value ''. */
function collect(argv: readonly string[]): Map<OptionName, string> {
  const given = new Map<OptionName, string>()
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] === '-h' ? '--help' : argv[i]!
    if (!argument.startsWith('--') || argument === '--') {
      const set = (DATASETS as readonly string[]).includes(argument) ? `; did you mean --dataset ${argument}?` : ''
      throw new OptionError(
        `${JSON.stringify(argument)}: expected an option, which begins with --${set}\nnpm start -- --help   lists them`,
      )
    }
    const equals = argument.indexOf('=')
    const name = (equals < 0 ? argument : argument.slice(0, equals)).slice(2)
    if (!Object.hasOwn(OPTIONS, name)) {
      const near = nearest(name, Object.keys(OPTIONS))
      throw new OptionError(
        `--${name}: unknown option${near ? `; did you mean --${near}?` : ''}\nnpm start -- --help   lists them`,
      )
    }
    const key = name as OptionName
    const option: Option = OPTIONS[key]
    if (given.has(key) && key !== 'help') throw new OptionError(`--${name}: expected once, got it twice`)
    let value = equals < 0 ? undefined : argument.slice(equals + 1)
    if (!option.value) {
      if (value !== undefined) throw new OptionError(`--${name}: expected no value, got ${JSON.stringify(value)}`)
      value = ''
    } else {
      // `--lr -1` is a value, though a wrong one; `--lr --seed` is a value forgotten.
      if (value === undefined && i + 1 < argv.length && !argv[i + 1]!.startsWith('--')) value = argv[++i]!
      if (!value) throw new OptionError(`--${name}: expected a value, --${name} ${option.value}, got none`)
    }
    given.set(key, value)
  }
  return given
}

const shellWord = (word: string): string => (/^[\w./:=+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** The command that continues a training which these arguments began and `file` holds. */
export function resumeCommand(argv: readonly string[], env: Env, file: string): string {
  const given = collect(argv)
  // weights come from `file` now, whatever they came from before
  for (const name of ['load', 'save', 'resume'] as const) given.delete(name)
  if (env.HEBB_DATA && given.has('dataset') && !given.has('data')) given.set('data', env.HEBB_DATA)
  given.set('save', file).set('resume', '')
  const words = [...given].flatMap(([name, value]) => (value === '' ? [`--${name}`] : value.startsWith('--') ? [`--${name}=${value}`] : [`--${name}`, value]))
  return `npm start -- ${words.map(shellWord).join(' ')}`
}

/** The candidate that takes the fewest single-letter edits, where that is few enough to be a slip; else one that begins alike. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.min(3, Math.floor(word.length / 2))) + 1
  for (const candidate of candidates) {
    const d = edits(word.toLowerCase(), candidate)
    if (d < least) [best, least] = [candidate, d]
  }
  if (best !== undefined || word.length < 2) return best
  return candidates.find(candidate => candidate.startsWith(word) || word.startsWith(candidate))
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function edits(a: string, b: string): number {
  let older: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let d = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, older[j - 2]! + 1)
      row.push(d)
    }
    older = previous
    previous = row
  }
  return previous[b.length]!
}

/** The recipe in lines to print: what runs, whether it was asked for or a default. */
export function effectiveOptions(recipe: Recipe): string[] {
  const { dataset, model, epochs, batch, lr, optimizer, seed, threads, data, save, load, resume, report } = recipe
  const momentum = optimizer === 'sgd' ? `, momentum ${recipe.momentum}` : ''
  const rows: [string, string | undefined][] = [
    ['dataset', dataset === 'digits' ? dataset : `${dataset} from ${data}`],
    ['model', load === undefined ? model : `${model}, weights from ${load}`],
    ['training', epochs === 0 ? 'none: test only' : `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}, batch ${batch}`],
    ['optimizer', epochs === 0 ? undefined : `${optimizer}, lr ${lr}${momentum}, ${recipe.schedule} decay to 0`],
    ['seed', String(seed)],
    ['threads', String(threads)],
    ['save', save === undefined ? undefined : `${save}${resume ? ', resumed from there' : ''}`],
    ['report', report],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${value}`]))
}
