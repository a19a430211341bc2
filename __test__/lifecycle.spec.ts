/** limbeck inside a process: cancellation, the end of the process, freeing memory, a free event loop. */
import { getEventListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as later } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { distill, memory, Model, Teacher, train, type StepReport, type TrainOptions } from '../ts/index.js'
import { child, clusterColumns, clusters, failure, folder, mlp, weights } from './support.js'
import { Dataset } from '../ts/dataset.js'

const data = clusters(600)
const long = (change: Partial<TrainOptions> = {}): TrainOptions => ({
  student: Model.create(mlp(32), { seed: 1 }),
  data,
  losses: { crossEntropy: {} },
  epochs: 100_000,
  reportEvery: 50,
  ...change,
})

test('with an aborted signal no work is started', async () => {
  const live = memory().liveBytes
  const reason = new Error('before')
  let asked = 0
  const signal = AbortSignal.abort(reason)
  await expect(train(long({ signal })).next()).rejects.toBe(reason)
  const teacher = Teacher.fromFunction(() => (asked++, new Float32Array(3)))
  await expect(distill({ ...long({ signal, losses: { kl: {} } }), teacher }).next()).rejects.toBe(reason)
  await expect(Model.create(mlp(4)).predict({ inputs: new Float32Array(8) }, { signal })).rejects.toBe(reason)
  expect(asked).toBe(0)
  expect(memory().liveBytes - live).toBeLessThan(64_000)
})

test('an abort rejects with its reason, removes its listener, and leaves the student unchanged', async () => {
  const student = Model.create(mlp(32), { seed: 1 })
  const before = weights(student)
  const stop = new AbortController()
  let heard = 0
  stop.signal.onabort = () => heard++
  // There are many steps between two reports, so that the abort comes between the reports.
  const run = train(long({ student, signal: stop.signal, reportEvery: 20_000 }))
  await run.next()
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
  const pending = run.next()
  const reason = new Error('enough')
  setTimeout(() => stop.abort(reason), 5)
  await expect(pending).rejects.toBe(reason)
  expect([heard, getEventListeners(stop.signal, 'abort').length]).toEqual([1, 1])
  expect(weights(student)).toEqual(before)
  expect(await run.next()).toEqual({ done: true, value: undefined })
})

test('one signal ends a thousand jobs, and no listener or memory remains', async () => {
  const stop = new AbortController()
  const student = Model.create(mlp(4), { seed: 1 })
  const few = clusters(12)
  const warm = train({ ...long({ student, data: few }), steps: 1, epochs: undefined as never })
  await warm.finish()
  const warned: Error[] = []
  const hear = (warning: Error) => void warned.push(warning)
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  globalThis.gc!()
  const heap = process.memoryUsage().heapUsed
  for (let wave = 0; wave < 10; wave++) {
    const wait = new AbortController()
    const signal = wave === 9 ? stop.signal : AbortSignal.any([stop.signal, wait.signal])
    const runs = Array.from({ length: 100 }, () => train(long({ student: student.clone(), data: few, reportEvery: 1_000_000, threads: 1, signal, proofs: 'off' })))
    const ends = runs.map(run => run.next().then(() => 'ended', error => error as unknown))
    await later(5)
    const reason = new Error(`wave ${wave}`)
    if (wave === 9) stop.abort(reason)
    else wait.abort(reason)
    expect(new Set(await Promise.all(ends))).toEqual(new Set([reason]))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(warned).toEqual([])
  }
  globalThis.gc!()
  expect(process.memoryUsage().heapUsed - heap).toBeLessThan(1e6)
}, 120_000)

test('an abort at any time takes effect soon', async () => {
  const late: number[] = []
  for (let turn = 0; turn < 100; turn++) {
    const stop = new AbortController()
    const run = train(long({ signal: stop.signal, reportEvery: 1_000_000 }))
    const pending = run.next().catch(error => error as unknown)
    await later((turn * 7) % 11)
    const started = performance.now()
    stop.abort('stop')
    expect(await pending).toBe('stop')
    late.push(performance.now() - started)
  }
  expect(late.sort((a, b) => a - b)[98]).toBeLessThan(250)
})

test('leaving a loop stops after the current step, and the student keeps what it has learnt', async () => {
  const [left, counted] = [Model.create(mlp(6), { seed: 1 }), Model.create(mlp(6), { seed: 1 })]
  for await (const { step } of train(long({ student: left, reportEvery: 1 }))) if (step === 7) break
  await train({ ...long({ student: counted }), epochs: undefined as never, steps: 7 }).finish()
  expect(weights(left)).toEqual(weights(counted))
})

test('a run that was never iterated has started nothing, and can be left', async () => {
  const student = Model.create(mlp(6), { seed: 1 })
  const before = weights(student)
  const run = train(long({ student }))
  expect(await run.return()).toEqual({ done: true, value: undefined })
  expect(await run.next()).toEqual({ done: true, value: undefined })
  expect(weights(student)).toEqual(before)
})

test('of two concurrent jobs one is aborted; the other has the same bits as without it', async () => {
  const job = () => {
    const student = Model.create(mlp(32), { seed: 3 })
    return { student, run: train({ ...long({ student, epochs: 20 }), threads: 2 }) }
  }
  const alone = job()
  await alone.run.finish()
  const stop = new AbortController()
  const other = train(long({ signal: stop.signal, seed: 8 })).finish().catch(error => error as unknown)
  const beside = job()
  const finished = beside.run.finish()
  await later(20)
  stop.abort('away')
  await finished
  expect(await other).toBe('away')
  expect(weights(beside.student)).toEqual(weights(alone.student))
})

test('writing into the arrays during a run has no effect', async () => {
  const trained = async (spoil: boolean) => {
    const { inputs, labels } = clusterColumns(300)
    const student = Model.create(mlp(8), { seed: 1 })
    const rows = Dataset.from({ inputs, labels }, { inputs: [8], classes: 3 })
    const run = train({ ...long({ student, data: rows, epochs: 3 }), reportEvery: 1 })
    for await (const _ of run) {
      if (spoil) {
        inputs.fill(NaN)
        labels.fill(0)
      }
    }
    return weights(student)
  }
  expect(await trained(true)).toEqual(await trained(false))
})

/** Waits until all unreferenced native memory is freed. */
async function settled() {
  for (let last = Infinity; memory().liveBytes < last; await later(50)) {
    last = memory().liveBytes
    globalThis.gc!()
    await later(50)
  }
}

test('dispose frees native memory, and later calls reject with ERR_LIMBECK_DISPOSED', async () => {
  await settled()
  const before = memory().liveBytes
  {
    using student = Model.create({ mlp: { sizes: [8, 4000, 3] } }, { seed: 1 })
    using rows = clusters(50_000)
    using run = train(long({ student, data: rows }))
    await run.next()
    expect(memory().liveBytes - before).toBeGreaterThan(1e6)
  }
  const started = performance.now()
  while (memory().liveBytes - before > 100_000 && performance.now() - started < 2000) await later(5)
  expect(performance.now() - started).toBeLessThan(1000)
  const model = Model.create(mlp(4))
  model.dispose()
  model.dispose()
  for (const use of [() => model.summary(), () => model.predict({ inputs: new Float32Array(8) }), () => train(long({ student: model })).next()]) {
    expect((await failure(use)).code).toBe('ERR_LIMBECK_DISPOSED')
  }
})

test.each(['created', 'paused', 'left', 'finished'])('a process with a run that is %s ends by itself', async state => {
  const running = child('exit.mjs', [state])
  await running.says('ready')
  const started = performance.now()
  const { code, stderr } = await running.ended
  // Only a run that was never started causes a warning.
  expect([code, stderr]).toEqual([0, state === 'created' ? expect.stringContaining('[LIMBECK_NOT_STARTED]') : ''])
  expect(performance.now() - started).toBeLessThan(1000)
})

test('SIGTERM during a run: a checkpoint, then the end, within two seconds', async () => {
  const running = child('exit.mjs', ['sigterm', folder()])
  await running.says('ready')
  const started = performance.now()
  running.kill('SIGTERM')
  const { code, stdout } = await running.ended
  expect(code).toBe(0)
  expect(existsSync(/saved (.*)/.exec(stdout)![1]!)).toBe(true)
  expect(performance.now() - started).toBeLessThan(2000)
})

test('process.exit in the middle of a step ends the process at once', async () => {
  const running = child('exit.mjs', ['forgotten'])
  await running.says('ready')
  const started = performance.now()
  running.kill('SIGTERM')
  expect(await running.ended).toMatchObject({ code: 0, signal: null })
  expect(performance.now() - started).toBeLessThan(2000)
})

const said = async (running: ReturnType<typeof child>) => {
  const { code, signal, stdout, stderr } = await running.ended
  expect({ code, signal, stderr }).toMatchObject({ code: 0, signal: null })
  return JSON.parse(stdout) as never
}

test('workers that are terminated in the middle of a step do not affect the process', async () => {
  expect(await said(child('worker.mjs'))).toEqual({ equal: true })
})

test('a teacher of 50 million parameters works with a heap of 256 MB, and its memory is freed', async () => {
  const found: { parameters: number; left: number; milliseconds: number } = await said(child('memory.mjs', [], ['--max-old-space-size=256']))
  expect(found.parameters).toBeGreaterThan(49e6)
  expect(found.left).toBeLessThan(1e6)
  expect(found.milliseconds).toBeLessThan(1000)
}, 120_000)

test('a hundred jobs leak no memory, disposed or only unreferenced', async () => {
  const { disposed, forgotten }: Record<string, { live: number; rss: number }> = await said(child('leak.mjs', ['100'], ['--expose-gc']))
  expect(disposed!.live).toBeLessThan(100_000)
  expect(forgotten!.live).toBeLessThan(500_000)
  expect(Math.max(disposed!.rss, forgotten!.rss)).toBeLessThan(0.05)
}, 120_000)

/** Milliseconds: p99 and longest delay of a 1 ms timer, p99 of `fs.stat`. */
interface Delays {
  loop: number
  longest: number
  stat: number
}

/** Delays in a process, first idle and then with this many jobs, each for this many seconds. */
const delays = (jobs: string, seconds: string): Promise<{ idle: Delays; busy: Delays }> => said(child('loop.mjs', [jobs, seconds]))

test('the event loop stays free while a job trains', async () => {
  const { idle, busy } = await delays('1', '5')
  expect(busy.loop).toBeLessThan(20 + idle.loop)
  expect(busy.longest).toBeLessThan(100 + idle.longest)
}, 60_000)

test('a large model and large data do not block the event loop', async () => {
  const found: Record<'idle' | 'create' | 'draw' | 'take' | 'normalization', number> = await said(child('large.mjs'))
  expect(found.create).toBeLessThan(20)
  for (const step of ['draw', 'take', 'normalization'] as const) expect(found[step], step).toBeLessThan(20 + found.idle)
}, 60_000)

test("libuv's pool stays free while eight jobs train", async () => {
  // Jobs on libuv's own threads would block `fs` for seconds. On virtual machines the p99 of `fs.stat` varies between 0.1 and
  // 3.3 ms from run to run. Other programs may use the cores for a while, so one of six attempts must succeed.
  const times: { idle: Delays; busy: Delays }[] = []
  const free = ({ busy }: { busy: Delays }) => busy.stat <= 5
  do times.push(await delays('8', '3'))
  while (times.length < 6 && !times.some(free))
  expect(times).toSatisfy(() => times.some(free))
}, 120_000)

test('a run that is left or disposed of during a call of the teacher function does not train', async () => {
  const begun = (state: 'return' | 'dispose') => {
    const student = Model.create(mlp(8), { seed: 1 })
    let answer = () => {}
    const teacher = Teacher.fromFunction(({ rows }) => new Promise(resolve => (answer = () => resolve(new Float32Array(rows * 3)))), { batchSize: 600 })
    const run = distill({ ...long({ student, losses: { kl: {} } }), teacher })
    const before = weights(student)
    const pending = run.next().catch((error: unknown) => error)
    return { run, pending, check: async () => {
      const settled = await Promise.race([pending, later(1000, 'pending')])
      answer()
      await later(50)
      expect(weights(student)).toEqual(before)
      expect(await run.next()).toEqual({ done: true, value: undefined })
      return [state, settled]
    } }
  }
  const disposed = begun('dispose')
  await later(20)
  disposed.run.dispose()
  expect(await disposed.check()).toMatchObject(['dispose', { code: 'ERR_LIMBECK_CANCELLED' }])
  const left = begun('return')
  await later(20)
  await Promise.race([left.run.return(), later(1000)])
  expect(await left.check()).toEqual(['return', { done: true, value: undefined }])
})

test.each([0, 1, 2, 3, 4])('a run that is disposed of %i turns after the request for its first report does not train', async turns => {
  const run = train(long())
  const settled = run.next().catch((error: unknown) => error)
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
  run.dispose()
  const end = (await settled) as { done?: boolean; code?: string }
  expect(end.done === true || end.code === 'ERR_LIMBECK_CANCELLED').toBe(true)
})

test('initial values are drawn when they are needed, and clones draw the same values', async () => {
  await settled()
  const before = memory().liveBytes
  const options = { mlp: { sizes: [8, 1000, 1000, 3] } }
  const model = Model.create(options, { seed: 5, labelNames: ['a', 'b', 'c'] })
  const clone = model.clone()
  expect([model.summary().parameters, model.bytes, model.parameters().length]).toEqual([1_013_003, 4_052_012, 6])
  expect(memory().liveBytes - before).toBeLessThan(100_000)
  const inputs = Float32Array.from({ length: 8 }, (_, at) => at)
  const { logits, names } = await model.predict({ inputs })
  expect(clone.predictSync({ inputs })).toMatchObject({ logits, names })
  expect(memory().liveBytes - before).toBeGreaterThan(4e6)
  expect(memory().liveBytes - before).toBeLessThan(5e6)
  expect(weights(Model.create(options, { seed: 5 }))).toEqual(weights(model))
})

test('disposing a large model returns its memory to the system', async () => {
  const resident = () => process.memoryUsage.rss() / 2 ** 20
  const large = Model.create({ mlp: { sizes: [8, 4000, 6000, 3] } })
  await large.predict({ inputs: new Float32Array(8) })
  const held = resident()
  large.dispose()
  const started = performance.now()
  while (held - resident() < 80 && performance.now() - started < 1000) await later(5)
  expect(held - resident()).toBeGreaterThan(80)
})

test('an exit does not wait for an idle trainer', async () => {
  const fastest = async (state: string) => {
    const times: number[] = []
    for (let turn = 0; turn < 3; turn++) times.push((await child('exit.mjs', [state, 'times']).ended).seconds * 1000)
    return Math.min(...times)
  }
  const finished = await fastest('finished')
  expect((await fastest('paused')) - finished).toBeLessThan(130)
})

test('leaving a run does not wait for the next report', async () => {
  const run = train(long({ reportEvery: 1_000_000_000 }))
  const pending = run.next()
  await new Promise(resolve => setTimeout(resolve, 50))
  const begun = performance.now()
  await run.return()
  expect(performance.now() - begun).toBeLessThan(1000)
  const { value } = await pending
  expect((value as StepReport).step).toBeGreaterThan(0)
})

test('only one run at a time can train a student', async () => {
  const student = Model.create(mlp(8), { seed: 1 })
  const first = train(long({ student }))
  await first.next()
  const second = train(long({ student, steps: 2, epochs: undefined as never }))
  expect(await failure(() => second.next())).toMatchObject({ code: 'ERR_LIMBECK_BUSY', path: 'student' })
  await first.return()
  await train(long({ student, steps: 2, epochs: undefined as never })).finish()
  const left = train(long({ student }))
  await left.next()
  left.dispose()
  await train(long({ student, steps: 2, epochs: undefined as never })).finish()
})

test('a run that was never started causes one warning when the process ends; a run that was only checked causes none', async () => {
  const { code, stderr } = await child('unstarted.mjs').ended
  expect(code).toBe(0)
  expect(stderr.match(/LIMBECK_NOT_STARTED/g)).toHaveLength(1)
  expect(stderr).toContain('await train(…).finish()')
})
