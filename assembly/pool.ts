// Average pooling over windows of up to three dimensions, and what both kinds of pooling share: four neighbouring outputs at once
// where their windows are inside the image.

/** Most cells of a window whose sum may run in float32. */
const SHORT: i32 = 64

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
      for (let i = z0; i < z1; i++) {
        for (let j = y0; j < y1; j++) {
          const at = x + (<usize>((i * ih + j) * iw) << 2)
          for (let k = x0; k < x1; k++) sum += <f64>load<f32>(at + (<usize>k << 2))
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
  const lo = min(firstInside(-pw, sw), ow)
  const hi = max(firstBeyond(kw - 1 - pw, sw, iw, ow), lo)
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
        const done = pairs ? lo + (hi - lo & ~3) : lo
        if (lo > 0) shareSpan(0, lo, ih, iw, kw, sw, pw, aw, z0, z1, y0, y1, cells, countPad, divisor, g, out)
        if (done > lo) {
          const by = <f32>(divisor ? divisor : cells * kw)
          for (let i = z0; i < z1; i++) {
            for (let j = y0; j < y1; j++) {
              sharePairs(done - lo, by, g + (<usize>lo << 2), out + (<usize>((i * ih + j) * iw + lo * sw - pw) << 2))
            }
          }
        }
        if (done < ow) shareSpan(done, ow, ih, iw, kw, sw, pw, aw, z0, z1, y0, y1, cells, countPad, divisor, g, out)
        g += <usize>ow << 2
      }
    }
    out += size
  }
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

/** Each of n (a multiple of 4) outputs adds its share to two cells of a row. */
function sharePairs(n: i32, by: f32, g: usize, out: usize): void {
  const divisor = f32x4.splat(by)
  for (const end = g + (<usize>n << 2); g < end; g += 16) {
    const share = f32x4.div(v128.load(g), divisor)
    v128.store(out, f32x4.add(v128.load(out), v128.shuffle<f32>(share, share, 0, 0, 1, 1)))
    v128.store(out, f32x4.add(v128.load(out, 16), v128.shuffle<f32>(share, share, 2, 2, 3, 3)), 16)
    out += 32
  }
}
