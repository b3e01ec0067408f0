// What threads.ts has a fresh process do, `node together.js MS`: each piece of work with one thread and with all in turns, each of about MS ms,
// and in between what the processors can give at all. Prints one line of JSON: times in ms.

import { Conv2d, engine, info, manualSeed, noGrad, randn, turn } from 'hebb'
import { useThreads, stopThreads } from 'hebb/threads'
import { createCompany } from './company.js'
import { NETWORKS, prepare, trainStep } from './nets.js'

const ROUNDS = 6
const slice = Number(process.argv[2]) / ROUNDS

/** Runs f for a while and adds what each run took, ms. */
function sample(f: () => unknown, times: number[]): void {
  const end = performance.now() + slice
  for (let now = performance.now(); now < end;) {
    turn('bench', 0, f)
    const after = performance.now()
    times.push(after - now)
    now = after
  }
}

const { threads } = await useThreads()
manualSeed(0)
const product = (n: number) => {
  const [a, b] = [randn([n, n]), randn([n, n])]
  return () => noGrad(() => a.matmul(b))
}
const convolution = () => {
  const [layer, x] = [new Conv2d(64, 64, 3, { padding: 1 }), randn([16, 64, 32, 32])]
  return () => noGrad(() => layer.forward(x))
}
const works: Record<string, () => unknown> = { 'AB 256³': product(256), 'AB 512³': product(512), 'AB 1024³': product(1024), 'conv 3×3 16x64x32x32': convolution() }
for (const network of NETWORKS.filter(n => !n.long)) {
  const trained = prepare(network)
  works[`step of ${network.name}`] = () => trainStep(trained, trained.x, trained.y)
}

const backend = engine.currentBackend()
stopThreads()
const one = backend.kernels
await useThreads(threads)
const many = backend.kernels
const company = await createCompany(threads)
const results: Record<string, { one: number[]; all: number[]; limit: number }> = {}
for (const [name, f] of Object.entries(works)) {
  const times = (results[name] = { one: [] as number[], all: [] as number[], limit: 0 })
  const rates = { alone: 0, together: 0 }
  for (let i = 0; i < 5; i++) turn('bench', 0, f)
  for (let round = 0; round < ROUNDS; round++) {
    backend.kernels = one
    sample(f, times.one)
    backend.kernels = many
    sample(f, times.all)
    const { alone, together } = company.measure(slice / 4)
    rates.alone += alone
    rates.together += together
  }
  times.limit = rates.together / rates.alone
}
company.end()
console.log(JSON.stringify({ threads: info().threads, results }))
