/** Kinds of teachers: several models, functions together with models, the student's average, smoothed labels. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { bornAgain, distill, Model, type AnyTeacher, type DistillOptions } from '../ts/index.js'
import { learn } from '../ts/cli/learn.js'
import { Output } from '../ts/cli/output.js'
import { clusterColumns, clusters, failure, folder, mlp, trainedTeacher, weights } from './support.js'

const data = clusters(300)
const validation = clusters(90, 2)
const [first, second] = [await trainedTeacher(data), await trainedTeacher(data, 4)]
const losses = { kl: { temperature: 2 } }
const shared = { data, validation, losses, epochs: 2, batchSize: 32, seed: 4, proofs: 'off' as const }

async function student(teacher: AnyTeacher | undefined, more: Partial<DistillOptions> = {}) {
  const student = Model.create(mlp(4), { seed: 1 })
  const summary = await distill({ ...shared, student, ...(teacher && { teacher }), ...more }).finish()
  return { made: weights(student), summary }
}

test('a list with one teacher equals this teacher, and several are combined by the option', async () => {
  const alone = await student(first)
  expect((await student([{ model: first, weight: 3 }])).made).toEqual(alone.made)
  const both: AnyTeacher = [{ model: first, weight: 2 }, { model: second }]
  const [byLosses, byLogits] = [await student(both), await student(both, { combine: 'logits' })]
  expect(byLosses.made).not.toEqual(alone.made)
  expect(byLogits.made).not.toEqual(byLosses.made)
  expect((await student(both, { combine: 'logits' })).made).toEqual(byLogits.made)
  expect(byLosses.summary.teacher!.accuracy).toBeGreaterThan(0)
})

test('a function together with a model gives the same result as the model that it calls', async () => {
  const answer = async ({ inputs }: { inputs: Float32Array | Uint32Array }) => (await second.predict({ inputs })).logits
  const asked = await student([{ model: first }, { model: answer }])
  expect(asked.made).toEqual((await student([{ model: first }, { column: true }], { data: data.withTeacherLogits(await second.logits(data)) })).made)
})

test('the student’s own average and smoothed labels work as teachers', async () => {
  const both = { crossEntropy: {}, kl: {} }
  const average = await student({ average: { decay: 0.9 } }, { losses: both })
  expect(average.made).not.toEqual((await student({ average: { decay: 0.5 } }, { losses: both })).made)
  const smoothed = await student({ labelSmoothing: { share: 0.2 } })
  expect(smoothed.made).not.toEqual((await student({ labelSmoothing: { share: 0.1 } })).made)
  expect(smoothed.summary.teacher).toBeUndefined()
})

test('an invalid teacher is rejected with its path', async () => {
  const refused = async (teacher: unknown, more: Partial<DistillOptions> = {}) => (await failure(() => student(teacher as AnyTeacher, more))).path
  expect(await refused([])).toBe('teacher')
  expect(await refused([{ model: first }, {}])).toBe('teacher[1]')
  expect(await refused([{ model: first }, { model: second, average: {} }])).toBe('teacher[1]')
  expect(await refused([{ model: first, weight: -1 }, { model: second }])).toBe('teacher[0]')
  expect(await refused([{ model: first, weight: NaN }])).toBe('teacher[0].weight')
  expect(await refused([{ model: 'first' }])).toBe('teacher[0].model')
  expect(await refused([{ model: first, wieght: 1 }])).toBe('teacher[0].wieght')
  expect(await refused({ average: { decay: 1 } })).toBe('teacher.average.decay')
  expect(await refused({ labelSmoothing: { share: 1 } })).toBe('teacher.labelSmoothing.share')
  expect(await refused({ smoothing: {} })).toBe('teacher.smoothing')
  expect(await refused([{ model: () => [] }, { model: () => [] }])).toBe('teacher[1].model')
  expect(await refused([{ model: first }, { column: true }])).toBe('teacher[1]')
  const wide = Model.create({ mlp: { sizes: [8, 5] } })
  expect(await refused([{ model: first }, { model: wide }])).toBe('teacher[1]')
})

test('weightRowsByTeacher and permuteTeacher train a student', async () => {
  const { losses: _, ...rest } = shared
  const made = []
  for (const variant of ['cwtm', 'dkpp', 'ban'] as const) {
    const again = bornAgain({ ...rest, teacher: first, generations: 1, variant })
    await again.finish()
    made.push(weights(again.students[0]!))
  }
  expect(made[0]).not.toEqual(made[2])
  expect(made[1]).not.toEqual(made[2])
})

test('a configuration file with several teachers gives the same student as the API', async () => {
  const place = folder()
  const at = (name: string) => path.join(place, name)
  await Promise.all([first.save(at('first.safetensors')), second.save(at('second.safetensors'))])
  const { inputs, labels } = clusterColumns(300)
  const rows = Array.from(labels, (label, row) => JSON.stringify({ numbers: Array.from(inputs.subarray(8 * row, 8 * row + 8)), label }))
  writeFileSync(at('rows.jsonl'), rows.join('\n'))
  const { data: _, validation: __, ...options } = shared
  writeFileSync(
    at('run.json'),
    JSON.stringify({
      ...options,
      teacher: [{ model: 'first.safetensors', weight: 2 }, { model: 'second.safetensors' }],
      combine: 'probabilities',
      student: { ...mlp(4), seed: 1 },
      data: { jsonLines: { path: 'rows.jsonl', inputs: 'numbers', label: 'label' }, classes: 3 },
      out: 'student.safetensors',
    }),
  )
  const quiet = new Output({ quiet: true })
  expect(await learn('distill', { config: at('run.json'), quiet: true }, quiet)).toBe(0)
  const { validation: ___, ...seen } = shared
  const made = Model.create(mlp(4), { seed: 1 })
  await distill({ ...seen, student: made, teacher: [{ model: first, weight: 2 }, { model: second }], combine: 'probabilities' }).finish()
  expect(weights(await Model.load(at('student.safetensors')))).toEqual(weights(made))
}, 30_000)
