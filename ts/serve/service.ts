/** A model behind a door: concurrent calls are answered in batches, and the model is replaced between two of them. */
import { listen } from '../abort.js'
import { number, plain, reading, refuse, signalOf } from '../check.js'
import { packInputs, type Inputs } from '../columns.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import type { Model } from '../model.js'
import type { NativeModel, NativePrediction } from '../native/contract.js'
import { models } from '../native/handles.js'
import { meaningFor, prediction, type Description, type Prediction } from '../prediction.js'
import { Batcher } from './batcher.js'
import type { Call, Known } from './call.js'
import { Fallback } from './fallback.js'
import { mustFit } from './fits.js'
import { LONGEST_MS, servingOf, type PredictOptions, type ServeOptions, type Serving } from './options.js'
import { copied, joined, rowsOf, zeros } from './rows.js'
import { Shadow } from './shadow.js'
import { Counters, type ServiceStats } from './stats.js'

/** What a service says of some rows. */
export interface ServedPrediction extends Prediction {
  /** Who answered each row. */
  answeredBy: ('model' | 'fallback')[]
  /** Which model served: 0 the first one, one more with each swap. */
  generation: number
}

const gone = (what: string) => new LimbeckError('ERR_LIMBECK_DISPOSED', 'service', `expected a service that takes calls, got one that ${what}`)

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
  readonly #options: Serving
  readonly #batcher: Batcher
  readonly #shadow: Shadow | undefined
  readonly #fallback: Fallback | undefined
  readonly #counters = new Counters()
  readonly #inside = new Set<Call>()
  readonly #leaving = new AbortController()
  #state: 'open' | 'draining' | 'disposed' = 'open'
  #drained: Promise<void> | undefined
  #empty: (() => void) | undefined
  /** Swaps take turns. */
  #swapped: Promise<unknown> = Promise.resolve()

  /** @internal */
  constructor(handle: NativeModel, options: unknown) {
    this.#description = describe(handle)
    this.#options = reading('options', () => servingOf(options, this.#description))
    this.#model = { handle: calling(() => handle.clone()), generation: 0 }
    const { shadow, fallback, maxBatch } = this.#options
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
   * and its classes must be the same. Resolves when all answers come from the new one and the old one's memory is given
   * back; the model that is passed may be trained further or disposed of then. Where it rejects, the old one serves on.
   */
  swap(model: Model): Promise<void> {
    const before = this.#swapped
    // What is wrong with it is said at once; what it answers is tried in turn.
    const swapping = this.#next(model).then(async handle => {
      await before
      await this.#take(handle)
    })
    this.#swapped = swapping.catch(() => {})
    return swapping
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
    const signal = reading('signal', () => signalOf('signal', own.signal))
    const deadlineMs = own.deadlineMs === undefined ? Infinity : number('deadlineMs', own.deadlineMs)
    if (!(deadlineMs > 0)) refuse('deadlineMs', 'milliseconds above 0', deadlineMs)
    const { json, buffers } = reading('inputs', () => packInputs(columns, meaningFor(this.#description)))
    if (signal?.aborted) {
      this.#counters.aborted++
      return reject(signal.reason)
    }
    if (this.#state !== 'open') throw gone(this.#state === 'draining' ? 'is being drained' : 'was disposed of')
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
      ...{ rows: copied(rows), arrived, deadline: arrived + deadlineMs, known: undefined, settled: false },
      ...{ resolve, reject, leave: () => {} },
    }
    const timer = deadlineMs <= LONGEST_MS ? setTimeout(() => this.#expire(call), deadlineMs) : undefined
    const ignore = signal && listen(signal, () => this.#abort(call, signal))
    call.leave = () => {
      clearTimeout(timer)
      ignore?.()
    }
    this.#inside.add(call)
    this.#batcher.enter(call)
  }

  async #answer(batch: Call[]): Promise<void> {
    const { handle, generation } = this.#model
    const began = performance.now()
    try {
      const { json, buffers, rows } = joined(batch.map(call => call.rows))
      const made = await awaiting(() => handle.predict(json, buffers))
      const now = performance.now()
      this.#counters.batches++
      this.#counters.batchMs.record(now - began, now)
      this.#counters.batchRows.record(rows, now)
      let from = 0
      for (const call of batch) {
        if (!call.settled) this.#answered(call, batch.length === 1 ? made : part(made, from, call.rows.rows), generation)
        from += call.rows.rows
      }
    } catch (error) {
      // Somebody's row is bad: each call is asked about alone, so that it fails alone.
      if (batch.length === 1) this.#fail(batch[0]!, error)
      else for (const call of batch) if (!call.settled) await this.#answer([call])
    }
  }

  #answered(call: Call, made: NativePrediction, generation: number): void {
    const places = this.#fallback?.unsure(made) ?? []
    const answeredBy: Known['answeredBy'] = Array.from({ length: made.rows }, () => 'model')
    call.known = { made, answeredBy, generation, asking: places.length }
    this.#shadow?.hear(call.rows, made.labels, generation)
    if (places.length === 0 || !this.#fallback!.take(call, places)) this.#finish(call)
  }

  /** Gives the answer that is known. */
  #finish(call: Call): void {
    const { made, answeredBy, generation } = call.known!
    const answer = { ...prediction(made, this.#description), answeredBy, generation }
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
    const given = Math.round((call.deadline - call.arrived) * 1000) / 1000
    const message = `expected an answer within ${given} ms, got none: answer 503, allow more time, or serve with a smaller queue, which refuses at once`
    call.reject(new LimbeckError('ERR_LIMBECK_DEADLINE', 'deadlineMs', message, { deadlineMs: given }))
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
    if (this.#inside.size === 0) this.#empty?.()
    return true
  }

  /** A copy of a model that fits. */
  async #next(model: unknown): Promise<NativeModel> {
    if (this.#state !== 'open') throw gone(this.#state === 'draining' ? 'is being drained' : 'was disposed of')
    const handle = typeof model === 'object' && model !== null ? models.get(model) : undefined
    if (handle === undefined) return refuse('model', 'a Model', model)
    mustFit('model', describe(handle), this.#description, 'alike')
    return calling(() => handle.clone())
  }

  async #take(handle: NativeModel): Promise<void> {
    try {
      // Draws start values and finds out what is broken, beside the batches.
      const { json, buffers } = zeros(meaningFor(this.#description))
      const { logits } = await awaiting(() => handle.predict(json, buffers, 'fallback'))
      const wrong = logits.find(logit => !Number.isFinite(logit))
      if (wrong !== undefined) {
        const message = `expected finite logits for a row of zeros, got ${wrong}: the model before it serves on`
        throw new LimbeckError('ERR_LIMBECK_NOT_FINITE', 'model', message)
      }
      if (this.#state !== 'open') throw gone('ended before the model could be swapped')
    } catch (error) {
      handle.dispose()
      throw error
    }
    const old = this.#model
    this.#model = { handle, generation: old.generation + 1 }
    this.#counters.swaps++
    this.#shadow?.restart(this.#model.generation)
    await this.#batcher.between()
    old.handle.dispose()
  }
}

function describe(handle: NativeModel): Description {
  return JSON.parse(calling(() => handle.describe())) as Description
}

function busy(waiting: number, rows: number, queue: number): LimbeckError {
  const message =
    `expected at most ${queue} waiting rows, got ${waiting} and ${rows} more: calls come faster than they are answered; ` +
    'answer 503 and let them come again later, raise queue, or serve with more processes'
  return new LimbeckError('ERR_LIMBECK_BUSY', 'queue', message, { waiting, rows, queue })
}

/** A call's own rows: what it gets is nobody else's memory. */
function part({ classes, logits, probabilities, labels }: NativePrediction, from: number, rows: number): NativePrediction {
  const [first, last] = [from * classes, (from + rows) * classes]
  return {
    ...{ rows, classes },
    logits: logits.slice(first, last),
    probabilities: probabilities.slice(first, last),
    labels: labels.slice(from, from + rows),
  }
}
