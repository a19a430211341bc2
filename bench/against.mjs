// `node bench/against.mjs CHECKOUT`: the rows of this checkout beside those of another one, in turns. Both are built before.

import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Child, once } from './child.mjs'
import { compare } from './measure.mjs'
import { root } from './paths.mjs'
import { chosen } from './rows.mjs'
import { summary } from './statistics.mjs'

const PAUSE = 60
const REPEATS = 5
const VALUE_TRIES = 5

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string' }, threads: { type: 'string', default: '2' }, rounds: { type: 'string', default: '20' } },
})
if (positionals.length !== 1) throw new Error('expected the folder of another checkout: node bench/against.mjs ../before --rows 17,35')
const other = path.resolve(positionals[0])
const settings = (row) => ['--row', row.row, '--threads', values.threads]
const cores = Number(values.threads)

/** The same program in the other checkout. */
const there = (command) => command.map((part) => (part.startsWith(root + path.sep) ? path.join(other, path.relative(root, part)) : part))

/** Times of both in turns: which of the two begins changes with each round. */
async function times(row) {
  const command = [...row.ours.command, ...settings(row)]
  const here = await Child.start('here', command, { cores })
  const before = await Child.start('there', there(command), { cores })
  try {
    const { complaint } = compare(here.ready.check, before.ready.check, row.tolerance)
    if (complaint) throw new Error(`row ${row.row}: ${complaint}`)
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const child of round % 2 ? [here, before] : [before, here]) {
        await pause(PAUSE)
        await child.turn(REPEATS)
      }
    }
    const [now, then] = [summary(here.times), summary(before.times)]
    const share = (name) => (now[name] / then[name]).toFixed(3)
    const both = (name) => `${now[name].toFixed(4)} / ${then[name].toFixed(4)}`
    console.log(`${row.row.padEnd(12)} median ${both('median_ms')} ms = ${share('median_ms')}   minimum ${both('min_ms')} ms = ${share('min_ms')}`)
  } finally {
    await here.close()
    await before.close()
  }
}

/** The smallest of each value over a few runs in turns. */
async function smallest(row) {
  const command = [...row.program.command, ...settings(row)]
  const least = [{}, {}]
  for (let at = 0; at < VALUE_TRIES; at++) {
    for (const [side, made] of [command, there(command)].entries()) {
      const found = (await once(row.row, made, { cores })).values
      for (const [name, value] of Object.entries(found)) least[side][name] = Math.min(value, least[side][name] ?? Infinity)
    }
  }
  for (const [name, value] of Object.entries(least[0])) {
    const before = least[1][name]
    console.log(`${row.row.padEnd(12)} ${name.padEnd(18)} ${value.toPrecision(4)} / ${before.toPrecision(4)} = ${(value / before).toFixed(3)}`)
  }
}

console.log(`here / ${other}, ${values.threads} threads, ${values.rounds} rounds of ${REPEATS}; below 1 is faster here`)
for (const row of chosen(values.rows)) await (row.ours ? times(row) : smallest(row))
