/** Packs the caller's columns for the native side: those of a data set, a batch of a stream, or the inputs of `predict`. */
import { classLabels, floats, isFlat, holdsIntegers, kindOfArray, matrix, rowsIn, sampleIds } from './arrays.js'
import { awaiting, calling, elsewhere, LimbeckError } from './errors.js'
import { inputsOf, type Inputs, type Numbers } from './inputs.js'
import type { Meaning } from './meaning.js'
import type { Buffers, ColumnsJson } from './native/contract.js'
import { packTeacher, teacherKeys, type TeacherLogits, type TeacherTopK } from './teacher-columns.js'
import { plain, reading, refuse, refuseData, texts, words, type Plain } from './read.js'
import { textsOf, type EncodedTexts } from './texts.js'

/** The columns of a data set. Each has one entry per row. */
export type Columns = OtherColumns & InputsOrTexts

type InputsOrTexts =
  | { inputs: Inputs; texts?: undefined }
  | {
      /** In place of `inputs`: texts, whose tokens are the inputs. They are encoded once, by the option `tokenizer`. */
      texts: Iterable<string>
      inputs?: undefined
    }

interface OtherColumns {
  /**
   * Class indices from 0, several labels per row, or real numbers: see the option `labels`. −1, or `null` in an array,
   * marks a row without a label: losses and metrics that need a label skip it, all others use it.
   */
  labels?: Numbers | readonly (number | null)[] | readonly Numbers[]
  /** The id of each row: integers of at least 0, all different. Default: the index of the row. */
  ids?: Numbers
  /** Weights of the rows in the losses, 0 or more; 0 masks a row. */
  weights?: Numbers
  /** Relative probabilities, 0 or more, for drawing rows with replacement. Default: every row is used once per epoch. */
  samplingWeights?: Numbers
  /** A teacher's logits, `[rows, classes]`, or an object that also gives their sample ids. */
  teacherLogits?: Numbers | readonly Numbers[] | TeacherLogits
  /** In place of `teacherLogits`: only a teacher's largest logits, k per row, with their classes. */
  teacherTopK?: TeacherTopK
}

export const columnKeys = ['inputs', 'texts', 'labels', 'ids', 'weights', 'samplingWeights', ...teacherKeys] as const
export interface Packed {
  json: string
  buffers: Buffers
}

/** Translates native paths into the caller's names of columns. */
export function columnPath(path: string): string {
  return path.replace(/^sampling\b/, 'samplingWeights')
}

/** All columns of a data set or a batch. `encoded` is the column `texts`, if it is encoded already. */
export function packColumns(columns: unknown, meaning: Meaning, encoded?: EncodedTexts): Packed {
  const own = plain('columns', columns, columnKeys)
  const buffers: Buffers = fresh()
  const ofTexts = own.texts !== undefined || meaning.tokenizer !== undefined
  const json = ofTexts ? tokensOf(encoded ?? encodedNow(own, meaning), buffers) : inputsOf(own.inputs, meaning, buffers)
  if (!('u8' in json.inputs)) {
    if (meaning.scale !== undefined) refuse('scale', 'inputs that are bytes', own.inputs)
    if (meaning.offset !== undefined) refuse('offset', 'inputs that are bytes', own.inputs)
  }
  if (meaning.inputNames !== undefined) json.inputNames = meaning.inputNames
  const rows = rowCount(json, buffers)
  labelsOf(own, meaning, rows, json, buffers)
  if (meaning.labelNames !== undefined) json.labelNames = meaning.labelNames
  if (own.ids !== undefined) buffers.sampleIds = sampleIds('ids', own.ids)
  if (own.weights !== undefined) buffers.weights = floats('weights', own.weights)
  if (own.samplingWeights !== undefined) buffers.sampling = floats('samplingWeights', own.samplingWeights)
  const teacher = packTeacher(own, rows, buffers)
  if (teacher !== undefined) json.teacher = teacher
  return { json: JSON.stringify(json), buffers }
}

/** The arguments of the native side for the column `texts`. */
function textColumn({ texts, inputs }: Plain, { tokenizer, maxTokens, shape, ids }: Meaning) {
  if (tokenizer === undefined) return refuse('tokenizer', 'a Tokenizer (as an option of the data, or model.setTokenizer), because there is a column of texts', undefined)
  if (texts === undefined) refuse('texts', 'a column of texts for the tokenizer', undefined)
  if (inputs !== undefined) refuse('inputs', 'either inputs or texts', words('both'))
  if (shape !== undefined || ids?.length !== undefined) refuse('inputs', 'no option inputs together with texts', shape ?? ids)
  return { tokenizer, given: textsOf('texts', texts), maxTokens }
}

function encodedNow(own: Plain, meaning: Meaning): EncodedTexts {
  const { tokenizer, given, maxTokens } = textColumn(own, meaning)
  return calling(() => tokenizer.encodeSync(given, maxTokens))
}

/** The column `texts`, encoded outside the event loop; undefined if there is none. */
export function encodedLater(own: Plain, meaning: Meaning): Promise<EncodedTexts> | undefined {
  if (own.texts === undefined) return undefined
  const { tokenizer, given, maxTokens } = textColumn(own, meaning)
  return awaiting(() => tokenizer.encode(given, maxTokens))
}

function tokensOf({ ids, offsets }: EncodedTexts, buffers: Buffers): ColumnsJson {
  buffers.ids = ids
  buffers.offsets = offsets
  return { inputs: { ragged: {} } }
}

/** An object without a prototype: inherited properties must not count as buffers. */
const fresh = (): Buffers => Object.create(null) as Buffers

/**
 * Packs only inputs, for a model that defines the shape of a row. Every error in them is `ERR_LIMBECK_INVALID_DATA`, because
 * they may come from a request.
 */
export function packInputs(columns: unknown, meaning: Meaning, keys: readonly string[] = ['inputs'], encoded?: EncodedTexts): Packed {
  try {
    if (kindOfArray(columns) !== undefined || Array.isArray(columns)) refuse('columns', 'the rows as { inputs: … }', columns)
    const own = plain('columns', columns, keys)
    const buffers: Buffers = fresh()
    const ofTexts = own.texts !== undefined
    const json = reading('inputs', () => (ofTexts ? tokensOf(encoded ?? encodedNow(own, meaning), buffers) : inputsOf(own.inputs, meaning, buffers)))
    if (own.inputNames !== undefined) json.inputNames = texts('inputNames', own.inputNames)
    return { json: JSON.stringify(json), buffers }
  } catch (error) {
    throw invalidInputs(error)
  }
}

/** Changes the code of an error in the caller's rows to `ERR_LIMBECK_INVALID_DATA`. */
export function invalidInputs(error: unknown): unknown {
  const ofRows = error instanceof LimbeckError && /^(inputs|texts|columns|$)/.test(error.path)
  const other = ofRows && ['ERR_LIMBECK_INVALID_CONFIG', 'ERR_LIMBECK_SHAPE_MISMATCH'].includes(error.code)
  return other ? elsewhere(error, path => path, 'ERR_LIMBECK_INVALID_DATA') : error
}

/** A short text for the shape of one row. */
export function rowText(input: readonly number[] | { ids: { length?: number } } | null): string {
  return Array.isArray(input) ? input.join(' × ') : 'ids'
}

function rowCount({ inputs }: ColumnsJson, { f32, u8, ids, offsets }: Buffers): number {
  if ('ragged' in inputs) return Math.max(0, offsets!.length - 1)
  if ('ids' in inputs) return rowsIn('inputs', ids!.length, inputs.ids.length)
  const { shape } = 'f32' in inputs ? inputs.f32 : inputs.u8
  return rowsIn('inputs', (f32 ?? u8)!.length, shape.reduce((product, side) => product * side, 1), shape)
}

function labelsOf(own: Plain, meaning: Meaning, rows: number, json: ColumnsJson, buffers: Buffers): void {
  const { labels } = own
  if (labels === undefined) {
    if (meaning.labels !== undefined) refuse('labels', `a column of ${meaning.labels} labels`, undefined)
    return
  }
  const kind = meaning.labels ?? naturalKind(labels)
  if (kind === 'single') {
    if (!isFlat(labels)) refuseData('labels', 'one class for each row', labels)
    buffers.labels = classLabels('labels', labels)
    json.labels = { single: meaning.classes === undefined ? {} : { classes: meaning.classes } }
    return
  }
  let width: number
  if (isFlat(labels)) {
    buffers.targets = floats('labels', labels)
    width = rows > 0 ? rowsIn('labels', buffers.targets.length, rows) : 1
  } else {
    const made = matrix('labels', labels)
    if (made.rows !== rows) refuseData('labels', `${rows} rows, as many as inputs`, made.rows)
    ;({ width, values: buffers.targets } = made)
  }
  if (kind !== 'real' && meaning.classes !== undefined && meaning.classes !== width) {
    refuseData('labels', `${meaning.classes} numbers per row (the number of classes)`, width)
  }
  json.labels = kind === 'real' ? { real: { outputs: width } } : kind === 'several' ? { several: { classes: width } } : { probabilities: { classes: width } }
}

function naturalKind(labels: unknown): 'single' | 'several' | 'real' {
  if (!isFlat(labels)) return 'several'
  return Array.isArray(labels) || holdsIntegers(labels) ? 'single' : 'real'
}
