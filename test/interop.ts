// Files that others read: a second reader, written from the format's description alone, sees the same numbers; where python3 has torch,
// PyTorch loads a state dict written here, computes the same, and writes it back with difference 0.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BatchNorm2d, Conv2d, Flatten, Generator, Linear, manualSeed, noGrad, ReLU, Sequential, tensor, type Module } from 'hebb'
import { writeSafetensors } from 'hebb/io'
import { readStateDict, writeStateDict } from 'hebb/train'

const net = (): Sequential => new Sequential(new Conv2d(1, 3, 3), new BatchNorm2d(3), new ReLU(), new Flatten(), new Linear(48, 4))
function trained(): Module {
  manualSeed(11)
  const model = net()
  // statistics and counters that are not those of a new layer
  for (let i = 0; i < 3; i++) noGrad(() => model.forward(images(i)))
  return model.eval()
}
function images(seed: number) {
  const generator = new Generator(seed)
  return tensor(Float32Array.from({ length: 2 * 36 }, () => generator.uniform() * 2 - 1), [2, 1, 6, 6])
}

/** Names, types, shapes and numbers; nothing is shared with the reader of hebb/io. */
function secondReader(file: Uint8Array): Record<string, { dtype: string; shape: number[]; values: number[] }> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const length = Number(view.getBigUint64(0, true))
  const header = JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString('utf8')) as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  delete header.__metadata__
  return Object.fromEntries(Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
    const read: Record<string, [number, (at: number) => number]> = {
      F32: [4, at => view.getFloat32(at, true)],
      I32: [4, at => view.getInt32(at, true)],
      U8: [1, at => view.getUint8(at)],
      BF16: [2, at => Buffer.from([0, 0, file[at]!, file[at + 1]!]).readFloatLE(0)],
    }
    const [width, value] = read[dtype]!
    return [name, { dtype, shape, values: Array.from({ length: (to - from) / width }, (_, i) => value(8 + length + from + i * width)) }]
  }))
}

test('a second reader sees PyTorch\'s keys and the same numbers', () => {
  const model = trained()
  const found = secondReader(writeStateDict(model, { format: 'pt' }))
  assert.equal(Object.keys(found), [
    '0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked', '4.weight', '4.bias',
  ])
  for (const [name, t] of Object.entries(model.stateDict())) {
    assert.equal(found[name], { dtype: t.dtype === 'int32' ? 'I32' : 'F32', shape: [...t.shape], values: [...t.values()] })
  }
  const half = secondReader(writeStateDict(model, {}, { dtype: 'bf16' }))
  assert.is(half['0.weight']!.dtype, 'BF16')
  const [a, b] = [half['0.weight']!.values, model.stateDict()['0.weight']!.values()]
  a.forEach((x, i) => assert.ok(Math.abs(x - b[i]!) <= Math.abs(b[i]!) / 256))
})

// ---- PyTorch ------------------------------------------------------------------------------------------------------------------------

/** A python3 that has torch, Debian's first */
const python = ['/usr/bin/python3', 'python3'].find(command => spawnSync(command, ['-c', 'import torch'], { timeout: 60000 }).status === 0)

const PROGRAM = `
import json, struct, sys, torch
from torch import nn

TYPES = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16, 'I32': torch.int32, 'U8': torch.uint8}

def load(path):
    data = bytearray(open(path, 'rb').read())
    size = struct.unpack('<Q', data[:8])[0]
    tensors = {}
    for name, t in json.loads(data[8:8 + size]).items():
        if name == '__metadata__':
            continue
        begin, end = (8 + size + offset for offset in t['data_offsets'])
        tensors[name] = torch.frombuffer(data[begin:end], dtype=TYPES[t['dtype']]).reshape(t['shape'])
    return tensors

def save(path, tensors):
    names = {dtype: name for name, dtype in TYPES.items()}
    header, body = {}, b''
    for name, t in tensors.items():
        raw = bytes(t.detach().contiguous().reshape(-1).view(torch.uint8).tolist())
        header[name] = {'dtype': names[t.dtype], 'shape': list(t.shape), 'data_offsets': [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + body)

folder = sys.argv[1]
model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)).eval()
print(model.load_state_dict(load(folder + '/model.safetensors')))
state = model.state_dict()
state['1.num_batches_tracked'] = state['1.num_batches_tracked'].int()
save(folder + '/back.safetensors', state)
case = load(folder + '/case.safetensors')
print(json.dumps(model(case['x']).tolist()))
# rounding to 16 bits, bit for bit
numbers = load(folder + '/numbers.safetensors')['w']
for dtype in (torch.float16, torch.bfloat16):
    ours = load(folder + '/' + str(dtype)[6:] + '.safetensors')['w']
    theirs = numbers.to(dtype)
    same = (ours.view(torch.int16) == theirs.view(torch.int16)) | (ours.isnan() & theirs.isnan())
    print(int((~same).sum()))
print(torch.__version__)
`

test(python ? 'PyTorch loads it, computes the same and gives it back with difference 0' : 'no python3 with torch here: the second reader has to do', () => {
  if (!python) return
  const folder = mkdtempSync(join(tmpdir(), 'hebb-interop-'))
  try {
    const model = trained()
    const bytes = writeStateDict(model, { format: 'pt' })
    const x = images(9)
    const put = (name: string, content: Uint8Array) => writeFileSync(join(folder, `${name}.safetensors`), content)
    put('model', bytes)
    put('case', writeSafetensors({ x: { shape: [...x.shape], dtype: 'F32', data: Float32Array.from(x.values()) } }))
    // random bit patterns: every exponent, both signs, subnormal numbers, infinities and NaN
    const generator = new Generator(5)
    const numbers = new Float32Array(Uint32Array.from({ length: 100000 }, () => Math.floor(generator.uniform() * 65536) * 65536 + Math.floor(generator.uniform() * 65536)).buffer)
    const w = { w: { shape: [numbers.length], dtype: 'F32' as const, data: numbers } }
    put('numbers', writeSafetensors(w))
    put('float16', writeSafetensors(w, {}, { dtype: 'f16' }))
    put('bfloat16', writeSafetensors(w, {}, { dtype: 'bf16' }))
    const { stdout, stderr, status } = spawnSync(python, ['-c', PROGRAM, folder], { encoding: 'utf8', timeout: 120000 })
    assert.is(status, 0, stderr)
    const [loaded, outputs, halves, bfloats] = stdout.trim().split('\n')
    assert.is(loaded, '<All keys matched successfully>')
    const here = model.forward(x).array() as number[][]
    const there = JSON.parse(outputs!) as number[][]
    here.forEach((row, i) => row.forEach((y, j) => assert.ok(Math.abs(y - there[i]![j]!) < 1e-5, `${y} ${there[i]![j]}`)))
    assert.equal([halves, bfloats], ['0', '0'], 'numbers rounded otherwise than PyTorch')
    const back = readStateDict(readFileSync(join(folder, 'back.safetensors')))
    const other = net().loadStateDict(back)
    assert.equal(writeStateDict(other, { format: 'pt' }), bytes)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
