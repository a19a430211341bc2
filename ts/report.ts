/** The reports of a run. */
import type { ProofName } from './native/options.js'

/** A number, a list, or a table such as one line per class. */
export type Measure = number | readonly Measure[] | { readonly [name: string]: Measure }

/** How good a model is on some rows. A number that cannot be computed from the data is left out. */
export interface Evaluation {
  /** The rows that count: those of weight 0 do not. In every metric a row counts by its weight. */
  rows: number
  /** Share of rows whose largest logit is the label. */
  accuracy?: number
  /** Cross entropy for classes, mean squared error for real numbers. */
  loss?: number
  /** Share of rows where student and teacher have the same largest logit. */
  agreement?: number
  /** Every other metric that was asked for, by name. */
  [metric: string]: Measure | undefined
}

/** Something that a proof found: the run may not be what it looks like. */
export interface Finding {
  /** The proof that found it; `docs/proofs.md` describes each. */
  proof: ProofName
  /** What it is about: `teacher`, `losses.kl`, a parameter. */
  path: string
  /** What was seen, and the remedy. */
  message: string
}

/** What reports of every kind of run have. */
export type AnyReport = Pick<StepReport, 'step' | 'steps' | 'epoch' | 'loss' | 'learningRate' | 'rowsPerSecond' | 'findings'> &
  Partial<Pick<StepReport, 'terms' | 'validation' | 'summary'>>

/** What a learner did in the steps since the last report. */
interface LearningNumbers {
  /** Mean over the steps since the last report: Σ weight · value. */
  loss: number
  /** Unweighted value of each loss, mean over those steps. */
  terms: Record<string, number>
  /** Norm of each weighted loss's gradient at the student's outputs, at the last step. */
  gradientNorms: Record<string, number>
  /** What a loss counts in addition to its value, as shares of the rows: `{ triplet: { openHinges: 0.4 } }`. */
  details?: Record<string, Record<string, number>>
  /** Global norm of the parameters' gradients at the last step, before clipping. */
  gradientNorm?: number
  learningRate: number
}

/** Numbers of the steps since the last report. */
export interface StepReport extends LearningNumbers {
  /** Optimizer steps done. */
  step: number
  /** All steps of the run, if they are known. */
  steps?: number
  /** The epoch of the last step, counted from 0; undefined for a stream. */
  epoch?: number
  rowsPerSecond: number
  validation?: Evaluation
  /** The same student trained without teacher, if the option `control` is set. */
  control?: { loss: number; validation?: Evaluation }
  /** What the proofs found so far; empty in a sound run. */
  findings: Finding[]
  /** The checkpoint that was written since the last report. */
  checkpoint?: string
  /** Only in the last report. */
  summary?: RunSummary
}

/** One of several learners: what it did since the last report. */
export interface LearnerReport extends LearningNumbers {
  /** Also has `entropy`, the mean entropy of its predictions, and `peerAgreement`, the share of rows where a peer predicts the same class. */
  validation?: Evaluation
}

/** Which parameters one of several learners kept. */
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
  /** The student was saved, loaded again, and gave the same outputs. */
  reloaded: boolean
  /** The run was resumed after its end: nothing was left to do. */
  finishedBefore?: true
  /** How much of the student was made from the teacher, if a generator made it. */
  origin?: Origin
  findings: Finding[]
}

/** How much of a student was made from its teacher. */
export interface Origin {
  /** Numbers of the student by the rule that made them: `{ full: 4096, fresh: 10 }`. */
  numbers: Record<string, number>
  /** Share of the student's numbers that were made from the teacher's; 0…1. */
  fromTeacher: number
  /** Numbers that were trained for it in phase 1. */
  trained: number
  /** Layers of the teacher that nothing was made from. */
  unused: string[]
}
