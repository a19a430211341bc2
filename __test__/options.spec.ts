/**
 * Each option of `train` and `distill` has an effect: the same tiny run with and without it differs as expected.
 * A new option without a case here fails the last test.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  Dataset,
  distill,
  Model,
  Teacher,
  train,
  type DistillOptions,
  type LimbeckError,
  type StepReport,
  type TrainOptions,
} from '../ts/index.js'
import { trainOptionKeys } from '../ts/native/options.js'
import { clusterColumns, clusters, failure, folder, mlp, reports, trainedTeacher, weights } from './support.js'

const data = clusters(96, 1)
const validation = clusters(60, 2)
let teacher: Model
beforeAll(async () => {
  teacher = await trainedTeacher(clusters(300, 3))
})

interface Outcome {
  all: StepReport[]
  last: StepReport
  weights: Record<string, number[]>
  run: ReturnType<typeof train>
  error: LimbeckError | undefined
}

const base = (): Omit<TrainOptions, 'losses'> => ({
  student: Model.create(mlp(6), { seed: 4 }),
  data,
  batchSize: 32,
  epochs: 2,
  seed: 5,
  reportEvery: 1,
  optimizer: { sgd: { learningRate: 0.1, momentum: 0.9 } },
})

async function outcome(run: ReturnType<typeof train>, student: Model): Promise<Outcome> {
  const all: StepReport[] = []
  let error: LimbeckError | undefined
  try {
    for await (const report of run) all.push(report)
  } catch (thrown) {
    error = thrown as LimbeckError
  }
  return { all, last: all.at(-1)!, weights: weights(student), run, error }
}

/** Every option is tested with a loss that needs no teacher and with one that does. */
const methods = {
  train: (change: object) => {
    const options = { ...base(), losses: { crossEntropy: {} }, ...change } as TrainOptions
    return outcome(train(options), options.student)
  },
  distill: (change: object) => {
    const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
    const options = { ...base(), losses, teacher, ...change } as DistillOptions
    return outcome(distill(options), options.student)
  },
}

const differ = (a: Outcome, b: Outcome) => {
  expect([a.error, b.error]).toEqual([undefined, undefined])
  expect(a.weights).not.toEqual(b.weights)
}
/** Threads of the runs' pools, each with its niceness. */
const pools = () =>
  readdirSync('/proc/self/task').flatMap(task => {
    try {
      const [, name, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/self/task/${task}/stat`, 'utf8'))!
      return /^limbeck-\d/.test(name!) ? [Number(rest!.split(' ')[16])] : []
    } catch {
      return []
    }
  })
const threads = () => pools().length

interface Case {
  without?: () => object
  with: () => object
  check: (without: Outcome, withIt: Outcome) => void | Promise<void>
}

const cases: Record<string, Case> = {
  losses: {
    with: () => ({ losses: { crossEntropy: { weight: 0.5, labelSmoothing: 0.2 }, kl: { weight: 0.5 } }, teacher }),
    check: (a, b) => {
      if (b.error === undefined) differ(a, b)
      else expect(b.error.path).toMatch(/teacher|losses/)
    },
  },
  optimizer: {
    with: () => ({ optimizer: { adam: { learningRate: 0.1 } } }),
    check: differ,
  },
  schedule: {
    with: () => ({ schedule: { linear: { final: 0.5 } } }),
    check: (a, b) => {
      expect(a.all.map(report => report.learningRate)).toEqual(Array(6).fill(0.1))
      expect(b.last.learningRate).toBeLessThan(0.07)
      differ(a, b)
    },
  },
  batchSize: {
    with: () => ({ batchSize: 48 }),
    check: (a, b) => expect([a.last.steps, b.last.steps]).toEqual([6, 4]),
  },
  accumulate: {
    with: () => ({ accumulate: 3 }),
    check: (a, b) => expect([a.last.step, b.last.step]).toEqual([6, 2]),
  },
  epochs: {
    with: () => ({ epochs: 3 }),
    check: (a, b) => expect([a.last.steps, b.last.steps, b.last.summary!.epochs]).toEqual([6, 9, 3]),
  },
  steps: {
    with: () => ({ epochs: undefined, steps: 5 }),
    check: (a, b) => expect([a.last.step, b.last.step]).toEqual([6, 5]),
  },
  seed: { with: () => ({ seed: 6 }), check: differ },
  shuffle: { with: () => ({ shuffle: false }), check: differ },
  dropLast: {
    without: () => ({ batchSize: 40 }),
    with: () => ({ batchSize: 40, dropLast: true }),
    check: (a, b) => expect([a.last.step, b.last.step]).toEqual([6, 4]),
  },
  augment: { with: () => ({ augment: { noise: { std: 0.5 } } }), check: differ },
  clipNorm: {
    with: () => ({ clipNorm: 0.01 }),
    check: (a, b) => {
      expect(a.all[0]!.gradientNorm).toBe(b.all[0]!.gradientNorm)
      differ(a, b)
    },
  },
  average: { with: () => ({ average: { decay: 0.9 } }), check: differ },
  freeze: {
    with: () => ({ freeze: ['head'] }),
    check: (a, b) => {
      const start = weights(Model.create(mlp(6), { seed: 4 }))
      expect(b.weights['head.weight']).toEqual(start['head.weight'])
      expect(a.weights['head.weight']).not.toEqual(start['head.weight'])
      expect(b.weights['layers.0.weight']).not.toEqual(start['layers.0.weight'])
    },
  },
  validateEvery: {
    without: () => ({ validation }),
    with: () => ({ validation, validateEvery: 2 }),
    check: (a, b) => {
      const validated = ({ all }: Outcome) => all.filter(report => report.validation).map(report => report.step)
      expect(validated(a)).toEqual([3, 6])
      expect(validated(b)).toEqual([2, 4, 6])
    },
  },
  earlyStop: {
    without: () => ({ validation, epochs: 8 }),
    with: () => ({ validation, epochs: 8, earlyStop: { patience: 2, minDelta: 10 } }),
    check: (a, b) => {
      expect(a.last.summary).toMatchObject({ ended: 'finished', epochs: 8 })
      expect(b.last.summary).toMatchObject({ ended: 'earlyStop', epochs: 3 })
    },
  },
  keep: {
    // The learning rate grows until the student gets worse.
    without: () => ({ validation, epochs: 4, schedule: { step: { every: 6, factor: 1000 } } }),
    with: () => ({ validation, epochs: 4, schedule: { step: { every: 6, factor: 1000 } }, keep: 'best' }),
    check: (a, b) => {
      const best = b.all.filter(report => report.validation).reduce((x, y) => (y.validation!.accuracy! > x.validation!.accuracy! ? y : x))
      expect(best.step).toBeLessThan(b.last.step)
      expect(b.last.summary!.keptStep).toBe(best.step)
      expect(a.last.summary!.keptStep).toBe(a.last.step)
      differ(a, b)
    },
  },
  metrics: {
    without: () => ({ validation }),
    with: () => ({ validation, metrics: { topKAccuracy: { k: 2 }, calibrationError: {} } }),
    check: (a, b) => {
      expect(a.last.validation!.topKAccuracy).toBeUndefined()
      expect(b.last.validation!.topKAccuracy).toBeGreaterThan(0.3)
      expect(b.last.validation!.calibrationError).toBeGreaterThanOrEqual(0)
    },
  },
  metric: {
    without: () => ({ validation }),
    with: () => ({ validation, metric: 'loss' }),
    check: (a, b) => expect([a.last.summary!.best!.metric, b.last.summary!.best!.metric]).toEqual(['accuracy', 'loss']),
  },
  reportEvery: {
    with: () => ({ reportEvery: 4 }),
    check: (a, b) => expect([a.all.map(report => report.step), b.all.map(report => report.step)]).toEqual([[1, 2, 3, 4, 5, 6], [4, 6]]),
  },
  proofs: {
    without: () => ({ optimizer: { sgd: { learningRate: 1e-30 } }, proofs: 'off' }),
    with: () => ({ optimizer: { sgd: { learningRate: 1e-30 } }, proofs: 'strict' }),
    check: (a, b) => {
      expect([a.error, a.last.findings]).toEqual([undefined, []])
      expect(b.error!.code).toBe('ERR_LIMBECK_PROOF_FAILED')
    },
  },
  cacheTeacher: {
    with: () => ({ cacheTeacher: false }),
    check: (a, b) => {
      expect(b.last.summary!.teacherRows).toBe(2 * a.last.summary!.teacherRows)
      expect(b.weights).toEqual(a.weights)
    },
  },
  checkpoint: {
    with: () => ({ checkpoint: { folder: folder(), every: 2, keep: 1 } }),
    check: (a, b) => {
      expect(a.all.some(report => report.checkpoint !== undefined)).toBe(false)
      const written = b.all.flatMap(report => report.checkpoint ?? [])
      expect(written.length).toBeGreaterThanOrEqual(1)
      expect(existsSync(written.at(-1)!)).toBe(true)
      expect(b.weights).toEqual(a.weights)
    },
  },
  maxMemoryBytes: {
    with: () => ({ maxMemoryBytes: 1000 }),
    check: (_, b) => expect(b.error).toMatchObject({ code: 'ERR_LIMBECK_MEMORY', path: 'maxMemoryBytes' }),
  },
  backend: {
    with: () => ({ backend: 'cuda' }),
    check: (_, b) => expect(b.error).toMatchObject({ code: 'ERR_LIMBECK_BACKEND', path: 'backend' }),
  },
  validation: {
    with: () => ({ validation }),
    check: (a, b) => {
      expect(a.last.validation).toBeUndefined()
      expect(b.last.validation).toMatchObject({ rows: 60 })
      expect(b.weights).toEqual(a.weights)
    },
  },
  data: { with: () => ({ data: clusters(96, 7) }), check: differ },
  student: {
    with: () => ({ student: Model.create(mlp(12), { seed: 4 }) }),
    check: (a, b) => expect([a.weights['head.weight']!.length, b.weights['head.weight']!.length]).toEqual([18, 36]),
  },
  signal: {
    with: () => ({ signal: AbortSignal.abort(new Error('no more')) }),
    check: (_, b) => expect(b.error).toEqual(new Error('no more')),
  },
  resume: {
    with: () => ({ resume: folder() }),
    check: (a, b) => {
      expect(existsSync(b.last.checkpoint!)).toBe(true)
      expect(b.weights).toEqual(a.weights)
    },
  },
}

describe.each(['train', 'distill'] as const)('%s', method => {
  test.each(Object.keys(cases))('%s is not ignored', async name => {
    const { without = () => ({}), with: change, check } = cases[name]!
    await check(await methods[method](without()), await methods[method](change()))
  })

  test('the same options give the same bits', async () => {
    const [a, b] = [await methods[method]({}), await methods[method]({})]
    expect(a.weights).toEqual(b.weights)
    expect(a.all.map(report => [report.loss, report.terms])).toEqual(b.all.map(report => [report.loss, report.terms]))
  })

  test('control is not ignored', async () => {
    const losses = { crossEntropy: { weight: 0.5 }, kl: { weight: 0.5 } }
    if (method === 'train') {
      const { all, run } = await methods.train({ control: true })
      expect(all.at(-1)!.control!.loss).toBeCloseTo(all.at(-1)!.loss, 12)
      expect(run.control).toBeInstanceOf(Model)
      return
    }
    const { all, run, weights: taught } = await methods.distill({ losses, control: true, validation })
    const without = await methods.distill({ losses, validation })
    expect(without.last.control).toBeUndefined()
    expect(without.run.control).toBeUndefined()
    expect(all.at(-1)!.control!.validation!.accuracy).toBeGreaterThan(0)
    expect(taught).toEqual(without.weights)
    expect(weights(run.control!)).not.toEqual(taught)
  })

  test('threads is not ignored, and does not change the bits', async () => {
    const one = await methods[method]({ threads: 1 })
    const student = Model.create(mlp(6), { seed: 4 })
    const losses = method === 'train' ? { crossEntropy: {} } : { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
    // With one report per step, the run and its threads still exist after the first report.
    const options = { ...base(), student, losses, threads: 3, reportEvery: 1 }
    const run = method === 'train' ? train(options) : distill({ ...options, teacher })
    onTestFinished(() => run.dispose())
    await vi.waitUntil(() => threads() === 0)
    await run.next()
    // The trainer's own thread is one of the three.
    await vi.waitUntil(() => threads() === 2)
    await run.finish()
    expect(weights(student)).toEqual(one.weights)
  })

  test('niceness is not ignored, and does not change the bits', async () => {
    const without = await methods[method]({})
    const losses = method === 'train' ? { crossEntropy: {} } : { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
    const own = getPriority()
    for (const [change, stands] of [[{}, 10], [{ niceness: 0 }, 0], [{ niceness: 19 }, 19]] as const) {
      const student = Model.create(mlp(6), { seed: 4 })
      const options = { ...base(), student, losses, threads: 2, reportEvery: 1, ...change }
      const run = method === 'train' ? train(options) : distill({ ...options, teacher })
      onTestFinished(() => run.dispose())
      await vi.waitUntil(() => threads() === 0)
      await run.next()
      await vi.waitUntil(() => pools()[0] === Math.min(19, own + stands))
      await run.finish()
      expect(weights(student)).toEqual(without.weights)
    }
    expect(getPriority()).toBe(own)
  })

  test('four accumulated batches of 16 equal one batch of 64', async () => {
    const rows = clusters(128, 8)
    const change = { data: rows, shuffle: false, optimizer: { sgd: { learningRate: 0.1, momentum: 0.9 } } }
    const large = await methods[method]({ ...change, batchSize: 64 })
    const small = await methods[method]({ ...change, batchSize: 16, accumulate: 4 })
    const other = await methods[method]({ ...change, batchSize: 16 })
    const farthest = (a: Outcome, b: Outcome) =>
      Math.max(...Object.keys(a.weights).flatMap(name => a.weights[name]!.map((value, at) => Math.abs(value - b.weights[name]![at]!))))
    expect(small.last.step).toBe(large.last.step)
    expect(farthest(small, large)).toBeLessThan(1e-6)
    expect(farthest(other, large)).toBeGreaterThan(1e-4)
  })
})

test('the teacher is not ignored: a model, a function and a column give the same result', async () => {
  const losses = { kl: { temperature: 2 } }
  const taught = async (change: object) => {
    const { error, weights: made } = await methods.distill({ losses, ...change })
    expect(error).toBeUndefined()
    return made
  }
  const byModel = await taught({ teacher })
  expect(await taught({ teacher: await trainedTeacher(clusters(300, 3), 77) })).not.toEqual(byModel)
  const logits = await teacher.logits(data)
  const columns = clusterColumns(96, 1)
  const column = Dataset.from({ ...columns, teacherLogits: logits }, { inputs: [8], classes: 3 })
  expect(await taught({ teacher: undefined, data: column })).toEqual(byModel)
  expect(await taught({ teacher: undefined, data: data.withTeacherLogits(logits) })).toEqual(byModel)
  const answer = async ({ inputs }: { inputs: Float32Array | Uint32Array }) => (await teacher.predict({ inputs })).logits
  expect(await taught({ teacher: answer })).toEqual(byModel)
})

test('a teacher function is called once per row, and is rejected together with augmentation', async () => {
  let asked = 0
  const heard: number[] = []
  const function_ = Teacher.fromFunction(
    async ({ inputs, rows, ids, shape }) => {
      asked += rows
      expect([ids.length, shape]).toEqual([rows, [8]])
      return (await teacher.predict({ inputs })).logits
    },
    { batchSize: 40, onProgress: ({ rows }) => heard.push(rows) },
  )
  const change = { losses: { kl: {} }, teacher: function_ }
  await methods.distill(change)
  await methods.distill(change)
  expect([asked, heard]).toEqual([96, [40, 80, 96]])
  const { error } = await methods.distill({ ...change, augment: { noise: { std: 0.1 } } })
  expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'augment' })
})

test('a run rejects with the error that the teacher function throws', async () => {
  const broken = new Error('503')
  const { error } = await methods.distill({ losses: { kl: {} }, teacher: () => Promise.reject(broken) })
  expect(error).toBe(broken)
  const odd = await methods.distill({ losses: { kl: {} }, teacher: async () => new Float32Array(5) })
  expect(odd.error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA', path: 'teacher' })
})

test('the generator is not ignored: it generates the student from the teacher, and is rejected by train, which has no teacher', async () => {
  const losses = { kl: { temperature: 2 } }
  const [plain, generated] = [await methods.distill({ losses }), await methods.distill({ losses, generator: {} })]
  expect([plain.error, generated.error]).toEqual([undefined, undefined])
  expect(generated.weights).not.toEqual(plain.weights)
  const { error } = await methods.train({ generator: {} })
  expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'teacher' })
})

test.each([{ combine: 'logits' }, { permuteTeacher: true }, { weightRowsByTeacher: true }])(
  'how teachers are heard is not ignored: %o, and train has nobody to hear',
  async change => {
    const shared = { losses: { kl: { temperature: 2 } }, teacher: [{ model: teacher }, { model: Model.create(mlp(5), { seed: 8 }) }] }
    const [plain, heard] = [await methods.distill(shared), await methods.distill({ ...shared, ...change })]
    expect([plain.error, heard.error]).toEqual([undefined, undefined])
    expect(heard.weights).not.toEqual(plain.weights)
    const { error } = await methods.train(change)
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: Object.keys(change)[0] })
  },
)

test('every option has a test above', async () => {
  const ofTeachers = ['combine', 'permuteTeacher', 'weightRowsByTeacher']
  const own = ['control', 'threads', 'niceness', 'generator', 'teacher', ...ofTeachers]
  const facade = ['student', 'data', 'validation', 'resume', 'signal']
  expect(Object.keys(cases).concat(own).sort()).toEqual([...trainOptionKeys, ...facade, 'teacher'].sort())
  const { message } = await failure(() => train({ ...base(), losses: { crossEntropy: {} }, nothing: 1 } as never).next())
  for (const name of Object.keys(cases)) expect(message).toContain(name)
  expect(await reports(train({ ...base(), losses: { crossEntropy: {} } }))).toHaveLength(6)
})
