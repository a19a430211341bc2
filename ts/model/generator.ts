/** Makes a student's parameters from those of a larger teacher, by the rules of a generator; `distillWeights` also trains the generator. */
import { json, list, plain, whole } from '../read.js'
import { calling } from '../errors.js'
import type { NativeModel } from '../native/contract.js'
import { modelOf } from './handle.js'
import type { GeneratorPlan } from './types.js'

export function generatorPlan(handle: NativeModel, teacher: unknown, generator: unknown): GeneratorPlan {
  const options = json('generator', plain('generator', generator))
  return JSON.parse(calling(() => handle.generatorPlan(modelOf('teacher', teacher), options))) as GeneratorPlan
}

export function startFrom(handle: NativeModel, teacher: unknown, generator: unknown, start: unknown): GeneratorPlan {
  const options = json('generator', plain('generator', generator))
  const own = plain('options', start, ['seed'])
  const seed = own.seed === undefined ? 0 : whole('seed', own.seed, 0)
  return JSON.parse(calling(() => handle.startFrom(modelOf('teacher', teacher), options, seed))) as GeneratorPlan
}

export function truncateFrom(handle: NativeModel, teacher: unknown, generator: unknown): GeneratorPlan {
  const own = plain('generator', generator)
  const given = own.rules === undefined ? [] : list('generator.rules', own.rules)
  const rules = [{ student: '*', rule: { truncate: {} } }, ...given]
  return startFrom(handle, teacher, { remainder: 'spread', ...own, rules }, {})
}
