/**
 * A run as JavaScript sees it: reports that are pulled. Nothing is done before the first one is asked for, and a run
 * that is left stops after a whole step.
 */
import { withAbort } from './abort.js'
import { json, list, plain, reading, refuse, signalOf, text, whole, words, type Plain } from './read.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting, calling, causedBy, LimbeckError } from './errors.js'
import { started } from './unstarted.js'
import { modelFrom, modelOf, type Model } from './model.js'
import type { NativeDataset, NativeJob, NativeModel } from './native/contract.js'
import { native } from './native/load.js'
import type { CheckpointOptions, TrainOptions } from './native/options.js'
import { trainOptionKeys } from './native/options.js'
import { meaningFor, type Description } from './prediction.js'
import { Iterable } from './iterable.js'
import type { RunSummary, StepReport } from './report.js'
import { BatchStream, isSource, Pump, type BatchSource } from './stream.js'
import { nobody, teachingOf, type Teaching } from './teachers.js'

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

type Method = 'train' | 'distill' | 'distillMutually'

/** What all kinds of reports say. */
type CommonReport = Pick<StepReport, 'step' | 'findings' | 'summary'>

interface Setup {
  /** One, or learners that teach each other. */
  students: NativeModel[]
  /** What several learners have beside the options of the first. */
  mutual: string | undefined
  /** What the native side's paths become. */
  place: (path: string) => string
  teaching: Teaching
  data: NativeDataset | BatchStream
  validation: NativeDataset | null
  options: string
  epochs: number
  signal: AbortSignal | undefined
}

/** What each of several learners may have for itself. */
export const learnerKeys: readonly string[] = [
  'losses',
  'optimizer',
  'schedule',
  'clipNorm',
  'average',
  'freeze',
  'keep',
  'metric',
  'earlyStop',
  'combine',
  'permuteTeacher',
]

/** The reason of a run that was left before its first step. */
const left = new Error('the run was left')

const ours = ['data', 'validation', 'resume', 'signal']
const keysOf: Record<Method, readonly string[]> = {
  train: ['student', ...ours],
  distill: ['teacher', 'student', ...ours],
  distillMutually: ['teacher', 'teacherWeight', 'updates', 'students', 'learners', ...ours],
}

/**
 * Reports of a run: `for await (const report of run)`, or `await run.finish()` for the summary alone.
 *
 * A run that somebody awaits keeps the process alive; a paused, finished or unawaited one does not.
 */
export class Run<Report extends CommonReport = StepReport> extends Iterable<Report, RunSummary> {
  #setup: Setup | { wrong: unknown }
  #job: NativeJob | undefined
  #pump: Pump | undefined
  #state: 'created' | 'running' | 'ended' = 'created'
  #summary: RunSummary | undefined
  #control: Model | undefined
  /** Aborts when the run is left or disposed of: nobody waits for a teacher's answers then. */
  readonly #leaving = new AbortController()
  readonly #warned = new Set<string>()
  /** Says in errors of the run, which come later, where it was made. */
  readonly #made = new Error('the run was made here')

  /** @internal */
  constructor(method: Method, options: unknown) {
    super()
    try {
      this.#setup = reading('', () => setup(method, options))
    } catch (wrong) {
      this.#setup = { wrong }
    }
  }

  /** The next report. What is wrong with the options rejects here, before the first step. */
  next(): Promise<IteratorResult<Report, void>> {
    started(this)
    return this.inTurn(async () => {
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
  return(): Promise<IteratorResult<Report, void>> {
    started(this)
    this.#leaving.abort(left)
    this.#job?.hurry()
    return this.inTurn(async () => {
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

  protected ended(): RunSummary {
    if (this.#summary !== undefined) return this.#summary
    throw new LimbeckError('ERR_LIMBECK_DISPOSED', '', 'the run was left before its end: there is no summary')
  }

  /** What the run was; nothing before its last report. */
  get summary(): RunSummary | undefined {
    return this.#summary
  }

  /** Rejects with what is wrong with the options; nothing is begun. A teacher that is a function is not asked yet. */
  async check(): Promise<void> {
    started(this)
    const setup = this.#setup
    if ('wrong' in setup) throw setup.wrong
    if (setup.teaching.asked !== undefined) return
    const { data } = setup
    const job = jobOf(setup, data instanceof BatchStream ? null : data)
    if (data instanceof BatchStream) calling(() => job.describeStream(signatureOf(data)))
    try {
      await awaiting(() => job.check(), setup.place)
    } finally {
      job.dispose()
    }
  }

  /** Writes a checkpoint to the folder of the option `checkpoint`; gives its path once it is durable. */
  checkpoint(): Promise<string> {
    return this.inTurn(async () => {
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
    started(this)
    this.#state = 'ended'
    this.#leaving.abort(new LimbeckError('ERR_LIMBECK_CANCELLED', '', 'the run was disposed'))
    this.#job?.dispose()
    void this.#pump?.leave(false)
  }

  async #report(): Promise<Report | undefined> {
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
      said = await withAbort(signal, () => job.cancel(), () => awaiting(() => job.next(), setup.place))
    } catch (error) {
      throw this.#pump?.failure !== undefined && !signal?.aborted ? this.#pump.failure.error : error
    } finally {
      this.#pump?.answered()
    }
    // A report that was on its way when the run was disposed of is nobody's.
    const { aborted, reason } = this.#leaving.signal
    if (aborted && reason !== left) throw reason
    if (said === null) {
      this.#keepControl(job)
      return undefined
    }
    const report = JSON.parse(said) as Report
    this.#warn(report)
    if (report.summary !== undefined) {
      this.#summary = report.summary
      this.#keepControl(job)
    }
    return report
  }

  async #begin(setup: Setup): Promise<NativeJob> {
    const { teaching, data, epochs, signal } = setup
    let rows = data instanceof BatchStream ? null : data
    if (teaching.asked !== undefined) {
      const leaving = this.#leaving.signal
      rows = await teaching.asked.answering(rows!, signal === undefined ? leaving : AbortSignal.any([signal, leaving]))
    }
    const job = jobOf(setup, rows)
    if (data instanceof BatchStream) {
      calling(() => job.describeStream(signatureOf(data)))
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
  #warn({ findings }: CommonReport): void {
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

function jobOf({ students, teaching, validation, options, mutual, place }: Setup, rows: NativeDataset | null): NativeJob {
  const { NativeJob } = native()
  const parts = {
    students,
    models: teaching.models,
    options,
    teachers: teaching.json,
    ...(rows && { data: rows }),
    ...(validation && { validation }),
    ...(mutual !== undefined && { mutual }),
  }
  return calling(() => new NativeJob(parts), place)
}

function setup(method: Method, options: unknown): Setup {
  const known = keysOf[method]
  const own = plain('', options, [...known, ...trainOptionKeys])
  const students =
    method === 'distillMutually'
      ? list('students', own.students).map((student, at) => modelOf(`students[${at}]`, student))
      : [modelOf('student', own.student)]
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
  const shared = Object.keys(rest)
  const mutual = method === 'distillMutually' ? mutualOf(own, rest, students) : undefined
  const taught = method === 'distill' || own.teacher !== undefined
  const teaching = taught ? teachingOf(own.teacher) : nobody
  if (teaching.asked !== undefined && rest.augment !== undefined) {
    const message =
      'expected no augmentation beside a teacher that is a function: its answers belong to the inputs as they are'
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'augment', message)
  }
  const stream = streamOf(own.data, students[0]!)
  if (stream !== undefined && teaching.asked !== undefined) {
    refuse('teacher', 'a model, or batches with teacherLogits, for a stream', words('a function'))
  }
  if (stream !== undefined) {
    for (const key of ['batchSize', 'shuffle', 'dropLast']) {
      if (rest[key] !== undefined) refuse(key, 'nothing beside a stream, whose batches are trained on as they come', rest[key])
    }
  }
  const epochs = stream === undefined ? 1 : streamEpochs(rest, stream)
  return {
    students,
    mutual: mutual?.json,
    place: mutual === undefined ? path => path : mutualPlace(mutual.own, shared),
    teaching,
    data: stream ?? datasetOf('data', own.data),
    validation: own.validation === undefined ? null : datasetOf('validation', own.validation),
    options: json('', rest),
    epochs,
    signal: signalOf('signal', own.signal),
  }
}

/** Options of their own of learners that teach each other; those of the first are put into `rest`. */
function mutualOf({ updates, teacherWeight, learners }: Plain, rest: Plain, students: readonly NativeModel[]): { json: string; own: Plain[] } {
  if (students.length < 2) {
    const message = `expected two learners or more, which teach each other, got ${students.length}: use distill or train`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'students', message)
  }
  students.forEach((student, at) => {
    if (students.indexOf(student) !== at) refuse(`students[${at}]`, 'a model of its own', words('one that stands there already'))
  })
  const given = learners === undefined ? students.map(() => ({})) : list('learners', learners)
  const own = given.map((one, at) => plain(`learners[${at}]`, one, learnerKeys))
  if (own.length !== students.length) refuse('learners', `one entry a student, ${students.length}`, own.length)
  const each = own.map(one => ({ ...rest, ...one }))
  Object.assign(rest, each[0])
  const options = { ...(updates !== undefined && { updates }), ...(teacherWeight !== undefined && { teacherWeight }) }
  return { json: json('', { options, others: each.slice(1) }), own }
}

/** `students[1].losses.kl` is `learners[1].losses.kl` where those are its own, and `losses.kl` where all have them. */
function mutualPlace(own: readonly Plain[], shared: readonly string[]): (path: string) => string {
  return path => {
    if (path.startsWith('options.')) return path.slice('options.'.length)
    const named = /^(students|others)\[(\d+)\]\.(.*)$/.exec(path)
    const [number, rest] = named === null ? [0, path] : [Number(named[2]) + (named[1] === 'others' ? 1 : 0), named[3]!]
    const key = /^\w*/.exec(rest)![0]
    if (Object.hasOwn(own[number] ?? {}, key)) return `learners[${number}].${rest}`
    return shared.includes(key) && number === 0 ? rest : named === null ? path : `students[${number}].${rest}`
  }
}

/** A stream whose batches say nothing of what they are is read as the student reads rows. */
function streamOf(data: unknown, student: NativeModel): BatchStream | undefined {
  if (!(data instanceof BatchStream) && !isSource(data)) return undefined
  const known = meaningFor(JSON.parse(calling(() => student.describe())) as Description)
  if (!(data instanceof BatchStream)) return new BatchStream(data, known)
  return new BatchStream(data.source, { ...data.meaning, bytes: known.bytes, open: false })
}

/** What the batches of a stream know of themselves. */
function signatureOf({ meaning: { inputNames, labelNames, scale, offset } }: BatchStream): string {
  const bytes = scale === undefined && offset === undefined ? undefined : { scale: scale ?? 1 / 255, offset: offset ?? 0 }
  return JSON.stringify({ inputNames, labelNames, bytes })
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
