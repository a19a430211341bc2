// Makes many calls of a service whose model is swapped every second, and measures the memory that is left afterwards:
// node --expose-gc bench/serve-soak.mjs
//
// 100,000 calls within about half a minute: of one row and of several, some aborted, some with a deadline that is too
// short; a shadow also predicts a tenth, and a fallback predicts unsure rows. Every result is compared with that of its model.

import { setTimeout as later } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { memory, Model, trimMemory } from '../dist/index.js'

const { values } = parseArgs({ options: { calls: { type: 'string', default: '100000' }, seconds: { type: 'string', default: '30' } } })
const [CALLS, SECONDS] = [Number(values.calls), Number(values.seconds)]
if (globalThis.gc === undefined) throw new Error('start it with node --expose-gc')

const make = seed => Model.create({ mlp: { sizes: [784, 128, 10] } }, { seed })
const rows = Array.from({ length: 32 }, (_, row) => Float32Array.from({ length: 784 }, (_, at) => Math.sin(row + at * 12.9898)))
const eight = Float32Array.from({ length: 8 * 784 }, (_, at) => rows[Math.floor(at / 784)][at % 784])
/** Models that serve in turn, and the first logit that each one predicts for each row. */
const kinds = await Promise.all(
  [1, 2, 3].map(async seed => {
    const model = make(seed)
    const logits = await Promise.all(rows.map(async inputs => (await model.predict({ inputs })).logits[0]))
    return { model, logits }
  }),
)
const teacher = make(9)

async function soak(calls, seconds) {
  const service = kinds[0].model.serve({ queue: 4096, shadow: teacher, fallback: { below: 0.12, to: teacher } })
  const serving = [0]
  const counts = { right: 0, wrong: 0, other: {} }
  let over = false
  const swapping = (async () => {
    for (let turn = 1; !over; turn++) {
      await later(1000)
      if (over) return
      // A new model each time, which gets its own memory when its start values are drawn.
      const kind = turn % kinds.length
      const fresh = make(kind + 1)
      serving.push(kind)
      await service.swap(fresh)
      fresh.dispose()
    }
  })()
  const call = async at => {
    const row = at % rows.length
    const options = at % 97 === 0 ? { signal: AbortSignal.timeout(1) } : at % 89 === 0 ? { deadlineMs: 0.05 } : {}
    try {
      const { logits, generation, answeredBy } = await service.predict({ inputs: at % 50 === 0 ? eight : rows[row] }, options)
      const expected = kinds[serving[generation]].logits[at % 50 === 0 ? 0 : row]
      if (answeredBy[0] === 'fallback' || logits[0] === expected) counts.right++
      else counts.wrong++
    } catch (error) {
      const name = error.code?.length > 0 ? error.code : error.name
      counts.other[name] = (counts.other[name] ?? 0) + 1
    }
  }
  const began = performance.now()
  const open = new Set()
  for (let at = 0; at < calls; ) {
    const due = Math.min(calls, ((performance.now() - began) / (seconds * 1000)) * calls + 1)
    for (; at < due; at++) {
      const one = call(at).finally(() => open.delete(one))
      open.add(one)
    }
    await later(1)
  }
  await Promise.all(open)
  over = true
  await swapping
  await service.drain()
  return { counts, stats: service.stats() }
}

async function settled() {
  for (let turn = 0; turn < 20; turn++) {
    globalThis.gc()
    await later(10)
  }
  trimMemory()
  await later(50)
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heapUsed, live: memory().liveBytes }
}

await soak(CALLS / 20, SECONDS / 10)
const before = await settled()
const { counts, stats } = await soak(CALLS, SECONDS)
const after = await settled()
const grown = Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]))
console.log(JSON.stringify({ calls: CALLS, ...counts, stats }))
console.log(JSON.stringify({ before, after, grown }))
const asked = counts.right + counts.wrong + Object.values(counts.other).reduce((sum, count) => sum + count, 0)
const met = counts.wrong === 0 && asked === CALLS && stats.swaps >= SECONDS - 3 && grown.live <= 65_536 && grown.heapUsed < 4e6 && grown.rss < 16e6
console.log(met ? 'PASS: every call ended, every result is that of its model, no memory is left' : 'FAIL')
process.exitCode = met ? 0 : 1
