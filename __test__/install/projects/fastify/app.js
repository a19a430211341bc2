import Fastify from 'fastify'
import { LimbeckError, Model, distill, train } from 'limbeck'
import { classNames, dataset, width } from './data.js'

/** The HTTP status of a limbeck error: 503 asks the caller to come again, 400 to send something else. */
function statusOf({ code }) {
  if (['ERR_LIMBECK_BUSY', 'ERR_LIMBECK_DEADLINE', 'ERR_LIMBECK_DISPOSED'].includes(code)) return 503
  return ['ERR_LIMBECK_INVALID_DATA', 'ERR_LIMBECK_SHAPE_MISMATCH', 'ERR_LIMBECK_NOT_FINITE'].includes(code) ? 400 : 500
}

export async function build() {
  const app = Fastify()
  const stopping = new AbortController()
  const validation = dataset(400, 99)
  const teacher = Model.create({ mlp: { sizes: [width, 64, classNames.length] } }, { seed: 1 })
  const student = Model.create({ mlp: { sizes: [width, 4, classNames.length] } }, { seed: 2 })
  const service = student.serve({ maxBatch: 32, maxWaitMs: 2 })
  let served = (await student.evaluate(validation)).accuracy
  let training = { state: 'none' }

  app.setErrorHandler((error, request, reply) => {
    if (!(error instanceof LimbeckError)) return reply.send(error)
    reply.code(statusOf(error)).send({ code: error.code, message: error.message })
  })

  app.post('/predict', async request => {
    const { labels, probabilities, generation } = await service.predict({ inputs: request.body.inputs }, { deadlineMs: 500 })
    return { label: classNames[labels[0]], probability: probabilities[labels[0]], generation }
  })

  async function learn(rows) {
    const data = dataset(rows, 7)
    const optimizer = { adamW: { learningRate: 0.01 } }
    await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer, epochs: 5, signal: stopping.signal }).finish()
    const next = student.clone()
    const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
    const run = distill({ teacher, student: next, data, validation, losses, optimizer, epochs: 20, signal: stopping.signal })
    for await (const { step, loss } of run) training = { state: 'running', step, loss }
    const { accuracy } = await next.evaluate(validation)
    if (accuracy > served) {
      await service.swap(next)
      served = accuracy
    }
    training = { state: 'done', accuracy }
  }

  app.post('/train', async (request, reply) => {
    if (training.state === 'running') return reply.code(409).send({ message: 'a run is under way' })
    training = { state: 'running' }
    learn(request.body.rows).catch(error => (training = { state: 'failed', message: error.message }))
    return reply.code(202).send(training)
  })
  app.get('/train', () => training)
  app.get('/health', () => ({ ready: true, accuracy: served, ...service.stats() }))

  app.addHook('onClose', async () => {
    stopping.abort(new Error('the server stops'))
    await service.drain()
  })
  return app
}
