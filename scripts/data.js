// npm run data: fetches published data sets, continues where an interruption left off, and checks their published MD5 sums.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { guardOutput } from './output.js'

const CIFAR_BATCHES = [...[1, 2, 3, 4, 5].map(i => `data_batch_${i}.bin`), 'test_batch.bin']
const CIFAR_BATCH_BYTES = 10000 * 3073

/** Mirrors are tried in order; a file's `unpack` names the members of a .tar.gz that are kept, each as NAME.gz. */
export const SETS = {
  mnist: {
    mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    files: [
      { name: 'train-images-idx3-ubyte.gz', md5: 'f68b3c2dcbeaaa9fbdd348bbdeb94873' },
      { name: 'train-labels-idx1-ubyte.gz', md5: 'd53e105ee54ea40749a09fcbcd1e9432' },
      { name: 't10k-images-idx3-ubyte.gz', md5: '9fb629c4189551a2d022fa330f9573f3' },
      { name: 't10k-labels-idx1-ubyte.gz', md5: 'ec29112dd5afa0611ce80d1b7f02629c' },
    ],
  },
  fashion: {
    mirrors: ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/'],
    files: [
      { name: 'train-images-idx3-ubyte.gz', md5: '8d4fb7e6c68d591d4c3dfef9ec88bf0d' },
      { name: 'train-labels-idx1-ubyte.gz', md5: '25c81989df183df01b3e8a0aad5dffbe' },
      { name: 't10k-images-idx3-ubyte.gz', md5: 'bef4ecab320f06d8554ea6380940ec79' },
      { name: 't10k-labels-idx1-ubyte.gz', md5: 'bb300cfdad3c16e7a12a480ee83cd310' },
    ],
  },
  cifar10: {
    mirrors: ['https://www.cs.toronto.edu/~kriz/'],
    files: [
      {
        name: 'cifar-10-binary.tar.gz', md5: 'c32a1d4ab5d03f1284b67883e8d87530',
        unpack: CIFAR_BATCHES, memberBytes: CIFAR_BATCH_BYTES,
      },
    ],
  },
}

/** What went wrong, in one line for the user. */
export class FetchError extends Error {
  name = 'FetchError'
}

/** A mirror's answer that no second try will change. */
class Refusal extends Error {}

const TRIES = 3
const REDIRECTS = 5

/**
 * Fetches the files of a set into `folder`. Options: files and mirrors as in SETS; print(text) takes lines; bar(name, done, size)
 * is told of progress; stall: milliseconds without a byte before a connection counts as broken; pause: before a second try.
 */
export async function fetchSet({ files, mirrors, folder, print = () => {}, bar = () => {}, stall = 30000, pause = 1000 }) {
  await makeFolder(resolve(folder)).catch(error => {
    throw new FetchError(`${folder}: expected a folder or a place to make one, got ${error.code}`)
  })
  for (const file of files) {
    if (file.unpack ? await unpacked(file, folder) : await present(file, folder)) {
      print(`${file.name}: already there`)
      continue
    }
    const path = join(folder, file.name)
    // an archive that couldn't be unpacked is still there
    if (!file.unpack || !(await present(file, folder))) await fetchFile({ file, path, mirrors, print, bar, stall, pause })
    if (file.unpack) await unpack(file, path, folder, print)
    print(`${file.name}: fetched and verified`)
  }
}

/** Makes a folder and those above it. Not by mkdir's `recursive`: it never ends in /proc, which can't be written but says ENOENT. */
async function makeFolder(folder) {
  if (await isFolder(folder)) return
  if (dirname(folder) !== folder) await makeFolder(dirname(folder))
  await mkdir(folder).catch(async error => {
    // another process may have made it
    if (!(await isFolder(folder))) throw error
  })
}

async function present({ name, md5 }, folder) {
  const path = join(folder, name)
  if ((await sizeOf(path)) === undefined) return false
  const sum = await md5Of(path).catch(error => {
    throw new FetchError(`${path}: expected a file that can be read, got ${error.code}; move it away to fetch the published file`)
  })
  if (sum === md5) return true
  throw new FetchError(`${path}: expected MD5 ${md5}, got ${sum}; move it away to fetch the published file`)
}

/** Whether all members are there. The published sum covers the archive only, so members are known by their size. */
async function unpacked({ unpack: members, memberBytes }, folder) {
  let found = 0
  for (const member of members) {
    const path = join(folder, `${member}.gz`)
    if ((await sizeOf(path)) === undefined) continue
    let bytes
    try {
      bytes = gunzipSync(await readFile(path)).length
    } catch {
      bytes = 'a damaged file'
    }
    if (bytes !== memberBytes) {
      throw new FetchError(
        `${path}: expected ${memberBytes} bytes when unpacked, got ${bytes}; move it away to fetch the published file`,
      )
    }
    found++
  }
  return found === members.length
}

async function fetchFile({ file, path, mirrors, print, bar, stall, pause }) {
  const part = `${path}.part`
  const reasons = []
  for (const mirror of mirrors) {
    const url = new URL(file.name, mirror.endsWith('/') ? mirror : `${mirror}/`)
    for (let failures = 0; failures < TRIES;) {
      const before = (await sizeOf(part)) ?? 0
      try {
        const whole = await receive(url, part, before, stall, (done, size) => bar(file.name, done, size))
        const sum = await md5Of(part)
        if (sum === file.md5) return await rename(part, path)
        await rm(part)
        // What an earlier run left may come from another file; only a whole answer condemns the mirror.
        if (whole) throw new Refusal(`wrong checksum (expected MD5 ${file.md5}, got ${sum})`)
        failures++
        print(`${file.name}: wrong checksum after continuing, once more from the start`)
      } catch (error) {
        if (LOCAL.has(error.code) && error.syscall !== 'connect') {
          throw unwritable(part, error)
        }
        // A try that brought bytes is progress and starts the count anew.
        const progress = ((await sizeOf(part)) ?? 0) > before
        failures = error instanceof Refusal ? TRIES : progress ? 1 : failures + 1
        if (failures >= TRIES) reasons.push(`${error.code ?? error.message} from ${url.host}`)
        else await new Promise(done => setTimeout(done, pause))
      }
    }
  }
  throw new FetchError(
    `${file.name}: expected the published file from a mirror, got ${reasons.join('; ') || 'wrong checksums only'}`,
  )
}

const unwritable = (path, { code }) => new FetchError(`${path}: expected a file that can be written, got ${code}`)

/** Errors of the file system here, not of the network. */
const LOCAL = new Set(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EMFILE', 'EFBIG', 'EIO'])

/** Appends what is missing to `part`, or writes it anew. True where the answer was the whole file. */
async function receive(url, part, from, stall, progress, redirects = REDIRECTS) {
  const response = await request(url, from, stall)
  const { statusCode: status, headers } = response
  if (status >= 300 && status < 400 && headers.location) {
    response.destroy()
    if (redirects === 0) throw new Refusal(`more than ${REDIRECTS} redirections`)
    return receive(new URL(headers.location, url), part, from, stall, progress, redirects - 1)
  }
  if (status === 416 && from > 0) {
    // Nothing after `from`: the part is whole, or too long. The checksum tells.
    response.destroy()
    return false
  }
  if (status !== 200 && status !== 206) {
    response.destroy()
    const text = `${status} ${http.STATUS_CODES[status] ?? ''}`.trim()
    throw status >= 500 || status === 429 ? new Error(text) : new Refusal(text)
  }
  const start = status === 206 ? Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? NaN) : 0
  if (start !== 0 && start !== from) {
    response.destroy()
    throw new Refusal(`bytes from ${start} where those from ${from} were asked for`)
  }
  let done = start
  const size = headers['content-length'] === undefined ? undefined : start + Number(headers['content-length'])
  response.on('data', bytes => progress((done += bytes.length), size))
  await pipeline(response, createWriteStream(part, { flags: start > 0 ? 'a' : 'w' }))
  return start === 0
}

function request(url, from, stall) {
  const client = { 'http:': http, 'https:': https }[url.protocol]
  if (!client) throw new Refusal(`address ${url.href}, neither http nor https`)
  return new Promise((answer, fail) => {
    // Without identity, a server may pack the packed file once more.
    const headers = { 'accept-encoding': 'identity', 'user-agent': 'hebb-data', ...(from > 0 ? { range: `bytes=${from}-` } : {}) }
    const asked = client.get(url, { headers }, answer)
    asked.setTimeout(stall, () => asked.destroy(new Error(`no byte for ${stall / 1000} s`)))
    asked.on('error', fail)
  })
}

async function unpack({ name, unpack: members, memberBytes }, path, folder, print) {
  print(`${name}: unpacking`)
  const contents = readTar(gunzipSync(await readFile(path)), members)
  for (const member of members) {
    const bytes = contents.get(member)
    if (bytes?.length !== memberBytes) {
      throw new FetchError(
        `${name}: expected ${member} of ${memberBytes} bytes in it, got ${bytes ? `${bytes.length} bytes` : 'no such member'}`,
      )
    }
    const target = join(folder, `${member}.gz`)
    const part = `${target}.part`
    try {
      await writeFile(part, gzipSync(bytes))
      await rename(part, target)
    } catch (error) {
      await rm(part, { force: true }).catch(() => {})
      throw unwritable(part, error)
    }
  }
  await rm(path)
}

/** The wanted regular files of a tar archive (POSIX ustar) by their last name; paths in the archive are never used. */
export function readTar(bytes, wanted) {
  const found = new Map()
  for (let at = 0; at + 512 <= bytes.length;) {
    const header = bytes.subarray(at, at + 512)
    if (header.every(byte => byte === 0)) break
    const text = (from, length) => header.toString('latin1', from, from + length).replace(/\0.*$/s, '')
    const size = parseInt(text(124, 12), 8)
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
    if (sum !== parseInt(text(148, 8), 8) || !(at + 512 + size <= bytes.length)) {
      throw new FetchError(`tar archive: expected a member at byte ${at}, got damaged data`)
    }
    const name = basename(text(0, 100))
    const regular = header[156] === 48 || header[156] === 0
    if (regular && wanted.includes(name)) found.set(name, bytes.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return found
}

async function md5Of(path) {
  const hash = createHash('md5')
  for await (const bytes of createReadStream(path)) hash.update(bytes)
  return hash.digest('hex')
}

const sizeOf = path => stat(path).then(stats => stats.size, () => undefined)
const isFolder = path => stat(path).then(stats => stats.isDirectory(), () => false)

const HELP = `Fetches a published data set, checks it, and says where it is. An interrupted fetch continues where it ended.

npm run data -- SET [DIR] [--mirror URL]

  SET            mnist (12 MB), fashion (31 MB) or cifar10 (170 MB)
  DIR            the folder for its files; default data/SET (HEBB_DATA/SET where HEBB_DATA is set)
  --mirror URL   fetch from there instead of the public mirrors; the files' names are appended to URL
  --help         this text
`

const shown = word => (word === undefined ? 'none' : JSON.stringify(word))

function parseArguments(argv, env) {
  const words = []
  let mirror
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--help' || argv[i] === '-h') return undefined
    const [option, ...rest] = argv[i].split('=')
    if (option === '--mirror') {
      mirror = rest.length > 0 ? rest.join('=') : argv[++i]
      if (!/^https?:\/\/./.test(mirror ?? '') || !URL.canParse(mirror)) {
        throw new FetchError(
          `--mirror: expected an address that begins with http:// or https://, got ${shown(mirror)}`,
        )
      }
    } else if (argv[i].startsWith('-')) throw new FetchError(`${option}: unknown option; npm run data -- --help lists them`)
    else words.push(argv[i])
  }
  const [name, dir, ...more] = words
  const sets = Object.keys(SETS)
  if (!sets.includes(name)) {
    throw new FetchError(
      `data: expected a set, ${sets.join(', ')}, got ${shown(name)}; npm run data -- --help says more`,
    )
  }
  if (more.length > 0) throw new FetchError(`data: expected one set and one folder, got ${JSON.stringify(more[0])} too`)
  if (dir === '') throw new FetchError('data: expected a folder for the files, got ""; data/SET is what is taken where none is named')
  // npm runs scripts in the package's folder
  const from = folder => (env.npm_lifecycle_event === 'data' && env.INIT_CWD ? relative('', resolve(env.INIT_CWD, folder)) || '.' : folder)
  return { name, folder: dir !== undefined ? from(dir) : env.HEBB_DATA ? join(from(env.HEBB_DATA), name) : join('data', name), mirrors: mirror ? [mirror] : SETS[name].mirrors }
}

/** A bar that is redrawn in place on a terminal, at most ten times a second. */
function terminalBar(stream) {
  if (!stream.isTTY || process.env.TERM === 'dumb') return { bar: undefined, clear: () => {} }
  let drawnAt = 0
  const mega = bytes => (bytes / 1e6).toFixed(1)
  const bar = (name, done, size) => {
    if (Date.now() - drawnAt < 100 && done !== size) return
    drawnAt = Date.now()
    const full = size ? Math.round((done / size) * 24) : 0
    const text = size ? `${'━'.repeat(full)}${'─'.repeat(24 - full)} ${mega(done)} of ${mega(size)} MB` : `${mega(done)} MB`
    stream.write(`\r${`${name} ${text}`.slice(0, (stream.columns || 80) - 1)}\x1b[K`)
  }
  return { bar, clear: () => stream.write('\r\x1b[K') }
}

/** What to do next, in a line */
export function nextStep(name, folder) {
  const [above, start] = [dirname(folder), `npm start -- --dataset ${name}`]
  if (basename(resolve(folder)) !== name) return `${start} --data DIR   reads it once it is in DIR/${name}`
  if (resolve(above) === resolve('data')) return start
  return `${start} --data ${/[^\w./:\\-]/.test(above) ? JSON.stringify(above) : above}`
}

async function main() {
  const wanted = parseArguments(process.argv.slice(2), process.env)
  if (!wanted) return void process.stdout.write(HELP)
  const { name, folder, mirrors } = wanted
  const { bar, clear } = terminalBar(process.stdout)
  const print = text => {
    clear()
    console.log(text)
  }
  print(`${name} goes to ${resolve(folder)}`)
  try {
    await fetchSet({ files: SETS[name].files, mirrors, folder, print, bar })
  } finally {
    clear()
  }
  print(nextStep(name, folder))
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  guardOutput()
  main().catch(error => {
    console.error(error instanceof FetchError ? error.message : error)
    process.exitCode = 1
  })
}
