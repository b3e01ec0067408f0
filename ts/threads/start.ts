// Starting workers: Node's worker_threads or the web's Worker, from text, since the package is one file an entry point.

import { serve, type Start } from './worker.js'

/** A worker of either kind. */
export interface Thread {
  /** Why it could not run or has ended, or null */
  failure: string | null
  terminate(): void
  /** From now on it doesn't keep the program from ending. */
  unref(): void
}

interface NodeWorker {
  on(event: string, listener: (value: any) => void): void
  terminate(): unknown
  unref(): void
}
interface NodeThreads {
  Worker: new (program: string, options: { eval: boolean; workerData: Start }) => NodeWorker
}

const builtin = (name: string): any =>
  (globalThis as { process?: { getBuiltinModule?(name: string): unknown } }).process?.getBuiltinModule?.(name)

/** Processors that this program may use, as far as the runtime tells */
export function processors(): number {
  const os = builtin('node:os') as { availableParallelism?(): number } | undefined
  return os?.availableParallelism?.() ?? (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ?? 1
}

const nodeThreads = (): NodeThreads | undefined => {
  const threads = builtin('node:worker_threads') as Partial<NodeThreads> | undefined
  return threads?.Worker && (threads as NodeThreads)
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Why there can't be threads here, as far as that shows before one is started, or null. Shared memory that workers can't be given is none. */
export function refusal(): string | null {
  if ((globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === false && typeof document === 'object') {
    return 'the page is not cross-origin isolated, so it has no shared memory: send it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  }
  if (typeof SharedArrayBuffer !== 'function') return 'this runtime has no SharedArrayBuffer'
  return typeof Worker === 'function' || nodeThreads() ? null : 'this runtime has no workers: neither Worker nor node:worker_threads'
}

function startInNode({ Worker }: NodeThreads, start: Start): Thread {
  const worker = new Worker(`(${serve})(require('node:worker_threads').workerData)`, { eval: true, workerData: start })
  const thread: Thread = { failure: null, terminate: () => void worker.terminate(), unref: () => worker.unref() }
  worker.on('error', error => (thread.failure ??= textOf(error)))
  worker.on('exit', code => (thread.failure ??= `it ended by itself, with exit code ${code}`))
  return thread
}

function startOnWeb(start: Start): Thread {
  const text = `addEventListener('message', event => (${serve})(event.data), { once: true })`
  const blob = typeof URL.createObjectURL === 'function' ? URL.createObjectURL(new Blob([text], { type: 'text/javascript' })) : null
  const worker = new Worker(blob ?? `data:text/javascript,${encodeURIComponent(text)}`, { type: 'module', name: 'hebb' })
  const thread: Thread = {
    failure: null,
    terminate: () => worker.terminate(),
    unref: () => (worker as { unref?(): void }).unref?.(),
  }
  worker.onerror = event => {
    event.preventDefault?.()
    thread.failure ??= event.message || 'it did not load: a Content-Security-Policy has to allow it (worker-src blob:)'
  }
  worker.postMessage(start)
  return thread
}

/**
 * A worker that begins to serve.
 * @throws Error with the reason where there are none or they are forbidden
 */
export function startThread(start: Start): Thread {
  const reasons: string[] = []
  const threads = nodeThreads()
  for (const begin of [threads && (() => startInNode(threads, start)), typeof Worker === 'function' && (() => startOnWeb(start))]) {
    if (!begin) continue
    try {
      return begin()
    } catch (error) {
      reasons.push(textOf(error))
    }
  }
  throw new Error(`workers are refused here (${reasons.join('; ')})`)
}
