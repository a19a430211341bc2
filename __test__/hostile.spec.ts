/** Passes odd values as every argument: the call works or throws a LimbeckError, and later calls still work. */
import { expect, test } from 'vitest'
import { Dataset, distill, LimbeckError, Model, Teacher, train } from '../ts/index.js'
import { trainOptionKeys } from '../ts/native/options.js'
import { clusterColumns, clusters, mlp } from './support.js'

const throwing = () => {
  throw new Error('a trap')
}
const traps = Object.fromEntries(
  ['get', 'ownKeys', 'has', 'getPrototypeOf', 'getOwnPropertyDescriptor'].map(name => [name, throwing]),
) as ProxyHandler<object>
const revoked = (target: object) => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}
const circular: Record<string, unknown> = {}
circular.self = circular
const detached = new Float32Array(8)
structuredClone(detached.buffer, { transfer: [detached.buffer] })

const odd: [string, unknown][] = [
  ['nothing', undefined],
  ['null', null],
  ['true', true],
  ['0', 0],
  ['-1', -1],
  ['2^53', 2 ** 53],
  ['NaN', NaN],
  ['an empty text', ''],
  ['a text', 'x'],
  ['a bigint', 1n],
  ['a symbol', Symbol('s')],
  ['a function', () => 1],
  ['an object', {}],
  ['an array', []],
  ['a long array', new Array(5)],
  ['an array of arrays', [[]]],
  ['an object without prototype', Object.create(null)],
  ['an object that inherits', Object.create({ seed: 1 })],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['a promise', Promise.resolve(1)],
  ['a getter that throws', Object.defineProperty({}, 'seed', { enumerable: true, get: throwing })],
  ['a proxy that throws', new Proxy({}, traps)],
  ['an array proxy that throws', new Proxy([], traps)],
  ['a revoked proxy', revoked({})],
  ['a revoked array', revoked([])],
  ['a circle', circular],
  ['a view', new DataView(new ArrayBuffer(8))],
  ['big integers', new BigInt64Array(2)],
  ['an empty typed array', new Float32Array(0)],
  ['a detached array', detached],
  ['a typed array that lies', Object.defineProperty(new Float32Array(3), 'length', { value: 1e9 })],
  ['a class', Model],
  ['a prototype', Object.prototype],
  ['a key of evil', JSON.parse('{ "__proto__": { "epochs": 5 } }')],
  ['toJSON', { toJSON: () => ({}) }],
]

const model = Model.create(mlp(4), { seed: 1 })
const service = model.serve()
const data = clusters(12)
const columns = clusterColumns(12)
const run = { student: model, data, losses: { crossEntropy: {} }, steps: 1, proofs: 'off' }
const columnsFor = { inputs: [8], classes: 3 }
type Use = (value: never) => unknown

const uses: Record<string, Use> = {
  'Dataset.from': value => Dataset.from(value, columnsFor),
  'Dataset.from options': value => Dataset.from(columns, value),
  'Dataset.stream': value => Dataset.stream(value, columnsFor),
  select: value => data.select(value),
  split: value => data.split(value),
  'split options': value => data.split([0.5, 0.5], value),
  withTeacherLogits: value => data.withTeacherLogits(value),
  'Model.create': value => Model.create(value),
  'Model.create options': value => Model.create(mlp(4), value),
  'Model.load': value => Model.load(value),
  'Model.load architecture': value => Model.load('/nowhere/at/all', value),
  save: value => model.save(typeof value === 'string' ? ('/nowhere/at/all' as never) : value),
  predict: value => model.predict(value),
  'predict options': value => model.predict({ inputs: columns.inputs }, value),
  predictSync: value => model.predictSync(value),
  'serve options': value => model.serve(value).drain(),
  'service.predict': value => service.predict(value),
  'service.predict options': value => service.predict({ inputs: columns.inputs }, value),
  'service.swap': value => service.swap(value),
  evaluate: value => model.evaluate(value),
  'evaluate options': value => model.evaluate(data, value),
  logits: value => model.logits(value),
  copyFrom: value => model.clone().copyFrom(value),
  'copyFrom options': value => model.clone().copyFrom(model, value),
  train: value => train(value).next(),
  distill: value => distill(value).next(),
  'Teacher.fromFunction': value => Teacher.fromFunction(value),
  'Teacher.fromFunction options': value => Teacher.fromFunction(() => [], value),
  'a teacher that answers': value => distill({ ...run, losses: { kl: {} }, teacher: () => value } as never).next(),
}
for (const name of ['inputs', 'labels', 'ids', 'weights', 'samplingWeights', 'teacherLogits']) {
  uses[`column ${name}`] = value => Dataset.from({ ...columns, [name]: value }, columnsFor)
}
for (const name of ['inputs', 'labels', 'classes', 'labelNames', 'scale', 'offset']) {
  uses[`column option ${name}`] = value => Dataset.from(columns, { ...columnsFor, [name]: value })
}
for (const name of [...trainOptionKeys, 'student', 'data', 'validation', 'signal', 'resume', 'teacher']) {
  // Skipped: a text would be used as a folder, a number of steps would cause a long run.
  if (['resume', 'checkpoint', 'steps', 'epochs'].includes(name)) continue
  uses[`option ${name}`] = value => distill({ ...run, teacher: model, losses: { kl: {} }, [name]: value } as never).next()
}
for (const name of ['maxBatch', 'maxWaitMs', 'queue', 'shadow', 'fallback']) {
  uses[`serve option ${name}`] = value => model.serve({ [name]: value }).drain()
}
for (const name of ['signal', 'deadlineMs']) {
  uses[`service.predict option ${name}`] = value => service.predict({ inputs: columns.inputs }, { [name]: value })
}
for (const name of ['seed', 'labelNames', 'normalization']) {
  uses[`create option ${name}`] = value => Model.create(mlp(4), { [name]: value })
}

/** Uses in which the value is called; its own errors reach the caller unchanged. */
const called = ['a teacher that answers', 'option data', 'option teacher']

test.each(Object.keys(uses))('%s', async name => {
  for (const [what, value] of odd) {
    try {
      await uses[name]!(value as never)
    } catch (error) {
      if (called.includes(name) && !(error instanceof LimbeckError)) continue
      expect(error instanceof LimbeckError ? 'ours' : error, `${name} with ${what}`).toBe('ours')
      expect((error as LimbeckError).code, `${name} with ${what}`).not.toBe('ERR_LIMBECK_INTERNAL')
    }
  }
  // No value has changed the prototype or later runs.
  expect(({} as { epochs?: number }).epochs).toBeUndefined()
  await train(run as never).finish()
})
