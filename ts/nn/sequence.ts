// Layers for sequences: embeddings, recurrent networks, self-attention. Defaults and state_dict keys are PyTorch's.

import { multiHeadAttention, type AttentionOptions } from '../ops/attention.js'
import { embedding } from '../ops/indexing.js'
import { gru, lstm, rnnTanh, type CellWeights, type LstmRecurrence, type Recurrence, type RecurrentState } from '../ops/recurrent.js'
import { isWhole, requireCount, requireOptions, ShapeError } from '../shape.js'
import { Tensor } from '../tensor.js'
import { constantParameter, defaultParameter, normal, xavierUniform } from './init.js'
import { Linear } from './layers.js'
import { described, Module } from './module.js'

/** Rows of a table by index. weight: [numEmbeddings, embeddingDim], drawn from N(0, 1); the row paddingIdx is 0 and stays as it is. */
export class Embedding extends Module {
  weight: Tensor
  readonly paddingIdx: number | null
  constructor(readonly numEmbeddings: number, readonly embeddingDim: number, options: { paddingIdx?: number | null } = {}) {
    super()
    const { paddingIdx = null } = requireOptions('Embedding', options, 'paddingIdx')
    this.paddingIdx = paddingIdx
    this.weight = normal(constantParameter([numEmbeddings, embeddingDim], 0))
    if (paddingIdx === null) return
    const row = paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx
    if (!isWhole(row, 0, numEmbeddings - 1)) {
      throw new RangeError(`Embedding: paddingIdx in ${-numEmbeddings}..${numEmbeddings - 1} expected, got ${paddingIdx}`)
    }
    const { backend, address } = this.weight
    backend.kernels.fill(embeddingDim, 0, address + row * embeddingDim * backend.width)
    this.weight.written()
  }
  forward(index: Tensor): Tensor {
    return embedding(index, this.weight, { paddingIdx: this.paddingIdx })
  }
  override describe(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}`
  }
}

export interface RecurrentLayerOptions {
  numLayers?: number
  bias?: boolean
  /** x and output are [n, t, ...] instead of [t, n, ...] (default false) */
  batchFirst?: boolean
  /** Between layers, in training (default 0) */
  dropout?: number
  bidirectional?: boolean
}
/** Weights named weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, …_l0_reverse, …_l1 …, all drawn from U(±1/√hiddenSize) */
abstract class Recurrent extends Module {
  readonly options: Required<RecurrentLayerOptions>
  readonly #suffixes: string[]
  constructor(gates: number, readonly inputSize: number, readonly hiddenSize: number, options: RecurrentLayerOptions) {
    super()
    const defaults = { numLayers: 1, bias: true, batchFirst: false, dropout: 0, bidirectional: false }
    this.options = { ...defaults, ...requireOptions(this.constructor.name, options, defaults) }
    const { numLayers, bias, bidirectional } = this.options
    for (const [role, value] of Object.entries({ inputSize, hiddenSize, numLayers })) requireCount(this.constructor.name, role, value)
    this.#suffixes = Array.from({ length: numLayers }, (_, layer) => (bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`])).flat()
    const own = this as unknown as Record<string, Tensor>
    const parameter = (...shape: number[]) => defaultParameter([gates * hiddenSize, ...shape], hiddenSize)
    this.#suffixes.forEach((suffix, i) => {
      const layer = bidirectional ? i >> 1 : i
      const inputs = layer === 0 ? inputSize : bidirectional ? 2 * hiddenSize : hiddenSize
      own[`weight_ih_${suffix}`] = parameter(inputs)
      own[`weight_hh_${suffix}`] = parameter(hiddenSize)
      if (bias) for (const role of ['bias_ih', 'bias_hh']) own[`${role}_${suffix}`] = parameter()
    })
  }
  protected weights(): CellWeights[] {
    const own = this as unknown as Record<string, Tensor>
    return this.#suffixes.map(s => ({
      weightIh: own[`weight_ih_${s}`]!, weightHh: own[`weight_hh_${s}`]!, biasIh: own[`bias_ih_${s}`] ?? null, biasHh: own[`bias_hh_${s}`] ?? null,
    }))
  }
  protected settings(): { bidirectional: boolean; batchFirst: boolean; dropout: number } {
    const { bidirectional, batchFirst, dropout } = this.options
    return { bidirectional, batchFirst, dropout: this.training ? dropout : 0 }
  }
  override describe(): string {
    const numbers = Object.entries(this.options).filter(([, v]) => Number(v) !== 0 && Number(v) !== 1)
    return described([this.inputSize, this.hiddenSize], Object.fromEntries(numbers))
  }
}

/** h′ = tanh(Wih x + bih + Whh h + bhh). x: [t, n, inputSize]; forward(x, { h }) returns { output, h } */
export class RNN extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(1, inputSize, hiddenSize, options)
  }
  forward(x: Tensor, state: RecurrentState | null = null): Recurrence {
    return rnnTanh(x, state, this.weights(), this.settings())
  }
}
/** Gated recurrent units (Cho et al., 2014). x: [t, n, inputSize]; forward(x, { h }) returns { output, h } */
export class GRU extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(3, inputSize, hiddenSize, options)
  }
  forward(x: Tensor, state: RecurrentState | null = null): Recurrence {
    return gru(x, state, this.weights(), this.settings())
  }
}
/** Long short-term memory (Hochreiter and Schmidhuber, 1997). x: [t, n, inputSize]; forward(x, { h, c }) returns { output, h, c } */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(4, inputSize, hiddenSize, options)
  }
  forward(x: Tensor, state: RecurrentState | null = null): LstmRecurrence {
    return lstm(x, state, this.weights(), this.settings())
  }
}

/** Self-attention by several heads (Vaswani et al., 2017). x: [n, t, embedDim] */
export class MultiheadAttention extends Module {
  inProjWeight: Tensor
  inProjBias: Tensor | null
  outProj: Linear
  readonly dropout: number
  constructor(readonly embedDim: number, readonly numHeads: number, options: { bias?: boolean; dropout?: number } = {}) {
    super()
    const { bias = true, dropout = 0 } = requireOptions('MultiheadAttention', options, 'bias dropout')
    if (!isWhole(numHeads, 1) || embedDim % numHeads) {
      throw new ShapeError(`MultiheadAttention: heads that divide ${embedDim} expected, got ${numHeads}`)
    }
    this.dropout = dropout
    this.inProjWeight = xavierUniform(constantParameter([3 * embedDim, embedDim], 0))
    this.inProjBias = bias ? constantParameter([3 * embedDim], 0) : null
    this.outProj = new Linear(embedDim, embedDim, { bias })
    if (this.outProj.bias) this.outProj.bias.set(new Float32Array(embedDim))
  }
  forward(x: Tensor, options: Omit<AttentionOptions, 'dropout'> = {}): Tensor {
    requireOptions('MultiheadAttention', options, 'causal mask')
    const weights = { inProjWeight: this.inProjWeight, inProjBias: this.inProjBias, outProjWeight: this.outProj.weight, outProjBias: this.outProj.bias }
    return multiHeadAttention(x, weights, { ...options, numHeads: this.numHeads, dropout: this.training ? this.dropout : 0 })
  }
  override describe(): string {
    return `${this.embedDim}, ${this.numHeads}`
  }
}
