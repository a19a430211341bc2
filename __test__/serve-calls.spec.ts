/** Calls of a service with any JSON as inputs, with a context, and with more rows than a batch; drains with a deadline. */
import { expect, onTestFinished, test } from 'vitest'
import { Model, type ModelOptions, type ServeOptions, type Service, type TeacherBatch } from '../ts/index.js'
import { clusterColumns, failure, mlp } from './support.js'

const rows = clusterColumns(64).inputs
const row = (at: number) => rows.slice(at * 8, at * 8 + 8)

function served(model: Model, options?: ServeOptions): Service {
  const service = model.serve(options)
  onTestFinished(() => service.dispose())
  return service
}

const words: ModelOptions = { input: { ids: { length: 4 } }, layers: [{ embedding: { vocabulary: 10, width: 4 } }, { flatten: {} }, { linear: { outputs: 2 } }] }
const bag: ModelOptions = { input: { ids: {} }, layers: [{ embedding: { vocabulary: 10, width: 4 } }, { linear: { outputs: 2 } }] }
const bodies = [
  ...['null', '5', '{}', '{"inputs":null}', '{"inputs":[]}', '{"inputs":[1,2]}', '{"inputs":"x"}', '{"inputs":{}}', '{"inputs":true}'],
  ...['{"inputs":{"values":[1],"offsets":[0,1]}}', '{"inputs":{"values":[1],"offsets":[0,5]}}', '{"inputs":{"values":[1],"offsets":[0,1],"x":1}}'],
  ...['{"inputs":{"a":1}}', '{"inputs":[[1,2,3,4],[1]]}', '{"inputs":[[1,2]]}', '{"inputs":[[]]}', '{"inputs":[null,1,2,3]}', '{"inputs":[1e400,1,2,3]}'],
  ...['{"inputs":[[[1,2],[3,4]]]}', '{"inputs":{"__proto__":{"values":[1]}}}', '{"inputs":{"length":4,"0":1}}', '{"inputs":[1,2,3,99]}', '{"inputs":[1,2,3,0.5]}', '{"inputs":[-1,2,3,4]}'],
]

test.each([
  ['numbers', Model.create({ mlp: { sizes: [4, 16, 3] } })],
  ['ids', Model.create(words)],
  ['ids of any count', Model.create(bag)],
])('%s: whatever is wrong with the JSON of a caller is ERR_LIMBECK_INVALID_DATA', async (_, model) => {
  const service = served(model)
  const codes = new Set<string>()
  for (const body of bodies) {
    const inputs = (JSON.parse(body) as { inputs?: never } | null)?.inputs as never
    for (const call of [() => service.predict({ inputs }), () => model.predict({ inputs }), async () => model.predictSync({ inputs })]) {
      const made = await call().then(() => 'an answer', (error: { code?: string }) => error.code ?? String(error))
      codes.add(made)
    }
  }
  expect([...codes].sort()).toEqual(['ERR_LIMBECK_INVALID_DATA', 'an answer'].filter(code => codes.has(code)))
  expect(codes).toContain('ERR_LIMBECK_INVALID_DATA')
})

test('a fallback and a shadow get the context of each row, but the service’s own model does not', async () => {
  const seen: unknown[][] = []
  const to = async ({ rows, contexts }: TeacherBatch) => {
    seen.push([...(contexts ?? ['none'])])
    return new Float32Array(rows * 3)
  }
  const service = served(Model.create(mlp(4)), { fallback: { below: 1, to } })
  const url = { url: '/classify' }
  await Promise.all([
    service.predict({ inputs: row(0) }, { context: url }),
    service.predict({ inputs: row(1) }),
    service.predict({ inputs: rows.slice(0, 16) }, { context: 'text' }),
  ])
  expect(seen.flat()).toEqual([url, undefined, 'text', 'text'])
  expect(seen.flat()[0]).toBe(url)
  await service.predict({ inputs: row(0) })
  expect(seen.at(-1)).toEqual(['none'])
  const shadow = served(Model.create(mlp(4)), { shadow: { model: to, fraction: 1 } })
  await shadow.predict({ inputs: row(0) }, { context: 7 })
  while (shadow.stats().shadow!.waiting > 0) await new Promise(resolve => setTimeout(resolve, 5))
  expect(seen.at(-1)).toEqual([7])
})

test('a large call is predicted in pieces, with the same bits as in one piece, and other services run between the pieces', async () => {
  const slow = Model.create({ mlp: { sizes: [8, 1024, 1024, 3] } }, { seed: 4 })
  const quick = served(Model.create(mlp(4)))
  const inputs = Float32Array.from({ length: 20_000 * 8 }, (_, at) => Math.sin(at))
  const service = served(slow)
  let done = false
  const large = service.predict({ inputs }).finally(() => (done = true))
  const models = slow.predict({ inputs: inputs.slice() }).finally(() => (done = true))
  await new Promise(resolve => setTimeout(resolve, 1))
  await quick.predict({ inputs: row(0) })
  expect(done).toBe(false)
  inputs.fill(0, 8 * 19_999)
  const [all, same] = await Promise.all([large, models])
  expect(all.labels).toHaveLength(20_000)
  expect(all.logits).toEqual(same.logits)
  const middle = await slow.predict({ inputs: inputs.slice(8 * 9_000, 8 * 9_010) })
  expect(all.logits.slice(3 * 9_000, 3 * 9_010)).toEqual(middle.logits)
  expect(all.probabilities.slice(3 * 9_000, 3 * 9_010)).toEqual(middle.probabilities)
})

test('an error in a row of a large call names the position of the row in the call', async () => {
  const model = Model.create(words)
  const inputs = new Uint32Array(4 * 2000)
  inputs[4 * 1500 + 2] = 99
  const error = await failure(() => model.predict({ inputs }))
  const alone = await failure(() => served(model).predict({ inputs }))
  expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_DATA', message: expect.stringContaining('99') })
  expect(alone.message).toBe(error.message)
})

test('drain with a deadline rejects the calls that are then pending, and frees the memory', async () => {
  const slow = Model.create({ mlp: { sizes: [8, 1024, 1024, 1024, 3] } }, { seed: 4 })
  const service = served(slow)
  const pending = failure(() => service.predict({ inputs: new Float32Array(20_000 * 8) }))
  await new Promise(resolve => setTimeout(resolve, 1))
  const started = performance.now()
  await service.drain({ deadlineMs: 20 })
  expect(performance.now() - started).toBeLessThan(1000)
  expect((await pending).code).toBe('ERR_LIMBECK_DISPOSED')
  await service.drain()

  const idle = served(Model.create(mlp(4)))
  const answer = idle.predict({ inputs: row(0) })
  await idle.drain({ deadlineMs: 10_000 })
  expect((await answer).rows).toBe(1)
  for (const deadlineMs of [-1, NaN, '5' as never]) {
    expect(await failure(() => idle.drain({ deadlineMs }))).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: 'deadlineMs' })
  }
})
