// Pooling over windows of up to three dimensions. Four neighbouring outputs at once wherever a row of the window is inside the image.

/** Most cells of a window whose sum may run in float32. */
const SHORT: i32 = 64

/** First step i ≥ 0 from which start + i step ≥ 0. */
@inline
function firstInside(start: i32, step: i32): i32 {
  return start < 0 ? (step - 1 - start) / step : 0
}

/** First step i, at most count, for which start + i step ≥ size. */
@inline
function firstBeyond(start: i32, step: i32, size: i32, count: i32): i32 {
  return start < size ? min((size - 1 - start) / step + 1, count) : 0
}

/** Four cells, `stride` (1 or 2) apart. */
@inline
function loadCells(at: usize, stride: i32): v128 {
  const v = v128.load(at)
  return stride == 1 ? v : v128.shuffle<f32>(v, v128.load(at, 16), 0, 2, 4, 6)
}

export function maxPool(
  planes: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32, od: i32, oh: i32, ow: i32,
  sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32, x: usize, y: usize, winners: usize,
): void {
  const size = <usize>(id * ih * iw) << 2
  const reach = (kw - 1) * dw
  for (let p = 0; p < planes; p++) {
    for (let oz = 0; oz < od; oz++) {
      const z = oz * sd - pd
      const z0 = firstInside(z, dd)
      const z1 = firstBeyond(z, dd, id, kd)
      for (let oy = 0; oy < oh; oy++) {
        const row = oy * sh - ph
        const y0 = firstInside(row, dh)
        const y1 = firstBeyond(row, dh, ih, kh)
        const rows = z0 < z1 && y0 < y1
        for (let ox = 0; ox < ow;) {
          const left = ox * sw - pw
          if (rows && sw <= 2 && left >= 0) {
            // the last four of a row overlap the four before
            const at = min(ox, ow - 4)
            const column = at * sw - pw
            if (at >= 0 && column >= 0 && column + 3 * sw + reach < iw) {
              const back = <usize>(ox - at) << 2
              maxOfFour(ih, iw, sw, kw, dd, dh, dw, z, z0, z1, row, y0, y1, column, x, y - back, winners - back)
              const done = at + 4 - ox
              ox += done
              y += <usize>done << 2
              winners += <usize>done << 2
              continue
            }
          }
          let best: f32 = -Infinity
          let winner = -1
          const x0 = firstInside(left, dw)
          const x1 = firstBeyond(left, dw, iw, kw)
          for (let i = z0; i < z1; i++) {
            for (let j = y0; j < y1; j++) {
              let cell = ((z + i * dd) * ih + row + j * dh) * iw + left + x0 * dw
              for (let k = x0; k < x1; k++) {
                const v = load<f32>(x + (<usize>cell << 2))
                // the first NaN stays: nothing compares greater
                if (winner < 0 || v > best || v != v && best == best) {
                  best = v
                  winner = cell
                }
                cell += dw
              }
            }
          }
          store<f32>(y, best)
          store<i32>(winners, winner)
          ox++
          y += 4
          winners += 4
        }
      }
    }
    x += size
  }
}

/** Four outputs whose windows are inside from left to right; rows z0..z1 and y0..y1 of the window are inside too. */
@inline
function maxOfFour(
  ih: i32, iw: i32, sw: i32, kw: i32, dd: i32, dh: i32, dw: i32, z: i32, z0: i32, z1: i32, row: i32, y0: i32, y1: i32,
  column: i32, x: usize, y: usize, winners: usize,
): void {
  const first = ((z + z0 * dd) * ih + row + y0 * dh) * iw + column
  const lanes = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(sw))
  let best = f32x4.splat(-Infinity)
  let winner = i32x4.add(i32x4.splat(first), lanes)
  for (let i = z0; i < z1; i++) {
    for (let j = y0; j < y1; j++) {
      let cell = ((z + i * dd) * ih + row + j * dh) * iw + column
      for (let k = 0; k < kw; k++) {
        const v = loadCells(x + (<usize>cell << 2), sw)
        // v > best, or v is NaN and best is not
        const wins = v128.andnot(f32x4.eq(best, best), f32x4.le(v, best))
        best = v128.bitselect(v, best, wins)
        winner = v128.bitselect(i32x4.add(i32x4.splat(cell), lanes), winner, wins)
        cell += dw
      }
    }
  }
  v128.store(y, best)
  v128.store(winners, winner)
}

export function maxPoolGrad(planes: i32, inSize: i32, outSize: i32, g: usize, winners: usize, out: usize): void {
  const size = <usize>inSize << 2
  memory.fill(out, 0, <usize>planes * size)
  for (let p = 0; p < planes; p++) {
    for (const end = g + (<usize>outSize << 2); g < end; g += 4) {
      const winner = load<i32>(winners)
      winners += 4
      if (winner < 0) continue
      const at = out + (<usize>winner << 2)
      store<f32>(at, load<f32>(at) + load<f32>(g))
    }
    out += size
  }
}

export function pickWinners(planes: i32, inSize: i32, outSize: i32, x: usize, winners: usize, y: usize): void {
  const size = <usize>inSize << 2
  for (let p = 0; p < planes; p++) {
    for (const end = y + (<usize>outSize << 2); y < end; y += 4) {
      const winner = load<i32>(winners)
      winners += 4
      store<f32>(y, winner < 0 ? 0 : load<f32>(x + (<usize>winner << 2)))
    }
    x += size
  }
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
  const wide = sw <= 2 && kd * kh * kw <= SHORT
  for (let p = 0; p < planes; p++) {
    for (let oz = 0; oz < od; oz++) {
      const z = oz * sd - pd
      const z0 = max(z, 0)
      const z1 = min(z + kd, id)
      for (let oy = 0; oy < oh; oy++) {
        const row = oy * sh - ph
        const y0 = max(row, 0)
        const y1 = min(row + kh, ih)
        const rows = z0 < z1 && y0 < y1
        const cells = counted(z, kd, id, ad, countPad) * counted(row, kh, ih, ah, countPad)
        for (let ox = 0; ox < ow;) {
          const left = ox * sw - pw
          if (rows && wide && left >= 0) {
            const at = min(ox, ow - 4)
            const column = at * sw - pw
            if (at >= 0 && column >= 0 && column + 3 * sw + kw <= iw) {
              let sum = f32x4.splat(0)
              for (let i = z0; i < z1; i++) {
                for (let j = y0; j < y1; j++) {
                  let from = x + (<usize>((i * ih + j) * iw + column) << 2)
                  for (let k = 0; k < kw; k++) {
                    sum = f32x4.add(sum, loadCells(from, sw))
                    from += 4
                  }
                }
              }
              v128.store(y - (<usize>(ox - at) << 2), f32x4.div(sum, f32x4.splat(<f32>(divisor ? divisor : cells * kw))))
              const done = at + 4 - ox
              ox += done
              y += <usize>done << 2
              continue
            }
          }
          const x0 = max(left, 0)
          const x1 = min(left + kw, iw)
          let sum: f64 = 0
          if (rows && x0 < x1) {
            for (let i = z0; i < z1; i++) {
              for (let j = y0; j < y1; j++) {
                const from = x + (<usize>((i * ih + j) * iw) << 2)
                for (let k = x0; k < x1; k++) sum += <f64>load<f32>(from + (<usize>k << 2))
              }
            }
            sum /= <f64>(divisor ? divisor : cells * counted(left, kw, iw, aw, countPad))
          }
          store<f32>(y, <f32>sum)
          ox++
          y += 4
        }
      }
    }
    x += size
  }
}

export function avgPoolGrad(
  planes: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32, od: i32, oh: i32, ow: i32,
  sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, ad: i32, ah: i32, aw: i32,
  countPad: i32, divisor: i32, g: usize, out: usize,
): void {
  const size = <usize>(id * ih * iw) << 2
  const pairs = sw == 2 && kw == 2
  memory.fill(out, 0, <usize>planes * size)
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
        for (let ox = 0; ox < ow;) {
          const left = ox * sw - pw
          if ((sw == 1 || pairs) && left >= 0 && ox + 4 <= ow && left + 3 * sw + kw <= iw) {
            const share = f32x4.div(v128.load(g), f32x4.splat(<f32>(divisor ? divisor : cells * kw)))
            for (let i = z0; i < z1; i++) {
              for (let j = y0; j < y1; j++) {
                let to = out + (<usize>((i * ih + j) * iw + left) << 2)
                if (pairs) {
                  v128.store(to, f32x4.add(v128.load(to), v128.shuffle<f32>(share, share, 0, 0, 1, 1)))
                  v128.store(to, f32x4.add(v128.load(to, 16), v128.shuffle<f32>(share, share, 2, 2, 3, 3)), 16)
                } else {
                  for (let k = 0; k < kw; k++) {
                    v128.store(to, f32x4.add(v128.load(to), share))
                    to += 4
                  }
                }
              }
            }
            ox += 4
            g += 16
            continue
          }
          const x0 = max(left, 0)
          const x1 = min(left + kw, iw)
          const share: f32 = load<f32>(g) / <f32>(divisor ? divisor : cells * counted(left, kw, iw, aw, countPad))
          for (let i = z0; i < z1; i++) {
            for (let j = y0; j < y1; j++) {
              const to = out + (<usize>((i * ih + j) * iw) << 2)
              for (let k = x0; k < x1; k++) {
                const at = to + (<usize>k << 2)
                store<f32>(at, load<f32>(at) + share)
              }
            }
          }
          ox++
          g += 4
        }
      }
    }
    out += size
  }
}
