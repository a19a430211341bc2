/** Initial values by option, embeddings with pooling, and setting parameters, from JavaScript. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, Model, train } from '../ts/index.js'

const values = (model: Model, name: string) => model.parameters().find(parameter => parameter.name === name)!.values
const deviation = (numbers: Float32Array) => Math.sqrt(numbers.reduce((sum, number) => sum + number ** 2, 0) / numbers.length)

test('initial values follow the option of the layer, which is stored in the file', async () => {
  const model = Model.create({
    input: [64],
    layers: [
      { linear: { name: 'hidden', outputs: 256, activation: 'relu', init: { weight: { kaimingNormal: {} }, bias: { constant: { value: 0.5 } } } } },
      { layerNorm: { name: 'norm', init: { weight: { constant: { value: 0 } } } } },
      { linear: { name: 'head', outputs: 3 } },
    ],
  })
  expect(deviation(values(model, 'hidden.weight'))).toBeCloseTo(Math.sqrt(2 / 64), 2)
  expect(new Set(values(model, 'hidden.bias'))).toEqual(new Set([0.5]))
  expect(new Set(values(model, 'norm.weight'))).toEqual(new Set([0]))
  const folder = mkdtempSync(path.join(tmpdir(), 'limbeck-'))
  try {
    await model.save(path.join(folder, 'model.safetensors'))
    expect((await Model.load(path.join(folder, 'model.safetensors'))).architecture).toEqual(model.architecture)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('invalid initial values are rejected with their path', () => {
  const create = (layer: object) => () => Model.create({ input: [4], layers: [layer as never] })
  expect(create({ linear: { outputs: 2, init: { weight: { normal: { std: -1 } } } } })).toThrow(/init\.weight\.normal\.std: expected a finite number of at least 0, got -1/)
  expect(create({ linear: { outputs: 2, bias: false, init: { bias: { constant: { value: 0 } } } } })).toThrow(/init\.bias: this layer has no bias; leave it out/)
  expect(create({ layerNorm: { init: { weight: { xavierUniform: {} } } } })).toThrow(/init\.weight\.xavierUniform: expected a matrix or a kernel, got a vector/)
  expect(create({ linear: { outputs: 2, init: { weight: { orthogonal: {} } } } })).toThrow(/init\.weight/)
})

const table = Float32Array.of(1, 10, 2, 20, 3, 30)
function pooling(kind: 'mean' | 'sum' | 'max' | undefined, length?: number): Model {
  const embedding = { name: 'tokens', vocabulary: 3, width: 2, ...(kind && { pooling: kind }) }
  const model = Model.create({ input: { ids: length === undefined ? {} : { length } }, layers: [{ embedding }] })
  model.setParameter('tokens.weight', table)
  return model
}

test('ids are pooled by mean, sum and maximum, with weights if they have any', () => {
  const rows = { values: [0, 2, 1], offsets: [0, 2, 2, 3] }
  const weighted = { ...rows, weights: [1, 3, 0.5] }
  const logits = (kind: 'mean' | 'sum' | 'max' | undefined, inputs: object) => Array.from(pooling(kind).predictSync({ inputs } as never).logits)
  expect(logits(undefined, rows)).toEqual([2, 20, 0, 0, 2, 20])
  expect(logits('sum', rows)).toEqual([4, 40, 0, 0, 2, 20])
  expect(logits('max', rows)).toEqual([3, 30, 0, 0, 2, 20])
  expect(logits('mean', weighted)).toEqual([2.5, 25, 0, 0, 2, 20])
  expect(logits('sum', weighted)).toEqual([10, 100, 0, 0, 1, 10])
  expect(() => logits('max', weighted)).toThrow(/weights: expected none, since pooling is 'max'/)
  expect(() => logits('mean', { ...rows, weights: [1, -1, 1] })).toThrow(/inputs\.weights\[1\]: expected a finite number of at least 0, got -1/)
  expect(() => logits('mean', { ...rows, weights: [1] })).toThrow(/inputs\.weights/)
})

test('rows of equal length are pooled if the layer has the option', () => {
  const inputs = Uint32Array.of(0, 2, 1, 1)
  expect(Array.from(pooling('sum', 2).predictSync({ inputs }).logits)).toEqual([4, 40, 4, 40])
  expect(pooling(undefined, 2).classes).toBe(4)
})

test('a service predicts weighted rows in a batch as in single calls', async () => {
  const model = pooling('mean')
  const calls = [{ values: [0, 2], offsets: [0, 2], weights: [1, 3] }, { values: [1], offsets: [0, 1], weights: [2] }, { values: [0, 1], offsets: [0, 2] }]
  const service = model.serve({ maxBatch: 8 })
  const answers = await Promise.all(calls.map(inputs => service.predict({ inputs })))
  expect(answers.map(({ logits }) => Array.from(logits))).toEqual([[2.5, 25], [2, 20], [1.5, 15]])
  await service.drain()
})

test('weighted ids can be trained on like other rows', async () => {
  const rows = { values: [0, 1, 2, 0], offsets: [0, 2, 3, 4], weights: [1, 0, 1, 2] }
  const data = Dataset.from({ inputs: rows, labels: [0, 1, 0] }, { inputs: { ids: {} }, classes: 2 })
  const student = Model.create({ input: { ids: {} }, layers: [{ embedding: { vocabulary: 3, width: 4 } }, { linear: { outputs: 2 } }] })
  await train({ student, data, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.1 } }, epochs: 40, batchSize: 2 }).finish()
  expect((await student.evaluate(data)).accuracy).toBe(1)
})

test('a parameter is set by name, and values that do not fit are rejected', () => {
  const model = pooling('mean')
  expect(values(model, 'tokens.weight')).toEqual(table)
  expect(() => model.setParameter('words.weight', table)).toThrow(/name: expected a parameter of this model \(tokens\.weight\), got words\.weight/)
  expect(() => model.setParameter('tokens.weight', [1, 2])).toThrow(/values: expected 6 numbers \(shape \[3, 2\]\), got 2/)
  expect(() => model.setParameter('tokens.weight', [1, 2, NaN, 4, 5, 6])).toThrow(/values\[2\]: expected a finite 32-bit number, got NaN/)
  expect(values(model, 'tokens.weight')).toEqual(table)
})
