// Tiles of two outputs and four halves whose cells are read where they are in the image, for convolutions with too few outputs
// to gather panels of columns. Of the time of gathered ones: LeNet-5's first layer forward 0.76, 3 x 3 of 3 channels 0.89.

import { NEAR_STEP, nearTile } from '../build/assembly/tiles'
import { HALF, Half, How, TAP } from './columns'
import { panelRow } from './microkernel'

/** Most outputs of a group that are worked out so. */
export const FEW: i32 = 8

/** True if the next four halves lie in one row of the image each, all inside. */
@inline
export function inRows(at: usize): bool {
  return (
    changetype<Half>(at).how == How.row && changetype<Half>(at + HALF).how == How.row &&
    changetype<Half>(at + 2 * HALF).how == How.row && changetype<Half>(at + 3 * HALF).how == How.row
  )
}

/**
 * For each pair of rows of weights, which are panels of A, and each tap: both weights and where the tap lies. A last single row is
 * there twice.
 */
export function packPairs(rows: i32, panels: i32, a: usize, taps: usize, count: i32, to: usize): void {
  for (let r = 0; r < rows; r += 2) {
    const u = rowAt(rows, panels, r, a, count)
    const v = rowAt(rows, panels, min(r + 1, rows - 1), a, count)
    for (let t = 0; t < count; t++) {
      const k = <usize>t << 4
      store<f32>(to, load<f32>(u + k))
      store<f32>(to, load<f32>(v + k), 4)
      store<usize>(to, load<usize>(taps + <usize>t * TAP), 8)
      to += NEAR_STEP
    }
  }
}

/** Where row r of weights begins in its panel */
function rowAt(rows: i32, panels: i32, r: i32, a: usize, count: i32): usize {
  let p = 0
  while (panelRow(rows, panels, p + 1) <= r) p++
  return a + (<usize>(p * count) << 4) + (<usize>(r - panelRow(rows, panels, p)) << 2)
}

/** Four halves that are inRows: y = max(start + weights times cells, low) for all rows, whose weights packPairs has packed. */
export function nearRows(
  at: usize, count: i32, shift: usize, rows: i32, pairs: usize, start: usize, startStep: usize, y: usize, ys: usize, low: f32,
): void {
  const l0 = changetype<Half>(at).lane(0)
  const l1 = changetype<Half>(at + HALF).lane(0)
  const l2 = changetype<Half>(at + 2 * HALF).lane(0)
  const l3 = changetype<Half>(at + 3 * HALF).lane(0)
  const length = <usize>count * NEAR_STEP
  nearTile(
    l0.at + shift, l1.at + shift, l2.at + shift, l3.at + shift, rows, pairs + length, length, count & 1, start, start ? startStep : ys,
    y + (<usize>l0.out << 2), y + (<usize>l1.out << 2), y + (<usize>l2.out << 2), y + (<usize>l3.out << 2), ys, low,
  )
}
