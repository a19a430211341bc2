// Two hundred workers that train; every second one is terminated in the middle of a step. Prints the memory of the
// process after every fifty workers as lines of JSON. Exit code 0 means that nothing crashed.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { setTimeout as later } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { train } from 'limbeck'
import { bits, options, student } from '../children/common.mjs'

const count = Number(process.argv[2] ?? 200)
const settings = { student: student(64, 64), epochs: 3, reportEvery: 1_000_000, threads: 1 }

/** A worker that ends by itself, or is terminated after some milliseconds of training. */
async function one(index) {
  const killed = index % 2 === 1
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { killed } })
  const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
  const said = new Promise(resolve => worker.once('message', resolve))
  const first = await Promise.race([said, ended.then(code => ({ code }))])
  if (killed) {
    if (first !== 'training') throw new Error(`expected a worker that trains, got ${JSON.stringify(first)}`)
    await later((index * 7) % 23)
    await worker.terminate()
    return undefined
  }
  const code = await ended
  if (code !== 0) throw new Error(`expected a worker that ends with 0, got ${code}`)
  return first
}

if (isMainThread) {
  const answers = new Set()
  for (let done = 0; done < count; ) {
    const wave = Array.from({ length: 5 }, (_, at) => one(done + at))
    for (const answer of await Promise.all(wave)) if (answer !== undefined) answers.add(answer)
    done += wave.length
    if (done % 50 < wave.length) console.log(JSON.stringify({ workers: done, rss: process.memoryUsage.rss(), answers: answers.size }))
  }
  if (answers.size !== 1) throw new Error(`expected the same bits in every worker, got ${answers.size} results`)
} else if (workerData.killed) {
  const run = train(options({ reportEvery: 1, threads: 1 }))
  await run.next()
  parentPort.postMessage('training')
  for await (const _ of run);
} else {
  await train(options(settings)).finish()
  parentPort.postMessage(bits(settings.student))
}
