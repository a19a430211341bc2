/** An async iterable of reports, produced one call at a time: the base of a run and of a regime. */
export abstract class Iterable<Report, Outcome> implements AsyncGenerator<Report, void, undefined> {
  #last: Promise<unknown> = Promise.resolve()

  abstract next(): Promise<IteratorResult<Report, void>>
  /** Stops after the current step. `break` in a loop calls it. */
  abstract return(): Promise<IteratorResult<Report, void>>
  /** Ends it at once and releases its native memory. */
  abstract dispose(): void
  /** The outcome after the end; throws if the iteration was stopped before its end. */
  protected abstract ended(): Outcome

  /** Stops as `return` does, and rejects with the error. */
  async throw(error: unknown): Promise<IteratorResult<Report, void>> {
    await this.return()
    throw error
  }

  /** Runs to the end and returns the outcome. */
  async finish(): Promise<Outcome> {
    for (;;) {
      const { done } = await this.next()
      if (done === true) return this.ended()
    }
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Runs calls one after the other, as a generator does. */
  protected inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work)
    this.#last = mine.catch(() => {})
    return mine
  }
}
