/** Batches of one row with batch normalization: rejected before the first step, with a remedy, or never created. */
import { expect, test } from 'vitest'
import { bornAgain, Dataset, distillMutually, Model, train, type ModelOptions, type TrainOptions } from '../ts/index.js'
import { clusters, failure } from './support.js'

const norm: ModelOptions = { input: [8], layers: [{ linear: { outputs: 4 } }, { batchNorm: { name: 'bn' } }, { linear: { outputs: 3 } }] }
const inner: ModelOptions = { input: [8], layers: [{ residual: { name: 'block', layers: [{ linear: { outputs: 8 } }, { batchNorm: { name: 'bn' } }] } }, { linear: { outputs: 3 } }] }
const options = (change: Partial<TrainOptions> = {}): TrainOptions => ({
  student: Model.create(norm, { seed: 1 }),
  data: clusters(65),
  losses: { crossEntropy: {} },
  batchSize: 16,
  epochs: 1,
  ...change,
})
const refusal = { code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'batchSize', message: expect.stringMatching(/last batch of one row, of 65 rows in batches of 16: set dropLast: true, or choose another batchSize/) }

test('a last batch of one row is rejected by check and before the first step', async () => {
  for (const change of [{}, { accumulate: 2 }, { epochs: 3 }, { control: false, steps: 5, epochs: undefined as never }]) {
    expect(await failure(() => train(options(change)).check())).toMatchObject(refusal)
  }
  const run = train(options())
  expect(await failure(() => run.next())).toMatchObject(refusal)
  expect((await failure(() => train(options({ student: Model.create(inner) })).check())).message).toContain('block.bn')
  expect((await failure(() => train(options({ batchSize: 1 })).check())).message).toContain('batches of one row')
  expect((await failure(() => train(options({ data: clusters(1) })).check())).message).toContain('data of one row')
})

test('options that avoid such a batch train', async () => {
  for (const change of [{ dropLast: true }, { batchSize: 13 }, { steps: 4, epochs: undefined as never }, { freeze: ['bn'] }]) await train(options(change)).finish()
  // Feature maps of more than one number have a variance even in a batch of one row.
  const maps = Model.create({ input: [1, 2, 4], layers: [{ conv2d: { channels: 2, kernel: 2 } }, { batchNorm: {} }, { flatten: {} }, { linear: { outputs: 3 } }] })
  await train(options({ student: maps })).finish()
  const one = Model.create({ input: [1, 2, 4], layers: [{ conv2d: { channels: 2, kernel: [2, 4] as never } }, { batchNorm: {} }, { flatten: {} }, { linear: { outputs: 3 } }] })
  expect(await failure(() => train(options({ student: one })).check())).toMatchObject({ path: 'batchSize' })
})

test('regimes and mutual learning reject it before the first step too', async () => {
  const again = bornAgain({ teacher: Model.create(norm), data: clusters(65), batchSize: 16, epochs: 1, variant: 'banL' })
  expect(await failure(() => again.next())).toMatchObject(refusal)
  const students = [Model.create({ mlp: { sizes: [8, 3] } }), Model.create(norm, { seed: 2 })]
  const mutual = distillMutually({ students, data: clusters(65), batchSize: 16, losses: { crossEntropy: {}, kl: {} }, epochs: 1 })
  expect(await failure(() => mutual.next())).toMatchObject({ ...refusal, path: expect.stringContaining('batchSize') })
})

test('a batch of one row in a stream names the remedy', async () => {
  const batch = (rows: number) => ({ inputs: Array.from({ length: rows }, (_, row) => new Array(8).fill(row)), labels: Array.from({ length: rows }, () => 0) })
  const data = Dataset.stream([batch(4), batch(1)], { inputs: [8], classes: 3 })
  const error = await failure(() => train({ student: Model.create(norm), data, losses: { crossEntropy: {} } }).finish())
  expect(error).toMatchObject({ code: 'ERR_LIMBECK_SHAPE_MISMATCH', message: expect.stringContaining('use batches of two rows or more') })
})
