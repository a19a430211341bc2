/**
 * Quantiles of recent numbers, in memory of fixed size.
 *
 * Integers fall into buckets whose width is 1 below 64 and at most 1/32 of the number above; a quantile is the
 * upper end of its bucket, so it is never too small. The window has two halves that alternate: it covers at least the last half
 * window and at most the last whole one.
 *
 * Source: Gil Tene, HdrHistogram, hdrhistogram.org. Where we differ: the window, and 5 bits of precision.
 */

/** Quantiles of the last minute; `null` if there are no numbers in it. */
export interface Quantiles {
  /** The count of numbers. */
  count: number
  p50: number | null
  p95: number | null
  p99: number | null
  max: number | null
}

/** Bits of a number that are kept. */
const BITS = 5
const LARGEST = 2 ** 31 - 1
const BUCKETS = (31 - BITS) * 2 ** BITS + 2 ** (BITS + 1)

/** The bucket of an integer from 0 to 2³¹ − 1. */
function bucketOf(value: number): number {
  const shift = Math.max(0, 31 - Math.clz32(value) - BITS)
  return (shift << BITS) + (value >>> shift)
}

/** The largest number of a bucket. */
function endOf(bucket: number): number {
  const shift = Math.max(0, (bucket >>> BITS) - 1)
  return ((bucket - (shift << BITS) + 1) * 2 ** shift) - 1
}

class Half {
  readonly counts = new Uint32Array(BUCKETS)
  count = 0
  max = 0
  began = -Infinity
}

export class Recent {
  #now = new Half()
  #before = new Half()

  /** `unit` is the width of the finest bucket; `windowMs` is the length of the window in milliseconds. */
  constructor(
    readonly unit: number,
    readonly windowMs = 60_000,
  ) {}

  record(value: number, at: number): void {
    this.#turn(at)
    const whole = Math.min(LARGEST, Math.max(0, Math.round(value / this.unit)))
    const half = this.#now
    half.counts[bucketOf(whole)]!++
    half.count++
    half.max = Math.max(half.max, whole)
  }

  quantiles(at: number): Quantiles {
    this.#turn(at)
    const [now, before] = [this.#now, this.#before]
    const count = now.count + before.count
    if (count === 0) return { count, p50: null, p95: null, p99: null, max: null }
    const max = Math.max(now.max, before.max)
    const wanted = [0.5, 0.95, 0.99].map(share => Math.max(1, Math.ceil(share * count)))
    const found: number[] = []
    for (let bucket = 0, seen = 0; found.length < wanted.length; bucket++) {
      seen += now.counts[bucket]! + before.counts[bucket]!
      while (found.length < wanted.length && seen >= wanted[found.length]!) found.push(Math.min(max, endOf(bucket)))
    }
    // Rounds away the error of the product with the unit.
    const shown = (whole: number) => Math.round(whole * this.unit * 1e6) / 1e6
    const [p50, p95, p99] = found.map(shown) as [number, number, number]
    return { count, p50, p95, p99, max: shown(max) }
  }

  /** Begins a new half when the current one is half a window old, and discards older numbers. */
  #turn(at: number): void {
    const half = this.windowMs / 2
    if (at - this.#now.began < half) return
    const stale = at - this.#now.began >= this.windowMs
    const next = this.#before
    this.#before = this.#now
    this.#now = next
    for (const old of stale ? [this.#now, this.#before] : [this.#now]) {
      old.counts.fill(0)
      old.count = old.max = 0
    }
    this.#now.began = at
  }
}
