// Cells of server-side runtimes: Node.js, Deno, Bun.
import { join } from 'node:path'
import { run } from './processes.js'

/** Node.js with these flags on a program of the consumer */
const node = (release, what, flags, file, more = {}) => ({
  name: `node${release} ${what}`,
  needs: [`node${release}`],
  binary: release === 20 ? 'simd' : 'relaxed',
  run: ({ programs, folder }, mode) => run(programs[`node${release}`], [...flags, `${mode}.${file}`], { cwd: folder }),
  ...more,
})

const nodeCells = [20, 22, 24, 26].flatMap(release => [
  node(release, 'import', [], 'mjs', { row: `Node.js ${release}` }),
  node(release, 'require', [], 'cjs'),
  ...(release >= 22 ? [node(release, 'typescript', [], 'ts')] : []),
  {
    ...node(release, 'permission', [], 'mjs'),
    // nothing but the program's own folder may be read
    run: ({ programs, folder }, mode) =>
      run(programs[`node${release}`], [release < 22 ? '--experimental-permission' : '--permission', `--allow-fs-read=${join(folder, '*')}`, join(folder, `${mode}.mjs`)], { cwd: folder }),
  },
  node(release, 'jitless', ['--jitless'], 'mjs', { binary: 'float32' }),
  node(release, 'no-eval', ['--disallow-code-generation-from-strings'], 'mjs'),
  node(release, 'threads', [], 'threads.mjs', { threads: 2, of: `Node.js ${release}` }),
  node(release, 'trains-in-worker', [], 'trains.mjs', { worker: true, of: `Node.js ${release}` }),
])

const deno = (what, flags, file, more = {}) => ({
  name: `deno ${what}`,
  needs: ['deno'],
  binary: 'relaxed',
  run: ({ programs, folder, scratch }, mode) =>
    run(programs.deno, ['run', '--no-prompt', '--no-remote', ...flags, `${mode}.${file}`], { cwd: folder, env: { DENO_DIR: join(scratch, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' } }),
  ...more,
})

const bun = (what, file, more = {}) => ({
  name: `bun ${what}`,
  needs: ['bun'],
  binary: 'relaxed',
  run: ({ programs, folder, scratch }, mode) =>
    run(programs.bun, ['run', '--no-install', `${mode}.${file}`], { cwd: folder, env: { BUN_INSTALL: join(scratch, 'bun'), DO_NOT_TRACK: '1' } }),
  ...more,
})

export const serverCells = [
  ...nodeCells,
  node(26, 'no-registry', [], 'bare.mjs', { registry: false }),
  node(20, 'no-registry', [], 'bare.mjs', { registry: false }),
  {
    ...node(24, 'threads-permission', [], 'threads.mjs', { threads: /^Error: useThreads: workers are refused here \(.*--allow-worker/ }),
    run: ({ programs, folder }, mode) => run(programs.node24, ['--permission', `--allow-fs-read=${join(folder, '*')}`, join(folder, `${mode}.threads.mjs`)], { cwd: folder }),
  },
  deno('import', [], 'mjs', { row: 'Deno' }),
  deno('typescript', ['--check'], 'ts'),
  // require() reads files at run time, which an import doesn't
  deno('commonjs', ['--allow-read=.'], 'cjs'),
  deno('threads', [], 'threads.mjs', { threads: 2, of: 'Deno' }),
  deno('trains-in-worker', ['--allow-read=.'], 'trains.mjs', { worker: true, of: 'Deno' }),
  bun('import', 'mjs', { row: 'Bun', engine: 'JavaScriptCore' }),
  bun('typescript', 'ts'),
  bun('commonjs', 'cjs'),
  bun('threads', 'threads.mjs', { threads: 2, of: 'Bun' }),
  bun('trains-in-worker', 'trains.mjs', { worker: true, of: 'Bun' }),
]
