// Measures the delays of the event loop and of libuv's pool while jobs train; prints milliseconds, idle and busy.

import { stat } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as later } from 'node:timers/promises'
import { Model, train } from 'limbeck'
import { clusters } from './common.mjs'

const [jobs, seconds] = process.argv.slice(2).map(Number)
const quantile = (all, q) => all.sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(q * all.length))]

async function measure() {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const stats = []
  delay.enable()
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end) {
    const started = performance.now()
    await stat('.')
    stats.push(performance.now() - started)
    await later(2)
  }
  delay.disable()
  return { loop: delay.percentile(99) / 1e6, longest: delay.max / 1e6, stat: quantile(stats, 0.99) }
}

const idle = await measure()
const data = clusters(4000, 64)
const stop = new AbortController()
const runs = Array.from({ length: jobs }, async (_, seed) => {
  const student = Model.create({ mlp: { sizes: [64, 256, 256, 3] } }, { seed })
  const run = train({ student, data, losses: { crossEntropy: {} }, epochs: 1e6, signal: stop.signal })
  try {
    for await (const _ of run);
  } catch (error) {
    if (error !== stop.signal.reason) throw error
  }
})
await later(300)
const busy = await measure()
stop.abort()
await Promise.all(runs)
console.log(JSON.stringify({ idle, busy }))
