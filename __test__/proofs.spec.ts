/** A run that looks like distillation but is not reports a named finding and a warning; valid runs report nothing. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { Dataset, distill, distillMutually, Model, train, type DistillOptions, type Finding, type ProofName, type TrainOptions } from '../ts/index.js'
import { native } from '../ts/native/load.js'
import { clusterColumns, clusters, failure, folder, mlp, noise, trainedTeacher } from './support.js'

const columns = clusterColumns(600, 3)
const data = clusters(600, 3)
const validation = clusters(300, 4)
let teacher: Model
beforeAll(async () => {
  teacher = await trainedTeacher(clusters(600, 5))
})

const base = (): DistillOptions => ({
  student: Model.create(mlp(8), { seed: 1 }),
  teacher,
  data,
  validation,
  losses: { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } },
  optimizer: { sgd: { learningRate: 0.05, momentum: 0.9 } },
  batchSize: 32,
  epochs: 2,
})

async function findings(change: Partial<DistillOptions>): Promise<Finding[]> {
  const options = { ...base(), ...change } as DistillOptions
  return (await distill(options).finish()).findings
}
const names = (found: Finding[]) => [...new Set(found.map(({ proof }) => proof))]

/** The teacher's logits with each row's classes shifted by one, or with the rows in another order. */
async function changed(how: 'classes' | 'rows'): Promise<Dataset> {
  const logits = await teacher.logits(data)
  const moved = new Float32Array(logits.length)
  const draw = noise(1)
  const order = Array.from({ length: 600 }, (_, row) => ({ row, key: draw() })).sort((a, b) => a.key - b.key)
  for (let row = 0; row < 600; row++) {
    const from = how === 'rows' ? order[row]!.row : row
    for (let k = 0; k < 3; k++) moved[row * 3 + (how === 'classes' ? (k + 1) % 3 : k)] = logits[from * 3 + k]!
  }
  return data.withTeacherLogits(moved)
}

test('teacher rows permuted', async () => {
  expect(names(await findings({ teacher: undefined as never, data: await changed('rows') }))).toContain('teacherBeatsChance')
})

test('teacher untrained', async () => {
  expect(names(await findings({ teacher: Model.create(mlp(32), { seed: 26 }) }))).toContain('teacherBeatsChance')
})

test('a teacher that gives probabilities', async () => {
  const { probabilities } = await teacher.predict({ inputs: columns.inputs })
  const column = await findings({ teacher: undefined as never, data: data.withTeacherLogits(probabilities) })
  expect(names(column)).toEqual(['teacherGivesLogits'])
  const asked = async ({ inputs }: { inputs: Float32Array | Uint32Array }) => (await teacher.predict({ inputs })).probabilities
  expect(names(await findings({ teacher: asked }))).toEqual(['teacherGivesLogits'])
  const logs = probabilities.map(p => Math.log(Math.max(p, 1e-30)))
  expect(await findings({ teacher: undefined as never, data: data.withTeacherLogits(logs) })).toEqual([])
})

test('a rate that is far too high', async () => {
  const found = await findings({ optimizer: { adam: { learningRate: 1e4 } } })
  expect(found).toMatchObject([{ proof: 'lossFalls', path: 'optimizer.learningRate', message: expect.stringContaining('learning rate 10000') }])
  const error = await failure(() => findings({ optimizer: { sgd: { learningRate: 1e30 } } }))
  expect([error.code, error.message]).toEqual(['ERR_LIMBECK_NOT_FINITE', expect.stringMatching(/at step [2-9]; lower the learning rate or set clipNorm/)])
})

test('teacher classes reordered', async () => {
  const found = await findings({ teacher: undefined as never, data: await changed('classes') })
  expect(names(found)).toContain('teacherClassOrder')
})

test('teacher inputs not normalized', async () => {
  const inputs = columns.inputs.map(value => value * 40 + 100)
  const raw = Dataset.from({ inputs, labels: columns.labels }, { inputs: [8], classes: 3 })
  const normalization = await raw.normalization()
  const knowing = Model.create(mlp(32), { seed: 9, normalization })
  await train({ student: knowing, data: raw, validation: raw, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.01 } }, epochs: 4 }).finish()
  const careless = Model.create(mlp(32))
  careless.copyFrom(knowing)
  const student = Model.create(mlp(8), { seed: 1, normalization })
  expect(names(await findings({ teacher: knowing, student, data: raw, validation: raw }))).toEqual([])
  // The same teacher on inputs that are already normalized.
  expect(names(await findings({ teacher: knowing }))).toContain('teacherInputs')
})

test('kl weight 0', async () => {
  const found = await findings({ losses: { crossEntropy: {}, kl: { weight: 0 } } })
  expect(found).toMatchObject([{ proof: 'termHasWeight', path: 'losses.kl' }])
})

test('rate 0', async () => {
  const error = await failure(() => findings({ optimizer: { sgd: { learningRate: 0 } } })).catch(() => undefined)
  if (error !== undefined) expect(error.path).toBe('optimizer.sgd.learningRate')
  else expect(names(await findings({ optimizer: { sgd: { learningRate: 0 } } }))).toContain('parametersChange')
  expect(names(await findings({ optimizer: { sgd: { learningRate: 1e-30 } } }))).toContain('parametersChange')
})

test('whole student frozen', async () => {
  const error = await failure(() => findings({ freeze: ['*'] }))
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_PROOF_FAILED', 'freeze'])
})

test('a layer outside the graph', async () => {
  // The output of `lost` is sliced off again.
  const student = Model.create(
    {
      input: [8],
      layers: [
        { parallel: { branches: [[{ linear: { name: 'used', outputs: 6, activation: 'relu' } }], [{ linear: { name: 'lost', outputs: 6 } }]] } },
        { slice: { axis: 0, start: 0, end: 6 } },
        { linear: { name: 'head', outputs: 3 } },
      ],
    },
    { seed: 1 },
  )
  const found = await findings({ student })
  expect(found.some(({ proof, path }) => proof === 'gradientReaches' && path.includes('lost'))).toBe(true)
  expect(found.some(({ path }) => path.includes('used'))).toBe(false)
})

test('the teacher modified during the run', async () => {
  const own = teacher.clone()
  const run = distill({ ...base(), teacher: own, reportEvery: 5 })
  await run.next()
  const other = Model.create(mlp(32), { seed: 77 })
  own.copyFrom(other)
  const { findings: found } = await run.finish()
  expect(names(found)).toContain('teacherFrozen')
})

test('a teacher that is a copy of the student', async () => {
  const student = Model.create(mlp(8), { seed: 1 })
  expect(names(await findings({ student, teacher: student.clone() }))).toContain('teacherIsAnother')
})

test('a finding causes one warning', async () => {
  const heard: Error[] = []
  const hear = (warning: Error) => void heard.push(warning)
  process.on('warning', hear)
  await findings({ losses: { crossEntropy: {}, kl: { weight: 0 } } })
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', hear)
  const ours = heard.filter(warning => (warning as NodeJS.ErrnoException).code === 'LIMBECK_PROOF')
  expect(ours.map(({ name, message }) => [name, message.split(':')[0]])).toEqual([['LimbeckWarning', 'losses.kl']])
})

test('strict ends the run, off checks nothing', async () => {
  const wrong = { losses: { crossEntropy: {}, kl: { weight: 0 } } }
  const error = await failure(() => findings({ ...wrong, proofs: 'strict' }))
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_PROOF_FAILED', 'losses.kl'])
  expect(await findings({ ...wrong, proofs: 'off' })).toEqual([])
})

const images = () => {
  const draw = noise(3)
  const labels = Uint32Array.from({ length: 200 }, (_, row) => row % 3)
  const inputs = Float32Array.from({ length: 200 * 64 }, (_, at) => {
    const label = labels[Math.floor(at / 64)]!
    return (Math.floor((at % 64) / 8) % 3 === label ? 1 : 0) + 0.4 * draw()
  })
  return Dataset.from({ inputs, labels }, { inputs: [1, 8, 8], classes: 3 })
}

const sound: Record<string, () => Promise<Finding[]>> = {
  'plain distilling': () => findings({}),
  'distilling without labels': () => findings({ losses: { kl: { temperature: 4 } } }),
  'a copy of a trained student that goes on with labels': async () => {
    const student = teacher.clone()
    return (await train({ ...without(base()), student, losses: { crossEntropy: {} } }).finish()).findings
  },
  'a part that is frozen': () => findings({ freeze: ['layers.0'] }),
  'a warm-up from 0': () => findings({ schedule: { cosine: { warmupSteps: 20 } } }),
  'a weight that rises from 0': () => findings({ losses: { crossEntropy: {}, kl: { weight: { linear: { from: 0, to: 1, steps: 20 } } } } }),
  'cached logits by id': async () => findings({ teacher: undefined as never, data: data.withTeacherLogits(await teacher.logits(data)) }),
  'averages, accumulation, clipping, best parameters': () =>
    findings({ average: { decay: 0.9 }, accumulate: 2, clipNorm: 1, keep: 'best', control: true }),
  'several labels at once': async () => {
    const several = Float32Array.from({ length: 600 * 3 }, (_, at) => (columns.labels[Math.floor(at / 3)] === at % 3 ? 1 : 0))
    const rows = Dataset.from({ inputs: columns.inputs, labels: several }, { inputs: [8], labels: 'several' })
    const student = Model.create(mlp(8), { seed: 1 })
    return (await train({ student, data: rows, losses: { binaryCrossEntropy: {} }, epochs: 2 }).finish()).findings
  },
  'real numbers': async () => {
    const real = Float32Array.from({ length: 600 * 3 }, (_, at) => columns.inputs[Math.floor(at / 3) * 8 + (at % 3)]!)
    const rows = Dataset.from({ inputs: columns.inputs, labels: real }, { inputs: [8], labels: 'real' })
    const student = Model.create(mlp(8), { seed: 1 })
    return (await train({ student, data: rows, losses: { mse: {} }, epochs: 2 }).finish()).findings
  },
  'a convolution with batch norm and augmentation': async () => {
    const rows = images()
    const student = Model.create({ convNet: { input: [1, 8, 8], channels: [4], classes: 3 } }, { seed: 1 })
    return (await train({ student, data: rows, losses: { crossEntropy: {} }, augment: { shift: { pixels: 1 } }, epochs: 2 }).finish()).findings
  },
  'a run that is resumed': async () => {
    const place = folder()
    const options = () => ({ ...base(), student: Model.create(mlp(8), { seed: 1 }), resume: place })
    for await (const { step } of distill({ ...options(), reportEvery: 1, checkpoint: { every: 5 } as never })) if (step === 12) break
    return (await distill({ ...options(), reportEvery: 1, checkpoint: { every: 5 } as never }).finish()).findings
  },
}

test.each(Object.keys(sound))('a valid run has no findings: %s', async name => {
  expect(await sound[name]!()).toEqual([])
})

function without({ teacher: _, ...rest }: DistillOptions): TrainOptions {
  return rest
}

/** The same rows with other labels, −1 for a row without one. */
const relabelled = (label: (row: number) => number) =>
  Dataset.from({ inputs: columns.inputs, labels: Int32Array.from(columns.labels, (_, row) => label(row)) }, { inputs: [8], classes: 3 })
const none = -1
const half = (row: number) => (row % 2 === 0 ? columns.labels[row]! : none)
const alone = (change: Partial<TrainOptions>) => async () =>
  (await train({ ...without(base()), losses: { crossEntropy: {} }, validation: undefined as never, ...change }).finish()).findings
const mutually = (seeds: number[]) => async () => {
  const students = seeds.map(seed => Model.create(mlp(8), { seed }))
  const losses = { crossEntropy: {}, kl: {} }
  return (await distillMutually({ students, data, validation, batchSize: 32, losses, epochs: 1 }).finish()).findings
}
const head = { layers: { student: 'head', teacher: 'head' } }
const cut = (): Model =>
  Model.create(
    {
      input: [8],
      layers: [
        { parallel: { branches: [[{ linear: { name: 'used', outputs: 6, activation: 'relu' } }], [{ linear: { name: 'lost', outputs: 6 } }]] } },
        { slice: { axis: 0, start: 0, end: 6 } },
        { linear: { name: 'head', outputs: 3 } },
      ],
    },
    { seed: 1 },
  )
/** A teacher that was trained without class 2. */
async function ignorant(): Promise<Model> {
  const rows = relabelled(row => (columns.labels[row] === 2 ? none : columns.labels[row]!))
  const model = Model.create(mlp(32), { seed: 9 })
  await train({ student: model, data: rows, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.01 } }, epochs: 6 }).finish()
  return model
}
async function resumed(damage: boolean): Promise<Finding[]> {
  const place = folder()
  const options = () => ({ ...base(), student: Model.create(mlp(8), { seed: 1 }), resume: place, reportEvery: 1 })
  for await (const { step } of distill({ ...options(), checkpoint: { every: 5 } as never })) if (step === 12) break
  if (damage) {
    const newest = path.join(place, readdirSync(place).filter(name => name.startsWith('step-')).sort().at(-1)!)
    const bytes = readFileSync(newest)
    bytes[bytes.length - 3]! ^= 1
    writeFileSync(newest, bytes)
  }
  return (await distill({ ...options(), checkpoint: { every: 5 } as never }).finish()).findings
}
async function changedTeacher(during: boolean): Promise<Finding[]> {
  const own = teacher.clone()
  const run = distill({ ...base(), teacher: own, reportEvery: 5 })
  await run.next()
  if (during) own.copyFrom(Model.create(mlp(32), { seed: 77 }))
  return (await run.finish()).findings
}
async function scaled(teacherData: Dataset): Promise<Finding[]> {
  const raw = Dataset.from({ inputs: columns.inputs.map(value => value * 40 + 100), labels: columns.labels }, { inputs: [8], classes: 3 })
  const normalization = await raw.normalization()
  const knowing = Model.create(mlp(32), { seed: 9, normalization })
  await train({ student: knowing, data: raw, validation: raw, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 0.01 } }, epochs: 4 }).finish()
  return findings({ teacher: knowing, student: Model.create(mlp(8), { seed: 1, normalization }), data: teacherData, validation: undefined as never })
}

/** A stream in which every `nth` row has a label, with a control run. */
/** A stream of five batches, with this number of steps requested. */
const streamed = (steps: number) => () => {
  const batch = (at: number) => ({ inputs: columns.inputs.slice(at * 64, (at + 1) * 64), labels: columns.labels.slice(at * 8, (at + 1) * 8) })
  return findings({ data: [0, 1, 2, 3, 4].map(batch), steps, epochs: undefined as never, batchSize: undefined as never, losses: { kl: {}, crossEntropy: {} } })
}

const controlled = (nth: number) => () =>
  findings({
    data: Array.from({ length: 20 }, (_, at) => ({
      inputs: columns.inputs.subarray(at * 240, at * 240 + 240),
      labels: Int32Array.from(columns.labels.slice(at * 30, at * 30 + 30), (label, row) => (row % nth === 0 ? label : none)),
    })),
    batchSize: undefined as never,
    epochs: undefined as never,
    control: true,
  })

/**
 * For each proof, a run that causes its finding and a similar run that does not. `reload` is missing, because no run here makes a
 * student that cannot be saved.
 */
const cases: Record<Exclude<ProofName, 'reload'>, [named: () => Promise<Finding[]>, sound: () => Promise<Finding[]>]> = {
  termHasWeight: [() => findings({ losses: { crossEntropy: {}, kl: { weight: 0 } } }), () => findings({ losses: { crossEntropy: {}, kl: { weight: 0.01 } } })],
  rowsAreUsed: [alone({ data: relabelled(half) }), () => findings({ data: relabelled(half) })],
  labelsVary: [
    // −1 and +1 for two classes, as in other libraries.
    () => findings({ data: relabelled(row => (row % 2 === 0 ? 1 : none)) }),
    () => findings({ data: relabelled(row => (row < 9 ? 1 : none)), losses: { kl: {} } }),
  ],
  classesFromZero: [alone({ data: relabelled(row => 1 + (row % 2)) }), alone({ data: relabelled(row => row % 2) })],
  learnersDiffer: [mutually([1, 1]), mutually([1, 2])],
  teacherIsAnother: [
    () => findings({ student: Model.create(mlp(8), { seed: 1 }), teacher: Model.create(mlp(8), { seed: 1 }) }),
    async () => findings({ student: Model.create(mlp(32), { seed: 1 }) }),
  ],
  teacherInputs: [
    () => scaled(data),
    () => scaled(Dataset.from({ inputs: columns.inputs.map(value => value * 40 + 100), labels: columns.labels.map((label, row) => (row % 4 === 0 ? (label + 1) % 3 : label)) }, { inputs: [8], classes: 3 })),
  ],
  teacherGivesLogits: [
    async () => findings({ teacher: undefined as never, data: data.withTeacherLogits((await teacher.predict({ inputs: columns.inputs })).probabilities) }),
    async () => findings({ teacher: undefined as never, data: data.withTeacherLogits((await teacher.predict({ inputs: columns.inputs })).probabilities.map(p => Math.log(Math.max(p, 1e-30)))) }),
  ],
  teacherClassOrder: [
    async () => findings({ teacher: undefined as never, data: await changed('classes') }),
    async () => findings({ teacher: undefined as never, data: data.withTeacherLogits(await teacher.logits(data)) }),
  ],
  teacherBeatsChance: [() => findings({ teacher: Model.create(mlp(32), { seed: 26 }) }), () => findings({ data: relabelled(half) })],
  firstLoss: [
    alone({ data: Dataset.from({ inputs: columns.inputs.map(value => value * 1000), labels: columns.labels }, { inputs: [8], classes: 3 }), steps: 1, epochs: undefined as never }),
    alone({ steps: 1, epochs: undefined as never }),
  ],
  termHasGradient: [
    // In a batch of one row there are no similarities.
    () => findings({ losses: { crossEntropy: {}, similarity: {} }, batchSize: 1, epochs: 1 }),
    () => findings({ losses: { crossEntropy: {}, similarity: {} } }),
  ],
  gradientReaches: [() => findings({ student: cut() }), () => findings({ student: cut(), freeze: ['layers.0.1.lost'] })],
  parametersChange: [
    () => findings({ optimizer: { sgd: { learningRate: 1e-30 } } }),
    // Differences between rows do not depend on the bias of the layer, so its gradient is 0 except for rounding errors.
    async () => [...(await findings({ losses: { rkdAngle: head } })), ...(await findings({ losses: { rkdDistance: head }, optimizer: { sgd: { learningRate: 0.005 } } }))],
  ],
  lossFalls: [() => findings({ optimizer: { adam: { learningRate: 1e4 } } }), () => findings({ optimizer: { adam: { learningRate: 0.01 } } })],
  classesArePredicted: [
    async () => findings({ teacher: await ignorant(), losses: { kl: {} }, epochs: 6, control: true }),
    async () => findings({ losses: { kl: {} }, epochs: 6, control: true }),
  ],
  controlHasLabels: [controlled(4), controlled(2)],
  warmUpEnds: [
    () => findings({ schedule: { constant: { warmupSteps: 1000 } } }),
    () => findings({ schedule: { constant: { warmupSteps: 20 } } }),
  ],
  streamLasts: [streamed(100), streamed(5)],
  teacherFrozen: [() => changedTeacher(true), () => changedTeacher(false)],
  checkpointWhole: [() => resumed(true), () => resumed(false)],
}
const { oneOf: all } = (JSON.parse(native().schema()) as { ProofName: { oneOf: { const: ProofName; examples: [string] }[] } }).ProofName
/** Replaces numbers, which differ from run to run. */
const words = (text: string) => text.replace(/[\d.,e+-]+/g, '#')

test.each(all.map(({ const: name, examples }) => [name, examples[0]] as const))('%s reports a finding for an affected run, and none for a similar run', async (name, example) => {
  if (name === 'reload') return expect(readFileSync(new URL('../crates/core/src/proofs/tests.rs', import.meta.url), 'utf8')).toContain('"reload"')
  const [named, fine] = cases[name]
  const found = (await named()).filter(({ proof }) => proof === name)
  expect(found.length, name).toBeGreaterThan(0)
  // The page of all proofs shows the finding in its printed form.
  const wanted = words(example).replace(/^.*?: /, '').replace(/ ?[:…].*$/, '')
  expect(words(found[0]!.message)).toContain(wanted)
  expect(names(await fine())).not.toContain(name)
})
