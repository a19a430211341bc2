/** The options of mutual learning: those that each learner may set for itself, and the paths of their errors. */
import { json, list, plain, refuse, words, type Plain } from '../read.js'
import { LimbeckError } from '../errors.js'
import type { NativeModel } from '../native/contract.js'

/** The options that each learner may set for itself. */
const learnerKeys: readonly string[] = [
  'losses',
  'optimizer',
  'schedule',
  'clipNorm',
  'average',
  'freeze',
  'keep',
  'metric',
  'earlyStop',
  'combine',
  'permuteTeacher',
]

/** Reads the options that each learner sets for itself; those of the first learner are put into `rest`. */
export function peersOf({ updates, teacherWeight, learners }: Plain, rest: Plain, students: readonly NativeModel[]): { json: string; own: Plain[] } {
  if (students.length < 2) {
    const message = `expected two learners or more, which teach each other, got ${students.length}: use distill or train`
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'students', message)
  }
  students.forEach((student, at) => {
    if (students.indexOf(student) !== at) refuse(`students[${at}]`, 'a different model for each learner', words('one that is already in the list'))
  })
  const given = learners === undefined ? students.map(() => ({})) : list('learners', learners)
  const own = given.map((one, at) => plain(`learners[${at}]`, one, learnerKeys))
  if (own.length !== students.length) refuse('learners', `one entry per student, ${students.length}`, own.length)
  const each = own.map(one => ({ ...rest, ...one }))
  Object.assign(rest, each[0])
  const options = { ...(updates !== undefined && { updates }), ...(teacherWeight !== undefined && { teacherWeight }) }
  return { json: json('', { options, others: each.slice(1) }), own }
}

/** `students[1].losses.kl` becomes `learners[1].losses.kl` if the learner has its own losses, and `losses.kl` otherwise. */
export function peerPath(own: readonly Plain[], shared: readonly string[]): (path: string) => string {
  return path => {
    if (path.startsWith('options.')) return path.slice('options.'.length)
    const named = /^(students|others)\[(\d+)\]\.(.*)$/.exec(path)
    const [number, rest] = named === null ? [0, path] : [Number(named[2]) + (named[1] === 'others' ? 1 : 0), named[3]!]
    const key = /^\w*/.exec(rest)![0]
    if (Object.hasOwn(own[number] ?? {}, key)) return `learners[${number}].${rest}`
    return shared.includes(key) && number === 0 ? rest : named === null ? path : `students[${number}].${rest}`
  }
}
