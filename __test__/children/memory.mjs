// A teacher of 50 million parameters and a student with a heap of 256 MB; prints the native memory at each stage.

import { setTimeout as later } from 'node:timers/promises'
import { Dataset, Model, distill, memory, trimMemory } from 'limbeck'

const start = memory().liveBytes
const width = 1024
const wide = { linear: { outputs: 5000, activation: 'relu' } }
const teacher = Model.create({ input: [width], layers: [wide, { linear: { outputs: 5000, activation: 'relu' } }, { linear: { outputs: 3800, activation: 'relu' } }, { linear: { outputs: 10 } }] }, { seed: 1 })
const student = Model.create({ mlp: { sizes: [width, 16, 10] } }, { seed: 2 })
const inputs = new Float32Array(64 * width).map((_, at) => Math.sin(at))
const data = Dataset.from({ inputs, labels: Uint32Array.from({ length: 64 }, (_, row) => row % 10) }, { inputs: [width], classes: 10 })
const { parameters } = teacher.summary()
const run = distill({ teacher, student, data, losses: { kl: {} }, batchSize: 16, steps: 3, proofs: 'off' })
await run.finish()
const peak = memory().liveBytes
const started = performance.now()
for (const held of [run, teacher, student, data]) held.dispose()
while (memory().liveBytes - start > 1e6 && performance.now() - started < 3000) await later(10)
trimMemory()
console.log(JSON.stringify({ parameters, peak: peak - start, left: memory().liveBytes - start, milliseconds: performance.now() - started }))
