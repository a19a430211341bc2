/** Splits a large call into several native calls, so that other services and models can run between two of them. */
import { LimbeckError } from '../errors.js'
import type { NativeModel, NativePrediction } from '../native/contract.js'
import { range, type Rows } from './rows.js'

/** A call of at most this many rows is not large, whatever the model. */
export const LARGE = 256
/** Multiply-adds of one piece: a few milliseconds on two cores. */
const WORK = 2 ** 28
const known = new WeakMap<NativeModel, number>()

/** The largest number of rows of a call that is not split: more for a small model, `LARGE` for a slow one. */
export function largeOf(model: NativeModel): number {
  let most = known.get(model)
  if (most === undefined) {
    const { multiplyAdds } = JSON.parse(model.summary()) as { multiplyAdds: number }
    known.set(model, (most = Math.max(LARGE, Math.floor(WORK / Math.max(1, multiplyAdds)))))
  }
  return most
}

/** Predicts all rows, at most `most` of them in one native call; the bits are those of a single call. */
export async function inPieces(
  all: Rows,
  most: number,
  predict: (rows: Rows) => Promise<NativePrediction>,
  signal?: AbortSignal,
): Promise<NativePrediction> {
  if (all.rows <= most) return predict(all)
  let joined: NativePrediction | undefined
  for (let first = 0; first < all.rows; first += most) {
    signal?.throwIfAborted()
    let part: NativePrediction
    try {
      part = await predict(range(all, first, Math.min(first + most, all.rows)))
    } catch {
      // The error of the whole call has the row numbers of the caller.
      return predict(all)
    }
    const { classes } = part
    joined ??= { rows: all.rows, classes, logits: floats(all.rows, classes), probabilities: floats(all.rows, classes), labels: new Uint32Array(all.rows) }
    joined.logits.set(part.logits, first * classes)
    joined.probabilities.set(part.probabilities, first * classes)
    joined.labels.set(part.labels, first)
  }
  return joined!
}

/** Memory for `classes` numbers per row. */
function floats(rows: number, classes: number): Float32Array {
  try {
    return new Float32Array(rows * classes)
  } catch (cause) {
    const message = `expected ${4 * rows * classes} bytes of memory for the results, got none: predict fewer rows at once`
    throw new LimbeckError('ERR_LIMBECK_MEMORY', '', message, { cause })
  }
}
