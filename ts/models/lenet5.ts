// LeNet-5, in its modern form and as it was in 1998.

import { avgPool2d, cat, Conv2d, engine, init, Linear, linear, MaxPool2d, Module, parameter, ReLU, type Tensor } from 'hebb'

export interface LeNet5Options {
  /** Channels of the image (default 1) */
  channels?: number
  /** Height and width: 28 (padded to 32, default) or 32 */
  size?: number
  classes?: number
}

const RELU = new ReLU()
const POOL = new MaxPool2d(2)

function checkSize(name: string, size: number): void {
  if (size !== 28 && size !== 32) throw new RangeError(`${name}: images of 28 × 28 or 32 × 32 expected, got ${size} × ${size}`)
}

/**
 * conv 6@5×5 – pool – conv 16@5×5 – pool – 120 – 84 – classes, with relu and max-pooling; 61,706 parameters for 28×28 grey images
 * (after LeCun et al., 1998). x: [n, channels, size, size]
 */
export class LeNet5 extends Module {
  readonly conv1: Conv2d
  readonly conv2: Conv2d
  readonly fc1: Linear
  readonly fc2: Linear
  readonly fc3: Linear
  constructor(options: LeNet5Options = {}) {
    super()
    const { channels = 1, size = 28, classes = 10 } = engine.requireOptions(this.constructor.name, options, 'channels size classes')
    checkSize('LeNet5', size)
    this.conv1 = new Conv2d(channels, 6, 5, { padding: size === 28 ? 2 : 0 })
    this.conv2 = new Conv2d(6, 16, 5)
    this.fc1 = new Linear(400, 120)
    this.fc2 = new Linear(120, 84)
    this.fc3 = new Linear(84, classes)
  }
  forward(x: Tensor): Tensor {
    x = engine.inOrder([this.conv1, RELU, POOL, this.conv2, RELU, POOL], x).flatten(1)
    return engine.inOrder([this.fc1, RELU, this.fc2, RELU, this.fc3], x)
  }
}

/** Weight times the sum of each 2×2 window, plus bias, one of each for a channel (LeCun et al., 1998). x: [n, channels, h, w] */
export class Subsampling extends Module {
  weight: Tensor
  bias: Tensor
  constructor(readonly channels: number) {
    super()
    this.weight = init.uniform(parameter(new Float32Array(channels), [channels]), -1 / 4, 1 / 4)
    this.bias = parameter(new Float32Array(channels), [channels])
  }
  forward(x: Tensor): Tensor {
    const perChannel = [this.channels, 1, 1]
    return avgPool2d(x, 2, { divisorOverride: 1 }).mul(this.weight.reshape(perChannel)).add(this.bias.reshape(perChannel))
  }
  override describe(): string {
    return String(this.channels)
  }
}

/**
 * A convolution each of whose maps sees some of the channels: table[map] names them. Neighbouring maps with equally many are computed
 * together, as a grouped convolution of the channels that they see. x: [n, channels, h, w]
 */
export class SparseConv2d extends Module {
  readonly parts: Conv2d[] = []
  readonly #sources: number[][] = []
  constructor(readonly table: readonly (readonly number[])[], readonly kernelSize: number) {
    super()
    for (let start = 0, end = 0; start < table.length; start = end) {
      const width = table[start]!.length
      while (end < table.length && table[end]!.length === width) end++
      const maps = end - start
      this.#sources.push(table.slice(start, end).flat())
      this.parts.push(new Conv2d(maps * width, maps, kernelSize, { groups: maps }))
    }
  }
  forward(x: Tensor): Tensor {
    return cat(this.parts.map((part, i) => part.forward(x.indexSelect(1, this.#sources[i]!))), 1)
  }
  override describe(): string {
    return `${this.table.length} maps of ${this.table.flat().length} channels, ${this.kernelSize}`
  }
}

/** Table I of the paper: which of the six maps of S2 each map of C3 sees. */
const C3 = [
  [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
  [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
  [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
  [0, 1, 2, 3, 4, 5],
]

/** The ten digits as 7×12 pictures: what the 84 units of F6 should show. Their own drawing; the paper's is in its figure 3. */
const DIGITS = [
  '.#####. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.',
  '##...## ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##',
  '##...## .####.. .....## .....## ..####. ##..... ##..... .....## ##...## ##...##',
  '##...## ...##.. .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##',
  '##...## ...##.. ....##. .....## .##.##. ######. ##..... ....##. ##...## ##...##',
  '##...## ...##.. ...##.. ..####. .#..##. ##...## ######. ...##.. .#####. .######',
  '##...## ...##.. ..##... .....## ##..##. .....## ##...## ...##.. ##...## .....##',
  '##...## ...##.. .##.... .....## ####### .....## ##...## ..##... ##...## .....##',
  '##...## ...##.. ##..... .....## ....##. .....## ##...## ..##... ##...## .....##',
  '##...## ...##.. ##..... .....## ....##. .....## ##...## .##.... ##...## ....##.',
  '##...## ...##.. ##..... ##...## ....##. ##...## ##...## .##.... ##...## ...##..',
  '.#####. .###### ####### .#####. ....##. .#####. .#####. .##.... .#####. .###...',
].map(row => row.split(' '))
const codeOf = (digit: number): number[] => DIGITS.flatMap(row => [...row[digit]!].map(cell => (cell === '#' ? 1 : -1)))

/** 1.7159 tanh(2a/3): ±1 are near its points of largest curvature. */
const squash = (a: Tensor): Tensor => a.mul(2 / 3).tanh().mul(1.7159)

/**
 * LeNet-5 as published (LeCun, Bottou, Bengio and Haffner, 1998): C1 6@5×5 – S2 – C3 16@5×5 with a sparse connection table – S4 – C5
 * 120@5×5 – F6 84, trainable subsampling, scaled tanh. The output units are radial basis functions around fixed ±1 codes, so they add nothing to
 * the 60,000 trainable parameters. x: [n, 1, size, size], best with background −0.1 and ink 1.175.
 * Returns minus the squared distances to the ten codes, [n, 10]: their crossEntropy is the paper's criterion (9) without its constant j.
 */
export class LeNet1998 extends Module {
  readonly c1: Conv2d
  readonly s2 = new Subsampling(6)
  readonly c3 = new SparseConv2d(C3, 5)
  readonly s4 = new Subsampling(16)
  readonly c5 = new Conv2d(16, 120, 5)
  readonly f6 = new Linear(120, 84)
  /** [10, 84], not trained */
  codes: Tensor
  constructor({ size = 28 }: Pick<LeNet5Options, 'size'> = {}) {
    super()
    checkSize('LeNet1998', size)
    this.c1 = new Conv2d(1, 6, 5, { padding: size === 28 ? 2 : 0 })
    this.codes = parameter(Array.from({ length: 10 }, (_, digit) => codeOf(digit)))
    this.codes.requiresGrad = this.codes.trainable = false
    // U(±2.4 / inputs of a unit), the paper's rule
    const draw = (fanIn: number, ...params: (Tensor | null)[]) => params.forEach(p => p && init.uniform(p, -2.4 / fanIn, 2.4 / fanIn))
    for (const { weight, bias } of [this.c1, ...this.c3.parts, this.c5, this.f6]) draw(weight.size / weight.shape[0]!, weight, bias)
    for (const { weight, bias } of [this.s2, this.s4]) draw(4, weight, bias)
  }
  forward(x: Tensor): Tensor {
    x = squash(this.s2.forward(squash(this.c1.forward(x))))
    x = squash(this.s4.forward(squash(this.c3.forward(x))))
    const f6 = squash(this.f6.forward(squash(this.c5.forward(x)).flatten(1)))
    // −|f − c|² = 2 f·c − |f|² − |c|²
    return linear(f6, this.codes).mul(2).sub(f6.square().sum(1, { keepdim: true })).sub(84)
  }
}
