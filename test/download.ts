// npm run data, against a server on this machine: resuming, checksums, mirrors, errors. No traffic leaves it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'

interface FileSpec {
  name: string
  md5: string
  unpack?: string[]
  memberBytes?: number
}
interface Fetch {
  files: FileSpec[]
  mirrors: string[]
  folder: string
  print?: (text: string) => void
  bar?: (name: string, done: number, size?: number) => void
  stall?: number
  pause?: number
}

const SCRIPT = resolve('scripts/data.js')
const { fetchSet, nextStep, SETS } = (await import(pathToFileURL(SCRIPT).href)) as {
  fetchSet(options: Fetch): Promise<void>
  nextStep(name: string, folder: string): string
  SETS: Record<string, { mirrors: string[], files: FileSpec[] }>
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')
const content = Uint8Array.from({ length: 300000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 13)
const file: FileSpec = { name: 'a.gz', md5: md5(content) }

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const ranged: Answer = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from >= content.length) return void response.writeHead(416).end()
  const range = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { ...range, 'content-length': content.length - from })
  response.end(content.subarray(from))
}
const whole: Answer = (_, response) => void response.end(content)
const status = (code: number): Answer => (_, response) => void response.writeHead(code).end()

/** Runs `work` with a server that gives the answers in turn (the last one from then on), its requests, and a fresh folder. */
async function served(
  answers: Answer[], work: (url: string, folder: string, requests: IncomingMessage[]) => Promise<void>,
): Promise<void> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answers[Math.min(requests.length, answers.length) - 1]!(request, response)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const folder = mkdtempSync(join(tmpdir(), 'hebb-download-'))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/sets`, folder, requests)
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  }
}

async function refused(options: Fetch, message: RegExp): Promise<void> {
  let error: unknown
  try {
    await fetchSet({ pause: 1, ...options })
  } catch (caught) {
    error = caught
  }
  assert.is((error as Error | undefined)?.name, 'FetchError', String((error as Error | undefined)?.stack))
  assert.match((error as Error).message, message)
  assert.not.match((error as Error).message, /\n/)
}

test('a file is fetched, verified, named; a second run fetches nothing', () => served([ranged], async (url, folder, requests) => {
  const lines: string[] = []
  let last: unknown[] = []
  const options: Fetch = {
    files: [file], mirrors: [url], folder: join(folder, 'new', 'set'),
    print: text => lines.push(text), bar: (...seen) => (last = seen),
  }
  await fetchSet(options)
  await fetchSet(options)
  assert.equal(new Uint8Array(readFileSync(join(folder, 'new', 'set', 'a.gz'))), content)
  assert.equal(readdirSync(join(folder, 'new', 'set')), ['a.gz'])
  assert.equal([requests.length, requests[0]!.url, requests[0]!.headers['accept-encoding']], [1, '/sets/a.gz', 'identity'])
  assert.equal(lines, ['a.gz: fetched and verified', 'a.gz: already there'])
  assert.equal(last, ['a.gz', content.length, content.length])
}))

test('an interrupted fetch continues', () => served([ranged], async (url, folder, requests) => {
  writeFileSync(join(folder, 'a.gz.part'), content.subarray(0, 123456))
  await fetchSet({ files: [file], mirrors: [url], folder })
  assert.equal(requests.map(r => r.headers.range), ['bytes=123456-'])
  assert.equal([readdirSync(folder), md5(readFileSync(join(folder, 'a.gz')))], [['a.gz'], file.md5])
}))

test('a connection that breaks is taken up again in the same run', () => {
  const broken: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, 100000), () => setTimeout(() => response.destroy(), 20))
  }
  return served([broken, status(503), ranged], async (url, folder, requests) => {
    await fetchSet({ files: [file], mirrors: [url], folder, pause: 1 })
    assert.equal(requests.map(r => r.headers.range), [undefined, 'bytes=100000-', 'bytes=100000-'])
    assert.is(md5(readFileSync(join(folder, 'a.gz'))), file.md5)
  })
})

test('a server without ranges starts anew', () => served([whole], async (url, folder, requests) => {
  writeFileSync(join(folder, 'a.gz.part'), content.subarray(0, 1000))
  await fetchSet({ files: [file], mirrors: [url], folder })
  assert.is(requests.length, 1)
  assert.is(md5(readFileSync(join(folder, 'a.gz'))), file.md5)
}))

test('a part of another file, or one too long, is fetched anew', async () => {
  for (const part of [new Uint8Array(5000), new Uint8Array(content.length + 1), new Uint8Array(content.length)]) {
    await served([ranged], async (url, folder, requests) => {
      writeFileSync(join(folder, 'a.gz.part'), part)
      await fetchSet({ files: [file], mirrors: [url], folder, pause: 1 })
      assert.equal([requests.length, md5(readFileSync(join(folder, 'a.gz')))], [2, file.md5])
    })
  }
})

test('a part that was whole needs no byte', () => served([ranged], async (url, folder) => {
  writeFileSync(join(folder, 'a.gz.part'), content)
  await fetchSet({ files: [file], mirrors: [url], folder })
  assert.equal(readdirSync(folder), ['a.gz'])
}))

const other: Answer = (_, response) => void response.end('other')

test('a wrong checksum leaves nothing behind', () => served([other], async (url, folder, requests) => {
  await refused(
    { files: [file], mirrors: [url], folder },
    /^a\.gz: expected the published file from a mirror, got wrong checksum \(expected MD5 \w{32}, got 795f\w{28}\) from [\d.:]+$/,
  )
  assert.equal([requests.length, readdirSync(folder)], [1, []])
}))

test('mirrors are tried in order', () => served([status(404), whole], async (url, folder, requests) => {
  await fetchSet({ files: [file], mirrors: [`${url}/one/`, `${url}/two`], folder })
  assert.equal(requests.map(r => r.url), ['/sets/one/a.gz', '/sets/two/a.gz'])
}))

test('404, errors of the server, no server, silence', async () => {
  await served([status(404)], async (url, folder, requests) => {
    await refused({ files: [file], mirrors: [url], folder }, /^a\.gz: expected .*, got 404 Not Found from 127\.0\.0\.1:\d+$/)
    assert.is(requests.length, 1)
  })
  await served([status(500)], async (url, folder, requests) => {
    await refused({ files: [file], mirrors: [url], folder }, /got 500 Internal Server Error from/)
    assert.is(requests.length, 3)
  })
  await served(
    [() => {}], (url, folder) => refused({ files: [file], mirrors: [url], folder, stall: 30 }, /got no byte for 0\.03 s from/),
  )
  await served([whole], async (url, folder) => {
    await refused({ files: [file], mirrors: ['http://127.0.0.1:1/'], folder }, /got ECONNREFUSED from 127\.0\.0\.1:1$/)
    writeFileSync(join(folder, 'occupied'), '')
    await refused(
      { files: [file], mirrors: [url], folder: join(folder, 'occupied') },
      /occupied: expected a folder or a place to make one, got EEXIST$/,
    )
    if (existsSync('/proc/self')) await refused({ files: [file], mirrors: [url], folder: '/proc/x/y' }, /^\/proc\/x\/y: expected a folder or a place to make one, got E\w+$/)
  })
})

test('redirections are followed, but not for ever', async () => {
  const moved: Answer = (_, response) => void response.writeHead(302, { location: '/elsewhere/a.gz' }).end()
  await served([moved, whole], async (url, folder, requests) => {
    await fetchSet({ files: [file], mirrors: [url], folder })
    assert.is(requests[1]!.url, '/elsewhere/a.gz')
  })
  await served([moved], (url, folder) => refused({ files: [file], mirrors: [url], folder }, /got more than 5 redirections from/))
  await served([(_, response) => void response.writeHead(302, { location: 'file:///etc/hosts' }).end()], (url, folder) =>
    refused({ files: [file], mirrors: [url], folder }, /neither http nor https/))
})

test("the user's own file of that name stays", () => served([whole], async (url, folder, requests) => {
  writeFileSync(join(folder, 'a.gz'), 'mine')
  await refused({ files: [file], mirrors: [url], folder }, /a\.gz: expected MD5 [0-9a-f]{32}, got [0-9a-f]{32}; move it away/)
  assert.equal([requests.length, readFileSync(join(folder, 'a.gz'), 'utf8')], [0, 'mine'])
}))

test('a folder where a file should be is named', () => served([whole], async (url, folder) => {
  mkdirSync(join(folder, 'a.gz'))
  await refused({ files: [file], mirrors: [url], folder }, /a\.gz: expected a file that can be read, got EISDIR; move it away/)
  rmSync(join(folder, 'a.gz'), { recursive: true })
  mkdirSync(join(folder, 'a.gz.part'))
  await refused({ files: [file], mirrors: [url], folder }, /a\.gz\.part: expected a file that can be written, got EISDIR$/)
}))

/** A tar archive of regular files. */
function tar(members: Record<string, Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [name, bytes] of Object.entries(members)) {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(bytes.length.toString(8).padStart(11, '0'), 124)
    header.write('        0', 148)
    const sum = header.reduce((a, b) => a + b, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0`, 148)
    parts.push(header, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512))
  }
  return Buffer.concat([...parts, new Uint8Array(1024)])
}

test('members of an archive are unpacked and packed one by one', async () => {
  const member = (x: number) => new Uint8Array(700).fill(x)
  const archive = gzipSync(tar({ 'cifar/readme.html': member(1), 'cifar/one.bin': member(2), '../two.bin': member(3) }))
  const spec: FileSpec = { name: 'set.tar.gz', md5: md5(archive), unpack: ['one.bin', 'two.bin'], memberBytes: 700 }
  await served([(_, response) => void response.end(archive)], async (url, folder, requests) => {
    await fetchSet({ files: [spec], mirrors: [url], folder })
    await fetchSet({ files: [spec], mirrors: [url], folder })
    assert.equal([requests.length, readdirSync(folder).sort()], [1, ['one.bin.gz', 'two.bin.gz']])
    assert.equal(new Uint8Array(gunzipSync(readFileSync(join(folder, 'two.bin.gz')))), member(3))
    assert.not.ok(existsSync(join(folder, '..', 'two.bin')))
    writeFileSync(join(folder, 'one.bin.gz'), gzipSync(member(2).subarray(1)))
    await refused(
      { files: [spec], mirrors: [url], folder }, /one\.bin\.gz: expected 700 bytes when unpacked, got 699; move it away/,
    )
  })
  await served([(_, response) => void response.end(archive)], (url, folder) =>
    refused(
      { files: [{ ...spec, unpack: ['three.bin'] }], mirrors: [url], folder },
      /set\.tar\.gz: expected three\.bin of 700 bytes in it, got no such member/,
    ))
})

test('an archive that can\'t be unpacked stays, and isn\'t fetched again', async () => {
  const archive = gzipSync(tar({ 'one.bin': new Uint8Array(700), 'two.bin': new Uint8Array(700) }))
  const spec: FileSpec = { name: 'set.tar.gz', md5: md5(archive), unpack: ['one.bin', 'two.bin'], memberBytes: 700 }
  await served([(_, response) => void response.end(archive)], async (url, folder, requests) => {
    const options = { files: [spec], mirrors: [url], folder }
    mkdirSync(join(folder, 'two.bin.gz.part'))
    await refused(options, /two\.bin\.gz\.part: expected a file that can be written, got EISDIR$/)
    assert.equal(readdirSync(folder).sort(), ['one.bin.gz', 'set.tar.gz', 'two.bin.gz.part'])
    rmSync(join(folder, 'two.bin.gz.part'), { recursive: true })
    await fetchSet(options)
    assert.equal([requests.length, readdirSync(folder).sort()], [1, ['one.bin.gz', 'two.bin.gz']])
  })
})

/** The command itself, with nothing but the given mirror in reach. */
function command(args: string[], cwd: string): Promise<{ code: number | null, out: string, err: string }> {
  return new Promise(done => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { cwd, env: { ...process.env, HEBB_DATA: '' } })
    let out = ''
    let err = ''
    child.stdout.on('data', text => (out += String(text)))
    child.stderr.on('data', text => (err += String(text)))
    child.on('close', code => done({ code, out, err }))
  })
}

test('the command: help, the folder, one-line errors, exit code 1', () => served([status(404)], async (url, folder, requests) => {
  const help = await command(['--help'], folder)
  assert.equal([help.code, help.err], [0, ''])
  for (const word of ['mnist', 'fashion', 'cifar10', '--mirror', 'DIR']) assert.match(help.out, word)
  const failed = await command(['mnist', '--mirror', url], folder)
  assert.is(failed.code, 1)
  assert.match(failed.out, `mnist goes to ${join(folder, 'data', 'mnist')}`)
  assert.match(
    failed.err, /^train-images-idx3-ubyte\.gz: expected the published file from a mirror, got 404 Not Found from [^\n]+\n$/,
  )
  assert.is(requests.length, 1)
  const wrong: [string[], RegExp][] = [
    [[], /^data: expected a set, mnist, fashion, cifar10, got none; [^\n]+\n$/],
    [['imagenet'], /^data: expected a set, [^\n]*, got "imagenet"; [^\n]+\n$/],
    [['mnist', 'a', 'b'], /^data: expected one set and one folder, got "b" too\n$/],
    [['mnist', ''], /^data: expected a folder for the files, got ""; [^\n]+\n$/],
    [['mnist', '--mirror'], /^--mirror: expected an address [^\n]*, got none\n$/],
    [['mnist', '--mirror=ftp://x/'], /^--mirror: expected an address [^\n]*, got "ftp:\/\/x\/"\n$/],
    [['mnist', '--force'], /^--force: unknown option; [^\n]+\n$/],
  ]
  const results = await Promise.all(wrong.map(([args]) => command(args, folder)))
  results.forEach(({ code, err }, i) => {
    assert.is(code, 1)
    assert.match(err, wrong[i]![1])
  })
}))

test('what to do next is a command that can be pasted', () => {
  const start = 'npm start -- --dataset mnist'
  assert.equal(nextStep('mnist', join('data', 'mnist')), start)
  assert.equal(nextStep('mnist', '/sets/mnist'), `${start} --data /sets`)
  assert.equal(nextStep('mnist', '/my sets/mnist/'), `${start} --data "/my sets"`)
  assert.match(nextStep('mnist', '/sets/digits'), /--data DIR   reads it once it is in DIR\/mnist$/)
})

test('the published sets name well-formed sums and addresses', () => {
  assert.equal(Object.keys(SETS), ['mnist', 'fashion', 'cifar10'])
  for (const { mirrors, files } of Object.values(SETS)) {
    for (const { md5 } of files) assert.match(md5, /^[0-9a-f]{32}$/)
    for (const mirror of mirrors) assert.match(new URL(mirror).protocol, /^https?:$/)
  }
})

test.run()
