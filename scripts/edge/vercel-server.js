// Runs an edge function in edge-runtime: node vercel-server.js FOLDER_OF_PACKAGES BUNDLE KERNELS PORT
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [packages, bundle, kernels, port] = process.argv.slice(2)
const { EdgeRuntime, runServer } = createRequire(join(packages, 'x'))('edge-runtime')

const runtime = new EdgeRuntime({
  // what Vercel's bundler makes of the import of a .wasm file
  extend: context => Object.assign(context, { kernels: new WebAssembly.Module(readFileSync(kernels)) }),
  initialCode: `${readFileSync(bundle, 'utf8')}\naddEventListener('fetch', event => event.respondWith(digits.default(event.request)))`,
})
const server = await runServer({ runtime, port: Number(port), host: '127.0.0.1' })
console.log(`listening on http://localhost:${new URL(server.url).port}`)
