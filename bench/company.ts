// What several processors give at all: the register-only loop of bench/peak.as.ts on one of them and on all, without memory, forks or
// waiting. Where they share a core with each other or with a neighbour on the same machine, two give less than twice of one.

import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** Rounds of a piece of work, some 10 µs */
const ROUNDS = 4800
/** ms until workers have woken up or gone to sleep */
const SETTLE = 1

interface Shared {
  module: WebAssembly.Module
  /** 0: sleep, 1: work; pieces done by the workers */
  words: Int32Array
}

function loop(module: WebAssembly.Module): () => void {
  const { constant } = new WebAssembly.Instance(module).exports as { constant(rounds: number): number }
  // V8 replaces its first, slow code in the background
  for (let i = 0; i < 3000; i++) constant(1600)
  return () => void constant(ROUNDS)
}

export interface Company {
  /** Pieces of work a ms by the caller's processor alone and by all, measured for `ms` each */
  measure(ms: number): { alone: number; together: number }
  end(): void
}

export async function createCompany(processors: number): Promise<Company> {
  const shared: Shared = { module: new WebAssembly.Module(readFileSync(new URL('peak.wasm', import.meta.url))), words: new Int32Array(new SharedArrayBuffer(8)) }
  const { words } = shared
  const workers = Array.from({ length: processors - 1 }, () => new Worker(new URL('company.js', import.meta.url), { workerData: shared }))
  await Promise.all(workers.map(worker => new Promise(resolve => worker.once('message', resolve))))
  const work = loop(shared.module)
  /** Pieces done in a ms, those of the workers included */
  const rate = (ms: number): number => {
    const before = Atomics.load(words, 1)
    const start = performance.now()
    let pieces = 0
    let now = start
    for (; now - start < ms; now = performance.now(), pieces++) work()
    return (pieces + Atomics.load(words, 1) - before) / (now - start)
  }
  return {
    measure(ms) {
      rate(SETTLE)
      const alone = rate(ms)
      Atomics.store(words, 0, 1)
      Atomics.notify(words, 0)
      rate(SETTLE)
      const together = rate(ms)
      Atomics.store(words, 0, 0)
      return { alone, together }
    },
    end: () => workers.forEach(worker => void worker.terminate()),
  }
}

/** What a worker does until it is ended. */
function keepCompany({ module, words }: Shared, ready: () => void): void {
  const work = loop(module)
  ready()
  while (true) {
    if (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0)
    else {
      work()
      Atomics.add(words, 1, 1)
    }
  }
}

if (!isMainThread && workerData?.words) {
  keepCompany(workerData as Shared, () => parentPort!.postMessage('ready'))
}
