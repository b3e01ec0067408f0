// Golden vectors: their format (test/golden/README.md), reading them, and how a result is compared with PyTorch's.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tensor, type Tensor } from 'hebb'
import type { View } from './golden-ops.js'

/** A tensor of the files: float32, int32 or uint8 elements in row-major order. */
export interface Stored {
  shape: number[]
  data: Float32Array | Int32Array | Uint8Array
}
export type Args = Record<string, any>
export interface Case {
  name: string
  group: string
  op: string
  kind?: 'second_order' | 'optimizer' | 'lr_scheduler' | 'init' | 'network'
  args: Args
  inputs?: string[]
  views?: Record<string, View[]>
  outputs?: string[]
  cotangents?: Record<string, string>
  grads?: Record<string, string>
  v?: Record<string, string>
  grads2?: Record<string, string>
  params?: Record<string, string>
  buffers?: Record<string, string>
  buffers_after?: Record<string, string>
  expected?: Args
  tolerance: Record<string, [number, number]>
  tags?: string[]
}
export interface Index {
  groups: { name: string; cases: number; file?: string }[]
  cases: Case[]
}

/** The element that is farthest out of tolerance. `share` is its deviation over what is allowed: Infinity if nothing is. */
export interface Miss {
  tensor: string
  index: number[]
  got: number | string
  expected: number | string
  share: number
}
export interface Result {
  name: string
  group: string
  op: string
  args: string
  status: 'passed' | 'failed' | 'skipped'
  misses: Miss[]
  /** Message and place of what was thrown */
  error: string | null
}

/** @throws Error if the folder holds no golden vectors */
export function loadIndex(dir: string): Index {
  return JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8')) as Index
}

const ARRAYS: Record<string, new (buffer: ArrayBuffer, offset: number, length: number) => Stored['data']> = {
  F32: Float32Array, I32: Int32Array, U8: Uint8Array,
}

export function loadTensors(file: string): Map<string, Stored> {
  const bytes = readFileSync(file)
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
  const n = Number(new DataView(buffer).getBigUint64(0, true))
  type Head = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, n))) as Head
  const out = new Map<string, Stored>()
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(head)) {
    const elements = shape.reduce((a, b) => a * b, 1)
    out.set(name, { shape, data: new ARRAYS[dtype]!(buffer, 8 + n + start, elements && (end - start) / (dtype === 'U8' ? 1 : 4)) })
  }
  return out
}

/** CASE/in.out_proj.weight -> out_proj.weight */
export const roleOf = (name: string): string => name.slice(name.indexOf('.', name.indexOf('/')) + 1)

/** The stored tensor as one of hebb's: integers as int32, masks as float32 0/1. */
export function toTensor({ shape, data }: Stored): Tensor {
  return data instanceof Int32Array ? tensor(data, shape, { dtype: 'int32' }) : tensor(Float32Array.from(data), shape)
}

/** Where a case's tensors come from, by name. */
export type Source = (name: string) => Stored

/** What a run hands over for comparison: shape and values of each tensor that the case names. */
export interface Values {
  shape: readonly number[]
  data: ArrayLike<number>
}
export type Results = Map<string, Values>
export const read = (t: Tensor): Values => ({ shape: t.shape, data: t.values() })
/** The outputs that a case names, from what a run made, by role. */
export const outputsOf = (c: Case, made: Record<string, Values>): [string, Values][] =>
  (c.outputs ?? []).flatMap(name => (Object.hasOwn(made, roleOf(name)) ? [[name, made[roleOf(name)]!] as [string, Values]] : []))

/** |got − expected| over what is allowed; 0 if equal or both NaN. */
export function share(got: number, expected: number, [rtol, atol]: readonly [number, number]): number {
  if (got === expected || (got !== got && expected !== expected)) return 0
  const deviation = Math.abs(got - expected)
  if (!Number.isFinite(deviation)) return Infinity
  return deviation / (atol + rtol * Math.abs(expected))
}

export function compare(name: string, got: Values | undefined, expected: Stored, tolerance: readonly [number, number]): Miss | null {
  const { shape, data } = expected
  if (!got) return { tensor: name, index: [], got: 'nothing', expected: `[${shape}]`, share: Infinity }
  if (String(got.shape) !== String(shape)) return { tensor: name, index: [], got: `shape [${got.shape}]`, expected: `shape [${shape}]`, share: Infinity }
  let worst: Miss | null = null
  for (let i = 0; i < data.length; i++) {
    // references are float32: what was computed in float64 is rounded first
    const value = Math.fround(got.data[i]!)
    const s = share(value, data[i]!, tolerance)
    if (s > (worst?.share ?? 1)) worst = { tensor: name, index: unravel(i, shape), got: value, expected: data[i]!, share: s }
  }
  return worst
}

function unravel(at: number, shape: readonly number[]): number[] {
  const index: number[] = []
  for (let d = shape.length - 1; d >= 0; d--) {
    index.unshift(at % shape[d]!)
    at = Math.floor(at / shape[d]!)
  }
  return index
}
