// The generator of the tiles that matrix products and convolutions spend their time in: build/assembly/tiles.ts. A loop of
// sixteen steps is longer than anyone writes right twice, and AssemblyScript has no arrays of vectors in registers.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.js'

const range = n => Array.from({ length: n }, (_, i) => i)
const HALVES = [0, 1]

/** One step of k: weights of `rows` rows at `a` meet 8 columns, which lie 32 `s` bytes behind `b`. */
function step(rows, s, b) {
  const weight = r => `x${r} = v128.load32_splat(a, ${4 * r})`
  const sum = (r, h) => `t${r}${h} = madd(x${r}, b${h}, t${r}${h})`
  // V8 13.6 takes 12 % longer if all steps go row by row, and with fused additions 3 % if every other one does
  const products =
    s % 4 < 2
      ? range(rows).map(r => [weight(r), ...HALVES.map(h => sum(r, h))])
      : [range(rows).map(weight), ...HALVES.map(h => range(rows).map(r => sum(r, h)))]
  return [HALVES.map(h => `b${h} = v128.load(${b}, ${32 * s + 16 * h})`), ...products].map(line => line.join(', ')).concat('a += 16')
}

/**
 * The loop over k, from `a` to `end`, of an even number of steps.
 *
 * V8 11.3 moves all loads of a basic block to its top, so that an unrolled loop spills: a test ends the block. Where the loop may end, it is
 * of `a`; elsewhere it never holds (addresses are even), and costs a little less. Equal tests would be merged, hence the different constants.
 *
 * In a block V8 11.3 lets the arithmetic follow sum by sum, a multiplication and its addition, unless something takes two sums at once,
 * here a store that is never reached: then two multiplications come before two additions, of which Zen 4 begins 5 % more in a cycle.
 */
function loop(rows, steps, b, end, y) {
  const pairs = range(rows).map(r => `v128.store(${y}, v128.xor(t${r}0, t${r}1))`)
  const exit = s =>
    s === steps - 1 ? [`if (${b} == ${2 * s + 1}) {`, ...pairs, 'break', '}'] : [`if (${s % 2 ? `a == ${end}` : `${b} == ${2 * s + 1}`}) break`]
  return [`while (a != ${end}) {`, ...range(steps).flatMap(s => [...step(rows, s, b), ...exit(s)]), `${b} += ${32 * steps}`, '}']
}

/** The step that an odd number of them begins with */
const odd = (rows, b) => ['if (odd) {', ...step(rows, 0, b), `${b} += 32`, '}']
const registers = rows => `let b0 = floor, b1 = floor, ${range(rows).map(r => `x${r} = floor`).join(', ')}`
/** pmax(x, low) = x < low ? low : x keeps NaN and costs a third of max. */
const stored = (r, h, address) => `v128.store(${address}, f32x4.pmax(t${r}${h}, floor))`

/**
 * Tiles of matrix products, as assembly/microkernel.ts says. Four rows need all that a core can begin: a step is 16 multiplications and
 * additions, which take 4 cycles of Zen 4, of at least 4 that 6 loads, a step of `a` and a test make of it. Sixteen steps a turn take
 * 4.2 each, and a tile 15 cycles besides.
 *
 * Functions of their own, called once per panel of B: V8 replaces its slow first code only when a function is called again, so a long loop
 * around an inlined tile would stay slow to its end (first product of 512 x 512: 47 ms inlined, 16 ms so).
 */
const productTile = rows => [
  `export function tile${rows}(`,
  'count: i32, length: usize, ae: usize, panel: usize, s0: usize, s1: usize, ss: usize, c0: usize, c1: usize, cs: usize, low: f32,',
  '): void {',
  'const floor = f32x4.splat(low)',
  'const last = ae + <usize>count * length',
  'const odd = length & 16',
  'for (; ae != last; ae += length) {',
  ...range(rows).flatMap(r => [`let t${r}0 = v128.load(s0), t${r}1 = v128.load(s1)`, 's0 += ss', 's1 += ss']),
  // of a difference, unlike a parameter, V8 11.3 knows that its upper half is clear: 3 % faster
  'let a = ae - length',
  'let b = panel',
  registers(rows),
  ...odd(rows, 'b'),
  ...loop(rows, rows < 4 ? 4 : 16, 'b', 'ae', 'c0'),
  ...range(rows).flatMap(r => [...HALVES.map(h => stored(r, h, `c${h}`)), 'c0 += cs', 'c1 += cs']),
  '}',
  '}',
]

/**
 * Tiles of convolutions of eight images, as assembly/lanes.ts says: a call for all panels of weights that meet the same cells. Of the time with
 * four steps a turn, two tests in each, a call for each panel and sums one after the other: 0.86 at LeNet-5's second layer.
 */
const laneTile = rows => [
  `export function laneTile${rows}(`,
  'count: i32, panel: usize, ae: usize, run: usize, nextA: usize, b: usize, nextB: usize, runs: i32, start: usize, half: usize, y: usize, low: f32,',
  '): void {',
  'const floor = f32x4.splat(low)',
  'const odd = run & 16',
  'for (; count > 0; count--) {',
  ...range(rows).map(r => `let t${r}0 = v128.load(start, ${32 * r}), t${r}1 = v128.load(start + half, ${32 * r})`),
  registers(rows),
  'let end = ae, cells = b',
  'for (let i = runs; i > 0; i--) {',
  'let a = end - run',
  'let p = cells',
  ...odd(rows, 'p'),
  ...loop(rows, 16, 'p', 'end', 'y'),
  'end += nextA',
  'cells += nextB',
  '}',
  ...range(rows).map(r => HALVES.map(h => `v128.store(y, f32x4.pmax(t${r}${h}, floor), ${32 * r + 16 * h})`).join(', ')),
  'ae += panel',
  `start += ${32 * rows}`,
  `y += ${32 * rows}`,
  '}',
  '}',
]

/** Places of a tile of assembly/near.ts */
const PLACES = range(4)
/** Bytes of one step of it: the weights of two rows, and how far from each place its cells lie */
const NEAR_STEP = 12
const nearStep = [
  'u = v128.load32_splat(a), v = v128.load32_splat(a, 4), offset = load<usize>(a, 8)',
  ...PLACES.map(i => `x = v128.load(p${i} + offset), s${i} = madd(u, x, s${i}), t${i} = madd(v, x, t${i})`),
  `a += ${NEAR_STEP}`,
]

/**
 * The tile of assembly/near.ts: the sums of all rows, two at a time, at four places. A function of its own, whose addresses come as parameters: V8
 * would sink their additions into the loop. Of the time with a test after each half of a step, two steps a turn, a call for each pair and sums one
 * after the other: 0.77.
 */
const nearTile = steps => [
  'export function nearTile(',
  'p0: usize, p1: usize, p2: usize, p3: usize, rows: i32, end: usize, length: usize, odd: i32, start: usize, ss: usize,',
  'y0: usize, y1: usize, y2: usize, y3: usize, ys: usize, low: f32,',
  '): void {',
  'const floor = f32x4.splat(low)',
  'let u = floor, v = floor, x = floor',
  'let offset: usize = 0',
  'for (; rows > 0; rows -= 2) {',
  'const sb = rows > 1 ? ss : 0',
  'const yb = rows > 1 ? ys : 0',
  `const ${PLACES.map(i => `from${i} = start ? start : y${i}`).join(', ')}`,
  `let ${PLACES.map(i => `s${i} = v128.load(from${i})`).join(', ')}`,
  `let ${PLACES.map(i => `t${i} = v128.load(from${i} + sb)`).join(', ')}`,
  'if (start) start += ss << 1',
  'let a = end - length',
  'if (odd) {',
  ...nearStep,
  '}',
  'while (a != end) {',
  ...range(steps).flatMap(s => [
    ...nearStep,
    ...(s < steps - 1
      ? [`if (${s % 2 ? 'a == end' : 'offset == 1'}) break`]
      : ['if (offset == 1) {', ...PLACES.map(i => `v128.store(y0, v128.xor(s${i}, t${i}))`), 'break', '}']),
  ]),
  '}',
  ...PLACES.map(i => `v128.store(y${i}, f32x4.pmax(s${i}, floor)), v128.store(y${i} + yb, f32x4.pmax(t${i}, floor)), y${i} += ys << 1`),
  'end += length',
  '}',
  '}',
]

/** Half of a place of sumTile: outputs at g and cells at p0, p1 and p2, of four images */
function half(rows, columns, h) {
  const outputs = range(rows).map(r => `u${r} = v128.load(g, ${32 * r + 16 * h})`).join(', ')
  const sums = c => [`v = v128.load(p${c}, ${16 * h})`, ...range(rows).map(r => `s${r}${c} = madd(u${r}, v, s${r}${c})`)].join(', ')
  return [outputs, ...range(columns).flatMap(c => [...(c > 1 ? [`if (p1 == ${2 * h + 1}) break`] : []), sums(c)])]
}

/**
 * The tile of assembly/lanegrad.ts: sums of `rows` outputs by `columns` taps, over oh rows of places, which it starts from and leaves at `sums`, a
 * row each `step` bytes. The outputs of a place lie 32 bytes apart, the cells of the taps begin at p0, p1 and p2, xCell bytes apart, `span` bytes
 * in a row. Of nine sums there is no register left for pairs.
 */
function sumTile(rows, columns) {
  const cells = range(columns)
  const each = f => range(rows).flatMap(r => cells.map(c => f(r, c)))
  const place = [...half(rows, columns, 0), 'if (p0 == 1) break', ...half(rows, columns, 1), `g += ${32 * rows}`, ...cells.map(c => `p${c} += xCell`), 'if (p0 == end) break']
  return [
    `export function sumTile${rows}${columns}(`,
    'g: usize, p0: usize, p1: usize, p2: usize, xCell: usize, span: usize, xRow: usize, oh: i32, sums: usize, step: usize,',
    '): void {',
    `const zero = f32x4.splat(0), ${range(rows).map(r => `to${r} = ${r ? `to${r - 1} + step` : 'sums'}`).join(', ')}`,
    `let ${each((r, c) => `s${r}${c} = v128.load(to${r}, ${16 * c})`).join(', ')}`,
    `let ${range(rows).map(r => `u${r} = zero`).join(', ')}, v = zero`,
    // V8 would work out a sum in each turn, but not one that changes from row to row
    'let end = p0 + span',
    'for (; oh > 0; oh--) {',
    'while (true) {',
    ...[place, place, place, place].flat(),
    ...(columns === 2 ? ['if (p1 == 1) {', ...range(rows).map(r => `v128.store(sums, v128.xor(s${r}0, s${r}1))`), 'break', '}'] : []),
    '}',
    'end += span + xRow',
    ...cells.map(c => `p${c} += xRow`),
    '}',
    ...each((r, c) => `v128.store(to${r}, s${r}${c}, ${16 * c})`),
    '}',
  ]
}

/** Where they are written */
export const TILES = 'build/assembly/tiles.ts'

export function writeTiles() {
  const tiles = [...[1, 2, 3, 4].flatMap(productTile), ...[3, 4].flatMap(laneTile), ...nearTile(8), ...sumTile(4, 2), ...sumTile(3, 3), ...sumTile(3, 2)]
  const lines = ["import { madd } from '../../assembly/simd'", `export const NEAR_STEP: usize = ${NEAR_STEP}`, ...tiles]
  mkdirSync(join(root, 'build/assembly'), { recursive: true })
  writeFileSync(join(root, TILES), `${lines.join('\n')}\n`)
}
