// Row 23: the delay of a 1 ms timer while a job trains, and before that in the same process while it is idle.

import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { train } from '../../dist/index.js'
import { say } from './common.mjs'
import { data, model, options } from './mlp.mjs'

const SECONDS = 20

async function delays() {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await wait(SECONDS * 1000)
  histogram.disable()
  return { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 }
}

/** The same while a job trains and its reports are read. `threads` is an option with the number of threads, or empty. */
async function training(threads) {
  const student = await model()
  const run = train({ student, data: data(12_800), ...options(threads, { steps: 1e9 }) })
  await run.next()
  let more = true
  const reading = (async () => {
    while (more && !(await run.next()).done);
  })()
  const measured = await delays()
  more = false
  await reading
  await run.return()
  student.dispose()
  return measured
}

await wait(500) // the process has started
const idle = await delays()
const usual = await training({})
const all = await training({ threads: availableParallelism() })
say({
  values: { idleP99: idle.p99, idleMax: idle.max, p99: usual.p99, max: usual.max, allCoresP99: all.p99 },
  extra: { seconds: SECONDS, idle_max_ms: idle.max, all_cores_max_ms: all.max },
})
