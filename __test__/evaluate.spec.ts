/** Scores of a model: every metric by name, row weights, and the metric by which runs choose their best parameters. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Dataset, distill, Ensemble, Model, train, type Metrics, type TrainOptions } from '../ts/index.js'
import { clusterColumns, clusters, failure, folder, mlp } from './support.js'

/** A model whose logits are its inputs. */
async function identity(width: number): Promise<Model> {
  const values = Float32Array.from({ length: width * width + width }, (_, at) => Number(at % (width + 1) === 0 && at < width * width))
  const [weight, bias] = [4 * width * width, 4 * (width * width + width)]
  const header = JSON.stringify({
    'head.weight': { dtype: 'F32', shape: [width, width], data_offsets: [0, weight] },
    'head.bias': { dtype: 'F32', shape: [width], data_offsets: [weight, bias] },
  }).padEnd(160)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(160n)
  const file = path.join(folder(), 'identity.safetensors')
  writeFileSync(file, Buffer.concat([size, Buffer.from(header), Buffer.from(values.buffer)]))
  return Model.load(file, { input: [width], layers: [{ linear: { name: 'head', outputs: width } }] })
}

const three = { inputs: [[1, 0], [1, 0], [0, 1]], labels: [0, 1, 1] }

test('evaluate accepts every metric by name and weights the rows', async () => {
  const model = await identity(2)
  const plain = await model.evaluate(Dataset.from(three, { classes: 2 }))
  expect(plain.accuracy).toBeCloseTo(2 / 3, 12)
  const data = Dataset.from({ ...three, weights: [1, 10, 1] }, { classes: 2 })
  const metrics: Metrics = { loss: {}, crossEntropy: {}, macroF1: {}, topKAccuracy: { k: 2 }, calibrationError: { bins: 10 }, perClass: {} }
  const found = await model.evaluate(data, { metrics })
  expect(found).toMatchObject({ rows: 3, topKAccuracy: 1 })
  expect(found.accuracy).toBeCloseTo(2 / 12, 12)
  // The same weighted mean as the training loss: of the rows with class 0's input, weight 1 is right and weight 10 wrong.
  const [zero, one] = [await model.evaluate(Dataset.from({ inputs: [[1, 0]], labels: [0] }, { classes: 2 })), await model.evaluate(Dataset.from({ inputs: [[1, 0]], labels: [1] }, { classes: 2 }))]
  const last = (await model.evaluate(Dataset.from({ inputs: [[0, 1]], labels: [1] }, { classes: 2 }))).loss!
  expect(found.loss).toBeCloseTo((zero.loss! + 10 * one.loss! + last) / 12, 9)
  expect(found.crossEntropy).toBe(found.loss)
  // Class 0: one true row, eleven predicted; class 1: eleven true rows, one predicted; one correct row each.
  expect(found.macroF1).toBeCloseTo((2 / 12 + 2 / 12) / 2, 12)
  expect(found.perClass).toMatchObject([{ label: 0, count: 1, predicted: 11 }, { label: 1, count: 11, predicted: 1 }])
  const run = train({ student: model.clone(), data, validation: data, losses: { crossEntropy: {} }, optimizer: { sgd: { learningRate: 1e-12 } }, shuffle: false, steps: 1, proofs: 'off' })
  const { value } = await run.next()
  expect(value!.loss).toBeCloseTo(value!.validation!.loss!, 5)
  const ensemble = await Ensemble.of([model, model]).evaluate(data, { metrics: { macroF1: {} } })
  expect(ensemble.macroF1).toBeCloseTo(found.macroF1 as number, 12)
})

test('unknown metrics, and metrics that do not fit the rows, are rejected with their path', async () => {
  const model = Model.create(mlp(4))
  const data = clusters(30)
  const refused = (metrics: object) => failure(() => model.evaluate(data, { metrics: metrics as Metrics }))
  expect(await refused({ macroF2: {} })).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'metrics.macroF2', message: expect.stringContaining('did you mean macroF1?') })
  expect(await refused({ microF1: {} })).toMatchObject({ path: 'metrics.microF1', message: expect.stringContaining('expected several labels per row') })
  expect(await refused({ teacherKl: {} })).toMatchObject({ path: 'metrics.teacherKl' })
  expect(await refused({ calibrationError: { bins: 0 } })).toMatchObject({ path: 'metrics.calibrationError.bins' })
  expect(await refused([])).toMatchObject({ path: 'metrics' })
  expect(await failure(() => Ensemble.of([model]).evaluate(data, { metrics: { microF1: {} } }))).toMatchObject({ path: 'metrics.microF1' })
  const { teacherKl, teacherDistance } = await model.evaluate(data, { teacher: Model.create(mlp(3), { seed: 2 }), metrics: { teacherKl: {}, teacherDistance: {} } })
  expect([teacherKl, teacherDistance].every(value => (value as number) > 0)).toBe(true)
})

const base = (change: Partial<TrainOptions>): TrainOptions => ({
  student: Model.create(mlp(6), { seed: 1 }),
  data: clusters(96),
  validation: clusters(48, 2),
  losses: { crossEntropy: {} },
  batchSize: 32,
  steps: 12,
  validateEvery: 3,
  keep: 'best',
  ...change,
})

test.each([
  [{}, 'accuracy', 'higher'],
  [{ metric: 'loss' }, 'loss', 'lower'],
  [{ metric: 'macroF1' }, 'macroF1', 'higher'],
  [{ metric: 'calibrationError', metrics: { calibrationError: { bins: 5 } } }, 'calibrationError', 'lower'],
  [{ metric: 'topKAccuracy', metrics: { topKAccuracy: { k: 2 } } }, 'topKAccuracy', 'higher'],
] as const)('the best of %j', async (change, metric, better) => {
  const seen: number[] = []
  const run = train(base({ ...change } as Partial<TrainOptions>))
  for await (const { validation } of run) if (validation !== undefined) seen.push(validation[metric] as number)
  const best = better === 'higher' ? Math.max(...seen) : Math.min(...seen)
  expect(run.summary!.best).toMatchObject({ metric, better, value: best })
  expect(run.summary!.keptStep).toBe(3 * (1 + seen.indexOf(best)))
})

test('a metric that cannot rank models, or does not fit the validation rows, is rejected before the first step', async () => {
  const refused = async (change: Partial<TrainOptions>) => failure(() => train(base(change)).check())
  expect(await refused({ metric: 'perClass' })).toMatchObject({ path: 'metric', message: expect.stringContaining('expected a metric that ranks models') })
  expect(await refused({ metric: 'agreement' })).toMatchObject({ path: 'metric', message: expect.stringContaining('a teacher') })
  expect(await refused({ metric: 'microF1' })).toMatchObject({ path: 'metric' })
  expect(await refused({ metric: 'accuraci' as never })).toMatchObject({ path: 'metric', message: expect.stringContaining('expected one of') })
})

test('validation rows without labels are rejected with a message about labels, or compared with the teacher as the losses do', async () => {
  const { inputs, labels } = clusterColumns(48, 2)
  const unlabelled = Dataset.from({ inputs, labels: Int32Array.from(labels, () => -1) }, { inputs: [8], classes: 3 })
  const error = await failure(() => train(base({ validation: unlabelled })).check())
  expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'validation', message: expect.stringContaining('without labels') })
  const teacher = Model.create(mlp(16), { seed: 3 })
  const chosen = async (losses: TrainOptions['losses']) => {
    const run = distill({ ...base({ validation: unlabelled, losses }), teacher })
    await run.finish()
    return run.summary!.best
  }
  expect(await chosen({ kl: {} })).toMatchObject({ metric: 'agreement', better: 'higher' })
  expect(await chosen({ logitMse: {} })).toMatchObject({ metric: 'teacherDistance', better: 'lower' })
})

test('vectors are compared by their distance; there is no agreement of the largest output', async () => {
  const { inputs } = clusterColumns(64)
  const targets = Float32Array.from({ length: 64 * 3 }, (_, at) => Math.sin(at))
  const data = Dataset.from({ inputs, labels: targets, teacherLogits: targets }, { inputs: [8], labels: 'real' })
  const run = train(base({ data, validation: data, losses: { mse: {} } }))
  await run.finish()
  expect(run.summary!.best).toMatchObject({ metric: 'loss', better: 'lower' })
  expect(await failure(() => train(base({ data, validation: data, losses: { mse: {} }, metric: 'agreement' })).check())).toMatchObject({ path: 'metric' })
})
