// PyTorch's golden vectors (test/golden) on every backend: one test for each group, of what the library supports. And what
// npm run golden says of an index that is none.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

test('npm run golden: an index that is none is a wrong argument, named in a line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hebb-golden-'))
  const index = join(folder, 'index.json')
  const refused = (message: RegExp) => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/golden.js', folder], { encoding: 'utf8' })
    assert.is(status, 2, stderr)
    assert.match(stderr, message)
    assert.is(stderr.trim().split('\n').length, 1, stderr)
  }
  try {
    refused(/no index\.json in this folder/)
    mkdirSync(index)
    refused(/index\.json: a file to read expected, got EISDIR$/m)
    rmSync(index, { recursive: true })
    const whole = { name: 'a', group: 'g', op: 'add', args: {}, tolerance: {} }
    const wrong: [unknown, RegExp][] = [
      [null, /groups and cases expected/],
      [{ groups: [], cases: [] }, /groups and cases expected/],
      [{ groups: [null], cases: [whole] }, /groups and cases expected/],
      [{ groups: [], cases: [whole, null] }, /op, args and tolerance expected in cases\[1\], got null$/m],
      [{ groups: [], cases: [{ ...whole, op: undefined }] }, /expected in cases\[0\], got \{"name":"a"/],
    ]
    for (const [content, message] of wrong) {
      writeFileSync(index, JSON.stringify(content))
      refused(message)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
