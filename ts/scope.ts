// scope(f): free everything that f made, except what it returns.
/// <reference lib="esnext.disposable" preserve="true" />

import { closeScope, currentScope, HOME, openScope, synchronous } from './memory.js'
import { DISPOSE, Tensor } from './tensor.js'

function tensorsIn(value: unknown, found: Set<Tensor> = new Set()): Set<Tensor> {
  if (value instanceof Tensor) found.add(value)
  else if (Array.isArray(value)) for (const v of value) tensorsIn(v, found)
  else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const v of Object.values(value)) tensorsIn(v, found)
  }
  return found
}

/**
 * Runs f and frees all tensors that it made, parameters too, except those it returns (alone or in arrays and plain objects)
 * and those it kept. Without f: a scope that ends with its block, `using s = scope()`.
 * @throws TypeError if f returns a promise: a scope ends when f returns
 */
export function scope(): { [Symbol.dispose](): void; end(): void }
export function scope<T>(f: () => T): T
export function scope<T>(f?: () => T): T | { end(): void } {
  const own = openScope('scope()', HOME)
  if (!f) {
    const end = () => closeScope(own)
    return { end, [DISPOSE]: end }
  }
  let escaping: Tensor[] = []
  try {
    const result = synchronous('scope', f())
    escaping = [...tensorsIn(result)].filter(t => t.owner === own && !t.kept)
    for (const t of escaping) t.kept = true
    return result
  } finally {
    closeScope(own)
    for (const t of escaping) t.moveTo(currentScope())
  }
}
