/** A teacher's largest logits as a column of the data: training, errors, resumed runs, parts of a data set. */
import { expect, test } from 'vitest'
import { Dataset, distill, Model, type DistillOptions, type TeacherTopK } from '../ts/index.js'
import { clusterColumns, clusters, failure, folder, mlp, reports, trainedTeacher, weights } from './support.js'

const data = clusters(300)
const validation = clusters(90, 2)
const teacher = await trainedTeacher(data)

/** The k largest logits of each row, of three classes. */
function top(logits: Float32Array, k: number, temperature?: number): Required<Pick<TeacherTopK, 'classes' | 'logits'>> & TeacherTopK {
  const [classes, kept, tail]: [number[], number[], number[]] = [[], [], []]
  for (let row = 0; row < logits.length; row += 3) {
    const own = [...logits.subarray(row, row + 3)]
    const order = [0, 1, 2].sort((a, b) => own[b]! - own[a]!).slice(0, k)
    classes.push(...order)
    kept.push(...order.map(at => own[at]!))
    tail.push(Math.log(own.reduce((sum, logit) => sum + Math.exp(logit / (temperature ?? 1)), 0)))
  }
  return { classes: Uint32Array.from(classes), logits: Float32Array.from(kept), ...(temperature && { logSumExp: Float32Array.from(tail), temperature }) }
}

const logits = await teacher.logits(data)
const dense = data.withTeacherLogits(logits)
const two = data.withTeacherTopK(top(logits, 2))
const shared = { validation, losses: { kl: {} }, epochs: 2, batchSize: 32, seed: 4, proofs: 'strict' as const }

async function student(from: DistillOptions['data'], more: Partial<DistillOptions> = {}) {
  const student = Model.create(mlp(4), { seed: 1 })
  const summary = await distill({ ...shared, student, data: from, ...more }).finish()
  return { made: Object.values(weights(student)).flat(), summary }
}

function farthest(a: number[], b: number[]): number {
  expect(a.length).toBe(b.length)
  return Math.max(...a.map((value, at) => Math.abs(value - b[at]!)))
}

test('storing the logits of all classes equals dense logits, and storing fewer equals kdTopk', async () => {
  const all = await student(data.withTeacherTopK(top(logits, 3)))
  expect(farthest(all.made, (await student(dense)).made)).toBeLessThan(1e-5)
  const stored = (await student(two)).made
  expect(farthest(stored, all.made)).toBeGreaterThan(1e-4)
  const losses = { kdTopk: { k: 2 } }
  for (const from of [dense, two]) expect(farthest(stored, (await student(from, { losses })).made)).toBeLessThan(1e-5)
  // With k below the stored number, the other stored classes are dropped too.
  const one = { losses: { crossEntropy: {}, kdTopk: { k: 1 } } }
  expect(farthest((await student(two, one)).made, (await student(dense, one)).made)).toBeLessThan(1e-5)
})

test('with logSumExp the other classes get equal parts of the rest, only at its temperature', async () => {
  const tail = data.withTeacherTopK(top(logits, 2, 2))
  const spread = { losses: { kdTopk: { k: 2, missing: 'uniform', temperature: 2 } } } as const
  const at = (temperature: number) => ({ losses: { kl: { temperature } } })
  expect(farthest((await student(tail, at(2))).made, (await student(dense, spread)).made)).toBeLessThan(1e-5)
  expect((await student(tail, at(3))).made).toEqual((await student(two, at(3))).made)
})

test('outputs are found by id, parts of a data set keep them, and a stream may contain them', async () => {
  const { classes, logits: kept } = top(logits, 2) as { classes: Uint32Array; logits: Float32Array }
  const ids = Float64Array.from({ length: 300 }, (_, row) => 299 - row)
  const backwards = <T extends Uint32Array | Float32Array>(values: T): T => {
    const made = values.slice() as T
    for (let row = 0; row < 300; row++) made.set(values.subarray(2 * row, 2 * row + 2), 2 * (299 - row))
    return made
  }
  const known = data.withTeacherTopK({ classes: backwards(classes), logits: backwards(kept), ids })
  const expected = (await student(two)).made
  expect((await student(known)).made).toEqual(expected)
  expect([two.teacherTopK, two.hasTeacherLogits, data.teacherTopK, dense.teacherTopK]).toEqual([2, false, undefined, undefined])
  const columns = clusterColumns(300)
  const rows = Array.from({ length: 300 }, (_, row) => [classes[2 * row]!, classes[2 * row + 1]!])
  const from = Dataset.from({ ...columns, teacherTopK: { classes: rows, logits: kept } }, { inputs: [8], classes: 3 })
  expect((await student(from)).made).toEqual(expected)
  const [part] = two.split([0.5], { seed: 3 })
  const [plain] = data.split([0.5], { seed: 3 })
  expect(part.teacherTopK).toBe(2)
  expect((await student(part)).made).toEqual((await student(plain.withTeacherTopK(top(await teacher.logits(plain), 2)))).made)

  const batches = async function* () {
    for (let row = 0; row < 300; row += 60) {
      const own = { inputs: columns.inputs.slice(8 * row, 8 * row + 480), labels: columns.labels.slice(row, row + 60) }
      yield { ...own, teacherTopK: { classes: classes.slice(2 * row, 2 * row + 120), logits: kept.slice(2 * row, 2 * row + 120) } }
    }
  }
  const stream = (losses: DistillOptions['losses']) => {
    const { validation: _, batchSize: __, ...options } = shared
    const made = Model.create(mlp(4), { seed: 1 })
    const source = Dataset.stream(batches, { inputs: [8], classes: 3 })
    return distill({ ...options, student: made, data: source, losses, epochs: 1 }).finish().then(() => Object.values(weights(made)).flat())
  }
  const { validation: _, ...rest } = shared
  const made = Model.create(mlp(4), { seed: 1 })
  await distill({ ...rest, student: made, data: two, shuffle: false, batchSize: 60, epochs: 1 }).finish()
  expect(await stream({ kl: {} })).toEqual(Object.values(weights(made)).flat())
  expect((await failure(() => stream({ dkd: {} }))).path).toBe('losses.dkd')
})

test('a run with them resumes to equal bits, but not with other outputs', async () => {
  const place = folder()
  const whole = (await student(two)).made
  const checkpoint = (resume: boolean) => ({ checkpoint: { folder: place, every: 5, resume }, reportEvery: 1 })
  const stopped = distill({ ...shared, ...checkpoint(false), student: Model.create(mlp(4), { seed: 1 }), data: two })
  let seen = 0
  for await (const _ of stopped) if (++seen === 8) break
  expect((await failure(() => student(data.withTeacherTopK(top(logits, 2, 1)), checkpoint(true)))).path).toBe('data')
  expect((await student(two, checkpoint(true))).made).toEqual(whole)
})

test('validation computes the agreement with them, they can weight rows, and the proofs read them', async () => {
  const held = validation.withTeacherTopK(top(await teacher.logits(validation), 2, 1))
  const all = validation.withTeacherLogits(await teacher.logits(validation))
  const run = async (validation: Dataset) => {
    const made = Model.create(mlp(4), { seed: 1 })
    return (await reports(distill({ ...shared, student: made, data: two, validation, metrics: { teacherKl: {} } }))).at(-1)!.validation!
  }
  const [stored, full] = [await run(held), await run(all)]
  expect(stored.agreement).toBe(full.agreement)
  // With three classes, the third one has the whole rest.
  expect(stored.teacherKl).toBeCloseTo(full.teacherKl as number, 4)
  const weighted = { losses: { crossEntropy: {} }, weightRowsByTeacher: true }
  expect(farthest((await student(data.withTeacherTopK(top(logits, 3)), weighted)).made, (await student(dense, weighted)).made)).toBeLessThan(1e-5)
  const findings = async (own: TeacherTopK) => {
    const { summary } = await student(data.withTeacherTopK(own), { proofs: 'warn' })
    return summary.findings.map(finding => finding.proof)
  }
  const { classes, logits: kept } = top(logits, 2) as { classes: Uint32Array; logits: Float32Array }
  expect(await findings({ classes: classes.map(label => (label + 1) % 3), logits: kept })).toContain('teacherClassOrder')
  const sums = Array.from({ length: 300 }, (_, row) => Math.exp(kept[2 * row]!) + Math.exp(kept[2 * row + 1]!))
  const p = kept.map((logit, at) => Math.exp(logit) / sums[at >> 1]!)
  expect(await findings({ classes, logits: p })).toContain('teacherGivesLogits')
})

test('losses and options that cannot use them are rejected with their path', async () => {
  const refused = async (more: Partial<DistillOptions>, from = two) => {
    const error = await failure(() => student(from, more))
    return `${error.path}: ${error.message}`
  }
  for (const losses of [{ dkd: {} }, { reverseKl: {} }, { logitMse: {} }, { kl: { standardize: true } }, { kdTopk: { k: 2, missing: 'bucket' } }, { kdTopk: { k: 1, includeTarget: true } }] as const) {
    const [name] = Object.keys(losses)
    expect(await refused({ losses })).toMatch(new RegExp(`^losses\\.${name}: .*expected a teacher with the logits of all classes`))
  }
  expect(await refused({ losses: { kdTopk: { k: 3 } } })).toMatch(/^losses\.kdTopk\.k: .*expected at most the 2 classes/)
  expect(await refused({ losses: { hint: {} } })).toMatch(/^losses/)
  expect(await refused({ permuteTeacher: true })).toMatch(/^teacher: .*permuteTeacher/)
  const mixed = { combine: 'probabilities', teacher: [{ model: teacher }, { column: true }] } as const
  expect(await refused(mixed)).toMatch(/^teacher\[1\]: .*combine: 'losses'/)
  expect(await refused({ augment: { noise: { std: 0.1 } } })).toMatch(/^augment/)
  const unlabelled = Dataset.from({ inputs: clusterColumns(300).inputs }, { inputs: [8] })
  const far = unlabelled.withTeacherTopK({ classes: Uint32Array.from({ length: 300 }, () => 7), logits: new Float32Array(300) })
  expect(await refused({}, far)).toMatch(/^teacher\.teacherTopK\.classes|^teacherTopK\.classes/)
  const made = async (own: unknown) => (await failure(() => data.withTeacherTopK(own as TeacherTopK))).path
  const { classes, logits: kept } = top(logits, 2)
  expect(await made({ classes, logits: kept, temperature: 2 })).toBe('teacherTopK.temperature')
  expect(await made({ classes: Array.from({ length: 300 }, () => [0]), logits: kept })).toBe('teacherTopK.classes[0]')
  expect(await made({ classes, logits: kept, logsumexp: [] })).toBe('teacherTopK.logsumexp')
  expect(await made({ classes: new Uint32Array(600), logits: kept })).toBe('teacherTopK.classes[0]')
  expect(await made({ classes, logits: kept, logSumExp: new Float32Array(300).fill(-50) })).toBe('teacherTopK.logSumExp[0]')
  const both = { inputs: clusterColumns(300).inputs, teacherLogits: logits, teacherTopK: { classes, logits: kept } }
  expect((await failure(() => Dataset.from(both, { inputs: [8] }))).path).toBe('teacherTopK')
})
