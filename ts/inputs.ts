/** Converts the caller's inputs to arrays for the native side: numbers, bytes, ids, rows as objects. */
import { bytes, floats, holdsIntegers, isFlat, kindOfArray, matrix, naturals, raggedRows, type Numbers } from './arrays.js'
import type { Meaning } from './meaning.js'
import { LimbeckError } from './errors.js'
import type { Buffers, ColumnsJson } from './native/contract.js'
import { plain, refuse, refuseData, show, texts, whole, words } from './read.js'

export type { Numbers } from './arrays.js'

/** Rows with different numbers of ids: row `r` has `values[offsets[r]] … values[offsets[r + 1] - 1]`. */
export interface RaggedIds {
  values: Numbers
  /** One entry more than there are rows; the first is 0, the last is the number of ids. */
  offsets: Numbers
  /** One number ≥ 0 per id, such as tf-idf: the weight of the id when the row is pooled. Default: all 1. */
  weights?: Numbers
}

/**
 * The inputs of all rows, row after row.
 *
 * - `Float32Array`, `Float64Array` or an array of numbers: dense numbers; the option `inputs` gives the shape of a row.
 * - `Uint8Array`: dense bytes, kept as bytes; a batch reads `scale · byte + offset`.
 * - `Int32Array`, `Uint32Array` and other integer arrays: ids, such as tokens, with the same number in every row.
 * - `{ values, offsets, weights? }`, or an array of arrays under `inputs: { ids: {} }`: rows with different numbers of ids.
 * - an array of objects with a number for each column, `[{ length: 5.1, width: 3.5 }]`: dense rows, whose columns are
 *   matched by name.
 * - `{ values, width, names }`, as `readCsv` returns it: dense rows, whose columns have these names.
 * - any other array of arrays: dense rows.
 */
export type Inputs = Numbers | readonly Numbers[] | RaggedIds | NamedNumbers | readonly Readonly<Record<string, number>>[]

/** Rows of `width` numbers, and the names of their columns. */
export interface NamedNumbers {
  values: Numbers
  width: number
  names?: readonly string[]
}

/** Rows to predict: inputs, or texts for a model with a tokenizer. */
export type InputColumns =
  | {
      inputs: Inputs
      /** One name per input column, if their order may differ from the model's. */
      inputNames?: readonly string[]
      texts?: undefined
    }
  | {
      /** Texts, one per row; the model's tokenizer encodes them, and truncates those that are longer than the model takes. */
      texts: Iterable<string>
      inputs?: undefined
    }

export function inputsOf(inputs: unknown, meaning: Meaning, buffers: Buffers): ColumnsJson {
  const path = 'inputs'
  if (typeof inputs !== 'object' || inputs === null) {
    return refuseData(path, 'a typed array, an array of rows, or { values, offsets }', inputs)
  }
  const kind = kindOfArray(inputs)
  if (kind === 'Uint8Array' || kind === 'Uint8ClampedArray') {
    if (meaning.ids === undefined) {
      buffers.u8 = bytes(path, inputs)
      const said = meaning.scale !== undefined || meaning.offset !== undefined
      const { scale = 1 / 255, offset = 0 } = (said ? meaning : meaning.bytes) ?? {}
      return { inputs: { u8: { shape: shapeFor(meaning, inputs), scale, offset } } }
    }
  }
  if (Array.isArray(inputs) && isRecord(inputs[0])) return recordsOf(path, inputs, meaning, buffers)
  if (Array.isArray(inputs) && typeof inputs[0] === 'string' && meaning.shape === undefined) {
    const message = `expected a list of ${meaning.ids === undefined ? 'numbers' : 'ids'}, got ${show(inputs[0])}; pass texts as { texts: […] } with a tokenizer`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${path}[0]`, message)
  }
  if (kind !== undefined || (Array.isArray(inputs) && isFlat(inputs))) {
    const integers = kind !== undefined && holdsIntegers(inputs)
    if (meaning.ids === undefined) {
      if (integers) refuseData(path, 'floating point numbers or bytes for a shape (if they are ids, set the option inputs: { ids: { length } })', inputs)
      buffers.f32 = floats(path, inputs)
      return { inputs: { f32: { shape: shapeFor(meaning, inputs) } } }
    }
    const { length } = meaning.ids
    if (length === undefined) refuseData(path, 'a list of rows, such as [[1, 2, 3]], or { values, offsets }', words('numbers in one list'))
    buffers.ids = naturals(path, inputs)
    return { inputs: { ids: { length: length! } } }
  }
  if (Array.isArray(inputs)) {
    if (meaning.ids !== undefined) {
      const { values, offsets } = raggedRows(path, inputs)
      buffers.ids = values
      if (meaning.ids.length === undefined) {
        buffers.offsets = offsets
        return { inputs: { ragged: {} } }
      }
      const { length } = meaning.ids
      const odd = inputs.findIndex((_, row) => offsets[row + 1]! - offsets[row]! !== length)
      if (odd >= 0) refuseData(`${path}[${odd}]`, `${length} ids`, offsets[odd + 1]! - offsets[odd]!)
      return { inputs: { ids: { length } } }
    }
    const { values, width } = matrix(path, inputs, meaning.shape === undefined)
    buffers.f32 = values
    return { inputs: { f32: { shape: shapeOf(path, width, meaning) } } }
  }
  if (isRecord(inputs) && 'width' in inputs) return namedOf(path, inputs, meaning, buffers)
  const given = plain(path, inputs)
  if (Object.keys(given).length === 0) refuseData(path, 'an array of rows, or { values, offsets }', words('an empty object'))
  if (!('values' in given) && Object.values(given).every(value => typeof value === 'number')) {
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, 'expected an array of rows, got one row as an object; pass [{ … }]')
  }
  const own = plain(path, given, ['values', 'offsets', 'weights'])
  if (meaning.shape !== undefined) refuseData(path, `rows of shape ${meaning.shape.join(' × ')}`, words('rows with different numbers of ids'))
  if (meaning.ids?.length !== undefined) refuseData(path, `rows of ${meaning.ids.length} ids, one after the other`, words('rows with different numbers of ids'))
  buffers.ids = naturals(`${path}.values`, own.values)
  buffers.offsets = naturals(`${path}.offsets`, own.offsets)
  if (own.weights === undefined) return { inputs: { ragged: {} } }
  buffers.idWeights = floats(`${path}.weights`, own.weights)
  return { inputs: { ragged: { weights: true } } }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

/** Rows as objects: a number for each column, matched by name. */
function recordsOf(path: string, rows: unknown[], meaning: Meaning, buffers: Buffers): ColumnsJson {
  if (meaning.ids !== undefined) refuseData(path, 'rows of ids', words('rows as objects'))
  const first = plain(`${path}[0]`, rows[0])
  const unnamed = meaning.inputNames === undefined && !meaning.open
  if (unnamed) refuseData(path, 'rows as arrays, because no column names are known (inputNames)', words('rows as objects'))
  const names = meaning.inputNames ?? Object.keys(first)
  buffers.f32 = new Float32Array(rows.length * names.length)
  for (const [at, row] of rows.entries()) {
    const own = plain(`${path}[${at}]`, row, names)
    names.forEach((name, column) => {
      const value = own[name]
      if (typeof value !== 'number' || !Number.isFinite(Math.fround(value))) refuseData(`${path}[${at}].${name}`, 'a finite 32-bit number', value)
      buffers.f32![at * names.length + column] = value as number
    })
  }
  return { inputs: { f32: { shape: shapeOf(path, names.length, meaning) } }, inputNames: names }
}

function namedOf(path: string, inputs: unknown, meaning: Meaning, buffers: Buffers): ColumnsJson {
  const own = plain(path, inputs, ['values', 'width', 'names'])
  buffers.f32 = floats(`${path}.values`, own.values)
  const json: ColumnsJson = { inputs: { f32: { shape: shapeOf(path, whole(`${path}.width`, own.width, 1), meaning) } } }
  if (own.names !== undefined) json.inputNames = texts(`${path}.names`, own.names)
  return json
}

/** The shape of rows of `width` numbers. */
function shapeOf(path: string, width: number, { shape = [width] }: Meaning): number[] {
  const size = shape.reduce((product, side) => product * side, 1)
  return size === width ? shape : refuseData(path, `rows of ${size} numbers (shape ${shape.join(' × ')})`, width)
}

function shapeFor(meaning: Meaning, inputs: unknown): number[] {
  if (meaning.shape !== undefined) return meaning.shape
  if (meaning.ids !== undefined) return refuseData('inputs', 'integers for ids', inputs)
  return refuse('inputs', 'the shape of one row as an option, such as { inputs: [1, 28, 28] }', undefined)
}
