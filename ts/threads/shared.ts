// The same kernels for a memory that threads share: reads and rewrites the imports of a WebAssembly module.

const IMPORTS = 2
const KINDS = { function: 0, memory: 2, global: 3 }
const HAS_MAXIMUM = 1
const SHARED = 2
const MOST_PAGES = 65536

/** A LEB128 number at `at` and the position after it */
function number(bytes: Uint8Array, at: number): [number, number] {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    value |= (byte & 127) << shift
    if (byte < 128) return [value, at]
  }
}
function leb(value: number): number[] {
  const bytes = []
  for (; value > 127; value >>= 7) bytes.push((value & 127) | 128)
  return [...bytes, value]
}

/**
 * Instructions and data stay byte for byte, so results have the same bits, and only the limits of the imported memory say something else.
 * @throws Error for a module that imports no memory, or tables
 */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
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
      const rest = bytes[at]! & HAS_MAXIMUM ? number(bytes, after)[1] : after
      const limits = [HAS_MAXIMUM | SHARED, ...leb(minimum), ...leb(MOST_PAGES)]
      const section = [...bytes.subarray(first, at), ...limits, ...bytes.subarray(rest, end)]
      const head = [IMPORTS, ...leb(section.length), ...section]
      const result = new Uint8Array(start + head.length + bytes.length - end)
      result.set(bytes.subarray(0, start))
      result.set(head, start)
      result.set(bytes.subarray(end), start + head.length)
      return result
    }
    if (kind === KINDS.function) at = number(bytes, at)[1]
    else if (kind === KINDS.global) at += 2
    else throw new Error(`threads: functions, memories and globals expected among the kernels' imports, got kind ${kind}`)
  }
  throw new Error('threads: the kernels import no memory')
}
