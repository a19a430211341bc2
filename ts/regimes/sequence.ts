/**
 * A regime that is stages one after the other: each is a run of its own, what one made the next begins with, and all
 * reports come in one stream. What the stages are is said by the regime (`Plan`); this file runs, records and resumes
 * them.
 */
import { orAbort } from '../abort.js'
import { reading, refuse, words } from '../read.js'
import type { Dataset } from '../dataset.js'
import { calling, elsewhere, LimbeckError } from '../errors.js'
import { started } from '../unstarted.js'
import { modelOf, type Model } from '../model.js'
import type { CheckpointOptions } from '../native/options.js'
import { Iterable } from '../iterable.js'
import type { Evaluation, RunSummary, StepReport } from '../report.js'
import type { Run } from '../run.js'
import { Manifest } from './manifest.js'

/** One run of a regime. */
export interface Stage<Label> {
  /** Its name in the run folder: `hop-0`. */
  name: string
  /** What every report of it says beside its numbers. */
  label: Label
  /** The model that it makes: in the end it has the new parameters. */
  student: Model
  /** Its run, with or without a folder for its steps. */
  run(checkpoint: CheckpointOptions | undefined): Run
}

/** What a finished stage was. */
export interface StageOutcome {
  stage: string
  summary: RunSummary
  /** The model that was handed over, on the validation rows, where there are some. */
  validation?: Evaluation
}

/** What a regime says of itself. */
export interface Plan<Label, Outcome> {
  regime: string
  /** The stage after those that are done; nothing at the end. Asked once for each, in order, when resumed too. */
  stage(done: readonly StageOutcome[]): Stage<Label> | undefined
  outcome(done: readonly StageOutcome[]): Outcome
  /** Runs that are looked at before the first step, and what their errors' paths become. */
  checks(): { run: Run; place: (path: string) => string }[]
  /** What decides the bits, as plain JSON. */
  begun(): Promise<unknown>
  validation: Dataset | undefined
  checkpoint: Partial<CheckpointOptions> | undefined
  signal: AbortSignal | undefined
}

/** A report of a stage; the very last one of the regime holds its outcome. */
export type RegimeReport<Label, Outcome> = StepReport & Label & { outcome?: Outcome }

/**
 * Reports of a regime: `for await (const report of regime)`, or `await regime.finish()` for its outcome alone.
 *
 * `report.summary` stands in the last report of each stage, `report.outcome` in the very last one.
 */
export class Sequence<Label extends object, Outcome> extends Iterable<RegimeReport<Label, Outcome>, Outcome> {
  readonly #plan: Plan<Label, Outcome> | { wrong: unknown }
  readonly #done: StageOutcome[] = []
  #manifest: Manifest | undefined
  #begun = false
  /** The stage that is next, or under way. */
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

  /** The next report. What is wrong with the options of any stage rejects here, before the first step. */
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

  /** Stops after a whole step; the student of the stage that is under way gets the parameters of that step. */
  async return(): Promise<IteratorResult<RegimeReport<Label, Outcome>, void>> {
    started(this)
    this.#leaving = true
    // Not in turn: it is what ends the turn that waits for a report.
    await this.#run?.return()
    return this.inTurn(async () => {
      await this.#run?.return()
      this.#end()
      return { done: true, value: undefined }
    })
  }

  protected ended(): Outcome {
    if (this.#outcome !== undefined) return this.#outcome
    throw new LimbeckError('ERR_LIMBECK_DISPOSED', '', 'the regime was left before its end: there is no outcome')
  }

  /** What the regime was; nothing before its last report. */
  get outcome(): Outcome | undefined {
    return this.#outcome
  }

  /** Writes a checkpoint of the stage that is under way; gives its path once it is durable. */
  checkpoint(): Promise<string> {
    return this.inTurn(async () => {
      if (this.#ended) throw new LimbeckError('ERR_LIMBECK_DISPOSED', 'checkpoint', 'the regime has ended')
      if (this.#run !== undefined) return this.#run.checkpoint()
      // Between two stages everything is on the disk already.
      if (this.#manifest !== undefined) return this.#manifest.path
      throw new LimbeckError('ERR_LIMBECK_BUSY', 'checkpoint', 'no stage is under way: ask for a report first')
    })
  }

  /** Ends the regime at once and gives its native memory back; the students keep what they had. */
  dispose(): void {
    started(this)
    this.#run?.dispose()
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

  /** Looks at every stage, then goes to the first that is not done. */
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
      const record = this.#manifest?.record<StageOutcome>(this.#stage.name)
      if (record === undefined) return
      const { student, name } = this.#stage
      const [own, kept] = [modelOf('student', student), modelOf('student', await this.#manifest!.model(name))]
      calling(() => own.assume(kept))
      this.#done.push(record)
      this.#go(plan)
    }
  }

  /** Hands the stage's student over. */
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

  /** To the stage after those that are done. */
  #go(plan: Plan<Label, Outcome>): void {
    this.#stage = plan.stage(this.#done)
    if (this.#stage === undefined) this.#outcome = plan.outcome(this.#done)
  }

  #end(): void {
    this.#ended = true
    this.#run = undefined
    this.#stage = undefined
  }
}
