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
/** The same by two threads: an asynchronous check that adds what became of them */
const threaded = (mode, then) => program(mode, `const answer = async () => {
  const threads = await team(hebb, models, parallel)
  return { ...check(), threads }
}
${then}`, { first: "import * as models from 'hebb/models'\nimport * as parallel from 'hebb/threads'\nimport { team } from './team.js'\n" })

/** The check in a worker, handed over as a function that is given the addresses of its modules, and as a module */
const inWorker = (mode, module, then) => `import { trainInWorker } from 'hebb/worker'
const reports = []
const onProgress = report => reports.push(report)
const modules = { hebb: import.meta.resolve('hebb'), check: new URL('./check.js', import.meta.url) }
const answer = async () => {
  const sent = await trainInWorker(async (mode, { modules: { hebb, check }, progress }) => {
    await progress('begun')
    return check.prepare(hebb, null, mode)()
  }, { input: '${mode}', modules, onProgress })
  const result = await trainInWorker(new URL('${module}', import.meta.url), { onProgress })
  return { ...result, worker: { losses: sent.losses, backend: sent.backend, reports } }
}
${then}
`
const workersModule = mode => program(mode, `export default workerTraining(async (_, { progress }) => {
  await progress('begun')
  return check()
})`, { first: "import { workerTraining } from 'hebb/worker'\n" })

const PRINT = "console.log('HEBB ' + JSON.stringify(check()))"
const PRINT_ANSWER = "console.log('HEBB ' + JSON.stringify(await answer()))"
const POST_ANSWER = 'fetch(location.href, { method: "POST", body: JSON.stringify(await answer()) })'
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
  for (const file of ['check.js', 'team.js']) copyFileSync(join(here, file), join(folder, file))
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
    write('threads.mjs', threaded(mode, PRINT_ANSWER))
    write('threads.page.js', threaded(mode, POST_ANSWER))
    write('threads.global.js', threaded(mode, 'globalThis.answer = async () => JSON.stringify(await answer())'))
    write('threads.worker.js', threaded(mode, 'export default { fetch: async () => new Response(JSON.stringify(await answer())) }'))
    write('training.mjs', workersModule(mode))
    write('trains.mjs', inWorker(mode, `./${mode}.training.mjs`, PRINT_ANSWER))
    write('trains.page.js', inWorker(mode, `/out/training-${mode}.js`, POST_ANSWER))
    write('page.js', program(mode, 'fetch(location.href, { method: "POST", body: JSON.stringify(check()) })'))
  }
  writeFileSync(join(folder, 'lenet.mjs'), `import * as hebb from 'hebb'
import * as models from 'hebb/models'
import { lenet } from './team.js'
hebb.configure({ strict: true })
console.log('HEBB ' + JSON.stringify(lenet(hebb, models).losses))
`)
  writeFileSync(join(folder, 'unregistered.js'), 'delete globalThis.FinalizationRegistry\n')
  mkdirSync(join(folder, 'out'))
  return folder
}

/** strict comes first: the others are measured by its first result */
export const MODES = ['strict', 'fast']
