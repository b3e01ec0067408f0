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
const SPIN = 0.2
const CALLER_SPIN = 0.2
/** ms of waiting for one part that mean that a worker hangs */
const HANGS = 30_000
/** A worker that keeps the caller waiting for longer (ms) has lost its core to other work. */
const STALL = 1
/** Two stalls within so many calls, and the caller works alone for so long (ms); longer if that goes on, up to the third number. */
const CALLS = 100
const ALONE = 100
const MOST_ALONE = 1600

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
    Atomics.add(this.#words, LAYOUT.work, 256)
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
    // what is left of the calls counts from here
    this.#calls = 0
    this.#lastStall = -Infinity
    return false
  }

  /** Does all parts, and returns their results. `number` is the kernel's for the workers, `kernel` the caller's own. */
  run(number: number, kernel: Kernel, parts: readonly Part[]): number[] {
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
    this.#number = (this.#number + 1) & 0x7fffff
    Atomics.store(words, LAYOUT.work, (this.#number << 8) | n)
    if (Atomics.load(words, LAYOUT.parked) > 0) Atomics.notify(words, LAYOUT.work)
    const results = new Array<number>(n).fill(NaN)
    const start = performance.now()
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
      if (own + given < n) this.#await(n - own - given, start, own)
    }
    for (let i = 0; i < n; i++) if (results[i] !== results[i]) results[i] = numbers[LAYOUT.parts + i * PART]!
    this.parts.caller += own
    this.parts.workers += n - own
    return results
  }

  /** A part that nobody has taken, or -1 */
  #take(): number {
    const words = this.#words
    for (;;) {
      const work = Atomics.load(words, LAYOUT.work)
      const left = work & 255
      if (left === 0) return -1
      if (Atomics.compareExchange(words, LAYOUT.work, work, work - 1) === work) return left - 1
    }
  }

  /** Until workers have done `parts` parts; the caller did `own` since `start`. */
  #await(parts: number, start: number, own: number): void {
    const words = this.#words
    if (Atomics.load(words, LAYOUT.done) >= parts) return
    const begun = performance.now()
    let now = begun
    for (let polls = 1; Atomics.load(words, LAYOUT.done) < parts; polls++) {
      if (polls & 31) continue
      now = performance.now()
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
    now = performance.now()
    // a long part is no stall: as long as two of the caller's own is normal
    if (own > 0 && now - begun > STALL + (2 * (begun - start)) / own) this.#stalled(now)
  }

  #stalled(now: number): void {
    if (this.#calls - this.#lastStall > CALLS) {
      this.#lastStall = this.#calls
      return
    }
    this.#alone = this.#calls <= CALLS && this.#alone < MOST_ALONE ? this.#alone * 2 : ALONE
    this.#aloneUntil = now + this.#alone
  }
}

/** Browsers forbid their main thread to sleep. */
function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0)
    return true
  } catch {
    return false
  }
}
