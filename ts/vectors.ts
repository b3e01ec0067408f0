// Vectors outside linear memory, computed one element after the other.

import type { Backend } from './kernels.js'

export type Vector = Float32Array | Float64Array

/** Zeros of a backend's own width */
export const vector = ({ width }: Backend, size: number): Vector => new (width === 8 ? Float64Array : Float32Array)(size)

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** a += factor b */
export function addScaled(a: Vector, factor: number, b: ArrayLike<number>): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!
}
