// A server of node:http whose model is trained in the background: node examples/server/server.mjs --port 8080

import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { LimbeckError } from 'limbeck'
import { SIZE } from './digits.mjs'
import { Trainer } from './trainer.mjs'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    rows: { type: 'string', default: '10000' },
    epochs: { type: 'string', default: '2' },
    /** `idle` trains only on request: POST /train. */
    train: { type: 'string', default: 'now' },
    channels: { type: 'string', default: '8,16' },
  },
})
/** The largest number of bytes of a body: 64 images. */
const BODY = 64 * SIZE
const DEADLINE_MS = 1000
/** How long pending calls may take when the server stops. */
const GRACE_MS = 10_000

const trainer = new Trainer({ rows: Number(values.rows), epochs: Number(values.epochs), channels: values.channels.split(',').map(Number) })
const service = trainer.student.serve({ maxBatch: 64, maxWaitMs: 2, queue: 512 })
let stopping = false

/** An error with an HTTP status. */
class Refusal extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

async function bodyOf(request) {
  const tooLong = () => new Refusal(413, `a body has at most ${BODY} bytes`)
  if (Number(request.headers['content-length']) > BODY) throw tooLong()
  const chunks = []
  let length = 0
  // A request that is rejected before its end still gets an answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length
    if (length > BODY) throw tooLong()
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

/** Images as bytes, row after row; or JSON: an array of numbers from 0 to 1, or of several such arrays. */
async function inputsOf(request) {
  const body = await bodyOf(request)
  if (!request.headers['content-type']?.startsWith('application/json')) return new Uint8Array(body)
  let parsed
  try {
    parsed = JSON.parse(body.toString())
  } catch (error) {
    throw new Refusal(400, `the body is not JSON: ${error.message}`)
  }
  return parsed?.inputs
}

async function predict(request, response) {
  // A caller that has disconnected needs no answer.
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const inputs = await inputsOf(request)
  const { labels, probabilities, classes, generation } = await service.predict({ inputs }, { signal: gone.signal, deadlineMs: DEADLINE_MS })
  const rows = Array.from(labels, (label, row) => ({ label, probability: probabilities[row * classes + label] }))
  return { status: 200, body: { generation, rows } }
}

const health = () => {
  const { accuracy, rounds, running } = trainer
  return { status: stopping ? 503 : 200, body: { status: stopping ? 'stopping' : 'ok', accuracy, rounds, training: running } }
}

const routes = {
  'POST /predict': predict,
  'POST /train': () => (trainer.begin(service) ? { status: 202, body: { training: true } } : { status: 409, body: { error: 'a round is running' } }),
  'GET /stats': () => ({ status: 200, body: service.stats() }),
  'GET /health': health,
}

/** The HTTP status of an error. */
function statusOf(error) {
  if (error instanceof Refusal) return error.status
  if (!(error instanceof LimbeckError)) return 500
  if (['ERR_LIMBECK_BUSY', 'ERR_LIMBECK_DEADLINE', 'ERR_LIMBECK_DISPOSED'].includes(error.code)) return 503
  return ['ERR_LIMBECK_INVALID_DATA', 'ERR_LIMBECK_INVALID_CONFIG', 'ERR_LIMBECK_SHAPE_MISMATCH'].includes(error.code) ? 400 : 500
}

async function answer(request, response) {
  const route = routes[`${request.method} ${request.url.split('?')[0]}`]
  try {
    if (route === undefined) throw new Refusal(404, `unknown route; the routes are ${Object.keys(routes).join(', ')}`)
    return await route(request, response)
  } catch (error) {
    const status = statusOf(error)
    // A caller that has disconnected is not an error of this server.
    if (status === 500 && !response.destroyed) console.error(error)
    return { status, body: { error: status === 500 ? 'internal error' : error.message } }
  }
}

const server = createServer(async (request, response) => {
  const { status, body } = await answer(request, response)
  if (response.destroyed) return
  const text = JSON.stringify(body)
  response.statusCode = status
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', Buffer.byteLength(text))
  if (status === 503) response.setHeader('retry-after', '1')
  // The rest of a body that is too long is not read.
  if (stopping || status === 413) response.setHeader('connection', 'close')
  response.end(text)
})
server.headersTimeout = 10_000
server.requestTimeout = 10_000

async function stop() {
  if (stopping) return
  stopping = true
  console.log('stopping')
  setTimeout(() => process.exit(1), GRACE_MS).unref()
  const closed = new Promise(resolve => server.close(resolve))
  await Promise.all([trainer.stop(), closed])
  await service.drain()
  console.log(`stopped after ${service.stats().served} answers`)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

server.listen(Number(values.port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
  if (values.train === 'now') trainer.begin(service)
})
