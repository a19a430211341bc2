/** Reports that are pulled, one call after the other: what a run and a regime of several runs have in common. */
export abstract class Pulled<Report, Outcome> implements AsyncGenerator<Report, void, undefined> {
  #last: Promise<unknown> = Promise.resolve()

  abstract next(): Promise<IteratorResult<Report, void>>
  /** Stops after a whole step. `break` in a loop calls it. */
  abstract return(): Promise<IteratorResult<Report, void>>
  /** Ends it at once and gives its native memory back. */
  abstract dispose(): void
  /** What it was, once it has ended; an error where it was left before. */
  protected abstract ended(): Outcome

  /** Stops as `return` does, and rejects with the error. */
  async throw(error: unknown): Promise<IteratorResult<Report, void>> {
    await this.return()
    throw error
  }

  /** Runs to the end; gives what it was. */
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

  /** One call after the other, as a generator does it. */
  protected inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work)
    this.#last = mine.catch(() => {})
    return mine
  }
}
