// trainInWorker(): the same bits as on the main thread, reports, abort, errors; modules, functions and given workers, in Node's threads.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { readStateDict } from 'hebb/train'
import { trainInWorker, workerTraining, type TrainingContext } from 'hebb/worker'
import program, { type Order } from './worker-program.js'

const PROGRAM = new URL('./worker-program.js', import.meta.url)
const start = (order: Order, options = {}) => trainInWorker<typeof program>(PROGRAM, { input: order, ...options })
const quiet = { signal: new AbortController().signal, progress: async () => {} }

/** What a promise rejects with */
async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('a rejection expected, got a result')
}

test('a training in a worker gives the bits that it gives here', async () => {
  const here = await program({ epochs: 4 }, quiet)
  const there = await start({ epochs: 4 })
  assert.equal(there, here)
  assert.ok(there.weights instanceof Uint8Array)
  assert.equal(Object.keys(readStateDict(there.weights)), ['0.weight', '0.bias', '2.weight', '2.bias'])
})

test('reports come in order, the last one always, and not more often than asked', async () => {
  const all: { epoch: number; loss: number }[] = []
  const { losses } = await start({ epochs: 6 }, { every: 0, onProgress: (report: any) => all.push(report) })
  assert.equal(all.map(r => r.epoch), [1, 2, 3, 4, 5, 6])
  assert.equal(all.map(r => r.loss), losses)
  const few: number[] = []
  await start({ epochs: 200 }, { every: 1e6, onProgress: (report: any) => few.push(report.epoch) })
  assert.equal(few, [1, 200])
})

test('a report that waits is sent when its time has come, though no other follows', async () => {
  const heard: number[] = []
  await trainInWorker(async (_: undefined, { progress }: TrainingContext<number>) => {
    void progress(1)
    void progress(2)
    void progress(3)
    // ends once the caller has had time to hear
    await new Promise(resolve => setTimeout(resolve, 300))
  }, { every: 20, onProgress: report => (heard.push(report), assert.is(heard.length < 3, true)) })
  assert.equal(heard, [1, 3])
})

test('an abort reaches fit(), and what it returns then is the result', async () => {
  const stop = new AbortController()
  const { ended, losses } = await start({ epochs: 1e9 }, { signal: stop.signal, onProgress: () => stop.abort() })
  assert.is(ended, 'aborted')
  assert.ok(losses.length >= 1)
})

test('a training that throws the reason rejects with the very reason', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const error = await rejection(trainInWorker(async (_: undefined, { signal, progress }: TrainingContext) => {
    for (let i = 0; ; i++) {
      await progress(i)
      signal.throwIfAborted()
    }
  }, { signal: stop.signal, every: 0, onProgress: i => i === 3 && stop.abort(reason) }))
  assert.is(error, reason)
})

test('a training that does not listen is terminated', async () => {
  const stop = new AbortController()
  const running = trainInWorker((_: undefined, { progress }: TrainingContext) => {
    void progress('begun')
    for (;;);
  }, { signal: stop.signal, grace: 20, onProgress: () => stop.abort() })
  assert.is((await rejection(running)).name, 'AbortError')
})

test('an abort before the worker is there, and one before the call', async () => {
  const stop = new AbortController()
  const running = start({ epochs: 1e9 }, { signal: stop.signal })
  stop.abort(new Error('at once'))
  assert.is((await rejection(running)).message, 'at once')
  assert.is((await rejection(start({ epochs: 1 }, { signal: stop.signal }))).message, 'at once')
})

test('errors keep their name, class, cause and the worker\'s stack', async () => {
  const error = await rejection(start({ epochs: 1, fails: 'type' }))
  assert.instance(error, TypeError)
  assert.is(error.message, 'no such thing')
  assert.match(error.stack!, /worker-program/)
  assert.instance(error.cause, RangeError)
  assert.is((error.cause as Error).message, 'too far')
  const training = await rejection(start({ epochs: 1, fails: 'training' }))
  assert.is(training.name, 'TrainingError')
  assert.match(String(training), /^TrainingError: fit: the loss became NaN in epoch 1, batch 1/)
  assert.is((await rejection(start({ epochs: 1, fails: 'word' }))).message, 'thrown in the worker: a word')
  assert.is((await rejection(start({ epochs: 1, fails: 'exit' }))).message, 'trainInWorker: the worker failed: it ended by itself, with exit code 3')
})

test('what can\'t travel is named', async () => {
  const advice = ', got a tensor, which can\'t leave its thread: send its values() or array(), or writeStateDict(model)'
  assert.is((await rejection(start({ epochs: 1, fails: 'tensor' }))).message, `trainInWorker: numbers and arrays expected in the result${advice}`)
  assert.is((await rejection(start({ epochs: 1, fails: 'tensor report' }))).message, `trainInWorker: numbers and arrays expected in the progress report${advice}`)
  assert.match((await rejection(start({ epochs: 1, fails: 'function' }))).message, /could not be cloned/)
  assert.match((await rejection(trainInWorker<typeof program>(PROGRAM, { input: (() => 1) as never }))).message, /could not be cloned/)
})

test('an error in onProgress ends the training and is the caller\'s', async () => {
  const own = new Error('mine')
  const fail = () => {
    throw own
  }
  assert.is(await rejection(start({ epochs: 1e9 }, { onProgress: fail })), own)
})

test('a function is sent as text, finds its modules, and hands its buffers over', async () => {
  const hebb = pathToFileURL('build/dist/hebb.js')
  const sum = await trainInWorker(async (input: Float32Array, { modules: { hebb } }: TrainingContext) => {
    const { tensor } = hebb
    const doubled = tensor(input).mul(2).values() as Float32Array
    // a view of a memory that can't be handed over is copied
    const stuck = new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 2)
    return { doubled, stuck, set: new Set([new Float32Array([5])]) }
  }, { input: new Float32Array([1, 2]), modules: { hebb } })
  assert.equal([...sum.doubled], [2, 4])
  assert.is(sum.stuck.length, 2)
  assert.equal([...sum.set][0], new Float32Array([5]))
})

test('the forms that a function\'s text can have', async () => {
  const forms = {
    method(x: number) { return x + 1 },
    async later(x: number) { return x + 1 },
    arrow: (x: number) => x + 1,
    word: function (x: number) { return x + 1 },
  }
  const results = await Promise.all(Object.values(forms).map(f => trainInWorker(f, { input: 1 })))
  assert.equal(results, [2, 2, 2, 2])
  assert.match((await rejection(trainInWorker(forms.arrow.bind(null)))).message, /^trainInWorker: a function with source text expected, got a bound or built-in one/)
})

test('buffers of the input are copied, or handed over on request', async () => {
  const length = (input: Float32Array) => input.length
  const kept = new Float32Array(4)
  assert.is(await trainInWorker(length, { input: kept }), 4)
  assert.is(kept.length, 4)
  assert.is(await trainInWorker(length, { input: kept, transfer: [kept.buffer] }), 4)
  assert.is(kept.length, 0)
})

test('a given worker trains several times, also at once, and lives on', async () => {
  const worker = new Worker(PROGRAM)
  try {
    const first = await trainInWorker<typeof program>(worker, { input: { epochs: 2 } })
    const both = await Promise.all([2, 0].map(epochs => trainInWorker<typeof program>(worker, { input: { epochs } })))
    assert.is(both[0]!.losses.length, 2)
    assert.is(both[1]!.losses.length, 0)
    assert.is(first.ended, 'done')
    assert.equal(['message', 'error', 'exit'].map(event => worker.listenerCount(event)), [0, 0, 0])
  } finally {
    await worker.terminate()
  }
})

test('a worker that does not start says why', async () => {
  const missing = await rejection(trainInWorker(new URL('./nothing.js', import.meta.url)))
  assert.match(missing.message, /^trainInWorker: the worker could not be started from file:.*nothing\.js: Cannot find module .* that calls workerTraining\(f\)$/)
  const silent = await rejection(trainInWorker('data:text/javascript,1'))
  assert.match(silent.message, /could not be started from data:text\/javascript,1: it ended by itself, with exit code 0; /)
  const idle = await rejection(trainInWorker('data:text/javascript,setInterval(() => {}, 1000)', { patience: 30 }))
  assert.match(idle.message, /no word from it within 30 ms/)
  const wrong = await rejection(trainInWorker((() => 1), { modules: { hebb: 'file:///nowhere.js' } }))
  assert.match(wrong.message, /nowhere\.js/)
  assert.match((await rejection(trainInWorker({} as never))).message, /^trainInWorker: a function, the URL of a module or a Worker expected, got another object/)
  assert.match((await rejection(trainInWorker({ postMessage() {}, terminate() {} }))).message, /got an object without addEventListener\(\) and on\(\)$/)
})

test('on the main thread workerTraining() gives the function back, and refuses what is none', () => {
  const f = () => 1
  assert.is(workerTraining(f), f)
  assert.throws(() => workerTraining(1 as never), /^workerTraining: a function of \(input, \{ signal, progress \}\) expected, got number$/)
})

test.run()
