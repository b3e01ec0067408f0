// AlexNet: the one-tower version that torchvision has, and the network of 2012.

import { AdaptiveAvgPool2d, Conv2d, Dropout, engine, init, Linear, LocalResponseNorm, MaxPool2d, Module, ReLU, Sequential, type Tensor } from 'hebb'

export interface AlexNetOptions {
  /** Channels of the image (default 3) */
  channels?: number
  /** Default 1000 */
  classes?: number
  /** Units of the two hidden layers (default 4096) */
  hidden?: number
  /** Default 0.5 */
  dropout?: number
}

const classifier = (inputs: number, { classes = 1000, hidden = 4096, dropout = 0.5 }: AlexNetOptions): Sequential =>
  new Sequential(
    new Dropout(dropout), new Linear(inputs, hidden), new ReLU(),
    new Dropout(dropout), new Linear(hidden, hidden), new ReLU(), new Linear(hidden, classes),
  )

/**
 * Five convolutions (64, 192, 384, 256, 256) and three linear layers (Krizhevsky, 2014, "One weird trick …", as in torchvision): 61,100,840
 * parameters, 714 MMAC at 224². x: [n, channels, h, w], h and w ≥ 63. Weights are PyTorch's defaults.
 */
export class AlexNet extends Module {
  readonly features: Sequential
  readonly avgpool = new AdaptiveAvgPool2d(6)
  readonly classifier: Sequential
  constructor(options: AlexNetOptions = {}) {
    super()
    engine.requireOptions(this.constructor.name, options, 'channels classes hidden dropout')
    this.features = new Sequential(
      new Conv2d(options.channels ?? 3, 64, 11, { stride: 4, padding: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
      new Conv2d(64, 192, 5, { padding: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
      new Conv2d(192, 384, 3, { padding: 1 }), new ReLU(),
      new Conv2d(384, 256, 3, { padding: 1 }), new ReLU(),
      new Conv2d(256, 256, 3, { padding: 1 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
    )
    this.classifier = classifier(256 * 36, options)
  }
  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(x)).flatten(1))
  }
}

/**
 * The network that won ILSVRC 2012 (Krizhevsky, Sutskever and Hinton, 2012): its two towers are groups of the second, fourth and fifth
 * convolution, local response normalisation follows the first two. 60,965,224 parameters. x: [n, channels, 224, 224]; weights from
 * N(0, 0.01²), biases 1 in front of the units that should start active (second, fourth, fifth convolution, hidden layers), else 0.
 */
export class AlexNet2012 extends Module {
  readonly features: Sequential
  readonly classifier: Sequential
  constructor(options: AlexNetOptions = {}) {
    super()
    engine.requireOptions(this.constructor.name, options, 'channels classes hidden dropout')
    // the paper's alpha, 1e-4, multiplies the sum of squares; ours is divided by the 5 neighbours
    const norm = () => new LocalResponseNorm(5, { alpha: 5e-4, beta: 0.75, k: 2 })
    this.features = new Sequential(
      new Conv2d(options.channels ?? 3, 96, 11, { stride: 4, padding: 2 }), new ReLU(), norm(), new MaxPool2d(3, { stride: 2 }),
      new Conv2d(96, 256, 5, { padding: 2, groups: 2 }), new ReLU(), norm(), new MaxPool2d(3, { stride: 2 }),
      new Conv2d(256, 384, 3, { padding: 1 }), new ReLU(),
      new Conv2d(384, 384, 3, { padding: 1, groups: 2 }), new ReLU(),
      new Conv2d(384, 256, 3, { padding: 1, groups: 2 }), new ReLU(), new MaxPool2d(3, { stride: 2 }),
    )
    this.classifier = classifier(256 * 36, options)
    const layers = [...this.namedModules()].flatMap(([, m]) => (m instanceof Conv2d || m instanceof Linear ? [m] : []))
    const active = [1, 3, 4, 5, 6]
    layers.forEach((layer, i) => {
      init.normal(layer.weight, 0, 0.01)
      init.constant(layer.bias!, active.includes(i) ? 1 : 0)
    })
  }
  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(x).flatten(1))
  }
}
