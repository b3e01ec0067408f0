// Copies of images with their padding around them: without edges every tap of four columns is one load (LeNet-5's first layer
// forward: 12 -> 17.5 GFLOP/s).

import { Window } from './columns'

/** Most cells of all copies at a time, and how many they should be if that means enough columns. */
const MOST_CELLS: i32 = 393216
const SOME_CELLS: i32 = 65536
const SOME_COLUMNS: i32 = 512

/**
 * Makes f the window over images cut and padded to what the taps of all outputs reach. Returns how many images to copy at a
 * time, or 0 if nothing is to be gained: no padding, or an image so large that its edges don't matter.
 */
export function layFrame(w: Window, f: Window): i32 {
  const id = (w.od - 1) * w.sd + (w.kd - 1) * w.dd + 1
  const ih = (w.oh - 1) * w.sh + (w.kh - 1) * w.dh + 1
  const iw = (w.ow - 1) * w.sw + (w.kw - 1) * w.dw + 1
  const inside = w.pd <= 0 && w.ph <= 0 && w.pw <= 0 && id - w.pd <= w.id && ih - w.ph <= w.ih && iw - w.pw <= w.iw
  const plane = <f64>id * <f64>ih * <f64>iw
  const places = w.places
  if (inside || places == 0 || w.c == 0 || plane * <f64>w.c > <f64>MOST_CELLS || plane > <f64>w.taps * <f64>places) return 0
  memory.copy(changetype<usize>(f), changetype<usize>(w), offsetof<Window>())
  f.id = id
  f.ih = ih
  f.iw = iw
  f.pd = 0
  f.ph = 0
  f.pw = 0
  const size = w.c * f.plane
  return min(w.n, min(MOST_CELLS / size, max(SOME_CELLS / size, (SOME_COLUMNS + places - 1) / places)))
}

/** Copy `images` images of x as the window f sees them. May write 12 bytes too many. */
export function copyFrames(w: Window, f: Window, images: i32, x: usize, to: usize): void {
  const from = max(-w.pw, 0)
  const left = <usize>max(w.pw, 0) << 2
  // cells of a row that are copied
  const width = <usize>max(min(f.iw - w.pw, w.iw) - from, 0) << 2
  const row = <usize>f.iw << 2
  const plane = <usize>w.plane << 2
  for (let p = images * w.c; p > 0; p--) {
    for (let z = -w.pd; z < f.id - w.pd; z++) {
      for (let y = -w.ph; y < f.ih - w.ph; y++) {
        const end = to + row
        if (width && <u32>z < <u32>w.id && <u32>y < <u32>w.ih) {
          let source = x + (<usize>((z * w.ih + y) * w.iw + from) << 2)
          const begin = to + left
          const stop = begin + width
          // whole vectors everywhere: what is too much is overwritten by the next part
          for (; to < begin; to += 16) v128.store(to, f32x4.splat(0))
          for (to = begin; to < stop; to += 16) {
            v128.store(to, v128.load(source))
            source += 16
          }
          to = stop
        }
        for (; to < end; to += 16) v128.store(to, f32x4.splat(0))
        to = end
      }
    }
    x += plane
  }
}
