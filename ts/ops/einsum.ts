// Einstein's summation: any product and sum of tensors named by letters, through permute, reshape and matrix products.

import { show, ShapeError, sizeOf } from '../shape.js'
import { Tensor } from '../tensor.js'
import { diagonal } from './arrange.js'
import { mul, requireFloat } from './arithmetic.js'
import { permute, reshape } from './layout.js'
import { product } from './matmul.js'
import { sum } from './reduce.js'

/** A tensor whose dimensions have names: letters, and numbers for those of '...' counted from the right. */
interface Named {
  names: string[]
  t: Tensor
}

/** The names in a term such as `b...ij`; `covered` dimensions stand for '...'. */
function namesIn(equation: string, term: string, covered: number): string[] {
  const [before = '', after, ...more] = term.split('...')
  const letters = before + (after ?? '')
  if (more.length || !/^[a-zA-Z]*$/.test(letters)) {
    throw new ShapeError(`einsum: letters and at most one '...' expected in each term, got '${term}' in '${equation}'`)
  }
  return [...before, ...(after === undefined ? [] : Array.from({ length: covered }, (_, i) => String(covered - i))), ...(after ?? '')]
}

function parse(equation: string, tensors: readonly Tensor[]): { inputs: string[][]; output: string[] } {
  const [left = '', right, ...more] = equation.replace(/\s/g, '').split('->')
  const terms = left.split(',')
  if (more.length) throw new ShapeError(`einsum: one '->' expected, got '${equation}'`)
  if (terms.length !== tensors.length) throw new ShapeError(`einsum: '${equation}' names ${terms.length} tensors, got ${tensors.length}`)
  let most = 0
  const inputs = terms.map((term, i) => {
    const letters = namesIn(equation, term, 0).length
    const covered = tensors[i]!.rank - letters
    if (covered < 0 || (covered > 0 && !term.includes('...'))) {
      const others = covered > 0 ? ": '...' stands for others" : ''
      throw new ShapeError(`einsum: '${term}' names ${letters} dimensions, but tensor ${i} has shape ${show(tensors[i]!.shape)}${others}`)
    }
    most = Math.max(most, term.includes('...') ? covered : 0)
    return namesIn(equation, term, covered)
  })
  const all = inputs.flat()
  if (right === undefined) {
    // what stands once, in the order of the alphabet, behind the dimensions of '...'
    const once = [...new Set(all)].filter(name => /[a-zA-Z]/.test(name) && all.filter(n => n === name).length === 1).sort()
    return { inputs, output: [...namesIn(equation, '...', most), ...once] }
  }
  const output = namesIn(equation, right, most)
  output.forEach((name, i) => {
    if (output.indexOf(name) !== i) throw new ShapeError(`einsum: '${name}' stands twice in the output of '${equation}'`)
    if (!all.includes(name)) throw new ShapeError(`einsum: '${name}' in the output of '${equation}' stands in no input`)
  })
  return { inputs, output }
}

/** A letter that stands twice means the diagonal. */
function withoutRepeats({ names, t }: Named, equation: string): Named {
  const second = names.findIndex((name, i) => names.indexOf(name) !== i)
  if (second < 0) return { names, t }
  const name = names[second]!
  const first = names.indexOf(name)
  if (t.shape[first] !== t.shape[second]) {
    throw new ShapeError(`einsum: '${name}' stands for both ${t.shape[first]} and ${t.shape[second]} in shape ${show(t.shape)}, '${equation}'`)
  }
  const rest = names.filter((_, i) => i !== first && i !== second)
  return withoutRepeats({ names: [...rest, name], t: diagonal(t, { dim1: first, dim2: second }) }, equation)
}

/** Sum over the dimensions that nothing else names. */
function summed({ names, t }: Named, kept: ReadonlySet<string>): Named {
  const dims = names.flatMap((name, i) => (kept.has(name) ? [] : [i]))
  return dims.length ? { names: names.filter(name => kept.has(name)), t: sum(t, dims) } : { names, t }
}

const reads = (a: Named, names: readonly string[]): boolean => names.every((name, i) => a.names[i] === name)
/** The dimensions in the order of `names`, if they are not already. */
function ordered(a: Named, names: readonly string[]): Tensor {
  return reads(a, names) ? a.t : permute(a.t, names.map(name => a.names.indexOf(name)))
}

/** The product of a and b, summed over the names of both that are not kept. */
function contract(a: Named, b: Named, kept: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Named {
  const size = (list: readonly string[]) => sizeOf(list.map(name => sizes.get(name)!))
  /** One dimension for each group of names */
  const grouped = (x: Named, ...groups: string[][]) => reshape(ordered(x, groups.flat()), groups.map(size))
  const common = a.names.filter(name => b.names.includes(name))
  const batch = common.filter(name => kept.has(name))
  const inner = common.filter(name => !kept.has(name))
  const [rows, columns] = [a, b].map(({ names }) => names.filter(name => !common.includes(name))) as [string[], string[]]
  const names = [...batch, ...rows, ...columns]
  const shape = names.map(name => sizes.get(name)!)
  if (inner.length === 0) {
    return { names, t: reshape(mul(grouped(a, batch, rows, []), grouped(b, batch, [], columns)), shape) }
  }
  if (rows.length + columns.length === 0 && batch.length > 0) {
    return { names, t: sum(mul(ordered(a, [...batch, ...inner]), ordered(b, [...batch, ...inner])), inner.map((_, i) => batch.length + i)) }
  }
  // a matrix product reads a transposed matrix as fast as a straight one
  const transA = reads(a, [...batch, ...inner, ...rows])
  const transB = reads(b, [...batch, ...columns, ...inner])
  const left = transA ? grouped(a, batch, inner, rows) : grouped(a, batch, rows, inner)
  const right = transB ? grouped(b, batch, columns, inner) : grouped(b, batch, inner, columns)
  return { names, t: reshape(product(left, right, transA, transB), shape) }
}

/**
 * Sums of products by Einstein's convention: einsum('ij,jk->ik', a, b) is a matrix product, 'ii->i' a diagonal, 'bij->bji' a transpose.
 * A letter that the output lacks is summed over; without '->' the output has the letters that stand once, in alphabetical order;
 * '...' stands for dimensions that are broadcast. Tensors are joined from left to right.
 * @throws ShapeError if letters and shapes don't fit
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
  if (typeof equation !== 'string') throw new TypeError(`einsum: an equation such as 'ij,jk->ik' expected first, got ${equation}`)
  requireFloat('einsum', ...tensors)
  const { inputs, output } = parse(equation, tensors)
  const operands = tensors.map((t, i) => withoutRepeats({ names: inputs[i]!, t }, equation))
  const sizes = new Map<string, number>()
  for (const { names, t } of operands) {
    names.forEach((name, i) => {
      const [size, known] = [t.shape[i]!, sizes.get(name) ?? 1]
      if (known !== 1 && size !== 1 && size !== known) {
        const what = /\d/.test(name) ? `a dimension of '...'` : `'${name}'`
        throw new ShapeError(`einsum: ${what} stands for both ${known} and ${size}, '${equation}' of ${tensors.map(u => show(u.shape)).join(', ')}`)
      }
      if (known === 1) sizes.set(name, size)
    })
  }
  // a size of 1 that meets a larger one repeats: the others carry its name
  const plain = operands.map(({ names, t }): Named => {
    const real = names.filter((name, i) => t.shape[i] === sizes.get(name))
    return real.length === names.length ? { names, t } : { names: real, t: reshape(t, real.map(name => sizes.get(name)!)) }
  })
  let result: Named = { names: [], t: tensors[0]! }
  plain.forEach((operand, i) => {
    const later = new Set([...output, ...plain.slice(i + 1).flatMap(({ names }) => names)])
    const others = new Set([...later, ...(i > 0 ? result.names : [])])
    const own = summed(operand, others)
    result = i === 0 ? own : contract(summed(result, new Set([...later, ...own.names])), own, later, sizes)
  })
  const y = ordered(result, output)
  return y === tensors[0] ? reshape(y, y.shape) : y
}
