/** The reports of a run. */
import type { ProofName } from './native/options.js'

/** A number, a list, or a table, for example with one line per class. */
export type Measure = number | readonly Measure[] | { readonly [name: string]: Measure }

/** The metrics of a model on some rows. A metric that cannot be computed from the data is missing. */
export interface Evaluation {
  /** The number of rows whose weight is not 0. Every metric weights the rows. */
  rows: number
  /** Share of rows whose largest logit is the label. */
  accuracy?: number
  /** Cross entropy for classes, mean squared error for real numbers. */
  loss?: number
  /** Share of rows where student and teacher have the same largest logit. */
  agreement?: number
  /** Every other requested metric, by name. */
  [metric: string]: Measure | undefined
}

/** A sign that the run may be meaningless, found by a proof. */
export interface Finding {
  /** The proof that found it; `docs/proofs.md` describes each. */
  proof: ProofName
  /** The subject of the finding: `teacher`, `losses.kl`, a parameter. */
  path: string
  /** The observation and the remedy. */
  message: string
}

/** The fields that the reports of all kinds of runs have. */
export type AnyReport = Pick<StepReport, 'step' | 'steps' | 'epoch' | 'loss' | 'learningRate' | 'rowsPerSecond' | 'findings'> &
  Partial<Pick<StepReport, 'terms' | 'validation' | 'summary'>>

/** The numbers of one learner for the steps since the last report. */
interface LearningNumbers {
  /** Mean over the steps since the last report: Σ weight · value. */
  loss: number
  /** Unweighted value of each loss, mean over those steps. */
  terms: Record<string, number>
  /** Norm of each weighted loss's gradient at the student's outputs, at the last step. */
  gradientNorms: Record<string, number>
  /** Further numbers of a loss, as shares of the rows: `{ triplet: { openHinges: 0.4 } }`. */
  details?: Record<string, Record<string, number>>
  /** Global norm of the parameters' gradients at the last step, before clipping. */
  gradientNorm?: number
  learningRate: number
}

/** Numbers of the steps since the last report. */
export interface StepReport extends LearningNumbers {
  /** Optimizer steps done. */
  step: number
  /** The number of steps of the whole run, if it is known. */
  steps?: number
  /** The epoch of the last step, counted from 0; undefined for a stream. */
  epoch?: number
  rowsPerSecond: number
  validation?: Evaluation
  /** The same student trained without a teacher, if the option `control` is set. */
  control?: { loss: number; validation?: Evaluation }
  /** The findings of the proofs so far; empty if there are none. */
  findings: Finding[]
  /**
   * The checkpoint that was written since the last report: its label, such as `step 50`; in the last report, the path of its
   * file. Missing if there was none.
   */
  checkpoint?: string
  /** Only in the last report. */
  summary?: RunSummary
}

/** The numbers of one of several learners since the last report. */
export interface LearnerReport extends LearningNumbers {
  /** Also has `entropy`, the mean entropy of its predictions, and `peerAgreement`, the share of rows where a peer predicts the same class. */
  validation?: Evaluation
}

/** The parameters that one of several learners kept. */
export interface LearnerSummary {
  keptStep: number
  best?: Best
}

/** The best validation: its step, and the metric that it was chosen by. */
export interface Best {
  step: number
  metric: string
  value: number
  /** Whether a higher or a lower value is better. */
  better: 'higher' | 'lower'
}

/** The summary of a run. */
export interface RunSummary {
  ended: 'finished' | 'earlyStop'
  steps: number
  /** Undefined for a stream. */
  epochs?: number
  seconds: number
  /** The step whose parameters were kept. */
  keptStep: number
  best?: Best
  /** The teacher on the validation rows, if there are any. */
  teacher?: Evaluation
  /** Training rows for which the teacher was run in this process. */
  teacherRows: number
  /** Whether the student gave the same outputs after it was saved and loaded again. */
  reloaded: boolean
  /** Set if the run was resumed after its end, so that no step was left. */
  finishedBefore?: true
  /** How much of the student was made from the teacher, if a generator made it. */
  origin?: Origin
  findings: Finding[]
}

/** How much of a student was made from its teacher. */
export interface Origin {
  /** The count of the student's numbers by the rule that made them: `{ full: 4096, fresh: 10 }`. */
  numbers: Record<string, number>
  /** Share of the student's numbers that were made from the teacher's; 0…1. */
  fromTeacher: number
  /** The count of numbers that phase 1 trained to make the student. */
  trained: number
  /** Layers of the teacher that were not used. */
  unused: string[]
}
