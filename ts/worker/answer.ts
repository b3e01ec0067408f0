// The worker's side of trainInWorker(): runs the training, sends progress now and then, hears an abort.

/** Modules that options.modules named, as loaded in the worker. */
export interface WorkerModules {
  hebb: typeof import('hebb')
  [name: string]: any
}

/** What a training is given beside its input. */
export interface TrainingContext<P = any> {
  /** Aborted when the caller's signal is. fit() takes it as it is. */
  signal: AbortSignal
  /**
   * Sends a report to onProgress, at most one every `every` ms: the newest wins, and the last one always arrives. A function is called
   * for its report when it is sent, and not otherwise. A loop of one's own should await it: that lets an abort in. fit() rests by itself.
   */
  progress(report: P | (() => P)): Promise<void>
  /** Filled only where the training was handed over as a function */
  modules: WorkerModules
}

/** A training: what it is given must survive a structured clone, and so must what it reports and returns (numbers, arrays, typed arrays, not tensors). */
export type TrainingFunction<I = any, P = any, R = any> = (input: I, context: TrainingContext<P>) => R | Promise<R>

/** A thread's end of the line: a worker's global scope, or Node's parentPort. @internal */
export interface Port {
  postMessage(message: unknown, transfer?: any): void
  on?(event: string, listener: (message: any) => void): unknown
  addEventListener?(event: string, listener: (event: any) => void): void
}

/** An error as it travels: a clone would lose its name, and on some runtimes its stack. @internal */
export interface SentError {
  name: string
  message: string
  stack?: string
  cause?: SentError
}

/** @internal */
export type FromWorker =
  | { hebb: 'ready' }
  | { hebb: 'progress'; id: number; report: unknown }
  | { hebb: 'result'; id: number; result: unknown }
  | { hebb: 'error'; id: number; error: SentError; aborted: boolean }
/** @internal */
export type ToWorker =
  | { hebb: 'hello' }
  | { hebb: 'start'; id: number; input: unknown; every: number }
  | { hebb: 'abort'; id: number; reason: SentError }

/**
 * Answers trainInWorker() at `port`. It refers to nothing outside itself: a training that is handed over as a function is started
 * with the text of this one. @internal
 */
export function answer(port: Port, train: TrainingFunction): void {
  const now = (): number => (typeof performance === 'object' ? performance.now() : Date.now())
  const running = new Map<number, AbortController>()

  /** Buffers inside a value, to hand over rather than copy. Throws at a tensor, whose numbers lie in this thread's memory. */
  const buffersOf = (value: unknown, what: string, found = new Set<ArrayBuffer>(), seen = new Set<unknown>()): Set<ArrayBuffer> => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return found
    seen.add(value)
    if (value instanceof ArrayBuffer) found.add(value)
    else if (ArrayBuffer.isView(value)) value.buffer instanceof ArrayBuffer && found.add(value.buffer)
    else if (typeof (value as { backward?: unknown }).backward === 'function' && 'shape' in value) {
      throw new TypeError(`trainInWorker: numbers and arrays expected in the ${what}, got a tensor, which can't leave its thread: send its values() or array(), or writeStateDict(model)`)
    } else for (const part of value instanceof Map || value instanceof Set ? value.values() : Object.values(value)) buffersOf(part, what, found, seen)
    return found
  }
  const describe = (error: unknown, depth = 0): SentError =>
    error instanceof Error
      ? { name: error.name, message: error.message, stack: error.stack, cause: error.cause instanceof Error && depth < 4 ? describe(error.cause, depth + 1) : undefined }
      : { name: 'Error', message: `thrown in the worker: ${String(error)}` }

  const run = async (id: number, input: unknown, every: number): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    let sent = -Infinity
    let latest: { report: unknown } | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    const flush = () => {
      clearTimeout(timer)
      timer = undefined
      if (!latest) return
      const { report: given } = latest
      latest = null
      sent = now()
      const report = typeof given === 'function' ? given() : given
      buffersOf(report, 'progress report')
      port.postMessage({ hebb: 'progress', id, report } satisfies FromWorker)
    }
    const progress = (report: unknown): Promise<void> => {
      latest = { report }
      const wait = sent + every - now()
      if (wait > 0) {
        timer ??= setTimeout(flush, wait)
        return Promise.resolve()
      }
      flush()
      return new Promise(resolve => setTimeout(resolve, 0))
    }
    try {
      const result = await train(input, { signal: controller.signal, progress, modules: {} as WorkerModules })
      flush()
      const transfer = [...buffersOf(result, 'result')]
      const message = { hebb: 'result', id, result } satisfies FromWorker
      try {
        port.postMessage(message, transfer)
      } catch {
        // a buffer that may not leave, a WebAssembly memory's for instance, is copied
        port.postMessage(message)
      }
    } catch (error) {
      latest = null
      clearTimeout(timer)
      const { signal } = controller
      port.postMessage({ hebb: 'error', id, error: describe(error), aborted: signal.aborted && error === signal.reason } satisfies FromWorker)
    }
    running.delete(id)
  }

  const hear = (message: ToWorker): void => {
    if (message?.hebb === 'hello') port.postMessage({ hebb: 'ready' } satisfies FromWorker)
    else if (message?.hebb === 'start') void run(message.id, message.input, message.every)
    else if (message?.hebb === 'abort') running.get(message.id)?.abort(Object.assign(new Error(message.reason.message), message.reason))
  }
  if (port.on) port.on('message', hear)
  else port.addEventListener!('message', event => hear(event.data))
  port.postMessage({ hebb: 'ready' } satisfies FromWorker)
}

/** What is used of Node's worker_threads. @internal */
export interface WorkerThreads {
  isMainThread: boolean
  parentPort: Port | null
  Worker: new (program: string | URL, options?: { eval?: boolean }) => Port & { terminate(): unknown }
}

/** Node's threads, for where there is no Worker of the web. @internal */
export const workerThreads = (): WorkerThreads | undefined =>
  (globalThis as { process?: { getBuiltinModule?(name: string): any } }).process?.getBuiltinModule?.('node:worker_threads')

/** This thread's line to the thread that started it, or undefined on the main thread. */
function portHere(): Port | undefined {
  const scope = globalThis as unknown as Port & { WorkerGlobalScope?: new () => object }
  if (typeof scope.WorkerGlobalScope === 'function') return scope instanceof scope.WorkerGlobalScope ? scope : undefined
  const threads = workerThreads()
  return threads && !threads.isMainThread ? (threads.parentPort ?? undefined) : undefined
}

/**
 * Makes a module the program of a worker: `export default workerTraining(async (input, { signal, progress }) => { … })`, started by
 * trainInWorker(url, { input }). Returns the function, so that the main thread may import and call it; there, nothing else happens.
 */
export function workerTraining<F extends TrainingFunction>(train: F): F {
  if (typeof train !== 'function') throw new TypeError(`workerTraining: a function of (input, { signal, progress }) expected, got ${typeof train}`)
  const port = portHere()
  if (port) answer(port, train)
  return train
}
