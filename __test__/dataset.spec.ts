/** Data sets: every form of column that `Dataset.from` accepts, and the operations on a data set. */
import { expect, test } from 'vitest'
import { Dataset, Model, train } from '../ts/index.js'
import { clusterColumns, clusters } from './support.js'

const { inputs, labels } = clusterColumns(12)
const rows = Array.from({ length: 12 }, (_, row) => Array.from(inputs.slice(row * 8, row * 8 + 8)))

test.each([
  ['Float32Array', inputs],
  ['Float64Array', Float64Array.from(inputs)],
  ['an array', Array.from(inputs)],
  ['arrays', rows],
])('dense inputs as %s', async (_, given) => {
  const data = Dataset.from({ inputs: given, labels }, { inputs: [8], classes: 3 })
  expect([data.rows, data.shape, data.labels, data.classes]).toEqual([12, [8], 'single', 3])
  const want = await clusters(12).normalization()
  expect(await data.normalization()).toEqual(want)
})

test('take gives the same rows as a copy, and the arrays are empty afterwards', async () => {
  const whole = new Float32Array([9, ...inputs, 9])
  const columns = { inputs: whole.subarray(1, 97), labels: Uint32Array.from(labels), weights: Float32Array.from(labels, label => label + 1) }
  const data = Dataset.from(columns, { inputs: [8], classes: 3 })
  const taken = await Dataset.take(columns, { inputs: [8], classes: 3 })
  expect([whole.length, columns.inputs.length, columns.labels.length, columns.weights.length]).toEqual([0, 0, 0, 0])
  const after = async (rows: Dataset) => {
    const student = Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 })
    await train({ student, data: rows, losses: { crossEntropy: {} }, steps: 5 }).finish()
    return student.parameters().map(({ values }) => values)
  }
  expect(await after(taken)).toEqual(await after(data))
})

test('memory that cannot be transferred is copied, and invalid columns reject with their path', async () => {
  const pooled = Buffer.from(Uint8Array.of(0, 255, 51, 102))
  const taken = await Dataset.take({ inputs: pooled }, { inputs: [4] })
  expect((await taken.normalization()).mean).toHaveLength(4)
  expect(pooled).toHaveLength(4)
  const wrong = new Float32Array(96)
  wrong[42] = NaN
  await expect(Dataset.take({ inputs: wrong }, { inputs: [8] })).rejects.toMatchObject({ path: 'inputs[5]', code: 'ERR_LIMBECK_INVALID_DATA' })
  const { promise, ...rest } = { promise: taken.normalization(), seed: 1 }
  expect(() => Model.create({ mlp: { sizes: [4, 2] } }, { ...rest, normalization: promise as never })).toThrow(/normalization/)
})

test('bytes are scaled when they are read', async () => {
  const bytes = Uint8Array.of(0, 255, 51, 102)
  const by = async (options: object) => (await Dataset.from({ inputs: bytes }, { inputs: [1, 2, 2], ...options }).normalization()).mean[0]
  expect(await by({})).toBeCloseTo(0.4, 6)
  expect(await by({ scale: 1 })).toBeCloseTo(102, 4)
  expect(await by({ scale: 2, offset: 1 })).toBeCloseTo(205, 4)
  expect(Dataset.from({ inputs: Uint8ClampedArray.from(bytes) }, { inputs: [4] }).rows).toBe(1)
})

test.each([
  ['ids of one length', { inputs: Int32Array.of(1, 2, 3, 4, 5, 6) }, { inputs: { ids: { length: 3 } } }, [3], 2],
  ['arrays of ids of one length', { inputs: [[1, 2], [3, 4]] }, { inputs: { ids: { length: 2 } } }, [2], 2],
  ['ragged ids', { inputs: { values: [1, 2, 3, 4], offsets: [0, 1, 1, 4] } }, {}, undefined, 3],
  ['arrays of ids', { inputs: [[1], [], [2, 3, 4]] }, { inputs: { ids: {} } }, undefined, 3],
])('%s', (_, columns, options, shape, count) => {
  const data = Dataset.from(columns, options as object)
  expect([data.shape, data.rows]).toEqual([shape, count])
})

test.each([
  ['integers', Int32Array.from(labels), {}, 'single', 3],
  ['an array of integers', Array.from(labels), { classes: 5 }, 'single', 5],
  ['arrays', rows.map((_, row) => [row % 2, 1]), {}, 'several', 2],
  ['flat, several', new Uint8Array(24), { labels: 'several' }, 'several', 2],
  ['floating point numbers', new Float32Array(24), {}, 'real', undefined],
  ['integers as real numbers', Array.from(labels), { labels: 'real' }, 'real', undefined],
] as const)('labels as %s', (_, given, options, kind, classes) => {
  const data = Dataset.from({ inputs, labels: given }, { inputs: [8], ...options })
  expect([data.labels, data.classes]).toEqual([kind, classes])
})

test.each([
  ['Int32Array', Int32Array.of(0, 1, -1, 2, -1, 1, 0, 2, 1, -1, 0, 2)],
  ['Float64Array', Float64Array.of(0, 1, -1, 2, -1, 1, 0, 2, 1, -1, 0, 2)],
  ['an array', [0, 1, null, 2, -1, 1, 0, 2, 1, null, 0, 2]],
])('rows without a label in %s', async (_, given) => {
  const data = Dataset.from({ inputs, labels: given }, { inputs: [8], labels: 'single' })
  expect([data.rows, data.labels, data.labelledRows, data.classes]).toEqual([12, 'single', 9, 3])
  const unlabelled = data.select([2, 4, 9])
  expect([unlabelled.labels, unlabelled.labelledRows, unlabelled.classes]).toEqual(['none', 0, 3])
  const model = Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 })
  const labelled = data.select([0, 1, 3, 5, 6, 7, 8, 10, 11])
  const [{ rows: all, ...of }, { rows: counted, ...expected }] = [await model.evaluate(data), await model.evaluate(labelled)]
  expect([all, counted, of]).toEqual([12, 9, expected])
  expect(await model.evaluate(unlabelled)).toEqual({ rows: 3 })
})

test('a stream may contain rows without a label, and whole batches of such rows', async () => {
  const trained = async (parts: { labels: number[]; weights?: number[] }[]) => {
    async function* batches() {
      for (const part of parts) yield { inputs: inputs.slice(0, 32), ...part }
    }
    const student = Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 })
    const data = Dataset.stream(batches(), { inputs: [8], classes: 3 })
    await train({ student, data, losses: { crossEntropy: {} }, optimizer: { sgd: { learningRate: 0.1 } }, steps: parts.length }).finish()
    return student.parameters().map(({ values }) => values)
  }
  const masked = await trained([{ labels: [0, 1, 2, 2], weights: [1, 1, 0, 1] }, { labels: [1, 2, 0, 0], weights: [0, 1, 1, 0] }])
  expect(await trained([{ labels: [0, 1, -1, 2] }, { labels: [-1, -1, -1, -1] }, { labels: [-1, 2, 0, -1] }])).toEqual(masked)
})

test('label names determine the number of classes', () => {
  const labelNames = ['a', 'b', 'c', 'd']
  const data = Dataset.from({ inputs, labels }, { inputs: [8], labelNames })
  expect([data.classes, data.labelNames]).toEqual([4, labelNames])
})

test('a split depends on the seed, and is stratified on request', async () => {
  const data = clusters(90)
  const sizes = data.split([0.5, 0.3, 0.2], { seed: 7 }).map(part => part.rows)
  expect(sizes).toEqual([45, 27, 18])
  const mean = async (seed: number) => (await data.split([0.5, 0.5], { seed })[0]!.normalization()).mean
  expect(await mean(1)).toEqual(await mean(1))
  expect(await mean(1)).not.toEqual(await mean(2))
  const student = Model.create({ mlp: { sizes: [8, 3] } })
  const counts = async (stratify: boolean) => {
    const [part] = data.split([1 / 3, 2 / 3], { seed: 1, stratify })
    const run = train({ student, data, validation: part!, losses: { crossEntropy: {} }, steps: 1, metrics: { perClass: {} }, proofs: 'off' })
    const report = (await run.next()).value!
    return (report.validation!.perClass as { count: number }[]).map(({ count }) => count)
  }
  expect(await counts(true)).toEqual([10, 10, 10])
  expect(await counts(false)).not.toEqual([10, 10, 10])
})

test('select returns rows in the given order', async () => {
  const model = Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 })
  const all = await model.logits(clusters(12))
  const some = await model.logits(clusters(12).select([5, 0]))
  expect(Array.from(some)).toEqual([...all.slice(15, 18), ...all.slice(0, 3)])
})

test('sampling weights determine which rows are drawn, row weights how much they count', async () => {
  const draw = async (columns: object, seed = 1) => {
    const student = Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 })
    const data = Dataset.from({ inputs, labels, ...columns }, { inputs: [8], classes: 3 })
    await train({ student, data, losses: { crossEntropy: {} }, optimizer: { sgd: { learningRate: 0.1 } }, batchSize: 12, seed, proofs: 'off' }).finish()
    return student.parameters()[1]!.values
  }
  const first = Float32Array.from({ length: 12 }, (_, row) => Number(row === 0))
  const alone = await draw({ weights: first })
  expect(alone).not.toEqual(await draw({}))
  // Only the first row is drawn, twelve times, so all seeds give the same result.
  const sampled = await draw({ samplingWeights: first })
  expect(await draw({ samplingWeights: first }, 2)).toEqual(sampled)
  sampled.forEach((value, at) => expect(value).toBeCloseTo(alone[at]!, 5))
})

test("a teacher's outputs are found by sample id", async () => {
  const ids = Array.from({ length: 12 }, (_, row) => 100 + row)
  const logits = Float32Array.from({ length: 36 }, (_, at) => at)
  const data = Dataset.from({ inputs, labels, ids }, { inputs: [8], classes: 3 })
  expect(data.hasTeacherLogits).toBe(false)
  const back = ids.toReversed()
  const turned = Float32Array.from({ length: 36 }, (_, at) => logits[(11 - Math.floor(at / 3)) * 3 + (at % 3)]!)
  const agreement = async (column: Dataset) => (await Model.create({ mlp: { sizes: [8, 3] } }, { seed: 1 }).evaluate(column)).agreement
  const straight = data.withTeacherLogits(logits)
  expect(straight.hasTeacherLogits).toBe(true)
  expect(await agreement(data.withTeacherLogits({ logits: turned, ids: back }))).toBe(await agreement(straight))
})
