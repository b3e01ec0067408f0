// The ceiling C of the benchmarks: multiply-adds that never leave the registers. Compiled by asc for the benchmark alone.
// @ts-nocheck: AssemblyScript, which tsc doesn't know

/** Floating-point operations of one round: 14 vectors, 4 lanes, a multiplication and an addition each. */
export const OPERATIONS: i32 = 112

/**
 * Runs `rounds` rounds of a = a / 2 + 1 / 2. 14 chains hide the latency of 3 + 3 cycles on two multipliers and two adders with room for the
 * processor's choice of order (of a limit of 59 GFLOP/s 12 chains reach 47 or 51, 13 reach 57, 14 reach 59); with one constant they take
 * the 15 vector registers that V8 gives out. All chains tend to 1: no operand is ever denormal.
 */
@inline
function chains(rounds: i32, half: v128): f32 {
  let a = f32x4.splat(0.5), b = f32x4.splat(0.6), c = f32x4.splat(0.7), d = f32x4.splat(0.8)
  let e = f32x4.splat(0.9), f = f32x4.splat(1.1), g = f32x4.splat(1.2), h = f32x4.splat(1.3)
  let i = f32x4.splat(1.4), j = f32x4.splat(1.5), k = f32x4.splat(1.6), l = f32x4.splat(1.7)
  let m = f32x4.splat(1.8), n = f32x4.splat(1.9)
  for (let round = 0; round < rounds; round++) {
    a = f32x4.add(f32x4.mul(a, half), half)
    b = f32x4.add(f32x4.mul(b, half), half)
    c = f32x4.add(f32x4.mul(c, half), half)
    d = f32x4.add(f32x4.mul(d, half), half)
    e = f32x4.add(f32x4.mul(e, half), half)
    f = f32x4.add(f32x4.mul(f, half), half)
    g = f32x4.add(f32x4.mul(g, half), half)
    h = f32x4.add(f32x4.mul(h, half), half)
    i = f32x4.add(f32x4.mul(i, half), half)
    j = f32x4.add(f32x4.mul(j, half), half)
    k = f32x4.add(f32x4.mul(k, half), half)
    l = f32x4.add(f32x4.mul(l, half), half)
    m = f32x4.add(f32x4.mul(m, half), half)
    n = f32x4.add(f32x4.mul(n, half), half)
  }
  const all = f32x4.add(
    f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h))),
    f32x4.add(f32x4.add(f32x4.add(i, j), f32x4.add(k, l)), f32x4.add(m, n)),
  )
  return f32x4.extract_lane(all, 0) + f32x4.extract_lane(all, 1) + f32x4.extract_lane(all, 2) + f32x4.extract_lane(all, 3)
}

// V8 13.6 builds a constant anew at each use, a fifth of the speed; V8 11.3 keeps it, and takes a third longer for an argument
export function constant(rounds: i32): f32 {
  return chains(rounds, f32x4.splat(0.5))
}

export function argument(rounds: i32, half: f32): f32 {
  return chains(rounds, f32x4.splat(half))
}
