/** The losses in the API: their sections of the docs, probabilities as labels, class weights. */
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { Dataset, distill, Model, train, type ModelOptions, type TrainOptions } from '../ts/index.js'
import { native } from '../ts/native/load.js'
import { clusterColumns, clusters, failure, mlp, noise, reports, trainedTeacher, weights } from './support.js'

interface Schema {
  description?: string
  $ref?: string
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  $defs?: Record<string, Schema>
}

const root = (JSON.parse(native().schema()) as Record<string, Schema>).TrainOptions!
const names = Object.keys(root.$defs!.LossesOptions!.properties!)
/** The section of each loss: when to choose it, an example, similar losses. */
const pages = names.map(name => {
  const schema = root.$defs!.LossesOptions!.properties![name]!
  const ref = schema.$ref ?? schema.anyOf!.find(({ $ref }) => $ref !== undefined)!.$ref!
  const text = root.$defs![ref.replace('#/$defs/', '')]!.description!
  return { name, text, example: /```js\n([\s\S]*?)\n```/.exec(text)?.[1] ?? '' }
})

let data: Dataset
let teacher: Model
beforeAll(async () => {
  data = clusters(120)
  teacher = await trainedTeacher(data)
})

const conv = (channels: number[]): ModelOptions => ({ convNet: { input: [1, 8, 8], channels, classes: 3 } })
/** The variables that the examples use. */
function givens(): Record<string, unknown> {
  const columns = clusterColumns(60)
  const draw = noise(5)
  const rows = (of: (row: number) => number[]) => Array.from({ length: 60 }, (_, row) => of(row))
  const deep: ModelOptions = mlp(32, 32, 32)
  return {
    data,
    teacher: Model.create(deep, { seed: 3 }),
    student: Model.create(mlp(16, 16), { seed: 4 }),
    multiLabel: Dataset.from({ inputs: columns.inputs, labels: rows(row => [row % 2, row % 3 === 0 ? 1 : 0, 1]) }, { inputs: [8] }),
    regression: Dataset.from({ inputs: columns.inputs, labels: rows(() => [draw(), draw(), draw()]) }, { inputs: [8], labels: 'real' }),
    convTeacher: Model.create(conv([8, 16]), { seed: 1 }),
    convStudent: Model.create(conv([4, 8]), { seed: 2 }),
    images: Dataset.from({ inputs: Float32Array.from({ length: 60 * 64 }, draw), labels: columns.labels }, { inputs: [1, 8, 8], classes: 3 }),
  }
}

test.each(pages)('the section of $name describes when to choose it, has an example that runs, and names similar losses', async ({ name, text, example }) => {
  expect(text).toMatch(/\n\nChoose it /)
  expect(example).toContain(name)
  const similar = [.../See also: ([\s\S]*)$/.exec(text)![1]!.matchAll(/`(\w+)`/g)].map(([, other]) => other)
  expect(similar.length).toBeGreaterThan(0)
  for (const other of similar) expect(names).toContain(other)
  const given = { ...givens(), distill: short(distill), train: short(train) }
  const run = new Function(...Object.keys(given), `return ${example}`) as (...all: unknown[]) => ReturnType<typeof train>
  const all = await reports(run(...Object.values(given)))
  expect(all.at(-1)!.summary!.ended).toBe('finished')
  expect(Number.isFinite(all[0]!.terms[name])).toBe(true)
})

/** Two steps are enough. */
function short<O extends object, R>(start: (options: O) => R): (options: O) => R {
  return options => start({ ...options, steps: 2, batchSize: 30, reportEvery: 1, proofs: 'off' })
}

test('the page of all losses is the output of the command', () => {
  const page = readFileSync(new URL('../docs/losses.md', import.meta.url), 'utf8')
  for (const { name, text } of pages) {
    expect(page).toContain(`## ${name}\n\n${text.split('\n\n').slice(1).join('\n\n')}`)
  }
})

/** The loss for rows of logits, computed in one step of a model. */
async function lossOf(losses: TrainOptions['losses'], inputs: number[][], labels: number[][], meaning: object = {}): Promise<number> {
  const student = Model.create({ input: [inputs[0]!.length], layers: [{ linear: { outputs: inputs[0]!.length } }] }, { seed: 1 })
  const rows = Dataset.from({ inputs, labels }, meaning)
  const logits = await student.logits(rows)
  const all = await reports(train({ student, data: rows, losses, steps: 1, batchSize: inputs.length, proofs: 'off' }))
  given = Array.from({ length: inputs.length }, (_, row) => Array.from(logits.slice(row * inputs[0]!.length, (row + 1) * inputs[0]!.length)))
  return all[0]!.loss
}
/** The logits of the last call. */
let given: number[][] = []

const inputs = [
  [1, -2, 0.5],
  [0.5, 3, -1],
]

test('binaryCrossEntropy weights positive labels by posWeight, one number or one per class', async () => {
  const y = [
    [1, 0, 1],
    [0.3, 1, 0],
  ]
  const expected = (w: number[]) =>
    given.flatMap((row, r) => row.map((z, k) => w[k]! * y[r]![k]! * Math.log1p(Math.exp(-z)) + (1 - y[r]![k]!) * Math.log1p(Math.exp(z)))).reduce((a, b) => a + b) / 6
  for (const [posWeight, w] of [[1, [1, 1, 1]], [3, [3, 3, 3]], [[1, 5, 0.5], [1, 5, 0.5]]] as const) {
    const loss = await lossOf({ binaryCrossEntropy: { posWeight: posWeight as number | number[] } }, inputs, y)
    expect(loss).toBeCloseTo(expected([...w]), 5)
  }
  const wrong = await failure(() => lossOf({ binaryCrossEntropy: { posWeight: [1, 2] } }, inputs, y))
  expect(wrong).toMatchObject({ path: 'losses.binaryCrossEntropy.posWeight', message: expect.stringContaining('expected 3 numbers, one per class, got 2') })
  const text = await failure(() => lossOf({ binaryCrossEntropy: { posWeight: 'large' as unknown as number } }, inputs, y))
  expect(text.message).toContain('expected a number, or a list of one number per class, got "large"')
})

test('crossEntropy accepts rows of probabilities, and rejects rows that do not sum to 1', async () => {
  const y = [
    [0.2, 0.8, 0],
    [0.5, 0.25, 0.25],
  ]
  for (const meaning of [{}, { labels: 'probabilities' }]) {
    const loss = await lossOf({ crossEntropy: {} }, inputs, y, meaning)
    const expected = given.map((row, r) => {
      const sum = Math.log(row.reduce((all, z) => all + Math.exp(z), 0))
      return -row.reduce((all, z, k) => all + y[r]![k]! * (z - sum), 0)
    })
    expect(loss).toBeCloseTo((expected[0]! + expected[1]!) / 2, 5)
  }
  const several = [
    [1, 1, 0],
    [0, 1, 0],
  ]
  const wrong = await failure(() => lossOf({ crossEntropy: {} }, inputs, several))
  expect(wrong).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA', message: expect.stringMatching(/labels\[0\].*add up to 1, got 2: for several labels per row use binaryCrossEntropy/) })
  const said = await failure(() => Dataset.from({ inputs, labels: several }, { labels: 'probabilities' }))
  expect(said).toMatchObject({ path: 'labels[0]', message: expect.stringContaining('add up to 1, got 2') })
  const weighed = await failure(() => lossOf({ crossEntropy: { labelWeights: [1, 2, 3] } }, inputs, y))
  expect(weighed).toMatchObject({ path: 'losses.crossEntropy.labelWeights', message: expect.stringContaining('set a weight for each row instead') })
})

test('soft labels work in training, validation and evaluation like classes', async () => {
  const { inputs: rows, labels } = clusterColumns(90)
  const soft = Array.from(labels, label => Array.from({ length: 3 }, (_, k) => (k === label ? 0.9 : 0.05)))
  const given = Dataset.from({ inputs: rows, labels: soft }, { inputs: [8], labels: 'probabilities' })
  expect(given.labels).toBe('probabilities')
  const student = Model.create(mlp(16), { seed: 2 })
  const optimizer = { adamW: { learningRate: 0.01 } }
  const run = train({ student, data: given, validation: given, losses: { crossEntropy: {} }, optimizer, epochs: 5, batchSize: 30 })
  const last = (await reports(run)).at(-1)!
  expect(last.validation!.accuracy!).toBeGreaterThan(0.7)
  // The accuracy equals that for the most probable class of each row.
  const hard = Dataset.from({ inputs: rows, labels }, { inputs: [8], classes: 3 })
  const evaluated = await student.evaluate(given)
  expect(evaluated.accuracy).toBe((await student.evaluate(hard)).accuracy)
  expect(evaluated.loss!).toBeGreaterThan((await student.evaluate(hard)).loss!)
  const { probabilities } = await student.predict({ inputs: rows.subarray(0, 8) })
  expect(probabilities.reduce((sum, p) => sum + p)).toBeCloseTo(1, 5)
})

test("labelWeights 'balanced' equals scikit-learn's numbers, and is rejected for a stream", async () => {
  const { inputs: rows } = clusterColumns(60)
  const labels = Uint32Array.from({ length: 60 }, (_, row) => (row < 30 ? 0 : row < 50 ? 1 : 2))
  const given = Dataset.from({ inputs: rows, labels }, { inputs: [8], classes: 3 })
  const trained = async (labelWeights: 'balanced' | number[]) => {
    const student = Model.create(mlp(16), { seed: 2 })
    await train({ student, data: given, losses: { crossEntropy: { labelWeights } }, steps: 4, batchSize: 20 }).finish()
    return weights(student)
  }
  expect(await trained('balanced')).toEqual(await trained([60 / 90, 60 / 60, 60 / 30]))
  const stream = async function* () {
    yield { inputs: rows, labels }
  }
  const student = Model.create(mlp(16), { seed: 2 })
  const refused = await failure(() => train({ student, data: stream, losses: { crossEntropy: { labelWeights: 'balanced' } }, steps: 1 }).finish())
  expect(refused).toMatchObject({ path: 'losses.crossEntropy.labelWeights', message: expect.stringContaining('expected one number per class for a stream') })
})
