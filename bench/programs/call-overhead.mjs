// Row 24: the cost of one synchronous call into the addon: of a plain function, and of a method of a native object, which takes its
// lock. It reports the best of many short rounds, since other load would hide the cost.

import { nativeVersion } from '../../ts/native/binding.js'
import { datasets } from '../../dist/native/handles.js'
import { say } from './common.mjs'
import { data } from './mlp.mjs'

const CALLS = 20_000
const ROUNDS = 100

/** Nanoseconds per call; every call must return `answer`. */
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
