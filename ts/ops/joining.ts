// Ops on lists of tensors: functions only, no methods.

import { apply, type Op } from '../autograd.js'
import { dimension, requireList, sameShape, show, ShapeError, stridesOf } from '../shape.js'
import { Tensor } from '../tensor.js'
import { requireTensors } from './checks.js'
import { narrow, unsqueeze, writeStrided } from './layout.js'

const catOp: Op<{ dim: number }> = {
  name: 'cat',
  forward(inputs, { dim }) {
    const first = inputs[0]!
    const shape = [...first.shape]
    shape[dim] = inputs.reduce((n, t) => n + t.shape[dim]!, 0)
    const y = new Tensor(shape, first.dtype, first.backend)
    const strides = stridesOf(shape)
    let at = 0
    for (const t of inputs) {
      writeStrided(t, y, strides, at * strides[dim]!, false)
      at += t.shape[dim]!
    }
    return y
  },
  gradient(g, node) {
    let at = 0
    return node.inputs.map((t, i) => {
      const size = t.shape[node.attrs.dim]!
      at += size
      return node.needs(i) ? narrow(g, node.attrs.dim, at - size, size) : null
    })
  },
}
/**
 * Tensors joined along an existing dimension.
 * @throws ShapeError if another size differs
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  requireList('cat', 'tensors', tensors, '[a, b]')
  const [first] = tensors
  if (!first) throw new ShapeError('cat: at least one tensor expected, got none')
  requireTensors('cat', ...tensors)
  if (first.rank === 0) throw new ShapeError('cat: tensors with dimensions expected, got scalars: stack() makes a vector of them')
  const d = dimension('cat', dim, first.rank)
  tensors.forEach((t, i) => {
    if (t.rank !== first.rank || t.dtype !== first.dtype || t.shape.some((size, j) => j !== d && size !== first.shape[j])) {
      throw new ShapeError(`cat: tensors that differ in dim ${dim} only expected, got ${show(first.shape)} ${first.dtype} and, at position ${i}, ${show(t.shape)} ${t.dtype}`)
    }
  })
  return apply(catOp, tensors, { dim: d })
}

/** Tensors of one shape joined along a new dimension. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  requireList('stack', 'tensors', tensors, '[a, b]')
  const [first] = tensors
  if (!first) throw new ShapeError('stack: at least one tensor expected, got none')
  requireTensors('stack', ...tensors)
  const other = tensors.find(t => !sameShape(t.shape, first.shape))
  if (other) throw new ShapeError(`stack: tensors of one shape expected, got ${show(first.shape)} and ${show(other.shape)}`)
  const d = dimension('stack', dim, first.rank + 1)
  return cat(tensors.map(t => unsqueeze(t, d)), d)
}
