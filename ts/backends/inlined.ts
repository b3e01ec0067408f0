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

/** (module (func (param v128) (drop (f32x4.relaxed_madd …)))): tells whether the relaxed binary is worth unpacking */
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11,
]
const PAGE = 65536
/** What the unpacker writes beyond the end, at most */
const SLACK = 272

/** A hexadecimal digit's value: an interpreter takes a quarter of parseInt's time for it */
const digit = (text: string, i: number): number => {
  const code = text.charCodeAt(i)
  return code < 58 ? code - 48 : code - 87
}

/**
 * The module that a text of `size` bytes was packed from.
 * @param unpacker the module of assembly/unpack.ts in hexadecimal
 * @param relaxed as it is; otherwise with plain SIMD in place of relaxed SIMD
 * @param rewritten what is compiled in their stead
 * @throws Error where there is no WebAssembly, no SIMD of that kind, or compiling is forbidden
 */
export function compileInlined(
  text: string, unpacker: string, size: number, relaxed: boolean, rewritten: Rewriting = bytes => bytes,
): WebAssembly.Module {
  if (relaxed && !WebAssembly.validate(new Uint8Array(RELAXED))) throw new Error('no relaxed SIMD here')
  const code = new Uint8Array(unpacker.length / 2)
  for (let i = 0; i < code.length; i++) code[i] = (digit(unpacker, 2 * i) << 4) | digit(unpacker, 2 * i + 1)
  const { memory, TEXT, unpack, plain } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports as unknown as Unpacker
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
