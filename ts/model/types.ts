/** What the methods of a model take and return. */
import type { Normalization } from '../dataset.js'
import type { Origin } from '../report.js'
import type { Tokenizer } from '../tokenizer.js'

export interface CreateOptions {
  /** The seed of the start values: an integer of at least 0. Default 0. */
  seed?: number
  /** One name per input column. Default: the names in the training data. */
  inputNames?: readonly string[]
  /** One name per class, in the order of the labels. Default: the names in the training data, or those of its teacher. */
  labelNames?: readonly string[]
  /** The tokenizer of a model for texts: `predict({ texts })` uses it, and the model's file contains it. */
  tokenizer?: Tokenizer
  /**
   * With `tokenizer`: the largest number of tokens of a text, with special tokens; longer texts are truncated. Default: the
   * largest number that the model takes.
   */
  maxTokens?: number
  /** Applied to inputs before the first layer, and kept in the model. `dataset.normalization()` computes it. */
  normalization?: Normalization
}

export interface LayerSummary {
  name: string
  kind: string
  /** The shape of the output for one sample. */
  output: string
  /** The count of trainable numbers. */
  parameters: number
  /** The multiply-adds for one sample. */
  multiplyAdds: number
}

export interface ModelSummary {
  input: string
  layers: LayerSummary[]
  /** The count of trainable numbers in all layers. */
  parameters: number
  /** The count of numbers that are saved but not trained: running statistics. */
  buffers: number
  /** The multiply-adds for one sample. */
  multiplyAdds: number
  output: string
  /** The same as a table to print. */
  text: string
}

/** One parameter of a student, and the teacher's parameters that it is made from. */
export interface GeneratorPlanRow {
  student: string
  shape: number[]
  /** The teacher's parameters, in order; empty if the parameter gets new start values. */
  teacher: string[]
  /** The shape of each of them. */
  teacherShape: number[]
  /** The rule that makes it. */
  rule: 'full' | 'vector' | 'scaleShift' | 'project' | 'copy' | 'truncate' | 'fresh'
  /** The count of numbers of the student that are made. */
  numbers: number
  /** The count of numbers that phase 1 trains to make them. */
  trained: number
}

/** The parameters that a generator makes, and those that it makes them from. */
export interface GeneratorPlan {
  rows: GeneratorPlanRow[]
  origin: Origin
  /** The same as a table to print. */
  text: string
}

export interface Parameter {
  name: string
  shape: number[]
  /** Whether it is trained; running statistics are not. */
  trainable: boolean
  /** A copy of the numbers. */
  values: Float32Array
}
