// How one piece of work is timed: its result is checked, it warms up, then Benchmark.js samples it, with the peak in between.

import Benchmark from 'benchmark'

// closures can't be compiled from their source, and a failed attempt would run them half
Benchmark.support.decompilation = false

/** The work computes something else than it should: it is not timed. */
export class WrongResult extends Error {
  override name = 'WrongResult'
}

export interface Timing {
  /** Median and best of the samples, ms per run */
  ms: number
  best: number
  /** Relative margin of error of the mean, percent, at 95 % confidence */
  error: number
  samples: number
  /** Best GFLOP/s of the register-only loop between the samples; 0 where it was not measured */
  peak: number
  /** Processor time over time: below 1 other work had a part of the core */
  core: number
}

export interface Measured extends Timing {
  /** Operations and bytes moved in one run */
  flops?: number
  bytes?: number
  /** Images, sequences or steps in one run */
  items?: number
  memory?: Memory
}

/** Bytes of a training step's own tensors: without weights, gradients, the optimizer's state and the batch */
export interface Memory {
  /** Activations at the widest point of the forward pass */
  live: number
  /** The most at once */
  peak: number
}

export interface Work {
  /** @throws WrongResult */
  check(): void
  run(): void
  flops?: number
  bytes?: number
  /** How many times the work one run() does it (default 1) */
  per?: number
  /** Called when run() has warmed up */
  warm?(): void
  dispose?(): void
}

export interface Effort {
  quick: boolean
  peak: () => number
}

/** Past V8's tier-up: 50 ms, which is more than 200 calls of whatever is small, and 3 calls at least */
function warmUp(run: () => void): void {
  const start = performance.now()
  for (let calls = 0; calls < 3 || performance.now() - start < 50; calls++) run()
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Check, warm up, measure. @throws WrongResult before anything is timed */
export function measure(work: Work, { quick, peak }: Effort): Measured {
  work.check()
  warmUp(work.run)
  work.warm?.()
  const peaks = [peak()]
  const began = performance.now()
  const before = process.cpuUsage()
  const benchmark = new Benchmark({
    fn: work.run,
    async: false,
    // seconds: of one sample, short enough that some escape the machine's other work, and of all samples
    minTime: quick ? 0.002 : 0.005,
    maxTime: quick ? 0.06 : 0.6,
    minSamples: quick ? 3 : 8,
    onCycle: () => void peaks.push(peak()),
  })
  benchmark.run({ async: false })
  if (benchmark.error) throw benchmark.error
  const { user, system } = process.cpuUsage(before)
  const core = (user + system) / 1000 / (performance.now() - began)
  const per = work.per ?? 1
  const samples = (benchmark.stats.sample as number[]).map(seconds => (seconds * 1000) / per)
  return {
    ms: median(samples), best: Math.min(...samples), error: benchmark.stats.rme, samples: samples.length, peak: Math.max(...peaks), core,
    ...(work.flops !== undefined && { flops: work.flops }),
    ...(work.bytes !== undefined && { bytes: work.bytes }),
  }
}

/** The same summary of times taken otherwise, ms, perhaps while something else was measured */
export function summary(times: readonly number[], { peak, core } = { peak: 0, core: 1 }): Timing {
  const mean = times.reduce((a, b) => a + b, 0) / times.length
  const variance = times.reduce((a, b) => a + (b - mean) * (b - mean), 0) / Math.max(1, times.length - 1)
  const error = mean > 0 ? (100 * 1.96 * Math.sqrt(variance / times.length)) / mean : 0
  return { ms: median(times), best: Math.min(...times), error, samples: times.length, peak, core }
}

export const gflops = ({ flops, best }: Measured): number => (flops ?? 0) / best / 1e6
export const gbytes = ({ bytes, best }: Measured): number => (bytes ?? 0) / best / 1e6
/** Share of the peak */
export const share = (m: Measured): number => (m.peak > 0 ? gflops(m) / m.peak : 0)
