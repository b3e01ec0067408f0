// Convolutions as the count of their operations has them: without Winograd's algorithm.

import { engine } from 'hebb'

/** `f` as under configure({ precise: true }), which can't be changed in the middle of a run. */
export function directly<T>(f: () => T): T {
  const backend = engine.currentBackend()
  if (!('setPrecise' in backend)) return f()
  const { setPrecise } = backend as { setPrecise(on: boolean): void }
  setPrecise(true)
  try {
    return f()
  } finally {
    setPrecise(false)
  }
}
