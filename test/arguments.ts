// Arguments of the scripts: what takes none says so instead of running, and a wrong option is named in one line.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

function execute(script: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 60000 })
  return { status, stdout, stderr }
}

// scripts/build.js asks the same function, but would empty build/ if it ran
const PLAIN = { size: 'scripts/size.js', 'docs:support': 'scripts/support.js', page: 'examples/page/build.js' }
for (const [command, script] of Object.entries(PLAIN)) {
  test(`npm run ${command}: --help says what it does, another argument is refused, and nothing is written`, () => {
    const written = statSync('docs/support.md').mtimeMs
    const help = execute(script, '--help')
    assert.equal([help.status, help.stderr], [0, ''])
    assert.match(help.stdout, new RegExp(`^npm run ${command}: [^\\n]+; takes no arguments\\n$`))
    assert.equal(execute(script, '--fast', 'x'), { status: 1, stdout: '', stderr: `npm run ${command}: no arguments expected, got --fast x\n` })
    assert.is(statSync('docs/support.md').mtimeMs, written)
  })
}

for (const [script, prefix] of [['scripts/everywhere.js', 'npm run everywhere: '], ['scripts/edge.js', '']] as const) {
  test(`${script}: help by two names, and an unknown option is named`, () => {
    const help = execute(script, '--help')
    assert.equal([help.status, help.stderr], [0, ''])
    assert.equal(execute(script, '-h'), help)
    for (const option of ['--fast', '-f']) {
      assert.equal(execute(script, option), { status: 1, stdout: '', stderr: `${prefix}${option}: unknown option; --help lists them\n` })
    }
    assert.is(execute(script, '--help=yes').stderr, `${prefix}--help: no value expected, got "yes"\n`)
  })
}

test('an option without its value is named', () => {
  for (const [args, got] of [[['--port', ''], '""'], [['--port='], '""'], [['--port'], 'none'], [['--port', '--help'], '"--help"']] as const) {
    assert.equal(execute('scripts/edge.js', 'worker', ...args), { status: 1, stdout: '', stderr: `--port: a value expected, got ${got}\n` })
  }
  for (const port of ['65536', ' ']) assert.is(execute('scripts/edge.js', 'worker', '--port', port).stderr, `--port: a number from 0 to 65535 expected, got ${port}\n`)
  assert.is(execute('scripts/everywhere.js', '--jobs').stderr, 'npm run everywhere: --jobs: a value expected, got none\n')
  assert.match(execute('scripts/everywhere.js', '--list', '--only', 'deno').stdout, /deno import/)
})

test.run()
