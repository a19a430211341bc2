/**
 * Deep mutual learning: several students learn together, each from the labels and from what the others say.
 *
 * ```text
 * L_k = CE(y, q_k) + 1/(M − 1) · Σ_{j≠k} KL(q_j ‖ q_k)          q_j: what learner j of M says, constant in L_k
 * ```
 *
 * Source: Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", 2018, arXiv:1706.00384. Where we differ: peers are in
 * training mode in both roles, and their sum is divided by M − 1. One native run; the formula's other half, and how the
 * learners wait for each other, is in `crates/core/src/run/mutual.rs`.
 */
import { watch } from '../unstarted.js'
import type { Model } from '../model.js'
import type { LossesOptions, MutualOptions, TrainOptions } from '../native/options.js'
import type { LearnerReport, LearnerSummary, RunSummary, StepReport } from '../report.js'
import { Run, type RunOptions } from '../run.js'
import type { AnyTeacher } from '../teachers.js'

/** What a learner may have for itself, in the place of what all have. */
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
  /** Two or more learners of any shape, with start values of their own. In the end each has its new parameters. */
  students: readonly Model[]
  /** What each learner minimises: losses that compare with a teacher compare with the other learners. */
  losses: LossesOptions
  /** For each student the options that are its own, in the place of those beside them. */
  learners?: readonly LearnerOptions[]
  /** A frozen teacher beside them. */
  teacher?: AnyTeacher
}

/** A report of learners that teach each other: `loss` is their mean. */
export type MutualReport = Omit<StepReport, 'terms' | 'gradientNorms' | 'gradientNorm' | 'validation' | 'control' | 'summary'> & {
  /** What each of them did, in the order of `students`. */
  learners: LearnerReport[]
  /** Stands in the last report alone. */
  summary?: RunSummary & { learners: LearnerSummary[] }
}

/**
 * Trains several students that teach each other.
 *
 * `combine: 'probabilities'` makes one teacher of the peers, their mean. Learners that begin as equals say the same for
 * ever: create each with a seed of its own.
 *
 * ```ts
 * const run = distillMutually({ students: [small, other], data, validation, losses: { crossEntropy: {}, kl: {} }, epochs: 5 })
 * for await (const { step, learners } of run) console.log(step, learners.map(({ validation }) => validation?.accuracy))
 * ```
 */
export function distillMutually(options: MutualRunOptions): Run<MutualReport> {
  return watch('distillMutually', new Run<MutualReport>('distillMutually', options))
}
