// VGG: 3×3 convolutions all the way (Simonyan and Zisserman, 2015), with torchvision's names.

import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, engine, init, Linear, MaxPool2d, Module, ReLU, Sequential, type Tensor } from 'hebb'

export interface VGGOptions {
  /** Channels of the image (default 3) */
  channels?: number
  /** Default 1000 */
  classes?: number
  /** Units of the two hidden layers (default 4096) */
  hidden?: number
  /** Default 0.5 */
  dropout?: number
  /** Batch normalisation behind every convolution (default false) */
  batchNorm?: boolean
}

const WIDTHS = [64, 128, 256, 512, 512]
/** Convolutions before each pooling, by the number of layers with weights */
const BLOCKS = { 11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4] }

/**
 * VGG with `depth` layers: 11, 13, 16 or 19. x: [n, channels, h, w], h and w ≥ 32. As in torchvision, convolutions start from
 * N(0, 2 / fanOut), linear layers from N(0, 0.01²), biases from 0.
 */
export class VGG extends Module {
  readonly features: Sequential
  readonly avgpool = new AdaptiveAvgPool2d(7)
  readonly classifier: Sequential
  constructor(depth: 11 | 13 | 16 | 19, options: VGGOptions = {}) {
    super()
    const { channels = 3, classes = 1000, hidden = 4096, dropout = 0.5, batchNorm = false } = engine.requireOptions(this.constructor.name, options, 'channels classes hidden dropout batchNorm')
    const blocks = BLOCKS[depth]
    if (!blocks) throw new RangeError(`VGG: a depth of ${Object.keys(BLOCKS).join(', ')} expected, got ${depth}`)
    const layers: Module[] = []
    let inputs = channels
    blocks.forEach((count, block) => {
      for (let i = 0; i < count; i++) {
        const width = WIDTHS[block]!
        layers.push(new Conv2d(inputs, width, 3, { padding: 1 }), ...(batchNorm ? [new BatchNorm2d(width)] : []), new ReLU())
        inputs = width
      }
      layers.push(new MaxPool2d(2))
    })
    this.features = new Sequential(...layers)
    this.classifier = new Sequential(
      new Linear(512 * 49, hidden), new ReLU(), new Dropout(dropout),
      new Linear(hidden, hidden), new ReLU(), new Dropout(dropout), new Linear(hidden, classes),
    )
    for (const [, layer] of this.namedModules()) {
      if (layer instanceof Conv2d) init.kaimingNormal(layer.weight, { mode: 'fanOut', nonlinearity: 'relu' })
      else if (layer instanceof Linear) init.normal(layer.weight, 0, 0.01)
      else continue
      init.constant(layer.bias!, 0)
    }
  }
  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(x)).flatten(1))
  }
}

/** VGG with 16 layers: 138,357,544 parameters, 15,470 MMAC at 224². */
export class VGG16 extends VGG {
  constructor(options: VGGOptions = {}) {
    super(16, options)
  }
}
/** VGG with 19 layers: 143,667,240 parameters, 19,632 MMAC at 224². */
export class VGG19 extends VGG {
  constructor(options: VGGOptions = {}) {
    super(19, options)
  }
}
