// Runs a script in Vercel's edge-runtime: node edge-runtime.js CACHE SCRIPT [KERNELS]. A third argument is compiled here, outside
// the sandbox, as Vercel's build does with an import of file.wasm?module.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [cache, script, kernels] = process.argv.slice(2)
const { EdgeRuntime } = createRequire(join(cache, 'package.json'))('edge-runtime')
const module = kernels && new WebAssembly.Module(readFileSync(kernels))
const runtime = new EdgeRuntime({ extend: context => Object.assign(context, { kernels: module }) })
runtime.evaluate(readFileSync(script, 'utf8'))
console.log(`HEBB ${await runtime.evaluate('answer()')}`)
