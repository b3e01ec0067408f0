// C, the most multiply-adds that one core does in plain WebAssembly SIMD, measured next to everything else in the same process.

import { readFileSync } from 'node:fs'

interface Exports {
  OPERATIONS: WebAssembly.Global
  constant(rounds: number): number
  argument(rounds: number, half: number): number
}
/** Rounds of one slice: about 0.1 ms, so that a pause of the machine hits few of them. */
const ROUNDS = 48000
const SLICES = 4

/** Returns a function that measures the peak, the best of a few slices of the faster form, in GFLOP/s. `file`: the compiled bench/peak.as.ts */
export function loadPeak(file: URL): () => number {
  const { OPERATIONS, constant, argument } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file))).exports as unknown as Exports
  const flops = ROUNDS * (OPERATIONS.value as number)
  const slice = (form: (rounds: number) => number) => {
    const start = performance.now()
    const sum = form(ROUNDS)
    const ms = performance.now() - start
    if (!(Math.abs(sum - 56) < 1e-3)) throw new Error(`peak: 56 lanes that tend to 1 expected, got a sum of ${sum}`)
    return flops / ms / 1e6
  }
  const best = (form: (rounds: number) => number) => Math.max(...Array.from({ length: SLICES }, () => slice(form)))
  const forms = [constant, (rounds: number) => argument(rounds, 0.5)]
  // V8 replaces its first, slow code in the background
  for (let start = performance.now(), calls = 0; performance.now() - start < 200 || calls < 200; calls++) for (const form of forms) form(1600)
  const [fast] = forms.map(form => ({ form, peak: best(form) })).sort((x, y) => y.peak - x.peak)
  return () => best(fast!.form)
}
