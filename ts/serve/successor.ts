/** The model that shall serve next: it must fit, and answer, before it is let in. */
import { refuse } from '../read.js'
import type { Meaning } from '../meaning.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import type { NativeModel } from '../native/contract.js'
import { models } from '../native/handles.js'
import type { Description } from '../prediction.js'
import { mustFit } from './fits.js'
import { zeros } from './rows.js'

export function describe(handle: NativeModel): Description {
  return JSON.parse(calling(() => handle.describe())) as Description
}

/** A copy of a model that fits: it stays what it is, whatever becomes of the one that was passed. */
export function successorOf(model: unknown, own: Description): NativeModel {
  const handle = typeof model === 'object' && model !== null ? models.get(model) : undefined
  if (handle === undefined) return refuse('model', 'a Model', model)
  mustFit('model', describe(handle), own, 'alike')
  return calling(() => handle.clone())
}

/** Draws start values where there are none yet, and finds out what is broken, beside the batches. */
export async function mustAnswer(handle: NativeModel, meaning: Meaning): Promise<void> {
  const { json, buffers } = zeros(meaning)
  const { logits } = await awaiting(() => handle.predict(json, buffers, 'fallback'))
  const wrong = logits.find(logit => !Number.isFinite(logit))
  if (wrong === undefined) return
  const message = `expected finite logits for a row of zeros, got ${wrong}: the model before it serves on`
  throw new LimbeckError('ERR_LIMBECK_NOT_FINITE', 'model', message)
}
