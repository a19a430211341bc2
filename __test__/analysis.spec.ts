/** Diagnostics through the facade: results for models with known outputs, and rejected arguments. */
import { beforeAll, describe, expect, test } from 'vitest'
import { analyse, Dataset, distill, Model, train, type Analysis } from '../ts/index.js'
import { clusterColumns, clusters, failure, mlp, reports, trainedTeacher } from './support.js'

let data: Dataset
let teacher: Model
let student: Model
let control: Model
let all: Analysis
const held = () => clusters(120, 2)
beforeAll(async () => {
  data = clusters(240)
  teacher = await trainedTeacher(data)
  student = Model.create(mlp(4), { seed: 1 })
  const losses = { crossEntropy: { weight: 0.5 }, kl: { weight: 0.5, temperature: 2 } }
  const run = distill({ teacher, student, data, losses, control: true, epochs: 3, batchSize: 32, optimizer: { adamW: { learningRate: 0.01 } } })
  await run.finish()
  control = run.control!
  all = await analyse({ teacher, student, control, data: held(), validation: data })
})

/** Softmax of one row, as a reference. */
function softmax(logits: Float32Array, row: number, temperature: number): number[] {
  const exp = [0, 1, 2].map(k => Math.exp(logits[3 * row + k]! / temperature))
  const sum = exp.reduce((a, b) => a + b)
  return exp.map(value => value / sum)
}

describe('all diagnostics in one call', () => {
  test('every diagnostic that the models allow is computed; only images can be shifted', () => {
    expect(all.rows).toBe(120)
    expect(Object.keys(all.leftOut)).toEqual(['mutualInformation'])
    expect(all.leftOut.mutualInformation).toContain('augment.shift: expected images')
    const names = ['reweighting', 'equivalentSmoothing', 'entropy', 'classCorrelation', 'projection', 'geometry', 'calibration', 'gain']
    expect(Object.keys(all).sort()).toEqual([...names, 'rows', 'leftOut'].sort())
  })

  test('re-weighting, smoothing and entropy equal values computed from the logits', async () => {
    const rows = held()
    const { labels } = clusterColumns(120, 2)
    const [v, z] = [await teacher.logits(rows), await student.logits(rows)]
    const w = Array.from(labels, (t, row) => {
      const [p, soft, q] = [softmax(v, row, 2), softmax(z, row, 2), softmax(z, row, 1)]
      return 0.1 + 0.9 * 2 * ((p[t]! - soft[t]!) / (1 - q[t]!))
    })
    const diagnostics = { reweighting: { weight: 0.9, temperature: 2, eachRow: true, groups: 3 }, equivalentSmoothing: { temperature: 2 }, entropy: {} }
    const { reweighting, equivalentSmoothing, entropy } = await analyse({ teacher, student, data: rows, diagnostics })
    reweighting.eachRow!.forEach((got, row) => expect(got).toBeCloseTo(w[row]!, 5))
    const sorted = [...w].sort((a, b) => a - b)
    expect(reweighting.weights.median).toBeCloseTo((sorted[59]! + sorted[60]!) / 2, 5)
    expect(reweighting.negative).toBeCloseTo(w.filter(one => one < 0).length / 120, 10)
    expect(reweighting.byConfidence.map(({ weights }) => weights.rows)).toEqual([40, 40, 40])
    const gamma = Array.from(labels, (t, row) => (1 - softmax(v, row, 2)[t]!) * 1.5).reduce((a, b) => a + b) / 120
    expect(equivalentSmoothing.teacher!.gamma).toBeCloseTo(gamma, 5)
    const nats = Array.from(labels, (_, row) => -softmax(z, row, 1).reduce((sum, p) => sum + p * Math.log(p), 0))
    expect(entropy.student!.nats.mean).toBeCloseTo(nats.reduce((a, b) => a + b) / 120, 5)
    expect(entropy.control).toBeUndefined()
  })

  test('gain is the difference between two evaluations', async () => {
    const [own, alone] = [await student.evaluate(held()), await control.evaluate(held())]
    const { all: together, classes } = all.gain!
    expect(together.gain).toBeCloseTo(own.accuracy! - alone.accuracy!, 10)
    expect(classes.map(({ label, rows }) => [label, rows])).toEqual([[0, 40], [1, 40], [2, 40]])
    expect((together.mended - together.spoilt) / 120).toBeCloseTo(together.gain, 10)
  })

  test('calibration agrees with the metric, and one temperature never makes the fitted loss larger', async () => {
    const fitted = await analyse({ student, data, validation: data, diagnostics: { calibration: { bins: 10 } } })
    const { before, after } = fitted.calibration.student!
    expect(after!.loss).toBeLessThanOrEqual(before.loss)
    expect(before.loss).toBeCloseTo((await student.evaluate(data)).loss!, 5)
    expect(before.bins.reduce((sum, { rows }) => sum + rows, 0)).toBe(240)
    const error = before.bins.reduce((sum, { rows, accuracy, confidence }) => sum + (rows / 240) * Math.abs(accuracy - confidence), 0)
    expect(before.error).toBeCloseTo(error, 10)
  })

  test('class templates are in the projection plane, correlations are symmetric, the order is a permutation of the classes', () => {
    const { templates, points, clusters } = all.projection!.student!
    expect(templates[0]).toEqual([0, 0])
    expect(templates[1]![1]).toBeCloseTo(0, 9)
    expect(templates[2]![1]).toBeGreaterThan(0)
    expect(points).toHaveLength(120)
    expect(clusters[2]!.x).toBeCloseTo(points.filter(({ label }) => label === 2).reduce((sum, { x }) => sum + x, 0) / 40, 9)
    const { matrix, order } = all.classCorrelation!.teacher!
    for (const i of [0, 1, 2]) for (const j of [0, 1, 2]) expect(matrix[i]![j]).toBe(matrix[j]![i])
    expect([...order].sort()).toEqual([0, 1, 2])
    expect(all.geometry!.pairs).toBe(120)
  })
})

test('a student that is a copy of its teacher has the same geometry and no re-weighting', async () => {
  const { reweighting } = await analyse({ teacher, student: teacher.clone(), data, diagnostics: { reweighting: { weight: 1 } } })
  expect(Math.max(Math.abs(reweighting.weights.lowest), Math.abs(reweighting.weights.highest))).toBeLessThan(1e-9)
})

test('the teacher may be a function or a column of the data', async () => {
  const rows = held()
  const logits = await teacher.logits(rows)
  const diagnostics = { equivalentSmoothing: {} }
  const { equivalentSmoothing: known } = await analyse({ teacher, data: rows, diagnostics })
  const asked = await analyse({ teacher: async ({ ids }) => Array.from(ids, id => logits.slice(3 * id, 3 * id + 3)), data: rows, diagnostics })
  expect(asked.equivalentSmoothing).toEqual(known)
  const column = await analyse({ student, data: rows.withTeacherLogits(logits), diagnostics: { equivalentSmoothing: {}, reweighting: {} } })
  expect(column.equivalentSmoothing.teacher).toEqual(known.teacher)
})

test('mutual information is between 0 and the logarithm of the number of rows, and is reproducible', async () => {
  const options = { rows: 60, copies: 4, augment: { noise: { std: 0.5 } }, seed: 3 }
  const once = await analyse({ teacher, data, diagnostics: { mutualInformation: options } })
  const { nats, most, rows } = once.mutualInformation.teacher!
  expect([rows, most]).toEqual([60, Math.log(60)])
  expect(nats).toBeGreaterThan(0.2)
  expect(nats).toBeLessThan(most)
  expect(await analyse({ teacher, data, diagnostics: { mutualInformation: options } })).toEqual(once)
})

test('a run reports re-weighting and smoothing after each epoch', async () => {
  const metrics = { reweighting: { weight: 0.5, temperature: 2 }, equivalentSmoothing: { temperature: 2 } }
  const losses = { crossEntropy: { weight: 0.5 }, kl: { weight: 0.5, temperature: 2 } }
  const learner = Model.create(mlp(4), { seed: 5 })
  const all = await reports(distill({ teacher, student: learner, data, validation: held(), losses, epochs: 2, batchSize: 32, metrics }))
  const seen = all.flatMap(({ validation }) => (validation === undefined ? [] : [validation]))
  expect(seen).toHaveLength(2)
  const { reweighting, equivalentSmoothing } = await analyse({
    teacher,
    student: learner,
    data: held(),
    diagnostics: { reweighting: metrics.reweighting, equivalentSmoothing: metrics.equivalentSmoothing },
  })
  expect(seen[1]!.reweighting).toEqual(reweighting.weights)
  expect(seen[1]!.equivalentSmoothing).toBeCloseTo(equivalentSmoothing.teacher!.gamma, 12)
  expect(seen[0]!.reweighting).not.toEqual(seen[1]!.reweighting)
  const alone = train({ student: Model.create(mlp(4)), data, validation: held(), losses: { crossEntropy: {} }, metrics: { reweighting: {} } })
  expect((await failure(() => alone.finish())).message).toBe('metrics.reweighting: expected a teacher and one label per row, got none')
})

test.for([
  [{}, /^teacher: expected a teacher, a student or both, got neither/],
  [{ student: 1 }, /^student: expected a Model/],
  [{ teacher: 1 }, /^teacher: expected a Model, a Teacher, a function/],
  [{ diagnostics: {} }, /^diagnostics: expected at least one of reweighting, /],
  [{ diagnostics: { entropie: {} } }, /^diagnostics\.entropie: unknown key entropie; did you mean entropy\? the keys are reweighting, /],
  [{ diagnostics: { entropy: { temperature: -1 } } }, /^diagnostics\.entropy\.temperature: expected a number above 0, got -1/],
  [{ diagnostics: { gain: {} } }, /^diagnostics\.gain\.\w+: expected /],
  [{ rows: 5 }, /unknown key rows/],
] as const)('what cannot be said is refused: %j', async ([given, message]) => {
  const models = 'diagnostics' in given ? { student } : {}
  expect((await failure(() => analyse({ data, ...models, ...given } as never))).message).toMatch(message)
})

test('an aborted analysis rejects with the reason, and the models stay usable', async () => {
  const reason = new Error('enough')
  await expect(analyse({ teacher, data, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect((await teacher.evaluate(data)).rows).toBe(240)
})
