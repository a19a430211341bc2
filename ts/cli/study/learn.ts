/** One run of one arm: a student from its seed's start to its last epoch. */
import { distill, Model, train, type Dataset, type Run } from '../../index.js'
import { mkdir, rename } from 'node:fs/promises'
import path from 'node:path'
import type { Arm, Setting } from './arms.js'
import { architecture, budget, freshStudent, type Task, type TeacherName } from './tasks.js'

export interface Teacher {
  model: Model
  /** The rows to learn from, with its answers beside them: it was asked once. */
  data: Dataset
  /** Percent on the test part. */
  accuracy: number
}

/** Teachers are trained once, kept in the study's folder, and asked once. */
export class Teachers {
  readonly #made = new Map<TeacherName, Promise<Teacher>>()

  constructor(
    private readonly task: Task,
    private readonly folder: string,
  ) {}

  get(name: TeacherName): Promise<Teacher> {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const made = this.#make(name)
    this.#made.set(name, made)
    return made
  }

  async #make(name: TeacherName): Promise<Teacher> {
    const { task } = this
    const { channels, labelSmoothing, epochs } = task.teachers[name]
    const file = path.join(this.folder, 'models', `${task.name}-${name}.safetensors`)
    let model = await Model.load(file).catch(() => undefined)
    if (model === undefined) {
      model = Model.create(architecture(task, channels), { seed: 0, normalization: task.train.normalization() })
      const losses = { crossEntropy: { labelSmoothing } }
      await train({ student: model, data: task.train, losses, ...budget(epochs, 0) }).finish()
      await mkdir(path.dirname(file), { recursive: true })
      await model.save(`${file}.new`)
      await rename(`${file}.new`, file)
    }
    const { accuracy } = await model.evaluate(task.test)
    const data = task.train.withTeacherLogits(await model.logits(task.train))
    return { model, data, accuracy: 100 * accuracy! }
  }
}

export interface Learnt {
  /** Percent after the last epoch. */
  accuracy: number
  /** Percent in the best epoch. */
  best: number
  bestEpoch: number
  findings: number
  student: Model
}

/** Trains a student as the setting says; `judge` are the rows that it is judged on after every epoch. */
export async function learn(task: Task, arm: Arm, setting: Setting, seed: number, teachers: Teachers, judge: Dataset): Promise<Learnt> {
  const student = freshStudent(task, seed)
  const common = { student, validation: judge, losses: setting.losses, ...budget(task.epochs, seed) }
  let run: Run
  if (arm.teacher === undefined) {
    run = train({ data: task.train, ...common })
  } else {
    const teacher = await teachers.get(arm.teacher)
    run = arm.inside ? distill({ teacher: teacher.model, data: task.train, ...common }) : distill({ data: teacher.data, ...common })
  }
  return followed(run, student)
}

async function followed(run: Run, student: Model): Promise<Learnt> {
  const seen: number[] = []
  for await (const { validation } of run) if (validation?.accuracy !== undefined) seen.push(100 * validation.accuracy)
  const best = Math.max(...seen)
  return { accuracy: seen.at(-1)!, best, bestEpoch: seen.indexOf(best) + 1, findings: run.summary!.findings.length, student }
}
