// npm run page:test: examples/page in a real Chromium, end to end: opened from a file, trained, drawn on with mouse, finger and keyboard.
// npm run page:test -- WORD … runs the checks whose names contain a WORD. Makes build/page.html if it is outdated; pictures of it go to build/page-*.png.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { renewPage } from './outdated.js'
import { guardOutput } from './output.js'
import { root } from './root.js'
import { launchChromium } from './chromium.js'
import { expectFreeThread, noteLongTasks } from './page-thread.js'
import { workerChecks } from './page-worker.js'

const PAGE = join(root, 'build/page.html')
const MINUTES = 3

/** Strokes on a sheet of 100 × 100 */
const DIGITS = {
  1: [[[36, 30], [52, 16], [52, 50], [52, 86]]],
  7: [[[26, 20], [50, 19], [76, 18], [66, 42], [56, 62], [47, 86]]],
}
const desktop = { viewport: { width: 1180, height: 900 }, colorScheme: 'light' }
const phone = { viewport: { width: 360, height: 740 }, colorScheme: 'dark', deviceScaleFactor: 2, hasTouch: true, isMobile: true }

/** A page opened from its file, which keeps what went wrong. */
async function open(browser, options = desktop) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  await noteLongTasks(page)
  const problems = []
  page.on('console', message => ['error', 'warning'].includes(message.type()) && problems.push(message.text()))
  page.on('pageerror', error => problems.push(error.stack))
  page.on('request', request => /^(file|blob|data):/.test(request.url()) || problems.push(`it asked for ${request.url()}`))
  await page.goto(pathToFileURL(PAGE).href)
  await page.locator('section.read').waitFor()
  return { context, page, problems }
}

const state = (page, name) => page.locator(`body[data-state="${name}"]`).waitFor({ timeout: MINUTES * 60000 })
const textOf = (page, id) => page.locator(`#${id}`).textContent()
const pixels = (page, selector) => page.locator(selector).first().evaluate(canvas => canvas.toDataURL())

async function train(page) {
  await page.locator('#train').click()
  await state(page, 'trained')
}

/** The answer to what is on the sheet, when it no longer changes */
async function answer(page) {
  await page.waitForTimeout(400)
  return textOf(page, 'digit')
}

async function drawByMouse(page, digit) {
  await page.locator('#clear').click()
  await page.locator('#pad').scrollIntoViewIfNeeded()
  const { x, y, width } = await page.locator('#pad').boundingBox()
  const at = ([px, py]) => [x + (px * width) / 100, y + (py * width) / 100]
  for (const [first, ...rest] of DIGITS[digit]) {
    await page.mouse.move(...at(first))
    await page.mouse.down()
    for (const point of rest) await page.mouse.move(...at(point), { steps: 8 })
    await page.mouse.up()
  }
}

async function drawByFinger({ context, page }, digit) {
  await page.locator('#clear').tap()
  await page.locator('#pad').scrollIntoViewIfNeeded()
  const { x, y, width } = await page.locator('#pad').boundingBox()
  const session = await context.newCDPSession(page)
  const touch = (type, points) => session.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([px, py]) => ({ x: x + (px * width) / 100, y: y + (py * width) / 100 })) })
  for (const stroke of DIGITS[digit]) {
    await touch('touchStart', [stroke[0]])
    for (let i = 1; i < stroke.length; i++) {
      const [[ax, ay], [bx, by]] = [stroke[i - 1], stroke[i]]
      for (let t = 1; t <= 8; t++) await touch('touchMove', [[ax + ((bx - ax) * t) / 8, ay + ((by - ay) * t) / 8]])
    }
    await touch('touchEnd', [])
  }
}

/** Moves in the grid: L, R, U, D move, in lower case they draw. */
async function drawByKeys(page, moves) {
  const keys = { L: 'ArrowLeft', R: 'ArrowRight', U: 'ArrowUp', D: 'ArrowDown' }
  for (const move of moves) await page.keyboard.press((move === move.toUpperCase() ? '' : 'Shift+') + keys[move.toUpperCase()])
}

/** Tab until the focus is on an element that matches */
async function tabTo(page, selector) {
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(s => document.activeElement.matches(s), selector)) return
  }
  throw new Error(`the Tab key doesn't reach ${selector}`)
}

function expect(fine, what) {
  if (!fine) throw new Error(what)
}

const CHECKS = {
  async 'it trains, and reads a 1 and a 7 drawn with the mouse'(browser) {
    const { page, problems } = await open(browser)
    const before = await pixels(page, '#filters canvas')
    expect((await textOf(page, 'sure')) === 'Draw something first.', 'a blank sheet is not read')
    await page.locator('#train').click()
    await page.locator('#progress[value]:not([value="0"])').waitFor()
    await drawByMouse(page, 7)
    await page.waitForTimeout(500)
    await page.screenshot({ path: join(root, 'build/page-training.png'), fullPage: true })
    await state(page, 'trained')
    expect((await answer(page)) === '7', `a 7 drawn while it trained is read as ${await answer(page)}`)
    await page.screenshot({ path: join(root, 'build/page-desktop.png'), fullPage: true })
    for (const digit of ['1', '7']) {
      await drawByMouse(page, digit)
      expect((await answer(page)) === digit, `a ${digit} is read as ${await answer(page)}`)
      const sure = Number(/(\d+) %/.exec(await textOf(page, 'sure'))[1])
      expect(sure > 50, `it is only ${sure} % sure of a ${digit}`)
      const shown = await page.locator('#bars .percent').allTextContents()
      expect(shown.length === 10 && shown[digit] === `${sure} %`, `bars ${shown}`)
    }
    const course = await textOf(page, 'course')
    expect(Number(/reads (\d+) %/.exec(course)?.[1]) >= 90, course)
    expect(/0\.\d\d after 15/.test(await page.locator('#loss').getAttribute('aria-label')), 'the loss is told')
    expect((await page.locator('#loss .curve').getAttribute('d')).split('L').length > 500, 'the curve has a point a batch')
    expect((await pixels(page, '#filters canvas')) !== before, 'the filters have changed')
    expect(problems.length === 0, problems.join('\n'))
  },

  'the thread of the page is never blocked for more than 50 ms': () =>
    expectFreeThread(async browser => {
      const { page } = await open(browser)
      await page.locator('#train').click()
      await drawByMouse(page, 1)
      await drawByMouse(page, 7)
      await state(page, 'trained')
      await page.locator('#example').click()
      await page.waitForTimeout(300)
      return page
    }),

  async 'the keyboard alone trains, draws and clears'(browser) {
    const { page, problems } = await open(browser)
    await tabTo(page, '#train')
    await page.keyboard.press('Enter')
    await state(page, 'trained')
    await tabTo(page, '[role=gridcell]')
    // two columns of ink, as thick as the data's ones
    await drawByKeys(page, 'RRRdddddddruuuuuuu')
    expect((await answer(page)) === '1', `two columns of ink are read as ${await answer(page)}`)
    expect((await page.locator('[role=gridcell][aria-label$=": ink"]').count()) === 16, 'sixteen cells of ink')
    await page.keyboard.press(' ')
    expect((await page.evaluate(() => document.activeElement.getAttribute('aria-label'))) === 'row 1, column 5: blank', 'Space blanks a cell')
    await page.waitForTimeout(900)
    expect(/^It reads 1, \d+ % sure\.$/.test(await textOf(page, 'says')), `spoken: ${await textOf(page, 'says')}`)
    await page.locator('#clear').focus()
    await page.keyboard.press('Enter')
    expect((await answer(page)) === '?', 'a cleared sheet is not read')
    expect(problems.length === 0, problems.join('\n'))
  },

  async 'a screen reader finds everything by role and name'(browser) {
    const { context, page } = await open(browser)
    const { nodes } = await (await context.newCDPSession(page)).send('Accessibility.getFullAXTree')
    const named = nodes.filter(n => !n.ignored).map(n => [n.role?.value, n.name?.value ?? ''])
    const count = (role, name = /./) => named.filter(([r, n]) => r === role && name.test(n)).length
    const wanted = { heading: 4, button: 3, gridcell: 64, grid: 1, progressbar: 1, status: 1, contentinfo: 1, main: 1, banner: 1, row: 8 }
    for (const [role, n] of Object.entries(wanted)) expect(count(role, /^/) === n, `${n} of role ${role} expected, got ${count(role, /^/)}`)
    const nameless = named.filter(([role, name]) => ['button', 'gridcell', 'grid', 'progressbar', 'heading', 'img', 'image', 'Canvas'].includes(role) && !name)
    expect(nameless.length === 0, `without a name: ${JSON.stringify(nameless)}`)
    expect(count('image', /^(Loss|Accuracy): no training yet$/) + count('img', /^(Loss|Accuracy): no training yet$/) === 2, 'two charts')
    expect((await page.locator('[role=gridcell][tabindex="0"]').count()) === 1, 'one cell in the order of the Tab key')
  },

  async 'on a phone: no sideways scrolling, a finger draws, in the dark scheme'(browser) {
    for (const width of [320, 360, 430]) {
      const { context, page } = await open(browser, { ...phone, viewport: { width, height: 740 } })
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(wide <= width, `${wide} pixels wide on a screen of ${width}`)
      await context.close()
    }
    const opened = await open(browser, phone)
    const { page, problems } = opened
    await page.locator('#train').tap()
    await state(page, 'trained')
    for (const digit of ['1', '7']) {
      const top = await page.evaluate(() => scrollY)
      await drawByFinger(opened, digit)
      expect((await answer(page)) === digit, `a ${digit} is read as ${await answer(page)}`)
      expect(digit === '1' || (await page.evaluate(() => scrollY)) === top, 'drawing does not scroll the page')
    }
    const small = await page.evaluate(() => [...document.querySelectorAll('button')].filter(b => b.getBoundingClientRect().height < 44).length)
    expect(small === 0, 'buttons are large enough for a finger')
    await page.screenshot({ path: join(root, 'build/page-phone.png'), fullPage: true })
    expect((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, 'no sideways scrolling after training')
    expect(problems.length === 0, problems.join('\n'))
  },

  async 'a training is stopped, keeps what it has learnt, and another one begins anew'(browser) {
    const { page, problems } = await open(browser)
    await page.locator('#train').click()
    await page.waitForFunction(() => document.querySelector('#progress').value > 0.1)
    await page.locator('#train').click()
    await state(page, 'trained')
    expect(/^Stopped after /.test(await textOf(page, 'course')), await textOf(page, 'course'))
    await page.locator('#example').click()
    await page.waitForTimeout(400)
    expect(/Its writer meant/.test(await textOf(page, 'sure')), await textOf(page, 'sure'))
    await train(page)
    expect(/^Trained after /.test(await textOf(page, 'course')), await textOf(page, 'course'))
    expect(problems.length === 0, problems.join('\n'))
  },
}

async function main() {
  const all = { ...CHECKS, ...workerChecks }
  const wanted = process.argv.slice(2)
  const unknown = wanted.find(word => !Object.keys(all).some(name => name.includes(word)))
  if (unknown !== undefined) throw new Error(`parts of names of checks expected, got ${unknown}: ${Object.keys(all).join('; ')}`)
  renewPage()
  const browser = await launchChromium()
  let [passed, failed] = [0, 0]
  try {
    for (const [name, check] of Object.entries(all)) {
      if (wanted.length > 0 && !wanted.some(word => name.includes(word))) continue
      const start = performance.now()
      let problem = null
      try {
        await check(browser)
        passed++
      } catch (error) {
        problem = error
        failed++
      }
      for (const context of browser.contexts()) await context.close()
      console.log(`${problem ? 'FAIL' : 'pass'}  ${name}  ${((performance.now() - start) / 1000).toFixed(1)} s${problem ? `\n${problem.stack}` : ''}`)
    }
  } finally {
    await browser.close()
  }
  console.log(`\n${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

guardOutput()
await main().catch(error => {
  console.error(`npm run page:test: ${error.message}`)
  process.exitCode = 1
})
