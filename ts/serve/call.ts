/** One call inside a service, from the door to its answer; and the line in which calls wait. */
import type { NativePrediction } from '../native/contract.js'
import type { Rows } from './rows.js'
import type { ServedPrediction } from './service.js'

/** The model's own answer, while the fallback is asked about a part of it. */
export interface Known {
  made: NativePrediction
  answeredBy: ('model' | 'fallback')[]
  generation: number
  /** Rows that the fallback is asked about. */
  asking: number
}

export interface Call {
  rows: Rows
  /** When it came, on the clock of `performance.now()`. */
  arrived: number
  /** When its answer is worth nothing any more. */
  deadline: number
  known: Known | undefined
  /** Answered, refused, or taken out: nobody waits for it. */
  settled: boolean
  resolve(answer: ServedPrediction): void
  reject(reason: unknown): void
  /** Lets go of its signal and its timer. */
  leave(): void
}

/** Calls in the order in which they came, counted by rows. */
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
