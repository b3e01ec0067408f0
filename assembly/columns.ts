// Columns of a convolution: which cells of the image the taps of each output read, gathered straight from the image into
// panels. The matrix of all columns (im2col) never exists.
//
// Outputs are numbered through all images: column j = image · places + place. Four neighbouring columns are a half (of a panel).
// The rows of the matrix are the taps (c, kd, kh, kw) of a group.

/** Most columns whose halves are described at a time. */
export const COLUMNS: i32 = 1024

/** Sizes of a convolution, as in ts/kernels.ts. */
@unmanaged
export class Window {
  n: i32
  /** Channels of an image and of an output, all groups together */
  c: i32
  o: i32
  groups: i32
  id: i32
  ih: i32
  iw: i32
  kd: i32
  kh: i32
  kw: i32
  od: i32
  oh: i32
  ow: i32
  sd: i32
  sh: i32
  sw: i32
  pd: i32
  ph: i32
  pw: i32
  dd: i32
  dh: i32
  dw: i32

  /** Cells of a channel */
  @inline
  get plane(): i32 {
    return this.id * this.ih * this.iw
  }

  /** Outputs of a channel */
  @inline
  get places(): i32 {
    return this.od * this.oh * this.ow
  }

  @inline
  get taps(): i32 {
    return this.kd * this.kh * this.kw
  }
}

/** One column of a half. */
@unmanaged
export class Lane {
  /** Address of the cell under the first tap of channel 0; may lie outside the image */
  at: usize
  /** Index of the output in channel 0, or -1 beyond the last column */
  out: i32
  /** Coordinates of that cell */
  z: i32
  y: i32
  x: i32
}

@unmanaged
export class Half {
  how: How
  /** 1 if all four outputs are neighbours in memory */
  whole: i32

  @inline
  lane(i: i32): Lane {
    return changetype<Lane>(changetype<usize>(this) + 8 + <usize>i * offsetof<Lane>())
  }
}

/** Bytes of a half with its four lanes. */
export const HALF: usize = 8 + 4 * offsetof<Lane>()

/** How the four cells under a tap are read. */
export enum How {
  /** Neighbours, all inside the image */
  row,
  /** Every second cell, all inside */
  second,
  /** Anywhere, all inside */
  inside,
  /** Neighbours in one row of the image, some outside */
  rowEdge,
  /** Anywhere, some outside */
  edge,
}

/** Where a tap lies relative to the first one: bytes, then steps along each dimension. */
@unmanaged
export class Tap {
  offset: usize
  z: i32
  y: i32
  x: i32
}

export const TAP: usize = offsetof<Tap>()

/** Coordinate of lanes that don't exist: no tap reaches the image from there. */
const NOWHERE: i32 = -0x40000000

/** Describe rows first .. first + count - 1 of the matrix of columns. */
export function layTaps(w: Window, first: i32, count: i32, to: usize): void {
  let x = first % w.kw
  let rest = first / w.kw
  let y = rest % w.kh
  rest /= w.kh
  let z = rest % w.kd
  let c = rest / w.kd
  for (let i = 0; i < count; i++) {
    const tap = changetype<Tap>(to)
    tap.z = z * w.dd
    tap.y = y * w.dh
    tap.x = x * w.dw
    tap.offset = <usize>(c * w.plane + (tap.z * w.ih + tap.y) * w.iw + tap.x) << 2
    to += TAP
    if (++x == w.kw) {
      x = 0
      if (++y == w.kh) {
        y = 0
        if (++z == w.kd) {
          z = 0
          c++
        }
      }
    }
  }
}

/**
 * How many whole images of `places` outputs have their halves described at a time, at most `most` columns: those of the images
 * after them are the same. 0: a part of one image.
 */
@inline
export function imagesAtOnce(places: i32, most: i32): i32 {
  return places > 0 ? most / places : 0
}

/** Describe `halves` halves from column `first` on; lanes from column `end` on reach nothing. */
export function layHalves(w: Window, first: i32, end: i32, halves: i32, image: usize, to: usize): void {
  const ow = w.ow
  const sw = w.sw
  const places = w.places
  const size = <usize>(w.c * w.plane) << 2
  let left = end - first
  let n = first / places
  let place = first % places
  let out = n * w.o * places + place
  let x = place % ow
  place /= ow
  let y = place % w.oh
  let z = place / w.oh
  image += <usize>n * size
  // the largest first coordinate from which every tap is inside
  const lastZ = w.id - 1 - (w.kd - 1) * w.dd
  const lastY = w.ih - 1 - (w.kh - 1) * w.dh
  const lastX = w.iw - 1 - (w.kw - 1) * w.dw
  for (; halves > 0; halves--) {
    const half = changetype<Half>(to)
    // four outputs of one row at once, or one at a time
    const some = left >= 4 && x + 4 <= ow ? 4 : 1
    let inside = true
    half.whole = left >= 4 ? 1 : 0
    for (let l = 0; l < 4; l += some) {
      const lane = half.lane(l)
      if (left <= 0) {
        lane.out = -1
        lane.z = NOWHERE
        inside = false
        continue
      }
      const z0 = z * w.sd - w.pd
      const y0 = y * w.sh - w.ph
      const x0 = x * sw - w.pw
      lane.at = image + (<usize>((z0 * w.ih + y0) * w.iw + x0) << 2)
      lane.out = out
      lane.z = z0
      lane.y = y0
      lane.x = x0
      if (z0 < 0 || z0 > lastZ || y0 < 0 || y0 > lastY || x0 < 0 || x0 + (some - 1) * sw > lastX) inside = false
      left -= some
      out += some
      x += some
      if (x < ow) continue
      x = 0
      if (++y < w.oh) continue
      y = 0
      if (++z < w.od) continue
      z = 0
      image += size
      out += (w.o - 1) * places
      if (l + some < 4 && w.o > 1) half.whole = 0
    }
    if (some == 4 && sw == 1) half.how = inside ? How.row : How.rowEdge
    else {
      if (some == 4) spread(half, sw)
      half.how = !inside ? How.edge : some == 4 && sw == 2 ? How.second : How.inside
    }
    to += HALF
  }
}

/** Lanes 1-3 of a half whose outputs lie in one row. */
function spread(half: Half, sw: i32): void {
  const first = half.lane(0)
  for (let l = 1; l < 4; l++) {
    const lane = half.lane(l)
    lane.at = first.at + (<usize>(l * sw) << 2)
    lane.out = first.out + l
    lane.z = first.z
    lane.y = first.y
    lane.x = first.x + l * sw
  }
}

/** Read the four cells of a half under the taps at taps..end, `shift` bytes further on, to y, y + step, ... */
export function gatherHalf(w: Window, half: Half, taps: usize, end: usize, shift: usize, y: usize, step: usize): void {
  const first = half.lane(0)
  const p0 = first.at + shift
  const how = half.how
  if (how == How.row) {
    for (; taps < end; taps += TAP) {
      v128.store(y, v128.load(p0 + changetype<Tap>(taps).offset))
      y += step
    }
  } else if (how == How.second) {
    for (; taps < end; taps += TAP) {
      const p = p0 + changetype<Tap>(taps).offset
      v128.store(y, v128.shuffle<f32>(v128.load(p), v128.load(p, 16), 0, 2, 4, 6))
      y += step
    }
  } else if (how == How.inside) {
    const p1 = half.lane(1).at + shift
    const p2 = half.lane(2).at + shift
    const p3 = half.lane(3).at + shift
    for (; taps < end; taps += TAP) {
      const offset = changetype<Tap>(taps).offset
      let v = v128.load32_zero(p0 + offset)
      v = v128.load_lane<f32>(p1 + offset, v, 1)
      v = v128.load_lane<f32>(p2 + offset, v, 2)
      v128.store(y, v128.load_lane<f32>(p3 + offset, v, 3))
      y += step
    }
  } else if (how == How.rowEdge) gatherRowEdge(w, first, taps, end, shift, y, step)
  else {
    for (let l = 0; l < 4; l++) {
      gatherLane(w, half.lane(l), taps, end, shift, y, step)
      y += 4
    }
  }
}

/** Four neighbours of one row of the image, zeros outside; nothing is read unless one of them is inside. */
@inline
function gatherRowEdge(w: Window, lane: Lane, taps: usize, end: usize, shift: usize, y: usize, step: usize): void {
  const at = lane.at + shift
  const z0 = lane.z
  const y0 = lane.y
  const x0 = lane.x
  const id = w.id
  const ih = w.ih
  const iw = w.iw
  const width = i32x4.splat(iw)
  const lanes = i32x4(0, 1, 2, 3)
  for (; taps < end; taps += TAP) {
    const tap = changetype<Tap>(taps)
    const x = x0 + tap.x
    let v = i32x4.splat(0)
    if (<u32>(z0 + tap.z) < <u32>id && <u32>(y0 + tap.y) < <u32>ih && <u32>(x + 3) < <u32>(iw + 3)) {
      v = v128.and(v128.load(at + tap.offset), i32x4.lt_u(i32x4.add(i32x4.splat(x), lanes), width))
    }
    v128.store(y, v)
    y += step
  }
}

/** One cell per tap, zero outside. */
function gatherLane(w: Window, lane: Lane, taps: usize, end: usize, shift: usize, y: usize, step: usize): void {
  const at = lane.at + shift
  const z0 = lane.z
  const y0 = lane.y
  const x0 = lane.x
  const id = w.id
  const ih = w.ih
  const iw = w.iw
  for (; taps < end; taps += TAP) {
    const tap = changetype<Tap>(taps)
    let v: f32 = 0
    if (<u32>(z0 + tap.z) < <u32>id && <u32>(y0 + tap.y) < <u32>ih && <u32>(x0 + tap.x) < <u32>iw) v = load<f32>(at + tap.offset)
    store<f32>(y, v)
    y += step
  }
}

/** Columns of two halves as a panel [taps][8] at y. */
export function gatherPanel(w: Window, left: Half, right: Half, taps: usize, end: usize, shift: usize, y: usize): void {
  if (left.how == How.row && right.how == How.row) {
    const p0 = left.lane(0).at + shift
    const p1 = right.lane(0).at + shift
    for (; taps < end; taps += TAP) {
      const offset = changetype<Tap>(taps).offset
      v128.store(y, v128.load(p0 + offset))
      v128.store(y, v128.load(p1 + offset), 16)
      y += 32
    }
  } else {
    gatherHalf(w, left, taps, end, shift, y, 32)
    gatherHalf(w, right, taps, end, shift, y + 16, 32)
  }
}
