// Cells of bundlers: each makes one file of a program and hebb, which Node.js runs.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as esbuild from 'esbuild'
import { run } from './processes.js'
import { cache } from './runtimes.js'

const require = createRequire(join(cache, 'package.json'))
const load = name => import(pathToFileURL(require.resolve(name)).href)

/** bundle(entry, outfile, context) makes the file. */
const bundled = (name, extension, bundle, { release = 24, needs = [] } = {}) => ({
  name: `bundle ${name}`,
  needs: [`node${release}`, ...needs],
  binary: release === 20 ? 'simd' : 'relaxed',
  run: async (context, mode) => {
    // nowhere near node_modules, so that nothing is left to be found there
    const outfile = join(context.scratch, 'bundles', name, `${mode}.${extension}`)
    await bundle(join(context.folder, `${mode}.mjs`), outfile, context)
    return run(context.programs[`node${release}`], [outfile], { cwd: context.scratch })
  },
})

const withEsbuild = options => (entry, outfile) => esbuild.build({ entryPoints: [entry], outfile, bundle: true, logLevel: 'silent', ...options })

async function withRollup(entry, outfile) {
  const [{ rollup }, { nodeResolve }] = await Promise.all([load('rollup'), load('@rollup/plugin-node-resolve')])
  const bundle = await rollup({ input: entry, plugins: [nodeResolve()], onwarn: warning => Promise.reject(new Error(warning.message)) })
  await bundle.write({ file: outfile, format: 'esm' })
  await bundle.close()
}

async function withWebpack(entry, outfile) {
  const { default: webpack } = await load('webpack')
  const output = { path: join(outfile, '..'), filename: outfile.split(/[\\/]/).at(-1) }
  const stats = await new Promise((resolve, reject) =>
    webpack({ entry, output, mode: 'production', target: 'web', performance: { hints: false } }, (error, done) => (error ? reject(error) : resolve(done))))
  if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString('errors-warnings'))
}

/** A page's bundle, as `vite build` makes it */
export async function withVite(entry, outfile, { folder }) {
  const { build } = await load('vite')
  const [, outDir, file] = /^(.*)[\\/](.*)$/.exec(outfile)
  const output = { entryFileNames: file }
  await build({ root: folder, configFile: false, logLevel: 'error', build: { outDir, emptyOutDir: false, modulePreload: false, rollupOptions: { input: entry, output } } })
}

/** A command line of a runtime that bundles */
const command = (runtime, args, env = () => ({})) => (entry, outfile, context) =>
  run(context.programs[runtime], args(entry, outfile), { cwd: context.folder, env: env(context) })

export const bundleCells = [
  bundled('esbuild-esm', 'mjs', withEsbuild({ format: 'esm', minify: true })),
  bundled('esbuild-cjs', 'cjs', withEsbuild({ format: 'cjs', platform: 'node', target: 'node20' }), { release: 20 }),
  bundled('rollup', 'mjs', withRollup),
  bundled('webpack', 'cjs', withWebpack),
  bundled('vite', 'mjs', withVite),
  bundled('bun', 'mjs', command('bun', (entry, outfile) => ['build', entry, '--outfile', outfile, '--minify']), { needs: ['bun'] }),
  bundled('deno', 'mjs', command('deno', (entry, outfile) => ['bundle', '--no-remote', '--quiet', '--output', outfile, entry], ({ scratch }) => ({ DENO_DIR: join(scratch, 'deno') })), { needs: ['deno'] }),
]
