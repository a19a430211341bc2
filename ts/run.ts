/**
 * A run as JavaScript sees it: reports that are pulled. Nothing is done before the first one is asked for, and a run
 * that is left stops after a whole step.
 */
import { withAbort } from './abort.js'
import { json, plain, reading, refuse, signalOf, text, whole, type Plain } from './check.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting, calling, causedBy, LimbeckError } from './errors.js'
import { meaningFor, modelFrom, modelOf, type Model } from './model.js'
import type { NativeDataset, NativeJob, NativeModel } from './native/contract.js'
import { models } from './native/handles.js'
import { native } from './native/load.js'
import type { CheckpointOptions, TrainOptions } from './native/options.js'
import { trainOptionKeys } from './native/options.js'
import type { RunSummary, StepReport } from './report.js'
import { BatchStream, isSource, Pump, type BatchSource } from './stream.js'
import { Teacher, type Answer } from './teacher.js'

/** What `train` and `distill` take beside the options of the training itself. */
export interface RunOptions extends Omit<TrainOptions, 'checkpoint'> {
  /** The model that learns; in the end it has the new parameters. Until then, and after an abort, it keeps its own. */
  student: Model
  /**
   * Rows to learn from: a data set, `Dataset.stream(…)`, an iterable of batches, or a function that makes one. Batches
   * are trained on as they come: `batchSize`, `shuffle` and `dropLast` are refused beside them.
   */
  data: Dataset | BatchStream | BatchSource
  /** Rows that are looked at but not learnt from. */
  validation?: Dataset | undefined
  /** Writes the whole state of the run to a folder, so that it can be resumed to the same bits. */
  checkpoint?: Omit<CheckpointOptions, 'folder'> & {
    /** The run folder; made if it is not there. Not needed beside `resume`. */
    folder?: string
  }
  /** Short for `checkpoint: { folder, resume: true }`: goes on from the newest checkpoint of a run folder, or begins it. */
  resume?: string
  /** Ends the run between two operations; it rejects with the signal's reason, and the student stays as it was. */
  signal?: AbortSignal | undefined
}

/** Which teacher a distilling run has: a model, a function, or the data's own column of logits. */
export type AnyTeacher = Model | Teacher | Answer

interface Setup {
  student: NativeModel
  teacher: NativeModel | Teacher | 'column' | undefined
  data: NativeDataset | BatchStream
  validation: NativeDataset | null
  options: string
  epochs: number
  signal: AbortSignal | undefined
}

/** The reason of a run that was left before its first step. */
const left = new Error('the run was left')

const ours = ['student', 'data', 'validation', 'resume', 'signal']

/**
 * Reports of a run: `for await (const report of run)`, or `await run.finish()` for the summary alone.
 *
 * A run that somebody awaits keeps the process alive; a paused, finished or unawaited one does not.
 */
export class Run implements AsyncGenerator<StepReport, void, undefined> {
  #setup: Setup | { wrong: unknown }
  #job: NativeJob | undefined
  #pump: Pump | undefined
  #state: 'created' | 'running' | 'ended' = 'created'
  #summary: RunSummary | undefined
  #control: Model | undefined
  #last: Promise<unknown> = Promise.resolve()
  /** Aborts when the run is left or disposed of: nobody waits for a teacher's answers then. */
  readonly #leaving = new AbortController()
  readonly #warned = new Set<string>()
  /** Says in errors of the run, which come later, where it was made. */
  readonly #made = new Error('the run was made here')

  /** @internal */
  constructor(method: 'train' | 'distill', options: unknown) {
    try {
      this.#setup = reading('', () => setup(method, options))
    } catch (wrong) {
      this.#setup = { wrong }
    }
  }

  /** The next report. What is wrong with the options rejects here, before the first step. */
  next(): Promise<IteratorResult<StepReport, void>> {
    return this.#inTurn(async () => {
      if (this.#state === 'ended') return { done: true, value: undefined }
      try {
        const report = await this.#report()
        if (report !== undefined) return { done: false, value: report }
      } catch (error) {
        if (error === left) {
          await this.#end()
          return { done: true, value: undefined }
        }
        const aborted = !('wrong' in this.#setup) && this.#setup.signal?.aborted === true
        await this.#end(!aborted)
        throw error instanceof LimbeckError ? causedBy(error, this.#made) : error
      }
      await this.#end()
      return { done: true, value: undefined }
    })
  }

  /** Stops after a whole step; the student gets the parameters of that step. `break` in a loop calls it. */
  return(): Promise<IteratorResult<StepReport, void>> {
    this.#leaving.abort(left)
    this.#job?.hurry()
    return this.#inTurn(async () => {
      const job = this.#job
      if (this.#state === 'running' && job !== undefined) {
        try {
          await awaiting(() => job.stop())
          this.#keepControl(job)
        } finally {
          await this.#end()
        }
      }
      this.#state = 'ended'
      return { done: true, value: undefined }
    })
  }

  /** Stops as `return` does, and rejects with the error. */
  async throw(error: unknown): Promise<IteratorResult<StepReport, void>> {
    await this.return()
    throw error
  }

  /** Runs to the end; gives what the run was. */
  async finish(): Promise<RunSummary> {
    for (;;) {
      const { done } = await this.next()
      if (done === true) break
    }
    if (this.#summary !== undefined) return this.#summary
    throw new LimbeckError('ERR_LIMBECK_DISPOSED', '', 'the run was left before its end: there is no summary')
  }

  /** What the run was; nothing before its last report. */
  get summary(): RunSummary | undefined {
    return this.#summary
  }

  /** Rejects with what is wrong with the options; nothing is begun. A teacher that is a function is not asked yet. */
  async check(): Promise<void> {
    const setup = this.#setup
    if ('wrong' in setup) throw setup.wrong
    if (setup.teacher instanceof Teacher) return
    const job = jobOf(setup, setup.data instanceof BatchStream ? null : setup.data)
    try {
      await awaiting(() => job.check())
    } finally {
      job.dispose()
    }
  }

  /** Writes a checkpoint to the folder of the option `checkpoint`; gives its path once it is durable. */
  checkpoint(): Promise<string> {
    return this.#inTurn(async () => {
      const job = this.#job
      if (this.#state === 'ended') throw new LimbeckError('ERR_LIMBECK_DISPOSED', 'checkpoint', 'the run has ended')
      if (job === undefined) throw new LimbeckError('ERR_LIMBECK_BUSY', 'checkpoint', 'the run has not begun: ask for a report first')
      return awaiting(() => job.checkpoint())
    })
  }

  /** After a run with `control: true`: the same student trained without teacher. */
  get control(): Model | undefined {
    return this.#control
  }

  /** Ends the run at once and gives its native memory back; the student keeps what it had. */
  dispose(): void {
    this.#state = 'ended'
    this.#leaving.abort(new LimbeckError('ERR_LIMBECK_CANCELLED', '', 'the run was disposed'))
    this.#job?.dispose()
    void this.#pump?.leave(false)
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
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work)
    this.#last = mine.catch(() => {})
    return mine
  }

  async #report(): Promise<StepReport | undefined> {
    const setup = this.#setup
    if ('wrong' in setup) throw setup.wrong
    const { signal } = setup
    signal?.throwIfAborted()
    const job = (this.#job ??= await this.#begin(setup))
    // Left or disposed of while it began: what was begun must not train.
    if (this.#state !== 'running') this.#leaving.signal.throwIfAborted()
    this.#state = 'running'
    this.#pump?.asked()
    let said: string | null
    try {
      said = await withAbort(signal, () => job.cancel(), () => awaiting(() => job.next()))
    } catch (error) {
      throw this.#pump?.failure !== undefined && !signal?.aborted ? this.#pump.failure.error : error
    } finally {
      this.#pump?.answered()
    }
    if (said === null) {
      this.#keepControl(job)
      return undefined
    }
    const report = JSON.parse(said) as StepReport
    this.#warn(report)
    if (report.summary !== undefined) {
      this.#summary = report.summary
      this.#keepControl(job)
    }
    return report
  }

  async #begin(setup: Setup): Promise<NativeJob> {
    const { teacher, data, epochs, signal } = setup
    let rows = data instanceof BatchStream ? null : data
    if (teacher instanceof Teacher) {
      const leaving = this.#leaving.signal
      rows = await teacher.answering(rows!, signal === undefined ? leaving : AbortSignal.any([signal, leaving]))
    }
    const job = jobOf(setup, rows)
    if (data instanceof BatchStream) {
      this.#pump = new Pump(job, data, epochs)
      void this.#pump.run()
    }
    return job
  }

  #keepControl(job: NativeJob): void {
    const control = calling(() => job.controlStudent())
    if (control !== null && control !== undefined) this.#control = modelFrom(control)
  }

  /** A run that looks like what it is not says so aloud, once a finding. */
  #warn({ findings }: StepReport): void {
    for (const { proof, path, message } of findings) {
      const key = `${proof} ${path}`
      if (this.#warned.has(key)) continue
      this.#warned.add(key)
      process.emitWarning(`${path}: ${message}`, { type: 'LimbeckWarning', code: 'LIMBECK_PROOF', detail: proof })
    }
  }

  async #end(wait = true): Promise<void> {
    this.#state = 'ended'
    this.#job?.dispose()
    await this.#pump?.leave(wait)
    this.#job = undefined
  }
}

function jobOf({ student, teacher, validation, options }: Setup, rows: NativeDataset | null): NativeJob {
  const column = teacher === 'column' || teacher instanceof Teacher
  const model = column || teacher === undefined ? null : teacher
  const { NativeJob } = native()
  return calling(() => new NativeJob(student, model, column, rows, validation, options))
}

function setup(method: 'train' | 'distill', options: unknown): Setup {
  const known = method === 'distill' ? ['teacher', ...ours] : ours
  const own = plain('', options, [...known, ...trainOptionKeys])
  const student = modelOf('student', own.student)
  if (own.losses === undefined) refuse('losses', 'at least one loss, such as { crossEntropy: {} }', undefined)
  const rest: Plain = Object.create(null) as Plain
  for (const [key, value] of Object.entries(own)) if (!known.includes(key)) rest[key] = value
  if (own.resume !== undefined) {
    const folder = text('resume', own.resume)
    const checkpoint = rest.checkpoint === undefined ? {} : plain('checkpoint', rest.checkpoint)
    if (checkpoint.folder !== undefined && checkpoint.folder !== folder) {
      refuse('resume', 'the folder of checkpoint, or checkpoint without one', folder)
    }
    rest.checkpoint = { ...checkpoint, folder, resume: true }
  }
  const teacher = method === 'distill' ? teacherOf(own.teacher, own.data, rest) : undefined
  const stream = streamOf(own.data, student)
  if (stream !== undefined && teacher instanceof Teacher) {
    refuse('teacher', 'a model, or batches with teacherLogits, for a stream', 'a function')
  }
  if (stream !== undefined) {
    for (const key of ['batchSize', 'shuffle', 'dropLast']) {
      if (rest[key] !== undefined) refuse(key, 'nothing beside a stream, whose batches are trained on as they come', rest[key])
    }
  }
  const epochs = stream === undefined ? 1 : streamEpochs(rest, stream)
  return {
    student,
    teacher,
    data: stream ?? datasetOf('data', own.data),
    validation: own.validation === undefined ? null : datasetOf('validation', own.validation),
    options: json('', rest),
    epochs,
    signal: signalOf('signal', own.signal),
  }
}

function teacherOf(teacher: unknown, data: unknown, rest: Plain): Setup['teacher'] {
  if (teacher === undefined) return 'column'
  const asked = typeof teacher === 'function' ? Teacher.fromFunction(teacher as Answer) : teacher
  if (!(asked instanceof Teacher)) {
    const handle = typeof asked === 'object' && asked !== null ? models.get(asked) : undefined
    return handle ?? refuse('teacher', 'a Model, a Teacher, a function, or nothing where the data have teacherLogits', teacher)
  }
  if (rest.augment !== undefined) {
    const message =
      'expected no augmentation beside a teacher that is a function: its answers belong to the inputs as they are'
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'augment', message)
  }
  return asked
}

function streamOf(data: unknown, student: NativeModel): BatchStream | undefined {
  if (data instanceof BatchStream) return data
  if (!isSource(data)) return undefined
  return new BatchStream(data, meaningFor(JSON.parse(calling(() => student.describe())) as { input: number[] }))
}

/** How often a stream is read; the native side sees one stream, so this option stays here. */
function streamEpochs(rest: Plain, { source }: BatchStream): number {
  const { epochs, steps } = rest
  if (epochs === undefined) return steps !== undefined && typeof source === 'function' ? Infinity : 1
  const count = whole('epochs', epochs, 1)
  if (count > 1 && typeof source !== 'function') {
    refuse('epochs', '1 for an iterable, which can be read once; a function that makes one can be read again', epochs)
  }
  delete rest.epochs
  return count
}
