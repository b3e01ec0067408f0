// Golden vectors on one backend, in a thread of its own: settings of the engine hold for all of it. Started by test/golden.ts
// and scripts/golden.js; answers with the results of all cases it was asked for.

import { parentPort, workerData } from 'node:worker_threads'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configure, tensor } from 'hebb'
import { needsPrecise, runCase, subject } from './golden-cases.js'
import { loadIndex, loadTensors, type Result, type Stored } from './golden-format.js'

export interface Job {
  dir: string
  backend: 'wasm' | 'reference' | 'reference64'
  precise: boolean
  /** Groups to run; null: all */
  only: string[] | null
}
export interface Answer {
  results: (Result & { subject: string })[]
  /** Why nothing could be run */
  error: string | null
}

function work({ dir, backend, precise, only }: Job): Answer {
  try {
    configure({ backend, precise })
    tensor(0).dispose()
  } catch (error) {
    return { results: [], error: (error as Error).message }
  }
  const index = loadIndex(dir)
  const files = new Map<string, Map<string, Stored>>()
  const results = index.cases.flatMap(c => {
    if ((only && !only.includes(c.group)) || needsPrecise(c) !== precise) return []
    let stored = files.get(c.group)
    if (!stored) {
      const file = join(dir, index.groups.find(g => g.name === c.group)?.file ?? `${c.group}.safetensors`)
      files.set(c.group, (stored = existsSync(file) ? loadTensors(file) : new Map()))
    }
    return [{ ...runCase(c, stored), subject: subject(c) }]
  })
  return { results, error: null }
}

if (parentPort) parentPort.postMessage(work(workerData as Job))
