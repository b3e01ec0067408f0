// esbuild plugins of the library's build: compiled kernels as text or as modules, and names of classes that survive minification.
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from './root.js'

/** (module (func (param v128) (drop (f32x4.relaxed_madd …)))): tells whether relaxed SIMD is here */
const RELAXED = '0061736d0100000001050160017b00030201000a0e010c00200020002000fd85021a0b'

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
export default rewritten => compileInlined(text, unpacker, ${size}, ${basename(path) === 'relaxed.wasm' ? `"${RELAXED}"` : null}, rewritten)`
      return { contents, ...inside, watchFiles: [packed] }
    })
  },
}

/** A .wasm import is a function of hebb/kernels, whose text is that of kernelModules() or kernelFiles(), and so is what makes a reference backend. */
export const importedKernels = {
  name: 'imported kernels',
  setup(build) {
    build.onResolve({ filter: /^hebb\/kernels$|[\\/]reference[\\/]index\.js$/ }, () => ({ path: 'hebb/kernels', external: true }))
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => ({ contents: `export { ${basename(path, '.wasm')} as default } from 'hebb/kernels'` }))
  },
}

/**
 * hebb/kernels for edge runtimes, which make a module of an imported binary. There is one, with plain SIMD: each would be compiled as a Worker starts, and deployed.
 * There is no reference backend, which would be parsed: WebAssembly is there.
 * @param query what the file's name ends with in the import
 */
export const kernelModules = query => `import module from "./simd.wasm${query}";
export const relaxed = () => null;
export const simd = rewritten => {
  if (rewritten) throw new Error("no bytes of the kernels in this form of the library");
  return module;
};
export const createReference = () => {
  throw new Error("backend: wasm expected, because this form of the library, for edge runtimes, has no reference backend: import hebb/inline");
};
`

/** hebb/kernels for Node.js, which reads and compiles a file sooner than it unpacks a text, and reads the reference backend when it is wanted. */
export const kernelFiles = () => `const compiled = (url, rewritten = bytes => bytes) =>
  new WebAssembly.Module(rewritten(new Uint8Array(process.getBuiltinModule("node:fs").readFileSync(url))));
export const relaxed = rewritten =>
  WebAssembly.validate(Buffer.from("${RELAXED}", "hex")) ? compiled(new URL("./relaxed.wasm", import.meta.url), rewritten) : null;
export const simd = rewritten => compiled(new URL("./simd.wasm", import.meta.url), rewritten);
export const createReference = (...args) => process.getBuiltinModule("node:module").createRequire(import.meta.url)("./reference.cjs").createReference(...args);
`

/** A field that is declared for its type: what its constructor fills needs no place of its own before that. */
const DECLARED = /^  (?:(?:readonly|protected|override|abstract) )*\w+\??: (?:(?! = ).)*\n/gm
const CONSTRUCTOR = /^  constructor\(((?:(?!^  \}).)*?)\) \{(\n    super\([^\n]*\))?/ms
const PARAMETER = /(?<!: )\breadonly (\w+)(?=\??:| =)/g

/**
 * Classes in the form that esbuild minifies best. A declared class becomes an expression: for its name esbuild would set the first of the short
 * names aside in all its methods, whose code gzip would find less like that of functions. Constructors assign their readonly parameters by
 * themselves, and fields are what has a value to begin with: then esbuild leaves them where they are.
 */
const plainClasses = text => text.replace(/^(export )?(?:abstract )?class (\w+)([^{]*)\{(.*?^\})/gms, (_, exported = '', name, rest, body) => {
  const members = body.replace(DECLARED, '').replace(CONSTRUCTOR, (_, parameters, call = '') => {
    const fields = [...parameters.matchAll(PARAMETER)].map(([, field]) => `\n    this.${field} = ${field};`)
    return `  constructor(${parameters.replace(PARAMETER, '$1')}) {${call}${fields.join('')}`
  })
  return `${exported}const ${name} = class${rest}{${exported && ` static $named_${name}() {}`}${members}`
})

const sources = (name, changed) => ({
  name,
  setup(build) {
    build.onLoad({ filter: /[\\/]ts[\\/].*\.ts$/ }, ({ path }) => ({ contents: changed(readFileSync(path, 'utf8')), loader: 'ts' }))
  },
})
/** Marks each exported class by its name, which summaries and errors show: a minifier takes the name away. */
export const namedClasses = sources('named classes', text => text.replace(/^(export (?:abstract )?class (\w+)[^{]*\{)/gm, '$1 static $$named_$2() {}'))
/** Does that, and makes the engine's classes small. Not for models, whose declared fields say in which order state dicts list their layers. */
export const smallClasses = sources('small classes', plainClasses)

/**
 * Gives marked classes that the file exports their names back, as fields, which the minifiers of programs that bundle the library leave alone. Others
 * need none.
 */
export function withNames(text) {
  const exported = new Set(text.slice(text.lastIndexOf('export{')).match(/\w+(?=[,}])/g))
  return text.replace(/static \$named_(\w+)\(\)\{\}/g, (_, name) => (exported.has(name) ? `static name="${name}";` : ''))
}
