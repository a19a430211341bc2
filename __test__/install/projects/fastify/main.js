import assert from 'node:assert/strict'
import { setTimeout as later } from 'node:timers/promises'
import { build } from './app.js'
import { classNames, rows, width } from './data.js'

const app = await build()
const url = await app.listen({ port: 0, host: '127.0.0.1' })
const post = async (path, body) => {
  const response = await fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return { status: response.status, ...(await response.json()) }
}
const get = async path => (await fetch(url + path)).json()

const { inputs, labels } = rows(400, 5)
const row = at => Array.from(inputs.subarray(at * width, (at + 1) * width))
const right = answers => answers.reduce((sum, { label }, at) => sum + (label === classNames[labels[at]]), 0)
const ask = count => Promise.all(Array.from({ length: count }, (_, at) => post('/predict', { inputs: row(at) })))

const before = right(await ask(400))
assert.equal((await post('/train', { rows: 2000 })).status, 202)
assert.equal((await post('/train', { rows: 2000 })).status, 409)
let training
let beside = 0
do {
  assert((await ask(16)).every(({ status }) => status === 200))
  beside += 16
  training = await get('/train')
} while (training.state === 'running')
assert.equal(training.state, 'done', training.message)
const after = await ask(400)
assert(after.every(({ status, generation }) => status === 200 && generation === after[0].generation))
assert(right(after) > before && right(after) >= 360, `${before} right before, ${right(after)} after`)

const wrong = await post('/predict', { inputs: [1, 2, 3] })
assert.equal(wrong.status, 400)
assert.match(wrong.message, /12/)
assert.equal((await post('/predict', { inputs: row(0).fill('x') })).status, 400)
const health = await get('/health')
assert.equal(health.swaps, 1)

// It ends while a run is under way, with every call answered.
assert.equal((await post('/train', { rows: 200_000 })).status, 202)
await later(50)
// Without sockets: which of those the closing server still takes is a race of their own.
const last = Promise.all(Array.from({ length: 64 }, (_, at) => app.inject({ method: 'POST', url: '/predict', payload: { inputs: row(at) } })))
await later(5)
const started = performance.now()
await app.close()
assert((await last).every(({ statusCode }) => statusCode === 200 || statusCode === 503))
assert(performance.now() - started < 2000)
process.on('exit', () => console.log(`works: ${right(after)} of 400 right, ${before} before; ${beside} answered while it learnt; ${health.batches.count} batches`))
