/** Whether one model can stand for another: what it reads and what its answers mean. */
import { LimbeckError } from '../errors.js'
import type { Description } from '../prediction.js'

type Kind = Pick<Description, 'input' | 'classes' | 'provenance' | 'inputNames' | 'preprocessing'> & { labelNames: readonly string[] | null }

const rowOf = ({ input }: Kind) => {
  if (Array.isArray(input)) return `rows of shape ${input.join(' × ')}`
  const { length } = (input as { ids: { length?: number } }).ids
  return length == null ? 'rows of ids of any count' : `rows of ${length} ids`
}
const labelsOf = (kind: Kind) => (hasSeveralLabels(kind) ? 'several labels a row' : 'one label a row')
const namesOf = ({ labelNames }: Kind) => (labelNames === null ? 'no label names' : `the label names ${labelNames.join(', ')}`)

const columnsOf = ({ inputNames }: Kind) => (inputNames === null ? undefined : `the columns ${inputNames.join(', ')}`)
const bytesOf = ({ preprocessing: { bytes } }: Kind) => (bytes === undefined ? undefined : `bytes read as ${bytes.scale} · byte + ${bytes.offset}`)

/** Whether a model was trained on several labels a row; nothing of one that was not trained. */
export function hasSeveralLabels({ provenance }: Pick<Description, 'provenance'>): boolean | undefined {
  return typeof provenance === 'object' && provenance !== null && 'labels' in provenance ? provenance.labels === 'several' : undefined
}

/** Refuses a model that reads something else or has other classes than the one that serves; `named` compares their names. */
export function mustFit(path: string, other: Kind, own: Kind, named: 'alike' | 'where both have some'): void {
  const both = other.labelNames !== null && own.labelNames !== null
  const trained = hasSeveralLabels(other) !== undefined && hasSeveralLabels(own) !== undefined
  const words = [rowOf, ({ classes }: Kind) => `${classes} classes`, ...(trained ? [labelsOf] : []), ...(both || named === 'alike' ? [namesOf] : []), columnsOf, bytesOf]
  for (const word of words) {
    const [wanted, got] = [word(own), word(other)]
    if (wanted === got || wanted === undefined || got === undefined) continue
    const message = `expected ${wanted}, as the model that serves, got one of ${got}: begin a service of its own for it`
    throw new LimbeckError('ERR_LIMBECK_SHAPE_MISMATCH', path, message)
  }
}
