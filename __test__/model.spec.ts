/** Models: creation, predictions, files, copies of parameters. */
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { Dataset, distill, memory, Model, train } from '../ts/index.js'
import { models } from '../ts/native/handles.js'
import { native } from '../ts/native/load.js'
import { clusterColumns, clusters, failure, folder, mlp, trainedTeacher, weights } from './support.js'

test('the same seed gives the same initial values, another seed gives others', () => {
  const [a, b, c] = [1, 1, 2].map(seed => weights(Model.create(mlp(5), { seed })))
  expect(a).toEqual(b)
  expect(a).not.toEqual(c)
})

test('a convolutional network of 4 and 8 channels has 4,290 weights', () => {
  const model = Model.create({ convNet: { input: [1, 28, 28], channels: [4, 8], classes: 10 } })
  const { parameters, layers, multiplyAdds, text } = model.summary()
  expect([parameters, model.classes, model.input]).toEqual([4290, 10, [1, 28, 28]])
  expect(layers.at(-1)).toMatchObject({ name: 'head', kind: 'linear', parameters: 3930 })
  expect(multiplyAdds).toBeGreaterThan(4290)
  expect(text).toContain('blocks.0.conv')
})

test('predict and predictSync return the same probabilities of the named classes', async () => {
  const data = clusters(300)
  const labelNames = ['red', 'green', 'blue']
  const model = Model.create(mlp(16), { seed: 1, labelNames })
  await train({ student: model, data, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.02 } }, epochs: 5 }).finish()
  const { inputs, labels } = clusterColumns(60, 2)
  const said = await model.predict({ inputs })
  expect(model.predictSync({ inputs })).toEqual(said)
  expect([said.rows, said.classes]).toEqual([60, 3])
  for (let row = 0; row < 60; row++) {
    const all = said.probabilities.subarray(row * 3, row * 3 + 3)
    expect(all.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
    expect(all[said.labels[row]!]).toBe(Math.max(...all))
    expect(said.names![row]).toBe(labelNames[said.labels[row]!])
  }
  const right = said.labels.filter((label, row) => label === labels[row]).length
  const { accuracy, rows } = await model.evaluate(clusters(60, 2))
  expect([accuracy, rows]).toEqual([right / 60, 60])
  expect(await model.logits(clusters(60, 2))).toEqual(said.logits)
})

test('predictSync rejects calls that would block the event loop', async () => {
  const model = Model.create({ mlp: { sizes: [8, 4000, 3] } })
  const error = await failure(() => model.predictSync({ inputs: new Float32Array(8 * 2000) }))
  expect(error.code).toBe('ERR_LIMBECK_BUSY')
  expect(error.message).toContain('use predict')
})

test('a saved and loaded model is equal to the original', async () => {
  const file = path.join(folder(), 'model.safetensors')
  const normalization = { mean: [1], std: [2] }
  const options = { convNet: { input: [1, 8, 8] as [number, number, number], channels: [2], classes: 3 } }
  const model = Model.create(options, { seed: 1, labelNames: ['a', 'b', 'c'], normalization })
  await model.save(file)
  const again = await Model.load(file)
  expect(weights(again)).toEqual(weights(model))
  expect([again.labelNames, again.normalization, again.input]).toEqual([['a', 'b', 'c'], normalization, [1, 8, 8]])
  const inputs = Float32Array.from({ length: 128 }, (_, at) => Math.sin(at))
  expect(await again.predict({ inputs })).toEqual(await model.predict({ inputs }))
  expect(Model.create(again.architecture).summary()).toEqual(model.summary())
})

test('normalization is applied before the first layer', async () => {
  const { inputs, labels } = clusterColumns(30)
  const data = Dataset.from({ inputs, labels }, { inputs: [8], classes: 3 })
  const normalization = await data.normalization()
  const raw = Model.create(mlp(4), { seed: 1 })
  const normal = Model.create(mlp(4), { seed: 1, normalization })
  const by = (at: number, key: 'mean' | 'std') => normalization[key][normalization[key].length === 1 ? 0 : at % 8]!
  const scaled = inputs.map((value, at) => (value - by(at, 'mean')) / by(at, 'std'))
  const [a, b] = [(await raw.predict({ inputs: scaled })).logits, (await normal.predict({ inputs })).logits]
  a.forEach((value, at) => expect(value).toBeCloseTo(b[at]!, 4))
})

test('a model copies parameters of another by name, or by a map of layers', async () => {
  const teacher = await trainedTeacher(clusters(60))
  const same = Model.create(mlp(32), { seed: 5 })
  expect(same.copyFrom(teacher).sort()).toEqual(Object.keys(weights(teacher)))
  expect(weights(same)).toEqual(weights(teacher))
  const other = Model.create({ input: [8], layers: [{ linear: { name: 'first', outputs: 32 } }, { linear: { name: 'head', outputs: 3 } }] })
  const head = weights(other)['head.weight']
  expect(other.copyFrom(teacher, { layers: { first: 'layers.0' } }).sort()).toEqual(['first.bias', 'first.weight'])
  expect(weights(other)['first.weight']).toEqual(weights(teacher)['layers.0.weight'])
  expect(weights(other)['head.weight']).toEqual(head)
  expect((await failure(() => other.copyFrom(teacher, { layers: { first: 'nothing' } }))).path).toBe('layers.first')
  expect((await failure(() => Model.create({ mlp: { sizes: [5, 2] } }).copyFrom(teacher))).code).toBe('ERR_LIMBECK_INVALID_CONFIG')
})

test('training a clone does not change the original', async () => {
  const model = Model.create(mlp(4), { seed: 1 })
  const twin = model.clone()
  await train({ student: twin, data: clusters(60), losses: { crossEntropy: {} }, steps: 3 }).finish()
  expect(weights(model)).toEqual(weights(Model.create(mlp(4), { seed: 1 })))
  expect(weights(twin)).not.toEqual(weights(model))
  const provenance = twin.provenance as { method: string; steps: number }
  expect([provenance.method, provenance.steps]).toEqual(['train', 3])
})

test('predictions read the description of a model once per version', async () => {
  const model = Model.create(mlp(4), { seed: 1 })
  const { prototype } = native().NativeModel as unknown as { prototype: { describe(): string } }
  const describe = vi.spyOn(prototype, 'describe')
  const one = { inputs: new Float32Array(8) }
  for (let time = 0; time < 3; time++) model.predictSync(one)
  await model.predict(one)
  expect(describe).toHaveBeenCalledTimes(1)
  models.get(model)!.setLabelNames(['red', 'green', 'blue'])
  expect(model.predictSync(one).names).toHaveLength(1)
  expect(describe).toHaveBeenCalledTimes(2)
  describe.mockRestore()
})

test('a teacher whose label names change is still the same teacher', async () => {
  const teacher = await trainedTeacher(clusters(300))
  const named = async (change: () => unknown) => {
    const run = distill({
      teacher,
      student: Model.create(mlp(4), { seed: 1 }),
      data: clusters(60),
      losses: { kl: {} },
      epochs: 20,
      reportEvery: 1,
    })
    await run.next()
    await change()
    return (await run.finish()).findings.map(({ path }) => path)
  }
  const none = await named(() => {})
  expect(await named(() => models.get(teacher)!.setLabelNames(['red', 'green', 'blue']))).toEqual(none)
  const other = Model.create(mlp(4), { seed: 2 })
  expect(await named(() => teacher.copyFrom(other))).not.toEqual(none)
})

test('copying from a model shares its memory, and training the copy does not change the original', async () => {
  const [one, other] = [1, 2].map(seed => Model.create({ mlp: { sizes: [8, 1000, 1000, 3] } }, { seed })) as [Model, Model]
  const drawn = [one, other].map(weights)
  expect(drawn[0]).not.toEqual(drawn[1])
  const before = memory().liveBytes
  one.copyFrom(other)
  expect(before - memory().liveBytes).toBeGreaterThan(3.9e6)
  const held = weights(other)
  expect(weights(one)).toEqual(held)
  await train({ student: one, data: clusters(30), losses: { crossEntropy: {} }, epochs: 1 }).finish()
  expect(weights(one)).not.toEqual(held)
  expect(weights(other)).toEqual(held)
})

test('a model that is larger than any memory is rejected', async () => {
  const wide = (outputs: number) => Model.create({ input: [2 ** 20], layers: [{ linear: { outputs } }] })
  expect(() => wide(2 ** 52)).toThrow(/layers\.0 \(linear\): expected 1 to 2147483648 numbers per row/)
  const { code, path } = await failure(() => wide(2 ** 30).predict({ inputs: new Float32Array(2 ** 20) }))
  expect([code, path]).toEqual(['ERR_LIMBECK_MEMORY', 'layers.0.weight'])
})

test('a multi-label model returns an independent probability for each class', async () => {
  const rows = clusterColumns(60)
  const labels = Array.from(rows.labels, label => [0, 1, 2].map(k => Number(k === label || k === 1)))
  const data = Dataset.from({ inputs: rows.inputs, labels }, { inputs: [8] })
  const model = Model.create(mlp(8), { seed: 1 })
  await train({ student: model, data, losses: { binaryCrossEntropy: {} }, epochs: 20 }).finish()
  const file = `${folder()}/several.safetensors`
  await model.save(file)
  for (const asked of [model, await Model.load(file)]) {
    const { logits, probabilities } = await asked.predict({ inputs: rows.inputs })
    logits.forEach((logit, at) => expect(probabilities[at]).toBeCloseTo(1 / (1 + Math.exp(-logit)), 6))
    expect(Math.min(...probabilities.filter((_, at) => at % 3 === 1))).toBeGreaterThan(0.5)
  }
})
