// What runs in every cell: 20 training steps of a small convolutional net on digits, one digit recognised, no memory lost. Nothing
// but the language and hebb is used here. prepare() is called where modules are loaded, what it returns maybe in a request.
import { images, labels } from './digits.js'

const STEPS = 20
const BATCH = 32
/** Examples beyond those trained on */
const UNSEEN = 100

/** Pixels 0..16 are one character each. */
const pixels = text => Uint8Array.from(text, c => c.charCodeAt(0) - 97)

const imageSet = (name, from, to) => ({
  name, channels: 1, height: 8, width: 8, classes: 10, white: 16, count: to - from,
  images: pixels(images.slice(64 * from, 64 * to)),
  labels: Uint8Array.from(labels.slice(from, to), Number),
})

const bytes = array => new Uint8Array(array)
const MAGIC = [0, 97, 115, 109, 1, 0, 0, 0]
/** () => i8x16.popcnt(i32x4.splat(0)) and () => f32x4.relaxed_madd(…), as smallest modules */
const SIMD = bytes([...MAGIC, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 17, 253, 98, 11])
const RELAXED = bytes([...MAGIC, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11])

/** GiB that one WebAssembly memory may grow to here */
function memoryLimit() {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 })
  for (let pages = 65535; pages >= 1; pages >>= 1) {
    try {
      memory.grow(pages)
    } catch {
      // half of it may do
    }
  }
  return Math.round(memory.buffer.byteLength / 2 ** 26) / 16
}

function evaluates() {
  try {
    return new Function('return true')()
  } catch {
    return false
  }
}

/** Does a product keep all bits of a·b before c is added? (1 + 2^-12)² − (1 + 2^-11) is 2^-24 if so, else 0. */
function fused({ tensor, matmul }) {
  const x = 1 + 2 ** -12
  const y = 1 + 2 ** -11
  const rows = Array.from({ length: 64 }, () => [1, x])
  const columns = [-y, x].map(value => Array(64).fill(value))
  return matmul(tensor(rows), tensor(columns)).values()[0] !== 0
}

/** workerd has the class, and it only throws. */
function startsThread(process) {
  try {
    const { Worker } = process.getBuiltinModule('node:worker_threads')
    new Worker('', { eval: true }).on('error', () => {}).unref()
    return true
  } catch {
    return false
  }
}

/** What this runtime has. */
function facts(hebb) {
  const wasm = typeof WebAssembly === 'object' && hebb.info().backend === 'wasm'
  const has = module => wasm && WebAssembly.validate(module)
  const { process, navigator } = globalThis
  const threads = [
    typeof Worker === 'function' && typeof WorkerGlobalScope === 'undefined' && 'Worker',
    startsThread(process) && 'worker_threads',
  ].filter(Boolean)
  return {
    simd: has(SIMD),
    relaxed: has(RELAXED),
    fused: wasm && fused(hebb),
    threads: threads.join(', '),
    shared: typeof SharedArrayBuffer === 'function' && globalThis.crossOriginIsolated !== false,
    webgpu: typeof navigator === 'object' && !!navigator.gpu,
    evaluates: evaluates(),
    registry: typeof FinalizationRegistry === 'function',
    memory: wasm ? memoryLimit() : null,
    version: globalThis.Deno?.version.deno ?? globalThis.Bun?.version ?? process?.versions?.node ?? /(?:Chrome|Firefox)\/([\d.]+)/.exec(navigator?.userAgent)?.[1] ?? null,
    engine: process?.versions?.v8 ? `V8 ${process.versions.v8.split('.', 2).join('.')}` : null,
  }
}

/** Buffers that are alive after a loop and were not before, for each way in which a loop can end. Nobody waits for the garbage collector. */
function leaks({ SGD, capture, info, mseLoss, parameter, scope, steps, tensor }) {
  const w = parameter(tensor([[1, 2, 3]]))
  const optimizer = new SGD([w], { lr: 0.01 })
  const turn = i => {
    const loss = mseLoss(w.mul(tensor([[i, 1, 2]])).relu(), tensor([[1, 1, 1]]))
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  }
  const until = (last, then = () => {}) => {
    for (const i of steps(50)) {
      turn(i)
      if (i === last) return then()
    }
  }
  const ways = {
    end: () => until(50),
    return: () => until(3, () => 1),
    break: () => {
      for (const i of steps(50)) {
        turn(i)
        if (i === 3) break
      }
    },
    throw: () => {
      let thrown = null
      try {
        until(3, () => {
          throw new RangeError('on purpose')
        })
      } catch (error) {
        thrown = error
      }
      if (!(thrown instanceof RangeError)) throw thrown ?? new Error('no error from a loop that throws')
    },
    scope: () => scope(() => turn(1)),
    capture: () => {
      const program = capture(x => w.mul(x).sum())
      for (const i of steps(10)) program(tensor([[i, 1, 2]]))
      program.dispose()
    },
  }
  until(1)
  return Object.fromEntries(Object.entries(ways).map(([name, loop]) => {
    const before = info().memory.buffers
    loop()
    return [name, info().memory.buffers - before]
  }))
}

function train(hebb, parts) {
  const { Adam, Conv2d, crossEntropy, DataLoader, Flatten, ImageDataset, Linear, manualSeed, MaxPool2d, noGrad, ReLU, Sequential } = hebb
  manualSeed(1)
  const model = new Sequential(
    new Conv2d(1, 6, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2),
    new Conv2d(6, 12, 3, { padding: 1 }), new ReLU(), new Flatten(), new Linear(192, 10),
  )
  const optimizer = new Adam(model.parameters(), { lr: 0.01 })
  const seen = STEPS * BATCH
  const losses = []
  for (const [x, y] of new DataLoader(new ImageDataset(imageSet('seen', 0, seen)), { batchSize: BATCH, shuffle: true, seed: 7 })) {
    const loss = crossEntropy(model.forward(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    losses.push(loss.item())
  }
  model.eval()
  const guesses = () => {
    for (const [x] of new DataLoader(new ImageDataset(imageSet('unseen', seen, seen + UNSEEN)), { batchSize: UNSEEN })) {
      return noGrad(() => [...model.forward(x).argmax(1).values()])
    }
  }
  const found = guesses()
  const truth = Array.from(labels.slice(seen, seen + UNSEEN), Number)
  const result = { losses, digit: truth[0], recognised: found[0], right: found.filter((digit, i) => digit === truth[i]).length, of: UNSEEN, saved: null }
  if (parts) {
    // a second entry point of the package, and weights that come back from a file
    const state = model.stateDict()
    const file = parts.writeSafetensors(Object.fromEntries(Object.entries(state).map(([name, t]) => [name, { dtype: 'F32', shape: [...t.shape], data: t.values() }])))
    for (const t of Object.values(state)) t.set(new Float32Array(t.size))
    const blank = guesses()
    for (const [name, { data }] of parts.readSafetensors(file).tensors) state[name].set(data)
    result.saved = String(guesses()) === String(found) && String(blank) !== String(found)
  }
  return result
}

/** @param mode strict: the plain binary, with the same bits everywhere; fast: what the runtime has best */
export function prepare(hebb, parts, mode) {
  hebb.configure({ strict: mode === 'strict' })
  return () => {
    const result = train(hebb, parts)
    const { backend, binary, refused } = hebb.info()
    return { mode, version: hebb.VERSION, backend, binary, refused, ...result, lost: leaks(hebb), facts: facts(hebb) }
  }
}
