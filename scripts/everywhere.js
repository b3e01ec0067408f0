// npm run everywhere: packs the library, installs it into a project of its own, and trains and recognises in every runtime, bundle
// and browser. Last line: N passed, N failed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readOptions } from './arguments.js'
import { root } from './build.js'
import { cells, runCell, standardResult } from './everywhere/cells.js'
import { makeConsumer } from './everywhere/consumer.js'
import { endAll, onSignals } from './everywhere/processes.js'
import { installRuntimes, programs } from './everywhere/runtimes.js'
import { writeTable } from './everywhere/table.js'
import { renewPackage } from './outdated.js'
import { guardOutput } from './output.js'

const HELP = `npm run everywhere [-- OPTIONS]
Packs hebb, installs it into a new folder, and in every cell (a runtime, a bundle, a browser) trains a small net and recognises a digit.
  --only NAME …   cells whose names contain a NAME
  --list          names of the cells
  --jobs N        cells at a time (default 2)
  --all           a program that is missing on this machine is a failure
  --docs          write docs/runtimes.md from this run
  --keep          leave the project's folder where it is
  --help
Runtimes come from the package registry, once, into HEBB_EVERYWHERE_CACHE (default: a folder of the user's cache); browsers must be on
the PATH, or named by CHROMIUM and FIREFOX.`

const OPTIONS = {
  only: { type: 'boolean' }, list: { type: 'boolean' }, jobs: { type: 'string', default: '2' }, all: { type: 'boolean' }, docs: { type: 'boolean' },
  keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
}

function readArguments() {
  const { values, positionals } = readOptions(OPTIONS)
  const jobs = Number(values.jobs)
  if (!(Number.isInteger(jobs) && jobs > 0)) throw new RangeError(`--jobs: a whole number > 0 expected, got ${values.jobs}`)
  if (positionals.length > 0 !== !!values.only) throw new RangeError('names of cells follow --only')
  const chosen = cells.filter(({ name }) => positionals.length === 0 || positionals.some(part => name.includes(part)))
  if (chosen.length === 0) throw new RangeError(`--only: part of a cell's name expected (--list shows them), got ${positionals.join(' ')}`)
  if (values.docs && values.only) throw new RangeError('--docs needs all cells: leave --only out')
  return { ...values, jobs, chosen }
}

/** For what runs in this process; child processes have limits of their own. */
const MINUTES = 10

async function withinMinutes(minutes, promise) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no end after ${minutes} minutes`)), minutes * 60000)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const seconds = since => `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`

async function main({ chosen, jobs, all, docs, keep }) {
  const began = performance.now()
  installRuntimes(console.log)
  await renewPackage()
  const scratch = mkdtempSync(join(tmpdir(), 'hebb-scratch-'))
  const folder = makeConsumer()
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const context = { folder, scratch, version, programs: programs(), standard: null }
  const absent = cell => cell.needs.filter(name => !context.programs[name])
  const counts = { passed: 0, failed: 0, missing: 0 }
  const results = new Map()

  async function attempt(cell) {
    const start = performance.now()
    const missing = absent(cell)
    let problem = missing.length > 0 ? `${missing.join(', ')} is not on this machine` : null
    if (problem && !all) {
      counts.missing++
      console.log(`${cell.name.padEnd(28)} not run: ${problem}`)
      return
    }
    try {
      if (!problem) results.set(cell, await withinMinutes(MINUTES, runCell(cell, context)))
    } catch (error) {
      problem = error.message
    }
    counts[problem ? 'failed' : 'passed']++
    console.log(`${cell.name.padEnd(28)} ${problem ? 'FAILED' : 'passed'} ${seconds(start)}${problem ? `\n  ${problem.replaceAll('\n', '\n  ')}` : ''}`)
  }

  const clean = () => {
    endAll()
    if (keep) console.log(`the project is in ${folder}`)
    else for (const path of [folder, scratch]) rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
  onSignals(clean)
  try {
    context.standard = await standardResult(context)
    // the plain kernels take longest: they begin first
    const queue = [...chosen].sort((a, b) => (b.binary === 'float32') - (a.binary === 'float32'))
    await Promise.all(Array.from({ length: jobs }, async () => {
      for (let cell = queue.shift(); cell; cell = queue.shift()) await attempt(cell)
    }))
  } finally {
    clean()
  }
  if (docs) {
    if (counts.failed + counts.missing === 0) writeTable(new Map(cells.map(cell => [cell, results.get(cell)])))
    else console.log('docs/runtimes.md was left as it is: every cell must pass')
  }
  const { passed, failed, missing } = counts
  console.log(`\nin ${seconds(began).trim()}${missing > 0 ? `; ${missing} not run, for want of a program` : ''}\n${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

guardOutput()
try {
  const { help, list, ...settings } = readArguments()
  if (help) console.log(HELP)
  else if (list) console.log(cells.map(({ name }) => name).join('\n'))
  else await main(settings)
} catch (error) {
  console.error(`npm run everywhere: ${error.message}`)
  process.exitCode = 1
}
