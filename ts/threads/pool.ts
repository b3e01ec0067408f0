// One call of a kernel by several threads: its parts lie in a control block in shared memory, whoever is free takes the next.

import type { Part } from './split.js'
import type { Layout, Start } from './worker.js'

/** Most threads, the caller's included */
export const MOST_THREADS = 16
const MOST_PARTS = 4 * MOST_THREADS
/** No kernel has more arguments. */
const MOST_ARGUMENTS = 38
const PART = MOST_ARGUMENTS + 2
const TEXT = 200

// words that different threads write stand 64 bytes apart
export const LAYOUT: Layout = {
  work: 0, done: 16, parked: 32, ready: 48, stop: 64, waiting: 65, precise: 66, failed: 67, kernel: 68, count: 69,
  text: 80, parts: (80 + TEXT) / 2, part: PART,
}
const BYTES = 8 * (LAYOUT.parts + MOST_PARTS * PART)

/** ms that workers look for work before they sleep (the gaps of a LeNet-5 step are shorter), and that the caller looks for results */
const SPIN = 0.5
const CALLER_SPIN = 0.2
/** ms of waiting for one part that mean that a worker hangs */
const HANGS = 30_000
/** A worker that keeps the caller waiting for longer (ms) has lost its core to other work. */
const STALL = 1
/** Two stalls within so many calls, and the caller works alone for so long (ms); up to the third number if the forks before saved no time. */
const CALLS = 100
const ALONE = 100
const MOST_ALONE = 800
/** So many forks that save no time are as bad as two stalls: workers may take the caller's own core from it, which it doesn't see. */
const FORKS = 50
/** Weight of the newest time in the usual time of a call, and how many kinds of calls are told apart */
const NEWEST = 0.2
const MOST_KINDS = 1000

type Kernel = (...args: number[]) => number | void

export class Pool {
  readonly control = new SharedArrayBuffer(BYTES)
  readonly #words = new Int32Array(this.control)
  readonly #numbers = new Float64Array(this.control)
  readonly #maySleep: boolean = maySleep()
  /** Parts of the calls that have been done here and by workers */
  readonly parts = { caller: 0, workers: 0 }
  #calls = CALLS + 1
  #number = 0
  #lastStall = -Infinity
  #aloneUntil = 0
  #alone = ALONE
  /** ms that the caller alone takes, by kernel and estimate */
  readonly #usual = new Map<number, number>()
  /** ms that the last forks have saved, how many they were, and the ms of all since the caller was alone */
  #saved = 0
  #forks = 0
  #gain = 0
  #lost: string | null = null

  constructor(private readonly setShare: (index: number, count: number) => void) {}

  get ready(): number {
    return Atomics.load(this.#words, LAYOUT.ready)
  }
  /** What a worker died of, or null */
  get failure(): string | null {
    const n = Atomics.load(this.#words, LAYOUT.failed)
    return n ? String.fromCharCode(...this.#words.subarray(LAYOUT.text, LAYOUT.text + n)) : this.#lost
  }
  /** A worker has ended that should not have. */
  lose(why: string): void {
    this.#lost ??= why
  }
  setPrecise(on: boolean): void {
    this.#words[LAYOUT.precise] = on ? 1 : 0
  }
  start(rest: Pick<Start, 'module' | 'memory' | 'scratch' | 'names'>): Start {
    return { ...rest, control: this.control, at: LAYOUT, spin: SPIN }
  }
  /** Workers end as soon as they have done what they are doing. */
  stop(): void {
    Atomics.store(this.#words, LAYOUT.stop, 1)
    // one that is about to sleep sees that something has changed
    Atomics.add(this.#words, LAYOUT.work, 1 << 16)
    Atomics.notify(this.#words, LAYOUT.work)
  }

  /** Have workers to be woken first? */
  get asleep(): boolean {
    return Atomics.load(this.#words, LAYOUT.parked) > 0
  }
  /** Is it better not to fork now? */
  get alone(): boolean {
    this.#calls++
    if (this.#aloneUntil === 0) return false
    if (performance.now() < this.#aloneUntil) return true
    this.#aloneUntil = 0
    this.#lastStall = -Infinity
    this.#saved = this.#forks = this.#gain = 0
    return false
  }

  /** Does a call that isn't forked now, and notes how long that takes. */
  solo(number: number, kernel: Kernel, args: number[], time: number): number | void {
    const start = performance.now()
    const result = kernel(...args)
    const took = performance.now() - start
    const kind = kindOf(number, time)
    const before = this.#usual.get(kind) ?? took
    if (this.#usual.size >= MOST_KINDS) this.#usual.clear()
    // an interrupted call takes many times as long, which isn't usual; 0.02 ms is the step of a browser's clock
    this.#usual.set(kind, before + NEWEST * (Math.min(took, 2 * before + 0.02) - before))
    return result
  }

  /** Does all parts, and returns their results. `number` is the kernel's for the workers, `kernel` the caller's own; `time` the estimate for all, µs. */
  run(number: number, kernel: Kernel, parts: readonly Part[], time: number): number[] {
    const words = this.#words
    const numbers = this.#numbers
    const n = parts.length
    for (let i = 0; i < n; i++) {
      const { args, share, shares } = parts[i]!
      let at = LAYOUT.parts + i * PART
      numbers[at++] = share
      numbers[at++] = shares
      for (let k = 0; k < args.length; k++) numbers[at++] = args[k]!
    }
    words[LAYOUT.kernel] = number
    words[LAYOUT.count] = parts[0]!.args.length
    Atomics.store(words, LAYOUT.done, 0)
    this.#number = (this.#number + 1) & 0x7fff
    Atomics.store(words, LAYOUT.work, (this.#number << 16) | n)
    if (Atomics.load(words, LAYOUT.parked) > 0) Atomics.notify(words, LAYOUT.work)
    const results = new Array<number>(n).fill(NaN)
    const start = performance.now()
    let begun = start
    let own = 0
    try {
      for (let i = this.#take(); i >= 0; i = this.#take()) {
        const { args, share, shares } = parts[i]!
        this.setShare(share, shares)
        results[i] = kernel(...args) ?? 0
        own++
      }
    } finally {
      // also if a kernel throws: what workers have begun must end before its memory is used for something else
      this.setShare(0, 1)
      let given = 0
      while (this.#take() >= 0) given++
      begun = performance.now()
      if (own + given < n) this.#await(n - own - given, begun)
    }
    if (own > 0) this.#judge(this.#usual.get(kindOf(number, time)), (begun - start) / own, begun - start, performance.now() - begun)
    for (let i = 0; i < n; i++) if (results[i] !== results[i]) results[i] = numbers[LAYOUT.parts + i * PART]!
    this.parts.caller += own
    this.parts.workers += n - own
    return results
  }

  /** The last of the parts that nobody has taken, or -1 */
  #take(): number {
    const words = this.#words
    for (;;) {
      const work = Atomics.load(words, LAYOUT.work)
      const end = work & 255
      if (((work >> 8) & 255) === end) return -1
      if (Atomics.compareExchange(words, LAYOUT.work, work, work - 1) === work) return end - 1
    }
  }

  /** Until workers have done `parts` parts; the caller waits since `begun`. */
  #await(parts: number, begun: number): void {
    const words = this.#words
    for (let polls = 1; Atomics.load(words, LAYOUT.done) < parts; polls++) {
      if (polls & 31) continue
      const now = performance.now()
      const failure = this.failure
      if (failure || now - begun > HANGS) {
        this.lose('it hangs')
        throw new Error(`threads: a worker failed in a kernel, whose results are lost (${failure ?? `no answer for ${HANGS / 1000} s`})`)
      }
      if (now - begun < CALLER_SPIN || !this.#maySleep) continue
      Atomics.store(words, LAYOUT.waiting, 1)
      const done = Atomics.load(words, LAYOUT.done)
      if (done < parts) Atomics.wait(words, LAYOUT.done, done, 50)
      Atomics.store(words, LAYOUT.waiting, 0)
    }
  }

  /** Was it good to fork what takes the caller alone `usual` ms? It worked for `took` ms, `each` a part, and then waited. */
  #judge(usual: number | undefined, each: number, took: number, waited: number): void {
    // a long part is no stall: as long as two of the caller's own is normal
    const stalled = waited > STALL + 2 * each
    const again = stalled && this.#calls - this.#lastStall <= CALLS
    if (stalled) this.#lastStall = this.#calls
    if (usual !== undefined) {
      this.#saved += usual - took - waited
      this.#gain += usual - took - waited
    }
    const inVain = ++this.#forks >= FORKS && this.#saved < 0
    if (this.#forks >= FORKS) this.#saved = this.#forks = 0
    if (!again && !inVain) return
    this.#alone = this.#gain < 0 ? Math.min(2 * this.#alone, MOST_ALONE) : ALONE
    this.#aloneUntil = performance.now() + this.#alone
  }
}

/** Calls of a kernel with the same estimate are taken to be alike. */
const kindOf = (number: number, time: number): number => number + 256 * Math.round(time)

/** Browsers forbid their main thread to sleep. */
function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0)
    return true
  } catch {
    return false
  }
}
