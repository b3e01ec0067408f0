// Writes files all or nothing: to a temporary name in the same folder, flushed to the disk, then renamed.

import {
  accessSync, chmodSync, closeSync, constants, fsyncSync, lstatSync, openSync, readdirSync, readlinkSync, realpathSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** A place that can't be written. The message is one line for the user. */
export class SaveError extends Error {
  override name = 'SaveError'
}

const REASONS: Record<string, string> = {
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'a read-only file system',
  ENOSPC: 'a full disk',
  EDQUOT: 'a full disk quota',
  EISDIR: 'a folder',
  ENAMETOOLONG: 'a name that is too long',
}

function refusal(file: string, error: unknown): SaveError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  const folder = dirname(file)
  const places: Record<string, string> = { ENOENT: `no folder ${folder}`, ENOTDIR: `${folder}, which is no folder` }
  const got = places[code] ?? REASONS[code] ?? code
  return new SaveError(`${file}: expected a file that can be written, got ${got}`, { cause: error })
}

/** Where `file` leads through links, whether something is there or not. */
function destination(file: string): string {
  if (statSync(file, { throwIfNoEntry: false })) return realpathSync(file)
  const folder = realpathSync(dirname(file))
  // a link to nothing yet
  if (lstatSync(file, { throwIfNoEntry: false })) return destination(resolve(folder, readlinkSync(file)))
  return join(folder, basename(file))
}

/** Would writing one regular file replace the other, by whatever paths they are called? */
export function sameFile(a: string, b: string): boolean {
  try {
    const [x, y] = [a, b].map(file => statSync(file, { throwIfNoEntry: false, bigint: true }))
    if (x && y) return x.isFile() && x.ino === y.ino && x.dev === y.dev
    return !x && !y && destination(a) === destination(b)
  } catch {
    // what is wrong with a path is said where it is used
    return false
  }
}

interface Target {
  /** The file itself where `file` is a symbolic link: renaming would replace the link. */
  path: string
  temporary: string
  mode?: number
  /** Devices and pipes (/dev/null, a FIFO) can only be written in place. */
  special: boolean
}

/** What the program has open already has a position of its own there, which a file opened anew would write over. */
const OPEN: Record<string, NodeJS.WriteStream> = {
  '/dev/stdout': process.stdout, '/dev/stderr': process.stderr, '/dev/fd/1': process.stdout, '/dev/fd/2': process.stderr,
}

/** File systems allow 255 bytes for a name, some that encrypt fewer */
const LONGEST = 100
const beginning = (name: string): string => Buffer.from(name).subarray(0, LONGEST).toString().replace(/\ufffd$/, '')

function find(file: string): Target {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
  if (stats) accessSync(file, constants.W_OK)
  if (stats && !stats.isFile()) return { path: file, temporary: '', special: true }
  const path = destination(file)
  return { path, temporary: join(dirname(path), `.${beginning(basename(path))}.${process.pid}.tmp`), mode: stats?.mode, special: false }
}

/** Removes what programs left that were killed while they saved. */
function clean(path: string): void {
  const before = `.${beginning(basename(path))}.`
  try {
    for (const name of readdirSync(dirname(path))) {
      const pid = name.startsWith(before) ? /^(\d+)\.tmp$/.exec(name.slice(before.length))?.[1] : undefined
      if (pid !== undefined && !runs(Number(pid))) rmSync(join(dirname(path), name))
    }
  } catch {
    // the folder can't be listed, or they are another user's: they stay
  }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Throws SaveError where `file` can't be written: better before an hour of training than after it. Leaves nothing behind. */
export function checkWritable(file: string): void {
  if (Object.hasOwn(OPEN, file)) return
  try {
    const { temporary, special } = find(file)
    if (special) return
    closeSync(openSync(temporary, 'w'))
    rmSync(temporary)
  } catch (error) {
    throw refusal(file, error)
  }
}

/**
 * Writes `file`, or leaves what was there untouched and throws SaveError. Synchronous, so that an interrupted program
 * can save before it ends.
 */
export function save(file: string, content: Uint8Array | string): void {
  if (Object.hasOwn(OPEN, file)) return void OPEN[file]!.write(content)
  let temporary: string | undefined
  try {
    const target = find(file)
    if (target.special) return writeFileSync(target.path, content)
    const handle = openSync(target.temporary, 'w', 0o666)
    // only what was made is to be removed: Node 24 throws for a path through a file
    temporary = target.temporary
    try {
      writeFileSync(handle, content)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    if (target.mode !== undefined) chmodSync(temporary, target.mode)
    renameSync(target.temporary, target.path)
    clean(target.path)
    flushFolder(dirname(target.path))
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { force: true })
    throw refusal(file, error)
  }
}

/** Makes the rename last through a power failure. Windows can't open folders and needs no flush: the file is whole either way. */
function flushFolder(folder: string): void {
  let handle: number | undefined
  try {
    handle = openSync(folder, 'r')
    fsyncSync(handle)
  } catch {
    return
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}
