// Residual networks for large images, names as in torchvision, and the blocks they share with those for small ones.

import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, engine, init, Linear, MaxPool2d, Module, Sequential, type Tensor } from 'hebb'

/** Two 3×3 convolutions; `downsample` brings x to the shape of their result where that differs. */
export class BasicBlock extends Module {
  static readonly expansion = 1
  readonly conv1: Conv2d
  readonly bn1: BatchNorm2d
  readonly conv2: Conv2d
  readonly bn2: BatchNorm2d
  readonly downsample: Module | null
  constructor(inputs: number, width: number, stride = 1, downsample: Module | null = null) {
    super()
    this.downsample = downsample
    this.conv1 = new Conv2d(inputs, width, 3, { stride, padding: 1, bias: false })
    this.bn1 = new BatchNorm2d(width)
    this.conv2 = new Conv2d(width, width, 3, { padding: 1, bias: false })
    this.bn2 = new BatchNorm2d(width)
  }
  forward(x: Tensor): Tensor {
    const shortcut: Tensor = this.downsample ? this.downsample.forward(x) : x
    const y = this.bn1.forward(this.conv1.forward(x)).relu()
    return this.bn2.forward(this.conv2.forward(y)).add(shortcut).relu()
  }
  /** Normalisation that ends the residual path */
  get last(): BatchNorm2d {
    return this.bn2
  }
}

/** 1×1, 3×3 and 1×1 convolutions, the last four times as wide; the stride is in the 3×3, as in torchvision ("v1.5"). */
export class Bottleneck extends Module {
  static readonly expansion = 4
  readonly conv1: Conv2d
  readonly bn1: BatchNorm2d
  readonly conv2: Conv2d
  readonly bn2: BatchNorm2d
  readonly conv3: Conv2d
  readonly bn3: BatchNorm2d
  readonly downsample: Module | null
  constructor(inputs: number, width: number, stride = 1, downsample: Module | null = null) {
    super()
    this.downsample = downsample
    this.conv1 = new Conv2d(inputs, width, 1, { bias: false })
    this.bn1 = new BatchNorm2d(width)
    this.conv2 = new Conv2d(width, width, 3, { stride, padding: 1, bias: false })
    this.bn2 = new BatchNorm2d(width)
    this.conv3 = new Conv2d(width, 4 * width, 1, { bias: false })
    this.bn3 = new BatchNorm2d(4 * width)
  }
  forward(x: Tensor): Tensor {
    const shortcut: Tensor = this.downsample ? this.downsample.forward(x) : x
    let y = this.bn1.forward(this.conv1.forward(x)).relu()
    y = this.bn2.forward(this.conv2.forward(y)).relu()
    return this.bn3.forward(this.conv3.forward(y)).add(shortcut).relu()
  }
  /** Normalisation that ends the residual path */
  get last(): BatchNorm2d {
    return this.bn3
  }
}

/** A 1×1 convolution with batch normalisation, for shortcuts. */
export const projection = (inputs: number, outputs: number, stride: number): Sequential =>
  new Sequential(new Conv2d(inputs, outputs, 1, { stride, bias: false }), new BatchNorm2d(outputs))

/** Convolutions of a model drawn from N(0, 2 / fanOut) (He et al., 2015). */
export function initialiseConvolutions(model: Module): void {
  for (const [, layer] of model.namedModules()) {
    if (layer instanceof Conv2d) init.kaimingNormal(layer.weight, { mode: 'fanOut', nonlinearity: 'relu' })
  }
}

export interface ResNetOptions {
  /** Channels of the image (default 3) */
  channels?: number
  /** Default 1000 */
  classes?: number
  /** Start with residual paths that add nothing: the weight of their last normalisation is 0 (Goyal et al., 2017; default false) */
  zeroInitResidual?: boolean
}

/**
 * Residual network (He et al., 2016) of four stages with `layers` blocks each. x: [n, channels, h, w], h and w ≥ 33 in training on one image.
 * As in torchvision, convolutions start from N(0, 2 / fanOut), the last layer from PyTorch's default.
 */
export class ResNet extends Module {
  readonly conv1: Conv2d
  readonly bn1 = new BatchNorm2d(64)
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 })
  readonly layer1: Sequential
  readonly layer2: Sequential
  readonly layer3: Sequential
  readonly layer4: Sequential
  readonly avgpool = new AdaptiveAvgPool2d(1)
  readonly fc: Linear
  constructor(block: typeof BasicBlock | typeof Bottleneck, layers: readonly [number, number, number, number], options: ResNetOptions = {}) {
    super()
    const { channels = 3, classes = 1000, zeroInitResidual = false } = engine.requireOptions(this.constructor.name, options, 'channels classes zeroInitResidual')
    const { expansion } = block
    this.conv1 = new Conv2d(channels, 64, 7, { stride: 2, padding: 3, bias: false })
    let inputs = 64
    const stage = (width: number, count: number, stride: number) =>
      new Sequential(...Array.from({ length: count }, (_, i) => {
        const step = i === 0 ? stride : 1
        const outputs = expansion * width
        const made = new block(inputs, width, step, step !== 1 || inputs !== outputs ? projection(inputs, outputs, step) : null)
        inputs = outputs
        return made
      }))
    this.layer1 = stage(64, layers[0], 1)
    this.layer2 = stage(128, layers[1], 2)
    this.layer3 = stage(256, layers[2], 2)
    this.layer4 = stage(512, layers[3], 2)
    this.fc = new Linear(512 * expansion, classes)
    initialiseConvolutions(this)
    if (!zeroInitResidual) return
    for (const [, m] of this.namedModules()) if (m instanceof BasicBlock || m instanceof Bottleneck) init.constant(m.last.weight!, 0)
  }
  forward(x: Tensor): Tensor {
    x = this.maxpool.forward(this.bn1.forward(this.conv1.forward(x)).relu())
    x = this.layer4.forward(this.layer3.forward(this.layer2.forward(this.layer1.forward(x))))
    return this.fc.forward(this.avgpool.forward(x).flatten(1))
  }
}

/** ResNet with 18 layers: 11,689,512 parameters, 1,814 MMAC at 224². */
export class ResNet18 extends ResNet {
  constructor(options: ResNetOptions = {}) {
    super(BasicBlock, [2, 2, 2, 2], options)
  }
}
/** ResNet with 34 layers: 21,797,672 parameters, 3,664 MMAC at 224². */
export class ResNet34 extends ResNet {
  constructor(options: ResNetOptions = {}) {
    super(BasicBlock, [3, 4, 6, 3], options)
  }
}
/** ResNet with 50 layers, in bottlenecks: 25,557,032 parameters, 4,089 MMAC at 224². */
export class ResNet50 extends ResNet {
  constructor(options: ResNetOptions = {}) {
    super(Bottleneck, [3, 4, 6, 3], options)
  }
}
/** ResNet with 101 layers: 44,549,160 parameters, 7,801 MMAC at 224². */
export class ResNet101 extends ResNet {
  constructor(options: ResNetOptions = {}) {
    super(Bottleneck, [3, 4, 23, 3], options)
  }
}
/** ResNet with 152 layers: 60,192,808 parameters, 11,514 MMAC at 224². */
export class ResNet152 extends ResNet {
  constructor(options: ResNetOptions = {}) {
    super(Bottleneck, [3, 8, 36, 3], options)
  }
}
