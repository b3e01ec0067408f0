// Automatic differentiation: backward() and its graph, and the functions built on it: grad, vjp, jvp, jacobian, hessian, hvp.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  BatchNorm1d, cat, checkGradients, Conv2d, conv2d, crossEntropy, engine, Flatten, grad, gradients, hessian, hvp, info, init, jacobian, jvp, Linear, linear, matmul, noGrad,
  onBackend, parameter, randn, ReLU, scope, Sequential, SGD, ShapeError, stack, sum, tensor, valueAndGrad, vjp, zeros, type Tensor,
} from 'hebb'

/** Largest |a − b| / (1 + |b|) */
function distance(a: Tensor, b: Tensor): number {
  assert.equal(a.shape, b.shape)
  const [p, q] = [Float64Array.from(a.values()), Float64Array.from(b.values())]
  return p.reduce((worst, v, i) => (Object.is(v, q[i]) ? worst : Math.max(worst, Math.abs(v - q[i]!) / (1 + Math.abs(q[i]!)))), 0)
}

test('grad and valueAndGrad', () => {
  const f = (x: Tensor) => x.mul(x).mul(x).sum()
  assert.equal(grad(f)(tensor([1, 2, -3])).array(), [3, 12, 27])
  const x = tensor([1, 2])
  const { value, grads } = valueAndGrad((a, b) => a.mul(b).sum())(x, tensor([3, 4]))
  assert.equal([value.item(), grads.map(g => g.array())], [11, [[3, 4], [1, 2]]])
  assert.not(x.requiresGrad, 'the input itself is left as it was')
  assert.is(x.grad, null)
  assert.equal(grad(() => tensor(3))(x).array(), [0, 0], 'of a constant')
  assert.not(valueAndGrad(() => tensor(3))(x).value.requiresGrad, 'which stays one')
  assert.not(vjp(() => tensor([3, 4]), [x], tensor([1, 1])).value.requiresGrad)
  const w = parameter([3])
  assert.is(valueAndGrad(() => w)(x).value, w)
  assert.ok(w.requiresGrad)
  // derivatives of x⁴: 4x³, 12x², 24x
  let g = (t: Tensor) => t.mul(t).mul(t).mul(t)
  for (const expected of [32, 48, 48, 24]) {
    const last = g
    g = t => grad(last, { createGraph: true })(t)
    assert.is(g(tensor(2)).item(), expected)
  }
})

test('an input given twice has a gradient at each place', () => {
  for (const requiresGrad of [false, true]) {
    const x = tensor([2, 3], { requiresGrad })
    const f = (a: Tensor, b: Tensor) => a.mul(a).mul(b)
    const { grads } = valueAndGrad((a, b) => f(a, b).sum())(x, x)
    assert.equal(grads.map(g => g.array()), [[8, 18], [4, 9]])
    assert.equal(vjp(f, [x, x], tensor([1, 1])).grads.map(g => g.array()), [[8, 18], [4, 9]])
    assert.equal(jvp(f, [x, x], [tensor([1, 1]), tensor([0, 10])]).tangent.array(), [8, 108])
    assert.is(x.grad, null)
  }
  // and the graph goes on through it: d(2x² + x²)/dx
  const x = tensor([2, 3], { requiresGrad: true })
  const [g, h] = valueAndGrad((a, b) => a.mul(a).mul(b).sum(), { createGraph: true })(x, x).grads as [Tensor, Tensor]
  g.add(h).sum().backward()
  assert.equal(x.grad!.array(), [12, 18])
})

test('vjp, jvp, jacobian, hessian and hvp agree with calculus', () => onBackend('reference64', () => {
  // f(x, y, z) = (x y, y² z, sin x)
  const f = (t: Tensor) => {
    const [x, y, z] = [0, 1, 2].map(i => t.select(0, i)) as [Tensor, Tensor, Tensor]
    return stack([x.mul(y), y.mul(y).mul(z), x.sin()])
  }
  const at = tensor([0.5, -2, 3])
  const J = [[-2, 0.5, 0], [0, -12, 4], [Math.cos(0.5), 0, 0]]
  const close = (a: Tensor, b: Tensor) => assert.ok(distance(a, b) < 1e-12, `${a} ${b}`)
  close(jacobian(f, at), tensor(J))
  const v = tensor([1, -1, 2])
  close(vjp(f, [at], v).grads[0]!, v.matmul(tensor(J)))
  close(vjp(f, [at], v).value, f(at))
  close(jvp(f, [at], [v]).tangent, tensor(J).matmul(v))
  close(jvp(f, [at], [v]).value, f(at))
  close(jvp((a, b) => a.mul(b), [at, v], [v, at]).tangent, v.mul(v).add(at.mul(at)))
  close(jvp(() => tensor([1, 2]), [at], [v]).tangent, tensor([0, 0]))
  // Rosenbrock's valley: H = [[1200x² − 400y + 2, −400x], [−400x, 200]]
  const valley = (t: Tensor) => {
    const [x, y] = [t.select(0, 0), t.select(0, 1)]
    return x.mul(x).sub(y).square().mul(100).add(x.sub(1).square())
  }
  const H = tensor([[1200 * 0.25 - 400 * 2 + 2, -200], [-200, 200]])
  close(hessian(valley, tensor([0.5, 2])), H)
  close(hvp(valley, tensor([0.5, 2]), tensor([3, -1])), H.matmul(tensor([3, -1])))
  close(hessian(t => t.sum(), tensor([[1, 2]])), zeros([1, 2, 1, 2]))
  close(hvp(t => t.sum(), at, v), zeros([3]))
  close(jacobian(t => t, tensor([1, 2])), tensor([[1, 0], [0, 1]]))
}))

test('functions of gradients record inside noGrad() too', () => onBackend('reference64', () => {
  const cube = (t: Tensor) => t.mul(t).mul(t).sum()
  const [x, v] = [tensor([1, 2]), tensor([1, 10])]
  const all = () => [
    grad(cube)(x), valueAndGrad(cube)(x).grads[0]!, vjp(t => t.mul(t), [x], v).grads[0]!, jvp(t => t.mul(t), [x], [v]).tangent, jacobian(t => t.mul(t), x),
    hessian(cube, x), hvp(cube, x, v),
  ].map(t => t.array())
  assert.equal(all(), [[3, 12], [3, 12], [2, 40], [2, 40], [[2, 0], [0, 4]], [[6, 0], [0, 12]], [6, 120]])
  assert.equal(noGrad(all), all())
  const wrong = (t: Tensor) => t.mul(t.detach())
  assert.ok(noGrad(() => checkGradients(cube, [x], { second: true })) < 1e-6 && noGrad(() => checkGradients(wrong, [x])) > 0.1)
  assert.not(noGrad(() => parameter([1]).mul(2)).requiresGrad)
}))

test('functions of gradients work on tensors of another backend than the current one', () => {
  const x = onBackend('reference64', () => tensor([1, 2]))
  assert.equal(jvp(t => t.mul(t), [x], [x]).tangent.array(), [2, 8])
  assert.equal(hessian(t => t.mul(t).sum(), x).array(), [[2, 0], [0, 2]])
})

test('an input used several times gets the sum', () => {
  const x = tensor([2, 3], { requiresGrad: true })
  x.add(x).add(x.mul(x)).add(x.relu()).sum().backward()
  assert.equal(x.grad!.array(), [7, 9])
  const a = tensor([[1, 2], [3, 4]], { requiresGrad: true })
  matmul(a, a).sum().backward()
  assert.equal(a.grad!.array(), [[7, 11], [9, 13]])
  const b = tensor([1, 2], { requiresGrad: true })
  cat([b, b, b.mul(2)]).sum().backward()
  assert.equal(b.grad!.array(), [4, 4])
  // a diamond: both arms end in one intermediate result
  const c = tensor([3], { requiresGrad: true })
  const d = c.mul(2)
  d.mul(d).add(d).sum().backward()
  assert.equal(c.grad!.array(), [26])
  scope(() => {
    const root = tensor([1], { requiresGrad: true })
    let chain = root
    for (let i = 0; i < 20000; i++) chain = chain.add(0)
    chain.sum().backward()
    assert.equal(root.grad!.array(), [1], 'a graph deeper than a stack of calls could be')
  })
})

test('gradients accumulate until they are cleared', () => {
  const w = parameter([1, 2])
  w.mul(3).sum().backward()
  w.mul(w).sum().backward()
  assert.equal(w.grad!.array(), [5, 7])
  w.zeroGrad()
  assert.is(w.grad, null)
  w.mul(w).sum().backward()
  assert.equal(w.grad!.array(), [2, 4])
  const loss = w.mul(w).sum()
  loss.backward({ retainGraph: true })
  loss.backward()
  assert.equal(w.grad!.array(), [6, 12])
  assert.throws(() => loss.backward(), /was back-propagated before/)
})

test('crossEntropy has the same bits with a graph, for which it saves its exponentials, and without', () => {
  for (const shape of [[7, 33], [3, 5, 6, 3], [1, 1000]]) {
    const x = randn(shape, { requiresGrad: true })
    const t = tensor(Int32Array.from({ length: x.size / shape[1]! }, (_, i) => (3 * i) % shape[1]!), [shape[0]!, ...shape.slice(2)], { dtype: 'int32' })
    const losses = () => [...crossEntropy(x, t, { reduction: 'none', labelSmoothing: 0.1 }).values()]
    assert.equal(noGrad(losses), losses(), `${shape}`)
  }
})

test('noGrad and detach cut the graph', () => {
  const w = parameter([2])
  const inside = noGrad(() => w.mul(w))
  assert.not(inside.requiresGrad)
  assert.throws(() => noGrad(() => { throw new Error('out') }), /out/)
  const y = w.mul(w)
  assert.ok(y.requiresGrad, 'recording again after an error inside noGrad')
  y.detach().mul(w).sum().backward()
  assert.equal(w.grad!.array(), [4])
  const still = tensor([5], { requiresGrad: true })
  still.requiresGradient(false)
  assert.not(still.mul(2).requiresGrad)
})

test('gradients() reaches intermediate results, weighs several outputs and leaves grad alone', () => {
  const x = tensor([1, 2], { requiresGrad: true })
  const h = x.mul(3)
  const loss = h.mul(h).sum()
  assert.equal(gradients(loss, [h, x], { retainGraph: true }).map(g => g.array()), [[6, 12], [18, 36]])
  assert.equal(gradients(loss, [x])[0]!.array(), [18, 36])
  assert.is(x.grad, null)
  const [a, b] = [x.mul(2), x.mul(x)]
  assert.equal(gradients([a, b], [x], { gradOutputs: [tensor([1, 10]), tensor([0, 1])] })[0]!.array(), [2, 24])
  const other = tensor([1], { requiresGrad: true })
  assert.equal(gradients(x.sum(), [other])[0]!.array(), [0], 'no output depends on it')
  assert.equal(gradients(other.sum(), [other])[0]!.array(), [1])
  assert.equal(gradients(other, [other])[0]!.array(), [1], 'an output that is the input')
})

test('gradients() leaves a graph that it has no business in as it was', () => {
  const [x, other] = [tensor([3], { requiresGrad: true }), tensor([1], { requiresGrad: true })]
  const y = x.mul(2)
  const h = x.mul(5)
  gradients([y, other], [other])
  gradients(y.mul(h).sum(), [h])
  h.add(y).sum().backward()
  assert.equal(x.grad!.array(), [7])
})

test('an elementwise gradient goes over the one it comes from only where nobody else reads that', () => {
  const x = tensor([1, 2], { requiresGrad: true })
  const h = x.mul(3)
  const squared = h.square()
  const loss = squared.mul(5).sum()
  const heard: Tensor[] = []
  h.registerHook(g => void heard.push(g.keep()))
  // asked for, heard by a hook, given, shared with the other arm of a sum
  const all = gradients(loss, [squared, h, x], { retainGraph: true })
  assert.equal(all.map(g => g.array()), [[5, 5], [30, 60], [90, 180]])
  assert.equal(heard[0]!.array(), [30, 60])
  const given = tensor([1, 10])
  assert.equal(gradients(squared, [x], { gradOutputs: [given], retainGraph: true })[0]!.array(), [18, 360])
  assert.equal(given.array(), [1, 10])
  const both = squared.add(h.tanh().mul(0)).add(h.neg())
  assert.equal(gradients(both.sum(), [x])[0]!.array(), [15, 33])
  const bytes = scope(() => {
    const from = zeros([1e6], { requiresGrad: true })
    const y = from.mul(1).relu().tanh().sigmoid().sum()
    const before = info().memory
    gradients(y, [from])
    return info().memory.peak - before.bytes
  })
  assert.ok(bytes < 3 * 4e6, `${bytes} bytes for four gradients of 4 MB`)
})

/** How often each kernel runs. */
function kernelCalls(f: () => unknown): Record<string, number> {
  const backend = engine.currentBackend()
  const real = backend.kernels
  const counts: Record<string, number> = {}
  const counting = Object.entries(real).map(([name, kernel]) => [name, (...args: number[]) => {
    counts[name] = (counts[name] ?? 0) + 1
    return (kernel as (...args: number[]) => unknown)(...args)
  }])
  backend.kernels = Object.fromEntries(counting)
  try {
    f()
  } finally {
    backend.kernels = real
  }
  return counts
}

test('no gradient is computed that nobody asked for', () => {
  const x = tensor(Float32Array.from({ length: 32 }, (_, i) => i / 32), [2, 1, 4, 4])
  const net = new Sequential(new Conv2d(1, 2, 3), new ReLU(), new Flatten(), new Linear(8, 3))
  const loss = net.forward(x).sum()
  const all = kernelCalls(() => loss.backward())
  assert.is(all.convGradInput, undefined, 'of the images')
  assert.is(all.convGradWeight, 1)
  assert.is(all.gemm, 2)
  const frozen = kernelCalls(() => {
    const [conv, , , last] = net.layers as [Conv2d, ReLU, Flatten, Linear]
    for (const p of conv.parameters()) p.requiresGradient(false)
    linear(net.forward(x), tensor([[1, 2, 3]])).sum().backward()
    assert.ok(last.weight.grad)
  })
  assert.equal([frozen.convGradWeight, frozen.convGradInput, frozen.unaryGrad], [undefined, undefined, undefined],
    'nothing below a frozen layer')
  const [a, b] = [tensor([[1, 2]], { requiresGrad: true }), tensor([[3], [4]], { requiresGrad: true })]
  const ab = a.matmul(b).sum()
  assert.is(kernelCalls(() => gradients(ab, [a])).gemm, 1, 'of one factor')
  const [image, kernel] = [x.clone().requiresGradient(), tensor([[[[1, 2], [3, 4]]]], { requiresGrad: true })]
  const y = conv2d(image, kernel).sum()
  const one = kernelCalls(() => gradients(y, [image]))
  assert.equal([one.convGradInput, one.convGradWeight], [1, undefined])
  const relu = image.relu()
  const total = relu.sum()
  assert.is(kernelCalls(() => gradients(total, [relu])).unaryGrad, undefined, 'above an intermediate result')
})

test('the gradient of a first weight is written where it stays, without a copy', () => {
  const layer = new Linear(3, 2)
  const x = tensor([[1, 2, 3]])
  const calls = kernelCalls(() => sum(layer.forward(x)).backward())
  assert.is(calls.copy, undefined)
  assert.equal(layer.weight.grad!.array(), [[1, 2, 3], [1, 2, 3]])
})

test('errors of the functions', () => {
  const x = tensor([1, 2])
  assert.throws(() => grad(t => t.mul(2))(x),
    (e: Error) => e instanceof ShapeError && /^grad: a function with a scalar result expected, got shape \[2\]/.test(e.message))
  assert.throws(() => grad((a, b) => a.mul(b!).sum())(x, x), /^grad: one input expected, got 2: use valueAndGrad/)
  assert.throws(() => gradients(x.clone().requiresGradient().mul(2), [x]),
    /^gradients: a scalar output expected, got shape \[2\]/)
  assert.throws(() => gradients(noGrad(() => parameter([1]).sum()), [x]), /^gradients: sum \[\] does not depend on anything that requires a gradient: use parameters/)
  assert.throws(() => valueAndGrad(() => 3 as never)(x), /^input or result of a function: a tensor expected, got number$/)
  assert.throws(() => grad(t => t.sum())([1, 2] as never), /^input or result of a function: a tensor expected, got an array: wrap it in tensor\(\)$/)
  assert.throws(() => checkGradients(() => 3 as never, [x]), /^input or result of a function: a tensor expected, got number$/)
  for (const none of [[], [tensor([1], { dtype: 'int32' })]]) assert.throws(() => checkGradients(t => t, none), /^checkGradients: a float32 input expected, got none$/)
  assert.throws(() => jvp((a, b) => a.mul(b), [x, x], [x]), /^jvp: a vector of shape \[2\] for input 1 expected, got none$/)
  assert.throws(() => jvp(t => t, [x], [tensor(1)]), /^jvp: a vector of shape \[2\] for input 0 expected, got \[\]$/)
  assert.throws(() => jvp(t => t, [x], [[1, 2] as never]), /^jvp: a tensor expected, got an array: wrap it in tensor\(\)$/)
  assert.throws(() => vjp(t => t.mul(2), [x], tensor([1])), /^gradients: gradOutputs\[0\] has shape \[1\], the output \[2\]$/)
})

test('derivatives of functions that differentiate are no zeros', () => onBackend('reference64', () => {
  const cubes = (x: Tensor) => x.pow(3).sum()
  const [x, v] = [tensor([1, 2]), tensor([1, 1])]
  assert.equal(jacobian(grad(cubes), x).array(), [[6, 0], [0, 12]])
  assert.equal(jvp(grad(cubes), [x], [tensor([1, 0])]).tangent.array(), [6, 0])
  assert.equal(vjp(grad(cubes), [x], tensor([0, 1])).grads[0]!.array(), [0, 12])
  assert.equal(grad(q => grad(cubes)(q).sum())(x).array(), [6, 12])
  assert.equal(grad(q => grad(r => grad(cubes)(r).sum())(q).sum())(x).array(), [6, 6])
  assert.equal(grad(q => hvp(cubes, q, v).sum())(x).array(), [6, 6])
  assert.equal(grad(q => hessian(cubes, q).sum())(x).array(), [6, 6])
  assert.equal(grad(q => jvp(cubes, [q], [v]).tangent)(x).array(), [6, 12])
  assert.equal(grad(q => vjp(cubes, [q], tensor(2)).grads[0]!.sum())(x).array(), [12, 24])
  assert.equal(grad(q => jacobian(t => t.square(), q).sum())(x).array(), [2, 2])
  assert.ok(checkGradients(grad(cubes), [x]) < 1e-6)
  assert.not(grad(cubes)(x).requiresGrad, 'the outermost one records nothing')
}))

test('gradients pass through clone(), not through detach()', () => {
  const p = parameter([1, 2])
  p.clone().mul(3).add(p).add(p.detach().clone().mul(p)).sum().backward()
  assert.equal(p.grad!.array(), [5, 6])
})

test('backward() refuses values that changed since the forward pass, whatever changed them', () => {
  const bn = new BatchNorm1d(1).eval()
  const x = parameter([[1], [3]])
  const y = bn.forward(x).sum()
  bn.train()
  bn.forward(tensor([[10], [30]]))
  assert.throws(() => y.backward(), /which the gradient of batchNorm needs, was changed by a training batch/)
  const w = parameter([[1, 2], [3, 4]])
  for (const change of [() => init.constant(w, 5), () => init.uniform(w), () => init.normal(w)]) {
    const loss = w.square().sum()
    change()
    assert.throws(() => loss.backward(), /which the gradient of square needs, was changed by init/)
  }
  const optimizer = new SGD([w], { lr: 0.1, momentum: 0.9, nesterov: true, form: 'classic' })
  optimizer.lookAhead()
  w.square().sum().backward()
  optimizer.step()
  const loss = w.square().sum()
  optimizer.lookAhead()
  assert.throws(() => loss.backward(), /was changed by lookAhead\(\)/)
})

test.run()
