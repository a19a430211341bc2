/** Whom a student learns from, as it is given: one teacher or several, each with its weight. */
import { boolean, json, list, number, plain, refuse, show, words, type Plain } from './read.js'
import { LimbeckError } from './errors.js'
import type { Model } from './model.js'
import type { NativeModel } from './native/contract.js'
import { models } from './native/handles.js'
import type { OwnAverage, SmoothedLabels } from './native/options.js'
import { Teacher, type Answer } from './teacher.js'

/** One teacher: a model, a function, the running average of the student's own parameters, or smoothed labels. */
export type OneTeacher = Model | Teacher | Answer | { average: OwnAverage } | { labelSmoothing: SmoothedLabels }

/** One of several teachers. */
export type WeightedTeacher = (
  | { model: Model | Teacher | Answer }
  | { average: OwnAverage }
  | { labelSmoothing: SmoothedLabels }
  /** The data's own column `teacherLogits`. */
  | { column: true }
) & {
  /** How much it counts, in relation to the others. Default 1. */
  weight?: number
}

/** Which teachers a distilling run has; nothing means the data's own column of logits. */
export type AnyTeacher = OneTeacher | readonly WeightedTeacher[]

/** Teachers as they cross: models, what else is said of each, and the one that is a function. */
export interface Teaching {
  models: NativeModel[]
  json: string
  /** Asked before training; its answers are the data's column then. */
  asked: Teacher | undefined
}

/** Nobody. */
export const nobody: Teaching = { models: [], json: '[]', asked: undefined }

const kinds = ['model', 'average', 'labelSmoothing', 'column']

/** Reads the option `teacher`. */
export function teachingOf(given: unknown): Teaching {
  const teaching: Teaching = { models: [], json: '', asked: undefined }
  const parts = Array.isArray(given)
    ? list('teacher', given).map((entry, at) => weighted(`teacher[${at}]`, entry, teaching))
    : [one(given, teaching)]
  if (parts.length === 0) refuse('teacher', 'one teacher or more', words('an empty list'))
  if (parts.filter(({ column }) => column === true).length > 1) refuse('teacher', 'at most one function or column of the data', words('more'))
  teaching.json = json('teacher', parts)
  return teaching
}

function weighted(path: string, given: unknown, teaching: Teaching): Plain {
  const { weight, ...own } = plain(path, given, [...kinds, 'weight'])
  const [kind, ...more] = Object.keys(own).filter(key => own[key] !== undefined)
  if (kind === undefined || more.length > 0) {
    const message = `expected one of ${kinds.join(', ')}, got ${kind === undefined ? 'none' : [kind, ...more].join(' and ')}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', path, message)
  }
  if (kind === 'column' && !boolean(`${path}.column`, own.column)) refuse(`${path}.column`, 'true', false)
  const part = kind === 'model' ? who(`${path}.model`, own.model, teaching) : { [kind]: own[kind] }
  return weight === undefined ? part : { ...part, weight: number(`${path}.weight`, weight) }
}

function one(given: unknown, teaching: Teaching): Plain {
  if (given === undefined) return { column: true }
  const known = typeof given === 'function' || given instanceof Teacher || (typeof given === 'object' && given !== null && models.has(given))
  if (known || typeof given !== 'object' || given === null) return who('teacher', given, teaching)
  const prototype: unknown = Object.getPrototypeOf(given)
  if (prototype !== null && prototype !== Object.prototype) return who('teacher', given, teaching)
  const { average, labelSmoothing } = plain('teacher', given, ['average', 'labelSmoothing'])
  if ((average === undefined) === (labelSmoothing === undefined)) {
    refuse('teacher', 'a Model, a Teacher, a function, { average } or { labelSmoothing }', given)
  }
  return average === undefined ? { labelSmoothing } : { average }
}

function who(path: string, given: unknown, teaching: Teaching): Plain {
  const asked = typeof given === 'function' ? Teacher.fromFunction(given as Answer) : given
  if (asked instanceof Teacher) {
    if (teaching.asked !== undefined) refuse(path, 'at most one function', show(given))
    teaching.asked = asked
    return { column: true }
  }
  const handle = typeof asked === 'object' && asked !== null ? models.get(asked) : undefined
  if (handle === undefined) refuse(path, 'a Model, a Teacher, a function, or nothing where the data have teacherLogits', given)
  teaching.models.push(handle)
  return { model: teaching.models.length - 1 }
}
