/** Names of columns and classes, and the scaling of bytes: data and models are compared by them, and models keep them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { analyse, Dataset, distill, distillMutually, Ensemble, Model, train, type ColumnOptions, type LimbeckError } from '../ts/index.js'
import { noise, reports } from './support.js'

const folder = mkdtempSync(path.join(tmpdir(), 'limbeck-names-'))
afterAll(() => rmSync(folder, { recursive: true }))

const draw = noise(4)
const points = Array.from({ length: 160 }, () => [draw(), draw() / 10])
const truth = points.map(([x]) => (x! > 0 ? 'dog' : 'cat'))
const [ab, ba] = [['cat', 'dog'], ['dog', 'cat']]
/** The same rows with columns and classes in the order of these names. */
const rows = (labelNames = ab, inputNames = ['p', 'q'], more: ColumnOptions = {}) =>
  Dataset.from(
    { inputs: points.map(([p, q]) => inputNames.map(name => (name === 'p' ? p! : q!))), labels: truth.map(name => labelNames.indexOf(name)) },
    { labelNames, inputNames, ...more },
  )
const make = (create: Parameters<typeof Model.create>[1] = {}) => Model.create({ mlp: { sizes: [2, 8, 2] } }, create)
const how = { losses: { crossEntropy: {} }, epochs: 20, optimizer: { adamW: { learningRate: 0.05 } } } as const
const trained = async (data: Dataset, create: Parameters<typeof Model.create>[1] = {}) => {
  const student = make(create)
  await train({ student, data, ...how }).finish()
  return student
}
const model = await trained(rows())
const unlabelled = Dataset.from({ inputs: points }, { inputNames: ['p', 'q'] })
const refused = async (work: () => unknown): Promise<LimbeckError> => {
  try {
    await work()
  } catch (error) {
    return error as LimbeckError
  }
  throw new Error('expected an error')
}
const right = async (student: Model) => (await student.predict({ inputs: points })).names!.filter((name, at) => name === truth[at]).length / truth.length

test('a model keeps the names of its training data, also in its file', async () => {
  expect([model.inputNames, model.labelNames]).toEqual([['p', 'q'], ab])
  const file = path.join(folder, 'named.safetensors')
  await model.save(file)
  const again = await Model.load(file)
  expect([again.inputNames, again.labelNames, again.byteReading]).toEqual([['p', 'q'], ab, undefined])
  expect([rows().inputNames, rows().select([3, 4]).inputNames, rows().split([0.5, 0.5])[1].labelNames]).toEqual([['p', 'q'], ['p', 'q'], ab])
})

test('data with columns and classes in another order give the same evaluation as in the order of the model', async () => {
  const own = await model.evaluate(rows())
  expect(own.accuracy).toBeGreaterThan(0.95)
  expect(await model.evaluate(rows(ba, ['q', 'p']))).toEqual(own)
  expect(await model.logits(rows(ba, ['q', 'p']))).toEqual(await model.logits(rows()))
})

test('a run accepts data and validation rows in any order', async () => {
  const student = make({ labelNames: ba, inputNames: ['q', 'p'] })
  const all = await reports(train({ student, data: rows(), validation: rows(ab, ['q', 'p']), ...how }))
  expect(all.at(-1)!.validation!.accuracy).toBeGreaterThan(0.95)
  expect([student.labelNames, student.inputNames]).toEqual([ba, ['q', 'p']])
  const turned = points.map(([p, q]) => [q!, p!])
  const { names } = await student.predict({ inputs: turned })
  expect(names!.filter((name, at) => name === truth[at]).length / 160).toBeGreaterThan(0.95)
})

test('multi-label columns and teacher logits are reordered with their classes', async () => {
  const onehot = (names: string[]) => truth.map(name => names.map(one => Number(one === name)))
  const several = (names: string[], order = ab) =>
    Dataset.from({ inputs: points, labels: onehot(names), teacherLogits: onehot(names).map(row => row.map(one => 9 * one)) }, { labelNames: order })
  const student = make({ labelNames: ab })
  const losses = { binaryCrossEntropy: {}, binaryKl: {} }
  await train({ student, data: several(ba, ba), ...how, losses: { binaryCrossEntropy: {} } }).finish()
  expect(await right(student)).toBeGreaterThan(0.95)
  const distilled = make({ labelNames: ab })
  await distill({ student: distilled, data: several(ba, ba), ...how, losses }).finish()
  expect(await right(distilled)).toBeGreaterThan(0.95)
})

test('a student without names takes those of its teacher, and the data are reordered to match', async () => {
  const student = make({ seed: 3 })
  await distill({ teacher: model, student, data: rows(ba, ['q', 'p']), losses: { kl: {} }, epochs: 20, optimizer: how.optimizer }).finish()
  expect([student.labelNames, student.inputNames]).toEqual([ab, ['p', 'q']])
  expect(await right(student)).toBeGreaterThan(0.95)
  const other = make({ seed: 3 })
  await distill({ teacher: model, student: other, data: unlabelled, losses: { kl: {} }, epochs: 2 }).finish()
  expect(other.labelNames).toEqual(ab)
})

describe('is rejected, with the path and the remedy:', () => {
  const teacherData = { teacher: model, data: unlabelled, losses: { kl: {} }, epochs: 1 } as const
  test.each<[string, () => unknown, string]>([
    ['a teacher with another order of classes', () => distill({ ...teacherData, student: make({ labelNames: ba }) }).finish(), 'teacher.labelNames: expected the order of the student, dog, cat, got cat, dog: create one of them with the labelNames of the other'],
    ['the same, in check', () => distill({ ...teacherData, student: make({ labelNames: ba }) }).check(), 'teacher.labelNames: expected the order of the student'],
    ['a teacher with other columns', () => distill({ ...teacherData, student: make({ inputNames: ['p', 'r'] }) }).finish(), 'teacher.inputNames: expected the columns p, r, got p, q: r missing, q not known'],
    ['peers with different orders', () => distillMutually({ students: [make({ labelNames: ab }), make({ labelNames: ba, seed: 1 })], data: rows(), losses: { crossEntropy: {}, kl: {} }, epochs: 1 }).finish(), 'students[1].labelNames: expected the order of students[0]'],
    ['data with other classes', () => model.evaluate(rows(['cat', 'dog', 'emu'])), 'data.labelNames: expected the classes cat, dog, got cat, dog, emu: emu not known'],
    ['validation rows with other columns', () => train({ student: make(), data: rows(), validation: Dataset.from({ inputs: points }, { inputNames: ['p', 'z'] }), ...how }).finish(), 'validation.inputNames: expected the columns p, q, got p, z: q missing, z not known'],
    ['another order in evaluate', () => model.evaluate(rows(), { teacher: make({ labelNames: ba }) }), 'teacher.labelNames: expected the order of the model'],
    ['another order in an ensemble', () => Ensemble.of([model, make({ labelNames: ba })]), 'models[1].labelNames: expected the order of the models before it'],
    ['another order in analyse', () => analyse({ student: model, teacher: make({ labelNames: ba }), data: rows(), diagnostics: { entropy: {} } }), 'teacher.labelNames: expected the order of the models before it'],
    ['a swapped-in model with other columns', () => model.serve().swap(make({ labelNames: ab, inputNames: ['q', 'p'] })), 'model: expected the columns p, q, like the serving model, got the columns q, p'],
    ['a stream with another order', () => train({ student: make({ labelNames: ba }), data: Dataset.stream([{ inputs: points, labels: truth.map(() => 0) }], { labelNames: ab }), losses: { crossEntropy: {} } }).finish(), 'data.labelNames: expected the order of the student'],
    ['names of columns that do not exist', () => rows(ab, ['p', 'q', 'r']).rows && Dataset.from({ inputs: points }, { inputNames: ['p'] }), 'inputNames: expected 2 names, one per number of a row, got 1'],
    ['one name for two classes', () => make({ labelNames: ['a', 'a'] }), 'labelNames[1]: expected names that are all different, got a twice'],
    ['one name for two columns', () => make({ inputNames: ['a', 'a'] }), 'inputNames[1]: expected names that are all different, got a twice'],
  ])('%s', async (_, work, message) => {
    expect((await refused(work)).message).toContain(message)
  })
})

test('analyse and an ensemble reorder rows to the order of the models', async () => {
  const both = Ensemble.of([model, await trained(rows(), { seed: 2 })])
  expect(await both.evaluate(rows(ba, ['q', 'p']))).toEqual(await both.evaluate(rows()))
  const look = (data: Dataset) => analyse({ student: model, data, diagnostics: { calibration: {} } })
  expect(await look(rows(ba, ['q', 'p']))).toEqual(await look(rows()))
})

test('rows as objects, and columns with names, are matched by the names of the model', async () => {
  const expected = (await model.predict({ inputs: points })).logits
  const objects = points.map(([p, q]) => ({ q: q!, p: p! }))
  const turned = { inputs: points.map(([p, q]) => [q!, p!]), inputNames: ['q', 'p'] }
  expect((await model.predict({ inputs: objects })).logits).toEqual(expected)
  expect(model.predictSync({ inputs: objects }).logits).toEqual(expected)
  expect((await model.predict(turned)).logits).toEqual(expected)
  const service = model.serve()
  expect((await service.predict({ inputs: objects })).logits).toEqual(expected)
  await service.drain()
  const of = async (columns: unknown, from = model) => {
    const { code, message } = await refused(() => from.predict(columns as never))
    expect(code).toBe('ERR_LIMBECK_INVALID_DATA')
    return message
  }
  expect(await of({ inputs: { p: 1, q: 2 } })).toBe('inputs: expected an array of rows, got one row as an object; pass [{ … }]')
  expect(await of({ inputs: {} })).toBe('inputs: expected an array of rows, or { values, offsets }, got an empty object')
  expect(await of({ inputs: [{ p: 1 }] })).toBe('inputs[0].q: expected a finite 32-bit number, got nothing')
  expect(await of({ inputs: [{ p: 1, q: 2, z: 3 }] })).toContain('inputs[0].z: unknown key z')
  expect(await of({ inputs: [[1, 2]], inputNames: ['p', 'z'] })).toBe('inputNames: expected the columns p, q, got p, z: q missing, z not known')
  expect(await of({ inputs: [{ p: 1, q: 2 }] }, make())).toContain('expected rows as arrays, because no column names are known')
})

test('a resumed run rejects other names and another normalization', async () => {
  const run = (name: string, data: Dataset, student: Model, resume = false) =>
    train({ student, data, losses: { crossEntropy: {} }, steps: 2, batchSize: 80, checkpoint: { folder: path.join(folder, name), every: 1, resume } }).finish()
  await run('run', rows(), make())
  // Columns and classes in another order are reordered to match the checkpoint's student.
  await run('run', rows(ba, ['q', 'p']), make({ labelNames: ab, inputNames: ['p', 'q'] }), true)
  const renamed = Dataset.from({ inputs: points, labels: truth.map(name => ab.indexOf(name)) }, { labelNames: ['x', 'y'], inputNames: ['p', 'q'] })
  expect(await refused(() => run('run', renamed, make(), true))).toMatchObject({ code: 'ERR_LIMBECK_CHECKPOINT_MISMATCH', path: expect.stringContaining('labelNames') })
  const normalization = { mean: [1, 1], std: [2, 2] }
  expect((await refused(() => run('run', rows(), make({ normalization }), true))).code).toBe('ERR_LIMBECK_CHECKPOINT_MISMATCH')
})

describe('bytes', () => {
  const bytes = Uint8Array.from({ length: 4 * 120 }, () => Math.floor((draw() + 0.5) * 255.9))
  const labels = Array.from({ length: 120 }, (_, row) => Number(bytes[4 * row]! + bytes[4 * row + 1]! > bytes[4 * row + 2]! + bytes[4 * row + 3]!))
  const data = (options: ColumnOptions = {}) => Dataset.from({ inputs: bytes, labels }, { inputs: [4], classes: 2, ...options })
  const net = () => Model.create({ mlp: { sizes: [4, 8, 2] } }, { seed: 1 })

  test.each<[string, ColumnOptions]>([
    ['by default', {}],
    ['from −1 to 1', { scale: 1 / 127.5, offset: -1 }],
    ['as they are', { scale: 1 }],
    ['moved alone', { offset: 0.5 }],
  ])('are read %s in training, predict, serve and from a file alike', async (_, options) => {
    const student = net()
    await train({ student, data: data(options), losses: { crossEntropy: {} }, epochs: 2 }).finish()
    const wanted = await student.logits(data(options))
    const file = path.join(folder, 'bytes.safetensors')
    await student.save(file)
    const service = student.serve()
    for (const model of [student, await Model.load(file), student.clone()]) {
      expect((await model.predict({ inputs: bytes })).logits).toEqual(wanted)
    }
    expect((await service.predict({ inputs: bytes })).logits).toEqual(wanted)
    expect((await Ensemble.of([student]).predict({ inputs: bytes })).labels).toEqual((await student.predict({ inputs: bytes })).labels)
    await service.drain()
  })

  test('with another scaling are rejected', async () => {
    const student = net()
    await train({ student, data: data({ scale: 1 / 127.5, offset: -1 }), losses: { crossEntropy: {} }, epochs: 1 }).finish()
    expect((await refused(() => student.evaluate(data()))).message).toMatch(/^data\.scale: expected bytes read as 0\.00784.* · byte \+ -1, as the model was trained, got 0\.0039/)
    const teacher = student
    const distilled = () => distill({ teacher, student: net(), data: data({ scale: 1 }), losses: { kl: {} }, epochs: 1 }).finish()
    expect((await refused(distilled)).path).toBe('data.scale')
    const other = net()
    await train({ student: other, data: data({ scale: 1 / 255 }), losses: { crossEntropy: {} }, epochs: 1 }).finish()
    expect((await refused(() => teacher.serve().swap(other))).message).toContain('expected bytes read as 0.00784')
  })
})

test('a stream without names has the student’s names, and its batches must be of one kind', async () => {
  const student = make({ inputNames: ['p', 'q'] })
  const objects = points.map(([p, q]) => ({ q: q!, p: p! }))
  const labels = truth.map(name => ab.indexOf(name))
  await train({ student, data: () => [{ inputs: objects, labels }], ...how }).finish()
  const { labels: said } = await student.predict({ inputs: points })
  expect(said.filter((label, at) => label === labels[at]).length / 160).toBeGreaterThan(0.95)
  const mixed = [{ inputs: points, labels }, { inputs: points, labels: Float32Array.from(labels) }]
  expect((await refused(() => train({ student: make(), data: mixed, losses: { crossEntropy: {} } }).finish())).message).toBe(
    'data.batch[1].labels: expected one label per row, as in the first batch, got real numbers as labels',
  )
  const unnamed = Dataset.stream([{ inputs: objects, labels }])
  expect((await refused(() => train({ student: make(), data: unnamed, losses: { crossEntropy: {} } }).finish())).message).toContain('because no column names are known')
})

test('a run rejects labels −1 and +1, with the remedy, but not rows without a label', async () => {
  const of = (labels: number[]) => Dataset.from({ inputs: points, labels }, { classes: 2 })
  const signs = truth.map(name => (name === 'dog' ? 1 : -1))
  const known = signs.filter(sign => sign === 1).length
  for (const work of [() => train({ student: make(), data: of(signs), ...how }).finish(), () => distill({ teacher: model, student: make(), data: of(signs), losses: { kl: {} }, epochs: 1 }).check()]) {
    expect((await refused(work)).message).toBe(
      `data.labels: expected classes 0 and 1, got 1 in ${known} rows and -1, which stands for no label, in ${160 - known}: if -1 is a class, number the classes from 0 (label => (label + 1) / 2), or in a file name them: labelNames: ["-1", "1"]`,
    )
  }
  await train({ student: make(), data: of(signs.map((sign, at) => (at < 20 ? -1 : Number(sign > 0)))), ...how, epochs: 1, proofs: 'off' }).finish()
})

test('classes that are counted from 1 are detected', async () => {
  const student = Model.create({ mlp: { sizes: [2, 4, 3] } })
  const of = (options: ColumnOptions) => Dataset.from({ inputs: points, labels: truth.map(name => 1 + ab.indexOf(name)) }, options)
  const { findings } = await train({ student, data: of({ classes: 3 }), losses: { crossEntropy: {} }, steps: 1, proofs: 'warn' }).finish()
  expect(findings).toContainEqual(expect.objectContaining({ proof: 'classesFromZero', path: 'data.labels', message: expect.stringContaining('no row has class 0: the labels are 1 to 2') }))
  expect((await refused(() => of({ classes: 2 }))).message).toContain('expected a label below 2 (the number of classes), got 2: classes are counted from 0')
})

test('a grouped split keeps the rows of a group in one part', async () => {
  const groups = points.map((_, row) => `author ${(row * 7) % 23}`)
  const data = Dataset.from({ inputs: points, ids: points.map((_, row) => row) })
  const idsOf = (part: Dataset) => Array.from({ length: part.rows }, (_, row) => row)
  const [first, second] = data.split([0.75, 0.25], { groups, seed: 5 })
  expect(first.rows + second.rows).toBe(160)
  expect(Math.abs(first.rows - 120)).toBeLessThan(8)
  expect(idsOf(data.split([0.75], { groups: Uint8Array.from(groups, name => Number(name.slice(7))), seed: 5 })[0]).length).toBe(first.rows)
  expect((await refused(() => data.split([0.5, 0.5], { groups: groups.slice(1) }))).message).toBe('groups: expected 160 groups, one for each row, got 159')
  expect((await refused(() => data.split([0.5, 0.5], { groups, stratify: true }))).path).toBe('stratify')
  expect((await refused(() => data.split([0.5, 0.5], { groups: points as never }))).message).toBe('groups[0]: expected a number or a string, got an array')
})

test('inputs and labels in another form are rejected with the correct form', async () => {
  const ids = Model.create({ input: { ids: {} }, layers: [{ embedding: { vocabulary: 10, width: 4 } }, { linear: { outputs: 2 } }] })
  expect(await refused(() => ids.predict({ inputs: [1, 2, 3] }))).toMatchObject({
    code: 'ERR_LIMBECK_INVALID_DATA',
    message: 'inputs: expected a list of rows, such as [[1, 2, 3]], or { values, offsets }, got numbers in one list',
  })
  expect(await refused(() => ids.predict({ inputs: ['free money'] as never }))).toMatchObject({
    code: 'ERR_LIMBECK_INVALID_DATA',
    message: 'inputs[0]: expected a list of ids, got "free money"; pass texts as { texts: […] } with a tokenizer',
  })
  expect((await refused(() => Dataset.from({ inputs: points, labels: points.map(() => 0.5) }))).message).toBe(
    "labels[0]: expected an integer of at least 0, or -1 for a row without a label (for real numbers set labels: 'real'; for class probabilities give an array per row), got 0.5",
  )
  for (const teacherLogits of [points.map(() => [0, -Infinity]), Float32Array.from({ length: 320 }, () => -Infinity)]) {
    expect((await refused(() => Dataset.from({ inputs: points, teacherLogits }))).message).toContain('give an impossible class a very small logit, such as -1e4')
  }
})
