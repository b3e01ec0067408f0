// Digits as a hand draws them with a pointer: strokes of each in several forms, shaken, slanted, stretched and moved by a seed.

import { Generator } from 'hebb'
import type { Point } from '../examples/page/strokes.js'

/** Corners of a smooth line through a box of 100 × 100, y down; several strokes apart by '|' */
const FORMS: Record<string, string> = {
  '0': '52 5, 30 12, 18 40, 20 68, 38 93, 60 93, 80 72, 82 40, 70 14, 52 5',
  '0 narrow': '50 3, 34 25, 32 60, 42 92, 56 94, 66 70, 66 32, 50 3',
  '1': '50 4, 50 50, 50 96',
  '1 with a flag': '28 28, 42 18, 56 4, 56 50, 56 97',
  '2': '20 26, 30 9, 52 4, 74 14, 76 36, 58 60, 34 80, 16 95, 16 95, 50 94, 86 94',
  '2 round': '22 20, 40 5, 66 8, 74 30, 60 55, 40 74, 22 92, 22 92, 34 86, 60 93, 82 92',
  '3': '20 14, 44 4, 70 12, 72 30, 56 44, 40 47, 40 47, 64 51, 78 68, 70 88, 44 97, 18 88',
  '4': '60 4, 40 34, 16 62, 16 62, 52 62, 88 62 | 64 36, 63 66, 62 97',
  '4 open': '36 4, 26 30, 18 54, 18 54, 50 53, 84 52 | 68 26, 66 60, 62 97',
  '5': '78 6, 50 6, 28 6, 28 6, 26 24, 24 44, 24 44, 50 38, 74 48, 78 70, 66 90, 40 96, 18 88',
  '6': '70 6, 46 20, 28 44, 22 70, 34 92, 58 95, 76 80, 72 60, 52 52, 32 60, 24 74',
  '7': '16 8, 50 8, 82 7, 82 7, 68 32, 54 62, 44 96',
  '7 crossed': '16 10, 50 8, 80 9, 80 9, 66 40, 54 68, 46 96 | 38 50, 58 50, 78 49',
  '8': '68 16, 48 4, 30 14, 30 32, 50 46, 70 62, 74 82, 52 97, 28 86, 28 64, 48 48, 68 34, 68 16',
  '9': '74 26, 58 8, 36 8, 24 26, 30 46, 52 50, 70 38, 74 24, 74 24, 74 50, 66 76, 54 97',
  '9 straight': '72 14, 50 5, 30 16, 28 36, 44 48, 62 42, 72 18, 72 18, 72 56, 72 97',
}

/** Points close together on a smooth line through corners (Catmull and Rom); a corner given twice stays sharp. */
function smooth(corners: readonly Point[], between = 8): Point[] {
  const line: Point[] = []
  for (let i = 0; i + 1 < corners.length; i++) {
    const [a, b, c, d] = [corners[Math.max(0, i - 1)]!, corners[i]!, corners[i + 1]!, corners[Math.min(corners.length - 1, i + 2)]!]
    for (let k = 0; k <= between; k++) {
      const t = k / between
      const along = (p: number, q: number, r: number, s: number) =>
        0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t * t * t)
      line.push({ x: along(a.x, b.x, c.x, d.x), y: along(a.y, b.y, c.y, d.y) })
    }
  }
  return line
}

export interface Glyph {
  name: string
  digit: number
  strokes: Point[][]
}

/** `each` drawings of every form; in steady hands, they are the forms themselves. */
export function glyphs(each: number, seed: number, steady = false): Glyph[] {
  const random = new Generator(seed)
  const within = (most: number) => (steady ? 0 : (2 * random.uniform() - 1) * most)
  return Object.entries(FORMS).flatMap(([name, text]) => Array.from({ length: each }, () => {
    const [wide, high, slant, turn, left, top] = [1 + within(0.2), 1 + within(0.15), within(0.2), within(0.1), within(40), within(40)]
    const strokes = text.split('|').map(part => smooth(part.trim().split(/, */).map(pair => {
      const [x, y] = pair.trim().split(' ').map(Number) as [number, number]
      return { x: x + within(3.5), y: y + within(3.5) }
    })).map(({ x, y }) => ({ x: 150 + left + wide * (x - 50) - (slant + turn) * (y - 50), y: 150 + top + high * (y - 50) + turn * (x - 50) })))
    return { name, digit: Number(name[0]), strokes }
  }))
}
