/** A model behind a door: concurrent calls are answered in batches, and the model is replaced between two of them. */
import { listen } from '../abort.js'
import { number, plain, reading, refuse, signalOf, words } from '../read.js'
import { packInputs } from '../columns.js'
import type { Inputs } from '../inputs.js'
import type { Meaning } from '../meaning.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import type { Model } from '../model.js'
import type { NativeModel, NativePrediction } from '../native/contract.js'
import { isHandle } from '../native/handles.js'
import { meaningFor, prediction, type Description, type Prediction } from '../prediction.js'
import { Batcher } from './batcher.js'
import type { Call } from './call.js'
import { Fallback } from './fallback.js'
import { LONGEST_MS, servingOf, type PredictOptions, type ServeOptions, type Serving } from './options.js'
import { busy, gone, late } from './refusals.js'
import { copied, joined, rowsOf, Spares } from './rows.js'
import { Shadow } from './shadow.js'
import { Counters, type ServiceStats } from './stats.js'
import { describe, mustAnswer, successorOf } from './successor.js'

/** What a service says of some rows. */
export interface ServedPrediction extends Prediction {
  /** Who answered each row. */
  answeredBy: ('model' | 'fallback')[]
  /** Which model served: 0 the first one, one more with each swap. */
  generation: number
}

const nothing = () => {}
const none: number[] = []

/**
 * Answers concurrent calls in batches, bit for bit as `predict` does. It keeps the process alive only while calls are inside.
 *
 * ```ts
 * const service = student.serve({ maxBatch: 64, maxWaitMs: 2, queue: 1024 })
 * const { labels } = await service.predict({ inputs: oneImage }, { deadlineMs: 50 })
 * await service.swap(better)
 * await service.drain()
 * ```
 */
export class Service {
  /** Its own copy, which shares memory with the one that was passed until that is trained. */
  #model: { handle: NativeModel; generation: number }
  readonly #description: Description
  readonly #meaning: Meaning
  readonly #options: Serving
  readonly #batcher: Batcher
  readonly #shadow: Shadow | undefined
  readonly #fallback: Fallback | undefined
  readonly #counters = new Counters()
  readonly #inside = new Set<Call>()
  /** Where nobody but the batch looks at inputs, their memory is used again. */
  readonly #spares: Spares | undefined
  /** When the last batch was answered. */
  #batched = 0
  readonly #leaving = new AbortController()
  #state: 'open' | 'draining' | 'disposed' = 'open'
  #drained: Promise<void> | undefined
  #empty: (() => void) | undefined
  /** Swaps take turns. */
  #swapped: Promise<void> = Promise.resolve()

  /** @internal */
  constructor(handle: NativeModel, options: unknown) {
    if (!isHandle(handle)) refuse('Service', 'model.serve(…)', words('new Service(…)'))
    this.#description = describe(handle)
    this.#meaning = meaningFor(this.#description)
    this.#options = reading('options', () => servingOf(options, this.#description))
    this.#model = { handle: calling(() => handle.clone()), generation: 0 }
    const { shadow, fallback, maxBatch } = this.#options
    this.#spares = shadow === undefined && fallback === undefined ? new Spares(4 * maxBatch) : undefined
    const { signal } = this.#leaving
    this.#shadow = shadow && new Shadow(shadow.model, shadow.fraction, maxBatch, signal)
    this.#fallback = fallback && new Fallback(fallback.model, fallback.below, this.#options, signal, call => this.#finish(call))
    this.#batcher = new Batcher(this.#options, call => this.#expire(call), batch => this.#answer(batch))
  }

  /** The same as `model.predict`, in a batch with other calls. */
  predict(columns: { inputs: Inputs }, options: PredictOptions = {}): Promise<ServedPrediction> {
    return new Promise((resolve, reject) => {
      try {
        this.#enter(columns, options, resolve, reject)
      } catch (error) {
        this.#counters.failed++
        reject(error)
      }
    })
  }

  /**
   * Replaces the model between two batches: no call is lost, and whoever waits gets the new one's answer. What it reads
   * and its classes must be the same. Resolves when all batches are the new one's and the old one's memory is given
   * back; the model that is passed may be trained further or disposed of then. Where it rejects, the old one serves on.
   */
  swap(model: Model): Promise<void> {
    const swapping = this.#swap(model, this.#swapped)
    // One that is refused at once does not overtake those before it. What became of them is kept by nobody.
    this.#swapped = Promise.allSettled([this.#swapped, swapping]).then(nothing)
    // A promise of its own: a failure that nobody looks at is reported as any other.
    return swapping.then(nothing)
  }

  /** Counts, quantiles of the last minute, and what waits now. */
  stats(): ServiceStats {
    const { rows, calls } = this.#batcher.line
    const stats = this.#counters.stats(performance.now(), this.#inside.size, { calls, rows })
    if (this.#shadow !== undefined) stats.shadow = this.#shadow.stats()
    if (this.#fallback !== undefined) stats.fallback = this.#fallback.stats()
    return stats
  }

  /** Takes no more calls, answers those that are inside without waiting for others, and gives the memory back. */
  drain(): Promise<void> {
    if (this.#drained !== undefined) return this.#drained
    if (this.#state === 'open') this.#state = 'draining'
    const empty = new Promise<void>(resolve => (this.#empty = resolve))
    this.#drained = empty.then(() => this.dispose())
    this.#batcher.hurry()
    if (this.#inside.size === 0) this.#empty?.()
    return this.#drained
  }

  /** Takes no more calls and gives the memory back at once; each call that is inside rejects with `ERR_LIMBECK_DISPOSED`. */
  dispose(): void {
    if (this.#state === 'disposed') return
    this.#state = 'disposed'
    for (const call of this.#inside) this.#fail(call, gone('was disposed of while this call was inside'))
    this.#empty?.()
    this.#leaving.abort(gone('was disposed of'))
    this.#model.handle.dispose()
    this.#options.shadow?.model.release()
    this.#options.fallback?.model.release()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  #enter(columns: unknown, options: unknown, resolve: (answer: ServedPrediction) => void, reject: (reason: unknown) => void): void {
    const own = plain('options', options, ['signal', 'deadlineMs'])
    const signal = own.signal === undefined ? undefined : reading('signal', () => signalOf('signal', own.signal))
    const deadlineMs = own.deadlineMs === undefined ? Infinity : number('deadlineMs', own.deadlineMs)
    if (!(deadlineMs > 0)) refuse('deadlineMs', 'milliseconds above 0', deadlineMs)
    const { json, buffers } = reading('inputs', () => packInputs(columns, this.#meaning))
    if (signal?.aborted) {
      this.#counters.aborted++
      return reject(signal.reason)
    }
    this.#mustBeOpen()
    const arrived = performance.now()
    const rows = rowsOf(json, buffers)
    if (rows === undefined) {
      // It is refused there, in the words of `predict`, and disturbs no batch.
      const alone = awaiting(() => this.#model.handle.predict(json, buffers))
      this.#counters.failed++
      return void alone.then(() => reject(new LimbeckError('ERR_LIMBECK_INTERNAL', 'inputs', 'rows that cannot be counted')), reject)
    }
    const { line } = this.#batcher
    if (line.rows > 0 && line.rows + rows.rows > this.#options.queue) {
      this.#counters.refused++
      return reject(busy(line.rows, rows.rows, this.#options.queue))
    }
    const call: Call = {
      rows: this.#spares?.copy(rows) ?? copied(rows),
      arrived,
      deadline: arrived + deadlineMs,
      known: undefined,
      settled: false,
      resolve,
      reject,
      leave: nothing,
    }
    const timer = deadlineMs <= LONGEST_MS ? setTimeout(() => this.#expire(call), deadlineMs) : undefined
    const ignore = signal && listen(signal, () => this.#abort(call, signal))
    if (timer !== undefined || ignore !== undefined) {
      call.leave = () => {
        clearTimeout(timer)
        ignore?.()
      }
    }
    this.#inside.add(call)
    this.#batcher.enter(call)
  }

  async #answer(batch: Call[]): Promise<() => void> {
    const { handle, generation } = this.#model
    const began = performance.now()
    try {
      const { json, buffers, rows } = joined(batch.map(call => call.rows), true)
      const made = await awaiting(() => handle.predict(json, buffers))
      const now = performance.now()
      this.#counters.batches++
      // One that waited behind another began when that was done.
      this.#counters.batchMs.record(now - Math.max(began, this.#batched), now)
      this.#batched = now
      this.#counters.batchRows.record(rows, now)
      return () => this.#handOut(batch, made, generation)
    } catch (error) {
      if (batch.length === 1) return () => this.#fail(batch[0]!, error)
      // Somebody's row is bad: halves are asked about until it is alone, so that it fails alone.
      const calls = batch.filter(call => !call.settled)
      const middle = calls.length >> 1
      for (const half of [calls.slice(0, middle), calls.slice(middle)]) if (half.length > 0) (await this.#answer(half))()
      return nothing
    }
  }

  #handOut(batch: readonly Call[], made: NativePrediction, generation: number): void {
    let from = 0
    for (const call of batch) {
      try {
        if (!call.settled) this.#answered(call, batch.length === 1 ? made : part(made, from, call.rows.rows), generation)
      } catch (error) {
        this.#fail(call, error)
      }
      from += call.rows.rows
      this.#spares?.give(call.rows)
    }
  }

  #answered(call: Call, made: NativePrediction, generation: number): void {
    const places = this.#fallback?.unsure(made) ?? none
    const answeredBy = new Array<'model' | 'fallback'>(made.rows).fill('model')
    call.known = { made, answeredBy, generation, asking: places.length }
    this.#shadow?.hear(call.rows, made.labels, generation)
    if (places.length === 0 || !this.#fallback!.take(call, places)) this.#finish(call)
  }

  /** Gives the answer that is known. */
  #finish(call: Call): void {
    const { made, answeredBy, generation } = call.known!
    let answer: ServedPrediction
    try {
      answer = Object.assign(prediction(made, this.#description), { answeredBy, generation })
    } catch (error) {
      return this.#fail(call, error)
    }
    if (!this.#settle(call)) return
    const now = performance.now()
    this.#counters.served++
    this.#counters.servedRows += made.rows
    this.#counters.latency.record(now - call.arrived, now)
    call.resolve(answer)
  }

  #abort(call: Call, signal: AbortSignal): void {
    if (!this.#settle(call)) return
    this.#counters.aborted++
    call.reject(signal.reason)
  }

  #expire(call: Call): void {
    if (call.settled) return
    if (call.known !== undefined) {
      this.#fallback?.missed(call.known.asking)
      return this.#finish(call)
    }
    this.#settle(call)
    this.#counters.expired++
    call.reject(late(call.deadline - call.arrived))
  }

  #fail(call: Call, error: unknown): void {
    if (!this.#settle(call)) return
    this.#counters.failed++
    call.reject(error)
  }

  /** Takes a call out; whether it was still inside. */
  #settle(call: Call): boolean {
    if (call.settled) return false
    call.settled = true
    call.leave()
    this.#inside.delete(call)
    this.#batcher.leave(call)
    this.#fallback?.leave(call)
    if (this.#inside.size === 0) this.#empty?.()
    return true
  }

  #mustBeOpen(): void {
    if (this.#state !== 'open') throw gone(this.#state === 'draining' ? 'is being drained' : 'was disposed of')
  }

  async #swap(model: unknown, before: Promise<void>): Promise<void> {
    this.#mustBeOpen()
    // What does not fit is refused at once; what it answers is tried in turn.
    const handle = successorOf(model, this.#description)
    try {
      await before
      await mustAnswer(handle, this.#meaning)
      this.#mustBeOpen()
    } catch (error) {
      handle.dispose()
      throw error
    }
    const old = this.#model
    this.#model = { handle, generation: old.generation + 1 }
    // Of one that was not trained nobody knows what its labels are.
    this.#description.provenance = describe(handle).provenance
    this.#counters.swaps++
    this.#shadow?.restart(this.#model.generation)
    await this.#batcher.between()
    old.handle.dispose()
  }
}

/** A call's own rows: what it gets is nobody else's memory. */
function part({ classes, logits, probabilities, labels }: NativePrediction, from: number, rows: number): NativePrediction {
  const first = from * classes
  const last = first + rows * classes
  return {
    rows,
    classes,
    logits: logits.slice(first, last),
    probabilities: probabilities.slice(first, last),
    labels: labels.slice(from, from + rows),
  }
}
