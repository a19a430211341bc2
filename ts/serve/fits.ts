/** Whether one model can replace another: it must read the same rows, and its outputs must mean the same. */
import type { Description } from '../native/contract.js'
import { LimbeckError } from '../errors.js'

type Kind = Pick<Description, 'input' | 'classes' | 'provenance' | 'inputNames' | 'preprocessing' | 'texts'> & { labelNames: readonly string[] | null }

const rowOf = ({ input }: Kind) => {
  if (Array.isArray(input)) return `rows of shape ${input.join(' × ')}`
  const { length } = (input as { ids: { length?: number } }).ids
  return length == null ? 'rows of ids of any count' : `rows of ${length} ids`
}
const labelsOf = (kind: Kind) => (hasSeveralLabels(kind) ? 'several labels per row' : 'one label per row')
const namesOf = ({ labelNames }: Kind) => (labelNames === null ? 'no label names' : `the label names ${labelNames.join(', ')}`)

const columnsOf = ({ inputNames }: Kind) => (inputNames === null ? undefined : `the columns ${inputNames.join(', ')}`)
const bytesOf = ({ preprocessing: { bytes } }: Kind) => (bytes === undefined ? undefined : `bytes read as ${bytes.scale} · byte + ${bytes.offset}`)
const tokenizerOf = ({ texts }: Kind) => (texts ? `the tokenizer ${texts.tokenizer.slice(0, 16)}…` : undefined)

/** Whether a model was trained on several labels per row; undefined for a model that was not trained. */
export function hasSeveralLabels({ provenance }: Pick<Description, 'provenance'>): boolean | undefined {
  return typeof provenance === 'object' && provenance !== null && 'labels' in provenance ? provenance.labels === 'several' : undefined
}

/** Refuses a model whose rows or classes differ from those of the serving model; `named` is when label names must be equal. */
export function mustFit(path: string, other: Kind, own: Kind, named: 'alike' | 'where both have some'): void {
  const both = other.labelNames !== null && own.labelNames !== null
  const trained = hasSeveralLabels(other) !== undefined && hasSeveralLabels(own) !== undefined
  const words = [rowOf, ({ classes }: Kind) => `${classes} classes`, ...(trained ? [labelsOf] : []), ...(both || named === 'alike' ? [namesOf] : []), columnsOf, bytesOf, tokenizerOf]
  for (const word of words) {
    const [wanted, got] = [word(own), word(other)]
    if (wanted === got || wanted === undefined || got === undefined) continue
    const message = `expected ${wanted}, like the serving model, got ${got}: make another service for this model`
    throw new LimbeckError('ERR_LIMBECK_SHAPE_MISMATCH', path, message)
  }
}
