// Elementwise arithmetic of two tensors with broadcasting, comparisons, and the sums that take gradients back to the operands' shapes.

import { apply, foreign, freeWith, type Op } from '../autograd.js'
import { useAddition } from '../backward.js'
import { Binary } from '../kernels.js'
import { broadcastShapes, broadcastStrides, nested, sameShape, type Shape } from '../shape.js'
import { combined, filled, Tensor } from '../tensor.js'
import { affineAs, log, neg, powScalar } from './unary.js'
import { requireTensors } from './checks.js'
import { reshape } from './layout.js'
import { sum } from './reduce.js'

export type Operand = Tensor | number

export function requireFloat(op: string, ...inputs: readonly Tensor[]): void {
  for (const t of inputs) {
    if (!(t instanceof Tensor)) throw foreign(op, t)
    if (t.dtype === 'int32') throw new TypeError(`${op}: float32 expected, got int32 of shape [${t.shape}]: convert it with .float()`)
  }
}

function compute(code: Binary, name: string, a: Tensor, b: Tensor): Tensor {
  if (sameShape(a.shape, b.shape)) {
    const y = new Tensor(a.shape, 'float32', a.backend)
    combined(code, a, b, y)
    return y
  }
  const shape = broadcastShapes(name, a.shape, b.shape)
  const y = new Tensor(shape, 'float32', a.backend)
  const { kernels: k, width } = a.backend
  nested(4, shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)], (n, [p, q], [i, j], o) =>
    k.binary(
      code, n[0]!, n[1]!, n[2]!, n[3]!, p![0]!, p![1]!, p![2]!, p![3]!, q![0]!, q![1]!, q![2]!, q![3]!,
      a.address + i! * width, b.address + j! * width, y.address + o * width,
    ),
  )
  return y
}

/** g summed over the dimensions along which an operand of shape `to` was repeated. */
export function sumTo(g: Tensor, to: Shape): Tensor {
  if (sameShape(g.shape, to)) return g
  const lead = g.rank - to.length
  const dims = g.shape.flatMap((d, i) => (i < lead || (to[i - lead] === 1 && d !== 1) ? [i] : []))
  return reshape(dims.length ? sum(g, dims) : g, to)
}

/** The scalar as a tensor beside `other`. */
function scalar(op: string, value: number, other: Tensor): Tensor {
  requireTensors(op, other)
  return filled([], value, other.backend)
}

function combine(op: Op, a: Operand, b: Operand): Tensor {
  let constant: Tensor | null = null
  if (typeof a === 'number') {
    if (typeof b === 'number') throw new TypeError(`${op.name}: a tensor and a number or two tensors expected, got two numbers`)
    a = constant = scalar(op.name, a, b)
  } else if (typeof b === 'number') b = constant = scalar(op.name, b, a)
  if (a instanceof Tensor && b instanceof Tensor && (a.dtype !== 'float32' || b.dtype !== 'float32')) requireFloat(op.name, a, b)
  const y = apply(op, [a, b])
  return constant ? freeWith(y, constant) : y
}

type Gradient = (g: Tensor, a: Tensor, b: Tensor, y: Tensor, needs: (i: number) => boolean) => readonly (Tensor | null)[]
type Pairwise = (a: Operand, b: Operand) => Tensor

function binary(name: string, code: Binary, gradient?: Gradient): Pairwise {
  const op: Op = {
    name,
    forward: ([a, b]) => compute(code, name, a!, b!),
    ...(gradient && {
      gradient(g, node) {
        const [a, b] = node.inputs as readonly [Tensor, Tensor]
        const [ga, gb] = gradient(g, a, b, node.output, i => node.needs(i))
        return [ga ? sumTo(ga, a.shape) : null, gb ? sumTo(gb, b.shape) : null]
      },
    }),
  }
  return (a, b) => combine(op, a, b)
}

const addPair = binary('add', Binary.add, g => [g, g])
/** a + b, broadcast */
export function add(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number' && a instanceof Tensor) return affineAs('add', a, 1, b)
  if (typeof a === 'number' && b instanceof Tensor) return affineAs('add', b, 1, a)
  return addPair(a, b)
}
useAddition(add)

const subPair = binary('sub', Binary.sub, (g, _a, _b, _y, needs) => [g, needs(1) ? neg(g) : null])
/** a − b, broadcast */
export function sub(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number' && a instanceof Tensor) return affineAs('sub', a, 1, -b)
  if (typeof a === 'number' && b instanceof Tensor) return affineAs('sub', b, -1, a)
  return subPair(a, b)
}

const mulPair = binary('mul', Binary.mul, (g, a, b, _y, needs) => [needs(0) ? mul(g, b) : null, needs(1) ? mul(g, a) : null])
/** a · b elementwise, broadcast */
export function mul(a: Operand, b: Operand): Tensor {
  if (typeof b === 'number' && a instanceof Tensor) return affineAs('mul', a, b, 0)
  if (typeof a === 'number' && b instanceof Tensor) return affineAs('mul', b, a, 0)
  return mulPair(a, b)
}

/** a / b elementwise, broadcast */
export const div: Pairwise = binary('div', Binary.div, (g, _a, b, y, needs) => [
  needs(0) ? div(g, b) : null,
  // −g a / b² without b², which overflows where the quotient need not
  needs(1) ? neg(mul(g, div(y, b))) : null,
])

const powPair = binary('pow', Binary.pow, (g, a, b, y, needs) => [
  // d/da a^0 is 0 even where a^-1 is not finite
  needs(0) ? mul(g, where(eq(b, 0), 0, mul(b, pow(a, sub(b, 1))))) : null,
  // and where a is 0, a^b log a is 0 for b ≥ 0
  needs(1) ? mul(g, where(mul(eq(a, 0), ge(b, 0)), 0, mul(y, log(a)))) : null,
])
/** a^b elementwise, broadcast; 0^0 = 1 */
export function pow(a: Operand, b: Operand): Tensor {
  return typeof b === 'number' && a instanceof Tensor ? powScalar(a, b) : powPair(a, b)
}

/** 1 where a = b, else 0. No gradient, like all comparisons. */
export const eq = binary('eq', Binary.eq)
/** 1 where a ≠ b, else 0 */
export const ne = binary('ne', Binary.ne)
/** 1 where a < b, else 0 */
export const lt = binary('lt', Binary.lt)
/** 1 where a ≤ b, else 0 */
export const le = binary('le', Binary.le)
/** 1 where a > b, else 0 */
export const gt = binary('gt', Binary.gt)
/** 1 where a ≥ b, else 0 */
export const ge = binary('ge', Binary.ge)

/** g where it doesn't lose, g/2 at ties, 0 where it loses; NaN loses against nothing */
const passed = (g: Tensor, loses: Tensor, ties: Tensor): Tensor => where(loses, 0, where(ties, mul(g, 0.5), g))
const extremum = (name: string, code: Binary, loses: Pairwise): Pairwise =>
  binary(name, code, (g, a, b, _y, needs) => [
    needs(0) ? passed(g, loses(a, b), eq(a, b)) : null,
    needs(1) ? passed(g, loses(b, a), eq(a, b)) : null,
  ])
/** The larger of a and b; NaN wins; at ties each side gets half the gradient */
export const maximum = extremum('maximum', Binary.maximum, lt)
/** The smaller of a and b; NaN wins; at ties each side gets half the gradient */
export const minimum = extremum('minimum', Binary.minimum, gt)

const whereOp: Op = {
  name: 'where',
  forward([c, a, b]) {
    const shape = broadcastShapes('where', c!.shape, broadcastShapes('where', a!.shape, b!.shape))
    const y = new Tensor(shape, 'float32', a!.backend)
    const { kernels: k, width } = a!.backend
    nested(4, shape, [c!, a!, b!].map(t => broadcastStrides(t.shape, shape)), (n, [r, p, q], [l, i, j], o) =>
      k.where(
        n[0]!, n[1]!, n[2]!, n[3]!, r![0]!, r![1]!, r![2]!, r![3]!, p![0]!, p![1]!, p![2]!, p![3]!, q![0]!, q![1]!, q![2]!, q![3]!,
        c!.address + l! * width, a!.address + i! * width, b!.address + j! * width, y.address + o * width,
      ),
    )
    return y
  },
  gradient(g, node) {
    const [c, a, b] = node.inputs as readonly [Tensor, Tensor, Tensor]
    return [null, node.needs(1) ? sumTo(where(c, g, 0), a.shape) : null, node.needs(2) ? sumTo(where(c, 0, g), b.shape) : null]
  },
}
/** a where the condition is not 0, else b, all broadcast; the branch not taken leaks nothing, not even NaN. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [x, y] = [a, b].map(v => (typeof v === 'number' ? scalar('where', v, condition) : v)) as [Tensor, Tensor]
  requireFloat('where', condition, x, y)
  return freeWith(apply(whereOp, [condition, x, y]), ...[x, y].filter(t => t !== a && t !== b))
}

/** x with `value` where the mask is not 0 */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  requireFloat('maskedFill', x, mask)
  return where(mask, value, x)
}
