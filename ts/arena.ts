// Linear memory by the range: size classes, arenas of free ranges, buffers that count their owners, and the limit.

import type { Backend } from './kernels.js'

const ALIGN = 64

/** Round up to a size class: multiples of 64 bytes up to 4 KiB, then eighths of a power of two (12.5 % waste at most). */
export function sizeClass(bytes: number): number {
  let step = ALIGN
  if (bytes > 4096) for (step = 512; 16 * step < bytes; ) step *= 2
  return Math.max(step, Math.ceil(bytes / step) * step)
}

/** The engine's memory is full or has reached `configure({ memory: { limit } })`. Freeing tensors makes room again. */
export class MemoryError extends Error {
  override name = 'MemoryError'
}

/** The variant of the backend whose addresses have no memory behind them: no limit concerns it. */
export const SHAPES_ONLY = 'shapes only'
export const isReal = (backend: Backend): boolean => backend.variant !== SHAPES_ONLY

/** For messages */
export const megabytes = (bytes: number): string => `${(bytes / 1048576).toFixed(1)} MB`
/** What is left of the memory is worth taking down to ranges of this size. */
const PART = 4096

let limit = Infinity
/** Largest number of bytes of a backend's linear memory. */
export function limitMemory(bytes: number): void {
  limit = bytes
}
export const memoryLimit = (): number => limit

/** Address ranges of one backend, reused by size class. The engine has one a backend, every captured step its own, which borrows from it. */
export class Arena {
  readonly #free = new Map<number, number[]>()
  /** Buffers alive, their bytes, the most bytes that were alive at once, and the bytes taken from the backend. */
  live = 0
  liveBytes = 0
  peakBytes = 0
  reserved = 0
  /** Buffers from whose values something was made that is kept beside them */
  readonly #keepers = new Set<Buffer>()
  /** There was no room for what was kept: nothing is any more. */
  pressed = false
  /** The arena that got the ranges of this one, which is no longer used */
  #heir: Arena | null = null
  constructor(readonly backend: Backend, readonly lender: Arena | null = null) {}

  /** A range of a size class. One that is not a buffer's is never given back. */
  range(bytes: number): number {
    return this.#free.get(bytes)?.pop() ?? this.#reserve(bytes)
  }

  take(bytes: number): number {
    const address = this.range(bytes)
    this.live++
    this.liveBytes += bytes
    if (this.liveBytes > this.peakBytes) this.peakBytes = this.liveBytes
    return address
  }

  give(address: number, bytes: number): void {
    this.live--
    this.liveBytes -= bytes
    if (this.#heir !== null) return this.#heir.adopt(address, bytes)
    this.#add(address, bytes)
  }

  /** Keep `made`, which was made from the values of `from`, as long as `from` lives and there is room for both. */
  keep(from: Buffer, made: Buffer): void {
    this.forget(from)
    from.made = made
    this.#keepers.add(from)
  }
  forget(from: Buffer): void {
    const { made } = from
    from.made = null
    this.#keepers.delete(from)
    made?.release()
  }
  /** Bytes of what is kept beside the values that it was made from */
  get keptBytes(): number {
    let bytes = 0
    for (const { made } of this.#keepers) bytes += made!.bytes
    return bytes
  }
  /** Give back what can be made again. Was there anything? */
  #relieve(): boolean {
    this.pressed = true
    const any = this.#keepers.size > 0
    for (const from of this.#keepers) this.forget(from)
    return any
  }

  /** Hand every free range over to `other`, and those still in use as they become free, for an arena that is no longer used. */
  drainInto(other: Arena): void {
    this.#heir = other
    for (const [bytes, list] of this.#free) for (const address of list) other.adopt(address, bytes)
    this.#free.clear()
    this.reserved = 0
  }

  adopt(address: number, bytes: number): void {
    this.reserved += bytes
    this.live++
    this.liveBytes += bytes
    this.give(address, bytes)
  }

  /** A free range of this class, or (`cut`) the beginning of the smallest larger one, for another arena. */
  lend(bytes: number, cut: boolean): number | undefined {
    const address = cut ? this.#cut(bytes) : this.#free.get(bytes)?.pop()
    if (address !== undefined) this.reserved -= bytes
    return address
  }

  #cut(bytes: number): number | undefined {
    const enough = () => [...this.#free].filter(([size, list]) => size >= bytes && list.length > 0).sort((a, b) => a[0] - b[0])[0]
    let larger = enough()
    if (!larger) {
      this.#join()
      larger = enough()
    }
    if (!larger) return undefined
    const [size, list] = larger
    const address = list.pop()!
    if (size > bytes) this.#add(address + bytes, size - bytes)
    return address
  }

  #add(address: number, bytes: number): void {
    const list = this.#free.get(bytes)
    if (list) list.push(address)
    else this.#free.set(bytes, [address])
  }

  /** Make one range of free ones that touch. */
  #join(): void {
    const ranges = [...this.#free].flatMap(([bytes, list]) => list.map(address => ({ address, bytes }))).sort((a, b) => a.address - b.address)
    this.#free.clear()
    let last: { address: number; bytes: number } | null = null
    for (const range of ranges) {
      if (last && last.address + last.bytes === range.address) last.bytes += range.bytes
      else {
        if (last) this.#add(last.address, last.bytes)
        last = range
      }
    }
    if (last) this.#add(last.address, last.bytes)
  }

  /** Where there is no room for `bytes` more: part of what is left, taken in halves and joined with free ranges. */
  #cutOfRest(bytes: number): number | undefined {
    for (let part = sizeClass(bytes / 2); part > PART; part = sizeClass(part / 2)) {
      try {
        this.#add(this.backend.reserve(part), part)
        this.reserved += part
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    }
    return this.#cut(bytes)
  }

  #borrow(bytes: number, cut: boolean): number | undefined {
    const address = this.lender?.lend(bytes, cut)
    if (address !== undefined) this.reserved += bytes
    return address
  }

  /** A new range, or, where memory ends, part of free ones. */
  #reserve(bytes: number): number {
    const lent = this.#borrow(bytes, false)
    if (lent !== undefined) return lent
    try {
      const address = this.backend.reserve(bytes)
      this.reserved += bytes
      return address
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      // what would not fit into an empty memory must not make it grow
      if (bytes <= Math.min(limit, this.backend.most)) {
        const found = this.#cut(bytes) ?? this.#borrow(bytes, true) ?? this.#cutOfRest(bytes)
        if (found !== undefined) return found
        if ((this.lender ?? this).#relieve()) return this.#reserve(bytes)
      }
      throw new MemoryError(
        `memory: ${megabytes(bytes)} more wanted, ${megabytes(this.backend.bytes)} reserved of which ${megabytes(this.liveBytes)} are in use, ` +
          `and ${error.message} is reached: use smaller batches, run loops over a loader or steps(n), or raise configure({ memory: { limit } })`,
      )
    }
  }
}

/** A range of linear memory, freed when its last owner lets go. Owners are tensors, views of them and captured steps. */
export class Buffer {
  readonly address: number
  readonly bytes: number
  owners = 1
  /** What Arena.keep() keeps beside these values */
  made: Buffer | null = null
  constructor(readonly arena: Arena, bytes: number) {
    // from here on nobody looks: NaN would put every later buffer at one place
    if (!Number.isSafeInteger(bytes)) throw new MemoryError(`memory: ${bytes} bytes more wanted`)
    this.bytes = sizeClass(bytes)
    this.address = arena.take(this.bytes)
  }
  retain(): this {
    this.owners++
    return this
  }
  release(): void {
    if (--this.owners > 0) return
    if (this.made) this.arena.forget(this)
    this.arena.give(this.address, this.bytes)
  }
}
