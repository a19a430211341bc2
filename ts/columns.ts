/** What a user has, as the columns that cross to the native side: data sets, batches of a stream, inputs of `predict`. */
import {
  bytes,
  classLabels,
  floats,
  holdsIntegers,
  isFlat,
  kindOfArray,
  matrix,
  naturals,
  raggedRows,
  rowsIn,
  sampleIds,
  type TypedArray,
} from './arrays.js'
import { list, number, plain, reading, refuse, refuseData, texts, whole, type Plain } from './check.js'
import { elsewhere, LimbeckError } from './errors.js'
import type { Buffers, ColumnsJson } from './native/contract.js'

/** Numbers as they may be given: a typed array, or an array of numbers. */
export type Numbers = TypedArray | readonly number[]

/** Ids of different count in each row: row `r` has `values[offsets[r]] … values[offsets[r + 1] - 1]`. */
export interface RaggedIds {
  values: Numbers
  /** One more than there are rows, from 0 to the count of ids. */
  offsets: Numbers
  /** One number of 0 or more per id, such as tf-idf: how much the id counts where a row is pooled. Default: all 1. */
  weights?: Numbers
}

/**
 * The inputs of all rows, row after row.
 *
 * - `Float32Array`, `Float64Array` or an array of numbers: dense numbers; the shape of a row is said by the option `inputs`.
 * - `Uint8Array`: dense bytes, kept as bytes; a batch reads `scale · byte + offset`.
 * - `Int32Array`, `Uint32Array` and other whole numbers: ids, such as tokens, of one length in every row.
 * - `{ values, offsets, weights? }`, or an array of arrays under `inputs: { ids: {} }`: ids of different count.
 * - an array of arrays otherwise: dense rows.
 */
export type Inputs = Numbers | readonly Numbers[] | RaggedIds

/** A teacher's answers, found by sample id. */
export interface TeacherLogits {
  /** `[answers, classes]`, row after row. */
  logits: Numbers | readonly Numbers[]
  /** Whose answer each row is. Default: the rows of the data, in their order. */
  ids?: Numbers
}

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
}

/** What the columns mean. */
export interface ColumnOptions {
  /**
   * The shape of one row, as `[784]` or `[1, 28, 28]`; `{ ids: { length: 128 } }` for ids of one length,
   * `{ ids: {} }` for ids of different count. Not needed for arrays of arrays.
   */
  inputs?: readonly number[] | { ids: { length?: number } }
  /**
   * What `labels` are: `single`, one class a row; `several`, `[rows, classes]` of 0…1; `real`, `[rows, outputs]`.
   * Default: `single` for whole numbers, `several` for arrays of arrays, `real` for floating point arrays.
   */
  labels?: 'single' | 'several' | 'real'
  /** The count of classes. Default: as many as there are label names, or one more than the largest label. */
  classes?: number
  /** One name a class, in the order of the labels. */
  labelNames?: readonly string[]
  /** Bytes alone: what a byte is multiplied with. Default 1/255. */
  scale?: number
  /** Bytes alone: what is added after that. Default 0. */
  offset?: number
}

export const columnKeys = ['inputs', 'labels', 'ids', 'weights', 'samplingWeights', 'teacherLogits'] as const
export const columnOptionKeys = ['inputs', 'labels', 'classes', 'labelNames', 'scale', 'offset'] as const

export interface Packed {
  json: string
  buffers: Buffers
}

/** Native paths in the words of the caller. */
export function columnPath(path: string): string {
  return path.replace(/^sampling\b/, 'samplingWeights')
}

/** Options of the columns, checked. */
export interface Meaning {
  shape: number[] | undefined
  ids: { length?: number } | undefined
  labels: ColumnOptions['labels']
  classes: number | undefined
  labelNames: string[] | undefined
  scale: number | undefined
  offset: number | undefined
}

export function meaningOf(options: unknown): Meaning {
  const own = plain('options', options ?? {}, columnOptionKeys)
  const meaning: Meaning = {
    shape: undefined,
    ids: undefined,
    labels: undefined,
    classes: own.classes === undefined ? undefined : whole('classes', own.classes, 1),
    labelNames: own.labelNames === undefined ? undefined : texts('labelNames', own.labelNames),
    scale: own.scale === undefined ? undefined : number('scale', own.scale),
    offset: own.offset === undefined ? undefined : number('offset', own.offset),
  }
  if (Array.isArray(own.inputs)) {
    meaning.shape = list('inputs', own.inputs).map((side, index) => whole(`inputs[${index}]`, side, 1))
  } else if (typeof own.inputs === 'number') {
    refuse('inputs', `the shape of one row in a list, [${own.inputs}], or { ids: {} }`, own.inputs)
  } else if (own.inputs !== undefined) {
    const ids = plain('inputs.ids', plain('inputs', own.inputs, ['ids']).ids, ['length'])
    meaning.ids = ids.length === undefined ? {} : { length: whole('inputs.ids.length', ids.length, 1) }
  }
  if (own.labels !== undefined) {
    const kinds = ['single', 'several', 'real'] as const
    meaning.labels = kinds.find(kind => kind === own.labels) ?? refuse('labels', 'single, several or real', own.labels)
  }
  return meaning
}

/** All columns of a data set or a batch. */
export function packColumns(columns: unknown, meaning: Meaning): Packed {
  const own = plain('columns', columns, columnKeys)
  const buffers: Buffers = {}
  const json: ColumnsJson = { inputs: inputsOf(own.inputs, meaning, buffers) }
  const rows = rowCount(json, buffers)
  labelsOf(own, meaning, rows, json, buffers)
  if (meaning.labelNames !== undefined) json.labelNames = meaning.labelNames
  if (own.ids !== undefined) buffers.sampleIds = sampleIds('ids', own.ids)
  if (own.weights !== undefined) buffers.weights = floats('weights', own.weights)
  if (own.samplingWeights !== undefined) buffers.sampling = floats('samplingWeights', own.samplingWeights)
  if (own.teacherLogits !== undefined) {
    const { logits, classes, ids } = teacherLogitsOf('teacherLogits', own.teacherLogits, rows)
    json.teacher = { classes }
    buffers.teacher = logits
    if (ids !== undefined) buffers.teacherIds = ids
  }
  return { json: JSON.stringify(json), buffers }
}

/** Inputs alone, for a model that says what one row is. Whatever is wrong with them is wrong with data: a caller may have sent them. */
export function packInputs(columns: unknown, meaning: Meaning): Packed {
  try {
    if (kindOfArray(columns) !== undefined || Array.isArray(columns)) refuse('columns', 'the rows as { inputs: … }', columns)
    const own = plain('columns', columns, ['inputs'])
    const buffers: Buffers = {}
    const json: ColumnsJson = { inputs: reading('inputs', () => inputsOf(own.inputs, meaning, buffers)) }
    return { json: JSON.stringify(json), buffers }
  } catch (error) {
    if (!(error instanceof LimbeckError) || error.code !== 'ERR_LIMBECK_INVALID_CONFIG') throw error
    throw elsewhere(error, path => path, 'ERR_LIMBECK_INVALID_DATA')
  }
}

/** What one row is, in few words. */
export function rowText(input: readonly number[] | { ids: { length?: number } } | null): string {
  return Array.isArray(input) ? input.join(' × ') : 'ids'
}

function inputsOf(inputs: unknown, meaning: Meaning, buffers: Buffers): ColumnsJson['inputs'] {
  const path = 'inputs'
  if (typeof inputs !== 'object' || inputs === null) {
    return refuseData(path, 'a typed array, an array of rows, or { values, offsets }', inputs)
  }
  const kind = kindOfArray(inputs)
  if (kind === 'Uint8Array' || kind === 'Uint8ClampedArray') {
    if (meaning.ids === undefined) {
      buffers.u8 = bytes(path, inputs)
      const { scale = 1 / 255, offset = 0 } = meaning
      return { u8: { shape: shapeFor(meaning, inputs), scale, offset } }
    }
  }
  if (meaning.scale !== undefined) refuse('scale', 'bytes as inputs beside it', inputs)
  if (meaning.offset !== undefined) refuse('offset', 'bytes as inputs beside it', inputs)
  if (kind !== undefined || (Array.isArray(inputs) && isFlat(inputs))) {
    const integers = kind !== undefined && holdsIntegers(inputs)
    if (meaning.ids === undefined) {
      if (integers) refuseData(path, 'floating point numbers or bytes for a shape (the option inputs: { ids: { length } } says that they are ids)', inputs)
      buffers.f32 = floats(path, inputs)
      return { f32: { shape: shapeFor(meaning, inputs) } }
    }
    buffers.ids = naturals(path, inputs)
    return { ids: { length: meaning.ids.length ?? refuse('inputs.ids.length', 'the count of ids in a row', undefined) } }
  }
  if (Array.isArray(inputs)) {
    if (meaning.ids !== undefined) {
      const { values, offsets } = raggedRows(path, inputs)
      buffers.ids = values
      if (meaning.ids.length === undefined) {
        buffers.offsets = offsets
        return { ragged: {} }
      }
      const { length } = meaning.ids
      const odd = inputs.findIndex((_, row) => offsets[row + 1]! - offsets[row]! !== length)
      if (odd >= 0) refuseData(`${path}[${odd}]`, `${length} ids`, offsets[odd + 1]! - offsets[odd]!)
      return { ids: { length } }
    }
    const { values, width } = matrix(path, inputs)
    buffers.f32 = values
    const { shape = [width] } = meaning
    const size = shape.reduce((product, side) => product * side, 1)
    if (size !== width) refuseData(path, `rows of ${size} numbers (shape ${shape.join(' × ')})`, width)
    return { f32: { shape } }
  }
  const own = plain(path, inputs, ['values', 'offsets', 'weights'])
  buffers.ids = naturals(`${path}.values`, own.values)
  buffers.offsets = naturals(`${path}.offsets`, own.offsets)
  if (own.weights === undefined) return { ragged: {} }
  buffers.idWeights = floats(`${path}.weights`, own.weights)
  return { ragged: { weights: true } }
}

function shapeFor(meaning: Meaning, inputs: unknown): number[] {
  if (meaning.shape !== undefined) return meaning.shape
  if (meaning.ids !== undefined) return refuseData('inputs', 'whole numbers for ids', inputs)
  return refuse('inputs', 'the shape of one row as an option, such as { inputs: [1, 28, 28] }', undefined)
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
  if (kind === 'several' && meaning.classes !== undefined && meaning.classes !== width) {
    refuseData('labels', `${meaning.classes} numbers a row (the number of classes)`, width)
  }
  json.labels = kind === 'several' ? { several: { classes: width } } : { real: { outputs: width } }
}

function naturalKind(labels: unknown): 'single' | 'several' | 'real' {
  if (!isFlat(labels)) return 'several'
  return Array.isArray(labels) || holdsIntegers(labels) ? 'single' : 'real'
}

/** A teacher's logits, given for `rows` rows or with ids of their own. */
export function teacherLogitsOf(
  path: string,
  given: unknown,
  rows: number,
): { logits: Float32Array; classes: number; ids?: Float64Array } {
  const flat = isFlat(given)
  const keyed = !flat && !Array.isArray(given)
  const own: Plain = keyed ? plain(path, given, ['logits', 'ids']) : { logits: given }
  const ids = own.ids === undefined ? undefined : sampleIds(`${path}.ids`, own.ids)
  const answers = ids?.length ?? rows
  const place = keyed ? `${path}.logits` : path
  if (isFlat(own.logits)) {
    const logits = floats(place, own.logits)
    const classes = answers > 0 ? rowsIn(place, logits.length, answers) : 0
    return { logits, classes, ...(ids && { ids }) }
  }
  const { values, width, rows: found } = matrix(place, own.logits)
  if (found !== answers) refuseData(place, `${answers} rows, one for each answer`, found)
  return { logits: values, classes: width, ...(ids && { ids }) }
}

