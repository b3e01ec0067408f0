// Compiled kernels as text in the library's one file: what the modules that the build makes of .wasm imports call. scripts/pack.js
// packs the text, and a small WebAssembly module unpacks it.

/** Makes another module of one, both as bytes. */
export type Rewriting = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>

interface Unpacker {
  memory: WebAssembly.Memory
  /** Where the text goes */
  TEXT: WebAssembly.Global
  unpack(size: number, out: number): void
  /** Returns its end */
  plain(from: number, end: number, out: number): number
}

const PAGE = 65536
/** What the unpacker writes beyond the end, at most */
const SLACK = 272

/** Bytes in hexadecimal: an interpreter takes a quarter of parseInt's time so */
function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const digit = (i: number) => {
    const code = hex.charCodeAt(i)
    return code < 58 ? code - 48 : code - 87
  }
  const bytes = new Uint8Array(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (digit(2 * i) << 4) | digit(2 * i + 1)
  return bytes
}

/**
 * The module that a text of `size` bytes was packed from, or null where there is no relaxed SIMD for it.
 * @param unpacker the module of assembly/unpack.ts in hexadecimal
 * @param relaxed a small module with relaxed SIMD, in hexadecimal, for the module as it is; null: with plain SIMD in its place
 * @param rewritten what is compiled in their stead
 * @throws Error where there is no WebAssembly, no SIMD, or compiling is forbidden
 */
export function compileInlined(
  text: string, unpacker: string, size: number, relaxed: string | null, rewritten: Rewriting = bytes => bytes,
): WebAssembly.Module | null {
  if (relaxed && !WebAssembly.validate(bytesOf(relaxed))) return null
  const { memory, TEXT, unpack, plain } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf(unpacker))).exports as unknown as Unpacker
  const from = TEXT.value as number
  // a zero between them: the byte before the first
  let start = from + text.length + 1
  let end = start + size
  // the plain form is less than half as long again
  memory.grow(Math.ceil((end + SLACK + 1.5 * size - memory.buffer.byteLength) / PAGE))
  new TextEncoder().encodeInto(text, new Uint8Array(memory.buffer, from))
  unpack(size, start)
  if (!relaxed) end = plain(start, end, (start = end))
  return new WebAssembly.Module(rewritten(new Uint8Array(memory.buffer, start, end - start)))
}
