// The digits out of the text in which they stand in the page: gzipped IDX files in base64.

import { gunzip } from 'hebb'

export interface Digits {
  /** [n, 8, 8], 0..16 */
  images: Uint8Array
  /** [n], 0..9 */
  labels: Uint8Array
}
/** The same as text */
export interface Packed {
  images: string
  labels: string
}

/** The bytes after the header of an IDX file, which has `rank` sizes */
async function bytesOf(text: string, rank: number, name: string): Promise<Uint8Array> {
  const packed = Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0))
  return (await gunzip(packed, name)).slice(4 + 4 * rank)
}

export const unpack = async ({ images, labels }: Packed): Promise<Digits> =>
  ({ images: await bytesOf(images, 3, 'images'), labels: await bytesOf(labels, 1, 'labels') })
