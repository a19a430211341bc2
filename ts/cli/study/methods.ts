/** Runs `limbeck study methods` and writes its page. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { analyse, type Model } from '../../index.js'
import { limits } from '../limits.js'
import { brief, type Output } from '../output.js'
import { armOf, arms, baseline, type Arm } from './arms.js'
import { learn, Teachers } from './learn.js'
import { Lines } from './lines.js'
import { page, type TaskFacts } from './page.js'
import { left, measured, Queue, secondsOf, settingOf } from './plan.js'
import { taskOf, type Task, type TaskName, type TeacherName } from './tasks.js'

export interface StudyOptions {
  tasks: readonly TaskName[]
  arms: readonly Arm[]
  seeds: readonly number[]
  folder: string
  /** The number of concurrent runs, with one thread each. */
  jobs: number
  /** Prints how long it will take, and does nothing. */
  dry: boolean
  /** Writes the page from the record, and runs nothing. */
  page: boolean
}

export async function studyMethods(options: StudyOptions, output: Output): Promise<void> {
  const lines = await Lines.of(options.folder)
  for (const name of options.tasks) {
    const task = await taskOf(name)
    const arms = options.arms.filter(({ tasks }) => tasks?.includes(name) ?? true)
    const teachers = new Teachers(task, options.folder)
    if (!options.page) await announce(task, arms, lines, options, output)
    if (!options.dry) {
      if (!options.page) await inTurns(arms, task, teachers, lines, options, output)
      const tried = arms.filter(arm => lines.all.some(line => line.task === name && line.arm === arm.name && line.phase === 'run'))
      if (tried.length > 0) await keepFacts(task, tried, teachers, options)
      await writePage(options.folder, lines)
    }
    for (const part of [task.train, task.held, task.test]) part.dispose()
  }
  if (!options.dry) output.line(`page: ${path.join(options.folder, 'methods.md')}`)
}

async function announce(task: Task, chosen: readonly Arm[], lines: Lines, { seeds, jobs }: StudyOptions, output: Output): Promise<void> {
  const counts = chosen.map(arm => ({ arm, count: left(arm, task, lines, seeds) })).filter(({ count }) => count > 0)
  const runs = counts.reduce((sum, { count }) => sum + count, 0)
  const own = runs === 0 ? 0 : await measured(task)
  const seconds = counts.reduce((sum, { arm, count }) => sum + count * secondsOf(arm, task, lines, own), 0) / jobs
  const minutes = Math.ceil(seconds / 60)
  output.data({ plan: { task: task.name, arms: chosen.length, runs, minutes, jobs } })
  output.note(`${task.name}: ${brief(runs)} runs of ${counts.length} arms are left, about ${minutes} min with ${jobs} at a time; teachers that are missing are trained first`)
}

/** Makes the remaining runs, `jobs` at a time. */
async function inTurns(chosen: readonly Arm[], task: Task, teachers: Teachers, lines: Lines, { jobs, seeds }: StudyOptions, output: Output): Promise<void> {
  const queue = new Queue(chosen, task, lines, seeds)
  let waiting = chosen.reduce((sum, arm) => sum + left(arm, task, lines, seeds), 0)
  const one = async () => {
    for (let piece = await queue.next(); piece !== undefined; piece = await queue.next()) {
      const { arm, phase, setting, seed } = piece
      if (arm.teacher !== undefined) await teachers.get(arm.teacher)
      const begun = performance.now()
      const judge = phase === 'trial' ? task.held : task.test
      const options = settingOf(piece, task)
      const { student, ...learnt } = await learn(task, arm, options, seed, teachers, judge)
      student.dispose()
      const seconds = Number(((performance.now() - begun) / 1000).toFixed(1))
      const line = { task: task.name, arm: arm.name, phase, setting, options, seed, ...rounded(learnt), seconds }
      await lines.add(line)
      queue.done(piece)
      waiting--
      output.data({ line })
      output.note(`${task.name} ${arm.name} ${phase} ${phase === 'trial' ? setting : seed}: ${learnt.accuracy.toFixed(2)} % in ${seconds.toFixed(0)} s, ${waiting} left`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, one))
}

const rounded = ({ accuracy, best, bestEpoch, findings }: { accuracy: number; best: number; bestEpoch: number; findings: number }) => ({
  accuracy: Number(accuracy.toFixed(3)),
  best: Number(best.toFixed(3)),
  bestEpoch,
  findings,
})

/** Analyses each teacher with one student of plain kd; written once per task. */
async function keepFacts(task: Task, chosen: readonly Arm[], teachers: Teachers, { folder }: StudyOptions): Promise<void> {
  const kept = await readFacts(folder)
  const facts: TaskFacts = kept[task.name] ?? { source: task.source, teachers: {} }
  const names = new Set<TeacherName>(['teacher', ...chosen.flatMap(({ teacher }) => teacher ?? [])])
  let student: Model | undefined
  for (const name of names) {
    if (facts.teachers[name] !== undefined) continue
    const { model, accuracy } = await teachers.get(name)
    student ??= (await learn(task, armOf(baseline)!, armOf(baseline)!.settings(task)[0]!, 1, teachers, task.held)).student
    const { equivalentSmoothing, reweighting, calibration } = await analyse({
      teacher: model,
      student,
      data: task.test,
      diagnostics: { equivalentSmoothing: { temperature: 4 }, reweighting: { weight: 0.9, temperature: 4 }, calibration: {} },
    })
    const { gamma, confidence } = equivalentSmoothing.teacher!
    facts.teachers[name] = { accuracy, gamma, confidence, reweighting: reweighting.weights.median, error: calibration.teacher!.before.error }
  }
  student?.dispose()
  await replace(path.join(folder, 'methods.facts.json'), `${JSON.stringify({ ...kept, [task.name]: facts }, null, 2)}\n`)
}

async function readFacts(folder: string): Promise<Partial<Record<TaskName, TaskFacts>>> {
  const text = await readFile(path.join(folder, 'methods.facts.json'), 'utf8').catch(() => '{}')
  return JSON.parse(text) as Partial<Record<TaskName, TaskFacts>>
}

async function writePage(folder: string, lines: Lines): Promise<void> {
  const { processor } = limits()
  const machine = `Machine: ${processor}, ${availableParallelism()} cores.`
  await replace(path.join(folder, 'methods.md'), page(lines.all, await readFacts(folder), machine))
}

async function replace(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

/** The arms of these names. */
export function armsNamed(names: readonly string[] | undefined): Arm[] | { unknown: string } {
  if (names === undefined) return [...arms]
  const unknown = names.find(name => armOf(name) === undefined)
  return unknown === undefined ? arms.filter(({ name }) => names.includes(name)) : { unknown }
}

export { arms }
