// Saves a model of 12 MB repeatedly, or trains with a checkpoint after every step, until it is killed or finished.

import { Dataset, Model, train } from 'limbeck'

const [, , what, place, seed, steps = 40] = process.argv
process.removeAllListeners('warning')
const width = 512
if (what === 'save') {
  const model = Model.create({ mlp: { sizes: [1000, 3000, 3] } })
  await model.predict({ inputs: new Float32Array(1000) })
  console.log('ready')
  for (;;) await model.save(place)
}
const inputs = Float32Array.from({ length: 64 * width }, (_, at) => Math.sin(at))
const data = Dataset.from({ inputs, labels: Uint32Array.from({ length: 64 }, (_, at) => at % 3) }, { inputs: [width], classes: 3 })
const student = Model.create({ mlp: { sizes: [width, 1000, 3] } })
const run = train({ student, data, losses: { crossEntropy: {} }, seed: Number(seed), steps: Number(steps), threads: 1, proofs: 'off', reportEvery: 1, resume: place, checkpoint: { every: 1 } })
try {
  for await (const { step } of run) if (step === 1) console.log('ready')
  console.log('finished')
} catch ({ code, path }) {
  console.log(code, path)
}
