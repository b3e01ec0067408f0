// Maximum pooling over windows of up to three dimensions, four neighbouring outputs at once. Windows that reach beyond the sides
// of the image see copies of their rows with -inf around them (3 x 3, stride 1, padding 1: 10.4 -> 5.5 ns an output).

import { EDGE, FREE, scratchAt } from './microkernel'
import { firstBeyond, firstInside, loadCells } from './pool'
import { storePart } from './simd'

/** Most outputs of a row whose skips, and most cells of the rows whose copies, are kept in scratch. */
const ROOM: i32 = 262144
const SKIPS: usize = FREE
const COPIES: usize = SKIPS + <usize>ROOM * 4 + 64

export function maxPool(
  planes: i32, id: i32, ih: i32, iw: i32, kd: i32, kh: i32, kw: i32, od: i32, oh: i32, ow: i32,
  sd: i32, sh: i32, sw: i32, pd: i32, ph: i32, pw: i32, dd: i32, dh: i32, dw: i32, relu: i32, x: usize, y: usize, winners: usize,
): void {
  // nothing is less than NaN or equal to it
  const floor = f32x4.splat(relu ? 0 : NaN)
  const size = <usize>(id * ih * iw) << 2
  // windows that reach beyond the sides see copies of their rows with -inf around them, if scratch has room for those
  const width = (ow - 1) * sw + (kw - 1) * dw + 1
  const inside = pw <= 0 && width - pw <= iw
  const room = <f64>width * <f64>kd * <f64>kh <= <f64>ROOM && ow <= ROOM
  const wide = ow > 0 && (ow >= 4 || sw <= 2) && (inside || room && iw > 0)
  const skips = scratchAt(SKIPS)
  const copies = scratchAt(COPIES)
  const barren = wide && !inside && laySkips(ow, sw, pw, dw, kw, iw, skips)
  const flat = id == 1 && od == 1 && kd == 1 && pd == 0 && ph == 0 && pw == 0
  const pairs = flat && inside && 2 * oh <= ih && ow >= 4 && kh == 2 && kw == 2 && sh == 2 && sw == 2 && dh == 1 && dw == 1
  for (let p = 0; p < planes; p++) {
    if (pairs && maxPairs(oh, ow, iw, floor, x, y, winners)) {
      x += size
      y += <usize>(oh * ow) << 2
      winners += <usize>(oh * ow) << 2
      continue
    }
    for (let oz = 0; oz < od; oz++) {
      const z = oz * sd - pd
      const z0 = firstInside(z, dd)
      const z1 = firstBeyond(z, dd, id, kd)
      for (let oy = 0; oy < oh; oy++) {
        const row = oy * sh - ph
        const y0 = firstInside(row, dh)
        const y1 = firstBeyond(row, dh, ih, kh)
        if (wide && !barren && z0 < z1 && y0 < y1) {
          const cell = ((z + z0 * dd) * ih + row + y0 * dh) * iw - pw
          const layers = z1 - z0
          const rows = y1 - y0
          const from = x + (<usize>cell << 2)
          if (!inside) {
            copyRows(x + (<usize>(cell + pw) << 2), layers, dd * ih * iw, rows, dh * iw, iw, pw, width, copies)
            maxWide(ow, cell, layers, dd * ih * iw, rows, dh * iw, kw, dw, sw, copies, rows * width, width, skips, floor, y, winners)
          } else maxWide(ow, cell, layers, dd * ih * iw, rows, dh * iw, kw, dw, sw, from, dd * ih * iw, dh * iw, 0, floor, y, winners)
        } else maxSpan(0, ow, ih, iw, kw, sw, pw, dd, dh, dw, z, z0, z1, row, y0, y1, relu, x, y, winners)
        y += <usize>ow << 2
        winners += <usize>ow << 2
      }
    }
    x += size
  }
}

/** How many cells before the first real one each window of a row has; true if one has no real cell at all. */
function laySkips(ow: i32, sw: i32, pw: i32, dw: i32, kw: i32, iw: i32, to: usize): bool {
  for (let ox = 0; ox < ow; ox++) {
    const left = ox * sw - pw
    const first = firstInside(left, dw)
    if (first >= firstBeyond(left, dw, iw, kw)) return true
    store<i32>(to, first * dw)
    to += 4
  }
  return false
}

/** Copy rows of an image, `iw` cells each, with `pw` cells of -inf before them, `width` in all. May write 12 bytes too many. */
function copyRows(
  x: usize, layers: i32, layerStep: i32, rows: i32, rowStep: i32, iw: i32, pw: i32, width: i32, to: usize,
): void {
  const nothing = f32x4.splat(-Infinity)
  const from = max(-pw, 0)
  const before = <usize>min(max(pw, 0), width) << 2
  const cells = <usize>max(min(iw - from, width - max(pw, 0)), 0) << 2
  for (let i = 0; i < layers; i++) {
    for (let j = 0; j < rows; j++) {
      let source = x + (<usize>(i * layerStep + j * rowStep + from) << 2)
      const end = to + (<usize>width << 2)
      const begin = to + before
      const stop = begin + cells
      // whole vectors everywhere: what is too much is overwritten by the next part
      for (; to < begin; to += 16) v128.store(to, nothing)
      for (to = begin; to < stop; to += 16) {
        v128.store(to, v128.load(source))
        source += 16
      }
      for (to = stop; to < end; to += 16) v128.store(to, nothing)
      to = end
    }
  }
}

/** Outputs from..to - 1 of a row, one by one. */
function maxSpan(
  from: i32, to: i32, ih: i32, iw: i32, kw: i32, sw: i32, pw: i32, dd: i32, dh: i32, dw: i32,
  z: i32, z0: i32, z1: i32, row: i32, y0: i32, y1: i32, relu: i32, x: usize, y: usize, winners: usize,
): void {
  for (let ox = from; ox < to; ox++) {
    const left = ox * sw - pw
    const x0 = firstInside(left, dw)
    const x1 = firstBeyond(left, dw, iw, kw)
    let best: f32 = -Infinity
    let winner = z0 < z1 && y0 < y1 && x0 < x1 ? ((z + z0 * dd) * ih + row + y0 * dh) * iw + left + x0 * dw : -1
    for (let i = z0; i < z1; i++) {
      for (let j = y0; j < y1; j++) {
        let cell = ((z + i * dd) * ih + row + j * dh) * iw + left + x0 * dw
        for (let k = x0; k < x1; k++) {
          const v = load<f32>(x + (<usize>cell << 2))
          // the first NaN stays: nothing compares greater
          if (v > best || v != v && best == best) {
            best = v
            winner = cell
          }
          cell += dw
        }
      }
    }
    if (relu) {
      if (best <= 0) winner = -1
      if (best < 0) best = 0
    }
    store<f32>(y + (<usize>ox << 2), best)
    store<i32>(winners + (<usize>ox << 2), winner)
  }
}

/** Four outputs and their winners: maxima below `floor` are `floor`, and those not above it have no winner. */
@inline
function storeBest(best: v128, winner: v128, floor: v128, y: usize, winners: usize): void {
  v128.store(y, f32x4.pmax(best, floor))
  v128.store(winners, v128.or(winner, f32x4.le(best, floor)))
}

/** Lanes in which v takes the place of best: v > best, or v is NaN and best is not. */
@inline
function wins(v: v128, best: v128): v128 {
  return v128.andnot(f32x4.eq(best, best), f32x4.le(v, best))
}

/**
 * n outputs of a row; `cell` is the first cell of the first window, with steps in cells of the plane, x its address, with steps
 * in cells of what is read there; `skips`: cells before each window's first real one, or 0. Two vectors at once, as each
 * comparison waits for the one before; the last vectors overlap those before.
 */
function maxWide(
  n: i32, cell: i32, layers: i32, layerCells: i32, rows: i32, rowCells: i32, kw: i32, dw: i32, sw: i32,
  x: usize, layerStep: i32, rowStep: i32, skips: usize, floor: v128, y: usize, winners: usize,
): void {
  const lanes = i32x4.mul(i32x4(0, 1, 2, 3), i32x4.splat(sw))
  const step = <usize>dw << 2
  for (let ox = 0; ox < n; ox += 8) {
    const left = max(min(ox, n - 4), 0)
    const right = max(min(ox + 4, n - 4), 0)
    const corner = cell + left * sw
    const apart = (right - left) * sw
    let best = f32x4.splat(-Infinity)
    let bestRight = best
    let winner = i32x4.splat(corner)
    let winnerRight = winner
    if (skips) {
      winner = i32x4.add(winner, v128.load(skips + (<usize>left << 2)))
      winnerRight = i32x4.add(winnerRight, v128.load(skips + (<usize>right << 2)))
    }
    for (let i = 0; i < layers; i++) {
      for (let j = 0; j < rows; j++) {
        let c = corner + i * layerCells + j * rowCells
        let at = x + (<usize>(i * layerStep + j * rowStep + left * sw) << 2)
        for (let k = 0; k < kw; k++) {
          const here = i32x4.splat(c)
          const v = loadCells(at, sw)
          const mask = wins(v, best)
          best = v128.bitselect(v, best, mask)
          winner = v128.bitselect(here, winner, mask)
          const u = loadCells(at + (<usize>apart << 2), sw)
          const maskRight = wins(u, bestRight)
          bestRight = v128.bitselect(u, bestRight, maskRight)
          winnerRight = v128.bitselect(here, winnerRight, maskRight)
          c += dw
          at += step
        }
      }
    }
    winner = i32x4.add(winner, lanes)
    if (n < 4) {
      storeBest(best, winner, floor, scratchAt(EDGE), scratchAt(EDGE) + 16)
      storePart(y, v128.load(scratchAt(EDGE)), n)
      storePart(winners, v128.load(scratchAt(EDGE) + 16), n)
      return
    }
    storeBest(best, winner, floor, y + (<usize>left << 2), winners + (<usize>left << 2))
    winnerRight = i32x4.add(i32x4.add(winnerRight, i32x4.splat(apart)), lanes)
    storeBest(bestRight, winnerRight, floor, y + (<usize>right << 2), winners + (<usize>right << 2))
  }
}

/**
 * A plane in windows of 2 x 2 cells, two apart. False if there may be a NaN, of which these comparisons know nothing: then the
 * plane has to be done anew.
 */
function maxPairs(oh: i32, ow: i32, iw: i32, floor: v128, x: usize, y: usize, winners: usize): bool {
  const below = <usize>iw << 2
  const down = i32x4.splat(iw)
  const across = i32x4.splat(8)
  const last = ow - 4
  // cells under the first of the four windows
  let row = i32x4(0, 2, 4, 6)
  let total = f32x4.splat(0)
  for (; oh > 0; oh--) {
    let cells = row
    for (let ox = 0; ;) {
      const p = x + (<usize>ox << 3)
      const u0 = v128.load(p)
      const u1 = v128.load(p, 16)
      const v0 = v128.load(p + below)
      const v1 = v128.load(p + below, 16)
      const a = v128.shuffle<f32>(u0, u1, 0, 2, 4, 6)
      const b = v128.shuffle<f32>(u0, u1, 1, 3, 5, 7)
      const c = v128.shuffle<f32>(v0, v1, 0, 2, 4, 6)
      const d = v128.shuffle<f32>(v0, v1, 1, 3, 5, 7)
      const upper = f32x4.pmax(a, b)
      const lower = f32x4.pmax(c, d)
      const under = f32x4.lt(upper, lower)
      const right = v128.bitselect(f32x4.lt(c, d), f32x4.lt(a, b), under)
      total = f32x4.add(total, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)))
      // a mask that holds is -1
      const winner = i32x4.sub(i32x4.add(cells, v128.and(under, down)), right)
      storeBest(f32x4.pmax(upper, lower), winner, floor, y + (<usize>ox << 2), winners + (<usize>ox << 2))
      if (ox == last) break
      ox += 4
      if (ox <= last) cells = i32x4.add(cells, across)
      else {
        cells = i32x4.sub(cells, i32x4.splat(2 * (ox - last) - 8))
        ox = last
      }
    }
    row = i32x4.add(row, i32x4.add(down, down))
    x += below << 1
    y += <usize>ow << 2
    winners += <usize>ow << 2
  }
  return !v128.any_true(f32x4.ne(total, total))
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
