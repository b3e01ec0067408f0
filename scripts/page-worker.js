// trainInWorker() in a real Chromium: as a function, as a module, under a Content-Security-Policy that forbids it, and beside a page
// whose thread stays free. Part of npm run page:test.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expectFreeThread, noteLongTasks } from './page-thread.js'
import { root } from './root.js'

const JS = 'text/javascript'
const html = '<!doctype html><script type="importmap">{ "imports": { "hebb": "/hebb.js", "hebb/worker": "/worker.js" } }</script>'
const dist = file => readFileSync(join(root, 'build/dist', file), 'utf8')
/** Import maps don't reach into workers: these import by address. */
const PROGRAM = `import { parameter, SGD, steps } from '/hebb.js'
import { workerTraining } from '/worker.js'
export default workerTraining(async (n, { progress, signal }) => {
  const x = parameter([4, -3])
  const optimizer = new SGD([x], { lr: 0.1 })
  for (const i of steps(n)) {
    const loss = x.square().sum()
    optimizer.zeroGrad(); loss.backward(); optimizer.step()
    await progress({ i, loss: loss.item() })
    signal.throwIfAborted()
  }
  return x.values()
})`
/** LeNet-5's layers on noise, all weights in every report */
const LENET = `import { Conv2d, Flatten, Linear, MaxPool2d, randint, randn, ReLU, Sequential, SGD, steps } from '/hebb.js'
import { workerTraining } from '/worker.js'
export default workerTraining(async (n, { progress }) => {
  const pooled = (cIn, cOut) => [new Conv2d(cIn, cOut, 5), new ReLU(), new MaxPool2d(2)]
  const dense = [new Linear(400, 120), new ReLU(), new Linear(120, 84), new ReLU(), new Linear(84, 10)]
  const model = new Sequential(...pooled(1, 6), ...pooled(6, 16), new Flatten(), ...dense)
  const optimizer = new SGD(model.parameters(), { lr: 0.01 })
  const [x, y] = [randn([64, 1, 32, 32]), randint(0, 10, [64])]
  for (const i of steps(n)) {
    const loss = model.forward(x).crossEntropy(y)
    optimizer.zeroGrad(); loss.backward(); optimizer.step()
    const now = loss.item()
    await progress(() => ({ i, loss: now, weights: model.parameters().map(p => p.values()) }))
  }
  return n
})`
const FILES = {
  '/': ['text/html', html],
  '/strict': ['text/html', html],
  '/hebb.js': [JS, () => dist('hebb.js')],
  '/worker.js': [JS, () => dist('worker.js')],
  '/program.js': [JS, PROGRAM],
  '/lenet.js': [JS, LENET],
  '/broken.js': [JS, 'this is no program'],
}

async function withServer(use) {
  const server = createServer(({ url }, response) => {
    const file = FILES[url]
    if (!file) return response.writeHead(404).end()
    const [type, content] = file
    const policy = url === '/strict' ? { 'content-security-policy': "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'self'" } : {}
    response.writeHead(200, { 'content-type': type, ...policy }).end(typeof content === 'function' ? content() : content)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

const check = (path, inPage, verify) => browser => withServer(async origin => {
  const page = await browser.newPage()
  await page.goto(origin + path)
  verify(await page.evaluate(inPage))
})
const expect = (fine, got) => {
  if (!fine) throw new Error(`got ${JSON.stringify(got)}`)
}

export const workerChecks = {
  'trainInWorker: a module': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const reports = []
    const result = await trainInWorker('/program.js', { input: 30, every: 0, onProgress: r => reports.push(r) })
    return [reports.length, reports[0], Array.from(result, v => v.toFixed(6))]
  }, got => expect(JSON.stringify(got) === JSON.stringify([30, { i: 0, loss: 25 }, ['0.004952', '-0.003714']]), got)),

  'trainInWorker: a function and its modules, with the engine\'s numbers': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const { tensor } = await import('hebb')
    const input = [1, 2, 3]
    const there = await trainInWorker((values, { modules: { hebb } }) => hebb.tensor(values).softmax(0).values(), { input, modules: { hebb: new URL('/hebb.js', location.href) } })
    return [[...there], [...tensor(input).softmax(0).values()]]
  }, ([there, here]) => expect(JSON.stringify(there) === JSON.stringify(here), there)),

  'trainInWorker: an abort, and a training that doesn\'t listen': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const stop = new AbortController()
    const first = await trainInWorker('/program.js', { input: 1e9, signal: stop.signal, onProgress: () => stop.abort('enough') }).catch(reason => reason)
    const later = new AbortController()
    const second = await trainInWorker((_, { progress }) => {
      void progress(1)
      for (;;);
    }, { signal: later.signal, grace: 20, onProgress: () => later.abort() }).catch(error => error.name)
    return [first, second]
  }, got => expect(got[0] === 'enough' && got[1] === 'AbortError', got)),

  'trainInWorker: an error arrives with the worker\'s stack': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const error = await trainInWorker(function learn() {
      throw new RangeError('too far')
    }).catch(e => e)
    return [error instanceof RangeError, error.message, /learn/.test(error.stack)]
  }, got => expect(JSON.stringify(got) === '[true,"too far",true]', got)),

  'trainInWorker: scripts that are missing or broken are named': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    return Promise.all(['/nothing.js', '/broken.js'].map(url => trainInWorker(url).catch(e => e.message)))
  }, got => expect(/could not be started from \/nothing\.js: it did not load; a module expected /.test(got[0]) && /could not be started from \/broken\.js: /.test(got[1]), got)),

  'trainInWorker: a policy that forbids blob: workers is explained, and a module works under it': check('/strict', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const refused = await trainInWorker(x => x, { patience: 5000 }).catch(e => e.message)
    return [refused, Array.from(await trainInWorker('/program.js', { input: 1 }), v => v.toFixed(3))]
  }, got => expect(/worker could not be started from the text of a function: .*worker-src blob:/.test(got[0]) && got[1].join() === '3.200,-2.400', got)),

  'trainInWorker: timers of the page go on in time': check('/', async () => {
    const { trainInWorker } = await import('hebb/worker')
    const training = trainInWorker((_, { progress }) => {
      const end = performance.now() + 1000
      void progress('begun')
      while (performance.now() < end);
      return 'done'
    })
    let ticks = 0
    const timer = setInterval(() => ticks++, 20)
    const result = await training
    clearInterval(timer)
    return [result, ticks]
  }, got => expect(got[0] === 'done' && got[1] > 20, got)),

  'trainInWorker: the thread of the page is never blocked for more than 50 ms': () =>
    withServer(origin => expectFreeThread(async browser => {
      const page = await browser.newPage()
      await noteLongTasks(page)
      await page.goto(origin)
      const reports = await page.evaluate(async () => {
        const { trainInWorker } = await import('hebb/worker')
        let count = 0
        const move = () => {
          document.body.textContent = `${count} reports`
          requestAnimationFrame(move)
        }
        move()
        await trainInWorker('/lenet.js', { input: 300, onProgress: ({ weights }) => (count += weights.length === 10 ? 1 : NaN) })
        return count
      })
      expect(reports > 10, reports)
      return page
    })),
}
