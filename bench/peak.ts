// C, the most multiply-adds that one core does in plain WebAssembly SIMD, measured next to everything else in the same process.

import { readFileSync } from 'node:fs'

interface Exports {
  OPERATIONS: WebAssembly.Global
  run(rounds: number): number
}
/** Rounds of one measurement: about 0.3 ms, so that a pause of the machine hits few of them. */
const ROUNDS = 40000

/** Returns a function that measures the peak once, in GFLOP/s. `file`: the compiled bench/peak.as.ts */
export function loadPeak(file: URL): () => number {
  const { OPERATIONS, run } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file))).exports as unknown as Exports
  const flops = ROUNDS * (OPERATIONS.value as number)
  const measure = () => {
    const start = performance.now()
    const sum = run(ROUNDS)
    const ms = performance.now() - start
    if (!(Math.abs(sum - 48) < 1e-3)) throw new Error(`peak: 48 chains that tend to 1 expected, got a sum of ${sum}`)
    return flops / ms / 1e6
  }
  // V8 replaces its first, slow code in the background
  for (let start = performance.now(), calls = 0; performance.now() - start < 100 || calls < 200; calls++) run(400)
  return measure
}
