/**
 * Teacher assistants: if a teacher is much larger than the student, it teaches a model of a size in between, which then
 * teaches the student.
 *
 * ```text
 * s₀ teaches s₁, s₁ teaches s₂, …, sₙ₋₁ teaches sₙ          sizes s₀ > … > sₙ; each hop is an ordinary distillation
 * ```
 *
 * Each hop begins from scratch and learns from the best checkpoint of the one before. Source: Mirzadeh, Farajtabar, Li,
 * Levine, Matsukawa, Ghasemzadeh, "Improved Knowledge Distillation via Teacher Assistant", 2020, arXiv:1902.03393.
 * Where we differ: "best" is chosen on validation rows, never on those of a test.
 */
import { list, refuse, words } from '../read.js'
import { watch } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import type { Model } from '../model/model.js'
import type { AnyTeacher } from '../teachers.js'
import { begun, eachStage, readableAgain, sharedOf, stageOptions, stagePlace, stageRun, type RegimeOptions, type StageOptions } from './options.js'
import { Sequence, type Plan, type StageOutcome } from './sequence.js'

export interface ChainOptions extends RegimeOptions {
  /** The teacher of the first student: a model or a function. Default: the column `teacherLogits` of the data. */
  teacher?: AnyTeacher
  /**
   * The models to train, each from the one before: assistants from large to small, then the student itself. With a single
   * model this is `distill`. Each gets its new parameters when its hop is done.
   */
  students: readonly Model[]
  /** For each student, options that replace the shared ones. */
  hops?: readonly StageOptions[]
}

/** The hop of a report, counted from 0. */
export interface HopLabel {
  hop: number
  hops: number
}

/** The result of each hop. */
export interface ChainOutcome {
  hops: StageOutcome[]
}

/**
 * Distils along a list of students, one hop after the other.
 *
 * With validation rows, each hop passes on its student's best parameters (`keep: 'best'`), otherwise the last ones.
 *
 * ```ts
 * const chain = distillChain({ teacher, students: [assistant, student], data, validation, losses, hops: [{ epochs: 5 }, {}] })
 * for await (const { hop, step, validation } of chain) console.log(hop, step, validation?.accuracy)
 * ```
 */
export function distillChain(options: ChainOptions): Sequence<HopLabel, ChainOutcome> {
  return watch('distillChain', new Sequence(() => plan(options)))
}

function plan(given: unknown): Plan<HopLabel, ChainOutcome> {
  const shared = sharedOf(given, ['teacher', 'students', 'hops'])
  const { own, validation, checkpoint, signal } = shared
  const students = list('students', own.students) as Model[]
  if (students.length === 0) refuse('students', 'one student or more, with the assistants first', words('an empty list'))
  students.forEach((student, at) => {
    modelOf(`students[${at}]`, student)
    if (student === own.teacher || students.indexOf(student) !== at) refuse(`students[${at}]`, 'a different model for each hop', words('one that is already in the chain'))
  })
  const hops = eachStage('hops', own.hops, students.length)
  readableAgain(shared, students.length)
  const teacherOf = (hop: number) => (hop === 0 ? (own.teacher as AnyTeacher | undefined) : students[hop - 1])
  const runOf = (hop: number, checkpoint?: Parameters<typeof stageRun>[4]) =>
    stageRun(shared, stageOptions(shared.options, hops[hop]), students[hop]!, teacherOf(hop), checkpoint)
  return {
    regime: 'distillChain',
    stage: ({ length: hop }) =>
      hop === students.length
        ? undefined
        : { name: `hop-${hop}`, label: { hop, hops: students.length }, student: students[hop]!, run: checkpoint => runOf(hop, checkpoint) },
    outcome: done => ({ hops: [...done] }),
    checks: () => students.map((_, hop) => ({ run: runOf(hop), place: stagePlace(hops[hop]!, 'hops', 'students', hop) })),
    begun: () => begun(shared, { hops }, own.teacher, students),
    validation,
    checkpoint,
    signal,
  }
}
