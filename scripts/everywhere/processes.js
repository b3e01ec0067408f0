// Child processes with a time limit, and servers that are stopped when their cell is done.
import { spawn } from 'node:child_process'

const running = new Set()
const clip = text => (text.length > 4000 ? `${text.slice(0, 2000)}\n…\n${text.slice(-2000)}` : text)

/** Ends a process and those it started. */
function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}
export function endAll() {
  for (const child of running) end(child)
}

/** Calls `clean` before Ctrl-C or SIGTERM ends this process: children may have process groups of their own, which no signal to this one reaches. */
export function onSignals(clean) {
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
    // not once: npm passes on a second Ctrl-C, which would cut `clean` short
    process.on(signal, () => {
      clean()
      process.exit(code)
    })
  }
}

function start(command, args, { cwd, env }) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' })
  running.add(child)
  child.output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (child.output += text))
  child.on('close', () => running.delete(child))
  return child
}

/** What a program prints until it ends. @throws Error if it fails or takes longer than `seconds` */
export function run(command, args, { cwd, env, seconds = 300 } = {}) {
  return new Promise((resolve, reject) => {
    const child = start(command, args, { cwd, env })
    const fail = why => reject(new Error(`${command} ${args.join(' ')}\n${why}\n${clip(child.output)}`))
    const timer = setTimeout(() => {
      fail(`no end after ${seconds} s`)
      end(child)
    }, seconds * 1000)
    child.on('error', error => fail(error.message))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(child.output)
      else fail(signal ? `killed by ${signal}` : `exit code ${code}`)
    })
  })
}

/** A server that says nothing for so long won't start. */
const STARTING = 90

/**
 * Starts a server, waits until its output matches `ready`, and gives the match and the process to `use`; then ends it.
 * @throws Error if it doesn't get ready within STARTING seconds, or `use` isn't done within `seconds`
 */
export async function serving(command, args, { cwd, env, ready, seconds = 90 }, use) {
  const child = start(command, args, { cwd, env })
  let timer
  try {
    const match = await new Promise((resolve, reject) => {
      const look = () => {
        const found = ready.exec(child.output)
        if (found) resolve(found)
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      child.on('error', reject)
      child.on('close', code => reject(new Error(`exit code ${code}`)))
      timer = setTimeout(() => reject(new Error(`not ready after ${STARTING} s`)), STARTING * 1000)
    })
    clearTimeout(timer)
    return await Promise.race([
      use(match, child),
      new Promise((_, reject) => {
        child.on('close', code => reject(new Error(`exit code ${code}`)))
        if (seconds < Infinity) timer = setTimeout(() => reject(new Error(`no answer after ${seconds} s`)), seconds * 1000)
      }),
    ])
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}\n${error.message}\n${clip(child.output)}`)
  } finally {
    clearTimeout(timer)
    end(child)
  }
}
