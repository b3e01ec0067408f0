// The generator: known answers of Philox, and that what is built on it is uniform, unbiased and resumable.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { boxMuller, Generator, philox, seedWords } from '../ts/random.js'

const hex = (words: Uint32Array) => [...words].map(w => w.toString(16).padStart(8, '0')).join(' ')

test('Philox 4x32-10 gives the known answers of Random123', () => {
  const out = new Uint32Array(4)
  philox(0, 0, 0, 0, 0, 0, out)
  assert.is(hex(out), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  philox(-1, -1, -1, -1, -1, -1, out)
  assert.is(hex(out), '408f276d 41c83b0e a20bc7c6 6d5451fd')
  philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, out)
  assert.is(hex(out), 'd16cfe09 94fdcceb 5001e420 24126ea1')
})

test('a generator walks through the blocks of its seed, past the end of the low counter word', () => {
  const block = new Uint32Array(4)
  const g = new Generator(2 ** 33 + 7)
  assert.equal(seedWords(2 ** 33 + 7), [7, 2, 0, 0])
  assert.equal(seedWords(-1), [0xffffffff, 0xffffffff, 0, 0])
  for (const counter of [0, 1, 2]) {
    philox(counter, 0, 0, 0, 7, 2, block)
    for (const word of block) assert.is(g.word(), word)
  }
  g.restore([7, 2, 0xffffffff, 5, 3])
  philox(0xffffffff, 5, 0, 0, 7, 2, block)
  assert.is(g.word(), block[3])
  assert.equal(g.save(), [7, 2, 0, 6, 0])
  philox(0, 6, 0, 0, 7, 2, block)
  assert.is(g.word(), block[0])
})

test('save and restore resume in the middle of a block', () => {
  for (let used = 0; used < 9; used++) {
    const g = new Generator(3)
    for (let i = 0; i < used; i++) g.word()
    const state = JSON.parse(JSON.stringify(g.save())) as number[]
    const then = Array.from({ length: 10 }, () => g.uniform())
    const other = new Generator(99)
    other.word()
    other.restore(state)
    assert.equal(Array.from({ length: 10 }, () => other.uniform()), then)
  }
})

test('uniform: in [0, 1), with mean 1/2, variance 1/12 and all 53 bits', () => {
  const g = new Generator(4)
  const n = 50000
  let sum = 0
  let squares = 0
  let or = 0n
  for (let i = 0; i < n; i++) {
    const u = g.uniform()
    assert.ok(u >= 0 && u < 1)
    sum += u
    squares += (u - 0.5) ** 2
    or |= BigInt(u * 2 ** 53)
  }
  // five standard errors
  assert.ok(Math.abs(sum / n - 0.5) < 5 * Math.sqrt(1 / 12 / n))
  assert.ok(Math.abs(squares / n - 1 / 12) < 5 * Math.sqrt(1 / 180 / n))
  assert.is(or, 2n ** 53n - 1n)
})

test('normal: moments of the standard normal distribution', () => {
  const g = new Generator(5)
  const n = 50000
  const sums = [0, 0, 0, 0]
  for (let i = 0; i < n; i++) {
    const x = (g.normal(3, 2) - 3) / 2
    for (let p = 0; p < 4; p++) sums[p]! += x ** (p + 1)
  }
  // means of x, x², x³, x⁴ are 0, 1, 0, 3; their variances 1, 2, 15, 96
  ;[[0, 1], [1, 2], [0, 15], [3, 96]].forEach(([mean, variance], p) =>
    assert.ok(Math.abs(sums[p]! / n - mean!) < 5 * Math.sqrt(variance! / n), `moment ${p + 1}: ${sums[p]! / n}`))
})

test('boxMuller: the extreme words stay finite', () => {
  const pair = new Float64Array(2)
  boxMuller(0, 0, pair)
  assert.ok(Math.abs(pair[0]! - Math.sqrt(64 * Math.LN2)) < 1e-14 && pair[1] === 0)
  boxMuller(0xffffffff, 0xffffffff, pair)
  assert.equal(pair.map(Math.abs), new Float64Array([0, 0]))
})

test('integer: every value equally likely, for n that do not divide 2^32 either', () => {
  const g = new Generator(6)
  for (const n of [1, 2, 3, 7, 10]) {
    const counts = new Array<number>(n).fill(0)
    for (let i = 0; i < 7000; i++) counts[g.integer(n)]!++
    // chi-squared with n - 1 degrees of freedom
    const chi = counts.reduce((sum, c) => sum + (c - 7000 / n) ** 2 / (7000 / n), 0)
    assert.ok(chi < n + 5 * Math.sqrt(2 * n), `n = ${n}: ${counts}`)
  }
  // with n = 3/4 2^32 a mere remainder would put half of the numbers, not a third, into the first third
  const n = 3 * 2 ** 30
  let low = 0
  for (let i = 0; i < 5000; i++) if (g.integer(n) < n / 3) low++
  assert.ok(Math.abs(low / 5000 - 1 / 3) < 0.035, `${low}`)
  for (let i = 0; i < 100; i++) assert.ok(Number.isSafeInteger(g.integer(2 ** 53 - 1)))
  for (const bad of [0, -1, 1.5, NaN, 2 ** 53]) assert.throws(() => g.integer(bad), /whole number n ≥ 1/)
})

test('shuffle: a permutation in place, all of them equally likely', () => {
  const g = new Generator(7)
  const list = Int32Array.from({ length: 100 }, (_, i) => i)
  assert.is(g.shuffle(list), list)
  assert.not.equal(list, Int32Array.from({ length: 100 }, (_, i) => i))
  assert.equal(list.slice().sort(), Int32Array.from({ length: 100 }, (_, i) => i))
  const counts = new Map<string, number>()
  for (let i = 0; i < 6000; i++) {
    const key = g.shuffle(['a', 'b', 'c']).join('')
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.is(counts.size, 6)
  for (const [key, count] of counts) assert.ok(Math.abs(count - 1000) < 5 * Math.sqrt(1000), `${key}: ${count}`)
  assert.equal(g.shuffle([]), [])
})

test('bad seeds and states are refused', () => {
  for (const bad of [1.5, NaN, Infinity, 2 ** 60]) assert.throws(() => new Generator(bad), /seed/)
  for (const bad of [[], [1, 2, 3, 4], [1, 2, 3, 4, 4], [1, 2, 3, 4, NaN]]) {
    assert.throws(() => new Generator(0).restore(bad), /restore/)
  }
})

test.run()
