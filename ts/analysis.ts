/** Diagnostics of a teacher and its student on labelled rows. */
import { orAbort, withAbort } from './abort.js'
import { json, plain, reading, refuse, signalOf } from './read.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting } from './errors.js'
import { modelOf } from './model/handle.js'
import type { Model } from './model/model.js'
import type { NativeModel } from './native/contract.js'
import { models } from './native/handles.js'
import { native } from './native/load.js'
import type { Analysis, Diagnostics } from './native/options.js'
import { Teacher, type Answer } from './teacher.js'

/** The models and rows to analyse; none of them is changed. */
export interface AnalyseOptions {
  /** The rows to analyse, with one label each. Use test rows, not the rows that the models were trained on. */
  data: Dataset
  /** Rows on which `calibration` fits temperatures. */
  validation?: Dataset | undefined
  /** A model, or a function that returns logits. Default: the column `teacherLogits` of the data, if there is one. */
  teacher?: Model | Teacher | Answer | undefined
  /** The distilled student. */
  student?: Model | undefined
  /** The same student trained without a teacher, such as `run.control`. */
  control?: Model | undefined
  /** When it aborts, the promise rejects at once with `signal.reason`, and the analysis stops before its next batch. */
  signal?: AbortSignal | undefined
}

/** An analysis that contains the chosen diagnostics. */
export type AnalysisOf<Chosen extends keyof Diagnostics> = Analysis & Required<Pick<Analysis, Chosen>>

const keys = ['data', 'validation', 'teacher', 'student', 'control', 'diagnostics', 'signal']

/**
 * Runs the chosen diagnostics, each with its options. Default: all diagnostics that these models and data allow; `leftOut`
 * gives the reason for each of the others. The computation does not block the event loop.
 *
 * ```ts
 * const { reweighting, calibration } = await analyse({
 *   teacher, student, data: test, validation, diagnostics: { reweighting: { temperature: 4 }, calibration: {} },
 * })
 * console.log(reweighting.weights.median, calibration.student?.after?.temperature)
 * ```
 */
export function analyse<Chosen extends keyof Diagnostics>(
  options: AnalyseOptions & { diagnostics: Pick<Required<Diagnostics>, Chosen> },
): Promise<AnalysisOf<Chosen>>
export function analyse(options: AnalyseOptions): Promise<Analysis>
export async function analyse(options: AnalyseOptions & { diagnostics?: Diagnostics }): Promise<Analysis> {
  const own = reading('', () => plain('', options, keys))
  const signal = signalOf('signal', own.signal)
  const chosen = own.diagnostics === undefined ? undefined : json('diagnostics', plain('diagnostics', own.diagnostics))
  const validation = own.validation === undefined ? null : datasetOf('validation', own.validation)
  const student = own.student === undefined ? null : modelOf('student', own.student)
  const control = own.control === undefined ? null : modelOf('control', own.control)
  const teacher = teacherOf(own.teacher)
  const data = datasetOf('data', own.data)
  const rows = teacher instanceof Teacher ? await teacher.answering(data, signal) : data
  const model = teacher instanceof Teacher ? null : teacher
  const { NativeCancel, analyse: run } = native()
  const cancel = new NativeCancel()
  const parts = {
    data: rows,
    cancel,
    ...(validation && { validation }),
    ...(model && { teacher: model }),
    ...(student && { student }),
    ...(control && { control }),
    ...(chosen !== undefined && { diagnostics: chosen }),
  }
  const said = await orAbort(signal, () => withAbort(signal, () => cancel.cancel(), () => awaiting(() => run(parts))))
  return JSON.parse(said) as Analysis
}

function teacherOf(teacher: unknown): NativeModel | Teacher | null {
  if (teacher === undefined) return null
  const asked = typeof teacher === 'function' ? Teacher.fromFunction(teacher as Answer) : teacher
  if (asked instanceof Teacher) return asked
  const handle = typeof asked === 'object' && asked !== null ? models.get(asked) : undefined
  return handle ?? refuse('teacher', 'a Model, a Teacher, a function, or nothing if the data have teacherLogits', teacher)
}
