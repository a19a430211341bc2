/** A service: batches, deadlines, aborts, the queue, swaps, shadow, fallback, drain and dispose. */
import { getEventListeners, once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Dataset, Ensemble, LimbeckError, memory, Model, Service, Teacher, train, type ModelOptions, type ServeOptions, type TrainOptions } from '../ts/index.js'
import { Recent } from '../ts/serve/quantiles.js'
import { child, clusterColumns, failure, mlp, noise } from './support.js'

const rows = clusterColumns(64).inputs
const row = (at: number) => rows.slice(at * 8, at * 8 + 8)
const turn = () => new Promise(resolve => setImmediate(resolve))
const soon = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const code = (promise: Promise<unknown>) => failure(() => promise).then(error => error.code)

function served(model: Model, options?: ServeOptions): Service {
  const service = model.serve(options)
  onTestFinished(() => service.dispose())
  return service
}

/** A model whose batches take so long that calls arrive meanwhile. */
const slow = Model.create({ mlp: { sizes: [8, 1024, 1024, 1024, 3] } }, { seed: 4 })
const many = new Float32Array(600 * 8)
/** Keeps a service of `slow` busy, so that later calls wait for the next batch. */
async function occupied(service: Service): Promise<{ work: Promise<unknown> }> {
  const work = service.predict({ inputs: many }).catch(() => {})
  while (service.stats().waiting.calls > 0) await turn()
  return { work }
}
/** Waits until its shadow has no pending rows; returns the shadow's statistics. */
async function heard(service: Service) {
  while (service.stats().shadow!.waiting > 0) await soon(5)
  return service.stats().shadow!
}
/** A function that predicts the class `label` for every row. */
const saying = (label: number, ms = 0) => async ({ rows }: { rows: number }) => {
  await soon(ms)
  return Array.from({ length: rows }, () => [0, 1, 2].map(at => (at === label ? 9 : 0)))
}

describe('results', () => {
  const draw = noise(3)
  const numbers = (count: number) => Float32Array.from({ length: count }, draw)
  const ids = (count: number) => Uint32Array.from({ length: count }, () => Math.floor((draw() + 0.5) * 20))
  const bag: ModelOptions = { input: { ids: {} }, layers: [{ embedding: { vocabulary: 20, width: 6 } }, { linear: { outputs: 3 } }] }
  const words: ModelOptions = { input: { ids: { length: 4 } }, layers: [{ embedding: { vocabulary: 20, width: 6 } }, { tokenMean: {} }, { linear: { outputs: 3 } }] }
  const normalization = { mean: [0.2], std: [3] }
  const kinds: [string, Model, () => unknown][] = [
    ['numbers with names', Model.create(mlp(33), { labelNames: ['a', 'b', 'c'] }), () => numbers(8)],
    ['a wide network', Model.create({ mlp: { sizes: [8, 700, 300, 3] } }), () => numbers(8)],
    ['images', Model.create({ convNet: { input: [1, 9, 7], channels: [5, 11], classes: 3 } }, { normalization }), () => numbers(63)],
    ['bytes', Model.create({ convNet: { input: [1, 9, 7], channels: [5, 11], classes: 3 } }), () => Uint8Array.from(numbers(63), x => 256 * (x + 0.5))],
    ['arrays', Model.create(mlp(5)), () => [Array.from(numbers(8))]],
    ['ids', Model.create(words), () => ids(4)],
    ['ragged ids', Model.create(bag), () => ({ values: ids(5), offsets: [0, 2, 2, 5] })],
  ]
  test.each(kinds)('%s: a batch gives the same bits as predict', async (_, model, draw) => {
    const service = served(model, { maxBatch: 100 })
    const inputs = Array.from({ length: 70 }, draw) as Float32Array[]
    const together = await Promise.all(inputs.map(inputs => service.predict({ inputs })))
    expect(service.stats().batches.count).toBeLessThan(4)
    for (const [at, said] of together.entries()) {
      const { answeredBy, generation, ...prediction } = said
      expect([new Set(answeredBy), generation]).toEqual([new Set(['model']), 0])
      expect(prediction).toStrictEqual(await model.predict({ inputs: inputs[at]! }))
    }
  })

  test('calls with several rows and of several kinds get their own results', async () => {
    const model = Model.create(mlp(9), { seed: 2 })
    const service = served(model)
    const inputs = [row(0), rows.slice(0, 80), new Uint8Array(16).fill(200), row(5), [[1, 2, 3, 4, 5, 6, 7, 8]], new Uint8Array(8), rows.slice(0, 24)]
    const said = await Promise.all(inputs.map(inputs => service.predict({ inputs })))
    for (const [at, { logits, rows }] of said.entries()) {
      const alone = await model.predict({ inputs: inputs[at]! })
      expect([rows, logits]).toEqual([alone.rows, alone.logits])
      // The result shares no buffer with other results.
      expect(logits.buffer.byteLength).toBe(logits.byteLength)
    }
    expect(service.stats()).toMatchObject({ served: 7, servedRows: 1 + 10 + 2 + 1 + 1 + 1 + 3, batches: { count: 2 } })
  })

  test('writing into the input array after the call has no effect', async () => {
    const model = Model.create(mlp(9))
    const service = served(model)
    const mine = row(3)
    const said = service.predict({ inputs: mine })
    mine.fill(77)
    expect((await said).logits).toEqual((await model.predict({ inputs: row(3) })).logits)
  })

  test('they come from the parameters at the creation of the service, even if the model changes or is disposed of', async () => {
    const model = Model.create(mlp(9), { seed: 1 })
    const before = (await model.predict({ inputs: row(0) })).logits
    const service = served(model)
    model.copyFrom(Model.create(mlp(9), { seed: 2 }))
    expect((await service.predict({ inputs: row(0) })).logits).toEqual(before)
    model.dispose()
    expect((await service.predict({ inputs: row(0) })).logits).toEqual(before)
  })
})

describe('batches', () => {
  test('have at most maxBatch rows; a larger call is a batch of its own', async () => {
    const service = served(Model.create(mlp(4)), { maxBatch: 5 })
    await Promise.all(Array.from({ length: 13 }, (_, at) => service.predict({ inputs: row(at) })))
    expect(service.stats().batches).toMatchObject({ count: 3, rows: { max: 5 } })
    const sizes = await Promise.all([row(0), rows.slice(0, 72), row(1)].map(inputs => service.predict({ inputs })))
    expect(sizes.map(({ rows }) => rows)).toEqual([1, 9, 1])
    expect(service.stats().batches).toMatchObject({ count: 6, rows: { max: 9 } })
  })

  test('a single caller does not wait for others', async () => {
    const service = served(Model.create(mlp(4)), { maxWaitMs: 20_000 })
    const began = performance.now()
    for (let time = 0; time < 5; time++) await service.predict({ inputs: row(time) })
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(service.stats().batches).toMatchObject({ count: 5, rows: { max: 1 } })
  })

  test('a call that comes after all waiting calls were aborted does not wait', async () => {
    const service = served(slow, { maxWaitMs: 20_000 })
    const { work } = await occupied(service)
    const stop = new AbortController()
    const left = service.predict({ inputs: row(0) }, { signal: stop.signal }).catch(() => {})
    await work
    stop.abort()
    await left
    const began = performance.now()
    await service.predict({ inputs: row(1) })
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('a call after a batch waits up to maxWaitMs until as many rows wait as that batch had', async () => {
    for (const maxWaitMs of [400, 0]) {
      const service = served(slow, { maxWaitMs })
      const { work } = await occupied(service)
      const began = performance.now()
      const late = service.predict({ inputs: row(0) })
      expect(service.stats().waiting).toEqual({ calls: 1, rows: 1 })
      await work
      const free = performance.now() - began
      await late
      const waited = performance.now() - began
      if (maxWaitMs > 0) expect(waited).toBeGreaterThan(398)
      else expect(waited - free).toBeLessThan(250)
    }
  })

  test('the wait ends with as many rows as in the last batch, or with maxBatch rows', async () => {
    const service = served(slow, { maxWaitMs: 50_000, maxBatch: 10 })
    const { work } = await occupied(service)
    const late = [service.predict({ inputs: row(0) })]
    await work
    await soon(30)
    expect(service.stats().waiting.calls).toBe(1)
    for (let at = 1; at < 10; at++) late.push(service.predict({ inputs: row(at) }))
    expect((await Promise.all(late)).length).toBe(10)
    expect(service.stats().batches.count).toBe(2)
  })

  test('only one full batch is queued behind the running one', async () => {
    const service = served(slow, { maxBatch: 4 })
    const { work } = await occupied(service)
    const later = Array.from({ length: 11 }, (_, at) => service.predict({ inputs: row(at) }))
    for (let time = 0; time < 3; time++) await turn()
    expect(service.stats()).toMatchObject({ waiting: { calls: 7 }, inside: 12, served: 0 })
    await Promise.all([work, ...later])
    expect(service.stats().batches).toMatchObject({ count: 4, rows: { p50: 4 } })
  })
})

describe('the queue', () => {
  test('rejects rows beyond its length, with the remedy, and accepts calls again afterwards', async () => {
    const service = served(slow, { queue: 3 })
    const { work } = await occupied(service)
    const inside = [service.predict({ inputs: rows.slice(0, 16) }), service.predict({ inputs: row(2) })]
    const error = await failure(() => service.predict({ inputs: row(3) }))
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_BUSY', path: 'queue', details: { waiting: 3, rows: 1, queue: 3 } })
    expect(error.message).toMatch(/expected at most 3 waiting rows, got 3 and 1 more.*503.*raise queue/)
    expect(service.stats()).toMatchObject({ refused: 1, waiting: { calls: 2, rows: 3 }, inside: 3 })
    await Promise.all([work, ...inside])
    await service.predict({ inputs: row(3) })
    expect(service.stats()).toMatchObject({ served: 4, refused: 1, failed: 0, inside: 0 })
  })

  test('a call with more rows than its length is accepted if no other call waits', async () => {
    const service = served(Model.create(mlp(4)), { queue: 3 })
    expect((await service.predict({ inputs: rows })).rows).toBe(64)
  })
})

describe('signals', () => {
  test('an abort before, during the wait or during the prediction rejects with the reason, and other calls are not affected', async () => {
    const service = served(slow)
    const before = new Error('before')
    await expect(service.predict({ inputs: row(0) }, { signal: AbortSignal.abort(before) })).rejects.toBe(before)
    const stop = new AbortController()
    const under = service.predict({ inputs: many }, { signal: stop.signal })
    while (service.stats().waiting.calls > 0) await turn()
    const other = new AbortController()
    const waiting = [stop, other, stop].map(({ signal }, at) => service.predict({ inputs: row(at) }, { signal }))
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
    stop.abort('enough')
    for (const ended of [under, waiting[0], waiting[2]]) await expect(ended).rejects.toBe('enough')
    expect(service.stats()).toMatchObject({ aborted: 4, waiting: { calls: 1, rows: 1 }, inside: 1 })
    expect((await waiting[1]!).rows).toBe(1)
    expect(service.stats()).toMatchObject({ served: 1, inside: 0, batches: { count: 2 } })
    expect([stop, other].map(({ signal }) => getEventListeners(signal, 'abort').length)).toEqual([0, 0])
  })
})

describe('deadlines', () => {
  test('a deadline that passes while the call waits or runs rejects the call in time', async () => {
    const service = served(slow)
    const under = code(service.predict({ inputs: new Float32Array(8 * 4_000) }, { deadlineMs: 5 }))
    while (service.stats().waiting.calls > 0) await turn()
    const began = performance.now()
    const error = await failure(() => service.predict({ inputs: row(0) }, { deadlineMs: 20 }))
    expect(performance.now() - began).toBeLessThan(500)
    expect(error).toMatchObject({ code: 'ERR_LIMBECK_DEADLINE', path: 'deadlineMs', details: { deadlineMs: 20 } })
    expect(error.message).toContain('expected an answer within 20 ms, got none')
    expect(await under).toBe('ERR_LIMBECK_DEADLINE')
    expect(service.stats()).toMatchObject({ expired: 2, served: 0, inside: 0 })
  })

  test('a call is sent early enough to meet its deadline', async () => {
    const service = served(slow, { maxWaitMs: 60_000 })
    const { work } = await occupied(service)
    const late = service.predict({ inputs: row(0) }, { deadlineMs: 30_000 })
    const began = performance.now()
    const urgent = service.predict({ inputs: row(1) }, { deadlineMs: 1500 })
    await work
    await Promise.all([urgent, late])
    expect(performance.now() - began).toBeLessThan(1500)
    expect(service.stats()).toMatchObject({ expired: 0, served: 3 })
  })

  test('a deadline longer than Node’s longest timer does not pass at once', async () => {
    const service = served(Model.create(mlp(4)))
    expect((await service.predict({ inputs: row(0) }, { deadlineMs: 1e12 })).rows).toBe(1)
  })
})

describe('swap', () => {
  const named = (seed: number) => Model.create(mlp(16), { seed, labelNames: ['a', 'b', 'c'] })

  test('no call is lost, and after it all results come from the new model', async () => {
    const models = [1, 2, 3].map(named)
    const expected = await Promise.all(models.map(async model => (await model.predict({ inputs: row(0) })).logits))
    const service = served(models[0]!, { maxBatch: 4 })
    const answers: Promise<{ logits: Float32Array; generation: number }>[] = []
    for (const model of models.slice(1)) {
      for (let call = 0; call < 40; call++) answers.push(service.predict({ inputs: row(0) }))
      await turn()
      await service.swap(model)
      model.dispose()
      const { logits, generation } = await service.predict({ inputs: row(0) })
      expect([logits, generation]).toEqual([expected[generation], models.indexOf(model)])
    }
    for (const { logits, generation } of await Promise.all(answers)) expect(logits).toEqual(expected[generation])
    expect(service.stats()).toMatchObject({ swaps: 2, served: 82, failed: 0 })
  })

  test('a running batch is completed by the old model, whose memory is then freed', async () => {
    const big = (seed: number) => Model.create({ mlp: { sizes: [8, 1024, 1024, 1024, 3] } }, { seed })
    const [first, second] = [big(1), big(2)]
    const expected = (await first.predict({ inputs: many })).logits
    await second.predict({ inputs: row(0) })
    const service = served(first)
    const before = memory().liveBytes
    first.dispose()
    const work = service.predict({ inputs: many })
    while (service.stats().waiting.calls > 0) await turn()
    await service.swap(second)
    const said = await work
    expect(said.generation).toBe(0)
    expect(said.logits).toEqual(expected)
    expect((await service.predict({ inputs: row(0) })).generation).toBe(1)
    expect(before - memory().liveBytes).toBeGreaterThan(7e6)
  })

  test('a model with another input, number of classes or names is rejected with both values, and the old model stays', async () => {
    const service = served(named(1))
    const other = (sizes: number[], labelNames?: string[]) => Model.create({ mlp: { sizes } }, labelNames && { labelNames })
    const wrong: [Model, RegExp][] = [
      [other([9, 3], ['a', 'b', 'c']), /^model: expected rows of shape 8, .* got rows of shape 9/],
      [other([8, 2], ['a', 'b']), /expected 3 classes, .* got 2 classes/],
      [other([8, 3], ['a', 'c', 'b']), /expected the label names a, b, c, .* got the label names a, c, b/],
      [other([8, 3]), /expected the label names a, b, c, .* got no label names/],
      [Model.create({ input: { ids: { length: 8 } }, layers: [{ embedding: { vocabulary: 4, width: 2 } }, { tokenMean: {} }, { linear: { outputs: 3 } }] }), /rows of shape 8, .* rows of 8 ids/],
    ]
    for (const [model, message] of wrong) {
      expect(await failure(() => service.swap(model))).toMatchObject({ code: 'ERR_LIMBECK_SHAPE_MISMATCH', message: expect.stringMatching(message) })
    }
    for (const nothing of [undefined, null, {}, 7]) {
      expect(await code(service.swap(nothing as unknown as Model))).toBe('ERR_LIMBECK_INVALID_CONFIG')
    }
    const disposed = named(2)
    disposed.dispose()
    expect(await code(service.swap(disposed))).toBe('ERR_LIMBECK_DISPOSED')
    expect((await service.predict({ inputs: row(0) })).generation).toBe(0)
    expect(service.stats().swaps).toBe(0)
  })

  test('a model whose outputs are not finite is rejected', async () => {
    const service = served(Model.create(mlp(4)))
    const overflowing = Model.create({ mlp: { sizes: [8, 3] } }, { normalization: { mean: [-3e38], std: [1e-3] } })
    expect(await code(service.swap(overflowing))).toBe('ERR_LIMBECK_NOT_FINITE')
    expect((await service.predict({ inputs: row(0) })).generation).toBe(0)
  })

  test('it waits for the halves of a failed batch, even if another batch was queued behind it', async () => {
    const wide: ModelOptions = {
      input: { ids: { length: 2 } },
      layers: [{ embedding: { vocabulary: 20, width: 512 } }, { tokenMean: {} }, { linear: { outputs: 4096 } }, { linear: { outputs: 2048 } }, { linear: { outputs: 3 } }],
    }
    const [model, next] = [Model.create(wide, { seed: 1 }), Model.create(wide, { seed: 2 })]
    await next.predict({ inputs: Uint32Array.of(1, 2) })
    const service = served(model, { maxBatch: 64 })
    const [inside, ended] = [[] as Promise<unknown>[], [] as number[]]
    const ask = (id: number) => inside.push(service.predict({ inputs: Uint32Array.of(id, 2) }).then(({ generation }) => ended.push(generation), () => ended.push(-1)))
    for (let call = 0; call < 64; call++) ask(call === 63 ? 99 : 1)
    while (service.stats().waiting.calls > 0) await turn()
    for (let call = 0; call < 64; call++) ask(1)
    while (service.stats().waiting.calls > 0) await turn()
    await service.swap(next)
    expect(ended).toHaveLength(128)
    await Promise.all(inside)
  }, 30_000)

  test('an unhandled failure is reported, and a handled error is not kept in memory', async () => {
    const service = served(Model.create(mlp(4)))
    const refuse = () => service.swap(Model.create({ mlp: { sizes: [4, 3] } }))
    const others = process.rawListeners('unhandledRejection')
    onTestFinished(() => others.forEach(other => process.on('unhandledRejection', other as NodeJS.UnhandledRejectionListener)))
    process.removeAllListeners('unhandledRejection')
    const reported = once(process, 'unhandledRejection')
    void refuse()
    expect(await reported).toMatchObject([{ code: 'ERR_LIMBECK_SHAPE_MISMATCH' }, expect.any(Promise)])
    const seen: WeakRef<object>[] = []
    for (let time = 0; time < 10; time++) await refuse().catch((error: object) => void seen.push(new WeakRef(error)))
    for (let time = 0; time < 3; time++) {
      await soon(5)
      globalThis.gc!()
    }
    expect(seen.filter(error => error.deref() !== undefined)).toEqual([])
  })

  test('several concurrent swaps run one after the other, and a failing swap does not affect the others', async () => {
    const service = served(named(1))
    const outcomes = await Promise.allSettled([service.swap(named(2)), service.swap(Model.create(mlp(2))), service.swap(named(3))])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const { logits, generation } = await service.predict({ inputs: row(0) })
    expect(generation).toBe(2)
    expect(logits).toEqual((await named(3).predict({ inputs: row(0) })).logits)
  })
})

describe('the shadow', () => {
  const model = Model.create(mlp(16), { seed: 1 })
  const asked = async (service: Service, calls: number) => {
    for (let call = 0; call < calls; call++) await service.predict({ inputs: row(call % 64) })
    return heard(service)
  }

  test('gets its share of the calls and reports the agreement', async () => {
    const same = await asked(served(model, { shadow: { model: model.clone(), fraction: 1 } }), 100)
    expect(same).toMatchObject({ agreement: 1, failed: 0 })
    expect(same.rows + same.skipped).toBe(100)
    const other = Model.create(mlp(16), { seed: 7 })
    const [own, theirs] = [(await model.predict({ inputs: rows })).labels, (await other.predict({ inputs: rows })).labels]
    const service = served(model, { maxBatch: 64, shadow: { model: Ensemble.of([other]), fraction: 1 } })
    await service.predict({ inputs: rows })
    const shadow = await heard(service)
    const alike = own.filter((label, at) => label === theirs[at]).length
    expect(alike).toBeLessThan(64)
    expect(shadow).toEqual({ rows: 64, agreement: alike / 64, skipped: 0, waiting: 0, failed: 0 })
  })

  test.each([[{ model, fraction: 0.25 }, 50], [model, 20]])('the fraction is the share of the calls', async (shadow, expected) => {
    const { rows, skipped } = await asked(served(model, { shadow }), 200)
    expect(Math.abs(rows + skipped - expected)).toBeLessThanOrEqual(2)
  })

  test('does not delay or fail any call', async () => {
    const never = served(model, { shadow: { model: () => new Promise(() => {}), fraction: 1 } })
    const began = performance.now()
    for (let call = 0; call < 100; call++) await never.predict({ inputs: row(call % 64) })
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(never.stats().shadow).toEqual({ rows: 0, agreement: null, skipped: 35, waiting: 65, failed: 0 })
    const failing = await asked(served(model, { shadow: { model: () => Promise.reject(new Error('no network')), fraction: 1 } }), 20)
    expect(failing).toMatchObject({ rows: 0, agreement: null, lastError: 'no network' })
    expect(failing.failed + failing.skipped).toBe(20)
    const narrow = await asked(served(model, { shadow: { model: ({ rows }) => new Float32Array(rows * 2), fraction: 1 } }), 3)
    expect(narrow.lastError).toContain('expected 3 logits per row, like the serving model, got 2')
  })

  test('a slow function is called only after the result is returned', async () => {
    const busy = ({ rows }: { rows: number }) => {
      const until = performance.now() + 400
      while (performance.now() < until);
      return new Float32Array(rows * 3)
    }
    const service = served(model, { shadow: { model: busy, fraction: 1 } })
    const began = performance.now()
    await service.predict({ inputs: row(0) })
    expect(performance.now() - began).toBeLessThan(300)
    expect(await heard(service)).toMatchObject({ rows: 1, failed: 0 })
  })

  test('agreement refers to the current model', async () => {
    const other = Model.create(mlp(16), { seed: 7 })
    const service = served(model, { shadow: { model: other, fraction: 1 } })
    const before = await asked(service, 64)
    expect(before.agreement).toBeLessThan(1)
    await service.swap(other)
    expect(service.stats().shadow).toMatchObject({ rows: 0, agreement: null })
    expect((await asked(service, 64)).agreement).toBe(1)
  })
})

describe('the fallback', () => {
  const model = Model.create(mlp(16), { seed: 1 })
  const other = Model.create(mlp(16), { seed: 7, labelNames: ['x', 'y', 'z'] })

  test('predicts only the rows on which the model is unsure', async () => {
    const [own, theirs] = [await model.predict({ inputs: rows }), await other.predict({ inputs: rows })]
    const largest = Array.from({ length: 64 }, (_, at) => Math.max(...own.probabilities.slice(at * 3, at * 3 + 3)))
    const below = largest.toSorted((a, b) => a - b)[20]!
    for (const to of [other, Ensemble.of([other]), Teacher.fromFunction(async ({ inputs }) => (await other.predict({ inputs })).logits, { batchSize: 7 })]) {
      const service = served(model, { fallback: { below, to } })
      const together = await service.predict({ inputs: rows })
      const each = await Promise.all(Array.from({ length: 64 }, (_, at) => service.predict({ inputs: row(at) })))
      for (let at = 0; at < 64; at++) {
        const unsure = largest[at]! < below
        const expected = unsure ? theirs : own
        expect(together.answeredBy[at]).toBe(unsure ? 'fallback' : 'model')
        expect(each[at]!.answeredBy).toEqual([together.answeredBy[at]])
        for (const said of [together.probabilities.slice(at * 3, at * 3 + 3), each[at]!.probabilities]) {
          said.forEach((probability, of) => expect(probability).toBeCloseTo(expected.probabilities[at * 3 + of]!, 6))
        }
        expect([together.labels[at], each[at]!.labels[0]]).toEqual([expected.labels[at], expected.labels[at]])
      }
      expect(service.stats().fallback).toEqual({ rows: 40, skipped: 0, waiting: 0, failed: 0 })
    }
  })

  test('for multi-label models a function’s logits get sigmoids too, and single-label models are rejected', async () => {
    const [inputs, one] = [new Float32Array(rows), Uint32Array.from({ length: 64 }, (_, at) => at % 3)]
    const trained = async (labels: Uint32Array | number[][], losses: TrainOptions['losses'], kind: 'single' | 'several') => {
      const student = Model.create(mlp(16), { seed: 1 })
      await train({ student, data: Dataset.from({ inputs, labels }, { inputs: [8], labels: kind, classes: 3 }), losses, steps: 5 }).finish()
      return student
    }
    const several = await trained(Array.from(one, label => [0, 1, 2].map(at => Number(at >= label))), { binaryCrossEntropy: {} }, 'several')
    const single = await trained(one, { crossEntropy: {} }, 'single')
    const to = async ({ inputs }: { inputs: Float32Array | Uint32Array }) => (await several.predict({ inputs })).logits
    const fresh = served(model, { fallback: { below: 1, to } })
    await fresh.swap(several)
    for (const service of [served(several, { fallback: { below: 1, to } }), fresh]) {
      const [said, own] = [await service.predict({ inputs: row(0) }), await several.predict({ inputs: row(0) })]
      expect(said.answeredBy).toEqual(['fallback'])
      said.probabilities.forEach((probability, at) => expect(probability).toBeCloseTo(own.probabilities[at]!, 6))
      const refused = await failure(() => service.swap(single))
      expect(refused).toMatchObject({ code: 'ERR_LIMBECK_SHAPE_MISMATCH', message: expect.stringContaining('expected several labels per row, like the serving model, got one label per row') })
    }
    expect(() => single.serve({ fallback: { below: 1, to: several } })).toThrow('fallback.to: expected one label per row')
    expect(() => single.serve({ shadow: Ensemble.of([several]) })).toThrow('shadow: expected one label per row')
  })

  test('names belong to the returned result', async () => {
    const named = Model.create(mlp(16), { seed: 1, labelNames: ['x', 'y', 'z'] })
    const service = served(named, { fallback: { below: 1, to: saying(2) } })
    expect(await service.predict({ inputs: row(0) })).toMatchObject({ names: ['z'], answeredBy: ['fallback'] })
  })

  test('sure rows do not wait for it', async () => {
    const sure = Model.create({ mlp: { sizes: [8, 3] } }, { normalization: { mean: [0], std: [1e-4] } })
    const service = served(sure, { fallback: { below: 0.9, to: saying(1, 300) } })
    const unsure = service.predict({ inputs: new Float32Array(8) })
    const began = performance.now()
    expect((await service.predict({ inputs: row(1) })).answeredBy).toEqual(['model'])
    expect(performance.now() - began).toBeLessThan(200)
    expect((await unsure).answeredBy).toEqual(['fallback'])
  })

  test('if it fails, is late or its queue is full, the model’s own result is returned', async () => {
    const own = (await model.predict({ inputs: row(0) })).logits
    const failing = served(model, { fallback: { below: 1, to: () => Promise.reject(new Error('no network')) } })
    expect(await failing.predict({ inputs: row(0) })).toMatchObject({ answeredBy: ['model'], logits: own })
    expect(failing.stats()).toMatchObject({ served: 1, failed: 0, fallback: { rows: 0, failed: 1, lastError: 'no network' } })
    const huge = 3e38
    const broken = Model.create({ mlp: { sizes: [8, 8, 3] } }, { seed: 1, normalization: { mean: Array(8).fill(0), std: Array(8).fill(1 / huge) } })
    const unsound = served(model, { fallback: { below: 1, to: broken } })
    expect((await unsound.predict({ inputs: row(0) })).answeredBy).toEqual(['model'])
    expect(unsound.stats().fallback).toMatchObject({ rows: 0, failed: 1, lastError: expect.stringContaining('expected finite logits') })
    const late = served(model, { fallback: { below: 1, to: () => new Promise(() => {}) } })
    expect(await late.predict({ inputs: row(0) }, { deadlineMs: 60 })).toMatchObject({ answeredBy: ['model'], logits: own })
    expect(late.stats()).toMatchObject({ served: 1, expired: 0, fallback: { rows: 0, skipped: 1 } })
    const full = served(model, { queue: 2, fallback: { below: 1, to: saying(1, 200) } })
    const answers: Promise<{ answeredBy: string[] }>[] = []
    for (let call = 0; call < 5; call++) {
      answers.push(full.predict({ inputs: row(call) }))
      await soon(10)
    }
    // One row is being predicted, two wait.
    expect((await Promise.all(answers)).map(({ answeredBy }) => answeredBy[0])).toEqual(['fallback', 'fallback', 'fallback', 'model', 'model'])
    expect(full.stats().fallback).toMatchObject({ rows: 3, skipped: 2 })
  })

  test('aborted calls take no space in the queue', async () => {
    let answer = () => {}
    const answering = new Promise<void>(resolve => (answer = resolve))
    const service = served(model, { queue: 2, fallback: { below: 1, to: ({ rows }) => answering.then(() => new Float32Array(rows * 3)) } })
    const stop = new AbortController()
    const asked = service.predict({ inputs: row(0) })
    await soon(30)
    const left = [1, 2].map(at => service.predict({ inputs: row(at) }, { signal: stop.signal }).catch(() => {}))
    await soon(30)
    expect(service.stats().fallback).toMatchObject({ waiting: 3, skipped: 0 })
    stop.abort()
    await Promise.all(left)
    expect(service.stats().fallback).toMatchObject({ waiting: 1, skipped: 0 })
    const later = service.predict({ inputs: row(3) })
    await soon(30)
    answer()
    expect([(await asked).answeredBy, (await later).answeredBy]).toEqual([['fallback'], ['fallback']])
  })

  test('a call that is aborted during the fallback is counted only as aborted', async () => {
    const service = served(model, { fallback: { below: 1, to: saying(1, 100) } })
    const stop = new AbortController()
    const left = service.predict({ inputs: row(0) }, { signal: stop.signal })
    await soon(30)
    stop.abort('over')
    await expect(left).rejects.toBe('over')
    await soon(150)
    expect(service.stats()).toMatchObject({ aborted: 1, served: 0, inside: 0, fallback: { rows: 0 } })
  })
})

describe('bad input', () => {
  test('a call is rejected with the same message as in predict, and does not affect others', async () => {
    const model = Model.create(mlp(4))
    const service = served(model)
    const nan = row(0)
    nan[3] = NaN
    const wrong: unknown[] = [new Float32Array(7), new Float32Array(0), nan, new Uint32Array(8), [[1, 2]], [], 'text', undefined, { values: [1], offsets: [0, 1] }]
    for (const inputs of wrong) {
      const good = service.predict({ inputs: row(1) })
      const columns = { inputs: inputs as Float32Array }
      const [error, alone] = [await failure(() => service.predict(columns)), await failure(() => model.predict(columns))]
      expect([error.code, error.path, error.message]).toEqual([alone.code, alone.path, alone.message])
      expect((await good).rows).toBe(1)
    }
    expect(service.stats()).toMatchObject({ served: wrong.length, failed: wrong.length, inside: 0 })
  })

  test('a row that only the model can reject fails alone', async () => {
    const words = Model.create({ input: { ids: { length: 2 } }, layers: [{ embedding: { vocabulary: 4, width: 2 } }, { tokenMean: {} }, { linear: { outputs: 3 } }] })
    const service = served(words)
    const all = await Promise.allSettled([[0, 1], [2, 9], [3, 3]].map(ids => service.predict({ inputs: Uint32Array.from(ids) })))
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((all[1] as PromiseRejectedResult).reason.message).toContain('expected an id from 0 to 3, got 9')
  })

  test('one bad row among many costs a few additional batches, not one per call', async () => {
    const words = Model.create({ input: { ids: { length: 2 } }, layers: [{ embedding: { vocabulary: 4, width: 2 } }, { tokenMean: {} }, { linear: { outputs: 3 } }] })
    const service = served(words)
    const all = await Promise.allSettled(Array.from({ length: 64 }, (_, at) => service.predict({ inputs: Uint32Array.of(1, at === 40 ? 9 : 2) })))
    expect(all.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []))).toEqual([40])
    expect(service.stats()).toMatchObject({ served: 63, failed: 1, batches: { count: 6 } })
  })

  test('rejected options keep no model in memory', async () => {
    const model = Model.create(mlp(4))
    const shadow = Model.create({ mlp: { sizes: [8, 1024, 1024, 3] } }, { seed: 3 })
    await shadow.predict({ inputs: row(0) })
    expect(() => model.serve({ shadow, fallback: { below: 2, to: model } })).toThrow('fallback.below')
    const before = memory().liveBytes
    shadow.dispose()
    expect(before - memory().liveBytes).toBeGreaterThan(4e6)
  })

  test('invalid options are rejected with their path', async () => {
    const model = Model.create(mlp(4))
    const other = Model.create({ mlp: { sizes: [8, 2] } })
    const wrong: [unknown, string][] = [
      [{ maxBatch: 0 }, 'maxBatch'],
      [{ maxBatch: NaN }, 'maxBatch'],
      [{ maxBatch: 1.5 }, 'maxBatch'],
      [{ maxWaitMs: NaN }, 'maxWaitMs'],
      [{ maxWaitMs: -1 }, 'maxWaitMs'],
      [{ maxWaitMs: Infinity }, 'maxWaitMs'],
      [{ maxWaitMs: '2' }, 'maxWaitMs'],
      [{ queue: 0 }, 'queue'],
      [{ queue: NaN }, 'queue'],
      [{ maxbatch: 3 }, 'options.maxbatch'],
      [{ shadow: { model, fraction: NaN } }, 'shadow.fraction'],
      [{ shadow: { model, fraction: 0 } }, 'shadow.fraction'],
      [{ shadow: { model, fraction: 1.1 } }, 'shadow.fraction'],
      [{ shadow: { model, part: 1 } }, 'shadow.part'],
      [{ shadow: { fraction: 1 } }, 'shadow.model'],
      [{ shadow: 'teacher' }, 'shadow'],
      [{ fallback: { below: NaN, to: model } }, 'fallback.below'],
      [{ fallback: { below: 0, to: model } }, 'fallback.below'],
      [{ fallback: { below: 0.5 } }, 'fallback.to'],
      [{ fallback: model }, 'fallback'],
      ['text', 'options'],
    ]
    for (const [options, path] of wrong) {
      expect(await failure(() => model.serve(options as ServeOptions))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path })
    }
    expect(await failure(() => model.serve({ shadow: other }))).toMatchObject({ code: 'ERR_LIMBECK_SHAPE_MISMATCH', path: 'shadow' })
    expect(await failure(() => model.serve({ fallback: { below: 1, to: other } }))).toMatchObject({ code: 'ERR_LIMBECK_SHAPE_MISMATCH', path: 'fallback.to' })
    const service = served(model)
    for (const [options, path] of [[{ deadlineMs: NaN }, 'deadlineMs'], [{ deadlineMs: 0 }, 'deadlineMs'], [{ deadlineMs: -1 }, 'deadlineMs'], [{ signal: {} }, 'signal'], [{ deadline: 1 }, 'options.deadline']] as const) {
      expect(await failure(() => service.predict({ inputs: row(0) }, options as object))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path })
    }
    const disposed = Model.create(mlp(4))
    disposed.dispose()
    expect(await failure(() => disposed.serve())).toMatchObject({ code: 'ERR_LIMBECK_DISPOSED' })
  })
})

describe('the end', () => {
  test('dispose with pending calls: each rejects with a separate error', async () => {
    const service = slow.serve({ fallback: { below: 1, to: () => new Promise(() => {}) } })
    const asked = service.predict({ inputs: row(0) })
    while (service.stats().batches.count === 0) await turn()
    const under = service.predict({ inputs: many })
    while (service.stats().waiting.calls > 0) await turn()
    const swapping = code(service.swap(slow))
    const inside = [asked, under, ...Array.from({ length: 20 }, (_, at) => service.predict({ inputs: row(at) }))]
    service.dispose()
    const errors = (await Promise.allSettled(inside)).map(outcome => (outcome as PromiseRejectedResult).reason as LimbeckError)
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_LIMBECK_DISPOSED']))
    expect(new Set(errors).size).toBe(22)
    expect(await swapping).toBe('ERR_LIMBECK_DISPOSED')
    for (const after of [() => service.predict({ inputs: row(0) }), () => service.swap(slow)]) expect(await code(after())).toBe('ERR_LIMBECK_DISPOSED')
    service.dispose()
    await service.drain()
    expect(service.stats()).toMatchObject({ served: 0, inside: 0, waiting: { calls: 0, rows: 0 } })
  })

  test('drain: pending calls complete without waiting, new ones are rejected, and the memory is freed', async () => {
    const own = Model.create({ mlp: { sizes: [8, 1024, 1024, 3] } }, { seed: 3 })
    await own.predict({ inputs: row(0) })
    const service = own.serve({ maxWaitMs: 60_000, fallback: { below: 1, to: saying(1, 30) } })
    const work = service.predict({ inputs: many })
    own.dispose()
    while (service.stats().waiting.calls > 0) await turn()
    const inside = Array.from({ length: 20 }, (_, at) => service.predict({ inputs: row(at) }))
    const before = memory().liveBytes
    const drained = service.drain()
    expect(service.drain()).toBe(drained)
    expect(await failure(() => service.predict({ inputs: row(0) }))).toMatchObject({ code: 'ERR_LIMBECK_DISPOSED', message: expect.stringContaining('is being drained') })
    await drained
    expect(await failure(() => service.predict({ inputs: row(0) }))).toMatchObject({ code: 'ERR_LIMBECK_DISPOSED', message: expect.stringContaining('got one that was drained') })
    expect((await Promise.all(inside)).every(({ answeredBy }) => answeredBy[0] === 'fallback')).toBe(true)
    await work
    expect(before - memory().liveBytes).toBeGreaterThan(4e6)
  })

  test('await using drains, using disposes', async () => {
    const model = Model.create(mlp(4))
    const [a, b] = [model.serve(), model.serve()]
    const [answered, refused] = [a.predict({ inputs: row(0) }), code(b.predict({ inputs: row(0) }))]
    b[Symbol.dispose]()
    await a[Symbol.asyncDispose]()
    expect((await answered).rows).toBe(1)
    expect(await refused).toBe('ERR_LIMBECK_DISPOSED')
  })

  test.each([['idle', 'answered\n'], ['pending', 'answered 1\n'], ['exit', 'leaving\n']])('a process with a service ends by itself: %s', async (how, said) => {
    const { code, stdout, stderr, seconds } = await child('serve.mjs', [how]).ended
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: said, stderr: '' })
    expect(seconds).toBeLessThan(20)
  })
})

describe('stats', () => {
  test('quantiles have a relative error below 1/30 and use fixed memory', () => {
    const recent = new Recent(1e-3)
    const values = Array.from({ length: 5000 }, (_, at) => 0.05 * 1.002 ** at)
    for (const value of values) recent.record(value, 0)
    const { count, p50, p95, p99, max } = recent.quantiles(1)
    expect(count).toBe(5000)
    for (const [found, share] of [[p50, 0.5], [p95, 0.95], [p99, 0.99]] as const) {
      const exact = values[Math.ceil(share * 5000) - 1]!
      expect(found! / exact).toBeGreaterThan(0.99)
      expect(found! / exact).toBeLessThan(1 + 1 / 30)
    }
    expect(max! / values.at(-1)!).toBeCloseTo(1, 3)
    for (const small of [0, 1, 2, 63, 64, 1e12]) {
      const one = new Recent(1)
      one.record(small, 0)
      expect(one.quantiles(0).p50).toBe(Math.min(small, 2 ** 31 - 1))
    }
  })

  test('values older than a minute are dropped', () => {
    const recent = new Recent(1, 1000)
    expect(recent.quantiles(0)).toEqual({ count: 0, p50: null, p95: null, p99: null, max: null })
    recent.record(5, 0)
    expect(recent.quantiles(600).count).toBe(1)
    recent.record(7, 700)
    expect(recent.quantiles(900)).toMatchObject({ count: 2, max: 7 })
    expect(recent.quantiles(1300)).toMatchObject({ count: 1, max: 7 })
    expect(recent.quantiles(5000).count).toBe(0)
  })

  test('a service reports its statistics', async () => {
    const service = served(slow, { shadow: slow, fallback: { below: 0.01, to: slow } })
    await Promise.all(Array.from({ length: 10 }, (_, at) => service.predict({ inputs: row(at) })))
    const stats = service.stats()
    expect(stats).toMatchObject({ served: 10, servedRows: 10, refused: 0, aborted: 0, expired: 0, failed: 0, swaps: 0, inside: 0 })
    expect(stats.batches).toMatchObject({ count: 1, rows: { count: 1, p50: 10, max: 10 } })
    expect(stats.latencyMs.count).toBe(10)
    expect(stats.latencyMs.p50).toBeGreaterThan(0)
    expect(stats.latencyMs.p50! <= stats.latencyMs.p95! && stats.latencyMs.p95! <= stats.latencyMs.p99! && stats.latencyMs.p99! <= stats.latencyMs.max!).toBe(true)
    expect(stats.batches.ms.max! <= stats.latencyMs.max!).toBe(true)
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats)
  })
})
