// Measures one row: compares the numerics, then times ours and the peers in turn, with a probe of the machine before and after.

import { setTimeout as pause } from 'node:timers/promises'
import { Child, once } from './child.mjs'
import { moved, probe } from './machine.mjs'
import { summary } from './statistics.mjs'

/** Milliseconds between two turns: OpenMP's threads spin for a while after a turn, and the next turn waits until they sleep. */
const PAUSE = 60
const REPEATS = 5
/** A row is void if the bandwidth changed by more than this. */
const MOVED = 0.15
const LOSS = 1e-5

/** Returns `{ void: reason }`, or the summaries of ours and of each peer, their ratios and both probes. */
export async function ratioRow(row, options) {
  const { threads, rounds } = options
  const cores = threads
  const settings = ['--row', row.row, '--threads', String(threads)]
  const peers = Object.entries(row.peers)
  const reference = await once('the reference', [...peers[0][1].command, ...settings, '--reference'], { cores })
  const children = []
  try {
    children.push(await Child.start('limbeck', [...row.ours.command, ...settings], { cores, env: options.env }))
    for (const [name, peer] of peers) children.push(await Child.start(name, [...peer.command, ...settings], { cores }))
    const errors = children.map((child) => compare(child.ready.check, reference.check, row.tolerance))
    const wrong = children.findIndex((_, at) => errors[at].complaint)
    if (wrong >= 0) return { void: `${children[wrong].name}: ${errors[wrong].complaint}` }

    const before = await probe(threads)
    const [ours, ...others] = children
    const beside = new Map(others.map(({ name }) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const other of others) {
        for (const child of [ours, other]) {
          await pause(PAUSE)
          await child.turn(REPEATS)
        }
        beside.get(other.name).push(...ours.times.slice(-REPEATS))
      }
    }
    const after = await probe(threads)
    const change = moved(before, after)
    const measured = children.map((child, at) => ({
      name: child.name,
      loss: child.ready.check.loss,
      grad_err: errors[at].entries,
      minor_faults: Math.round(child.faults / child.times.length),
      ...child.ready.extra,
      ...summary(child.times),
    }))
    const compared = measured.slice(1).map((peer) => ratio(summary(beside.get(peer.name)), peer, row.peers[peer.name]))
    const result = { ours: measured[0], peers: compared, probes: [before, after], peak: row.peak && shareOfPeak(row.peak, measured[0], before, after) }
    if (change <= MOVED) return result
    for (const part of [...compared, result.peak]) if (part) part.verdict = 'VOID'
    return { ...result, void: `the bandwidth moved by ${Math.round(change * 100)} % during the row` }
  } finally {
    for (const child of children) await child.close()
  }
}

/** The shares of the probe's rate that the median repeat and the best repeat reach. */
function shareOfPeak({ flops, floor }, ours, ...probes) {
  const peak = Math.max(...probes.map((made) => made.fma_gflops)) * 1e6 // operations a millisecond
  const share = flops / ours.median_ms / peak
  return { share, best: flops / ours.min_ms / peak, floor, verdict: verdict(share, undefined, floor) }
}

/** Compares a peer with our turns directly before its own turns, so that changes of the machine affect both. */
function ratio(ours, peer, { first, floor }) {
  const ratios = { ratio_median: peer.median_ms / ours.median_ms, ratio_min: peer.min_ms / ours.min_ms }
  return { ...peer, ...ratios, first, floor, verdict: verdict(Math.min(ratios.ratio_median, ratios.ratio_min), first, floor) }
}

/** PASS at or above the floor, `below` between the first mark and the floor, FAIL below the first mark, `shown` without limits. */
export function verdict(reached, first, floor) {
  if (first === undefined && floor === undefined) return 'shown'
  if (floor !== undefined && reached >= floor) return 'PASS'
  return first === undefined || reached >= first ? 'below' : 'FAIL'
}

/** Compares loss and norm by their relative difference, and entries relative to the largest of them. */
export function compare(check, reference, tolerance) {
  const relative = (a, b) => Math.abs(a - b) / Math.max(Math.abs(b), 1e-30)
  const scale = Math.max(...reference.entries.map(Math.abs))
  const entries = Math.max(...reference.entries.map((entry, at) => Math.abs(check.entries[at] - entry) / scale))
  const said = (name, mine, theirs) => `${name}: expected ${theirs}, got ${mine}`
  let complaint
  if (!(relative(check.loss, reference.loss) <= LOSS)) complaint = said('loss', check.loss, reference.loss)
  else if (!(relative(check.gradientNorm, reference.gradientNorm) <= Math.max(tolerance, 1e-6)))
    complaint = said('gradient norm', check.gradientNorm, reference.gradientNorm)
  else if (!(entries <= tolerance)) complaint = said('entries', JSON.stringify(check.entries), JSON.stringify(reference.entries))
  return { entries, complaint }
}

/** A row without a peer: the numbers that its program prints, each with its limit. */
export async function valueRow(row, options) {
  const { threads } = options
  const cores = row.pinned === false ? options.cores : threads
  const settings = ['--row', row.row, '--threads', String(threads)]
  const { values, extra } = await once(row.row, [...row.program.command, ...settings], { cores: options.cores ?? cores, env: options.env })
  if (row.beside) values.stepUs = await difference(row.beside, options)
  return {
    extra,
    values: Object.entries(row.values).map(([name, { unit, title, first, floor }]) => {
      const value = values[name]
      if (typeof value !== 'number') throw new Error(`row ${row.row}: its program printed no ${name}`)
      return { name, title, unit, value, first, floor, verdict: verdict(-value, first && -first, floor && -floor) }
    }),
  }
}

/** The microseconds that the first program takes longer than the second, by the best of alternating turns. */
async function difference({ ours, core, row }, { threads, rounds, env }) {
  const start = (name, made, of) => Child.start(name, [...made.command, '--row', of, '--threads', String(threads)], { cores: threads, env })
  const children = [await start('limbeck', ours, row)]
  try {
    children.push(await start('core', core, '35'))
    for (let round = 0; round < rounds; round++) {
      for (const child of children) {
        await pause(PAUSE)
        await child.turn(REPEATS)
      }
    }
    const [above, below] = children.map((child) => summary(child.times).min_ms)
    return (above - below) * 1e3
  } finally {
    for (const child of children) await child.close()
  }
}
