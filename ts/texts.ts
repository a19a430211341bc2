/** Reads texts of the caller, and encodes the texts of a data set. */
import { LimbeckError } from './errors.js'
import { reading, refuseData, words } from './read.js'

/** The ids of the tokens of texts. */
export interface EncodedTexts {
  /** The ids of all texts, one text after the other. */
  ids: Uint32Array
  /** One entry more than there are texts: text `t` has `ids[offsets[t]] … ids[offsets[t + 1] - 1]`. */
  offsets: Uint32Array
  /** The number of texts that had more than `maxTokens` tokens, and lost the last ones. */
  cut: number
}

/** The longest text in UTF-16 units. */
const LONGEST = 4 << 20

/** The texts of an array or of another iterable, each checked. */
export function textsOf(path: string, value: unknown): string[] {
  const given = reading(path, () => {
    if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) return refuseData(path, 'an array of strings', value)
    return Array.from(value as Iterable<unknown>)
  })
  given.forEach((text, index) => checkText(`${path}[${index}]`, text))
  return given as string[]
}

function checkText(path: string, text: unknown): void {
  if (typeof text !== 'string') return refuseData(path, 'a string', text)
  if (text.length > LONGEST) refuseData(path, `a text of at most ${LONGEST} characters (split it)`, words(`${text.length}`))
  if (text.isWellFormed()) return
  const at = text.search(/\p{Surrogate}/u)
  const message = `expected whole characters, got half of a surrogate pair at position ${at}; text.toWellFormed() replaces it`
  throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, message)
}
