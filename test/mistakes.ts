// Forty mistakes that students make, in the order in which a training is written, each with the exact text that answers it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  Adam, ArrayDataset, BatchNorm1d, BatchNorm2d, Conv2d, DataLoader, debug, Dropout, Embedding, info, LayerNorm, Linear, LSTM, manualSeed, MaxPool2d, noGrad,
  onBackend, parameter, ReLU, scope, Sequential, SGD, steps, tensor, zeros, type Tensor,
} from 'hebb'
import { fit } from 'hebb/train'

const t = (...shape: number[]): Tensor => zeros(shape)
const ints = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' })
const loose = (value: unknown): any => value

type Mistake = [what: string, f: () => unknown, text: string]
let tried = 0
async function answer(mistakes: Mistake[]): Promise<void> {
  for (const [what, f, text] of mistakes) {
    let said = 'no error'
    try {
      await f()
    } catch (error) {
      said = `${(error as Error).name}: ${(error as Error).message}`
    }
    assert.is(said, text, what)
    tried++
  }
}
const CHANGED = 'after the forward pass: change it after backward(), or compute the loss anew'

test('data', () => answer([
  ['rows of different lengths', () => tensor([[1, 2], [3]]), 'ShapeError: tensor: rows of one length expected, 2 at depth 1, got one of 1'],
  ['a hole in the data', () => tensor(loose([1, undefined])),
    'TypeError: tensor: numbers, arrays of them or a typed array expected, got undefined'],
  ['tensors inside tensor()', () => tensor(loose([t(1), t(1)])),
    'TypeError: tensor: numbers, arrays of them or a typed array expected, got a tensor: clone() copies one, stack() joins several'],
  ['fewer labels than examples', () => new ArrayDataset({ values: [1, 2, 3], shape: [] }, { values: Int32Array.of(1, 2), shape: [] }),
    'ShapeError: ArrayDataset: 3 examples of shape [] expected in part 1, got 2 values'],
  ['an array as a data set', () => new DataLoader(loose([[1, 2], [3, 4]])),
    'TypeError: DataLoader: a data set with length and batch() expected, got an array: ArrayDataset makes one of it'],
  ['nested arrays in set()', () => t(2, 2).set(loose([[1, 2], [3, 4]])),
    'TypeError: set: one flat list of 4 numbers expected for shape [2,2], got arrays in it: flat(Infinity) joins them'],
]))

test('building a model', () => answer([
  ['new forgotten in Sequential', () => new Sequential(new Linear(1, 1), loose(ReLU)),
    'TypeError: Sequential: modules expected, at position 1 got ReLU: is `new` missing?'],
  ['a layer without all its sizes', () => new (loose(Linear))(3), 'ShapeError: Linear: outFeatures must be a whole number ≥ 1, got undefined'],
  ['percent for a probability', () => new Dropout(50), 'RangeError: Dropout: a probability p in 0..1 expected, got 50'],
]))

test('shapes', () => answer([
  ['the wrong shape into Linear', () => new Linear(3, 2).forward(t(8, 4)), 'ShapeError: linear: x [8,4] has 4 features, but weight [2,3] takes 3'],
  ['flatten forgotten', () => new Sequential(new Conv2d(1, 4, 3), new MaxPool2d(2), new Linear(676, 10)).forward(t(2, 1, 28, 28)),
    'ShapeError: linear: x [2,4,13,13] has 13 features, but weight [10,676] takes 676: flatten(1) it first'],
  ['the wrong number of channels', () => new Conv2d(1, 4, 3).forward(t(8, 3, 28, 28)),
    'ShapeError: conv2d: x [8,3,28,28] has 3 channels, but weight [4,1,3,3] takes 1'],
  ['channels last', () => new Conv2d(3, 4, 3).forward(t(8, 32, 32, 3)),
    'ShapeError: conv2d: x [8,32,32,3] has 32 channels, but weight [4,3,3,3] takes 3: are channels its last dimension? permute it to [n, c, h, w]'],
  ['flat images', () => new Conv2d(1, 4, 3).forward(t(8, 784)),
    'ShapeError: conv2d: x [n, c, h, w], or [c, h, w] without a batch, expected, got [8,784]'],
  ['a kernel larger than the image', () => new Conv2d(1, 2, 5).forward(t(1, 1, 4, 4)),
    'ShapeError: conv2d: kernel [5,5] with dilation [1,1] is larger than x [1,1,4,4] with padding [0,0]'],
  ['one convolution and pooling too many', () => new MaxPool2d(3).forward(t(1, 1, 2, 2)),
    'ShapeError: maxPool2d: a window of [3,3] is larger than x [1,1,2,2]'],
  ['a product of matrices that do not fit', () => t(2, 3).matmul(t(2, 3)),
    'ShapeError: matmul: a [2,3] has 3 columns, but b [2,3] has 2 rows: transpose one of them?'],
  ['a sum of shapes that do not fit', () => t(2, 3).add(t(4, 3)),
    "ShapeError: add: shapes [2,3] and [4,3] don't broadcast: from the right, 2 meets 4; sizes must agree or be 1 (see unsqueeze, reshape)"],
  ['a reshape that loses elements', () => t(2, 3).reshape([4]),
    "ShapeError: reshape: x [2,3] has 6 elements, they don't fill shape [4]: one size may be -1, for what is left"],
  ['a normalised shape that is not the last dimension', () => new LayerNorm([5]).forward(t(4, 3)), 'ShapeError: layerNorm: x [..., 5] expected, got [4,3]'],
  ['a sequence without its batch', () => new LSTM(3, 4).forward(t(2, 3)),
    'ShapeError: lstm: x [t, n, inputs] with at least one step expected, got [2,3]'],
]))

test('types', () => answer([
  ['whole numbers into a layer', () => new Linear(3, 2).forward(tensor([[1, 2, 3]], { dtype: 'int32' })),
    'TypeError: linear: float32 expected, got int32 of shape [1,3]: convert it with .float()'],
  ['an array into a layer', () => new Linear(3, 2).forward(loose([1, 2, 3])), 'TypeError: linear: a tensor expected, got an array: wrap it in tensor()'],
  ['a typed array into a layer', () => new Linear(3, 2).forward(loose(new Float32Array(3))),
    'TypeError: linear: a tensor expected, got a Float32Array: wrap it in tensor(values, shape)'],
  ['await forgotten', () => new Linear(3, 2).forward(loose(Promise.resolve(t(3)))), 'TypeError: linear: a tensor expected, got a promise: await it'],
  ['an operator of JavaScript', () => loose(t(2)) * 2,
    "TypeError: tensor [2]: JavaScript's operators don't compute with tensors: write x.mul(2), x.sub(y), x.lt(y), or read a number with item()"],
  ['a word beyond the vocabulary', () => new Embedding(5, 2).forward(ints(1, 5)), 'RangeError: embedding: indices 0..4 expected, got 5 at position 1'],
  ['tensors of two backends', () => onBackend('reference64', () => t(2)).add(t(2)),
    `Error: add: tensors of two backends, reference64 and ${info().backend}: make both on one, or move the values with values() and tensor()`],
]))

test('losses', () => answer([
  ['labels from 1', () => t(2, 3).crossEntropy(ints(1, 3)), 'RangeError: crossEntropy: labels 0..2 expected for logits [2,3], got 3 at position 1'],
  ['target and prediction exchanged', () => ints(0, 1).crossEntropy(t(2, 3)),
    'TypeError: crossEntropy: float32 expected, got int32 of shape [2]: convert it with .float()'],
  ['one-hot rows of int32', () => t(2, 3).crossEntropy(tensor([[1, 0, 0], [0, 0, 1]], { dtype: 'int32' })),
    'ShapeError: crossEntropy: logits [2,3] need class indices [2] or probabilities [2,3], got a target of [2,3] of int32: ' +
      'float() it if its rows are probabilities or one-hot'],
  ['logits where probabilities belong', () => tensor([0.5, 2]).bceLoss(tensor([0, 1])),
    'RangeError: bceLoss: probabilities 0..1 expected, got 2 at position 1: use bceWithLogits for logits, or sigmoid() first'],
  ['half an index', () => new Embedding(3, 2).forward(tensor([0.5])),
    'RangeError: embedding: whole numbers as indices expected, got 0.5 at position 0'],
  ['one-hot rows where indices belong', () => t(2, 3).logSoftmax(1).nllLoss(tensor([[1, 0, 0], [0, 0, 1]])),
    'ShapeError: nllLoss: log-probabilities [n, c, ...] and class indices [n, ...] expected, got an input [2,3] and a target [2,3]'],
  ['labels of another batch', () => t(4, 3).crossEntropy(ints(0, 1)),
    'ShapeError: crossEntropy: logits [4,3] need class indices [4] or probabilities [4,3], got a target of [2]'],
  ['class indices for a squared error', () => t(2, 3).mseLoss(tensor([1, 0])),
    'ShapeError: mseLoss: input [2,3] and target [2] must have one shape: reshape or unsqueeze one of them'],
  ['a column against a vector', () => t(4, 1).bceWithLogits(t(4)),
    'ShapeError: bceWithLogits: input [4,1] and target [4] must have one shape: reshape or unsqueeze one of them'],
]))

test('softmax before crossEntropy, and one-hot rows as probabilities, are no errors', () => {
  const logits = tensor([[1, 2, 3], [3, 2, 1]])
  assert.ok(Number.isFinite(logits.softmax(1).crossEntropy(ints(0, 1)).item()))
  assert.is(logits.crossEntropy(tensor([[0, 0, 1], [0, 1, 0]])).item(), logits.crossEntropy(ints(2, 1)).item())
})

test('backward', () => answer([
  ['not a single number', () => parameter([1, 2]).mul(2).backward(), 'ShapeError: backward: a scalar expected, got shape [2]: reduce it with mean() or sum()'],
  ['twice through one graph', () => {
    const loss = parameter([1]).square().sum()
    loss.backward()
    loss.backward()
  }, 'Error: backward: sum [] was back-propagated before and its graph is gone: compute it anew, sum the losses first, or call the first backward({ retainGraph: true })'],
  ['computed inside noGrad', () => noGrad(() => parameter([1]).square().sum()).backward(),
    'Error: backward: sum [] does not depend on anything that requires a gradient: use parameters or requiresGradient(), outside noGrad()'],
  ['the graph lost through item()', () => tensor(parameter([1]).square().sum().item()).backward(),
    'Error: backward: tensor [] does not depend on anything that requires a gradient: use parameters or requiresGradient(), outside noGrad()'],
  ['a leaf changed in place', () => {
    const w = parameter([1, 2])
    const loss = w.square().sum()
    w.set([0, 0])
    loss.backward()
  }, `Error: backward: parameter [2], which the gradient of square needs, was changed by set() ${CHANGED}`],
  ['step() before backward()', () => {
    const w = parameter([1, 2])
    const optimizer = new SGD([w], { lr: 1 })
    w.sum().backward()
    const loss = w.square().sum()
    optimizer.step()
    loss.backward()
  }, `Error: backward: parameter [2], which the gradient of square needs, was changed by step() of SGD ${CHANGED}`],
  ['a result marked as a leaf', () => parameter([1]).mul(2).requiresGradient(),
    'Error: requiresGradient: mul is the result of an op and takes part in a graph: detach() it first'],
]))

test('the loop', () => answer([
  ['an optimizer of the model', () => new Adam(loose(new Linear(1, 1)), {}),
    'TypeError: Adam: a list of parameters or of groups { params } expected, got a Linear: pass model.parameters()'],
  ['a learning rate without its name', () => new SGD(new Linear(1, 1).parameters(), loose(0.1)),
    'TypeError: SGD: options in braces expected, { name: value }, got 0.1'],
  ['a batch of one in training mode', () => new BatchNorm1d(3).forward(t(1, 3)),
    'ShapeError: batchNorm: more than one value a channel expected in training, got x [1,3]: use larger batches or eval()'],
  ['evaluation without running statistics', () => t(2, 3).batchNorm(null, null, { training: false }), 'Error: batchNorm: evaluation needs running statistics'],
  ['another dimension than the norm is for', () => new BatchNorm2d(3).forward(t(4, 3)), 'ShapeError: BatchNorm2d: x of rank 4 with 3 channels expected, got [4,3]'],
  ['a tensor read after its turn', () => {
    let last = t(1)
    for (const _ of steps(1)) last = t(1).add(1)
    return last.item()
  }, 'Error: add [1] was freed by turn 0 of steps(1): read it before that with item() or array(), or keep() it to let it live on'],
  ['item() of many', () => t(3).item(), 'ShapeError: item: one element expected, got shape [3]: reduce it with mean() or sum(), or read array()'],
  ['an asynchronous scope', () => scope(async () => t(1)),
    'TypeError: scope: a synchronous function expected, got one that returns a promise: await outside, scope() the parts between'],
  ["another model's weights", () => new Linear(2, 3).loadStateDict(new Linear(2, 3, { bias: false }).stateDict()),
    "ShapeError: loadStateDict: missing bias: is it another model's? ({ strict: false } ignores that)"],
]))

test('a loss that is NaN', async () => {
  const train = (values: number[], lr: number, options: object) => () => {
    manualSeed(1)
    const model = new Linear(1, 2)
    const loader = new DataLoader(new ArrayDataset({ values, shape: [1] }, { values: Int32Array.of(0, 1), shape: [] }), { batchSize: 2 })
    return fit(model, loader, { optimizer: new SGD(model.parameters(), { lr }), epochs: 2, ...options })
  }
  await answer([
    ['of the data', train([1, NaN], 0.1, {}),
      'TrainingError: fit: the loss became NaN in epoch 1, batch 1, at learning rate 0.1; the input batch itself holds such a value. ' +
        'Look for missing values and divisions by 0 in the data.'],
    ['of the learning rate', train([1, 2], 1e39, {}),
      'TrainingError: fit: the loss became NaN in epoch 2, batch 1, at learning rate 1e+39; parameter weight is no longer finite. ' +
        'A smaller learning rate (try a tenth) or clipped gradients usually help; fit(…, { debug: true }) names the op and the layer.'],
    ['in fit(…, { debug: true })', train([1, NaN], 0.1, { debug: true }),
      'TrainingError: fit: epoch 1, batch 1, learning rate 0.1: debug.nan: linear of Linear gave NaN at [1,0] of [2,2] in the forward pass; ' +
        'its input 0, tensor [2,1], holds NaN at [1,0] already, in turn 0 of fit'],
    ['in a loop of one\'s own', () => {
      const off = debug.nan()
      try {
        for (const _ of steps(2)) parameter([-1]).log().sum().backward()
      } finally {
        off()
      }
    }, 'NonFiniteError: debug.nan: log gave NaN at [0] of [1] in the forward pass; its inputs are finite, in turn 0 of steps(2)'],
  ])
})

test('that is forty', () => assert.ok(tried >= 40, `${tried}`))

test.run()
