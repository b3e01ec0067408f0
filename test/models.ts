// The networks of the papers: parameters, multiply-adds and receptive fields to the last digit, torchvision's keys, initial weights, and a
// step of training through each.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { info, manualSeed, Module, onMeta, randn, scope, summary, tensor, type Shape, type Tensor } from 'hebb'
import {
  AlexNet, AlexNet2012, BasicBlock, CifarResNet, DQN, GoogLeNet, LeNet1998, LeNet5, ResNet, ResNet101, ResNet110, ResNet152, ResNet18, ResNet20, ResNet32, ResNet34,
  ResNet44, ResNet50, ResNet56, VGG, VGG16, VGG19,
} from 'hebb/models'

const IMAGE: Shape = [1, 3, 224, 224]

/** Parameters; million multiply-adds, rounded as they are usually given; a layer and its receptive field */
const PAPERS: [string, () => Module, Shape, number, (number | null)?, string?, number?][] = [
  ['LeNet-5', () => new LeNet5(), [1, 1, 28, 28], 61706, null, 'fc1', 32],
  ['LeNet-5 of 1998', () => new LeNet1998(), [1, 1, 28, 28], 60000, null, 'c5', 32],
  ['LeNet-5 of 1998 on 32×32', () => new LeNet1998({ size: 32 }), [1, 1, 32, 32], 60000, null, 'c5', 32],
  ['AlexNet', () => new AlexNet(), IMAGE, 61100840, 714.2, 'features.12', 195],
  ['AlexNet of 2012', () => new AlexNet2012(), IMAGE, 60965224, 724.4, 'features.14', 195],
  ['VGG-16', () => new VGG16(), IMAGE, 138357544, 15470, 'features.30', 212],
  ['VGG-16 with batch normalisation', () => new VGG16({ batchNorm: true }), IMAGE, 138365992, 15470, 'features.43', 212],
  ['VGG-19', () => new VGG19(), IMAGE, 143667240, 19632, 'features.36', 268],
  ['GoogLeNet', () => new GoogLeNet(), IMAGE, 6624904, 1498, 'inception5b', 379],
  ['GoogLeNet with heads', () => new GoogLeNet({ auxLogits: true }), IMAGE, 13004888, 1498, 'inception5b', 379],
  ['GoogLeNet as published', () => new GoogLeNet({ paper: true }), IMAGE, 6998552, 1583, 'inception5b', 715],
  ['ResNet-18', () => new ResNet18(), IMAGE, 11689512, 1814, 'layer4', 435],
  ['ResNet-34', () => new ResNet34(), IMAGE, 21797672, 3664, 'layer4', 899],
  ['ResNet-50', () => new ResNet50(), IMAGE, 25557032, 4089, 'layer4', 427],
  ['ResNet-101', () => new ResNet101(), IMAGE, 44549160, 7801, 'layer4', 971],
  ['ResNet-152', () => new ResNet152(), IMAGE, 60192808, 11514, 'layer4', 1451],
  ['ResNet-20 A', () => new ResNet20(), [1, 3, 32, 32], 269722],
  ['ResNet-20 B', () => new ResNet20({ shortcut: 'B' }), [1, 3, 32, 32], 272474],
  ['ResNet-32', () => new ResNet32(), [1, 3, 32, 32], 464154],
  ['ResNet-44', () => new ResNet44(), [1, 3, 32, 32], 658586],
  ['ResNet-56', () => new ResNet56(), [1, 3, 32, 32], 853018],
  ['ResNet-110', () => new ResNet110(), [1, 3, 32, 32], 1727962],
  ['DQN', () => new DQN(), [1, 4, 84, 84], 1693362, null, 'conv3', 36],
]

test('parameters, multiply-adds and receptive fields are those of the papers', () => {
  for (const [name, make, shape, parameters, mmac, path, field] of PAPERS) {
    const s = summary(make, shape)
    assert.is(s.parameters, parameters, name)
    assert.is(onMeta(make).parameters().reduce((n, p) => n + p.size, 0), parameters, name)
    // given with as many digits
    if (mmac) assert.is(Number((s.macs / 1e6).toFixed(Number.isInteger(mmac) ? 0 : 1)), mmac, name)
    if (path) assert.equal(s.at(path).receptiveField!.size, [field, field], `${name} ${path}`)
    assert.equal(s.outputShape, [1, shape[1] === 3 && shape[2] === 224 ? 1000 : name === 'DQN' ? 18 : 10], name)
  }
})

const norm = (name: string) => ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map(key => `${name}.${key}`)
const both = (name: string) => [`${name}.weight`, `${name}.bias`]
const keys = (make: () => Module) => Object.keys(onMeta(() => make().stateDict()))

test('keys are those of torchvision', () => {
  assert.equal(keys(() => new AlexNet()), [...[0, 3, 6, 8, 10].flatMap(i => both(`features.${i}`)), ...[1, 4, 6].flatMap(i => both(`classifier.${i}`))])
  const head = [0, 3, 6].flatMap(i => both(`classifier.${i}`))
  assert.equal(keys(() => new VGG16()), [...[0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28].flatMap(i => both(`features.${i}`)), ...head])
  assert.equal(keys(() => new VGG19()), [...[0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34].flatMap(i => both(`features.${i}`)), ...head])
  assert.equal(keys(() => new VGG(11, { batchNorm: true })).slice(0, 9), [...both('features.0'), ...norm('features.1'), ...both('features.4')])
  const resnet = (counts: number[], convs: number, widened: boolean) => [
    'conv1.weight', ...norm('bn1'),
    ...counts.flatMap((count, stage) => Array.from({ length: count }, (_, block) => {
      const at = `layer${stage + 1}.${block}`
      const changes = block === 0 && (stage > 0 || widened)
      return [
        ...Array.from({ length: convs }, (_, i) => [`${at}.conv${i + 1}.weight`, ...norm(`${at}.bn${i + 1}`)]).flat(),
        ...(changes ? [`${at}.downsample.0.weight`, ...norm(`${at}.downsample.1`)] : []),
      ]
    }).flat()),
    ...both('fc'),
  ]
  assert.equal(keys(() => new ResNet18()), resnet([2, 2, 2, 2], 2, false))
  assert.equal(keys(() => new ResNet34()), resnet([3, 4, 6, 3], 2, false))
  assert.equal(keys(() => new ResNet50()), resnet([3, 4, 6, 3], 3, true))
  assert.equal(keys(() => new ResNet101()), resnet([3, 4, 23, 3], 3, true))
  assert.equal(keys(() => new ResNet152()), resnet([3, 8, 36, 3], 3, true))
  const unit = (name: string) => [`${name}.conv.weight`, ...norm(`${name}.bn`)]
  const aux = (name: string) => [...unit(`${name}.conv`), ...both(`${name}.fc1`), ...both(`${name}.fc2`)]
  const inner = ['3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b'].flatMap(i =>
    ['branch1', 'branch2.0', 'branch2.1', 'branch3.0', 'branch3.1', 'branch4.1'].flatMap(branch => unit(`inception${i}.${branch}`)))
  const stem = ['conv1', 'conv2', 'conv3'].flatMap(unit)
  assert.equal(keys(() => new GoogLeNet({ auxLogits: true })), [...stem, ...inner, ...aux('aux1'), ...aux('aux2'), ...both('fc')])
  assert.equal(keys(() => new GoogLeNet()), [...stem, ...inner, ...both('fc')])
  assert.equal(keys(() => new DQN()), ['conv1', 'conv2', 'conv3', 'fc1', 'fc2'].flatMap(both))
})

test('the connections of C3, and the codes of the outputs', () => {
  const { table } = new LeNet1998().c3
  assert.equal(table.map(row => row.length), [...new Array(6).fill(3), ...new Array(9).fill(4), 6])
  assert.is(new Set(table.map(String)).size, 16, 'no two maps see the same')
  assert.equal([0, 1, 2, 3, 4, 5].map(c => table.filter(row => row.includes(c)).length), new Array(6).fill(10), 'each channel is seen by ten maps')
  const model = new LeNet1998()
  assert.equal(model.namedBuffers().map(([name, t]) => [name, t.shape]), [['codes', [10, 84]]])
  const codes = model.codes.array() as number[][]
  for (const a of codes) for (const b of codes) assert.is(a.reduce((n, v, i) => n + v * b[i]!, 0) === 84, a === b, 'codes differ')
  // a map depends on its channels only
  const x = randn([1, 6, 14, 14])
  const plain = model.c3.forward(x).array() as number[][][][]
  const values = x.values()
  values.fill(0, 0, 14 * 14)
  const without = model.c3.forward(tensor(values, [1, 6, 14, 14])).array() as number[][][][]
  table.forEach((row, map) => assert.is(JSON.stringify(plain[0]![map]) !== JSON.stringify(without[0]![map]), row.includes(0), `map ${map}`))
})

function moments(t: Tensor): { mean: number; std: number } {
  return scope(() => ({ mean: t.mean().item(), std: t.std().item() }))
}
const near = (actual: number, expected: number, limit: number) => assert.ok(Math.abs(actual - expected) <= limit, `${actual}, expected ${expected}`)

test('initial weights are those of torchvision', () => {
  manualSeed(3)
  scope(() => {
    const resnet = new ResNet18({ classes: 10 })
    near(moments(resnet.stateDict()['layer3.1.conv1.weight']!).std, Math.sqrt(2 / (256 * 9)), 2e-4)
    near(moments(resnet.fc.weight).std, 1 / Math.sqrt(3 * 512), 1e-3)
    assert.equal(new ResNet(BasicBlock, [1, 1, 1, 1], { zeroInitResidual: true }).stateDict()['layer2.0.bn2.weight']!.sum().item(), 0)
  })
  scope(() => {
    const state = new VGG(11, { classes: 10, hidden: 32 }).stateDict()
    near(moments(state['features.11.weight']!).std, Math.sqrt(2 / (512 * 9)), 1e-4)
    near(moments(state['classifier.0.weight']!).std, 0.01, 1e-4)
    assert.is(state['features.11.bias']!.square().sum().item() + state['classifier.6.bias']!.square().sum().item(), 0)
  })
  scope(() => {
    const state = new GoogLeNet({ classes: 10 }).stateDict()
    near(moments(state['inception5b.branch2.1.conv.weight']!).std, 0.01, 1e-4)
    near(moments(state['fc.weight']!).std, 0.01, 3e-4)
  })
  scope(() => {
    const state = new AlexNet2012({ classes: 10, hidden: 16 }).stateDict()
    near(moments(state['features.4.weight']!).std, 0.01, 1e-4)
    assert.equal(['features.0', 'features.4', 'features.8', 'features.10', 'features.12', 'classifier.1', 'classifier.4', 'classifier.6'].map(n => moments(state[`${n}.bias`]!).mean), [0, 1, 0, 1, 1, 1, 1, 0])
  })
})

/** A forward and backward pass: a finite loss, and a finite gradient for every parameter that is not 0 throughout. */
function step(name: string, make: () => Module, shape: Shape, loss = (model: any, x: Tensor, target: Tensor): Tensor => model.forward(x).crossEntropy(target)): void {
  manualSeed(1)
  scope(() => {
    const model = make()
    const value = loss(model, randn(shape), tensor(Array.from({ length: shape[0]! }, (_, i) => i), { dtype: 'int32' }))
    assert.ok(Number.isFinite(value.item()), `${name}: loss ${value.item()}`)
    value.backward()
    for (const [path, p] of model.namedParameters()) {
      assert.ok(p.grad, `${name}: ${path} has no gradient`)
      const sum = scope(() => p.grad!.square().sum().item())
      assert.ok(Number.isFinite(sum) && sum > 0, `${name}: ${path} has gradients of square sum ${sum}`)
    }
  })
}

test('a step of training through each network', () => {
  const before = info().memory.buffers
  step('LeNet5', () => new LeNet5(), [2, 1, 28, 28])
  step('LeNet1998', () => new LeNet1998(), [2, 1, 28, 28])
  step('AlexNet', () => new AlexNet({ classes: 10, hidden: 64 }), [2, 3, 67, 67])
  step('AlexNet2012', () => new AlexNet2012({ classes: 10, hidden: 64 }), [1, 3, 224, 224])
  step('VGG16', () => new VGG16({ classes: 10, hidden: 64 }), [2, 3, 32, 32])
  step('VGG11 with batch normalisation', () => new VGG(11, { classes: 10, hidden: 64, batchNorm: true }), [2, 3, 32, 32])
  step('GoogLeNet', () => new GoogLeNet({ classes: 10, auxLogits: true }), [2, 3, 64, 64], (model: GoogLeNet, x, target) => {
    const { logits, aux1, aux2 } = model.allLogits(x)
    return logits.crossEntropy(target).add(aux1.crossEntropy(target).add(aux2.crossEntropy(target)).mul(0.3))
  })
  step('GoogLeNet, paper', () => new GoogLeNet({ classes: 10, paper: true }), [2, 3, 64, 64])
  step('ResNet18', () => new ResNet18({ classes: 10 }), [2, 3, 64, 64])
  step('ResNet50', () => new ResNet50({ classes: 10 }), [2, 3, 64, 64])
  step('ResNet20 A', () => new ResNet20(), [2, 3, 32, 32])
  step('ResNet20 B', () => new ResNet20({ shortcut: 'B' }), [2, 3, 32, 32])
  step('DQN', () => new DQN(), [2, 4, 84, 84])
  assert.is(info().memory.buffers, before)
})

test('what a network does not take is refused', () => {
  const refuses = (f: () => unknown, pattern: RegExp) => assert.throws(() => onMeta(f), pattern)
  refuses(() => new CifarResNet(18), /^CifarResNet: a depth of 6n \+ 2 \(20, 32, 44, 56, 110\) expected, got 18$/)
  refuses(() => new CifarResNet(20, { shortcut: 'C' as 'A' }), /^CifarResNet: shortcut A or B expected, got C$/)
  refuses(() => new VGG(18 as 16), /^VGG: a depth of 11, 13, 16, 19 expected, got 18$/)
  refuses(() => new LeNet1998({ size: 30 }), /^LeNet1998: images of 28 × 28 or 32 × 32 expected, got 30 × 30$/)
  refuses(() => new GoogLeNet().allLogits(randn([2, 3, 64, 64])), /^GoogLeNet: allLogits\(\) needs the heads of new GoogLeNet\(\{ auxLogits: true \}\)$/)
})

test.run()
