// How long the tasks of a page's thread block it: from Chromium's trace, less the time in which other programs had the processor.
import { readFileSync } from 'node:fs'
import { launchChromium } from './chromium.js'

/** Longest that a page's thread may be blocked, in ms */
const LONGEST = 50
/** Browsers tried on a crowded machine, where what the page waits for, fonts for instance, waits for a processor itself */
const ATTEMPTS = 4
/** Milliseconds between two looks at how long threads have queued for a processor */
const LOOK_EVERY = 5
const CATEGORIES = ['toplevel', 'mojom', 'devtools.timeline', 'v8']

/** Milliseconds that a thread has been ready to run while others ran, which Linux counts; 0 elsewhere */
function queuedFor(pid, tid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Notes again and again how long the main threads of all renderers have queued. Trace and samples share a clock. */
function watchQueues(session) {
  const samples = new Map()
  let over = false
  const look = async () => {
    while (!over) {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo')
      const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
      for (let i = 0; i < 10 && !over; i++) {
        for (const pid of renderers) {
          if (!samples.has(pid)) samples.set(pid, [])
          samples.get(pid).push({ at: Number(process.hrtime.bigint()) / 1e6, queued: queuedFor(pid, pid) })
        }
        await new Promise(resolve => setTimeout(resolve, LOOK_EVERY))
      }
    }
  }
  // the browser may be gone before the last look
  const looking = look().catch(() => {})
  return async () => {
    over = true
    await looking
    /** Of the time from `start` to `end`, at most what the thread queued between the looks around it */
    return (pid, start, end) => {
      const seen = samples.get(pid) ?? []
      const before = seen.findLast(({ at }) => at <= start)
      const after = seen.find(({ at }) => at >= end)
      return before && after ? Math.min(end - start, after.queued - before.queued) : 0
    }
  }
}

/** What a task did longest, from the outside in */
function nameOf(inside) {
  const names = []
  for (const { name, args } of inside) {
    const what = args?.data?.functionName || args?.data?.type || ''
    const text = what ? `${name} ${what}` : name
    if (names.length < 4 && !/^(Receive mojo message|v8\.|AsyncTask)/.test(name) && !names.includes(text)) names.push(text)
  }
  return names.join(' > ') || 'the browser\'s own work'
}

/** All tasks of the pages' threads while `f` ran, longest first: milliseconds `blocked`, `wall` and `cpu`, and what they did */
async function tasksDuring(browser, f) {
  const session = await browser.newBrowserCDPSession()
  const events = []
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value))
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: CATEGORIES } })
  const queues = watchQueues(session)
  let queued
  try {
    await f()
  } finally {
    queued = await queues()
  }
  const complete = new Promise(resolve => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await complete
  const thread = ({ pid, tid }) => `${pid} ${tid}`
  // parts of the browser's own window are pages too, in renderers of their own
  const ofBrowser = new Set(events.filter(e => e.name === 'CommitLoad' && e.args.data?.url?.startsWith('chrome:')).map(({ pid }) => pid))
  const pages = new Set(events.filter(e => e.name === 'thread_name' && e.args.name === 'CrRendererMain' && !ofBrowser.has(e.pid)).map(thread))
  const onPages = events.filter(e => e.dur > 0 && pages.has(thread(e)))
  const tasks = onPages.filter(e => /RunTask$/.test(e.name))
  return tasks.map(task => {
    const end = task.ts + task.dur
    const inside = task.dur < 5000 ? [] : onPages.filter(e => e !== task && thread(e) === thread(task) && e.ts >= task.ts && e.ts + e.dur <= end)
    // what drives the browser here runs scripts of its own in the page
    const tool = inside.some(e => e.args?.chrome_mojo_event_info?.mojo_interface_tag?.endsWith('DevToolsSession'))
    const [wall, cpu] = [task.dur / 1000, (task.tdur ?? task.dur) / 1000]
    const waited = queued(task.pid, task.ts / 1000, end / 1000)
    return { blocked: Math.max(cpu, wall - waited), wall, cpu, tool, name: nameOf(inside.sort((a, b) => b.dur - a.dur)) }
  }).filter(({ tool }) => !tool).sort((a, b) => b.blocked - a.blocked)
}

const told = ({ blocked, wall, cpu, name }) => `${blocked.toFixed(0)} ms (${wall.toFixed(0)} by the clock, ${cpu.toFixed(0)} of processor): ${name}`

/** Lets a page keep what the browser's own observer calls long tasks. */
export const noteLongTasks = page =>
  page.addInitScript(() => {
    globalThis.longTasks = []
    new PerformanceObserver(list => globalThis.longTasks.push(...list.getEntries().map(e => e.duration))).observe({ type: 'longtask', buffered: true })
  })

/**
 * Runs `use(browser)` in a new Chromium and looks at every task of its pages' threads. None may take more processor time than LONGEST,
 * in any attempt, and in one attempt none may block its thread for longer, whatever it waits for but the processor.
 * `use` returns its page, whose long tasks are told beside the worst one.
 */
export async function expectFreeThread(use) {
  const worst = []
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const browser = await launchChromium()
    let long
    let tasks
    try {
      tasks = await tasksDuring(browser, async () => {
        const page = await use(browser)
        long = await page.evaluate(() => globalThis.longTasks)
      })
    } finally {
      await browser.close()
    }
    if (tasks.length < 100) throw new Error(`${tasks.length} tasks traced, at least 100 expected`)
    const busiest = tasks.reduce((a, b) => (b.cpu > a.cpu ? b : a))
    if (busiest.cpu > LONGEST) throw new Error(`no task of more than ${LONGEST} ms of processor expected, got one of ${told(busiest)}`)
    worst.push(tasks[0])
    if (tasks[0].blocked <= LONGEST) {
      console.log(`      ${tasks.length} tasks, the longest ${told(tasks[0])}; by the clock alone ${long.length} ${long.length === 1 ? 'is' : 'are'} longer than ${LONGEST} ms`)
      return
    }
  }
  throw new Error(`a thread that is blocked for at most ${LONGEST} ms expected, got in ${ATTEMPTS} browsers\n${worst.map(told).join('\n')}`)
}
