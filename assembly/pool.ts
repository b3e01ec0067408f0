// Average pooling over windows of up to three dimensions, and what both kinds of pooling share: four neighbouring outputs at once
// where their windows are inside the image.

import { FREE, scratchAt } from './microkernel'
import { exactSum } from './reduce'
import { storePart } from './simd'

/** Most cells of a window whose sum may run in float32. */
const SHORT: i32 = 64
/** Most cells of a row, its outputs and padding whose shares are kept in scratch: what they count, the shares, their sums */
const ROOM: i32 = 262144
const COUNTS: usize = FREE
const SHARES: usize = COUNTS + <usize>ROOM * 4 + 64
const SUMS: usize = SHARES + <usize>ROOM * 4 + 64

/** First step i ≥ 0 from which start + i step ≥ 0. */
@inline
export function firstInside(start: i32, step: i32): i32 {
  return start >= 0 ? 0 : step == 1 ? -start : (step - 1 - start) / step
}

/** First step i, at most count, for which start + i step ≥ size. */
@inline
export function firstBeyond(start: i32, step: i32, size: i32, count: i32): i32 {
  return start >= size ? 0 : min(step == 1 ? size - start : (size - 1 - start) / step + 1, count)
}

/** Four cells, `stride` apart. */
@inline
export function loadCells(at: usize, stride: i32): v128 {
  if (stride > 2) return loadApart(at, <usize>stride << 2)
  const v = v128.load(at)
  return stride == 1 ? v : v128.shuffle<f32>(v, v128.load(at, 16), 0, 2, 4, 6)
}

@inline
function loadApart(at: usize, step: usize): v128 {
  let v = v128.load32_zero(at)
  v = v128.load_lane<f32>(at + step, v, 1)
  v = v128.load_lane<f32>(at + 2 * step, v, 2)
  return v128.load_lane<f32>(at + 3 * step, v, 3)
}

/** Cells of a window along one dimension that count: those in the image, or up to the padding's end. */
@inline
function counted(start: i32, kernel: i32, size: i32, after: i32, countPad: i32): i32 {
  return countPad ? min(start + kernel, size + after) - start : min(start + kernel, size) - max(start, 0)
}

export function avgPool(
  planes: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32, od: i32, oh: i32, ow: i32,
  sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, ad: i32, ah: i32, aw: i32,
  countPad: i32, divisor: i32, x: usize, y: usize,
): void {
  const size = <usize>(id * ih * iw) << 2
  const lo = min(firstInside(-pw, sw), ow)
  const hi = max(firstBeyond(kw - 1 - pw, sw, iw, ow), lo)
  const wide = sw <= 2 && hi - lo >= 4 && kd * kh * kw <= SHORT
  for (let p = 0; p < planes; p++) {
    for (let oz = 0; oz < od; oz++) {
      const z = oz * sd - pd
      const z0 = max(z, 0)
      const z1 = min(z + kd, id)
      for (let oy = 0; oy < oh; oy++) {
        const row = oy * sh - ph
        const y0 = max(row, 0)
        const y1 = min(row + kh, ih)
        const cells = counted(z, kd, id, ad, countPad) * counted(row, kh, ih, ah, countPad)
        const left = wide && z0 < z1 && y0 < y1 ? lo : ow
        if (left > 0) avgSpan(0, left, ih, iw, kw, sw, pw, aw, z0, z1, y0, y1, cells, countPad, divisor, x, y)
        if (left < ow) {
          const corner = x + (<usize>((z0 * ih + y0) * iw + lo * sw - pw) << 2)
          const by = <f32>(divisor ? divisor : cells * kw)
          const to = y + (<usize>lo << 2)
          if (z1 - z0 == 1 && y1 - y0 == 2 && kw == 2 && sw == 2) avgPairs(hi - lo, <usize>iw << 2, by, corner, to)
          else avgWide(hi - lo, z1 - z0, <usize>(ih * iw) << 2, y1 - y0, <usize>iw << 2, kw, sw, by, corner, to)
          if (hi < ow) avgSpan(hi, ow, ih, iw, kw, sw, pw, aw, z0, z1, y0, y1, cells, countPad, divisor, x, y)
        }
        y += <usize>ow << 2
      }
    }
    x += size
  }
}

/** Outputs from..to - 1 of a row, one by one; `cells`: what a column of the window counts. */
function avgSpan(
  from: i32, to: i32, ih: i32, iw: i32, kw: i32, sw: i32, pw: i32, aw: i32, z0: i32, z1: i32, y0: i32, y1: i32,
  cells: i32, countPad: i32, divisor: i32, x: usize, y: usize,
): void {
  for (let ox = from; ox < to; ox++) {
    const left = ox * sw - pw
    const x0 = max(left, 0)
    const x1 = min(left + kw, iw)
    let sum: f64 = 0
    if (z0 < z1 && y0 < y1 && x0 < x1) {
      // windows as wide as the image are one run: of all their rows
      const whole = x1 - x0 == iw, last = whole ? y0 + 1 : y1, run = whole ? (y1 - y0) * iw : x1 - x0
      for (let i = z0; i < z1; i++) {
        for (let j = y0; j < last; j++) {
          const at = x + (<usize>((i * ih + j) * iw + x0) << 2)
          if (run >= 8) sum += exactSum(run, at)
          else for (let k = 0; k < run; k++) sum += <f64>load<f32>(at + (<usize>k << 2))
        }
      }
      sum /= <f64>(divisor ? divisor : cells * counted(left, kw, iw, aw, countPad))
    }
    store<f32>(y + (<usize>ox << 2), <f32>sum)
  }
}

/** n ≥ 4 outputs whose windows are inside; x is the first cell of the first one. Vectors as in maxWide. */
function avgWide(
  n: i32, layers: i32, layerStep: usize, rows: i32, rowStep: usize, kw: i32, sw: i32, by: f32, x: usize, y: usize,
): void {
  const divisor = f32x4.splat(by)
  for (let ox = 0; ox < n; ox += 8) {
    const left = min(ox, n - 4)
    const right = min(ox + 4, n - 4)
    const apart = <usize>((right - left) * sw) << 2
    let layer = x + (<usize>(left * sw) << 2)
    let sum = f32x4.splat(0)
    let sumRight = sum
    for (let i = 0; i < layers; i++) {
      let row = layer
      for (let j = 0; j < rows; j++) {
        let cell = row
        for (let k = 0; k < kw; k++) {
          sum = f32x4.add(sum, loadCells(cell, sw))
          sumRight = f32x4.add(sumRight, loadCells(cell + apart, sw))
          cell += 4
        }
        row += rowStep
      }
      layer += layerStep
    }
    v128.store(y + (<usize>left << 2), f32x4.div(sum, divisor))
    v128.store(y + (<usize>right << 2), f32x4.div(sumRight, divisor))
  }
}

/** The same for windows of two rows with two neighbours each, two apart. */
function avgPairs(n: i32, rowStep: usize, by: f32, x: usize, y: usize): void {
  const divisor = f32x4.splat(by)
  for (let ox = 0; ox < n; ox += 4) {
    const at = min(ox, n - 4)
    const p = x + (<usize>at << 3)
    const u0 = v128.load(p)
    const u1 = v128.load(p, 16)
    const v0 = v128.load(p + rowStep)
    const v1 = v128.load(p + rowStep, 16)
    const upper = f32x4.add(v128.shuffle<f32>(u0, u1, 0, 2, 4, 6), v128.shuffle<f32>(u0, u1, 1, 3, 5, 7))
    const lower = f32x4.add(v128.shuffle<f32>(v0, v1, 0, 2, 4, 6), v128.shuffle<f32>(v0, v1, 1, 3, 5, 7))
    v128.store(y + (<usize>at << 2), f32x4.div(f32x4.add(upper, lower), divisor))
  }
}

export function avgPoolGrad(
  planes: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32, od: i32, oh: i32, ow: i32,
  sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, ad: i32, ah: i32, aw: i32,
  countPad: i32, divisor: i32, g: usize, out: usize,
): void {
  const size = <usize>(id * ih * iw) << 2
  memory.fill(out, 0, <usize>planes * size)
  const room = pw >= 0 && <f64>ow + <f64>iw + <f64>kw + <f64>pw < <f64>ROOM
  const counts = scratchAt(COUNTS)
  const shares = scratchAt(SHARES) + (<usize>kw << 2)
  if (room) {
    for (let ox = 0; ox < ow; ox++) store<f32>(counts + (<usize>ox << 2), <f32>counted(ox * sw - pw, kw, iw, aw, countPad))
    memory.fill(scratchAt(SHARES), 0, <usize>(kw + ow + iw + pw + 8) << 2)
  }
  for (let p = 0; p < planes; p++) {
    for (let oz = 0; oz < od; oz++) {
      const z = oz * sd - pd
      const z0 = max(z, 0)
      const z1 = min(z + kd, id)
      for (let oy = 0; oy < oh; oy++) {
        const row = oy * sh - ph
        const y0 = max(row, 0)
        const y1 = min(row + kh, ih)
        const cells = counted(z, kd, id, ad, countPad) * counted(row, kh, ih, ah, countPad)
        if (room) {
          divideShares(ow, divisor, cells, counts, g, shares)
          const sums = sumShares(ow, kw, sw, pw, iw, shares)
          for (let i = z0; i < z1; i++) {
            for (let j = y0; j < y1; j++) addShares(iw, sums, out + (<usize>((i * ih + j) * iw) << 2))
          }
        } else shareSpan(0, ow, ih, iw, kw, sw, pw, aw, z0, z1, y0, y1, cells, countPad, divisor, g, out)
        g += <usize>ow << 2
      }
    }
    out += size
  }
}

/** What each cell of a window gets, for all outputs of a row; zeros follow. */
function divideShares(ow: i32, divisor: i32, cells: i32, counts: usize, g: usize, y: usize): void {
  const same = f32x4.splat(<f32>divisor)
  const rows = f32x4.splat(<f32>cells)
  const end = y + (<usize>ow << 2)
  for (; y < end; y += 16) {
    v128.store(y, f32x4.div(v128.load(g), divisor ? same : f32x4.mul(rows, v128.load(counts))))
    g += 16
    counts += 16
  }
  v128.store(end, f32x4.splat(0))
}

/** Sums of the shares that reach each of `iw` cells of a row, the same in every row of the window; returns their address. */
@inline
function sumShares(ow: i32, kw: i32, sw: i32, pw: i32, iw: i32, shares: usize): usize {
  const sums = scratchAt(SUMS)
  if (sw == 1) {
    // `shares` has zeros on both sides
    let from = shares + (<usize>pw << 2)
    const end = sums + (<usize>iw << 2)
    for (let y = sums; y < end; y += 16) {
      let sum = v128.load(from)
      for (let k: usize = 1; k < <usize>kw; k++) sum = f32x4.add(sum, v128.load(from - (k << 2)))
      v128.store(y, sum)
      from += 16
    }
    return sums
  }
  memory.fill(sums, 0, <usize>iw << 2)
  if (sw == 2 && kw == 2 && pw == 0) {
    let y = sums
    for (let ox = 0; ox < ow; ox += 4) {
      const v = v128.load(shares + (<usize>ox << 2))
      v128.store(y, v128.shuffle<f32>(v, v, 0, 0, 1, 1))
      v128.store(y, v128.shuffle<f32>(v, v, 2, 2, 3, 3), 16)
      y += 32
    }
    return sums
  }
  for (let ox = 0; ox < ow; ox++) {
    const left = ox * sw - pw
    const share = load<f32>(shares + (<usize>ox << 2))
    const stop = min(left + kw, iw)
    for (let x = max(left, 0); x < stop; x++) {
      const at = sums + (<usize>x << 2)
      store<f32>(at, load<f32>(at) + share)
    }
  }
  return sums
}

/** y += x for n cells of a row. */
@inline
function addShares(n: i32, x: usize, y: usize): void {
  for (; n >= 4; n -= 4) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)))
    x += 16
    y += 16
  }
  if (n > 0) storePart(y, f32x4.add(v128.load(y), v128.load(x)), n)
}

/** The cells of outputs from..to - 1 of a row get their shares. */
function shareSpan(
  from: i32, to: i32, ih: i32, iw: i32, kw: i32, sw: i32, pw: i32, aw: i32, z0: i32, z1: i32, y0: i32, y1: i32,
  cells: i32, countPad: i32, divisor: i32, g: usize, out: usize,
): void {
  for (let ox = from; ox < to; ox++) {
    const left = ox * sw - pw
    const x0 = max(left, 0)
    const x1 = min(left + kw, iw)
    const share: f32 = load<f32>(g + (<usize>ox << 2)) / <f32>(divisor ? divisor : cells * counted(left, kw, iw, aw, countPad))
    for (let i = z0; i < z1; i++) {
      for (let j = y0; j < y1; j++) {
        const to = out + (<usize>((i * ih + j) * iw) << 2)
        for (let k = x0; k < x1; k++) {
          const at = to + (<usize>k << 2)
          store<f32>(at, load<f32>(at) + share)
        }
      }
    }
  }
}
