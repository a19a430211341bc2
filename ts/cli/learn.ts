/** The common part of `limbeck train` and `limbeck distill`: trains the student of a configuration and saves it. */
import { below, readConfig, type ConfigFlags } from './config.js'
import { distill, train, type RunSummary, type StepReport } from '../index.js'
import { refuse } from './exit.js'
import { follow } from './follow.js'
import { brief, table, type Output } from './output.js'
import { runParts, target } from './parts.js'
import { learnInRegime } from './regimes.js'
import { score, tellFindings } from './summary.js'

export type Method = 'train' | 'distill'

/** Runs the command, or the regime of the configuration; returns the exit code. */
export async function learn(method: Method, flags: ConfigFlags, output: Output): Promise<number> {
  const config = await readConfig(flags)
  const { data: rows, validation: held, teacher: guide, student: spec, out, model, regime, ...options } = config
  if (model !== undefined) refuse('model', `expected no model: ${method} creates the student and saves it to out`)
  if (method === 'train' && regime !== undefined) refuse('regime', 'expected no regime for train: use limbeck distill')
  if (regime !== undefined) return learnInRegime(config, output)
  if (flags.config === undefined && spec === undefined && rows === undefined) {
    refuse('config', `expected a configuration, got none; pass --config FILE (limbeck ${method} --help shows an example)`)
  }
  if (spec === undefined) {
    refuse('student', 'expected a model to create, such as { "mlp": { "sizes": [784, 32, 10] } }, or a file, got nothing')
  }
  if (method === 'train' && guide !== undefined) refuse('teacher', 'expected no teacher for train: use limbeck distill')
  const file = await target(out, guide)
  const { teacher, students, data, validation } = await runParts(config, [{ place: 'student', spec }])
  const [student] = students
  // Nothing else runs in this process, so training needs no lower priority.
  const all = { niceness: 0, ...options, student, data, ...(validation && { validation }) } as unknown as Parameters<typeof train>[0]
  const run = method === 'train' ? train(all) : distill({ ...all, ...(teacher && { teacher }) })
  return follow(
    {
      run,
      title: () => method,
      isLast: ({ summary }) => summary !== undefined,
      plain: ({ summary: _, ...rest }) => rest,
      folder: below(options, 'checkpoint').folder !== undefined,
      async end(last) {
        await student!.save(file)
        if (run.summary !== undefined) tell(run.summary, last, file, output)
      },
    },
    output,
    method,
  )
}

const counted = (count: number, what: string) => `${brief(count)} ${what}${count === 1 ? '' : 's'}`

function tell(summary: RunSummary, last: StepReport | undefined, out: string, output: Output): void {
  const { validation, control } = last ?? {}
  output.data({ summary: { ...summary, ...(validation && { validation }), out } })
  const { ended, steps, epochs, seconds, best, keptStep, teacher, findings, finishedBefore } = summary
  const why = ended === 'earlyStop' ? ', stopped early' : ''
  const done = `${counted(steps, 'step')}${epochs === undefined ? '' : `, ${counted(epochs, 'epoch')}`}`
  if (finishedBefore) output.line(`the run had finished already: ${done}${why}; nothing was left to do`)
  else output.line(`${done} in ${seconds.toFixed(1)} s${why}`)
  const scores: string[][] = []
  if (teacher !== undefined) scores.push(score('teacher', teacher))
  if (control?.validation !== undefined) scores.push(score('student without teacher', control.validation))
  if (validation !== undefined) scores.push(score('student', validation))
  if (scores.length > 0) output.answer(table(scores))
  if (best !== undefined && keptStep !== steps) output.line(`kept step ${brief(keptStep)}: best ${best.metric} ${brief(best.value)}`)
  tellFindings(findings, output)
  output.answer(output.out.green(`saved ${out}`))
}
