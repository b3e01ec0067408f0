// esbuild plugins of the library's build: compiled kernels as text or as modules, and names of classes that survive minification.
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { root } from './root.js'

/** A .wasm import is a function that compiles the binary from text inlined in the file, which build.js has packed with its twin. */
export const inlinedKernels = {
  name: 'inlined kernels',
  setup(build) {
    const inside = { resolveDir: join(root, 'ts/backends') }
    build.onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice('packed:'.length), namespace: 'packed' }))
    build.onLoad({ filter: /.*/, namespace: 'packed' }, ({ path }) => {
      const { text, unpacker } = JSON.parse(readFileSync(path, 'utf8'))
      return { contents: `export const text = "${text}"\nexport const unpacker = "${unpacker}"`, watchFiles: [path] }
    })
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const file = basename(path)
      const packed = join(dirname(path), file.includes('.shared.') ? 'shared.json' : 'kernels.json')
      const [start, end] = JSON.parse(readFileSync(packed, 'utf8')).places[file]
      const contents = `import { text, unpacker } from ${JSON.stringify(`packed:${packed}`)}
import { compileInlined } from './inlined.ts'
export default () => compileInlined(text, unpacker, ${start}, ${end}, ${file.startsWith('relaxed')})`
      return { contents, ...inside, watchFiles: [packed] }
    })
  },
}

/**
 * A .wasm import is a function that returns the module that the runtime or the bundler has made of the file beside the library.
 * @param query what the file's name ends with in the import
 * @param binaries those that there are; others are refused
 */
export const importedKernels = (query, binaries) => ({
  name: 'imported kernels',
  setup(build) {
    build.onResolve({ filter: /^\.\/.*\.wasm(\?module)?$/ }, ({ path }) => ({ path, external: true }))
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const file = basename(path)
      if (!binaries.includes(file)) return { contents: `export default () => { throw new Error('no ${file} in this form of the library') }` }
      return { contents: `import module from './${file}${query}'\nexport default () => module` }
    })
  },
})

/** Classes keep their names, which summaries and errors show, when a minifier renames them. */
export const namedClasses = {
  name: 'named classes',
  setup(build) {
    build.onLoad({ filter: /[\\/]ts[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/^((?:export )?(?:abstract )?class (\w+)[^{]*\{)/gm, '$1 static name = \'$2\';'),
      loader: 'ts',
    }))
  },
}

/** A LEB128 number at `at` and the position after it */
function number(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 127) * 2 ** shift
    if (byte < 128) return [value, at]
  }
}
function leb(value) {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128)
  return [...bytes, value]
}

const IMPORTS = 2
const KINDS = { function: 0, memory: 2, global: 3 }
const HAS_MAXIMUM = 1
const SHARED = 2
const MOST_PAGES = 65536

/**
 * The same kernels for a memory that threads share: instructions and data stay byte for byte, so results have the same bits, and only the
 * limits of the imported memory say something else.
 */
export function withSharedMemory(bytes) {
  let at = 8
  while (bytes[at] !== IMPORTS) {
    const [size, next] = number(bytes, at + 1)
    at = next + size
  }
  const start = at
  const [size, first] = number(bytes, at + 1)
  const end = first + size
  const [count, next] = number(bytes, first)
  at = next
  for (let i = 0; i < count; i++) {
    for (let name = 0; name < 2; name++) {
      const [length, text] = number(bytes, at)
      at = text + length
    }
    const kind = bytes[at++]
    if (kind === KINDS.memory) {
      const [minimum, after] = number(bytes, at + 1)
      const rest = bytes[at] & HAS_MAXIMUM ? number(bytes, after)[1] : after
      const section = [...bytes.subarray(first, at), HAS_MAXIMUM | SHARED, ...leb(minimum), ...leb(MOST_PAGES), ...bytes.subarray(rest, end)]
      return Buffer.from([...bytes.subarray(0, start), IMPORTS, ...leb(section.length), ...section, ...bytes.subarray(end)])
    }
    if (kind === KINDS.function) at = number(bytes, at)[1]
    else if (kind === KINDS.global) at += 2
    else throw new Error(`an import of kind ${kind} in the kernels: functions, memories and globals expected`)
  }
  throw new Error('the kernels import no memory')
}
