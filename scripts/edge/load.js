// A load on the service: many requests at once, some of them malformed, every answer checked.
import { readFileSync } from 'node:fs'
import { BAD, checkBad, checkGood, GOOD, send } from './requests.js'

export const LOAD = { requests: 5000, atOnce: 32, warmUp: 2500 }
/** Of the good requests that don't train; one request in ten is malformed, one in twenty trains */
const KINDS = ['bytes', 'json', 'png']
/** Digits asked about (prime to the kinds, so that each kind meets them all), and digits that trainings begin with */
const DIGITS = { classify: 299, adapt: 20 }

/** Resident memory of a process in MB, where /proc tells it */
function memoryOf(pid) {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
  } catch {
    return NaN
  }
}

const share = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]

/** Sends `requests` of them, `atOnce` at a time. @throws Error for the first answer that isn't right */
async function round(url, { requests, atOnce }, alone) {
  const bad = Object.entries(BAD)
  const times = []
  const seen = { good: 0, bad: 0, adapted: 0, read: 0 }
  let next = 0
  const one = async () => {
    for (let n = next++; n < requests; n = next++) {
      const began = performance.now()
      if (n % 10 === 9) {
        const [name, [status, request]] = bad[Math.floor(n / 10) % bad.length]
        checkBad(name, status, await send(url, request))
        seen.bad++
      } else {
        const adapting = n % 20 === 4
        const kind = adapting ? 'adapt' : KINDS[n % KINDS.length]
        const i = adapting ? Math.floor(n / 20) % DIGITS.adapt : n % DIGITS.classify
        const answer = await send(url, GOOD[kind](i))
        const right = checkGood(kind, i, answer)
        const wanted = alone.get(`${kind} ${i}`)
        if (answer.text !== wanted) throw new Error(`${kind} ${i}: another answer among other requests than alone:\n${answer.text}\n${wanted}`)
        if (adapting) seen.adapted++
        else if (right) seen.read++
        seen.good++
      }
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return { times: times.sort((a, b) => a - b), seen }
}

/**
 * Loads the server at `url`, prints what it took and checks that memory has not grown since the warm-up.
 * @throws Error for a wrong answer, or for memory that grows
 */
export async function load(url, pid, say, { requests, atOnce, warmUp } = LOAD) {
  // what each request is answered when nothing else runs
  const alone = new Map()
  for (const kind of KINDS) for (let i = 0; i < DIGITS.classify; i++) alone.set(`${kind} ${i}`, (await send(url, GOOD[kind](i))).text)
  for (let i = 0; i < DIGITS.adapt; i++) alone.set(`adapt ${i}`, (await send(url, GOOD.adapt(i))).text)
  await round(url, { requests: warmUp, atOnce }, alone)
  const before = memoryOf(pid)
  const began = performance.now()
  const { times, seen } = await round(url, { requests, atOnce }, alone)
  const seconds = (performance.now() - began) / 1000
  const after = memoryOf(pid)
  const ms = q => share(times, q).toFixed(1)
  say(`${requests} requests, ${atOnce} at once: ${seen.good} good (${seen.adapted} trained), ${seen.bad} malformed, ${(requests / seconds).toFixed(0)} a second`)
  say(`p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms; memory ${before.toFixed(0)} MB after the warm-up, ${after.toFixed(0)} MB at the end`)
  say(`${seen.read} of ${seen.good - seen.adapted} digits read right (training and test digits)`)
  if (seen.read < 0.95 * (seen.good - seen.adapted)) throw new Error('95 % of the digits read right expected')
  if (after > before * 1.1 + 8) throw new Error(`memory that doesn't grow expected, got ${before.toFixed(0)} MB and then ${after.toFixed(0)} MB`)
}
