// Runs a script in QuickJS, an interpreter without WebAssembly: node quickjs.js CACHE SCRIPT
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [cache, script] = process.argv.slice(2)
const { getQuickJS } = createRequire(join(cache, 'package.json'))('quickjs-emscripten')
const context = (await getQuickJS()).newContext()

function evaluate(code) {
  const result = context.evalCode(code)
  if (!result.error) return result.value.consume(context.dump)
  const { message, stack } = result.error.consume(context.dump)
  throw new Error(`${message}\n${stack}`)
}

evaluate(readFileSync(script, 'utf8'))
console.log(`HEBB ${evaluate('answer()')}`)
