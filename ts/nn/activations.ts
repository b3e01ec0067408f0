// Activations as modules, for Sequential.

import * as ops from '../ops/unary.js'
import { logSoftmax, softmax } from '../ops/softmax.js'
import { requireChoice, requireNumber } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/** max(0, x) */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return ops.relu(x)
  }
}
/** Is this layer a relu and nothing else? @internal */
export const isReLU = (layer: Module | undefined): boolean => layer instanceof ReLU && layer.forward === ReLU.prototype.forward
/** tanh x */
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return ops.tanh(x)
  }
}
/** 1 / (1 + e^−x) */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return ops.sigmoid(x)
  }
}
/** x > 0 ? x : negativeSlope · x */
export class LeakyReLU extends Module {
  constructor(readonly negativeSlope = 0.01) {
    super()
    requireNumber('LeakyReLU', 'negativeSlope', negativeSlope)
  }
  forward(x: Tensor): Tensor {
    return ops.leakyRelu(x, { negativeSlope: this.negativeSlope })
  }
}
/** x > 0 ? x : alpha (e^x − 1) */
export class ELU extends Module {
  constructor(readonly alpha = 1) {
    super()
    requireNumber('ELU', 'alpha', alpha)
  }
  forward(x: Tensor): Tensor {
    return ops.elu(x, { alpha: this.alpha })
  }
}
/** x Φ(x) */
export class GELU extends Module {
  constructor(readonly approximate: 'none' | 'tanh' = 'none') {
    super()
    requireChoice('GELU', 'approximate', approximate, 'none', 'tanh')
  }
  forward(x: Tensor): Tensor {
    return ops.gelu(x, { approximate: this.approximate })
  }
}
/** x · sigmoid(x) */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return ops.silu(x)
  }
}
/** log(1 + e^(beta x)) / beta */
export class Softplus extends Module {
  constructor(readonly beta = 1, readonly threshold = 20) {
    super()
    requireNumber('Softplus', 'beta', beta)
  }
  forward(x: Tensor): Tensor {
    return ops.softplus(x, { beta: this.beta, threshold: this.threshold })
  }
}
/** e^x / Σ e^x along dim */
export class Softmax extends Module {
  constructor(readonly dim = -1) {
    super()
  }
  forward(x: Tensor): Tensor {
    return softmax(x, this.dim)
  }
}
/** log of Softmax, stable */
export class LogSoftmax extends Module {
  constructor(readonly dim = -1) {
    super()
  }
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.dim)
  }
}
