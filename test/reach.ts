// What users of PyTorch reach for: indexing and masks, sorting, einsum, rearrangements, named products, predicates, ranges. Numbers and
// shapes are PyTorch's.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  arange, allclose, capture, einsum, eye, fullLike, Generator, index, info, manualSeed, meshgrid, onBackend, parameter, randint, randLike, randn, randnLike,
  randperm, scope, ShapeError, tensor, trilIndices, triuIndices, zeros, type Key, type Tensor,
} from 'hebb'

const is = (t: Tensor, expected: unknown) => assert.equal(t.array(), expected)
const int = (values: number[] | number[][] | number): Tensor => tensor(values, { dtype: 'int32' })
const cube = () => arange(24).reshape([2, 3, 4])
const refuses = (f: () => unknown, message: string | RegExp, kind: new (...a: never[]) => Error = ShapeError) =>
  assert.throws(f, (e: Error) => e instanceof kind && (typeof message === 'string' ? e.message === message : message.test(e.message)))

test('index: numbers, slices, new dimensions, ellipses', () => {
  const x = cube()
  is(x.index(1, 2, 3), 23)
  is(x.index(-1, 0), [12, 13, 14, 15])
  is(index(x, ':', 1, [1, 3]), [[5, 6], [17, 18]])
  is(x.index(0, [null, null, -1], 0), [8, 4, 0])
  is(x.index('...', 0), [[0, 4, 8], [12, 16, 20]])
  is(x.index(0, '...', [-2]), [[2, 3], [6, 7], [10, 11]])
  assert.equal([x.index(), x.index(null), x.index('...', null), x.index(':', null, 0), x.index([], [])].map(t => t.shape),
    [[2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 1], [2, 1, 4], [2, 3, 4]])
  refuses(() => x.index(2), 'index: index 2 is outside the 2 of dim 0, shape [2,3,4]')
  refuses(() => x.index(0, 0, 0, 0), 'index: 4 dimensions are indexed, but x [2,3,4] has 3')
  refuses(() => x.index('...', '...'), "index: '...' may stand once only")
  refuses(() => x.index([0, 1, 2, 3]), /for a list of indices give tensor\(\[0,1,2,3\], \{ dtype: 'int32' \}\)$/)
  refuses(() => x.index('0' as Key), /^index: a number, \[start, end, step\], ':', '\.\.\.', null or a tensor expected, got 0$/, TypeError)
})

test('index: index tensors', () => {
  const x = cube()
  is(x.index(int([1, 0, -1])).index(':', 0, 0), [12, 0, 12])
  is(x.index(0, int([2, 0])), [[8, 9, 10, 11], [0, 1, 2, 3]])
  is(x.index(int([0, 1]), int([2, 0])), [[8, 9, 10, 11], [12, 13, 14, 15]])
  is(x.index(int([0, 1]), int([2, 0]), int(3)), [11, 15])
  is(x.index(':', int([0, 2]), int([1, 3])), [[1, 11], [13, 23]])
  is(x.index(int([[0], [1]]), int([0, 2]), 0), [[0, 8], [12, 20]])
  const shapes: [Key[], number[]][] = [
    [[int([[0, 1, 1]]), ':', int([3])], [1, 3, 3]],
    [[':', int([[0, 1]])], [2, 1, 2, 4]],
    [[':', ':', int([0, 1, 2, 3, 0])], [2, 3, 5]],
    [[int([0]), null, int([0, 1])], [2, 1, 4]],
    [[null, int([0, 1]), int([0])], [1, 2, 4]],
    [[int(1)], [3, 4]],
    [[int(0), ':', int([1, 2, 3])], [3, 3]],
    [[tensor([], [0], { dtype: 'int32' })], [0, 3, 4]],
  ]
  for (const [keys, shape] of shapes) assert.equal(x.index(...keys).shape, shape)
  refuses(() => x.index(int([0, 2])), 'index: indices -2..1 expected, got 2 at position 1', RangeError)
  refuses(() => x.index(int([0, 1]), int([0, 1, 2])), /^index: index tensors of shapes \[2\], \[3\] don't broadcast/)
  const labels = int([4, 5, 6]).index(int([2, 0]))
  assert.equal([labels.dtype, labels.array()], ['int32', [6, 4]])
})

test('index: masks', () => {
  const x = tensor([[1, -2, 3], [-4, 5, -6]])
  is(x.index(x.gt(0)), [1, 3, 5])
  is(x.index(tensor([0, 1])), [[-4, 5, -6]])
  is(x.index(':', tensor([1, 0, 1])), [[1, 3], [-4, -6]])
  is(x.index(tensor([1, 1]), int([2, 0])), [3, -4])
  is(x.maskedSelect(tensor([1, 0, 1])), [1, 3, -4, -6])
  is(tensor(2).maskedSelect(tensor([1, 0, 1])), [2, 2])
  assert.equal(x.index(x.gt(9)).shape, [0])
  refuses(() => x.index(tensor([1, 0, 1])), 'index: a mask [3] doesn\'t fit x [2,3] from dim 0 on: a float32 tensor is a mask; give indices as int32')
  refuses(() => x.index(tensor([0, 2])), 'index: 0 and 1 expected in a mask, got 2 at position 1: give indices as int32', RangeError)
})

test('indexPut writes where index reads, into a copy', () => {
  const x = zeros([2, 3])
  is(x.indexPut([1, [1]], tensor([7, 8])), [[0, 0, 0], [0, 7, 8]])
  is(x.indexPut([int([0, 1]), int([2, 0])], 5), [[0, 0, 5], [5, 0, 0]])
  is(x.indexPut([tensor([[1, 0, 1], [0, 1, 0]])], tensor([1, 2, 3])), [[1, 0, 2], [0, 3, 0]])
  is(x.indexPut([int([0, 0])], tensor([[1], [2]])), [[2, 2, 2], [0, 0, 0]])
  is(x.indexPut([int([0, 0])], tensor([[1], [2]]), { accumulate: true }), [[3, 3, 3], [0, 0, 0]])
  is(int([1, 2, 3]).indexPut([[1]], int(9)), [1, 9, 9])
  is(x, [[0, 0, 0], [0, 0, 0]])
  refuses(() => x.indexPut([0], tensor([1, 2])), /^indexPut: shapes \[2\] and \[3\] don't broadcast/)
  refuses(() => x.indexPut([0, 0], tensor([1, 2])), 'indexPut: values that broadcast to the [] of the places expected, got [2]')
})

test('indexAdd and scatterAdd add up', () => {
  is(zeros([2, 3]).indexAdd(1, [2, 2], tensor([[1, 2], [3, 4]])), [[0, 0, 3], [0, 0, 7]])
  is(tensor([[1, 1], [1, 1]]).scatterAdd(0, int([[0, 1], [0, 1], [1, 1]]), tensor([[1, 2], [3, 4], [5, 6]])), [[5, 1], [6, 13]])
  refuses(() => zeros([2]).indexAdd(0, [2], tensor([1])), 'indexAdd: indices 0..1 expected, got 2 at position 0', RangeError)
  refuses(() => zeros([2, 2]).indexAdd(0, [1], tensor([1])), 'indexAdd: a source [1,2] expected for x [2,2] and 1 indices in dim 0, got [1]')
  refuses(() => zeros([2]).scatterAdd(0, int([0]), tensor([1, 2])), /index and source of the sizes of x \[2\] except in dim 0 expected, got \[1\] and \[2\]/)
})

test('sort is stable and puts NaN behind all numbers', () => {
  const x = tensor([3, NaN, 1, 3, -Infinity, 1])
  const up = x.sort()
  is(up.values, [-Infinity, 1, 1, 3, 3, NaN])
  is(up.indices, [4, 2, 5, 0, 3, 1])
  assert.is(up.indices.dtype, 'int32')
  const down = x.sort(0, { descending: true })
  is(down.values, [NaN, 3, 3, 1, 1, -Infinity])
  is(down.indices, [1, 0, 3, 2, 5, 4])
  is(tensor([[3, 1], [2, 5]]).sort(0).values, [[2, 1], [3, 5]])
  is(tensor([[3, 1], [2, 5]]).argsort(), [[1, 0], [0, 1]])
  is(int([3, 1, 2]).sort().values, [1, 2, 3])
  is(tensor(4).sort().values, 4)
  is(tensor(4).argsort(), 0)
  assert.equal([zeros([0]).sort().values.shape, zeros([2, 0]).sort(0).values.shape], [[0], [2, 0]])
  const values = new Generator(1).shuffle(Float32Array.from({ length: 1000 }, (_, i) => i - 500))
  assert.equal(tensor(values).sort().values.values(), values.slice().sort())
})

test('topk, median, unique, nonzero', () => {
  const x = tensor([[1, 4, 2], [9, 7, 8]])
  is(x.topk(2).values, [[4, 2], [9, 8]])
  is(x.topk(2).indices, [[1, 2], [0, 2]])
  is(x.topk(1, 0, { largest: false }).values, [[1, 4, 2]])
  is(tensor([1, NaN]).topk(1).values, [NaN])
  assert.equal([x.topk(0).values.shape, tensor(3).topk(1).values.shape], [[2, 0], []])
  refuses(() => x.topk(4), 'topk: k in 0..3 expected, the size of dim -1 of shape [2,3], got 4')
  is(tensor([5, 1, 3, 2]).median(), 2)
  is(tensor([[5, 1], [NaN, 2]]).median(), NaN)
  is(tensor([3, 7, -1], { dtype: 'int32' }).median(), 3)
  const shares = (values: number[]) => {
    const x = parameter(values)
    x.median().backward()
    return [...x.grad!.values()]
  }
  assert.equal(shares([1, 3, 3, 0, 5]), [0, 0.5, 0.5, 0, 0])
  assert.equal(shares([NaN, 3, NaN, 1]), [0.5, 0, 0.5, 0])
  refuses(() => zeros([0]).median(), /of no elements/)
  const u = tensor([[3, 1], [1, 2]]).unique()
  assert.equal([u.values, u.inverse, u.counts].map(t => t.array()), [[1, 2, 3], [[2, 0], [0, 1]], [2, 1, 1]])
  const rows = int([[1, 2], [0, 5], [1, 2]]).unique({ dim: 0 })
  assert.equal([rows.values, rows.inverse, rows.counts].map(t => t.array()), [[[0, 5], [1, 2]], [1, 0, 1], [1, 2]])
  is(int([[1, 0, 1], [2, 5, 2]]).unique({ dim: 1 }).values, [[0, 1], [5, 2]])
  is(tensor([NaN, 1, NaN, -0, 0]).unique().counts, [2, 1, 1, 1])
  is(tensor([[0, 3], [NaN, 0]]).nonzero(), [[0, 1], [1, 0]])
  assert.equal([tensor(1).nonzero().shape, zeros([3]).nonzero().shape], [[1, 0], [0, 1]])
})

/** Sums over all letters, one product at a time */
function plainEinsum(inputs: string[], output: string, tensors: Tensor[]): number[] {
  const letters = [...new Set(inputs.join(''))]
  // 1 gives way to any other size, 0 too
  const size = (c: string) => inputs.flatMap((term, i) => [...term].flatMap((d, j) => (d === c ? [tensors[i]!.shape[j]!] : []))).find(n => n !== 1) ?? 1
  const values = tensors.map(t => t.values())
  const out = new Array<number>([...output].reduce((n, c) => n * size(c), 1)).fill(0)
  const at = new Map<string, number>()
  const place = (names: string, sizes: readonly number[]) => [...names].reduce((p, c, i) => p * sizes[i]! + (sizes[i] === 1 ? 0 : at.get(c)!), 0)
  const visit = (k: number): void => {
    if (k < letters.length) {
      for (let i = 0; i < size(letters[k]!); i++) {
        at.set(letters[k]!, i)
        visit(k + 1)
      }
    } else out[place(output, [...output].map(size))]! += inputs.reduce((p, term, i) => p * values[i]![place(term, tensors[i]!.shape)]!, 1)
  }
  visit(0)
  return out
}

test('einsum agrees with plain loops on 400 random equations', () => {
  const generator = new Generator(5)
  for (let round = 0; round < 400; round++) {
    scope(() => {
      const sizes = new Map([...'abcde'].map(c => [c, generator.integer(4)]))
      const inputs = Array.from({ length: 1 + generator.integer(3) }, () => Array.from({ length: generator.integer(5) }, () => 'abcde'[generator.integer(5)]).join(''))
      const output = generator.shuffle([...new Set(inputs.join(''))]).filter(() => generator.uniform() < 0.5).join('')
      const tensors = inputs.map(term => {
        const single = new Set([...term].filter(() => generator.uniform() < 0.1))
        return randn([...term].map(c => (single.has(c) ? 1 : sizes.get(c)!)))
      })
      const y = einsum(`${inputs.join(', ')} -> ${output}`, ...tensors)
      const expected = plainEinsum(inputs, output, tensors)
      const worst = expected.reduce((w, v, i) => Math.max(w, Math.abs(v - y.values()[i]!) / (1 + Math.abs(v))), 0)
      assert.ok(y.size === expected.length && worst < 1e-4, `${inputs} -> ${output} of ${tensors.map(t => `[${t.shape}]`)}: ${worst}`)
    })
  }
})

test('einsum: implicit outputs, ellipses, errors', () => {
  const [a, b] = [arange(6).reshape([2, 3]), arange(12).reshape([3, 4])]
  assert.ok(allclose(einsum('ij,jk', a, b), a.matmul(b)))
  is(einsum('ba', a), a.transpose(0, 1).array())
  is(einsum('ii', eye(3)), 3)
  is(einsum('ij->', a), 15)
  is(einsum(',', tensor(2), tensor(3)), 6)
  assert.equal(einsum('...ij,...jk', zeros([5, 1, 2, 3]), zeros([4, 3, 2])).shape, [5, 4, 2, 2])
  assert.equal(einsum('i...,...->...i', zeros([2, 3]), zeros([4, 3])).shape, [4, 3, 2])
  is(einsum('...i->i', a), [3, 5, 7])
  refuses(() => einsum('ij', a, b), "einsum: 'ij' names 1 tensors, got 2")
  refuses(() => einsum('ij,jk->il', a, b), "einsum: 'l' in the output of 'ij,jk->il' stands in no input")
  refuses(() => einsum('ij->ii', a), "einsum: 'i' stands twice in the output of 'ij->ii'")
  refuses(() => einsum('i->i', a), "einsum: 'i' names 1 dimensions, but tensor 0 has shape [2,3]: '...' stands for others")
  refuses(() => einsum('ij,ij->', a, b), "einsum: 'i' stands for both 2 and 3, 'ij,ij->' of [2,3], [3,4]")
  refuses(() => einsum('ii', a), "einsum: 'i' stands for both 2 and 3 in shape [2,3], 'ii'")
  refuses(() => einsum('i1->i', a), /letters and at most one '\.\.\.' expected in each term, got 'i1'/)
  refuses(() => einsum('i->j->k', a), "einsum: one '->' expected, got 'i->j->k'")
  refuses(() => einsum(a as never), /^einsum: an equation such as 'ij,jk->ik' expected first/, TypeError)
})

test('rearrangements', () => {
  const x = arange(6).reshape([2, 3])
  is(x.roll(1), [[5, 0, 1], [2, 3, 4]])
  is(x.roll([1, -1], [0, 1]), [[4, 5, 3], [1, 2, 0]])
  is(x.roll(-4, 1), [[1, 2, 0], [4, 5, 3]])
  is(tensor([1, 2]).repeat([2, 2]), [[1, 2, 1, 2], [1, 2, 1, 2]])
  assert.equal([x.repeat([2, 1, 3]).shape, x.repeat([0, 2]).shape, tensor(1).repeat([]).shape], [[2, 2, 9], [0, 6], []])
  is(x.repeatInterleave(2), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
  is(x.repeatInterleave([0, 2], 0), [[3, 4, 5], [3, 4, 5]])
  is(x.repeatInterleave([2], 0), [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]])
  is(x.repeatInterleave(int([2, 0, 1]), 1), [[0, 0, 2], [3, 3, 5]])
  assert.equal([cube().movedim(0, -1).shape, cube().movedim([0, 1], [1, 2]).shape], [[3, 4, 2], [4, 2, 3]])
  assert.equal(x.unbind(1).map(t => t.array()), [[0, 3], [1, 4], [2, 5]])
  is(x.diagonal(), [0, 4])
  is(x.diagonal({ offset: 1 }), [1, 5])
  assert.equal([x.diagonal({ offset: 3 }).shape, x.diagonal({ offset: -2 }).shape, cube().diagonal({ dim1: -1, dim2: 0 }).shape], [[0], [0], [3, 2]])
  is(cube().diagonal({ dim1: 1, dim2: 2, offset: -1 }), [[4, 9], [16, 21]])
  is(int([1, 2]).diag(1), [[0, 1, 0], [0, 0, 2], [0, 0, 0]])
  is(tensor([1, 2]).diag(-1), [[0, 0, 0], [1, 0, 0], [0, 2, 0]])
  is(zeros([0]).diag(1), [[0]])
  is(x.diag(-1), [3])
  const [p, q] = meshgrid([tensor([1, 2]), tensor([3, 4, 5])])
  assert.equal([p!.array(), q!.array()], [[[1, 1, 1], [2, 2, 2]], [[3, 4, 5], [3, 4, 5]]])
  assert.equal(meshgrid([zeros([2]), zeros([3]), tensor(1)], { indexing: 'xy' }).map(t => t.shape), [[3, 2, 1], [3, 2, 1], [3, 2, 1]])
  is(meshgrid([tensor([1, 2]), tensor([3, 4, 5])], { indexing: 'xy' })[0]!, [[1, 2], [1, 2], [1, 2]])
  refuses(() => x.repeat([2]), 'repeat: a whole number of copies for each dimension of shape [2,3] expected, got [2]')
  refuses(() => x.roll([1, 2], 0), 'roll: a shift for each dim expected, got shifts [1,2] for dims [0]')
  refuses(() => x.diagonal({ dim1: 1 }), 'diagonal: two different dimensions expected, got 1 and 1 for shape [2,3]')
  refuses(() => x.repeatInterleave([1, 1, 1], 0), 'repeatInterleave: 2 repeats expected for dim 0 of shape [2,3], got 3')
  refuses(() => cube().diag(), /^diag: a vector or a matrix expected/)
  refuses(() => x.movedim([0, 0], [0, 1]), /^movedim: as many different sources/)
})

test('products with names', () => {
  const [a, b, v] = [arange(6).reshape([2, 3]), arange(6).reshape([3, 2]), tensor([1, 2, 3])]
  is(a.mm(b), [[10, 13], [28, 40]])
  is(a.mv(v), [8, 26])
  is(v.dot(v), 14)
  is(v.outer(tensor([1, 10])), [[1, 10], [2, 20], [3, 30]])
  assert.equal(zeros([2, 3, 4]).bmm(zeros([2, 4, 5])).shape, [2, 3, 5])
  is(a.trace(), 4)
  is(tensor([[2, 3, 0, 5]]).cumprod(1), [[2, 6, 0, 0]])
  is(tensor([[1, 2], [3, 4], [5, 6]]).cumprod(0), [[1, 2], [3, 8], [15, 48]])
  is(tensor([1, 4, 9, 16]).diff(), [3, 5, 7])
  is(tensor([1, 4, 9, 16]).diff({ n: 2 }), [2, 2])
  assert.equal([tensor([1]).diff({ n: 3 }).shape, zeros([2, 0]).diff().shape, zeros([2, 3]).diff({ dim: 0 }).shape], [[0], [2, 0], [1, 3]])
  refuses(() => a.mm(v), 'mm: two matrices [n, m] and [m, p] expected, got [2,3] and [3]: matmul() takes any ranks and broadcasts')
  refuses(() => v.dot(tensor([1])), 'dot: two vectors of one size expected, got [3] and [1]')
  refuses(() => zeros([2, 1, 1]).bmm(zeros([3, 1, 1])), /^bmm: batches of one size/)
  refuses(() => v.trace(), /^trace: a matrix expected/)
})

test('rounding and mixtures, bit by bit', () => {
  const x = [-2.5, -1.5, -0.5, -0, 0.5, 1.5, 2.5, 0.49999997, -0.7, 8388609, Infinity, -Infinity, NaN]
  for (const backend of [info().backend, 'reference64'] as const) {
    onBackend(backend, () => {
      is(tensor(x).round().add(0), [-2, -2, 0, 0, 0, 2, 2, 0, -1, 8388609, Infinity, -Infinity, NaN])
      is(tensor(x).ceil().add(0), [-2, -1, 0, 0, 1, 2, 3, 1, 0, 8388609, Infinity, -Infinity, NaN])
      is(tensor(x).trunc().add(0), [-2, -1, 0, 0, 0, 1, 2, 0, 0, 8388609, Infinity, -Infinity, NaN])
    })
  }
  is(tensor([0, 10]).lerp(tensor([10, 20]), 0.5), [5, 15])
  is(tensor([1, 1]).addcmul(tensor([2, 3]), tensor([4, 5]), { value: 2 }), [17, 31])
  is(tensor([1, 1]).addcdiv(tensor([2, 3]), tensor([4, 6])), [1.5, 1.5])
})

test('predicates', () => {
  const x = tensor([[1, NaN], [0, -Infinity]])
  is(x.isnan(), [[0, 1], [0, 0]])
  is(x.isinf(), [[0, 0], [0, 1]])
  is(x.isfinite(), [[1, 0], [1, 0]])
  assert.equal([x.any().item(), x.all().item(), x.countNonzero().item(), x.countNonzero().dtype], [1, 0, 3, 'int32'])
  is(x.all(0), [0, 1])
  is(x.any(1, { keepdim: true }), [[1], [1]])
  assert.equal([zeros([0]).any().item(), zeros([0]).all().item(), int([0, 2]).any().item(), int([3]).isfinite().item()], [0, 1, 1, 1])
  const a = tensor([1, Infinity])
  assert.equal([allclose(a, a), a.allclose(tensor([1.000005, Infinity])), a.allclose(tensor([1.1, Infinity])), a.allclose(tensor(1))], [true, true, false, false])
  assert.equal([tensor(1).allclose(a), tensor(NaN).allclose(tensor(NaN)), tensor(NaN).allclose(tensor(NaN), { equalNan: true })], [false, false, true])
  assert.equal([zeros([0]).allclose(zeros([1])), tensor(3).allclose(tensor(3.4), { atol: 0.5 }), tensor([[1], [2]]).allclose(tensor([1, 2]))], [true, true, false])
})

test('tensors from a few numbers', () => {
  const x = onBackend('reference', () => zeros([2, 2]))
  for (const t of [fullLike(x, 3), randLike(x), randnLike(x, { mean: 5 })]) assert.equal([t.backend.name, t.shape], ['reference', [2, 2]])
  is(fullLike(x, 3), [[3, 3], [3, 3]])
  manualSeed(2)
  const drawn = randint(-2, 3, [1000])
  assert.equal([drawn.dtype, Math.min(...drawn.values()), Math.max(...drawn.values())], ['int32', -2, 2])
  is(randperm(50).sort().values, Array.from({ length: 50 }, (_, i) => i))
  const draw = () => [...randint(0, 1000, [5]).values(), ...randperm(9).values()]
  manualSeed(7)
  const first = draw()
  manualSeed(7)
  assert.equal(draw(), first)
  is(trilIndices(2, 3), [[0, 1, 1], [0, 0, 1]])
  is(triuIndices(2, 3, 1), [[0, 0, 1], [1, 2, 2]])
  assert.equal(trilIndices(0, 3).shape, [2, 0])
  refuses(() => randint(3, 3, [1]), 'randint: whole numbers low < high of 32 bits expected, got 3 and 3', RangeError)
})

test('a captured step draws anew at each replay, and refuses what the host decides by name', () => {
  manualSeed(4)
  const step = capture((x: Tensor) => x.add(randint(0, 1000000, [4]).float()))
  const runs = Array.from({ length: 4 }, () => [...step(zeros([4])).values()].join())
  assert.is(new Set(runs).size, 4)
  const x = tensor([[1, 2], [3, 4]])
  const refused: [string, (x: Tensor) => Tensor][] = [
    ['sort', t => t.sort().values], ['argsort', t => t.argsort()], ['topk', t => t.topk(1).values], ['median', t => t.median()],
    ['unique', t => t.unique().values], ['nonzero', t => t.nonzero()], ['maskedSelect', t => t.maskedSelect(t.gt(2))],
    ['index with a mask', t => t.index(t.gt(2))], ['index with a tensor', t => t.index(t.gt(2).int())],
    ['allclose', t => (t.allclose(t), t)], ['repeatInterleave', t => t.repeatInterleave(t.select(0, 0), 0)],
  ]
  for (const [op, f] of refused) {
    const recorded = capture(f)
    // the first call runs eagerly
    recorded(x)
    refuses(() => recorded(x), new RegExp(`^capture: ${op} inside a captured step would take values out`), Error)
  }
  const free = capture((t: Tensor) => einsum('ij,kj->ik', t.index([null, null, -1], ':'), t.roll(1, 0)).cumprod(1).diagonal())
  for (let i = 0; i < 3; i++) is(free(x), [25, 55])
})

test('results belong to their scope: nothing is left', () => {
  const before = info().memory.buffers
  scope(() => {
    const x = randn([4, 5]).requiresGradient()
    const y = x.index(int([0, 2]), [1, 4]).round().add(x.sort(0).values.index([0, 2], [0, 3])).cumprod(0)
    einsum('ij,kj->', y, y).backward()
  })
  assert.is(info().memory.buffers, before)
})

test.run()
