/**
 * Which assistants to use between a teacher and its student: a search over all paths, and a rule without a search.
 *
 * ```text
 * paths: every subset of m assistants, in their order: 2ᵐ          rule: the assistant whose accuracy, trained from
 *                                                                  scratch, is nearest (teacher + student) / 2
 * ```
 *
 * Source: Mirzadeh et al., "Improved Knowledge Distillation via Teacher Assistant", 2020, arXiv:1902.03393, sections 4
 * and 5 (the best path is found among all; the mean of the accuracies finds a good assistant). Where we differ: the best
 * path is chosen on validation rows, and hops that paths share are trained once.
 */
import { list, number, plain, refuse, whole, words } from '../read.js'
import { calling } from '../errors.js'
import { watch } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import type { Model } from '../model/model.js'
import type { Evaluation } from '../report.js'
import type { AnyTeacher } from '../teachers.js'
import { begun, readableAgain, score, sharedOf, stagePlace, stageRun, type RegimeOptions } from './options.js'
import { Sequence, type Plan } from './sequence.js'

/** The largest number of assistants in a search: m assistants have 2ᵐ paths. */
const MOST = 12

/** Every path through some of the assistants, as a list of their indices in ascending order; the empty path has no assistant. */
export function assistantPaths(assistants: number): number[][] {
  const count = whole('assistants', assistants, 0)
  if (count > MOST) refuse('assistants', `at most ${MOST}, since each one doubles the number of paths`, assistants)
  const from = (first: number): number[][] => {
    const paths: number[][] = [[]]
    for (let next = first; next < count; next++) paths.push(...from(next + 1).map(rest => [next, ...rest]))
    return paths
  }
  return from(0)
}

/**
 * The index of the assistant whose accuracy, trained from scratch, is nearest to the mean of teacher and student.
 *
 * ```ts
 * nearestAssistant({ teacher: 0.98, student: 0.9, assistants: [0.975, 0.95, 0.92] }) // 1: the mean is 0.94
 * ```
 */
export function nearestAssistant(accuracies: { teacher: number; student: number; assistants: readonly number[] }): number {
  const own = plain('accuracies', accuracies, ['teacher', 'student', 'assistants'])
  const mean = (number('teacher', own.teacher) + number('student', own.student)) / 2
  const distances = list('assistants', own.assistants).map((accuracy, at) => Math.abs(number(`assistants[${at}]`, accuracy) - mean))
  if (distances.length === 0) refuse('assistants', 'the accuracy of one or more', words('none'))
  return distances.indexOf(Math.min(...distances))
}

export interface PathOptions extends RegimeOptions {
  teacher?: AnyTeacher
  /** Assistants from large to small. Each path trains copies of them from the same start values. */
  assistants: readonly Model[]
  /** At the end it has the parameters of the best path. */
  student: Model
}

/** Which path a report belongs to: its assistants so far, and whether an assistant or the student is trained. */
export interface PathLabel {
  path: number[]
  learns: 'assistant' | 'student'
}

export interface PathOutcome {
  /** The student at the end of each path. */
  paths: { assistants: number[]; validation: Evaluation }[]
  /** The assistants of the path whose student is best on the validation rows. */
  best: number[]
}

/** Trains the student along every path through the assistants: 2ᵐ students and 2ᵐ − 1 assistants for m of them. */
export function searchPaths(options: PathOptions): Sequence<PathLabel, PathOutcome> {
  return watch('searchPaths', new Sequence(() => plan(options)))
}

function plan(given: unknown): Plan<PathLabel, PathOutcome> {
  const shared = sharedOf(given, ['teacher', 'assistants', 'student'])
  const { own, options, validation, checkpoint, signal } = shared
  const student = own.student as Model
  modelOf('student', student)
  const assistants = list('assistants', own.assistants) as Model[]
  assistants.forEach((assistant, at) => modelOf(`assistants[${at}]`, assistant))
  if (validation === undefined) refuse('validation', 'rows on which the best path is chosen', validation)
  // The last assistant of a path is trained before its student, and shorter paths are trained first.
  const paths = assistantPaths(assistants.length)
  const stages = paths.flatMap(path => [...(path.length > 0 ? [{ path, learns: 'assistant' as const }] : []), { path, learns: 'student' as const }])
  readableAgain(shared, stages.length)
  const made = new Map<string, Model>()
  const key = (path: number[]) => path.join('-')
  const nameOf = ({ path, learns }: PathLabel) => `path${path.map(at => `-${at}`).join('')}${learns === 'student' ? '-student' : ''}`
  const teacherOf = ({ path, learns }: PathLabel): AnyTeacher | undefined => {
    const before = learns === 'student' ? path : path.slice(0, -1)
    return before.length === 0 ? (own.teacher as AnyTeacher | undefined) : made.get(key(before))
  }
  const students = new Map<string, Model>()
  return {
    regime: 'searchPaths',
    stage: ({ length: at }) => {
      const stage = stages[at]
      if (stage === undefined) return undefined
      const learner = (stage.learns === 'student' ? student : assistants[stage.path.at(-1)!]!).clone()
      const place = stage.learns === 'student' ? students : made
      place.set(key(stage.path), learner)
      return {
        name: nameOf(stage),
        label: stage,
        student: learner,
        run: checkpoint => stageRun(shared, options, learner, teacherOf(stage), checkpoint),
      }
    },
    outcome: done => {
      const ends = stages.flatMap((stage, at) => (stage.learns === 'student' ? [{ path: stage.path, stage: done[at]! }] : []))
      const scores = ends.map(end => score(end.stage))
      const best = ends[scores.indexOf(Math.max(...scores))]!.path
      calling(() => modelOf('student', student).assume(modelOf('student', students.get(key(best)))))
      return { paths: ends.map(({ path, stage }) => ({ assistants: path, validation: stage.validation! })), best }
    },
    checks: () =>
      [...assistants, student].map((learner, at, all) => ({
        run: stageRun(shared, options, learner, at === 0 ? (own.teacher as AnyTeacher | undefined) : all[at - 1]),
        place: at === assistants.length ? path => path : stagePlace({}, '', 'assistants', at),
      })),
    release: () => {
      for (const model of [...made.values(), ...students.values()]) model.dispose()
    },
    begun: () => begun(shared, { assistants: assistants.map(assistant => assistant.architecture) }, own.teacher, [student]),
    validation,
    checkpoint,
    signal,
  }
}
