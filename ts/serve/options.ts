/** The options of a service, read and checked once. */
import { number, plain, refuse, whole } from '../read.js'
import type { Description } from '../native/contract.js'
import type { EnsembleLike, ModelLike } from '../native/handles.js'
import { Teacher, type Answer } from '../teacher.js'
import { secondOf, type Second } from './second.js'

/** A second model for a service's shadow or fallback: a model, an ensemble, or a function, such as a call to an HTTP API. */
export type SecondModel = ModelLike | EnsembleLike | Teacher | Answer

/** Sends a share of the calls also to a second model, which neither delays nor changes a result. */
export interface ShadowOptions {
  model: SecondModel
  /** The share of the calls: above 0, at most 1. Default 0.1. */
  fraction?: number | undefined
}

/** Sends rows that the model is unsure of to a second model. */
export interface FallbackOptions {
  /** A row is unsure if its largest probability is smaller than this: above 0, at most 1. */
  below: number
  to: SecondModel
}

export interface ServeOptions {
  /** The largest number of rows of a batch; a call with more rows is a batch by itself. Default 64. */
  maxBatch?: number | undefined
  /**
   * How long a call may wait for other calls, in milliseconds. A batch waits for as many rows as the last batch had. If
   * the service is idle, a single call is predicted at once. Default 2.
   */
  maxWaitMs?: number | undefined
  /** The largest number of waiting rows; further calls are rejected with `ERR_LIMBECK_BUSY`. Default 1024. */
  queue?: number | undefined
  /** A second model that also predicts a share of the calls, by default a tenth; `stats().shadow` counts how often both agree. */
  shadow?: ShadowOptions | SecondModel | undefined
  /** A second model that predicts the rows that this one is unsure of. */
  fallback?: FallbackOptions | undefined
}

export interface PredictOptions {
  /** When it aborts, the call rejects with its reason and leaves the queue. */
  signal?: AbortSignal | undefined
  /**
   * How long the call may take, in milliseconds, above 0; after that it rejects with `ERR_LIMBECK_DEADLINE`. If only the
   * result of the fallback is missing, the model's own result is used. A call waits for others only as long as its deadline
   * allows. Default: no deadline.
   */
  deadlineMs?: number | undefined
  /**
   * Any value that describes the call, such as its request: a `fallback` or `shadow` that is a function gets it in
   * `contexts`. The service does not use it.
   */
  context?: unknown
}

export interface DrainOptions {
  /** How long pending calls may take, in milliseconds; 0 or more. Default: as long as they need. */
  deadlineMs?: number | undefined
}

/** The checked options of a service. */
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
  return { fraction: share('shadow.fraction', fraction), model: required('shadow.model', model, own) }
}

function fallbackOf(given: unknown, own: Description): Serving['fallback'] {
  const { below, to } = plain('fallback', given, ['below', 'to'])
  return { below: share('fallback.below', below), model: required('fallback.to', to, own) }
}

function required(path: string, given: unknown, own: Description): Second {
  return secondOf(path, given, own) ?? refuse(path, 'a Model, an Ensemble, a Teacher or a function', given)
}

function share(path: string, value: unknown): number {
  const given = number(path, value)
  return given > 0 && given <= 1 ? given : refuse(path, 'a number above 0 and at most 1', given)
}
