/** A pending call of a service, and the queue of waiting calls. */
import type { NativePrediction } from '../native/contract.js'
import type { Prediction } from '../prediction.js'
import type { Rows } from './rows.js'

/** What a service returns for some rows. */
export interface ServedPrediction extends Prediction {
  /** The model that answered each row. */
  answeredBy: ('model' | 'fallback')[]
  /** The number of swaps before the model that served: 0 for the first model. */
  generation: number
}

/** The model's own result, while the fallback predicts some of its rows. */
export interface Known {
  made: NativePrediction
  answeredBy: ('model' | 'fallback')[]
  generation: number
  /** The number of rows that the fallback predicts. */
  asking: number
}

export interface Call {
  rows: Rows
  /** The time of arrival, on the clock of `performance.now()`. */
  arrived: number
  /** The time until which the caller needs the result, on the same clock; infinite without a deadline. */
  deadline: number
  known: Known | undefined
  /** Answered, refused or aborted: the caller no longer waits. */
  settled: boolean
  resolve(answer: ServedPrediction): void
  reject(reason: unknown): void
  /** Releases its signal and its timer. */
  leave(): void
}

/** Waiting calls in the order of arrival, counted by rows. */
export class Line {
  readonly #calls = new Set<Call>()
  #rows = 0

  get rows(): number {
    return this.#rows
  }

  get calls(): number {
    return this.#calls.size
  }

  add(call: Call): void {
    this.#calls.add(call)
    this.#rows += call.rows.rows
  }

  remove(call: Call): void {
    if (this.#calls.delete(call)) this.#rows -= call.rows.rows
  }

  [Symbol.iterator](): Iterator<Call> {
    return this.#calls.values()
  }

  /**
   * Takes out the next batch: the oldest call and those behind it whose inputs are of the same kind, until the next one
   * would make it more than `most` rows.
   */
  take(most: number): Call[] {
    const batch: Call[] = []
    let rows = 0
    for (const call of this.#calls) {
      const first = batch[0]
      if (first !== undefined && first.rows.json !== call.rows.json) continue
      if (first !== undefined && rows + call.rows.rows > most) break
      batch.push(call)
      rows += call.rows.rows
    }
    for (const call of batch) this.remove(call)
    return batch
  }
}
