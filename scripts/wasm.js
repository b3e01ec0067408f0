// Reads and rewrites WebAssembly modules: a shared memory for threads, the sizes of functions.

import { leb, number } from './leb.js'

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
