/** The shape of one row: what the data spec or the model says, as long as it holds what the file has. */
import { LimbeckError } from '../errors.js'

/** `own` is what the file alone would suggest. */
export function shapeOf(place: string, input: unknown, own: readonly number[]): readonly number[] {
  if (!Array.isArray(input)) return own
  const shape = input as number[]
  const size = (sides: readonly number[]) => sides.reduce((product, side) => product * side, 1)
  if (size(shape) === size(own)) return shape
  const message = `expected rows of ${size(shape)} numbers (shape ${shape.join(' × ')}), got ${size(own)}`
  throw new LimbeckError('ERR_LIMBECK_SHAPE_MISMATCH', place, message)
}
