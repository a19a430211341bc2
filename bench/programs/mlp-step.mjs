// Row 17: one training step of mlp 784-512-512-10, batch 128, each requested from JavaScript, with a report.

import { doctor, train } from '../../dist/index.js'
import { serve, settings } from './common.mjs'
import { RATE, data, model, options, weights } from './mlp.mjs'

const { threads: count } = settings()
const threads = { threads: count }
const start = weights()
const student = await model(start)

const losses = []
for await (const report of train({ student, data: data(), ...options(threads, { steps: 8, reportEvery: 1 }) })) losses.push(report.loss)
const after = new Map(student.parameters().map(({ name, values }) => [name, values]))
let squares = 0
for (const { name, data: before } of start) {
  const now = after.get(name)
  for (let at = 0; at < before.length; at++) squares += ((before[at] - now[at]) / RATE) ** 2
}

const run = train({ student, data: data(), ...options(threads, { steps: 1e9, reportEvery: 1 }) })
const check = { loss: losses[0], gradientNorm: Math.sqrt(squares), entries: losses }
await serve(check, { isa: doctor().instructions }, () => run.next())
await run.return()
