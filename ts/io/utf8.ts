// UTF-8 by the language alone: not every runtime has TextEncoder and TextDecoder (QuickJS has neither).

/** The bytes of a text, which must be well-formed, as JSON.stringify's is. */
export const encodeUtf8 = (text: string): Uint8Array =>
  Uint8Array.from(encodeURIComponent(text).match(/%..|./g) ?? [], c => (c.length === 1 ? c.charCodeAt(0) : parseInt(c.slice(1), 16)))

const ESCAPES = Array.from({ length: 256 }, (_, byte) => `%${byte.toString(16).padStart(2, '0')}`)

/**
 * The text of bytes; a byte order mark stays in it.
 * @throws URIError if they are not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte < 0x80 && byte !== 0x25 ? String.fromCharCode(byte) : ESCAPES[byte]!
  return decodeURIComponent(text)
}
