// Weights in 16 bits: every binary16 and bfloat16 number survives a file, and what lies between two goes to the nearer, ties to even.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BatchNorm1d, Linear, manualSeed, Sequential, type Tensor } from 'hebb'
import { readSafetensors, writeSafetensors, type SafeTensor, type WriteOptions } from 'hebb/io'
import { readStateDict, writeStateDict } from 'hebb/train'

type Kind = 'f16' | 'bf16'
const f32 = (data: Float32Array): SafeTensor => ({ shape: [data.length], dtype: 'F32', data })
const bodyOf = (bytes: Uint8Array): Uint8Array => bytes.slice(8 + new DataView(bytes.buffer).getUint32(0, true))
/** The 16-bit patterns that a file holds for these numbers */
const written = (values: ArrayLike<number>, dtype: Kind): Uint16Array =>
  new Uint16Array(bodyOf(writeSafetensors({ w: f32(Float32Array.from(values)) }, undefined, { dtype })).buffer)

test('known values in binary16', () => {
  const known: [number, number][] = [
    [0, 0], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [1 / 3, 0x3555], [65504, 0x7bff], [0.1, 0x2e66], [Infinity, 0x7c00], [-Infinity, 0xfc00],
    // beyond the largest: half a step further is infinity
    [65519.996, 0x7bff], [65520, 0x7c00], [-65520, 0xfc00], [1e30, 0x7c00],
    // subnormal: 2^-24 is the smallest, half of it a tie that goes to 0
    [2 ** -14, 0x0400], [2 ** -14 - 2 ** -24, 0x03ff], [2 ** -14 - 2 ** -25, 0x0400], [2 ** -24, 0x0001], [-(2 ** -24), 0x8001], [2 ** -25, 0],
    [2 ** -25 * 1.0001, 0x0001], [3 * 2 ** -25, 0x0002], [2 ** -26, 0], [1e-40, 0],
    // ties: 1 + 2^-11 down to 1, 1 + 3·2^-11 up
    [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [1 + 2 ** -11 + 2 ** -20, 0x3c01], [2049, 0x6800], [2051, 0x6802],
  ]
  assert.equal([...written(known.map(([x]) => x), 'f16')], known.map(([, bits]) => bits))
  assert.is(written([NaN], 'f16')[0]! & 0x7fff, 0x7e00)
})

test('known values in bfloat16', () => {
  const known: [number, number][] = [
    [0, 0], [-0, 0x8000], [1, 0x3f80], [-123.5, 0xc2f7], [Infinity, 0x7f80], [-Infinity, 0xff80], [0.1, 0x3dcd], [3.3895313892515355e38, 0x7f7f],
    [3.4028234663852886e38, 0x7f80], [1 + 2 ** -8, 0x3f80], [1 + 3 * 2 ** -8, 0x3f82], [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    [9.183549615799121e-41, 0x0001], [2 ** -134, 0], [1e-45, 0],
  ]
  assert.equal([...written(known.map(([x]) => x), 'bf16')], known.map(([, bits]) => bits))
  // a NaN whose payload is in the half that is cut off
  const low = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff).buffer)
  const body = new Uint16Array(bodyOf(writeSafetensors({ w: f32(low) }, undefined, { dtype: 'bf16' })).buffer)
  assert.equal([...body], [0x7fc0, 0xffc0, 0x7fff])
})

for (const [dtype, stored, infinity] of [['f16', 'F16', 0x7c00], ['bf16', 'BF16', 0x7f80]] as const) {
  test(`every ${dtype} number survives, and what lies between goes to the nearer, ties to even`, () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const header = new TextEncoder().encode(JSON.stringify({ w: { dtype: stored, shape: [65536], data_offsets: [0, 131072] } }))
    const file = new Uint8Array(8 + header.length + 131072)
    new DataView(file.buffer).setUint32(0, header.length, true)
    file.set(header, 8)
    file.set(new Uint8Array(patterns.buffer), 8 + header.length)
    const values = readSafetensors(file).tensors.get('w')!.data as Float32Array
    const again = written(values, dtype)
    const wrong = patterns.filter(p => ((p & 0x7fff) > infinity ? (again[p]! & 0x7fff) <= infinity : again[p] !== p))
    assert.equal([...wrong], [])
    // the middle of two neighbours has one binary digit more and is a float32; so is the next number on either side of it
    const middles = Float32Array.from({ length: infinity - 1 }, (_, p) => (values[p]! + values[p + 1]!) / 2)
    const beside = (by: number) => new Float32Array(new Uint32Array(middles.slice().buffer).map(bits => bits + by).buffer)
    assert.equal(written(middles, dtype), Uint16Array.from(middles, (_, p) => (p % 2 ? p + 1 : p)), 'ties')
    assert.equal(written(beside(-1), dtype), Uint16Array.from(middles, (_, p) => p), 'below the middle')
    assert.equal(written(beside(1), dtype), Uint16Array.from(middles, (_, p) => p + 1), 'above the middle')
  })
}

test('only float32 is narrowed, and data lie by width', () => {
  const tensors: Record<string, SafeTensor> = {
    mask: { shape: [3], dtype: 'U8', data: Uint8Array.of(1, 0, 255) },
    w: f32(Float32Array.of(1, 2, 3)),
    n: { shape: [], dtype: 'I32', data: Int32Array.of(-2147483648) },
  }
  const bytes = writeSafetensors(tensors, { format: 'pt' }, { dtype: 'bf16' })
  assert.is(bodyOf(bytes).length, 4 + 6 + 3)
  const read = readSafetensors(bytes)
  assert.equal([...read.tensors].map(([name, t]) => [name, t.dtype, ...t.data]), [
    ['mask', 'U8', 1, 0, 255], ['w', 'F32', 1, 2, 3], ['n', 'I32', -2147483648],
  ])
  assert.equal(writeSafetensors(tensors, {}, { dtype: 'f32' }), writeSafetensors(tensors))
  assert.throws(
    () => writeSafetensors(tensors, {}, { dtype: 'f8' } as unknown as WriteOptions),
    (e: Error) => e instanceof RangeError && e.message === 'writeSafetensors: dtype f32, f16 or bf16 expected, got f8',
  )
})

test('a model in 16 bits: half the bytes, the nearest weights, whole numbers as they were', () => {
  manualSeed(4)
  const net = () => new Sequential(new Linear(50, 40), new BatchNorm1d(40))
  const model = net()
  const full = writeStateDict(model)
  for (const [dtype, error] of [['f16', 2 ** -11], ['bf16', 2 ** -8]] as const) {
    const bytes = writeStateDict(model, {}, { dtype })
    assert.ok(bytes.length < full.length * 0.6)
    const other = net().loadStateDict(readStateDict(bytes))
    const [a, b] = [model, other].map(m => m.stateDict()) as [Record<string, Tensor>, Record<string, Tensor>]
    for (const [name, t] of Object.entries(a)) {
      const got = b[name]!.values()
      t.values().forEach((x, i) => assert.ok(Math.abs(got[i]! - x) <= Math.abs(x) * error + 2 ** -25, `${name} ${x} ${got[i]}`))
    }
    assert.equal(writeStateDict(other, {}, { dtype }), bytes, 'a second time nothing is lost')
  }
})

test.run()
