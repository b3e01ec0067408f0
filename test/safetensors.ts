// Safetensors files: what is written comes back, every rule of the format is checked, 10,000 damaged files do no harm.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readSafetensors, SafetensorsError, writeSafetensors, type SafeTensor } from '../ts/io/safetensors.js'
import { decodeUtf8, encodeUtf8 } from '../ts/io/utf8.js'
import { Generator } from '../ts/random.js'

const sample: Record<string, SafeTensor> = {
  'mask': { shape: [3], dtype: 'U8', data: Uint8Array.of(1, 0, 255) },
  'conv.weight': { shape: [2, 1, 2], dtype: 'F32', data: Float32Array.of(1.5, -0, Infinity, 1e-40) },
  'steps': { shape: [], dtype: 'I32', data: Int32Array.of(-7) },
  'empty': { shape: [0, 4], dtype: 'F32', data: new Float32Array(0) },
}

/** A file with any header text over `body` bytes of data. */
function file(header: unknown, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + body.length)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 8)
  bytes.set(body, 8 + text.length)
  return bytes
}

const one = (data_offsets: unknown = [0, 4], shape: unknown = [1], dtype: unknown = 'F32') =>
  ({ w: { dtype, shape, data_offsets } })

function refused(bytes: Uint8Array, message: string | RegExp): void {
  let error: unknown
  try {
    readSafetensors(bytes, 'f')
  } catch (caught) {
    error = caught
  }
  assert.instance(error, SafetensorsError)
  const text = (error as Error).message
  if (typeof message === 'string') assert.is(text, message)
  else assert.match(text, message)
}

test('what is written comes back, in order and aligned', () => {
  const bytes = writeSafetensors(sample, { epoch: '3', 'naïve': '"\n' })
  const { tensors, metadata } = readSafetensors(bytes)
  assert.equal([...tensors.keys()], Object.keys(sample))
  assert.equal(metadata, { epoch: '3', 'naïve': '"\n' })
  for (const [key, tensor] of Object.entries(sample)) assert.equal(tensors.get(key), tensor, key)
  assert.ok(Object.is((tensors.get('conv.weight')!.data)[1], -0))
  const length = new DataView(bytes.buffer).getUint32(0, true)
  assert.is(length % 8, 0)
  assert.is(tensors.get('conv.weight')!.data.buffer, bytes.buffer, 'aligned data are not copied')
  const shifted = new Uint8Array(bytes.length + 1)
  shifted.set(bytes, 1)
  assert.equal(readSafetensors(shifted.subarray(1)).tensors, tensors)
})

test('the bytes of a small file', () => {
  const bytes = writeSafetensors({ a: { shape: [1], dtype: 'F32', data: Float32Array.of(1) } })
  const header = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
  assert.equal([...bytes], [56, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(header.padEnd(56)), 0, 0, 128, 63])
  assert.equal(writeSafetensors(new Map()).length, 16)
  assert.is(readSafetensors(writeSafetensors({})).tensors.size, 0)
})

test('a Map keeps the order of names that objects would sort', () => {
  const scalar = (x: number): SafeTensor => ({ shape: [1], dtype: 'I32', data: Int32Array.of(x) })
  const bytes = writeSafetensors(new Map([['2', scalar(2)], ['10', scalar(10)], ['1', scalar(1)]]))
  assert.equal([...readSafetensors(bytes).tensors.values()].map(t => t.data[0]).sort(), [1, 10, 2])
  assert.ok(new TextDecoder().decode(bytes).indexOf('"10"') < new TextDecoder().decode(bytes).indexOf('"1"'))
})

test('tensors that cannot be written are named', () => {
  const w = (tensor: object) => () => writeSafetensors({ w: tensor as SafeTensor })
  const data = new Float32Array(4)
  assert.throws(
    w({ shape: [3], dtype: 'F32', data }), 'writeSafetensors: tensor "w": expected sizes whose product is 4, got shape [3]',
  )
  assert.throws(w({ shape: [-2, -2], dtype: 'F32', data }), 'got shape [-2,-2]')
  assert.throws(w({ shape: [4], dtype: 'I32', data }), 'expected Int32Array for dtype I32')
  assert.throws(w({ shape: [4], dtype: 'F16', data }), 'expected dtype F32, I32 or U8, got F16')
  for (const name of ['__metadata__', '__proto__']) {
    assert.throws(() => writeSafetensors(new Map([[name, sample.steps!]])), `tensor "${name}": expected another name`)
  }
  assert.throws(() => writeSafetensors({}, { a: 1 as unknown as string }), 'metadata "a": expected a string, got number')
})

test('other types are converted', () => {
  const read = (dtype: string, words: ArrayBufferView, count: number) => {
    const body = new Uint8Array(words.buffer)
    const tensor = readSafetensors(file(one([0, body.length], [count], dtype), body), 'f').tensors.get('w')!
    return [tensor.dtype, ...tensor.data]
  }
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x0400, 0x7c00, 0xfc00, 0x7e00, 0x3555, 0x8000)
  assert.equal(read('F16', halves, 11), [
    'F32', 1, -2, 65504, 5.960464477539063e-8, -0.00006097555160522461, 0.00006103515625, Infinity, -Infinity, NaN,
    0.333251953125, -0,
  ])
  assert.equal(
    read('BF16', Uint16Array.of(0x3f80, 0xc2f7, 0x7f80, 0x0001), 4),
    ['F32', 1, -123.5, Infinity, Math.fround(9.183549615799121e-41)],
  )
  assert.equal(read('F64', Float64Array.of(0.1, 1e300), 2), ['F32', Math.fround(0.1), Infinity])
  assert.equal(read('I64', BigInt64Array.of(-3n, 2147483647n), 2), ['I32', -3, 2147483647])
  assert.equal(read('U32', Uint32Array.of(5), 1), ['I32', 5])
  assert.equal(read('I16', Int16Array.of(-5, 300), 2), ['I32', -5, 300])
  assert.equal(read('U16', Uint16Array.of(65535), 1), ['I32', 65535])
  assert.equal(read('I8', Int8Array.of(-128), 1), ['I32', -128])
  assert.equal(read('BOOL', Uint8Array.of(1, 0), 2), ['U8', 1, 0])
  refused(
    file(one([0, 8], [1], 'I64'), new Uint8Array(BigInt64Array.of(1n << 40n).buffer)),
    'f: tensor "w": expected I64 values that fit into 32 bits, got 1099511627776 at position 0',
  )
})

test('hostile and damaged files are refused, and the tensor is named', () => {
  const body = new Uint8Array(8)
  refused(new Uint8Array(0), 'f: expected a safetensors file of at least 10 bytes, got 0')
  refused(
    Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 123, 125),
    /header's length, got 18446744073709552000 before 2 bytes/,
  )
  refused(file('{"a":', body), /expected a header in JSON/)
  refused(file('[1]'), 'f: expected a header that is a JSON object, got "[1]"')
  const latin = file('{"__metadata__":{"a":"?"}}')
  latin[latin.indexOf(63)] = 0xff
  refused(latin, /expected a header in JSON/)
  refused(file('['.repeat(100000)), /expected a header in JSON/)
  refused(file({ w: [1] }), 'f: tensor "w": expected an object, got "[1]"')
  refused(file({ w: {} }), /tensor "w": expected a dtype of F32, .*, got nothing/)
  refused(file(one([0, 4], [1], 'toString'), body), /expected a dtype of/)
  refused(file(one([0, 4], [1, '1'])), /expected a shape of whole numbers ≥ 0/)
  refused(file(one([0, 4], [-1])), /expected a shape/)
  refused(file(one([0, 4], [0.5, 2])), /expected a shape/)
  refused(file(one([0, 8], [9007199254740991, 9007199254740991]), body), /expected a shape/)
  refused(file(one([0, 8], [65536, 65536, 4, 8388608]), body), /expected a shape/)
  refused(
    file(one([0, 8], [65536, 65536, 65537]), body),
    'f: tensor "w": expected 1125917086711808 bytes for F32 of shape [65536,65536,65537], got data_offsets [0,8]',
  )
  refused(file(one([0, 4], 3), body), /expected a shape/)
  refused(file(one([4, 0]), body), 'f: tensor "w": expected data_offsets [start, end], got "[4,0]"')
  refused(file(one([-4, 0]), body), /expected data_offsets \[start, end\]/)
  refused(file(one('0,4'), body), /expected data_offsets \[start, end\]/)
  refused(file(one([0, 4, 8]), body), /expected data_offsets \[start, end\]/)
  refused(
    file(one([8, 12]), body),
    'f: tensor "w": expected data_offsets up to 8, the bytes after the header, got [8,12]: the file may be truncated',
  )
  refused(file(one([0, 8]), body), 'f: tensor "w": expected 4 bytes for F32 of shape [1], got data_offsets [0,8]')
  refused(
    file({ ...one(), v: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, body),
    /tensor "v": expected data_offsets that begin at 4, got \[0,8\], which overlap/,
  )
  refused(file(one([4, 8]), body), /tensor "w": expected data_offsets that begin at 0, got \[4,8\], which leave a gap/)
  refused(file(one(), body), 'f: expected 4 bytes of data after the header, as its last tensor ends there, got 8')
  const entry = JSON.stringify(one().w)
  refused(file(`{"w":${entry},"w":${entry}}`, body.subarray(4)), 'f: key "w": expected once, got it twice')
  refused(file(`{"w":${entry},"\\u0077" : ${entry}}`, body.subarray(4)), 'f: key "w": expected once, got it twice')
  refused(
    file('{"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', body.subarray(4)),
    'f: key "shape": expected once, got it twice',
  )
  refused(file(`{"__proto__":${entry}}`, body.subarray(4)), 'f: key "__proto__": expected another name, this one is reserved')
  refused(file('{"__metadata__":{"__proto__":"x"}}'), /key "__proto__"/)
  refused(file({ __metadata__: { a: 1 } }), 'f: __metadata__: expected a string for "a", got "1"')
  assert.is(({} as Record<string, unknown>).dtype, undefined)
})

test('names with quotes, colons and braces are no trouble', () => {
  const names = ['a":{', '\\', 'constructor', 'ключ', '{"a":1}', '']
  const bytes = writeSafetensors(new Map(names.map(name => [name, sample.steps!])))
  assert.equal([...readSafetensors(bytes).tensors.keys()], names)
})

test('UTF-8 is what TextEncoder writes, and what TextDecoder refuses is refused', () => {
  for (const text of ['', 'weight', '100 % %41', 'größe', '重み', 'λ₀ 𝛌', '\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}', '\ufeffmark']) {
    const bytes = new TextEncoder().encode(text)
    assert.equal(encodeUtf8(text), bytes)
    assert.is(decodeUtf8(bytes), text)
  }
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const random = new Generator(3)
  const leads = [0x25, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff]
  let wrong = 0
  for (let i = 0; i < 5000; i++) {
    const bytes = Uint8Array.from({ length: 1 + random.integer(5) }, () => (random.integer(2) ? leads[random.integer(leads.length)]! : 0x80 + random.integer(64)))
    let expected: string | null = null
    let got: string | null = null
    try {
      expected = strict.decode(bytes)
    } catch {
      wrong++
    }
    try {
      got = decodeUtf8(bytes)
    } catch (error) {
      assert.instance(error, URIError)
    }
    assert.is(got, expected, String(bytes))
  }
  assert.ok(wrong > 1000 && wrong < 5000)
})

test('10,000 damaged files either give consistent tensors or a SafetensorsError', () => {
  const good = writeSafetensors(sample, { format: 'pt' })
  const digits = [...'0123456789-{}[]":,eE.\\'].map(c => c.charCodeAt(0))
  let state = 1
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 4294967296) * n)
  }
  let read = 0
  for (let round = 0; round < 10000; round++) {
    let bytes = good.slice()
    for (let i = 1 + random(3); i > 0; i--) {
      const at = random(bytes.length)
      const kind = random(6)
      if (kind === 0) bytes[at] = random(256)
      else if (kind === 1) bytes[at] = digits[random(digits.length)]!
      else if (kind === 2) bytes[random(8)] = random(256)
      else if (kind === 3) bytes = bytes.slice(0, at + 1)
      else if (kind === 4) bytes.copyWithin(at, random(bytes.length), random(bytes.length))
      else bytes = Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(random(bytes.length)))
    }
    try {
      for (const { shape, data } of readSafetensors(bytes).tensors.values()) {
        assert.is(shape.reduce((n, d) => n * d, 1), data.length)
        assert.ok(data.byteLength <= bytes.length)
        read++
      }
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error
    }
  }
  assert.ok(read > 1000, `damage that leaves a valid file was tried, ${read} tensors`)
})

test.run()
