// Values on the host, for ops whose result (or its shape) is decided there. A captured step can't replay such a decision.

import { recorder } from '../memory.js'
import type { Tensor } from '../tensor.js'

/** The values of x, refused by the op's name inside a captured step. @internal */
export function onHost(op: string, x: Tensor): ArrayLike<number> {
  // a freed tensor says so first
  void x.buffer
  recorder?.refuse(op)
  return x.values()
}
