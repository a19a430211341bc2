/** The predictions that callers get, and the packing of their inputs. */
import { list, plain, reading } from './read.js'
import { encodedLater, invalidInputs, packInputs, type Packed } from './columns.js'
import type { Meaning } from './meaning.js'
import { awaiting, LimbeckError } from './errors.js'
import type { Description, NativePrediction, NativeTokenizer } from './native/contract.js'
import type { EncodedTexts } from './texts.js'

/** The predictions of a model for some rows. */
export interface Prediction {
  rows: number
  classes: number
  /** `[rows, classes]`, row after row. */
  logits: Float32Array
  /**
   * The softmax of each row, `[rows, classes]`; for a model that was trained on several labels per row
   * (`binaryCrossEntropy`, `binaryKl`), the sigmoid of each logit.
   */
  probabilities: Float32Array
  /** The predicted class of each row: the one with the largest logit. */
  labels: Uint32Array
  /** The names of those classes, if the model has label names. */
  names?: string[]
}

/** How a model's inputs are read; `tokenizer` is the model's, if it has one. */
export function meaningFor({ input, inputNames, preprocessing, texts }: Pick<Description, 'input' | 'inputNames' | 'preprocessing' | 'texts'>, tokenizer?: NativeTokenizer): Meaning {
  const numbers = Array.isArray(input)
  return {
    shape: numbers ? list('input', input).map(Number) : undefined,
    ids: numbers ? undefined : (input as { ids: { length?: number } }).ids,
    labels: undefined,
    classes: undefined,
    inputNames: inputNames ?? undefined,
    labelNames: undefined,
    tokenizer,
    maxTokens: texts?.maxTokens ?? undefined,
    scale: undefined,
    offset: undefined,
    bytes: preprocessing.bytes,
    open: false,
  }
}

/** Packs rows that a caller passed. */
export function inputsOf(columns: unknown, meaning: Meaning, encoded?: EncodedTexts): Packed {
  try {
    return reading('inputs', () => packInputs(columns, meaning, ['inputs', 'inputNames', 'texts'], encoded))
  } catch (error) {
    throw invalidInputs(error)
  }
}

/** The texts of the rows, encoded outside the event loop; undefined if the rows are no texts. */
export function encodingOf(columns: unknown, meaning: Meaning): Promise<EncodedTexts> | undefined {
  try {
    return reading('columns', () => {
      const texts = typeof columns === 'object' && columns !== null && 'texts' in columns
      return texts ? encodedLater(plain('columns', columns), meaning) : undefined
    })
  } catch (error) {
    throw invalidInputs(error)
  }
}

/** Awaits a native prediction of rows that a caller passed. */
export async function predicted(work: () => Promise<NativePrediction>): Promise<NativePrediction> {
  try {
    return await awaiting(work)
  } catch (error) {
    throw invalidInputs(error)
  }
}

/** The prediction, with the names of classes if there are any. */
export function prediction(made: NativePrediction, { labelNames }: Pick<Description, 'labelNames'>): Prediction {
  const { rows, classes, logits, probabilities, labels } = made
  const result: Prediction = { rows, classes, logits, probabilities, labels }
  if (labelNames === null) return result
  const nameOf = (label: number) => {
    const name = labelNames[label]
    if (name !== undefined) return name
    throw new LimbeckError('ERR_LIMBECK_INTERNAL', 'labelNames', `no name for class ${label}`)
  }
  return { ...result, names: Array.from(labels, nameOf) }
}
