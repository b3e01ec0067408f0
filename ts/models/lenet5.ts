// LeNet-5 in its modern form.

import { Conv2d, Linear, maxPool2d, Module, type Tensor } from 'hebb'

export interface LeNet5Options {
  /** Channels of the image (default 1) */
  channels?: number
  /** Height and width: 28 (padded to 32, default) or 32 */
  size?: number
  classes?: number
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
  constructor({ channels = 1, size = 28, classes = 10 }: LeNet5Options = {}) {
    super()
    if (size !== 28 && size !== 32) throw new RangeError(`LeNet5: images of 28 × 28 or 32 × 32 expected, got ${size} × ${size}`)
    this.conv1 = new Conv2d(channels, 6, 5, { padding: size === 28 ? 2 : 0 })
    this.conv2 = new Conv2d(6, 16, 5)
    this.fc1 = new Linear(400, 120)
    this.fc2 = new Linear(120, 84)
    this.fc3 = new Linear(84, classes)
  }
  forward(x: Tensor): Tensor {
    x = maxPool2d(this.conv1.forward(x).relu(), 2)
    x = maxPool2d(this.conv2.forward(x).relu(), 2).flatten(1)
    return this.fc3.forward(this.fc2.forward(this.fc1.forward(x).relu()).relu())
  }
}
