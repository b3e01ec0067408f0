// npm run bench: measures hebb and prints tables. --help lists the options.

import { arch, cpus, platform, release } from 'node:os'
import { info, VERSION } from 'hebb'
import { checkWritable, save, SaveError } from '../examples/cli/save.js'
import { guardOutput } from '../scripts/output.js'
import { differences, printDifferences, readRun, runOf, UNDISTURBED, type Machine } from './compare.js'
import { kernels } from './kernels.js'
import { networks } from './networks.js'
import { helpText, OptionError, parseOptions } from './options.js'
import { overhead } from './overhead.js'
import { buildPage } from './page.js'
import { loadPeak } from './peak.js'
import { ratio } from './ratio.js'
import { Session, type Output, type Subject } from './session.js'
import { start } from './start.js'
import { threads } from './threads.js'
import { digits, time } from './text.js'

const SUBJECTS: readonly Subject[] = [kernels, networks, ratio, overhead, start, threads]

function describeMachine(): Machine {
  const { backend, binary, threads } = info()
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node, v8: process.versions.v8, hebb: VERSION, backend, binary, threads,
  }
}

/** Lines go to stdout; what is being measured goes to the terminal and is overwritten. */
function terminalOutput(): Output {
  const shown = process.stderr.isTTY
  return {
    line: text => void process.stdout.write(`${text}\n`),
    progress: text => void (shown && process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`)),
  }
}

function checkNames(session: Session): void {
  const all = SUBJECTS.flatMap(subject => subject.cases().map(one => ({ subject: subject.name, one })))
  for (const part of session.only) {
    const meant = new Session({ ...session.effort, quick: false }, [part], session.output)
    const found = all.filter(({ subject, one }) => meant.wants(subject, one))
    const subjects = SUBJECTS.map(({ name }) => name).join(', ')
    if (found.length === 0) throw new OptionError(`--only ${part}: expected one of ${subjects}, or part of a case's name; --help says more`)
    if (found.some(({ subject, one }) => session.wants(subject, one))) continue
    throw new OptionError(`--only ${part}: ${found[0]!.one.name} takes too long for --quick`)
  }
}

/** Does something with the file of an option. @throws OptionError where it can't be written */
function toFile(option: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    throw error instanceof SaveError ? new OptionError(`--${option} ${error.message}`) : error
  }
}

function main(argv: readonly string[]): void {
  const options = parseOptions(argv)
  if (options === 'help') return void process.stdout.write(helpText(SUBJECTS))
  const earlier = options.compare === undefined ? null : readRun(options.compare)
  const began = performance.now()
  const output = terminalOutput()
  const peak = loadPeak(new URL('peak.wasm', import.meta.url))
  const session = new Session({ quick: options.quick, peak }, options.only, output)
  checkNames(session)
  // a path that can't be written should be known before the minutes are spent
  const { json, html } = options
  if (json !== undefined) toFile('json', () => checkWritable(json))
  if (html !== undefined) toFile('html', () => checkWritable(html))

  const machine = describeMachine()
  const ceiling = Math.max(...Array.from({ length: 20 }, peak))
  const header = [
    `hebb ${machine.hebb}, ${machine.backend} ${machine.binary}, ${machine.threads === 1 ? 'one thread' : `${machine.threads} threads`}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
    `Node ${machine.node}, V8 ${machine.v8}`,
    `C, the register-only multiply-add loop, at the beginning: ${digits(ceiling)} GFLOP/s`,
  ]
  header.forEach(output.line)
  for (const subject of SUBJECTS) subject.run(session)

  const run = runOf(session, machine, ceiling, new Date().toISOString())
  const compared = earlier ? differences(earlier.results, run.results) : []
  if (earlier) printDifferences(session, earlier, compared)
  if (json !== undefined) toFile('json', () => save(json, `${JSON.stringify(run, null, 1)}\n`))
  if (html !== undefined) toFile('html', () => save(html, buildPage(run, [...header, run.date], compared)))
  const refused = session.refused.length ? `, ${session.refused.length} refused: wrong results` : ''
  output.line(`\n${run.results.length} results in ${time(performance.now() - began)}${refused}`)
  const disturbed = run.results.filter(r => r.core < UNDISTURBED).length
  if (disturbed) output.line(`${disturbed} of them had less than ${UNDISTURBED * 100} % of a core: other work made them slower`)
  if (session.refused.length) process.exitCode = 1
}

guardOutput()
try {
  main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof OptionError)) throw error
  process.stderr.write(`npm run bench: ${error.message}\n`)
  process.exitCode = 1
}
