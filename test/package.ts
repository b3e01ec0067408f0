// The package as users get it: packed, installed in a folder outside the repository, resolved by TypeScript, Node.js and a bundler.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix, resolve } from 'node:path'
import { build } from 'esbuild'

const { exports: entries } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, string | Record<string, string>> }
/** The names by which modules are imported everywhere: hebb, hebb/train … */
const NAMES = Object.keys(entries).filter(entry => typeof entries[entry] === 'object' && 'default' in entries[entry]).map(entry => posix.join('hebb', entry))

let folder = ''
test.before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hebb-package-')))
  const npm = (cwd: string, ...args: string[]) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], shell: process.platform === 'win32' })
  // prepare would build everything anew
  const [{ filename }] = JSON.parse(npm(resolve('.'), 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)) as [{ filename: string }]
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  npm(folder, 'install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', join(folder, filename))
})
test.after(() => rmSync(folder, { recursive: true, force: true }))

for (const [moduleResolution, module] of [['nodenext', 'nodenext'], ['bundler', 'esnext']]) {
  test(`types of every entry resolve under ${moduleResolution}`, () => {
    const program = `${NAMES.map((name, i) => `import * as m${i} from '${name}'`).join('\n')}
import { tensor, Linear, type Tensor } from 'hebb'
import { LeNet5 } from 'hebb/models'
const y: Tensor = new LeNet5().forward(tensor([1]).reshape([1, 1, 1, 1]))
const z: number = new Linear(2, 3).forward(y).sum().item()
// @ts-expect-error a shape is a list
tensor([1]).reshape('2')
export { z, ${NAMES.map((_, i) => `m${i}`).join(', ')} }\n`
    const place = join(folder, moduleResolution!)
    mkdirSync(place)
    writeFileSync(join(place, 'main.ts'), program)
    const compilerOptions = { strict: true, noEmit: true, target: 'es2022', module, moduleResolution, lib: ['es2022', 'dom', 'esnext.disposable'], types: [], skipLibCheck: false }
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }))
    try {
      execFileSync(process.execPath, [resolve('node_modules/typescript/lib/tsc.js'), '-p', place], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      assert.unreachable((error as { stdout: string }).stdout)
    }
  })
}

test('Node.js imports every entry, and the binaries can be resolved', () => {
  const program = `${NAMES.map(name => `await import('${name}')`).join('\n')}
    const { matmul, ones, info } = await import('hebb')
    console.log(matmul(ones([2, 3]), ones([3, 2])).array().join(), info().refused, import.meta.resolve('hebb/simd.wasm').split('/').pop())`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, encoding: 'utf8' })
  assert.is(output.trim(), '3,3,3,3 null simd.wasm')
})

/** A bundle for a runtime of these conditions, as text */
async function bundled(contents: string, conditions: string[]): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder }, conditions, bundle: true, format: 'esm', minify: true, write: false, logLevel: 'silent', external: ['*.wasm', '*.wasm?module'],
  })
  return outputFiles[0]!.text
}

test('each condition gets its form of the engine', async () => {
  const program = `import { tensor } from 'hebb'\nconsole.log(tensor([1]))`
  const imported = async (...conditions: string[]) => [...(await bundled(program, conditions)).matchAll(/from"([^"]+)"/g)].map(([, from]) => posix.basename(from!)).sort()
  assert.equal(await imported(), [])
  assert.equal(await imported('workerd'), ['simd.wasm'])
  assert.equal(await imported('edge-light'), ['simd.wasm?module'])
  const inline = await bundled(program.replace(`'hebb'`, `'hebb/inline'`), ['workerd'])
  assert.equal([...inline.matchAll(/from"/g)].length, 0)
})

test('an import that is not used costs nothing', async () => {
  for (const conditions of [[], ['workerd'], ['edge-light']]) {
    const text = await bundled(`${NAMES.map((name, i) => `import * as m${i} from '${name}'`).join('\n')}\nimport { tensor } from 'hebb'\nconsole.log(1)`, conditions)
    assert.ok(text.length < 'console.log(1);'.length + 100, `${text.length} bytes: ${text.slice(0, 300)}`)
  }
})

test.run()
