// Recurrent networks over whole sequences: tanh cells, GRU, LSTM; several layers, one or two directions.

import { apply, type Op } from '../autograd.js'
import { Activation } from '../kernels.js'
import { requireOptions, sameShape, show, ShapeError, type Shape } from '../shape.js'
import { filled, Tensor } from '../tensor.js'
import { add, mul, requireFloat, sub } from './arithmetic.js'
import { requireTensors } from './checks.js'
import { cat, stack } from './joining.js'
import { chunk, select, transpose } from './layout.js'
import { linear, multiplyInto, product } from './matmul.js'
import { dropout as drop } from './random.js'
import { sigmoid, tanh } from './unary.js'

/** Weights of one layer in one direction, its gates one below the other: GRU r, z, n; LSTM i, f, g, o. */
export interface CellWeights {
  /** [gates · h, inputs] */
  weightIh: Tensor
  /** [gates · h, h] */
  weightHh: Tensor
  /** [gates · h] */
  biasIh?: Tensor | null
  biasHh?: Tensor | null
}
export interface RecurrentOptions {
  /** Each layer also runs backwards; its weights follow those of the forward direction (default false) */
  bidirectional?: boolean
  /** x and output are [n, t, ...] instead of [t, n, ...] (default false) */
  batchFirst?: boolean
  /** Probability with which outputs of all layers but the last are dropped in training (default 0) */
  dropout?: number
}
/** Initial state: h, and for an LSTM c, [layers · directions, n, h] (default zeros) */
export interface RecurrentState {
  h?: Tensor | null
  c?: Tensor | null
}
export interface Recurrence {
  /** Of the last layer at every step, directions side by side */
  output: Tensor
  /** Last states of all layers and directions */
  h: Tensor
}
export interface LstmRecurrence extends Recurrence {
  c: Tensor
}

/** One step: from the inputs' share of the gates, computed for all steps at once, to the new state. */
interface Cell {
  name: string
  gates: number
  /** Are the gates a plain sum of the inputs' share and h Wᵀ? Then biasHh may be added together with biasIh, too. */
  sums: boolean
  step(fromInput: Tensor, state: readonly Tensor[], weights: CellWeights): Tensor[]
}

/**
 * fromInput + h Wᵀ, written over fromInput: the step's own copy of the inputs' share, which nothing else reads. The product adds by itself, and
 * the gradient of W is left to shareOp.
 */
const gatesOp: Op = {
  name: 'gates',
  forward([fromInput, h, w]) {
    const [rows, hidden] = w!.shape as [number, number]
    const y = fromInput!.alias()
    y.backend.kernels.gemm(1, 0, 1, h!.shape[0]!, rows, hidden, 1, h!.address, 0, w!.address, 0, 1, y.address, 0, 0, Activation.none)
    return y
  },
  gradient(g, node) {
    const [, h, w] = node.inputs as readonly [Tensor, Tensor, Tensor]
    return [g, node.needs(1) ? product(g, w, false, false) : null, node.needs(2) ? product(g, h, true, false) : null]
  },
  fused(g, node) {
    const w = node.inputs[2]!
    return [g, node.needs(1) ? product(g, w, false, false) : null, null]
  },
}
/**
 * The inputs' share of all steps' gates as it is, for gatesOp. A step's gates have the gradient of its share, so the kernels compute the
 * gradient of Whh here, Σ gₜᵀ hₜ₋₁ in one product over all steps; in gatesOp it would cost a product and a pass over Whh for each. A walk
 * uses either both ops' kernels or both ops' formulas, of which gatesOp's has that gradient.
 */
const shareOp: Op<{ before: readonly Tensor[] }> = {
  name: 'gates',
  forward: ([all]) => all!.alias(),
  gradient: g => [g, null],
  fused(g, node) {
    if (!node.needs(1)) return [g, null]
    const w = node.inputs[1]!
    const [rows, hidden] = w.shape as [number, number]
    const states = stack(node.attrs.before)
    const gw = node.into(1)
    multiplyInto(gw, g, states, true, false, rows, hidden, g.size / rows)
    return [g, gw]
  },
}

const tanhCell: Cell = {
  name: 'rnnTanh',
  gates: 1,
  sums: true,
  step: (fromInput, [h], { weightHh }) => [tanh(apply(gatesOp, [fromInput, h!, weightHh]))],
}
const gruCell: Cell = {
  name: 'gru',
  gates: 3,
  sums: false,
  step(fromInput, [h], { weightHh, biasHh }) {
    const [ri, zi, ni] = chunk(fromInput, 3, 1) as [Tensor, Tensor, Tensor]
    const [rh, zh, nh] = chunk(linear(h!, weightHh, biasHh), 3, 1) as [Tensor, Tensor, Tensor]
    const z = sigmoid(add(zi, zh))
    const n = tanh(add(ni, mul(sigmoid(add(ri, rh)), nh)))
    return [add(n, mul(z, sub(h!, n)))]
  },
}
const lstmCell: Cell = {
  name: 'lstm',
  gates: 4,
  sums: true,
  step(fromInput, [h, c], { weightHh }) {
    const [i, f, g, o] = chunk(apply(gatesOp, [fromInput, h!, weightHh]), 4, 1) as [Tensor, Tensor, Tensor, Tensor]
    const next = add(mul(sigmoid(f), c!), mul(sigmoid(i), tanh(g)))
    return [mul(sigmoid(o), tanh(next)), next]
  },
}

function checkWeights(cell: Cell, x: Tensor, inputs: number, hidden: number, { weightIh, weightHh, biasIh, biasHh }: CellWeights): void {
  const rows = cell.gates * hidden
  const wanted = [[rows, inputs], [rows, hidden], [rows], [rows]]
  const got = [weightIh, weightHh, biasIh, biasHh]
  if (got.some((t, i) => t && !sameShape(t.shape, wanted[i]!))) {
    throw new ShapeError(
      `${cell.name}: x ${show(x.shape)} with ${hidden} hidden units needs weights [${rows},${inputs}] and [${rows},${hidden}] and biases [${rows}], ` +
        `got ${got.map(t => (t ? show(t.shape) : 'none')).join(', ')}`,
    )
  }
}

/** One layer in one direction. x: [t, n, inputs]; returns the outputs of all steps, in order, and the last state. */
function run(cell: Cell, x: Tensor, state: Tensor[], weights: CellWeights, reverse: boolean): { outputs: Tensor[]; state: Tensor[] } {
  const { weightIh, biasIh, biasHh } = weights
  const bias = cell.sums && biasIh && biasHh ? add(biasIh, biasHh) : (biasIh ?? (cell.sums ? biasHh : null))
  // the inputs' share needs no state: one product for all steps
  const steps = x.shape[0]!
  const before = new Array<Tensor>(steps)
  const share = linear(x, weightIh, bias)
  const fromInputs = cell.sums ? apply(shareOp, [share, weights.weightHh], { before }) : share
  const outputs = new Array<Tensor>(steps)
  for (let i = 0; i < steps; i++) {
    const t = reverse ? steps - 1 - i : i
    before[t] = state[0]!
    state = cell.step(select(fromInputs, 0, t), state, weights)
    outputs[t] = state[0]!
  }
  return { outputs, state }
}

/** The tensors of a state, which come by name, not in a row as in Python; null for those that it lacks. */
export function statesOf(op: string, state: RecurrentState | null, kinds: readonly ('h' | 'c')[], shape: Shape): (Tensor | null)[] {
  if (state && (typeof state !== 'object' || Array.isArray(state) || state instanceof Tensor || !kinds.some(kind => kind in state))) {
    throw new TypeError(`${op}: a state { ${kinds.join(', ')} } expected, got ${String(state) === '[object Object]' ? Object.keys(state) : state}`)
  }
  return kinds.map(kind => {
    const t = state?.[kind]
    if (!t) return null
    requireTensors(op, t)
    if (!sameShape(t.shape, shape)) throw new ShapeError(`${op}: a state ${kind} ${show(shape)} expected, got ${show(t.shape)}`)
    return t
  })
}

/** All layers. `state`: of each kind, those of all layers and directions or none; `states` are the last ones. */
function recur(
  cell: Cell, x: Tensor, state: RecurrentState | null, kinds: readonly ('h' | 'c')[], weights: readonly CellWeights[], options: RecurrentOptions,
): { output: Tensor; states: Tensor[] } {
  const { bidirectional = false, batchFirst = false, dropout = 0 } = requireOptions(cell.name, options, 'bidirectional batchFirst dropout')
  const directions = bidirectional ? 2 : 1
  requireFloat(cell.name, x)
  // of a cell with a parametrization every reading computes a weight anew
  const layers = weights.map(({ weightIh, weightHh, biasIh, biasHh }) => ({ weightIh, weightHh, biasIh, biasHh }))
  if (x.rank !== 3 || x.size === 0) {
    throw new ShapeError(`${cell.name}: x ${batchFirst ? '[n, t, inputs]' : '[t, n, inputs]'} with at least one step expected, got ${show(x.shape)}`)
  }
  if (layers.length === 0 || layers.length % directions) {
    throw new ShapeError(`${cell.name}: weights for each layer${bidirectional ? ' and direction' : ''} expected, got ${layers.length}`)
  }
  let sequence = batchFirst ? transpose(x, 0, 1) : x
  const n = sequence.shape[1]!
  const hidden = layers[0]!.weightHh.shape[1]!
  const starts = statesOf(cell.name, state, kinds, [layers.length, n, hidden])
  const last: Tensor[][] = kinds.map(() => [])
  const zero = starts.includes(null) ? filled([n, hidden], 0, x.backend) : null
  for (let first = 0; first < layers.length; first += directions) {
    const inputs = sequence.shape[2]!
    if (first > 0) sequence = drop(sequence, { p: dropout })
    const sides = Array.from({ length: directions }, (_, d) => {
      const weights = layers[first + d]!
      checkWeights(cell, x, inputs, hidden, weights)
      const { outputs, state } = run(cell, sequence, starts.map(t => (t ? select(t, 0, first + d) : zero!)), weights, d === 1)
      state.forEach((s, i) => last[i]!.push(s))
      return stack(outputs)
    })
    sequence = sides.length === 1 ? sides[0]! : cat(sides, 2)
  }
  return { output: batchFirst ? transpose(sequence, 0, 1) : sequence, states: last.map(list => stack(list)) }
}

/**
 * h′ = tanh(Wih x + bih + Whh h + bhh) (Elman, 1990). x: [t, n, inputs]; `layers`: weights layer by layer, with bidirectional forward and
 * backward in turn. Returns output [t, n, directions · h] and the last h [layers · directions, n, h].
 * @throws ShapeError if sizes don't fit
 */
export function rnnTanh(x: Tensor, state: RecurrentState | null, layers: readonly CellWeights[], options: RecurrentOptions = {}): Recurrence {
  const { output, states: [h] } = recur(tanhCell, x, state, ['h'], layers, options)
  return { output, h: h! }
}

/**
 * Gated recurrent units: r, z = sigmoid(Wih x + bih + Whh h + bhh), n = tanh(Win x + bin + r (Whn h + bhn)), h′ = (1 − z) n + z h
 * (Cho et al., 2014, with the reset gate behind the product). Shapes as in rnnTanh; gate rows r, z, n.
 */
export function gru(x: Tensor, state: RecurrentState | null, layers: readonly CellWeights[], options: RecurrentOptions = {}): Recurrence {
  const { output, states: [h] } = recur(gruCell, x, state, ['h'], layers, options)
  return { output, h: h! }
}

/**
 * Long short-term memory: i, f, o = sigmoid(…), g = tanh(…) of Wih x + bih + Whh h + bhh; c′ = f c + i g, h′ = o tanh(c′)
 * (Hochreiter and Schmidhuber, 1997, with forget gates). Shapes as in rnnTanh, with a state c beside h; gate rows i, f, g, o.
 */
export function lstm(x: Tensor, state: RecurrentState | null, layers: readonly CellWeights[], options: RecurrentOptions = {}): LstmRecurrence {
  const { output, states: [h, c] } = recur(lstmCell, x, state, ['h', 'c'], layers, options)
  return { output, h: h!, c: c! }
}
