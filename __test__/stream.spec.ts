/** Batches from an iterable: the same bits as a data set, few batches ahead, and the source is always closed. */
import { setTimeout as later } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Dataset, distill, distillChain, Model, train, type Columns, type Run, type TrainOptions } from '../ts/index.js'
import { child, clusterColumns, clusters, failure, mlp, trainedTeacher, weights } from './support.js'

const all = clusterColumns(96, 1)
function batch(first: number, rows: number): Columns {
  return {
    inputs: all.inputs.slice(first * 8, (first + rows) * 8),
    labels: all.labels.slice(first, first + rows),
    ids: Array.from({ length: rows }, (_, row) => first + row),
  }
}
function* batches(size = 32): Generator<Columns> {
  for (let first = 0; first < 96; first += size) yield batch(first, size)
}
async function* slowly(seen: { pulled: number; closed: boolean }, forever = true): AsyncGenerator<Columns> {
  try {
    do {
      for (const next of batches()) {
        seen.pulled++
        yield next
        await later(1)
      }
    } while (forever)
  } finally {
    seen.closed = true
  }
}

const options = (data: TrainOptions['data'], change: Partial<TrainOptions> = {}): TrainOptions => ({
  student: Model.create(mlp(6), { seed: 4 }),
  data,
  losses: { crossEntropy: {} },
  optimizer: { sgd: { learningRate: 0.1 } },
  ...(data instanceof Dataset && { batchSize: 32, shuffle: false }),
  reportEvery: 1,
  ...change,
})

async function trained(given: TrainOptions) {
  await train(given).finish()
  return weights(given.student)
}

test('a stream gives the same result as the data set', async () => {
  const once = await trained(options(clusters(96, 1)))
  expect(await trained(options(batches()))).toEqual(once)
  expect(await trained(options(slowly({ pulled: 0, closed: false }, false)))).toEqual(once)
  expect(await trained(options(Dataset.stream(batches, { inputs: [8], classes: 3 })))).toEqual(once)
})

test('reports of a stream have no epoch', async () => {
  const reports = async (data: TrainOptions['data']) => {
    const run = train(options(data))
    const { value } = await run.next()
    await run.finish()
    return [value!.epoch, run.summary!.epochs]
  }
  expect(await reports(clusters(96, 1))).toEqual([0, 1])
  expect(await reports(batches())).toEqual([undefined, undefined])
})

test('the teacher of a stream is checked on the first rows', async () => {
  const found = async (teacher: Model) => {
    const run = distill({ ...options(batches()), teacher, losses: { kl: {} } })
    return (await run.finish()).findings.map(({ proof }) => proof)
  }
  expect(await found(Model.create(mlp(32), { seed: 26 }))).toContain('teacherBeatsChance')
  expect(await found(await trainedTeacher(clusters(300, 3)))).not.toContain('teacherBeatsChance')
})

test('time between two requests for reports does not count in rowsPerSecond', async () => {
  const run = train(options(() => batches(), { steps: 6 }))
  await run.next()
  await later(500)
  // If it counted, 32 rows in half a second would give 64.
  expect((await run.next()).value!.rowsPerSecond).toBeGreaterThan(200)
  await run.return()
})

test('a function is called again in every epoch; an iterable can be read only once', async () => {
  const twice = await trained(options(clusters(96, 1), { epochs: 2 }))
  expect(await trained(options(() => batches(), { epochs: 2 }))).toEqual(twice)
  expect(await trained(options(() => batches(), { steps: 6 }))).toEqual(twice)
  const error = await failure(() => train(options(batches(), { epochs: 2 })).next())
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_INVALID_CONFIG', 'epochs'])
})

test('batches are pulled only a few ahead of the trainer', async () => {
  const seen = { pulled: 0, closed: false }
  const run = train(options(slowly(seen)))
  await run.next()
  await later(200)
  expect(seen.pulled).toBe(1 + 2)
  await run.return()
  expect(seen.closed).toBe(true)
})

const leaving: [string, (run: Run, stop: AbortController) => Promise<unknown>][] = [
  ['break', async run => { for await (const _ of run) break }],
  ['abort', async (run, stop) => {
    await run.next()
    stop.abort(new Error('enough'))
    await expect(run.next()).rejects.toThrow('enough')
    await later(20)
  }],
  ['dispose', async run => {
    await run.next()
    run.dispose()
    await later(20)
  }],
]
test.each(leaving)('the source is closed on %s', async (_, leave) => {
  const seen = { pulled: 0, closed: false }
  const stop = new AbortController()
  await leave(train(options(slowly(seen), { signal: stop.signal })), stop)
  expect(seen.closed).toBe(true)
})

test('the source is closed when the run has all its steps', async () => {
  const seen = { pulled: 0, closed: false }
  await train(options(slowly(seen), { steps: 2 })).finish()
  expect(seen.closed).toBe(true)
})

test('a process with an unfinished stream ends by itself', async () => {
  const { code, stdout, stderr } = await child('exit.mjs', ['stream']).ended
  expect([code, stdout, stderr]).toEqual([0, 'ready\n', ''])
}, 10_000)

test('leaving a run that waits for a slow source settles at once, and the student keeps what it has learnt', async () => {
  async function* slow(): AsyncGenerator<Columns> {
    yield batch(0, 32)
    yield batch(32, 32)
    await new Promise(() => {})
  }
  const given = options({ [Symbol.asyncIterator]: () => ({ next: (source => () => source.next())(slow()) }) })
  const run = train(given)
  await run.next()
  await run.next()
  const pending = run.next()
  await later(50)
  const begun = performance.now()
  await run.return()
  expect(performance.now() - begun).toBeLessThan(500)
  expect(await pending).toEqual({ done: true, value: undefined })
  const two = options([batch(0, 32), batch(32, 32)])
  expect(weights(given.student)).toEqual(await trained(two))
}, 10_000)

test('leaving a run that waits for its first batch leaves the student unchanged', async () => {
  const given = options({ [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) })
  const before = weights(given.student)
  const run = train(given)
  const pending = run.next()
  await later(50)
  await run.return()
  expect(await pending).toEqual({ done: true, value: undefined })
  expect(weights(given.student)).toEqual(before)
}, 10_000)

test('a source whose return method throws has no effect on a run that is left or fails', async () => {
  const broken = new Error('no disk')
  const source = (fail: boolean) => ({
    [Symbol.iterator]: () => {
      const inner = batches()
      let count = 0
      return {
        next() {
          if (fail && count++ === 1) throw broken
          return inner.next()
        },
        return(): never {
          throw new Error('return fails')
        },
      }
    },
  })
  const run = train(options(source(false)))
  await run.next()
  await run.return()
  const unknown = { [Symbol.iterator]: () => ({ ...source(false)[Symbol.iterator](), next: () => ({ done: false, value: 7 }) }) }
  const error = await failure(() => train(options(unknown as never)).finish())
  expect([error.path, error.message]).toEqual([
    'data.batch[0]',
    'data.batch[0]: expected a batch { inputs, labels }, got 7; for arrays of all rows, use Dataset.from({ inputs, labels })',
  ])
  await expect(train(options(source(true))).finish()).rejects.toBe(broken)
}, 10_000)

test('batches without the last class are accepted, also together with teacher logits', async () => {
  const two = () => [0, 1].map(first => ({ inputs: all.inputs.slice(0, 16), labels: [0, first], teacherLogits: [[1, 0, 0], [0, 1, 0]] }))
  const run = distill({ ...options(two()), losses: { kl: {}, crossEntropy: {} } })
  expect((await run.finish()).steps).toBe(2)
  const high = [{ inputs: all.inputs.slice(0, 16), labels: [0, 3] }]
  expect((await failure(() => train(options(high)).finish())).code).toBe('ERR_LIMBECK_INVALID_DATA')
})

test('every epoch of a stream draws other dropout masks, like epochs of a data set', async () => {
  const layers = [{ linear: { outputs: 16 } }, { dropout: { rate: 0.5 } }, { linear: { outputs: 3 } }]
  const dropping = () => Model.create({ input: [8], layers } as never, { seed: 1 })
  const once = await trained(options(clusters(96, 1), { epochs: 2, student: dropping() }))
  expect(await trained(options(() => batches(), { epochs: 2, student: dropping() }))).toEqual(once)
  const unnamed = function* () {
    for (const { ids: _, ...rest } of batches()) yield rest
  }
  expect(await trained(options(unnamed, { epochs: 2, student: dropping() }))).toEqual(once)
})

test.each([['batchSize', 32], ['shuffle', false], ['dropLast', true]])('%s is rejected for a stream', async (key, value) => {
  const error = await failure(() => train(options(batches(), { [key]: value })).next())
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_INVALID_CONFIG', key])
})

test('a run rejects with the error that its source throws', async () => {
  const broken = new Error('the disk is gone')
  async function* failing(): AsyncGenerator<Columns> {
    yield batch(0, 32)
    throw broken
  }
  const run = train(options(failing()))
  await expect(run.finish()).rejects.toBe(broken)
  expect(await run.next()).toEqual({ done: true, value: undefined })
})

test('a bad batch is named by its number', async () => {
  function* bad(): Generator<Columns> {
    yield batch(0, 32)
    yield { ...batch(32, 32), labels: [7] }
  }
  const error = await failure(() => train(options(bad())).finish())
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_INVALID_DATA', 'data.batch[1].labels'])
})

test('a schedule over the whole training needs the number of steps', async () => {
  const error = await failure(() => train(options(batches(), { schedule: { cosine: {} } })).next())
  expect([error.code, error.path]).toEqual(['ERR_LIMBECK_INVALID_CONFIG', 'steps'])
})

test('an empty or consumed source is an error before the first step', async () => {
  const used = batches()
  await train(options(used)).finish()
  for (const data of [used, [], () => [], Dataset.stream(used, { inputs: [8], classes: 3 })]) {
    const error = await failure(() => train(options(data as TrainOptions['data'])).finish())
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA', path: 'data', message: expect.stringContaining('expected at least one batch, got none') })
  }
})

test('a source that ends too soon causes a finding with the number of its batches', async () => {
  const found = async (data: TrainOptions['data'], change: Partial<TrainOptions>) => {
    const run = train(options(data, { schedule: { constant: {} }, ...change }))
    await run.finish()
    return run.summary!.findings.filter(({ proof }) => proof === 'streamLasts').map(({ path, message }) => `${path}: ${message}`)
  }
  expect(await found(batches(), { steps: 100 })).toEqual([expect.stringMatching(/^data: the stream ended after 3 batches and 3 of 100 steps: /)])
  expect(await found(batches(), { steps: 100, accumulate: 2 })).toEqual([expect.stringContaining('3 batches and 2 of 100 steps')])
  expect(await found(batches(), { steps: 3 })).toEqual([])
  let made = 0
  expect(await found(() => (made++ === 0 ? batches() : []), { epochs: 3 })).toEqual([expect.stringContaining('no batches in epoch 2 of 3')])
  const once = batches()
  expect(await found(() => once, { epochs: 2 })).toEqual([expect.stringContaining('no batches in epoch 2 of 2')])
  expect(await found(batches, { epochs: 2 })).toEqual([])
  // With a function, steps continue over several epochs until an epoch is empty.
  made = 0
  expect(await found(() => (made++ < 2 ? batches() : []), { steps: 9 })).toEqual([expect.stringContaining('6 batches and 6 of 9 steps')])
  expect(await failure(() => train(options(batches(), { steps: 100, proofs: 'strict' })).finish())).toMatchObject({ code: 'ERR_LIMBECK_PROOF_FAILED' })
})

test.each([
  ['one epoch', { epochs: 1 }],
  ['a report every two steps', { epochs: 1, reportEvery: 2 }],
  ['a report every three steps, as many as there are', { epochs: 1, reportEvery: 3 }],
  ['two epochs', { epochs: 2, reportEvery: 4 }],
])('%s: every report has a step of its own, the last one the rate and norms of the last step', async (_, change: Partial<TrainOptions>) => {
  const all = []
  for await (const report of train(options(batches, { ...change }))) all.push(report)
  expect(new Set(all.map(({ step }) => step)).size).toBe(all.length)
  const last = all.at(-1)!
  expect(last).toMatchObject({ step: 3 * (change.epochs ?? 1), learningRate: 0.1, summary: { steps: last.step } })
  expect(last.gradientNorms.crossEntropy).toBeGreaterThan(0)
  expect(last.gradientNorm).toBeGreaterThan(0)
})

test('a regime of several stages rejects a single iterable, and a consumed source is an error', async () => {
  const student = Model.create(mlp(6), { seed: 4 })
  const teacher = Model.create(mlp(8), { seed: 5 })
  const chain = (students: Model[], data: TrainOptions['data']) => distillChain({ teacher, students, data, losses: { kl: {} }, proofs: 'off' }).finish()
  expect(await failure(() => chain([student, Model.create(mlp(5))], batches()))).toMatchObject({ path: 'data', message: expect.stringContaining('2 stages') })
  const once = batches()
  expect(await failure(() => chain([student, Model.create(mlp(5))], () => once))).toMatchObject({ path: 'data', message: expect.stringContaining('at least one batch') })
})
