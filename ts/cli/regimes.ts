/**
 * `limbeck distill` for a configuration with the key `regime`: the regime's own options are below its name and have the same
 * names as in JavaScript; all stages share the other options.
 *
 * ```json
 * { "teacher": "teacher.safetensors", "regime": { "bornAgain": { "generations": 3, "variant": "banL" } }, "out": "best.safetensors" }
 * ```
 */
import path from 'node:path'
import { list, plain, type Plain } from '../read.js'
import { elsewhere, LimbeckError } from '../errors.js'
import {
  bornAgain,
  distillChain,
  distillMutually,
  distillWeights,
  searchPaths,
  type Evaluation,
  type Finding,
  type Model,
  type MutualReport,
  type StageOutcome,
} from '../index.js'
import type { RegimeReport, Sequence } from '../regimes/sequence.js'
import type { AnyReport } from '../report.js'
import { below } from './config.js'
import { refuse } from './exit.js'
import { follow, type Work } from './follow.js'
import { brief, percent, table, type Output } from './output.js'
import { runParts, target, type Spec } from './parts.js'
import { score, tellFindings } from './summary.js'

/** Iterates the reports of a regime; returns the exit code. */
type Follower = <Report extends AnyReport>(work: Pick<Work<Report>, 'run' | 'title' | 'isLast'>) => Promise<number>

/** A regime that was begun: its reports, and its results at the end. */
interface Begun {
  /** Returns the exit code. */
  follow(follower: Follower): Promise<number>
  /** The outcome, for `--json`. */
  outcome(): unknown
  /** The models to save: `student` goes to `out`; the others go to files that have their key before the extension. */
  models(): { student: Model; beside: Record<string, Model> }
  /** The lines of the final table. */
  scores(): Score[]
  /** Further lines after the table. */
  notes?(): string[]
}

interface Score {
  name: string
  validation: Evaluation | undefined
  findings: readonly Finding[]
}

/** The reports and the outcome of a regime of stages. */
function ofStages<Label extends object, Outcome>(run: Sequence<Label, Outcome>, title: (label: Label) => string): Pick<Begun, 'follow' | 'outcome'> {
  const isLast = ({ outcome }: RegimeReport<Label, Outcome>) => outcome !== undefined
  return { follow: follower => follower<RegimeReport<Label, Outcome>>({ run, title, isLast }), outcome: () => run.outcome }
}

/** Casts options of a configuration: the regime's function checks all of them before its first step. */
const unchecked = <Options>(options: unknown) => options as Options

const scoreOf = (name: string, { validation, summary }: StageOutcome): Score => ({ name, validation, findings: summary.findings })

interface Regime {
  /** The models in the configuration; `begin` gets them in this order. */
  specs(own: Plain, config: Plain): Spec[]
  begin(own: Plain, options: Plain, students: readonly Model[]): Begun
}

const specsOf = (place: string, specs: unknown): Spec[] => list(place, specs).map((spec, at) => ({ place: `${place}[${at}]`, spec }))

function noStudent({ student }: Plain, name: string, instead: string): void {
  if (student !== undefined) refuse('student', `expected none with the regime ${name}: ${instead}`)
}

const regimes: Record<string, Regime> = {
  distillChain: {
    specs(own, config) {
      noStudent(config, 'distillChain', 'its students are in regime.distillChain.students')
      return specsOf('regime.distillChain.students', own.students)
    },
    begin(own, options, students) {
      const run = distillChain(unchecked({ ...own, ...options, students }))
      return {
        ...ofStages(run, ({ hop, hops }) => `hop ${hop + 1} of ${hops}`),
        models: () => ({
          student: students.at(-1)!,
          beside: Object.fromEntries(students.slice(0, -1).map((model, hop) => [`hop-${hop}`, model])),
        }),
        scores: () => run.outcome!.hops.map((hop, at) => scoreOf(at === students.length - 1 ? 'student' : `assistant ${at + 1}`, hop)),
      }
    },
  },
  searchPaths: {
    specs(own, { student }) {
      if (student === undefined) refuse('student', 'expected a model to create, or a file, got nothing')
      return [{ place: 'student', spec: student }, ...specsOf('regime.searchPaths.assistants', own.assistants)]
    },
    begin(own, options, [student, ...assistants]) {
      const run = searchPaths(unchecked({ ...own, ...options, student, assistants }))
      const nameOf = (path: readonly number[]) => (path.length === 0 ? 'no assistant' : path.map(at => `assistant ${at + 1}`).join(' → '))
      return {
        ...ofStages(run, ({ path }) => nameOf(path)),
        models: () => ({ student: student!, beside: {} }),
        scores: () =>
          run.outcome!.paths.map(({ assistants: path, validation }) => ({ name: nameOf(path), validation, findings: [] })),
      }
    },
  },
  bornAgain: {
    specs(_, config) {
      noStudent(config, 'bornAgain', 'every generation has the shape of the teacher')
      if (config.teacher === undefined) refuse('teacher', 'expected a model, whose shape every generation has, got nothing')
      return []
    },
    begin(own, options) {
      const run = bornAgain(unchecked({ ...own, ...options }))
      return {
        ...ofStages(run, ({ generation }) => `generation ${generation}`),
        models: () => ({
          student: run.student!,
          beside: Object.fromEntries(run.students.map((model, at) => [`generation-${at + 1}`, model])),
        }),
        scores: () => run.outcome!.generations.map((outcome, at) => scoreOf(`generation ${at + 1}`, outcome)),
      }
    },
  },
  distillWeights: {
    specs(_, { student, teacher }) {
      if (teacher === undefined) refuse('teacher', "expected a model, whose parameters make the student's, got nothing")
      if (student === undefined) refuse('student', 'expected a model to create, or a file, got nothing')
      return [{ place: 'student', spec: student }]
    },
    begin(own, options, [student]) {
      const run = distillWeights(unchecked({ ...own, ...options, student }))
      return {
        ...ofStages(run, ({ phase }) => `phase ${phase}`),
        models: () => ({ student: student!, beside: {} }),
        scores: () => run.outcome!.phases.map((phase, at) => scoreOf(at === 0 ? 'student made by the generator' : 'student', phase)),
        notes: () => {
          const { fromTeacher, trained } = run.outcome!.origin
          return [`${percent(fromTeacher)} of the student's numbers were made from the teacher's, by ${brief(trained)} trained numbers`]
        },
      }
    },
  },
  distillMutually: {
    specs(own, config) {
      noStudent(config, 'distillMutually', 'its learners are in regime.distillMutually.students')
      return specsOf('regime.distillMutually.students', own.students)
    },
    begin(own, options, students) {
      const run = distillMutually(unchecked({ ...own, ...options, students }))
      let last: MutualReport | undefined
      const isLast = (report: MutualReport) => (last = report).summary !== undefined
      return {
        follow: follower => follower({ run, title: () => `${students.length} learners`, isLast }),
        outcome: () => run.summary,
        models: () => ({
          student: students[0]!,
          beside: Object.fromEntries(students.slice(1).map((model, at) => [`student-${at + 1}`, model])),
        }),
        scores: () =>
          students.map((_, at) => ({
            name: `student ${at + 1}`,
            validation: last?.learners[at]?.validation,
            findings: at === 0 ? run.summary!.findings : [],
          })),
      }
    },
  },
}

/** Runs the regime of a configuration; returns the exit code. */
export async function learnInRegime(config: Plain, output: Output): Promise<number> {
  const { data: _, validation: __, teacher: guide, student: ___, out, regime, model: ____, ...options } = config
  const chosen = Object.entries(plain('regime', regime, Object.keys(regimes)))
  if (chosen.length !== 1) refuse('regime', `expected one of ${Object.keys(regimes).join(', ')}, got ${chosen.length}`)
  const [name, given] = chosen[0]!
  const own = plain(`regime.${name}`, given)
  const file = await target(out, guide)
  const { specs, begin } = regimes[name]!
  const { teacher, students, data, validation } = await runParts(config, specs(own, config))
  const begun = begin(own, { niceness: 0, ...options, ...(teacher && { teacher }), data, ...(validation && { validation }) }, students)
  // Translates paths into those of the configuration.
  const place = (path: string) => (Object.hasOwn(own, /^\w*/.exec(path)![0]) ? `regime.${name}.${path}` : path)
  const placed = async <T>(work: () => Promise<T>) => {
    try {
      return await work()
    } catch (error) {
      throw error instanceof LimbeckError ? elsewhere(error, place) : error
    }
  }
  const folder = below(options, 'checkpoint').folder !== undefined
  return begun.follow(({ run, title, isLast }) => {
    const placedRun = { next: () => placed(() => run.next()), return: () => run.return(), checkpoint: () => run.checkpoint() }
    return follow({ run: placedRun, title, isLast, plain: report => report, folder, end: () => save(begun, file, output) }, output, name)
  })
}

/** `best.safetensors` and `generation-1` make `best.generation-1.safetensors`. */
function beside(file: string, name: string): string {
  const { dir, name: stem, ext } = path.parse(file)
  return path.join(dir, `${stem}.${name}${ext}`)
}

async function save({ outcome, models, scores, notes }: Begun, out: string, output: Output): Promise<void> {
  const made = models()
  const files = Object.entries(made.beside).map(([name, model]) => ({ file: beside(out, name), model }))
  for (const { file, model } of [...files, { file: out, model: made.student }]) await model.save(file)
  output.data({ outcome: outcome(), out, beside: files.map(({ file }) => file) })
  const rows = scores()
  const known = rows.filter(({ validation }) => validation !== undefined)
  if (known.length > 0) output.line(table(known.map(({ name, validation }) => score(name, validation!))))
  tellFindings(rows.flatMap(({ findings }) => findings), output)
  for (const note of notes?.() ?? []) output.line(note)
  for (const { file } of files) output.line(`saved ${file}`)
  output.line(output.out.green(`saved ${out}`))
}
