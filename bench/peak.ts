// C, the most multiply-adds that one core does in plain WebAssembly SIMD, measured next to everything else in the same process.

import { readFileSync } from 'node:fs'

interface Exports {
  OPERATIONS: WebAssembly.Global
  run(rounds: number): number
}
/** Rounds of one slice: about 0.1 ms, so that a pause of the machine hits few of them. */
const ROUNDS = 12000
const SLICES = 4

/** Returns a function that measures the peak, the best of a few slices, in GFLOP/s. `file`: the compiled bench/peak.as.ts */
export function loadPeak(file: URL): () => number {
  const { OPERATIONS, run } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file))).exports as unknown as Exports
  const flops = ROUNDS * (OPERATIONS.value as number)
  const slice = () => {
    const start = performance.now()
    const sum = run(ROUNDS)
    const ms = performance.now() - start
    if (!(Math.abs(sum - 48) < 1e-3)) throw new Error(`peak: 48 lanes that tend to 1 expected, got a sum of ${sum}`)
    return flops / ms / 1e6
  }
  // V8 replaces its first, slow code in the background
  for (let start = performance.now(), calls = 0; performance.now() - start < 100 || calls < 200; calls++) run(400)
  return () => Math.max(...Array.from({ length: SLICES }, slice))
}
