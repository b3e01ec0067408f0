// Where the parts of a convolution lie in scratch, and the sizes of its blocks.

import { COLUMNS, HALF, TAP } from './columns'
import { FREE } from './microkernel'

/** Most taps and rows of a product. */
export const TAPS: i32 = 288
export const ROWS: i32 = 192
/** The same for the gradients: columns at a time, rows of dL/dy. */
export const GRAD_COLUMNS: i32 = 256
export const GRAD_ROWS: i32 = 1024
/** dL/dx: taps at a time, and channels of the output. */
export const BACK_TAPS: i32 = 160
export const BACK_ROWS: i32 = 256
/** Bytes between their rows: at 1024 they would share a few sets of the cache. */
export const BACK_STEP: i32 = GRAD_COLUMNS * 4 + 64

export const WINDOW: usize = FREE
export const FRAME: usize = WINDOW + 128
export const TAPS_AT: usize = FRAME + 128
export const STARTS_AT: usize = TAPS_AT + <usize>TAPS * TAP
export const HALVES_AT: usize = STARTS_AT + ROWS * 32
/** The way back has runs in place of halves. */
export const RUNS_AT: usize = HALVES_AT
export const PANEL_AT: usize = HALVES_AT + (<usize>COLUMNS / 4 * HALF + 64 & ~63)
export const A_AT: usize = PANEL_AT + TAPS * 32 + 256
/** Behind the few rows of weights that are worked out in pairs */
export const PAIRS_AT: usize = A_AT + TAPS * 8 * 4 + 256
export const B_AT: usize = A_AT + GRAD_ROWS * GRAD_COLUMNS * 4 + 256
export const SUMS_AT: usize = B_AT + GRAD_COLUMNS * TAPS * 4 + 256
export const FRAMES_AT: usize = SUMS_AT + BACK_TAPS * BACK_STEP + 256

/** Winograd's filtering: vectors on their way, four finished tiles, what a block of tiles reads and writes, then its products. */
export const TILES: i32 = 64
export const HALFWAY: usize = FRAME + 128
export const FINISHED: usize = HALFWAY + 576
export const PLACES_AT: usize = FINISHED + 256
export const STRIPS_AT: usize = PLACES_AT + <usize>TILES * 16
export const GRAD_STRIPS_AT: usize = STRIPS_AT + (<usize>TILES + 2) * 16
export const POINTS_AT: usize = GRAD_STRIPS_AT + (<usize>TILES + 2) * 16 + 32

/** Eight images at once: starting values, weights, cells, sums. */
export const LANES_AT: usize = FRAME + 128

/** A depthwise convolution: windows, weights or sums, a padded plane. */
export const PLANE_AT: usize = FRAME + 128
