// npm run page: the page as one HTML file, build/page.html: program, hebb, styles and digits inlined.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { mayRun } from '../../scripts/arguments.js'
import { endWith, renewLibrary } from '../../scripts/outdated.js'
import { guardOutput } from '../../scripts/output.js'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const text = file => readFileSync(join(here, file), 'utf8')
const base64 = file => readFileSync(join(here, '../data/digits', file)).toString('base64')

/** hebb comes from the package itself, as in a user's project. */
async function bundle(file, format) {
  const { outputFiles } = await build({
    absWorkingDir: root, entryPoints: [`examples/page/${file}`], bundle: true, minify: true, format, target: 'es2022', charset: 'utf8', write: false,
    tsconfigRaw: '{}', logLevel: 'warning', legalComments: 'none',
  })
  return outputFiles[0].text
}

/** An element's content as the browser reads it: nothing in it may end the element. */
const inside = script => script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')
const hash = content => `'sha256-${createHash('sha256').update(content).digest('base64')}'`

async function main() {
  await renewLibrary().catch(endWith('run page'))
  const [program, worker] = (await Promise.all([bundle('main.ts', 'esm'), bundle('worker.ts', 'iife')])).map(inside)
  const style = text('page.css').replace(/\/\*.*?\*\/\s*/gs, '').replace(/\n\s*/g, '')
  const parts = {
    program, worker, style,
    images: base64('digits-images-idx3-ubyte.gz'),
    labels: base64('digits-labels-idx1-ubyte.gz'),
    // nothing may be fetched: what the page needs is in it
    policy: `default-src 'none'; script-src ${hash(program)} 'wasm-unsafe-eval'; style-src ${hash(style)}; worker-src blob:; base-uri 'none'; form-action 'none'`,
  }
  const page = text('page.html').replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name])
  const file = join(root, 'build/page.html')
  writeFileSync(file, page)
  console.log(`${file} ${(page.length / 1024).toFixed(0)} KB`)
}

guardOutput()
if (mayRun('page', 'makes build/page.html, a page in one file that works offline')) await main()
