// Trains to the end or to the step LIMBECK_STOP. Resumes if the folder has a checkpoint. Prints the bits of the student.
import { distill, Model, train } from 'limbeck'
import { bits, clusters, student } from './common.mjs'

const stop = Number(process.env.LIMBECK_STOP ?? Infinity)
const data = clusters(300)
const teacher = student(32)
await train({ student: teacher, data, losses: { crossEntropy: {} }, epochs: 2, seed: 3 }).finish()
const layers = [
  { linear: { outputs: 16 } },
  { batchNorm: { activation: 'relu' } },
  { dropout: { rate: 0.2 } },
  { linear: { name: 'head', outputs: 3 } },
]
const taught = Model.create({ input: [8], layers }, { seed: 1 })
const run = distill({
  teacher,
  student: taught,
  data,
  validation: clusters(60),
  losses: { crossEntropy: { weight: { linear: { from: 0.5, to: 0.1, steps: 30 } } }, kl: { weight: 0.9, temperature: 2 } },
  optimizer: { adamW: { learningRate: 0.01 } },
  schedule: { cosine: { warmupSteps: 5 } },
  average: { decay: 0.9 },
  keep: 'best',
  clipNorm: 1,
  accumulate: 2,
  batchSize: 16,
  epochs: 5,
  reportEvery: 1,
  seed: 7,
  resume: process.env.LIMBECK_FOLDER,
  checkpoint: { every: 1_000_000 },
})
for await (const { step } of run) {
  if (step < stop) continue
  await run.checkpoint()
  process.exit(0)
}
console.log(JSON.stringify({ bits: bits(taught) }))
