/** The data spec `idx`: images and labels in the format of MNIST. */
import { plain, text } from '../check.js'
import { LimbeckError, readIdx } from '../index.js'
import type { Known, Rows } from './data.js'
import { shapeOf } from './shape.js'

/** `{ images, labels }`: `[rows, height, width]` become rows of `[1, height, width]`. */
export async function idxOf(place: string, spec: unknown, { input }: Known): Promise<Rows> {
  const own = plain(place, spec, ['images', 'labels'])
  const file = text(`${place}.images`, own.images)
  const { shape, values } = await readIdx(file)
  const [, ...sides] = shape
  const inputs = values instanceof Uint8Array ? values : Float32Array.from(values)
  const suggested = sides.length === 2 ? [1, ...sides] : sides
  const rows: Rows = { columns: { inputs }, options: { inputs: shapeOf(place, input, suggested) } }
  if (own.labels === undefined) return rows
  const labelFile = text(`${place}.labels`, own.labels)
  const labels = await readIdx(labelFile)
  if (labels.shape.length !== 1 || labels.shape[0] !== shape[0]) {
    const message = `expected ${shape[0]} labels, one for each image, got sides [${labels.shape.join(', ')}]`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', labelFile, message)
  }
  rows.columns.labels = labels.values
  rows.options.labels = 'single'
  return rows
}
