/** KD-pt, KD-sim, KD-pt+sim and KD-topk on real digits, from the data to the saved student. */
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { analyse, Dataset, distill, Model, train, type LossesOptions } from '../ts/index.js'
import { convNet, taughtDigits } from './digits.js'
import { failure, folder } from './support.js'

let data: Dataset
let held: Dataset
let teacher: Model

beforeAll(async () => {
  ;({ data, held, teacher } = await taughtDigits())
}, 120_000)

/** Trains a new student; returns its accuracy, the findings, and the student. */
async function taught(losses: LossesOptions, learner: Model | null = teacher) {
  const student = convNet([4, 8], 2)
  const options = { student, data, losses, optimizer: { adamW: { learningRate: 3e-3 } }, epochs: 4, seed: 3 }
  const { findings } = await (learner === null ? train(options) : distill({ teacher: learner, ...options })).finish()
  return { accuracy: (await student.evaluate(held)).accuracy!, findings, student }
}

const parts: [string, LossesOptions][] = [
  ['kdPt', { kdPt: { weight: 0.9, temperature: 4 } }],
  ['kdSim', { kdSim: { weight: 0.9, power: 0.5, sharpness: 0.3 } }],
  ['kdPtSim', { kdPtSim: { weight: 0.9, mix: 0.5, power: 0.5, sharpness: 0.3 } }],
  ...(['renormalize', 'zero', 'uniform', 'bucket'] as const).map(
    (missing): [string, LossesOptions] => [`kdTopk, ${missing}`, { kdTopk: { weight: 0.9, k: 3, missing, temperature: 4 } }],
  ),
]

test.each(parts)('%s learns the digits without findings', async (_, part) => {
  const { accuracy, findings, student } = await taught({ crossEntropy: { weight: 0.1 }, ...part })
  expect(findings).toEqual([])
  expect(accuracy).toBeGreaterThan(0.85)
  const file = path.join(folder(), 'student.safetensors')
  await student.save(file)
  expect((await (await Model.load(file)).evaluate(held)).accuracy).toBe(accuracy)
}, 60_000)

test('students learn from a teacher without labels', async () => {
  const { accuracy } = await taught({ kdTopk: { k: 5, temperature: 2 } })
  expect(accuracy).toBeGreaterThan(0.85)
}, 60_000)

test('kdTopk over all classes equals kl, and kdPtSim with a mix of 1 equals kdPt', async () => {
  const same = async (one: LossesOptions, other: LossesOptions) => {
    const [a, b] = [await taught(one), await taught(other)]
    expect(Math.abs(a.accuracy - b.accuracy)).toBeLessThan(0.01)
  }
  await same({ kdTopk: { k: 10, temperature: 4 } }, { kl: { temperature: 4 } })
  await same({ kdPtSim: { mix: 1, temperature: 4 } }, { kdPt: { temperature: 4 } })
}, 120_000)

test('re-weighting and equivalent smoothing depend on the temperature', async () => {
  const { student } = await taught({ crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } })
  const at = async (temperature: number) => {
    const diagnostics = { equivalentSmoothing: { temperature }, reweighting: { weight: 0.9, temperature }, geometry: {} }
    return analyse({ teacher, student, data: held, diagnostics })
  }
  const [sharp, soft] = [await at(1), await at(4)]
  expect(JSON.stringify(sharp.equivalentSmoothing)).not.toBe(JSON.stringify(soft.equivalentSmoothing))
  expect(Number.isFinite(soft.reweighting.weights.median)).toBe(true)
  expect(soft.geometry.share).toBeGreaterThan(0.5)
}, 60_000)

test('missing requirements of the losses are rejected before the first step, with the remedy', async () => {
  const student = convNet([4, 8], 2)
  const before = JSON.stringify(student.parameters())
  const refused = (losses: LossesOptions, more: object = {}) =>
    failure(() => distill({ teacher, student, data, losses, epochs: 1, ...more }).next())
  expect(await refused({ kdTopk: { k: 11 } })).toMatchObject({ path: 'losses.kdTopk.k' })
  expect(await refused({ kdTopk: { k: 0 } })).toMatchObject({ path: 'losses.kdTopk.k' })
  expect(await refused({ kdSim: { sharpness: 0 } })).toMatchObject({ path: 'losses.kdSim.sharpness' })
  expect(await refused({ kdPtSim: { mix: 1.5 } })).toMatchObject({ path: 'losses.kdPtSim.mix' })
  const logits = new Float32Array(data.rows * 10).map((_, at) => at % 7)
  const answered = data.withTeacherLogits({ logits })
  const error = await failure(() => distill({ student, data: answered, losses: { kdSim: {} }, epochs: 1 }).next())
  expect(error).toMatchObject({ path: 'losses.kdSim' })
  expect(error.message).toMatch(/pass the model itself/)
  expect(JSON.stringify(student.parameters())).toBe(before)
}, 60_000)
