// Lets the garbage collector free what nobody refers to, so that counts of live buffers don't change by it later.

import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Until `count` stays the same: the collector's callbacks come in tasks of their own. */
export async function settle(count: () => number): Promise<void> {
  for (let last = NaN, still = 0; still < 2; ) {
    still = last === count() ? still + 1 : 0
    last = count()
    gc()
    await wait(2)
  }
}
