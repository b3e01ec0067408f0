// The service of examples/edge on each host: bundled as the host wants it, started on a port.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { root } from '../build.js'
import { kernelsOutside } from '../everywhere/outside.js'
import { modules, programs } from '../everywhere/runtimes.js'
import { LISTENING, workerdConfig } from '../everywhere/workerd.js'
import { devWrangler } from '../everywhere/wrangler.js'

const here = dirname(fileURLToPath(import.meta.url))
const source = name => join(root, 'examples/edge', `${name}.ts`)
const out = (...parts) => join(root, 'build/edge', ...parts)

const bundle = (name, outfile, options = {}) =>
  build({
    absWorkingDir: root,
    entryPoints: [source(name)],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
    loader: { '.safetensors': 'binary' },
    // the package as users get it, not the sources that tsconfig.json points to
    tsconfigRaw: '{}',
    ...options,
  })

/** Leaves imports of .wasm files to the host and puts the files beside the bundle. */
export const wasmBeside = folder => ({
  name: 'wasm beside',
  setup(build) {
    build.onResolve({ filter: /\.wasm$/ }, ({ path, resolveDir }) => {
      copyFileSync(join(resolveDir, path), join(folder, basename(path)))
      return { path: `./${basename(path)}`, external: true }
    })
  },
})

/** A date after which workerd has FinalizationRegistry, and one before */
export const DATES = { new: '2026-11-01', old: '2023-01-01' }

/** A `heap` given to a host is the largest of V8 in MB, which else collects late and looks as if it grew. */
const heapFlags = heap => (heap ? [`--max-heap-size=${heap}`] : [])

async function worker({ port, date = DATES.new, heap }) {
  const folder = out('worker')
  mkdirSync(folder, { recursive: true })
  await bundle('worker', join(folder, 'worker.js'), { conditions: ['workerd'], plugins: [wasmBeside(folder)] })
  const config = `config-${date}.capnp`
  writeFileSync(join(folder, config), workerdConfig(['worker.js', 'simd.wasm'], { date, port, flags: heapFlags(heap) }))
  const { workerd } = programs()
  return { command: workerd, args: ['serve', config, '--control-fd=1'], cwd: folder, ready: LISTENING }
}

async function wrangler({ port }) {
  const [command, args, options] = devWrangler('wrangler.jsonc', { port, cwd: join(root, 'examples/edge'), state: out('wrangler') })
  return { command, args, ...options, ready: /Ready on http:\/\/[\d.]+:(\d+)/ }
}

async function deno({ port, heap }) {
  await bundle('deno', out('deno.js'))
  return {
    command: programs().deno,
    args: ['run', ...(heap ? [`--v8-flags=${heapFlags(heap)}`] : []), '--no-prompt', '--no-remote', `--allow-net=0.0.0.0:${port}`, '--allow-env=PORT', out('deno.js')],
    env: { PORT: String(port), NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1' },
    ready: /Listening on http:\/\/[\w.]+:(\d+)/,
  }
}

async function bun({ port }) {
  await bundle('bun', out('bun.js'))
  return { command: programs().bun, args: ['run', '--no-install', out('bun.js')], env: { PORT: String(port) }, ready: /listening on http:\/\/localhost:(\d+)/ }
}

async function lambda({ port }) {
  await bundle('lambda', out('lambda.mjs'), { platform: 'node' })
  return {
    command: process.execPath,
    args: [join(here, 'lambda-server.js'), pathToFileURL(out('lambda.mjs')).href, String(port)],
    ready: /listening on http:\/\/localhost:(\d+)/,
  }
}

async function vercel({ port }) {
  const kernels = []
  await bundle('vercel', out('vercel.js'), { format: 'iife', globalName: 'digits', conditions: ['edge-light'], plugins: [kernelsOutside(kernels)] })
  return {
    command: process.execPath,
    args: [join(here, 'vercel-server.js'), modules, out('vercel.js'), ...kernels, String(port)],
    ready: /listening on http:\/\/localhost:(\d+)/,
  }
}

/** By name: bundles for a host and says how to start it (port 0: any that is free) and how it tells its port. */
export const HOSTS = { worker, wrangler, deno, bun, lambda, vercel }
