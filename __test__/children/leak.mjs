// Creates, trains and disposes of many jobs, then creates as many without dispose; prints the memory after every tenth.

import { setTimeout as later } from 'node:timers/promises'
import { memory, train, trimMemory } from 'limbeck'
import { clusters, student } from './common.mjs'

const jobs = Number(process.argv[2])
const data = clusters(64)
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) {
    globalThis.gc()
    await later(5)
  }
  trimMemory()
}
async function job(dispose) {
  const model = student(32)
  const run = train({ student: model, data, losses: { crossEntropy: {} }, steps: 3, batchSize: 32 })
  await run.finish()
  if (dispose) {
    run.dispose()
    model.dispose()
  }
}
for (let warm = 0; warm < 20; warm++) await job(true)
await settle()
const before = { live: memory().liveBytes, rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed }
for (let count = 0; count < jobs; count++) await job(true)
await settle()
const disposed = { live: memory().liveBytes - before.live, rss: process.memoryUsage.rss() / before.rss - 1 }
for (let count = 0; count < jobs; count++) await job(false)
await settle()
const forgotten = { live: memory().liveBytes - before.live, rss: process.memoryUsage.rss() / before.rss - 1 }
console.log(JSON.stringify({ disposed, forgotten }))
