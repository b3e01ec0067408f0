// The service: one function from a web Request to a Response, the same on every host. README.md lists what it answers.

import { NonFiniteError } from 'hebb'
import { joined } from './bytes.js'
import { CLASSES, Classifier, PIXELS, type Example } from './classifier.js'
import { SIDE } from '../page/strokes.js'
import { BlankImage, digitOf, WHITE } from './digit.js'
import { PngError, readPng } from './png.js'
import weights from './digits.safetensors'

/** Bytes of a request's body, pixels of a PNG, examples or images in one request, and steps of training */
export const LIMITS = { body: 262144, pixels: 1048576, images: 256, steps: 500 } as const
const DEFAULTS = { steps: 100, lr: 0.05 } as const

/** An answer that is an error: the request's fault, and which */
class HttpError extends Error {
  constructor(readonly status: number, message: string, readonly headers: Record<string, string> = {}) {
    super(message)
  }
}

// made while the module loads: some edge runtimes forbid compiling WebAssembly inside a request
const classifier = new Classifier(new Uint8Array(weights))

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(`${JSON.stringify(body)}\n`, { status, headers: { 'content-type': 'application/json', ...headers } })

/** The body, read up to the limit and no further */
async function bodyOf(request: Request): Promise<Uint8Array> {
  const tooLarge = () => new HttpError(413, `a body of at most ${LIMITS.body} bytes expected`)
  if (Number(request.headers.get('content-length') ?? 0) > LIMITS.body) throw tooLarge()
  const parts: Uint8Array[] = []
  let n = 0
  const reader = request.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read().catch(() => {
      throw new HttpError(400, 'a whole body expected, got one that was broken off')
    })
    if (done) break
    n += value.length
    if (n > LIMITS.body) {
      await reader.cancel().catch(() => {})
      throw tooLarge()
    }
    parts.push(value)
  }
  if (n === 0) throw new HttpError(400, 'a body expected, got none')
  return joined(parts)
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new HttpError(400, 'a body of JSON expected, got something else')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new HttpError(422, 'a JSON object expected')
  return value as Record<string, unknown>
}

const described = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

/** @throws HttpError unless `value` is a list of 64 numbers from 0 to 16 */
function checkImage(value: unknown, name: string): number[] {
  if (!Array.isArray(value) || value.length !== PIXELS) {
    throw new HttpError(422, `${name}: ${PIXELS} numbers (${SIDE} rows of ${SIDE}) expected, got ${Array.isArray(value) ? `${value.length}` : described(value)}`)
  }
  const wrong = value.findIndex(v => typeof v !== 'number' || !(v >= 0 && v <= WHITE))
  if (wrong >= 0) throw new HttpError(422, `${name}[${wrong}]: a number from 0 (paper) to ${WHITE} (ink) expected, got ${described(value[wrong])}`)
  return value as number[]
}

function checkList(value: unknown, name: string, least: number): unknown[] {
  if (!Array.isArray(value) || value.length < least || value.length > LIMITS.images) {
    throw new HttpError(422, `${name}: a list of ${least} to ${LIMITS.images} expected, got ${Array.isArray(value) ? `${value.length}` : described(value)}`)
  }
  return value
}

function checkExample(value: unknown, name: string): Example {
  const { image, label } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  if (!(Number.isInteger(label) && (label as number) >= 0 && (label as number) < CLASSES)) {
    throw new HttpError(422, `${name}.label: a whole number from 0 to ${CLASSES - 1} expected, got ${described(label)}`)
  }
  return { image: checkImage(image, `${name}.image`), label: label as number }
}

/** The media type alone, without parameters */
const typeOf = (request: Request): string => (request.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()

async function classify(request: Request): Promise<Response> {
  const type = typeOf(request)
  if (type === 'application/json') {
    const image = checkImage(parse(await bodyOf(request)).image, 'image')
    return json(classifier.classify([image])[0])
  }
  if (type === 'application/octet-stream') {
    const image = checkImage(Array.from(await bodyOf(request)), 'body')
    return json(classifier.classify([image])[0])
  }
  if (type === 'image/png') {
    const picture = readPng(await bodyOf(request), LIMITS.pixels)
    return json(classifier.classify([digitOf(picture)])[0])
  }
  throw new HttpError(415, `a content-type of image/png, application/octet-stream or application/json expected, got ${type || 'none'}`)
}

async function adapt(request: Request): Promise<Response> {
  const type = typeOf(request)
  if (type !== 'application/json') throw new HttpError(415, `a content-type of application/json expected, got ${type || 'none'}`)
  const body = parse(await bodyOf(request))
  const { steps = DEFAULTS.steps, lr = DEFAULTS.lr, images = [] } = body
  const examples = checkList(body.examples, 'examples', 1).map((e, i) => checkExample(e, `examples[${i}]`))
  const asked = checkList(images, 'images', 0).map((image, i) => checkImage(image, `images[${i}]`))
  if (!(Number.isInteger(steps) && (steps as number) >= 1 && (steps as number) <= LIMITS.steps)) {
    throw new HttpError(422, `steps: a whole number from 1 to ${LIMITS.steps} expected, got ${described(steps)}`)
  }
  if (!(typeof lr === 'number' && lr > 0 && lr <= 1)) throw new HttpError(422, `lr: a number above 0 and up to 1 expected, got ${described(lr)}`)
  return json(await classifier.adapt(examples, asked, { steps: steps as number, lr }))
}

const USAGE = {
  'POST /classify': 'image/png; or 64 bytes 0..16 as application/octet-stream; or {"image": [64 numbers 0..16]}. Answers {"label", "probabilities"}.',
  'POST /adapt': '{"examples": [{"image", "label"}, ...], "images": [...], "steps", "lr"}. Answers {"loss", "accuracy", "results"}.',
}
const ROUTES: Record<string, (request: Request) => Promise<Response>> = { '/classify': classify, '/adapt': adapt }

/** Answers a request; whatever is wrong with it becomes a 4xx with {"error"}. */
export async function handle(request: Request): Promise<Response> {
  try {
    const { pathname } = new URL(request.url)
    const reading = request.method === 'GET' || request.method === 'HEAD'
    if (pathname === '/' && reading) return json(USAGE)
    const route = Object.hasOwn(ROUTES, pathname) ? ROUTES[pathname] : undefined
    if (!route && pathname !== '/') throw new HttpError(404, `one of /, ${Object.keys(ROUTES).join(', ')} expected, got ${pathname}`)
    if (!route || request.method !== 'POST') {
      const allow = route ? 'POST' : 'GET, HEAD'
      throw new HttpError(405, `${pathname} takes ${allow}, got ${request.method}`, { allow })
    }
    return await route(request)
  } catch (error) {
    if (error instanceof HttpError) return json({ error: error.message }, error.status, error.headers)
    if (error instanceof PngError) return json({ error: error.message }, 400)
    if (error instanceof BlankImage || error instanceof NonFiniteError) return json({ error: error.message }, 422)
    console.error(error)
    return json({ error: 'an error of the service, not of the request' }, 500)
  }
}
