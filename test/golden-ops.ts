// Golden vectors: how each op of the vectors is called in hebb.

import * as hebb from 'hebb'
import { batchNorm, type Tensor } from 'hebb'
import type { Args } from './golden-format.js'
import { clipped } from './golden-optim.js'

/** Tensors by role; an optional one may be missing. */
export type Inputs = Record<string, Tensor>
type Run = (t: Inputs, a: Args) => Record<string, Tensor>

export interface View {
  op: 'transpose' | 'permute' | 'slice' | 'select' | 'unsqueeze' | 'expand'
  [arg: string]: any
}
export function view(x: Tensor, v: View): Tensor {
  switch (v.op) {
    case 'transpose':
      return x.transpose(v['dim0'], v['dim1'])
    case 'permute':
      return x.permute(v['dims'])
    case 'slice':
      return x.slice({ dim: v['dim'], start: v['start'], end: v['end'], step: v['step'] })
    case 'select':
      return x.select(v['dim'], v['index'])
    case 'unsqueeze':
      return x.unsqueeze(v['dim'])
    case 'expand':
      return x.expand(v['sizes'])
  }
}

/** kernel_size -> kernelSize */
export const camel = (name: string): string => name.replace(/_(.)/g, (_, c: string) => c.toUpperCase())
/** Names of options in camelCase; null means "not given". */
export const camelCase = (args: Args): Args =>
  Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null).map(([name, value]) => [camel(name), value]))

const out = (f: (t: Inputs, a: Args) => Tensor): Run => (t, a) => ({ out: f(t, a) })
/** The inputs x0, x1 … in order. */
const list = (t: Inputs): Tensor[] => Object.keys(t).map((_, i) => t[`x${i}`]!)

const unary = (f: (x: Tensor, options?: any) => Tensor): Run => out((t, a) => f(t['x']!, camelCase(a)))
const binary = (f: (a: Tensor, b: Tensor) => Tensor): Run => out(t => f(t['a']!, t['b']!))
const reduce = (f: (x: Tensor, dim: any, options: any) => Tensor): Run => out((t, { dim, ...rest }) => f(t['x']!, dim, camelCase(rest)))
type Along = (x: Tensor, dim: number, options: any) => { values: Tensor; indices: Tensor }
const extreme = (whole: (x: Tensor, dim: null, options: any) => Tensor, along: Along): Run =>
  ({ x }, { dim, keepdim }): Record<string, Tensor> => {
    if (dim === null) return { out: whole(x!, null, { keepdim }) }
    const { values, indices } = along(x!, dim, { keepdim })
    return { out: values, indices }
  }
const conv = (f: (x: Tensor, weight: Tensor, bias: Tensor | null | undefined, options: any) => Tensor): Run =>
  out((t, a) => f(t['x']!, t['weight']!, t['bias'], camelCase(a)))
const pool = (f: (x: Tensor, kernelSize: any, options: any) => Tensor): Run =>
  out((t, { kernel_size, ...rest }) => f(t['x']!, kernel_size, camelCase(rest)))
const loss = (f: (input: Tensor, target: Tensor, options: any) => Tensor): Run =>
  out(({ input, target, weight, pos_weight }, a) => f(input!, target!, { ...camelCase(a), weight, posWeight: pos_weight }))

const statistics = (t: Inputs) => ({ mean: t['running_mean']!, variance: t['running_var']! })
const batchNormCase: Run = (t, { training, momentum, eps }) => {
  const running = statistics(t)
  const y = batchNorm(t['x']!, t['weight'], t['bias'], { training, running, momentum: momentum ?? 1, eps })
  return { out: y, running_mean: running.mean, running_var: running.variance }
}
const batchNormSequence: Run = (t, { steps, momentum, eps }) => {
  const running = statistics(t)
  const outputs: Record<string, Tensor> = {}
  for (let i = 0; i < steps; i++) {
    outputs[i] = batchNorm(t[`x${i}`]!, t['weight'], t['bias'], { training: true, running, momentum: momentum ?? 1 / (i + 1), eps })
    outputs[`running_mean_${i}`] = running.mean.clone()
    outputs[`running_var_${i}`] = running.variance.clone()
  }
  outputs['eval'] = batchNorm(t['x_eval']!, t['weight'], t['bias'], { training: false, running, eps })
  return outputs
}

const multiHeadAttentionCase: Run = out((t, { num_heads, causal }) => {
  const weights = { inProjWeight: t['in_proj_weight']!, inProjBias: t['in_proj_bias'], outProjWeight: t['out_proj.weight']!, outProjBias: t['out_proj.bias'] }
  return hebb.multiHeadAttention(t['x']!, weights, { numHeads: num_heads, causal })
})

type Recurrent = (x: Tensor, state: hebb.RecurrentState, layers: hebb.CellWeights[], options: hebb.RecurrentOptions) => hebb.Recurrence & { c?: Tensor }
const recurrent = (f: Recurrent): Run => (t, { num_layers, bidirectional, batch_first }): Record<string, Tensor> => {
  const weights = Array.from({ length: num_layers }, (_, l) => (bidirectional ? [`l${l}`, `l${l}_reverse`] : [`l${l}`])).flat().map(s => ({
    weightIh: t[`weight_ih_${s}`]!, weightHh: t[`weight_hh_${s}`]!, biasIh: t[`bias_ih_${s}`], biasHh: t[`bias_hh_${s}`],
  }))
  const { output, h, c } = f(t['x']!, { h: t['h0'], c: t['c0'] }, weights, { bidirectional, batchFirst: batch_first })
  return { output, h_n: h, ...(c && { c_n: c }) }
}

/** mean over rows of (‖df/dx‖ − 1)², f = Σ tanh(x w1ᵀ + b1) · w2 */
const gradientPenalty: Run = out(({ x, w1, b1, w2 }) => {
  const f = x!.linear(w1!, b1).tanh().matmul(w2!).sum()
  const [g] = hebb.gradients(f, [x!], { createGraph: true })
  return g!.norm(1).sub(1).square().mean()
})

export const OPS: Record<string, Run> = {
  neg: unary(hebb.neg), abs: unary(hebb.abs), exp: unary(hebb.exp), log: unary(hebb.log), log1p: unary(hebb.log1p), sqrt: unary(hebb.sqrt),
  rsqrt: unary(hebb.rsqrt), square: unary(hebb.square), sin: unary(hebb.sin), cos: unary(hebb.cos), tanh: unary(hebb.tanh),
  sigmoid: unary(hebb.sigmoid), relu: unary(hebb.relu), sign: unary(hebb.sign), floor: unary(hebb.floor), reciprocal: unary(hebb.reciprocal),
  silu: unary(hebb.silu), leaky_relu: unary(hebb.leakyRelu), elu: unary(hebb.elu), gelu: unary(hebb.gelu), softplus: unary(hebb.softplus),
  clamp: unary(hebb.clamp), pow_scalar: out(({ x }, { exponent }) => hebb.powScalar(x!, exponent)),

  add: binary(hebb.add), sub: binary(hebb.sub), mul: binary(hebb.mul), div: binary(hebb.div), pow: binary(hebb.pow),
  maximum: binary(hebb.maximum), minimum: binary(hebb.minimum), eq: binary(hebb.eq), ne: binary(hebb.ne), lt: binary(hebb.lt),
  le: binary(hebb.le), gt: binary(hebb.gt), ge: binary(hebb.ge), where: out(({ cond, a, b }) => hebb.where(cond!, a!, b!)),

  sum: reduce(hebb.sum), mean: reduce(hebb.mean), amax: reduce(hebb.amax), amin: reduce(hebb.amin), logsumexp: reduce(hebb.logsumexp),
  prod: reduce(hebb.prod), argmax: reduce(hebb.argmax), argmin: reduce(hebb.argmin), var: reduce(hebb.variance), std: reduce(hebb.std),
  norm: reduce(hebb.norm), cumsum: reduce(hebb.cumsum), max: extreme(hebb.amax, hebb.max), min: extreme(hebb.amin, hebb.min),

  reshape: out(({ x }, { shape }) => x!.reshape(shape)),
  transpose: out(({ x }, { dim0, dim1 }) => x!.transpose(dim0, dim1)),
  permute: out(({ x }, { dims }) => x!.permute(dims)),
  squeeze: out(({ x }, { dim }) => x!.squeeze(dim)),
  unsqueeze: out(({ x }, { dim }) => x!.unsqueeze(dim)),
  flatten: out(({ x }, { start_dim, end_dim }) => x!.flatten(start_dim, end_dim)),
  slice: out(({ x }, { slices }) => x!.slice(slices)),
  expand: out(({ x }, { sizes }) => x!.expand(sizes)),
  flip: out(({ x }, { dims }) => x!.flip(dims)),
  pad: out(({ x }, { pad, mode, value }) => x!.pad(pad, { mode, value: value ?? 0 })),
  tril: out(({ x }, { diagonal }) => x!.tril(diagonal)),
  triu: out(({ x }, { diagonal }) => x!.triu(diagonal)),
  cat: out((t, { dim }) => hebb.cat(list(t), dim)),
  stack: out((t, { dim }) => hebb.stack(list(t), dim)),
  gather: out(({ x, index }, { dim }) => x!.gather(dim, index!)),
  index_select: out(({ x, index }, { dim }) => x!.indexSelect(dim, index!)),
  one_hot: out(({ index }, { num_classes }) => hebb.oneHot(index!, num_classes)),
  split: ({ x }, { split_size, dim }) => Object.fromEntries(x!.split(split_size, dim).map((part, i) => [String(i), part])),
  masked_fill: out(({ x, mask }, { value }) => x!.maskedFill(mask!, value)),

  matmul: binary(hebb.matmul),
  linear: out(({ x, weight, bias }) => hebb.linear(x!, weight!, bias)),
  conv1d: conv(hebb.conv1d), conv2d: conv(hebb.conv2d), conv3d: conv(hebb.conv3d),
  conv_transpose1d: conv(hebb.convTranspose1d), conv_transpose2d: conv(hebb.convTranspose2d), conv_transpose3d: conv(hebb.convTranspose3d),
  max_pool1d: pool(hebb.maxPool1d), max_pool2d: pool(hebb.maxPool2d), max_pool3d: pool(hebb.maxPool3d),
  avg_pool1d: pool(hebb.avgPool1d), avg_pool2d: pool(hebb.avgPool2d), avg_pool3d: pool(hebb.avgPool3d),
  adaptive_avg_pool1d: out(({ x }, { output_size }) => hebb.adaptiveAvgPool1d(x!, output_size)),
  adaptive_avg_pool2d: out(({ x }, { output_size }) => hebb.adaptiveAvgPool2d(x!, output_size)),

  interpolate: unary(hebb.interpolate),
  layer_norm: out(({ x, weight, bias }, { normalized_shape, eps }) => hebb.layerNorm(x!, normalized_shape, weight, bias, { eps })),
  group_norm: out(({ x, weight, bias }, { num_groups, eps }) => hebb.groupNorm(x!, num_groups, weight, bias, { eps })),
  local_response_norm: out(({ x }, { size, ...rest }) => hebb.localResponseNorm(x!, size, rest)),
  embedding: out(({ index, weight }, { padding_idx }) => hebb.embedding(index!, weight!, { paddingIdx: padding_idx })),
  scaled_dot_product_attention: out(({ q, k, v }, { causal }) => hebb.scaledDotProductAttention(q!, k!, v!, { causal })),
  multi_head_attention: multiHeadAttentionCase,
  rnn_tanh: recurrent(hebb.rnnTanh), gru: recurrent(hebb.gru), lstm: recurrent(hebb.lstm),
  batch_norm: batchNormCase, batch_norm_sequence: batchNormSequence,
  softmax: reduce(hebb.softmax), log_softmax: reduce(hebb.logSoftmax),

  mse_loss: loss(hebb.mseLoss), l1_loss: loss(hebb.l1Loss), cross_entropy: loss(hebb.crossEntropy), bce_with_logits_loss: loss(hebb.bceWithLogits),
  bce_loss: loss(hebb.bceLoss), smooth_l1_loss: loss(hebb.smoothL1Loss), huber_loss: loss(hebb.huberLoss), nll_loss: loss(hebb.nllLoss),
  hinge_embedding_loss: loss(hebb.hingeEmbeddingLoss), hinge_loss: loss(hebb.hingeLoss), multi_margin_loss: loss(hebb.multiMarginLoss),
  kl_div: loss(hebb.klDiv),

  gradient_penalty: gradientPenalty,
  clip_grad_norm: (t, { max_norm, norm_type }) => clipped(t, params => hebb.clipGradNorm(params, max_norm, camelCase({ norm_type }))),
  clip_grad_value: (t, { clip_value }) => clipped(t, params => hebb.clipGradValue(params, clip_value)),
}
