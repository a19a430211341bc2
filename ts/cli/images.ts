/** The data spec `idx`: images and labels in the format of MNIST. */
import { number, plain, text } from '../read.js'
import { LimbeckError, readIdx } from '../index.js'
import { shapeOf, type Known, type Rows } from './rows.js'

/** `{ images, labels }`: `[rows, height, width]` become rows of `[1, height, width]`. */
export async function idxOf(place: string, spec: unknown, { input, byteReading }: Known): Promise<Rows> {
  const own = plain(place, spec, ['images', 'labels', 'scale', 'offset'])
  const file = text(`${place}.images`, own.images)
  const { shape, values } = await readIdx(file)
  const [, ...sides] = shape
  const bytes = values instanceof Uint8Array
  const suggested = sides.length === 2 ? [1, ...sides] : sides
  const rows: Rows = { columns: { inputs: bytes ? values : Float32Array.from(values) }, options: { inputs: shapeOf(place, input, suggested) } }
  const given = own.scale !== undefined || own.offset !== undefined
  // If the spec sets neither, bytes are read as the model reads them.
  const { scale, offset } = given ? own : ((bytes ? byteReading : undefined) ?? { scale: undefined, offset: undefined })
  if (scale !== undefined) rows.options.scale = number(`${place}.scale`, scale)
  if (offset !== undefined) rows.options.offset = number(`${place}.offset`, offset)
  if (own.labels === undefined) return rows
  const labelFile = text(`${place}.labels`, own.labels)
  const labels = await readIdx(labelFile)
  if (labels.shape.length !== 1 || labels.shape[0] !== shape[0]) {
    const message = `expected ${shape[0]} labels, one for each image, got the shape [${labels.shape.join(', ')}]`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', labelFile, message)
  }
  rows.columns.labels = labels.values
  rows.options.labels = 'single'
  return rows
}
