// Cells of browsers: a page is opened in a fresh profile and posts its result back to the server it came from.
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { build } from 'esbuild'
import { QUIET_CHROMIUM } from '../fetched.js'
import { withVite } from './bundles.js'
import { serving } from './processes.js'

// ---- server ----------------------------------------------------------------------------------------------------------------

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }
const visits = new Map()

function answer(folder, request, response) {
  const path = new URL(request.url, 'http://localhost').pathname
  const visit = visits.get(path)
  if (visit && request.method === 'POST') {
    let text = ''
    request.setEncoding('utf8').on('data', part => (text += part)).on('end', () => {
      response.end()
      visit.posted(text)
    })
  } else if (visit) {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...visit.headers }).end(visit.html)
  } else {
    const file = join(folder, normalize(path))
    const found = !path.includes('..') && statSync(file, { throwIfNoEntry: false })?.isFile()
    // an isolated page starts no worker from a script without this header
    const headers = { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'cross-origin-embedder-policy': 'require-corp' }
    if (found) response.writeHead(200, headers).end(readFileSync(file))
    else response.writeHead(404).end()
  }
}

let listening = null
/** One server for all cells; it doesn't keep the process alive. */
const serve = folder =>
  (listening ??= new Promise(resolve => {
    const server = createServer((request, response) => answer(folder, request, response))
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)).unref()
  }))

// ---- browsers -----------------------------------------------------------------------------------------------------------------

/** Nothing but the page is asked for: no updates, no reports, no lists. */
const QUIET_FIREFOX = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.region.network.url': '',
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.search.update': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.push.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.update.enabled': false,
  'media.gmp-manager.url': '',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'http://127.0.0.1:9',
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.unified': false,
}

const BROWSERS = {
  chromium: (profile, url) => ['--headless', '--disable-dev-shm-usage', ...QUIET_CHROMIUM, `--user-data-dir=${profile}`, '--remote-debugging-port=0', url],
  firefox: (profile, url) => {
    writeFileSync(join(profile, 'user.js'), Object.entries(QUIET_FIREFOX).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''))
    return ['--headless', '--no-remote', '--profile', profile, url]
  },
}

/** What a page posts when it is opened in a browser. */
async function visit({ programs, folder, scratch }, browser, { html, headers = {} }) {
  const origin = await serve(folder)
  const path = `/visit/${visits.size}`
  const profile = mkdtempSync(join(scratch, `${browser}-`))
  const posted = new Promise(resolve => visits.set(path, { html, headers, posted: resolve }))
  const options = { cwd: scratch, env: { HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile }, ready: /^/ }
  return serving(programs[browser], BROWSERS[browser](profile, origin + path), options, () => posted)
}

// ---- pages ----------------------------------------------------------------------------------------------------------------------

const NONCE = 'cGFnZQ'
/** An error in the page is its answer. */
const page = (...scripts) => `<!doctype html><meta charset="utf-8"><title>hebb</title>
<script nonce="${NONCE}">
const post = body => fetch(location.href, { method: 'POST', body })
addEventListener('error', event => post('error: ' + event.message))
addEventListener('unhandledrejection', event => post('rejected: ' + event.reason))
</script>
${scripts.join('\n')}`

const importMap = folder => {
  const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules/hebb/package.json'), 'utf8'))
  const imports = Object.entries(exports).filter(([, files]) => files.default)
    .map(([entry, files]) => [entry.replace('.', 'hebb'), files.default.replace('.', '/node_modules/hebb')])
  return `<script type="importmap" nonce="${NONCE}">${JSON.stringify({ imports: Object.fromEntries(imports) })}</script>`
}
const modulePage = ({ folder }, mode, program = 'page') => page(importMap(folder), `<script type="module" src="/${mode}.${program}.js"></script>`)

/** Path of one classic script that defines answer(), then does `last` */
async function classicScript({ folder }, name, mode, last, program = 'global') {
  const outfile = join(folder, 'out', `${name}-${mode}.js`)
  await build({ entryPoints: [join(folder, `${mode}.${program}.js`)], outfile, bundle: true, format: 'iife', footer: { js: last }, logLevel: 'silent' })
  return `/out/${name}-${mode}.js`
}

const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
const policy = more => ({ 'content-security-policy': `default-src 'self'; script-src 'self' 'nonce-${NONCE}'${more}` })

const PAGES = {
  modules: async (context, mode) => ({ html: modulePage(context, mode) }),
  script: async (context, mode) => ({ html: page(`<script src="${await classicScript(context, 'script', mode, 'post(answer())')}"></script>`) }),
  worker: async (context, mode) => {
    const path = await classicScript(context, 'in-worker', mode, 'postMessage(answer())')
    return { html: page(`<script>new Worker('${path}').onmessage = ({ data }) => post(data)</script>`) }
  },
  'csp-wasm': async (context, mode) => ({ html: modulePage(context, mode), headers: policy(" 'wasm-unsafe-eval'") }),
  'csp-strict': async (context, mode) => ({ html: modulePage(context, mode), headers: policy('') }),
  isolated: async (context, mode) => ({
    html: modulePage(context, mode), headers: ISOLATED,
  }),
  threads: async (context, mode) => ({ html: modulePage(context, mode, 'threads.page'), headers: ISOLATED }),
  'threads-in-worker': async (context, mode) => {
    const path = await classicScript(context, 'threads-in-worker', mode, 'answer().then(postMessage)', 'threads.global')
    return { html: page(`<script>new Worker('${path}').onmessage = ({ data }) => post(data)</script>`), headers: ISOLATED }
  },
  'threads-not-isolated': async (context, mode) => ({ html: modulePage(context, mode, 'threads.page') }),
  'threads-csp': async (context, mode) => ({
    html: modulePage(context, mode, 'threads.page'), headers: { ...ISOLATED, ...policy(" 'wasm-unsafe-eval'; worker-src 'self'") },
  }),
  'trains-in-worker': async (context, mode) => {
    // an import map says nothing to workers
    const outfile = join(context.folder, 'out', `training-${mode}.js`)
    await build({ entryPoints: [join(context.folder, `${mode}.training.mjs`)], outfile, bundle: true, format: 'esm', logLevel: 'silent' })
    return { html: modulePage(context, mode, 'trains.page') }
  },
  vite: async (context, mode) => {
    const folder = join(context.folder, 'out', 'vite')
    mkdirSync(folder, { recursive: true })
    await withVite(join(context.folder, `${mode}.page.js`), join(folder, `${mode}.js`), context)
    return { html: page(`<script type="module" src="/out/vite/${mode}.js"></script>`) }
  },
}

const NAMES = { chromium: 'Chromium', firefox: 'Firefox' }
const ENGINES = { chromium: 'V8', firefox: 'SpiderMonkey' }

/** What pages of hebb/threads and hebb/worker must show, and which row of the table that belongs to */
const SHOWS = {
  threads: name => ({ threads: 2, of: `${name}, cross-origin isolated` }),
  'threads-in-worker': () => ({ threads: 2 }),
  'threads-not-isolated': name => ({ threads: /^Error: useThreads: the page is not cross-origin isolated/, of: name }),
  'threads-csp': () => ({ threads: /^Error: useThreads: .*worker-src blob:/ }),
  'trains-in-worker': name => ({ worker: true, of: name }),
}

const cell = (browser, what) => ({
  name: `${browser} ${what}`,
  needs: [browser],
  binary: what === 'csp-strict' ? 'float32' : 'relaxed',
  row: { modules: NAMES[browser], isolated: `${NAMES[browser]}, cross-origin isolated` }[what],
  engine: ENGINES[browser],
  ...SHOWS[what]?.(NAMES[browser]),
  run: async (context, mode) => visit(context, browser, await PAGES[what](context, mode)),
})

export const browserCells = Object.keys(BROWSERS).flatMap(browser =>
  Object.keys(PAGES).filter(what => what !== 'vite' || browser === 'chromium').map(what => cell(browser, what)))
