// Golden vectors: optimizers over twenty steps of three problems, with schedules, clipping and parameter groups.

import { Adam, linear, mul, parameter, SGD, sub, sum, type Optimizer, type Tensor } from 'hebb'
import { outputsOf, read, roleOf, toTensor, type Args, type Case, type Results, type Source, type Values } from './golden-format.js'
import { camelCase } from './golden-ops.js'

type Make = (params: any, options: any) => Optimizer<any>
export const OPTIMIZERS: Record<string, Make> = {
  SGD: (params, options) => new SGD(params, options),
  Adam: (params, options) => new Adam(params, options),
}

interface Problem {
  params: Record<string, Tensor>
  /** Leaves the gradients of step s in the parameters; returns the loss, or null if there is none. */
  gradients(s: number): number | null
}

function problemOf(c: Case, source: Source): Problem {
  const inputs: Record<string, Tensor> = {}
  for (const name of c.inputs ?? []) inputs[roleOf(name)] = toTensor(source(name))
  const backward = (loss: Tensor): number => {
    loss.backward()
    return loss.item()
  }
  if (c.args['problem'] === 'mlp') {
    const { X, Y, ...initial } = inputs
    const params = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, parameter(t)]))
    return {
      params,
      gradients: () => {
        const hidden = linear(X!, params['fc1.weight']!, params['fc1.bias']).tanh()
        return backward(linear(hidden, params['fc2.weight']!, params['fc2.bias']).sub(Y!).square().mean())
      },
    }
  }
  const w = parameter(inputs['w']!)
  if (c.args['problem'] === 'quadratic') {
    const { A, b } = inputs
    return { params: { w }, gradients: () => backward(sub(mul(A!.matmul(w).matmul(w), 0.5), b!.matmul(w))) }
  }
  // the loss g · w has the gradient g
  const { G } = inputs
  return {
    params: { w },
    gradients(s) {
      if (s < G!.shape[0]!) backward(sum(mul(w, G!.select(0, s))))
      return null
    },
  }
}

/** Parameters with their options: one group, or several by names. */
function grouped(params: Record<string, Tensor>, groups: Args[] | undefined): unknown {
  if (!groups) return Object.values(params)
  return groups.map(({ params: names, ...options }) => ({ params: (names as string[]).map(n => params[n]!), ...camelCase(options) }))
}

export function runOptimizer(c: Case, source: Source): Results {
  const { optimizer: name, options, steps, lr_schedule, param_groups } = c.args
  const { params, gradients } = problemOf(c, source)
  const optimizer = OPTIMIZERS[name]!(grouped(params, param_groups), { ...(lr_schedule && { lr: lr_schedule[0] }), ...camelCase(options) })
  const results: Record<string, Values> = {}
  const losses: number[] = []
  const trajectory: number[] = []
  const note = (prefix: string) => Object.entries(params).forEach(([p, t]) => (results[`${prefix}.${p}`] = read(t)))
  const { w } = params
  for (let s = 0; s <= steps; s++) {
    optimizer.zeroGrad()
    const loss = gradients(s)
    if (loss !== null) losses.push(loss)
    if (w) trajectory.push(...w.values())
    if (s === 1) note('step1')
    if (s === steps) break
    if (lr_schedule) optimizer.lr = lr_schedule[s]
    optimizer.step()
  }
  note('final')
  results['loss'] = { shape: [losses.length], data: losses }
  if (w) results['traj.w'] = { shape: [steps + 1, w.size], data: trajectory }
  return new Map(outputsOf(c, results))
}
