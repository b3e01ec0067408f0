// npm test: builds what is out of date, type-checks, runs test/*.ts, each file in a process of its own. npm test -- NAME … runs
// the files whose names contain a NAME.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { buildPrograms, buildTypes, root, sources, typeChecker } from './build.js'
import { onSignals } from './everywhere/processes.js'
import { endWith, renewMainJob, typesOutdated } from './outdated.js'
import { guardOutput } from './output.js'

const MINUTES = 10
const AT_ONCE = 2

/** Programs that run, which end with this one */
const running = new Set()
onSignals(() => running.forEach(child => child.kill()))

/** Runs a program of Node to its end, or kills it after MINUTES. */
function execute(...args) {
  return new Promise(resolve => {
    const start = performance.now()
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
    const end = reason => {
      clearTimeout(timer)
      running.delete(child)
      resolve({ output, reason, seconds: (performance.now() - start) / 1000 })
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      end(`no end after ${MINUTES} minutes`)
    }, MINUTES * 60000)
    child.on('error', error => end(error.message))
    child.on('close', (code, signal) => end(code === 0 ? null : signal ? `killed by ${signal}` : `exit code ${code}`))
  })
}

/** Counts of a test file, from the summary that uvu prints at its end. */
async function runFile(file) {
  const name = file.replace(/^.*[\\/]|\.ts$/g, '')
  const { output, reason, seconds } = await execute('--enable-source-maps', join('build/test', `${name}.js`))
  const [, total, passed, skipped] = [...stripVTControlCharacters(output).matchAll(/Total: +(\d+)\s+Passed: +(\d+)\s+Skipped: +(\d+)/g)].at(-1)?.map(Number) ?? []
  const problems = reason && !(total > passed) ? [reason] : []
  if (total === undefined) problems.push('it ended without a result')
  else if (total + skipped === 0) problems.push('no tests in it')
  // a skipped test looks like a passed one: only missing data excuses it
  if (skipped > 0 && (process.env.HEBB_DATA || !readFileSync(join(root, file), 'utf8').includes('HEBB_DATA'))) problems.push('skipped without need')
  const failed = Math.max((total ?? 0) - (passed ?? 0), problems.length > 0 ? 1 : 0)
  return { name, passed: passed ?? 0, failed, skipped: skipped ?? 0, seconds, output, problems }
}

/** One test: everything type-checks. The declarations are made by the way. */
async function runTypeCheck() {
  const { output, reason, seconds } = await execute(typeChecker(), '-p', '.')
  if (!reason && typesOutdated()) buildTypes()
  return { name: 'types', passed: reason ? 0 : 1, failed: reason ? 1 : 0, skipped: 0, seconds, output, problems: reason ? [`tsc: ${reason}`] : [] }
}

const all = []
function report(result) {
  const { name, passed, failed, skipped, seconds, output, problems } = result
  all.push(result)
  if (failed > 0) console.log(`\n${output.trimEnd()}\n`)
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
  console.log(`${name.padEnd(16)} ${counts.padEnd(30)} ${seconds.toFixed(1).padStart(6)} s${problems.map(p => `  ${p}`).join(';')}`)
  return failed === 0
}

async function runAll(files, atOnce) {
  const queue = [...files]
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let file = queue.shift(); file; file = queue.shift()) report(await runFile(file))
  }))
}

async function main() {
  const wanted = process.argv.slice(2)
  const matches = name => wanted.length === 0 || wanted.some(part => name.includes(part))
  const text = file => readFileSync(join(root, file), 'utf8')
  const files = sources('test').filter(file => matches(file.slice(5, -3)) && text(file).includes('test.run()'))
  if (files.length === 0 && !matches('types')) {
    console.error(`npm test: names of files in test/ expected, got ${wanted.join(' ')}`)
    process.exitCode = 1
    return
  }
  const renew = async () => {
    await renewMainJob()
    // what has no tests of its own may be the program of a thread that a test starts
    await buildPrograms(sources('test').filter(file => files.includes(file) || !text(file).includes('test.run()')), 'build/test')
    if (!matches('types') && typesOutdated()) buildTypes()
  }
  await renew().catch(endWith('test'))
  if (matches('types')) report(await runTypeCheck())
  const isFirst = file => /\btiny\.ts$/.test(file)
  // what measures time must not share the processor
  const isTimed = file => text(file).includes('performance.now()')
  const first = files.filter(isFirst)
  await runAll(first, 1)
  if (all.every(r => r.name === 'types' || r.failed === 0)) {
    // what takes longest begins first
    const rest = files.filter(f => !isFirst(f)).sort((a, b) => /\b(long|ulp)\.ts$/.test(b) - /\b(long|ulp)\.ts$/.test(a))
    await runAll(rest.filter(f => !isTimed(f)), AT_ONCE)
    await runAll(rest.filter(isTimed), 1)
  } else console.log('tiny failed: the other files were not run')
  const sum = key => all.reduce((n, r) => n + r[key], 0)
  const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum)
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed > 0 ? 1 : 0
}

guardOutput()
await main()
