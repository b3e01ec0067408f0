// Weights in 8 bits: a quarter of the file, and about as good.

import { tensor, type Tensor } from 'hebb'
import { readSafetensors, writeSafetensors, type SafeTensor } from 'hebb/io'

const SCALE = '.scale'
/** 8-bit numbers are stored as 1..255, 128 for zero */
const ZERO = 128
const STEPS = 127

/**
 * A state dict as a safetensors file in which tensors of two dimensions or more are 8-bit: row r of a weight [rows, ...] is
 * scale[r] (q − 128) with scale[r] = max |row r| / 127. The rest (biases) stays float32.
 */
export function writeQuantised(state: Readonly<Record<string, Tensor>>, metadata: Record<string, string>): Uint8Array {
  const tensors = new Map<string, SafeTensor>()
  for (const [name, t] of Object.entries(state)) {
    const values = Float32Array.from(t.values())
    const shape = [...t.shape]
    if (shape.length < 2) {
      tensors.set(name, { shape, dtype: 'F32', data: values })
      continue
    }
    const rows = shape[0]!
    const width = values.length / rows
    const scales = Float32Array.from({ length: rows }, (_, r) => values.subarray(r * width, (r + 1) * width).reduce((m, v) => Math.max(m, Math.abs(v)), 0) / STEPS)
    const q = Uint8Array.from(values, (v, i) => ZERO + Math.round(v / (scales[Math.floor(i / width)]! || 1)))
    tensors.set(name, { shape, dtype: 'U8', data: q })
    tensors.set(name + SCALE, { shape: [rows], dtype: 'F32', data: scales })
  }
  return writeSafetensors(tensors, metadata)
}

/** The state dict of such a file, in float32, and the file's metadata. */
export function readQuantised(bytes: Uint8Array, file?: string): { state: Record<string, Tensor>, metadata: Record<string, string> } {
  const { tensors, metadata } = readSafetensors(bytes, file)
  const state: Record<string, Tensor> = {}
  for (const [name, { shape, data }] of tensors) {
    if (name.endsWith(SCALE)) continue
    const scales = tensors.get(name + SCALE)?.data
    const width = data.length / shape[0]!
    state[name] = tensor(scales ? Float32Array.from(data, (q, i) => scales[Math.floor(i / width)]! * (q - ZERO)) : Float32Array.from(data), shape)
  }
  return { state, metadata }
}
