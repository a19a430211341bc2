/**
 * When the next batch goes: one at a time, and calls that come meanwhile wait for the next.
 *
 * A call that comes to an idle service goes at the end of this turn of the event loop, together with all that came in
 * it: whoever is alone waits for nobody. A call that came while a batch was under way waits, when that one is answered,
 * until there are as many rows as that one had (so many callers there were), or as fit, or for `maxWaitMs` since it came.
 *
 * Source: Crankshaw, Wang, Zhou, Franklin, Gonzalez, Stoica, "Clipper: A Low-Latency Online Prediction Serving System",
 * 2017, arXiv:1612.03079, section 4.3 (adaptive and delayed batching). Where we differ: the size to wait for is that of
 * the last batch, and an idle service does not delay.
 */
import { Line, type Call } from './call.js'

/** What a timer may be late. */
const TIMER_MS = 2

export class Batcher {
  readonly line = new Line()
  /** Rows to wait for. */
  #company = 0
  /** The batch that is under way. */
  #work: Promise<void> | undefined
  #going: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #timerDue = Infinity
  #hurried = false
  /** How long a batch takes, in milliseconds: the last ones count most. */
  #takes = 0

  constructor(
    readonly limits: { maxBatch: number; maxWaitMs: number; queue: number },
    /** Ends calls whose deadline has passed while they waited. */
    readonly expire: (call: Call) => void,
    /** Answers a batch; never rejects. */
    readonly answer: (batch: Call[]) => Promise<void>,
  ) {}

  enter(call: Call): void {
    this.line.add(call)
    this.#plan(call)
  }

  leave(call: Call): void {
    this.line.remove(call)
    if (this.line.calls === 0) this.#forget()
  }

  /** Resolves when the batch that is under way now is answered. */
  async between(): Promise<void> {
    await this.#work
  }

  /** From now on nobody waits for others. */
  hurry(): void {
    this.#hurried = true
    this.#plan()
  }

  #plan(added?: Call): void {
    if (this.#work !== undefined || this.#going !== undefined || this.line.calls === 0) return
    const enough = Math.min(this.#company, this.limits.maxBatch, this.limits.queue)
    const due = added !== undefined && this.#timer !== undefined ? Math.min(this.#due(added), this.#timerDue) : this.#firstDue()
    const wait = this.#hurried || this.line.rows >= enough ? 0 : due - performance.now()
    if (wait < 1) {
      this.#forget()
      this.#going = setImmediate(() => this.#go())
    } else if (due < this.#timerDue || this.#timer === undefined) {
      this.#forget()
      this.#timerDue = due
      this.#timer = setTimeout(() => {
        this.#forget()
        this.#plan()
      }, wait)
    }
  }

  /** Until when a call waits for others: it goes in time for its deadline, as far as the last batches tell. */
  #due({ arrived, deadline }: Call): number {
    return Math.min(arrived + this.limits.maxWaitMs, deadline - 2 * this.#takes - TIMER_MS)
  }

  #firstDue(): number {
    let first = Infinity
    for (const call of this.line) first = Math.min(first, this.#due(call))
    return first
  }

  #forget(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#going)
    this.#timer = this.#going = undefined
    this.#timerDue = Infinity
  }

  #go(): void {
    this.#going = undefined
    const began = performance.now()
    for (const call of this.line) if (call.deadline <= began) this.expire(call)
    const batch = this.line.take(this.limits.maxBatch)
    if (batch.length === 0) return
    const rows = batch.reduce((sum, call) => sum + call.rows.rows, 0)
    this.#work = this.answer(batch).then(() => {
      this.#work = undefined
      this.#takes += (performance.now() - began - this.#takes) / 4
      this.#company = this.line.calls > 0 ? rows : 0
      this.#plan()
    })
  }
}
