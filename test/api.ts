// The tensor interface by small known values: creation, reading, printing, arithmetic, comparisons, slices, joining, types.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inspect } from 'node:util'
import * as hebb from 'hebb'
import {
  add, arange, capture, cat, chunk, div, eye, full, info, linspace, manualSeed, matmul, maximum, mul, noGrad, ones, onesLike, pad,
  parameter, pow, rand, randn, scope, splitTensor, stack, steps, sub, sum, Tensor, tensor, where, zeros, zerosLike,
} from 'hebb'
import { methods } from '../ts/ops/methods.js'

const is = (t: Tensor, expected: unknown) => assert.equal(t.array(), expected)
const near = (t: Tensor, expected: number[]) =>
  t.values().forEach((v, i) =>
    assert.ok(Math.abs(v - expected[i]!) < 1e-6 * (1 + Math.abs(expected[i]!)), `${t} expected ${expected}`))

test('tensors of arrays, numbers and typed arrays', () => {
  assert.equal([tensor([[1, 2], [3, 4]]).shape, tensor(5).shape, tensor([]).shape, tensor([[], []]).shape, tensor([[[1]]]).shape],
    [[2, 2], [], [0], [2, 0], [1, 1, 1]])
  is(tensor(5), 5)
  is(tensor(new Float32Array([1, 2, 3, 4]), [2, 2]), [[1, 2], [3, 4]])
  is(tensor(new Uint8Array([1, 255])), [1, 255])
  is(tensor([new Float32Array([1, 2]), new Float32Array([3, 4])]), [[1, 2], [3, 4]])
  is(tensor([1, 2, 3, 4, 5, 6], [3, 2]), [[1, 2], [3, 4], [5, 6]])
  const labels = tensor([0, 2], { dtype: 'int32' })
  assert.equal([labels.dtype, labels.values()], ['int32', new Int32Array([0, 2])])
  const leaf = tensor([1], [1], { requiresGrad: true })
  assert.ok(leaf.requiresGrad)
  assert.equal([leaf.rank, leaf.size, tensor([[1, 2]]).rank], [1, 1, 2])
  assert.is(tensor(0.1).item(), Math.fround(0.1), 'elements are float32')
})

test('constants, ranges, identities', () => {
  is(zeros([2, 1]), [[0], [0]])
  is(ones([2]), [1, 1])
  is(full([1, 2], 7), [[7, 7]])
  assert.is(full([2], 3, { dtype: 'int32' }).dtype, 'int32')
  is(zerosLike(tensor([[1, 2]])), [[0, 0]])
  is(onesLike(tensor(3)), 1)
  is(arange(4), [0, 1, 2, 3])
  is(arange(1, 4), [1, 2, 3])
  is(arange(5, 0, -2), [5, 3, 1])
  is(arange(0, 1, 0.25), [0, 0.25, 0.5, 0.75])
  is(arange(3, 1), [])
  is(linspace(0, 1, 5), [0, 0.25, 0.5, 0.75, 1])
  is(linspace(2, 9, 1), [2])
  is(eye(2), [[1, 0], [0, 1]])
  is(eye(2, 3), [[1, 0, 0], [0, 1, 0]])
  const p = parameter([[1, 2]])
  assert.equal([p.requiresGrad, p.shape, parameter(new Float32Array(6), [2, 3]).shape, parameter(tensor([3])).array()],
    [true, [1, 2], [2, 3], [3]])
})

test('random tensors repeat by seed and have their moments', () => {
  const draw = (seed: number) => {
    manualSeed(seed)
    return [...rand([5]).values(), ...randn([5]).values()]
  }
  assert.equal(draw(1), draw(1))
  assert.not.equal(draw(1), draw(2))
  const [u, n] = [rand([10000], { low: -1, high: 3 }), randn([10000], { mean: 2, std: 3 })]
  assert.ok(u.amin().item() >= -1 && u.amax().item() < 3)
  assert.ok(Math.abs(u.mean().item() - 1) < 0.06 && Math.abs(u.std().item() - 4 / Math.sqrt(12)) < 0.03)
  assert.ok(Math.abs(n.mean().item() - 2) < 0.15 && Math.abs(n.std().item() - 3) < 0.11)
})

test('reading: array, values, item; values are copies', () => {
  const t = tensor([[1, 2, 3], [4, 5, 6]])
  assert.equal(t.array(), [[1, 2, 3], [4, 5, 6]])
  const copy = t.values()
  assert.equal([...copy], [1, 2, 3, 4, 5, 6])
  copy[0] = 99
  assert.is(t.select(0, 0).select(0, 0).item(), 1)
  assert.is(tensor([[7]]).item(), 7)
  assert.is(t.set([6, 5, 4, 3, 2, 1]), t)
  is(t, [[6, 5, 4], [3, 2, 1]])
  const [alias, clone] = [t.detach(), t.clone()]
  t.set(new Float32Array(6))
  assert.equal([alias.sum().item(), clone.sum().item()], [0, 21], 'detach shares the values, clone copies them')
})

test('printing', () => {
  assert.is(String(tensor([[1, 2.5], [-3, 4]])), 'tensor([[     1, 2.5000],\n        [    -3,      4]], shape [2,2])')
  assert.is(String(tensor(3)), 'tensor(3, shape [])')
  assert.is(String(zeros([0, 3])), 'tensor([], shape [0,3])')
  assert.is(String(arange(20)), 'tensor([ 0,  1,  2, …, 17, 18, 19], shape [20])')
  assert.is(String(tensor([1, 2], { dtype: 'int32' })), 'tensor([1, 2], shape [2], int32)')
  assert.is(String(tensor([1e8, 1e-5, NaN, -Infinity], { requiresGrad: true })),
    'tensor([1.000e+8, 1.000e-5,      nan,     -inf], shape [4], requiresGrad)')
  assert.is(inspect({ x: tensor([1]) }), '{ x: tensor([1], shape [1]) }')
  assert.is(String(zeros([2, 1, 2])), 'tensor([[[0, 0]],\n        [[0, 0]]], shape [2,1,2])')
  assert.is(String(zeros([30, 30])).split('\n').length, 7, 'long dimensions show their ends')
  const gone = tensor([1])
  gone.dispose()
  assert.is(String(gone), 'tensor(freed by dispose(), shape [1])')
})

test('a number as exponent gives what a tensor of it gives', () => {
  const bases = [0, -0, 1, -1, 2, -3, 0.3, -0.7, 1e-30, 1e30, Infinity, -Infinity, NaN]
  for (const exponent of [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, Infinity, -Infinity, NaN]) {
    const [given, expected] = [exponent, full([], exponent)].map(e => [...tensor(bases).pow(e).values()]) as [number[], number[]]
    given.forEach((v, i) => {
      const close = Object.is(v, expected[i]) || Math.abs(v - expected[i]!) <= 1.2e-7 * Math.abs(v)
      assert.ok(close, `${bases[i]}^${exponent} is ${v}, with a tensor ${expected[i]}`)
    })
  }
})

test('arithmetic with tensors, numbers and both orders', () => {
  const [a, b] = [tensor([1, 2, 3]), tensor([4, 5, 6])]
  is(a.add(b), [5, 7, 9])
  is(a.sub(b), [-3, -3, -3])
  is(a.mul(b), [4, 10, 18])
  is(b.div(a), [4, 2.5, 2])
  is(a.pow(2), [1, 4, 9])
  is(pow(2, a), [2, 4, 8])
  is(a.powScalar(3), [1, 8, 27])
  is(add(1, a), [2, 3, 4])
  is(sub(10, a), [9, 8, 7])
  is(a.sub(1), [0, 1, 2])
  is(mul(a, 2), [2, 4, 6])
  is(div(6, a), [6, 3, 2])
  is(a.neg(), [-1, -2, -3])
  is(maximum(a, 2), [2, 2, 3])
  is(a.minimum(tensor([3, 0, 3])), [1, 0, 3])
  is(tensor([[1], [2]]).add(tensor([10, 20, 30])), [[11, 21, 31], [12, 22, 32]])
  is(zeros([2, 0]).add(1), [[], []])
  is(tensor([-1.5, 1.5]).floor(), [-2, 1])
  is(tensor([-2, 0, 3]).sign(), [-1, 0, 1])
  is(tensor([-2, 0.5, 3]).clamp({ min: 0, max: 1 }), [0, 0.5, 1])
  is(tensor([-2, 0.5]).clamp({ max: 0 }), [-2, 0])
  is(tensor([-1, 4]).abs().sqrt(), [1, 2])
  near(tensor([0, 1]).exp(), [1, Math.E])
  near(tensor([1, 2]).log(), [0, Math.LN2])
})

test('comparisons and where', () => {
  const a = tensor([1, 2, 3])
  is(a.eq(2), [0, 1, 0])
  is(a.ne(2), [1, 0, 1])
  is(a.lt(2), [1, 0, 0])
  is(a.le(2), [1, 1, 0])
  is(a.gt(tensor([0, 2, 4])), [1, 0, 0])
  is(a.ge(2), [0, 1, 1])
  is(tensor([NaN]).eq(NaN), [0])
  is(where(a.gt(1), a, -1), [-1, 2, 3])
  is(where(tensor([[1], [0]]), 1, tensor([5, 6])), [[1, 1], [5, 6]])
  is(a.maskedFill(a.gt(2), 0), [1, 2, 0])
  is(where(tensor([1, 0]), tensor([1, NaN]), tensor([NaN, 2])), [1, 2])
})

test('reductions', () => {
  const x = tensor([[1, 5, 3], [4, 2, 6]])
  is(x.sum(), 21)
  is(x.sum(0), [5, 7, 9])
  is(x.mean(-1, { keepdim: true }), [[3], [4]])
  is(x.amax(1), [5, 6])
  is(x.amin(), 1)
  is(x.argmax(1), [1, 2])
  assert.is(x.argmax(1).dtype, 'int32')
  is(x.argmin(), 0)
  is(x.argmax(0, { keepdim: true }), [[1, 0, 1]])
  const { values, indices } = x.max(0)
  assert.equal([values.array(), indices.array()], [[4, 5, 6], [1, 0, 1]])
  is(x.prod(1), [15, 48])
  is(x.cumsum(1), [[1, 6, 9], [4, 6, 12]])
  is(x.variance(1), [4, 4])
  is(x.std(1), [2, 2])
  is(tensor([3, 4]).norm(), 5)
  near(tensor([0, 0]).logsumexp(), [Math.LN2])
  is(sum(tensor([])), 0)
  assert.ok(Number.isNaN(tensor([]).mean().item()))
})

test('shapes and slices', () => {
  const x = tensor([[0, 1, 2], [3, 4, 5]])
  is(x.reshape([3, -1]), [[0, 1], [2, 3], [4, 5]])
  is(x.flatten(), [0, 1, 2, 3, 4, 5])
  is(x.transpose(0, 1), [[0, 3], [1, 4], [2, 5]])
  assert.equal([x.unsqueeze(-1).shape, x.unsqueeze(0).squeeze().shape, x.permute([1, 0]).shape, x.expand([4, 2, 3]).shape],
    [[2, 3, 1], [2, 3], [3, 2], [4, 2, 3]])
  is(x.select(0, -1), [3, 4, 5])
  is(x.slice({ dim: 1, start: 1 }), [[1, 2], [4, 5]])
  is(x.slice({ dim: 1, end: -1 }), [[0, 1], [3, 4]])
  is(x.slice({ dim: 1, step: -1 }), [[2, 1, 0], [5, 4, 3]])
  is(x.slice([{ dim: 0, start: 1 }, { dim: 1, step: 2 }]), [[3, 5]])
  is(x.slice({ dim: 1, start: 5 }), [[], []])
  is(x.narrow(1, 1, 2), [[1, 2], [4, 5]])
  is(x.flip(0), [[3, 4, 5], [0, 1, 2]])
  is(x.flip([0, 1]), [[5, 4, 3], [2, 1, 0]])
  is(pad(tensor([1, 2, 3]), [1, 2]), [0, 1, 2, 3, 0, 0])
  is(tensor([1, 2, 3]).pad([2, 1], { mode: 'reflect' }), [3, 2, 1, 2, 3, 2])
  is(tensor([1, 2]).pad([1, 1], { mode: 'replicate' }), [1, 1, 2, 2])
  is(tensor([1, 2, 3]).pad([-1, 1], { value: 9 }), [2, 3, 9])
  const whole = tensor([1, -2], { dtype: 'int32' })
  is(whole.pad([1, 2], { value: 2 ** 31 - 1 }), [2147483647, 1, -2, 2147483647, 2147483647])
  const padded = capture((x: Tensor) => x.pad([1, 0], { value: 7 }).pad([0, 1], { value: -8 }).float().mul(2).int())
  for (let i = 0; i < 4; i++) is(padded(whole.clone()), [14, 2, -4, -16])
  padded.dispose()
  is(x.tril(), [[0, 0, 0], [3, 4, 0]])
  is(x.triu(1), [[0, 1, 2], [0, 0, 5]])
  is(x.gather(1, tensor([[2, 0], [1, 1]], { dtype: 'int32' })), [[2, 0], [4, 4]])
  is(x.indexSelect(1, [2, 2, 0]), [[2, 2, 0], [5, 5, 3]])
  is(tensor([1, 0]).oneHot(3), [[0, 1, 0], [1, 0, 0]])
})

test('joining and splitting', () => {
  const [a, b] = [tensor([[1, 2]]), tensor([[3, 4], [5, 6]])]
  is(cat([a, b]), [[1, 2], [3, 4], [5, 6]])
  is(cat([b, b], 1), [[3, 4, 3, 4], [5, 6, 5, 6]])
  is(cat([tensor([1], { dtype: 'int32' }), tensor([2], { dtype: 'int32' })]), [1, 2])
  is(stack([tensor([1, 2]), tensor([3, 4])]), [[1, 2], [3, 4]])
  is(stack([tensor([1, 2]), tensor([3, 4])], 1), [[1, 3], [2, 4]])
  is(stack([tensor(1), tensor(2)]), [1, 2])
  assert.equal(splitTensor(arange(5), 2).map(t => t.array()), [[0, 1], [2, 3], [4]])
  assert.equal(arange(5).split([1, 4]).map(t => t.array()), [[0], [1, 2, 3, 4]])
  assert.equal(chunk(arange(7), 3).map(t => t.array()), [[0, 1, 2], [3, 4, 5], [6]])
})

test('matrices', () => {
  const [a, b] = [tensor([[1, 2], [3, 4]]), tensor([[5, 6], [7, 8]])]
  is(a.matmul(b), [[19, 22], [43, 50]])
  is(a.matmul(tensor([1, -1])), [-1, -1])
  is(tensor([1, -1]).matmul(a), [-2, -2])
  is(tensor([1, 2]).matmul(tensor([3, 4])), 11)
  is(stack([a, b]).matmul(eye(2)), [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
  is(matmul(zeros([2, 0]), zeros([0, 3])), [[0, 0, 0], [0, 0, 0]])
  is(tensor([[1, 2]]).linear(tensor([[3, 4], [5, 6]]), tensor([10, 20])), [[21, 37]])
})

test('whole numbers and floats', () => {
  const i = tensor([1.7, -1.7, 0]).int()
  assert.equal([i.array(), i.dtype], [[1, -1, 0], 'int32'])
  assert.is(i.int(), i)
  assert.equal([i.float().array(), i.float().dtype], [[1, -1, 0], 'float32'])
  assert.equal([i.reshape([3, 1]).dtype, i.flip(0).array(), i.slice({ dim: 0, start: 1 }).dtype], ['int32', [0, -1, 1], 'int32'])
  is(tensor([2 ** 24 + 1], { dtype: 'int32' }), [2 ** 24 + 1])
})

test('every method is also a function of the same name, or says why not', () => {
  // split is the split of data sets; the rest are methods of tensors in their nature
  const methodsOnly = ['requiresGradient', 'detach', 'clone', 'float', 'int', 'split']
  for (const name of Object.keys(methods)) {
    assert.type((tensor([1]) as unknown as Record<string, unknown>)[name], 'function')
    if (!methodsOnly.includes(name)) assert.type((hebb as unknown as Record<string, unknown>)[name], 'function', name)
  }
})

test('a function of a tensor, its method and its chain agree', () => {
  const x = tensor([[1, -2], [3, -4]])
  assert.equal(hebb.relu(x).array(), x.relu().array())
  assert.equal(hebb.softmax(x, 1).array(), x.softmax(1).array())
  is(x.relu().mul(2).sum(0).reshape([2, 1]), [[8], [0]])
})

test('the program of the front page', () => {
  manualSeed(0)
  const x = randn([64, 2])
  const y = x.select(1, 0).mul(x.select(1, 1)).gt(0).int()
  const [w1, b1, w2] = [parameter(randn([16, 2])), parameter(randn([16])), parameter(randn([2, 16]).mul(0.3))]
  let last = Infinity
  let first = NaN
  for (const i of steps(300)) {
    const loss = x.linear(w1, b1).tanh().linear(w2).crossEntropy(y)
    for (const w of [w1, b1, w2]) w.zeroGrad()
    loss.backward()
    noGrad(() => {
      for (const w of [w1, b1, w2]) w.set(w.sub(w.grad!.mul(1)).values())
    })
    last = loss.item()
    if (i === 0) first = last
  }
  assert.ok(last < 0.3 * first, `${first} ${last}`)
  const right = noGrad(() => x.linear(w1, b1).tanh().linear(w2).argmax(1).float().eq(y.float()).mean().item())
  assert.ok(right > 0.9, `${right}`)
})

test('info, keep, dispose and using', () => {
  assert.ok(['wasm', 'reference'].includes(info().backend))
  assert.type(hebb.VERSION, 'string')
  const before = info().memory.buffers
  let kept: Tensor | undefined
  const returned = scope(() => {
    kept = tensor([1]).keep()
    tensor([2])
    return { list: [tensor([3])] }
  })
  is(kept!, [1])
  is(returned.list[0]!, [3])
  assert.is(info().memory.buffers, before + 2)
  for (const t of [kept!, returned.list[0]!]) t.dispose()
  assert.is(info().memory.buffers, before)
  assert.instance(kept!, Tensor)
})

test.run()
