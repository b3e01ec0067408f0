// One step of a recurrent network, for loops of one's own. Defaults and state_dict keys are PyTorch's.

import { add } from '../ops/arithmetic.js'
import { select, unsqueeze } from '../ops/layout.js'
import { linear } from '../ops/matmul.js'
import { gru, lstm, statesOf, type RecurrentState } from '../ops/recurrent.js'
import { relu, tanh } from '../ops/unary.js'
import { requireChoice, requireCount, requireOptions, show, ShapeError } from '../shape.js'
import { filled, Tensor } from '../tensor.js'
import { defaultParameter } from './init.js'
import { described, Module } from './module.js'

/** State of an LSTM cell, [n, hiddenSize] each */
export interface LstmState {
  h: Tensor
  c: Tensor
}

/** Weights weight_ih, weight_hh, bias_ih, bias_hh, all drawn from U(±1/√hiddenSize) */
abstract class RecurrentCell extends Module {
  weightIh: Tensor
  weightHh: Tensor
  biasIh: Tensor | null
  biasHh: Tensor | null
  constructor(gates: number, readonly inputSize: number, readonly hiddenSize: number, options: { bias?: boolean }, others = {}) {
    super()
    const { bias = true } = requireOptions(this.constructor.name, options, { bias: 1, ...others })
    requireCount(this.constructor.name, 'inputSize', inputSize)
    requireCount(this.constructor.name, 'hiddenSize', hiddenSize)
    const parameter = (...shape: number[]) => defaultParameter([gates * hiddenSize, ...shape], hiddenSize)
    this.weightIh = parameter(inputSize)
    this.weightHh = parameter(hiddenSize)
    this.biasIh = bias ? parameter() : null
    this.biasHh = bias ? parameter() : null
  }
  /** Run `step` on rows [n, ...], of which a single example is one. */
  protected onRows<T extends Tensor | LstmState>(
    x: Tensor, state: RecurrentState | null, kinds: readonly ('h' | 'c')[], step: (x: Tensor, states: Tensor[]) => T,
  ): T {
    const name = this.constructor.name
    if ((x.rank !== 2 && x.rank !== 1) || x.shape.at(-1) !== this.inputSize) {
      throw new ShapeError(`${name}: x [n, ${this.inputSize}], or [${this.inputSize}] without a batch, expected, got ${show(x.shape)}`)
    }
    const single = x.rank === 1
    const shape = single ? [this.hiddenSize] : [x.shape[0]!, this.hiddenSize]
    const full = statesOf(name, state, kinds, shape).map(t => t ?? filled(shape, 0, x.backend))
    if (!single) return step(x, full)
    const result = step(unsqueeze(x, 0), full.map(t => unsqueeze(t, 0)))
    return (result instanceof Tensor ? first(result) : { h: first(result.h), c: first(result.c) }) as T
  }
  override describe(): string {
    return described([this.inputSize, this.hiddenSize], this.biasIh ? {} : { bias: false })
  }
}
const first = (t: Tensor): Tensor => select(t, 0, 0)

/** h′ = tanh(Wih x + bih + Whh h + bhh), or relu instead of tanh (Elman, 1990). x: [n, inputSize], h: [n, hiddenSize] (default zeros) */
export class RNNCell extends RecurrentCell {
  readonly nonlinearity: 'tanh' | 'relu'
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean; nonlinearity?: 'tanh' | 'relu' } = {}) {
    super(1, inputSize, hiddenSize, options, { nonlinearity: 1 })
    const { nonlinearity = 'tanh' } = options
    requireChoice('RNNCell', 'nonlinearity', nonlinearity, 'tanh', 'relu')
    this.nonlinearity = nonlinearity
  }
  forward(x: Tensor, h: Tensor | null = null): Tensor {
    const activate = this.nonlinearity === 'tanh' ? tanh : relu
    return this.onRows(x, { h }, ['h'], (rows, [state]) =>
      activate(add(linear(rows, this.weightIh, this.biasIh), linear(state!, this.weightHh, this.biasHh))))
  }
}

/**
 * r, z = sigmoid(Wih x + bih + Whh h + bhh), n = tanh(Win x + bin + r (Whn h + bhn)), h′ = (1 − z) n + z h (Cho et al., 2014).
 * x: [n, inputSize], h: [n, hiddenSize] (default zeros); gate rows r, z, n
 */
export class GRUCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    super(3, inputSize, hiddenSize, options)
  }
  forward(x: Tensor, h: Tensor | null = null): Tensor {
    return this.onRows(x, { h }, ['h'], (rows, [state]) => first(gru(unsqueeze(rows, 0), { h: unsqueeze(state!, 0) }, [this]).h))
  }
}

/**
 * i, f, o = sigmoid(…), g = tanh(…) of Wih x + bih + Whh h + bhh; c′ = f c + i g, h′ = o tanh(c′) (Hochreiter and Schmidhuber, 1997).
 * x: [n, inputSize], h and c: [n, hiddenSize] (default zeros); gate rows i, f, g, o. forward(x, { h, c }) returns { h, c }.
 */
export class LSTMCell extends RecurrentCell {
  constructor(inputSize: number, hiddenSize: number, options: { bias?: boolean } = {}) {
    super(4, inputSize, hiddenSize, options)
  }
  forward(x: Tensor, state: LstmState | null = null): LstmState {
    return this.onRows(x, state, ['h', 'c'], (rows, [h, c]) => {
      const next = lstm(unsqueeze(rows, 0), { h: unsqueeze(h!, 0), c: unsqueeze(c!, 0) }, [this])
      return { h: first(next.h), c: first(next.c) }
    })
  }
}
