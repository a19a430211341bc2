/** A run that is stopped and resumed in another process ends with the same bits as one that was never stopped. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { distillMutually, Model, train, type TrainOptions } from '../ts/index.js'
import { clusterColumns, clusters, failure, folder, mlp, noise, reports, weights } from './support.js'

const program = fileURLToPath(new URL('children/resume.mjs', import.meta.url))

function run(place: string, stop?: number): string {
  const env = { ...process.env, LIMBECK_FOLDER: place, ...(stop === undefined ? {} : { LIMBECK_STOP: String(stop) }) }
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', program], { env, encoding: 'utf8', timeout: 60_000 })
  expect(status, stderr).toBe(0)
  return stdout
}

test('stopped at ten random steps and resumed in new processes: equal bits', () => {
  const whole = run(folder())
  expect(JSON.parse(whole)).toHaveProperty('bits')
  const draw = noise(Date.now() % 1000)
  // 300 rows in batches of 16, two batches per step: 10 steps per epoch, five epochs.
  const steps = Array.from({ length: 10 }, () => 1 + Math.floor((draw() + 0.5) * 48))
  for (const step of steps) {
    const place = folder()
    expect(run(place, step)).toBe('')
    expect(run(place), `after a stop at step ${step}`).toBe(whole)
  }
}, 180_000)

test('a run can be resumed with a greater length if no schedule depends on it, with the bits of a run of this length', async () => {
  const trained = async (change: Partial<TrainOptions>) => {
    const student = Model.create(mlp(6), { seed: 3 })
    const run = train({ student, data: clusters(96), losses: { crossEntropy: {} }, batchSize: 16, seed: 2, ...change })
    await run.finish()
    return { weights: weights(student), steps: run.summary!.steps }
  }
  for (const schedule of [{ constant: { warmupSteps: 4 } }, { step: { every: 5 } }, { inverseSquareRoot: { warmupSteps: 3 } }] as const) {
    const place = folder()
    await trained({ schedule, epochs: 2, checkpoint: { folder: place } })
    const longer = await trained({ schedule, epochs: 4, resume: place })
    expect(longer.steps).toBe(24)
    expect(longer.weights).toEqual((await trained({ schedule, epochs: 4 })).weights)
    expect((await trained({ schedule, steps: 30, epochs: undefined as never, resume: place })).steps).toBe(30)
    const shorter = await failure(() => trained({ schedule, epochs: 3, resume: place }))
    expect(shorter).toMatchObject({ code: 'ERR_LIMBECK_CHECKPOINT_MISMATCH', path: 'epochs', message: expect.stringContaining('at least the 30 steps') })
  }
  for (const schedule of [{ cosine: {} }, { linear: {} }, { oneCycle: {} }] as const) {
    const place = folder()
    await trained({ schedule, epochs: 2, checkpoint: { folder: place } })
    const error = await failure(() => trained({ schedule, epochs: 4, resume: place }))
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_CHECKPOINT_MISMATCH', path: expect.stringContaining('epochs') })
  }
})

test('a stream and mutual learning can be resumed with a greater length', async () => {
  const rows = clusterColumns(96)
  const source = function* () {
    for (let first = 0; first < 96; first += 16) yield { inputs: rows.inputs.slice(first * 8, (first + 16) * 8), labels: rows.labels.slice(first, first + 16) }
  }
  const place = folder()
  const streamed = async (change: Partial<TrainOptions>) => {
    const run = train({ student: Model.create(mlp(6), { seed: 3 }), data: source, losses: { crossEntropy: {} }, ...change })
    await run.finish()
    return run.summary!.steps
  }
  expect(await streamed({ steps: 6, checkpoint: { folder: place, every: 3 } })).toBe(6)
  expect(await streamed({ steps: 9, resume: place })).toBe(9)
  const both = async (change: object) => {
    const students = [1, 2].map(seed => Model.create(mlp(6), { seed }))
    await distillMutually({ students, data: clusters(96), losses: { crossEntropy: {}, kl: {} }, batchSize: 16, ...change }).finish()
    return students.map(weights)
  }
  const folderOfBoth = folder()
  await both({ epochs: 1, checkpoint: { folder: folderOfBoth } })
  expect(await both({ epochs: 2, resume: folderOfBoth })).toEqual(await both({ epochs: 2 }))
})

test('a folder that contains checkpoints is rejected without resume, and a finished run that is resumed reports its last epoch', async () => {
  const place = folder()
  const run = (change: Partial<TrainOptions>) =>
    train({ student: Model.create(mlp(6), { seed: 3 }), data: clusters(96), losses: { crossEntropy: {} }, batchSize: 48, epochs: 2, ...change })
  const all = await reports(run({ checkpoint: { folder: place } }))
  const last = all.at(-1)!
  expect([last.step, last.epoch]).toEqual([4, 1])
  expect(await failure(() => run({ checkpoint: { folder: place } }).finish())).toMatchObject({
    code: 'ERR_LIMBECK_INVALID_CONFIG',
    path: 'checkpoint.folder',
    message: expect.stringContaining(`got ${place}, which contains checkpoints of a run; to continue this run, set resume: ${JSON.stringify(place)} (--resume`),
  })
  const again = (await reports(run({ resume: place }))).at(-1)!
  expect([again.step, again.epoch, again.summary!.epochs, again.summary!.finishedBefore]).toEqual([4, 1, 2, true])
})
