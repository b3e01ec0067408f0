// The cases of the kernel tests for convolution and pooling: strides, padding on either side, dilation, groups, 1-d to 3-d.

import { Activation } from '../../ts/kernels.js'
import { codes, Draw, input, ints, one, output, outputInts, type Cases } from './operands.js'
import type { Tolerance } from './run.js'

interface Shape {
  n?: number
  c: number
  o: number
  groups?: number
  /** Sizes of one, two or three dimensions, in the order d, h, w */
  size: number[]
  kernel: number[]
  stride?: number[]
  before?: number[]
  after?: number[]
  dilation?: number[]
}

const three = (list: number[] = [], filler: number) => [...Array<number>(3 - list.length).fill(filler), ...list]

/** The 19 numbers between channels and buffers: sizes, kernel, outputs, strides, padding, dilation */
function windowSizes(q: Omit<Shape, 'c' | 'o'>) {
  const [size, kernel, stride, before, dilation] =
    [three(q.size, 1), three(q.kernel, 1), three(q.stride, 1), three(q.before, 0), three(q.dilation, 1)]
  const after = three(q.after ?? q.before, 0)
  const out = size.map((s, i) => Math.floor((s + before[i]! + after[i]! - dilation[i]! * (kernel[i]! - 1) - 1) / stride[i]!) + 1)
  const what = `${q.size} by ${q.kernel}${q.stride ? ` stride ${q.stride}` : ''}` +
    `${q.before || q.after ? ` padding ${before}/${after}` : ''}${q.dilation ? ` dilation ${q.dilation}` : ''}`
  return { size, kernel, out, stride, before, after, dilation, what }
}

const CONVOLUTIONS: Shape[] = [
  // one cell, one column, awkward maps
  { c: 1, o: 1, size: [1, 1], kernel: [1, 1] },
  { c: 1, o: 1, size: [5, 5], kernel: [3, 3] },
  { n: 0, c: 2, o: 3, size: [5, 5], kernel: [3, 3] },
  { n: 2, c: 3, o: 5, size: [7, 9], kernel: [3, 3], before: [1, 1] },
  { n: 3, c: 5, o: 7, size: [13, 11], kernel: [3, 3], before: [1, 1] },
  { n: 1, c: 4, o: 8, size: [33, 17], kernel: [3, 3], before: [1, 1] },
  { n: 5, c: 2, o: 3, size: [4, 3], kernel: [3, 3], before: [1, 1] },
  // stride 1, maps of 4, 8, 14, 16 columns
  { n: 4, c: 16, o: 16, size: [8, 8], kernel: [3, 3], before: [1, 1] },
  { n: 2, c: 33, o: 34, size: [16, 16], kernel: [3, 3], before: [1, 1] },
  { n: 1, c: 70, o: 65, size: [6, 6], kernel: [3, 3], before: [1, 1] },
  { n: 1, c: 40, o: 35, size: [18, 7], kernel: [3, 3], before: [0, 2] },
  { n: 3, c: 32, o: 48, size: [9, 13], kernel: [3, 3], before: [1, 0], after: [2, 1] },
  { n: 2, c: 6, o: 16, size: [14, 14], kernel: [5, 5] },
  { n: 3, c: 1, o: 6, size: [28, 28], kernel: [5, 5], before: [2, 2] },
  { n: 6, c: 3, o: 4, size: [12, 12], kernel: [3, 3] },
  { n: 2, c: 3, o: 5, size: [10, 12], kernel: [2, 4], before: [1, 2] },
  { n: 2, c: 3, o: 2, size: [9, 15], kernel: [1, 5], before: [0, 2] },
  { n: 2, c: 3, o: 2, size: [15, 9], kernel: [7, 1], before: [3, 0] },
  // 1 × 1, and a kernel as large as the image
  { n: 3, c: 17, o: 9, size: [7, 5], kernel: [1, 1] },
  { n: 2, c: 300, o: 4, size: [3, 3], kernel: [1, 1] },
  { n: 2, c: 4, o: 5, size: [9, 9], kernel: [1, 1], stride: [2, 2] },
  { n: 5, c: 3, o: 7, size: [6, 4], kernel: [6, 4] },
  // strides
  { n: 2, c: 3, o: 4, size: [9, 11], kernel: [3, 3], stride: [2, 2], before: [1, 1] },
  { n: 2, c: 3, o: 8, size: [32, 32], kernel: [3, 3], stride: [2, 2], before: [1, 1] },
  { n: 1, c: 3, o: 4, size: [23, 23], kernel: [7, 7], stride: [2, 2], before: [3, 3] },
  { n: 2, c: 2, o: 3, size: [11, 13], kernel: [2, 3], stride: [3, 4] },
  { n: 2, c: 2, o: 3, size: [12, 12], kernel: [2, 2], stride: [5, 1], before: [1, 0] },
  { n: 2, c: 2, o: 3, size: [8, 9], kernel: [3, 3], stride: [1, 2], before: [2, 1] },
  // padding: wide, one-sided, beyond the end, cropping of the last rows
  { n: 2, c: 2, o: 3, size: [4, 4], kernel: [3, 3], before: [3, 4] },
  { n: 2, c: 2, o: 3, size: [5, 6], kernel: [2, 2], before: [0, 0], after: [1, 1] },
  { n: 2, c: 2, o: 3, size: [5, 6], kernel: [4, 4], before: [1, 2], after: [2, 1] },
  { n: 2, c: 2, o: 3, size: [8, 8], kernel: [3, 3], before: [2, 0], after: [-2, 1] },
  // dilation
  { n: 2, c: 3, o: 4, size: [9, 10], kernel: [3, 3], dilation: [2, 2], before: [2, 2] },
  { n: 1, c: 2, o: 3, size: [13, 8], kernel: [3, 2], dilation: [3, 4], before: [1, 2], stride: [2, 1] },
  // groups
  { n: 2, c: 4, o: 6, groups: 2, size: [7, 8], kernel: [3, 3], before: [1, 1] },
  { n: 2, c: 6, o: 3, groups: 3, size: [8, 8], kernel: [2, 3], stride: [2, 1] },
  { n: 2, c: 5, o: 5, groups: 5, size: [9, 9], kernel: [3, 3], before: [1, 1] },
  { n: 2, c: 8, o: 8, groups: 8, size: [16, 16], kernel: [3, 3], before: [1, 1], stride: [2, 2] },
  { n: 1, c: 4, o: 12, groups: 4, size: [8, 12], kernel: [5, 3], before: [2, 1], dilation: [1, 2] },
  // depthwise, several outputs of a channel, padding cut off, a map of 4 and of 66 columns
  { n: 3, c: 3, o: 6, groups: 3, size: [5, 6], kernel: [3, 3], before: [1, 1] },
  { n: 2, c: 6, o: 3, groups: 3, size: [9, 6], kernel: [3, 3], before: [1, 0] },
  { n: 2, c: 4, o: 8, groups: 4, size: [7, 10], kernel: [3, 3], stride: [3, 2], before: [0, 2], after: [1, -1] },
  { n: 1, c: 2, o: 2, groups: 2, size: [6, 66], kernel: [3, 3] },
  { n: 2, c: 3, o: 3, groups: 3, size: [8, 7], kernel: [3, 3], stride: [2, 1], before: [-1, 1], after: [1, 2] },
  // one dimension
  { n: 3, c: 4, o: 5, size: [33], kernel: [3], before: [1] },
  { n: 2, c: 1, o: 1, size: [17], kernel: [5], stride: [2] },
  { n: 2, c: 6, o: 4, groups: 2, size: [20], kernel: [4], dilation: [3], before: [4], stride: [3] },
  { n: 4, c: 3, o: 8, size: [64], kernel: [7], before: [3] },
  // eight images at once, and some left over
  { n: 8, c: 4, o: 3, size: [6, 7], kernel: [3, 3] },
  { n: 17, c: 6, o: 16, size: [14, 14], kernel: [5, 5] },
  { n: 9, c: 5, o: 7, size: [5, 3], kernel: [3, 2], before: [1, 1] },
  { n: 10, c: 1, o: 6, size: [7, 9], kernel: [3, 3], before: [2, 0] },
  { n: 8, c: 3, o: 4, size: [2, 3], kernel: [2, 3], before: [3, 4] },
  { n: 16, c: 9, o: 10, size: [9, 11], kernel: [5, 3], stride: [2, 3], before: [2, 1] },
  { n: 8, c: 4, o: 4, size: [10, 13], kernel: [2, 2], stride: [3, 5], before: [1, 0] },
  { n: 11, c: 6, o: 11, size: [13, 9], kernel: [3, 3], dilation: [2, 3], before: [2, 3] },
  { n: 8, c: 6, o: 6, size: [12, 9], kernel: [3, 3], dilation: [2, 1], stride: [1, 2] },
  { n: 8, c: 80, o: 21, size: [5, 6], kernel: [3, 3], stride: [2, 2], before: [1, 1] },
  { n: 8, c: 12, o: 24, size: [33, 33], kernel: [3, 3], stride: [2, 2], before: [1, 1] },
  { n: 8, c: 6, o: 5, size: [9, 9], kernel: [3, 3], before: [1, 1] },
  { n: 8, c: 8, o: 9, size: [40], kernel: [4], stride: [3], before: [2] },
  { n: 8, c: 4, o: 6, size: [7, 8], kernel: [3, 3], before: [2, 0], after: [-2, 1] },
  { n: 9, c: 3, o: 8, size: [7, 9], kernel: [3, 3], before: [1, 1] },
  // windows over three cells of a row beside padding
  { n: 9, c: 3, o: 3, size: [4, 4], kernel: [3, 4], stride: [1, 3], before: [1, 1] },
  // three dimensions
  { n: 2, c: 2, o: 3, size: [4, 5, 6], kernel: [2, 3, 3], before: [0, 1, 1] },
  { n: 1, c: 3, o: 4, size: [5, 7, 9], kernel: [3, 3, 3], stride: [2, 1, 2], before: [1, 1, 1] },
  { n: 2, c: 4, o: 4, groups: 4, size: [4, 4, 8], kernel: [3, 3, 3], before: [1, 1, 1], dilation: [1, 1, 2] },
  { n: 1, c: 1, o: 2, size: [3, 5, 5], kernel: [3, 5, 5] },
]

export function convolution(q: Shape, d: Draw) {
  const { n = 1, c, o, groups = 1 } = q
  const s = windowSizes(q)
  const product = (list: number[]) => list.reduce((a, b) => a * b)
  const sizes = { x: n * c * product(s.size), w: (o * c * product(s.kernel)) / groups, y: n * o * product(s.out) }
  return {
    sizes,
    terms: product(s.kernel) * (c / groups),
    what: `${n}×${c} to ${o}${groups > 1 ? ` in ${groups} groups` : ''}, ${s.what}`,
    numbers: [n, c, o, groups, ...s.size, ...s.kernel, ...s.out, ...s.stride, ...s.before, ...s.dilation],
    x: () => d.normal(sizes.x),
    w: () => d.normal(sizes.w),
    outputs: n * product(s.out),
    unlike: s.kernel.join() === '1,3,3' && c * o >= 1024,
  }
}
/**
 * The terms are products of normal numbers: a running float32 sum is off by some 2e-8 terms (one standard deviation). 3 × 3
 * kernels between many channels may be `unlike` a sum: Winograd's transforms add and subtract numbers larger than the result,
 * and test/winograd.ts grants them 5e-6 √channels of the results' root mean square, which is √terms.
 */
const tolerance = (terms: number, unlike = false): Tolerance => ({ relative: 1e-6, absolute: 1e-6 + (unlike ? 1.7e-6 : 2e-7) * terms })

export function* conv(d: Draw): Cases {
  for (const q of CONVOLUTIONS) {
    const { what, numbers, x, w, sizes, terms, unlike } = convolution(q, d)
    for (const bias of [false, true]) {
      const activation = bias ? d.pick(codes(Activation) as Activation[]) : Activation.none
      const args = [...numbers, input(x()), input(w()), 0, bias ? input(d.normal(q.o)) : 0, activation, output(sizes.y)]
      yield one(`${what}${bias ? ` bias ${Activation[activation]}` : ''}`, args, tolerance(terms, unlike))
    }
  }
  const { numbers, x, w, sizes } = convolution({ n: 2, c: 3, o: 5, size: [9, 8], kernel: [5, 5], before: [2, 2] }, d)
  for (const activation of codes(Activation) as Activation[]) {
    const args = [...numbers, input(x()), input(w()), 0, input(d.normal(5)), activation, output(sizes.y)]
    yield one(Activation[activation]!, args, tolerance(75))
  }
  // a NaN in a corner reaches the windows that see it, and nothing else
  const spoilt = x()
  spoilt[7] = NaN
  yield one('NaN in a corner', [...numbers, input(spoilt), input(w()), 0, 0, Activation.relu, output(sizes.y)], tolerance(75))
}

export function* convGradInput(d: Draw): Cases {
  for (const q of CONVOLUTIONS) {
    const { what, numbers, w, sizes, terms, unlike } = convolution(q, d)
    yield one(what, [...numbers, input(d.normal(sizes.y)), input(w()), output(sizes.x)], tolerance((terms * q.o) / q.c, unlike))
  }
}

export function* convGradWeight(d: Draw): Cases {
  for (const q of CONVOLUTIONS) {
    const { what, numbers, x, sizes, outputs, unlike } = convolution(q, d)
    yield one(what, [...numbers, input(x()), input(d.normal(sizes.y)), output(sizes.w)], tolerance(outputs, unlike))
  }
}

// ---- pooling -------------------------------------------------------------------------------------------------------------------

type Pool = Omit<Shape, 'c' | 'o' | 'groups'>
const POOLS: Pool[] = [
  { size: [1, 1], kernel: [1, 1] },
  { n: 0, size: [4, 4], kernel: [2, 2], stride: [2, 2] },
  { n: 5, size: [8, 8], kernel: [2, 2], stride: [2, 2] },
  { n: 3, size: [28, 28], kernel: [2, 2], stride: [2, 2] },
  { n: 2, size: [10, 10], kernel: [2, 2], stride: [2, 2] },
  { n: 2, size: [7, 9], kernel: [2, 2], stride: [2, 2] },
  { n: 2, size: [5, 66], kernel: [2, 2], stride: [2, 2] },
  { n: 3, size: [7, 6], kernel: [3, 3], stride: [2, 2] },
  { n: 2, size: [9, 17], kernel: [3, 3], before: [1, 1] },
  { n: 2, size: [8, 16], kernel: [3, 3], stride: [2, 2], before: [1, 1] },
  { n: 2, size: [6, 7], kernel: [3, 3], stride: [2, 2], before: [1, 1], after: [2, 2] },
  { n: 2, size: [7, 7], kernel: [2, 2], stride: [2, 2], after: [1, 1] },
  { n: 2, size: [11, 5], kernel: [4, 2], stride: [3, 1], before: [2, 1] },
  { n: 4, size: [5, 5], kernel: [5, 5] },
  { n: 3, size: [4, 33], kernel: [1, 3], before: [0, 1] },
  { n: 3, size: [33], kernel: [3], stride: [2], before: [1] },
  { n: 3, size: [64], kernel: [2], stride: [2] },
  { n: 2, size: [4, 6, 8], kernel: [2, 2, 2], stride: [2, 2, 2] },
  { n: 2, size: [5, 4, 7], kernel: [3, 2, 3], stride: [1, 2, 2], before: [1, 0, 1] },
]
const MAX_ONLY: Pool[] = [
  { n: 2, size: [9, 10], kernel: [3, 3], dilation: [2, 2], before: [1, 1] },
  { n: 2, size: [8, 8], kernel: [2, 2], dilation: [3, 1], stride: [2, 3] },
  // the last window sees no cell at all
  { n: 2, size: [4, 4], kernel: [2, 2], stride: [2, 2], before: [0, 0], after: [2, 3] },
]

function pool(q: Pool) {
  const { n: planes = 1 } = q
  const s = windowSizes(q)
  const product = (list: number[]) => list.reduce((a, b) => a * b)
  return {
    planes,
    what: `${planes} planes ${s.what}`,
    x: planes * product(s.size),
    y: planes * product(s.out),
    inSize: product(s.size),
    outSize: product(s.out),
    /** without what follows the padding: dilation, or the padding behind */
    numbers: [planes, ...s.size, ...s.kernel, ...s.out, ...s.stride, ...s.before],
    dilation: s.dilation,
    after: s.after,
  }
}

export function* maxPool(d: Draw): Cases {
  for (const q of [...POOLS, ...MAX_ONLY]) {
    const { what, numbers, dilation, x, y } = pool(q)
    const values = {
      '': d.normal(x),
      // 0 as padding would win
      negative: d.normal(x).map(v => -Math.abs(v) - 1),
      ties: d.whole(x, 0, 3),
      special: d.spiced(x, [NaN, -Infinity, Infinity, 1]),
      lowest: new Float32Array(x).fill(-Infinity),
      NaN: new Float32Array(x).fill(NaN),
    }
    for (const [name, list] of Object.entries(values)) {
      for (const relu of [0, 1]) yield one(`${what} ${name}${relu ? ' relu' : ''}`, [...numbers, ...dilation, relu, input(list), output(y), outputInts(y)])
    }
  }
}

export function* winners(d: Draw, back: boolean): Cases {
  for (const q of [...POOLS, ...MAX_ONLY]) {
    const { what, planes, inSize, outSize, x, y } = pool(q)
    const won = d.whole(y, -1, inSize)
    const values = input(d.normal(back ? y : x))
    const args = [planes, inSize, outSize, values, ints(won), output(back ? x : y)]
    yield one(what, args, back ? { relative: 1e-6, absolute: 2e-6 } : 'exact')
  }
}

export function* avgPool(d: Draw, back: boolean): Cases {
  for (const q of POOLS) {
    const { what, numbers, after, x, y } = pool(q)
    for (const [countPad, divisor] of [[0, 0], [1, 0], [1, 3], [0, 7]] as const) {
      const args = [...numbers, ...after, countPad, divisor, input(d.normal(back ? y : x)), output(back ? x : y)]
      yield one(`${what} countPad ${countPad} divisor ${divisor}`, args, { relative: 1e-6, absolute: 1e-6 })
    }
  }
}
