// The command line's options: defaults, values, and the text of every error.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { basename, resolve } from 'node:path'
import { effectiveOptions, helpText, OptionError, parseOptions, PRESETS, resumeCommand, type Recipe } from '../examples/cli/options.js'

const parse = (line: string, env: Record<string, string> = {}): Recipe => parseOptions(line ? line.split(' ') : [], env) as Recipe

function refused(argv: string | string[], message: string): void {
  let error: unknown
  try {
    parseOptions(typeof argv === 'string' ? argv.split(' ') : argv, {})
  } catch (caught) {
    error = caught
  }
  assert.instance(error, OptionError, `${argv} was accepted`)
  assert.is((error as Error).message, message)
}

test('defaults', () => {
  assert.equal(parse(''), {
    dataset: 'digits', ...PRESETS.digits, optimizer: 'sgd', momentum: 0.9, schedule: 'cosine', seed: 0, threads: 1, data: 'data',
    save: undefined, load: undefined, resume: false, report: 'build/report.html', json: false, quiet: false,
  })
  const mnist = parse('--dataset mnist')
  assert.equal([mnist.model, mnist.epochs, mnist.batch, mnist.lr], ['lenet5', 2, 64, 0.05])
  assert.is(parse('--dataset cifar10').model, 'convnet')
  assert.is(parse('--dataset fashion').model, 'lenet5')
  assert.is(parse('--optimizer adam').lr, 0.001)
})

test('values, with a space or an equals sign', () => {
  const recipe = parse(
    '--dataset=fashion --model mlp --epochs 7 --batch=128 --lr 1e-2 --seed 4294967295 --save a=b --resume --report r --json --quiet',
  )
  assert.equal(
    [recipe.dataset, recipe.model, recipe.epochs, recipe.batch, recipe.lr, recipe.seed],
    ['fashion', 'mlp', 7, 128, 0.01, 4294967295],
  )
  assert.equal([recipe.save, recipe.resume, recipe.report, recipe.json, recipe.quiet], ['a=b', true, 'r', true, true])
  assert.is(parse('--lr .5').lr, 0.5)
  assert.is(parse('--load f --epochs 0').epochs, 0)
})

test('HEBB_DATA stands for --data, which wins', () => {
  assert.is(parse('', { HEBB_DATA: '/d' }).data, '/d')
  assert.is(parse('', { HEBB_DATA: '' }).data, 'data')
  assert.is(parse('--data /e', { HEBB_DATA: '/d' }).data, '/e')
})

test('the command that goes on is taken again', () => {
  const next = (argv: string[], file = 's', env = {}) => resumeCommand(argv, env, file)
  assert.is(next(['--epochs=3', '--load', 'w', '--json', '--save=t']), 'npm start -- --epochs 3 --json --save s --resume')
  assert.is(next(['--save', 't', '--resume', '--seed', '1']), 'npm start -- --seed 1 --save s --resume')
  assert.is(next(['--load=w', '--report', "it's here"], '--x.st'), `npm start -- --report 'it'\\''s here' --save=--x.st --resume`)
  assert.is(next(['--dataset', 'mnist'], 's', { HEBB_DATA: '/d d' }), `npm start -- --dataset mnist --data '/d d' --save s --resume`)
  assert.is(next(['--dataset', 'mnist', '--data', 'e'], 's', { HEBB_DATA: '/d' }), 'npm start -- --dataset mnist --data e --save s --resume')
  assert.is(next([], 's', { HEBB_DATA: '/d' }), 'npm start -- --save s --resume')
})

test('paths are those of the folder that npm start was called in', () => {
  const env = { npm_lifecycle_event: 'start', INIT_CWD: resolve('docs'), HEBB_DATA: 'd' }
  const { save, load, report, data } = parse('--save a --load /b', env)
  assert.equal([save, load, report, data], [resolve('docs/a'), resolve('/b'), 'build/report.html', resolve('docs/d')])
  assert.is(parse('--save a', { ...env, INIT_CWD: process.cwd() }).save, 'a')
  assert.is(parse('--save a', { ...env, npm_lifecycle_event: 'test' }).save, 'a')
})

test('help lists every option and default', () => {
  assert.is(parseOptions(['--epochs', '3', '--help'], {}), 'help')
  assert.is(parseOptions(['-h'], {}), 'help')
  const text = helpText()
  const names = 'dataset data model epochs batch lr optimizer seed threads save load resume report json quiet help'
  for (const name of names.split(' ')) {
    assert.match(text, new RegExp(`^  --${name}\\b`, 'm'))
  }
  for (const [name, preset] of Object.entries(PRESETS)) {
    assert.match(text, new RegExp(`^  ${name} +${preset.model} +${preset.epochs} +${preset.batch} +${preset.lr}$`, 'm'))
  }
  assert.match(text, /HEBB_DATA/)
  assert.ok(text.split('\n').every(line => line.length <= 100))
})

test('unknown options and arguments', () => {
  const lists = '\nnpm start -- --help   lists them'
  refused('--epoch 3', `--epoch: unknown option; did you mean --epochs?${lists}`)
  refused('--bacth 3', `--bacth: unknown option; did you mean --batch?${lists}`)
  refused('--optimiser sgd', `--optimiser: unknown option; did you mean --optimizer?${lists}`)
  refused('--learning-rate 3', `--learning-rate: unknown option${lists}`)
  refused('--toString', `--toString: unknown option${lists}`)
  refused('--LR=1', `--LR: unknown option; did you mean --lr?${lists}`)
  refused('mnist', `"mnist": expected an option, which begins with --; did you mean --dataset mnist?${lists}`)
  refused('--json yes', `"yes": expected an option, which begins with --${lists}`)
  refused(['--'], `"--": expected an option, which begins with --${lists}`)
})

test('missing, repeated and superfluous values', () => {
  refused('--batch', '--batch: expected a value, --batch N, got none')
  refused('--batch --seed 1', '--batch: expected a value, --batch N, got none')
  refused('--save=', '--save: expected a value, --save FILE, got none')
  refused(['--save', ''], '--save: expected a value, --save FILE, got none')
  refused('--seed 1 --seed 2', '--seed: expected once, got it twice')
  refused('--json=1', '--json: expected no value, got "1"')
})

test('wrong values', () => {
  refused('--dataset mnits', '--dataset: expected digits, mnist, fashion or cifar10, got "mnits"; did you mean mnist?')
  refused('--dataset imagenet', '--dataset: expected digits, mnist, fashion or cifar10, got "imagenet"')
  refused('--model lenet', '--model: expected lenet5, mlp, perceptron or convnet, got "lenet"; did you mean lenet5?')
  refused('--optimizer rmsprop', '--optimizer: expected sgd or adam, got "rmsprop"')
  for (const value of ['0', '-1', '1.5', 'x', '1e3', '1000001', ' 1']) {
    refused(['--batch', value], `--batch: expected a whole number from 1 to 1000000, got ${JSON.stringify(value)}`)
  }
  for (const value of ['0', '-0.1', 'NaN', 'Infinity', '1e999', '0x1', 'fast', '1e-999']) {
    refused(['--lr', value], `--lr: expected a number above 0, got ${JSON.stringify(value)}`)
  }
  refused('--seed 1.5', '--seed: expected a whole number from 0 to 4294967295, got "1.5"')
  refused('--seed -3', '--seed: expected a whole number from 0 to 4294967295, got "-3"')
  refused('--epochs -1', '--epochs: expected a whole number from 0 to 1000000, got "-1"')
  refused('--epochs 0', '--epochs: expected 1 or more, got 0, which only tests and needs --load FILE')
  refused('--threads 17', '--threads: expected a whole number from 1 to 16, got "17"')
  refused('--threads 0', '--threads: expected a whole number from 1 to 16, got "0"')
})

test('options at odds', () => {
  refused('--resume', '--resume: expected --save FILE too, the file to continue from')
  refused(
    '--save a --load b --resume',
    '--load and --resume: expected one of them, got both\n' +
      "--load starts a new training from FILE's weights, --resume continues --save's training",
  )
  refused('--save a --report a', '--save and --report: expected two files, got "a" for both')
  const around = `../${basename(process.cwd())}/a`
  refused(['--save', 'a', '--report', around], `--save and --report: expected two files, got "a" and "${around}", which are one`)
  refused('--load package.json --report ./package.json', '--load and --report: expected two files, got "package.json" and "./package.json", which are one')
})

test('effective options in lines', () => {
  assert.equal(effectiveOptions(parse('--dataset mnist --data /d --epochs 1 --save s')), [
    'dataset    mnist from /d', 'model      lenet5', 'training   1 epoch, batch 64',
    'optimizer  sgd, lr 0.05, momentum 0.9, cosine decay to 0',
    'seed       0', 'threads    1', 'save       s', 'report     build/report.html',
  ])
  assert.equal(
    effectiveOptions(parse('--load w --epochs 0 --optimizer adam')).slice(1, 4),
    ['model      convnet, weights from w', 'training   none: test only', 'seed       0'],
  )
  assert.ok(effectiveOptions(parse('--optimizer adam')).includes('optimizer  adam, lr 0.001, cosine decay to 0'))
})

test.run()
