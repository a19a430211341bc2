// Several times, trains in a worker that is terminated in the middle of a step, while the main thread trains too.

import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { train } from 'limbeck'
import { bits, options, student } from './common.mjs'

if (isMainThread) {
  const model = () => student(32)
  const alone = model()
  const settings = { epochs: 40, reportEvery: 50 }
  await train(options({ student: alone, ...settings })).finish()
  const beside = model()
  const mine = train(options({ student: beside, ...settings })).finish()
  for (let turn = 0; turn < 6; turn++) {
    const worker = new Worker(fileURLToPath(import.meta.url))
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
  }
  await mine
  console.log(JSON.stringify({ equal: bits(alone) === bits(beside) }))
} else {
  const run = train(options({ reportEvery: 1 }))
  await run.next()
  parentPort.postMessage('training')
  for await (const _ of run);
}
