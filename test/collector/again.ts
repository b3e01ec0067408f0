// Runs a test file once more, in a process of its own, on another backend.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { configure, info } from 'hebb'

/** Before anything else in a test file: its tests are run on the reference backend, too. */
export function alsoOnReference(): void {
  const [, file, backend] = process.argv
  if (backend) configure({ backend: backend as 'reference' })
  else if (info().backend !== 'reference') {
    test('the same on the reference backend', () => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [file!, 'reference'], { encoding: 'utf8', timeout: 120000 })
      assert.is(status, 0, stdout + stderr)
      assert.match(stdout, /Passed: +[1-9]/)
    })
  }
}
