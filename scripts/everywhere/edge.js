// Cells of edge runtimes: workerd, wrangler, edge-runtime; and QuickJS.
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { checkGood, GOOD, send } from '../edge/requests.js'
import { root } from '../root.js'
import { kernelsOutside } from './outside.js'
import { run, serving } from './processes.js'
import { cache, versionOf } from './runtimes.js'
import { LISTENING, workerdConfig } from './workerd.js'
import { deployWrangler, devWrangler, READY } from './wrangler.js'

const host = name => join(dirname(fileURLToPath(import.meta.url)), 'hosts', name)

/** Before a runtime had FinalizationRegistry, or would compile bytes */
const OLD = '2023-01-01'
/** 1.20261117.1 is of 2026-11-17. */
const newest = () => /^1\.(\d{4})(\d\d)(\d\d)\./.exec(versionOf('workerd')).slice(1).join('-')

const NO_WORKERS = /^Error: useThreads: this runtime has no workers/

// ---- workerd -------------------------------------------------------------------------------------------------------------------

/** Serves the modules of a folder in workerd, `main` is the one that has fetch(), and gives the address to `use`. */
function served({ programs }, folder, main, date, use) {
  const files = readdirSync(folder).filter(file => /\.(js|wasm|safetensors)$/.test(file)).sort((a, b) => (b === main) - (a === main))
  writeFileSync(join(folder, 'config.capnp'), workerdConfig(files, { date }))
  return serving(programs.workerd, ['serve', 'config.capnp', '--control-fd=1'], { cwd: folder, ready: LISTENING }, ([, port]) => use(`http://127.0.0.1:${port}/`))
}
const ask = (context, folder, main, date) => served(context, folder, main, date, async url => (await fetch(url)).text())

const workerd = (what, { program, conditions, date, ...more }) => ({
  name: `workerd ${what}`,
  needs: ['workerd'],
  run: async (context, mode) => {
    const outdir = join(context.folder, 'out', `workerd-${what}-${mode}`)
    const entryPoints = [join(context.folder, `${mode}.${program}.js`)]
    await build({ entryPoints, outdir, bundle: true, format: 'esm', conditions, loader: { '.wasm': 'copy' }, assetNames: '[name]', logLevel: 'silent' })
    return ask(context, outdir, `${mode}.${program}.js`, date())
  },
  ...more,
})

// ---- wrangler ------------------------------------------------------------------------------------------------------------------

/** A configuration of its own, and where wrangler runs */
function configured({ folder, scratch }, mode) {
  const config = join(folder, `wrangler.${mode}.json`)
  writeFileSync(config, JSON.stringify({ name: 'consumer', main: `${mode}.worker.js`, compatibility_date: newest(), send_metrics: false }))
  return [config, { cwd: folder, state: join(scratch, `wrangler-${mode}`) }]
}

/** The service of examples/edge in the consumer's project, with its configuration */
function copyService({ folder, scratch }) {
  for (const part of ['edge', 'page']) cpSync(join(root, 'examples', part), join(folder, 'examples', part), { recursive: true })
  return ['wrangler.jsonc', { cwd: join(folder, 'examples/edge'), state: join(scratch, 'wrangler-service') }]
}
async function expectReads(url) {
  for (const kind of ['bytes', 'png']) if (!checkGood(kind, 0, await send(url, GOOD[kind](0)))) throw new Error(`a ${kind} read right expected`)
}

const wranglerCells = [
  {
    name: 'wrangler dev',
    needs: ['node24', 'workerd'],
    binary: 'simd',
    run: (context, mode) => {
      const [command, args, options] = devWrangler(...configured(context, mode))
      return serving(command, args, { ...options, ready: READY }, async ([, url]) => (await fetch(url)).text())
    },
  },
  {
    // what would be uploaded, served by workerd
    name: 'wrangler deploy',
    needs: ['node24', 'workerd'],
    binary: 'simd',
    run: async (context, mode) => {
      const outdir = join(context.folder, 'out', `wrangler-${mode}`)
      const [config, where] = configured(context, mode)
      await run(...deployWrangler(config, outdir, where))
      return ask(context, outdir, `${mode}.worker.js`, newest())
    },
  },
  {
    name: 'wrangler dev service',
    needs: ['node24', 'workerd'],
    run: context => {
      const [command, args, options] = devWrangler(...copyService(context))
      return serving(command, args, { ...options, ready: READY }, ([, url]) => expectReads(url))
    },
  },
  {
    name: 'wrangler deploy service',
    needs: ['node24', 'workerd'],
    run: async context => {
      const outdir = join(context.folder, 'out/wrangler-service')
      const [config, where] = copyService(context)
      await run(...deployWrangler(config, outdir, where))
      await served(context, outdir, 'worker.js', newest(), expectReads)
    },
  },
]

// ---- scripts in a sandbox -----------------------------------------------------------------------------------------------------

/** One script that defines answer() */
async function script(folder, name, mode, { program = 'global', ...options } = {}) {
  mkdirSync(join(folder, 'out'), { recursive: true })
  const outfile = join(folder, 'out', `${name}-${mode}.js`)
  await build({ entryPoints: [join(folder, `${mode}.${program}.js`)], outfile, bundle: true, format: 'iife', logLevel: 'silent', ...options })
  return outfile
}

const sandboxCells = [
  {
    name: 'edge-runtime',
    row: 'edge-runtime (Vercel)',
    package: 'edge-runtime',
    engine: 'V8 of Node.js',
    needs: ['node24'],
    binary: 'relaxed',
    run: async ({ programs, folder }, mode) => run(programs.node24, [host('edge-runtime.js'), cache, await script(folder, 'edge', mode)]),
  },
  {
    name: 'edge-runtime edge-light',
    needs: ['node24'],
    binary: 'simd',
    run: async ({ programs, folder }, mode) => {
      const found = []
      const file = await script(folder, 'edge-light', mode, { conditions: ['edge-light'], plugins: [kernelsOutside(found)] })
      if (found.length !== 1) throw new Error(`one import of a .wasm?module expected, got ${found}`)
      return run(programs.node24, [host('edge-runtime.js'), cache, file, found[0]])
    },
  },
  {
    name: 'quickjs',
    row: 'QuickJS',
    package: 'quickjs-emscripten',
    engine: 'QuickJS',
    needs: ['node24'],
    binary: 'float32',
    registry: true,
    threads: NO_WORKERS,
    // one cell for everything, since it takes so long
    run: async ({ programs, folder }, mode) => run(programs.node24, [host('quickjs.js'), cache, await script(folder, 'quickjs', mode, { program: 'threads.global' })]),
  },
  {
    name: 'edge-runtime threads',
    needs: ['node24'],
    binary: 'relaxed',
    threads: NO_WORKERS,
    run: async ({ programs, folder }, mode) => run(programs.node24, [host('edge-runtime.js'), cache, await script(folder, 'edge-threads', mode, { program: 'threads.global' })]),
  },
]

export const edgeCells = [
  workerd('new', { program: 'worker', conditions: ['workerd'], date: newest, binary: 'simd', row: 'workerd', package: 'workerd', engine: 'V8' }),
  workerd('old', { program: 'worker', conditions: ['workerd'], date: () => OLD, binary: 'simd', registry: false, row: `workerd, compatibility date ${OLD}`, package: 'workerd', engine: 'V8' }),
  workerd('threads', { program: 'threads.worker', conditions: ['workerd'], date: newest, binary: 'simd', threads: /^Error: useThreads: kernels for shared memory can't be compiled here .* have no threads$/ }),
  workerd('new-inline', { program: 'inline', date: newest, binary: 'relaxed', parts: false }),
  workerd('old-inline', { program: 'inline', date: () => OLD, binary: 'float32', parts: false, registry: false }),
  ...wranglerCells,
  ...sandboxCells,
]
