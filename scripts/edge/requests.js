// Requests that the service must answer, good ones and bad ones, and how their answers are judged.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { crc32, deflateSync, gunzipSync } from 'node:zlib'
import { root } from '../build.js'

const PIXELS = 64
const unpacked = name => gunzipSync(readFileSync(join(root, 'examples/data/digits', `digits-${name}-ubyte.gz`)))
const images = unpacked('images-idx3').subarray(16)
const labels = unpacked('labels-idx1').subarray(8)
export const COUNT = labels.length

export const imageAt = i => images.subarray(i * PIXELS, (i + 1) * PIXELS)
export const labelAt = i => labels[i]

function chunk(type, body) {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), body, Buffer.alloc(4)])
  bytes.writeUInt32BE(body.length)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4)
  return bytes
}

/** A grey PNG of an image [8, 8], each pixel a square of `side` pixels, black on white */
export function pngOf(image, side = 8) {
  const width = 8 * side
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(width, 4)
  header[8] = 8
  const rows = Buffer.alloc((width + 1) * width)
  for (let y = 0; y < width; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = 255 - Math.round((image[Math.floor(y / side) * 8 + Math.floor(x / side)] * 255) / 16)
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

const post = (path, type, body) => ({ path, init: { method: 'POST', headers: { 'content-type': type }, body } })
const json = (path, value) => post(path, 'application/json', JSON.stringify(value))

/** Digits `from`, `from` + 1 …, whose labels are shifted by `shift`, taught to a model that is then asked about them */
const lesson = (from, shift) => {
  const some = Array.from({ length: 12 }, (_, k) => (from + k) % COUNT)
  return {
    examples: some.map(i => ({ image: [...imageAt(i)], label: (labelAt(i) + shift) % 10 })),
    images: some.map(i => [...imageAt(i)]),
    steps: 40,
  }
}

/** Good requests about digit i. Two answers to the same request must be the same text. */
export const GOOD = {
  bytes: i => post('/classify', 'application/octet-stream', imageAt(i)),
  json: i => json('/classify', { image: [...imageAt(i)] }),
  png: i => post('/classify', 'image/png', pngOf(imageAt(i))),
  adapt: i => json('/adapt', lesson(i, i % 10)),
}

const png = pngOf(imageAt(0))
const spoilt = at => {
  const bytes = Buffer.from(png)
  bytes[at] ^= 0xff
  return bytes
}
const example = { image: [...imageAt(0)], label: 0 }

/** Bad requests and the status that each must get */
export const BAD = {
  'unknown path': [404, { path: '/nothing', init: { method: 'POST', body: 'x' } }],
  'GET of an endpoint': [405, { path: '/classify', init: { method: 'GET' } }],
  'POST to the root': [405, { path: '/', init: { method: 'POST', body: 'x' } }],
  'no content type known': [415, post('/classify', 'text/plain', 'seven')],
  'adapt with a PNG': [415, post('/adapt', 'image/png', png)],
  'no body': [400, post('/classify', 'image/png', '')],
  'broken JSON': [400, post('/classify', 'application/json', '{"image": [1, 2')],
  'no UTF-8': [400, post('/classify', 'application/json', Buffer.from([0x7b, 0xff, 0x7d]))],
  'JSON that is no object': [422, json('/classify', [1, 2, 3])],
  'no image': [422, json('/classify', {})],
  'a short image': [422, json('/classify', { image: [1, 2, 3] })],
  'a pixel too large': [422, json('/classify', { image: Array(64).fill(17) })],
  'a pixel that is no number': [422, json('/classify', { image: Array(64).fill('1') })],
  'too few bytes': [422, post('/classify', 'application/octet-stream', Buffer.alloc(63))],
  'no PNG': [400, post('/classify', 'image/png', 'GIF89a and so on')],
  'a PNG cut off': [400, post('/classify', 'image/png', png.subarray(0, 60))],
  'a PNG with a wrong checksum': [400, post('/classify', 'image/png', spoilt(20))],
  'a PNG of one colour': [422, post('/classify', 'image/png', pngOf(new Uint8Array(64)))],
  'a body too large': [413, post('/classify', 'application/octet-stream', Buffer.alloc(300000))],
  'no examples': [422, json('/adapt', { examples: [] })],
  'a label out of range': [422, json('/adapt', { examples: [{ ...example, label: 10 }] })],
  'too many steps': [422, json('/adapt', { examples: [example], steps: 501 })],
  'a learning rate of 0': [422, json('/adapt', { examples: [example], lr: 0 })],
}

/** Sends one of them. */
export async function send(url, { path, init }) {
  const response = await fetch(new URL(path, url), init)
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

/** Begins an upload and hangs up in its middle. */
export const hangUp = url =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => {
      socket.write(`POST /classify HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: image/png\r\ncontent-length: 5000\r\n\r\n`)
      socket.write(png.subarray(0, 40), () => setTimeout(() => socket.destroy(), 50))
    })
    socket.on('error', reject).on('close', resolve)
  })

/** @throws Error unless this is the JSON error that a bad request must get */
export function checkBad(name, status, answer) {
  const { error } = answer.type?.startsWith('application/json') ? JSON.parse(answer.text) : {}
  if (answer.status !== status || typeof error !== 'string' || error === '') {
    throw new Error(`${name}: ${status} with a JSON error expected, got ${answer.status} ${answer.text.slice(0, 200)}`)
  }
}

/** @throws Error unless this is a good answer about digit i; returns whether the digit was read right */
export function checkGood(kind, i, answer) {
  if (answer.status !== 200) throw new Error(`${kind} ${i}: 200 expected, got ${answer.status} ${answer.text.slice(0, 200)}`)
  const value = JSON.parse(answer.text)
  if (kind === 'adapt') {
    const { loss, accuracy, results } = value
    if (!(loss.after < loss.before) || accuracy.after < accuracy.before || results.length !== 12) throw new Error(`adapt ${i}: a model that has learnt expected, got ${answer.text.slice(0, 200)}`)
    return results[0].label === (labelAt(i) + (i % 10)) % 10
  }
  const sum = value.probabilities.reduce((a, b) => a + b, 0)
  if (value.probabilities.length !== 10 || Math.abs(sum - 1) > 1e-5) throw new Error(`${kind} ${i}: ten probabilities expected, got ${answer.text.slice(0, 200)}`)
  return value.label === labelAt(i)
}
