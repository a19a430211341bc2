/** A teacher's answers as a column of the data: the logits of all classes, or the largest of each row. */
import { floats, isFlat, matrix, naturals, raggedRows, rowsIn, sampleIds } from './arrays.js'
import { number, plain, refuse, refuseData, words, type Plain } from './read.js'
import type { Numbers } from './inputs.js'
import type { Buffers, TeacherJson } from './native/contract.js'

/** A teacher's answers, found by sample id. */
export interface TeacherLogits {
  /** `[answers, classes]`, row after row. */
  logits: Numbers | readonly Numbers[]
  /** Whose answer each row is. Default: the rows of the data, in their order. */
  ids?: Numbers
}

/** A teacher's largest logits, k per row, found by sample id. */
export interface TeacherTopK {
  /** The classes that the logits belong to, `[answers, k]`, row after row: whole numbers, different in each row. */
  classes: Numbers | readonly Numbers[]
  /** The logits, `[answers, k]`, or ln p of the classes. */
  logits: Numbers | readonly Numbers[]
  /**
   * ln Σ e^(logit / temperature) over all classes, one number per answer; 0 where the logits are ln p. With it the other
   * classes share the rest of the probability in equal parts. Without it, and at other temperatures, the k classes are
   * renormalised: the others have probability 0.
   */
  logSumExp?: Numbers
  /** The temperature of `logSumExp`, above 0. Default 1. */
  temperature?: number
  /** Whose answer each row is. Default: the rows of the data, in their order. */
  ids?: Numbers
}

export const teacherKeys = ['teacherLogits', 'teacherTopK'] as const

/** The column of a teacher among the columns of the caller, where there is one. */
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
    if (own.temperature !== undefined) refuse('teacherTopK.temperature', 'logSumExp together with it', undefined)
    return { width }
  }
  buffers.teacherTail = floats('teacherTopK.logSumExp', own.logSumExp)
  return { width, temperature: number('teacherTopK.temperature', own.temperature ?? 1) }
}

/** How many answers there are. */
function idsOf(path: string, own: Plain, rows: number, buffers: Buffers): number {
  if (own.ids === undefined) return rows
  buffers.teacherIds = sampleIds(`${path}.ids`, own.ids)
  return buffers.teacherIds.length
}

/** How many numbers there are per answer. */
function logitsOf(path: string, given: unknown, answers: number, buffers: Buffers): number {
  if (isFlat(given)) {
    buffers.teacher = floats(path, given)
    return answers > 0 ? rowsIn(path, buffers.teacher.length, answers) : 0
  }
  const { values, width, rows } = matrix(path, given)
  if (rows !== answers) refuseData(path, `${answers} rows, one for each answer`, rows)
  buffers.teacher = values
  return width
}
