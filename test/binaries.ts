// Which binary of the kernels runs: relaxed SIMD where there is some, plain SIMD where there is none or `strict` is set.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compiledBinary, createWasm } from '../ts/backends/wasm.js'

const script = (name: string) => import(pathToFileURL(`scripts/${name}.js`).href) as Promise<any>
const { packedText } = (await script('pack')) as { packedText(bytes: Uint8Array): string }

/** f32x4.relaxed_madd in a module of its own, as in scripts/plugins.js */
const MADD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11]
const here = WebAssembly.validate(new Uint8Array(MADD))

/** What a program prints in a process of its own; with relaxed SIMD, which Node 20 has behind a flag, or as the runtime is */
const run = (program: string, relaxed = true) =>
  execFileSync(process.execPath, [...(relaxed && !here ? ['--experimental-wasm-relaxed-simd'] : []), '--input-type=module', '-e', program], { encoding: 'utf8' }).trim()

/** The form that Node.js is given, which reads the binaries, and the one file, which unpacks them */
const FORMS = ['hebb', 'hebb/inline']

test('the fastest binary is taken, and each says its name', () => {
  for (const form of FORMS) {
    assert.is(run(`import { info } from '${form}'; console.log(info().binary)`, false), here ? 'relaxed' : 'simd', form)
    assert.is(run(`import { info } from '${form}'; console.log(info().binary)`), 'relaxed', form)
  }
  assert.is(compiledBinary().binary, here ? 'relaxed' : 'simd')
  assert.is(compiledBinary('simd').binary, 'simd')
  assert.is(createWasm(compiledBinary('simd')).variant, 'simd')
})

test('strict pins the plain binary, also after info() made another backend, and can be taken back', () => {
  const program = (form: string) => `import { configure, info } from '${form}'
    const seen = [info().binary]
    configure({ strict: true }); seen.push(info().binary, info().strict)
    configure({ strict: false }); seen.push(info().binary)
    configure({ strict: true, precise: true }); seen.push(info().binary, info().precise)
    console.log(seen.join(' '))`
  for (const form of FORMS) assert.is(run(program(form)), 'relaxed simd true relaxed simd true', form)
})

test('strict gives the bits of a runtime without relaxed SIMD, and the other binary nearly the same', () => {
  const product = (setting: string, form = 'hebb') => `import { configure, manualSeed, matmul, randn } from '${form}'
    configure({ strict: ${setting} }); manualSeed(3)
    console.log(JSON.stringify([...matmul(randn([9, 70]), randn([70, 13])).values()]))`
  const [strict, plain, relaxed] = [run(product('true')), run(product('true'), false), run(product('false'))].map(text => JSON.parse(text) as number[])
  assert.equal(strict, plain)
  for (const setting of ['true', 'false']) assert.is(run(product(setting, 'hebb/inline')), run(product(setting)), 'the one file unpacks the binary that the other form reads')
  const largest = Math.max(...strict!.map((x, i) => Math.abs(x - relaxed![i]!)))
  assert.ok(largest < 1e-5, `they differ by ${largest}`)
  assert.ok(largest > 0, 'a fused multiply-add rounds once')
})

test('edge runtimes have one compiled module and nothing to make another of; the reference backend is said to be elsewhere', async () => {
  const { kernelModules } = (await script('plugins')) as { kernelModules(query: string): string }
  const text = kernelModules('?module').replace('import module from "./simd.wasm?module"', 'const module = "compiled"')
  const kernels = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as Record<string, (...args: unknown[]) => unknown>
  assert.is(kernels.simd!(), 'compiled')
  assert.is(kernels.relaxed!(), null)
  assert.throws(() => kernels.simd!((bytes: Uint8Array) => bytes), /no bytes of the kernels in this form/)
  assert.throws(() => kernels.createReference!(4), /^backend: wasm expected, .* no reference backend: import hebb\/inline$/)
})

test('a binary runs in a memory that it is given', () => {
  const memory = new WebAssembly.Memory({ initial: 80, maximum: 200 })
  const backend = createWasm(compiledBinary('simd'), memory)
  const address = backend.reserve(64)
  backend.kernels.fill(16, 2.5, address)
  assert.equal([...new Float32Array(memory.buffer, address, 16)], Array(16).fill(2.5))
})

// ---- how binaries are made small ----------------------------------------------------------------------------------------

const { arranged } = (await script('arrange')) as { arranged(module: Uint8Array): Uint8Array<ArrayBuffer> }
const { plain } = (await script('plain')) as { plain(module: Uint8Array): Uint8Array<ArrayBuffer> }

/** A module with functions one() = 1, two() = one() + one() and lanes() = a lane of four 2.5, in that order */
const SMALL = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 9, 2, 96, 0, 1, 127, 96, 0, 1, 125, 3, 4, 3, 0, 0, 1, 7, 21, 3, 3, 111, 110, 101, 0, 0, 3, 116, 119, 111, 0, 1, 5, 108, 97, 110, 101, 115, 0, 2,
  10, 38, 3, 4, 0, 65, 1, 11, 7, 0, 16, 0, 16, 0, 106, 11, 23, 0, 253, 12, 0, 0, 32, 64, 0, 0, 32, 64, 0, 0, 32, 64, 0, 0, 32, 64, 253, 31, 0, 11,
]

test('a module with its functions in another order and shorter constants computes the same', () => {
  const module = Buffer.from(SMALL)
  const other = arranged(module)
  const results = (bytes: BufferSource) => {
    const { one, two, lanes } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Record<string, () => number>
    return [one!(), two!(), lanes!()]
  }
  assert.equal(results(module), [1, 2, 2.5])
  assert.equal(results(other), [1, 2, 2.5])
  assert.is(other.length, module.length - 11)
  const unknown = Buffer.from(module)
  unknown[module.indexOf(106)] = 0xd0
  assert.throws(() => arranged(unknown), /instruction 0xd0 in the kernels/)
})

/** What asc makes of a source with relaxed SIMD */
function compiled(source: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'hebb-binaries-'))
  try {
    writeFileSync(join(folder, 'source.ts'), source)
    const options = ['--config', 'none', '--runtime', 'stub', '-O3', '--enable', 'simd', '--enable', 'relaxed-simd', '-o', join(folder, 'out.wasm')]
    execFileSync(process.execPath, ['node_modules/assemblyscript/bin/asc.js', join(folder, 'source.ts'), ...options])
    return readFileSync(join(folder, 'out.wasm'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('plain SIMD is relaxed SIMD with two roundings, in functions small and large', () => {
  const lanes = (body: string) => `(a: f32, b: f32, c: f32): f32 { ${body} }`
  // nested, 200 in a row, and none at all
  const source = `
    @inline function madd(a: f32, b: f32, c: f32): v128 { return f32x4.relaxed_madd(f32x4.splat(a), f32x4.splat(b), f32x4.splat(c)) }
    export function none${lanes('return a * b - c')}
    export function nested${lanes('return f32x4.extract_lane(f32x4.relaxed_madd(madd(a, b, c), madd(b, c, a), madd(c, a, b)), 1)')}
    export function row${lanes(`let s = f32x4.splat(c)
    ${'s = f32x4.relaxed_madd(s, f32x4.splat(a), f32x4.splat(b))\n'.repeat(200)}
    return f32x4.extract_lane(s, 3)`)}`
  const { none, nested, row } = new WebAssembly.Instance(new WebAssembly.Module(plain(arranged(compiled(source))))).exports as Record<
    string, (a: number, b: number, c: number) => number
  >
  const { fround } = Math
  const madd = (a: number, b: number, c: number) => fround(fround(a * b) + c)
  const [a, b, c] = [fround(0.7), fround(-1.3), fround(0.9)]
  assert.is(none!(a, b, c), fround(fround(a * b) - c))
  assert.is(nested!(a, b, c), madd(madd(a, b, c), madd(b, c, a), madd(c, a, b)))
  assert.is(row!(a, b, c), Array(200).fill(0).reduce(s => madd(s, a, b), c))
})

test('a number that looks like the instruction to be replaced is refused', () => {
  // relaxed_madd is fd 85 02, and so is 33533
  assert.throws(() => arranged(compiled('export function number(): i32 { return 33533 }')), /the bytes of relaxed_madd in a number of the kernels/)
})

// ---- how binaries get into the one file ----------------------------------------------------------------------------------

/** What the unpacker makes of a packed text */
function unpacked(text: string, size: number): Uint8Array {
  const { memory, TEXT, unpack } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync('build/wasm/unpack.wasm'))).exports as unknown as {
    memory: WebAssembly.Memory
    TEXT: WebAssembly.Global
    unpack(size: number, out: number): void
  }
  const out = (TEXT.value as number) + text.length + 1
  memory.grow(Math.ceil((out + size + 272) / 65536))
  new TextEncoder().encodeInto(text, new Uint8Array(memory.buffer, TEXT.value as number))
  unpack(size, out)
  return new Uint8Array(memory.buffer.slice(out, out + size))
}

test('what is packed comes out again: noise, runs, text, far and long repeats, nothing at all', () => {
  let seed = 1
  const noise = (n: number, mask = 255) => Uint8Array.from({ length: n }, () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 24 & mask)
  const source = readFileSync('ts/kernels.ts')
  const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
  const far = noise(3000)
  const cases = {
    nothing: new Uint8Array(0), 'one byte': Uint8Array.of(255), zeros: new Uint8Array(5000), noise: noise(9000), 'two values': noise(9000, 1),
    text: source, 'far repeats': joined(far, noise(70000, 7), far.slice(100), noise(200000, 3), far), 'a period of three': Uint8Array.from({ length: 4000 }, (_, i) => i % 3),
  }
  for (const [name, bytes] of Object.entries(cases)) {
    const text = packedText(bytes)
    assert.equal(Buffer.from(unpacked(text, bytes.length)).equals(bytes), true, name)
    assert.match(text, /^[#-[\]-c]+$/, 'nothing in it needs an escape')
  }
})

test.run()
