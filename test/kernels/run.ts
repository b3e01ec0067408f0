// The harness of the kernel tests: lays a case's operands between guards in a backend's memory, runs the kernel, and compares
// every output with reference64.

import type { Backend, Kernels } from '../../ts/kernels.js'

export type KernelName = keyof Kernels<number>

/** An argument that is a buffer. The same object twice in a case is the same address: that is how a case runs in place. */
export interface Operand {
  kind: 'float' | 'int' | 'scalars' | 'words'
  /** What it holds before the call. Outputs hold NaN (floats) or nonsense (integers). */
  values: Float32Array | Int32Array | Float64Array
  role: 'input' | 'output' | 'ignored'
}

/** |got - expected| ≤ absolute + relative |expected|, or the same number */
export type Tolerance = { absolute: number; relative: number } | 'exact'

export interface Case {
  kernel: KernelName
  what: string
  args: (number | Operand)[]
  tolerance: Tolerance
}

const NONSENSE = 0x55555555
/** Elements before and after every operand: 64 bytes or more, so that a whole vector store beside it is seen. */
const GUARD = 16

/** An operand in the memory of a backend, with its guards */
export interface Placed {
  operand: Operand
  address: number
  /** Guards and values, as read back after the call */
  after: ArrayLike<number>
  guard: number
}

/** Space in a backend's memory that every case uses again */
export class Room {
  #start = 0
  #size = 0
  #used = 0
  constructor(readonly backend: Backend) {}

  clear(): void {
    this.#used = 0
  }

  take(bytes: number): number {
    const rounded = Math.ceil(bytes / 64) * 64
    if (this.#used + rounded > this.#size) {
      this.#size = Math.max(1 << 20, 4 * rounded)
      this.#start = this.backend.reserve(this.#size)
      this.#used = 0
    }
    this.#used += rounded
    return this.#start + this.#used - rounded
  }
}

function place(room: Room, operand: Operand): Placed {
  const { backend } = room
  const n = operand.values.length
  const width = operand.kind === 'scalars' ? 8 : operand.kind === 'words' ? 4 : backend.width
  const base = room.take((n + 2 * GUARD) * width)
  // around an input NaN, which shows in the result if it is read; around an output a value, which shows if it is overwritten
  const guard = operand.kind === 'float' && operand.role === 'input' ? NaN : NONSENSE
  const all = new Float64Array(n + 2 * GUARD).fill(guard)
  all.set(operand.values, GUARD)
  if (operand.kind === 'scalars') backend.writeScalars(base, [...all])
  else if (operand.kind === 'words') backend.writeWords(base, all)
  else backend.write(base, all, operand.kind === 'int' ? 'int32' : 'float32')
  return { operand, address: base + GUARD * width, after: [], guard }
}

function readBack(backend: Backend, placed: Placed): void {
  const { kind, values } = placed.operand
  const n = values.length + 2 * GUARD
  if (kind === 'scalars') placed.after = placed.operand.values // no kernel has a way to write them but by a stray store
  else if (kind === 'words') placed.after = backend.readWords(placed.address - GUARD * 4, n)
  else placed.after = backend.read(placed.address - GUARD * backend.width, n, kind === 'int' ? 'int32' : 'float32')
}

export interface Outcome {
  result: number | undefined
  operands: Placed[]
}

/** `tamper` may spoil the memory after the call: that is how the harness itself is tested. */
export function run(room: Room, c: Case, kernels: Kernels<number> = room.backend.kernels, tamper?: (o: Outcome) => void): Outcome {
  room.clear()
  const placed = new Map<Operand, Placed>()
  const args = c.args.map(arg => {
    if (typeof arg === 'number') return arg
    let at = placed.get(arg)
    if (!at) placed.set(arg, (at = place(room, arg)))
    return at.address
  })
  const call = kernels[c.kernel] as (...args: number[]) => number | void
  const outcome: Outcome = { result: call(...args) ?? undefined, operands: [...placed.values()] }
  tamper?.(outcome)
  for (const each of outcome.operands) readBack(room.backend, each)
  return outcome
}

const same = (a: number, b: number) => a === b || (a !== a && b !== b)

/** What is wrong with an outcome, or null; `expected` is reference64's. */
export function compare(c: Case, got: Outcome, expected: Outcome): string | null {
  if (got.result !== expected.result) return `returned ${got.result}, expected ${expected.result}`
  for (let k = 0; k < got.operands.length; k++) {
    const { operand, after, guard } = got.operands[k]!
    const n = operand.values.length
    const name = `${operand.role} ${k} [${n}]`
    if (operand.kind === 'scalars') continue
    const intact = (value: number) => same(value, guard) || same(value, Math.fround(guard))
    for (let i = 0; i < GUARD; i++) {
      if (!intact(after[i]!)) return `${name}: wrote ${GUARD - i} before the start`
      if (!intact(after[GUARD + n + i]!)) return `${name}: wrote ${i} past the end`
    }
    for (let i = 0; i < n; i++) {
      const value = after[GUARD + i]!
      if (operand.role === 'input') {
        if (!same(value, operand.values[i]!)) return `${name}: changed at ${i} from ${operand.values[i]} to ${value}`
      } else if (operand.role === 'output') {
        const wanted = expected.operands[k]!.after[GUARD + i]!
        if (!close(value, wanted, operand.kind === 'float' ? c.tolerance : 'exact')) {
          return `${name}: got ${value} at ${i}, expected ${wanted}${surroundings(got, expected, k, i)}`
        }
      }
    }
  }
  return null
}

export function close(got: number, wanted: number, tolerance: Tolerance): boolean {
  if (same(got, wanted) || same(got, Math.fround(wanted))) return true
  if (tolerance === 'exact') return false
  return Math.abs(got - wanted) <= tolerance.absolute + tolerance.relative * Math.abs(wanted)
}

/** What stood there in inputs of the same size, and the results beside it: got/expected */
function surroundings(got: Outcome, expected: Outcome, k: number, i: number): string {
  const a = got.operands[k]!.after
  const b = expected.operands[k]!.after
  const inputs = got.operands.map(p => p.operand).filter(o => o.role === 'input' && o.values.length === a.length - 2 * GUARD)
  const from = inputs.map(o => `${o.values[i]}`).join(', ')
  const beside = [-1, 1].map(d => `${a[GUARD + i + d]}/${b[GUARD + i + d]}`).join(', ')
  return ` (${from ? `inputs there ${from}; ` : ''}beside it ${beside})`
}

/** The message of the first thing wrong with a case on a backend, or null. */
export function check(
  room: Room, oracle: Room, c: Case, kernels?: Kernels<number>, tamper?: (o: Outcome) => void,
): string | null {
  const expected = run(oracle, c)
  const wrong = compare(c, run(room, c, kernels, tamper), expected)
  const args = () => c.args.map(a => (typeof a === 'number' ? a : `${a.kind}[${a.values.length}]`)).join(' ')
  return wrong && `${c.kernel} ${c.what} (${args()}): ${wrong}`
}
