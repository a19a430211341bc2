/** What a run says, each time it is asked. */
import type { ProofName } from './native/options.js'

/** A table a class: how often it is there, and how well it is found. */
export type Measure = number | readonly Measure[] | { readonly [name: string]: Measure }

/** A model on rows whose answers are known. A number that the data cannot give is left out. */
export interface Evaluation {
  /** The rows that count: those of weight 0 do not. */
  rows: number
  /** Share of rows whose largest logit is the label. */
  accuracy?: number
  /** Cross entropy for classes, mean squared error for real numbers. */
  loss?: number
  /** Share of rows where the largest logit is the teacher's too. */
  agreement?: number
  /** Every other metric that was asked for, by name. */
  [metric: string]: Measure | undefined
}

/** One sign that a run is not what it looks like. */
export interface Finding {
  /** The proof that found it; `docs/proofs.md` describes each. */
  proof: ProofName
  /** What it is about: `teacher`, `losses.kl`, a parameter. */
  path: string
  /** What was seen, and the remedy. */
  message: string
}

/** What a learner did in the steps since the last report. */
interface LearningNumbers {
  /** Mean over the steps since the last report: Σ weight · value. */
  loss: number
  /** Unweighted value of each loss, mean over those steps. */
  terms: Record<string, number>
  /** Norm of each weighted loss's gradient at the student's outputs, at the last step. */
  gradientNorms: Record<string, number>
  /** What a loss counts beside its value, as shares of the rows: `{ triplet: { openHinges: 0.4 } }`. */
  details?: Record<string, Record<string, number>>
  /** Global norm of the parameters' gradients at the last step, before clipping. */
  gradientNorm?: number
  learningRate: number
}

/** Numbers of the steps since the last report. */
export interface StepReport extends LearningNumbers {
  /** Optimizer steps done. */
  step: number
  /** All steps of the run, where they are known. */
  steps?: number
  /** The epoch of the last step, counted from 0; nothing for a stream. */
  epoch?: number
  rowsPerSecond: number
  validation?: Evaluation
  /** The same student without teacher, where the option `control` asks for it. */
  control?: { loss: number; validation?: Evaluation }
  /** What the proofs found so far; empty in a sound run. */
  findings: Finding[]
  /** The checkpoint that was written since the last report. */
  checkpoint?: string
  /** Stands in the last report alone. */
  summary?: RunSummary
}

/** One of several learners: what it did since the last report. */
export interface LearnerReport extends LearningNumbers {
  /** With `entropy`, the mean of its predictions', and `peerAgreement`, the share of rows where a peer names its class. */
  validation?: Evaluation
}

/** Which parameters one of several learners kept. */
export interface LearnerSummary {
  keptStep: number
  best?: { step: number; metric: string; value: number }
}

/** What a run was, in the end. */
export interface RunSummary {
  ended: 'finished' | 'earlyStop'
  steps: number
  /** Nothing for a stream. */
  epochs?: number
  seconds: number
  /** Step of the parameters that were kept. */
  keptStep: number
  best?: { step: number; metric: string; value: number }
  /** The teacher on the validation rows, where there are some. */
  teacher?: Evaluation
  /** Training rows that the teacher was asked about in this process. */
  teacherRows: number
  /** The student was saved, read again, and gave the same outputs. */
  reloaded: boolean
  /** The run was resumed after its end: nothing was left to do. */
  finishedBefore?: true
  /** How much of the student came from where, where a generator made it. */
  origin?: Origin
  findings: Finding[]
}

/** How much of a student came from where. */
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
