/** Triplet loss for distillation as in both published releases, scaled down: real digits, from the data to the saved student. */
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { Dataset, distill, Model, type TrainOptions } from '../ts/index.js'
import { convNet, taughtDigits } from './digits.js'
import { failure, folder, reports } from './support.js'

let data: Dataset
let held: Dataset
let teacher: Model

beforeAll(async () => {
  ;({ data, held, teacher } = await taughtDigits())
}, 120_000)

/** The authors' rate and momentum, the weight decay of each release, smaller batches, and few epochs instead of hundreds. */
const released: Record<'tlkd2020' | 'tlkd2022', Partial<TrainOptions>> = {
  tlkd2020: { optimizer: { sgd: { learningRate: 0.01, momentum: 0.9, weightDecay: 0.007 } }, batchSize: 10, epochs: 5 },
  tlkd2022: { optimizer: { sgd: { learningRate: 0.01, momentum: 0.9, weightDecay: 0.001 } }, batchSize: 10, epochs: 5 },
}

test.each(['tlkd2020', 'tlkd2022'] as const)('%s learns the digits without findings', async preset => {
  const student = convNet([4, 8], 2)
  const run = distill({ teacher, student, data, validation: held, losses: preset, seed: 3, ...released[preset] })
  const all = await reports(run)
  const last = all.at(-1)!
  expect(last.summary!.findings).toEqual([])
  expect(Object.keys(last.terms).sort()).toEqual(preset === 'tlkd2020' ? ['crossEntropy', 'triplet'] : ['crossEntropy', 'kl', 'triplet'])
  const open = all.flatMap(report => report.details?.triplet?.openHinges ?? [])
  expect(open.at(-1)!).toBeLessThan(open[0]!)
  const { accuracy } = await student.evaluate(held)
  expect(accuracy!).toBeGreaterThan(0.85)
  const file = path.join(folder(), 'student.safetensors')
  await student.save(file)
  expect((await (await Model.load(file)).evaluate(held)).accuracy).toBe(accuracy)
}, 120_000)

test('the proofs report the teacher whose weights the script of 2022 never loads', async () => {
  const untrained = convNet([4, 8], 7)
  const student = convNet([4, 8], 2)
  const run = distill({ teacher: untrained, student, data, validation: held, losses: 'tlkd2022', ...released.tlkd2022, epochs: 1 })
  const { findings } = await run.finish()
  expect(findings.map(finding => finding.proof)).toContain('teacherBeatsChance')
}, 60_000)

test('a preset gives the same bits as the losses that it names', async () => {
  const taught = async (losses: TrainOptions['losses']) => {
    const student = convNet([4, 8], 2)
    await distill({ teacher, student, data, losses, steps: 5, seed: 3 }).finish()
    return JSON.stringify(student.parameters().map(({ values }) => Array.from(values)))
  }
  expect(await taught('tlkd2020')).toBe(await taught({ crossEntropy: {}, triplet: { weight: 2, margin: 5 } }))
}, 60_000)

test('missing requirements of the losses are rejected before the first step, with the remedy', async () => {
  const student = convNet([4, 8], 2)
  const refused = (losses: unknown, more: object = {}) =>
    failure(() => distill({ teacher, student, data, losses: losses as 'tlkd2020', epochs: 1, ...more }).next())
  const unknown = await refused('tlkd2021')
  expect(unknown).toMatchObject({ path: 'losses' })
  expect(unknown.message).toMatch(/'tlkd2020', 'tlkd2022'/)
  const ones = Dataset.from({ inputs: new Float32Array(20 * 784), labels: new Uint8Array(20).fill(3) }, { inputs: [1, 28, 28], classes: 10 })
  expect(await refused('tlkd2020', { data: ones })).toMatchObject({ path: 'losses.triplet' })
  expect(await refused({ triplet: { layers: 'embedding' } })).toMatchObject({ path: 'losses.triplet.layers' })
  expect(await refused({ triplet: { layers: 'blocks.9' } })).toMatchObject({ path: 'losses.triplet.layers' })
  const logits = new Float32Array(data.rows * 10).map((_, at) => at % 7).fill(-Infinity, 10, 20)
  expect(await failure(() => data.withTeacherLogits({ logits }))).toMatchObject({ path: 'teacherLogits[1]' })
}, 60_000)
