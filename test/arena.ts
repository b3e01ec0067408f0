// Below the tensors: size classes, arenas, memory that grows and ends, settings. What needs an engine of its own runs in a process of its own.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { Adam, configure, dropout, info, Linear, MemoryError, parameter, rand, scope, steps, tensor, zeros, type Tensor } from 'hebb'
import { createReference } from '../ts/backends/reference/index.js'
import { createWasm, wasmAvailable } from '../ts/backends/wasm.js'
import { Arena, Buffer, sizeClass } from '../ts/arena.js'

test('size classes: multiples of 64 to 4 KiB, then eighths of a power of two, never more than an eighth too much', () => {
  assert.equal([0, 1, 64, 65, 4096, 4097, 4608, 8192, 8193, 2 ** 30 + 1].map(sizeClass), [64, 64, 64, 128, 4096, 4608, 4608, 8192, 9216, 2 ** 30 + 2 ** 27])
  let last = 0
  for (let bytes = 1; bytes < 3e9; bytes = bytes < 9000 ? bytes + 1 : Math.ceil(bytes * 1.013)) {
    const size = sizeClass(bytes)
    assert.ok(size >= bytes && size % 64 === 0 && size >= last && sizeClass(size) === size, `${bytes} gave ${size} after ${last}`)
    if (bytes > 4096) assert.ok(size < bytes * 1.125, `${bytes} gave ${size}`)
    last = size
  }
})

test('an arena hands freed ranges out again, the last first, lends them to another and gets them back', () => {
  const backend = createReference(4)
  const other = new Arena(backend)
  const arena = new Arena(backend, other)
  const [a, b, c] = [new Buffer(arena, 100), new Buffer(arena, 100), new Buffer(arena, 1000)]
  assert.equal([a.bytes, arena.live, arena.liveBytes, arena.reserved], [128, 3, 1280, 1280])
  a.release()
  b.release()
  const [d, e] = [new Buffer(arena, 128), new Buffer(arena, 65)]
  assert.equal([d.address, e.address], [b.address, a.address])
  e.retain().release()
  assert.is(arena.live, 3)
  for (const buffer of [c, d, e]) buffer.release()
  assert.equal([arena.live, arena.liveBytes, arena.peakBytes, arena.reserved], [0, 0, 1280, 1280])
  arena.drainInto(other)
  assert.equal([arena.reserved, other.reserved, other.live, other.liveBytes], [0, 1280, 0, 0])
  assert.is(new Buffer(other, 1000).address, c.address)
  assert.is(new Buffer(arena, 100).bytes, 128)
  assert.equal([arena.live, arena.reserved, other.live, other.reserved], [1, 128, 1, 1152])
  assert.is(backend.bytes, 1280)
})

for (const make of [() => createReference(4), () => createReference(8), ...(wasmAvailable() ? [createWasm] : [])]) {
  const backend = make()
  test(`${backend.name}: values stay readable and writable after the memory has grown`, () => {
    const [x, y] = [backend.reserve(64), backend.reserve(64)]
    backend.write(x, [1, 2, 3], 'float32')
    const copy = backend.read(x, 3, 'float32')
    for (let i = 0; i < 4; i++) {
      const far = backend.reserve(1 << 22)
      assert.equal([...backend.read(x, 3, 'float32')], [1, 2, 3])
      backend.kernels.copy(3, x, y)
      backend.write(far + (1 << 21), [i], 'int32')
      assert.is(backend.readOne(far + (1 << 21), 'int32'), i)
      assert.is(backend.readOne(y + 2 * backend.width, 'float32'), 3)
      backend.writeScalars(y, [0.1])
      assert.equal([...backend.readWords(y, 2)], [...new Int32Array(Float64Array.of(0.1).buffer)])
    }
    assert.equal([...copy], [1, 2, 3], 'values() is a copy')
    assert.ok(x > 0 && x % 64 === 0 && y % 64 === 0)
  })
}

const live = () => info().memory.buffers

// ---- engines of their own -----------------------------------------------------------------------------------------------------

const programs: Record<string, () => void> = {
  warning() {
    for (const _ of steps(1500)) tensor([1])
    scope(() => {
      for (let i = 0; i < 1500; i++) tensor([1])
    })
    const x = tensor([1, 2])
    const w = parameter([1, 2])
    for (let i = 0; i < 1500; i++) dropout(w.mul(x), { p: 0.5 }).sum().backward()
    for (let i = 0; i < 1500; i++) tensor([i]).dispose()
    for (let i = 0; i < 1500; i++) tensor([i]).keep()
    console.warn('so far none')
    for (let i = 0; i < 3000; i++) tensor([i])
  },
  limit() {
    // a megabyte for tensors
    const limit = (1 << 20) + (4 << 20) + 65536
    configure({ memory: { limit } })
    const first = zeros([1000])
    const rows: Tensor[] = []
    let error: unknown
    try {
      for (;;) rows.push(zeros([10000]))
    } catch (caught) {
      error = caught
    }
    assert.instance(error, MemoryError)
    assert.match((error as Error).message, /^memory: 0\.0 MB more wanted, 1\.0 MB reserved of which 1\.0 MB are in use, and the limit of 5\.1 MB, 4\.1 MB of it for the kernels, is reached: use smaller batches, /)
    assert.ok(rows.length > 15 && info().memory.total <= limit)
    for (const t of rows) t.dispose()
    // ranges of another size are cut from what was freed
    for (const _ of steps(100)) for (let i = 0; i < 20; i++) assert.is(first.add(i).mean().item(), i)
    const model = new Linear(50, 20)
    const optimizer = new Adam(model.parameters())
    for (const _ of steps(20)) {
      model.forward(rand([10, 50])).square().mean().backward()
      optimizer.step()
      optimizer.zeroGrad()
    }
    const before = live()
    for (const size of [300, 3000, 7000]) {
      let refused = 0
      for (const _ of steps(3)) {
        try {
          const w = zeros([size], { requiresGrad: true })
          let y = w
          for (let i = 0; i < 40; i++) y = y.square()
          y.sum().backward()
        } catch (caught) {
          assert.instance(caught, MemoryError)
          refused++
        }
      }
      console.log(size, refused)
    }
    assert.is(live(), before, 'nothing is left after running out of memory in the middle of a step')
  },
  late() {
    tensor([1])
    assert.throws(() => configure({ strict: true }), 'configure: tensors exist already: call it before the first tensor is made')
    console.log(info().strict)
  },
  settings() {
    assert.throws(() => configure({ memory: { limit: 0 } }), 'configure: memory.limit must be a number of bytes > 0, got 0')
    assert.throws(() => configure({ memory: { limit: 4e6 } }), 'configure: a memory.limit above the 4.1 MB that the kernels need expected, got 3.8 MB')
    assert.throws(() => configure({ backend: 'cuda' as 'wasm' }), 'configure: backend must be wasm, reference or reference64, got cuda')
    assert.throws(() => configure({ threads: 2 } as object), 'configure: backend, strict, precise, memory expected, got threads')
    configure({ backend: 'reference64', strict: true, memory: { limit: 1e6 } })
    tensor([1])
    const { backend, strict, memory } = info()
    console.log(backend, strict, memory.limit)
  },
}
function alone(name: string): { out: string; err: string } {
  const { stdout, stderr, status } = spawnSync(process.execPath, [process.argv[1]!, name], { encoding: 'utf8', timeout: 60000 })
  assert.is(status, 0, `${name}: ${stdout}${stderr}`)
  return { out: stdout, err: stderr }
}

test('the 1,000th tensor that nothing owns is told of, once; tensors of turns, scopes and graphs are not', () => {
  assert.is(
    alone('warning').err,
    'so far none\nhebb: 1,000 tensors wait for the garbage collector, which never runs inside a synchronous loop: ' +
      'run loops over a loader or steps(n), or put their bodies into scope(() => ...)\n',
  )
})

test('at the limit a MemoryError says so, and the engine goes on once tensors are freed', () => assert.is(alone('limit').out, '300 0\n3000 0\n7000 3\n'))

test('configure() comes before the first tensor and knows its settings', () => {
  assert.is(alone('late').out, 'false\n')
  assert.is(alone('settings').out, 'reference64 true 1000000\n')
})

const program = process.argv[2]
if (program) programs[program]!()
else test.run()
