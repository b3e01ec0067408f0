// npm run bench: builds what the benchmarks need, then runs them with the arguments given. --help lists them.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildPrograms, root } from './build.js'
import { endWith, outdated, renewLibrary } from './outdated.js'

/** The peak loop, which is no part of the package */
function buildPeak() {
  mkdirSync(join(root, 'build/bench'), { recursive: true })
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js')
  const options = ['--runtime', 'stub', '--noAssert', '-O3', '--enable', 'simd', '--use', 'abort=', '-o', 'build/bench/peak.wasm']
  // asconfig.json belongs to the kernels
  execFileSync(process.execPath, [asc, 'bench/peak.as.ts', '--config', 'none', ...options], { cwd: root, stdio: 'inherit' })
}

/** Builds kernels, library and benchmarks where a source is newer. */
async function buildBench() {
  await renewLibrary()
  if (outdated('build/bench/peak.wasm', 'bench/peak.as.ts')) buildPeak()
  if (outdated('build/bench/index.js', 'bench', 'examples/cli/save.ts', 'scripts/output.js')) await buildPrograms(['bench/index.ts', 'bench/first.ts', 'bench/together.ts', 'bench/company.ts'], 'build/bench')
}

await buildBench().catch(endWith('run bench'))
const program = ['--enable-source-maps', join(root, 'build/bench/index.js')]
const { status } = spawnSync(process.execPath, [...program, ...process.argv.slice(2)], { stdio: 'inherit' })
process.exitCode = status ?? 1
