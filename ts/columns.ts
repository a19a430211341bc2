/** Columns of the caller, packed for the native side: of a data set, a batch of a stream, the inputs of `predict`. */
import { classLabels, floats, isFlat, holdsIntegers, kindOfArray, matrix, rowsIn, sampleIds } from './arrays.js'
import { elsewhere, LimbeckError } from './errors.js'
import { inputsOf, type Inputs, type Numbers } from './inputs.js'
import type { Meaning } from './meaning.js'
import type { Buffers, ColumnsJson } from './native/contract.js'
import { packTeacher, teacherKeys, type TeacherLogits, type TeacherTopK } from './teacher-columns.js'
import { plain, reading, refuse, refuseData, texts, type Plain } from './read.js'

/** The columns of a data set; every one has an entry for each row. */
export interface Columns {
  inputs: Inputs
  /**
   * Classes counted from 0, several labels at once, or real numbers: see the option `labels`. A row whose class is not
   * known has −1, or `null` in an array: losses and metrics that need a label pass over it, all others learn from it.
   */
  labels?: Numbers | readonly (number | null)[] | readonly Numbers[]
  /** Who each row is: whole numbers of 0 or more, all different. Default: its index. */
  ids?: Numbers
  /** Weights of the rows in the losses, 0 or more; 0 masks a row. */
  weights?: Numbers
  /** Chances of the rows to be drawn, with replacement, 0 or more. Default: every row comes once an epoch. */
  samplingWeights?: Numbers
  /** A teacher's logits, `[rows, classes]`, or with the ids they belong to. */
  teacherLogits?: Numbers | readonly Numbers[] | TeacherLogits
  /** In place of `teacherLogits`: a teacher's largest logits alone, k per row, with the classes that they belong to. */
  teacherTopK?: TeacherTopK
}

export const columnKeys = ['inputs', 'labels', 'ids', 'weights', 'samplingWeights', ...teacherKeys] as const
export interface Packed {
  json: string
  buffers: Buffers
}

/** Native paths in the words of the caller. */
export function columnPath(path: string): string {
  return path.replace(/^sampling\b/, 'samplingWeights')
}

/** All columns of a data set or a batch. */
export function packColumns(columns: unknown, meaning: Meaning): Packed {
  const own = plain('columns', columns, columnKeys)
  const buffers: Buffers = fresh()
  const json = inputsOf(own.inputs, meaning, buffers)
  if (!('u8' in json.inputs)) {
    if (meaning.scale !== undefined) refuse('scale', 'bytes as inputs together with it', own.inputs)
    if (meaning.offset !== undefined) refuse('offset', 'bytes as inputs together with it', own.inputs)
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

/** No property of another object counts as one of these. */
const fresh = (): Buffers => Object.create(null) as Buffers

/**
 * Inputs alone, for a model that says what one row is. Every fault of theirs is one of data, since a request may have
 * brought them.
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

/** Rows that a caller passed are invalid data, whichever code the reader or the native side has for what is wrong. */
export function invalidInputs(error: unknown): unknown {
  const ofRows = error instanceof LimbeckError && /^(inputs|columns|$)/.test(error.path)
  const other = ofRows && ['ERR_LIMBECK_INVALID_CONFIG', 'ERR_LIMBECK_SHAPE_MISMATCH'].includes(error.code)
  return other ? elsewhere(error, path => path, 'ERR_LIMBECK_INVALID_DATA') : error
}

/** What one row is, in few words. */
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
    refuseData('labels', `${meaning.classes} numbers a row (the number of classes)`, width)
  }
  json.labels = kind === 'real' ? { real: { outputs: width } } : kind === 'several' ? { several: { classes: width } } : { probabilities: { classes: width } }
}

function naturalKind(labels: unknown): 'single' | 'several' | 'real' {
  if (!isFlat(labels)) return 'several'
  return Array.isArray(labels) || holdsIntegers(labels) ? 'single' : 'real'
}
