// Pictures of images and of convolution filters: pixels from arrays, tiles for pages.

import { escapeText } from './axes.js'
import { pictureAddress, type Picture } from './png.js'

/**
 * A [channels, height, width] image of bytes as a picture; `white` is the value of a fully lit pixel. Of one, two or more
 * than three channels the first is shown.
 */
export function imagePicture(image: Uint8Array, channels: number, height: number, width: number, white = 255): Picture {
  const plane = height * width
  const shown = channels === 3 ? 3 : 1
  if (image.length !== channels * plane) {
    throw new RangeError(`imagePicture: ${channels}×${height}×${width} bytes expected, got ${image.length}`)
  }
  const pixels = new Uint8Array(shown * plane)
  for (let c = 0; c < shown; c++) {
    for (let i = 0; i < plane; i++) pixels[i * shown + c] = Math.min(255, Math.round((image[c * plane + i]! * 255) / white))
  }
  return { width, height, channels: shown, pixels }
}

const COLD = [33, 102, 172]
const WARM = [178, 24, 43]
const NEUTRAL = 247

/**
 * Filters [n, channels, height, width] as pictures. Three channels show as red, green and blue around grey. Others show
 * one picture for each channel, blue below 0, white at 0, red above. All filters share one scale, so that strong and
 * weak ones can be told apart.
 */
export function filterPictures(weights: ArrayLike<number>, n: number, channels: number, height: number, width: number): Picture[] {
  const plane = height * width
  if (weights.length !== n * channels * plane) {
    throw new RangeError(`filterPictures: ${n}×${channels}×${height}×${width} numbers expected, got ${weights.length}`)
  }
  let most = 0
  for (let i = 0; i < weights.length; i++) {
    const size = Math.abs(weights[i]!)
    if (size < Infinity) most = Math.max(most, size)
  }
  const scaled = (i: number) => {
    const x = most > 0 ? weights[i]! / most : 0
    return x >= -1 && x <= 1 ? x : x > 0 ? 1 : x < 0 ? -1 : 0
  }
  const pictures: Picture[] = []
  for (let p = 0; p < (channels === 3 ? n : n * channels); p++) {
    const pixels = new Uint8Array(3 * plane)
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) {
        const x = scaled(channels === 3 ? (p * 3 + c) * plane + i : p * plane + i)
        const end = (x < 0 ? COLD : WARM)[c]!
        pixels[3 * i + c] = channels === 3 ? Math.round(127.5 + 127.5 * x) : Math.round(NEUTRAL + Math.abs(x) * (end - NEUTRAL))
      }
    }
    pictures.push({ width, height, channels: 3, pixels })
  }
  return pictures
}

export interface Tile {
  picture: Picture
  /** What the picture shows, for those who can't see it. */
  alt: string
  /** Lines under the picture. */
  caption?: readonly string[]
}

/** A list of pictures with captions, as HTML; `size` is the width of a tile in CSS pixels. Pixels stay sharp squares. */
export function imageGrid(tiles: readonly Tile[], size = 72): string {
  const items = tiles.map(({ picture, alt, caption = [] }) => {
    const lines = caption.map(line => `<span style="display:block">${escapeText(line)}</span>`).join('')
    const box = `width="${size}" height="${Math.round((size * picture.height) / picture.width)}"`
    const words = `alt="${escapeText(alt)}" title="${escapeText(alt)}"`
    const image = `<img src="${pictureAddress(picture)}" ${words} ${box} style="display:block;image-rendering:pixelated">`
    return `<li style="width:${size}px;overflow-wrap:anywhere">${image}${lines && `<div class="caption">${lines}</div>`}</li>`
  })
  const row = 'display:flex;flex-wrap:wrap;gap:10px;padding:0;margin:0;list-style:none'
  return `<ul class="tiles" style="${row}">\n${items.join('\n')}\n</ul>`
}
