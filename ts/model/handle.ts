/** The native object of a model, for files that must not import the class `Model`. */
import { refuse } from '../read.js'
import { calling } from '../errors.js'
import type { Description, NativeModel } from '../native/contract.js'
import { models } from '../native/handles.js'

/** The native side of a model that a caller passed. */
export function modelOf(path: string, value: unknown): NativeModel {
  const handle = typeof value === 'object' && value !== null ? models.get(value) : undefined
  return handle ?? refuse(path, 'a Model', value)
}

export function describe(handle: NativeModel): Description {
  return JSON.parse(calling(() => handle.describe())) as Description
}
