// Networks of fully connected layers.

import { Flatten, Linear, type Module, ReLU, Sequential } from 'hebb'

/** Linear layers with relu between: new MLP([784, 256, 128, 10]). Images are flattened first. */
export class MLP extends Sequential {
  constructor(sizes: readonly number[]) {
    if (!(sizes?.length >= 2)) throw new RangeError(`MLP: at least an input and an output size expected, got [${sizes}]`)
    const layers: Module[] = [new Flatten()]
    for (let i = 1; i < sizes.length; i++) {
      if (i > 1) layers.push(new ReLU())
      layers.push(new Linear(sizes[i - 1]!, sizes[i]!))
    }
    super(...layers)
  }
}

/** One linear layer on the flattened image: Rosenblatt's perceptron with as many units as classes, trained by gradients. */
export class Perceptron extends MLP {
  constructor(inputs: number, classes = 10) {
    super([inputs, classes])
  }
}
