// Brings a run into the state named by the argument and prints `ready`; then the process ends or is killed.

import { writeSync } from 'node:fs'
import { train } from 'limbeck'
import { options } from './common.mjs'

const [state, folder] = process.argv.slice(2)
const ready = () => writeSync(1, 'ready\n')
const states = {
  async finished() {
    await train(options({ epochs: 1 })).finish()
  },
  async paused() {
    const run = train(options())
    await run.next()
  },
  async left() {
    for await (const _ of train(options())) break
  },
  async stream() {
    const { inputs, labels } = { inputs: new Float32Array(32), labels: [0, 1, 2, 0] }
    async function* forever() {
      for (;;) yield { inputs, labels }
    }
    await train(options({ data: forever(), epochs: undefined, reportEvery: 1 })).next()
  },
  created() {
    train(options())
  },
  // The pending promise keeps the process alive only until the report comes.
  async sigterm() {
    const run = train(options({ checkpoint: { folder } }))
    process.once('SIGTERM', async () => {
      writeSync(1, `saved ${await run.checkpoint()}\n`)
      await run.return()
      writeSync(1, 'over\n')
    })
    await run.next()
    ready()
    for await (const _ of run);
  },
  async forgotten() {
    const run = train(options())
    process.once('SIGTERM', () => process.exit(0))
    await run.next()
    ready()
    for await (const _ of run);
  },
}
await states[state]()
if (!['sigterm', 'forgotten'].includes(state)) ready()
