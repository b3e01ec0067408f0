// Tables in docs/: every name of hebb in pytorch.md exists, and support.md is what its command writes today.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as hebb from 'hebb'
import * as io from 'hebb/io'
import * as models from 'hebb/models'
import * as train from 'hebb/train'
import { methods } from '../ts/ops/methods.js'

const parts: Record<string, object> = { io, models, train }
const has = (holder: unknown, name: string): boolean => (typeof holder === 'object' || typeof holder === 'function') && holder !== null && name in holder

/** Does hebb have this name, written as pytorch.md explains? */
function exists(name: string): boolean {
  const [part, own] = name.split(':') as [string, string?]
  if (own !== undefined) return has(parts[part], own)
  if (name.startsWith('.')) return has(hebb.tensor(0), name.slice(1))
  const [holder, member] = name.split('.') as [string, string?]
  const value = (hebb as Record<string, unknown>)[holder]
  if (member === undefined) return value !== undefined
  return has(value, member) || has((value as { prototype?: object }).prototype, member)
}

/** The right column of its tables */
const named = readFileSync('docs/pytorch.md', 'utf8').split('\n').filter(line => /^\|.*`.*\|$/.test(line))
  .flatMap(row => [...row.split('|').at(-2)!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!))

test('names are looked up as meant', () => {
  for (const name of ['relu', '.relu', '.grad', 'init.orthogonal', 'Module.eval', 'train:accuracy']) assert.ok(exists(name), name)
  for (const name of ['relux', '.relux', 'init.eval', 'Module.relu', 'train:relu', 'nothing:relu']) assert.not(exists(name), name)
})

test('every name of hebb in pytorch.md exists', () => {
  assert.ok(named.length > 250)
  assert.equal(named.filter(name => !exists(name)), [])
})

/** What PyTorch has no name for */
const OWN = ['hingeLoss', 'rnnTanh', 'lstm', 'gru', 'Residual', 'Lion', 'Module', 'Optimizer', 'Schedule']

test('pytorch.md names every method of tensors, layer, optimizer and schedule that PyTorch has too', () => {
  const classes = Object.entries(hebb).filter(([, value]) => {
    const { prototype } = value as { prototype?: unknown }
    return [hebb.Module, hebb.Optimizer, hebb.Schedule].some(base => prototype instanceof base)
  })
  const names = [...Object.keys(methods), ...classes.map(([name]) => name)]
  const known = new Set([...named.map(name => name.replace(/^\./, '')), ...OWN])
  assert.equal(names.filter(name => !known.has(name)), [], 'add them to docs/pytorch.md, or to OWN')
})

test('support.md is current', () => {
  const written = readFileSync('docs/support.md', 'utf8').split('\n')
  const now = execFileSync(process.execPath, ['scripts/support.js', '--print'], { encoding: 'utf8' }).split('\n')
  const changed = now.filter(line => !written.includes(line)).concat(written.filter(line => !now.includes(line)))
  assert.equal(changed, [], 'npm run docs:support writes it anew')
  assert.equal(written, now, 'npm run docs:support writes it anew')
})

test.run()
