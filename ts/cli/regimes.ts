/**
 * `limbeck distill` where the configuration has a key `regime`: its own options are below its name, with the names that
 * they have in JavaScript; everything else is shared by its stages.
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
  type StepReport,
} from '../index.js'
import type { Sequence } from '../regimes/sequence.js'
import { below } from './config.js'
import { refuse } from './exit.js'
import { follow, type Work } from './follow.js'
import { brief, percent, table, type Output } from './output.js'
import { runParts, target, type Spec } from './parts.js'
import { score, tellFindings } from './summary.js'

/** What a regime of stages is to the command line. */
const ofStages = (run: Sequence<object, object>) => ({ run, isLast: (report: object) => 'outcome' in report, outcome: () => run.outcome })

/** A regime that was begun: its reports, and what is saved in the end. */
interface Begun {
  run: { next(): Promise<IteratorResult<object, void>>; return(): Promise<unknown>; checkpoint(): Promise<string> }
  isLast(report: object): boolean
  /** What it was, for `--json`. */
  outcome(): unknown
  title(report: StepReport): string
  /** The models to save: the one for `out`, and those beside it by what is put before the file's ending. */
  models(): { student: Model; beside: Record<string, Model> }
  /** Lines of the table in the end. */
  scores(): Score[]
  /** What else is to be known in the end. */
  notes?(): string[]
}

interface Score {
  name: string
  validation: Evaluation | undefined
  findings: readonly Finding[]
}

const scoreOf = (name: string, { validation, summary }: StageOutcome): Score => ({ name, validation, findings: summary.findings })

interface Regime {
  /** The models that the configuration names, which the run's parts then hold in this order. */
  specs(own: Plain, config: Plain): Spec[]
  begin(own: Plain, options: Plain, students: readonly Model[]): Begun
}

const specsOf = (place: string, specs: unknown): Spec[] => list(place, specs).map((spec, at) => ({ place: `${place}[${at}]`, spec }))

function noStudent({ student }: Plain, name: string, instead: string): void {
  if (student !== undefined) refuse('student', `expected none beside the regime ${name}: ${instead}`)
}

const regimes: Record<string, Regime> = {
  distillChain: {
    specs(own, config) {
      noStudent(config, 'distillChain', 'its students are in regime.distillChain.students')
      return specsOf('regime.distillChain.students', own.students)
    },
    begin(own, options, students) {
      const run = distillChain({ ...own, ...options, students } as unknown as Parameters<typeof distillChain>[0])
      return {
        ...ofStages(run),
        title: report => `hop ${(report as unknown as { hop: number }).hop + 1} of ${students.length}`,
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
      if (student === undefined) refuse('student', 'expected a model to make, or a file, got nothing')
      return [{ place: 'student', spec: student }, ...specsOf('regime.searchPaths.assistants', own.assistants)]
    },
    begin(own, options, [student, ...assistants]) {
      const run = searchPaths({ ...own, ...options, student, assistants } as unknown as Parameters<typeof searchPaths>[0])
      const nameOf = (path: readonly number[]) => (path.length === 0 ? 'no assistant' : path.map(at => `assistant ${at + 1}`).join(' → '))
      return {
        ...ofStages(run),
        title: report => nameOf((report as unknown as { path: number[] }).path),
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
      const run = bornAgain({ ...own, ...options } as unknown as Parameters<typeof bornAgain>[0])
      return {
        ...ofStages(run),
        title: report => `generation ${(report as unknown as { generation: number }).generation}`,
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
      if (student === undefined) refuse('student', 'expected a model to make, or a file, got nothing')
      return [{ place: 'student', spec: student }]
    },
    begin(own, options, [student]) {
      const run = distillWeights({ ...own, ...options, student } as unknown as Parameters<typeof distillWeights>[0])
      return {
        ...ofStages(run),
        title: report => `phase ${(report as unknown as { phase: number }).phase}`,
        models: () => ({ student: student!, beside: {} }),
        scores: () => run.outcome!.phases.map((phase, at) => scoreOf(at === 0 ? 'student made by the generator' : 'student', phase)),
        notes: () => {
          const { fromTeacher, trained } = run.outcome!.origin
          return [`${percent(fromTeacher)} of the student's numbers came from the teacher's, through ${brief(trained)} that were trained`]
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
      const run = distillMutually({ ...own, ...options, students } as unknown as Parameters<typeof distillMutually>[0])
      let last: MutualReport | undefined
      const isLast = (report: object) => (last = report as MutualReport).summary !== undefined
      return {
        run,
        isLast,
        outcome: () => run.summary,
        title: () => `${students.length} learners`,
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

/** Runs the regime of a configuration; gives the exit code. */
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
  const run = begun.run as unknown as Work['run']
  // Paths as they stand in the configuration.
  const place = (path: string) => (Object.hasOwn(own, /^\w*/.exec(path)![0]) ? `regime.${name}.${path}` : path)
  const next: Work['run']['next'] = async () => {
    try {
      return await run.next()
    } catch (error) {
      throw error instanceof LimbeckError ? elsewhere(error, place) : error
    }
  }
  const work: Work = {
    run: { next, return: () => run.return(), checkpoint: () => run.checkpoint() },
    title: begun.title,
    isLast: begun.isLast,
    plain: report => report,
    folder: below(options, 'checkpoint').folder !== undefined,
    end: () => save(begun, file, output),
  }
  return follow(work, output, name)
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
