/**
 * When the next batch goes. Calls that come while a batch is under way wait for the next.
 *
 * A call that comes to an idle service goes at the end of this turn of the event loop, together with all that came in
 * it: whoever is alone waits for nobody. A call that came while a batch was under way waits, when that one is answered,
 * until there are as many rows as that one had (so many callers there were), or as fit, or for `maxWaitMs` since it came.
 * A full batch, which nobody could join any more, goes while one is under way, so that the model need not wait for it.
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
  /** Batches that are under way: one, or a full one behind it. */
  #under = 0
  /** They resolve when their answers are handed out. */
  readonly #works = new Set<Promise<void>>()
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
    /** Answers a batch; gives what hands the answers out. Never rejects. */
    readonly answer: (batch: Call[]) => Promise<() => void>,
  ) {}

  enter(call: Call): void {
    this.line.add(call)
    this.#plan(call)
  }

  leave(call: Call): void {
    this.line.remove(call)
    if (this.line.calls > 0) return
    // Whoever comes next comes to an idle service.
    this.#company = 0
    this.#forget()
  }

  /** Resolves when what is under way now is answered. */
  async between(): Promise<void> {
    await Promise.all(this.#works)
  }

  /** From now on nobody waits for others. */
  hurry(): void {
    this.#hurried = true
    this.#plan()
  }

  #plan(added?: Call): void {
    if (this.#going !== undefined || this.line.calls === 0) return
    if (this.#under > 0) {
      if (this.#fits()) this.#going = setImmediate(() => this.#go())
      return
    }
    const due = added !== undefined && this.#timer !== undefined ? Math.min(this.#due(added), this.#timerDue) : this.#firstDue()
    const wait = this.#ready() ? 0 : due - performance.now()
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

  /** Whether there is a batch that may go behind the one that is under way. */
  #fits(): boolean {
    return this.#under === 1 && this.line.rows >= this.limits.maxBatch
  }

  /** Whether there are as many rows as a batch waits for. */
  #ready(): boolean {
    return this.#hurried || this.line.rows >= Math.min(this.#company, this.limits.maxBatch, this.limits.queue)
  }

  /** Until when a call waits for others: half the time that it has at most, and less where a batch takes longer. */
  #due({ arrived, deadline }: Call): number {
    return Math.min(arrived + this.limits.maxWaitMs, arrived + (deadline - arrived) / 2, deadline - 2 * this.#takes - TIMER_MS)
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
    this.#forget()
    const began = performance.now()
    for (const call of this.line) if (call.deadline <= began) this.expire(call)
    // Calls may have left meanwhile.
    if (this.#under > 0 && !this.#fits()) return
    const batch = this.line.take(this.limits.maxBatch)
    if (batch.length === 0) return
    const rows = batch.reduce((sum, call) => sum + call.rows.rows, 0)
    this.#under++
    const work = this.answer(batch).then(handOut => {
      this.#under--
      this.#works.delete(work)
      const took = performance.now() - began
      this.#takes += (took - this.#takes) / (this.#takes === 0 ? 1 : 4)
      this.#company = this.line.calls > 0 ? rows : 0
      if (this.#under === 0 && this.line.calls > 0 && this.#ready()) this.#go()
      handOut()
      this.#plan()
    })
    this.#works.add(work)
  }
}
