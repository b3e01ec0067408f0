// Golden vectors: which cases the library supports, and how each kind is run and judged.

import { backward, gradients, mul, scope, sum, type Tensor } from 'hebb'
import {
  compare, outputsOf, read, roleOf, toTensor, type Args, type Case, type Miss, type Result, type Results, type Source, type Stored,
} from './golden-format.js'
import { INITIALISERS, runInitialiser } from './golden-init.js'
import { NETWORKS, runNetwork } from './golden-nets.js'
import { OPS, view, type Inputs } from './golden-ops.js'
import { OPTIMIZERS, runOptimizer } from './golden-optim.js'
import { runSchedule, SCHEDULES } from './golden-schedules.js'

/** Does the library have what the case tests? */
export function supported(c: Case): boolean {
  switch (c.kind) {
    case 'optimizer':
      return Object.hasOwn(OPTIMIZERS, c.args['optimizer'])
    case 'lr_scheduler':
      return [c.args['scheduler'], ...((c.args['options']?.schedulers ?? []) as Args[]).map(s => s['scheduler'])].every(s => Object.hasOwn(SCHEDULES, s))
    case 'init':
      return Object.hasOwn(INITIALISERS, c.args['init'])
    case 'network':
      return Object.hasOwn(NETWORKS, c.args['net'])
    default:
      return Object.hasOwn(OPS, c.op)
  }
}

/** The name under which an unsupported case is counted. */
export const subject = (c: Case): string => c.args['optimizer'] ?? c.args['scheduler'] ?? c.args['init'] ?? c.args['net'] ?? c.op

/** Convolutions and second derivatives are judged with direct algorithms only, everything else with the default ones. */
export const needsPrecise = (c: Case): boolean => c.kind === 'second_order' || c.op === 'gradient_penalty' || c.op.startsWith('conv')

/** Arguments with "inf" and "-inf" as numbers, at any depth. */
function infinite(value: unknown): unknown {
  if (value === 'inf' || value === '-inf') return value === 'inf' ? Infinity : -Infinity
  if (Array.isArray(value)) return value.map(infinite)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, infinite(v)]))
}

/** Run a case and compare everything it names. */
export function runCase(c: Case, stored: ReadonlyMap<string, Stored>): Result {
  const result: Result = { name: c.name, group: c.group, op: c.op, args: JSON.stringify(c.args), status: 'skipped', misses: [], error: null }
  if (!supported(c)) return result
  try {
    scope(() => (result.misses = judge({ ...c, args: infinite(c.args) as Args }, stored)))
    result.status = result.misses.length ? 'failed' : 'passed'
  } catch (error) {
    result.status = 'failed'
    const { message, stack } = error as Error
    result.error = `${message}${stack ? `\n${stack.split('\n').slice(1, 6).join('\n')}` : ''}`
  }
  return result
}

function judge(c: Case, stored: ReadonlyMap<string, Stored>): Miss[] {
  if (c.kind === 'lr_scheduler') return runSchedule(c)
  if (c.kind === 'init') return runInitialiser(c)
  const run = { optimizer: runOptimizer, network: runNetwork, second_order: runSecondOrder }[c.kind as string] ?? runOp
  const source: Source = name => {
    const t = stored.get(name)
    if (!t) throw new Error(`${c.name}: tensor ${name} is not in the file of group ${c.group}`)
    return t
  }
  const results = run(c, source)
  const wanted = [c.outputs ?? [], ...[c.grads, c.grads2, c.buffers_after].map(names => Object.values(names ?? {}))].flat()
  return wanted.flatMap(name => {
    const miss = compare(name, results.get(name), source(name), c.tolerance[name] ?? [0, 0])
    return miss ? [miss] : []
  })
}

interface Applied {
  leaves: Record<string, Tensor>
  outputs: Record<string, Tensor>
}

/** Make the inputs, those in `wanted` leaves; give the op their views. */
function applyOp(c: Case, source: Source, wanted: Record<string, string>): Applied {
  const leaves: Record<string, Tensor> = {}
  const inputs: Inputs = {}
  for (const name of c.inputs ?? []) {
    const role = roleOf(name)
    const leaf = toTensor(source(name))
    if (Object.hasOwn(wanted, role)) leaf.requiresGradient()
    leaves[role] = leaf
    inputs[role] = (c.views?.[role] ?? []).reduce(view, leaf)
  }
  return { leaves, outputs: OPS[c.op]!(inputs, c.args) }
}

const collectOutputs = (c: Case, outputs: Record<string, Tensor>): Results =>
  new Map(outputsOf(c, Object.fromEntries(Object.entries(outputs).map(([role, t]) => [role, read(t)]))))

function runOp(c: Case, source: Source): Results {
  const { leaves, outputs } = applyOp(c, source, c.grads ?? {})
  const results = collectOutputs(c, outputs)
  const terms = Object.entries(c.cotangents ?? {}).map(([role, name]) => sum(mul(outputs[role]!, toTensor(source(name)))))
  if (terms.length === 0) return results
  const loss = terms.reduce((a, b) => a.add(b))
  if (loss.requiresGrad) backward(loss)
  for (const [role, name] of Object.entries(c.grads ?? {})) {
    const leaf = leaves[role]!
    results.set(name, leaf.grad ? read(leaf.grad) : { shape: leaf.shape, data: new Float32Array(leaf.size) })
  }
  return results
}

/** First-order gradients with their graph, then those of Σ g v, the cotangent being a leaf too. */
function runSecondOrder(c: Case, source: Source): Results {
  const { leaves, outputs } = applyOp(c, source, { ...c.grads, ...c.grads2 })
  const results = collectOutputs(c, outputs)
  const cotangent = toTensor(source(c.cotangents!['out']!)).requiresGradient()
  const roles = Object.keys(c.grads ?? {})
  const first = gradients(outputs['out']!, roles.map(r => leaves[r]!), { gradOutputs: [cotangent], createGraph: true })
  roles.forEach((role, i) => results.set(c.grads![role]!, read(first[i]!)))
  const loss = Object.entries(c.v!).map(([role, name]) => sum(mul(first[roles.indexOf(role)]!, toTensor(source(name))))).reduce((a, b) => a.add(b))
  const again = Object.entries(c.grads2!)
  const second = gradients(loss, again.map(([role]) => (role === 'cotangent' ? cotangent : leaves[role]!)))
  again.forEach(([, name], i) => results.set(name, read(second[i]!)))
  return results
}
