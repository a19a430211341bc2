// The common part of the programs in JavaScript: arguments, the inputs of ../README.md bit for bit, the protocol.

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const WARM_UP = 5
const REPEATS = 5

export function settings() {
  const { values } = parseArgs({ options: { row: { type: 'string' }, threads: { type: 'string', default: '1' } } })
  return { row: values.row, threads: Number(values.threads) }
}

/** The numbers of a stream, from 0 to 1. */
function* raw(stream) {
  let x = stream >>> 0
  for (;;) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    yield x / 4294967296
  }
}

export function numbers(stream, count, scale) {
  const source = raw(stream)
  return Float32Array.from({ length: count }, () => (source.next().value - 0.5) * 2 * scale)
}

export function labels(stream, count, classes) {
  const source = raw(stream)
  return Int32Array.from({ length: count }, () => Math.floor(source.next().value * classes))
}

export const say = (record) => process.stdout.write(`${JSON.stringify(record)}\n`)

/** Warms up, prints that it is ready, and times `work` for each line of the driver; ends at the end of its input. */
export async function serve(check, extra, work) {
  for (let run = 0; run < WARM_UP; run++) await work()
  say({ ready: true, check, extra })
  for await (const line of createInterface({ input: process.stdin })) {
    const ms = []
    for (let run = 0; run < (Number(line) || REPEATS); run++) {
      const start = performance.now()
      await work()
      ms.push(performance.now() - start)
    }
    say({ ms })
  }
}
