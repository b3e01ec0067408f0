// Reads WebAssembly modules: the names and sizes of functions.

import { number } from './leb.js'

const CODE = 10
const FUNCTION_NAMES = 1

/** Names and sizes in bytes of a module's functions; it must have been compiled with --debug, for the names. */
export function functionsOf(bytes) {
  const module = new WebAssembly.Module(bytes)
  const imported = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function').length
  const names = new Map()
  const section = new Uint8Array(WebAssembly.Module.customSections(module, 'name')[0])
  for (let at = 0; at < section.length; ) {
    const kind = section[at]
    let [size, next] = number(section, at + 1)
    at = next + size
    if (kind !== FUNCTION_NAMES) continue
    let count, index, length
    ;[count, next] = number(section, next)
    for (; count > 0; count--) {
      ;[index, next] = number(section, next)
      ;[length, next] = number(section, next)
      names.set(index, new TextDecoder().decode(section.subarray(next, (next += length))).replaceAll('assembly/', ''))
    }
  }
  let at = 8
  while (bytes[at] !== CODE) {
    const [size, next] = number(bytes, at + 1)
    at = next + size
  }
  const [, inside] = number(bytes, at + 1)
  let [count, next] = number(bytes, inside)
  return Array.from({ length: count }, (_, i) => {
    const [size, body] = number(bytes, next)
    next = body + size
    return [names.get(imported + i) ?? `function ${imported + i}`, size]
  })
}
