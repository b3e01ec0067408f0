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

export const convolution = (memory: Memory): Convolution => ({
  conv(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, x, w, _filters, bias, activation, y) {
    const inPlane = id * ih * iw
    const outPlane = od * oh * ow
    const channels = c / groups
    const xs = memory.floats(x, n * c * inPlane)
    const ws = memory.floats(w, o * channels * kd * kh * kw)
    const ys = memory.floats(y, n * o * outPlane)
    const added = memory.floats(bias, o)
    const activate = ACTIVATION[activation]
    const plane = new Float64Array(outPlane)
    for (let image = 0; image < n; image++)
      for (let to = 0; to < o; to++) {
        plane.fill(bias ? added[to]! : 0)
        const group = Math.floor(to / (o / groups))
        for (let from = 0; from < channels; from++) {
          const input = (image * c + group * channels + from) * inPlane
          for (let ud = 0; ud < kd; ud++)
            for (let uh = 0; uh < kh; uh++)
              for (let uw = 0; uw < kw; uw++) {
                const weight = ws[(((to * channels + from) * kd + ud) * kh + uh) * kw + uw]!
                const shiftD = ud * dd - pd
                const shiftH = uh * dh - ph
                const shiftW = uw * dw - pw
                const endW = end(ow, iw, sw, shiftW)
                for (let zd = first(sd, shiftD); zd < end(od, id, sd, shiftD); zd++)
                  for (let zh = first(sh, shiftH); zh < end(oh, ih, sh, shiftH); zh++) {
                    const xRow = input + ((zd * sd + shiftD) * ih + zh * sh + shiftH) * iw + shiftW
                    const yRow = (zd * oh + zh) * ow
                    for (let zw = first(sw, shiftW); zw < endW; zw++) plane[yRow + zw]! += weight * xs[xRow + zw * sw]!
                  }
              }
        }
        const output = (image * o + to) * outPlane
        for (let i = 0; i < outPlane; i++) ys[output + i] = activate(plane[i]!)
      }
  },

  convGradInput(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, g, w, gx) {
    const inPlane = id * ih * iw
    const outPlane = od * oh * ow
    const channels = c / groups
    const outputs = o / groups
    const gs = memory.floats(g, n * o * outPlane)
    const ws = memory.floats(w, o * channels * kd * kh * kw)
    const gxs = memory.floats(gx, n * c * inPlane)
    const plane = new Float64Array(inPlane)
    for (let image = 0; image < n; image++)
      for (let channel = 0; channel < c; channel++) {
        plane.fill(0)
        const group = Math.floor(channel / channels)
        for (let to = group * outputs; to < (group + 1) * outputs; to++) {
          const output = (image * o + to) * outPlane
          for (let ud = 0; ud < kd; ud++)
            for (let uh = 0; uh < kh; uh++)
              for (let uw = 0; uw < kw; uw++) {
                const weight = ws[(((to * channels + (channel % channels)) * kd + ud) * kh + uh) * kw + uw]!
                const shiftD = ud * dd - pd
                const shiftH = uh * dh - ph
                const shiftW = uw * dw - pw
                const endW = end(ow, iw, sw, shiftW)
                for (let zd = first(sd, shiftD); zd < end(od, id, sd, shiftD); zd++)
                  for (let zh = first(sh, shiftH); zh < end(oh, ih, sh, shiftH); zh++) {
                    const xRow = ((zd * sd + shiftD) * ih + zh * sh + shiftH) * iw + shiftW
                    const yRow = output + (zd * oh + zh) * ow
                    for (let zw = first(sw, shiftW); zw < endW; zw++) plane[xRow + zw * sw]! += weight * gs[yRow + zw]!
                  }
              }
        }
        gxs.set(plane, (image * c + channel) * inPlane)
      }
  },

  convGradWeight(n, c, o, groups, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, x, g, gw) {
    const inPlane = id * ih * iw
    const outPlane = od * oh * ow
    const channels = c / groups
    const xs = memory.floats(x, n * c * inPlane)
    const gs = memory.floats(g, n * o * outPlane)
    const gws = memory.floats(gw, o * channels * kd * kh * kw)
    for (let to = 0; to < o; to++)
      for (let from = 0; from < channels; from++) {
        const channel = Math.floor(to / (o / groups)) * channels + from
        for (let ud = 0; ud < kd; ud++)
          for (let uh = 0; uh < kh; uh++)
            for (let uw = 0; uw < kw; uw++) {
              const shiftD = ud * dd - pd
              const shiftH = uh * dh - ph
              const shiftW = uw * dw - pw
              const endW = end(ow, iw, sw, shiftW)
              let sum = 0
              for (let image = 0; image < n; image++)
                for (let zd = first(sd, shiftD); zd < end(od, id, sd, shiftD); zd++)
                  for (let zh = first(sh, shiftH); zh < end(oh, ih, sh, shiftH); zh++) {
                    const xRow = (image * c + channel) * inPlane + ((zd * sd + shiftD) * ih + zh * sh + shiftH) * iw + shiftW
                    const yRow = (image * o + to) * outPlane + (zd * oh + zh) * ow
                    for (let zw = first(sw, shiftW); zw < endW; zw++) sum += xs[xRow + zw * sw]! * gs[yRow + zw]!
                  }
              gws[(((to * channels + from) * kd + ud) * kh + uh) * kw + uw] = sum
            }
      }
  },
})
