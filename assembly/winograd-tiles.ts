// What a block of Winograd tiles reads and writes: tiles are numbered through all images, row by row, and those in one row of
// tiles read a strip of the image, which is copied with its padding into a frame.

import { PLACES_AT, TILES } from './blocks'
import { scratchAt } from './microkernel'

/** Cells of one channel that a run of neighbouring tiles reads. */
@unmanaged
class Strip {
  /** Bytes from the channel's first cell to the first one inside the image, and where it goes in the frame */
  from: usize
  to: usize
  rows: i32
  /** Cells of a row that are inside */
  cells: i32
}

/** One tile of a block. */
@unmanaged
export class Place {
  /** Where the tile's cells begin in the frame, in bytes */
  frame: usize
  /** Bytes from the first output of channel 0 */
  out: usize
  /** Outputs that exist */
  rows: i32
  columns: i32
}

@inline
export function placeOf(tile: i32): Place {
  return changetype<Place>(scratchAt(PLACES_AT) + (<usize>tile << 4))
}

/** Bytes of a frame's row: the cells of all tiles of a strip and a vector more. */
@inline
export function pitchOf(across: i32, most: i32): usize {
  return <usize>(min(across, most) + 1) << 4
}

/** Bytes of a frame for `most` tiles, `across` of them in a row of the image. */
@inline
export function frameBytes(across: i32, most: i32): usize {
  return (<usize>(most + across - 1) / across + 1) * 6 * pitchOf(across, most) + 16
}

/**
 * Describe tiles first .. first + count - 1; returns the number of strips. They are `high` rows of cells: 6 of images [c, ih, iw]
 * with their padding, or 4 of a gradient.
 */
export function layStrips(
  c: i32, ih: i32, iw: i32, ph: i32, pw: i32, down: i32, across: i32, first: i32, count: i32, high: i32, to: usize,
): i32 {
  const pitch = pitchOf(across, TILES)
  const plane = ih * iw
  let x = first % across
  let y = first / across % down
  let image = first / across / down
  let strips = 0
  let frame: usize = 0
  while (count > 0) {
    const some = min(across - x, count)
    const y0 = 4 * y - ph
    const x0 = 4 * x - pw
    const top = max(y0, 0)
    const left = max(x0, 0)
    const strip = changetype<Strip>(to)
    strip.from = <usize>(image * c * plane + top * iw + left) << 2
    strip.to = frame + <usize>(top - y0) * pitch + (<usize>(left - x0) << 2)
    strip.rows = max(min(y0 + high, ih) - top, 0)
    strip.cells = max(min(x0 + 4 * some + high - 4, iw) - left, 0)
    to += offsetof<Strip>()
    strips++
    frame += 6 * pitch
    count -= some
    x = 0
    if (++y == down) {
      y = 0
      image++
    }
  }
  return strips
}

/** Describe where tiles first .. first + count - 1 begin and end, then up to `wide` the last one again. */
export function layPlaces(o: i32, oh: i32, ow: i32, down: i32, across: i32, first: i32, count: i32, wide: i32): void {
  const pitch = pitchOf(across, TILES)
  let x = first % across
  let y = first / across % down
  let image = first / across / down
  let frame: usize = 0
  let start = x
  for (let i = 0; i < wide; i++) {
    const place = placeOf(i)
    place.frame = frame + (<usize>(x - start) << 4)
    place.out = <usize>((image * o * oh + 4 * y) * ow + 4 * x) << 2
    place.rows = min(oh - 4 * y, 4)
    place.columns = min(ow - 4 * x, 4)
    if (i >= count - 1 || ++x < across) continue
    x = 0
    start = 0
    frame += 6 * pitch
    if (++y < down) continue
    y = 0
    image++
  }
}

/** Copy the strips of one channel at x to a frame that is zero where nothing is copied. */
export function copyStrips(strips: usize, count: i32, x: usize, row: usize, pitch: usize, frame: usize): void {
  for (; count > 0; count--) {
    const strip = changetype<Strip>(strips)
    let from = x + strip.from
    let to = frame + strip.to
    const cells = strip.cells
    const whole = <usize>(cells & ~3) << 2
    for (let r = cells > 0 ? strip.rows : 0; r > 0; r--) {
      const end = to + whole
      let q = from
      let z = to
      for (; z < end; z += 16) {
        v128.store(z, v128.load(q))
        q += 16
      }
      if (cells & 2) {
        store<u64>(z, load<u64>(q))
        z += 8
        q += 8
      }
      if (cells & 1) store<u32>(z, load<u32>(q))
      from += row
      to += pitch
    }
    strips += offsetof<Strip>()
  }
}

/** Store the rows of a finished 4 x 4 tile at `tile`. */
@inline
export function storeTile(place: Place, tile: usize, y: usize, row: usize): void {
  const rows = place.rows
  const columns = place.columns
  if (rows == 4 && columns == 4) {
    v128.store(y, v128.load(tile))
    y += row
    v128.store(y, v128.load(tile, 16))
    y += row
    v128.store(y, v128.load(tile, 32))
    y += row
    v128.store(y, v128.load(tile, 48))
    return
  }
  for (let r = 0; r < rows; r++) {
    let from = tile
    let to = y
    if (columns == 4) v128.store(to, v128.load(from))
    else {
      if (columns & 2) {
        store<u64>(to, load<u64>(from))
        from += 8
        to += 8
      }
      if (columns & 1) store<u32>(to, load<u32>(from))
    }
    tile += 16
    y += row
  }
}
