// Which network a recipe asks for, and where its first layer's filters are.

import { Conv2d, Linear, type ImageSet, type Module } from 'hebb'
import { ConvNet, LeNet5, MLP, Perceptron } from 'hebb/models'
import { OptionError, type Recipe } from './options.js'

/** A new network for images like those of `set`. Throws OptionError where the model doesn't take their size. */
export function buildModel({ model, dataset }: Recipe, { channels, height, width, classes }: ImageSet): Module {
  const inputs = channels * height * width
  if (model === 'perceptron') return new Perceptron(inputs, classes)
  if (model === 'mlp') return new MLP([inputs, inputs > 256 ? 256 : 64, inputs > 256 ? 128 : 32, classes])
  const fits = height === width && (model === 'lenet5' ? height === 28 || height === 32 : height % 4 === 0)
  if (!fits) {
    const wanted = model === 'lenet5' ? '28×28 or 32×32' : 'squares whose side 4 divides'
    throw new OptionError(`--model ${model}: expected images of ${wanted}, got ${height}×${width} of ${dataset}; did you mean --model convnet?`)
  }
  if (model === 'lenet5') return new LeNet5({ channels, size: height, classes })
  // small maps keep their resolution until the second convolution; colour images need more channels
  return new ConvNet({ channels, size: height, classes, widths: channels > 1 ? [32, 64, 256] : [16, 32, 64], pools: height > 16 ? 2 : 1 })
}

export interface Filters {
  name: string
  weights: ArrayLike<number>
  shape: [number, number, number, number]
}

/** The first layer's weights as pictures: kernels of a convolution, or of a linear layer what each unit sees of the image. */
export function firstFilters(model: Module, { channels, height, width }: ImageSet): Filters | undefined {
  for (const [name, layer] of model.namedModules()) {
    if (layer instanceof Conv2d) {
      return { name: `${name}.weight`, weights: layer.weight.values(), shape: [...layer.weight.shape] as Filters['shape'] }
    }
    if (layer instanceof Linear && layer.inFeatures === channels * height * width) {
      return { name: `${name}.weight`, weights: layer.weight.values(), shape: [layer.outFeatures, channels, height, width] }
    }
  }
  return undefined
}
