// The ceiling C of the benchmarks: multiply-adds that never leave the registers. Compiled by asc for the benchmark alone.
// @ts-nocheck: AssemblyScript, which tsc doesn't know

/** Floating-point operations of one round: 4 unrolled steps of 12 vectors, 4 lanes, a multiplication and an addition each. */
export const OPERATIONS: i32 = 384

/**
 * Runs `rounds` rounds. 12 chains hide the latency of 3 + 3 cycles on two multipliers and two adders; with the two constants they
 * take 14 of the 15 vector registers that V8 gives out. All chains tend to 1, so no operand is ever denormal.
 */
export function run(rounds: i32): f32 {
  const m = f32x4.splat(0.75)
  const c = f32x4.splat(0.25)
  let a = f32x4.splat(0.5), b = f32x4.splat(0.6), d = f32x4.splat(0.7), e = f32x4.splat(0.8)
  let f = f32x4.splat(0.9), g = f32x4.splat(1.1), h = f32x4.splat(1.2), i = f32x4.splat(1.3)
  let j = f32x4.splat(1.4), k = f32x4.splat(1.5), l = f32x4.splat(1.6), n = f32x4.splat(1.7)
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < 4; step++) {
      a = f32x4.add(f32x4.mul(a, m), c)
      b = f32x4.add(f32x4.mul(b, m), c)
      d = f32x4.add(f32x4.mul(d, m), c)
      e = f32x4.add(f32x4.mul(e, m), c)
      f = f32x4.add(f32x4.mul(f, m), c)
      g = f32x4.add(f32x4.mul(g, m), c)
      h = f32x4.add(f32x4.mul(h, m), c)
      i = f32x4.add(f32x4.mul(i, m), c)
      j = f32x4.add(f32x4.mul(j, m), c)
      k = f32x4.add(f32x4.mul(k, m), c)
      l = f32x4.add(f32x4.mul(l, m), c)
      n = f32x4.add(f32x4.mul(n, m), c)
    }
  }
  const all = f32x4.add(
    f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(d, e)), f32x4.add(f32x4.add(f, g), f32x4.add(h, i))),
    f32x4.add(f32x4.add(j, k), f32x4.add(l, n)),
  )
  return f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3)
}
