// From a picture of a digit to an image like those of the data set: bitmaps [32, 32], scaled and centred, whose ink was counted in blocks
// of 4×4 pixels (Alpaydin and Kaynak, 1998).

import { BITMAP, countBlocks, INK, STRETCH, WIDTH } from '../page/strokes.js'
import type { GreyImage } from './png.js'

/** The largest value of a pixel of the images that the model takes */
export const WHITE = 16
/** Contrast from which on a picture is taken for one of something, of 255 */
const CONTRAST = 32

/** A picture with nothing on it */
export class BlankImage extends Error {
  override name = 'BlankImage'
}

/** How much of each pixel is ink, 0..1: its distance from the colour of the paper, which is the median of the picture's border */
function inkOf({ width, height, grey }: GreyImage): Float32Array {
  const border = Array.from(grey.keys()).filter(p => p % width === 0 || p % width === width - 1 || p < width || p >= width * (height - 1))
  const paper = border.map(p => grey[p]!).sort((a, b) => a - b)[border.length >> 1]!
  const ink = grey.map(v => Math.abs(v - paper))
  const most = ink.reduce((a, b) => Math.max(a, b), 0)
  if (most < CONTRAST) throw new BlankImage(`a digit on paper of another colour expected, got a picture of one colour (contrast ${most.toFixed(0)} of 255)`)
  return ink.map(v => v / most)
}

/** Bilinear value of `ink` at a point; none outside */
function at(ink: Float32Array, width: number, height: number, x: number, y: number): number {
  const [c, r] = [Math.floor(x - 0.5), Math.floor(y - 0.5)]
  const [fx, fy] = [x - 0.5 - c, y - 0.5 - r]
  const pixel = (r: number, c: number) => (r >= 0 && r < height && c >= 0 && c < width ? ink[r * width + c]! : 0)
  return (pixel(r, c) * (1 - fx) + pixel(r, c + 1) * fx) * (1 - fy) + (pixel(r + 1, c) * (1 - fx) + pixel(r + 1, c + 1) * fx) * fy
}

/** The bitmap [32, 32] into which the box of the ink is scaled; 0 or 1 */
function placed(ink: Float32Array, width: number, height: number): Uint8Array {
  let [left, right, top, bottom] = [width, 0, height, 0]
  ink.forEach((v, p) => {
    if (v < 0.5) return
    const [x, y] = [p % width, Math.floor(p / width)]
    left = Math.min(left, x)
    right = Math.max(right, x + 1)
    top = Math.min(top, y)
    bottom = Math.max(bottom, y + 1)
  })
  const scaleY = BITMAP / Math.max(right - left, bottom - top)
  const scaleX = Math.min(scaleY * STRETCH, WIDTH / (right - left))
  // a pixel of the bitmap is the mean over what it covers of the picture, which may be larger
  const fine = Math.min(8, Math.max(2, Math.ceil(1 / scaleX)))
  return Uint8Array.from({ length: BITMAP * BITMAP }, (_, p) => {
    let sum = 0
    for (let i = 0; i < fine * fine; i++) {
      const x = (p % BITMAP) + ((i % fine) + 0.5) / fine - BITMAP / 2
      const y = Math.floor(p / BITMAP) + (Math.floor(i / fine) + 0.5) / fine - BITMAP / 2
      sum += at(ink, width, height, x / scaleX + (left + right) / 2, y / scaleY + (top + bottom) / 2)
    }
    return sum >= 0.5 * fine * fine ? 1 : 0
  })
}

/** Squared distance from each pixel to the nearest one of `value`, 0 where it has that value itself: along the rows, then along the columns */
function distances(bitmap: Uint8Array, value: number): Float64Array {
  const along = new Float64Array(BITMAP * BITMAP).fill(Infinity)
  const out = new Float64Array(BITMAP * BITMAP).fill(Infinity)
  for (let row = 0; row < BITMAP * BITMAP; row += BITMAP) {
    for (let from = 0; from < BITMAP; from++) {
      if (bitmap[row + from] !== value) continue
      for (let x = 0; x < BITMAP; x++) along[row + x] = Math.min(along[row + x]!, (x - from) * (x - from))
    }
  }
  for (let y = 0; y < BITMAP; y++) {
    for (let from = 0; from < BITMAP; from++) {
      for (let x = 0; x < BITMAP; x++) {
        out[y * BITMAP + x] = Math.min(out[y * BITMAP + x]!, along[from * BITMAP + x]! + (y - from) * (y - from))
      }
    }
  }
  return out
}

/** Strokes made wider or narrower all round, until INK pixels are covered */
function evenly(bitmap: Uint8Array): Uint8Array {
  const outside = distances(bitmap, 1)
  const inside = distances(bitmap, 0)
  const depth = outside.map((d, p) => d - inside[p]!)
  const limit = Float64Array.from(depth).sort()[INK - 1]!
  return Uint8Array.from(depth, d => (d <= limit ? 1 : 0))
}

/**
 * A picture, dark on light or light on dark, as the model takes it: [8, 8] of 0 (paper) to 16 (ink).
 * @throws BlankImage if there is nothing to be seen
 */
export function digitOf(picture: GreyImage): Uint8Array {
  const { width, height } = picture
  return countBlocks(evenly(placed(inkOf(picture), width, height)))
}
