/** Arguments that are rejected before the first step: with code, path, expected value and actual value. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { analyse, assistantPaths, Dataset, distill, Ensemble, Model, nearestAssistant, Sequence, Service, train, type DistillOptions, type TrainOptions } from '../ts/index.js'
import { clusterColumns, clusters, failure, folder, mlp } from './support.js'

const CONFIG = 'ERR_LIMBECK_INVALID_CONFIG'
const DATA = 'ERR_LIMBECK_INVALID_DATA'

const sound = () => ({
  student: Model.create(mlp(4), { seed: 1 }),
  teacher: Model.create(mlp(8), { seed: 2 }),
  data: clusters(30),
  losses: { kl: {} },
})

const rows = clusterColumns(30)

/** Options with one wrong value, without type checks. */
const runs: [name: string, change: object, code: string, path: string, message: RegExp][] = [
  ['an unknown option', { learningRate: 1 }, CONFIG, 'learningRate', /unknown key learningRate; write optimizer: \{ adamW: \{ learningRate: … \} \}; the keys are .*optimizer/],
  ['an unknown key of a loss', { losses: { kl: { temprature: 4 } } }, CONFIG, 'losses.kl.temprature', /unknown key temprature; did you mean temperature\? the keys are weight, temperature/],
  ['an unknown loss', { losses: { kld: {} } }, CONFIG, 'losses.kld', /unknown key kld; did you mean kl\? the keys are .*kl/],
  ['no losses', { losses: undefined }, CONFIG, 'losses', /expected .*, got nothing/],
  ['losses without any', { losses: {} }, CONFIG, 'losses', /expected at least one loss with a weight above 0/],
  ['NaN', { losses: { kl: { temperature: NaN } } }, CONFIG, 'losses.kl.temperature', /expected a finite number, got NaN/],
  ['Infinity', { optimizer: { sgd: { learningRate: Infinity } } }, CONFIG, 'optimizer.sgd.learningRate', /expected a finite number, got Infinity/],
  ['temperature 0', { losses: { kl: { temperature: 0 } } }, CONFIG, 'losses.kl.temperature', /expected a number above 0, got 0/],
  ['temperature below 0', { losses: { kl: { temperature: -1 } } }, CONFIG, 'losses.kl.temperature', /expected a number above 0, got -1/],
  ['a weight below 0', { losses: { kl: { weight: -1 } } }, CONFIG, 'losses.kl.weight', /at least 0, got -1/],
  ['batch size 0', { batchSize: 0 }, CONFIG, 'batchSize', /expected an integer above 0, got 0/],
  ['half a batch', { batchSize: 1.5 }, CONFIG, 'batchSize', /got .*1\.5/],
  ['0 epochs', { epochs: 0 }, CONFIG, 'epochs', /above 0, got 0/],
  ['epochs and steps', { epochs: 1, steps: 1 }, CONFIG, 'steps', /either steps or epochs/],
  ['a seed below 0', { seed: -1 }, CONFIG, 'seed', /got .*-1/],
  ['a function', { schedule: () => 1 }, CONFIG, 'schedule', /got a function/],
  ['null', { schedule: null }, CONFIG, 'schedule', /got null/],
  ['a bigint', { seed: 1n }, CONFIG, 'seed', /got the bigint 1/],
  ['two optimizers', { optimizer: { sgd: {}, adam: {} } }, CONFIG, 'optimizer', /exactly one key, got an object with none or several/],
  ['an unknown optimizer', { optimizer: { sgdd: {} } }, CONFIG, 'optimizer', /expected one of sgd, .*, got sgdd; did you mean sgd\?$/],
  ['an optimizer in lower case', { optimizer: { adamw: {} } }, CONFIG, 'optimizer', /, got adamw; did you mean adamW\?$/],
  ['a rate below 0', { optimizer: { sgd: { learningRate: -1 } } }, CONFIG, 'optimizer.sgd.learningRate', /got -1/],
  ['a share above 1', { average: { decay: 1 } }, CONFIG, 'average.decay', /got 1/],
  ['patience 0', { earlyStop: { patience: 0 }, validation: clusters(9) }, CONFIG, 'earlyStop.patience', /got 0/],
  ['early stop without validation', { earlyStop: { patience: 1 } }, CONFIG, 'validation', /expected validation data/],
  ['a layer that is not there', { freeze: ['tail'] }, CONFIG, 'freeze[0]', /tail/],
  ['more threads than any machine has', { threads: 2 ** 53 - 1 }, CONFIG, 'threads', /at most 1024/],
  ['classes as floating point numbers', { losses: { crossEntropy: {}, kl: {} }, data: Dataset.from({ inputs: rows.inputs, labels: Float32Array.from(rows.labels) }, { inputs: [8] }) }, CONFIG, 'losses.crossEntropy', /real numbers as labels: give integers \(a Uint32Array/],
  ['a niceness that no system has', { niceness: 20 }, CONFIG, 'niceness', /from 0 to 19/],
  ['a backend that is not there', { backend: 'cuda' }, 'ERR_LIMBECK_BACKEND', 'backend', /expected 'cpu' or 'auto', got 'cuda'/],
  ['too little memory', { maxMemoryBytes: 10 }, 'ERR_LIMBECK_MEMORY', 'maxMemoryBytes', /at most 10 bytes/],
  ['no student', { student: undefined }, CONFIG, 'student', /expected a Model, got nothing/],
  ['a student that is no model', { student: {} }, CONFIG, 'student', /expected a Model, got an object/],
  ['no data', { data: undefined }, CONFIG, 'data', /expected a Dataset, got nothing/],
  ['data that are an array', { data: new Float32Array(3) }, CONFIG, 'data', /expected a Dataset.*got a Float32Array/],
  ['a teacher that is none', { teacher: 3 }, CONFIG, 'teacher', /expected a Model, a Teacher, a function.*got 3/],
  ['no teacher, and no column', { teacher: undefined }, CONFIG, 'teacher', /teacherLogits/],
  ['other classes in the teacher', { teacher: Model.create({ mlp: { sizes: [8, 4] } }) }, 'ERR_LIMBECK_SHAPE_MISMATCH', 'losses.kl', /3.*4|4.*3/],
  ['no loss for the teacher', { losses: { crossEntropy: {} } }, CONFIG, 'losses', /use train/],
  ['a teacher for other inputs', { teacher: Model.create({ mlp: { sizes: [9, 3] } }) }, 'ERR_LIMBECK_SHAPE_MISMATCH', 'teacher.data.inputs', /9/],
  ['a signal that is none', { signal: {} }, CONFIG, 'signal', /expected an AbortSignal/],
  ['labels of more classes than outputs', { data: clusters(30, 1, 5) }, DATA, 'data.labels', /0 to 2, got 4/],
]

test.each(runs)('a run is rejected for %s', async (_, change, code, where, message) => {
  const options = { ...sound(), ...change } as DistillOptions
  const error = await failure(() => distill(options).next())
  expect({ code: error.code, path: error.path }).toEqual({ code, path: where })
  expect(error.message).toMatch(message)
})

test('train rejects a teacher and names distill', async () => {
  const { losses: _, ...rest } = sound()
  const error = await failure(() => train({ ...rest, losses: { crossEntropy: {} } } as TrainOptions).finish())
  expect([error.code, error.message]).toEqual([CONFIG, 'teacher: expected no teacher for train, got a Model; distill takes a teacher'])
})

test('inherited options are ignored, and options whose getters throw are rejected', async () => {
  const inherited = Object.assign(Object.create({ epochs: 0 }) as TrainOptions, sound())
  expect((await failure(() => distill(inherited).next())).message).toMatch(/plain object/)
  const throwing = { ...sound(), get epochs(): number { throw new Error('no') } }
  Object.defineProperty(throwing, 'epochs', { enumerable: true, get() { throw new Error('no') } })
  expect((await failure(() => distill(throwing).next())).code).toBe(CONFIG)
})

test('options are read once', async () => {
  let reads = 0
  const options = { ...sound() }
  Object.defineProperty(options, 'epochs', { enumerable: true, get: () => (reads++, 1) })
  await distill(options).finish()
  expect(reads).toBe(1)
})

const good = clusterColumns(6)
const shape = { inputs: [8], classes: 3 }
const detached = () => {
  const inputs = new Float32Array(48)
  structuredClone(inputs.buffer, { transfer: [inputs.buffer] })
  return inputs
}
const resizable = () => new Float32Array(new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(192, { maxByteLength: 400 }))

const columns: [name: string, columns: object, options: object, code: string, path: string, message: RegExp][] = [
  ['no rows', { inputs: new Float32Array(0), labels: new Uint32Array(0) }, shape, DATA, 'inputs', /empty data set/],
  ['a wrong length', { ...good, inputs: new Float32Array(47) }, shape, DATA, 'inputs', /multiple of 8.*got 47/],
  ['too few labels', { ...good, labels: new Uint32Array(5) }, shape, DATA, 'labels', /expected 6 labels.*got 5/],
  ['a label out of range', { ...good, labels: [0, 1, 2, 3, 0, 1] }, shape, DATA, 'labels[3]', /below 3.*got 3/],
  ['a label below -1', { ...good, labels: Int32Array.of(0, 1, -2, 0, 1, 2) }, shape, DATA, 'labels[2]', /-1 for a row without a label, got -2/],
  ['a label that was -1 before it had no sign', { ...good, labels: Uint32Array.of(0, 1, 2, 0, -1, 2) }, shape, DATA, 'labels[4]', /got 4294967295/],
  ['nothing as a label', { ...good, labels: [0, undefined, 2, 0, 1, 2] }, shape, DATA, 'labels[1]', /-1 for a row without a label, got nothing/],
  ['half a label', { ...good, labels: [0, 0.5, 1, 2, 0, 1] }, shape, DATA, 'labels[1]', /integer.*got 0\.5/],
  ['NaN among the inputs', { ...good, inputs: good.inputs.map((v, i) => (i === 9 ? NaN : v)) }, shape, DATA, 'inputs[1]', /finite.*NaN/],
  ['infinite numbers in 32 bits', { ...good, inputs: new Float64Array(48).fill(1e300) }, shape, DATA, 'inputs[0]', /finite/],
  ['a detached buffer', { ...good, inputs: detached() }, shape, DATA, 'inputs', /detached/],
  ['a shared buffer', { ...good, inputs: new Float32Array(new SharedArrayBuffer(192)) }, shape, DATA, 'inputs', /SharedArrayBuffer/],
  ['a resizable buffer', { ...good, inputs: resizable() }, shape, DATA, 'inputs', /resizable/],
  ['text as inputs', { ...good, inputs: 'abc' }, shape, DATA, 'inputs', /got "abc"/],
  ['no inputs', { labels: good.labels }, shape, DATA, 'inputs', /got nothing/],
  ['no shape', good, { classes: 3 }, CONFIG, 'inputs', /shape of one row/],
  ['a shape as a number', good, { inputs: 8 }, CONFIG, 'inputs', /the shape of one row as a list, such as \[8\], or \{ ids: \{\} \}, got 8/],
  ['numbers that fill no rows', good, { inputs: [1, 5, 7] }, DATA, 'inputs', /multiple of 35 numbers \(rows of shape 1 × 5 × 7\), got 48/],
  ['labels by name', { ...good, labels: ['a', 'b', 'c', 'a', 'b', 'c'] }, shape, DATA, 'labels[0]', /pass class numbers, counted from 0, and the class names in the option labelNames/],
  ['an unknown column', { ...good, weight: good.labels }, shape, CONFIG, 'columns.weight', /unknown key weight; did you mean weights\? the keys are inputs, texts, labels/],
  ['an unknown column option', good, { ...shape, class: 3 }, CONFIG, 'options.class', /unknown key class/],
  ['ids that come twice', { ...good, ids: [0, 1, 2, 3, 4, 4] }, shape, DATA, 'ids[5]', /unique ids, got 4, which is also the id of row 4/],
  ['a weight below 0', { ...good, weights: [1, 1, 1, 1, 1, -1] }, shape, DATA, 'weights[5]', /got -1/],
  ['a sampling weight below 0', { ...good, samplingWeights: [1, 1, -1, 1, 1, 1] }, shape, DATA, 'samplingWeights[2]', /got -1/],
  ['logits of other classes', { ...good, teacherLogits: new Float32Array(24) }, shape, DATA, 'teacherLogits', /expected 3 classes.*got 4/],
  ['too few names', good, { ...shape, labelNames: ['a'] }, DATA, 'labelNames', /3 names.*got 1/],
  ['offsets that fall', { inputs: { values: [1, 2, 3], offsets: [0, 2, 1, 3] } }, {}, DATA, 'inputs.offsets', /never decrease/],
  ['rows of different length', { inputs: [[1, 2], [1]] }, {}, DATA, 'inputs[1]', /expected 2 numbers, as in the first row, got 1; for rows with different numbers of ids, set inputs: \{ ids: \{\} \}$/],
  ['rows of different length that are no ids', { inputs: [[1, 2], [0.5]] }, {}, DATA, 'inputs[1]', /expected 2 numbers, as in the first row, got 1$/],
  ['texts as inputs', { inputs: ['free money'] }, { inputs: { ids: {} } }, DATA, 'inputs[0]', /expected a list of ids, got "free money"; pass texts as \{ texts: \[…\] \} with a tokenizer$/],
  ['several labels above 1', { ...good, labels: new Float32Array(12).fill(2) }, { inputs: [8], labels: 'several' }, DATA, 'labels[0][0]', /0 to 1, got 2/],
]

test.each(columns)('a data set is rejected for %s', async (_, given, options, code, where, message) => {
  const error = await failure(() => Dataset.from(given as never, options))
  expect({ code: error.code, path: error.path }).toEqual({ code, path: where })
  expect(error.message).toMatch(message)
})

const conv = { conv2d: { channels: 4, kernel: 3 } }
const models: [name: string, options: object, code: string, path: RegExp, message: RegExp][] = [
  ['no architecture', {}, CONFIG, /^$/, /exactly one of mlp, convNet/],
  ['an unknown preset', { mpl: {} }, CONFIG, /^mpl$/, /unknown key mpl; did you mean mlp\? the keys are/],
  ['a seed among the options of the architecture', { ...mlp(4), seed: 1 }, CONFIG, /^seed$/, /unknown key seed; seed belongs in the second argument, Model\.create\(\{ … \}, \{ seed: … \}\)/],
  ['a missing option', { mlp: {} }, CONFIG, /^mlp/, /sizes/],
  ['a size of 0', { mlp: { sizes: [8, 0, 3] } }, CONFIG, /^mlp\.sizes$/, /above 0/],
  ['layers without input', { layers: [{ linear: { outputs: 3 } }] }, CONFIG, /^input$/, /with layers/],
  ['a convolution on a line', { input: [8], layers: [conv] }, 'ERR_LIMBECK_SHAPE_MISMATCH', /layers\.0 \(conv2d\)/, /expected/],
  ['a kernel larger than the image', { input: [1, 2, 2], layers: [conv] }, 'ERR_LIMBECK_SHAPE_MISMATCH', /layers\.0 \(conv2d\)/, /./],
  ['a residual of other shape', { input: [8], layers: [{ residual: { name: 'block', layers: [{ linear: { outputs: 4 } }] } }] }, 'ERR_LIMBECK_SHAPE_MISMATCH', /block \(residual\)/, /./],
]

test.each(models)('a model is rejected for %s', async (_, options, code, where, message) => {
  const error = await failure(() => Model.create(options as never))
  expect(error.code).toBe(code)
  expect(error.path).toMatch(where)
  expect(error.message).toMatch(message)
})

test('a model rejects inputs of another shape', async () => {
  const model = Model.create(mlp(4))
  const short = await failure(() => model.predict({ inputs: new Float32Array(7) }))
  expect([short.code, short.path]).toEqual([DATA, 'inputs'])
  const names = await failure(() => Model.create(mlp(4), { labelNames: ['one'] }))
  expect([names.code, names.path]).toEqual([CONFIG, 'labelNames'])
})

test('a file that is not a valid model is rejected', async () => {
  const file = path.join(folder(), 'model.safetensors')
  const model = Model.create(mlp(4))
  await model.save(file)
  const whole = await import('node:fs/promises').then(fs => fs.readFile(file))
  const loads = async (bytes: Uint8Array) => {
    await writeFile(file, bytes)
    return failure(() => Model.load(file))
  }
  expect((await loads(whole.subarray(0, whole.length - 5))).code).toBe('ERR_LIMBECK_INVALID_FILE')
  expect((await loads(whole.subarray(0, 4))).code).toBe('ERR_LIMBECK_INVALID_FILE')
  const lying = Buffer.from(whole)
  lying.writeBigUInt64LE(2n ** 63n, 0)
  expect((await loads(lying)).code).toBe('ERR_LIMBECK_INVALID_FILE')
  expect((await loads(Buffer.from('PK\x03\x04 this is a zip file, not safetensors'))).code).toBe('ERR_LIMBECK_INVALID_FILE')
  const missing = await failure(() => Model.load(path.join(folder(), 'nothing.safetensors')))
  expect(missing.code).toBe('ERR_LIMBECK_IO')
  expect(missing.path).toContain('nothing.safetensors')
})

test('a run with another configuration is not resumed, and the error names the key', async () => {
  const place = folder()
  const options = (learningRate: number): TrainOptions => ({
    student: Model.create(mlp(4), { seed: 1 }),
    data: clusters(30),
    losses: { crossEntropy: {} },
    optimizer: { sgd: { learningRate } },
    resume: place,
  })
  await train(options(0.1)).finish()
  const error = await failure(() => train(options(0.2)).next())
  expect(error.code).toBe('ERR_LIMBECK_CHECKPOINT_MISMATCH')
  expect(error.message).toContain('learningRate')
})

test('numbers that become non-finite end the run with an error that names the place', async () => {
  const student = Model.create(mlp(16), { seed: 1 })
  const optimizer = { sgd: { learningRate: 1e30 } }
  const error = await failure(() => train({ student, data: clusters(60), losses: { mse: {} } as never, optimizer }).finish())
  expect(error.code).toMatch(/ERR_LIMBECK_(NOT_FINITE|INVALID_CONFIG|SHAPE_MISMATCH)/)
  const diverges = train({ student, data: clusters(600), losses: { crossEntropy: {} }, optimizer, batchSize: 10, epochs: 5 })
  const found = await failure(() => diverges.finish())
  expect(found.code).toBe('ERR_LIMBECK_NOT_FINITE')
  expect(found.message).toMatch(/step \d+/)
})

test('the stack of a run’s error contains the place where the run was created', async () => {
  const made = () => train({ ...sound(), losses: { crossEntropy: {} }, batchSize: 0 } as never)
  const { cause } = await failure(() => made().next())
  expect((cause as Error).message).toBe('the run was created here')
  expect((cause as Error).stack).toMatch(/made \(.*bad-input\.spec\.ts/)
})

test('resuming with other options is rejected; the error names the option and lists those that may change', async () => {
  const place = folder()
  const options = (change: object) => ({ student: Model.create(mlp(4), { seed: 1 }), data: clusters(30), losses: { crossEntropy: {} }, steps: 2, ...change })
  await train(options({ checkpoint: { folder: place } })).finish()
  await train(options({ resume: place, threads: 1, niceness: 3, reportEvery: 1 })).finish()
  const error = await failure(() => train(options({ resume: place, optimizer: { sgd: { learningRate: 0.1 } } })).finish())
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_CHECKPOINT_MISMATCH', 'options.optimizer.sgd'])
  expect(error.message).toMatch(/start a new run in another folder; only checkpoint, threads, niceness, .* may change/)
})

test('constructors and helpers reject invalid arguments with a LimbeckError', async () => {
  const model = Model.create(mlp(4))
  const trap = new Proxy({}, { getPrototypeOf: () => { throw new Error('a trap') } })
  const tries: [() => unknown, string][] = [
    [() => assistantPaths(Infinity), 'assistants'],
    [() => assistantPaths(30), 'assistants'],
    [() => nearestAssistant(undefined as never), 'accuracies'],
    [() => model.truncateFrom(Model.create(mlp(8)), { rules: 5 as never }), 'generator.rules'],
    [() => analyse({ student: model, data: clusters(9), signal: trap as never }), 'signal'],
    [() => Reflect.construct(Ensemble, []), 'Ensemble'],
    [() => Reflect.construct(Service, [{}]), 'Service'],
    [() => (Reflect.construct(Sequence, [async () => ({})]) as Sequence<object, object>).next(), 'Sequence'],
  ]
  for (const [work, path] of tries) expect((await failure(work)).path).toBe(path)
  expect(assistantPaths(2)).toEqual([[], [0], [0, 1], [1]])
})

test('an ensemble still predicts after its models are disposed of', async () => {
  const models = [1, 2].map(seed => Model.create(mlp(4), { seed }))
  const both = Ensemble.of(models)
  const before = await both.predict({ inputs: new Float32Array(8) })
  models.forEach(model => model.dispose())
  expect((await both.predict({ inputs: new Float32Array(8) })).logits).toEqual(before.logits)
})
