/** A second model that predicts the rows that the serving model is unsure of; if it fails, the model's own result is used. */
import type { NativePrediction } from '../native/contract.js'
import type { Second } from './second.js'
import type { Call } from './call.js'
import { joined, picked, type Rows } from './rows.js'
import type { ServiceStats } from './stats.js'

interface Unsure {
  call: Call
  /** The positions of its unsure rows. */
  places: number[]
  rows: Rows
}

export class Fallback {
  readonly #waiting = new Map<Call, Unsure>()
  #waitingRows = 0
  /** The number of rows that the second model predicts now. */
  #askedRows = 0
  #busy = false
  #rows = 0
  #skipped = 0
  #failed = 0
  #lastError: string | undefined

  constructor(
    readonly asked: Second,
    readonly below: number,
    readonly limits: { maxBatch: number; queue: number },
    readonly signal: AbortSignal,
    /** Called with each call once all of its rows have a result. */
    readonly done: (call: Call) => void,
  ) {}

  /** The positions of the rows whose largest probability is smaller than `below`. */
  unsure({ rows, classes, probabilities }: NativePrediction): number[] {
    const places: number[] = []
    for (let row = 0; row < rows; row++) {
      let largest = 0
      for (let at = row * classes; at < (row + 1) * classes; at++) largest = Math.max(largest, probabilities[at]!)
      if (!(largest >= this.below)) places.push(row)
    }
    return places
  }

  /** Queues some rows of a call whose own result is in `known`. Returns false if too many rows wait. */
  take(call: Call, places: number[]): boolean {
    if (this.#waitingRows > 0 && this.#waitingRows + places.length > this.limits.queue) {
      this.missed(places.length)
      return false
    }
    this.#waiting.set(call, { call, places, rows: picked(call.rows, places) })
    this.#waitingRows += places.length
    if (!this.#busy) void this.#ask()
    return true
  }

  /** The caller no longer waits. */
  leave(call: Call): void {
    const unsure = this.#waiting.get(call)
    if (unsure !== undefined) this.#remove(unsure)
  }

  /** Rows got the model's own result because the fallback would have been too late. */
  missed(rows: number): void {
    this.#skipped += rows
  }

  stats(): NonNullable<ServiceStats['fallback']> {
    const [rows, skipped, failed] = [this.#rows, this.#skipped, this.#failed]
    return { rows, skipped, waiting: this.#waitingRows + this.#askedRows, failed, ...(this.#lastError !== undefined && { lastError: this.#lastError }) }
  }

  async #ask(): Promise<void> {
    this.#busy = true
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      this.#askedRows = batch.reduce((sum, { places }) => sum + places.length, 0)
      try {
        const said = await this.asked.ask(joined(batch.map(({ rows }) => rows)), 'fallback', this.signal)
        this.#answered(batch, said)
      } catch (error) {
        for (const { call, places } of batch) if (!call.settled) this.#failed += places.length
        this.#lastError = error instanceof Error ? error.message : String(error)
      }
      for (const { call } of batch) if (!call.settled) this.done(call)
    }
    this.#askedRows = 0
    this.#busy = false
  }

  /** The oldest call and others with the same kind of inputs, as many as fit. */
  #next(): Unsure[] {
    const batch: Unsure[] = []
    let rows = 0
    for (const unsure of this.#waiting.values()) {
      const [first, count] = [batch[0], unsure.places.length]
      if (first !== undefined && (first.rows.json !== unsure.rows.json || rows + count > this.limits.maxBatch)) continue
      batch.push(unsure)
      rows += count
    }
    for (const unsure of batch) this.#remove(unsure)
    return batch
  }

  #remove({ call, places }: Unsure): void {
    this.#waiting.delete(call)
    this.#waitingRows -= places.length
  }

  #answered(batch: readonly Unsure[], { classes, logits, probabilities, labels }: NativePrediction): void {
    let from = 0
    for (const { call, places } of batch) {
      const { known } = call
      for (const row of places) {
        if (known !== undefined && !call.settled) {
          const { made } = known
          const said = [logits, probabilities].map(all => all.subarray(from * classes, (from + 1) * classes)) as [Float32Array, Float32Array]
          if (said[1].some(Number.isNaN)) {
            this.#failed++
            this.#lastError = 'its result is not a number'
          } else {
            made.logits.set(said[0], row * classes)
            made.probabilities.set(said[1], row * classes)
            made.labels[row] = labels[from]!
            known.answeredBy[row] = 'fallback'
            this.#rows++
          }
        }
        from++
      }
    }
  }
}
