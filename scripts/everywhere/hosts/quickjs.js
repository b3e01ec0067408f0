// Runs a script in QuickJS, an interpreter without WebAssembly: node quickjs.js CACHE SCRIPT
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [cache, script] = process.argv.slice(2)
const { getQuickJS } = createRequire(join(cache, 'package.json'))('quickjs-emscripten')
const context = (await getQuickJS()).newContext()

function valueOf(result) {
  if (!result.error) return result.value
  const { message, stack } = result.error.consume(context.dump)
  throw new Error(`${message}\n${stack}`)
}

valueOf(context.evalCode(readFileSync(script, 'utf8'))).dispose()
// it may be a promise, which this event loop knows nothing of
const answered = context.resolvePromise(valueOf(context.evalCode('Promise.resolve(answer())')))
valueOf(context.runtime.executePendingJobs())
console.log(`HEBB ${valueOf(await answered).consume(context.dump)}`)
