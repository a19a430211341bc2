/** What `serve` takes, looked at once. */
import { number, plain, refuse, whole } from '../read.js'
import type { Ensemble } from '../ensemble.js'
import type { Model } from '../model.js'
import type { Description } from '../prediction.js'
import { Teacher, type Answer } from '../teacher.js'
import { secondOf, type Second } from './second.js'

/** A second model for a service's shadow or fallback: a model, an ensemble, or a function, such as a call to an HTTP API. */
export type SecondModel = Model | Ensemble | Teacher | Answer

/** Runs a part of the calls through another model too. It neither delays nor changes an answer. */
export interface ShadowOptions {
  model: SecondModel
  /** The share of the calls, above 0, at most 1. Default 0.1. */
  fraction?: number | undefined
}

/** Sends rows that the model is unsure of to another one. */
export interface FallbackOptions {
  /** A row whose largest probability is smaller is unsure: above 0, at most 1. */
  below: number
  to: SecondModel
}

export interface ServeOptions {
  /** Rows of one batch; a call of more is a batch of its own. Default 64. */
  maxBatch?: number | undefined
  /**
   * How long a call may wait for others to come, in milliseconds. It waits for as many rows as the batch before had, and
   * for nobody where the service is idle: a lone caller is answered at once. Default 2.
   */
  maxWaitMs?: number | undefined
  /** Rows that may wait; further calls are refused with `ERR_LIMBECK_BUSY`. Default 1024. */
  queue?: number | undefined
  /** Another model that hears a part of the calls; `stats().shadow` says how often both agree. A model alone hears a tenth. */
  shadow?: ShadowOptions | SecondModel | undefined
  /** Another model that answers the rows that this one is unsure of. */
  fallback?: FallbackOptions | undefined
}

export interface PredictOptions {
  /** Rejects with its reason, and takes the call out of the service. */
  signal?: AbortSignal | undefined
  /**
   * How long the answer may take, in milliseconds; then the call is rejected with `ERR_LIMBECK_DEADLINE`, or answered
   * without the fallback where only that is missing. The call waits for others less long where it has to.
   */
  deadlineMs?: number | undefined
}

/** The same, checked. */
export interface Serving {
  maxBatch: number
  maxWaitMs: number
  queue: number
  shadow: { model: Second; fraction: number } | undefined
  fallback: { model: Second; below: number } | undefined
}

/** The longest delay of a timer of Node. */
export const LONGEST_MS = 2 ** 31 - 1

export function servingOf(options: unknown, own: Description): Serving {
  const given = plain('options', options, ['maxBatch', 'maxWaitMs', 'queue', 'shadow', 'fallback'])
  const { maxBatch = 64, maxWaitMs = 2, queue = 1024 } = given
  const checked = {
    maxBatch: whole('maxBatch', maxBatch, 1),
    maxWaitMs: number('maxWaitMs', maxWaitMs),
    queue: whole('queue', queue, 1),
  }
  if (checked.maxWaitMs < 0 || checked.maxWaitMs > LONGEST_MS) refuse('maxWaitMs', `milliseconds from 0 to ${LONGEST_MS}`, maxWaitMs)
  const shadow = given.shadow === undefined ? undefined : shadowOf(given.shadow, own)
  try {
    return { ...checked, shadow, fallback: given.fallback === undefined ? undefined : fallbackOf(given.fallback, own) }
  } catch (error) {
    shadow?.model.release()
    throw error
  }
}

function shadowOf(given: unknown, own: Description): Serving['shadow'] {
  const alone = secondOf('shadow', given, own)
  if (alone !== undefined) return { model: alone, fraction: 0.1 }
  const { model, fraction = 0.1 } = plain('shadow', given, ['model', 'fraction'])
  return { fraction: share('shadow.fraction', fraction), model: someone('shadow.model', model, own) }
}

function fallbackOf(given: unknown, own: Description): Serving['fallback'] {
  const { below, to } = plain('fallback', given, ['below', 'to'])
  return { below: share('fallback.below', below), model: someone('fallback.to', to, own) }
}

function someone(path: string, given: unknown, own: Description): Second {
  return secondOf(path, given, own) ?? refuse(path, 'a Model, an Ensemble, a Teacher or a function', given)
}

function share(path: string, value: unknown): number {
  const given = number(path, value)
  return given > 0 && given <= 1 ? given : refuse(path, 'a number above 0 and at most 1', given)
}
