// The public face of hebb/threads: the engine's kernels by several threads over one shared memory.

import { engine, info, type Info } from 'hebb'
import { MOST_THREADS, Pool } from './pool.js'
import { withSharedMemory } from './shared.js'
import { RULES, type KernelName, type Kernels, type Part, type Rule } from './split.js'
import { processors, refusal, startThread, type Thread } from './start.js'

type WasmBackend = ReturnType<typeof engine.createWasm>
type Kernel = (...args: number[]) => number | void

/** µs of work on one thread below which a kernel is not worth a fork, and not worth waking workers up (some 25 µs) */
const WORTH_IT = 20
const WORTH_WAKING = 60
/** µs that a part should take at least where there are more of them than threads, and the rule of the kernel says nothing else */
const GRAIN = 25
/** ms that workers may take to be ready */
const PATIENCE = 30_000

/** The threads that compute. */
interface Team {
  backend: WasmBackend
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  plain: Kernels
  names: KernelName[]
  /** Scratch regions of workers, which later workers use again */
  scratch: number[]
  pool: Pool
  workers: Thread[]
}
let team: Team | null = null
let starting = false

const refuse = (reason: string): never => {
  throw new Error(`useThreads: ${reason}`)
}

/** Memory to share: as much address space as the runtime grants. */
function sharedMemory(initial: number): WebAssembly.Memory {
  for (let maximum = 65536; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial, maximum, shared: true })
    } catch (error) {
      if (maximum <= 4096) throw error
    }
  }
}

function compiled(binary: 'relaxed' | 'simd'): WebAssembly.Module {
  try {
    return engine.compiledBinary(binary, withSharedMemory).module
  } catch (error) {
    // they have node:worker_threads, whose Worker is no more than a name
    return refuse(`kernels for shared memory can't be compiled here (${error instanceof Error ? error.message : error}); edge runtimes such as Cloudflare Workers have no threads`)
  }
}

function createTeam(): Team {
  const current = engine.currentBackend()
  if (current.name !== 'wasm') refuse(info().refused ? `there is no WebAssembly here (${info().refused})` : `threads compute on WebAssembly, and the backend is ${current.name}`)
  if (engine.memoryInUse()) refuse('tensors exist already: call it before the first tensor is made')
  const binary = current.variant as 'relaxed' | 'simd'
  const module = compiled(binary)
  const memory = sharedMemory(engine.WASM_PAGES)
  const backend = engine.createWasm({ binary, module }, memory)
  const plain = backend.kernels
  return { backend, module, memory, plain, names: Object.keys(plain) as KernelName[], scratch: [], pool: new Pool(backend.setShare), workers: [] }
}

/** The kernels, split among the threads where that pays. */
function splitKernels({ plain, names, pool }: Team, threads: number): Kernels {
  const fork = (name: KernelName, rule: Rule): Kernel => {
    const kernel = plain[name] as Kernel
    const number = names.indexOf(name)
    return (...args) => {
      const time = rule.time(args)
      if (time < WORTH_IT || (time < WORTH_WAKING && pool.asleep)) return kernel(...args)
      if (pool.alone) return pool.solo(number, kernel, args, time)
      // small parts even out what threads are late by
      const each = Math.floor(time / (threads * (rule.grain ?? GRAIN)))
      const count = Math.min(rule.most(args), threads * (each < 2 ? 1 : each < 4 ? 2 : 4))
      if (count < 2) return kernel(...args)
      if (pool.failure) throw new Error(`threads: a worker has failed (${pool.failure}); after stopThreads() one thread goes on alone`)
      const parts: Part[] = []
      for (let i = 0; i < count; i++) parts.push(rule.part(args, i, count))
      const results = pool.run(number, kernel, parts, time)
      return rule.result?.(args, results)
    }
  }
  const rules = Object.entries(RULES) as [KernelName, Rule][]
  return { ...plain, ...Object.fromEntries(rules.map(([name, rule]) => [name, fork(name, rule)])) }
}

/** Starts workers and waits until they are ready to work. */
async function startWorkers(made: Team, count: number): Promise<void> {
  const { module, memory, backend, pool, workers, scratch, names } = made
  while (scratch.length < count) scratch.push(backend.reserveScratch())
  for (const address of scratch.slice(0, count)) workers.push(startThread(pool.start({ module, memory, scratch: address, names })))
  const start = performance.now()
  while (pool.ready < count) {
    const failure = workers.find(w => w.failure)?.failure ?? pool.failure
    if (failure) throw new Error(`a worker could not start (${failure})`)
    if (performance.now() - start > PATIENCE) throw new Error(`workers were not ready after ${PATIENCE / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  for (const worker of workers) {
    worker.unref()
    Object.defineProperty(worker, 'failure', { set: (why: string) => pool.lose(why), get: () => pool.failure })
  }
}

function stopWorkers({ pool, workers }: Team): void {
  pool.stop()
  for (const worker of workers.splice(0)) worker.terminate()
}

/**
 * Lets `n` threads compute, the caller's included; every result has the same bits as with one. Before the first tensor; later calls only
 * change the number. Kernels that take less than some 20 µs stay on the caller's thread, and so does everything, for a while, when
 * the other cores turn out to be busy.
 * @param n 1 … 16; default: the processors that the runtime reports
 * @returns info(): `threads` and `binary` say what is used now
 * @throws Error with the reason where threads are refused: tensors exist already, a page that is not cross-origin isolated, a
 *   Content-Security-Policy, a runtime without workers or shared memory
 */
export async function useThreads(n: number = Math.min(processors(), MOST_THREADS)): Promise<Info> {
  if (!(Number.isInteger(n) && n >= 1 && n <= MOST_THREADS)) throw new RangeError(`useThreads: a number of threads from 1 to ${MOST_THREADS} expected, got ${n}`)
  if (starting) refuse('an earlier call has not ended yet: await it')
  if (!team && n === 1) return info()
  const reason = refusal()
  if (reason) refuse(reason)
  starting = true
  let made: Team | null = null
  try {
    if (team) {
      stopThreads()
      made = { ...team, pool: new Pool(team.backend.setShare), workers: [] }
    } else made = createTeam()
    await startWorkers(made, n - 1)
    install(made, n)
  } catch (error) {
    if (made) stopWorkers(made)
    refuse(error instanceof Error ? error.message.replace(/^useThreads: /, '') : String(error))
  } finally {
    starting = false
  }
  return info()
}

function install(made: Team, n: number): void {
  const { backend, pool } = made
  if (!team) {
    const { setPrecise } = backend
    backend.setPrecise = on => {
      setPrecise(on)
      team!.pool.setPrecise(on)
    }
  }
  const first = !team
  team = made
  if (first) engine.adoptWasm(backend)
  else pool.setPrecise(info().precise)
  backend.kernels = n > 1 ? splitKernels(made, n) : made.plain
  backend.threads = n
}

/** Ends the workers; tensors stay, and one thread computes on. Programs end without it: workers don't keep them alive. */
export function stopThreads(): void {
  if (!team) return
  stopWorkers(team)
  team.backend.kernels = team.plain
  team.backend.threads = 1
}

/** How many parts of kernels the caller's thread and the workers have done since useThreads(): whether the other cores are of use. */
export function threadStatistics(): { caller: number; workers: number } {
  return team ? { ...team.pool.parts } : { caller: 0, workers: 0 }
}
