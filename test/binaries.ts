// Which binary of the kernels runs: relaxed SIMD where there is some, plain SIMD where there is none or `strict` is set.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { compiledBinary, createWasm } from '../ts/backends/wasm.js'

/** f32x4.relaxed_madd in a module of its own, as in ts/backends/inlined.ts */
const MADD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11]
const here = WebAssembly.validate(new Uint8Array(MADD))

/** What a program prints in a process of its own; with relaxed SIMD, which Node 20 has behind a flag, or as the runtime is */
const run = (program: string, relaxed = true) =>
  execFileSync(process.execPath, [...(relaxed && !here ? ['--experimental-wasm-relaxed-simd'] : []), '--input-type=module', '-e', program], { encoding: 'utf8' }).trim()

test('the fastest binary is taken, and each says its name', () => {
  assert.is(run(`import { info } from 'hebb'; console.log(info().binary)`, false), here ? 'relaxed' : 'simd')
  assert.is(run(`import { info } from 'hebb'; console.log(info().binary)`), 'relaxed')
  assert.is(compiledBinary().binary, here ? 'relaxed' : 'simd')
  assert.is(compiledBinary('simd').binary, 'simd')
  assert.is(createWasm(compiledBinary('simd')).variant, 'simd')
})

test('strict pins the plain binary, also after info() made another backend, and can be taken back', () => {
  const program = `import { configure, info } from 'hebb'
    const seen = [info().binary]
    configure({ strict: true }); seen.push(info().binary, info().strict)
    configure({ strict: false }); seen.push(info().binary)
    configure({ strict: true, precise: true }); seen.push(info().binary, info().precise)
    console.log(seen.join(' '))`
  assert.is(run(program), 'relaxed simd true relaxed simd true')
})

test('strict gives the bits of a runtime without relaxed SIMD, and the other binary nearly the same', () => {
  const product = (setting: string) => `import { configure, manualSeed, matmul, randn } from 'hebb'
    configure({ strict: ${setting} }); manualSeed(3)
    console.log(JSON.stringify([...matmul(randn([9, 70]), randn([70, 13])).values()]))`
  const [strict, plain, relaxed] = [run(product('true')), run(product('true'), false), run(product('false'))].map(text => JSON.parse(text) as number[])
  assert.equal(strict, plain)
  const largest = Math.max(...strict!.map((x, i) => Math.abs(x - relaxed![i]!)))
  assert.ok(largest < 1e-5, `they differ by ${largest}`)
  assert.ok(largest > 0, 'a fused multiply-add rounds once')
})

test('a binary runs in a memory that it is given', () => {
  const memory = new WebAssembly.Memory({ initial: 80, maximum: 200 })
  const backend = createWasm(compiledBinary('simd'), memory)
  const address = backend.reserve(64)
  backend.kernels.fill(16, 2.5, address)
  assert.equal([...new Float32Array(memory.buffer, address, 16)], Array(16).fill(2.5))
})

test.run()
