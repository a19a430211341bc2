// Row 24: what one synchronous call into the addon costs: a plain function, and a method of a native object that takes its
// lock. The best of many short rounds, as a busy machine adds more than what is measured.

import { nativeVersion } from '../../ts/native/binding.js'
import { datasets } from '../../dist/native/handles.js'
import { say } from './common.mjs'
import { data } from './mlp.mjs'

const CALLS = 20_000
const ROUNDS = 100

/** Nanoseconds a call; `answer` is what each must give. */
function cost(call, answer) {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    let wrong = 0
    const start = performance.now()
    for (let at = 0; at < CALLS; at++) if (call() !== answer) wrong++
    best = Math.min(best, ((performance.now() - start) * 1e6) / CALLS)
    if (wrong > 0) throw new Error(`expected ${answer}, got something else ${wrong} times`)
  }
  return best
}

const native = datasets.get(data())
const version = nativeVersion()
say({ values: { syncCallNs: cost(() => nativeVersion(), version), methodCallNs: cost(() => native.rows(), 128) } })
