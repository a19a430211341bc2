/** Packs the caller's columns for the native side: those of a data set, a batch of a stream, or the inputs of `predict`. */
import { classLabels, floats, isFlat, holdsIntegers, kindOfArray, matrix, rowsIn, sampleIds } from './arrays.js'
import { elsewhere, LimbeckError } from './errors.js'
import { inputsOf, type Inputs, type Numbers } from './inputs.js'
import type { Meaning } from './meaning.js'
import type { Buffers, ColumnsJson } from './native/contract.js'
import { packTeacher, teacherKeys, type TeacherLogits, type TeacherTopK } from './teacher-columns.js'
import { plain, reading, refuse, refuseData, texts, type Plain } from './read.js'

/** The columns of a data set. Each has one entry per row. */
export interface Columns {
  inputs: Inputs
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

export const columnKeys = ['inputs', 'labels', 'ids', 'weights', 'samplingWeights', ...teacherKeys] as const
export interface Packed {
  json: string
  buffers: Buffers
}

/** Translates native paths into the caller's names of columns. */
export function columnPath(path: string): string {
  return path.replace(/^sampling\b/, 'samplingWeights')
}

/** All columns of a data set or a batch. */
export function packColumns(columns: unknown, meaning: Meaning): Packed {
  const own = plain('columns', columns, columnKeys)
  const buffers: Buffers = fresh()
  const json = inputsOf(own.inputs, meaning, buffers)
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

/** An object without a prototype: inherited properties must not count as buffers. */
const fresh = (): Buffers => Object.create(null) as Buffers

/**
 * Packs only inputs, for a model that defines the shape of a row. Every error in them is `ERR_LIMBECK_INVALID_DATA`, because
 * they may come from a request.
 */
export function packInputs(columns: unknown, meaning: Meaning, keys: readonly string[] = ['inputs']): Packed {
  try {
    if (kindOfArray(columns) !== undefined || Array.isArray(columns)) refuse('columns', 'the rows as { inputs: … }', columns)
    const own = plain('columns', columns, keys)
    const buffers: Buffers = fresh()
    const json = reading('inputs', () => inputsOf(own.inputs, meaning, buffers))
    if (own.inputNames !== undefined) json.inputNames = texts('inputNames', own.inputNames)
    return { json: JSON.stringify(json), buffers }
  } catch (error) {
    throw invalidInputs(error)
  }
}

/** Changes the code of an error in the caller's rows to `ERR_LIMBECK_INVALID_DATA`. */
export function invalidInputs(error: unknown): unknown {
  const ofRows = error instanceof LimbeckError && /^(inputs|columns|$)/.test(error.path)
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
