// The driver of the benchmarks: what it compares, and when a row is void.

import { describe, expect, it } from 'vitest'
import { Child, once } from '../bench/child.mjs'
import { bandwidth, moved } from '../bench/machine.mjs'
import { compare, verdict } from '../bench/measure.mjs'
import { chosen, rows } from '../bench/rows.mjs'
import { quantile, summary } from '../bench/statistics.mjs'

const reference = { loss: 2, gradientNorm: 3, entries: [1, -4, 0.5, 0, 0, 0, 0, 2] }

describe('the bench driver', () => {
  it('voids a program whose loss, norm or entries differ', () => {
    expect(compare(reference, reference, 1e-6)).toEqual({ entries: 0, complaint: undefined })
    expect(compare({ ...reference, loss: 2.0001 }, reference, 1e-6).complaint).toMatch('loss: expected 2, got 2.0001')
    expect(compare({ ...reference, loss: NaN }, reference, 1e-6).complaint).toMatch('loss')
    expect(compare({ ...reference, gradientNorm: 3.1 }, reference, 1e-6).complaint).toMatch('gradient norm')
    const entries = [...reference.entries]
    entries[0] += 1e-4
    expect(compare({ ...reference, entries }, reference, 1e-6).complaint).toMatch('entries')
    expect(compare({ ...reference, entries }, reference, 1e-4).complaint).toBeUndefined()
  })

  it('distinguishes pass, below and fail, for lower and upper limits', () => {
    expect([16, 9, 7].map((ratio) => verdict(ratio, 8, 15))).toEqual(['PASS', 'below', 'FAIL'])
    expect(verdict(0.9, undefined, 1)).toBe('below')
    expect(verdict(0.9)).toBe('shown')
    expect([4, 12, 30].map((p99) => verdict(-p99, -20, -5))).toEqual(['PASS', 'below', 'FAIL'])
  })

  it('detects a change of the bandwidth in both directions', () => {
    const probe = (gbs) => ({ read_gbs: gbs, copy_gbs: gbs, inplace_gbs: gbs })
    expect(bandwidth(probe(30))).toBeCloseTo(30)
    expect(moved(probe(30), probe(36))).toBeCloseTo(0.2)
    expect(moved(probe(36), probe(30))).toBeCloseTo(0.2)
  })

  it('interpolates quantiles between two entries', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(summary([5, 1, 3])).toEqual({ n: 3, median_ms: 3, min_ms: 1, p20_ms: 1.8, p80_ms: 4.2 })
  })

  it('selects rows by name and by number, and lists the known rows for an unknown one', () => {
    expect(chosen('35,16').map((row) => row.row)).toEqual(['16.square', '16.head', '16.dw', '35'])
    expect(chosen()).toBe(rows)
    expect(() => chosen('1,99')).toThrow(/expected some of 1, 3, 4, .*, got 99/)
  })

  it('runs a program in turns and reports why a program ended', async () => {
    const program = `
      console.log(JSON.stringify({ ready: true, check: {} }))
      require('node:readline').createInterface({ input: process.stdin }).on('line', (n) => console.log(JSON.stringify({ ms: Array(Number(n)).fill(7) })))`
    const child = await Child.start('seven', [process.execPath, '-e', program], { cores: 1 })
    await child.turn(2)
    await child.turn(3)
    await child.close()
    expect(child.times).toEqual([7, 7, 7, 7, 7])
    const failing = [process.execPath, '-e', 'throw new Error("no such kernel")']
    await expect(Child.start('failing', failing, { cores: 1 })).rejects.toThrow('failing ended early: Error: no such kernel')
    await expect(once('failing', failing, { cores: 1 })).rejects.toThrow('failing failed: Error: no such kernel')
  })
})
