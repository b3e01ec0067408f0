// Reference kernels: pooling. All walk the same pairs: a window and the cells of the input inside it.

import type { Kernels } from '../../kernels.js'
import type { Memory } from './memory.js'

type Pooling = Pick<Kernels<number>, 'maxPool' | 'maxPoolGrad' | 'pickWinners' | 'avgPool' | 'avgPoolGrad'>

/** Visits every window, in order, with each of its real cells, in row-major order. */
function walk(
  planes: number, id: number, ih: number, iw: number, kd: number, kh: number, kw: number, od: number, oh: number, ow: number,
  sd: number, sh: number, sw: number, pd: number, ph: number, pw: number, dd: number, dh: number, dw: number,
  visit: (cell: number, window: number) => void,
): void {
  let window = 0
  for (let p = 0; p < planes; p++)
    for (let zd = 0; zd < od; zd++)
      for (let zh = 0; zh < oh; zh++)
        for (let zw = 0; zw < ow; zw++, window++)
          for (let ud = 0; ud < kd; ud++) {
            const d = zd * sd + ud * dd - pd
            if (d < 0 || d >= id) continue
            for (let uh = 0; uh < kh; uh++) {
              const h = zh * sh + uh * dh - ph
              if (h < 0 || h >= ih) continue
              for (let uw = 0; uw < kw; uw++) {
                const w = zw * sw + uw * dw - pw
                if (w >= 0 && w < iw) visit(((p * id + d) * ih + h) * iw + w, window)
              }
            }
          }
}

/** What the sum of each window of a plane is divided by */
function divisors(
  id: number, ih: number, iw: number, kd: number, kh: number, kw: number, od: number, oh: number, ow: number,
  sd: number, sh: number, sw: number, pd: number, ph: number, pw: number, ad: number, ah: number, aw: number,
  countPad: number, divisor: number,
): Float64Array {
  const result = new Float64Array(od * oh * ow).fill(divisor)
  if (divisor !== 0) return result
  /** Cells of a window within the padded extent of one dimension */
  const extent = (start: number, size: number, kernel: number, after: number) => Math.min(size + after, start + kernel) - start
  if (countPad)
    return result.map((_, z) =>
      extent(Math.floor(z / (oh * ow)) * sd - pd, id, kd, ad) * extent((Math.floor(z / ow) % oh) * sh - ph, ih, kh, ah) *
      extent((z % ow) * sw - pw, iw, kw, aw),
    )
  walk(1, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, 1, 1, 1, (_, window) => result[window]!++)
  return result
}

export const pooling = (memory: Memory): Pooling => ({
  maxPool(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, relu, x, y, winners) {
    const n = planes * od * oh * ow
    const xs = memory.floats(x)
    const ys = memory.floats(y, n).fill(-Infinity)
    const won = memory.ints(winners, n).fill(-1)
    walk(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, (cell, window) => {
      const v = xs[cell]!
      const most = ys[window]!
      if (won[window]! < 0 || v > most || (v !== v && most === most)) {
        ys[window] = v
        won[window] = cell % (id * ih * iw)
      }
    })
    if (!relu) return
    for (let i = 0; i < n; i++) {
      if (ys[i]! <= 0) won[i] = -1
      if (ys[i]! < 0) ys[i] = 0
    }
  },

  maxPoolGrad(planes, inSize, outSize, g, winners, out) {
    const gs = memory.floats(g)
    const won = memory.ints(winners)
    const sums = new Float64Array(planes * inSize)
    for (let i = 0; i < planes * outSize; i++) if (won[i]! >= 0) sums[Math.floor(i / outSize) * inSize + won[i]!]! += gs[i]!
    memory.floats(out).set(sums)
  },

  pickWinners(planes, inSize, outSize, x, winners, y) {
    const xs = memory.floats(x)
    const won = memory.ints(winners)
    const ys = memory.floats(y)
    for (let i = 0; i < planes * outSize; i++) ys[i] = won[i]! >= 0 ? xs[Math.floor(i / outSize) * inSize + won[i]!]! : 0
  },

  avgPool(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor, x, y) {
    const xs = memory.floats(x)
    const sums = new Float64Array(planes * od * oh * ow)
    const by = divisors(id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor)
    walk(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, 1, 1, 1, (cell, window) => (sums[window]! += xs[cell]!))
    memory.floats(y).set(sums.map((sum, window) => sum / by[window % by.length]!))
  },

  avgPoolGrad(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor, g, out) {
    const gs = memory.floats(g)
    const sums = new Float64Array(planes * id * ih * iw)
    const by = divisors(id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor)
    walk(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, 1, 1, 1, (cell, window) => {
      sums[cell]! += gs[window]! / by[window % by.length]!
    })
    memory.floats(out).set(sums)
  },
})
