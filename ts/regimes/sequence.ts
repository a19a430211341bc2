/**
 * A regime of several stages: each stage is a run that starts from the result of the stage before, and one iterable returns
 * all reports. The regime describes its stages in a `Plan`; this file runs, records and resumes them.
 */
import { orAbort } from '../abort.js'
import { list, number, plain, reading, refuse, text, whole, words } from '../read.js'
import type { Dataset } from '../dataset.js'
import { calling, elsewhere, LimbeckError } from '../errors.js'
import { started } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import type { Model } from '../model/model.js'
import type { CheckpointOptions } from '../native/options.js'
import { Iterable } from '../iterable.js'
import type { Evaluation, RunSummary, StepReport } from '../report.js'
import type { Run } from '../run/run.js'
import { Manifest } from './manifest.js'

/** One run of a regime. */
export interface Stage<Label> {
  /** Its name in the run folder: `hop-0`. */
  name: string
  /** The fields that are added to each of its reports. */
  label: Label
  /** The model that it trains. */
  student: Model
  /** Its run, with or without a folder for its steps. */
  run(checkpoint: CheckpointOptions | undefined): Run
}

/** The result of a finished stage. */
export interface StageOutcome {
  stage: string
  summary: RunSummary
  /** The model of the stage on the validation rows, if there are any. */
  validation?: Evaluation
}

/** The stages of a regime. */
export interface Plan<Label, Outcome> {
  regime: string
  /** The stage after those that are done; undefined at the end. Called once for each stage, in order; also when a regime is resumed. */
  stage(done: readonly StageOutcome[]): Stage<Label> | undefined
  outcome(done: readonly StageOutcome[]): Outcome
  /** Runs that are checked before the first step; `place` translates the paths of their errors. */
  checks(): { run: Run; place: (path: string) => string }[]
  /** Everything that determines the result bit by bit, as plain JSON. */
  begun(): Promise<unknown>
  validation: Dataset | undefined
  checkpoint: Partial<CheckpointOptions> | undefined
  signal: AbortSignal | undefined
  /** Disposes of models that only the regime uses, at its end. */
  release?(): void
}

/** A report of a stage; the last one of the regime has its outcome. */
export type RegimeReport<Label, Outcome> = StepReport & Label & { outcome?: Outcome }

/**
 * Reports of a regime: `for await (const report of regime)`, or `await regime.finish()` if you need only the outcome.
 *
 * The last report of each stage has `summary`; the last report of all has `outcome` too.
 */
export class Sequence<Label extends object, Outcome> extends Iterable<RegimeReport<Label, Outcome>, Outcome> {
  readonly #plan: Plan<Label, Outcome> | { wrong: unknown }
  readonly #done: StageOutcome[] = []
  #manifest: Manifest | undefined
  #begun = false
  /** The current stage. */
  #stage: Stage<Label> | undefined
  #run: Run | undefined
  #ended = false
  #leaving = false
  #outcome: Outcome | undefined

  /** @internal */
  constructor(plan: () => Plan<Label, Outcome>) {
    super()
    try {
      this.#plan = reading('', plan)
      if (typeof this.#plan?.stage !== 'function') refuse('Sequence', 'a regime, such as bornAgain(…)', words('new Sequence(…)'))
    } catch (wrong) {
      this.#plan = { wrong }
    }
  }

  /** The next report. If an option of any stage is invalid, it rejects here, before the first step. */
  next(): Promise<IteratorResult<RegimeReport<Label, Outcome>, void>> {
    started(this)
    return this.inTurn(async () => {
      if (this.#ended) return { done: true, value: undefined }
      try {
        const report = await this.#report()
        if (report !== undefined) return { done: false, value: report }
      } catch (error) {
        this.#end()
        throw error
      }
      this.#end()
      return { done: true, value: undefined }
    })
  }

  /** Stops after the current step; the student of the current stage gets the parameters of that step. */
  async return(): Promise<IteratorResult<RegimeReport<Label, Outcome>, void>> {
    started(this)
    this.#leaving = true
    // Not through `inTurn`: this call ends the pending call of `next`.
    await this.#run?.return()
    return this.inTurn(async () => {
      await this.#run?.return()
      this.#end()
      return { done: true, value: undefined }
    })
  }

  protected ended(): Outcome {
    if (this.#outcome !== undefined) return this.#outcome
    throw new LimbeckError('ERR_LIMBECK_DISPOSED', '', 'the regime was stopped before its end, so it has no outcome')
  }

  /** The outcome of the regime; undefined before its last report. */
  get outcome(): Outcome | undefined {
    return this.#outcome
  }

  /** Writes a checkpoint of the current stage; resolves with its path once it is durable. */
  checkpoint(): Promise<string> {
    return this.inTurn(async () => {
      if (this.#ended) throw new LimbeckError('ERR_LIMBECK_DISPOSED', 'checkpoint', 'the regime has ended')
      if (this.#run !== undefined) return this.#run.checkpoint()
      // Between two stages, everything is already saved.
      if (this.#manifest !== undefined) return this.#manifest.path
      throw new LimbeckError('ERR_LIMBECK_BUSY', 'checkpoint', 'no stage is running: request a report first')
    })
  }

  /** Ends the regime at once and frees its native memory; the students keep their old parameters. */
  dispose(): void {
    started(this)
    this.#end()
  }

  async #report(): Promise<RegimeReport<Label, Outcome> | undefined> {
    const plan = this.#plan
    if ('wrong' in plan) throw plan.wrong
    plan.signal?.throwIfAborted()
    if (!this.#begun) {
      await this.#begin(plan)
      this.#begun = true
    }
    const stage = this.#stage
    if (stage === undefined || this.#leaving || this.#ended) return undefined
    this.#run ??= stage.run(this.#manifest?.checkpoint(stage.name, plan.checkpoint))
    const { done, value: report } = await this.#run.next()
    if (done === true) return undefined
    if (report.summary === undefined) return { ...report, ...stage.label }
    await this.#settle(plan, stage, report.summary)
    return { ...report, ...stage.label, ...(this.#outcome !== undefined && { outcome: this.#outcome }) }
  }

  /** Checks every stage, then goes to the first unfinished one. */
  async #begin(plan: Plan<Label, Outcome>): Promise<void> {
    for (const { run, place } of plan.checks()) {
      try {
        await run.check()
      } catch (error) {
        throw error instanceof LimbeckError ? elsewhere(error, place) : error
      }
    }
    const { checkpoint, regime } = plan
    if (checkpoint?.folder !== undefined) {
      const begun = await orAbort(plan.signal, () => plan.begun())
      this.#manifest = await Manifest.open(checkpoint.folder, regime, begun, checkpoint.resume === true)
    }
    this.#go(plan)
    while (this.#stage !== undefined) {
      const record = this.#manifest?.record(this.#stage.name, outcomeOf)
      if (record === undefined) return
      const { student, name } = this.#stage
      const [own, kept] = [modelOf('student', student), modelOf('student', await this.#manifest!.model(name))]
      calling(() => own.assume(kept))
      this.#done.push(record)
      this.#go(plan)
    }
  }

  /** Evaluates and records the student of a finished stage. */
  async #settle(plan: Plan<Label, Outcome>, stage: Stage<Label>, summary: RunSummary): Promise<void> {
    await this.#run?.next()
    this.#run = undefined
    const { validation } = plan
    const outcome: StageOutcome = { stage: stage.name, summary }
    if (validation !== undefined) outcome.validation = await orAbort(plan.signal, () => stage.student.evaluate(validation))
    await this.#manifest?.finish(stage.name, stage.student, outcome)
    this.#done.push(outcome)
    this.#go(plan)
  }

  /** Sets the stage after the finished ones. */
  #go(plan: Plan<Label, Outcome>): void {
    this.#stage = plan.stage(this.#done)
    if (this.#stage === undefined) this.#outcome = plan.outcome(this.#done)
  }

  /** However the regime ends, the run of the current stage releases its student and its memory. */
  #end(): void {
    this.#ended = true
    this.#run?.dispose()
    this.#run = undefined
    if (!('wrong' in this.#plan)) this.#plan.release?.()
    this.#stage = undefined
  }
}

/** Reads the record of a stage from a manifest, which is untrusted. */
function outcomeOf(path: string, record: unknown): StageOutcome {
  const own = plain(path, record, ['stage', 'summary', 'validation'])
  text(`${path}.stage`, own.stage)
  const { ended, steps, keptStep, seconds, best, origin, findings } = plain(`${path}.summary`, own.summary)
  text(`${path}.summary.ended`, ended)
  whole(`${path}.summary.steps`, steps, 0)
  whole(`${path}.summary.keptStep`, keptStep, 0)
  number(`${path}.summary.seconds`, seconds)
  list(`${path}.summary.findings`, findings).forEach((finding, at) => plain(`${path}.summary.findings[${at}]`, finding))
  if (best !== undefined) {
    const { metric, value } = plain(`${path}.summary.best`, best)
    text(`${path}.summary.best.metric`, metric)
    number(`${path}.summary.best.value`, value)
  }
  if (origin !== undefined) {
    const { numbers, fromTeacher, trained } = plain(`${path}.summary.origin`, origin)
    plain(`${path}.summary.origin.numbers`, numbers)
    number(`${path}.summary.origin.fromTeacher`, fromTeacher)
    whole(`${path}.summary.origin.trained`, trained, 0)
  }
  if (own.validation !== undefined) plain(`${path}.validation`, own.validation)
  return record as StageOutcome
}
