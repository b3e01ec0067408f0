// Kernels that a script takes from outside, as bundlers for edges hand them over.
import { basename, join } from 'node:path'

/**
 * An esbuild plugin: the module that such a bundler makes of `import kernels from './simd.wasm?module'` is the global `kernels`.
 * Paths of the files are put into `found`.
 */
export const kernelsOutside = found => ({
  name: 'kernels outside',
  setup(build) {
    build.onResolve({ filter: /\.wasm\?module$/ }, ({ path, resolveDir }) => {
      found.push(join(resolveDir, basename(path, '?module')))
      return { path, namespace: 'outside' }
    })
    build.onLoad({ filter: /.*/, namespace: 'outside' }, () => ({ contents: 'export default globalThis.kernels' }))
  },
})
