// A small convolutional net for small images.

import { Conv2d, engine, Flatten, Linear, MaxPool2d, ReLU, Sequential } from 'hebb'

export interface ConvNetOptions {
  channels?: number
  /** Height and width of the image, a multiple of the pooling (2, or 4 when `pools` is 2) */
  size?: number
  classes?: number
  /** Channels of the two convolutions, and units of the hidden layer */
  widths?: readonly [number, number, number]
  /** Pool after both convolutions (2) or after the second only (1, default) */
  pools?: 1 | 2
}

/** conv 3×3 – relu – [pool] – conv 3×3 – relu – pool – hidden – relu – classes; default conv16-conv32-pool-fc64 for 8×8 digits. */
export class ConvNet extends Sequential {
  constructor(options: ConvNetOptions = {}) {
    const { channels = 1, size = 8, classes = 10, widths = [16, 32, 64], pools = 1 } =
      engine.requireOptions('ConvNet', options, 'channels size classes widths pools')
    const [first, second, hidden] = widths
    const side = size / (2 * pools)
    if (!Number.isInteger(side)) throw new RangeError(`ConvNet: a size that ${pools === 1 ? '2' : '4'} divides expected, got ${size}`)
    super(
      new Conv2d(channels, first, 3, { padding: 1 }), new ReLU(),
      ...(pools === 2 ? [new MaxPool2d(2)] : []),
      new Conv2d(first, second, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2),
      new Flatten(), new Linear(second * side * side, hidden), new ReLU(), new Linear(hidden, classes),
    )
  }
}
