// Compiled kernels as text in the library's one file: what the modules that the build generates for .wasm imports call.

/** Characters that need no escape in a string. The last two begin a pair. */
export const ALPHABET = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter(c => !'"$\\`'.includes(c)).join('')
const SINGLES = ALPHABET.length - 2

/**
 * The bytes of a text made by scripts/inline.js: the commonest 89 bytes are one character each, the others two. Text that gzip makes
 * as small as the bytes themselves (base64: 1.5 times that, hexadecimal 1.13), and that no server or bundler can spoil.
 * @param order all 256 byte values, as 512 hexadecimal digits: those of one character first
 */
export function unpack(text: string, order: string): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(384)
  for (let i = 0; i < 256; i++) {
    const rest = i - SINGLES
    const at = rest < 0 ? ALPHABET.charCodeAt(i) : ALPHABET.charCodeAt(rest % ALPHABET.length) + (rest < ALPHABET.length ? 128 : 256)
    table[at] = Number.parseInt(order.slice(2 * i, 2 * i + 2), 16)
  }
  const pair = ALPHABET.charCodeAt(SINGLES)
  const bytes = new Uint8Array(text.length)
  let n = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    bytes[n++] = code < pair ? table[code]! : table[text.charCodeAt(++i) + ((code - pair + 1) << 7)]!
  }
  return bytes.subarray(0, n)
}

/** (module (func (param v128) (drop (f32x4.relaxed_madd …)))): tells whether the relaxed binary is worth unpacking */
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11,
]

/**
 * The module of an inlined binary.
 * @throws Error where there is no WebAssembly, no SIMD of that kind, or compiling is forbidden
 */
export function compileText(text: string, order: string, relaxed: boolean): WebAssembly.Module {
  if (relaxed && !WebAssembly.validate(new Uint8Array(RELAXED))) throw new Error('no relaxed SIMD here')
  return new WebAssembly.Module(unpack(text, order))
}
