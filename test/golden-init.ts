// Golden vectors: initial weights, judged by their spread and bounds and, if orthogonal, by their products.

import { Conv1d, Conv2d, Conv3d, init, Linear, manualSeed, zeros, type Tensor } from 'hebb'
import { share, type Args, type Case, type Miss } from './golden-format.js'
import { camel } from './golden-ops.js'

/** A weight drawn by an initialiser, and the bias if it has one. */
type Draw = (a: Args) => Tensor[]
const drawn = (f: (t: Tensor, options: any) => Tensor): Draw => ({ shape, gain, a, mode, nonlinearity }) =>
  [f(zeros(shape), { gain, ...(mode && { a, mode: camel(mode), nonlinearity: camel(nonlinearity) }) })]

export const INITIALISERS: Record<string, Draw> = {
  xavier_uniform: drawn(init.xavierUniform),
  xavier_normal: drawn(init.xavierNormal),
  kaiming_uniform: drawn(init.kaimingUniform),
  kaiming_normal: drawn(init.kaimingNormal),
  orthogonal: drawn(init.orthogonal),
  linear_default({ shape: [out, into, ...kernel] }) {
    const layer = kernel.length ? new [Conv1d, Conv2d, Conv3d][kernel.length - 1]!(into, out, kernel) : new Linear(into, out)
    return [layer.weight, layer.bias!]
  },
}

export function runInitialiser({ args, expected, tolerance }: Case): Miss[] {
  manualSeed(0)
  const tensors = INITIALISERS[args['init']]!(args)
  const misses: Miss[] = []
  const miss = (what: string, got: number, wanted: number, by: number) => misses.push({ tensor: what, index: [], got, expected: wanted, share: by })
  const values = tensors.map(t => Array.from(t.values()))
  const rms = Math.sqrt(values[0]!.reduce((s, w) => s + w * w, 0) / values[0]!.length)
  const { std, bound, rows, cols, gain } = expected!
  const off = share(rms, std, tolerance['std'] ?? [0, 0])
  if (!(off <= 1)) miss('root mean square', rms, std, off)
  if (bound !== undefined) {
    const largest = values.map(list => list.reduce((m, w) => Math.max(m, Math.abs(w)), 0))
    for (const m of largest) if (!(m <= Math.fround(bound))) miss('largest |w|', m, bound, Infinity)
    if (!(largest[0]! > 0.95 * bound)) miss('largest |w|', largest[0]!, bound, Infinity)
  }
  if (rows !== undefined) {
    const w = values[0]!
    const wide = rows <= cols
    const [n, m] = wide ? [rows, cols] : [cols, rows]
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let dot = 0
        for (let k = 0; k < m; k++) dot += wide ? w[i * cols + k]! * w[j * cols + k]! : w[k * cols + i]! * w[k * cols + j]!
        const wanted = i === j ? gain * gain : 0
        if (!(Math.abs(dot - wanted) <= 1e-4)) miss(`${wide ? 'W Wᵀ' : 'Wᵀ W'}[${i},${j}]`, dot, wanted, Math.abs(dot - wanted) / 1e-4)
      }
  }
  return misses.slice(0, 4)
}
