/** Mutual learning: both orders of updates, options per learner, errors and warnings. */
import { expect, test } from 'vitest'
import { distill, distillMutually, Model, type MutualReport, type MutualRunOptions } from '../ts/index.js'
import { clusters, failure, mlp, trainedTeacher, weights } from './support.js'

const data = clusters(300)
const validation = clusters(90, 2)
const losses = { crossEntropy: {}, kl: {} }
const shared = { data, validation, losses, epochs: 2, batchSize: 32, seed: 4 }
const nets = () => [Model.create(mlp(8), { seed: 1 }), Model.create(mlp(16, 8), { seed: 2 })] as const

async function taught(options: Partial<MutualRunOptions> = {}) {
  const students = nets()
  const all: MutualReport[] = []
  for await (const report of distillMutually({ ...shared, students, ...options })) all.push(report)
  return { made: students.map(weights), last: all.at(-1)! }
}

test('two learners of different architectures teach each other, and every report has the numbers of each', async () => {
  const { made, last } = await taught()
  expect((await taught()).made).toEqual(made)
  expect((await taught({ updates: 'alternating' })).made).not.toEqual(made)
  expect(last.learners.length).toBe(2)
  expect(last.loss).toBeCloseTo((last.learners[0]!.loss + last.learners[1]!.loss) / 2, 10)
  for (const { validation, terms } of last.learners) {
    expect(validation!.entropy).toBeGreaterThan(0)
    expect(validation!.peerAgreement).toBeGreaterThan(0)
    expect(Object.keys(terms)).toEqual(['crossEntropy', 'kl'])
  }
  const [first, second] = last.learners.map(({ validation }) => validation!.peerAgreement)
  expect(first).toBe(second)
  expect(last.summary!.learners.map(({ keptStep }) => keptStep)).toEqual([last.step, last.step])
})

test('one simultaneous step equals distillation from the other’s initial parameters', async () => {
  const { validation: _, epochs: __, ...rest } = shared
  const students = nets()
  await distillMutually({ ...rest, steps: 1, students }).finish()
  const [first, second] = nets()
  await distill({ ...rest, steps: 1, student: first, teacher: nets()[1] }).finish()
  expect(weights(students[0])).toEqual(weights(first))
  expect(weights(students[1])).not.toEqual(weights(second))
})

test('each learner may have its own options', async () => {
  const { made } = await taught()
  const other = await taught({ learners: [{}, { optimizer: { sgd: { learningRate: 0.5 } }, losses: { crossEntropy: { weight: 0.5 }, kl: { temperature: 2 } } }] })
  expect(other.made).not.toEqual(made)
  expect(other.last.learners[0]!.learningRate).not.toBe(other.last.learners[1]!.learningRate)
})

test('a frozen teacher in addition to the peers stays unchanged and has an effect; peers may be averaged', async () => {
  const teacher = await trainedTeacher(data)
  const before = weights(teacher)
  const beside = await taught({ teacher })
  expect(weights(teacher)).toEqual(before)
  expect(beside.made).not.toEqual((await taught()).made)
  expect((await taught({ teacher, teacherWeight: 0 })).made).toEqual((await taught()).made)
  expect((await taught({ teacher, combine: 'probabilities' })).made).not.toEqual(beside.made)
  expect(beside.last.learners[0]!.validation!.agreement).toBeGreaterThan(0)
})

test('a single learner and a repeated learner are rejected with their path; equal initial weights cause a warning', async () => {
  const refused = async (options: Partial<MutualRunOptions>) => {
    const run = distillMutually({ ...shared, students: nets(), ...options })
    const { path } = await failure(() => run.check())
    expect((await failure(() => run.next())).path).toBe(path)
    return path
  }
  const [first, second] = nets()
  expect(await refused({ students: [first] })).toBe('students')
  expect(await refused({ students: [first, first] })).toBe('students[1]')
  expect(await refused({ learners: [{}] })).toBe('learners')
  expect(await refused({ learners: [{}, { losses: { kl: { temperature: 0 } } }] })).toBe('learners[1].losses.kl.temperature')
  expect(await refused({ losses: { kl: { temperature: 0 } } })).toBe('losses.kl.temperature')
  // @ts-expect-error All learners share their batches.
  expect(await refused({ learners: [{}, { batchSize: 3 }] })).toBe('learners[1].batchSize')
  // @ts-expect-error There is no such schedule.
  expect(await refused({ updates: 'never' })).toBe('updates')
  expect(await refused({ teacherWeight: -1 })).toBe('teacherWeight')
  expect(await refused({ losses: { crossEntropy: {} } })).toBe('losses')
  expect(await refused({ students: [first, Model.create({ mlp: { sizes: [8, 5] } })] })).toBe('losses.kl')
  const equal = await taught({ students: [second, second.clone()] })
  expect(equal.last.findings.map(({ proof, path }) => [proof, path])).toContainEqual(['learnersDiffer', 'students[1]'])
})

test('an abort leaves all learners unchanged; leaving the run updates all of them to the current step', async () => {
  const students = nets()
  const abort = new AbortController()
  const run = distillMutually({ ...shared, students, signal: abort.signal, reportEvery: 1 })
  await run.next()
  abort.abort(new Error('enough'))
  await expect(run.next()).rejects.toThrow('enough')
  expect(students.map(weights)).toEqual(nets().map(weights))
  for await (const _ of distillMutually({ ...shared, students, reportEvery: 1 })) break
  students.forEach((student, at) => expect(weights(student)).not.toEqual(weights(nets()[at]!)))
})
