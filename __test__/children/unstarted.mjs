// Two runs that are never started, one that is only checked and one that is disposed of.
import { Dataset, distill, Model, train } from '../../dist/index.js'

const student = Model.create({ mlp: { sizes: [2, 2] } })
const data = Dataset.from({ inputs: [[0, 1], [1, 0]], labels: [0, 1] })
const options = { student, data, losses: { crossEntropy: {} } }
await distill({ ...options, teacher: student, losses: { kl: {} } }).check()
train(options).dispose()
await train(options)
await train(options)
