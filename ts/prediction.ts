/** What a model says of rows: the answer as users get it, and what of the model's description it is made with. */
import { list } from './read.js'
import type { ByteReading, Meaning } from './meaning.js'
import { LimbeckError } from './errors.js'
import type { Normalization } from './dataset.js'
import type { NativePrediction } from './native/contract.js'

/** What a model says of some rows. */
export interface Prediction {
  rows: number
  classes: number
  /** `[rows, classes]`, row after row. */
  logits: Float32Array
  /**
   * Softmax of each row, `[rows, classes]`; of a model that was trained on several labels a row (`binaryCrossEntropy`,
   * `binaryKl`) the sigmoid of each logit.
   */
  probabilities: Float32Array
  /** The largest class of each row. */
  labels: Uint32Array
  /** Its name, where the model knows names. */
  names?: string[]
}

/** What `describe` of a native model tells. */
export interface Description {
  input: number[] | { ids: { length?: number } }
  output: number[]
  classes: number
  parameters: number
  bytes: number
  inputNames: string[] | null
  labelNames: string[] | null
  preprocessing: { normalization?: Normalization; bytes?: ByteReading }
  provenance: unknown
  architecture: { input: unknown; layers: unknown[] }
  version: number
}

/** What one row of a model's inputs is. */
export function meaningFor({ input, inputNames, preprocessing }: Pick<Description, 'input' | 'inputNames' | 'preprocessing'>): Meaning {
  const numbers = Array.isArray(input)
  return {
    shape: numbers ? list('input', input).map(Number) : undefined,
    ids: numbers ? undefined : (input as { ids: { length?: number } }).ids,
    labels: undefined,
    classes: undefined,
    inputNames: inputNames ?? undefined,
    labelNames: undefined,
    scale: undefined,
    offset: undefined,
    bytes: preprocessing.bytes,
    open: false,
  }
}

/** An answer, with names where there are some. */
export function prediction(made: NativePrediction, { labelNames }: Pick<Description, 'labelNames'>): Prediction {
  const { rows, classes, logits, probabilities, labels } = made
  const said: Prediction = { rows, classes, logits, probabilities, labels }
  if (labelNames === null) return said
  const nameOf = (label: number) => {
    const name = labelNames[label]
    if (name !== undefined) return name
    throw new LimbeckError('ERR_LIMBECK_INTERNAL', 'labelNames', `no name for class ${label}`)
  }
  return { ...said, names: Array.from(labels, nameOf) }
}
