// Runs a test file once more on another backend.

import { test } from 'uvu'
import { configure, info } from 'hebb'
import { anew } from './anew.js'

/** Before anything else in a test file: its tests are run on the reference backend, too. */
export function alsoOnReference(): void {
  const backend = process.argv[2]
  if (backend) configure({ backend: backend as 'reference' })
  else if (info().backend !== 'reference') {
    test('the same on the reference backend', () => anew('reference'))
  }
}
