// A service in an idle or busy process: when it keeps the process alive, and how it ends.

import { Model } from '../../dist/index.js'

const model = Model.create({ mlp: { sizes: [8, 16, 3] } }, { seed: 1 })
const inputs = new Float32Array(8)
const how = process.argv[2]

if (how === 'idle') {
  // Neither the service nor its timers keep the process alive.
  const service = model.serve({ maxWaitMs: 60_000, shadow: model })
  await Promise.all([service.predict({ inputs }), service.predict({ inputs }, { deadlineMs: 60_000 })])
  await service.predict({ inputs }, { signal: AbortSignal.abort(new Error('over')) }).catch(() => {})
  console.log('answered')
} else if (how === 'pending') {
  // The call completes although its promise is not awaited.
  model.serve().predict({ inputs }).then(({ labels }) => console.log('answered', labels.length))
} else {
  // Ends during many calls.
  const service = model.serve({ queue: 10_000, fallback: { below: 1, to: Model.create({ mlp: { sizes: [8, 512, 512, 3] } }) } })
  for (let call = 0; call < 2000; call++) service.predict({ inputs }).catch(() => {})
  setImmediate(() => setImmediate(() => {
    console.log('leaving')
    process.exit(0)
  }))
}
