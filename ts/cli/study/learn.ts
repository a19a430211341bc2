/** One run of one arm: trains a student from the start values of its seed to its last epoch. */
import { bornAgain, distill, distillMutually, distillWeights, Model, train, type Dataset, type LossesOptions, type Run } from '../../index.js'
import { mkdir, rename } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { alone, armOf, baseline, type Arm, type Setting } from './arms.js'
import { architecture, budget, freshStudent, type Task, type TeacherName } from './tasks.js'

export interface Teacher {
  model: Model
  /** The training rows with the teacher's logits, which are computed once. */
  data: Dataset
  /** The accuracy on the test part, in percent. */
  accuracy: number
}

/** Trains each teacher once, keeps it in the study's folder, and computes its logits once. */
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
    const { channels, labelSmoothing, epochs, shift, from } = task.teachers[name]
    const file = path.join(this.folder, 'models', `${task.name}-${name}.safetensors`)
    let model = await Model.load(file).catch(() => undefined)
    if (model === undefined) {
      model = Model.create(architecture(task, channels), { seed: 0, normalization: await task.train.normalization() })
      // Runs wait for the teacher, so it uses all cores.
      const settings = { ...budget(epochs, 0), threads: availableParallelism() }
      if (from === undefined) {
        const augmented = shift > 0 ? { augment: { shift: { pixels: shift } } } : {}
        await train({ student: model, data: task.train, losses: { crossEntropy: { labelSmoothing } }, ...augmented, ...settings }).finish()
      } else {
        const { losses } = armOf(baseline)!.settings(task)[0]!
        await distill({ student: model, data: (await this.get(from)).data, losses: losses!, ...settings }).finish()
      }
      await mkdir(path.dirname(file), { recursive: true })
      await model.save(`${file}.new`)
      await rename(`${file}.new`, file)
    }
    const { accuracy } = await model.evaluate(task.test)
    const data = task.train.withTeacherLogits(await model.logits(task.train))
    return { model, data, accuracy: 100 * accuracy! }
  }
}

/** The options that the runs of all arms share. */
interface Common {
  student: Model
  validation: Dataset
  losses: LossesOptions
}

export interface Learnt {
  /** The accuracy after the last epoch, in percent. */
  accuracy: number
  /** The accuracy in the best epoch, in percent. */
  best: number
  bestEpoch: number
  findings: number
  student: Model
}

/** Trains a student with a setting; `judge` are the rows on which it is evaluated after every epoch. */
export async function learn(task: Task, arm: Arm, setting: Setting, seed: number, teachers: Teachers, judge: Dataset): Promise<Learnt> {
  if (setting.bornAgain !== undefined) return again(task, setting.bornAgain, seed, teachers, judge)
  const student = await freshStudent(task, seed)
  if (setting.mutual) return together(task, setting, seed, student, judge)
  const common = { student, validation: judge, losses: setting.losses!, ...budget(task.epochs, seed) }
  if (arm.teacher === undefined) return followed(train({ data: task.train, ...common }), student)
  const teacher = await teachers.get(arm.teacher)
  if (setting.weights !== undefined) return generated(task, setting, seed, teacher.model, common)
  if (setting.truncated) student.truncateFrom(teacher.model)
  const run = arm.inside ? distill({ teacher: teacher.model, data: task.train, ...common }) : distill({ data: teacher.data, ...common })
  return followed(run, student)
}

/**
 * Both phases together have as many epochs as every other arm. The generator is trained with Adam, as in the paper: at the
 * learning rate of the students its tanh saturates, and it learns nothing.
 */
async function generated(task: Task, { weights }: Setting, seed: number, teacher: Model, { student, validation, losses }: Common): Promise<Learnt> {
  const first = Math.max(1, Math.round(weights!.phase1 * task.epochs))
  const { epochs: _, ...shared } = budget(task.epochs, seed)
  const optimizer = { adam: { learningRate: weights!.rate, beta2: 0.98 } }
  const phases = { phase1: { epochs: first, optimizer }, phase2: { epochs: task.epochs - first } }
  const run = distillWeights({ teacher, student, data: task.train, validation, losses, keep: 'last', ...shared, ...phases })
  const seen: number[] = []
  let findings = 0
  for await (const { validation: judged, phase, summary } of run) {
    if (judged?.accuracy !== undefined && phase === 2) seen.push(100 * judged.accuracy)
    findings += summary?.findings.length ?? 0
  }
  const best = scores(seen)
  return { ...best, bestEpoch: best.bestEpoch + first, findings, student }
}

/** Two students of one shape with different start values; the one with the seed of the other arms is evaluated. */
async function together(task: Task, { losses }: Setting, seed: number, student: Model, judge: Dataset): Promise<Learnt> {
  const students = [student, await freshStudent(task, seed + 1000)]
  const run = distillMutually({ students, data: task.train, validation: judge, losses: losses!, keep: 'last', ...budget(task.epochs, seed) })
  const seen: number[] = []
  let findings = 0
  for await (const { learners, summary } of run) {
    const accuracy = learners[0]?.validation?.accuracy
    if (accuracy !== undefined) seen.push(100 * accuracy)
    findings += summary?.findings.length ?? 0
  }
  return { ...scores(seen), findings, student }
}

/** Trains a student without a teacher, then generations of its shape; the last one is evaluated. */
async function again(task: Task, own: NonNullable<Setting['bornAgain']>, seed: number, teachers: Teachers, judge: Dataset): Promise<Learnt> {
  const first = armOf(alone)!
  const { student: teacher } = await learn(task, first, first.settings(task)[0]!, seed, teachers, judge)
  const run = bornAgain({ teacher, data: task.train, validation: judge, keep: 'last', ...own, ...budget(task.epochs, seed) })
  const seen: number[] = []
  let findings = 0
  for await (const { validation, generation, summary } of run) {
    if (validation?.accuracy !== undefined && generation === own.generations) seen.push(100 * validation.accuracy)
    findings += summary?.findings.length ?? 0
  }
  return { ...scores(seen), findings, student: teacher }
}

async function followed(run: Run, student: Model): Promise<Learnt> {
  const seen: number[] = []
  for await (const { validation } of run) if (validation?.accuracy !== undefined) seen.push(100 * validation.accuracy)
  return { ...scores(seen), findings: run.summary!.findings.length, student }
}

/** The accuracies of the last and of the best epoch. */
function scores(seen: readonly number[]): Pick<Learnt, 'accuracy' | 'best' | 'bestEpoch'> {
  const best = Math.max(...seen)
  return { accuracy: seen.at(-1)!, best, bestEpoch: seen.indexOf(best) + 1 }
}
