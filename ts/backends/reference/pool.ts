// Reference kernels: pooling.

import type { Kernels } from '../../kernels.js'
import type { Memory } from './memory.js'

type Pooling = Pick<Kernels<number>, 'maxPool' | 'maxPoolGrad' | 'pickWinners' | 'avgPool' | 'avgPoolGrad'>

export const pooling = (memory: Memory): Pooling => ({
  maxPool(planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, dd, dh, dw, relu, x, y, winners) {
    const inPlane = id * ih * iw
    const xs = memory.floats(x, planes * inPlane)
    const ys = memory.floats(y, planes * od * oh * ow)
    const won = memory.ints(winners, planes * od * oh * ow)
    let at = 0
    for (let p = 0; p < planes; p++)
      for (let zd = 0; zd < od; zd++)
        for (let zh = 0; zh < oh; zh++)
          for (let zw = 0; zw < ow; zw++) {
            let winner = -1
            let most = -Infinity
            for (let ud = 0; ud < kd; ud++) {
              const d = zd * sd + ud * dd - pd
              if (d < 0 || d >= id) continue
              for (let uh = 0; uh < kh; uh++) {
                const h = zh * sh + uh * dh - ph
                if (h < 0 || h >= ih) continue
                for (let uw = 0; uw < kw; uw++) {
                  const w = zw * sw + uw * dw - pw
                  if (w < 0 || w >= iw) continue
                  const cell = (d * ih + h) * iw + w
                  const v = xs[p * inPlane + cell]!
                  if (winner < 0 || v > most || (v !== v && most === most)) {
                    winner = cell
                    most = v
                  }
                }
              }
            }
            ys[at] = relu && most < 0 ? 0 : most
            won[at++] = relu && most <= 0 ? -1 : winner
          }
  },

  maxPoolGrad(planes, inSize, outSize, g, winners, out) {
    const gs = memory.floats(g, planes * outSize)
    const won = memory.ints(winners, planes * outSize)
    const sums = new Float64Array(planes * inSize)
    for (let p = 0; p < planes; p++)
      for (let j = 0; j < outSize; j++) {
        const winner = won[p * outSize + j]!
        if (winner >= 0) sums[p * inSize + winner]! += gs[p * outSize + j]!
      }
    memory.floats(out, planes * inSize).set(sums)
  },

  pickWinners(planes, inSize, outSize, x, winners, y) {
    const xs = memory.floats(x, planes * inSize)
    const won = memory.ints(winners, planes * outSize)
    const ys = memory.floats(y, planes * outSize)
    for (let p = 0; p < planes; p++)
      for (let j = 0; j < outSize; j++) {
        const winner = won[p * outSize + j]!
        ys[p * outSize + j] = winner >= 0 ? xs[p * inSize + winner]! : 0
      }
  },

  avgPool(
    planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor, x, y,
  ) {
    const inPlane = id * ih * iw
    const xs = memory.floats(x, planes * inPlane)
    const ys = memory.floats(y, planes * od * oh * ow)
    const d = windows(id, kd, od, sd, pd, ad)
    const h = windows(ih, kh, oh, sh, ph, ah)
    const w = windows(iw, kw, ow, sw, pw, aw)
    let at = 0
    for (let p = 0; p < planes; p++)
      for (let zd = 0; zd < od; zd++)
        for (let zh = 0; zh < oh; zh++)
          for (let zw = 0; zw < ow; zw++) {
            let sum = 0
            for (let i = d.from[zd]!; i < d.to[zd]!; i++)
              for (let j = h.from[zh]!; j < h.to[zh]!; j++)
                for (let l = w.from[zw]!; l < w.to[zw]!; l++) sum += xs[p * inPlane + (i * ih + j) * iw + l]!
            ys[at++] = sum / cells(d, h, w, zd, zh, zw, countPad, divisor)
          }
  },

  avgPoolGrad(
    planes, id, ih, iw, kd, kh, kw, od, oh, ow, sd, sh, sw, pd, ph, pw, ad, ah, aw, countPad, divisor, g, out,
  ) {
    const inPlane = id * ih * iw
    const gs = memory.floats(g, planes * od * oh * ow)
    const sums = new Float64Array(planes * inPlane)
    const d = windows(id, kd, od, sd, pd, ad)
    const h = windows(ih, kh, oh, sh, ph, ah)
    const w = windows(iw, kw, ow, sw, pw, aw)
    let at = 0
    for (let p = 0; p < planes; p++)
      for (let zd = 0; zd < od; zd++)
        for (let zh = 0; zh < oh; zh++)
          for (let zw = 0; zw < ow; zw++) {
            const share = gs[at++]! / cells(d, h, w, zd, zh, zw, countPad, divisor)
            for (let i = d.from[zd]!; i < d.to[zd]!; i++)
              for (let j = h.from[zh]!; j < h.to[zh]!; j++)
                for (let l = w.from[zw]!; l < w.to[zw]!; l++) sums[p * inPlane + (i * ih + j) * iw + l]! += share
          }
    memory.floats(out, planes * inPlane).set(sums)
  },
})

/** The windows along one dimension: their real cells, from `from` to before `to`, and their cells within the padded extent */
interface Windows {
  from: Int32Array
  to: Int32Array
  padded: Int32Array
}

function windows(size: number, kernel: number, out: number, stride: number, before: number, after: number): Windows {
  const from = new Int32Array(out)
  const to = new Int32Array(out)
  const padded = new Int32Array(out)
  for (let z = 0; z < out; z++) {
    const start = z * stride - before
    from[z] = Math.max(0, start)
    to[z] = Math.min(size, start + kernel)
    padded[z] = Math.min(size + after, start + kernel) - start
  }
  return { from, to, padded }
}

function cells(d: Windows, h: Windows, w: Windows, zd: number, zh: number, zw: number, countPad: number, divisor: number): number {
  if (divisor !== 0) return divisor
  if (countPad) return d.padded[zd]! * h.padded[zh]! * w.padded[zw]!
  return Math.max(0, d.to[zd]! - d.from[zd]!) * Math.max(0, h.to[zh]! - h.from[zh]!) * Math.max(0, w.to[zw]! - w.from[zw]!)
}
