/** What the methods of a model take and return. */
import type { Normalization } from '../dataset.js'
import type { Origin } from '../report.js'

export interface CreateOptions {
  /** The start values follow from it: a whole number. Default 0. */
  seed?: number
  /** One name per number of a row. Default: those of the data that the model is trained on. */
  inputNames?: readonly string[]
  /** One name per class, in the order of the labels. Default: those of the data, or the teacher, of its training. */
  labelNames?: readonly string[]
  /** Applied to inputs before the first layer, and kept in the model. `dataset.normalization()` computes it. */
  normalization?: Normalization
}

export interface LayerSummary {
  name: string
  kind: string
  /** Shape of one sample's output. */
  output: string
  /** Trainable numbers. */
  parameters: number
  multiplyAdds: number
}

export interface ModelSummary {
  input: string
  layers: LayerSummary[]
  /** Trainable numbers of all layers. */
  parameters: number
  /** Numbers that are kept but not trained: running statistics. */
  buffers: number
  /** Multiply-adds of one sample. */
  multiplyAdds: number
  output: string
  /** All of this as a table to print. */
  text: string
}

/** One parameter of a student, and what it is made from. */
export interface GeneratorPlanRow {
  student: string
  shape: number[]
  /** The teacher's parameters, in order; empty if the parameter gets new start values. */
  teacher: string[]
  /** The shape of each of them. */
  teacherShape: number[]
  /** The rule that makes it. */
  rule: 'full' | 'vector' | 'scaleShift' | 'project' | 'copy' | 'truncate' | 'fresh'
  /** Numbers of the student that are made. */
  numbers: number
  /** Numbers that are trained for it in phase 1. */
  trained: number
}

/** Which parameters a generator makes from which. */
export interface GeneratorPlan {
  rows: GeneratorPlanRow[]
  origin: Origin
  /** All of this as a table to print. */
  text: string
}

export interface Parameter {
  name: string
  shape: number[]
  /** Whether it is trained; running statistics are not. */
  trainable: boolean
  /** A copy of its numbers. */
  values: Float32Array
}
