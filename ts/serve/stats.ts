/** The counters of a service, and the result of `stats()`. */
import { Recent, type Quantiles } from './quantiles.js'

/** The numbers of a service: counts since its start, quantiles of the last minute. */
export interface ServiceStats {
  /** Calls that were answered, and their rows. */
  served: number
  servedRows: number
  /** Calls that were rejected because the queue was full. */
  refused: number
  /** Calls whose signal aborted. */
  aborted: number
  /** Calls whose deadline passed. */
  expired: number
  /** Calls that rejected with another error: invalid inputs, a disposed service. */
  failed: number
  /** Calls and rows that wait for a batch now. */
  waiting: { calls: number; rows: number }
  /** Pending calls, including waiting ones and those of the fallback. */
  inside: number
  /** The time from a call to its result, in milliseconds. */
  latencyMs: Quantiles
  batches: {
    count: number
    /** Rows per batch. */
    rows: Quantiles
    /** The duration of a batch, in milliseconds. */
    ms: Quantiles
  }
  /** The number of swaps. */
  swaps: number
  /** Counts for the second model; `rows` and `agreement` start from 0 with each swap. */
  shadow?: {
    /** Rows that both models predicted. */
    rows: number
    /** Share of them for which both predict the same class; `null` if there are none. */
    agreement: number | null
    /** Rows that were drawn but skipped because the second model was busy and too many rows waited. */
    skipped: number
    /** Rows that wait for the second model, or that it predicts now. */
    waiting: number
    /** Rows for which the second model failed; `lastError` is the last reason. */
    failed: number
    lastError?: string
  }
  fallback?: {
    /** Rows that the second model predicted. */
    rows: number
    /** Unsure rows that kept the model's own result because too many rows waited, or because the deadline of their call had passed. */
    skipped: number
    /** Rows that wait for the second model, or that it predicts now. */
    waiting: number
    /** Rows for which the second model failed; they kept the model's own result. `lastError` is the last reason. */
    failed: number
    lastError?: string
  }
}

/** The counters of a service. */
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
