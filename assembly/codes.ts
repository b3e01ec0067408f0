// The numbers by which kernels name a formula. One file for both compilers: AssemblyScript and TypeScript import it.

/** y = f(x) with up to two real attributes a and b. 30 codes at most: see assembly/formulas.ts. */
export enum Unary {
  affine, // a x + b
  abs,
  exp,
  log,
  log1p,
  sqrt,
  rsqrt,
  square,
  sin,
  cos,
  tanh,
  sigmoid,
  relu,
  leakyRelu, // x > 0 ? x : a x
  elu, // x > 0 ? x : a (e^x - 1)
  gelu, // x/2 (1 + erf(x / sqrt 2))
  geluTanh, // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  silu, // x sigmoid(x)
  softplus, // a x > b ? x : log1p(e^(a x)) / a
  sign,
  floor,
  reciprocal,
  clamp, // min(max(x, a), b)
  power, // x^a
  erf, // 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x
}

/** y = f(a, b). Comparisons give 0 or 1. */
export enum Binary {
  add,
  sub,
  mul,
  div,
  pow,
  maximum, // NaN wins
  minimum, // NaN wins
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
}

/** Reductions of the middle dimension of [outer, n, inner]. */
export enum Reduce {
  sum,
  mean,
  max, // NaN wins
  min, // NaN wins
  prod,
  sumAbs,
  sumSquares,
}

/** Activation fused into a matrix product or a convolution. */
export enum Activation {
  none,
  relu,
  tanh,
  sigmoid,
}

/** Parameter updates; the formulas stand at `update` in ts/kernels.ts. */
export enum Update {
  sgd,
  adam, // also AdamW, NAdam, RAdam
  rms, // Adagrad, RMSprop
  adadelta,
  adamax,
  rprop,
  lion,
}
