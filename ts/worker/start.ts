// trainInWorker(): the caller's side. Starts a worker of the web or of Node, passes reports on, takes the result or the error.

import { answer, workerThreads, type FromWorker, type SentError, type ToWorker, type TrainingContext, type TrainingFunction } from './answer.js'

/** What the web's Worker and Node's have in common. */
export interface WorkerLike {
  postMessage(message: any, transfer?: any): void
  terminate(): unknown
}

type Reported<F extends TrainingFunction> = Parameters<F>[1] extends TrainingContext<infer P> ? P : any

export interface TrainInWorkerOptions<F extends TrainingFunction = TrainingFunction> {
  /** The training's first argument, as a structured clone */
  input?: Parameters<F>[0]
  /** Buffers of the input to hand over instead of copying */
  transfer?: readonly ArrayBuffer[]
  /** Asks the training to end: its own signal is aborted. What it then returns is the result; one that throws the signal's reason, or doesn't end within `grace` ms, rejects with the reason */
  signal?: AbortSignal
  /** Hears what the training passes to progress() */
  onProgress?(report: Reported<F>): void
  /** Fewest milliseconds between two reports (default 50) */
  every?: number
  /** Milliseconds after an abort until the worker is terminated (default 2000) */
  grace?: number
  /** Milliseconds until a worker that hasn't come to life is given up (default 30000) */
  patience?: number
  /** What the script at a URL is, for workers of the web (default module). A page opened from a file can start classic scripts only. */
  type?: 'module' | 'classic'
  /** For a training handed over as a function: addresses of modules by name, { hebb: import.meta.resolve('hebb') }, which it finds in its context */
  modules?: Record<string, string | URL>
}

/** Either kind of worker, started and heard. */
interface Line {
  worker: WorkerLike
  /** Says what it was started from, for errors */
  what: string
  /** Stops listening, and ends the worker if it was started here */
  close(): void
}
interface Ears {
  message(message: FromWorker): void
  failure(why: string): void
}

const FORBIDDEN = 'if a Content-Security-Policy forbids blob: workers, allow them (worker-src blob:) or pass the URL of a module that calls workerTraining(f)'

/** Text of a function as an expression. */
function textOf(train: TrainingFunction): string {
  const text = String(train)
  if (/\{\s*\[native code\]\s*\}$/.test(text)) {
    throw new TypeError('trainInWorker: a function with source text expected, got a bound or built-in one: wrap it in an arrow function')
  }
  // a method of an object literal lacks the word function
  return /^(async\b\s*)?(function\b|\(|[\w$]+\s*=>)/.test(text) ? text : `Object.values({ ${text} })[0]`
}

/** A program that starts `train` in a worker, with the modules that it asked for. */
function programOf(train: TrainingFunction, modules: Record<string, string | URL>, port: string): string {
  const addresses = JSON.stringify(Object.entries(modules).map(([name, address]) => [name, String(address)]))
  return `const train = ${textOf(train)}
;(${String(answer)})(${port}, async (input, context) => {
  for (const [name, address] of ${addresses}) context.modules[name] = await import(address)
  return train(input, context)
})`
}

/** Returns what stops listening. */
function listen(worker: WorkerLike, ears: Ears, what: string): () => void {
  const target = worker as WorkerLike & Pick<Worker, 'addEventListener' | 'removeEventListener'> & Record<'on' | 'off', undefined | ((event: string, listener: (value: any) => void) => void)>
  const onWeb = typeof target.addEventListener === 'function'
  const heard: Record<string, (value: any) => void> = onWeb
    ? {
      message: event => ears.message(event.data),
      error: event => {
        event.preventDefault?.()
        const { message, filename, lineno } = event
        ears.failure(message ? `${message} (${filename || what}:${lineno})` : 'it did not load')
      },
      messageerror: () => ears.failure('a message could not be read'),
    }
    : { message: ears.message, error: error => ears.failure(error?.message ?? String(error)), exit: code => ears.failure(`it ended by itself, with exit code ${code}`) }
  if (!onWeb && typeof target.on !== 'function') {
    throw new TypeError('trainInWorker: a Worker of the web or of node:worker_threads expected, got an object without addEventListener() and on()')
  }
  for (const [event, listener] of Object.entries(heard)) onWeb ? target.addEventListener(event, listener) : target.on!(event, listener)
  return () => {
    for (const [event, listener] of Object.entries(heard)) onWeb ? target.removeEventListener(event, listener) : target.off!(event, listener)
  }
}

function open(program: TrainingFunction | string | URL | WorkerLike, { modules = {}, type = 'module' }: TrainInWorkerOptions, ears: Ears): Line {
  if (typeof program === 'object' && !(program instanceof URL)) {
    if (typeof program?.postMessage !== 'function') {
      throw new TypeError(`trainInWorker: a function, the URL of a module or a Worker expected, got ${program === null ? 'null' : 'another object'}`)
    }
    return { worker: program, what: 'the given worker', close: listen(program, ears, 'the given worker') }
  }
  const what = typeof program === 'function' ? 'the text of a function' : String(program)
  const started = (worker: WorkerLike, address?: string): Line => {
    listen(worker, ears, what)
    const close = () => {
      if (address) URL.revokeObjectURL(address)
      void worker.terminate()
    }
    return { worker, what, close }
  }
  if (typeof Worker === 'function') {
    if (typeof program !== 'function') return started(new Worker(program as string | URL, { type }))
    const address = URL.createObjectURL(new Blob([programOf(program, modules, 'self')], { type: 'text/javascript' }))
    try {
      return started(new Worker(address, { type: 'classic' }), address)
    } catch {
      // Deno has workers of modules only
      return started(new Worker(address, { type: 'module' }), address)
    }
  }
  const threads = workerThreads()
  if (!threads) throw new Error('trainInWorker: a runtime with workers expected, got one without: call the training itself')
  if (typeof program === 'function') return started(new threads.Worker(programOf(program, modules, "require('node:worker_threads').parentPort"), { eval: true }))
  return started(new threads.Worker(typeof program === 'string' && /^(file|data):/.test(program) ? new URL(program) : program))
}

const STANDARD = { TypeError, RangeError, SyntaxError, ReferenceError }

/** The error as it was thrown: name, message and the worker's stack. */
function revive({ name, message, stack, cause }: SentError): Error {
  const make = STANDARD[name as keyof typeof STANDARD] ?? Error
  const error = new make(message, cause && { cause: revive(cause) })
  const define = (key: string, value: unknown) => Object.defineProperty(error, key, { value, configurable: true, writable: true })
  if (error.name !== name) define('name', name)
  if (stack) define('stack', stack)
  return error
}

const sent = (reason: unknown): SentError =>
  reason instanceof Error ? { name: reason.name, message: reason.message, stack: reason.stack } : { name: 'AbortError', message: String(reason) }

let calls = 0

/**
 * Runs a training in a worker, so that the thread of the caller, a page's above all, stays free. The program is a module's URL (it
 * calls workerTraining), a Worker that runs such a module, or a function that uses nothing but its arguments, as its text is sent:
 *
 *     const { weights } = await trainInWorker(new URL('./train.js', import.meta.url), { input: { epochs: 5 }, signal, onProgress })
 *
 * Resolves with what the training returns; its buffers are handed over, not copied. A Worker that was passed in lives on,
 * unless it doesn't hear an abort.
 * @throws (rejects with) the training's error, with name, message, cause and the worker's stack; the signal's reason; Error where the worker does not start
 */
export function trainInWorker<F extends TrainingFunction = TrainingFunction>(
  program: F | string | URL | WorkerLike, options: TrainInWorkerOptions<F> = {},
): Promise<Awaited<ReturnType<F>>> {
  const { input, transfer = [], signal, onProgress, every = 50, grace = 2000, patience = 30000 } = options
  const id = ++calls
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    let line: Line | undefined
    let ready = false
    let over = false
    const timers: ReturnType<typeof setTimeout>[] = []
    const end = (settle: () => void) => {
      if (over) return
      over = true
      timers.forEach(clearTimeout)
      signal?.removeEventListener('abort', abort)
      line?.close()
      settle()
    }
    const notStarted = (why: string, cause?: unknown): Error => {
      const advice = typeof program === 'function' ? FORBIDDEN : 'a module expected that this page may load and that calls workerTraining(f)'
      return new Error(`trainInWorker: the worker could not be started from ${line?.what ?? String(program).slice(0, 200)}: ${why}; ${advice}`, { cause })
    }
    const send = (message: ToWorker, buffers: readonly ArrayBuffer[] = []) => line!.worker.postMessage(message, [...buffers])
    const abort = () => {
      if (ready) send({ hebb: 'abort', id, reason: sent(signal!.reason) })
      timers.push(setTimeout(() => {
        void line!.worker.terminate()
        end(() => reject(signal!.reason))
      }, ready ? grace : 0))
    }
    const message = (message: FromWorker) => {
      if (over) return
      try {
        if (message?.hebb === 'ready') {
          if (ready) return
          ready = true
          clearTimeout(timers[0])
          send({ hebb: 'start', id, input, every }, transfer)
        } else if (!message || !('id' in message) || message.id !== id) return
        else if (message.hebb === 'progress') onProgress?.(message.report as Reported<F>)
        else if (message.hebb === 'result') end(() => resolve(message.result as Awaited<ReturnType<F>>))
        else if (message.hebb === 'error') end(() => reject(message.aborted ? signal!.reason : revive(message.error)))
      } catch (error) {
        // onProgress threw, or the input can't be cloned: nobody waits for this training any more
        if (ready) send({ hebb: 'abort', id, reason: sent(error) })
        end(() => reject(error))
      }
    }
    const failure = (why: string) => end(() => reject(ready ? new Error(`trainInWorker: the worker failed: ${why}`) : notStarted(why)))
    try {
      line = open(program, options, { message, failure })
    } catch (error) {
      return reject(error instanceof TypeError ? error : notStarted(error instanceof Error ? error.message : String(error), error))
    }
    timers.push(setTimeout(() => failure(`no word from it within ${patience} ms`), patience))
    signal?.addEventListener('abort', abort)
    send({ hebb: 'hello' })
  })
}
