// The machine of a measurement: processor, instruction sets, caches, commit, and a probe of its present speed.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { once } from './child.mjs'
import { example } from './paths.mjs'

function said(file, ...args) {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

export function machine() {
  const text = said('lscpu')
  const field = (name) => text.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))?.[1]
  const flags = ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16'].filter((flag) => field('Flags')?.split(' ').includes(flag))
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    flags: flags.join(' '),
    l2: field('L2 cache') ?? 'unknown',
    l3: field('L3 cache') ?? 'unknown',
    hugePages: readable('/sys/kernel/mm/transparent_hugepage/enabled').match(/\[(\w+)\]/)?.[1] ?? 'unknown',
    node: process.version,
    commit: said('git', 'rev-parse', '--short', 'HEAD') || 'unknown',
    date: new Date().toISOString(),
  }
}

function readable(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Measures the present limits of the machine. */
export function probe(threads) {
  return once('bench_probe', [example('bench_probe'), '--row', 'probe', '--threads', String(threads)], { cores: threads })
}

/** One number for the memory bandwidth: the geometric mean of reading, copying and changing in place. */
export const bandwidth = (p) => Math.cbrt(p.read_gbs * p.copy_gbs * p.inplace_gbs)

/** The relative change of the bandwidth between two probes: 0.15 is 15 %. */
export function moved(before, after) {
  const [a, b] = [bandwidth(before), bandwidth(after)]
  return Math.max(a, b) / Math.min(a, b) - 1
}
