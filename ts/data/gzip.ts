// Unpacks gzip files with the platform's DecompressionStream, and the error that every reader of data files throws.

/** A data file that isn't what it should be: "FILE: expected ..., got ...". */
export class DataError extends Error {
  override name = 'DataError'
}

const HEADER = 10
const TRAILER = 8
/** The shortest code of deflate, two bits, can stand for 258 bytes at most. */
const HIGHEST_RATIO = 1032

/**
 * The contents of a gzip file (RFC 1952) of one member. Throws DataError naming the file where it is damaged, truncated,
 * or followed by other bytes.
 */
export async function gunzip(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  if (bytes.length < 2 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    const start = Array.from(bytes.subarray(0, 4), b => b.toString(16).padStart(2, '0')).join(' ')
    throw new DataError(
      `${name}: expected a gzip file (first bytes 1f 8b), got ${start ? `first bytes ${start}` : 'an empty file'}`,
    )
  }
  if (bytes.length < HEADER + TRAILER) {
    throw new DataError(
      `${name}: expected a gzip file of at least ${HEADER + TRAILER} bytes, got ${bytes.length}: it is truncated`,
    )
  }
  // Runtimes disagree about bytes after the end (Node 20 skips zeros and unpacks a second member), so the length that the
  // trailer announces is compared here. It also bounds the memory that a damaged or hostile file can ask for.
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(bytes.length - 4, true)
  const damaged = (why: string, cause?: unknown) => new DataError(`${name}: expected an intact gzip file, got ${why}`, { cause })
  const wrongLength = (got: string | number) =>
    damaged(`${got} bytes of content where its end announces ${length}: something follows its end, or the end is damaged`)
  if (length > bytes.length * HIGHEST_RATIO) {
    throw damaged(
      `a damaged or truncated one: its end announces ${length} bytes of content, more than ${bytes.length} packed ones can hold`,
    )
  }
  const stream = new DecompressionStream('gzip')
  const writer = stream.writable.getWriter()
  const sent = writer.write(bytes as Uint8Array<ArrayBuffer>).then(() => writer.close())
  // A failure shows up on the reading side too; unhandled here it would end the process.
  sent.catch(() => {})
  const reader = stream.readable.getReader()
  const content = new Uint8Array(length)
  let at = 0
  for (;;) {
    let part: Uint8Array | undefined
    try {
      part = (await reader.read()).value
      if (!part) await sent
    } catch (cause) {
      throw damaged('a damaged or truncated one', cause)
    }
    if (!part) break
    if (part.length > length - at) {
      reader.cancel().catch(() => {})
      throw wrongLength(`at least ${at + part.length}`)
    }
    content.set(part, at)
    at += part.length
  }
  if (at !== length) throw wrongLength(at)
  return content
}
