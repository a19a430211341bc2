// Row 24: what one synchronous call into the addon costs: a method of a native object that takes its lock and answers.

import { datasets } from '../../dist/native/handles.js'
import { say } from './common.mjs'
import { data } from './mlp.mjs'

const CALLS = 200_000
const ROUNDS = 25

const dataset = data()
const native = datasets.get(dataset)
const times = []
for (let round = 0; round < ROUNDS; round++) {
  let sum = 0
  const start = performance.now()
  for (let call = 0; call < CALLS; call++) sum += native.rows()
  times.push(((performance.now() - start) * 1e6) / CALLS)
  if (sum !== CALLS * 128) throw new Error(`rows: expected 128 each time, got a sum of ${sum}`)
}
times.sort((a, b) => a - b)
say({ values: { syncCallNs: times[ROUNDS >> 1] }, extra: { min_ns: times[0] } })
