/** Request batching for a model: concurrent calls are predicted in batches, and the model can be swapped between two of them. */
import { listen } from '../abort.js'
import { number, plain, reading, refuse, signalOf, words } from '../read.js'
import type { InputColumns } from '../inputs.js'
import type { Meaning } from '../meaning.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import { describe } from '../model/handle.js'
import type { Description, NativeModel, NativePrediction } from '../native/contract.js'
import { isHandle, type ModelLike } from '../native/handles.js'
import { inputsOf, meaningFor, predicted, prediction } from '../prediction.js'
import { Batcher } from './batcher.js'
import type { Call, ServedPrediction } from './call.js'
import { Fallback } from './fallback.js'
import { LONGEST_MS, servingOf, type DrainOptions, type PredictOptions, type ServeOptions, type Serving } from './options.js'
import { busy, gone, late } from './refusals.js'
import { inPieces, largeOf } from './pieces.js'
import { copied, joined, rowsOf, Spares } from './rows.js'
import { Shadow } from './shadow.js'
import { Counters, type ServiceStats } from './stats.js'
import { mustAnswer, successorOf } from './successor.js'

const nothing = () => {}
const none: number[] = []

/**
 * Predicts concurrent calls in batches, with the same bits as `model.predict`. It keeps the process alive only while calls are
 * pending. Created by `model.serve`.
 *
 * ```ts
 * const service = student.serve({ maxBatch: 64, maxWaitMs: 2, queue: 1024 })
 * const { labels } = await service.predict({ inputs: oneImage }, { deadlineMs: 50 })
 * await service.swap(better)
 * await service.drain()
 * ```
 */
export class Service {
  /** A copy of the model that was passed; both share memory until that one is trained. */
  #model: { handle: NativeModel; generation: number }
  readonly #description: Description
  readonly #meaning: Meaning
  readonly #options: Serving
  readonly #batcher: Batcher
  readonly #shadow: Shadow | undefined
  readonly #fallback: Fallback | undefined
  readonly #counters = new Counters()
  readonly #inside = new Set<Call>()
  /** Memory of inputs is reused if only the batch reads them. */
  readonly #spares: Spares | undefined
  /** The time when the last batch was answered. */
  #batched = 0
  readonly #leaving = new AbortController()
  #state: 'open' | 'draining' | 'disposed' = 'open'
  #drained: Promise<void> | undefined
  #empty: (() => void) | undefined
  /** Resolves when the last swap has ended: swaps run one after the other. */
  #swapped: Promise<void> = Promise.resolve()

  /** @internal */
  constructor(handle: NativeModel, options: unknown) {
    if (!isHandle(handle)) refuse('Service', 'model.serve(…)', words('new Service(…)'))
    this.#description = describe(handle)
    const tokenizer = this.#description.texts ? calling(() => handle.tokenizer()) : undefined
    this.#meaning = meaningFor(this.#description, tokenizer ?? undefined)
    this.#options = reading('options', () => servingOf(options, this.#description))
    this.#model = { handle: calling(() => handle.clone()), generation: 0 }
    const { shadow, fallback, maxBatch } = this.#options
    this.#spares = shadow === undefined && fallback === undefined ? new Spares(4 * maxBatch) : undefined
    const { signal } = this.#leaving
    this.#shadow = shadow && new Shadow(shadow.model, shadow.fraction, maxBatch, signal)
    this.#fallback = fallback && new Fallback(fallback.model, fallback.below, this.#options, signal, call => this.#finish(call))
    this.#batcher = new Batcher(this.#options, call => this.#expire(call), batch => this.#answer(batch))
  }

  /** Does the same as `model.predict`, in a batch with other calls. */
  predict(columns: InputColumns, options: PredictOptions = {}): Promise<ServedPrediction> {
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
   * Replaces the model between two batches, without downtime: waiting calls are predicted by the new model, which must have
   * the same inputs and classes. Resolves when all batches use the new model and the old one's memory has been freed;
   * then you may train the passed model further or dispose of it. If it rejects, the old model continues to serve.
   */
  swap(model: ModelLike): Promise<void> {
    const swapping = this.#swap(model, this.#swapped)
    // A swap that is refused at once does not overtake those before it.
    this.#swapped = Promise.allSettled([this.#swapped, swapping]).then(nothing)
    // A new promise: a rejection that the caller does not handle is reported like any other.
    return swapping.then(nothing)
  }

  /** Counts, quantiles of the last minute, and the calls that wait now. */
  stats(): ServiceStats {
    const { rows, calls } = this.#batcher.line
    const stats = this.#counters.stats(performance.now(), this.#inside.size, { calls, rows })
    if (this.#shadow !== undefined) stats.shadow = this.#shadow.stats()
    if (this.#fallback !== undefined) stats.fallback = this.#fallback.stats()
    return stats
  }

  /**
   * Rejects new calls, answers pending ones without waiting for more, and frees the memory. After `deadlineMs`, calls that are
   * still pending reject with `ERR_LIMBECK_DISPOSED`.
   */
  drain(options: DrainOptions = {}): Promise<void> {
    const { deadlineMs = Infinity } = plain('options', options, ['deadlineMs'])
    const allowed = deadlineMs === Infinity ? Infinity : number('deadlineMs', deadlineMs)
    if (!(allowed >= 0)) refuse('deadlineMs', 'at least 0 milliseconds', deadlineMs)
    if (this.#state === 'open') this.#state = 'draining'
    this.#drained ??= new Promise<void>(resolve => (this.#empty = resolve)).then(() => this.dispose())
    this.#batcher.hurry()
    if (this.#inside.size === 0) this.#empty?.()
    if (allowed <= LONGEST_MS) {
      const timer = setTimeout(() => this.dispose(), allowed)
      void this.#drained.then(() => clearTimeout(timer))
    }
    return this.#drained
  }

  /** Rejects new calls and frees the memory at once; pending calls reject with `ERR_LIMBECK_DISPOSED`. */
  dispose(): void {
    if (this.#state === 'disposed') return
    this.#state = 'disposed'
    for (const call of this.#inside) this.#fail(call, gone('was disposed of while this call was pending'))
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
    const own = plain('options', options, ['signal', 'deadlineMs', 'context'])
    const signal = own.signal === undefined ? undefined : reading('signal', () => signalOf('signal', own.signal))
    const deadlineMs = own.deadlineMs === undefined ? Infinity : number('deadlineMs', own.deadlineMs)
    if (!(deadlineMs > 0)) refuse('deadlineMs', 'milliseconds above 0', deadlineMs)
    const { json, buffers } = inputsOf(columns, this.#meaning)
    if (signal?.aborted) {
      this.#counters.aborted++
      return reject(signal.reason)
    }
    this.#mustBeOpen()
    const arrived = performance.now()
    const rows = rowsOf(json, buffers)
    if (rows === undefined) {
      // The native side refuses it with the message of `predict`; no batch is disturbed.
      const alone = predicted(() => this.#model.handle.predict(json, buffers))
      this.#counters.failed++
      return void alone.then(() => reject(new LimbeckError('ERR_LIMBECK_INTERNAL', 'inputs', 'rows that cannot be counted')), reject)
    }
    const { line } = this.#batcher
    if (line.rows > 0 && line.rows + rows.rows > this.#options.queue) {
      this.#counters.refused++
      return reject(busy(line.rows, rows.rows, this.#options.queue))
    }
    const call: Call = {
      rows: this.#spares?.copy(rows) ?? { ...copied(rows), contexts: own.context === undefined ? undefined : new Array<unknown>(rows.rows).fill(own.context) },
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
      const rows = joined(batch.map(call => call.rows), true)
      const made = await inPieces(rows, Math.max(largeOf(handle), this.#options.maxBatch), ({ json, buffers }) => predicted(() => handle.predict(json, buffers)))
      const now = performance.now()
      this.#counters.batches++
      // A batch that was queued behind another began when the other one ended.
      this.#counters.batchMs.record(now - Math.max(began, this.#batched), now)
      this.#batched = now
      this.#counters.batchRows.record(rows.rows, now)
      return () => this.#handOut(batch, made, generation)
    } catch (error) {
      if (batch.length === 1) return () => this.#fail(batch[0]!, error)
      // A row is invalid: the batch is halved until only the call with this row fails.
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

  /** Resolves the call with the known result. */
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

  /** Removes a call; returns whether it was still pending. */
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
    if (this.#state === 'open') return
    throw gone(this.#state === 'draining' ? 'is being drained' : this.#drained === undefined ? 'was disposed of' : 'was drained')
  }

  async #swap(model: unknown, before: Promise<void>): Promise<void> {
    this.#mustBeOpen()
    // A model that does not fit is refused at once; the trial run waits for its turn.
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
    // Only a model that was trained has a kind of labels.
    this.#description.provenance = describe(handle).provenance
    this.#counters.swaps++
    this.#shadow?.restart(this.#model.generation)
    await this.#batcher.between()
    old.handle.dispose()
  }
}

/** A copy of the rows of one call. */
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
