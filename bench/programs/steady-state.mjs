// Row 26: the growth of memory and the allocations over 10,000 steps of distillation. The first tenth warms up.

import { Model, distill, memory } from '../../dist/index.js'
import { say, settings } from './common.mjs'
import { data } from './mlp.mjs'

const STEPS = 10_000
const EVERY = 500

const { threads } = settings()
const made = (hidden, seed) => Model.create({ mlp: { sizes: [784, hidden, 10] } }, { seed })
const run = distill({
  teacher: made(64, 1),
  student: made(32, 2),
  data: data(6_400),
  losses: { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } },
  optimizer: { adamW: {} },
  batchSize: 64,
  steps: STEPS,
  reportEvery: EVERY,
  threads,
})

/** Memory, page faults and allocations of the process, after a garbage collection. */
function state() {
  globalThis.gc?.()
  return { bytes: process.memoryUsage.rss(), faults: process.resourceUsage().minorPageFault, allocations: memory().allocations }
}

let warm
let last
for await (const report of run) {
  if (report.step === STEPS / 10) warm = state()
  if (report.step === STEPS) last = state()
}
const steps = STEPS * 0.9
say({
  values: {
    growthBytes: last.bytes - warm.bytes,
    allocationsPerStep: (last.allocations - warm.allocations) / steps,
    faultsPerStep: (last.faults - warm.faults) / steps,
  },
  extra: { steps: STEPS, rss: last.bytes },
})
