// esbuild plugins of the library's build: compiled kernels as text or as modules, and names of classes that survive minification.
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from './root.js'

/** A .wasm import is a function that compiles the binary from text inlined in the file, which build.js has packed. */
export const inlinedKernels = {
  name: 'inlined kernels',
  setup(build) {
    const inside = { resolveDir: join(root, 'ts/backends') }
    const packed = join(root, 'build/wasm/kernels.json')
    build.onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice('packed:'.length), namespace: 'packed', sideEffects: true }))
    build.onLoad({ filter: /.*/, namespace: 'packed' }, ({ path }) => {
      const { text, unpacker } = JSON.parse(readFileSync(path, 'utf8'))
      return { contents: `export const text = "${text}"\nexport const unpacker = "${unpacker}"`, watchFiles: [path] }
    })
    // ahead of all code: in its midst 38 KB that resemble nothing would part what gzip finds alike, at the price of a kilobyte
    build.onLoad({ filter: /[\\/]ts[\\/]index\.ts$/ }, ({ path }) => ({
      contents: `import ${JSON.stringify(`packed:${packed}`)}\n${readFileSync(path, 'utf8')}`, loader: 'ts',
    }))
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const { size } = JSON.parse(readFileSync(packed, 'utf8'))
      const contents = `import { text, unpacker } from ${JSON.stringify(`packed:${packed}`)}
import { compileInlined } from './inlined.ts'
export default rewritten => compileInlined(text, unpacker, ${size}, ${basename(path) === 'relaxed.wasm'}, rewritten)`
      return { contents, ...inside, watchFiles: [packed] }
    })
  },
}

/** A .wasm import is a function that returns the module that the runtime or the bundler has made of the file beside the library: kernelModules(). */
export const importedKernels = {
  name: 'imported kernels',
  setup(build) {
    build.onResolve({ filter: /^hebb\/kernels$/ }, ({ path }) => ({ path, external: true }))
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const file = basename(path)
      const contents = `import { ${basename(path, '.wasm')} as module } from 'hebb/kernels'
export default rewritten => {
  if (!module) throw new Error('no ${file} in this form of the library')
  if (rewritten) throw new Error('no text of ${file} in this form of the library')
  return module
}`
      return { contents }
    })
  },
}

/**
 * The text of hebb/kernels for one kind of runtime: the compiled binaries, null for one that it can't have.
 * @param query what the file's name ends with in the import
 */
export const kernelModules = (query, binaries) =>
  `${binaries.map(name => `import ${name} from "./${name}.wasm${query}";\n`).join('')}${binaries.includes('relaxed') ? '' : 'const relaxed = null;\n'}export { relaxed, simd };\n`

/** Marks each exported class by its name, which summaries and errors show: a minifier takes the name away. */
export const namedClasses = {
  name: 'named classes',
  setup(build) {
    build.onLoad({ filter: /[\\/]ts[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/^(export (?:abstract )?class (\w+)[^{]*\{)/gm, '$1 static $$named_$2() {}'),
      loader: 'ts',
    }))
  },
}

/** Gives marked classes their names back, as fields, which the minifiers of programs that bundle the library leave alone. */
export const withNames = text => text.replace(/static \$named_(\w+)\(\)\{\}/g, 'static name="$1";')
