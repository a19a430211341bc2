/** The parameters of a model: read by name, and copied from another model. */
import { floats } from '../arrays.js'
import { plain, text } from '../read.js'
import { calling } from '../errors.js'
import type { NativeModel } from '../native/contract.js'
import { modelOf } from './handle.js'
import type { Parameter } from './types.js'

export function parametersOf(handle: NativeModel): Parameter[] {
  const all = JSON.parse(calling(() => handle.parameters())) as Omit<Parameter, 'values'>[]
  return all.map(({ name, shape, trainable }) => ({
    name,
    shape,
    trainable,
    get values() {
      return calling(() => handle.parameter(name))
    },
  }))
}

export function setParameter(handle: NativeModel, name: unknown, values: unknown): void {
  calling(() => handle.setParameter(text('name', name), floats('values', values)))
}

export function copyFrom(handle: NativeModel, other: unknown, options: unknown): string[] {
  const { layers } = plain('options', options, ['layers'])
  const map = layers === undefined ? {} : plain('layers', layers)
  const pairs = Object.entries(map).map(([own, theirs]) => [own, text(`layers.${own}`, theirs)])
  return calling(() => handle.copyFrom(modelOf('other', other), JSON.stringify(pairs)))
}
