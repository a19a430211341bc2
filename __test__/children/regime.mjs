// Runs the regime REGIME on a few real digits, resumed from LIMBECK_FOLDER. Prints one line per report, and at the end the
// bits of all models. If the program is killed at any moment and run again, the bits are the same.
import { bornAgain, Dataset, distillChain, distillMutually, distillWeights, Model, searchPaths, train } from 'limbeck'
import { readDemoData } from '../../dist/cli/demo-data.js'
import { bits } from './common.mjs'

const { train: all } = await readDemoData()
const digits = Dataset.from(all, { inputs: [784], classes: 10 })
const [data, validation] = digits.split([0.08, 0.04], { seed: 1 })
const net = (hidden, seed) => Model.create({ mlp: { sizes: [784, hidden, 10] } }, { seed })
const teacher = net(24, 9)
await train({ student: teacher, data, losses: { crossEntropy: {} }, epochs: 2, seed: 9 }).finish()

const shared = {
  teacher,
  data,
  validation,
  epochs: 2,
  reportEvery: 1,
  seed: 3,
  resume: process.env.LIMBECK_FOLDER,
  checkpoint: { every: 3 },
}
const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } }
const regimes = {
  distillChain() {
    const students = [net(12, 1), net(6, 2)]
    return { regime: distillChain({ ...shared, losses, students, hops: [{ epochs: 1 }, {}] }), models: () => students }
  },
  // A chain that begins with two teachers and smoothed labels.
  severalTeachers() {
    const students = [net(12, 1), net(6, 2)]
    const several = [{ model: teacher, weight: 2 }, { model: net(18, 7) }, { labelSmoothing: { share: 0.2 }, weight: 0.5 }]
    return { regime: distillChain({ ...shared, losses, teacher: several, students }), models: () => students }
  },
  searchPaths() {
    const student = net(6, 2)
    return { regime: searchPaths({ ...shared, losses, epochs: 1, assistants: [net(12, 1)], student }), models: () => [student] }
  },
  distillWeights() {
    const [deep, student] = [{ seed: 9 }, { seed: 2 }].map((seed, at) =>
      Model.create({ mlp: { sizes: [784, ...[[20, 20, 20], [8, 8]][at], 10] } }, seed),
    )
    const phase1 = { optimizer: { adam: { learningRate: 0.005 } }, average: {} }
    return { regime: distillWeights({ ...shared, teacher: deep, losses, student, phase1, phase2: { losses: { crossEntropy: {} }, epochs: 1 } }), models: () => [student] }
  },
  distillMutually() {
    const students = [net(12, 1), net(6, 2)]
    const { teacher: beside, ...alone } = shared
    const { UPDATES: updates, BESIDE } = process.env
    const rest = BESIDE === undefined ? alone : { ...alone, teacher: beside, combine: 'probabilities' }
    return { regime: distillMutually({ ...rest, losses: { crossEntropy: {}, kl: {} }, students, updates }), models: () => students }
  },
  bornAgain() {
    const regime = bornAgain({ ...shared, generations: 2, variant: process.env.VARIANT ?? 'banL' })
    return { regime, models: () => regime.students }
  },
}
const { regime, models } = regimes[process.env.REGIME]()
for await (const { step } of regime) console.log(`step ${step}`)
console.log(JSON.stringify({ bits: models().map(bits) }))
