// Golden vectors: optimizers over twenty steps of three problems, with schedules, clipping and parameter groups.

import {
  Adadelta, Adagrad, Adam, Adamax, AdamW, clipGradNorm, clipGradValue, linear, mul, NAdam, parameter, RAdam, RMSprop, Rprop, SGD, stack, sub, sum,
  type Optimizer, type Tensor,
} from 'hebb'
import { outputsOf, read, roleOf, toTensor, type Args, type Case, type Results, type Source, type Values } from './golden-format.js'
import { camelCase } from './golden-ops.js'

type Make = (params: any, options: any) => Optimizer<any>
export const OPTIMIZERS: Record<string, Make> = {
  SGD: (params, options) => new SGD(params, options),
  course_momentum: (params, options) => new SGD(params, { ...options, form: 'classic' }),
  course_nesterov: (params, options) => new SGD(params, { ...options, form: 'classic', nesterov: true }),
  Adagrad: (params, options) => new Adagrad(params, options),
  Adadelta: (params, options) => new Adadelta(params, options),
  RMSprop: (params, options) => new RMSprop(params, options),
  Adam: (params, options) => new Adam(params, options),
  AdamW: (params, options) => new AdamW(params, options),
  Adamax: (params, options) => new Adamax(params, options),
  NAdam: (params, options) => new NAdam(params, options),
  RAdam: (params, options) => new RAdam(params, options),
  Rprop: (params, options) => new Rprop(params, options),
}

interface Problem {
  params: Record<string, Tensor>
  /** The loss of step s; its value counts only where a problem has one. */
  loss(s: number): Tensor
  /** Steps that have a gradient but no loss of their own */
  given: number | null
}

function problemOf(c: Case, source: Source): Problem {
  const inputs: Record<string, Tensor> = {}
  for (const name of c.inputs ?? []) inputs[roleOf(name)] = toTensor(source(name))
  if (c.args['problem'] === 'mlp') {
    const { X, Y, ...initial } = inputs
    const params = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, parameter(t)]))
    const layer = (x: Tensor, name: string) => linear(x, params[`${name}.weight`]!, params[`${name}.bias`])
    return { params, given: null, loss: () => layer(layer(X!, 'fc1').tanh(), 'fc2').sub(Y!).square().mean() }
  }
  const w = parameter(inputs['w']!)
  if (c.args['problem'] === 'quadratic') {
    const { A, b } = inputs
    return { params: { w }, given: null, loss: () => sub(mul(A!.matmul(w).matmul(w), 0.5), b!.matmul(w)) }
  }
  // the gradient of g · w is g
  const { G } = inputs
  return { params: { w }, given: G!.shape[0]!, loss: s => sum(mul(w, G!.select(0, s))) }
}

/** Parameters with their options: one group, or several by names. */
function grouped(params: Record<string, Tensor>, groups: Args[] | undefined): unknown {
  if (!groups) return Object.values(params)
  return groups.map(({ params: names, ...options }) => ({ params: (names as string[]).map(n => params[n]!), ...camelCase(options) }))
}

export function runOptimizer(c: Case, source: Source): Results {
  const { optimizer: name, options, steps, lr_schedule, param_groups, clip } = c.args
  const { params, loss, given } = problemOf(c, source)
  const optimizer = OPTIMIZERS[name]!(grouped(params, param_groups), { ...(lr_schedule && { lr: lr_schedule[0] }), ...camelCase(options) })
  const results: Record<string, Values> = {}
  const losses: number[] = []
  const trajectory: number[] = []
  const note = (prefix: string) => Object.entries(params).forEach(([p, t]) => (results[`${prefix}.${p}`] = read(t)))
  const { w } = params
  for (let s = 0; s <= steps; s++) {
    // of the iterate itself, wherever the gradient is taken
    if (given === null) losses.push(loss(s).item())
    if (w) trajectory.push(...w.values())
    if (s === 1) note('step1')
    if (s === steps || s === given) break
    if (lr_schedule) optimizer.lr = lr_schedule[s]
    optimizer.zeroGrad()
    if (name === 'course_nesterov') (optimizer as SGD).lookAhead()
    loss(s).backward()
    if (clip?.type === 'norm') clipGradNorm(Object.values(params), clip.max_norm, { normType: clip.norm_type })
    if (clip?.type === 'value') clipGradValue(Object.values(params), clip.clip_value)
    optimizer.step()
  }
  note('final')
  results['loss'] = { shape: [losses.length], data: losses }
  if (w) results['traj.w'] = { shape: [steps + 1, w.size], data: trajectory }
  return new Map(outputsOf(c, results))
}

/** Tensors with given gradients, clipped: the ops clip_grad_norm and clip_grad_value. */
export function clipped(grads: Record<string, Tensor>, clip: (params: Tensor[]) => Tensor | void): Record<string, Tensor> {
  const params = Object.values(grads).map(g => parameter(g))
  sum(stack(Object.values(grads).map((g, i) => sum(mul(params[i]!, g))))).backward()
  const total = clip(params)
  return { ...(total && { total_norm: total }), ...Object.fromEntries(Object.keys(grads).map((role, i) => [role, params[i]!.grad!])) }
}
