/**
 * Deep mutual learning: several students are trained together, each on the labels and on the predictions of the others.
 *
 * ```text
 * L_k = CE(y, q_k) + 1/(M − 1) · Σ_{j≠k} KL(q_j ‖ q_k)          q_j: probabilities of learner j of M, constant in L_k
 * ```
 *
 * Source: Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", 2018, arXiv:1706.00384. Where we differ: peers are in
 * training mode in both roles, and their sum is divided by M − 1. One native run trains all learners:
 * `crates/core/src/run/mutual.rs` has the other half of the formula and describes how they wait for each other.
 */
import { watch } from '../unstarted.js'
import type { Model } from '../model/model.js'
import type { LossesOptions, MutualOptions, TrainOptions } from '../native/options.js'
import type { LearnerReport, LearnerSummary, RunSummary, StepReport } from '../report.js'
import type { RunOptions } from '../run/options.js'
import { Run } from '../run/run.js'
import type { AnyTeacher } from '../teachers.js'

/** Options of one learner, which replace the shared ones. */
export type LearnerOptions = Partial<
  Pick<
    TrainOptions,
    | 'losses'
    | 'optimizer'
    | 'schedule'
    | 'clipNorm'
    | 'average'
    | 'freeze'
    | 'keep'
    | 'metric'
    | 'earlyStop'
    | 'combine'
    | 'permuteTeacher'
  >
>

export interface MutualRunOptions extends Omit<RunOptions, 'student' | 'losses' | 'control' | 'generator'>, Partial<MutualOptions> {
  /** Two or more models of any shape, with different start values. Each gets its new parameters at the end. */
  students: readonly Model[]
  /** The losses of each learner. In losses that compare with a teacher, the other learners are the teachers. */
  losses: LossesOptions
  /** For each student, options that replace the shared ones. */
  learners?: readonly LearnerOptions[]
  /** A frozen teacher in addition to the other learners. */
  teacher?: AnyTeacher
}

/** A report of learners that teach each other: `loss` is their mean. */
export type MutualReport = Omit<StepReport, 'terms' | 'gradientNorms' | 'gradientNorm' | 'validation' | 'control' | 'summary'> & {
  /** The numbers of each learner, in the order of `students`. */
  learners: LearnerReport[]
  /** Only in the last report. */
  summary?: RunSummary & { learners: LearnerSummary[] }
}

/**
 * Trains several students that teach each other.
 *
 * With `combine: 'probabilities'`, the mean of the peers is one teacher. Learners with the same start values would never
 * differ, so create each with another seed.
 *
 * ```ts
 * const run = distillMutually({ students: [small, other], data, validation, losses: { crossEntropy: {}, kl: {} }, epochs: 5 })
 * for await (const { step, learners } of run) console.log(step, learners.map(({ validation }) => validation?.accuracy))
 * ```
 */
export function distillMutually(options: MutualRunOptions): Run<MutualReport> {
  return watch('distillMutually', new Run<MutualReport>('distillMutually', options))
}
