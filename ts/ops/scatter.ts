// Adding at indices: scatterAdd and indexAdd, the adjoints of gather and indexSelect on top of a tensor.

import { apply, type Op } from '../autograd.js'
import { Binary } from '../kernels.js'
import { around, dimension, sameShape, show, ShapeError } from '../shape.js'
import { combined, Tensor } from '../tensor.js'
import { requireFloat } from './arithmetic.js'
import { checkIndices, gathered, selected, type Indices } from './indexing.js'

interface Along {
  dim: number
}

function addition(name: 'scatterAdd' | 'indexAdd', back: (g: Tensor, dim: number, index: Tensor) => Tensor): Op<Along> {
  return {
    name,
    forward([x, index, source], { dim }) {
      const y = new Tensor(x!.shape, 'float32', x!.backend)
      const [outer, m, inner] = around(source!.shape, dim, dim)
      y.backend.kernels[name](outer, x!.shape[dim] ?? 1, m, inner, source!.address, index!.address, y.address)
      combined(Binary.add, x!, y, y)
      return y
    },
    gradient: (g, node) => [node.needs(0) ? g : null, null, node.needs(2) ? back(g, node.attrs.dim, node.inputs[1]!) : null],
  }
}

const scatterAddOp = addition('scatterAdd', gathered)
/**
 * x with source added where the index says: y[index[i][j]][j] += source[i][j] for dim 0, and so on. The index (int32) has source's
 * shape, which is x's except in dim.
 * @throws RangeError for an index outside x
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor): Tensor {
  requireFloat('scatterAdd', x, source)
  const d = dimension('scatterAdd', dim, x.rank)
  if (index.dtype !== 'int32') throw new TypeError('scatterAdd: an int32 index expected, got float32: convert it with .int()')
  if (!sameShape(index.shape, source.shape) || source.rank !== x.rank || source.shape.some((n, i) => i !== d && n !== x.shape[i])) {
    throw new ShapeError(`scatterAdd: index and source of the sizes of x ${show(x.shape)} except in dim ${dim} expected, got ${show(index.shape)} and ${show(source.shape)}`)
  }
  checkIndices('scatterAdd', 'indices', index, x.shape[d] ?? 1)
  return apply(scatterAddOp, [x, index, source], { dim: d })
}

const indexAddOp = addition('indexAdd', selected)
/**
 * x with source's entries added to the entries index[0], index[1] … along dim; an entry named twice gets both.
 * @throws RangeError for an index outside x
 */
export function indexAdd(x: Tensor, dim: number, index: Indices, source: Tensor): Tensor {
  requireFloat('indexAdd', x, source)
  const d = dimension('indexAdd', dim, x.rank)
  const at = index instanceof Tensor ? index : new Tensor([index.length], 'int32', x.backend).set(index)
  if (at.dtype !== 'int32' || at.rank !== 1) throw new ShapeError(`indexAdd: a list of int32 indices expected, got ${at.dtype} of shape ${show(at.shape)}`)
  const wanted = x.shape.map((n, i) => (i === d ? at.size : n))
  if (!sameShape(source.shape, wanted)) {
    throw new ShapeError(`indexAdd: a source ${show(wanted)} expected for x ${show(x.shape)} and ${at.size} indices in dim ${dim}, got ${show(source.shape)}`)
  }
  checkIndices('indexAdd', 'indices', at, x.shape[d] ?? 1)
  return apply(indexAddOp, [x, at, source], { dim: d })
}
