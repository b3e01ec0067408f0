// The block that transformers are stacked of. Defaults and state_dict keys are PyTorch's.

import { add } from '../ops/arithmetic.js'
import type { AttentionOptions } from '../ops/attention.js'
import { transpose } from '../ops/layout.js'
import { gelu, relu } from '../ops/unary.js'
import { requireOptions, show, ShapeError } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { Dropout, Linear } from './layers.js'
import { Module } from './module.js'
import { LayerNorm } from './norm.js'
import { MultiheadAttention } from './sequence.js'

export interface TransformerEncoderLayerOptions {
  /** Width between the two linear layers (default 2048) */
  dimFeedforward?: number
  /** Of attention weights, in the feed-forward part, and of both parts' results (default 0.1) */
  dropout?: number
  activation?: 'relu' | 'gelu' | ((x: Tensor) => Tensor)
  layerNormEps?: number
  /** x is [n, t, dModel] instead of [t, n, dModel] (default false) */
  batchFirst?: boolean
  /** Normalise what goes into each part instead of the sum after it (default false) */
  normFirst?: boolean
  bias?: boolean
}

/**
 * Self-attention, then a feed-forward network, each with a residual connection: x = norm1(x + attention(x)), x = norm2(x + ff(x)) with
 * ff(x) = linear2(activation(linear1(x))) (Vaswani et al., 2017); with normFirst x = x + attention(norm1(x)), x = x + ff(norm2(x))
 * (Xiong et al., 2020), which trains without a warm-up. x: [t, n, dModel]; forward(x, { causal, mask }), mask added to the scores.
 */
export class TransformerEncoderLayer extends Module {
  readonly selfAttn: MultiheadAttention
  readonly linear1: Linear
  readonly dropout: Dropout
  readonly linear2: Linear
  readonly norm1: LayerNorm
  readonly norm2: LayerNorm
  readonly dropout1: Dropout
  readonly dropout2: Dropout
  readonly batchFirst: boolean
  readonly normFirst: boolean
  readonly #activation: (x: Tensor) => Tensor
  constructor(readonly dModel: number, readonly nhead: number, options: TransformerEncoderLayerOptions = {}) {
    super()
    const { dimFeedforward = 2048, dropout = 0.1, activation = 'relu', layerNormEps = 1e-5, batchFirst = false, normFirst = false, bias = true } =
      requireOptions('TransformerEncoderLayer', options, 'dimFeedforward dropout activation layerNormEps batchFirst normFirst bias')
    if (activation !== 'relu' && activation !== 'gelu' && typeof activation !== 'function') {
      throw new TypeError(`TransformerEncoderLayer: activation relu, gelu or a function expected, got ${activation}`)
    }
    this.selfAttn = new MultiheadAttention(dModel, nhead, { bias, dropout })
    this.linear1 = new Linear(dModel, dimFeedforward, { bias })
    this.dropout = new Dropout(dropout)
    this.linear2 = new Linear(dimFeedforward, dModel, { bias })
    this.norm1 = new LayerNorm(dModel, { eps: layerNormEps, bias })
    this.norm2 = new LayerNorm(dModel, { eps: layerNormEps, bias })
    this.dropout1 = new Dropout(dropout)
    this.dropout2 = new Dropout(dropout)
    this.batchFirst = batchFirst
    this.normFirst = normFirst
    this.#activation = activation === 'relu' ? relu : activation === 'gelu' ? x => gelu(x) : activation
  }
  #attend(x: Tensor, options: Omit<AttentionOptions, 'dropout'>): Tensor {
    return this.dropout1.forward(this.selfAttn.forward(x, options))
  }
  #feed(x: Tensor): Tensor {
    return this.dropout2.forward(this.linear2.forward(this.dropout.forward(this.#activation(this.linear1.forward(x)))))
  }
  forward(x: Tensor, options: Omit<AttentionOptions, 'dropout'> = {}): Tensor {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) {
      throw new ShapeError(`TransformerEncoderLayer: x ${this.batchFirst ? '[n, t' : '[t, n'}, ${this.dModel}] expected, got ${show(x.shape)}`)
    }
    let y = this.batchFirst ? x : transpose(x, 0, 1)
    if (this.normFirst) {
      y = add(y, this.#attend(this.norm1.forward(y), options))
      y = add(y, this.#feed(this.norm2.forward(y)))
    } else {
      y = this.norm1.forward(add(y, this.#attend(y, options)))
      y = this.norm2.forward(add(y, this.#feed(y)))
    }
    return this.batchFirst ? y : transpose(y, 0, 1)
  }
}
