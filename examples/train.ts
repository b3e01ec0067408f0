// The main job, `npm start`: train a network on images, test it once, show and write down what came of it. --help lists the options.

import { createHash } from 'node:crypto'
import {
  Adam, CosineAnnealingLR, DataLoader, ImageDataset, manualSeed, MemoryError, pixelStatistics, SGD, split, Subset, TestSet, type Dataset, type ImageSet, type Module,
} from 'hebb'
import {
  confusionMatrix, evaluate, fit, newProgress, TrainingError, weightsHash, type Evaluation, type FitResult, type Training,
} from 'hebb/train'
import { useThreads } from 'hebb/threads'
import { CLOSED, guardOutput } from '../scripts/output.js'
import { loadDataset } from './cli/datasets.js'
import { Interruption } from './cli/interruption.js'
import { buildModel, firstFilters } from './cli/models.js'
import { helpText, OptionError, parseOptions, resumeCommand, usualRate, type Recipe } from './cli/options.js'
import { createReporter, type EndEvent, type EpochEvent, type StartEvent } from './cli/progress.js'
import { buildReport, type Mistake } from './cli/report.js'
import { checkWritable, save, SaveError } from './cli/save.js'
import { keep, load, resume, shown } from './cli/weights.js'

const PARTS = [0.7, 0.1, 0.2]
const WORST = 30

interface Parts {
  train: Dataset
  validation: Dataset | undefined
  test: TestSet
  note?: string
  /** Which images it is trained on */
  images: string
  /** The set that the test images are in, and their places there */
  source: ImageSet
  places: ArrayLike<number>
}

/** Training, validation and test images. Pixels are normalised by the mean and deviation of the training images alone. */
async function prepare({ dataset, data, seed }: Recipe): Promise<Parts> {
  const { train: set, test, note } = await loadDataset(dataset, data)
  const images = `${set.count} images of checksum ${createHash('sha256').update(set.images).update(set.labels).digest('hex').slice(0, 8)}`
  if (test) {
    const statistics = pixelStatistics(set)
    const places = Int32Array.from({ length: test.count }, (_, i) => i)
    return { train: new ImageDataset(set, statistics), validation: undefined, test: new TestSet(new ImageDataset(test, statistics)), note, images, source: test, places }
  }
  const [forTraining, forValidation, forTest] = split(new ImageDataset(set), PARTS, { seed }) as [Subset, Subset, Subset]
  const normalised = new ImageDataset(set, pixelStatistics(set, forTraining.indices))
  const part = ({ indices }: Subset) => new Subset(normalised, indices)
  return { train: part(forTraining), validation: part(forValidation), test: new TestSet(part(forTest)), note, images, source: set, places: forTest.indices }
}

/** The test images that the model was surest about and got wrong. */
function worstMistakes({ source, places }: Parts, { predictions, labels, confidences }: Evaluation): Mistake[] {
  const size = source.channels * source.height * source.width
  const wrong = Array.from(predictions.keys()).filter(i => predictions[i] !== labels[i])
  return wrong.sort((a, b) => confidences[b]! - confidences[a]!).slice(0, WORST).map(i => ({
    pixels: source.images.slice(places[i]! * size, (places[i]! + 1) * size),
    truth: labels[i]!, prediction: predictions[i]!, confidence: confidences[i]!,
  }))
}

/** What a resumed training must have in common with the one that was saved, for the same bits to come out. */
const lasting = ({ dataset, model, optimizer, epochs, batch, lr, momentum, schedule, seed }: Recipe, { images }: Parts) =>
  ({ dataset, model, optimizer, epochs, batch, lr, momentum, schedule, seed, images })

/** Errors of the library with the option that mends them. */
function mended(error: unknown, recipe: Recipe): unknown {
  const { lr, batch } = recipe
  if (error instanceof TrainingError) {
    const better = Number(Math.min(usualRate(recipe), lr / 10).toPrecision(2))
    return new OptionError(`${error.fact}\n--lr ${lr}: expected a rate at which the loss falls, got one that is too large; try --lr ${better}`, { cause: error })
  }
  if (error instanceof MemoryError && batch > 1) {
    const better = Math.ceil(batch / 4)
    return new OptionError(`--batch ${batch}: expected batches that fit into memory, got larger ones; try --batch ${better}`, { cause: error })
  }
  return error
}

function train(
  recipe: Recipe, parts: Parts, training: Training, signal: AbortSignal, onEpoch: (event: EpochEvent) => void, reporter: ReturnType<typeof createReporter>,
): Promise<FitResult> {
  const { model, loader, optimizer, schedule, progress } = training
  let told: string | undefined
  return fit(model, loader, {
    optimizer, schedule, scheduleEvery: 'batch', epochs: recipe.epochs, validation: parts.validation, signal, progress,
    onBatch: ({ examples, ...event }) => reporter.batch({ ...event, images: examples }),
    onEpoch: ({ examplesPerSecond, lr: _, ...event }) => onEpoch({ ...event, imagesPerSecond: examplesPerSecond }),
    ...(recipe.save !== undefined && {
      checkpoint: {
        save: () => {
          const { trouble } = keep(training, recipe.save)
          // once is enough where every epoch has the same
          if (trouble !== undefined && trouble !== told) reporter.warn(trouble)
          told = trouble
        },
      },
    }),
  }).catch((error: unknown) => {
    throw mended(error, recipe)
  })
}

function newTraining(recipe: Recipe, model: Module, parts: Parts): Training {
  const { lr, momentum, batch, epochs, seed } = recipe
  const optimizer = recipe.optimizer === 'adam' ? new Adam(model.parameters(), { lr }) : new SGD(model.parameters(), { lr, momentum })
  const loader = new DataLoader(parts.train, { batchSize: batch, shuffle: true, seed })
  const schedule = new CosineAnnealingLR(optimizer, { tMax: Math.max(1, loader.length * epochs) })
  return { model, optimizer, loader, schedule, progress: newProgress(), recipe: lasting(recipe, parts) }
}

/** Below the live line as soon as there is one. */
let complain = (text: string): unknown => process.stderr.write(`${text}\n`)

async function main(argv: readonly string[]): Promise<void> {
  let interruption: Interruption | undefined
  guardOutput(code => (interruption ? interruption.end(code) : process.exit(code)))
  const recipe = parseOptions(argv, process.env)
  if (recipe === 'help') return void process.stdout.write(helpText())
  const began = performance.now()
  for (const file of [recipe.save, recipe.report]) if (file !== undefined) checkWritable(file)
  if (recipe.threads > 1) await useThreads(recipe.threads)

  const parts = await prepare(recipe)
  manualSeed(recipe.seed)
  const model = buildModel(recipe, parts.source)
  if (recipe.load !== undefined) load(recipe.load, recipe, model)
  const training = newTraining(recipe, model, parts)
  if (recipe.resume) resume(recipe.save!, recipe.epochs, training)

  const reporter = createReporter(recipe)
  complain = text => reporter.warn(text)
  const start: StartEvent = {
    recipe, parameters: model.parameters().reduce((n, p) => n + p.size, 0),
    trainCount: parts.train.length, validationCount: parts.validation?.length ?? 0, testCount: parts.test.length, note: parts.note,
  }
  interruption = new Interruption(complain)
  reporter.start(start)
  const epochs: EpochEvent[] = training.progress.history.map(({ examplesPerSecond, ...event }) => ({ ...event, imagesPerSecond: examplesPerSecond }))
  const result = await train(recipe, parts, training, interruption.signal, event => {
    epochs.push(event)
    reporter.epoch(event)
  }, reporter)

  const judged = result.ended === 'aborted' ? undefined : evaluate(model, parts.test)
  if (!judged || (await interruption.came())) {
    // what was loaded to be tested is in its file
    if (recipe.epochs === 0) return reporter.note('Interrupted in the test; nothing was trained')
    const { file, trouble } = keep(training, recipe.save)
    if (file === undefined) throw new SaveError(trouble)
    if (trouble !== undefined) reporter.warn(trouble)
    const where = judged ? 'the final test' : `epoch ${training.loader.state.epoch + 1} of ${recipe.epochs}`
    const how = `Interrupted in ${where}; saved to ${file}. To go on:\n${resumeCommand(argv, process.env, shown(file))}`
    if (process.exitCode !== CLOSED) reporter.note(how)
    return
  }

  const kept = recipe.save === undefined ? {} : keep(training, recipe.save)
  const { source } = parts
  const end: EndEvent = {
    testAccuracy: judged.accuracy, testCount: judged.count, testLoss: judged.loss, testLooks: parts.test.looks, seconds: (performance.now() - began) / 1000,
    weightsHash: await weightsHash(model), confusion: confusionMatrix(judged.labels, judged.predictions, source.classes), classNames: source.classNames,
    times: result.times, save: kept.file,
  }
  const troubles = kept.trouble === undefined ? [] : [kept.trouble]
  try {
    save(recipe.report, buildReport({ start, epochs, end, image: source, mistakes: worstMistakes(parts, judged), filters: firstFilters(model, source) }))
    end.report = recipe.report
  } catch (error) {
    troubles.push((error as Error).message)
  }
  // the result is told whatever could not be written
  reporter.end(end)
  if (troubles.length > 0) throw new SaveError(troubles.join('\n'))
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // users get the message; the stack is for those who ask
  const known = error instanceof Error
  complain(process.env.HEBB_DEBUG && known ? error.stack! : known ? error.message : String(error))
  process.exitCode = 1
})
