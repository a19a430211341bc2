// Measures the delay of the event loop while a model of 50 million parameters is created and predicts, and while 200 MB of
// rows are taken: p99 of a 1 ms timer in milliseconds, and for `create` the time of the whole call.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as later } from 'node:timers/promises'
import { Dataset, Model } from 'limbeck'

async function delay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await later(5)
  await work()
  await later(5)
  histogram.disable()
  return histogram.percentile(99) / 1e6
}

const inputs = Float32Array.from({ length: 50e6 }, (_, at) => (at % 97) / 97)
const labels = new Uint32Array(50e3)
const found = { idle: await delay(() => later(300)) }
const timed = [1, 2, 3].map(seed => {
  const started = performance.now()
  const made = Model.create({ mlp: { sizes: [1000, 7000, 6000, 10] } }, { seed })
  return { made, took: performance.now() - started }
})
found.create = Math.min(...timed.map(({ took }) => took))
const model = timed[0].made
found.draw = await delay(() => model.predict({ inputs: inputs.slice(0, 1000) }))
let data
found.take = await delay(async () => (data = await Dataset.take({ inputs, labels }, { inputs: [1000] })))
found.normalization = await delay(() => data.normalization())
console.log(JSON.stringify(found))
