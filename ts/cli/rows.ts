/** The rows of a data spec, and the properties of rows that a model requires. */
import { LimbeckError, type ByteReading, type ColumnOptions, type Columns, type Inputs } from '../index.js'

/** Properties of rows that a model or its training rows define. */
export interface Known {
  /** The shape of one row, or ids. */
  input?: readonly number[] | { ids: { length?: number } } | undefined
  classes?: number | undefined
  inputNames?: readonly string[] | undefined
  labelNames?: readonly string[] | undefined
  byteReading?: ByteReading | undefined
}

/** Rows that were read from a file. */
export interface Rows {
  columns: Extract<Columns, { inputs: Inputs }>
  options: ColumnOptions
  /** The group of each row, where a split keeps groups together. */
  groups?: Uint32Array
}

/** The shape of one row: that of the data spec or of the model, if it has as many numbers as `own`, the file's. */
export function shapeOf(place: string, input: unknown, own: readonly number[]): readonly number[] {
  if (!Array.isArray(input)) return own
  const shape = input as number[]
  const size = (sides: readonly number[]) => sides.reduce((product, side) => product * side, 1)
  if (size(shape) === size(own)) return shape
  const message = `expected rows of ${size(shape)} numbers (shape ${shape.join(' × ')}), got ${size(own)}`
  throw new LimbeckError('ERR_LIMBECK_SHAPE_MISMATCH', place, message)
}
