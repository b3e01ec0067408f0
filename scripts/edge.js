// npm run edge: the service of examples/edge on its hosts. --help lists what there is to run.
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { readOptions } from './arguments.js'
import { buildPrograms, root } from './build.js'
import { endAll, onSignals, serving } from './everywhere/processes.js'
import { installRuntimes } from './everywhere/runtimes.js'
import { compareBoots } from './edge/boot.js'
import { DATES, HOSTS } from './edge/hosts.js'
import { trainInIsolate } from './edge/isolate.js'
import { load, LOAD } from './edge/load.js'
import { BAD, checkBad, checkGood, GOOD, hangUp, imageAt, labelAt, send } from './edge/requests.js'
import { renewPackage } from './outdated.js'
import { guardOutput } from './output.js'

const HELP = `npm run edge -- COMMAND [--port N]

  ${Object.keys(HOSTS).join(', ')}
          serve on http://localhost:8787 (or --port N) until Ctrl-C
  train   train the model again and write examples/edge/digits.safetensors
  test    every host: good and malformed requests; then ${LOAD.requests} requests, ${LOAD.atOnce} at once, on workerd, and LeNet-5 in 128 MB of it
  load    ${LOAD.requests} requests, ${LOAD.atOnce} at once, on every host or on those that follow
  boot    milliseconds from the start of workerd to the first answer of hebb, and of an empty worker

The hosts' programs are installed once, in exact versions, into a cache folder.
`
const COMMANDS = ['train', 'test', 'load', 'boot']
const say = text => console.log(text)

/** Starts a host and calls `use` with its address. */
async function onHost(name, options, use, seconds = 600) {
  const { command, args, cwd = root, env, ready } = await HOSTS[name](options)
  if (!command) throw new Error(`${name}: there is no program of this host for ${process.platform} ${process.arch}`)
  return serving(command, args, { cwd, env, ready, seconds }, ([, port], child) => use(`http://127.0.0.1:${port}/`, child))
}

async function serve(name, port) {
  await onHost(name, { port }, async url => {
    say(`${name}: ${url}, Ctrl-C ends it. Try:\n  curl -H 'content-type: application/json' -d '{"image": [${[...imageAt(0)]}]}' ${url}classify`)
    // Ctrl-C is how to end here, and no failure: this listener comes before that of onSignals
    await new Promise(() => process.prependListener('SIGINT', () => process.exit()))
  }, Infinity)
}

/** Every good and bad request once, two trainings side by side, and uploads that are broken off */
async function conform(url, child) {
  let right = 0
  for (const kind of ['bytes', 'json', 'png']) for (let i = 0; i < 20; i++) if (checkGood(kind, i, await send(url, GOOD[kind](i)))) right++
  if (right < 57) throw new Error(`57 of 60 digits read right expected, got ${right}`)
  for (const [name, [status, request]] of Object.entries(BAD)) checkBad(name, status, await send(url, request))
  const alone = []
  for (const i of [3, 8]) alone.push(await send(url, GOOD.adapt(i)))
  const together = await Promise.all([3, 8].map(i => send(url, GOOD.adapt(i))))
  for (const [k, i] of [3, 8].entries()) {
    if (!checkGood('adapt', i, alone[k])) throw new Error(`adapt ${i}: label ${(labelAt(i) + i) % 10} expected after training, got ${alone[k].text}`)
    if (together[k].text !== alone[k].text) throw new Error(`adapt ${i}: the same answer alone and beside another request expected`)
  }
  const said = child.output.length
  for (let i = 0; i < 3; i++) await hangUp(url)
  checkGood('bytes', 0, await send(url, GOOD.bytes(0)))
  const more = child.output.slice(said)
  if (/\b(500|error|exception|abort)/i.test(more)) throw new Error(`an upload that is broken off: no error expected, got\n${more}`)
}

async function test() {
  const cells = [
    ...Object.keys(HOSTS).map(name => [name, () => onHost(name, { port: 0 }, conform)]),
    ['worker, an old compatibility date', () => onHost('worker', { port: 0, date: DATES.old }, conform)],
    ...Object.entries(DATES).map(([age, date]) => [`worker under load, ${age} date`, () => onHost('worker', { port: 0, date, heap: 32 }, (url, child) => load(url, child.pid, say))]),
  ]
  await judge([...cells, ['worker that trains LeNet-5 in 128 MB', () => trainInIsolate(say)]])
}

/** Every host under load, or those named */
const loadAll = names =>
  judge(names.map(name => [`${name} under load`, () => onHost(name, { port: 0, heap: 32 }, (url, child) => load(url, child.pid, say))]))

/** Runs cells, says which passed, and counts them in the last line. */
async function judge(cells) {
  let failed = 0
  for (const [name, cell] of cells) {
    try {
      await cell()
      say(`ok      ${name}`)
    } catch (error) {
      failed++
      say(`FAILED  ${name}\n${error.message}`)
    }
  }
  say(`${cells.length - failed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}

async function main() {
  const { values, positionals } = readOptions({ port: { type: 'string', default: '8787' }, help: { type: 'boolean', short: 'h' } })
  const [command, ...hosts] = positionals
  if (values.help || !command) return void process.stdout.write(HELP)
  const port = Number(values.port)
  if (!(/^\d+$/.test(values.port) && port < 65536)) throw new Error(`--port: a number from 0 to 65535 expected, got ${values.port}`)
  const known = Object.hasOwn(HOSTS, command) || COMMANDS.includes(command)
  if (!known || (command === 'load' ? hosts.some(name => !Object.hasOwn(HOSTS, name)) : hosts.length > 0)) {
    throw new Error(`${positionals.join(' ')}: one of ${[...Object.keys(HOSTS), ...COMMANDS].join(', ')} expected (--help)`)
  }
  await renewPackage()
  if (command === 'train') {
    await buildPrograms(['examples/edge/train.ts'], 'build/edge')
    execFileSync(process.execPath, [join(root, 'build/edge/train.js')], { stdio: 'inherit' })
    return
  }
  installRuntimes(say)
  if (command === 'test') await test()
  else if (command === 'load') await loadAll(hosts.length > 0 ? hosts : Object.keys(HOSTS))
  else if (command === 'boot') await compareBoots(say)
  else await serve(command, port)
}

process.on('exit', endAll)
onSignals(endAll)
guardOutput()
main().catch(error => {
  console.error(error.message)
  process.exitCode = 1
})
