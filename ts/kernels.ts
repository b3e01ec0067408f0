// The backend: every kernel that a backend must offer, as a table of functions of plain numbers and buffers.
// The table says what is computed; packing, scratch memory, threads and fused passes live below it.

export { Activation, Binary, Reduce, Unary, Update } from '../assembly/codes.js'
import type { Activation, Binary, Reduce, Unary, Update } from '../assembly/codes.js'

/**
 * All kernels of a backend. `B` is a buffer: a byte address on WebAssembly, a handle elsewhere; 0 means "none" where a
 * comment allows it. Counts and strides are in elements. All tensors are contiguous and row-major, elements are float32
 * (float64 on reference64) unless the comment says int32. Sizes may be 0. Outputs come last and are overwritten; an
 * output may be the same buffer as an input of the same size only where "in place" is noted.
 */
export interface Kernels<B> {
  // ---- memory and layout ---------------------------------------------------------------------------------------------
  /** y[i] = value */
  fill(n: number, value: number, y: B): void
  /** y[i] = x[i], any element type */
  copy(n: number, x: B, y: B): void
  /**
   * Contiguous copy of a strided view: y[i0..i5] = x[offset + Σ i·s]; n0..n5 are the sizes of y, s0..s5 the strides in x
   * (0 repeats, negative flips). Any element type. permute, slice, flip, expand.
   */
  copyFrom(
    n0: number, n1: number, n2: number, n3: number, n4: number, n5: number,
    s0: number, s1: number, s2: number, s3: number, s4: number, s5: number, offset: number, x: B, y: B,
  ): void
  /**
   * The adjoint: y[offset + Σ i·s] = x[i0..i5], or += if accumulate is 1 (then strides may be 0: repeats add up, in
   * row-major order of x). Elements of y that no index reaches stay. Any element type without accumulate. cat, pad, gradients of slices.
   */
  copyTo(
    n0: number, n1: number, n2: number, n3: number, n4: number, n5: number,
    s0: number, s1: number, s2: number, s3: number, s4: number, s5: number, offset: number, accumulate: number, x: B, y: B,
  ): void
  /** y int32 = x truncated toward zero; NaN gives 0, values beyond int32 saturate */
  toInt(n: number, x: B, y: B): void
  /** y float = x int32 */
  toFloat(n: number, x: B, y: B): void
  /** y[o,j,i] = x[o, index[o,j,i], i]; x [outer, n, inner], index int32 and y [outer, m, inner]. An index out of range gives NaN. */
  gather(outer: number, n: number, m: number, inner: number, x: B, index: B, y: B): void
  /** y[o, index[o,j,i], i] += g[o,j,i], y [outer, n, inner] is cleared first. Indices out of range are skipped. */
  scatterAdd(outer: number, n: number, m: number, inner: number, g: B, index: B, y: B): void
  /** y[o,j,i] = x[o, index[j], i]; index int32 [m] */
  indexSelect(outer: number, n: number, m: number, inner: number, x: B, index: B, y: B): void
  /** y[o, index[j], i] += g[o,j,i], y is cleared first */
  indexAdd(outer: number, n: number, m: number, inner: number, g: B, index: B, y: B): void
  /** y[i, c] = index[i] == c ? 1 : 0; y [n, classes] */
  oneHot(n: number, classes: number, index: B, y: B): void

  // ---- elementwise ---------------------------------------------------------------------------------------------------
  /** y[i] = f(x[i]) with attributes a and b. In place allowed. NaN in, NaN out (sign, floor too). */
  unary(f: Unary, n: number, a: number, b: number, x: B, y: B): void
  /**
   * out[i] = g[i] f'(x[i]), where y = f(x). Kinks as in PyTorch: relu'(0) = 0, abs'(0) = 0, leakyRelu'(0) = a, elu'(0) = a,
   * clamp' = 1 on both bounds; where x is NaN: relu g, leakyRelu a g, abs and clamp 0. In place allowed with g.
   */
  unaryGrad(f: Unary, n: number, a: number, b: number, x: B, y: B, g: B, out: B): void
  /**
   * y[i0..i3] = f(a[Σ i·sa], b[Σ i·sb]): n0..n3 sizes of y, then the strides of a and of b (0 where broadcast).
   * In place allowed with an operand that is not broadcast. 0 * NaN and the like follow IEEE; pow(x, 0) = 1.
   */
  binary(
    f: Binary, n0: number, n1: number, n2: number, n3: number, a0: number, a1: number, a2: number, a3: number,
    b0: number, b1: number, b2: number, b3: number, a: B, b: B, y: B,
  ): void
  /** y = c != 0 ? a : b, with strides as in binary. A branch not taken leaks nothing. */
  where(
    n0: number, n1: number, n2: number, n3: number, c0: number, c1: number, c2: number, c3: number,
    a0: number, a1: number, a2: number, a3: number, b0: number, b1: number, b2: number, b3: number, c: B, a: B, b: B, y: B,
  ): void
  /** y[i] = a x[i] + b y[i]; b = 0 ignores what y holds. y in place. */
  axpby(n: number, a: number, x: B, b: number, y: B): void

  // ---- reductions of [outer, n, inner] to [outer, inner] ---------------------------------------------------------------
  /** Sums run in several partial sums or float64 (a running float32 sum over thousands is too coarse). n = 0: sum 0, prod 1, mean NaN, max -inf, min inf. */
  reduce(f: Reduce, outer: number, n: number, inner: number, x: B, y: B): void
  /** Index int32 of the largest (sign = 1) or smallest (sign = -1) element, the first at ties; NaN counts as the extreme. n ≥ 1. */
  argReduce(sign: number, outer: number, n: number, inner: number, x: B, y: B): void
  /** Mean and sum of squared deviations Σ (x - mean)², two passes: E[x²] - E[x]² cancels. */
  moments(outer: number, n: number, inner: number, x: B, mean: B, squares: B): void
  /** log Σ exp x, shifted by the maximum; -inf for n = 0 or all -inf, inf if one is inf */
  logSumExp(outer: number, n: number, inner: number, x: B, y: B): void
  /** Running sums along n, backwards if reverse is 1 */
  cumsum(outer: number, n: number, inner: number, reverse: number, x: B, y: B): void

  // ---- softmax and cross-entropy -------------------------------------------------------------------------------------
  /** y = exp(x - max) / Σ exp(x - max) along n */
  softmax(outer: number, n: number, inner: number, x: B, y: B): void
  /** out = y (g - Σ g y) */
  softmaxGrad(outer: number, n: number, inner: number, y: B, g: B, out: B): void
  /** y = x - logSumExp(x) along n */
  logSoftmax(outer: number, n: number, inner: number, x: B, y: B): void
  /** out = g - exp(y) Σ g */
  logSoftmaxGrad(outer: number, n: number, inner: number, y: B, g: B, out: B): void
  /**
   * Cross-entropy of logits x [n, c, inner] with int32 targets [n, inner]. With lp = logSoftmax(x) over c, t the target,
   * e = smoothing, w = weight [c] or 1 (0): loss = (1-e)(-w[t] lp[t]) + (e/c) Σ_j (-w[j] lp[j]).
   * Outputs: exps [n, c, inner] = exp(x − max x), unless it is 0; [n, inner]: loss, sums = Σ exp(x − max x), used = w[t]; for t = ignore
   * loss 0 and used 0.
   * Returns the position of the first target outside 0..c-1 (its loss is NaN), else -1 (a backend that can't tell returns -1).
   */
  crossEntropy(
    n: number, c: number, inner: number, ignore: number, smoothing: number, x: B, target: B, weight: B, loss: B, sums: B, used: B, exps: B,
  ): number
  /**
   * out [n, c, inner] = g · dloss/dx, g [n, inner]; 0 where ignored. The probabilities are exps / sums, of the forward kernel. (Made of x and
   * its logSumExp they would be too coarse: ulp 6e-5 at 1000.)
   */
  crossEntropyGrad(
    n: number, c: number, inner: number, ignore: number, smoothing: number, exps: B, target: B, weight: B, sums: B, g: B, out: B,
  ): void

  // ---- matrix products -----------------------------------------------------------------------------------------------
  /**
   * c_i = activation(alpha op(a_i) op(b_i) + beta c_i + bias) for i < batch, c [m, n]; op(a) [m, k] is stored [k, m] if
   * transA is 1, op(b) [k, n] is stored [n, k] if transB is 1. strideA, strideB, strideC: elements between matrices (0 repeats a or b).
   * beta = 0 ignores what c holds; k = 0 gives beta c + bias. bias [n] or 0.
   */
  gemm(
    batch: number, transA: number, transB: number, m: number, n: number, k: number, alpha: number, a: B, strideA: number,
    b: B, strideB: number, beta: number, c: B, strideC: number, bias: B, activation: Activation,
  ): void

  // ---- convolution (cross-correlation), 1-d and 2-d with leading sizes 1 ----------------------------------------------------
  /**
   * y[n,o,z] = activation(bias[o] + Σ_{c,u} x[n, c, z·s + u·d − p] w[o, c, u]) over the c/groups channels of o's group, zeros outside.
   * x [n, c, id, ih, iw], w [o, c/groups, kd, kh, kw], y [n, o, od, oh, ow]; p is the padding before (what the output
   * reads beyond the end is zero, so asymmetric padding needs no more). bias [o] or 0. filters: what the backend's
   * makeFilters() made of w, or 0: the same bits, but sooner.
   */
  conv(
    n: number, c: number, o: number, groups: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number,
    od: number, oh: number, ow: number, sd: number, sh: number, sw: number, pd: number, ph: number, pw: number,
    dd: number, dh: number, dw: number, x: B, w: B, filters: B, bias: B, activation: Activation, y: B,
  ): void
  /** gx = gradient of conv with respect to x, given g = dL/dy (no activation); also the forward of a transposed convolution */
  convGradInput(
    n: number, c: number, o: number, groups: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number,
    od: number, oh: number, ow: number, sd: number, sh: number, sw: number, pd: number, ph: number, pw: number,
    dd: number, dh: number, dw: number, g: B, w: B, gx: B,
  ): void
  /** gw = gradient of conv with respect to w */
  convGradWeight(
    n: number, c: number, o: number, groups: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number,
    od: number, oh: number, ow: number, sd: number, sh: number, sw: number, pd: number, ph: number, pw: number,
    dd: number, dh: number, dw: number, x: B, g: B, gw: B,
  ): void

  // ---- pooling; planes = n · c ---------------------------------------------------------------------------------------
  /**
   * y = maximum over each window; cells outside count as -inf; NaN wins; winners int32 = index of the first maximum
   * within its plane of id·ih·iw (row-major window order), or -1 for a window without cells. With relu = 1 a y below 0 is 0,
   * and winners are -1 where the maximum is not above 0 (but NaN): those pass no gradient on.
   */
  maxPool(
    planes: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number, od: number, oh: number, ow: number,
    sd: number, sh: number, sw: number, pd: number, ph: number, pw: number, dd: number, dh: number, dw: number, relu: number,
    x: B, y: B, winners: B,
  ): void
  /** out[p, winners[p, j]] += g[p, j], out [planes, inSize] is cleared first; winners < 0 are skipped */
  maxPoolGrad(planes: number, inSize: number, outSize: number, g: B, winners: B, out: B): void
  /** y[p, j] = x[p, winners[p, j]] (0 for winners < 0): the adjoint of maxPoolGrad */
  pickWinners(planes: number, inSize: number, outSize: number, x: B, winners: B, y: B): void
  /**
   * y = sum over the window's real cells / divisor; divisor = `divisor` if not 0, else the cells of the window clipped to
   * the padded extent [−p, size + after) (countPad = 1; after = ad, ah, aw: the padding behind) or to the real input (countPad = 0).
   */
  avgPool(
    planes: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number, od: number, oh: number, ow: number,
    sd: number, sh: number, sw: number, pd: number, ph: number, pw: number, ad: number, ah: number, aw: number,
    countPad: number, divisor: number, x: B, y: B,
  ): void
  /** out [planes, id·ih·iw] = gradient of avgPool given g = dL/dy */
  avgPoolGrad(
    planes: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number, od: number, oh: number, ow: number,
    sd: number, sh: number, sw: number, pd: number, ph: number, pw: number, ad: number, ah: number, aw: number,
    countPad: number, divisor: number, g: B, out: B,
  ): void

  // ---- batch normalisation; x [n, c, inner], statistics [c] -------------------------------------------------------------
  /** mean and biased variance of each channel over n and inner, two passes */
  channelMoments(n: number, c: number, inner: number, x: B, mean: B, variance: B): void
  /** y = (x − mean) / sqrt(variance + eps) · weight + bias; weight and bias [c] or 0 */
  batchNorm(n: number, c: number, inner: number, eps: number, x: B, mean: B, variance: B, weight: B, bias: B, y: B): void
  /**
   * Gradients of batchNorm; with training = 1 mean and variance are functions of x (channelMoments), else constants.
   * gx [n, c, inner], gweight [c], gbias [c]; each may be 0: not wanted.
   */
  batchNormGrad(
    n: number, c: number, inner: number, eps: number, training: number, x: B, mean: B, variance: B, weight: B, g: B,
    gx: B, gweight: B, gbias: B,
  ): void
  /** running = (1 − f) running + f batch, f = scalars[0] (float64); the variance is multiplied by `unbias` = m/(m−1) first */
  updateRunning(c: number, unbias: number, scalars: B, mean: B, variance: B, runningMean: B, runningVariance: B): void

  // ---- random numbers: Philox 4x32-10 (ts/random.ts); state = 4 int32 words: key low, key high, counter low, counter high ----
  /**
   * y[i] = low + (high − low) u, u = (word >>> 8) / 2²⁴ in float32 arithmetic. Element i takes word i mod 4 of block counter + ⌊i/4⌋;
   * afterwards the counter has moved on by ⌈n/4⌉. The same bits on every backend.
   */
  uniform(n: number, low: number, high: number, state: B, y: B): void
  /**
   * Normal numbers by Box-Muller in float64 (log, sin and cos as in ts/numerics.ts, so the bits agree between backends), rounded at
   * the end: words a, b of a block give u = (a + 1) / 2³², v = b / 2³² and elements mean + std sqrt(−2 ln u) {cos 2πv, sin 2πv}; counter as in uniform.
   */
  normal(n: number, mean: number, std: number, state: B, y: B): void
  /** y[i] = u ≥ p ? scale : 0 with u as in uniform(0, 1) */
  bernoulli(n: number, p: number, scale: number, state: B, y: B): void

  // ---- optimizers ----------------------------------------------------------------------------------------------------
  /**
   * One pass over w, g and the state buffers (0 where unused). `scalars` are float64 values, so that a captured step sees
   * them change; arithmetic per element is in the backend's float.
   * sgd   scalars lr, weightDecay, decay, gain, momentum, nesterov (0/1):
   *       g += weightDecay w; if s1: s1 = decay s1 + gain g, g = nesterov ? g + momentum s1 : s1; w −= lr g
   * adam  scalars stepSize, beta1, beta2, eps, rootCorrection, weightDecay, shrink, gradStep:
   *       w ·= shrink; g += weightDecay w; s1 = beta1 s1 + (1−beta1) g; s2 = beta2 s2 + (1−beta2) g²; v = s3 ? (s3 = max(s3, s2)) : s2;
   *       w −= (stepSize s1 + gradStep g) / (sqrt(v) / rootCorrection + eps)
   * rms   scalars lr, decay, gain, eps, weightDecay, momentum:
   *       g += weightDecay w; s1 = decay s1 + gain g²; v = s2 ? (s2 = decay s2 + gain g, s1 − s2²) : s1; g /= sqrt(v) + eps;
   *       if s3: g = s3 = momentum s3 + g; w −= lr g
   * adadelta  scalars lr, rho, eps, weightDecay:
   *       g += weightDecay w; s1 = rho s1 + (1−rho) g²; d = sqrt(s2 + eps) / sqrt(s1 + eps) g; s2 = rho s2 + (1−rho) d²; w −= lr d
   * adamax    scalars stepSize, beta1, beta2, eps, weightDecay:
   *       g += weightDecay w; s1 = beta1 s1 + (1−beta1) g; s2 = max(beta2 s2, |g| + eps); w −= stepSize s1 / s2
   * rprop     scalars shrink, grow, smallest, largest:
   *       s1 = s1 · (g s2 > 0 ? grow : g s2 < 0 ? shrink : 1), kept in smallest..largest; where g s2 < 0: g = 0; w −= sign(g) s1; s2 = g
   * lion      scalars lr, beta1, beta2, shrink:
   *       w ·= shrink; w −= lr sign(beta1 s1 + (1−beta1) g); s1 = beta2 s1 + (1−beta2) g
   * 1 − beta and the like are taken in float64: in float32 1 − 0.999 is wrong by 5e-5.
   */
  update(f: Update, n: number, scalars: B, w: B, g: B, s1: B, s2: B, s3: B): void

  // ---- checks --------------------------------------------------------------------------------------------------------
  /** Index of the first NaN or infinity, else -1 (a backend that can't tell returns -1) */
  firstNonFinite(n: number, x: B): number
}

/** Number of float64 values in an optimizer's or a running average's block of scalars. */
export const SCALARS = 8

export type DType = 'float32' | 'int32'

/** What a backend is: its kernels and the linear memory that their addresses name. */
export interface Backend {
  /** meta has shapes but computes nothing */
  readonly name: 'wasm' | 'reference' | 'reference64' | 'meta'
  /** The variant in use, for info(): 'simd' or 'relaxed' on wasm, 'float32' or 'float64' on the references */
  readonly variant: string
  /** Bytes of one element of a tensor: 4, or 8 on reference64, which stores int32 elements as whole numbers in float64. */
  readonly width: number
  /** Replaced by a recording table while a step is captured */
  kernels: Kernels<number>
  /** Bytes reserved so far */
  readonly bytes: number
  /** Bytes of linear memory, which holds what is reserved, the kernels' own data and scratch, and what was grown ahead */
  readonly total: number
  /** The most bytes that it could have, whatever the limit */
  readonly most: number
  /**
   * For arenas: reserve bytes (a multiple of 64) at the end of the memory and return their address, a multiple of 64 and never 0.
   * The memory never grows beyond the limit (memoryLimit() of arena.ts). Throws RangeError when there is no more.
   */
  reserve(bytes: number): number
  /** A copy of n elements */
  read(address: number, n: number, dtype: DType): Float32Array | Float64Array | Int32Array
  /** One element */
  readOne(address: number, dtype: DType): number
  write(address: number, values: ArrayLike<number>, dtype: DType): void
  /** float64 values of a block of scalars */
  writeScalars(address: number, values: readonly number[]): void
  /** How many elements makeFilters() would write for conv of these sizes (its first 22 arguments); 0 where it isn't worth while */
  filterCount(...sizes: number[]): number
  /** Write w in the form in which conv of these sizes computes with it to `filters`: arguments are sizes, w, filters */
  makeFilters(...numbers: number[]): void
  /** Raw int32 words: the state of a random generator */
  readWords(address: number, n: number): Int32Array
  writeWords(address: number, words: ArrayLike<number>): void
}
