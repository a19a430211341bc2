/**
 * A run: an async iterable of reports. It is lazy: it starts when the first report is requested. Leaving the loop stops it
 * after the current step.
 */
import { withAbort } from '../abort.js'
import { reading } from '../read.js'
import { awaiting, calling, causedBy, LimbeckError } from '../errors.js'
import { Iterable } from '../iterable.js'
import { modelFrom, type Model } from '../model/model.js'
import type { NativeDataset, NativeJob } from '../native/contract.js'
import { native } from '../native/load.js'
import type { RunSummary, StepReport } from '../report.js'
import { BatchStream, Pump } from '../stream.js'
import { started } from '../unstarted.js'
import { setup, signatureOf, type Method, type Setup } from './options.js'

/** The fields that all kinds of reports have. */
type CommonReport = Pick<StepReport, 'step' | 'findings' | 'summary'>

/** The abort reason of a run that was stopped before its first step. */
const left = new Error('the run was stopped')

/**
 * Reports of a run: `for await (const report of run)`, or `await run.finish()` if you need only the summary.
 *
 * A run keeps the process alive only while a report or its summary is awaited.
 */
export class Run<Report extends CommonReport = StepReport> extends Iterable<Report, RunSummary> {
  #setup: Setup | { wrong: unknown }
  #job: NativeJob | undefined
  #pump: Pump | undefined
  #state: 'created' | 'running' | 'ended' = 'created'
  #summary: RunSummary | undefined
  #control: Model | undefined
  /** Aborts when the run is stopped or disposed of: a teacher that is a function is then no longer awaited. */
  readonly #leaving = new AbortController()
  readonly #warned = new Set<string>()
  /** The cause of later errors: its stack shows where the run was created. */
  readonly #made = new Error('the run was created here')

  /** @internal */
  constructor(method: Method, options: unknown) {
    super()
    try {
      this.#setup = reading('', () => setup(method, options))
    } catch (wrong) {
      this.#setup = { wrong }
    }
  }

  /** The next report. If an option is invalid, it rejects here, before the first step. */
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

  /** Stops after the current step; the student gets the parameters of that step. `break` in a loop calls it. */
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
    throw new LimbeckError('ERR_LIMBECK_DISPOSED', '', 'the run was stopped before its end, so it has no summary')
  }

  /** The summary of the run; undefined before its last report. */
  get summary(): RunSummary | undefined {
    return this.#summary
  }

  /** Checks all options and rejects if one is invalid. Nothing is trained, and a teacher that is a function is not called. */
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

  /** Writes a checkpoint to the folder of the option `checkpoint`; resolves with its path once it is durable. */
  checkpoint(): Promise<string> {
    return this.inTurn(async () => {
      const job = this.#job
      if (this.#state === 'ended') throw new LimbeckError('ERR_LIMBECK_DISPOSED', 'checkpoint', 'the run has ended')
      if (job === undefined) throw new LimbeckError('ERR_LIMBECK_BUSY', 'checkpoint', 'the run has not started: request a report first')
      return awaiting(() => job.checkpoint())
    })
  }

  /** After a run with `control: true`: the same student trained without a teacher. */
  get control(): Model | undefined {
    return this.#control
  }

  /** Ends the run at once and frees its native memory; the student keeps its old parameters. */
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
    // The run was stopped or disposed of while it started, so it must not train.
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
    // The run was disposed of before this report arrived.
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

  /** Prints each finding once, as a warning. */
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
