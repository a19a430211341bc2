// Measures serving: one row from JavaScript, and 64 callers with and without a service: node bench/serve.mjs
//
// Times depend on the machine and its load; each is compared with a limit. Rounds with and without a service alternate. Another
// program measures the example server under load: node examples/server/load.mjs.

import { parseArgs } from 'node:util'
import { Model } from '../dist/index.js'
import { machine } from './machine.mjs'
import { quantile } from './statistics.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } } })
const ROUNDS = Number(values.rounds)
const CALLERS = 64
/** Half of the callers, so that a batch runs while the results of the batch before are handed out. */
const MAX_BATCH = CALLERS / 2
/** Calls of each caller in a round. */
const EACH = 32
/** How long a call may wait for others: the default of a service. */
const MAX_WAIT_MS = 2

const rows = []
function say(what, found, limit, met) {
  rows.push({ what, ...found, limit, met })
  const numbers = Object.entries(found).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`).join('  ')
  console.log(values.json ? JSON.stringify(rows.at(-1)) : `${met ? 'PASS' : 'FAIL'}  ${what.padEnd(44)} ${numbers}   (${limit})`)
}

async function times(count, call) {
  for (let warm = 0; warm < count / 5; warm++) await call()
  const all = []
  for (let time = 0; time < count; time++) {
    const began = performance.now()
    await call()
    all.push((performance.now() - began) * 1000)
  }
  return { median: quantile(all, 0.5), p99: quantile(all, 0.99), min: Math.min(...all) }
}

const draw = size => Float32Array.from({ length: size }, (_, at) => Math.sin(at * 12.9898) / 2)

{
  const model = Model.create({ mlp: { sizes: [784, 128, 10] } }, { seed: 1 })
  const inputs = draw(784)
  const sync = await times(5000, () => void model.predictSync({ inputs }))
  say('predictSync, one row of 784-128-10, µs', sync, 'median ≤ 60', sync.median <= 60)
  const awaited = await times(5000, () => model.predict({ inputs }))
  say('predict, one row of 784-128-10, µs', awaited, 'median ≤ 150', awaited.median <= 150)
  const service = model.serve()
  const served = await times(5000, () => service.predict({ inputs }))
  say('service.predict, a lone caller, µs', served, 'median ≤ 150', served.median <= 150)
}

/** Callers that call again as soon as they have a result; returns the results per second, and the time of each call. */
async function round(ask) {
  const all = []
  const began = performance.now()
  const caller = async () => {
    for (let time = 0; time < EACH; time++) {
      const asked = performance.now()
      await ask()
      all.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return { rate: (CALLERS * EACH) / ((performance.now() - began) / 1000), all }
}

{
  const model = Model.create({ convNet: { input: [1, 28, 28], channels: [32, 64], classes: 10 } }, { seed: 1 })
  const inputs = draw(784)
  const service = model.serve({ maxBatch: MAX_BATCH, maxWaitMs: MAX_WAIT_MS })
  const ways = { alone: () => model.predict({ inputs }), served: () => service.predict({ inputs }) }
  const rates = { alone: [], served: [] }
  const latency = []
  for (let turn = 0; turn < ROUNDS + 4; turn++) {
    for (const [way, ask] of Object.entries(ways)) {
      const { rate, all } = await round(ask)
      // Four rounds warm up.
      if (turn < 4) continue
      rates[way].push(rate)
      if (way === 'served') latency.push(...all)
    }
  }
  const best = { alone: Math.max(...rates.alone), served: Math.max(...rates.served) }
  const median = { alone: quantile(rates.alone, 0.5), served: quantile(rates.served, 0.5) }
  const found = { alone: median.alone, served: median.served, ratio: median.served / median.alone, best: best.served / best.alone }
  say('64 callers, convNet 32-64, answers a second', found, 'ratio of medians ≥ 3', found.ratio >= 3)
  const batch = service.stats().batches.ms
  const [p99, limit] = [quantile(latency, 0.99), MAX_WAIT_MS + batch.p99]
  say('p99 of a call, ms', { p99, batch: batch.p50, 'batch p99': batch.p99 }, `≤ maxWaitMs + one batch = ${limit.toFixed(1)}`, p99 <= limit)
  await service.drain()
}
const { cpu, cores, flags, node, commit, date } = machine()
console.log(values.json ? JSON.stringify(machine()) : `${cpu}, ${cores} cores, ${flags}, Node ${node}, commit ${commit}, ${date}`)
process.exitCode = rows.every(({ met }) => met) ? 0 : 1
