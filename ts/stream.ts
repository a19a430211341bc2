/** Batches from an async iterable, read at most two ahead of the trainer. */
import { setTimeout as later } from 'node:timers/promises'
import { reading, refuse, show } from './read.js'
import { type Columns, columnPath, packColumns } from './columns.js'
import type { Meaning } from './meaning.js'
import { awaiting, calling, LimbeckError } from './errors.js'
import type { NativeJob } from './native/contract.js'

/** An iterable of batches; each batch is an object of columns. */
export type Batches = AsyncIterable<Columns> | Iterable<Columns>

/** Batches, or a function that returns them: it is called again for every epoch, and when a run is resumed. */
export type BatchSource = Batches | (() => Batches)

/** Batches and the meaning of their columns. Created by `Dataset.stream`. */
export class BatchStream {
  constructor(
    readonly source: BatchSource,
    /** @internal */
    readonly meaning: Meaning,
  ) {
    if (typeof source !== 'function') makerOf(source)
  }
}

type AnyIterator = AsyncIterator<Columns> | Iterator<Columns>

function makerOf(batches: unknown): () => AnyIterator {
  const iterable = batches as Partial<AsyncIterable<Columns> & Iterable<Columns>> | null | undefined
  const make = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator]
  if (typeof make === 'function' && typeof batches !== 'string') return make.bind(batches as never) as () => AnyIterator
  return refuse('data', 'a Dataset, an async iterable of batches, or a function that makes one', batches)
}

/** Whether this can be read as a stream of batches. */
export function isSource(value: unknown): value is BatchSource {
  if (typeof value === 'function') return true
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && (Symbol.asyncIterator in value || Symbol.iterator in value)
}

/** How long a source may take to clean up when the run is stopped, in milliseconds. */
const PATIENCE = 1000

/**
 * Feeds a job from a source until the source ends or fails, or the run is stopped.
 *
 * It waits for room in the native queue only while a report is awaited, so that an idle run does not keep the process alive.
 */
export class Pump {
  #iterator: AnyIterator | undefined
  #left = false
  #asked: Gate = gate()
  /** The error that the source threw: the run rejects with it. */
  failure: { error: unknown } | undefined

  constructor(
    private readonly job: NativeJob,
    private readonly stream: BatchStream,
    private readonly epochs: number,
  ) {}

  /** Runs in parallel with the trainer; never rejects. */
  async run(): Promise<void> {
    try {
      let shortfall: string | undefined
      for (let epoch = 0; epoch < this.epochs && !this.#left; epoch++) {
        if ((await this.#epoch(epoch)) > 0) continue
        if (epoch > 0 && Number.isFinite(this.epochs)) shortfall = emptyEpoch(epoch, this.epochs)
        break
      }
      if (!this.#left) this.job.end(shortfall)
    } catch (error) {
      if (this.#left) return
      this.failure = { error }
      await this.#close()
      this.job.fail(error instanceof Error ? error.message : String(error))
    }
  }

  async #epoch(epoch: number): Promise<number> {
    const { source, meaning } = this.stream
    const iterator: unknown = makerOf(typeof source === 'function' ? source() : source)()
    const next = typeof iterator === 'object' && iterator !== null ? (iterator as Partial<AnyIterator>).next : undefined
    if (typeof next !== 'function') refuse('data', 'an iterable that returns an iterator', iterator)
    this.#iterator = iterator as AnyIterator
    for (let count = 0; ; count++) {
      const next: unknown = await this.#iterator.next()
      if (typeof next !== 'object' || next === null) refuse('data', 'an iterator whose next returns { done, value }', next)
      const { done, value } = next as IteratorResult<Columns>
      if (done === true) {
        this.#iterator = undefined
        return count
      }
      if (this.#left) return count
      const { json, buffers } = packed(value, meaning, count)
      const room = calling(
        () => this.job.push(epoch, json, buffers),
        path => inBatch(count, columnPath(path)),
      )
      if (!room) await this.#room()
      if (this.#left) return count
    }
  }

  async #room(): Promise<void> {
    while (!this.#left) {
      await this.#asked.opened
      if (this.#left || (await awaiting(() => this.job.room()))) return
    }
  }

  /** A report is awaited. */
  asked(): void {
    this.#asked.open()
  }

  /** No report is awaited any more. */
  answered(): void {
    this.#asked = gate()
  }

  /** The run has ended or was stopped: no more batches are read, and the source may clean up. */
  async leave(wait = true): Promise<void> {
    if (this.#left) return
    this.#left = true
    this.#asked.open()
    await this.#close(wait)
  }

  async #close(wait = true): Promise<void> {
    const iterator = this.#iterator
    this.#iterator = undefined
    if (iterator === undefined) return
    // In an async function: `return` may throw instead of returning a promise.
    const closing = (async () => iterator.return?.())().catch(() => {})
    // A source that hangs must not block the run.
    if (wait) await Promise.race([closing, later(PATIENCE, undefined, { ref: false })])
  }
}

function emptyEpoch(epoch: number, epochs: number): string {
  return `the source gave no batches in epoch ${epoch + 1} of ${epochs}: pass a function that creates the batches again for each epoch`
}

interface Gate {
  opened: Promise<void>
  open: () => void
}

function gate(): Gate {
  let open = () => {}
  const opened = new Promise<void>(resolve => (open = resolve))
  return { opened, open }
}

function packed(batch: unknown, meaning: Meaning, count: number) {
  try {
    return reading('columns', () => {
      if (typeof batch === 'object' && batch !== null && !Array.isArray(batch) && !ArrayBuffer.isView(batch)) return packColumns(batch, meaning)
      const message = `expected a batch { inputs, labels }, got ${show(batch)}; for arrays of all rows, use Dataset.from({ inputs, labels })`
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'columns', message)
    })
  } catch (error) {
    if (!(error instanceof LimbeckError)) throw error
    const message = error.path === '' ? error.message : error.message.slice(error.path.length + 2)
    throw new LimbeckError(error.code, inBatch(count, error.path), message, { cause: error.cause, ...error.details })
  }
}

function inBatch(count: number, path: string): string {
  return path === '' || path === 'columns' ? `data.batch[${count}]` : `data.batch[${count}].${path}`
}
