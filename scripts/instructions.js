// The instructions of WebAssembly that kernels consist of: where each begins and ends.
import { number } from './leb.js'

/** local.get, local.set, local.tee */
export const LOCAL = [0x20, 0x22]
const BLOCK = [0x02, 0x04]
const BRANCH = [0x0c, 0x0d]
const BRANCH_TABLE = 0x0e
export const CALL = 0x10
const GLOBAL = [0x23, 0x24]
const MEMORY_ACCESS = [0x28, 0x3e]
const MEMORY_SIZE = [0x3f, 0x40]
const INTEGERS = [0x41, 0x42]
export const F32_CONST = 0x43
const F64_CONST = 0x44
const BULK = 0xfc
export const VECTOR = 0xfd
export const V128_CONST = 12
export const F32X4_SPLAT = 19
export const RELAXED_MADD = 261
/** Instructions without immediates: unreachable, nop, else, end, return, drop, select, numeric ones */
const plain = op => op <= 0x01 || op === 0x05 || op === 0x0b || op === 0x0f || op === 0x1a || op === 0x1b || (op >= 0x45 && op <= 0xc4)
export const within = (op, [first, last]) => op >= first && op <= last

export const skipLeb = (bytes, at) => {
  while (bytes[at] & 128) at++
  return at + 1
}
const skipMemory = (bytes, at) => skipLeb(bytes, skipLeb(bytes, at))

/** The end of the instruction at `at` */
export function endOf(bytes, at) {
  const op = bytes[at++]
  if (plain(op)) return at
  if (within(op, LOCAL) || within(op, BLOCK) || within(op, BRANCH) || within(op, GLOBAL) || within(op, INTEGERS) || op === CALL) return skipLeb(bytes, at)
  if (within(op, MEMORY_ACCESS)) return skipMemory(bytes, at)
  if (within(op, MEMORY_SIZE)) return at + 1
  if (op === F32_CONST) return at + 4
  if (op === F64_CONST) return at + 8
  if (op === BRANCH_TABLE) {
    let [count, next] = number(bytes, at)
    for (; count >= 0; count--) next = skipLeb(bytes, next)
    return next
  }
  if (op === BULK) {
    const [which, next] = number(bytes, at)
    if (which < 8) return next
    // memory.copy names two memories, memory.fill one
    if (which === 10 || which === 11) return next + 12 - which
  }
  if (op === VECTOR) {
    const [which, next] = number(bytes, at)
    if (which <= 11 || which === 92 || which === 93) return skipMemory(bytes, next)
    if (which === V128_CONST || which === 13) return next + 16
    if (which >= 21 && which <= 34) return next + 1
    if (which >= 84 && which <= 91) return skipMemory(bytes, next) + 1
    return next
  }
  throw new Error(`instruction 0x${op.toString(16)} in the kernels: scripts/instructions.js doesn't know it`)
}
