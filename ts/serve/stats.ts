/** What a service counts, and what `stats()` says of it. */
import { Recent, type Quantiles } from './quantiles.js'

/** A service in numbers: counts since it began, quantiles of the last minute. */
export interface ServiceStats {
  /** Calls that were answered, and their rows. */
  served: number
  servedRows: number
  /** Calls that came to a full queue. */
  refused: number
  /** Calls whose signal aborted. */
  aborted: number
  /** Calls whose deadline passed. */
  expired: number
  /** Calls that ended with another error: bad inputs, a service that was disposed of. */
  failed: number
  /** Calls and rows that wait for their batch now. */
  waiting: { calls: number; rows: number }
  /** Calls that are inside now, waiting ones and the fallback's among them. */
  inside: number
  /** From the call to its answer, in milliseconds. */
  latencyMs: Quantiles
  batches: {
    count: number
    /** How many rows they have. */
    rows: Quantiles
    /** How long they take, in milliseconds. */
    ms: Quantiles
  }
  /** How often another model took over. */
  swaps: number
  /** Of the model that serves now. */
  shadow?: {
    /** Rows that both answered. */
    rows: number
    /** Share of them where the largest class is the same; `null` where there are none. */
    agreement: number | null
    /** Rows that were chosen while it was busy and enough others waited for it. */
    skipped: number
    /** Rows that wait for it now, and those that it is asked about. */
    waiting: number
    /** Rows that it failed on, and the last reason. */
    failed: number
    lastError?: string
  }
  fallback?: {
    /** Rows that it answered. */
    rows: number
    /** Unsure rows that it was not asked about because too many waited for it, or whose call could wait no longer. */
    skipped: number
    /** Rows that wait for it now, and those that it is asked about. */
    waiting: number
    /** Rows that it failed on, and the last reason: the model's own answer was given. */
    failed: number
    lastError?: string
  }
}

/** The counters behind it. */
export class Counters {
  served = 0
  servedRows = 0
  refused = 0
  aborted = 0
  expired = 0
  failed = 0
  batches = 0
  swaps = 0
  readonly latency = new Recent(1e-3)
  readonly batchRows = new Recent(1)
  readonly batchMs = new Recent(1e-3)

  stats(now: number, inside: number, waiting: { calls: number; rows: number }): ServiceStats {
    const { served, servedRows, refused, aborted, expired, failed, swaps } = this
    return {
      ...{ served, servedRows, refused, aborted, expired, failed, waiting, inside },
      latencyMs: this.latency.quantiles(now),
      batches: { count: this.batches, rows: this.batchRows.quantiles(now), ms: this.batchMs.quantiles(now) },
      swaps,
    }
  }
}
