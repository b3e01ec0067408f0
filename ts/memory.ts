// When linear memory is freed: the turns and scopes that own tensors, and what a captured step puts in between: its recorder and a watch over gradients.
// docs/memory.md explains the rules.

import { Arena, isReal, memoryLimit, type Buffer } from './arena.js'
import type { Backend } from './kernels.js'
import { isWhole } from './shape.js'

/** What a scope frees when it closes. */
export interface Owned {
  kept: boolean
  readonly freed: boolean
  readonly bytes: number
  /** What ops have connected it with, among what the same scope owns; null: nothing yet */
  kin: Kin | null
  release(by: Scope | string): void
  /** Hand it to another scope (null: to the garbage collector). */
  moveTo(scope: Scope | null): void
  /** Its turn is over, but another task may have made it: if it is used, or kept, before it is released, call `used`, which moves it. */
  wait(used: () => void): void
  readonly waits: boolean
}

/** A set of connected tensors: those whose chains end at the same root (union-find). */
export class Kin {
  above: Kin | null = null
  /** Of a root: the last other scope in which an op read one of them */
  usedIn: Scope | null = null
}
function rootOf(kin: Kin): Kin {
  while (kin.above !== null) {
    // halving the path on the way keeps it short
    if (kin.above.above !== null) kin.above = kin.above.above
    kin = kin.above
  }
  return kin
}

/** Two things of one scope met in an op: one task made both. */
export function connect(a: Owned, b: Owned): void {
  if (a.kin === null) a.kin = b.kin ??= new Kin()
  else if (b.kin === null) b.kin = a.kin
  else if (a.kin !== b.kin) {
    const [p, q] = [rootOf(a.kin), rootOf(b.kin)]
    if (p === q) return
    p.above = q
    q.usedIn ??= p.usedIn
  }
}

/** An op in `scope` read a thing of another. */
export function usedIn(scope: Scope, thing: Owned): void {
  rootOf((thing.kin ??= new Kin())).usedIn = scope
}

/** Is there a collector to leave tensors to? Old workerd has none. */
export const collects = typeof FinalizationRegistry === 'function'

export const HOME = -1
export const FRAME = -2

/** A turn of a loop, or a `scope(f)`. */
export class Scope {
  owned: Owned[] = []
  closed = false
  /** How many of `owned` the loader made for this turn */
  batch = 0
  /** The loop of this turn */
  loop: Loop | null = null
  /** Another task was seen to run while this was on the stack */
  crossed = false
  /** Turns opened so far when this was taken off the stack by an `await` */
  parked = -1
  /** The run of code that opened this, where the runtime names them */
  run = runs?.getStore()
  constructor(
    readonly label: string,
    /** Number of the turn; HOME for a scope(f), which also owns the parameters made in it; FRAME inside the engine */
    readonly turn: number,
    /** The turn around a scope(f), which gets what f returns */
    readonly around: Scope | null,
    /** The first turn of a loop, in no later turn of another: the breath in which its task began may not be over, others may yet begin */
    readonly first: boolean,
  ) {}
  toString(): string {
    return this.turn < 0 ? this.label : `turn ${this.turn} of ${this.label}`
  }
}

/** For so many turns of a loop, what one of them may not have made itself waits at least for a sign that another task did. */
const PATIENCE = 4
/** What is more likely another's waits on, till the loop ends, while no more than so many things and bytes do (an eighth of a memory limit). */
const WAITING = 256
const WAITING_BYTES = 16 << 20

/** Of a turn that is over: things that wait. Foreign ones were made after its own, the others are its own if the turn made anything before it waited. */
interface Left {
  turn: Scope
  things: Owned[]
  foreign: boolean
}

/** A loop, and what its turns that awaited leave behind. */
class Loop {
  /** Something that a turn left behind was used: another task runs beside this loop. */
  shared = false
  /** A turn that awaited had made nothing before: so what others own may be of other tasks from the first on. */
  bare = false
  turns = 0
  #left: Left[] = []

  /** Free these later; but if another task uses one, it made that, and all that is connected with it. */
  leave(turn: Scope, things: Owned[], foreign: boolean): void {
    if (things.length === 0) return
    this.#left.push({ turn, things, foreign })
    for (const thing of things) {
      thing.wait(() => {
        this.shared = true
        const root = thing.kin && rootOf(thing.kin)
        for (const other of things) if (other.waits && (other === thing || (root && other.kin && rootOf(other.kin) === root))) other.moveTo(null)
      })
    }
  }

  /** A turn is over: free what has waited long enough, the newest foreign things last. */
  turn(): void {
    if (this.#left.length === 0) return
    let [count, bytes] = [0, 0]
    const room = Math.min(WAITING_BYTES, memoryLimit() / 8)
    const left = this.#left.filter(({ things }) => things.some(thing => thing.waits))
    this.#left = []
    for (let i = left.length - 1; i >= 0; i--) {
      const { turn, things, foreign } = left[i]!
      for (const thing of things) {
        if (!thing.waits) continue
        count++
        bytes += thing.bytes
      }
      if (turn.turn > this.turns - 1 - PATIENCE || (foreign && count <= WAITING && bytes <= room)) this.#left.unshift(left[i]!)
      else this.#free(left[i]!, false)
    }
  }

  /** The loop is over. */
  end(): void {
    // of a single turn nobody knows whether it made anything before it waited
    for (const left of this.#left.reverse()) this.#free(left, collects && (left.foreign || this.turns === 1))
    this.#left = []
  }

  #free({ turn, things }: Left, toCollector: boolean): void {
    for (let i = things.length - 1; i >= 0; i--) {
      const thing = things[i]!
      if (!thing.waits) continue
      if (toCollector || (this.bare && turn.batch === 0)) thing.moveTo(null)
      else thing.release(turn)
    }
  }
}

const open: Scope[] = []
let current: Scope | null = null
let sweeping = false
/** Turns opened so far */
let opened = 0

/** What the server runtimes' AsyncLocalStorage offers, as far as it is used here */
interface Runs {
  getStore(): unknown
  enterWith(run: object | null): void
}
/**
 * Names the run of code, from one `await` to the next, that is on: while a turn is on the stack, what another task makes has another name.
 * undefined until a turn awaits for the first time, because promises take longer with it; null where there is none, as in browsers.
 */
let runs: Runs | null | undefined
function namesOfRuns(): Runs | null {
  try {
    const server = (globalThis as { process?: { getBuiltinModule?(name: string): { AsyncLocalStorage: new () => Runs } } }).process!
    const names = new (server.getBuiltinModule!('node:async_hooks').AsyncLocalStorage)()
    // workerd has the class without this
    names.enterWith(null)
    return names
  } catch {
    return null
  }
}
const sameRun = (scope: Scope): boolean => !runs || scope.run === runs.getStore()

/** The scope that owns what is made now, or null. */
export const currentScope = (): Scope | null => (current !== null && sameRun(current) ? current : null)
/** The innermost scope(f), which owns parameters made now, or null. */
export function currentHome(): Scope | null {
  for (let i = open.length - 1; i >= 0; i--) if (open[i]!.turn === HOME && sameRun(open[i]!)) return open[i]!
  return null
}

export function openScope(label: string, turn: number): Scope {
  if (runs && turn >= 0) {
    const run = {}
    for (const other of open) if (sameRun(other)) other.run = run
    runs.enterWith(run)
  }
  const outer = currentScope()
  const around = turn === HOME && outer !== null ? (outer.turn === HOME ? outer.around : outer) : null
  const scope = new Scope(label, turn, around, turn <= 0 && (outer === null || outer.first))
  if (turn >= 0) opened++
  open.push(scope)
  current = scope
  if (turn !== FRAME && !sweeping) {
    sweeping = true
    void Promise.resolve().then(leaveOpenScopes)
  }
  return scope
}

/**
 * A turn or scope belongs to the code that runs until its first `await`: when control comes back to the event loop those
 * still open leave the stack, so that what other tasks make is not theirs. They free what they own when they end.
 */
function leaveOpenScopes(): void {
  sweeping = false
  if (runs === undefined && open.length > 0) runs = namesOfRuns()
  for (let i = open.length - 1; i >= 0; i--) {
    open[i]!.parked = opened
    if (i < open.length - 1) open[i]!.crossed = true
  }
  open.length = 0
  current = null
}

export function closeScope(scope: Scope): void {
  scope.closed = true
  const owned = scope.owned
  scope.owned = []
  const at = current === scope ? open.length - 1 : open.lastIndexOf(scope)
  if (at >= 0) open.splice(at, 1)
  else {
    // the code of a scope that has awaited runs: those on the stack have lost control too
    for (const other of open) other.crossed = true
    sortOut(scope, owned)
  }
  current = open.length > 0 ? open[open.length - 1]! : null
  for (let i = owned.length - 1; i >= 0; i--) if (!owned[i]!.kept) owned[i]!.release(scope)
}

/**
 * A scope that has awaited ends: take away from `owned` what another task may have made. Other loops seen beside this one, or such as
 * may yet begin, are a reason to leave it to the garbage collector; else it waits for some turns of the loop.
 */
function sortOut(scope: Scope, owned: Owned[]): void {
  const { loop } = scope
  if (loop && owned.length === 0) loop.bare = true
  const takeFrom = (i: number) => owned.splice(i).filter(thing => !thing.kept && !thing.freed)
  const doubt = takeFrom(ownOf(scope, owned))
  if (collects && (scope.first || scope.crossed || scope.parked !== opened || loop?.shared)) for (const thing of doubt) thing.moveTo(null)
  else if (loop) loop.leave(scope, doubt, true)
  else owned.push(...doubt)
  // without a batch, the first thing too may be of another task: that of the same breath, or one known to be there
  if (loop && scope.batch === 0 && (scope.first || loop.shared || loop.bare)) loop.leave(scope, takeFrom(0), false)
}

/**
 * How many things, from the first on, the code of a scope made itself. JavaScript doesn't say when that code reached its `await`; after
 * it other tasks, begun in the same breath, may have made tensors while the scope was still on the stack. Its own come first. They reach
 * at least to the last one that ops connect with its batch, or, where the loader made none, with its first; and end before one that a
 * scope still open uses.
 */
function ownOf(scope: Scope, owned: readonly Owned[]): number {
  const roots = new Set<Kin>()
  let own = 0
  for (let i = 0; i < owned.length; i++) {
    const { kin } = owned[i]!
    const root = kin && rootOf(kin)
    if (i >= scope.batch && !(root && roots.has(root))) {
      if (root?.usedIn && !root.usedIn.closed) break
      if (i > 0) continue
    }
    if (root && (i < scope.batch || i === 0)) roots.add(root)
    own = i + 1
  }
  return own
}

/** What holds while f runs ends when f returns: after an await it would be gone, and another task might have had it. */
export function synchronous<T>(by: string, result: T): T {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
    throw new TypeError(`${by}: a synchronous function expected, got one that returns a promise: await outside, ${by}() the parts between`)
  }
  return result
}

/** Every turn of a for-of loop over `values` is a scope: what it makes is freed at its end, also by break, return and throw. */
export function* turns<T>(label: string, values: Iterable<T>): Generator<T, void, undefined> {
  const source = values[Symbol.iterator]()
  const loop = new Loop()
  try {
    for (let turn = 0; ; turn++) {
      // opened before next(), so that the batch belongs to its turn
      const scope = openScope(label, turn)
      scope.loop = loop
      try {
        const { value, done } = source.next()
        if (done) return
        scope.batch = scope.owned.length
        loop.turns++
        yield value
      } finally {
        closeScope(scope)
        loop.turn()
      }
    }
  } finally {
    loop.end()
    source.return?.()
  }
}

/** One turn of a loop written otherwise (with `await` between the turns, say): f runs in it, then what it made is freed. */
export function turn<T>(label: string, n: number, f: () => T): T {
  const scope = openScope(label, n)
  try {
    return f()
  } finally {
    closeScope(scope)
  }
}

/**
 * `for (const i of steps(1000))`: 0, 1 … 999, each turn a scope that frees what it made when it ends.
 * @throws RangeError unless n is a whole number ≥ 0 (or Infinity)
 */
export function steps(n: number): Generator<number, void, undefined> {
  if (n !== Infinity && !isWhole(n, 0)) throw new RangeError(`steps: a whole number of steps ≥ 0 expected, got ${n}`)
  return turns(`steps(${n})`, {
    *[Symbol.iterator]() {
      for (let i = 0; i < n; i++) yield i
    },
  })
}

/** What a captured step asks of the code that runs while it is recorded (see capture.ts). */
export interface Recorder {
  /** Buffers of the step itself come from here. */
  readonly arena: Arena
  /** A buffer from outside is used: it must live as long as the program. */
  hold(buffer: Buffer): void
  /** An op reads these: a program depends on which of those from outside require a gradient. */
  reads(inputs: readonly { requiresGrad: boolean; buffer: Buffer }[]): void
  /** This must live as long as the program, which then frees it. */
  own(thing: Owned): void
  /** Values of a buffer were checked on the host. If it is an input of the step, they are to be checked before each replay. */
  verify(buffer: Buffer, check: () => void): void
  /** A call that finds this otherwise runs eagerly. */
  expect(condition: () => boolean): void
  /** Host work to repeat before each replay, such as the scalars of an optimizer. */
  before(work: () => void): void
  /** Host work to repeat at this place of the program, such as reading a clock. */
  at(work: () => void): void
  /** Values that the host wrote into memory, to be written again at this place of the program. */
  wrote(address: number, values: ArrayLike<number>, dtype: 'float32' | 'int32'): void
  /** Values would leave the engine for JavaScript: not possible in a program. */
  refuse(what: string): never
}
export let recorder: Recorder | null = null
export function setRecorder(next: Recorder | null): void {
  recorder = next
}

type GradientWatch = (leaf: { stale: boolean }) => void
/** Is told when the state of a leaf's gradient (empty or not) is about to be used or changed. */
export let gradientWatch: GradientWatch | null = null

/** Run `f` while `watch` is told, too. */
export function watchingGradients<T>(watch: GradientWatch, f: () => T): T {
  const was = gradientWatch
  gradientWatch = leaf => {
    was?.(leaf)
    watch(leaf)
  }
  try {
    return f()
  } finally {
    gradientWatch = was
  }
}

/** Do host work now, and again before each replay if a step is being captured. */
export function hostWork(work: () => void): void {
  work()
  recorder?.before(work)
}

/** Do host work now, and at this place of each replay if a step is being captured. */
export function hostMark(work: () => void): void {
  work()
  recorder?.at(work)
}

const heaps = new Map<Backend, Arena>()
let recent: Arena | null = null
/** The engine's arena on a backend. */
export function heapOf(backend: Backend): Arena {
  if (recent !== null && recent.backend === backend) return recent
  let heap = heaps.get(backend)
  if (!heap) heaps.set(backend, (heap = new Arena(backend)))
  recent = heap
  return heap
}
/** True once a tensor has been made: configure() comes too late then. */
export const memoryInUse = (): boolean => [...heaps].some(([backend, heap]) => isReal(backend) && heap.reserved > 0)
/** Memory for a tensor made now: of the step being captured, else of the engine. */
export const arenaFor = (backend: Backend): Arena => (recorder && recorder.arena.backend === backend ? recorder.arena : heapOf(backend))
