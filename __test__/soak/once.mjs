// Imports limbeck, trains for a short time, and ends in the way named by the argument.

import { train } from 'limbeck'
import { options, student } from '../children/common.mjs'

const way = process.argv[2]
const model = student(16)
if (way === 'return') await train(options({ student: model, epochs: 2 })).finish()
if (way === 'exit') {
  await train(options({ student: model, epochs: 2 })).finish()
  process.exit(0)
}
if (way === 'exit mid-step') {
  const run = train(options({ student: model, reportEvery: 1 }))
  await run.next()
  void run.next().catch(() => {})
  setTimeout(() => process.exit(0), 5)
}
if (way === 'throw') {
  await train(options({ student: model, epochs: 2 })).finish()
  throw new Error('the application failed')
}
