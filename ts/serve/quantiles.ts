/**
 * Quantiles of what happened lately, in memory of fixed size.
 *
 * Whole numbers fall into buckets whose width is 1 below 64 and at most 1/32 of the number above; a quantile is the
 * upper end of its bucket, so that it is never said too small. Two halves of a window take turns: numbers are at least
 * half a window and at most a whole one old.
 *
 * Source: Gil Tene, HdrHistogram, hdrhistogram.org. Where we differ: the window, and 5 bits of precision.
 */

/** Of the last minute, `null` where nothing happened in it. */
export interface Quantiles {
  /** How many numbers there are. */
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

/** In which bucket a whole number of 0 … 2³¹ − 1 is. */
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

  /** `unit` is what one step of the finest bucket is worth; `windowMs` how far back it looks. */
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
    // Without the noise of a product with a thousandth.
    const shown = (whole: number) => Math.round(whole * this.unit * 1e6) / 1e6
    const [p50, p95, p99] = found.map(shown) as [number, number, number]
    return { count, p50, p95, p99, max: shown(max) }
  }

  /** Begins a new half when the present one is full of time; forgets what is older. */
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
