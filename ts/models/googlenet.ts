// GoogLeNet: as torchvision has it, with batch normalisation, and as published.

import {
  adaptiveAvgPool2d, BatchNorm2d, cat, Conv2d, Dropout, engine, init, Linear, LocalResponseNorm, MaxPool2d, Module, Sequential, type Tensor,
} from 'hebb'

interface UnitOptions {
  stride?: number
  padding?: number
  /** Without batch normalisation */
  paper: boolean
}
/** Convolution – batch normalisation – relu, or a convolution with bias and relu in the paper's network */
class BasicConv2d extends Module {
  readonly conv: Conv2d
  readonly bn: BatchNorm2d | null
  constructor(inputs: number, outputs: number, kernelSize: number, { paper, ...options }: UnitOptions) {
    super()
    this.conv = new Conv2d(inputs, outputs, kernelSize, { bias: paper, ...options })
    this.bn = paper ? null : new BatchNorm2d(outputs, { eps: 0.001 })
  }
  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x)
    return (this.bn ? this.bn.forward(y) : y).relu()
  }
}

/** Channels of the branches: 1×1; 1×1 before 3×3, 3×3; 1×1 before the third branch's kernel, that; 1×1 behind the pooling */
type Widths = readonly [number, number, number, number, number, number]

/** Four branches side by side: 1×1, 3×3, 5×5 (3×3 in torchvision, whose weights depend on it), pooling. */
class Inception extends Module {
  readonly branch1: BasicConv2d
  readonly branch2: Sequential
  readonly branch3: Sequential
  readonly branch4: Sequential
  constructor(inputs: number, [one, threeReduced, three, fiveReduced, five, pooled]: Widths, paper: boolean) {
    super()
    const [kernelSize, padding] = paper ? [5, 2] : [3, 1]
    this.branch1 = new BasicConv2d(inputs, one, 1, { paper })
    this.branch2 = new Sequential(new BasicConv2d(inputs, threeReduced, 1, { paper }), new BasicConv2d(threeReduced, three, 3, { padding: 1, paper }))
    const third = new BasicConv2d(fiveReduced, five, kernelSize, { padding, paper })
    this.branch3 = new Sequential(new BasicConv2d(inputs, fiveReduced, 1, { paper }), third)
    this.branch4 = new Sequential(new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }), new BasicConv2d(inputs, pooled, 1, { paper }))
  }
  forward(x: Tensor): Tensor {
    return cat([this.branch1, this.branch2, this.branch3, this.branch4].map(branch => branch.forward(x)), 1)
  }
}

/** A classifier on an inner layer, which brings gradient to the layers below it in training. */
class InceptionAux extends Module {
  readonly conv: BasicConv2d
  readonly fc1 = new Linear(2048, 1024)
  readonly fc2: Linear
  readonly dropout: Dropout
  constructor(inputs: number, classes: number, dropout: number, paper: boolean) {
    super()
    this.conv = new BasicConv2d(inputs, 128, 1, { paper })
    this.fc2 = new Linear(1024, classes)
    this.dropout = new Dropout(dropout)
  }
  forward(x: Tensor): Tensor {
    x = this.conv.forward(adaptiveAvgPool2d(x, 4)).flatten(1)
    return this.fc2.forward(this.dropout.forward(this.fc1.forward(x).relu()))
  }
}

export interface GoogLeNetOptions {
  /** Channels of the image (default 3) */
  channels?: number
  /** Default 1000 */
  classes?: number
  /** Two more classifiers on inner layers (default false); see allLogits() */
  auxLogits?: boolean
  /**
   * The published network (default false): biases instead of batch normalisation, local response normalisation around the first layers,
   * 5×5 kernels and a 3×3 fourth pooling where torchvision has 3×3 and 2×2
   */
  paper?: boolean
  /** In front of the last layer, default 0.2 (paper 0.4); in the auxiliary heads 0.7 */
  dropout?: number
  dropoutAux?: number
}

export interface GoogLeNetLogits {
  logits: Tensor
  /** Of the heads on inception4a and inception4d */
  aux1: Tensor
  aux2: Tensor
}

/**
 * 22 layers of inception modules (Szegedy et al., 2015) with batch normalisation as in torchvision: 6,624,904 parameters, 1,498 MMAC at 224²;
 * 13,004,888 with auxiliary heads; the published network has 6,998,552. x: [n, channels, h, w], h and w ≥ 15. Weights start from
 * N(0, 0.01²): torchvision truncates it 200 deviations away, which no draw reaches. Without batch normalisation that dies out, so the published
 * network starts from Glorot and Bengio's U(±√(6 / (fanIn + fanOut))) and biases 0.2, like the version that came with Caffe.
 */
export class GoogLeNet extends Module {
  readonly conv1: BasicConv2d
  readonly norm: LocalResponseNorm | null
  readonly maxpool1 = new MaxPool2d(3, { stride: 2, ceilMode: true })
  readonly conv2: BasicConv2d
  readonly conv3: BasicConv2d
  readonly maxpool2 = new MaxPool2d(3, { stride: 2, ceilMode: true })
  readonly inception3a: Inception
  readonly inception3b: Inception
  readonly maxpool3 = new MaxPool2d(3, { stride: 2, ceilMode: true })
  readonly inception4a: Inception
  readonly inception4b: Inception
  readonly inception4c: Inception
  readonly inception4d: Inception
  readonly inception4e: Inception
  readonly maxpool4: MaxPool2d
  readonly inception5a: Inception
  readonly inception5b: Inception
  readonly aux1: InceptionAux | null
  readonly aux2: InceptionAux | null
  readonly dropout: Dropout
  readonly fc: Linear
  constructor(options: GoogLeNetOptions = {}) {
    super()
    const { channels = 3, classes = 1000, auxLogits = false, paper = false, dropout = paper ? 0.4 : 0.2, dropoutAux = 0.7 } =
      engine.requireOptions('GoogLeNet', options, 'channels classes auxLogits paper dropout dropoutAux')
    const inception = (inputs: number, ...widths: Widths) => new Inception(inputs, widths, paper)
    this.conv1 = new BasicConv2d(channels, 64, 7, { stride: 2, padding: 3, paper })
    this.norm = paper ? new LocalResponseNorm(5) : null
    this.conv2 = new BasicConv2d(64, 64, 1, { paper })
    this.conv3 = new BasicConv2d(64, 192, 3, { padding: 1, paper })
    this.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
    this.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
    this.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
    this.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
    this.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
    this.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
    this.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
    this.maxpool4 = new MaxPool2d(paper ? 3 : 2, { stride: 2, ceilMode: true })
    this.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
    this.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
    this.aux1 = auxLogits ? new InceptionAux(512, classes, dropoutAux, paper) : null
    this.aux2 = auxLogits ? new InceptionAux(528, classes, dropoutAux, paper) : null
    this.dropout = new Dropout(dropout)
    this.fc = new Linear(1024, classes)
    for (const [, layer] of this.namedModules()) {
      if (!(layer instanceof Conv2d || layer instanceof Linear)) continue
      if (!paper) init.normal(layer.weight, 0, 0.01)
      else {
        init.xavierUniform(layer.weight)
        init.constant(layer.bias!, layer === this.fc ? 0 : 0.2)
      }
    }
  }

  /** [n, classes]; the auxiliary heads don't run. */
  forward(x: Tensor): Tensor {
    const [, d] = this.#inner(x)
    return this.#head(d)
  }
  /**
   * Logits of all three classifiers, for training: loss = L(logits) + 0.3 (L(aux1) + L(aux2)).
   * @throws Error unless made with { auxLogits: true }
   */
  allLogits(x: Tensor): GoogLeNetLogits {
    const { aux1, aux2 } = this
    if (!aux1 || !aux2) throw new Error('GoogLeNet: allLogits() needs the heads of new GoogLeNet({ auxLogits: true })')
    const [a, d] = this.#inner(x)
    return { logits: this.#head(d), aux1: aux1.forward(a), aux2: aux2.forward(d) }
  }

  /** Outputs of inception4a and inception4d */
  #inner(x: Tensor): [Tensor, Tensor] {
    const normal = (y: Tensor): Tensor => (this.norm ? this.norm.forward(y) : y)
    x = normal(this.maxpool1.forward(this.conv1.forward(x)))
    x = this.maxpool2.forward(normal(this.conv3.forward(this.conv2.forward(x))))
    x = this.maxpool3.forward(this.inception3b.forward(this.inception3a.forward(x)))
    const a = this.inception4a.forward(x)
    return [a, this.inception4d.forward(this.inception4c.forward(this.inception4b.forward(a)))]
  }
  #head(x: Tensor): Tensor {
    x = this.maxpool4.forward(this.inception4e.forward(x))
    x = this.inception5b.forward(this.inception5a.forward(x))
    return this.fc.forward(this.dropout.forward(adaptiveAvgPool2d(x, 1).flatten(1)))
  }
}
