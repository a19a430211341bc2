/**
 * Decides when the next batch is sent. Calls that arrive while a batch runs wait for the next one.
 *
 * If the service is idle, a call is sent at the end of this turn of the event loop, together with all other calls of the
 * turn, so a single caller never waits. If calls wait when a batch has been answered, the next batch is sent as soon as it
 * has as many rows as the last one had, or is full, or its oldest call has waited for `maxWaitMs`. A full batch is queued
 * behind the running one, so that the model is never idle between two batches.
 *
 * Source: Crankshaw, Wang, Zhou, Franklin, Gonzalez, Stoica, "Clipper: A Low-Latency Online Prediction Serving System",
 * 2017, arXiv:1612.03079, section 4.3 (adaptive and delayed batching). Where we differ: the size to wait for is that of
 * the last batch, and an idle service does not delay.
 */
import { Line, type Call } from './call.js'

/** How late a timer may fire. */
const TIMER_MS = 2

export class Batcher {
  readonly line = new Line()
  /** Rows of the last batch: the next batch waits for as many. */
  #lastRows = 0
  /** The number of running batches: 0, 1, or 2 if a full batch is queued behind the first. */
  #running = 0
  /** One promise per running batch, which resolves when its results have been handed out. */
  readonly #works = new Set<Promise<void>>()
  #going: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #timerDue = Infinity
  #hurried = false
  /** A moving average of the duration of a batch, in milliseconds. */
  #takes = 0

  constructor(
    readonly limits: { maxBatch: number; maxWaitMs: number; queue: number },
    /** Ends calls whose deadline has passed while they waited. */
    readonly expire: (call: Call) => void,
    /** Predicts a batch; returns the function that hands the results out. Never rejects. */
    readonly answer: (batch: Call[]) => Promise<() => void>,
  ) {}

  enter(call: Call): void {
    this.line.add(call)
    this.#plan(call)
  }

  leave(call: Call): void {
    this.line.remove(call)
    if (this.line.calls > 0) return
    // The next call finds an idle service.
    this.#lastRows = 0
    this.#forget()
  }

  /** Resolves when the batches that run now have been answered. */
  async between(): Promise<void> {
    await Promise.all(this.#works)
  }

  /** From now on no call waits for others. */
  hurry(): void {
    this.#hurried = true
    this.#plan()
  }

  #plan(added?: Call): void {
    if (this.#going !== undefined || this.line.calls === 0) return
    if (this.#running > 0) {
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

  /** Whether a full batch may be queued behind the running one. */
  #fits(): boolean {
    return this.#running === 1 && this.line.rows >= this.limits.maxBatch
  }

  /** Whether enough rows have arrived. */
  #ready(): boolean {
    return this.#hurried || this.line.rows >= Math.min(this.#lastRows, this.limits.maxBatch, this.limits.queue)
  }

  /** The time until which a call waits for others: at most half of the time to its deadline, and less if batches take long. */
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
    if (this.#running > 0 && !this.#fits()) return
    const batch = this.line.take(this.limits.maxBatch)
    if (batch.length === 0) return
    const rows = batch.reduce((sum, call) => sum + call.rows.rows, 0)
    this.#running++
    const work = this.answer(batch).then(handOut => {
      this.#running--
      this.#works.delete(work)
      const took = performance.now() - began
      this.#takes += (took - this.#takes) / (this.#takes === 0 ? 1 : 4)
      this.#lastRows = this.line.calls > 0 ? rows : 0
      if (this.#running === 0 && this.line.calls > 0 && this.#ready()) this.#go()
      handOut()
      this.#plan()
    })
    this.#works.add(work)
  }
}
