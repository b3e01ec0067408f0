// A test file run once more, in a process of its own.

import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'

/** Runs this test file with the argument `how`: all its tests must pass. */
export function anew(how: string): void {
  const { stdout, stderr, status } = spawnSync(process.execPath, [process.argv[1]!, how], { encoding: 'utf8', timeout: 180000 })
  assert.is(status, 0, stdout + stderr)
  assert.match(stdout, /Passed: +[1-9]/)
}
