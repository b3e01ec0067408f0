// The walk through the graph: backward() adds gradients to leaves, gradients() returns them, differentiable again if wanted.

import { foreign, gradientOf, isRecording, leadingTo, noGrad, recordingIf, relate, SPENT, watcher, type Gradients, type Node } from './autograd.js'
import { Binary } from './kernels.js'
import { closeScope, currentScope, FRAME, gradientWatch, openScope, type Scope } from './memory.js'
import { requireChoice, requireList, requireOptions, sameShape, ShapeError, show } from './shape.js'
import { combined, filled, setReader, Tensor } from './tensor.js'

/**
 * By leaf: results that no scope owns, of the graph of the last backward() that reached it. The next one that does frees them; one through
 * other leaves may be another task's.
 */
const spent = new WeakMap<Tensor, Tensor[]>()
let anySpent = false
let sweep = 0

/** Nodes that `roots` depend on, latest first. */
function collect(roots: readonly Tensor[]): Node[] {
  const mark = ++sweep
  const found: Node[] = []
  const visit = (t: Tensor) => {
    const { node } = t
    // a freed result has lost its node: it must not pass for a leaf
    if (t.requiresGrad && t.freed) {
      throw new Error(`backward: ${t.label} ${show(t.shape)} was freed before its gradient was computed: call backward() in the turn or scope of the forward pass`)
    }
    if (!node || node.mark === mark) return
    if (node === SPENT) {
      throw new Error(
        `backward: ${t.label} ${show(t.shape)} was back-propagated before and its graph is gone: compute it anew, sum the losses first, or call the first backward({ retainGraph: true })`,
      )
    }
    node.mark = mark
    found.push(node)
  }
  roots.forEach(visit)
  for (let i = 0; i < found.length; i++) found[i]!.inputs.forEach(visit)
  return found.sort((a, b) => b.order - a.order)
}

/** a + b in place if nothing else owns a's buffer. Both are held by the walk. */
function accumulate(a: Tensor, b: Tensor): Tensor {
  const alone = a.buffer.owners === 1
  const out = alone ? a : new Tensor(a.shape, a.dtype, a.backend)
  out.kept = true
  out.owner = null
  combined(Binary.add, a, b, out)
  b.release('backward()')
  if (!alone) a.release('backward()')
  return out
}

/** Add g to what has reached t so far: at the node that made it, or, for a leaf, in `leaves`. */
function sumUp(t: Tensor, g: Tensor, leaves: Map<Tensor, Tensor | null> | null, add: (a: Tensor, b: Tensor) => Tensor): void {
  const before = t.node ? t.node.grad : leaves!.get(t)
  const sum = before ? add(before, g) : g
  if (t.node) t.node.grad = sum
  else leaves!.set(t, sum)
}

/** Add g to leaf.grad, or make it leaf.grad if that is empty. */
function deliver(leaf: Tensor, g: Tensor): void {
  const k = leaf.backend.kernels
  gradientWatch?.(leaf)
  if (leaf.gradient && g.buffer === leaf.gradient.buffer) leaf.stale = false
  else if (leaf.stale) {
    const target = gradientOf(leaf)
    k.copy(leaf.size, g.address, target.address)
    leaf.stale = false
  } else {
    const target = leaf.gradient!
    combined(Binary.add, target, g, target)
  }
  g.release('backward()')
}

/** The gradients of a node's inputs: in kernels and unrecorded if they are not to be differentiated again. */
function gradientsOf(node: Node, g: Tensor, again: boolean): Gradients {
  setReader(node)
  try {
    return recordingIf(isRecording() && again, () => ((again ? null : node.op.fused) ?? node.op.gradient!).call(node.op, g, node))
  } finally {
    setReader(null)
  }
}

/** A handle of the walk's own: what is shared with others (g itself, a saved tensor) gets a new one. */
function held(t: Tensor, frame: Scope): Tensor {
  const own = t.owner === frame && !t.kept ? t : t.alias()
  own.kept = true
  own.owner = null
  return own
}

/** The gradient of t after its hooks; `frame` is that of an unrecorded walk, which holds gradients. */
function hooked(t: Tensor, g: Tensor, frame: Scope | null): Tensor {
  try {
    for (const hook of t.hooks ?? []) {
      // the walk frees g itself, so a hook gets a handle that it may keep
      const next = frame ? noGrad(() => hook(g.alias())) : hook(g)
      if (next === undefined) continue
      if (!(next instanceof Tensor)) throw foreign('registerHook', next)
      if (!sameShape(next.shape, t.shape) || next.dtype !== t.dtype || next.backend !== t.backend) {
        const got = `${next.dtype} ${show(next.shape)} on ${next.backend.name}`
        throw new ShapeError(`registerHook: a gradient ${show(t.shape)} of ${t.label} expected from the hook, got ${got}`)
      }
      const own = frame ? held(next, frame) : next
      if (frame) g.release('backward()')
      g = own
    }
    return g
  } catch (error) {
    if (frame) g.release('backward()')
    throw error
  }
}

/** Gradients of ops run unrecorded; every tensor they make but don't return is freed at once. */
function walkFast(nodes: Node[], wanted: Map<Tensor, Tensor | null> | null, retain: boolean): void {
  const frame = openScope('backward()', FRAME)
  /** Gradients of leaves with hooks, which must be complete first */
  const awaited = new Map<Tensor, Tensor | null>()
  const leaves = wanted ?? awaited
  const unowned: Tensor[] = []
  let g: Tensor | null = null
  let at: Node | null = null
  try {
    for (const node of nodes) {
      at = node
      g = node.grad
      if (!g) continue
      node.grad = null
      if (node.output.hooks) g = hooked(node.output, g, frame)
      if (wanted?.has(node.output)) {
        wanted.set(node.output, g)
        if (!node.leads) continue
        // a second owner, so that the gradient of the node does not go over what was asked for
        g = held(g, frame)
      }
      const sum = node.op.addTo ? sumSoFar(node.inputs[0]!, wanted !== null) : null
      if (sum && node.needs(0)) {
        node.op.addTo!(sum, g, node)
        watcher?.gradient(node, 0, sum)
      } else {
        const gradients = gradientsOf(node, g, false)
        for (let i = 0; i < node.inputs.length; i++) {
          const gradient = gradients[i]
          if (!gradient || !node.needs(i)) continue
          watcher?.gradient(node, i, gradient)
          const input = node.inputs[i]!
          send(node, input, gradient, frame, wanted || input.hooks ? leaves : null)
        }
      }
      g.release('backward()')
      for (const t of frame.owned) if (!t.kept) t.release(frame)
      frame.owned.length = 0
      if (!retain) spend(node, unowned)
    }
    if (unowned.length > 0) remember(nodes, unowned)
    for (const [leaf, sum] of leaves) {
      if (!sum || leaf.node) continue
      g = hooked(leaf, sum, frame)
      if (wanted) wanted.set(leaf, g)
      else deliver(leaf, g)
    }
  } catch (error) {
    if (at) withdraw(at, frame)
    // what the walk holds is nobody else's
    g?.release('backward()')
    for (const t of leaves.values()) t?.release('backward()')
    for (const node of nodes) {
      node.grad?.release('backward()')
      node.grad = null
    }
    throw error
  } finally {
    closeScope(frame)
  }
}

/** After an error: gradients that node.into() promised to leaves, but nothing was written to or delivered, are empty again. */
function withdraw(node: Node, frame: Scope): void {
  const promised = new Set(frame.owned.filter(t => !t.kept && !t.freed).map(t => (t as Tensor).buffer))
  for (const leaf of node.inputs) {
    if (isLeaf(leaf) && leaf.gradient && !leaf.gradient.freed && promised.has(leaf.gradient.buffer)) leaf.stale = true
  }
}

/** The gradient of an input that other nodes have already left, if it may be added to in place. */
function sumSoFar(input: Tensor, onlyWanted: boolean): Tensor | null {
  if (input.node) return input.node.grad?.buffer.owners === 1 ? input.node.grad : null
  if (onlyWanted || input.stale || input.hooks) return null
  gradientWatch?.(input)
  return input.gradient
}

function send(node: Node, input: Tensor, gradient: Tensor, frame: Scope, leaves: Map<Tensor, Tensor | null> | null): void {
  if (!sameShape(gradient.shape, input.shape)) {
    throw new ShapeError(`${node.op.name}: its gradient has shape ${show(gradient.shape)}, but the input ${show(input.shape)}: the op is wrong`)
  }
  const own = held(gradient, frame)
  try {
    if (input.node || leaves) sumUp(input, own, leaves, accumulate)
    else deliver(input, own)
  } catch (error) {
    own.release('backward()')
    throw error
  }
}

const isLeaf = (t: Tensor): boolean => t.requiresGrad && t.node === null

/** Leave results that no scope owns to the next backward() through the leaves of their graph. */
function remember(nodes: readonly Node[], unowned: Tensor[]): void {
  anySpent = true
  for (const { inputs } of nodes) for (const input of inputs) if (isLeaf(input)) spent.set(input, unowned)
}

/** Free what the last backward() through any of these leaves has left. */
function freeSpent(nodes: readonly Node[]): void {
  if (!anySpent) return
  for (const { inputs } of nodes) {
    for (const input of inputs) {
      const results = isLeaf(input) ? spent.get(input) : undefined
      if (!results) continue
      for (const t of results) if (!t.kept && !t.owner) t.release('the next backward()')
      results.length = 0
    }
  }
}

function spend(node: Node, unowned: Tensor[]): void {
  for (const t of node.saved) t.release('backward()')
  const { output } = node
  output.node = SPENT
  if (!output.owner && !output.kept) unowned.push(output)
}

/** Gradients of ops are recorded like any other op, so that they can be differentiated again. */
function walkRecorded(nodes: Node[], wanted: Map<Tensor, Tensor | null>, add: (a: Tensor, b: Tensor) => Tensor): void {
  for (const node of nodes) {
    if (!node.grad) continue
    const g = hooked(node.output, node.grad, null)
    node.grad = null
    if (wanted.has(node.output)) {
      wanted.set(node.output, g)
      if (!node.leads) continue
    }
    const gradients = gradientsOf(node, g, true)
    node.inputs.forEach((input, i) => {
      const gradient = gradients[i]
      if (!gradient || !node.needs(i)) return
      watcher?.gradient(node, i, gradient)
      sumUp(input, gradient, wanted, add)
    })
  }
  for (const [leaf, sum] of wanted) if (sum && !leaf.node) wanted.set(leaf, hooked(leaf, sum, null))
}

const unrecorded = (op: string, t: Tensor): Error =>
  new Error(`${op}: ${t.label} ${show(t.shape)} does not depend on anything that requires a gradient: use parameters or requiresGradient(), outside noGrad()`)

export interface BackwardOptions {
  /** Keep the graph for another backward() through it (default false) */
  retainGraph?: boolean
}

/**
 * Adds d(loss)/d(leaf) to the `grad` of every leaf that requires it: parameters and tensors marked with requiresGradient().
 * Gradients of intermediate results are freed as soon as they are used. The results themselves stay readable until their turn or
 * scope ends; outside any, until the next backward().
 * @throws ShapeError unless loss has one element; Error if it depends on nothing that requires a gradient, or was back-propagated before
 */
export function backward(loss: Tensor, options: BackwardOptions = {}): void {
  requireOptions('backward', options, 'retainGraph')
  if (loss.size !== 1) throw new ShapeError(`backward: a scalar expected, got shape ${show(loss.shape)}: reduce it with mean() or sum()`)
  // says so if the loss was freed
  void loss.buffer
  if (!loss.node) {
    throw loss.requiresGrad ? new Error(`backward: ${loss.label} is a leaf, nothing was computed from it`) : unrecorded('backward', loss)
  }
  // before anything is freed, so that a loss built on the last graph is told that it is gone
  const nodes = collect([loss])
  freeSpent(nodes)
  const seed = filled(loss.shape, 1, loss.backend)
  seed.kept = true
  loss.node.grad = seed
  walkFast(nodes, null, options.retainGraph ?? false)
}

export interface GradientOptions {
  /** Record the gradients, so that they can be differentiated again (default false) */
  createGraph?: boolean
  /** Keep the graph for another pass (default: createGraph) */
  retainGraph?: boolean
  /** dL/doutput of each output; default 1, which needs scalar outputs */
  gradOutputs?: readonly Tensor[]
}

/** The addition of two gradients, set by ops/arithmetic.ts (this file knows no ops). @internal */
let addition: (a: Tensor, b: Tensor) => Tensor
export function useAddition(add: (a: Tensor, b: Tensor) => Tensor): void {
  addition = add
}

/**
 * Σ_o gradOutputs[o] · d(outputs[o]) / d(input) for each input, without touching anybody's `grad`. Inputs may be leaves or
 * intermediate results; one that no output depends on gets zeros.
 * @throws Error if an output depends on nothing that requires a gradient
 */
export function gradients(outputs: Tensor | readonly Tensor[], inputs: readonly Tensor[], options: GradientOptions = {}): Tensor[] {
  requireList('gradients', 'inputs', inputs, 'loss, [x]')
  const roots = outputs instanceof Tensor ? [outputs] : outputs
  const { createGraph = false, retainGraph = createGraph, gradOutputs } = requireOptions('gradients', options, 'createGraph retainGraph gradOutputs')
  if (gradOutputs) requireChoice('gradients', 'a number of gradOutputs of', gradOutputs.length, roots.length)
  const wanted = new Map<Tensor, Tensor | null>(inputs.map(t => [t, null]))
  const all = collect(roots)
  const on = new Set<Tensor>(inputs)
  for (let i = all.length - 1; i >= 0; i--) if (all[i]!.inputs.some(t => on.has(t))) on.add(all[i]!.output)
  const nodes = all.filter(n => on.has(n.output))
  roots.forEach((root, i) => {
    if (!root.requiresGrad) throw unrecorded('gradients', root)
    if (!gradOutputs && root.size !== 1) throw new ShapeError(`gradients: a scalar output expected, got shape ${show(root.shape)}: reduce it, or give gradOutputs`)
    const given = gradOutputs?.[i]
    if (given && !sameShape(given.shape, root.shape)) {
      throw new ShapeError(`gradients: gradOutputs[${i}] has shape ${show(given.shape)}, the output ${show(root.shape)}`)
    }
  })
  return leadingTo(on, () => {
    const seeds = roots.map((root, i) => {
      const given = gradOutputs?.[i]
      return on.has(root) ? (given ? (createGraph ? given : given.alias()) : filled(root.shape, 1, root.backend)) : null
    })
    const add = createGraph ? addition : accumulate
    try {
      roots.forEach((root, i) => {
        const seed = seeds[i]
        if (!seed) return
        if (!createGraph) seed.kept = true
        sumUp(root, seed, wanted, add)
      })
      if (createGraph) walkRecorded(nodes, wanted, addition)
      else walkFast(nodes, wanted, retainGraph)
    } catch (error) {
      // the next pass through this graph must not find them
      for (const node of nodes) {
        if (!createGraph) node.grad?.release('backward()')
        node.grad = null
      }
      throw error
    }
    return inputs.map(t => {
      const g = wanted.get(t) ?? filled(t.shape, 0, t.backend)
      // the walk held it; now it belongs to whoever asked
      if (!createGraph && g.kept) {
        g.moveTo(currentScope())
        relate(g, [t, ...roots])
      }
      return g
    })
  })
}
