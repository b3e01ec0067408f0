// A user's project: the packed tarball installed into a fresh folder outside the repository, and the programs of the cells.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const npm = (args, cwd) =>
  execFileSync('npm', [...args, '--ignore-scripts', '--loglevel=error'], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], shell: process.platform === 'win32' })

/** Digits as text, which every runtime and bundler can import */
function digitsModule(count) {
  const unpacked = name => gunzipSync(readFileSync(join(root, 'examples/data/digits', `digits-${name}-ubyte.gz`)))
  const images = unpacked('images-idx3').subarray(16, 16 + 64 * count)
  const labels = unpacked('labels-idx1').subarray(8, 8 + count)
  const text = Array.from(images, value => String.fromCharCode(97 + value)).join('')
  return `export const images = '${text}'\nexport const labels = '${Array.from(labels).join('')}'\n`
}

/** An ES module that prepares the check; `then` says what is done with it */
const program = (mode, then, { engine = 'hebb', parts = true, first = '' } = {}) =>
  `${first}import * as hebb from '${engine}'
${parts ? "import * as parts from 'hebb/io'" : 'const parts = null'}
import { prepare } from './check.js'
const check = prepare(hebb, parts, '${mode}')
${then}
`
const PRINT = "console.log('HEBB ' + JSON.stringify(check()))"
const RESPOND = 'export default { fetch: () => new Response(JSON.stringify(check())) }'

const typed = mode =>
  program(mode, `const sum: Tensor = tensor([1, 2, 3]).sum()
if (sum.item() !== 6) throw new Error(\`1 + 2 + 3 is \${sum}\`)
${PRINT}`, { first: "import { tensor, type Tensor } from 'hebb'\n" })

const common = mode => `const hebb = require('hebb')
const parts = require('hebb/io')
const { prepare } = require('./check.js')
const check = prepare(hebb, parts, '${mode}')
${PRINT}
`

/** Makes the project and returns its folder. */
export function makeConsumer() {
  const folder = mkdtempSync(join(tmpdir(), 'hebb-everywhere-'))
  const [{ filename }] = JSON.parse(npm(['pack', '--json', '--pack-destination', folder], root))
  // without a package.json of its own, the folder would resolve hebb somewhere else
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
  npm(['install', '--offline', '--no-audit', '--no-fund', join(folder, filename)], folder)
  copyFileSync(join(here, 'check.js'), join(folder, 'check.js'))
  writeFileSync(join(folder, 'digits.js'), digitsModule(840))
  for (const mode of MODES) {
    const write = (name, text) => writeFileSync(join(folder, `${mode}.${name}`), text)
    write('mjs', program(mode, PRINT))
    write('ts', typed(mode))
    write('cjs', common(mode))
    write('bare.mjs', program(mode, PRINT, { first: "import './unregistered.js'\n" }))
    write('global.js', program(mode, 'globalThis.answer = () => JSON.stringify(check())'))
    write('worker.js', program(mode, RESPOND))
    write('inline.js', program(mode, RESPOND, { engine: 'hebb/inline', parts: false }))
    write('page.js', program(mode, 'fetch(location.href, { method: "POST", body: JSON.stringify(check()) })'))
  }
  writeFileSync(join(folder, 'unregistered.js'), 'delete globalThis.FinalizationRegistry\n')
  mkdirSync(join(folder, 'out'))
  return folder
}

/** strict comes first: the others are measured by its first result */
export const MODES = ['strict', 'fast']
