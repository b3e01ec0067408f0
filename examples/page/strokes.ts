// From the strokes of a pointer to an image like those of the data set, whose bitmaps were scaled, centred and given an even thickness
// before their ink was counted in blocks of 4×4 pixels (Alpaydin and Kaynak, 1998; preprocessing by NIST).

export interface Point {
  x: number
  y: number
}
/** Points that the pen passed without being lifted, in any unit; y points down */
export type Stroke = readonly Point[]

/** Side of the bitmap and of the image that is counted from it */
export const BITMAP = 32
export const SIDE = 8
const BLOCK = BITMAP / SIDE
/** The data set's bitmaps have about as many pixels of ink whatever the digit: from 303 (7) to 330 (8) in the mean. */
export const INK = 310
/** Columns that a wide digit fills; its height fills all rows */
export const WIDTH = 22
/** A narrow digit is stretched by at most this */
export const STRETCH = 1.2
/** Radius of the pen in pixels of the bitmap, for drawings too small or too long for INK */
const THINNEST = 1.2
const THICKEST = 4.6

/** Squared distance of a point to the segment from a to b */
function distance2(x: number, y: number, a: Point, b: Point): number {
  const dx = b.x - a.x
  const dy = b.y - a.y
  const length2 = dx * dx + dy * dy
  const t = length2 > 0 ? Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / length2)) : 0
  const ex = a.x + t * dx - x
  const ey = a.y + t * dy - y
  return ex * ex + ey * ey
}

/** Distance of each pixel's middle to the nearest stroke */
function distances(strokes: readonly Stroke[]): Float64Array {
  const out = new Float64Array(BITMAP * BITMAP).fill(Infinity)
  for (const stroke of strokes) {
    stroke.forEach((point, i) => {
      const before = stroke[Math.max(0, i - 1)]!
      for (let p = 0; p < out.length; p++) {
        const d = distance2((p % BITMAP) + 0.5, Math.floor(p / BITMAP) + 0.5, before, point)
        if (d < out[p]!) out[p] = d
      }
    })
  }
  return out.map(Math.sqrt)
}

/** Strokes without points that lie closer together than `least` */
const thinned = (strokes: readonly Stroke[], least: number): Stroke[] =>
  strokes.filter(s => s.length > 0).map(stroke => {
    const kept = [stroke[0]!]
    for (const point of stroke) {
      const last = kept.at(-1)!
      const dx = point.x - last.x
      const dy = point.y - last.y
      if (dx * dx + dy * dy >= least * least) kept.push(point)
    }
    return kept
  })

/**
 * The drawing as a bitmap [32, 32] of 0 and 1: its bounding box fills the height and at most WIDTH columns around the middle, and the
 * pen is as wide as it takes to cover INK pixels. A narrow digit is stretched a little. No points: no ink.
 */
export function bitmapOf(strokes: readonly Stroke[]): Uint8Array {
  const points = strokes.flat()
  const bitmap = new Uint8Array(BITMAP * BITMAP)
  if (points.length === 0) return bitmap
  const [left, right] = [Math.min(...points.map(p => p.x)), Math.max(...points.map(p => p.x))]
  const [top, bottom] = [Math.min(...points.map(p => p.y)), Math.max(...points.map(p => p.y))]
  const size = Math.max(right - left, bottom - top)
  const lines = thinned(strokes, size / 64)
  let radius = 3
  // the box has room for the pen, and the pen depends on how long the lines are in the box: three rounds settle it
  for (let round = 0; round < 3; round++) {
    const room = BITMAP - 2 * radius
    const scaleY = size > 0 ? room / size : 0
    const scaleX = Math.min(scaleY * STRETCH, (WIDTH - 2 * radius) / (right - left || 1))
    const placed = lines.map(stroke => stroke.map(({ x, y }) => ({
      x: BITMAP / 2 + (x - (left + right) / 2) * scaleX, y: BITMAP / 2 + (y - (top + bottom) / 2) * scaleY,
    })))
    const far = distances(placed)
    radius = Math.min(THICKEST, Math.max(THINNEST, Float64Array.from(far).sort()[INK - 1]!))
    for (let p = 0; p < far.length; p++) bitmap[p] = far[p]! <= radius ? 1 : 0
  }
  return bitmap
}

/** Pixels of ink in each block of 4×4: an image [8, 8] of 0..16, as the data set's are */
export function countBlocks(bitmap: ArrayLike<number>): Uint8Array {
  const image = new Uint8Array(SIDE * SIDE)
  for (let p = 0; p < bitmap.length; p++) {
    image[Math.floor(p / BITMAP / BLOCK) * SIDE + Math.floor((p % BITMAP) / BLOCK)]! += bitmap[p]!
  }
  return image
}

/** The drawing as the network gets it: [8, 8], 0..16 */
export const imageOf = (strokes: readonly Stroke[]): Uint8Array => countBlocks(bitmapOf(strokes))
