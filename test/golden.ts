// PyTorch's golden vectors (test/golden) on every backend: one test for each group, of what the library supports.

import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Answer, Job } from './golden-worker.js'

// this file runs from build/test, beside the worker
const dir = fileURLToPath(new URL('../../test/golden', import.meta.url))
const run = (job: Job): Promise<Answer> =>
  new Promise((answer, fail) => {
    const worker = new Worker(new URL('golden-worker.js', import.meta.url), { workerData: job })
    worker.once('message', answer)
    worker.once('error', fail)
  })

for (const backend of ['wasm', 'reference'] as const) {
  const answers = [await run({ dir, backend, precise: false, only: null }), await run({ dir, backend, precise: true, only: null })]
  const refused = answers.find(a => a.error !== null)
  if (refused) {
    test(`golden vectors on ${backend}`, () => assert.unreachable(refused.error!))
    continue
  }
  const done = answers.flatMap(a => a.results).filter(r => r.status !== 'skipped')
  for (const group of new Set(done.map(r => r.group))) {
    test(`golden ${group} on ${backend}`, () => {
      const failed = done.filter(r => r.group === group && r.status === 'failed')
      assert.equal(failed.map(r => [r.name, r.op, r.args, r.error ?? r.misses]), [])
    })
  }
}

test.run()
