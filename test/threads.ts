// hebb/threads in processes of their own: the same bits for any number of threads, clean ends, named refusals.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./threads-program.js', import.meta.url))

/** What the program prints. It must end by itself: a hang is an error after two minutes. */
const run = (...args: (string | number)[]): Promise<any> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [PROGRAM, ...args.map(String)], { timeout: 120_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${args.join(' ')}: ${error.killed ? 'no end' : stderr}`))
      else resolve(JSON.parse(stdout))
    })
  })

for (const [kind, count, how, numbers] of [
  ['lenet', 20, 'eager', [2, 3, 4]], ['lenet', 20, 'captured', [2, 3]], ['sentences', 20, 'eager', [2, 3]], ['resnet', 5, 'eager', [2, 3]],
] as const) {
  test(`${count} ${how} steps of ${kind} have the same bits with 1 and ${numbers.join(', ')} threads`, async () => {
    const alone = await run(kind, 1, count, how)
    assert.is(alone.info.threads, 1)
    assert.ok(alone.losses.at(-1) < alone.losses[0], `${alone.losses}`)
    let workers = 0
    for (const n of numbers) {
      const { losses, hash, info, work } = await run(kind, n, count, how)
      assert.is(info.threads, n)
      assert.is(info.binary, alone.info.binary)
      assert.equal(losses, alone.losses)
      assert.is(hash, alone.hash)
      workers += work.workers
    }
    assert.ok(workers > 0, 'workers did something')
  })
}

test('1000 captured steps with three threads on two cores come to an end', async () => {
  const [alone, three] = await Promise.all([run('mlp', 1, 1000, 'captured'), run('mlp', 3, 1000, 'captured')])
  assert.equal(three.losses, alone.losses)
})

test('a kernel that fails in a worker is an error, and one thread goes on', async () => {
  const { message, sum, threads } = await run('crash', 2)
  assert.match(message, /RuntimeError|threads: a worker/)
  assert.is(sum, 0)
  assert.is(threads, 1)
})

test('refusals name their reason', async () => {
  const [early, ...numbers] = await run('settings')
  assert.is(early, 'Error: useThreads: tensors exist already: call it before the first tensor is made')
  assert.equal(numbers, ['0', '17', '1.5', 'NaN'].map(n => `RangeError: useThreads: a number of threads from 1 to 16 expected, got ${n}`))
})

test('the number of threads may change, and one may go on alone', async () => {
  assert.equal(await run('changes'), [
    [2, 'Error: useThreads: an earlier call has not ended yet: await it'], 3, 1, 4, 1, 1,
    'Error: useThreads: tensors exist already: call it before the first tensor is made',
  ])
})

test.run()
