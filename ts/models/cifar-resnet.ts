// Residual networks for small images: the CIFAR-10 experiments of the ResNet paper.

import { adaptiveAvgPool2d, BatchNorm2d, Conv2d, engine, init, Linear, Module, Sequential, type Tensor } from 'hebb'
import { BasicBlock, initialiseConvolutions, projection } from './resnet.js'

/** Every stride-th cell, with channels of zeros around: a shortcut without parameters. */
class ZeroPadding extends Module {
  constructor(readonly inputs: number, readonly outputs: number, readonly stride: number) {
    super()
  }
  forward(x: Tensor): Tensor {
    const more = this.outputs - this.inputs
    const before = Math.floor(more / 2)
    return x.slice([{ dim: 2, step: this.stride }, { dim: 3, step: this.stride }]).pad([0, 0, 0, 0, before, more - before])
  }
  override describe(): string {
    return `${this.inputs}, ${this.outputs}, ${this.stride}`
  }
}

export interface CifarResNetOptions {
  /** Channels of the image (default 3) */
  channels?: number
  /** Default 10 */
  classes?: number
  /** Where the shape changes: A pads with channels of zeros (default, the paper's), B projects by 1×1 convolutions */
  shortcut?: 'A' | 'B'
}

/**
 * Residual network for 32×32 images (He et al., 2016, section 4.2): 6n + 2 layers, three stages of n blocks with 16, 32 and 64 channels.
 * x: [n, channels, h, w]. Convolutions start from N(0, 2 / fanOut), the last layer from N(0, 2 / fanIn).
 * @throws RangeError unless depth is 6n + 2
 */
export class CifarResNet extends Module {
  readonly conv1: Conv2d
  readonly bn1 = new BatchNorm2d(16)
  readonly layer1: Sequential
  readonly layer2: Sequential
  readonly layer3: Sequential
  readonly fc: Linear
  constructor(depth: number, options: CifarResNetOptions = {}) {
    super()
    const { channels = 3, classes = 10, shortcut = 'A' } = engine.requireOptions(this.constructor.name, options, 'channels classes shortcut')
    const count = (depth - 2) / 6
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`CifarResNet: a depth of 6n + 2 (20, 32, 44, 56, 110) expected, got ${depth}`)
    if (shortcut !== 'A' && shortcut !== 'B') throw new RangeError(`CifarResNet: shortcut A or B expected, got ${String(shortcut)}`)
    this.conv1 = new Conv2d(channels, 16, 3, { padding: 1, bias: false })
    const change = (inputs: number, outputs: number, stride: number) =>
      inputs === outputs ? null : shortcut === 'A' ? new ZeroPadding(inputs, outputs, stride) : projection(inputs, outputs, stride)
    const stage = (inputs: number, width: number, stride: number) =>
      new Sequential(...Array.from({ length: count }, (_, i) =>
        i === 0 ? new BasicBlock(inputs, width, stride, change(inputs, width, stride)) : new BasicBlock(width, width)))
    this.layer1 = stage(16, 16, 1)
    this.layer2 = stage(16, 32, 2)
    this.layer3 = stage(32, 64, 2)
    this.fc = new Linear(64, classes)
    initialiseConvolutions(this)
    init.kaimingNormal(this.fc.weight, { nonlinearity: 'relu' })
  }
  forward(x: Tensor): Tensor {
    x = this.bn1.forward(this.conv1.forward(x)).relu()
    x = this.layer3.forward(this.layer2.forward(this.layer1.forward(x)))
    return this.fc.forward(adaptiveAvgPool2d(x, 1).flatten(1))
  }
}

/** CifarResNet with 20 layers: 269,722 parameters with shortcuts A, 272,474 with B. */
export class ResNet20 extends CifarResNet {
  constructor(options: CifarResNetOptions = {}) {
    super(20, options)
  }
}
/** CifarResNet with 32 layers: 464,154 parameters with shortcuts A. */
export class ResNet32 extends CifarResNet {
  constructor(options: CifarResNetOptions = {}) {
    super(32, options)
  }
}
/** CifarResNet with 44 layers: 658,586 parameters with shortcuts A. */
export class ResNet44 extends CifarResNet {
  constructor(options: CifarResNetOptions = {}) {
    super(44, options)
  }
}
/** CifarResNet with 56 layers: 853,018 parameters with shortcuts A. */
export class ResNet56 extends CifarResNet {
  constructor(options: CifarResNetOptions = {}) {
    super(56, options)
  }
}
/** CifarResNet with 110 layers: 1,727,962 parameters with shortcuts A. */
export class ResNet110 extends CifarResNet {
  constructor(options: CifarResNetOptions = {}) {
    super(110, options)
  }
}
