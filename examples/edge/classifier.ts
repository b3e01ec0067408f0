// The model: reading digits, and learning from a caller's own examples.

import { crossEntropy, Linear, noGrad, scope, SGD, softmax, tensor, type Module, type Tensor } from 'hebb'
import { ConvNet } from 'hebb/models'
import { SIDE } from '../page/strokes.js'
import { WHITE } from './digit.js'
import { readQuantised } from './quantise.js'

export const CLASSES = 10
export const PIXELS = SIDE * SIDE
/** Steps of training between which other requests get their turn */
const STEPS_AT_A_TIME = 10

export interface Answer {
  label: number
  /** Of the classes 0..9, in the order of their labels */
  probabilities: number[]
}

export interface Example {
  image: readonly number[]
  label: number
}

export interface Adapted {
  /** Mean cross-entropy of the examples before and after */
  loss: { before: number, after: number }
  /** Share of the examples read right before and after, 0..1 */
  accuracy: { before: number, after: number }
  /** Answers of the adapted model for the images asked about */
  results: Answer[]
}

export interface AdaptOptions {
  steps: number
  lr: number
}

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve))

export class Classifier {
  readonly #model: ConvNet
  readonly #body: readonly Module[]
  readonly #head: Linear
  readonly #mean: number
  readonly #std: number

  /** @param bytes a file that train.ts has written */
  constructor(bytes: Uint8Array) {
    this.#model = new ConvNet()
    this.#model.eval()
    const { mean, std } = scope(() => {
      const { state, metadata } = readQuantised(bytes, 'digits.safetensors')
      this.#model.loadStateDict(state)
      return metadata
    })
    this.#mean = Number(mean)
    this.#std = Number(std)
    const { layers } = this.#model
    this.#head = layers.at(-1) as Linear
    this.#body = layers.slice(0, -1)
  }

  /** Images of 0..16 as the network takes them: [n, 1, 8, 8] */
  #input(images: readonly ArrayLike<number>[]): Tensor {
    const values = new Float32Array(images.length * PIXELS)
    images.forEach((image, n) => {
      for (let p = 0; p < PIXELS; p++) values[n * PIXELS + p] = (image[p]! / WHITE - this.#mean) / this.#std
    })
    return tensor(values, [images.length, 1, SIDE, SIDE])
  }

  #features(images: readonly ArrayLike<number>[]): Tensor {
    return noGrad(() => this.#body.reduce((x, layer) => layer.forward(x) as Tensor, this.#input(images)))
  }

  /** What the digits are. One synchronous scope: nothing is left when it returns, whatever the runtime collects. */
  classify(images: readonly ArrayLike<number>[]): Answer[] {
    return scope(() => noGrad(() => answers(this.#head.forward(this.#features(images)))))
  }

  /**
   * Trains a copy of the last layer on the examples, the whole set a step, and reads `images` with it. The model itself stays as it is:
   * what one caller teaches, no other sees. Between steps other requests get their turn.
   */
  async adapt(examples: readonly Example[], images: readonly (readonly number[])[], { steps, lr }: AdaptOptions): Promise<Adapted> {
    const head = new Linear(this.#head.inFeatures, this.#head.outFeatures)
    const held: Tensor[] = []
    const optimizer = new SGD(head.parameters(), { lr, momentum: 0.9 })
    try {
      scope(() => head.loadStateDict(this.#head.stateDict()))
      const x = scope(() => this.#features(examples.map(e => e.image)))
      const y = tensor(Int32Array.from(examples, e => e.label), [examples.length], { dtype: 'int32' })
      held.push(x, y)
      const judge = () => scope(() => noGrad(() => {
        const logits = head.forward(x)
        const right = answers(logits).filter((a, i) => a.label === examples[i]!.label).length
        return { loss: crossEntropy(logits, y).item(), accuracy: right / examples.length }
      }))
      const before = judge()
      for (let step = 0; step < steps; step++) {
        scope(() => {
          optimizer.zeroGrad()
          crossEntropy(head.forward(x), y).backward()
          optimizer.step()
        })
        if ((step + 1) % STEPS_AT_A_TIME === 0) await pause()
      }
      const after = judge()
      const results = images.length === 0 ? [] : scope(() => noGrad(() => answers(head.forward(this.#features(images)))))
      return {
        loss: { before: before.loss, after: after.loss },
        accuracy: { before: before.accuracy, after: after.accuracy },
        results,
      }
    } finally {
      for (const t of held) t.dispose()
      head.dispose()
    }
  }
}

function answers(logits: Tensor): Answer[] {
  const all = softmax(logits, 1).values()
  return Array.from({ length: logits.shape[0]! }, (_, n) => {
    const probabilities = Array.from(all.subarray(n * CLASSES, (n + 1) * CLASSES))
    return { label: probabilities.indexOf(Math.max(...probabilities)), probabilities }
  })
}
