/** The options that define what columns mean, for a data set, a stream or the inputs of a model. */
import type { NativeTokenizer } from './native/contract.js'
import { list, number, plain, refuse, texts, whole } from './read.js'
import { limitOf, tokenizerOf, type Tokenizer } from './tokenizer.js'

/** The conversion of bytes to numbers: `scale · byte + offset`. */
export interface ByteReading {
  scale: number
  offset: number
}

/** Options that define what columns mean. */
export interface ColumnOptions {
  /**
   * The shape of one row, such as `[784]` or `[1, 28, 28]`; `{ ids: { length: 128 } }` for rows with the same number of ids,
   * `{ ids: {} }` for rows with different numbers of ids. Not needed for arrays of arrays.
   */
  inputs?: readonly number[] | { ids: { length?: number } }
  /**
   * The kind of the column `labels`: `single`, one class per row; `several`, `[rows, classes]` of 0…1; `probabilities`, the
   * same with rows that sum to 1 (soft labels, for `crossEntropy`); `real`, `[rows, outputs]`.
   * Default: `single` for integers, `several` for arrays of arrays, `real` for floating point arrays. A run with
   * `crossEntropy` reads `several` as `probabilities`.
   */
  labels?: 'single' | 'several' | 'probabilities' | 'real'
  /** The number of classes. Default: the number of label names, or the largest label plus 1. */
  classes?: number
  /**
   * One name per input column, in the order of the inputs. A model keeps the names and reorders other rows to match.
   */
  inputNames?: readonly string[]
  /** One name per class, in the order of the labels. A model keeps the names and reorders other data to match. */
  labelNames?: readonly string[]
  /** The tokenizer of the column `texts`. */
  tokenizer?: Tokenizer
  /**
   * The largest number of tokens of a text, with special tokens; the last tokens of a longer text are left out. At least the
   * number of special tokens. Default: nothing is left out.
   */
  maxTokens?: number
  /** Only for bytes: the factor that a byte is multiplied with. Default 1/255. Models keep it. */
  scale?: number
  /** Only for bytes: the number that is then added. Default 0. Models keep it. */
  offset?: number
}

export const columnOptionKeys = ['inputs', 'labels', 'classes', 'inputNames', 'labelNames', 'tokenizer', 'maxTokens', 'scale', 'offset'] as const

/** The checked options of the columns. */
export interface Meaning {
  shape: number[] | undefined
  ids: { length?: number } | undefined
  labels: ColumnOptions['labels']
  classes: number | undefined
  inputNames: string[] | undefined
  labelNames: string[] | undefined
  tokenizer: NativeTokenizer | undefined
  maxTokens: number | undefined
  scale: number | undefined
  offset: number | undefined
  /** How the model reads bytes, if the options set neither `scale` nor `offset`. */
  bytes?: ByteReading | undefined
  /** Whether rows may bring their own column names if `inputNames` is not set. */
  open: boolean
}

export function meaningOf(options: unknown): Meaning {
  const own = plain('options', options ?? {}, columnOptionKeys)
  const meaning: Meaning = {
    shape: undefined,
    ids: undefined,
    labels: undefined,
    classes: own.classes === undefined ? undefined : whole('classes', own.classes, 1),
    inputNames: own.inputNames === undefined ? undefined : texts('inputNames', own.inputNames),
    labelNames: own.labelNames === undefined ? undefined : texts('labelNames', own.labelNames),
    tokenizer: own.tokenizer === undefined ? undefined : tokenizerOf('tokenizer', own.tokenizer),
    maxTokens: limitOf(own.maxTokens),
    scale: own.scale === undefined ? undefined : number('scale', own.scale),
    offset: own.offset === undefined ? undefined : number('offset', own.offset),
    open: true,
  }
  if (Array.isArray(own.inputs)) {
    meaning.shape = list('inputs', own.inputs).map((side, index) => whole(`inputs[${index}]`, side, 1))
  } else if (typeof own.inputs === 'number') {
    refuse('inputs', `the shape of one row as a list, such as [${own.inputs}], or { ids: {} }`, own.inputs)
  } else if (own.inputs !== undefined) {
    const ids = plain('inputs.ids', plain('inputs', own.inputs, ['ids']).ids, ['length'])
    meaning.ids = ids.length === undefined ? {} : { length: whole('inputs.ids.length', ids.length, 1) }
  }
  if (own.labels !== undefined) {
    const kinds = ['single', 'several', 'probabilities', 'real'] as const
    meaning.labels = kinds.find(kind => kind === own.labels) ?? refuse('labels', 'single, several, probabilities or real', own.labels)
  }
  return meaning
}
