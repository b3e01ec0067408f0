// What every other thread runs: it takes parts of the call at hand, spins a little when there are none, then sleeps.

/** Positions in the control block: of its int32 words, and of its float64 numbers, in elements */
export interface Layout {
  /**
   * Number of the call · 65536 + first of the parts that nobody has taken · 256 + the one after the last. Workers take the first and
   * the caller the last: kernel after kernel the same half of a batch stays in the same core's cache.
   */
  work: number
  /** Parts that workers have finished */
  done: number
  /** Workers asleep, and workers that are ready to work */
  parked: number
  ready: number
  /** Not 0: workers end; the caller sleeps; only direct convolutions; a worker has failed, with so many characters of text */
  stop: number
  waiting: number
  precise: number
  failed: number
  /** Kernel of the call and the number of its arguments */
  kernel: number
  count: number
  /** First number of part 0 and numbers per part: its share, the number of shares, the arguments; a result replaces the share */
  parts: number
  part: number
  /** First character of the text of a failure, one a word */
  text: number
}

/** What a worker is told when it begins. */
export interface Start {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  /** Address of its own scratch region */
  scratch: number
  control: SharedArrayBuffer
  /** Names of the kernels by number */
  names: readonly string[]
  at: Layout
  /** ms from its last part until it sleeps */
  spin: number
}

/** The worker's program. Its text is what workers are started from, so it refers to nothing outside and contains no function. */
export function serve({ module, memory, scratch, control, names, at, spin }: Start): void {
  const words = new Int32Array(control)
  const numbers = new Float64Array(control)
  try {
    const env = { memory, scratch: new WebAssembly.Global({ value: 'i32', mutable: false }, scratch) }
    const kernels = new WebAssembly.Instance(module, { env }).exports as Record<string, (...args: number[]) => number | undefined>
    const functions = []
    for (const name of names) functions.push(kernels[name]!)
    const setShare = kernels['setShare']!
    const args: number[] = []
    let precise = 0
    let polls = 0
    let idle = performance.now()
    Atomics.add(words, at.ready, 1)
    while (true) {
      const work = Atomics.load(words, at.work)
      const first = (work >> 8) & 255
      if (first < (work & 255)) {
        // what the parts say can't change as long as one that is taken isn't done
        if (Atomics.compareExchange(words, at.work, work, work + 256) !== work) continue
        const part = at.parts + first * at.part
        args.length = words[at.count]!
        for (let i = 0; i < args.length; i++) args[i] = numbers[part + 2 + i]!
        if (words[at.precise] !== precise) kernels['setPrecise']!((precise = words[at.precise]!))
        setShare(numbers[part]!, numbers[part + 1]!)
        numbers[part] = functions[words[at.kernel]!]!(...args) ?? 0
        Atomics.add(words, at.done, 1)
        if (Atomics.load(words, at.waiting)) Atomics.notify(words, at.done)
        polls = 0
      } else if (Atomics.load(words, at.stop)) {
        return
      } else if (polls++ === 0) {
        idle = performance.now()
      } else if ((polls & 31) === 0 && performance.now() - idle > spin) {
        Atomics.add(words, at.parked, 1)
        Atomics.wait(words, at.work, work)
        Atomics.sub(words, at.parked, 1)
        polls = 0
      }
    }
  } catch (error) {
    const text = String(error).slice(0, 200)
    for (let i = 0; i < text.length; i++) words[at.text + i] = text.charCodeAt(i)
    Atomics.store(words, at.failed, text.length)
    Atomics.notify(words, at.done)
  }
}
