/** The option `teacher`: one teacher or several, each with its weight. */
import { boolean, json, list, number, plain, refuse, show, words, type Plain } from './read.js'
import { LimbeckError } from './errors.js'
import type { Model } from './model/model.js'
import type { NativeModel } from './native/contract.js'
import { models } from './native/handles.js'
import { teacherKinds, type TeacherKinds } from './native/options.js'
import { Teacher, type Answer } from './teacher.js'

/** An object with exactly one of these keys. */
type OneOf<Kinds> = { [Kind in keyof Kinds]-?: { [Key in Kind]: NonNullable<Kinds[Kind]> } }[keyof Kinds]

/** A teacher that is described by options, such as `{ average: { decay: 0.99 } }` or `{ labelSmoothing: {} }`. */
type Described = OneOf<Omit<TeacherKinds, 'column'>>

/** One teacher: a model, a function, the running average of the student's own parameters, or smoothed labels. */
export type OneTeacher = Model | Teacher | Answer | Described

/** One of several teachers. */
export type WeightedTeacher = (
  | { model: Model | Teacher | Answer }
  | Described
  /** The data's own column `teacherLogits`. */
  | { column: true }
) & {
  /** Its weight in relation to the other teachers. Default 1. */
  weight?: number
}

/** The teachers of a run that distils; without any, the column `teacherLogits` of the data is used. */
export type AnyTeacher = OneTeacher | readonly WeightedTeacher[]

/** Teachers as they cross to the native side. */
export interface Teaching {
  models: NativeModel[]
  /** A list of options; a model is a number, its index in `models`. */
  json: string
  /** The teacher that is a function: it is called before training, and its logits become a column of the data. */
  asked: Teacher | undefined
}

/** No teacher. */
export const noTeaching: Teaching = { models: [], json: '[]', asked: undefined }

const kinds = ['model', ...teacherKinds]

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
  const part = described(path, own, teaching)
  return weight === undefined ? part : { ...part, weight: number(`${path}.weight`, weight) }
}

/** An object with one kind as its key. */
function described(path: string, own: Plain, teaching: Teaching): Plain {
  const [kind, ...more] = Object.keys(own).filter(key => own[key] !== undefined)
  if (kind === undefined || more.length > 0) {
    const message = `expected one of ${kinds.join(', ')}, got ${kind === undefined ? 'none' : [kind, ...more].join(' and ')}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', path, message)
  }
  if (kind === 'column' && !boolean(`${path}.column`, own.column)) refuse(`${path}.column`, 'true', false)
  return kind === 'model' ? modelOrFunction(`${path}.model`, own.model, teaching) : { [kind]: own[kind] }
}

function one(given: unknown, teaching: Teaching): Plain {
  if (given === undefined) return { column: true }
  const prototype: unknown = typeof given === 'object' && given !== null ? Object.getPrototypeOf(given) : undefined
  const isPlain = prototype === null || prototype === Object.prototype
  return isPlain ? described('teacher', plain('teacher', given, teacherKinds), teaching) : modelOrFunction('teacher', given, teaching)
}

function modelOrFunction(path: string, given: unknown, teaching: Teaching): Plain {
  const asked = typeof given === 'function' ? Teacher.fromFunction(given as Answer) : given
  if (asked instanceof Teacher) {
    if (teaching.asked !== undefined) refuse(path, 'at most one function', show(given))
    teaching.asked = asked
    return { column: true }
  }
  const handle = typeof asked === 'object' && asked !== null ? models.get(asked) : undefined
  if (handle === undefined) refuse(path, 'a Model, a Teacher, a function, or nothing if the data have teacherLogits or teacherTopK', given)
  teaching.models.push(handle)
  return { model: teaching.models.length - 1 }
}
