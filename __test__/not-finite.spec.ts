/** Parameters that are not finite are never published, kept, written, loaded or used for predictions. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, Model, train } from '../ts/index.js'
import { clusters, folder, mlp, weights } from './support.js'

const wrong = { code: 'ERR_LIMBECK_NOT_FINITE' }
const data = clusters(40)
const run = (student: Model, more = {}) =>
  train({ student, data, losses: { crossEntropy: {} }, optimizer: { sgd: { learningRate: 1e39 } }, batchSize: 16, reportEvery: 1, ...more })

test.each([
  ['one step', { steps: 1 }],
  ['strict, with validation', { steps: 1, proofs: 'strict', validation: data }],
  ['the best of a validation', { steps: 1, validation: data, keep: 'best' }],
  ['a rate of 1e20', { steps: 2, optimizer: { sgd: { learningRate: 1e20 } } }],
  ['an average', { steps: 1, average: { decay: 0.9 } }],
])('%s that ends in parameters that are not finite rejects, and the student is as it was', async (_, options) => {
  const student = Model.create(mlp(6), { seed: 1 })
  const before = weights(student)
  await expect(run(student, options).finish()).rejects.toMatchObject(wrong)
  expect(weights(student)).toEqual(before)
})

test('leaving a loop rejects too, and no checkpoint contains such parameters', async () => {
  const student = Model.create(mlp(6), { seed: 1 })
  const before = weights(student)
  const place = folder()
  const left = async () => {
    for await (const _ of run(student, { epochs: 9 })) break
  }
  await expect(left()).rejects.toMatchObject({ ...wrong, path: 'parameters.head.bias' })
  await expect(run(student, { steps: 1, checkpoint: { folder: place } }).finish()).rejects.toMatchObject(wrong)
  expect(readdirSync(place)).toEqual([])
  expect(weights(student)).toEqual(before)
})

test('a file with such weights is rejected with the tensor’s name, and logits that overflow with the row', async () => {
  const place = path.join(folder(), 'model.safetensors')
  const model = Model.create({ input: [2], layers: [{ linear: { name: 'head', outputs: 2, bias: false } }] })
  await model.save(place)
  const bytes = readFileSync(place)
  const start = bytes.length - 16
  for (const value of [NaN, Infinity]) {
    bytes.writeFloatLE(value, start + 4)
    writeFileSync(place, bytes)
    await expect(Model.load(place)).rejects.toMatchObject({ code: 'ERR_LIMBECK_INVALID_FILE', path: expect.stringContaining('head.weight') })
  }
  ;[1e30, 1e30, 0, 1e30].forEach((value, at) => bytes.writeFloatLE(value, start + 4 * at))
  writeFileSync(place, bytes)
  const wide = await Model.load(place)
  const rows = [[1, 1], [1e30, -1e30]]
  const overflow = { ...wrong, path: 'inputs[1]' }
  await expect(wide.predict({ inputs: rows })).rejects.toMatchObject(overflow)
  expect(() => wide.predictSync({ inputs: rows })).toThrow(expect.objectContaining(overflow))
  const few = Dataset.from({ inputs: rows, labels: [0, 1] }, { classes: 2 })
  await expect(wide.evaluate(few)).rejects.toMatchObject(overflow)
  await expect(wide.logits(few)).rejects.toMatchObject(overflow)
  const service = wide.serve()
  const [good, bad] = await Promise.allSettled(rows.map(row => service.predict({ inputs: [row] })))
  expect(good).toMatchObject({ status: 'fulfilled' })
  expect(bad).toMatchObject({ status: 'rejected', reason: wrong })
  await service.drain()
  expect(existsSync(place)).toBe(true)
})
