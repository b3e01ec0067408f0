// Reference kernel: the optimizers' update of one parameter.

import { SCALARS, Update, type Kernels } from '../../kernels.js'
import type { Memory } from './memory.js'

export const update = (memory: Memory): Pick<Kernels<number>, 'update'> => ({
  update(f, n, scalars, w, g, s1, s2, s3) {
    const block = memory.scalars(scalars, SCALARS)
    const ws = memory.floats(w, n)
    const gs = memory.floats(g, n)
    const first = memory.floats(s1, n)
    const second = memory.floats(s2, n)
    const largest = memory.floats(s3, n)
    if (f === Update.sgd) {
      const [lr, weightDecay, decay, gain, momentum, nesterov] = block
      for (let i = 0; i < n; i++) {
        let step = gs[i]! + weightDecay! * ws[i]!
        if (s1) {
          const velocity = decay! * first[i]! + gain! * step
          first[i] = velocity
          step = nesterov ? step + momentum! * velocity : velocity
        }
        ws[i] = ws[i]! - lr! * step
      }
    } else {
      const [stepSize, beta1, beta2, eps, rootCorrection, weightDecay, shrink] = block
      for (let i = 0; i < n; i++) {
        const weight = ws[i]! * shrink!
        const gradient = gs[i]! + weightDecay! * weight
        const mean = beta1! * first[i]! + (1 - beta1!) * gradient
        const square = beta2! * second[i]! + (1 - beta2!) * gradient * gradient
        first[i] = mean
        second[i] = square
        let v = square
        if (s3) {
          v = Math.max(largest[i]!, square)
          largest[i] = v
        }
        ws[i] = weight - (stepSize! * mean) / (Math.sqrt(v) / rootCorrection! + eps!)
      }
    }
  },
})
