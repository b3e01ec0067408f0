// The sums of a register tile must stay in registers: a tile that spills does half the work in the same time, and no result is wrong.
// So the machine code that V8 makes of the tiles is read: Node 20's (V8 11.3) on x64, for whose order of instructions they are written.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'hebb-spills-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const inFolder = (name: string) => join(folder, name)
const node = (...args: string[]) => execFileSync(process.execPath, args, { encoding: 'latin1', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] })
const READABLE = process.arch === 'x64' && process.versions.v8.startsWith('11.3.')

/**
 * Multiplications in the hot loop of each tile: rows × 2 vectors × steps of k, and its most instructions: tiles of four rows are
 * bound by their number, 25 a step, where a test counts twice, and what a turn needs besides
 */
const TILES: readonly [RegExp, number, number][] = [
  [/tiles\/tile4$/, 128, 16 * 25 + 8],
  [/tiles\/tile3$/, 24, 100],
  [/tiles\/tile2$/, 16, 80],
  [/tiles\/tile1$/, 8, 60],
  [/tiles\/laneTile4$/, 128, 16 * 25 + 12],
  [/tiles\/laneTile3$/, 96, 16 * 20 + 12],
  [/tiles\/nearTile$/, 64, 8 * 30 + 16],
  [/tiles\/sumTile42$/, 64, 8 * 25 + 16],
]

interface Instruction {
  at: number
  name: string
  operands: string
}
interface Loop {
  products: number
  instructions: number
  /** Vectors moved between registers and the stack */
  spills: number
}

/** What V8 11.3 prints of every function of a module, by the name that the module's name section gives it. */
function machineCode(file: string): Map<string, Instruction[]> {
  writeFileSync(inFolder('compile.mjs'), 'import { readFileSync } from "node:fs"\nnew WebAssembly.Module(readFileSync(process.argv[2]))\n')
  const printed = node('--no-liftoff', '--no-wasm-lazy-compilation', '--print-wasm-code', inFolder('compile.mjs'), file)
  const functions = new Map<string, Instruction[]>()
  for (const text of printed.split('--- WebAssembly code ---').slice(1)) {
    const name = /^name: (.*)$/m.exec(text)?.[1]
    const lines = text.matchAll(/^0x[0-9a-f]+ +([0-9a-f]+)  [0-9a-f]+ +(?:REX\.W )?(\S+) ?(.*)$/gm)
    if (name) functions.set(name, Array.from(lines, ([, at, op, operands]) => ({ at: parseInt(at!, 16), name: op!, operands: operands! })))
  }
  return functions
}

/** The innermost loops of a function. What stands behind its return is rare: calls that let V8 interrupt a loop, and traps. */
function loopsOf(code: readonly Instruction[]): Loop[] {
  const body = code.slice(0, code.findIndex(i => i.name.startsWith('ret')) + 1)
  const ranges: [number, number][] = []
  body.forEach((jump, end) => {
    const to = jump.name.startsWith('j') ? /<\+0x([0-9a-f]+)>/.exec(jump.operands)?.[1] : undefined
    if (to !== undefined && parseInt(to, 16) <= jump.at) ranges.push([body.findIndex(i => i.at >= parseInt(to, 16)), end])
  })
  const inside = ([a, b]: [number, number], [c, d]: [number, number]) => a >= c && b <= d && (a > c || b < d)
  return ranges
    .filter(range => !ranges.some(other => inside(other, range)))
    .map(([start, end]) => {
      const loop = body.slice(start, end + 1)
      return {
        products: loop.filter(i => i.name === 'vmulps').length,
        instructions: loop.length,
        spills: loop.filter(i => /xmm/.test(i.operands) && /\[r[bs]p/.test(i.operands)).length,
      }
    })
}
const hottest = (code: readonly Instruction[]): Loop => loopsOf(code).reduce((a, b) => (b.products > a.products ? b : a), { products: 0, instructions: 0, spills: 0 })

function section(module: Uint8Array, wanted: number): Uint8Array {
  let at = 8
  const leb = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < module.length) {
    const id = module[at++]
    const size = leb()
    if (id === wanted) return module.subarray(at, at + size)
    at += size
  }
  throw new Error(`section ${wanted}: none`)
}
const script = (name: string) => import(pathToFileURL(`scripts/${name}.js`).href) as Promise<any>
const { arranged } = (await script('arrange')) as { arranged(module: Uint8Array): Uint8Array }
const { plain } = (await script('plain')) as { plain(module: Uint8Array): Uint8Array }
const compile = (...args: string[]) => node('node_modules/assemblyscript/bin/asc.js', ...args)

test('the kernels with names are those of the library, byte for byte', () => {
  compile('--target', 'relaxed', '--debug', '--outFile', inFolder('named.wasm'))
  writeFileSync(inFolder('named.wasm'), plain(arranged(readFileSync(inFolder('named.wasm')))))
  const CODE = 10
  const named = section(readFileSync(inFolder('named.wasm')), CODE)
  assert.ok(Buffer.compare(named, section(readFileSync('build/wasm/simd.wasm'), CODE)) === 0)
})

if (READABLE) {
  test('no tile spills', () => {
    const code = machineCode(inFolder('named.wasm'))
    for (const [name, products, most] of TILES) {
      const found = [...code].find(([function_]) => name.test(function_))
      assert.ok(found, `${name}: no such function`)
      const loop = hottest(found[1])
      assert.equal([loop.products, loop.spills], [products, 0], found[0])
      assert.ok(loop.instructions <= most, `${found[0]}: ${loop.instructions} instructions in a turn, at most ${most} expected`)
    }
    // the tiles of convolutions, whatever they are called; from tile to tile one vector may be read anew
    for (const [name, instructions] of code) {
      if (!/tile[^/]*$/i.test(name)) continue
      for (const { products, spills } of loopsOf(instructions)) assert.ok(products < 8 || spills < 2, `${name}: ${spills} spills among ${products} products`)
    }
  })

  test('a loop with more sums than registers is seen to spill', () => {
    const sums = Array.from({ length: 18 }, (_, i) => `s${i}`)
    writeFileSync(
      inFolder('spilling.ts'),
      `export function spilling(x: usize, end: usize): v128 {
        ${sums.map(s => `let ${s} = f32x4.splat(0)`).join('\n')}
        for (; x < end; x += 16) {
          const v = v128.load(x)
          ${sums.map((s, i) => `${s} = f32x4.add(f32x4.mul(v, ${s}), v128.load(x, ${16 * i}))`).join('\n')}
        }
        return ${sums.reduce((a, s) => `f32x4.add(${a}, ${s})`)}
      }
      export function run(x: usize, end: usize): f32 { return f32x4.extract_lane(spilling(x, end), 0) }`,
    )
    const options = ['--config', 'none', '--runtime', 'stub', '--noAssert', '-O3', '--debug', '--enable', 'simd', '--disableWarning']
    compile(inFolder('spilling.ts'), ...options, '--outFile', inFolder('spilling.wasm'))
    const found = [...machineCode(inFolder('spilling.wasm')).values()].map(hottest)
    assert.ok(found.some(({ products, spills }) => products >= 18 && spills > 0), JSON.stringify(found))
  })
}

test.run()
