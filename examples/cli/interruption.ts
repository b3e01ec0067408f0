// What ends a training early: Ctrl-C, other signals, output that can't be written. The current step is finished and saved first.

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
/** Signals that come within so many ms are one: a terminal sends Ctrl-C to the program, and npm passes its own on. */
const TOGETHER = 100
const PATIENCE = 3

export class Interruption {
  readonly #controller = new AbortController()
  #asked = 0
  #askedAt = -Infinity

  /** `say` tells people that they were heard. */
  constructor(private readonly say: (text: string) => void) {
    for (const [signal, code] of Object.entries(CODES)) process.on(signal, () => this.#hear(code))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Ends after the current step, with this exit code if it is the first. */
  end(code: number): void {
    if (!this.signal.aborted) process.exitCode = code
    this.#controller.abort()
  }

  /** Has it come meanwhile? Signals are heard between turns of the event loop only, the first of which may be one that has looked already. */
  async came(): Promise<boolean> {
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    return this.signal.aborted
  }

  #hear(code: number): void {
    const time = performance.now()
    if (time - this.#askedAt < TOGETHER) return
    this.#askedAt = time
    this.end(code)
    if (++this.#asked === PATIENCE) process.exit()
    this.say('saving after this step')
  }
}
