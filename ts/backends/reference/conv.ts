// Reference kernels: convolution (cross-correlation) and its two gradients. All three walk the same pairs of cells: for an output
// position z and a tap u the input cell z s + u d - p, if it lies inside the input.

import type { Kernels } from '../../kernels.js'
import { ACTIVATION } from './formulas.js'
import type { Memory } from './memory.js'

type Convolution = Pick<Kernels<number>, 'conv' | 'convGradInput' | 'convGradWeight'>

/** First output position z ≥ 0 whose cell z · stride + shift lies inside or beyond the input */
const first = (stride: number, shift: number) => Math.max(0, Math.ceil(-shift / stride))
/** One past the last output position z < out whose cell z · stride + shift is not beyond the input */
const end = (out: number, size: number, stride: number, shift: number) =>
  Math.min(out, Math.floor((size - 1 - shift) / stride) + 1)

/**
 * Visits all that a convolution multiplies, a row of outputs at a time: the weight at w joins `count` outputs from y on with inputs from x on,
 * sw apart. An output meets its weights in their order, a weight its outputs in theirs.
 */
function walk(
  n: number, c: number, o: number, groups: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number,
  od: number, oh: number, ow: number, sd: number, sh: number, sw: number, pd: number, ph: number, pw: number,
  dd: number, dh: number, dw: number, visit: (x: number, w: number, y: number, count: number) => void,
): void {
  const channels = c / groups
  for (let image = 0; image < n; image++)
    for (let to = 0; to < o; to++)
      for (let from = 0, w = to * channels * kd * kh * kw; from < channels; from++) {
        const plane = image * c + Math.floor(to / (o / groups)) * channels + from
        for (let ud = 0; ud < kd; ud++)
          for (let uh = 0; uh < kh; uh++)
            for (let uw = 0; uw < kw; uw++, w++) {
              const [shiftD, shiftH, shiftW] = [ud * dd - pd, uh * dh - ph, uw * dw - pw]
              const start = first(sw, shiftW)
              const count = end(ow, iw, sw, shiftW) - start
              for (let zd = first(sd, shiftD); zd < end(od, id, sd, shiftD); zd++)
                for (let zh = first(sh, shiftH); zh < end(oh, ih, sh, shiftH); zh++) {
                  const row = (plane * id + zd * sd + shiftD) * ih + zh * sh + shiftH
                  visit(row * iw + start * sw + shiftW, w, (((image * o + to) * od + zd) * oh + zh) * ow + start, count)
                }
            }
      }
}

export const convolution = (memory: Memory): Convolution => ({
  conv(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, x, w, _filters, bias, activation, y) {
    const plane = od * oh * ow
    const [xs, ws, added] = memory.views(x, w, bias)
    const sums = new Float64Array(n * o * plane)
    if (bias) for (let i = 0; i < n * o; i++) sums.fill(added[i % o]!, i * plane, (i + 1) * plane)
    walk(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, (xAt, wAt, yAt, count) => {
      const weight = ws[wAt]!
      for (let i = 0; i < count; i++) sums[yAt + i]! += weight * xs[xAt + i * sw]!
    })
    const activate = ACTIVATION[activation]
    memory.floats(y).set(sums.map(sum => activate(sum)))
  },

  convGradInput(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, g, w, gx) {
    const [gs, ws] = memory.views(g, w)
    const sums = new Float64Array(n * c * id * ih * iw)
    walk(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, (xAt, wAt, yAt, count) => {
      const weight = ws[wAt]!
      for (let i = 0; i < count; i++) sums[xAt + i * sw]! += weight * gs[yAt + i]!
    })
    memory.floats(gx).set(sums)
  },

  convGradWeight(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, x, g, gw) {
    const [xs, gs] = memory.views(x, g)
    const sums = new Float64Array(((o * c) / groups) * kd * kh * kw)
    walk(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, (xAt, wAt, yAt, count) => {
      let sum = sums[wAt]!
      for (let i = 0; i < count; i++) sum += xs[xAt + i * sw]! * gs[yAt + i]!
      sums[wAt] = sum
    })
    memory.floats(gw).set(sums)
  },
})
