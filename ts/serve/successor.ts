/** Checks the next model of a service: it must fit and return finite logits. */
import type { Meaning } from '../meaning.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import { describe, modelOf } from '../model/handle.js'
import type { Description, NativeModel } from '../native/contract.js'
import { mustFit } from './fits.js'
import { zeros } from './rows.js'

/** A copy of a model that fits: training the model that was passed does not change it. */
export function successorOf(model: unknown, own: Description): NativeModel {
  const handle = modelOf('model', model)
  mustFit('model', describe(handle), own, 'alike')
  return calling(() => handle.clone())
}

/** Runs the model on a row of zeros, in parallel with the batches: this draws missing start values and finds broken models. */
export async function mustAnswer(handle: NativeModel, meaning: Meaning): Promise<void> {
  const { json, buffers } = zeros(meaning)
  const { logits } = await awaiting(() => handle.predict(json, buffers, 'fallback'))
  const wrong = logits.find(logit => !Number.isFinite(logit))
  if (wrong === undefined) return
  const message = `expected finite logits for a row of zeros, got ${wrong}: the old model continues to serve`
  throw new LimbeckError('ERR_LIMBECK_NOT_FINITE', 'model', message)
}
