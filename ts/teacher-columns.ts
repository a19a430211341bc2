/** A teacher's logits as a column of the data: those of all classes, or the largest of each row. */
import { floats, isFlat, matrix, naturals, raggedRows, rowsIn, sampleIds } from './arrays.js'
import { number, plain, refuse, refuseData, words, type Plain } from './read.js'
import type { Numbers } from './inputs.js'
import type { Buffers, TeacherJson } from './native/contract.js'

/** A teacher's logits, matched to the rows by sample id. */
export interface TeacherLogits {
  /** `[ids, classes]`, row after row. */
  logits: Numbers | readonly Numbers[]
  /** The sample id of each row of logits. Default: the ids of the data, in their order. */
  ids?: Numbers
}

/** A teacher's largest logits, k per row, matched to the rows by sample id. */
export interface TeacherTopK {
  /** The classes of the logits, `[ids, k]`, row after row: integers, different within a row. */
  classes: Numbers | readonly Numbers[]
  /** The logits, `[ids, k]`, or ln p of the classes. */
  logits: Numbers | readonly Numbers[]
  /**
   * ln Σ e^(logit / temperature) over all classes, one number per id; 0 if the logits are ln p. With it, the other classes
   * share the rest of the probability in equal parts. Without it, and at other temperatures, the probabilities of the k
   * classes are renormalised, and the other classes have probability 0.
   */
  logSumExp?: Numbers
  /** The temperature of `logSumExp`, above 0. Default 1. */
  temperature?: number
  /** The sample id of each row of logits. Default: the ids of the data, in their order. */
  ids?: Numbers
}

export const teacherKeys = ['teacherLogits', 'teacherTopK'] as const

/** The teacher's column among the caller's columns, if there is one. */
export function packTeacher({ teacherLogits, teacherTopK }: Plain, rows: number, buffers: Buffers): TeacherJson | undefined {
  if (teacherTopK === undefined) return teacherLogits === undefined ? undefined : packLogits(teacherLogits, rows, buffers)
  if (teacherLogits !== undefined) refuse('teacherTopK', 'at most one of teacherLogits and teacherTopK', words('both'))
  return packTopK(teacherTopK, rows, buffers)
}

/** Logits of all classes, given for `rows` rows or with their own ids. */
export function packLogits(given: unknown, rows: number, buffers: Buffers): TeacherJson {
  const keyed = !isFlat(given) && !Array.isArray(given)
  const own: Plain = keyed ? plain('teacherLogits', given, ['logits', 'ids']) : { logits: given }
  const answers = idsOf('teacherLogits', own, rows, buffers)
  return { width: logitsOf(keyed ? 'teacherLogits.logits' : 'teacherLogits', own.logits, answers, buffers) }
}

/** The largest logits, given for `rows` rows or with their own ids. */
export function packTopK(given: unknown, rows: number, buffers: Buffers): TeacherJson {
  const own = plain('teacherTopK', given, ['classes', 'logits', 'logSumExp', 'temperature', 'ids'])
  const answers = idsOf('teacherTopK', own, rows, buffers)
  const width = logitsOf('teacherTopK.logits', own.logits, answers, buffers)
  const path = 'teacherTopK.classes'
  if (isFlat(own.classes)) {
    buffers.teacherClasses = naturals(path, own.classes)
  } else {
    const { values, offsets } = raggedRows(path, own.classes)
    const odd = offsets.findIndex((offset, row) => row > 0 && offset !== row * width)
    if (odd > 0) refuseData(`${path}[${odd - 1}]`, `${width} classes, as many as logits`, offsets[odd]! - offsets[odd - 1]!)
    buffers.teacherClasses = values
  }
  if (own.logSumExp === undefined) {
    if (own.temperature !== undefined) refuse('teacherTopK.temperature', 'logSumExp too', undefined)
    return { width }
  }
  buffers.teacherTail = floats('teacherTopK.logSumExp', own.logSumExp)
  return { width, temperature: number('teacherTopK.temperature', own.temperature ?? 1) }
}

/** The number of rows of logits. */
function idsOf(path: string, own: Plain, rows: number, buffers: Buffers): number {
  if (own.ids === undefined) return rows
  buffers.teacherIds = sampleIds(`${path}.ids`, own.ids)
  return buffers.teacherIds.length
}

/** The number of logits per row. */
function logitsOf(path: string, given: unknown, answers: number, buffers: Buffers): number {
  if (isFlat(given)) {
    buffers.teacher = floats(path, given)
    return answers > 0 ? rowsIn(path, buffers.teacher.length, answers) : 0
  }
  const { values, width, rows } = matrix(path, given)
  if (rows !== answers) refuseData(path, `${answers} rows, one per sample id`, rows)
  buffers.teacher = values
  return width
}
