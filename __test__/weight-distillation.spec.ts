/** Weight Distillation as published, scaled down to digits; its plan, initial values and errors. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { readDemoData } from '../ts/cli/demo-data.js'
import { Dataset, distill, distillWeights, Model, train, type WeightsOptions } from '../ts/index.js'
import { clusters, failure, folder, mlp, weights } from './support.js'

const data = clusters(300)
const validation = clusters(90, 2)
const net = (...hidden: number[]) => Model.create(mlp(...hidden), { seed: 3 })
const optimizer = { adam: { learningRate: 0.01 } }
const teacher = net(16, 16, 16, 16, 16)
await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer, epochs: 8, batchSize: 32, seed: 9 }).finish()
const losses = { crossEntropy: { weight: 0.5 }, kl: { weight: 0.5, temperature: 2 } }
const shared = { teacher, data, validation, losses, optimizer, epochs: 4, batchSize: 32, seed: 4, proofs: 'strict' as const }

test('as published, from data to a saved student: phase 1 on true and predicted labels, baking, phase 2', async () => {
  const { train: all, test: held } = await readDemoData()
  const some = Array.from({ length: 1600 }, (_, row) => row * 5)
  const inputs = new Float32Array(some.length * 784)
  some.forEach((row, at) => inputs.set(all.inputs.subarray(row * 784, (row + 1) * 784), at * 784))
  const gold = Array.from(some, row => all.labels[row]!)
  const digits = (pixels: Float32Array, labels: readonly number[]) => Dataset.from({ inputs: pixels, labels }, { inputs: [784], classes: 10 })

  const big = Model.create({ mlp: { sizes: [784, 32, 32, 32, 32, 32, 10] } }, { seed: 1 })
  await train({ student: big, data: digits(inputs, gold), losses: { crossEntropy: {} }, optimizer: { adam: {} }, epochs: 8, seed: 1 }).finish()
  const before = weights(big)
  // Both phases learn only from these rows: each image with its true label and with the teacher's label.
  const { labels: taught } = await big.predict({ inputs })
  const twice = new Float32Array(2 * inputs.length)
  twice.set(inputs)
  twice.set(inputs, inputs.length)

  const student = Model.create({ mlp: { sizes: [784, 16, 16, 16, 10] } }, { seed: 2 })
  const run = distillWeights({
    teacher: big,
    student,
    data: digits(twice, [...gold, ...taught]),
    validation: digits(held.inputs, Array.from(held.labels)),
    losses: { crossEntropy: { labelSmoothing: 0.1 } },
    optimizer: { adam: { learningRate: 4e-3, beta2: 0.98 } },
    phase1: { epochs: 6, schedule: { inverseSquareRoot: { warmupSteps: 40 } } },
    phase2: { epochs: 3, schedule: { inverseSquareRoot: { warmupSteps: 10 } } },
  })
  const phases = new Set<number>()
  for await (const { phase } of run) phases.add(phase)
  expect([...phases]).toEqual([1, 2])
  const [made, ended] = run.outcome!.phases
  expect(made!.summary.origin).toEqual(run.outcome!.origin)
  expect(run.outcome!.origin).toMatchObject({ fromTeacher: 1, unused: [] })
  expect(made!.validation!.accuracy).toBeGreaterThan(0.6)
  expect(ended!.validation!.accuracy).toBeGreaterThan(0.8)
  expect(ended!.summary.origin).toBeUndefined()
  expect(weights(big)).toEqual(before)
  const file = path.join(folder(), 'student.safetensors')
  await student.save(file)
  const again = await (await Model.load(file)).evaluate(digits(held.inputs, Array.from(held.labels)))
  expect(again.accuracy).toBe(ended!.validation!.accuracy)
}, 120_000)

test('phase 1 is distill with a generator, phase 2 continues with its result; the folder keeps both', async () => {
  const place = folder()
  const student = net(8, 8, 8)
  const phase2 = { losses: { crossEntropy: {} }, epochs: 2 }
  const run = distillWeights({ ...shared, student, phase2, checkpoint: { folder: place } })
  await run.finish()
  expect(readdirSync(place).sort()).toEqual(['phase-1', 'phase-1.safetensors', 'phase-2', 'phase-2.safetensors', 'regime.json'])
  const alone = net(8, 8, 8)
  await distill({ ...shared, student: alone, generator: {}, keep: 'best' }).finish()
  expect(weights(await Model.load(path.join(place, 'phase-1.safetensors')))).toEqual(weights(alone))
  const { teacher: _, ...rest } = shared
  await train({ ...rest, ...phase2, student: alone, keep: 'best' }).finish()
  expect(weights(student)).toEqual(weights(alone))
  // No step is left, and the outcome is available at once.
  const again = net(8, 8, 8)
  expect(await distillWeights({ ...shared, student: again, phase2, resume: place }).finish()).toEqual(run.outcome)
  expect(weights(again)).toEqual(weights(student))
  const refused = await failure(() => distillWeights({ ...shared, student: again, generator: { remainder: 'spread' }, phase2, resume: place }).finish())
  expect(refused.code).toBe('ERR_LIMBECK_CHECKPOINT_MISMATCH')
})

test('the plan shows which parameters are generated from which, before any training', () => {
  const student = net(8, 8, 8)
  const before = weights(student)
  const { rows, origin, text } = student.generatorPlan(teacher)
  expect(rows.map(({ student, teacher, rule }) => [student, teacher.join(' '), rule])).toEqual([
    ['layers.0.weight', 'layers.0.weight', 'full'],
    ['layers.0.bias', 'layers.0.bias', 'vector'],
    ['layers.1.weight', 'layers.1.weight layers.2.weight', 'full'],
    ['layers.1.bias', 'layers.1.bias layers.2.bias', 'vector'],
    ['layers.2.weight', 'layers.3.weight layers.4.weight', 'full'],
    ['layers.2.bias', 'layers.3.bias layers.4.bias', 'vector'],
    ['head.weight', 'head.weight', 'project'],
    ['head.bias', 'head.bias', 'copy'],
  ])
  expect(rows[2]!.trained).toBe(16 * 8 + 16 * 8 + 4 + 2 + 2 * 8 * 8)
  expect(origin.trained).toBe(rows.reduce((sum, { trained }) => sum + trained, 0))
  expect(text).toContain('every layer of the teacher is used')
  expect(weights(student)).toEqual(before)
  const { origin: fresh } = student.generatorPlan(teacher, { rules: [{ student: 'layers', rule: { fresh: {} } }] })
  expect(fresh.unused).toEqual(['layers.0', 'layers.1', 'layers.2', 'layers.3', 'layers.4'])
})

test('a student can start from a sub-block of its teacher, or from an untrained generator', () => {
  const theirs = weights(teacher)
  const student = net(8, 8, 8)
  const { rows } = student.truncateFrom(teacher)
  expect(new Set(rows.map(({ rule }) => rule))).toEqual(new Set(['truncate']))
  expect(weights(student)['layers.0.weight']).toEqual(theirs['layers.0.weight']!.slice(0, 64))
  expect(weights(student)['layers.2.bias']).toEqual(theirs['layers.3.bias']!.slice(0, 8))
  const started = [1, 1, 2].map(seed => {
    const one = net(8, 8, 8)
    one.startFrom(teacher, {}, { seed })
    return weights(one)
  })
  expect(started[0]).toEqual(started[1])
  expect(started[0]).not.toEqual(started[2])
  expect(weights(teacher)).toEqual(theirs)
})

test('parameters that cannot be generated are rejected before the first step, with path and remedy', async () => {
  const refused = async (options: Partial<WeightsOptions>) => {
    const student = options.student ?? net(8, 8, 8)
    const before = weights(student)
    const error = await failure(() => distillWeights({ ...shared, student, ...options }).next())
    expect(weights(student)).toEqual(before)
    return error
  }
  expect((await refused({ student: teacher })).path).toBe('student')
  const deeper = await refused({ student: net(8, 8, 8, 8, 8, 8) })
  expect(deeper.path).toBe('generator.layers.5')
  expect(deeper.message).toContain("rules: [{ student: 'layers.5', rule: { fresh: {} } }]")
  expect(await refused({ student: net(8, 8, 8, 8) })).toMatchObject({ path: 'generator.remainder', code: 'ERR_LIMBECK_INVALID_CONFIG' })
  expect((await refused({ generator: { rules: [{ student: 'blocks.*', rule: { fresh: {} } }] } })).path).toBe('generator.rules[0].student')
  expect((await refused({ generator: { rules: [{ student: 'head', teacher: ['layers.9'] }] } })).path).toBe('generator.rules[0].teacher[0]')
  // @ts-expect-error There is no such rule.
  expect((await refused({ generator: { rules: [{ student: 'head', rule: { clone: {} } }] } })).path).toContain('generator.rules[0].rule')
  expect((await refused({ phase1: { losses: { kl: { temperature: -1 } } } })).path).toBe('phase1.losses.kl.temperature')
  expect((await refused({ phase2: { losses: { crossEntropy: { labelSmoothing: 2 } } } })).path).toBe('phase2.losses.crossEntropy.labelSmoothing')
  // @ts-expect-error `generator` is an option of the regime, not of phase 2.
  expect((await refused({ phase2: { generator: {} } })).path).toBe('phase2.generator')
  const { teacher: _, ...rest } = shared
  const alone = failure(() => train({ ...rest, student: net(8, 8, 8), losses: { crossEntropy: {} }, generator: {} }).next())
  expect(await alone).toMatchObject({ path: 'teacher' })
})
