/** A second model that predicts a part of the calls when it has time: callers neither wait for it nor see it fail. */
import type { Second } from './second.js'
import { joined, type Rows } from './rows.js'
import type { ServiceStats } from './stats.js'

interface Heard {
  rows: Rows
  labels: Uint32Array
  /** The generation of the model that answered. */
  generation: number
}

export class Shadow {
  /** The calls that the second model predicts next. */
  #next: Heard[] = []
  #nextRows = 0
  /** The number of rows that it predicts now. */
  #askedRows = 0
  #busy = false
  #generation = 0
  #drawn = 0
  #rows = 0
  #alike = 0
  #skipped = 0
  #failed = 0
  #lastError: string | undefined

  constructor(
    readonly asked: Second,
    readonly fraction: number,
    readonly maxBatch: number,
    readonly signal: AbortSignal,
  ) {}

  /** Queues a call that has been answered, if it is drawn. */
  hear(rows: Rows, labels: Uint32Array, generation: number): void {
    if (!this.#chosen()) return
    if (this.#nextRows > 0 && this.#nextRows + rows.rows > this.maxBatch) {
      this.#skipped += rows.rows
      return
    }
    this.#next.push({ rows, labels: labels.slice(), generation })
    this.#nextRows += rows.rows
    if (this.#busy) return
    this.#busy = true
    // Results of this turn are handed out first.
    setImmediate(() => void this.#ask())
  }

  /** The model was swapped: agreement is counted from zero. */
  restart(generation: number): void {
    this.#generation = generation
    this.#rows = this.#alike = 0
  }

  stats(): NonNullable<ServiceStats['shadow']> {
    const [rows, skipped, failed] = [this.#rows, this.#skipped, this.#failed]
    const agreement = rows === 0 ? null : this.#alike / rows
    return { rows, agreement, skipped, waiting: this.#nextRows + this.#askedRows, failed, ...(this.#lastError !== undefined && { lastError: this.#lastError }) }
  }

  /** Draws by multiples of the golden ratio, which are spread evenly and independent of patterns in the calls. */
  #chosen(): boolean {
    this.#drawn = (this.#drawn + 0.6180339887498949) % 1
    return this.#drawn < this.fraction
  }

  async #ask(): Promise<void> {
    while (this.#next.length > 0 && !this.signal.aborted) {
      const kind = this.#next[0]!.rows.json
      const batch = this.#next.filter(({ rows }) => rows.json === kind)
      this.#next = this.#next.filter(({ rows }) => rows.json !== kind)
      const rows = joined(batch.map(heard => heard.rows))
      this.#askedRows = rows.rows
      this.#nextRows -= rows.rows
      try {
        const { labels } = await this.asked.ask(rows, 'shadow', this.signal)
        this.#compare(batch, labels)
      } catch (error) {
        this.#failed += rows.rows
        this.#lastError = error instanceof Error ? error.message : String(error)
      }
    }
    this.#next = []
    this.#nextRows = this.#askedRows = 0
    this.#busy = false
  }

  #compare(batch: readonly Heard[], answers: Uint32Array): void {
    let at = 0
    for (const { labels, generation } of batch) {
      for (const label of labels) {
        const alike = label === answers[at++]
        if (generation !== this.#generation) continue
        this.#rows++
        if (alike) this.#alike++
      }
    }
  }
}
